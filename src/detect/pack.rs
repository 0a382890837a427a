//! A pack: a dated edition of rules and their numbers, a folder with `pack.toml` and one SQL file a rule.
//!
//! Promises: a loaded pack is whole. Every number its rules ask for is there with unit, source and mark, what it extends
//! is merged in, and its rules stand so that each comes after those it needs.
//! Never: knows a rule by name; an empty folder is no rules and no error.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::detect::folder::{PackFolder, read_folders};
use crate::detect::rule::{Rule, digest};
use crate::problem::codes::rule::{NEEDS, PACK, PACK_EXTENDS, PARAMETER, VALIDITY};
use crate::problem::{Problem, Result};
use crate::terms::Day;

/// Windows that ended longer ago are not judged, where no pack says otherwise.
const ALERT_HORIZON_DAYS_DEFAULT: i32 = 30;
/// How far a source was checked: confirmed, second-hand, unconfirmed, our own decision.
const MARKS: [&str; 4] = ["C", "C2", "U", "D"];

/// A number of a rule, with what a person must know before changing it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub value: f64,
    pub unit: String,
    pub source: String,
    pub mark: String,
}

/// An edition, with everything it extends merged in.
#[derive(Clone, Debug, PartialEq)]
pub struct Pack {
    pub id: String,
    pub zh: String,
    pub en: String,
    pub valid_from: Option<Day>,
    pub valid_to: Option<Day>,
    pub extends: Option<String>,
    pub source: String,
    pub alert_horizon_days: i32,
    /// Each after those it needs.
    pub rules: Vec<Rule>,
    pub parameters: BTreeMap<String, Parameter>,
    /// SHA-256 over rules, numbers and horizon: another digest, another evaluation of everything.
    pub digest: String,
}

impl Pack {
    /// What `param('name')` gives.
    pub fn values(&self) -> BTreeMap<String, f64> {
        self.parameters.iter().map(|(name, parameter)| (name.clone(), parameter.value)).collect()
    }
}

/// All packs of a folder, by id.
#[derive(Clone, Debug, PartialEq)]
pub struct Packs {
    pub packs: BTreeMap<String, Pack>,
}

impl Packs {
    /// The packs of a folder, or those that the program was built with.
    pub fn load(dir: Option<&Path>) -> Result<Self> {
        Self::of_folders(&read_folders(dir)?)
    }

    pub fn get(&self, id: &str) -> Option<&Pack> {
        self.packs.get(id)
    }

    pub(crate) fn of_folders(folders: &[PackFolder]) -> Result<Self> {
        let own = folders.iter().map(own_pack).collect::<Result<Vec<_>>>()?;
        let own: BTreeMap<String, Own> = own.into_iter().map(|pack| (pack.head.id.clone(), pack)).collect();
        let merged = own.keys().map(|id| Ok((id.clone(), merge(&own, id)?)));
        Ok(Self { packs: merged.collect::<Result<_>>()? })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackFile {
    pack: Head,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    id: String,
    zh: String,
    en: String,
    #[serde(default)]
    valid_from: String,
    #[serde(default)]
    valid_to: String,
    #[serde(default)]
    extends: String,
    source: String,
    alert_horizon_days: Option<i32>,
}

/// What one folder holds by itself.
struct Own {
    file: String,
    head: Head,
    validity: (Option<Day>, Option<Day>),
    parameters: BTreeMap<String, Parameter>,
    rules: Vec<Rule>,
}

fn own_pack(folder: &PackFolder) -> Result<Own> {
    let file = folder.file("pack.toml");
    let read: PackFile = toml::from_str(&folder.toml).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + folder.toml.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
        Problem::new(PACK, format!("{file}, line {line}"), error.message().to_owned())
    })?;
    if read.pack.id != folder.name {
        return Err(Problem::new(PACK, file, format!("id {} in the folder {}", read.pack.id, folder.name))
            .help("a pack is called like its folder"));
    }
    if read.pack.alert_horizon_days.is_some_and(|days| days < 1) {
        return Err(Problem::new(PACK, file, "alert_horizon_days below 1").help("a whole number of days from 1"));
    }
    for (name, parameter) in &read.parameters {
        check_parameter(&file, name, parameter)?;
    }
    let day = |key: &str, text: &str| {
        let read = Day::parse(text);
        if read.is_none() && !text.is_empty() {
            return Err(Problem::new(PACK, &file, format!("{key} = {text}")).help("YYYY-MM-DD, or \"\" for no limit"));
        }
        Ok(read)
    };
    let validity = (day("valid_from", &read.pack.valid_from)?, day("valid_to", &read.pack.valid_to)?);
    if matches!(validity, (Some(from), Some(to)) if to < from) {
        return Err(Problem::new(VALIDITY, file, "valid_to before valid_from"));
    }
    let rules = folder.rules.iter();
    let rules = rules.map(|(stem, text)| Rule::parse(&folder.name, stem, &folder.file(&format!("{stem}.sql")), text));
    Ok(Own { file, validity, rules: rules.collect::<Result<_>>()?, head: read.pack, parameters: read.parameters })
}

