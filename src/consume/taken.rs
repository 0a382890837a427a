//! What one epoch came to, in messages by topic: for whoever counts.
//!
//! Promises: accepted + quarantined = consumed in each topic.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, AsArray, RecordBatch};

use super::source::Epoch;
use crate::terms::Position;

/// The reason under which messages are counted that an earlier life had put in quarantine already.
const EARLIER: &str = "quarantined_earlier";

/// Messages of one topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TopicTaken {
    pub consumed: u64,
    pub quarantined: BTreeMap<String, u64>,
}

impl TopicTaken {
    /// Messages that became rows of signals.
    pub fn accepted(&self) -> u64 {
        self.consumed.saturating_sub(self.quarantined.values().sum())
    }
}

pub type Taken = BTreeMap<String, TopicTaken>;

/// Counts an epoch by what it put in quarantine; `kept` stood there before.
pub(super) fn taken(epoch: &Epoch, kept: &BTreeSet<Position>, quarantine: &RecordBatch) -> Taken {
    let mut taken = Taken::new();
    for message in &epoch.messages {
        let topic = taken.entry(message.position.topic.to_string()).or_default();
        topic.consumed += 1;
        if kept.contains(&message.position) {
            *topic.quarantined.entry(EARLIER.to_owned()).or_default() += 1;
        }
    }
    let texts = |name: &str| quarantine.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    if let (Some(topics), Some(reasons)) = (texts("topic"), texts("reason")) {
        for row in 0..topics.len() {
            let topic = taken.entry(topics.value(row).to_owned()).or_default();
            *topic.quarantined.entry(reasons.value(row).to_owned()).or_default() += 1;
        }
    }
    taken
}
