//! Every way in which a message can be refused, with its reason and place.
//!
//! Promises: every rejection code has an example here; none repeats a person's data.
//! Never: shipped; compiled for tests only.

use std::collections::BTreeSet;
use std::path::Path;

use super::decode::{Context, decode};
use super::feed::Feeds;
use super::identity::{Algorithm, Pseudonyms};
use super::message::Message;
use super::proof::{NOW, body, message, refusal, with_headers};
use crate::problem::codes::{field, message as codes};

const REFUSED_FIELDS: &[(&str, &str, &str)] = &[
    (r#""no":"V2""#, "duplicate_key", "/no"),
    (r#""orgCode":"F1""#, "duplicate_key", "/place"),
    (r#""by_age":{"0-4":1,"5-14":2,"0-4":3}"#, "duplicate_key", "/by_age"),
    (r#""person":{"nickname":"x"}"#, "unknown_field", "/person"),
    (r#""lines":[{"category":"a"},{"qty":1}]"#, "missing_field", "/lines/1/category"),
    (r#""lines":[{"category":null}]"#, "missing_field", "/lines/0/category"),
    (r#""lines":[{"category":"z"}]"#, "not_in_value_set", "/lines/0/category"),
    (r#""lines":[]"#, "list_length", "/lines"),
    (r#""symptoms":["fever","fever","fever","fever","fever"]"#, "list_length", "/symptoms"),
    (r#""symptoms":"fever""#, "wrong_type", "/symptoms"),
    (r#""symptoms":[null]"#, "wrong_type", "/symptoms/0"),
    (r#""age":[12]"#, "wrong_type", "/age"),
    (r#""admitted":"true""#, "wrong_type", "/admitted"),
    (r#""sex":1"#, "wrong_type", "/sex"),
    (r#""person":{"id":110105194912310021}"#, "wrong_type", "/person/id"),
    (r#""age":1.5"#, "not_an_integer", "/age"),
    (r#""age":"1.5""#, "not_an_integer", "/age"),
    (r#""age":"twelve""#, "not_a_number", "/age"),
    (r#""age":220"#, "out_of_range", "/age"),
    (r#""weight_kg":-0.1"#, "out_of_range", "/weight_kg"),
    (r#""by_age":{"0-4":-1}"#, "out_of_range", "/by_age/0-4"),
    (r#""grade":7"#, "not_in_value_set", "/grade"),
    (r#""serial":9223372036854775808"#, "number_too_large", "/serial"),
    (r#""serial":1e300"#, "number_too_large", "/serial"),
    (r#""weight_kg":1e400"#, "number_not_finite", "/weight_kg"),
    (r#""weight_kg":NaN"#, "not_json", "/weight_kg"),
    (r#""weight_kg":-Infinity"#, "not_json", "/weight_kg"),
    (r#""ward":"x""#, "text_length", "/ward"),
    (r#""revision":-1"#, "out_of_range", "/revision"),
    (r#""birth_date":"2021-02-30""#, "bad_date", "/birth_date"),
    (r#""birth_date":"0000-01-01""#, "bad_date", "/birth_date"),
    (r#""submitted_at":"9999-01-01T00:00:00Z""#, "bad_time", "/submitted_at"),
    (r#""submitted_at":"2023-01-18T08:30:00Z""#, "report_time_in_future", "/submitted_at"),
    (r#""ward":"ab\u0000""#, "control_character", "/ward"),
    (r#""ward":"ab\u202Ecd""#, "control_character", "/ward"),
    ("\"ward\":\"ab\u{1}\"", "control_character", "/ward"),
    (r#""ward":"ab\ud800""#, "lone_surrogate", "/ward"),
    (r#""ward":"13900000000""#, "identifier_in_plain_field", "/ward"),
    (r#""ward":"１３９００００００００""#, "identifier_in_plain_field", "/ward"),
    (r#""serial":13900000000"#, "identifier_in_plain_field", "/serial"),
    (r#""weight_kg":"13900000000""#, "identifier_in_plain_field", "/weight_kg"),
    (r#""by_age":{"13900000000":1}"#, "identifier_in_plain_field", "/by_age"),
    (r#""by_age":{"王小明":1}"#, "map_key", "/by_age"),
    (r#""area":"341822""#, "unknown_area", "/area"),
    (r#""tally_date":"2021-01-18""#, "ambiguous_kind", ""),
];

fn refused_wholes() -> Vec<(Message, &'static str)> {
    let bytes = |payload: &[u8]| Message { payload: Some(payload.to_vec()), ..message("") };
    let right = body("");
    let many: Vec<_> = (0..10_001).map(|key| format!("\"k{key}\":1")).collect();
    vec![
        (message(""), "empty_payload"),
        (message(" \n"), "empty_payload"),
        (Message { payload: None, ..message("") }, "tombstone"),
        (message(&" ".repeat((1 << 20) + 1)), "payload_too_large"),
        (
            bytes(
                "{\"no\":\"\u{738B}\"}"
                    .replace('\u{738B}', "?")
                    .as_bytes()
                    .iter()
                    .map(|b| if *b == b'?' { 0xC4 } else { *b })
                    .collect::<Vec<_>>()
                    .as_slice(),
            ),
            "not_utf8",
        ),
        (bytes(&[0xCD, 0xF5, 0xD0, 0xA1]), "not_utf8"),
        (message(&format!("\u{FEFF}{right}")), "byte_order_mark"),
        (bytes(&[0x1F, 0x8B, 8, 0]), "compressed_body"),
        (bytes(&[0x28, 0xB5, 0x2F, 0xFD]), "compressed_body"),
        (message("{no:1}"), "not_json"),
        (message("=cmd|' /C calc'!A0"), "not_json"),
        (message(&right[..right.len() - 1]), "cut_off"),
        (message(&format!("{right}{right}")), "trailing_bytes"),
        (message(&body(&format!("\"x\":{}{}", "[".repeat(17), "]".repeat(17)))), "too_deep"),
        (message(&"[".repeat(1_000_000)), "too_deep"),
        (message(&body(&many.join(","))), "too_many_keys"),
        (message("[1]"), "not_an_object"),
        (message("12"), "not_an_object"),
        (message("{}"), "unknown_kind"),
        (with_headers(&right, &[("ce_type", "test.other.v1")]), "unknown_kind"),
        (with_headers(&right, &[("ce_type", "test.everything.v1"), ("ce_specversion", "0.3")]), "bad_envelope"),
        (with_headers(&right, &[("ce_type", "test.everything.v1"), ("ce_time", "now")]), "bad_envelope"),
        (with_headers(&right, &[("ce_type", "test.everything.v1"), ("content-type", "text/plain")]), "bad_envelope"),
        (with_headers(&right, &[("qs_retry_of", "王小明")]), "bad_envelope"),
        (with_headers(r#"{"specversion":"1.0"}"#, &[("content-type", "application/cloudevents+json")]), "bad_envelope"),
        (with_headers("[]", &[("ce_type", "test.everything.v1")]), "not_an_object"),
        (with_headers(&right, &[("x", &"h".repeat(1 << 17))]), "headers_too_large"),
        (Message { timestamp: None, ..message(&right) }, "no_report_time"),
        (message(&right.replace("V1", "v 1")), "pattern"),
        (message(&right.replace("2021-01-18T", "2021-01-18X")), "bad_time"),
    ]
}

#[test]
fn every_refusal_names_its_reason_and_place() {
    for (more, reason, pointer) in REFUSED_FIELDS {
        let found = refusal(message(&body(more)));
        assert_eq!((found.code.reason, found.pointer.as_str()), (*reason, *pointer), "{more}");
        assert!(!found.help.is_empty() && !found.found.is_empty());
    }
    for (message, reason) in refused_wholes() {
        let shown = String::from_utf8_lossy(message.payload.as_deref().unwrap_or_default())
            .chars()
            .take(80)
            .collect::<String>();
        assert_eq!(refusal(message).code.reason, reason, "{shown}");
    }
}

#[test]
fn every_reason_has_an_example() {
    let shown: BTreeSet<&str> = REFUSED_FIELDS
        .iter()
        .map(|(_, reason, _)| *reason)
        .chain(refused_wholes().into_iter().map(|(_, reason)| reason))
        .chain([codes::MISSING_RECORD_KEY.reason])
        .collect();
    let known: BTreeSet<&str> = codes::ALL.iter().chain(field::ALL).map(|code| code.reason).collect();
    assert_eq!(known, shown);
}

#[test]
fn no_refusal_repeats_a_person() {
    for (name, phone) in [("王小明", "13900000000"), ("李四", "13912345678")] {
        for more in [
            format!(r#""age":"{name}""#),
            format!(r#""sex":"{phone}""#),
            format!(r#""grade":{phone}"#),
            format!(r#""ward":"{phone}""#),
            format!(r#""by_age":{{"{name}":1}}"#),
            format!(r#""birth_date":"{phone}""#),
            format!(r#""symptoms":["{name}"]"#),
            format!(r#""person":{{"{name}":1}}"#),
            format!(r#""area":"{phone}""#),
            format!(r#""age":{name}"#),
        ] {
            let told = format!("{:?}", refusal(message(&body(&more))));
            assert!(!told.contains(name) && !told.contains(phone), "{told}");
        }
    }
}

#[test]
fn a_record_without_its_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kind = dir.path().join("sample/everything");
    std::fs::create_dir_all(&kind).unwrap();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds/decoder/sample/everything");
    let contract = std::fs::read_to_string(shipped.join("contract.json")).unwrap();
    let keyed = contract.replace(r#"["place", "no"]"#, r#"["place", "person.id"]"#);
    std::fs::write(kind.join("contract.json"), keyed).unwrap();
    std::fs::write(kind.join("normalize.sql"), "SELECT 1").unwrap();
    let feeds = Feeds::load(Some(dir.path())).unwrap();
    let pseudonyms = Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256);
    let context = Context { pseudonyms: &pseudonyms, known_area: &|_| true, now: NOW };
    let of = |id: &str| message(&body(&format!(r#""person":{{"id":"{id}"}}"#)));
    let messages = [of("11010519491231002X"), of("123"), of("11010519491231002x"), message(&body(""))];
    let (decoded, rejected) = decode(&feeds.feeds[0], &messages, &context);
    let refused: Vec<_> = rejected.iter().map(|one| (one.message, one.code.reason, one.pointer.as_str())).collect();
    assert_eq!(refused, [(1, "missing_record_key", "/person/id"), (3, "missing_record_key", "/person/id")]);
    assert_eq!(decoded[0].stated[0].record_key, decoded[0].stated[1].record_key);
}
