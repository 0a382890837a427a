//! The decoder against a slow one: a JSON tree walked beside the contract's own JSON, one obvious step at a time.
//!
//! Promises: shares no code with the decoder but the contract file. Never: shipped; compiled for tests only.

use std::collections::BTreeMap;

use arrow::json::ArrayWriter;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::decode::{Context, Decoded, decode};
use super::identity::Pseudonyms;
use super::message::{Message, Rejected};
use super::proof::{FEEDS, NOW, message};

fn decode_all(messages: &[Message]) -> (Vec<Decoded>, Vec<Rejected>) {
    let pseudonyms = Pseudonyms::insecure_plain();
    let context = Context { pseudonyms: &pseudonyms, known_area: &|code| code.starts_with("9901"), now: NOW };
    decode(&FEEDS.feeds[0], messages, &context)
}

/// The rows of a decoded batch as JSON, without nulls and without the columns that the decoder adds.
fn rows(decoded: &[Decoded]) -> Vec<Value> {
    let mut rows = Vec::new();
    for part in decoded {
        let mut writer = ArrayWriter::new(Vec::new());
        writer.write(&part.raw).unwrap();
        writer.finish().unwrap();
        let mut read: Vec<Map<String, Value>> = serde_json::from_slice(&writer.into_inner()).unwrap();
        for row in &mut read {
            row.retain(|name, _| name != "message" && !name.starts_with("qs_"));
        }
        rows.extend(read.into_iter().map(Value::Object));
    }
    rows
}

/// The accepted form of `value` under `schema`: `Err` refuses the message, `Null` stands for no value.
fn accept(schema: &Value, value: &Value) -> Result<Value, ()> {
    let number = |name: &str, otherwise: f64| schema[name].as_f64().unwrap_or(otherwise);
    match schema["type"].as_str().unwrap() {
        "string" => text(schema, value.as_str().ok_or(())?),
        "boolean" => value.is_boolean().then(|| value.clone()).ok_or(()),
        "integer" | "number" => {
            let parsed = match value {
                Value::String(text) => half(text).parse().map_err(|_| ())?,
                Value::Number(number) => number.as_f64().unwrap(),
                _ => return Err(()),
            };
            let whole = schema["type"] == "integer";
            if whole && parsed.fract() != 0.0 {
                return Err(());
            }
            let shown = if whole { json!(parsed as i64) } else { json!(parsed + 0.0) };
            if !schema["enum"].as_array().is_none_or(|choices| choices.contains(&shown)) {
                return Err(());
            }
            let inside = (number("minimum", f64::MIN)..=number("maximum", f64::MAX)).contains(&parsed);
            match (inside, schema["x-out-of-range"] == "flag") {
                (true, _) => Ok(shown),
                (false, true) => Ok(Value::Null),
                (false, false) => Err(()),
            }
        }
        "array" => {
            let items = value.as_array().ok_or(())?;
            let length = items.len() as f64;
            if length < number("minItems", 0.0) || length > number("maxItems", f64::MAX) {
                return Err(());
            }
            items.iter().map(|item| accept(&schema["items"], item)).collect::<Result<_, _>>().map(Value::Array)
        }
        _ if schema["additionalProperties"].is_object() => {
            let sorted: BTreeMap<_, _> = value.as_object().ok_or(())?.iter().collect();
            let entries = sorted.into_iter().map(|(key, value)| {
                let plain = key.chars().all(|c| c.is_ascii_alphanumeric() || "-_+.".contains(c));
                let value = accept(&schema["additionalProperties"], value)?;
                plain.then(|| json!({"key": key, "value": value})).ok_or(())
            });
            entries.collect::<Result<_, _>>().map(Value::Array)
        }
        _ => object(schema, value.as_object().ok_or(())?),
    }
}

fn object(schema: &Value, value: &Map<String, Value>) -> Result<Value, ()> {
    let mut accepted = Map::new();
    let mut known = Vec::new();
    for (name, property) in schema["properties"].as_object().unwrap() {
        let mut names = vec![name.as_str()];
        names.extend(property["x-aliases"].as_array().into_iter().flatten().map(|alias| alias.as_str().unwrap()));
        let given: Vec<_> = names.iter().filter_map(|name| value.get(*name)).collect();
        known.extend(names);
        let required = schema["required"].as_array().is_some_and(|list| list.contains(&json!(name)));
        match given[..] {
            [] | [Value::Null] if required => return Err(()),
            [] | [Value::Null] => {}
            [value] => {
                let value = accept(property, value)?;
                if !value.is_null() {
                    accepted.insert(name.clone(), value);
                }
            }
            _ => return Err(()),
        }
    }
    let closed = schema["additionalProperties"] == json!(false);
    if closed && value.keys().any(|key| !known.contains(&key.as_str())) { Err(()) } else { Ok(Value::Object(accepted)) }
}

