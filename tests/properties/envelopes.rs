//! CloudEvents: however a body is wrapped, it is the same statement; an envelope that is none is refused.

use base64::Engine;
use qianshao::consume::decode::Stated;
use qianshao::consume::envelope::open;
use qianshao::consume::feed::Feed;
use qianshao::consume::message::Message;
use qianshao::consume::values::instant_of_text;

use super::decode::damaged;
use super::examples::{Choices, FEEDS, decoded, message};

const TIMES: [&str; 6] = [
    "2021-01-18T08:31:00+08:00",
    "2021-01-18T00:31:00Z",
    "2021-01-18 08:31:00",
    "yesterday",
    "2021-02-30T00:00:00Z",
    "",
];
const VERSIONS: [&str; 4] = ["1.0", "0.3", "", "１.0"];
const CONTENT: [&str; 5] =
    ["application/json", "application/json; charset=utf-8", "text/plain", "application/vnd.a+json", ""];
const RETRIES: [&str; 5] = ["t/0/1", "qianshao.feed.x.v1/12/9007199254740993", "王小明", "t/0", "t/0/13900990001"];

/// The bytes choose a body, and a good or a bad envelope around it.
pub fn holds(data: &[u8]) {
    let mut choices = Choices(data);
    let feed = &FEEDS.feeds[choices.below(FEEDS.feeds.len())];
    let kind = &feed.kinds[choices.below(feed.kinds.len())];
    let lines: Vec<&str> = kind.good.lines().filter(|line| !line.is_empty()).collect();
    let body = choices.of(&lines);
    every_wrapping_says_the_same(feed, &kind.contract.ce_type, body);
    any_headers_have_one_outcome(feed, &kind.contract.ce_type, body, &mut choices);
    let whole = structured(&kind.contract.ce_type, "data", body);
    one_outcome(feed, message(&damaged(whole.as_bytes(), &mut choices)));
}

fn structured(ce_type: &str, name: &str, data: &str) -> String {
    format!(r#"{{"specversion":"1.0","id":"1","source":"/s","type":"{ce_type}","{name}":{data}}}"#)
}

fn with(payload: &str, headers: &[(&str, &str)]) -> Message {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec())).collect();
    Message { headers, ..message(payload.as_bytes()) }
}

fn every_wrapping_says_the_same(feed: &Feed, ce_type: &str, body: &str) {
    let encoded = format!("\"{}\"", base64::engine::general_purpose::STANDARD.encode(body));
    let cloud = ("content-type", "application/cloudevents+json; charset=UTF-8");
    let ways = [
        with(body, &[]),
        with(body, &[("ce_specversion", "1.0"), ("ce_type", ce_type), ("content-type", "application/json")]),
        with(body, &[("CE_Type", ce_type)]),
        with(&structured(ce_type, "data", body), &[cloud]),
        with(&structured(ce_type, "data", body), &[]),
        with(&structured(ce_type, "data_base64", &encoded), &[cloud]),
    ];
    let said: Vec<Stated> = ways.iter().map(|message| one_outcome(feed, message.clone()).unwrap()).collect();
    assert!(said.iter().all(|stated| *stated == said[0]), "{said:?}");
    let both = structured(ce_type, "data", &format!("{body},\"data_base64\":{encoded}"));
    assert!(one_outcome(feed, with(&both, &[cloud])).is_none());
}

fn any_headers_have_one_outcome(feed: &Feed, ce_type: &str, body: &str, choices: &mut Choices<'_>) {
    let (version, time, content) = (choices.of(&VERSIONS), choices.of(&TIMES), choices.of(&CONTENT));
    let retry = choices.of(&RETRIES);
    let other = String::from_utf8_lossy(choices.take(6)).into_owned();
    let kind = if choices.byte().is_multiple_of(4) { other.as_str() } else { ce_type };
    let headers = [
        ("ce_type", kind),
        ("ce_specversion", version),
        ("ce_time", time),
        ("content-type", content),
        ("qs_retry_of", retry),
    ];
    let taken = one_outcome(feed, with(body, &headers));
    let json = content.starts_with("application/") && content.contains("json");
    let place = retry.is_ascii() && retry.matches('/').count() == 2 && !retry.contains("13900990001");
    let right = kind == ce_type && version == "1.0" && instant_of_text(time).is_some() && json && place;
    assert_eq!(taken.is_some(), right, "{headers:?}");
    assert!(taken.is_none_or(|stated| stated.retry_of.as_deref() == Some(retry)));
    let _ = open(feed, &with(body, &[("ce_type", kind)]));
}

/// What the message states, or nothing where it is refused.
fn one_outcome(feed: &Feed, message: Message) -> Option<Stated> {
    let (taken, rejected) = decoded(feed, &[message]);
    let stated: Vec<Stated> = taken.iter().flat_map(|part| part.stated.clone()).collect();
    assert_eq!(stated.len() + rejected.len(), 1);
    stated.into_iter().next()
}
