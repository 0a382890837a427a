//! Ways of being wrong: a good message broken so that it must be refused, with the reason that the refusal must give.
//!
//! Promises: each breakage has one cause; the pointer is given where one field is at fault.

use serde_json::{Map, Value, json};

/// A breakage: its name here, the reason word of quarantine, and how.
#[derive(Clone, Copy)]
pub struct Breakage {
    pub name: &'static str,
    pub reason: &'static str,
    how: How,
}

#[derive(Clone, Copy)]
enum How {
    /// The bytes of the message.
    Bytes(fn(&str) -> Option<Vec<u8>>),
    /// The named field of a kind, replaced.
    Field(fn(&str, &str) -> Option<(&'static str, Value)>),
    /// The named field of a kind, left out.
    Without(fn(&str, &str) -> Option<&'static str>),
    /// The `ce_type` header.
    Type,
}

/// What a broken message looks like.
pub struct Broken {
    /// `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
    pub pointer: Option<String>,
    /// Replaces the kind in `ce_type`.
    pub kind: Option<&'static str>,
    /// Bare JSON must keep its kind in the header, since the body no longer tells.
    pub typed: bool,
}

const fn bytes(name: &'static str, reason: &'static str, how: fn(&str) -> Option<Vec<u8>>) -> Breakage {
    Breakage { name, reason, how: How::Bytes(how) }
}

const fn field(
    name: &'static str,
    reason: &'static str,
    how: fn(&str, &str) -> Option<(&'static str, Value)>,
) -> Breakage {
    Breakage { name, reason, how: How::Field(how) }
}

const NESTED: &str = r#"{"nested":[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]],"#;

/// Every way of being wrong.
pub const BREAKAGES: [Breakage; 34] = [
    bytes("empty", "empty_payload", |_| Some(vec![])),
    bytes("tombstone", "tombstone", |_| None),
    bytes("markup", "not_json", |_| Some(b"<record><temp>38.5</temp></record>".to_vec())),
    bytes("single_quotes", "not_json", |body| Some(body.replace('"', "'").into_bytes())),
    bytes("cut_off", "cut_off", |body| Some(body.get(..body.len() - 1)?.as_bytes().to_vec())),
    bytes("gbk", "not_utf8", |body| Some([b"{\"remark\":\"\xd5\xc5\xc8\xfd\",", body.get(1..)?.as_bytes()].concat())),
    bytes("byte_order_mark", "byte_order_mark", |body| Some([b"\xef\xbb\xbf", body.as_bytes()].concat())),
    bytes("two_objects", "trailing_bytes", |body| Some(format!("{body}\n{body}").into_bytes())),
    bytes("stray_brace", "trailing_bytes", |body| Some(format!("{body}}}").into_bytes())),
    bytes("too_deep", "too_deep", |body| Some(format!("{NESTED}{}", body.get(1..)?).into_bytes())),
    bytes("in_a_list", "not_an_object", |body| Some(format!("[{body}]").into_bytes())),
    bytes("half_a_character", "lone_surrogate", |body| {
        // In a field that the contract knows: others are skipped unread.
        Some(body.replacen("\"submitted_at\":\"", "\"submitted_at\":\"\\ud83d", 1).into_bytes())
    }),
    bytes("same_key_twice", "duplicate_key", |body| {
        Some(format!("{{\"submitted_at\":\"2021-01-01T00:00:00+08:00\",{}", body.get(1..)?).into_bytes())
    }),
    Breakage { name: "future_kind", reason: "unknown_kind", how: How::Type },
    bytes("no_kind", "unknown_kind", |_| Some(br#"{"hello":"world"}"#.to_vec())),
    Breakage { name: "field_left_out", reason: "missing_field", how: How::Without(required) },
    field("null_for_required", "missing_field", |feed, kind| Some((required(feed, kind)?, Value::Null))),
    field("revision_as_object", "wrong_type", |_, _| Some(("revision", json!({"number": 1})))),
    field("flag_for_list", "wrong_type", |feed, kind| Some((list(feed, kind)?, json!(true)))),
    field("list_for_time", "wrong_type", |_, _| Some(("submitted_at", json!([2021, 1, 4])))),
    field("half_a_revision", "not_an_integer", |_, _| Some(("revision", json!(0.5)))),
    field("half_a_pupil", "not_an_integer", |feed, kind| Some((count(feed, kind)?, json!(41.5)))),
    bytes("huge_revision", "number_too_large", |body| {
        Some(format!("{{\"revision\":99999999999999999999999,{}", body.get(1..)?).into_bytes())
    }),
    field("revision_in_words", "not_a_number", |_, _| Some(("revision", json!("second")))),
    field("negative_revision", "out_of_range", |_, _| Some(("revision", json!(-1)))),
    field("negative_count", "out_of_range", |feed, kind| Some((count(feed, kind)?, json!(-3)))),
    field("unknown_value", "not_in_value_set", |feed, kind| Some((coded(feed, kind)?, json!("sideways")))),
    field("unknown_operation", "not_in_value_set", |feed, _| {
        (feed != "report_card").then(|| ("operation", json!("undo")))
    }),
    field("no_such_day", "bad_date", |feed, kind| Some((date(feed, kind)?, json!("2021-02-30")))),
    field("no_such_hour", "bad_time", |_, _| Some(("submitted_at", json!("2021-01-18T25:61:00+08:00")))),
    field("strange_code", "pattern", |feed, kind| Some((code(feed, kind)?, json!("?? 7")))),
    field("id_as_code", "identifier_in_plain_field", |feed, kind| {
        Some((code(feed, kind)?, json!("11010519491231002X")))
    }),
    field("phone_as_code", "identifier_in_plain_field", |feed, kind| Some((code(feed, kind)?, json!("13912345678")))),
    field("no_such_area", "unknown_area", |feed, _| match feed {
        "customs" => Some(("destination_area", json!("990199"))),
        "report_card" => Some(("residence_area", json!("990199"))),
        _ => None,
    }),
];

/// A required field that is no part of the record key.
fn required(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("fever_clinic", "visit") => Some("event_time"),
        ("fever_clinic", _) => Some("visits_total"),
        ("pharmacy", "sale") => Some("lines"),
        ("pharmacy", _) => Some("units"),
        ("school", "class_day") => Some("enrolled"),
        ("school", _) => Some("symptoms"),
        ("customs", _) => Some("direction"),
        ("report_card", _) => Some("case_class"),
        _ => None,
    }
}

fn list(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("pharmacy", "sale") => Some("lines"),
        ("fever_clinic", "visit") | ("school", "pupil_event") | ("customs", _) => Some("symptoms"),
        _ => None,
    }
}

fn count(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("fever_clinic", "daily") => Some("visits_total"),
        ("pharmacy", "daily") => Some("units"),
        ("school", "class_day") => Some("absent_sick"),
        _ => None,
    }
}

fn coded(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("pharmacy", "sale") => Some("channel"),
        ("pharmacy", _) => Some("category"),
        ("school", "class_day") => Some("session"),
        ("customs", _) => Some("direction"),
        ("report_card", _) => Some("case_class"),
        _ => None,
    }
}

fn date(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("fever_clinic", "visit") | ("report_card", _) => Some("onset_date"),
        ("fever_clinic", _) => Some("report_date"),
        ("pharmacy", "daily") => Some("date"),
        ("school", "class_day") => Some("check_date"),
        _ => None,
    }
}

/// A stored text without a value set.
fn code(feed: &str, kind: &str) -> Option<&'static str> {
    match (feed, kind) {
        ("fever_clinic", "visit") => Some("visit_no"),
        ("pharmacy", "sale") => Some("sale_id"),
        ("school", "class_day") => Some("class_id"),
        ("school", _) => Some("event_id"),
        ("customs", _) => Some("declaration_id"),
        ("report_card", _) => Some("card_id"),
        _ => None,
    }
}

