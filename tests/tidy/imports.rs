//! Who may import whom. The roles never meet but in the log, so any of them can be killed, moved or replayed.

use std::collections::BTreeSet;

use super::source::{File, read, rust};

/// What every part may use.
const WORDS: &[&str] = &["terms", "problem", "clock"];

/// Each part, and what it may import besides `WORDS`. A new line here is a decision about the architecture.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    // Words: each imports only what stands above it.
    ("terms", &[]),
    ("problem", &[]),
    ("fault", &[]),
    ("clock", &["fault"]),
    // Parts report to it; it asks nobody.
    ("observe", &[]),
    ("alert", &[]),
    ("kafka", &[]),
    ("config", &["alert", "kafka"]),
    ("detectors", &[]),
    // Shared.
    ("delta", &["fault", "observe"]),
    ("engine", &["delta", "detectors"]),
    ("cells", &["delta", "engine"]),
    // Roles.
    ("consume", &["delta", "engine", "kafka", "fault"]),
    ("detect", &["delta", "engine", "cells", "alert", "fault"]),
    ("publish", &["delta", "alert", "kafka", "fault", "observe"]),
    ("serve", &["delta", "engine", "cells", "alert"]),
    // It speaks to us through Kafka or files, as everyone else.
    ("simulate", &[]),
    ("simulate/oracle", &[]),
    // Methods over planted outbreaks, drawn as the invented city draws; and what a rule raised beside those of the city.
    ("power", &["detectors", "simulate", "alert"]),
];

/// Parts that may import less than `WORDS`: the first shares nothing with what it judges.
const FEWER_WORDS: &[(&str, &[&str])] = &[
    ("simulate/oracle", &[]),
    ("simulate", &["terms"]),
    ("terms", &[]),
    ("clock", &["terms"]),
    ("problem", &["terms"]),
    ("fault", &["problem"]),
    ("alert", &["terms"]),
    ("kafka", &["terms", "problem"]),
    ("detectors", &["terms"]),
    ("config", &["terms", "problem"]),
];

/// They put the parts together, so they may import all.
const WIRING: &[&str] = &["main", "lib", "cli", "pipeline", "demo"];

/// Crates that only some parts may touch: each is one decision, at one place.
const CRATES: &[(&str, &[&str])] = &[
    ("rdkafka", &["kafka", "consume", "publish", "demo"]),
    ("deltalake", &["delta", "engine", "serve"]),
    ("object_store", &["delta", "engine"]),
    ("datafusion", &["engine", "cells", "consume", "detect", "serve"]),
    ("datafusion_postgres", &["serve"]),
    ("httparse", &["observe"]),
    ("clap", &["cli", "main"]),
    ("tracing_subscriber", &["main", "cli"]),
    ("rand", &["simulate"]),
    ("rand_chacha", &["simulate"]),
];

/// All that the oracle may stand on: it recomputes what the pipeline does, so it must not use what the pipeline uses.
const ORACLE_CRATES: &[&str] = &["serde", "serde_json", "arrow", "parquet", "toml", "csv", "chrono", "sha2"];
/// Pure: no thread, no file format, no network.
const PURE_PARTS: &[&str] = &["alert", "terms", "clock", "problem"];
const PURE_CRATES: &[&str] = &["serde", "chrono", "sha2"];

/// The part that a file belongs to.
fn part(path: &str) -> String {
    let inner = path.trim_start_matches("src/").trim_end_matches(".rs");
    if inner.starts_with("simulate/oracle") {
        return "simulate/oracle".to_owned();
    }
    inner.split('/').next().unwrap_or_default().to_owned()
}

fn may_import(part: &str) -> BTreeSet<&'static str> {
    let more = MAY_IMPORT.iter().find(|(name, _)| *name == part);
    let (_, more) = more.unwrap_or_else(|| panic!("src/{part} is in no line of tests/tidy/imports.rs: may it import?"));
    let words = FEWER_WORDS.iter().find(|(name, _)| *name == part).map_or(WORDS, |(_, words)| words);
    more.iter().chain(words).copied().collect()
}

