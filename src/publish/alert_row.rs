//! A row of `alert_history`, as publishing reads it.
//!
//! Promises: every column of the table, by name; a null where there must be a value is a problem.

use arrow::array::RecordBatch;

use crate::problem::Result;
use crate::publish::columns::Columns;
use crate::terms::Day;

/// A row of `alert_history`. Times are microseconds UTC.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertRow {
    pub alert_id: String,
    pub revision: i64,
    pub rule: String,
    pub rule_kind: String,
    pub pack: String,
    pub severity: String,
    pub state: String,
    pub response: String,
    pub reason: Option<String>,
    pub mode: String,
    pub signal: String,
    pub syndrome: Option<String>,
    pub unit_kind: String,
    pub unit_id: String,
    pub facility_id: Option<String>,
    /// County.
    pub area_code: String,
    pub onset: Day,
    pub window_start: Day,
    pub window_end: Day,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    pub channels: Option<String>,
    pub title_zh: String,
    pub title_en: String,
    pub opened_at: i64,
    pub verify_due: i64,
    pub tick: i64,
    pub known_at: i64,
}

impl AlertRow {
    /// Reads the rows of a batch of `alert_history`, columns by name.
    pub fn read(batch: &RecordBatch) -> Result<Vec<Self>> {
        let columns = Columns { table: "alert_history", batch };
        let text = |name| columns.text(name);
        let (id, revision, rule, rule_kind) =
            (text("alert_id")?, columns.integers("revision")?, text("rule")?, text("rule_kind")?);
        let (pack, severity, state, response) = (text("pack")?, text("severity")?, text("state")?, text("response")?);
        let (reason, mode, signal, syndrome) = (text("reason")?, text("mode")?, text("signal")?, text("syndrome")?);
        let (unit_kind, unit_id, facility, area) =
            (text("unit_kind")?, text("unit_id")?, text("facility_id")?, text("area_code")?);
        let (onset, start, end) = (columns.days("onset")?, columns.days("window_start")?, columns.days("window_end")?);
        let (observed, expected) = (columns.floats("observed")?, columns.floats("expected")?);
        let (threshold, statistic) = (columns.floats("threshold")?, columns.floats("statistic")?);
        let (channels, title_zh, title_en) = (text("channels")?, text("title_zh")?, text("title_en")?);
        let (opened, due) = (columns.micros("opened_at")?, columns.micros("verify_due")?);
        let (tick, known) = (columns.micros("tick")?, columns.micros("known_at")?);
        (0..batch.num_rows())
            .map(|row| {
                Ok(Self {
                    alert_id: id.get(row)?,
                    revision: revision.get(row)?,
                    rule: rule.get(row)?,
                    rule_kind: rule_kind.get(row)?,
                    pack: pack.get(row)?,
                    severity: severity.get(row)?,
                    state: state.get(row)?,
                    response: response.get(row)?,
                    reason: reason.find(row),
                    mode: mode.get(row)?,
                    signal: signal.get(row)?,
                    syndrome: syndrome.find(row),
                    unit_kind: unit_kind.get(row)?,
                    unit_id: unit_id.get(row)?,
                    facility_id: facility.find(row),
                    area_code: area.get(row)?,
                    onset: onset.get(row)?,
                    window_start: start.get(row)?,
                    window_end: end.get(row)?,
                    observed: observed.get(row)?,
                    expected: expected.find(row),
                    threshold: threshold.get(row)?,
                    statistic: statistic.find(row),
                    channels: channels.find(row),
                    title_zh: title_zh.get(row)?,
                    title_en: title_en.get(row)?,
                    opened_at: opened.get(row)?,
                    verify_due: due.get(row)?,
                    tick: tick.get(row)?,
                    known_at: known.get(row)?,
                })
            })
            .collect()
    }
}

/// Rows for tests.
#[cfg(test)]
pub(crate) mod sample {
    use super::*;

    /// A class of the third school, known at `known_at`.
    pub fn row(known_at: i64, id: &str, revision: i64) -> AlertRow {
        AlertRow {
            alert_id: format!("{id:0>32}"),
            revision,
            rule: "a_rule".to_owned(),
            rule_kind: "threshold".to_owned(),
            pack: "base".to_owned(),
            severity: "yellow".to_owned(),
            state: "open".to_owned(),
            response: "none".to_owned(),
            reason: Some("corrected".to_owned()),
            mode: "test".to_owned(),
            signal: "a_signal".to_owned(),
            syndrome: Some("gi".to_owned()),
            unit_kind: "class".to_owned(),
            unit_id: "S990103P01/2-3".to_owned(),
            facility_id: Some("S990103P01".to_owned()),
            area_code: "990103".to_owned(),
            onset: Day(18_645),
            window_start: Day(18_645),
            window_end: Day(18_646),
            observed: 3.0,
            expected: Some(0.5),
            threshold: 3.0,
            statistic: Some(2.25),
            channels: Some("one, two".to_owned()),
            title_zh: "第三小学 2-3 班：一日三例".to_owned(),
            title_en: "Third school, class 2-3: three in a day".to_owned(),
            opened_at: 0,
            verify_due: 7_200_000_000,
            tick: 0,
            known_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{
        ArrayRef, Date32Array, Float64Array, Int64Array, StringArray, StringViewArray, TimestampMicrosecondArray,
    };

    use super::*;

    fn batch(leave_out: &str) -> RecordBatch {
        let text = |value: &str| Arc::new(StringViewArray::from(vec![value])) as ArrayRef;
        let nothing = || Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef;
        let number = |value: f64| Arc::new(Float64Array::from(vec![value])) as ArrayRef;
        let day = |value: i32| Arc::new(Date32Array::from(vec![value])) as ArrayRef;
        let micros =
            |value: i64| Arc::new(TimestampMicrosecondArray::from(vec![value]).with_timezone("UTC")) as ArrayRef;
        let mut columns: Vec<(&str, ArrayRef)> = vec![("revision", Arc::new(Int64Array::from(vec![2])))];
        for name in [
            "alert_id",
            "rule",
            "rule_kind",
            "pack",
            "severity",
            "state",
            "response",
            "mode",
            "signal",
            "unit_kind",
            "unit_id",
            "area_code",
            "title_zh",
            "title_en",
        ] {
            columns.push((name, text(name)));
        }
        columns.extend(["reason", "syndrome", "facility_id", "channels"].map(|name| (name, nothing())));
        columns.extend(["onset", "window_start", "window_end"].map(|name| (name, day(18_645))));
        columns.extend([("observed", number(3.0)), ("expected", number(f64::NAN)), ("threshold", number(3.0))]);
        columns.push(("statistic", number(f64::INFINITY)));
        columns.extend(["opened_at", "verify_due", "tick", "known_at"].map(|name| (name, micros(5))));
        RecordBatch::try_from_iter(columns.into_iter().filter(|(name, _)| *name != leave_out)).unwrap()
    }

    #[test]
    fn a_row_is_read_by_the_names_of_its_columns_whatever_the_width_of_text() {
        let rows = AlertRow::read(&batch("")).unwrap();
        assert_eq!((rows[0].title_en.as_str(), rows[0].revision, rows[0].known_at), ("title_en", 2, 5));
        assert_eq!(rows[0].onset.to_string(), "2021-01-18");
        assert_eq!((rows[0].expected, rows[0].statistic), (None, None), "JSON cannot say infinite");
    }

    #[test]
    fn a_missing_column_is_named() {
        let problem = AlertRow::read(&batch("verify_due")).unwrap_err();
        assert_eq!(problem.at, "table alert_history, column verify_due");
    }
}
