//! Every kind through the shipped role consume, each between two good messages, in epochs of a given size.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::util::display::array_value_to_string;
use qianshao::clock::{Clock, ManualClock};
use qianshao::consume::feed::{Feeds, Kind as Contract};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::memory::MemoryFeeds;
use qianshao::consume::message::Message;
use qianshao::consume::role::{Consume, Step};
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::EpochLimit;
use qianshao::delta::log::Log;
use qianshao::delta::reference::put_in_force;
use qianshao::delta::tables::Table;
use qianshao::pipeline::InForce;
use qianshao::terms::Position;

use super::kinds::{Kind, kinds};
use super::wording::{self, Sent, now, own, sent, text};
use crate::scenarios::setting::Setting;

pub const PREFIX: &str = "qianshao";
pub const KEY: &[u8] = b"what is declared here is about nobody";
/// Messages of one kind: a good one, the bad one, another good one.
pub const AROUND: usize = 3;

/// Where a message stands.
pub type Place = (String, i64);

/// Everything that is sent, in order; message `AROUND * n + 1` is kind n.
pub struct Input {
    pub kinds: Vec<Kind>,
    pub messages: Vec<Message>,
}

impl Input {
    /// Good messages stand where kinds would, if `alone`.
    pub fn read(feeds: &Feeds, alone: bool) -> Self {
        let kinds = kinds();
        let mut messages = Vec::new();
        let mut next: BTreeMap<String, i64> = BTreeMap::new();
        for (at, kind) in kinds.iter().enumerate() {
            let contract = contract(feeds, kind);
            let number = |place: usize| (AROUND * at + place) as i64;
            let base = own(contract, number(usize::from(!kind.message.contains_key("before"))));
            let plain = |place: usize| Sent {
                payload: Some(text(contract, &own(contract, number(place))).into_bytes()),
                key: None,
                headers: Vec::new(),
                timestamp: Some(now()),
            };
            let bad = if alone { plain(1) } else { sent(contract, &base, &kind.message) };
            for one in [plain(0), bad, plain(2)] {
                let topic = format!("{PREFIX}.feed.{}.v1", kind.feed);
                let offset = next.entry(topic.clone()).or_insert(0);
                messages.push(placed(one, Position { topic: topic.into(), partition: 0, offset: *offset }));
                *offset += 1;
            }
        }
        Self { kinds, messages }
    }

    pub fn place(&self, at: usize) -> Place {
        let position = &self.messages[at].position;
        (position.topic.to_string(), position.offset)
    }
}

fn placed(sent: Sent, position: Position) -> Message {
    let Sent { payload, key, headers, timestamp } = sent;
    Message { position, timestamp, key, headers, payload }
}

fn contract<'f>(feeds: &'f Feeds, kind: &Kind) -> &'f Contract {
    let feed = feeds.get(&kind.feed).unwrap_or_else(|| panic!("{}: no feed {}", kind.kind, kind.feed));
    let found = feed.kinds.iter().find(|contract| contract.name == kind.contract);
    found.unwrap_or_else(|| panic!("{}: no contract {}", kind.kind, kind.contract))
}

/// A row of `quarantine`.
pub struct Refused {
    pub reason: String,
    pub pointer: String,
    pub contract: Option<String>,
    pub sha256: String,
    pub sealed: Vec<u8>,
    /// Every text of the row that may depend on the message.
    pub texts: String,
}

/// A row of `signals`.
pub struct Taken {
    /// Record, revision and content.
    pub statement: String,
    pub quality: Option<String>,
    /// Every column but the coordinates and the time of the commit.
    pub shown: String,
}

/// What the log holds when everything is read.
#[derive(Default)]
pub struct Outcome {
    pub taken: BTreeMap<Place, Vec<Taken>>,
    pub refused: BTreeMap<Place, Vec<Refused>>,
    pub epochs: usize,
}

/// Runs the messages into `log`, `size` of them in an epoch.
pub async fn run(setting: &Setting, messages: &[Message], log: Arc<dyn Log>, size: usize) -> Outcome {
    let clock = Arc::new(ManualClock::new(wording::now()));
    put_in_force(&*log, &*clock, &InForce::CLASSES, &setting.texts).await.unwrap();
    let feeds = MemoryFeeds::of(messages.iter().cloned());
    let pseudonyms = Arc::new(Pseudonyms::from_bytes(KEY, Algorithm::Sha256));
    let sealer = Arc::new(Sealer::from_bytes(KEY));
    let wall: Arc<dyn Clock> = clock;
    let mut consume =
        Consume::open(log.clone(), wall, setting.feeds.clone(), pseudonyms, sealer, PREFIX).await.unwrap();
    let mut source = feeds.source(consume.starts().await.unwrap());
    let limit = EpochLimit { messages: size, bytes: usize::MAX, wait_ms: 0 };
    let mut outcome = Outcome::default();
    let mut read = 0;
    loop {
        match consume.step(&mut source, &limit).await.unwrap() {
            Step::Epoch { messages, .. } => {
                outcome.epochs += 1;
                read += messages;
            }
            Step::End => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(read, messages.len(), "every message was read once");
    for batch in log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap() {
        for row in 0..batch.num_rows() {
            outcome.taken.entry(place(&batch, row)).or_default().push(taken(&batch, row));
        }
    }
    for batch in log.read(Table::Quarantine, i64::MIN, i64::MAX).await.unwrap() {
        for row in 0..batch.num_rows() {
            outcome.refused.entry(place(&batch, row)).or_default().push(refused(&batch, row));
        }
    }
    outcome
}

fn place(batch: &RecordBatch, row: usize) -> Place {
    let topic = batch.column_by_name("topic").unwrap().as_string::<i32>().value(row).to_owned();
    assert_eq!(batch.column_by_name("partition").unwrap().as_primitive::<Int32Type>().value(row), 0);
    (topic, batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>().value(row))
}

/// The column's value as a text; null is nothing.
fn value(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let column = batch.column_by_name(name).unwrap();
    column.is_valid(row).then(|| array_value_to_string(column, row).unwrap())
}

fn taken(batch: &RecordBatch, row: usize) -> Taken {
    let of = |name: &str| value(batch, name, row);
    let names = batch.schema();
    let names = names.fields().iter().map(|field| field.name().as_str());
    let told = names.filter(|name| !["topic", "partition", "offset", "known_at", "known_date"].contains(name));
    Taken {
        statement: ["record_key", "revision", "content_hash"].map(|name| of(name).unwrap()).join(" "),
        quality: of("quality"),
        shown: told.map(|name| format!("{name}={}", of(name).unwrap_or_default())).collect::<Vec<_>>().join(" "),
    }
}

fn refused(batch: &RecordBatch, row: usize) -> Refused {
    let of = |name: &str| value(batch, name, row);
    Refused {
        reason: of("reason").unwrap(),
        pointer: of("pointer").unwrap(),
        contract: of("kind"),
        sha256: of("body_sha256").unwrap(),
        sealed: batch.column_by_name("body").unwrap().as_binary::<i32>().value(row).to_vec(),
        texts: ["kind", "reason", "pointer", "found", "body_shape", "retry_of"]
            .map(|name| of(name).unwrap_or_default())
            .join("\n"),
    }
}