fn half(text: &str) -> String {
    text.chars()
        .map(|c| "０１２３４５６７８９".chars().position(|f| f == c).map_or(c, |at| (b'0' + at as u8) as char))
        .collect()
}

fn text(schema: &Value, text: &str) -> Result<Value, ()> {
    if let Some(scheme) = schema["x-identifier"]["scheme"].as_str() {
        // The generator's identifiers are few; their normal forms are written out.
        let normal = match (scheme, text) {
            ("cn-id", "11010519491231002X" | "11010519491231002x" | "１１０１０５１９４９１２３１００２Ｘ") => {
                "11010519491231002X"
            }
            ("name", "王小明" | " 王 小明") => "王小明",
            ("phone", "13900000000" | "+86 139 0000 0000") => "13900000000",
            _ => return Ok(Value::Null),
        };
        return Ok(json!(format!("plain:{scheme}:{normal}")));
    }
    let shown = half(text);
    match schema["format"].as_str() {
        Some("date") => {
            let date = chrono::NaiveDate::parse_from_str(&shown.replace('-', ""), "%Y%m%d").map_err(|_| ())?;
            return Ok(json!(date.to_string()));
        }
        Some(_) => {
            let zoned = if shown.len() == 19 { shown + "+08:00" } else { shown };
            let at = chrono::DateTime::parse_from_rfc3339(&zoned.replace(' ', "T")).map_err(|_| ())?;
            return Ok(json!(at.to_utc().format("%Y-%m-%dT%H:%M:%SZ").to_string()));
        }
        None => {}
    }
    if schema["x-drop"] == json!(true) {
        return Ok(json!(text));
    }
    let shown = schema["x-values"][&shown].as_str().map_or(shown.clone(), str::to_owned);
    let length = shown.chars().count() as f64;
    let fits = schema["enum"].as_array().is_none_or(|choices| choices.contains(&json!(shown)))
        && schema["pattern"].as_str().is_none_or(|pattern| regex::Regex::new(pattern).unwrap().is_match(&shown))
        && (schema["x-area-code"] != json!(true) || shown.starts_with("9901"))
        && length >= schema["minLength"].as_f64().unwrap_or(0.0)
        && length <= schema["maxLength"].as_f64().unwrap_or(f64::MAX)
        && !shown.contains(|c| ('\0'..' ').contains(&c) || c == '\u{202E}')
        && shown != "13900000000";
    fits.then(|| json!(shown)).ok_or(())
}

/// For every field: values that are mostly right, and values that are mostly not.
fn candidates() -> Vec<(&'static str, Vec<Value>, Vec<Value>)> {
    let times = vec![json!("2021-01-18T08:30:00+08:00"), json!("2021-01-18 08:30:00"), json!("2021-01-18T00:30:00Z")];
    let no_times = vec![json!("2021-02-30T08:30:00Z"), json!("yesterday"), json!(1_610_929_800), json!(null)];
    vec![
        (
            "no",
            vec![json!("V1"), json!("V-２")],
            vec![json!("v1"), json!(""), json!(7), json!("13900000000"), json!(null)],
        ),
        ("place", vec![json!("F1")], vec![json!("F 1"), json!(["F1"])]),
        ("orgCode", vec![], vec![json!("F2")]),
        ("seen_at", times.clone(), no_times.clone()),
        ("birth_date", vec![json!("20100203"), json!("2010-02-03")], vec![json!("2010-02-30"), json!("2010")]),
        ("temp_c", vec![json!(37.5), json!(3.65), json!("38"), json!(-0.0)], vec![json!("hot"), json!({})]),
        ("weight_kg", vec![json!(0), json!(-0.0), json!("70.5")], vec![json!(-1), json!(501), json!(true)]),
        ("age", vec![json!(12), json!("１２"), json!(12.0)], vec![json!(220), json!(1.5), json!("x"), json!("")]),
        ("serial", vec![json!(-5), json!("7")], vec![json!(1.5), json!([])]),
        ("sex", vec![json!("1"), json!("女"), json!("９")], vec![json!("3"), json!(1)]),
        ("grade", vec![json!(1), json!("2")], vec![json!(4)]),
        ("admitted", vec![json!(true), json!(false)], vec![json!("true"), json!(1)]),
        ("area", vec![json!("990101")], vec![json!("341822"), json!(990_101)]),
        ("ward", vec![json!("病区"), json!("A1\"\\")], vec![json!("x"), json!("ab\u{0}"), json!("ab\u{202E}")]),
        ("complaint", vec![json!("咳嗽\n三天"), json!("")], vec![json!(0)]),
        (
            "person",
            vec![
                json!({"id": "11010519491231002x", "name": " 王 小明", "phone": "+86 139 0000 0000"}),
                json!({"id": "１１０１０５１９４９１２３１００２Ｘ"}),
                json!({"id": "123", "name": ""}),
                json!({}),
                json!(null),
            ],
            vec![json!({"nick": 1}), json!([]), json!({"id": 110_105})],
        ),
        (
            "symptoms",
            vec![json!([]), json!(["fever", "发热", "rash"])],
            vec![json!(["cough", "x"]), json!([null]), json!(["rash", "rash", "rash", "rash", "rash"]), json!("fever")],
        ),
        (
            "lines",
            vec![json!([{"category": "a", "qty": "3"}, {"qty": 1, "category": "b", "other": [1, {"a": 2}]}])],
            vec![json!([]), json!([{"qty": 1}]), json!([{"category": "a", "qty": -1}])],
        ),
        (
            "by_age",
            vec![json!({"60+": 1, "0-4": 2, "15-24": 0}), json!({})],
            vec![json!({"0-4": -1}), json!({"岁": 1})],
        ),
        ("unheard_of", vec![json!({"a": [1, 2, {"b": null}]}), json!("x")], vec![]),
        ("revision", vec![json!(0), json!(3)], vec![json!(-1)]),
        ("operation", vec![json!("report"), json!("订正"), json!("retract")], vec![json!("zero")]),
        ("submitted_at", times, no_times),
    ]
}

