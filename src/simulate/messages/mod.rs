//! What the feeds send: one type a kind, with the rows that its normalization must yield.
//!
//! Promises: JSON shapes are those of the contracts; `rows` says what `normalize.sql` says, in plain code.

use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::terms::{hex, local_text};

use super::chance::Chance;
use super::ledger::TrueRow;

pub mod customs;
pub mod fever_clinic;
pub mod pharmacy;
pub mod report_card;
pub mod school;

/// When and how a record was stated.
#[derive(Clone, Serialize, Default)]
pub struct Statement {
    /// Microseconds; what `submitted_at` says.
    #[serde(skip)]
    pub at: i64,
    pub submitted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<&'static str>,
}

impl Statement {
    pub fn first(at: i64) -> Self {
        Self { at, submitted_at: local_text(at), revision: None, operation: None }
    }

    pub fn later(at: i64, operation: &'static str) -> Self {
        Self { at, submitted_at: local_text(at), revision: Some(1), operation: Some(operation) }
    }
}

/// One message of a feed.
pub trait Message: Clone + Serialize {
    const FEED: &'static str;
    const KIND: &'static str;

    fn facility(&self) -> &str;

    /// The record key, readable.
    fn record(&self) -> String;

    fn rows(&self) -> Vec<TrueRow>;

    fn statement(&self) -> &Statement;

    fn state(&mut self, statement: Statement);

    /// The first, wrong statement that a correction will replace: never more cases than the truth.
    fn misreport(&mut self, chance: &mut Chance);

    /// A record of something that never was, to be retracted; only of kinds where it cannot alarm.
    fn mistaken(&self) -> Option<Self>;

    /// Does it say that there was nothing?
    fn is_zero(&self) -> bool {
        false
    }
}

/// A row of a facility's own count.
pub fn facility_row(signal: &str, facility: &str, area: &str, event_date: &str, value: i64) -> TrueRow {
    TrueRow {
        signal: signal.to_owned(),
        unit_kind: "facility".to_owned(),
        unit_id: facility.to_owned(),
        area_code: area.to_owned(),
        event_date: event_date.to_owned(),
        value,
        denominator: None,
        person: None,
        slot: None,
    }
}

/// A text that is one person's alone and tells nobody who it is.
pub fn person_text(identifier: &str) -> String {
    let digest = Sha256::digest(identifier.as_bytes());
    hex(&digest[..8])
}

/// One decimal, as thermometers show it.
pub fn degrees(chance: &mut Chance, from_tenths: i64, to_tenths: i64) -> f64 {
    chance.between(from_tenths, to_tenths) as f64 / 10.0
}
