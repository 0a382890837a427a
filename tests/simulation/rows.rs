//! A small intake: what the shipped contract and mapping make of the world's messages, without planning SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use async_trait::async_trait;
use qianshao::consume::message::Message;
use qianshao::consume::role::{IntoRows, Means};
use qianshao::consume::source::Epoch;
use qianshao::delta::commit::EpochRows;
use qianshao::delta::log::Log;
use qianshao::delta::tables::{Table, UTC};
use qianshao::problem::Result;
use qianshao::terms::{Day, Position, hex, parse_instant};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::letters::SCHOOL;
use super::world::{TOPIC, World};

/// Means that plan nothing.
pub struct Small {
    pub world: Arc<World>,
    pub process: usize,
}

#[async_trait]
impl Means for Small {
    async fn plan(&self, _: &dyn Log) -> Result<Box<dyn IntoRows>> {
        Ok(Box::new(Self { world: self.world.clone(), process: self.process }))
    }
}

#[async_trait]
impl IntoRows for Small {
    fn topics(&self) -> Vec<String> {
        vec![TOPIC.to_owned()]
    }

    async fn rows(&self, epoch: &Epoch, kept: &BTreeSet<Position>, _: i64) -> Result<EpochRows> {
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for message in epoch.messages.iter().filter(|message| !kept.contains(&message.position)) {
            match read(message) {
                Some(read) => good.push((message, read)),
                None => bad.push((message, Read::default())),
            }
        }
        self.world.turn(self.process, "decoded").await;
        Ok(EpochRows {
            ranges: epoch.ranges.clone(),
            witnesses: epoch.witnesses.clone(),
            signals: batch(Table::Signals, &good),
            quarantine: batch(Table::Quarantine, &bad),
        })
    }
}

/// What a message says, by the names of the columns.
#[derive(Default)]
struct Read {
    texts: BTreeMap<&'static str, String>,
    revision: i64,
    event_time: i64,
    reported_at: i64,
}

/// The identity of a record, 32 hex digits.
pub fn record_key(event: &str) -> String {
    hex(&Sha256::digest(event)[..16])
}

fn read(message: &Message) -> Option<Read> {
    let value: Value = serde_json::from_slice(message.payload.as_ref()?).ok()?;
    let text = |name: &str| value[name].as_str().map(str::to_owned);
    let signal = match value["symptoms"][0].as_str()? {
        "fever" => "school_fever",
        _ => "school_gi",
    };
    let event = text("event_id")?;
    let texts = BTreeMap::from([
        ("feed", "school".to_owned()),
        ("kind", "pupil_event".to_owned()),
        ("record_key", record_key(&event)),
        ("operation", text("operation")?),
        ("content_hash", hex(&Sha256::digest(message.payload.as_ref()?)[..16])),
        ("signal", signal.to_owned()),
        ("unit_kind", "class".to_owned()),
        ("unit_id", format!("{SCHOOL}/{}", text("class_id")?)),
        ("facility_id", SCHOOL.to_owned()),
        ("area_code", "990101001".to_owned()),
        ("person_key", text("student_id")?),
    ]);
    Some(Read {
        texts,
        revision: value["revision"].as_i64()?,
        event_time: parse_instant(&text("onset_at")?)?,
        reported_at: parse_instant(&text("submitted_at")?)?,
    })
}

/// Rows of signals of which only their place matters.
pub fn places(positions: &[Position]) -> RecordBatch {
    placed(Table::Signals, positions)
}

/// An epoch of topic `t`, partition 0, whose first message is bad.
pub fn epoch(from: i64, to: i64) -> EpochRows {
    let positions: Vec<Position> =
        (from..to).map(|offset| Position { topic: "t".into(), partition: 0, offset }).collect();
    let (bad, good) = positions.split_at(1);
    EpochRows {
        ranges: BTreeMap::from([(("t".to_owned(), 0), (from, to))]),
        witnesses: BTreeMap::new(),
        signals: placed(Table::Signals, good),
        quarantine: placed(Table::Quarantine, bad),
    }
}

fn placed(table: Table, positions: &[Position]) -> RecordBatch {
    let message = |position: &Position| Message {
        position: position.clone(),
        timestamp: None,
        key: None,
        headers: Vec::new(),
        payload: None,
    };
    let messages: Vec<Message> = positions.iter().map(message).collect();
    let rows: Vec<(&Message, Read)> = messages.iter().map(|message| (message, Read::default())).collect();
    batch(table, &rows)
}

fn batch(table: Table, rows: &[(&Message, Read)]) -> RecordBatch {
    let schema = table.schema_unstamped();
    let numbers = |of: &dyn Fn(&(&Message, Read)) -> i64| Int64Array::from_iter_values(rows.iter().map(of));
    let times = |of: &dyn Fn(&(&Message, Read)) -> i64| -> ArrayRef {
        Arc::new(TimestampMicrosecondArray::from_iter_values(rows.iter().map(of)).with_timezone(UTC))
    };
    let column = |name: &str, nullable: bool| -> ArrayRef {
        match name {
            "topic" => Arc::new(StringArray::from_iter_values(rows.iter().map(|(at, _)| &*at.position.topic))),
            "partition" => Arc::new(Int32Array::from_iter_values(rows.iter().map(|(at, _)| at.position.partition))),
            "offset" => Arc::new(numbers(&|(at, _)| at.position.offset)),
            "row" => Arc::new(Int32Array::from(vec![0; rows.len()])),
            "revision" => Arc::new(numbers(&|(_, read)| read.revision)),
            "event_time" => times(&|(_, read)| read.event_time),
            "event_date" => {
                let days = rows.iter().map(|(_, read)| Day::of_micros(read.event_time).0);
                Arc::new(Date32Array::from_iter_values(days))
            }
            "reported_at" => times(&|(_, read)| read.reported_at),
            "value" => Arc::new(Int64Array::from(vec![1; rows.len()])),
            "denominator" => new_null_array(&arrow::datatypes::DataType::Int64, rows.len()),
            "body" => Arc::new(BinaryArray::from(vec![b"sealed".as_slice(); rows.len()])),
            _ => {
                let given = |read: &Read| read.texts.get(name).cloned().or_else(|| (!nullable).then(String::new));
                Arc::new(rows.iter().map(|(_, read)| given(read)).collect::<StringArray>())
            }
        }
    };
    let columns = schema.fields().iter().map(|field| column(field.name(), field.is_nullable())).collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