fn check_parameter(file: &str, name: &str, parameter: &Parameter) -> Result<()> {
    let at = || format!("{file}, parameter {name}");
    if !parameter.value.is_finite() {
        return Err(Problem::new(PARAMETER, at(), "a value that is not a finite number"));
    }
    if parameter.unit.is_empty() || parameter.source.is_empty() {
        return Err(Problem::new(PARAMETER, at(), "no unit or no source").help("say what is counted and who set the number"));
    }
    if !MARKS.contains(&parameter.mark.as_str()) {
        let found = format!("mark {}", parameter.mark);
        return Err(Problem::new(PARAMETER, at(), found).help(format!("mark is one of {}", MARKS.join(", "))));
    }
    Ok(())
}

/// The pack `id` on top of what it extends: its rules and numbers replace those of the same name.
fn merge(own: &BTreeMap<String, Own>, id: &str) -> Result<Pack> {
    let line = lineage(own, id)?;
    let mut parameters = BTreeMap::new();
    let mut rules = BTreeMap::new();
    let mut horizon = ALERT_HORIZON_DAYS_DEFAULT;
    for pack in line.iter().rev() {
        parameters.extend(pack.parameters.clone());
        rules.extend(pack.rules.iter().map(|rule| (rule.id.clone(), rule.clone())));
        horizon = pack.head.alert_horizon_days.unwrap_or(horizon);
    }
    for rule in rules.values() {
        check_numbers(rule, &parameters)?;
    }
    let rules = in_order_of_need(rules)?;
    let Some(this) = line.first() else { return Err(Problem::new(PACK_EXTENDS, id, "no such pack")) };
    Ok(Pack {
        id: id.to_owned(),
        zh: this.head.zh.clone(),
        en: this.head.en.clone(),
        valid_from: this.validity.0,
        valid_to: this.validity.1,
        extends: Some(this.head.extends.clone()).filter(|parent| !parent.is_empty()),
        source: this.head.source.clone(),
        alert_horizon_days: horizon,
        digest: digest_of(horizon, &rules, &parameters),
        rules,
        parameters,
    })
}

/// The pack and those above it, the nearest first.
fn lineage<'a>(own: &'a BTreeMap<String, Own>, id: &str) -> Result<Vec<&'a Own>> {
    let mut line: Vec<&Own> = Vec::new();
    let mut next = id;
    while let Some(pack) = own.get(next) {
        if line.iter().any(|seen| seen.head.id == pack.head.id) {
            return Err(Problem::new(PACK_EXTENDS, &pack.file, format!("extends = {} leads back to itself", pack.head.extends)));
        }
        line.push(pack);
        next = &pack.head.extends;
        if next.is_empty() {
            return Ok(line);
        }
    }
    let file = line.last().map_or(id, |pack| pack.file.as_str());
    Err(Problem::new(PACK_EXTENDS, file, format!("extends = {next}")))
}

/// Every number that a rule asks for by a literal name, or sabotages, is there.
fn check_numbers(rule: &Rule, parameters: &BTreeMap<String, Parameter>) -> Result<()> {
    let asked = rule.sql.split("param('").skip(1).filter_map(|rest| rest.split('\'').next());
    let sabotaged = rule.sabotage.iter().map(|sabotage| sabotage.parameter.as_str());
    for name in asked.chain(sabotaged) {
        if !parameters.contains_key(name) {
            return Err(Problem::new(PARAMETER, &rule.file, format!("no parameter {name}")));
        }
    }
    Ok(())
}

/// Rules after those they need, by name where need leaves it open.
fn in_order_of_need(mut waiting: BTreeMap<String, Rule>) -> Result<Vec<Rule>> {
    let known: BTreeSet<String> = waiting.keys().cloned().collect();
    for rule in waiting.values() {
        if let Some(absent) = rule.needs.iter().find(|need| !known.contains(*need)) {
            return Err(Problem::new(NEEDS, &rule.file, format!("needs: {absent}")));
        }
    }
    let mut placed: Vec<Rule> = Vec::with_capacity(waiting.len());
    while !waiting.is_empty() {
        let is_ready = |rule: &&Rule| rule.needs.iter().all(|need| !waiting.contains_key(need));
        let ready: Vec<String> = waiting.values().filter(is_ready).map(|rule| rule.id.clone()).collect();
        if ready.is_empty() {
            let circle: Vec<&str> = waiting.keys().map(String::as_str).collect();
            let file = waiting.values().next().map_or("", |rule| rule.file.as_str());
            return Err(Problem::new(NEEDS, file, format!("a circle among {}", circle.join(", "))));
        }
        placed.extend(ready.iter().filter_map(|id| waiting.remove(id)));
    }
    Ok(placed)
}

