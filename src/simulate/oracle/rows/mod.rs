//! The rows of the five stored tables as plain structs.
//!
//! Promises: reads by column name; a column that a row needs and does not have is an error that names the file.

mod read;

use std::collections::HashSet;
use std::sync::Arc;

pub use read::{alert_history, quarantine, reference, signals, table_at, ticks};

/// A shared text: the same few thousand words stand in a million rows.
pub type Text = Arc<str>;

/// Keeps one copy of every text.
#[derive(Default)]
pub struct Words(HashSet<Text>);

impl Words {
    pub fn of(&mut self, text: &str) -> Text {
        if let Some(known) = self.0.get(text) {
            return known.clone();
        }
        let new: Text = Arc::from(text);
        self.0.insert(new.clone());
        new
    }
}

/// One stored signal.
#[derive(Debug, Clone)]
pub struct SignalRow {
    pub feed: Text,
    pub kind: Text,
    pub topic: Text,
    pub partition: i64,
    pub offset: i64,
    pub row: i64,
    pub record_key: Text,
    pub revision: i64,
    pub operation: Text,
    pub content_hash: Text,
    pub signal: Text,
    pub unit_kind: Text,
    pub unit_id: Text,
    pub facility_id: Option<Text>,
    pub area_code: Option<Text>,
    pub event_date: i64,
    pub reported_at: i64,
    pub value: i64,
    pub denominator: Option<i64>,
    pub person_key: Option<Text>,
    pub slot: Option<Text>,
    pub quality: Option<Text>,
    pub known_at: i64,
    pub known_date: Option<i64>,
    /// The data file, as an index into the table's live files.
    pub file: usize,
}

/// One message that could not be used.
#[derive(Debug, Clone)]
pub struct QuarantineRow {
    pub topic: Text,
    pub partition: i64,
    pub offset: i64,
    pub reason: String,
    pub pointer: String,
    pub body_sha256: String,
    pub body_bytes: usize,
    pub known_at: i64,
}

/// One revision of one alert.
#[derive(Debug, Clone)]
pub struct AlertRow {
    pub alert_id: String,
    pub revision: i64,
    pub rule: String,
    pub severity: String,
    pub state: String,
    pub reason: Option<String>,
    pub signal: String,
    pub unit_kind: String,
    pub unit_id: String,
    pub area_code: String,
    pub onset: i64,
    pub window_start: i64,
    pub window_end: i64,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    pub channels: Option<String>,
    pub opened_at: i64,
    pub verify_due: i64,
    pub tick: i64,
    pub known_at: i64,
}

/// One recorded moment of evaluation.
#[derive(Debug, Clone)]
pub struct TickRow {
    pub tick: i64,
    pub signals_version: i64,
    pub known_until: i64,
    pub reference_known_at: i64,
    pub known_at: i64,
}

/// One register, code list, contract, pack or rule text.
#[derive(Debug, Clone)]
pub struct ReferenceRow {
    pub class: String,
    pub name: String,
    pub digest: String,
    pub body: String,
    pub known_at: i64,
}
