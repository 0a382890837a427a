//! `signal_history`: every row of every accepted message, with what it is worth today.
//!
//! Promises: a row is current, superseded or retracted by the same order that decides what counts; a kind that does not
//! count is flagged, never hidden.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::catalog::TableProvider;
use datafusion::common::Result as Answer;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::{ColumnarValue, ScalarUDF, Volatility, create_udf};

use crate::cells::meanings::Meanings;
use crate::delta::registers::Registers;
use crate::delta::tables::{STAMP, Table};
use crate::engine;
use crate::problem::Result;

const SQL: &str = include_str!("sql/signal_history.sql");
/// Rebuilt with what is derived.
const QUALITY: &str = "quality";

/// A view over the table `stored_signals` of the session.
pub async fn view(
    context: &SessionContext,
    registers: &Arc<Registers>,
    meanings: &Arc<Meanings>,
) -> Result<Arc<dyn TableProvider>> {
    context.register_udf(authority_of(registers.clone(), meanings.clone()));
    let names = Table::Signals.columns().iter().chain(STAMP).map(|column| column.name);
    let quoted: Vec<String> = names.filter(|name| *name != QUALITY).map(|name| format!("\"{name}\"")).collect();
    let view = engine::plan(context, "signal_history", &SQL.replace("{columns}", &quoted.join(", "))).await?;
    // The view holds it; nobody else needs it.
    context.deregister_udf("authority_of");
    Ok(view.into_view())
}

/// The kind whose rows of a signal count for a facility.
fn authority_of(registers: Arc<Registers>, meanings: Arc<Meanings>) -> ScalarUDF {
    let function = move |arguments: &[ColumnarValue]| -> Answer<ColumnarValue> {
        let arrays = ColumnarValue::values_to_arrays(arguments)?;
        let texts: Vec<ArrayRef> =
            arrays.iter().map(|array| cast(array, &DataType::Utf8)).collect::<std::result::Result<_, _>>()?;
        let [feeds, signals, facilities] = [0, 1, 2].map(|at| texts[at].as_string::<i32>());
        let kinds: StringArray = (feeds.iter().zip(signals).zip(facilities))
            .map(|((feed, signal), facility)| {
                let stated = facility.and_then(|facility| registers.stated_kind(facility, feed?));
                meanings.authority(feed?, signal?, stated)
            })
            .collect();
        Ok(ColumnarValue::Array(Arc::new(kinds)))
    };
    create_udf("authority_of", vec![DataType::Utf8; 3], DataType::Utf8, Volatility::Stable, Arc::new(function))
}
