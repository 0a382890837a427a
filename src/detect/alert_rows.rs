//! Alerts as rows of `alert_history`, and back.
//!
//! Promises: a revision that is read back is the revision that was written.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use crate::alert::{Alert, AlertId, Mode, Reason, Response, RuleKind, Series, State};
use crate::delta::tables::{Table, UTC};
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, KnownAt, Severity, Tick};

/// Rows in the unstamped schema, in the order given.
pub fn rows_of(alerts: &[Alert]) -> Result<RecordBatch> {
    let schema = Table::AlertHistory.schema_unstamped();
    let columns: Vec<ArrayRef> = schema.fields().iter().map(|field| column(field.name(), alerts)).collect();
    RecordBatch::try_new(schema, columns)
        .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table alert_history", error.to_string()))
}

fn column(name: &str, alerts: &[Alert]) -> ArrayRef {
    let text = |of: &dyn Fn(&Alert) -> Option<String>| -> ArrayRef {
        Arc::new(alerts.iter().map(of).collect::<StringArray>())
    };
    let day =
        |of: fn(&Alert) -> Day| -> ArrayRef { Arc::new(Date32Array::from_iter_values(alerts.iter().map(|a| of(a).0))) };
    let float =
        |of: fn(&Alert) -> Option<f64>| -> ArrayRef { Arc::new(alerts.iter().map(of).collect::<Float64Array>()) };
    let time = |of: fn(&Alert) -> Tick| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(alerts.iter().map(|a| of(a).0)).with_timezone(UTC))
    };
    match name {
        "alert_id" => text(&|alert| Some(alert.id.to_string())),
        "revision" => Arc::new(Int64Array::from_iter_values(alerts.iter().map(|alert| alert.revision))),
        "rule" => text(&|alert| Some(alert.rule.clone())),
        "rule_kind" => text(&|alert| Some(alert.rule_kind.word().to_owned())),
        "pack" => text(&|alert| Some(alert.pack.clone())),
        "severity" => text(&|alert| Some(alert.severity.word().to_owned())),
        "state" => text(&|alert| Some(alert.state.word().to_owned())),
        "response" => text(&|alert| Some(alert.response.word().to_owned())),
        "reason" => text(&|alert| alert.reason.as_ref().map(ToString::to_string)),
        "mode" => text(&|alert| Some(alert.mode.word().to_owned())),
        "signal" => text(&|alert| Some(alert.series.signal.clone())),
        "syndrome" => text(&|alert| alert.syndrome.clone()),
        "unit_kind" => text(&|alert| Some(alert.series.unit_kind.clone())),
        "unit_id" => text(&|alert| Some(alert.series.unit_id.clone())),
        "facility_id" => text(&|alert| alert.facility_id.clone()),
        "area_code" => text(&|alert| Some(alert.series.area_code.clone())),
        "first_onset" => day(|alert| alert.first_onset),
        "onset" => day(|alert| alert.onset),
        "window_start" => day(|alert| alert.window_start),
        "window_end" => day(|alert| alert.window_end),
        "observed" => float(|alert| Some(alert.observed)),
        "expected" => float(|alert| alert.expected),
        "threshold" => float(|alert| Some(alert.threshold)),
        "statistic" => float(|alert| alert.statistic),
        "channels" => text(&|alert| alert.channels.clone()),
        "title_zh" => text(&|alert| Some(alert.title_zh.clone())),
        "title_en" => text(&|alert| Some(alert.title_en.clone())),
        "opened_at" => time(|alert| alert.opened_at),
        "verify_due" => time(|alert| alert.verify_due),
        _ => time(|alert| alert.tick),
    }
}

/// Reads revisions back, in the order of the batch.
pub fn alerts_of(batch: &RecordBatch) -> Result<Vec<Alert>> {
    let read = Reader { batch };
    (0..batch.num_rows()).map(|row| read.alert(row)).collect()
}

struct Reader<'a> {
    batch: &'a RecordBatch,
}

impl Reader<'_> {
    fn alert(&self, row: usize) -> Result<Alert> {
        Ok(Alert {
            id: self.word("alert_id", row, AlertId::parse)?,
            revision: self.column::<Int64Array>("revision")?.value(row),
            rule: self.text("rule", row)?,
            rule_kind: self.word("rule_kind", row, RuleKind::parse)?,
            pack: self.text("pack", row)?,
            severity: self.word("severity", row, Severity::parse)?,
            state: self.word("state", row, State::parse)?,
            response: self.word("response", row, Response::parse)?,
            reason: match self.find("reason", row)? {
                Some(_) => Some(self.word("reason", row, Reason::parse)?),
                None => None,
            },
            mode: self.word("mode", row, Mode::parse)?,
            series: Series {
                unit_kind: self.text("unit_kind", row)?,
                unit_id: self.text("unit_id", row)?,
                area_code: self.text("area_code", row)?,
                signal: self.text("signal", row)?,
            },
            syndrome: self.find("syndrome", row)?,
            facility_id: self.find("facility_id", row)?,
            first_onset: self.day("first_onset", row)?,
            onset: self.day("onset", row)?,
            window_start: self.day("window_start", row)?,
            window_end: self.day("window_end", row)?,
            observed: self.column::<Float64Array>("observed")?.value(row),
            expected: self.float("expected", row)?,
            threshold: self.column::<Float64Array>("threshold")?.value(row),
            statistic: self.float("statistic", row)?,
            channels: self.find("channels", row)?,
            title_zh: self.text("title_zh", row)?,
            title_en: self.text("title_en", row)?,
            opened_at: Tick(self.time("opened_at", row)?),
            verify_due: Tick(self.time("verify_due", row)?),
            tick: Tick(self.time("tick", row)?),
            known_at: Some(KnownAt(self.time("known_at", row)?)),
        })
    }

    fn column<T: 'static>(&self, name: &str) -> Result<&T> {
        self.batch.column_by_name(name).and_then(|column| column.as_any().downcast_ref()).ok_or_else(|| unread(name))
    }

    fn find(&self, name: &str, row: usize) -> Result<Option<String>> {
        let column = self.column::<StringArray>(name)?;
        Ok(column.is_valid(row).then(|| column.value(row).to_owned()))
    }

    fn text(&self, name: &str, row: usize) -> Result<String> {
        self.find(name, row)?.ok_or_else(|| unread(name))
    }

    fn word<T>(&self, name: &str, row: usize, parse: impl Fn(&str) -> Option<T>) -> Result<T> {
        parse(&self.text(name, row)?).ok_or_else(|| unread(name))
    }

    fn day(&self, name: &str, row: usize) -> Result<Day> {
        Ok(Day(self.column::<Date32Array>(name)?.value(row)))
    }

    fn float(&self, name: &str, row: usize) -> Result<Option<f64>> {
        let column = self.column::<Float64Array>(name)?;
        Ok(column.is_valid(row).then(|| column.value(row)))
    }

    fn time(&self, name: &str, row: usize) -> Result<i64> {
        Ok(self.column::<TimestampMicrosecondArray>(name)?.value(row))
    }
}

fn unread(column: &str) -> Box<Problem> {
    Problem::new(codes::log::FILE_NOT_DECODED, "table alert_history", format!("column {column}"))
}
