//! A pack: a dated edition of rules and their numbers, a folder with `pack.toml` and one SQL file a rule.
//!
//! Promises: a loaded pack is whole. Every number its rules ask for is there with unit, source and mark, what it extends
//! is merged in, and its rules stand so that each comes after those it needs.
//! Never: knows a rule by name; an empty folder is no rules and no error.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use crate::detect::folder::{PackFolder, read_folders};
use crate::detect::merge::{ALERT_HORIZON_DAYS_DEFAULT, merge};
use crate::detect::rule::Rule;
use crate::problem::codes::rule::{PACK, PARAMETER, VALIDITY};
use crate::problem::{Problem, Result};
use crate::terms::Day;

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
    /// What is in force where the rules folder is empty: nothing is judged.
    pub fn without_rules(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            zh: String::new(),
            en: String::new(),
            valid_from: None,
            valid_to: None,
            extends: None,
            source: String::new(),
            alert_horizon_days: ALERT_HORIZON_DAYS_DEFAULT,
            rules: Vec::new(),
            parameters: BTreeMap::new(),
            digest: String::new(),
        }
    }

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
pub struct Head {
    pub id: String,
    pub zh: String,
    pub en: String,
    #[serde(default)]
    valid_from: String,
    #[serde(default)]
    valid_to: String,
    #[serde(default)]
    pub extends: String,
    pub source: String,
    pub alert_horizon_days: Option<i32>,
}

/// What one folder holds by itself.
pub struct Own {
    pub file: String,
    pub head: Head,
    pub validity: (Option<Day>, Option<Day>),
    pub parameters: BTreeMap<String, Parameter>,
    pub rules: Vec<Rule>,
}

fn own_pack(folder: &PackFolder) -> Result<Own> {
    let file = folder.file("pack.toml");
    let read: PackFile = toml::from_str(&folder.toml).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| 1 + folder.toml.bytes().take(span.start).filter(|byte| *byte == b'\n').count());
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
        return Err(
            Problem::new(PARAMETER, at(), "no unit or no source").help("say what is counted and who set the number")
        );
    }
    if !MARKS.contains(&parameter.mark.as_str()) {
        let found = format!("mark {}", parameter.mark);
        return Err(Problem::new(PARAMETER, at(), found).help(format!("mark is one of {}", MARKS.join(", "))));
    }
    Ok(())
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
