//! The rows of the five stored tables as plain structs.
//!
//! Promises: reads by column name; a column that a row needs and does not have is an error that names the file.

mod read;
mod words;

use std::ops::Deref;
use std::sync::Arc;

pub use read::{alert_history, quarantine, reference, signals, table_at, ticks};
pub use words::{Key, Text, Words};

/// Whence a message came and what kind of statement it is: a few hundred different ones.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    pub topic: Text,
    pub partition: i64,
    pub feed: Text,
    pub kind: Text,
    /// Empty where nothing was said.
    pub operation: Text,
}

/// What a row says apart from whom it is about: most rows say what another says too.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Said {
    pub signal: Text,
    pub unit_kind: Text,
    pub unit_id: Text,
    pub facility_id: Option<Text>,
    pub area_code: Option<Text>,
    pub event_date: i64,
    pub value: i64,
    pub denominator: Option<i64>,
    pub slot: Option<Text>,
    pub quality: Option<Text>,
}

/// What all rows of a message have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stated {
    pub origin: Arc<Origin>,
    pub offset: i64,
    pub record_key: Key,
    pub revision: i64,
    pub content_hash: Key,
    pub reported_at: i64,
    pub commit: Arc<Commit>,
}

/// What rows of one commit in one file have in common.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Commit {
    pub known_at: i64,
    pub known_date: Option<i64>,
    /// The data file, as an index into the table's live files.
    pub file: usize,
}

/// Where a message stands: topic, partition, offset.
pub type Place<'a> = (&'a str, i64, i64);

/// A place as people write it.
pub fn place_text(place: Place<'_>) -> String {
    format!("{}/{}@{}", place.0, place.1, place.2)
}

impl Stated {
    pub fn place(&self) -> Place<'_> {
        (&self.origin.topic, self.origin.partition, self.offset)
    }

    /// What a statement must beat to be the state of its record.
    pub fn rank(&self) -> (i64, i64, Place<'_>) {
        (self.revision, self.reported_at, self.place())
    }

    pub fn retracts(&self) -> bool {
        &*self.origin.operation == "retract"
    }
}

/// One stored signal. What others say too is shared: a month of a city has half a million rows.
#[derive(Debug, Clone)]
pub struct SignalRow {
    pub said: Arc<Said>,
    pub stated: Arc<Stated>,
    pub person_key: Option<Key>,
    pub row: i32,
}

impl Deref for SignalRow {
    type Target = Said;

    fn deref(&self) -> &Said {
        &self.said
    }
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

impl QuarantineRow {
    pub fn place(&self) -> Place<'_> {
        (&self.topic, self.partition, self.offset)
    }
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
