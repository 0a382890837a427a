//! Every method of docs/detectors.md as a window function over one series.
//!
//! Promises: `METHOD(observed, 'name', value, …) OVER (PARTITION BY series ORDER BY date)` answers a struct a row: the
//! method's columns and `alarm`. With `'date', date` a day between two rows that has none is missing; without it the rows
//! are the series. The window's frame says nothing: a method looks as far back as its parameters tell.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, AsArray, BooleanArray, StringArray, StructArray};
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Fields};
use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

use super::{Pairs, days, failed, known, numbers, over_series};
use crate::detectors::command::series::{Answer, Column, Series};
use crate::detectors::command::{columns_of, detect};

/// Days of a series with its gaps: as long as a person's memory, at one row a day.
const LENGTH_MAX: i64 = 100_000;

/// The struct that each method answers.
static ANSWERS: LazyLock<BTreeMap<&'static str, Fields>> = LazyLock::new(|| {
    let fields = |name| {
        let columns = columns_of(name).into_iter().map(|(column, is_text)| {
            Field::new(column, if is_text { DataType::Utf8 } else { DataType::Float64 }, true)
        });
        columns.chain([Field::new("alarm", DataType::Boolean, true)]).collect()
    };
    over_series().map(|(name, _)| (name, fields(name))).collect()
});

pub fn register(context: &SessionContext) {
    for (name, _) in over_series() {
        context
            .register_udwf(WindowUDF::from(Method { name, signature: Signature::variadic_any(Volatility::Immutable) }));
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Method {
    name: &'static str,
    signature: Signature,
}

impl Method {
    fn fields(&self) -> Fields {
        ANSWERS.get(self.name).cloned().unwrap_or_default()
    }
}

impl WindowUDFImpl for Method {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn partition_evaluator(&self, _: PartitionEvaluatorArgs<'_>) -> Result<Box<dyn PartitionEvaluator>> {
        Ok(Box::new(self.clone()))
    }

    fn field(&self, arguments: WindowUDFFieldArgs<'_>) -> Result<FieldRef> {
        if arguments.input_fields().len().is_multiple_of(2) {
            return Err(failed(self.name, "a parameter is 'name', value"));
        }
        Ok(Field::new(arguments.name(), DataType::Struct(self.fields()), true).into())
    }
}

impl PartitionEvaluator for Method {
    fn evaluate_all(&mut self, values: &[ArrayRef], num_rows: usize) -> Result<ArrayRef> {
        let Some((observed, pairs)) = values.split_first() else {
            return Err(failed(self.name, "the observed counts are missing"));
        };
        let mut pairs = Pairs::of(self.name, pairs)?;
        let mut series = Series { observed: numbers(self.name, observed)?, ..Series::default() };
        series.population = pairs.column("population").map(|column| numbers(self.name, &column)).transpose()?;
        let places = match pairs.column("date") {
            Some(dates) => spread(self.name, &mut series, &dates)?,
            None => (0..num_rows).collect(),
        };
        let answer = detect(self.name, &pairs.words()?, &series).map_err(|words| failed(self.name, words))?;
        let columns = self.fields().iter().map(|field| column(&answer, field, &places)).collect();
        Ok(Arc::new(StructArray::try_new(self.fields(), columns, None)?))
    }
}

/// Gives the series its dates, and a missing value where a date between two has no row; answers the place of each row.
fn spread(function: &str, series: &mut Series, dates: &ArrayRef) -> Result<Vec<usize>> {
    let days: Option<Vec<i32>> = days(function, dates)?.as_primitive::<Date32Type>().iter().collect();
    let days = days.ok_or_else(|| failed(function, "a date is null"))?;
    let gaps: Vec<i64> = days.windows(2).map(|pair| i64::from(pair[1]) - i64::from(pair[0])).collect();
    if gaps.iter().any(|gap| *gap <= 0) {
        return Err(failed(function, "dates do not rise: ORDER BY the date within OVER, one row a date"));
    }
    let step = gaps.iter().copied().min().unwrap_or(1);
    let length: i64 = gaps.iter().sum::<i64>() / step + 1;
    // Months are not all as long: their rows are the series.
    if gaps.iter().any(|gap| gap % step != 0) || gaps.len() as i64 + 1 == length {
        let places = (0..days.len()).collect();
        series.dates = Some(days);
        return Ok(places);
    }
    if length > LENGTH_MAX {
        return Err(failed(function, format!("{length} dates from the first to the last: at most {LENGTH_MAX}")));
    }
    let (first, length) = (days.first().copied().unwrap_or_default(), length as usize);
    let places: Vec<usize> = days.iter().map(|day| ((i64::from(*day) - i64::from(first)) / step) as usize).collect();
    let mut observed = vec![f64::NAN; length];
    places.iter().zip(&series.observed).for_each(|(place, value)| observed[*place] = *value);
    series.observed = observed;
    series.dates = Some((0..length).map(|place| first + (place as i64 * step) as i32).collect());
    // People are counted seldom: until the next count there are as many.
    series.population = series.population.take().map(|counted| {
        let mut row = 0;
        let at = |place: usize| {
            row += usize::from(places.get(row + 1).is_some_and(|next| *next <= place));
            counted[row]
        };
        (0..length).map(at).collect()
    });
    Ok(places)
}

/// One column of an answer at the places of the rows.
fn column(answer: &Answer, field: &Field, places: &[usize]) -> ArrayRef {
    // Places count from 0, and t from 1.
    let rows = places.iter().map(|place| (place + 1).checked_sub(answer.first));
    let found = answer.columns.iter().find(|(name, _)| name == field.name()).map(|(_, column)| column);
    match (field.data_type(), found) {
        (DataType::Boolean, _) => {
            Arc::new(rows.map(|row| answer.alarm.get(row?).copied().flatten()).collect::<BooleanArray>())
        }
        (_, Some(Column::Words(words))) => {
            let word = |row: Option<usize>| words.get(row?).copied().filter(|word| !word.is_empty());
            Arc::new(rows.map(word).collect::<StringArray>())
        }
        (_, Some(Column::Numbers(values))) => {
            let value = |row: Option<usize>| row.and_then(|row| values.get(row)).copied().unwrap_or(f64::NAN);
            Arc::new(known(rows.map(value)))
        }
        (kind, None) => arrow::array::new_null_array(kind, places.len()),
    }
}
