//! What decoding costs: at most four times the payload in memory, and no shape makes it worse than its length.
//!
//! Allocations are counted, not seconds: the same on every machine.

use std::time::Instant;

use base64::Engine;
use qianshao::consume::decode::{Context, decode};
use qianshao::consume::feed::Feed;
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::message::Message;
use qianshao::terms::Position;

use super::allocations::{Used, used};
use super::run::Input;
use super::{SETTING, wording};

/// Times the payload that decoding may hold.
const PAYLOADS_MAX: usize = 4;
/// Columns, keys and regular expressions of a feed, whatever comes: what an empty batch takes.
const EMPTY_BATCH: usize = 96 << 10;

fn decoded(feed: &Feed, messages: &[Message]) -> Used {
    let pseudonyms = Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256);
    let context = Context { pseudonyms: &pseudonyms, known_area: &|_| true, now: wording::now() };
    let ((), used) = used(|| drop(decode(feed, messages, &context)));
    used
}

#[test]
fn decoding_holds_at_most_four_times_the_payload() {
    let input = Input::read(&SETTING.feeds, false);
    let (mut most, mut slowest) = ((0.0, ""), (0.0, ""));
    for (at, kind) in input.kinds.iter().enumerate() {
        let message = &input.messages[super::AROUND * at + 1];
        let feed = SETTING.feeds.get(&kind.feed).unwrap();
        let length = message.payload.as_ref().map_or(0, Vec::len);
        let used = decoded(feed, std::slice::from_ref(message));
        // The least of a few: another process may have had the machine in between.
        let took =
            (0..5).map(|_| milliseconds(|| _ = decoded(feed, std::slice::from_ref(message)))).fold(f64::MAX, f64::min);
        let above = used.peak.saturating_sub(EMPTY_BATCH);
        assert!(above <= PAYLOADS_MAX * length, "{}: {} bytes held for {length}", kind.kind, used.peak);
        let times = if length >= 64 << 10 { used.peak as f64 / length as f64 } else { 0.0 };
        most = if times > most.0 { (times, &kind.kind) } else { most };
        slowest = if took > slowest.0 { (took, &kind.kind) } else { slowest };
    }
    println!(
        "most memory of a large payload: {:.2} times, {}; longest: {:.1} ms, {}",
        most.0, most.1, slowest.0, slowest.1
    );
}

/// Told to whoever reads the log; nothing is decided by it.
fn milliseconds(work: impl FnOnce()) -> f64 {
    #[expect(clippy::disallowed_methods, reason = "a figure for the log")]
    let begun = Instant::now();
    work();
    begun.elapsed().as_secs_f64() * 1_000.0
}

#[test]
fn a_body_inside_an_envelope_costs_no_more_than_four_payloads() {
    let feed = SETTING.feeds.get("customs").unwrap();
    let line = feed.kinds[0].good.lines().next().unwrap().trim_end_matches('}');
    let body = format!("{line},\"filling\":\"{}\"}}", "x".repeat(700_000));
    let encoded = base64::engine::general_purpose::STANDARD.encode(body);
    let ce_type = &feed.kinds[0].contract.ce_type;
    for data in [format!("\"data_base64\":\"{encoded}\""), format!("\"data_base64\":\"\\u0041{encoded}\"")] {
        let text = format!("{{\"specversion\":\"1.0\",\"type\":\"{ce_type}\",{data}}}");
        let used = decoded(feed, &[of_text(&text)]);
        println!("{:.2} times the payload for a body in base64", used.peak as f64 / text.len() as f64);
        assert!(used.peak <= PAYLOADS_MAX * text.len(), "{used:?}");
    }
}

fn of_text(text: &str) -> Message {
    let position = Position { topic: "t".into(), partition: 0, offset: 0 };
    let payload = Some(text.as_bytes().to_vec());
    Message { position, timestamp: Some(0), key: None, headers: Vec::new(), payload }
}

#[test]
fn no_shape_costs_more_than_its_length() {
    type Shape = (&'static str, &'static str, fn(usize) -> String);
    let shapes: [Shape; 7] = [
        ("fever_clinic", "unknown keys", |n| format!("{{{}}}", list(n, |i| format!("\"k{i}\":0")))),
        ("fever_clinic", "one key again and again", |n| format!("{{{}}}", list(n, |_| "\"k\":0".to_owned()))),
        ("fever_clinic", "an unknown list", |n| format!("{{\"x\":[{}]}}", list(n, |_| "0".to_owned()))),
        ("school", "free keys", |n| format!("{{\"symptom_counts\":{{{}}}}}", list(n, |i| format!("\"k{i}\":1")))),
        ("school", "free keys backwards", |n| {
            format!("{{\"symptom_counts\":{{{}}}}}", list(n, |i| format!("\"k{:05}\":1", n - i)))
        }),
        ("pharmacy", "lines", |n| {
            format!("{{\"lines\":[{}]}}", list(n, |_| "{\"category\":\"cough\",\"qty\":1}".to_owned()))
        }),
        ("customs", "escapes", |n| format!("{{\"destination_detail\":\"{}\"}}", "\\u8def".repeat(n))),
    ];
    for (feed, name, shape) in shapes {
        let feed = SETTING.feeds.get(feed).unwrap();
        let of = |n: usize| {
            let line = feed.kinds[0].good.lines().next().unwrap().trim_end_matches('}');
            // The fields of the shape stand among those of an example, in front of them.
            let text = format!("{},{}}}", shape(n).strip_suffix('}').unwrap(), line.trim_start_matches('{'));
            decoded(feed, &[of_text(&text)]).total
        };
        let (one, two, four) = (of(2_000), of(4_000), of(8_000));
        println!("{name}: {one}, {two}, {four} bytes allocated for 1, 2, 4 times as much");
        let (first, second) = (two.saturating_sub(one), four.saturating_sub(two));
        // Buffers grow by doubling: a step up costs twice the step before, and a little.
        assert!(second <= 2 * first + (64 << 10), "{name}: {one}, {two}, {four}");
    }
}

fn list(n: usize, item: impl Fn(usize) -> String) -> String {
    (0..n).map(item).collect::<Vec<_>>().join(",")
}
