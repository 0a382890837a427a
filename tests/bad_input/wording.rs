//! The language in which `tests/bad_input.ndjson` says what a message is: bytes that no text file could hold.
//!
//! A message begins as the first good example of its kind, with a record and a reporting time of its own; with
//! `before` it is the very message that came before it. Its unique key stands first, its reporting time last. Then:
//!
//! | word | what it does |
//! |---|---|
//! | `patch` | pointer → value that takes this place; see below |
//! | `tail` | text that is put before the last brace |
//! | `keys` | `[field, n]`: n keys of four characters, in the field or, if it is empty, in the message |
//! | `fill_to` | a field that nobody knows, as long as it takes to have so many bytes |
//! | `parts` | the payload instead: texts, `{"good": true}` (all of the above), `{"base64": …}`, `{"repeat": [text, times]}` |
//! | `cut` | so many bytes are missing at the end |
//! | `tombstone` | no payload |
//! | `key`, `headers` | Kafka's; `$long_name` and `$many` make headers of that size and number |
//! | `timestamp` | Kafka's, seconds from now; `null` for none |
//!
//! Values: `{"$json": text}` stands there as it is, `{"$time": seconds}` is that far from now, `{"$repeat": [text, times]}`
//! and `{"$nest": [open, close, depth]}` are long, `{"$remove": true}` takes the field away.

use base64::Engine;
use qianshao::consume::feed::Kind;
use qianshao::consume::plan::Shape;
use qianshao::terms::{MICROS_PER_SECOND, local_text, parse_instant};
use serde_json::{Map, Value, json};

/// When everything of this file is sent.
pub const NOW: &str = "2021-01-20T12:00:00+08:00";
/// Reporting times begin here, one second a message.
const REPORTED: &str = "2021-01-18T20:00:00+08:00";
/// Stands where a raw text will stand; no payload has it.
const RAW: &str = "\u{E000}";

pub fn now() -> i64 {
    parse_instant(NOW).unwrap()
}

/// Payload, key, headers and Kafka's time of one message, not yet at a position.
#[derive(Clone)]
pub struct Sent {
    pub payload: Option<Vec<u8>>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub timestamp: Option<i64>,
}

/// The first good example of a kind as the `n`th message of all: with its own record and reporting time.
pub fn own(kind: &Kind, n: i64) -> Value {
    let mut example: Value = serde_json::from_str(kind.good.lines().next().unwrap()).unwrap();
    for path in &kind.contract.record_key {
        let is_text = matches!(kind.contract.shape(path), Some(Shape::Text(rule)) if rule.choices.is_empty());
        if is_text && Some(path) != kind.contract.facility.as_ref() {
            let stem = example[&path.text].as_str().unwrap().trim_end_matches(|c: char| c.is_ascii_digit());
            example[&path.text] = json!(format!("{stem}{n:05}"));
        }
    }
    let reported = &kind.contract.reported_at.as_ref().unwrap().text;
    example[reported] = json!(local_text(parse_instant(REPORTED).unwrap() + n * MICROS_PER_SECOND));
    example
}

/// The text of a message: its unique key first, its reporting time last.
pub fn text(kind: &Kind, message: &Value) -> String {
    let last = &kind.contract.reported_at.as_ref().unwrap().text;
    let place = |name: &String| (*name != kind.contract.unique_key, name == last, name.clone());
    let mut fields: Vec<(&String, &Value)> = message.as_object().unwrap().iter().collect();
    fields.sort_by_key(|(name, _)| place(name));
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
    format!("{{{}}}", fields.join(","))
}

/// The message that `spec` words, from `base`.
pub fn sent(kind: &Kind, base: &Value, spec: &Map<String, Value>) -> Sent {
    let good = worded(kind, base, spec);
    let mut payload = match spec.get("parts") {
        Some(parts) => parts.as_array().unwrap().iter().flat_map(|part| bytes(part, &good)).collect(),
        None => good,
    };
    let cut = spec.get("cut").map_or(0, |cut| cut.as_u64().unwrap() as usize);
    payload.truncate(payload.len() - cut);
    let timestamp = match spec.get("timestamp") {
        None => Some(now()),
        Some(from_now) => from_now.as_i64().map(|seconds| now() + seconds * MICROS_PER_SECOND),
    };
    Sent {
        payload: (!spec.contains_key("tombstone")).then_some(payload),
        key: spec.get("key").map(|key| long(key).into_bytes()),
        headers: spec.get("headers").map(headers).unwrap_or_default(),
        timestamp,
    }
}