impl Breakage {
    /// Breaks a body of this kind, where this way of being wrong is possible for it.
    pub fn of(&self, feed: &str, kind: &str, body: &str) -> Option<Broken> {
        let whole = |payload| Broken { payload, pointer: None, kind: None, typed: false };
        match self.how {
            How::Bytes(how) => {
                let payload = how(body);
                let pointer = match self.name {
                    "same_key_twice" | "half_a_character" => Some("/submitted_at".to_owned()),
                    "huge_revision" => Some("/revision".to_owned()),
                    _ => None,
                };
                // Nothing but a tombstone is without a payload; a breakage that found no place breaks nothing.
                (payload.is_some() || self.name == "tombstone").then(|| Broken { pointer, ..whole(payload) })
            }
            How::Type => Some(Broken { kind: Some("v0"), ..whole(Some(body.as_bytes().to_vec())) }),
            How::Field(how) => {
                let (name, value) = how(feed, kind)?;
                edited(body, name, |object| object.insert(name.to_owned(), value))
            }
            How::Without(how) => {
                let name = how(feed, kind)?;
                edited(body, name, |object| object.remove(name))
            }
        }
    }
}

fn edited(body: &str, name: &str, edit: impl FnOnce(&mut Map<String, Value>) -> Option<Value>) -> Option<Broken> {
    let mut object: Map<String, Value> = serde_json::from_str(body).ok()?;
    edit(&mut object);
    let payload = serde_json::to_vec(&object).ok()?;
    Some(Broken { payload: Some(payload), pointer: Some(format!("/{name}")), kind: None, typed: true })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_many_ways_of_being_wrong_and_each_has_its_reason() {
        let reasons: std::collections::BTreeSet<&str> = BREAKAGES.iter().map(|breakage| breakage.reason).collect();
        let names: std::collections::BTreeSet<&str> = BREAKAGES.iter().map(|breakage| breakage.name).collect();
        assert_eq!(names.len(), BREAKAGES.len());
        assert!(reasons.len() >= 20, "{reasons:?}");
    }

    #[test]
    fn a_broken_body_is_not_the_body() {
        let body =
            r#"{"class_id":"3-2","check_date":"2021-01-18","enrolled":42,"submitted_at":"2021-01-18T08:31:00+08:00"}"#;
        for breakage in BREAKAGES {
            if let Some(broken) = breakage.of("school", "class_day", body) {
                let same = broken.payload.as_deref() == Some(body.as_bytes());
                assert_eq!(same, broken.kind.is_some(), "{}", breakage.name);
            }
        }
    }
}
