//! Canaries in every place of every kind: fields, keys, broken text, envelopes, headers, other character sets.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use qianshao::simulate::Outgoing;
use serde_json::{Map, Value, json};

use super::people::{Canary, Sort, full_width, gbk};

/// Ids that may be anything, so that each message speaks of a record of its own.
const FREE_IDS: &[&str] = &["visit_no", "sale_id", "declaration_id", "card_id", "event_id"];
const PARTITIONS: usize = 8;
/// Two hours after the newest report of the examples: 2021-01-19 00:00 at +08:00.
pub const SENT_AT: i64 = 1_610_985_600_000_000;

/// What is sent, and how often a canary stands in it by sort.
pub struct Writing<'c> {
    canaries: &'c [Canary],
    taken: usize,
    messages: Vec<Outgoing>,
}

/// Every message for every kind below `feeds`.
pub fn written(feeds: &Path, canaries: &[Canary]) -> Vec<Outgoing> {
    let mut writing = Writing { canaries, taken: 0, messages: Vec::new() };
    for feed in folders(feeds) {
        for kind in folders(&feed) {
            let contract: Value = json_of(&kind.join("contract.json"));
            let examples = std::fs::read_to_string(kind.join("good.ndjson")).unwrap();
            let example = examples.lines().max_by_key(|line| line.len()).unwrap();
            let example: Value = serde_json::from_str(example).unwrap();
            let of = Kind { feed: name(&feed), contract: &contract, example: &example };
            writing.as_it_is(&of, &examples);
            writing.in_fields(&of);
            writing.in_broken_text(&of);
            writing.in_envelopes(&of);
        }
    }
    writing.messages
}

struct Kind<'a> {
    feed: String,
    contract: &'a Value,
    example: &'a Value,
}

