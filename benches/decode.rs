//! Bytes to Arrow: our decoder, which checks the contract, makes tokens, record keys and hashes, beside arrow-json, which
//! does none of that, on the same messages of the four feeds that send most.
//!
//!   cargo bench --bench decode
//!
//! Promises: one thread; arrow-json at the best of several batch sizes; what both decode is compared value by value first.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod city;

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use arrow::json::ReaderBuilder;
use arrow::json::reader::Decoder;
use qianshao::clock::{Clock, WallClock};
use qianshao::consume::decode::{Context, decode};
use qianshao::consume::feed::{Feed, Feeds, Kind};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::message::Message;
use qianshao::consume::plan::Shape;
use qianshao::terms::{Day, MICROS_PER_DAY};

const DAYS: i64 = 4;
/// Messages that are decoded at a time: an epoch under backlog.
const EPOCH: usize = 20_000;
const BATCHES: [usize; 4] = [256, 1_024, 8_192, 20_000];
const ROUNDS: usize = 9;

fn main() {
    let start = Day::parse("2021-01-04").unwrap();
    let until = start.start_micros() + DAYS * MICROS_PER_DAY;
    let sent = city::messages(start, DAYS as u32, true, until);
    let feeds = Feeds::load(None).unwrap();
    let pseudonyms = Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256);
    let context = Context { pseudonyms: &pseudonyms, known_area: &|_| true, now: until };
    let mut shares = Vec::new();
    for feed in &feeds.feeds {
        for kind in &feed.kinds {
            let messages = messages_of(&sent, feed, kind, &context);
            // A kind that hardly comes fills no epoch and says nothing of speed.
            if messages.len() * 20 >= EPOCH {
                shares.push(compared(feed, kind, &messages, &context));
            }
        }
    }
    let mean = shares.iter().map(|share| share.ln()).sum::<f64>() / shares.len() as f64;
    println!("{} kinds of messages, geometric mean: {:.2} times arrow-json", shares.len(), mean.exp());
}

/// An epoch of the kind's messages that are accepted, bare JSON and without times that leave their zone to us: arrow-json
/// knows no envelope, and to it such a time is UTC.
fn messages_of(sent: &[Message], feed: &Feed, kind: &Kind, context: &Context<'_>) -> Vec<Message> {
    let topic = format!("qianshao.feed.{}.v1", feed.name);
    let is_bare = |message: &&Message| {
        let enveloped = message.header("content-type").is_some_and(|kind| kind.starts_with(b"application/cloudevents"));
        *message.position.topic == *topic
            && !enveloped
            && !leaves_zone_out(message.payload.as_deref().unwrap_or_default())
    };
    let of_feed: Vec<Message> = sent.iter().filter(is_bare).cloned().collect();
    let (decoded, _) = decode(feed, &of_feed, context);
    let of_kind = decoded.iter().filter(|batch| batch.kind.name == kind.name);
    let found: Vec<Message> = of_kind.flat_map(|b| b.stated.iter().map(|s| of_feed[s.message].clone())).collect();
    let enough = if found.len() * 20 >= EPOCH { EPOCH } else { found.len() };
    found.iter().cycle().take(enough).cloned().collect()
}

/// Whether some time of day ends after its seconds.
fn leaves_zone_out(payload: &[u8]) -> bool {
    let is_digit = |at: usize| payload.get(at).is_some_and(u8::is_ascii_digit);
    // hh:mm:ss and a quote; the colon of an offset has a sign three places before it.
    let mut ends =
        (3..payload.len()).filter(|at| payload[*at] == b':' && is_digit(at - 1) && payload.get(at + 3) == Some(&b'"'));
    ends.any(|at| !matches!(payload[at - 3], b'+' | b'-'))
}

