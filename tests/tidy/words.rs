//! Words that must be there, and words that must not.

use std::collections::BTreeSet;

use regex::Regex;

use super::source::{files, read, root, rust};

/// Ids that are ordinary words too: as words of ours they may stand in `src`.
const ORDINARY: &[&str] = &["case", "facility", "class", "base", "daily"];

#[test]
fn every_file_opens_with_what_it_is_for() {
    for file in ["src/", "tests/"].into_iter().flat_map(rust) {
        let first = file.text.lines().next().unwrap_or_default();
        assert!(first.starts_with("//! ") && first.len() > 24, "{}:1: opens with {first:?}", file.path);
    }
}

#[test]
fn every_role_says_what_it_promises_and_never_does() {
    for role in ["consume", "delta", "detect", "publish"] {
        let text = std::fs::read_to_string(root().join(format!("src/{role}/mod.rs"))).unwrap();
        assert!(text.contains("//! Promises: ") && text.contains("//! Never: "), "src/{role}/mod.rs");
    }
}

#[test]
fn no_name_says_nothing() {
    // A name that needs one of these is a name not yet found.
    let empty = Regex::new(&format!(r"\b\w*({}|{}|{}s?)\b", "Manager", "Helper", "Util")).unwrap();
    let imports = Regex::new(r"(?m)^use [^;]*;").unwrap();
    for file in ["src/", "tests/"].into_iter().flat_map(rust) {
        // What another crate calls its own is not ours to name; here it gets a better name with `as`.
        let code = imports
            .replace_all(&read(&file.text).code, |found: &regex::Captures<'_>| {
                "\n".repeat(found[0].matches('\n').count())
            })
            .into_owned();
        if let Some(found) = empty.find(&code) {
            panic!("{}:{}: {}", file.path, line_of(&code, found.start()), found.as_str());
        }
        let stem = file.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        assert!(!["misc", "util", "utils", "helper", "helpers", "common", "manager"].contains(&stem), "{}", file.path);
    }
}

#[test]
fn nothing_is_left_undone_unnumbered_skipped_or_tied_to_one_machine() {
    // Put together here, so that this file does not hold what it looks for.
    let undone = Regex::new(&format!(r"\b({}{}|{}{}|{}{})\b", "TO", "DO", "FIX", "ME", "XX", "X")).unwrap();
    let numbered = Regex::new(r"^\w+\(#\d+\)").unwrap();
    let skipped = ["ig", "nore"].concat();
    let skipped = Regex::new(&format!(r"#\[{skipped}\b")).unwrap();
    let places = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    for file in files() {
        for found in undone.find_iter(&file.text) {
            let line = line_of(&file.text, found.start());
            assert!(numbered.is_match(&file.text[found.start()..]), "{}:{line}: without its issue", file.path);
        }
        if file.is_rust() {
            assert!(!skipped.is_match(&file.text), "{}: assert today's behaviour instead", file.path);
        }
        for place in &places {
            let at = file.text.find(place.as_str());
            assert!(at.is_none(), "{}:{}: {place}", file.path, line_of(&file.text, at.unwrap_or_default()));
        }
    }
}

#[test]
fn an_exception_to_a_lint_gives_its_reason_and_stays_rare() {
    let exception = Regex::new(r"#!?\[expect\(").unwrap();
    let mut count = 0;
    for file in rust("src/") {
        assert!(!file.text.contains("#[allow("), "{}: expect it, with a reason", file.path);
        count += exception.find_iter(&read(file.product()).code).count();
    }
    assert!(count <= 15, "{count} exceptions to lints in src: mend some");
}

#[test]
fn what_a_feed_or_a_rule_is_called_stands_in_its_files_alone() {
    let ids = ids();
    assert!(ids.len() > 50, "only {} ids were read", ids.len());
    let mut faults = Vec::new();
    for file in rust("src/").iter().filter(|file| !file.is_test() && !file.path.starts_with("src/simulate/")) {
        for (line, text) in read(file.product()).texts {
            if let Some(id) = ids.iter().find(|id| names(&text, id)) {
                faults.push(format!("{}:{line}: {id:?} in {text:?}", file.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// Feeds, kinds, signals and rules of this tree.
fn ids() -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for file in files() {
        let parts: Vec<&str> = file.path.split('/').collect();
        match parts[..] {
            ["schemas", "feeds", feed, kind, "contract.json"] => {
                let contract: serde_json::Value = serde_json::from_str(&file.text).unwrap();
                ids.extend([feed.to_owned(), kind.to_owned()]);
                ids.extend(contract["x-signals"].as_object().unwrap().keys().cloned());
            }
            ["rules", _, rule] => ids.extend(rule.strip_suffix(".sql").map(str::to_owned)),
            _ => {}
        }
    }
    ids.retain(|id| !ORDINARY.contains(&id.as_str()));
    ids
}

/// A word with `_` is found anywhere in a text; a plain word only where it is the text or quoted in it.
fn names(text: &str, id: &str) -> bool {
    if text == id || ["'", "\"", "`"].iter().any(|quote| text.contains(&format!("{quote}{id}{quote}"))) {
        return true;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    id.contains('_')
        && text
            .match_indices(id)
            .any(|(at, _)| !text[..at].ends_with(is_word) && !text[at + id.len()..].starts_with(is_word))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text[..at].matches('\n').count()
}

#[test]
fn an_id_is_found_as_a_word_and_not_inside_another() {
    assert!(names("signal = 'sale'", "sale") && names("sale", "sale") && !names("for sale", "sale"));
    assert!(names("such as fever_visit.", "fever_visit") && !names("fever_visits", "fever_visit"));
}
