//! p-values of one window adjusted for how many they are: the methods of that name, as a number a row.
//!
//! Promises: null for null; an alarm that an adjusted value decides is decided over every series of the window.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::Result;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::function::{PartitionEvaluatorArgs, WindowUDFFieldArgs};
use datafusion::logical_expr::{PartitionEvaluator, Signature, Volatility, WindowUDF, WindowUDFImpl};

use super::{failed, known, numbers};
use crate::detectors::command::detect;
use crate::detectors::command::series::{Column, Series};

pub const NAMES: [&str; 3] = ["benjamini_hochberg", "benjamini_yekutieli", "holm"];

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Adjusted {
    name: &'static str,
    signature: Signature,
}

pub fn register(context: &SessionContext) {
    for name in NAMES {
        context.register_udwf(WindowUDF::from(Adjusted { name, signature: Signature::any(1, Volatility::Immutable) }));
    }
}

impl WindowUDFImpl for Adjusted {
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
        Ok(Field::new(arguments.name(), DataType::Float64, true).into())
    }
}

impl PartitionEvaluator for Adjusted {
    fn evaluate_all(&mut self, values: &[ArrayRef], _: usize) -> Result<ArrayRef> {
        let p = values.first().ok_or_else(|| failed(self.name, "the p-values are missing"))?;
        let series = Series { observed: numbers(self.name, p)?, ..Series::default() };
        let answer = detect::<&str>(self.name, &[], &series).map_err(|words| failed(self.name, words))?;
        let adjusted = answer.columns.into_iter().find_map(|(_, column)| match column {
            Column::Numbers(values) => Some(values),
            Column::Words(_) => None,
        });
        Ok(Arc::new(known(adjusted.unwrap_or_default())))
    }
}
