//! p-values of one window adjusted for how many they are.
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
use crate::detectors::combine::{benjamini_hochberg, benjamini_yekutieli, holm};

pub const NAMES: [&str; 3] = ["benjamini_hochberg", "benjamini_yekutieli", "holm"];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    BenjaminiHochberg,
    BenjaminiYekutieli,
    Holm,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Adjusted {
    way: Way,
    signature: Signature,
}

pub fn register(context: &SessionContext) {
    for way in [Way::BenjaminiHochberg, Way::BenjaminiYekutieli, Way::Holm] {
        let signature = Signature::any(1, Volatility::Immutable);
        context.register_udwf(WindowUDF::from(Adjusted { way, signature }));
    }
}

impl WindowUDFImpl for Adjusted {
    fn name(&self) -> &str {
        let [hochberg, yekutieli, holm] = NAMES;
        match self.way {
            Way::BenjaminiHochberg => hochberg,
            Way::BenjaminiYekutieli => yekutieli,
            Way::Holm => holm,
        }
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
        let name = WindowUDFImpl::name(self);
        let p = values.first().ok_or_else(|| failed(name, "the p-values are missing"))?;
        let p = numbers(name, p)?;
        let adjusted = match self.way {
            Way::BenjaminiHochberg => benjamini_hochberg(&p),
            Way::BenjaminiYekutieli => benjamini_yekutieli(&p),
            Way::Holm => holm(&p),
        };
        Ok(Arc::new(known(adjusted.map_err(|words| failed(name, words))?)))
    }
}
