//! One revision of an alert becomes three messages: CloudEvents 1.0, Kafka binary mode, key = alert id.
//!
//! Promises: what everybody may read is of county grain: no unit below, no facility, no free text about one.
//! The whole goes to the topic of the alert's prefecture alone. Equal rows give equal bytes.
//! Never: carries a token or anything of a person.

use serde::Serialize;

use crate::kafka::Topics;
pub use crate::publish::alert_row::AlertRow;
use crate::terms::local_text;

/// A message ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutMessage {
    pub topic: String,
    pub key: String,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl OutMessage {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| *header == name).map(|(_, value)| value.as_str())
    }
}

/// What every CloudEvent of ours says about itself.
pub(super) struct Event<'a> {
    /// `alert.changed`: names type and source.
    pub word: &'a str,
    /// The schema of the body, `schemas/alerts/<schema>.schema.json`.
    pub schema: &'a str,
    pub id: String,
    pub subject: &'a str,
    pub key: &'a str,
    /// When the log knew it.
    pub known_at: i64,
}

impl Event<'_> {
    pub(super) fn headers(&self, prefix: &str) -> Vec<(&'static str, String)> {
        let word = self.word;
        vec![
            ("ce_specversion", "1.0".to_owned()),
            ("ce_id", self.id.clone()),
            ("ce_type", format!("cn.qianshao.{word}.v1")),
            ("ce_source", format!("/{prefix}/{}", word.replace('.', "/"))),
            ("ce_time", local_text(self.known_at)),
            ("ce_subject", self.subject.to_owned()),
            ("ce_partitionkey", self.key.to_owned()),
            ("ce_dataschema", format!("urn:qianshao:schema:{}:v1", self.schema)),
            ("content-type", "application/json".to_owned()),
        ]
    }
}

/// What an alert says to everybody. The order of the fields is the order in the body.
#[derive(Serialize)]
struct Changed<'a> {
    alert_id: &'a str,
    revision: i64,
    state: &'a str,
    response: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    severity: &'a str,
    rule: &'a str,
    rule_kind: &'a str,
    pack: &'a str,
    mode: &'a str,
    signal: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    syndrome: Option<&'a str>,
    area_code: &'a str,
    onset: String,
    window_start: String,
    window_end: String,
    observed: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<f64>,
    threshold: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    statistic: Option<f64>,
    channels: Vec<&'a str>,
    opened_at: String,
    verify_due: String,
    tick: String,
    known_at: String,
}

/// What the people of the alert's prefecture read besides.
#[derive(Serialize)]
struct Restricted<'a> {
    #[serde(flatten)]
    changed: Changed<'a>,
    unit_kind: &'a str,
    unit_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    facility_id: Option<&'a str>,
    title_zh: &'a str,
    title_en: &'a str,
}

/// The messages of one revision: changed, restricted, current.
pub fn alert_messages(topics: &Topics, row: &AlertRow) -> [OutMessage; 3] {
    let changed = changed(row);
    let everybody = body(&changed);
    let restricted = body(&Restricted {
        changed,
        unit_kind: &row.unit_kind,
        unit_id: &row.unit_id,
        facility_id: row.facility_id.as_deref(),
        title_zh: &row.title_zh,
        title_en: &row.title_en,
    });
    let message = |topic: String, word: &str, schema: &str, body: Vec<u8>| {
        let id = format!("{}:{}", row.alert_id, row.revision);
        let event = Event { word, schema, id, subject: &row.alert_id, key: &row.alert_id, known_at: row.known_at };
        OutMessage { topic, key: row.alert_id.clone(), headers: event.headers(&topics.prefix), body }
    };
    [
        message(topics.changed(), "alert.changed", "alert.changed", everybody.clone()),
        message(topics.restricted(&row.area_code), "alert.restricted", "alert.restricted", restricted),
        message(topics.current(), "alert.current", "alert.changed", everybody),
    ]
}

fn changed(row: &AlertRow) -> Changed<'_> {
    Changed {
        alert_id: &row.alert_id,
        revision: row.revision,
        state: &row.state,
        response: &row.response,
        reason: row.reason.as_deref(),
        severity: &row.severity,
        rule: &row.rule,
        rule_kind: &row.rule_kind,
        pack: &row.pack,
        mode: &row.mode,
        signal: &row.signal,
        syndrome: row.syndrome.as_deref(),
        // Six digits are a county: a longer code would name a town.
        area_code: row.area_code.get(..6).unwrap_or(&row.area_code),
        onset: row.onset.to_string(),
        window_start: row.window_start.to_string(),
        window_end: row.window_end.to_string(),
        observed: row.observed,
        expected: row.expected,
        threshold: row.threshold,
        statistic: row.statistic,
        channels: row
            .channels
            .as_deref()
            .unwrap_or_default()
            .split(',')
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .collect(),
        opened_at: local_text(row.opened_at),
        verify_due: local_text(row.verify_due),
        tick: local_text(row.tick),
        known_at: local_text(row.known_at),
    }
}

