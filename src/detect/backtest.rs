//! The recorded ticks over the log as it stands today: what would have been written, and was.
//!
//! Promises: reads rows and texts by `known_at` alone, so what came later tells nothing; the revisions are those of
//! `alert_history`, to the bit, but for the moment of their commit.
//! Never: writes.

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;

use super::evaluate::Predicates;
use super::judge::Judge;
use crate::alert::{Alert, Mode};
use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::problem::Result;

/// Every revision that the recorded ticks give, in the order in which they were written.
pub async fn backtest(log: &dyn Log, pack_id: &str, mode: Mode) -> Result<Vec<Alert>> {
    backtest_by(log, pack_id, mode, None).await
}

/// The same, its rules run by `predicates` where there are some.
pub async fn backtest_by(
    log: &dyn Log,
    pack_id: &str,
    mode: Mode,
    predicates: Option<Predicates>,
) -> Result<Vec<Alert>> {
    backtest_at(log, pack_id, mode, &recorded_ticks(log).await?, predicates).await
}

/// Every revision that these ticks give, in order.
pub async fn backtest_at(
    log: &dyn Log,
    pack_id: &str,
    mode: Mode,
    ticks: &[i64],
    predicates: Option<Predicates>,
) -> Result<Vec<Alert>> {
    let mut judge = Judge::open(log, pack_id, mode, 0, "").await?.by(predicates);
    let mut revisions = Vec::new();
    for tick in ticks.iter().copied() {
        for change in judge.judge(log, tick).await?.changes {
            judge.remember(change.clone());
            revisions.push(change);
        }
    }
    Ok(revisions)
}

/// The ticks of the log, in order.
pub async fn recorded_ticks(log: &dyn Log) -> Result<Vec<i64>> {
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name("tick");
        let ticks = column.and_then(|ticks| ticks.as_primitive_opt::<TimestampMicrosecondType>());
        ticks.map(|ticks| ticks.values().to_vec()).unwrap_or_default()
    };
    let mut ticks: Vec<i64> = log.read(Table::Ticks, i64::MIN, i64::MAX).await?.iter().flat_map(of).collect();
    ticks.sort_unstable();
    Ok(ticks)
}
