//! One revision of an alert becomes three messages: CloudEvents 1.0, Kafka binary mode, key = alert id.
//!
//! Promises: what everybody may read is of county grain: no unit below, no facility, no free text about one.
//! The whole goes to the topic of the alert's prefecture alone. Equal rows give equal bytes.
//! Never: carries a token or anything of a person.

use arrow::array::RecordBatch;
use serde::Serialize;

use crate::kafka::Topics;
use crate::problem::Result;
use crate::publish::columns::Columns;
use crate::terms::{Day, local_text};

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

/// A message ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    pub topic: String,
    pub key: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl OutMessage {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }
}

/// What every CloudEvent of ours says about itself.
pub(super) struct Event<'a> {
    /// `alert.changed`: names type and source.
    pub word: &'a str,
    /// The schema of the body, `schemas/alerts/<schema>.schema.json`.
    pub schema: &'a str,
    pub id: String,
    pub subject: &'a str,
    pub key: &'a str,
    /// When the log knew it.
    pub known_at: i64,
}

impl Event<'_> {
    pub(super) fn headers(&self, prefix: &str) -> Vec<(&'static str, String)> {
        let word = self.word;
        vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_type", format!("cn.qianshao.{word}.v1")),
            ("ce_source", format!("/{prefix}/{}", word.replace('.', "/"))),
            ("ce_time", local_text(self.known_at)),
            ("ce_subject", self.subject.to_owned()),
            ("ce_partitionkey", self.key.to_owned()),
            ("ce_dataschema", format!("urn:qianshao:schema:{}:v1", self.schema)),
            ("content-type", "application/json".to_owned()),
        ]
    }
}

/// What an alert says to everybody. The order of the fields is the order in the body.
#[derive(Serialize)]
struct Changed<'a> {
    alert_id: &'a str,
    revision: i64,
    state: &'a str,
    response: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    severity: &'a str,
    rule: &'a str,
    rule_kind: &'a str,
    pack: &'a str,
    mode: &'a str,
    signal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    syndrome: Option<&'a str>,
    area_code: &'a str,
    onset: String,
    window_start: String,
    window_end: String,
    observed: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<f64>,
    threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<f64>,
    channels: Vec<&'a str>,
    opened_at: String,
    verify_due: String,
    tick: String,
    known_at: String,
}

/// What the people of the alert's prefecture read besides.
#[derive(Serialize)]
struct Restricted<'a> {
    #[serde(flatten)]
    changed: Changed<'a>,
    unit_kind: &'a str,
    unit_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    facility_id: Option<&'a str>,
    title_zh: &'a str,
    title_en: &'a str,
}

/// The messages of one revision: changed, restricted, current.
pub fn alert_messages(topics: &Topics, row: &AlertRow) -> [OutMessage; 3] {
    let changed = changed(row);
    let everybody = body(&changed);
    let restricted = body(&Restricted {
        changed,
        unit_kind: &row.unit_kind,
        unit_id: &row.unit_id,
        facility_id: row.facility_id.as_deref(),
        title_zh: &row.title_zh,
        title_en: &row.title_en,
    });
    let message = |topic: String, word: &str, schema: &str, body: Vec<u8>| {
        let id = format!("{}:{}", row.alert_id, row.revision);
        let event = Event { word, schema, id, subject: &row.alert_id, key: &row.alert_id, known_at: row.known_at };
        OutMessage { topic, key: row.alert_id.clone(), headers: event.headers(&topics.prefix), body }
    };
    [
        message(topics.changed(), "alert.changed", "alert.changed", everybody.clone()),
        message(topics.restricted(&row.area_code), "alert.restricted", "alert.restricted", restricted),
        message(topics.current(), "alert.current", "alert.changed", everybody),
    ]
}

fn changed(row: &AlertRow) -> Changed<'_> {
    Changed {
        alert_id: &row.alert_id,
        revision: row.revision,
        state: &row.state,
        response: &row.response,
        reason: row.reason.as_deref(),
        severity: &row.severity,
        rule: &row.rule,
        rule_kind: &row.rule_kind,
        pack: &row.pack,
        mode: &row.mode,
        signal: &row.signal,
        syndrome: row.syndrome.as_deref(),
        // Six digits are a county: a longer code would name a town.
        area_code: row.area_code.get(..6).unwrap_or(&row.area_code),
        onset: row.onset.to_string(),
        window_start: row.window_start.to_string(),
        window_end: row.window_end.to_string(),
        observed: row.observed,
        expected: row.expected,
        threshold: row.threshold,
        statistic: row.statistic,
        channels: row
            .channels
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .collect(),
        opened_at: local_text(row.opened_at),
        verify_due: local_text(row.verify_due),
        tick: local_text(row.tick),
        known_at: local_text(row.known_at),
    }
}

pub(super) fn body<T: Serialize>(value: &T) -> Vec<u8> {
    // Our own structs of texts and finite numbers: serde_json has nothing to refuse in them.
    serde_json::to_vec(value).unwrap_or_default()
}