/// How many times as fast as arrow-json we are.
fn compared(feed: &Feed, kind: &Kind, messages: &[Message], context: &Context<'_>) -> f64 {
    let schema = schema_of(kind);
    let bytes: usize = messages.iter().filter_map(|message| message.payload.as_ref()).map(Vec::len).sum();
    let columns = same(feed, kind, messages, &schema, context);
    let (mut ours, mut theirs) = (f64::MAX, [f64::MAX; BATCHES.len()]);
    for _ in 0..ROUNDS {
        ours = ours.min(seconds(|| drop(black_box(decode(feed, messages, context)))));
        for (best, size) in theirs.iter_mut().zip(BATCHES) {
            *best = best.min(seconds(|| drop(black_box(by_arrow_json(messages, &schema, size)))));
        }
    }
    let (best, size) = theirs.iter().zip(BATCHES).min_by(|one, other| one.0.total_cmp(other.0)).unwrap();
    let rate = |seconds: f64| messages.len() as f64 / seconds / 1e3;
    println!(
        "{}/{}: {} bytes a message, {columns} columns the same; ours {:.0} k/s, arrow-json {:.0} k/s at {size} a batch; {:.2} times",
        feed.name,
        kind.name,
        bytes / messages.len(),
        rate(ours),
        rate(*best),
        best / ours
    );
    best / ours
}

fn seconds(act: impl FnOnce()) -> f64 {
    let began = WallClock.now();
    act();
    (WallClock.now() - began) as f64 / 1e6
}

fn by_arrow_json(messages: &[Message], schema: &SchemaRef, size: usize) -> Vec<RecordBatch> {
    let mut decoder: Decoder = ReaderBuilder::new(schema.clone()).with_batch_size(size).build_decoder().unwrap();
    let mut batches = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        decoder.decode(message.payload.as_deref().unwrap()).unwrap();
        if (at + 1).is_multiple_of(size) {
            batches.extend(decoder.flush().unwrap());
        }
    }
    batches.extend(decoder.flush().unwrap());
    batches
}

/// The contract's fields as arrow-json reads them: it takes no "UTC", and free keys are no list to it.
fn schema_of(kind: &Kind) -> SchemaRef {
    let fields = &kind.contract.root.fields;
    let read = fields.iter().filter(|field| !matches!(field.shape, Shape::Map(_)));
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into()));
    Arc::new(Schema::new(
        read.map(|field| match field.shape {
            Shape::Instant => Field::new(&field.name, instant.clone(), true),
            _ => Field::new(&field.name, field.shape.arrow(), true),
        })
        .collect::<Vec<_>>(),
    ))
}

/// Stops where the two differ; answers how many columns are the same.
fn same(feed: &Feed, kind: &Kind, messages: &[Message], schema: &SchemaRef, context: &Context<'_>) -> usize {
    let (ours, rejected) = decode(feed, messages, context);
    let theirs = by_arrow_json(messages, schema, EPOCH);
    assert!(rejected.is_empty() && ours.len() == 1 && theirs.len() == 1, "{}: one batch each", kind.name);
    let mut columns = 0;
    for field in &kind.contract.root.fields {
        let Some(theirs) = theirs[0].column_by_name(&field.name) else { continue };
        columns += agree(&field.shape, ours[0].raw.column_by_name(&field.name).unwrap(), theirs, &field.name);
    }
    columns
}

/// Identifiers are tokens on our side, so only whether there is one is compared.
fn agree(shape: &Shape, ours: &ArrayRef, theirs: &ArrayRef, name: &str) -> usize {
    assert!(ours.logical_nulls() == theirs.logical_nulls(), "nulls of {name} differ");
    match shape {
        Shape::Identifier(_) | Shape::Map(_) => 0,
        Shape::Object(object) => {
            let (ours, theirs) = (ours.as_struct(), theirs.as_struct());
            let parts = object.fields.iter().enumerate();
            parts.map(|(at, field)| agree(&field.shape, ours.column(at), theirs.column(at), &field.name)).sum()
        }
        Shape::List { item, .. } => {
            let (ours, theirs) = (ours.as_list::<i32>(), theirs.as_list::<i32>());
            assert!(ours.offsets() == theirs.offsets(), "lengths of {name} differ");
            agree(item, ours.values(), theirs.values(), name)
        }
        Shape::Instant => {
            let micros = |array: &ArrayRef| array.to_data().into_builder().data_type(DataType::Int64).build().unwrap();
            assert!(micros(ours) == micros(theirs), "column {name} differs");
            1
        }
        Shape::Text(_) | Shape::Integer(_) | Shape::Number(_) | Shape::Boolean | Shape::Day => {
            assert!(ours == theirs, "column {name} differs");
            1
        }
    }
}
