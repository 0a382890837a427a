//! A session as a rule sees it: counted tables, registers, code lists, parameters, the tick.
//!
//! Promises: a rule at a tick, a rule that is run again to explain an alert, and `findings` for people read the same tables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::context::SessionContext;

use super::moment::Moment;
use super::tables::{Counted, Stage, View};
use crate::engine;
use crate::engine::functions::Now;
use crate::problem::Result;

/// The tables of `moment`, the counted ones as they stand on `stage` when a plan runs.
pub fn rule_session(
    moment: &Moment,
    parameters: &BTreeMap<String, f64>,
    now: impl Into<Now>,
    stage: &Arc<Stage>,
) -> Result<SessionContext> {
    let context = engine::session(&moment.registers, parameters, now);
    for (name, view) in
        [("cells", View::Cells), ("signals", View::CurrentSignals), ("expected_reports", View::ExpectedReports)]
    {
        context
            .register_table(name, Counted::on(stage.clone(), view))
            .map_err(|error| engine::not_run(name, &error))?;
    }
    for (name, rows) in engine::reference_tables(&moment.edition)? {
        // The calendar of expected reports is shown as what it makes of each day.
        if name != "expected_reports" {
            engine::register(&context, &name, rows.schema(), vec![rows])?;
        }
    }
    let names = moment.meanings.table()?;
    engine::register(&context, "signal_names", names.schema(), vec![names])?;
    Ok(context)
}

/// Columns of `findings`: what rules returned, with the rule's id first.
pub fn findings_schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, true);
    let day = |name: &str| Field::new(name, DataType::Date32, true);
    let number = |name: &str| Field::new(name, DataType::Float64, true);
    Arc::new(Schema::new(vec![
        text("rule"),
        text("unit_kind"),
        text("unit_id"),
        text("area_code"),
        text("facility_id"),
        text("signal"),
        text("syndrome"),
        day("window_start"),
        day("window_end"),
        number("observed"),
        number("expected"),
        number("threshold"),
        number("statistic"),
        text("channels"),
    ]))
}
