//! Aggregates that need all their rows at once: combined p-values, the space-time scan, the nowcast.
//!
//! Promises: the answer does not depend on how rows come in batches.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StructArray};
use arrow::compute::concat;
use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use datafusion::common::utils::SingleRowListArrayBuilder;
use datafusion::common::{Result, ScalarValue};
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{Accumulator, AggregateUDF, AggregateUDFImpl, Signature, Volatility};

use super::{Pairs, failed, nowcast, numbers, scan};
use crate::detectors::combine::{Combined, Correlation, fisher, stouffer};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    Fisher,
    Stouffer,
    SpaceTimeScan,
    Nowcast,
}

impl What {
    const fn name(self) -> &'static str {
        match self {
            Self::Fisher => "fisher",
            Self::Stouffer => "stouffer",
            Self::SpaceTimeScan => "space_time_scan",
            Self::Nowcast => "nowcast",
        }
    }

    /// Columns before the parameters.
    const fn columns(self) -> usize {
        match self {
            Self::Fisher | Self::Stouffer => 1,
            Self::SpaceTimeScan => scan::COLUMNS,
            Self::Nowcast => nowcast::COLUMNS,
        }
    }

    fn answer(self) -> DataType {
        match self {
            Self::Fisher | Self::Stouffer => DataType::Struct(combined_fields()),
            Self::SpaceTimeScan => scan::answer(),
            Self::Nowcast => nowcast::answer(),
        }
    }

    fn run(self, columns: &[ArrayRef], kept: &scan::Kept) -> Result<ScalarValue> {
        let (columns, pairs) = columns.split_at(self.columns().min(columns.len()));
        let pairs = Pairs::of(self.name(), pairs)?;
        match self {
            Self::Fisher | Self::Stouffer => self.combined(columns, pairs),
            Self::SpaceTimeScan => scan::run(self.name(), columns, pairs, kept),
            Self::Nowcast => nowcast::run(self.name(), columns, pairs),
        }
    }

    fn combined(self, columns: &[ArrayRef], mut pairs: Pairs<'_>) -> Result<ScalarValue> {
        let p = columns.first().map_or(Ok(Vec::new()), |column| numbers(self.name(), column))?;
        let combined = if self == Self::Fisher {
            fisher(&p)
        } else {
            let weights = pairs.column("weight").map_or(Ok(Vec::new()), |column| numbers(self.name(), &column))?;
            let correlation = pairs.column("correlation").filter(|column| !column.is_empty());
            let correlation = correlation.map(|column| numbers(self.name(), &column)).transpose()?;
            let correlation = correlation.map_or(Correlation::Independent, |values| Correlation::Common(values[0]));
            stouffer(&p, &weights, correlation)
        };
        if let Some((name, _)) = pairs.pairs.first() {
            return Err(failed(
                self.name(),
                format!("there is no parameter {name}; stouffer knows weight, correlation"),
            ));
        }
        let Combined { statistic, n, p } = combined.map_err(|words| failed(self.name(), words))?;
        let some = |value: f64| Arc::new(super::known([value])) as ArrayRef;
        let columns = vec![some(statistic), Arc::new(arrow::array::Int64Array::from(vec![n as i64])), some(p)];
        Ok(ScalarValue::Struct(Arc::new(StructArray::try_new(combined_fields(), columns, None)?)))
    }
}

fn combined_fields() -> Fields {
    Fields::from(vec![
        Field::new("statistic", DataType::Float64, true),
        Field::new("n", DataType::Int64, true),
        Field::new("p", DataType::Float64, true),
    ])
}

pub fn register(context: &SessionContext) {
    for what in [What::Fisher, What::Stouffer, What::SpaceTimeScan, What::Nowcast] {
        let signature = Signature::variadic_any(Volatility::Immutable);
        context.register_udaf(AggregateUDF::from(Gathered { what, signature, kept: Arc::default() }));
    }
}

#[derive(Debug)]
struct Gathered {
    what: What,
    signature: Signature,
    kept: Arc<scan::Kept>,
}

/// What is kept changes no answer.
impl PartialEq for Gathered {
    fn eq(&self, other: &Self) -> bool {
        (self.what, &self.signature) == (other.what, &other.signature)
    }
}

impl Eq for Gathered {}

impl Hash for Gathered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.what, &self.signature).hash(state);
    }
}

impl AggregateUDFImpl for Gathered {
    fn name(&self) -> &str {
        self.what.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        let columns = self.what.columns();
        if arguments.len() < columns || !(arguments.len() - columns).is_multiple_of(2) {
            let found = arguments.len();
            return Err(failed(
                self.name(),
                format!("{found} arguments: {columns}, and 'name', value for each parameter"),
            ));
        }
        Ok(self.what.answer())
    }

    fn accumulator(&self, arguments: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        let kinds = arguments.expr_fields.iter().map(|field| field.data_type().clone()).collect();
        Ok(Box::new(Rows { what: self.what, kinds, batches: Vec::new(), kept: self.kept.clone() }))
    }

    fn state_fields(&self, arguments: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        let list = |(at, field): (usize, &FieldRef)| {
            let items = Field::new_list_field(field.data_type().clone(), true);
            Arc::new(Field::new(format!("{}[{at}]", arguments.name), DataType::List(items.into()), true))
        };
        Ok(arguments.input_fields.iter().enumerate().map(list).collect())
    }
}

/// Every row so far.
#[derive(Debug)]
struct Rows {
    what: What,
    kinds: Vec<DataType>,
    batches: Vec<Vec<ArrayRef>>,
    kept: Arc<scan::Kept>,
}

impl Rows {
    fn columns(&self) -> Result<Vec<ArrayRef>> {
        let column = |(at, kind): (usize, &DataType)| {
            let parts: Vec<&dyn Array> = self.batches.iter().map(|batch| batch[at].as_ref()).collect();
            Ok(if parts.is_empty() { arrow::array::new_empty_array(kind) } else { concat(&parts)? })
        };
        self.kinds.iter().enumerate().map(column).collect()
    }
}

impl Accumulator for Rows {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        if values.first().is_some_and(|column| !column.is_empty()) {
            self.batches.push(values.to_vec());
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        match self.batches.is_empty() {
            true => ScalarValue::try_from(&self.what.answer()),
            false => self.what.run(&self.columns()?, &self.kept),
        }
    }

    fn size(&self) -> usize {
        let arrays = self.batches.iter().flatten().map(|array| array.get_array_memory_size());
        size_of_val(self) + arrays.sum::<usize>()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(self
            .columns()?
            .into_iter()
            .map(|column| SingleRowListArrayBuilder::new(column).build_list_scalar())
            .collect())
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for row in 0..states.first().map_or(0, |state| state.len()) {
            let columns: Vec<ArrayRef> = states.iter().map(|state| state.as_list::<i32>().value(row)).collect();
            self.update_batch(&columns)?;
        }
        Ok(())
    }
}