/// Top-level modules that a file names, with lines: `crate::x`, `crate::{x, y}` and `super::super::x` that reaches the top.
fn imports(file: &File) -> Vec<(usize, String)> {
    let code = read(&file.text).code;
    // Below this a `mod tests` shifts what `super` means; its `crate::` paths are still read.
    let product_lines = file.product().lines().count();
    let inner = file.path.trim_start_matches("src/").trim_end_matches(".rs");
    let depth = inner.trim_end_matches("/mod").split('/').count();
    let up = "super::".repeat(depth);
    let mut found = Vec::new();
    for (start, what) in [("crate::", ""), (up.as_str(), "super")] {
        for (at, _) in code.match_indices(start) {
            let line = 1 + code[..at].matches('\n').count();
            let before = code[..at].chars().next_back().unwrap_or(' ');
            let is_path_start = !before.is_alphanumeric() && before != '_' && before != ':' && before != '$';
            if is_path_start && (what.is_empty() || line <= product_lines) {
                found.extend(first_names(&code[at + start.len()..]).into_iter().map(|name| (line, name)));
            }
        }
    }
    found
}

/// `a::b` gives a; `{a::{b, c}, d}` gives a and d.
fn first_names(rest: &str) -> Vec<String> {
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let Some(group) = rest.strip_prefix('{') else { return vec![word(rest)] };
    let (mut depth, mut names, mut begin) = (1, Vec::new(), true);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => begin = true,
            _ if depth == 1 && begin && !c.is_whitespace() => {
                names.push(word(&group[at..]));
                begin = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Crates of Cargo.toml, as code names them.
fn dependencies() -> Vec<String> {
    let manifest: toml::Table =
        std::fs::read_to_string(super::source::root().join("Cargo.toml")).unwrap().parse().unwrap();
    manifest["dependencies"].as_table().unwrap().keys().map(|name| name.replace('-', "_")).collect()
}

/// Crates that the product part of a file names, with lines.
fn crates(file: &File, known: &[String]) -> Vec<(usize, String)> {
    let code = read(file.product()).code;
    let mut found = Vec::new();
    for name in known {
        for (at, _) in code.match_indices(&format!("{name}::")) {
            let before = code[..at].chars().next_back().unwrap_or(' ');
            if !before.is_alphanumeric() && before != '_' && before != ':' {
                found.push((1 + code[..at].matches('\n').count(), name.clone()));
            }
        }
    }
    found
}

#[test]
fn every_part_imports_only_what_it_may() {
    let mut faults = Vec::new();
    for file in rust("src/") {
        let part = part(&file.path);
        if WIRING.contains(&part.as_str()) {
            continue;
        }
        let allowed = may_import(&part);
        let own = part.split('/').next().unwrap_or_default();
        for (line, name) in imports(&file) {
            // The oracle's own files are below it: `super` reaches them, `crate::simulate::oracle` too.
            if name != own && !allowed.contains(name.as_str()) {
                faults.push(format!("{}:{line}: {part} imports {name}; it may import {allowed:?}", file.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_oracle_names_nothing_of_the_pipeline_not_even_the_city() {
    for file in rust("src/").into_iter().filter(|file| part(&file.path) == "simulate/oracle") {
        for at in read(&file.text).code.match_indices("crate::").map(|(at, _)| at) {
            let rest = &read(&file.text).code[at + "crate::".len()..];
            assert!(rest.starts_with("simulate::oracle"), "{}: crate::{}", file.path, &rest[..rest.len().min(40)]);
        }
    }
}

#[test]
fn every_crate_is_used_only_where_it_was_let_in() {
    let known = dependencies();
    let mut faults = Vec::new();
    for file in rust("src/").iter().filter(|file| !file.is_test()) {
        let part = part(&file.path);
        for (line, name) in crates(file, &known) {
            let is_let_in = CRATES.iter().find(|(crate_name, _)| *crate_name == name);
            let refused = is_let_in.is_some_and(|(_, parts)| !parts.contains(&part.as_str()))
                || (part == "simulate/oracle" && !ORACLE_CRATES.contains(&name.as_str()))
                || (PURE_PARTS.contains(&part.as_str()) && !PURE_CRATES.contains(&name.as_str()));
            if refused {
                faults.push(format!("{}:{line}: {part} uses the crate {name}", file.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn an_import_that_goes_up_is_seen_however_it_is_written() {
    let file = |path: &str, text: &str| File { path: path.to_owned(), text: text.to_owned() };
    let seen = |path, text| imports(&file(path, text)).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
    assert_eq!(seen("src/a/b.rs", "use crate::{detect::{x, y}, serve};"), ["detect", "serve"]);
    assert_eq!(seen("src/a/b.rs", "fn f() { super::super::detect::f() } // crate::publish"), ["detect"]);
    assert_eq!(seen("src/a/mod.rs", "use super::detect;"), ["detect"]);
    assert_eq!(seen("src/a/b.rs", "use super::c; let s = \"crate::serve\";"), [""; 0]);
}
