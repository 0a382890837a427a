//! Pages that are written from the code are as the code is; the others name nothing that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use qianshao::detect::pack::{Pack, Packs};
use qianshao::observe::families;
use regex::Regex;

use super::source::{File, files, root, rust};

/// Set to anything: pages are written instead of compared.
const UPDATE: &str = "QIANSHAO_UPDATE_DOCS";

/// Compares a page with what the code says, or writes it.
fn compare(path: &str, wanted: &str) {
    let file = root().join(path);
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(&file, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&file).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).position(|(one, other)| one != other);
    let line = 1 + differs.unwrap_or_else(|| found.lines().count().min(wanted.lines().count()));
    assert!(
        found == wanted,
        "{path}:{line} is not what the code says; run {UPDATE}=1 cargo test tidy, and read the diff"
    );
}

#[test]
fn the_configuration_page_and_the_example_are_the_table_of_keys() {
    compare("docs/configuration.md", &qianshao::config::documentation());
    compare("deploy/qianshao.toml", &qianshao::config::example());
}

#[test]
fn the_page_of_detectors_is_what_they_ask_for() {
    compare("docs/detectors.md", &qianshao::detectors::command::documentation());
}

#[test]
fn the_page_of_metrics_is_the_table_of_them() {
    compare("docs/metrics.md", &qianshao::observe::documentation());
}

#[test]
fn the_page_of_problems_is_the_list_of_codes() {
    compare("docs/problems.md", &qianshao::problem::documentation());
}

#[test]
fn every_rule_and_every_number_stands_in_the_page_of_rules() {
    const BEGIN: &str = "<!-- written from rules/ -->\n";
    const END: &str = "<!-- end of what is written -->\n";
    let page = std::fs::read_to_string(root().join("docs/rules.md")).unwrap();
    let (above, rest) = page.split_once(BEGIN).expect("docs/rules.md lost its mark");
    let (_, below) = rest.split_once(END).expect("docs/rules.md lost its second mark");
    let packs = Packs::load(Some(&root().join("rules"))).unwrap();
    for rule in packs.packs.values().flat_map(|pack| &pack.rules) {
        assert!(above.contains(&format!("`{}`", rule.id)), "docs/rules.md does not say when {} fires", rule.id);
    }
    let written: String = packs.packs.values().map(pack_page).collect();
    compare("docs/rules.md", &format!("{above}{BEGIN}{written}\n{END}{below}"));
}

/// One pack: its own rules, and the numbers that stand in its folder.
fn pack_page(pack: &Pack) -> String {
    let own = std::fs::read_to_string(root().join("rules").join(&pack.id).join("pack.toml")).unwrap();
    let own: toml::Table = own.parse().unwrap();
    let until = |day: Option<qianshao::terms::Day>| day.map_or("–".to_owned(), |day| day.to_string());
    let mut page = format!("\n### {} {} ({})\n\n", pack.id, pack.en, pack.zh);
    page += &format!("In force {} to {}. Source: {}.", until(pack.valid_from), until(pack.valid_to), pack.source);
    if let Some(parent) = &pack.extends {
        page += &format!(" Extends `{parent}`: its rules and numbers are in force too.");
    }
    page += "\n\n| rule | 规则 | what it finds | severity | kind | in force | verify within | source |\n|---|---|---|---|---|---|---|---|\n";
    for rule in pack.rules.iter().filter(|rule| rule.pack == pack.id) {
        let kind = rule.kind.word();
        let (from, to) = (until(rule.valid_from), until(rule.valid_to));
        page += &format!(
            "| `{}` | {} | {} | {} | {kind} | {from} to {to} | {} h | {} |\n",
            rule.id,
            rule.zh,
            rule.en,
            rule.severity.word(),
            rule.verify_hours,
            rule.cites
        );
    }
    page += "\n| number | value | unit | source | mark |\n|---|---|---|---|---|\n";
    for name in own.get("parameters").and_then(toml::Value::as_table).into_iter().flatten().map(|(name, _)| name) {
        let number = &pack.parameters[name];
        page += &format!("| `{name}` | {} | {} | {} | {} |\n", number.value, number.unit, number.source, number.mark);
    }
    page
}