fn field_value(good: Vec<Value>, bad: Vec<Value>, required: bool) -> BoxedStrategy<Option<Value>> {
    let good = if good.is_empty() { Just(None).boxed() } else { select(good).prop_map(Some).boxed() };
    let bad = if bad.is_empty() { good.clone() } else { select(bad).prop_map(Some).boxed() };
    let absent = if required { good.clone() } else { Just(None).boxed() };
    prop_oneof![80 => good, 1 => bad, 30 => absent, 1 => Just(None)].boxed()
}

/// A message in a random order of its fields.
fn any_message() -> impl Strategy<Value = Value> {
    let fields: Vec<_> = candidates()
        .into_iter()
        .map(|(name, good, bad)| {
            let required = ["no", "place", "seen_at"].contains(&name);
            field_value(good, bad, required).prop_map(move |value| (name, value))
        })
        .collect();
    fields.prop_map(|fields| {
        let given = fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        Value::Object(given.collect())
    })
}

/// The text of a message with its fields in the order of `seed`; serde_json's own map would always sort them.
fn shuffled(value: &Value, seed: usize) -> String {
    let mut fields: Vec<_> =
        value.as_object().unwrap().iter().map(|(name, value)| format!("{name:?}:{value}")).collect();
    let length = fields.len().max(1);
    fields.rotate_left(seed % length);
    if seed % 2 == 1 {
        fields.reverse();
    }
    format!("{{{}}}", fields.join(","))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn the_decoder_agrees_with_a_slow_one_and_neighbours_survive(
        batch in prop::collection::vec((any_message(), any::<usize>(), prop::option::weighted(0.1, 1..200_usize)), 1..8)
    ) {
        let schema = include_str!("../../tests/data/feeds/decoder/sample/everything/contract.json");
        let schema: Value = serde_json::from_str(schema).unwrap();
        let (mut expected, mut refused, mut messages) = (Vec::new(), Vec::new(), Vec::new());
        for (index, (value, seed, cut)) in batch.iter().enumerate() {
            let mut text = shuffled(value, *seed);
            let cut = cut.filter(|cut| *cut < text.len() && text.is_char_boundary(*cut));
            if let Some(cut) = cut {
                text.truncate(cut);
            }
            messages.push(message(&text));
            match accept(&schema, value) {
                Ok(row) if cut.is_none() => expected.push(row),
                _ => refused.push(index),
            }
        }
        let (decoded, rejected) = decode_all(&messages);
        prop_assert_eq!(rows(&decoded), expected);
        prop_assert_eq!(rejected.iter().map(|rejected| rejected.message).collect::<Vec<_>>(), refused);
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut any = message("");
        any.payload = Some(bytes);
        decode_all(&[any]);
    }

    #[test]
    fn no_damage_to_a_message_harms_its_neighbours(
        value in any_message(), damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4)
    ) {
        let good = r#"{"no":"V9","place":"F1","seen_at":"2021-01-18T08:30:00Z","by_age":{"b":1,"a":2},"lines":[{"category":"a"}]}"#;
        let mut damaged = message(&value.to_string());
        for (at, byte) in damage {
            let payload = damaged.payload.as_mut().unwrap();
            let length = payload.len();
            payload[at % length] = byte;
        }
        let (decoded, rejected) = decode_all(&[message(good), damaged, message(good)]);
        let shown = rows(&decoded);
        prop_assert_eq!(shown.len() + rejected.len(), 3);
        prop_assert_eq!(shown.iter().filter(|row| row["no"] == "V9").count(), 2);
        prop_assert!(rejected.iter().all(|rejected| rejected.message == 1));
    }
}
