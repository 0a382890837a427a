//! The ledger of truth: what the invented city sent and what must become of every message.
//!
//! Promises: every line is read or named with its number; words that are not known here are ignored.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use serde::Deserialize;

/// One message with its fate.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    pub seq: u64,
    #[serde(default)]
    pub feed: String,
    #[serde(default)]
    pub kind: String,
    pub topic: String,
    pub partition: i64,
    pub offset: i64,
    pub payload_sha256: String,
    pub fate: Fate,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub pointer: Option<String>,
    #[serde(default)]
    pub record: Option<String>,
    #[serde(default)]
    pub revision: i64,
    #[serde(default)]
    pub reported_at: Moment,
    #[serde(default)]
    pub operation: Option<String>,
    #[serde(default)]
    pub facility_id: Option<String>,
    #[serde(default)]
    pub rows: Vec<TrueRow>,
}

/// Feed, kind and the sender's number.
pub type RecordId<'a> = (&'a str, &'a str, &'a str);

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Accepted,
    Duplicate,
    #[serde(alias = "quarantined")]
    Quarantine,
}

/// One row that the message stands for.
#[derive(Debug, Clone, Deserialize)]
pub struct TrueRow {
    pub signal: String,
    pub unit_kind: String,
    pub unit_id: String,
    #[serde(default)]
    pub area_code: Option<String>,
    pub event_date: String,
    pub value: i64,
    #[serde(default)]
    pub denominator: Option<i64>,
    #[serde(default)]
    pub person: Option<String>,
    #[serde(default)]
    pub slot: Option<String>,
    #[serde(default)]
    pub facility_id: Option<String>,
    #[serde(default)]
    pub quality: Option<String>,
}

impl TrueRow {
    /// A row that counts nothing, for a statement without rows.
    pub fn nothing() -> Self {
        Self {
            signal: String::new(),
            unit_kind: String::new(),
            unit_id: String::new(),
            area_code: None,
            event_date: String::new(),
            value: 0,
            denominator: None,
            person: None,
            slot: None,
            facility_id: None,
            quality: None,
        }
    }
}

/// An outbreak that was planted, with the alert it must raise.
#[derive(Debug, Clone, Deserialize)]
pub struct Planted {
    pub id: String,
    pub area_code: String,
    pub rule: String,
    pub onset: String,
    pub until: String,
}

/// An instant: microseconds UTC, or RFC 3339 text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "MomentForm")]
pub struct Moment(pub i64);

#[derive(Deserialize)]
#[serde(untagged)]
enum MomentForm {
    Micros(i64),
    Text(String),
    Nothing(()),
}

impl From<MomentForm> for Moment {
    fn from(form: MomentForm) -> Self {
        match form {
            MomentForm::Micros(micros) => Self(micros),
            MomentForm::Text(text) => {
                Self(chrono::DateTime::parse_from_rfc3339(&text).map_or(0, |at| at.timestamp_micros()))
            }
            MomentForm::Nothing(()) => Self(0),
        }
    }
}

/// The whole ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub messages: Vec<Message>,
    pub planted: Vec<Planted>,
    /// Lines of other kinds: city, facility, expected, silence.
    pub other_lines: usize,
}

const MESSAGE: &str = "{\"line\":\"message\",";

#[derive(Deserialize)]
struct Tag {
    line: String,
}

/// Reads a ledger, or names the line that cannot be read.
pub fn read(path: &Path) -> Result<Ledger, String> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut ledger = Ledger::default();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let say = |e: &dyn std::fmt::Display| format!("{} line {}: {e}", path.display(), number + 1);
        let line = line.map_err(|e| say(&e))?;
        if line.trim().is_empty() {
            continue;
        }
        // Almost every line is a message and begins like this; reading it twice would double the time.
        let word = if line.starts_with(MESSAGE) {
            "message".to_owned()
        } else {
            serde_json::from_str::<Tag>(&line).map_err(|e| say(&e))?.line
        };
        match word.as_str() {
            "message" => ledger.messages.push(serde_json::from_str(&line).map_err(|e| say(&e))?),
            "planted" => ledger.planted.push(serde_json::from_str(&line).map_err(|e| say(&e))?),
            _ => ledger.other_lines += 1,
        }
    }
    Ok(ledger)
}

impl Message {
    /// Where the message stands in its topic.
    pub fn at(&self) -> (&str, i64, i64) {
        (&self.topic, self.partition, self.offset)
    }

    /// The place as people write it.
    pub fn place(&self) -> String {
        format!("{}/{}@{} (seq {})", self.topic, self.partition, self.offset, self.seq)
    }

    /// The record it speaks of; sender's numbers are unique within a feed and kind only.
    pub fn record_id(&self) -> Option<RecordId<'_>> {
        self.record.as_deref().map(|record| (&*self.feed, &*self.kind, record))
    }

    pub fn retracts(&self) -> bool {
        self.operation.as_deref() == Some("retract")
    }
}
