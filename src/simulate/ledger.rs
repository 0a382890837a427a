//! The ledger of truth: what was sent, and what must become of it. One JSON object a line.
//!
//! Promises: days are `YYYY-MM-DD`, instants are microseconds UTC, so that a stranger's program can read it.

use std::io::Write;

use serde::{Deserialize, Serialize};

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum LedgerLine {
    City(CityLine),
    Facility(FacilityLine),
    Expected(ExpectedLine),
    Planted(Planted),
    Silence(Silence),
    Message(Box<MessageLine>),
}

/// The run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CityLine {
    pub seed: u64,
    pub start: String,
    pub days: u32,
    pub scale: f64,
    pub prefix: String,
    pub partitions: i32,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FacilityLine {
    pub facility_id: String,
    pub facility_kind: String,
    pub area_code: String,
    pub authoritative: String,
}

/// A report that is due.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExpectedLine {
    pub facility_id: String,
    pub feed: String,
    pub report_date: String,
    pub due_at: i64,
    /// False inside a silence: nothing will come.
    pub sent: bool,
}

/// An outbreak, and one alert that it must raise.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Planted {
    pub id: String,
    pub kind: String,
    /// The county of the alert.
    pub area_code: String,
    pub unit_id: String,
    pub rule: String,
    pub signal: String,
    pub onset: String,
    pub until: String,
    /// Cases added by the outbreak.
    pub size: u32,
}

/// A facility that sends nothing from one day to another, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    pub facility_id: String,
    pub feed: String,
    pub area_code: String,
    pub from: String,
    pub to: String,
}

/// What must become of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Accepted,
    Duplicate,
    Quarantine,
}

/// A message, where it stands and what it stands for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MessageLine {
    pub seq: u64,
    pub feed: String,
    pub kind: String,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub sent_at: i64,
    pub payload_sha256: String,
    pub fate: Fate,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Which way of being wrong was chosen, for quarantined ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<String>,
    pub revision: i64,
    pub reported_at: i64,
    pub operation: String,
    pub facility_id: String,
    pub rows: Vec<TrueRow>,
}

/// One signal row that the message stands for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrueRow {
    pub signal: String,
    pub unit_kind: String,
    pub unit_id: String,
    pub area_code: String,
    pub event_date: String,
    pub value: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denominator: Option<i64>,
    /// Any text that is one person's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
}

/// Writes lines as NDJSON.
pub fn write_lines(out: &mut impl Write, lines: &[LedgerLine]) -> std::io::Result<()> {
    for line in lines {
        serde_json::to_writer(&mut *out, line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back() {
        let silence = Silence {
            facility_id: "P990101R01".into(),
            feed: "pharmacy".into(),
            area_code: "990101".into(),
            from: "2021-01-18".into(),
            to: "2021-01-19".into(),
        };
        let mut text = vec![];
        write_lines(&mut text, &[LedgerLine::Silence(silence.clone())]).unwrap();
        assert!(text.starts_with(br#"{"line":"silence","facility_id":"P990101R01""#));
        assert_eq!(serde_json::from_slice::<LedgerLine>(&text).unwrap(), LedgerLine::Silence(silence));
    }
}
