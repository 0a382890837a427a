//! Feeds, rules and problem codes are complete: nothing ships half.

use std::collections::BTreeSet;

use qianshao::detect::pack::Packs;
use qianshao::problem::codes::every;

use super::source::{files, root, rust};

#[test]
fn every_feed_folder_is_complete_and_says_what_it_means_in_two_languages() {
    let all = files();
    let kinds: Vec<&str> = all.iter().filter_map(|file| file.path.strip_suffix("/contract.json")).collect();
    assert!(kinds.iter().filter(|kind| kind.starts_with("schemas/feeds/")).count() >= 8, "{kinds:?}");
    for kind in kinds.iter().filter(|kind| !kind.starts_with("tests/")) {
        for name in ["normalize.sql", "good.ndjson", "bad.ndjson", "proof.slt"] {
            let path = format!("{kind}/{name}");
            assert!(
                all.iter().any(|file| file.path == path && !file.text.trim().is_empty()),
                "{path} is missing or empty"
            );
        }
        let text = std::fs::read_to_string(root().join(kind).join("contract.json")).unwrap();
        let contract: serde_json::Value = serde_json::from_str(&text).unwrap();
        let said =
            |value: &serde_json::Value, key: &str| value[key].as_str().is_some_and(|text| !text.trim().is_empty());
        for key in ["title", "description", "x-zh", "x-ce-type"] {
            assert!(said(&contract, key), "{kind}/contract.json: {key}");
        }
        for (signal, meaning) in contract["x-signals"].as_object().unwrap() {
            assert!(said(meaning, "en") && said(meaning, "zh"), "{kind}/contract.json: x-signals {signal}");
        }
        assert_fields_say_what_they_mean(&format!("{kind}/contract.json"), &contract);
    }
}

fn assert_fields_say_what_they_mean(at: &str, object: &serde_json::Value) {
    for (name, field) in object["properties"].as_object().into_iter().flatten() {
        let at = format!("{at}: {name}");
        let is_said = field["description"].is_string() && field["x-zh"].is_string();
        assert!(is_said, "{at}: description and x-zh");
        assert_fields_say_what_they_mean(&at, field);
        assert_fields_say_what_they_mean(&at, &field["items"]);
    }
}

#[test]
fn every_problem_code_is_listed_once_and_says_what_to_do() {
    let codes: Vec<_> = every().collect();
    let ids: BTreeSet<&str> = codes.iter().map(|code| code.id).collect();
    assert_eq!(ids.len(), codes.len(), "an id stands twice");
    let reasons: BTreeSet<&str> = codes.iter().map(|code| code.reason).collect();
    assert_eq!(reasons.len(), codes.len(), "a reason stands twice");
    let shape = regex::Regex::new(r"^QS-[A-Z]\d{3}$").unwrap();
    for code in &codes {
        assert!(shape.is_match(code.id), "{}", code.id);
        let first = code.en.split(' ').next().unwrap_or_default();
        // "Kafka" and "JSON" keep their capitals; a sentence does not get one.
        assert!(
            !first.starts_with(char::is_uppercase) || ["Kafka", "SQL"].contains(&first),
            "{}: {}",
            code.id,
            code.en
        );
        assert!(!code.en.ends_with('.') && !code.help.ends_with('.'), "{}: no full stop", code.id);
        assert!(!code.help.is_empty() && code.zh.chars().any(|c| c > '\u{3000}'), "{}: {}", code.id, code.zh);
        for word in ["unable", "illegal", "invalid", "bad "] {
            assert!(!code.en.contains(word), "{}: {word:?} says nothing: {}", code.id, code.en);
        }
    }
    let declared: usize = rust("src/problem/").iter().map(|file| file.text.matches(": Code = Code {").count()).sum();
    assert_eq!(declared, codes.len(), "a code is in no list, or a list is not in `every`");
}

#[test]
fn every_rule_says_what_it_is_in_two_languages_and_where_it_is_from() {
    let packs = Packs::load(Some(&root().join("rules"))).unwrap();
    for rule in packs.packs.values().flat_map(|pack| &pack.rules) {
        assert!(rule.zh.chars().any(|c| c > '\u{3000}') && !rule.en.is_empty(), "{}", rule.id);
        assert!(!rule.cites.is_empty() && !rule.sabotage.is_empty(), "{}", rule.id);
    }
}

#[test]
fn every_point_of_a_planned_fault_stands_in_the_code_and_every_one_that_stands_is_listed() {
    let placed = regex::Regex::new(r#"(?s)fault::reached(?:_on_thread)?\(\s*"([^"]+)"|planned\("([^"]+)"\)"#).unwrap();
    let listed: BTreeSet<String> = qianshao::fault::POINTS.iter().map(|point| point.to_string()).collect();
    // A put has two pairs of points, chosen by what is put.
    let chosen = ["store::log_put_before", "store::log_put_after", "store::data_put_before", "store::data_put_after"];
    let mut found: BTreeSet<String> = chosen.map(str::to_owned).into();
    for file in rust("src/").iter().filter(|file| !file.path.starts_with("src/fault")) {
        let names = placed.captures_iter(file.product()).map(|names| names.get(1).or(names.get(2)).unwrap());
        found.extend(names.map(|name| name.as_str().to_owned()));
    }
    let store = std::fs::read_to_string(root().join("src/delta/store.rs")).unwrap();
    assert!(chosen.iter().all(|point| store.contains(&format!("\"{point}\""))), "a put lost its points");
    assert_eq!(found, listed);
}