fn worded(kind: &Kind, base: &Value, spec: &Map<String, Value>) -> Vec<u8> {
    let (mut message, mut raws) = (base.clone(), Vec::new());
    for (pointer, value) in spec.get("patch").and_then(Value::as_object).into_iter().flatten() {
        put(&mut message, pointer, value, &mut raws);
    }
    let mut text = text(kind, &message);
    for (at, raw) in raws.iter().enumerate() {
        text = text.replacen(&format!("\"{RAW}{at}\""), raw, 1);
    }
    if let Some(tail) = spec.get("tail") {
        text.insert_str(text.len() - 1, tail.as_str().unwrap());
    }
    if let Some(keys) = spec.get("keys") {
        let keys_text: Vec<String> = (0..keys[1].as_u64().unwrap()).map(|n| format!("\"{}\":0", base36(n))).collect();
        let (field, keys) = (keys[0].as_str().unwrap(), keys_text.join(","));
        let tail = if field.is_empty() { format!(",{keys}") } else { format!(",\"{field}\":{{{keys}}}") };
        message.as_object_mut().unwrap().remove(field);
        text = self::text(kind, &message);
        text.insert_str(text.len() - 1, &tail);
    }
    if let Some(size) = spec.get("fill_to") {
        const FIELD: &str = ",\"filling\":\"\"";
        let missing = size.as_u64().unwrap() as usize - text.len() - FIELD.len();
        text.insert_str(text.len() - 1, &format!(",\"filling\":\"{}\"", "x".repeat(missing)));
    }
    text.into_bytes()
}

/// Puts a value at a pointer whose parents are there.
fn put(message: &mut Value, pointer: &str, value: &Value, raws: &mut Vec<String>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let parent = message.pointer_mut(parent).unwrap_or_else(|| panic!("nothing at {parent}"));
    let mut raw = |text: String| {
        raws.push(text);
        json!(format!("{RAW}{}", raws.len() - 1))
    };
    let value = match value.as_object().and_then(|object| object.iter().next()).map(|(word, of)| (word.as_str(), of)) {
        Some(("$remove", _)) => {
            parent.as_object_mut().unwrap().remove(name).unwrap_or_else(|| panic!("no {pointer} to remove"));
            return;
        }
        Some(("$json", text)) => raw(text.as_str().unwrap().to_owned()),
        Some(("$nest", of)) => {
            let part = |at: usize| of[at].as_str().unwrap().repeat(of[2].as_u64().unwrap() as usize);
            raw(part(0) + &part(1))
        }
        Some(("$time", seconds)) => json!(local_text(now() + seconds.as_i64().unwrap() * MICROS_PER_SECOND)),
        Some(("$repeat", _)) => json!(long(value)),
        _ => value.clone(),
    };
    match parent {
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        parent => parent[name] = value,
    }
}

fn bytes(part: &Value, good: &[u8]) -> Vec<u8> {
    if part["good"] == json!(true) {
        return good.to_vec();
    }
    match part["base64"].as_str() {
        Some(encoded) => base64::engine::general_purpose::STANDARD.decode(encoded).unwrap(),
        None => long(part).into_bytes(),
    }
}

/// A text, or one that is repeated.
fn long(text: &Value) -> String {
    let of = if text["repeat"].is_array() { &text["repeat"] } else { &text["$repeat"] };
    match text.as_str() {
        Some(text) => text.to_owned(),
        None => of[0].as_str().unwrap().repeat(of[1].as_u64().unwrap() as usize),
    }
}

fn headers(spec: &Value) -> Vec<(String, Vec<u8>)> {
    let one = |(name, value): (&String, &Value)| match (name.as_str(), value.as_u64()) {
        ("$long_name", Some(length)) => vec![("n".repeat(length as usize), Vec::new())],
        ("$many", Some(number)) => (0..number).map(|n| (format!("x-{n}"), b"some 20 bytes of text".to_vec())).collect(),
        _ => vec![(name.clone(), bytes(value, b""))],
    };
    spec.as_object().unwrap().iter().flat_map(one).collect()
}

fn base36(n: u64) -> String {
    let digit = |place: u32| char::from_digit((n / 36_u64.pow(place) % 36) as u32, 36).unwrap();
    [3, 2, 1, 0].into_iter().map(digit).collect()
}
