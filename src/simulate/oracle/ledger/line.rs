//! Lines of the ledger as they stand in the file, borrowed from it.

use std::borrow::Cow;

use serde::Deserialize;

use super::Fate;

/// What kind of line it is.
#[derive(Deserialize)]
pub struct Tag<'a> {
    #[serde(borrow)]
    pub line: Cow<'a, str>,
}

/// One message with its fate.
#[derive(Deserialize)]
pub struct MessageLine<'a> {
    pub seq: u64,
    #[serde(default, borrow)]
    pub feed: Cow<'a, str>,
    #[serde(default, borrow)]
    pub kind: Cow<'a, str>,
    #[serde(borrow)]
    pub topic: Cow<'a, str>,
    pub partition: i64,
    pub offset: i64,
    #[serde(borrow)]
    pub payload_sha256: Cow<'a, str>,
    pub fate: Fate,
    #[serde(default)]
    pub reason: Option<String>,
    #[serde(default)]
    pub pointer: Option<String>,
    #[serde(default, borrow)]
    pub record: Option<Cow<'a, str>>,
    #[serde(default)]
    pub revision: i64,
    #[serde(default)]
    pub reported_at: Moment,
    #[serde(default, borrow)]
    pub operation: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub facility_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub rows: Vec<RowLine<'a>>,
}

/// One row that the message stands for.
#[derive(Deserialize)]
pub struct RowLine<'a> {
    #[serde(borrow)]
    pub signal: Cow<'a, str>,
    #[serde(borrow)]
    pub unit_kind: Cow<'a, str>,
    #[serde(borrow)]
    pub unit_id: Cow<'a, str>,
    #[serde(default, borrow)]
    pub area_code: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub event_date: Cow<'a, str>,
    pub value: i64,
    #[serde(default)]
    pub denominator: Option<i64>,
    #[serde(default, borrow)]
    pub person: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub slot: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub facility_id: Option<Cow<'a, str>>,
    #[serde(default, borrow)]
    pub quality: Option<Cow<'a, str>>,
}

/// An instant: microseconds UTC, or RFC 3339 text.
#[derive(Clone, Copy, Default, Deserialize)]
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
