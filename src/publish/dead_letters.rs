//! A quarantine row becomes a dead letter: where the message stood, why it cannot be used, what would be right.
//!
//! Promises: its sender's data manager can find the message and mend the sender from the letter alone.
//! Never: carries the message's body or a value from it; the shape and the digest stand for it.

use arrow::array::RecordBatch;
use serde::Serialize;

use crate::kafka::Topics;
use crate::problem::Result;
use crate::publish::columns::Columns;
use crate::publish::message::{Event, OutMessage, body};
use crate::terms::local_text;

/// A row of `quarantine`, without its encrypted body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantineRow {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub feed: String,
    pub kind: Option<String>,
    pub code: String,
    pub reason: String,
    pub pointer: String,
    pub found: String,
    pub help: String,
    pub body_sha256: String,
    pub body_shape: String,
    pub retry_of: Option<String>,
    /// Microseconds UTC.
    pub known_at: i64,
}

impl QuarantineRow {
    /// Reads the rows of a batch of `quarantine`, columns by name; the body is not even looked at.
    pub fn read(batch: &RecordBatch) -> Result<Vec<Self>> {
        let columns = Columns { table: "quarantine", batch };
        let text = |name| columns.text(name);
        let (topic, partition, offset) = (text("topic")?, columns.integers("partition")?, columns.integers("offset")?);
        let (feed, kind, code, reason) = (text("feed")?, text("kind")?, text("code")?, text("reason")?);
        let (pointer, found, help) = (text("pointer")?, text("found")?, text("help")?);
        let (sha256, shape, retry_of) = (text("body_sha256")?, text("body_shape")?, text("retry_of")?);
        let known_at = columns.micros("known_at")?;
        (0..batch.num_rows())
            .map(|row| {
                Ok(Self {
                    topic: topic.get(row)?,
                    // Kafka numbers partitions with 32 bits: nothing is cut off here.
                    partition: i32::try_from(partition.get(row)?).unwrap_or(i32::MAX),
                    offset: offset.get(row)?,
                    feed: feed.get(row)?,
                    kind: kind.find(row),
                    code: code.get(row)?,
                    reason: reason.get(row)?,
                    pointer: pointer.find(row).unwrap_or_default(),
                    found: found.get(row)?,
                    help: help.get(row)?,
                    body_sha256: sha256.get(row)?,
                    body_shape: shape.find(row).unwrap_or_default(),
                    retry_of: retry_of.find(row),
                    known_at: known_at.get(row)?,
                })
            })
            .collect()
    }
}

#[derive(Serialize)]
struct DeadLetter<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
    feed: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kind: Option<&'a str>,
    code: &'a str,
    reason: &'a str,
    pointer: &'a str,
    found: &'a str,
    help: &'a str,
    body_shape: &'a str,
    body_sha256: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_of: Option<&'a str>,
    known_at: String,
}

/// The dead letter of a quarantine row.
pub fn dead_letter(topics: &Topics, row: &QuarantineRow) -> OutMessage {
    let key = format!("{}/{}/{}", row.topic, row.partition, row.offset);
    let event = Event {
        word: "deadletter",
        schema: "deadletter",
        id: key.clone(),
        subject: &row.feed,
        key: &key,
        known_at: row.known_at,
    };
    let mut headers = event.headers(&topics.prefix);
    headers.extend([
        ("qs_reason", row.reason.clone()),
        ("qs_pointer", row.pointer.clone()),
        ("qs_origin_topic", row.topic.clone()),
        ("qs_origin_partition", row.partition.to_string()),
        ("qs_origin_offset", row.offset.to_string()),
    ]);
    let letter = DeadLetter {
        topic: &row.topic,
        partition: row.partition,
        offset: row.offset,
        feed: &row.feed,
        kind: row.kind.as_deref(),
        code: &row.code,
        reason: &row.reason,
        pointer: &row.pointer,
        found: &row.found,
        help: &row.help,
        body_shape: &row.body_shape,
        body_sha256: &row.body_sha256,
        retry_of: row.retry_of.as_deref(),
        known_at: local_text(row.known_at),
    };
    OutMessage { topic: topics.dead_letter(&row.feed), key, headers, body: body(&letter) }
}

#[cfg(test)]
impl QuarantineRow {
    /// Message `offset` of an invented feed.
    pub(crate) fn sample(offset: i64) -> Self {
        Self {
            topic: "qianshao.feed.example.v1".to_owned(),
            partition: 3,
            offset,
            feed: "example".to_owned(),
            kind: None,
            code: "QS-D001".to_owned(),
            reason: "out_of_range".to_owned(),
            pointer: "/temperature_c".to_owned(),
            found: "377".to_owned(),
            help: "send degrees Celsius".to_owned(),
            body_sha256: "0".repeat(64),
            body_shape: "{\"temperature_c\":number}".to_owned(),
            retry_of: None,
            known_at: 10,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_letter_says_where_the_message_stands() {
        let topics = Topics { prefix: "p".to_owned() };
        let letter = dead_letter(&topics, &QuarantineRow::sample(188_402));
        assert_eq!(letter.topic, "p.deadletter.example.v1");
        assert_eq!(letter.key, "qianshao.feed.example.v1/3/188402");
        assert_eq!(letter.header("qs_origin_offset"), Some("188402"));
        assert_eq!(letter.header("qs_pointer"), Some("/temperature_c"));
    }
}