pub(super) fn body<T: Serialize>(value: &T) -> Vec<u8> {
    // Our own structs of texts and finite numbers: serde_json has nothing to refuse in them.
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::*;
    use crate::publish::alert_row::sample::row;
    use crate::publish::dead_letters::{QuarantineRow, dead_letter};

    fn topics() -> Topics {
        Topics { prefix: "qianshao".to_owned() }
    }

    fn json(path: &str) -> Value {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/alerts");
        serde_json::from_slice(&std::fs::read(folder.join(path)).unwrap()).unwrap()
    }

    fn validate(schema: &str, body: &Value) {
        let schema = json(&format!("{schema}.schema.json"));
        jsonschema::meta::validate(&schema).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        let faults: Vec<String> = validator.iter_errors(body).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(faults.is_empty(), "{faults:?} in {body}");
    }

    fn schema_of(message: &OutMessage) -> String {
        let urn = message.header("ce_dataschema").unwrap();
        urn.strip_prefix("urn:qianshao:schema:").and_then(|rest| rest.strip_suffix(":v1")).unwrap().to_owned()
    }

    #[test]
    fn every_message_is_valid_against_its_published_schema() {
        let bare = AlertRow {
            reason: None,
            syndrome: None,
            expected: None,
            statistic: None,
            channels: None,
            ..row(1, "0a", 3)
        };
        for message in [row(1, "0b", 1), bare].iter().flat_map(|row| alert_messages(&topics(), row)) {
            validate(&schema_of(&message), &serde_json::from_slice(&message.body).unwrap());
        }
        let letter = QuarantineRow::sample(7);
        let message = dead_letter(&topics(), &letter);
        validate(&schema_of(&message), &serde_json::from_slice(&message.body).unwrap());
    }

    #[test]
    fn the_examples_are_valid_and_a_field_too_many_or_too_few_is_not() {
        for word in ["alert.changed", "alert.restricted", "deadletter"] {
            let example = json(&format!("examples/{word}.json"));
            validate(word, &example);
            let schema = jsonschema::validator_for(&json(&format!("{word}.schema.json"))).unwrap();
            let mut more = example.clone();
            more["person_key"] = "t".into();
            assert!(!schema.is_valid(&more));
            let mut less = example.clone();
            less.as_object_mut().unwrap().remove("known_at");
            assert!(!schema.is_valid(&less));
        }
    }

    #[test]
    fn everybody_sees_the_county_and_nothing_below() {
        let [changed, restricted, current] = alert_messages(&topics(), &row(1, "0c", 1));
        let public = String::from_utf8(changed.body.clone()).unwrap();
        for hidden in ["2-3", "S990103P01", "Third school", "第三小学"] {
            assert!(!public.contains(hidden), "{hidden} in {public}");
            assert!(String::from_utf8(restricted.body.clone()).unwrap().contains(hidden));
        }
        assert_eq!(current.body, changed.body);
        assert_eq!(restricted.topic, "qianshao.alert.restricted.9901.v1");
        let town = AlertRow { area_code: "990103005".to_owned(), ..row(1, "0c", 1) };
        assert!(!String::from_utf8(alert_messages(&topics(), &town)[0].body.clone()).unwrap().contains("990103005"));
    }

    #[test]
    fn the_headers_are_those_of_a_cloud_event() {
        let [changed, ..] = alert_messages(&topics(), &row(1, "0d", 4));
        assert_eq!(changed.header("ce_specversion"), Some("1.0"));
        assert_eq!(changed.header("ce_id"), Some(format!("{}:4", changed.key).as_str()));
        assert_eq!(changed.header("ce_type"), Some("cn.qianshao.alert.changed.v1"));
        assert_eq!(changed.header("ce_source"), Some("/qianshao/alert/changed"));
        assert_eq!(changed.header("ce_time"), Some("1970-01-01T08:00:00.000001+08:00"));
        assert_eq!(changed.header("content-type"), Some("application/json"));
    }

    #[test]
    fn the_asyncapi_document_names_our_topics_and_schemas_that_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/alerts");
        let document = std::fs::read_to_string(folder.join("asyncapi.yaml")).unwrap();
        let restricted = topics().restricted("9901").replace("9901", "{prefecture}");
        for address in [topics().changed(), topics().current(), restricted, topics().dead_letter("{feed}")] {
            assert!(document.contains(&format!("address: {address}\n")), "{address}");
        }
        let files: Vec<&str> = document.lines().filter_map(|line| line.trim().strip_prefix("$ref: './")).collect();
        assert_eq!(files.len(), 4);
        assert!(files.iter().all(|file| folder.join(file.trim_end_matches('\'')).is_file()), "{files:?}");
    }
}