fn digest_of(horizon: i32, rules: &[Rule], parameters: &BTreeMap<String, Parameter>) -> String {
    let rules = rules.iter().map(|rule| format!("{} {}\n", rule.id, rule.digest));
    let numbers = parameters.iter().map(|(name, parameter)| format!("{name} {:016x}\n", parameter.value.to_bits()));
    digest(&std::iter::once(format!("{horizon}\n")).chain(rules).chain(numbers).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::rule::Scope;

    fn folder(name: &str, toml: &str, rules: &[(&str, &str)]) -> PackFolder {
        let rule = |(id, rest): &(&str, &str)| {
            let header = format!(
                "-- id: {id}\n-- zh: z\n-- en: e\n-- severity: blue\n-- scope: all\n-- kind: statistical\n\
                 -- verify_hours: 1\n-- cites: c\n-- history_days: 0\n{rest}"
            );
            ((*id).to_owned(), header)
        };
        PackFolder {
            name: name.into(),
            path: name.into(),
            toml: format!("[pack]\nid = \"{name}\"\nzh = \"z\"\nen = \"e\"\nsource = \"s\"\n{toml}"),
            rules: rules.iter().map(rule).collect(),
        }
    }

    fn number(name: &str, value: f64) -> String {
        format!("[parameters.\"{name}\"]\nvalue = {value}\nunit = \"u\"\nsource = \"s\"\nmark = \"D\"\n")
    }

    #[test]
    fn the_shipped_packs_load_and_hold_every_number_their_rules_ask_for() {
        let packs = Packs::load(None).unwrap();
        let edition = packs.get("2021-CF").unwrap();
        assert_eq!((packs.get("base").unwrap().rules.len(), edition.rules.len()), (9, 15));
        assert!(edition.rules.iter().all(|rule| !rule.sabotage.is_empty()));
        for rule in &edition.rules {
            for need in &rule.needs {
                let place = |id: &str| edition.rules.iter().position(|rule| rule.id == *id);
                assert!(place(need) < place(&rule.id), "{need} before {}", rule.id);
                assert_eq!(rule.scope, Scope::All);
            }
        }
    }

    #[test]
    fn every_shipped_number_is_asked_for_by_its_rule() {
        let packs = Packs::load(None).unwrap();
        let edition = packs.get("2021-CF").unwrap();
        for name in edition.parameters.keys() {
            let asked = format!("param('{name}')");
            assert!(edition.rules.iter().any(|rule| rule.sql.contains(&asked)), "{name} is asked for by no rule");
        }
    }

    #[test]
    fn a_pack_replaces_rules_and_numbers_of_the_one_it_extends() {
        let base = folder("base", &number("a.n", 1.0), &[("a", "SELECT param('a.n')"), ("b", "SELECT 1")]);
        let own = format!("extends = \"base\"\nalert_horizon_days = 7\n{}", number("a.n", 2.0));
        let child = folder("child", &own, &[("b", "SELECT 2")]);
        let packs = Packs::of_folders(&[child, base]).unwrap();
        let (base, child) = (packs.get("base").unwrap(), packs.get("child").unwrap());
        assert_eq!((base.values()["a.n"], child.values()["a.n"]), (1.0, 2.0));
        assert_eq!((base.alert_horizon_days, child.alert_horizon_days), (30, 7));
        assert!(child.rules.iter().any(|rule| rule.id == "b" && rule.pack == "child"));
        assert_ne!(base.digest, child.digest);
    }

    #[test]
    fn a_circle_or_a_gap_is_refused_in_words() {
        let code = |folders: &[PackFolder]| Packs::of_folders(folders).unwrap_err().code.id;
        assert_eq!(code(&[folder("p", "extends = \"q\"\n", &[])]), "QS-R002");
        assert_eq!(code(&[folder("p", "extends = \"q\"\n", &[]), folder("q", "extends = \"p\"\n", &[])]), "QS-R002");
        assert_eq!(code(&[folder("p", "", &[("a", "-- needs: b\nS"), ("b", "-- needs: a\nS")])]), "QS-R007");
        assert_eq!(code(&[folder("p", "", &[("a", "-- needs: z\nS")])]), "QS-R007");
        assert_eq!(code(&[folder("p", "", &[("a", "SELECT param('a.n')")])]), "QS-R006");
        assert_eq!(code(&[folder("p", &number("a.n", 1.0).replace("\"D\"", "\"X\""), &[])]), "QS-R006");
    }

    #[test]
    fn a_misspelt_key_of_a_pack_is_named_with_its_line() {
        let problem = Packs::of_folders(&[folder("p", "extend = \"q\"\n", &[])]).unwrap_err();
        assert_eq!((problem.code.id, problem.at.as_str()), ("QS-R001", "p/pack.toml, line 6"));
        assert!(problem.found.contains("extend"));
    }

    #[test]
    fn an_empty_folder_is_no_rules() {
        let empty = tempfile::tempdir().unwrap();
        assert!(Packs::load(Some(empty.path())).unwrap().packs.is_empty());
    }
}
