//! One revision of an alert, and the tick that wrote it, as they stand in the log.
//!
//! Promises: the newest revision known by the moment asked for, or exactly the one named.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, local_text};

/// Digits of an id that may stand for it: as many as the demo prints.
const PREFIX_MIN: usize = 8;
/// Alerts that are listed where several are meant.
const LISTED_MAX: usize = 8;

/// One row of `alert_history`.
pub struct Facts {
    batch: RecordBatch,
    row: usize,
}

impl Facts {
    /// The revision of an alert that was the newest by `until`, or the one that is named. The alert is told by its id, or
    /// by the first digits of it that no other has.
    pub async fn read(log: &dyn Log, alert_id: &str, revision: Option<i64>, until: i64) -> Result<Self> {
        let mut found: Option<Self> = None;
        let mut alerts = BTreeSet::new();
        let is_meant = |id: &str| id == alert_id || (alert_id.len() >= PREFIX_MIN && id.starts_with(alert_id));
        for batch in log.read(Table::AlertHistory, i64::MIN, until).await? {
            let Some(ids) = batch.column_by_name("alert_id").and_then(|ids| ids.as_string_opt::<i32>()) else {
                continue;
            };
            for row in (0..batch.num_rows()).filter(|row| is_meant(ids.value(*row))) {
                alerts.insert(ids.value(row).to_owned());
                let this = Self { batch: batch.clone(), row };
                let newer = found.as_ref().is_none_or(|before| before.revision() < this.revision());
                if revision.map_or(newer, |wanted| wanted == this.revision()) {
                    found = Some(this);
                }
            }
        }
        if alerts.len() > 1 {
            let listed: Vec<String> = alerts.into_iter().take(LISTED_MAX).collect();
            return Err(Problem::new(codes::sql::ALERT_AMBIGUOUS, format!("alert {alert_id}"), listed.join(", ")));
        }
        found.ok_or_else(|| {
            let which = revision.map_or_else(String::new, |revision| format!(", revision {revision}"));
            Problem::new(codes::sql::ALERT_UNKNOWN, format!("alert {alert_id}{which}"), "no row of alert_history")
        })
    }

    pub fn revision(&self) -> i64 {
        self.number("revision").unwrap_or(0)
    }

    /// A text; empty where there is none.
    pub fn text(&self, column: &str) -> &str {
        let column = self.batch.column_by_name(column).and_then(|column| column.as_string_opt::<i32>());
        column.filter(|column| column.is_valid(self.row)).map_or("", |column| column.value(self.row))
    }

    pub fn number(&self, column: &str) -> Option<i64> {
        Some(self.batch.column_by_name(column)?.as_primitive_opt::<Int64Type>()?.value(self.row))
    }

    pub fn float(&self, column: &str) -> Option<f64> {
        let column = self.batch.column_by_name(column)?.as_primitive_opt::<Float64Type>()?;
        column.is_valid(self.row).then(|| column.value(self.row))
    }

    pub fn day(&self, column: &str) -> Day {
        let column = self.batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<Date32Type>());
        Day(column.map_or(0, |column| column.value(self.row)))
    }

    pub fn time(&self, column: &str) -> i64 {
        let column =
            self.batch.column_by_name(column).and_then(|column| column.as_primitive_opt::<TimestampMicrosecondType>());
        column.map_or(0, |column| column.value(self.row))
    }
}

/// What the `ticks` row says that a tick rested on, as name and value.
pub async fn versions(log: &dyn Log, tick: i64) -> Result<Vec<(&'static str, String)>> {
    let mut versions = vec![("tick", local_text(tick))];
    for batch in log.read(Table::Ticks, tick - 1, i64::MAX).await? {
        let times = |name: &str| batch.column_by_name(name)?.as_primitive_opt::<TimestampMicrosecondType>();
        let (Some(ticks), Some(reference)) = (times("tick"), times("reference_known_at")) else { continue };
        let Some(row) = (0..batch.num_rows()).find(|row| ticks.value(*row) == tick) else { continue };
        let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let version = batch.column_by_name("signals_version").and_then(|of| of.as_primitive_opt::<Int64Type>());
        versions.extend([
            ("signals_version", version.map_or_else(String::new, |version| version.value(row).to_string())),
            ("reference_known_at", local_text(reference.value(row))),
            ("rules_digest", text("rules_digest").map_or_else(String::new, |digest| digest.value(row).to_owned())),
        ]);
        break;
    }
    versions.push(("program", format!("{} {}", env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"))));
    Ok(versions)
}

#[cfg(test)]
mod tests {
    use crate::delta::commit::append_once;
    use crate::delta::log::Log;
    use crate::delta::memory_log::MemoryLog;
    use crate::delta::tables::Table;
    use crate::serve::testing::rows;
    use crate::{clock::ManualClock, serve::why_facts::Facts};

    #[tokio::test]
    async fn the_first_digits_are_enough_where_they_are_one_alerts() {
        let (log, clock) = (MemoryLog::default(), ManualClock::new(1));
        let ids = [
            "0123456789abcdef0123456789abcdef",
            "0123456789abcdef0123456789abcd00",
            "fedcba9876543210fedcba9876543210",
        ];
        for (tick, id) in (1..).zip(ids) {
            let row = format!(
                r#"{{"alert_id":"{id}","revision":1,"rule":"r","rule_kind":"threshold","pack":"p","severity":"blue",
                "state":"open","response":"none","mode":"test","signal":"s","unit_kind":"county","unit_id":"11",
                "area_code":"11","first_onset":"2021-01-18","onset":"2021-01-18","window_start":"2021-01-18",
                "window_end":"2021-01-18","observed":4,"threshold":3,"title_zh":"z","title_en":"e",
                "opened_at":"2021-01-19T12:01:00Z","verify_due":"2021-01-20T12:01:00Z","tick":"2021-01-19T12:01:00Z"}}"#
            );
            let row = rows(Table::AlertHistory, &row);
            append_once(&log, &clock, Table::AlertHistory, row, &[("tick", tick)], tick, None).await.unwrap();
        }
        let told = async |id: &str| match Facts::read(&log as &dyn Log, id, None, i64::MAX).await {
            Ok(facts) => facts.text("alert_id").to_owned(),
            Err(problem) => format!("{} {}", problem.code.id, problem.found),
        };
        assert_eq!(told("fedcba98").await, ids[2]);
        assert_eq!(told(ids[0]).await, ids[0]);
        assert_eq!(told("0123456789abcdef0123456789abcd0").await, ids[1]);
        assert_eq!(told("01234567").await, format!("QS-S010 {}, {}", ids[1], ids[0]));
        assert!(told("fedcba9").await.starts_with("QS-S006"));
    }
}
