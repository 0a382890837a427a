//! One revision of an alert, and the tick that wrote it, as they stand in the log.
//!
//! Promises: the newest revision known by the moment asked for, or exactly the one named.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type, TimestampMicrosecondType};

use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, local_text};

/// One row of `alert_history`.
pub struct Facts {
    batch: RecordBatch,
    row: usize,
}

impl Facts {
    /// The revision of an alert that was the newest by `until`, or the one that is named.
    pub async fn read(log: &dyn Log, alert_id: &str, revision: Option<i64>, until: i64) -> Result<Self> {
        let mut found: Option<Self> = None;
        for batch in log.read(Table::AlertHistory, i64::MIN, until).await? {
            let Some(ids) = batch.column_by_name("alert_id").and_then(|ids| ids.as_string_opt::<i32>()) else {
                continue;
            };
            for row in (0..batch.num_rows()).filter(|row| ids.value(*row) == alert_id) {
                let this = Self { batch: batch.clone(), row };
                let newer = found.as_ref().is_none_or(|before| before.revision() < this.revision());
                if revision.map_or(newer, |wanted| wanted == this.revision()) {
                    found = Some(this);
                }
            }
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