impl Writing<'_> {
    fn next(&mut self) -> &Canary {
        self.taken += 1;
        &self.canaries[self.taken % self.canaries.len()]
    }

    fn send(&mut self, kind: &Kind<'_>, payload: Vec<u8>, headers: &[(&str, String)], key: &str) {
        let number = self.messages.len();
        self.messages.push(Outgoing {
            at: SENT_AT,
            topic: format!("qianshao.feed.{}.v1", kind.feed),
            partition: (number % PARTITIONS) as i32,
            // The broker numbers them.
            offset: 0,
            key: key.as_bytes().to_vec(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into_bytes())).collect(),
            payload: Some(payload),
        });
    }

    fn send_json(&mut self, kind: &Kind<'_>, message: &Value) {
        self.send(kind, message.to_string().into_bytes(), &[], "F1");
    }

    /// The examples themselves: alerts must come of something.
    fn as_it_is(&mut self, kind: &Kind<'_>, examples: &str) {
        examples.lines().for_each(|line| self.send(kind, line.as_bytes().to_vec(), &[], "F1"));
    }

    /// Every field of the contract, its aliases too, with every sort of canary in every form.
    fn in_fields(&mut self, kind: &Kind<'_>) {
        let mut paths = Vec::new();
        fields(kind.contract, &mut Vec::new(), &mut paths);
        assert!(paths.len() > 5, "a contract of {} without fields", kind.feed);
        for path in paths {
            for form in 0..7 {
                // One canary of each sort.
                for _ in 0..4 {
                    let text = self.next().text.clone();
                    let value = match form {
                        0 => Value::from(text.as_str()),
                        1 => Value::from(format!("患者{text}，复诊")),
                        2 => Value::from(full_width(&text)),
                        3 => json!({ text.as_str(): text.as_str() }),
                        4 => json!([text.as_str(), { "x": text.as_str() }]),
                        5 => text.parse::<i64>().map_or_else(|_| json!([text.as_str()]), Value::from),
                        _ => Value::from(format!("{text}\u{200b}\n")),
                    };
                    let message = self.with(kind, &path, value);
                    self.send_json(kind, &message);
                }
            }
        }
    }

    /// The example with another value at a path and an id of its own.
    fn with(&self, kind: &Kind<'_>, path: &[String], value: Value) -> Value {
        let mut message = kind.example.clone();
        let number = self.messages.len();
        for (name, stated) in message.as_object_mut().into_iter().flatten() {
            if FREE_IDS.contains(&name.as_str()) {
                *stated = Value::from(format!("C{number}"));
            }
        }
        put(&mut message, path, value);
        message
    }

    fn in_broken_text(&mut self, kind: &Kind<'_>) {
        for _ in 0..8 {
            let canary = self.next();
            let (text, is_number) = (canary.text.clone(), canary.sort == Sort::Number);
            let whole = self.with(kind, &["x_note".to_owned()], Value::from(text.as_str())).to_string();
            self.send(kind, whole.clone().into_bytes(), &[], "F1");
            let keyed = self.with(kind, std::slice::from_ref(&text), json!(1)).to_string();
            let at = whole.find(&text).unwrap() + text.len();
            let escaped: String = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
            let texts = [
                keyed.clone(),
                keyed.replace(": ", ":"),
                whole[..at].to_owned(),
                format!("{whole}{text}"),
                format!("{text}{whole}"),
                format!("\"{text}\""),
                text.clone(),
                format!("[\"{text}\",{whole}]"),
                whole.replacen('{', &format!("{{{text}:1,"), 1),
                whole.replacen('{', &format!("{{'{text}':1,"), 1),
                whole.replacen('{', &format!("{{\"{text}\":1,\"{text}\":2,"), 1),
                whole.replacen(&text, &escaped, 1),
                whole.replacen(&format!("\"{text}\""), &format!("\"{escaped}\\ud800\""), 1),
                whole.replacen(&format!("\"{text}\""), &format!("\"{text}\\q\""), 1),
                whole.replacen(&format!("\"{text}\""), &format!("-{text}"), 1),
                whole.replacen(&format!("\"{text}\""), &format!("{text}e{}", if is_number { 400 } else { 1 }), 1),
                "[".repeat(200) + &text,
            ];
            texts.into_iter().for_each(|text| self.send(kind, text.into_bytes(), &[], "F1"));
            self.send(kind, gbk(&whole), &[], "F1");
            self.send(kind, gbk(&keyed), &[], "F1");
            self.send(kind, whole.encode_utf16().flat_map(u16::to_le_bytes).collect(), &[], "F1");
            self.send(kind, [b"\xff\xfe", text.as_bytes()].concat(), &[], &text);
        }
    }

    /// CloudEvents in both modes, with a canary in each attribute, in headers of our own and in Kafka's key.
    fn in_envelopes(&mut self, kind: &Kind<'_>) {
        let ce_type = kind.contract["x-ce-type"].as_str().unwrap().to_owned();
        let attributes =
            ["type", "source", "subject", "id", "time", "specversion", "dataschema", "datacontenttype", "partitionkey"];
        for attribute in attributes {
            for _ in 0..4 {
                let text = self.next().text.clone();
                let body = self.with(kind, &[], Value::Null);
                let usual = |name: &str| match name {
                    "type" => Some(ce_type.clone()),
                    "specversion" => Some("1.0".to_owned()),
                    "id" => Some("1".to_owned()),
                    "source" => Some("/his".to_owned()),
                    _ => None,
                };
                let value = |name: &str| if name == attribute { Some(text.clone()) } else { usual(name) };
                let mut event = Map::from_iter([("data".to_owned(), body.clone())]);
                let mut headers = vec![("traceparent".to_owned(), text.clone()), (text.clone(), text.clone())];
                for name in attributes {
                    let Some(value) = value(name) else { continue };
                    event.insert(name.to_owned(), Value::from(value.as_str()));
                    headers.push((format!("ce_{name}"), value));
                }
                let headers: Vec<(&str, String)> =
                    headers.iter().map(|(name, value)| (&**name, value.clone())).collect();
                self.send(kind, body.to_string().into_bytes(), &headers, &text);
                let structured = [("content-type", "application/cloudevents+json".to_owned())];
                let event = Value::from(event);
                self.send(kind, event.to_string().into_bytes(), &structured, &text);
                self.send(kind, event.to_string().into_bytes(), &[], &text);
            }
        }
        for header in ["content-type", "qs_retry_of", "ce_type", "ce_time"] {
            for _ in 0..4 {
                let text = self.next().text.clone();
                let body = self.with(kind, &["x_note".to_owned()], Value::from(text.as_str())).to_string();
                self.send(kind, body.clone().into_bytes(), &[(header, text.clone())], &text);
                let hidden = json!({"specversion": "1.0", "type": ce_type, "source": "/his", "id": "1",
                    "subject": text, "data_base64": STANDARD.encode(&body[..body.len() - 1])});
                self.send(kind, hidden.to_string().into_bytes(), &[(header, format!("application/{text}"))], "F1");
            }
        }
    }
}

/// Paths of all properties: into objects, the first item of lists, one entry of free-key objects.
fn fields(node: &Value, path: &mut Vec<String>, out: &mut Vec<Vec<String>>) {
    let mut below = |name: &str, node: &Value| {
        path.push(name.to_owned());
        out.push(path.clone());
        fields(node, path, out);
        path.pop();
    };
    for (name, property) in node["properties"].as_object().into_iter().flatten() {
        below(name, property);
        for alias in property["x-aliases"].as_array().into_iter().flatten() {
            below(alias.as_str().unwrap(), &json!({}));
        }
    }
    if node["items"].is_object() {
        below("0", &node["items"]);
    }
    if node["additionalProperties"].is_object() {
        below("x", &node["additionalProperties"]);
    }
}

/// Puts a value at a path; what is not there on the way is made.
fn put(node: &mut Value, path: &[String], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    let child = match (node.is_array() || first == "0", node) {
        (true, list) => {
            if list.as_array().is_none_or(Vec::is_empty) {
                *list = json!([null]);
            }
            &mut list[0]
        }
        (false, node) => {
            if !node.is_object() {
                *node = json!({});
            }
            &mut node[first.as_str()]
        }
    };
    match rest.is_empty() {
        true => *child = value,
        false => put(child, rest, value),
    }
}

fn folders(under: &Path) -> Vec<std::path::PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(under).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.is_dir());
    found.sort();
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

fn json_of(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}
