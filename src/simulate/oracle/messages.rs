//! Signal rows put back together as the messages they came from, with duplicates derived.
//!
//! Promises: a message is a duplicate when an earlier one says the same of the same record; nothing is dropped.

use std::collections::BTreeMap;

use super::rows::{SignalRow, Text};

/// Where a message stands: topic, partition, offset.
pub type Place = (Text, i64, i64);

/// What a statement must beat to be the state of its record.
pub type Rank = (i64, i64, Text, i64, i64);

/// One stored message: rows `from..to` of the sorted rows.
#[derive(Debug, Clone)]
pub struct Stored {
    pub place: Place,
    pub record_key: Text,
    pub revision: i64,
    pub reported_at: i64,
    pub operation: Text,
    pub content_hash: Text,
    pub known_at: i64,
    pub from: usize,
    pub to: usize,
    pub duplicate: bool,
}

impl Stored {
    pub fn rank(&self) -> Rank {
        let (topic, partition, offset) = self.place.clone();
        (self.revision, self.reported_at, topic, partition, offset)
    }

    pub fn retracts(&self) -> bool {
        &*self.operation == "retract"
    }

    pub fn place_text(&self) -> String {
        place_text(&self.place)
    }
}

/// A place as people write it.
pub fn place_text(place: &Place) -> String {
    format!("{}/{}@{}", place.0, place.1, place.2)
}

/// Sorts `rows` by place and row number and groups them into messages, in the order of their places.
pub fn grouped(rows: &mut [SignalRow]) -> Vec<Stored> {
    rows.sort_by(|a, b| (&a.topic, a.partition, a.offset, a.row).cmp(&(&b.topic, b.partition, b.offset, b.row)));
    let mut out: Vec<Stored> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let place = (row.topic.clone(), row.partition, row.offset);
        if let Some(last) = out.last_mut().filter(|last| last.place == place) {
            last.to = index + 1;
            continue;
        }
        out.push(Stored {
            place,
            record_key: row.record_key.clone(),
            revision: row.revision,
            reported_at: row.reported_at,
            operation: row.operation.clone(),
            content_hash: row.content_hash.clone(),
            known_at: row.known_at,
            from: index,
            to: index + 1,
            duplicate: false,
        });
    }
    mark_duplicates(&mut out);
    out
}

fn mark_duplicates(messages: &mut [Stored]) {
    let mut same: BTreeMap<(Text, i64, Text), Vec<usize>> = BTreeMap::new();
    for (index, message) in messages.iter().enumerate() {
        let statement = (message.record_key.clone(), message.revision, message.content_hash.clone());
        same.entry(statement).or_default().push(index);
    }
    for mut indices in same.into_values().filter(|indices| indices.len() > 1) {
        indices.sort_by_key(|i| (messages[*i].known_at, messages[*i].place.clone()));
        for index in &indices[1..] {
            messages[*index].duplicate = true;
        }
    }
}

/// The winning message of every record, by record key.
pub fn winners(messages: &[Stored]) -> BTreeMap<Text, &Stored> {
    let mut out: BTreeMap<Text, &Stored> = BTreeMap::new();
    for message in messages {
        let best = out.entry(message.record_key.clone()).or_insert(message);
        if message.rank() > best.rank() {
            *best = message;
        }
    }
    out
}