fn pages() -> Vec<File> {
    files().into_iter().filter(|file| file.path.ends_with(".md")).collect()
}

#[test]
fn the_picture_is_the_same_wherever_it_is_shown() {
    let map = std::fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let lines = map.lines().skip_while(|line| *line != "//! ```text").skip(1).take_while(|line| *line != "//! ```");
    let picture: Vec<&str> = lines.map(|line| line.trim_start_matches("//!").trim_start_matches(' ')).collect();
    assert!(picture.len() >= 2, "src/lib.rs shows no picture");
    for path in ["README.md", "README.zh-CN.md", "docs/architecture.md"] {
        let page = std::fs::read_to_string(root().join(path)).unwrap();
        let shown: Vec<&str> = page.lines().map(|line| line.trim_start_matches(' ')).collect();
        assert!(shown.windows(picture.len()).any(|window| window == picture), "{path} shows another picture");
    }
}

#[test]
fn links_and_paths_in_the_documents_lead_somewhere() {
    let link = Regex::new(r"\]\(([^)#\s]+)(#[^)]*)?\)").unwrap();
    let path = Regex::new(r"`((?:src|docs|tests|rules|schemas|deploy|examples|\.ci)/[\w./-]*)`").unwrap();
    let mut faults = Vec::new();
    for page in pages() {
        let folder = Path::new(&page.path).parent().unwrap().to_owned();
        let linked = link.captures_iter(&page.text).map(|found| found[1].to_owned());
        for target in linked.filter(|target| !target.contains("://") && !target.starts_with("mailto:")) {
            if !root().join(&folder).join(&target).exists() {
                faults.push(format!("{}: the link {target}", page.path));
            }
        }
        for found in path.captures_iter(&page.text).map(|found| found[1].to_owned()) {
            if !root().join(&found).exists() {
                faults.push(format!("{}: `{found}`", page.path));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_test_that_a_document_names_exists() {
    // A name of four words or more is a test's: `a_torn_tail_steps_back_with_its_offsets_and_is_set_aside`.
    let named = Regex::new(r"`([a-z]\w*(?:_\w+){4,})`").unwrap();
    let tests: BTreeSet<String> = ["src/", "tests/"]
        .into_iter()
        .flat_map(rust)
        .flat_map(|file| {
            let names = file.text.match_indices("fn ").map(|(at, _)| &file.text[at + 3..]);
            let name = |rest: &str| rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
            names.map(name).collect::<Vec<_>>()
        })
        .collect();
    for page in pages() {
        for name in named.captures_iter(&page.text).map(|found| found[1].to_owned()) {
            let is_metric = families::ALL.iter().any(|family| family.name == name);
            assert!(is_metric || tests.contains(&name), "{} names {name}, and there is no such test", page.path);
        }
    }
}

#[test]
fn every_direct_dependency_has_its_reason() {
    let manifest: toml::Table = std::fs::read_to_string(root().join("Cargo.toml")).unwrap().parse().unwrap();
    let page = std::fs::read_to_string(root().join("docs/decisions/0001-dependencies.md")).unwrap();
    for table in ["dependencies", "dev-dependencies"] {
        for (name, version) in manifest[table].as_table().unwrap() {
            let reason = page.lines().find(|line| line.starts_with("| ") && line.contains(&format!("`{name}`")));
            assert!(reason.is_some_and(|line| line.len() > name.len() + 20), "no reason for {name}");
            // Tests name this crate itself, for what only they may use of it.
            let is_ours = name == env!("CARGO_PKG_NAME");
            let from_elsewhere = ["git", "path"].iter().any(|key| version.get(key).is_some());
            assert!(is_ours || !from_elsewhere, "{name}: from a registry, or not at all");
        }
    }
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for only_one in ["arrow", "datafusion", "tokio", "hyper", "rdkafka", "deltalake"] {
        assert_eq!(lock.matches(&format!("\nname = \"{only_one}\"\n")).count(), 1, "versions of {only_one}");
    }
}

#[test]
fn both_readmes_show_the_same_commands_and_the_first_two_are_the_demo_and_the_tests() {
    let commands = |path: &str| {
        let page = std::fs::read_to_string(root().join(path)).unwrap();
        sh_blocks(&page).into_iter().flat_map(|block| commands(&block)).collect::<Vec<_>>()
    };
    let english = commands("README.md");
    assert_eq!(english, commands("README.zh-CN.md"));
    assert_eq!(english[..2], ["cargo run -- demo", "cargo test"]);
}

/// The ```sh blocks of a page.
fn sh_blocks(page: &str) -> Vec<String> {
    let blocks = page.split("\n```sh\n").skip(1);
    blocks.map(|rest| rest.split("\n```").next().unwrap_or_default().to_owned()).collect()
}

/// The command lines of a block, without comments.
fn commands(block: &str) -> Vec<String> {
    let line = |line: &str| line.split(" # ").next().unwrap_or_default().trim().to_owned();
    block.lines().map(line).filter(|line| !line.is_empty() && !line.starts_with('#')).collect()
}

/// The verb that a command line gives to `qianshao`, however it is called, and the verb below it where there is one.
fn verbs(command: &str) -> Option<(&str, Option<&str>)> {
    let rest = match command.split_once("cargo run") {
        Some((_, rest)) => rest.split_once("-- ")?.1,
        None => command.split_once("qianshao ")?.1,
    };
    let mut words = rest.split_whitespace();
    let verb = words.next().filter(|word| is_word(word))?;
    Some((verb, words.next().filter(|word| is_word(word))))
}

fn is_word(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-') && !word.starts_with('-')
}

/// Command lines of a page: its ```sh blocks, and what stands in the text as `qianshao …`.
fn command_lines(page: &str) -> Vec<String> {
    let inline = Regex::new(r"`((?:\./)?qianshao [a-z][^`\n]*)`").unwrap();
    let mut lines: Vec<String> = sh_blocks(page).iter().flat_map(|block| commands(block)).collect();
    lines.extend(inline.captures_iter(page).map(|found| found[1].to_owned()));
    lines
}

/// Verbs of a page that the command line does not know. `known` gives a verb's own verbs.
fn unknown_verbs(page: &str, known: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let lines = command_lines(page);
    let unknown = |line: &String| {
        // `list|show|retry` is one of each.
        let line = line.replace('|', " ");
        let (verb, below) = verbs(&line)?;
        let Some(own) = known.get(verb) else { return Some(verb.to_owned()) };
        below.filter(|below| !own.is_empty() && !own.contains(*below)).map(|below| format!("{verb} {below}"))
    };
    lines.iter().filter_map(unknown).collect()
}

/// What the command line itself says it knows.
fn known_verbs() -> BTreeMap<String, BTreeSet<String>> {
    let mut command = <qianshao::cli::Cli as clap::CommandFactory>::command();
    // `help` is made by building.
    command.build();
    let names = |command: &clap::Command| command.get_subcommands().map(|one| one.get_name().to_owned()).collect();
    command.get_subcommands().map(|one| (one.get_name().to_owned(), names(one))).collect()
}

#[test]
fn every_verb_in_a_document_is_one_of_the_command_line() {
    let known = known_verbs();
    let mut lines = 0;
    for page in pages() {
        lines += command_lines(&page.text).len();
        let unknown = unknown_verbs(&page.text, &known);
        assert!(unknown.is_empty(), "{} names verbs that qianshao does not have: {unknown:?}", page.path);
    }
    assert!(lines > 20, "only {lines} command lines in the documents");
}

#[test]
fn a_verb_that_the_command_line_lacks_is_found() {
    let page = "text `qianshao quarantine burn X` and `qianshao quarantine list|show`\n```sh\ncargo run --release -- demo --once   # a comment\nqianshao alert why ID\n./qianshao fly\ncargo test\n```\n";
    assert_eq!(unknown_verbs(page, &known_verbs()), ["fly", "quarantine burn"]);
}
