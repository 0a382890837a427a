//! What a scenario's SQL reads: what a tick sees, and the stored tables beside it.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Date32Type;
use datafusion::execution::context::SessionContext;
use qianshao::cells::moment::Moment;
use qianshao::cells::session::rule_session;
use qianshao::cells::tables::{Counted, Shown, Stage, View};
use qianshao::delta::log::Log;
use qianshao::delta::tables::Table;
use qianshao::detect::tick::pack_of;
use qianshao::engine;
use qianshao::problem::Result;
use qianshao::serve::history;
use qianshao::terms::Day;

/// Newest revision of each alert.
const ALERTS: &str = "SELECT * EXCLUDE (place) FROM (
  SELECT *, row_number() OVER (PARTITION BY alert_id ORDER BY revision DESC) AS place FROM alert_history
) WHERE place = 1";

/// A session over what was known by `until`; `tick` is what `now()` answers.
///
/// `signals` are the rows that stand and count, as rules see them; `signal_history` is every row.
pub async fn session(log: &Arc<dyn Log>, pack: &str, until: i64, tick: i64) -> Result<SessionContext> {
    let moment = Arc::new(Moment::as_of(&**log, until).await?);
    let pack = pack_of(&moment.edition, pack)?;
    let history_days = pack.rules.iter().map(|rule| rule.history_days).max().unwrap_or(0);
    let judged = Shown::to_rules(moment.clone(), pack.alert_horizon_days, history_days, tick);
    let context = rule_session(&moment, &pack.values(), tick, &Stage::set(judged))?;
    let signals = log.read(Table::Signals, i64::MIN, until).await?;
    let today = Day::of_micros(tick);
    let first = signals.iter().filter_map(first_day).min().unwrap_or(today).min(today.plus(-60));
    let (registers, meanings) = (moment.registers.clone(), moment.meanings.clone());
    let shown = Shown::new(moment, first, today, tick);
    for (name, view) in [("cells", View::Cells), ("signals", View::CurrentSignals)] {
        let _ = context.deregister_table(name);
        context
            .register_table(name, Counted::new(shown.clone(), view))
            .map_err(|error| engine::not_run(name, &error))?;
    }
    engine::register(&context, "stored_signals", Table::Signals.schema(), signals)?;
    let history = history::view(&context, &registers, &meanings).await?;
    context.register_table("signal_history", history).map_err(|error| engine::not_run("signal_history", &error))?;
    for table in [Table::Quarantine, Table::AlertHistory, Table::Ticks] {
        let rows = log.read(table, i64::MIN, until).await?;
        engine::register(&context, table.name(), table.schema(), rows)?;
    }
    let frame = engine::plan(&context, "alerts", ALERTS).await?;
    context.register_table("alerts", frame.into_view()).map_err(|error| engine::not_run("alerts", &error))?;
    Ok(context)
}

fn first_day(batch: &RecordBatch) -> Option<Day> {
    let days = batch.column_by_name("event_date")?.as_primitive_opt::<Date32Type>()?;
    (0..days.len()).map(|row| Day(days.value(row))).min()
}
