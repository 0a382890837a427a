//! What the decoder promises, told as examples.
//!
//! Promises: each test is one sentence of the contract with the rest of the pipeline.
//! Never: shipped; compiled for tests only.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::decode::{Context, Decoded, Stated, decode};
use super::feed::Feeds;
use super::identity::{Algorithm, Pseudonyms};
use super::message::{Message, Rejected};
use crate::terms::{Operation, Position, parse_instant};

/// 2021-02-01T00:00:00Z.
pub const NOW: i64 = 1_612_137_600_000_000;

/// The feed of these tests, compiled once.
pub static FEEDS: LazyLock<Feeds> = LazyLock::new(|| {
    Feeds::load(Some(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds/decoder"))).unwrap()
});

/// A message with this body, reported a minute ago.
pub fn message(body: &str) -> Message {
    Message {
        position: Position { topic: "test".into(), partition: 0, offset: 0 },
        timestamp: Some(NOW - 60_000_000),
        key: None,
        headers: Vec::new(),
        payload: Some(body.as_bytes().to_vec()),
    }
}

pub fn with_headers(body: &str, headers: &[(&str, &str)]) -> Message {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Message { headers, ..message(body) }
}

pub fn run(messages: &[Message]) -> (Vec<Decoded>, Vec<Rejected>) {
    let pseudonyms = Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256);
    decode(
        &FEEDS.feeds[0],
        messages,
        &Context { pseudonyms: &pseudonyms, known_area: &|code| code == "990101", now: NOW },
    )
}

/// A right message with `more` fields.
pub fn body(more: &str) -> String {
    let comma = if more.is_empty() { "" } else { "," };
    format!(r#"{{"no":"V1","place":"F1","seen_at":"2021-01-18T08:30:00+08:00"{comma}{more}}}"#)
}

fn stated(more: &str) -> Stated {
    let (decoded, rejected) = run(&[message(&body(more))]);
    assert_eq!(rejected, []);
    decoded[0].stated[0].clone()
}

pub fn refusal(message: Message) -> Rejected {
    let (decoded, mut rejected) = run(&[message]);
    assert!(decoded.is_empty());
    rejected.remove(0)
}

#[test]
fn a_bad_message_never_harms_its_neighbours() {
    let bad = body(r#""symptoms":["fever","cough"],"by_age":{"b":1},"lines":[{"category":"a"},{"category":"z"}]"#);
    let good = body(r#""symptoms":["rash"],"by_age":{"b":2,"a":1},"lines":[{"category":"b","qty":3}]"#);
    let (with, rejected) = run(&[message(&good), message(&bad), message(&good), message(&bad)]);
    let (without, _) = run(&[message(&good), message(&good)]);
    assert_eq!(with[0].raw, without[0].raw);
    assert_eq!(rejected.iter().map(|rejected| rejected.message).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(with[0].stated.iter().map(|stated| stated.message).collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn quality_flags_keep_the_message_and_drop_the_value() {
    let (decoded, _) = run(&[message(&body(r#""temp_c":3.65,"person":{"id":"123"}"#))]);
    assert!(decoded[0].raw.column_by_name("temp_c").unwrap().as_primitive::<Float64Type>().is_null(0));
    assert_eq!(decoded[0].stated[0].quality.as_deref(), Some("bad_id,out_of_range"));
    assert_eq!(decoded[0].raw.column_by_name("qs_quality").unwrap().as_string::<i32>().value(0), "bad_id,out_of_range");
}

#[test]
fn an_event_far_ahead_counts_at_its_reporting_time() {
    let event = |minutes: i64| crate::terms::local_text(NOW + minutes * 60_000_000);
    let of = |minutes| {
        let text = body("").replace("2021-01-18T08:30:00+08:00", &event(minutes));
        run(&[message(&text)]).0[0].stated[0].clone()
    };
    assert_eq!((of(10).quality, of(10).event_time), (None, Some(NOW + 600_000_000)));
    assert_eq!(of(120).quality.as_deref(), Some("future_time"));
    assert_eq!(of(120).event_time, Some(NOW - 60_000_000));
}

#[test]
fn the_envelope_gives_kind_time_and_body() {
    let right = body("");
    let binary = with_headers(
        &right,
        &[("ce_specversion", "1.0"), ("ce_type", "test.everything.v1"), ("ce_time", "2021-01-19T00:00:00Z")],
    );
    let event = |data: &str| {
        format!(
            r#"{{"specversion":"1.0","type":"test.everything.v1","id":"1","source":"/s","time":"2021-01-19T00:00:00Z",{data}}}"#
        )
    };
    let encoded = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &right);
    let structured = [("content-type", "application/cloudevents+json; charset=UTF-8")];
    let messages = [
        binary,
        with_headers(&event(&format!("\"data\":{right}")), &structured),
        with_headers(&event(&format!("\"data_base64\":\"{encoded}\"")), &structured),
        message(&event(&format!("\"data\":{right}"))),
    ];
    let (decoded, rejected) = run(&messages);
    assert_eq!(rejected, []);
    let hashes: BTreeSet<_> = decoded[0].stated.iter().map(|stated| &stated.content_hash).collect();
    assert_eq!((decoded[0].stated.len(), hashes.len()), (4, 1), "the envelope is no part of the statement");
    let time = parse_instant("2021-01-19T00:00:00Z");
    assert!(decoded[0].stated.iter().all(|stated| Some(stated.reported_at) == time));
    let inside = refusal(with_headers(&event("\"data\":{\"no\":7}"), &structured));
    assert_eq!((inside.pointer.as_str(), inside.kind.as_deref()), ("/data/no", Some("everything")));
}

#[test]
fn a_record_is_known_by_its_key_and_a_statement_by_its_content() {
    let one = stated("");
    assert_eq!(one.record_key.len(), 32);
    assert_eq!(one.content_hash.len(), 32);
    assert_eq!(stated(r#""unheard_of":1"#), one, "unknown fields change nothing");
    assert_eq!(stated(r#""weight_kg":-0.0"#).content_hash, stated(r#""weight_kg":0"#).content_hash);
    let other = stated(r#""revision":2,"operation":"订正","submitted_at":"2021-01-18T09:00:00+08:00""#);
    assert_eq!(other.record_key, one.record_key);
    assert_ne!(other.content_hash, one.content_hash);
    assert_eq!((other.revision, other.operation), (2, Operation::Correct));
    assert_eq!(Some(other.reported_at), parse_instant("2021-01-18T09:00:00+08:00"));
}

#[test]
fn kinds_of_a_feed_part_into_batches_and_a_zero_report_says_so() {
    let tally = r#"{"tally_date":"2021-01-18","place":"F1","total":"0","zero_report":true,"more":1}"#;
    let retry = with_headers(tally, &[("qs_retry_of", "qianshao.feed.sample.v1/0/17")]);
    let (decoded, rejected) = run(&[message(tally), message(&body("")), retry]);
    assert_eq!(rejected, []);
    let names: Vec<_> = decoded.iter().map(|part| part.kind.name.as_str()).collect();
    assert_eq!(names, ["everything", "tally"]);
    assert_eq!(decoded[1].raw.column_by_name("message").unwrap().as_primitive::<Int64Type>().values(), &[0, 1]);
    assert_eq!(decoded[1].stated.iter().map(|stated| stated.message).collect::<Vec<_>>(), [0, 2]);
    assert_eq!(decoded[1].stated[0].operation, Operation::Zero);
    assert_eq!(decoded[1].unknown_fields, 2);
    assert_eq!(decoded[1].stated[1].retry_of.as_deref(), Some("qianshao.feed.sample.v1/0/17"));
    assert_eq!(decoded[1].stated[0].event_time, parse_instant("2021-01-18"));
}

#[test]
fn identifiers_are_tokens_before_they_are_rows() {
    let (decoded, _) = run(&[message(&body(
        r#""complaint":"free","person":{"id":"11010519491231002x","name":"王小明","phone":"13900000000"}"#,
    ))]);
    let shown = format!("{:?}", decoded[0].raw);
    for hidden in ["11010519491231002", "王小明", "13900000000"] {
        assert!(!shown.contains(hidden));
    }
    assert!(shown.contains("free"), "free text is seen by normalize.sql inside the batch");
}

#[test]
fn a_flood_is_parted_into_batches_of_limited_size() {
    let one = message(&body(&format!("\"unheard_of\":\"{}\"", "x".repeat(1_000_000))));
    let messages = vec![one; 70];
    let (decoded, rejected) = run(&messages);
    assert_eq!(rejected, []);
    let rows: Vec<_> = decoded.iter().map(|part| part.raw.num_rows()).collect();
    assert_eq!(rows, [68, 2]);
    assert_eq!(decoded[1].stated[1].message, 69);
    assert_eq!(decoded[1].stated[1].content_hash, decoded[0].stated[0].content_hash);
}
