//! The texts in force, each with the moment it came into force, and what packs and rules state in them.
//!
//! Promises: parameters are those of the pack and of all it extends, the nearest first; a header is read as it stands.
//! Never: judges a text. Detect refused what cannot be used before it came into force.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::AsArray;
use serde::Deserialize;

use crate::delta::files::known_at_of;
use crate::delta::log::Log;
use crate::delta::reference::Edition;
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};

/// Class of a rule's text; its name is `pack/rule.sql`.
const CLASS_RULE: &str = "rule";
/// Class of a pack's text; its name is `pack/pack.toml`.
const CLASS_PACK: &str = "pack";

/// Packs above a pack followed at most this far: a circle must not hang us.
const PARENTS_MAX: usize = 16;

/// One text in force.
#[derive(Clone, Debug)]
pub struct InForce {
    pub body: String,
    pub digest: String,
    pub known_at: i64,
}

/// Everything in force at one moment.
#[derive(Clone, Debug, Default)]
pub struct Texts {
    pub edition: Edition,
    pub in_force: BTreeMap<(String, String), InForce>,
}

/// A number of a rule.
#[derive(Clone, Debug, Deserialize)]
pub struct Parameter {
    pub value: f64,
    #[serde(default)]
    pub unit: String,
    #[serde(default)]
    pub source: String,
    #[serde(default)]
    pub mark: String,
}

#[derive(Deserialize)]
struct PackFile {
    pack: PackHead,
    #[serde(default)]
    parameters: BTreeMap<String, Parameter>,
}

#[derive(Deserialize)]
struct PackHead {
    #[serde(default)]
    extends: String,
    alert_horizon_days: Option<i32>,
}

/// One rule's text.
#[derive(Clone, Debug)]
pub struct RuleText<'a> {
    pub pack: &'a str,
    pub id: &'a str,
    pub text: &'a InForce,
}

impl<'a> RuleText<'a> {
    /// A value of the header's `-- key: value` lines; empty where there is none.
    pub fn header(&self, key: &str) -> &'a str {
        self.text
            .body
            .lines()
            .map_while(|line| line.strip_prefix("-- ")?.split_once(':'))
            .find_map(|(name, value)| (name == key).then(|| value.trim()))
            .unwrap_or("")
    }

    pub fn needs(&self) -> impl Iterator<Item = &'a str> {
        self.header("needs").split(',').map(str::trim).filter(|need| !need.is_empty())
    }

    pub fn days(&self, key: &str) -> i32 {
        self.header(key).parse().unwrap_or(0)
    }
}

impl Texts {
    /// The texts in force as of `until`.
    pub async fn read(log: &dyn Log, until: i64) -> Result<Self> {
        let mut texts = Self::default();
        for batch in log.read(Table::Reference, i64::MIN, until).await? {
            let column = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            let (Some(classes), Some(names), Some(digests), Some(bodies), Some(known)) =
                (column("class"), column("name"), column("digest"), column("body"), known_at_of(&batch))
            else {
                return Err(Problem::new(codes::log::FILE_NOT_DECODED, "table reference", "a column is missing"));
            };
            for row in 0..batch.num_rows() {
                let key = (classes.value(row).to_owned(), names.value(row).to_owned());
                let text = InForce {
                    body: bodies.value(row).to_owned(),
                    digest: digests.value(row).to_owned(),
                    known_at: known.value(row),
                };
                texts.edition.known_at = texts.edition.known_at.max(text.known_at);
                texts.edition.texts.insert(key.clone(), text.body.clone());
                texts.in_force.insert(key, text);
            }
        }
        // A withdrawn text is an empty one.
        texts.in_force.retain(|_, text| !text.body.is_empty());
        Ok(texts)
    }

    /// Texts of one class by name.
    pub fn of<'a>(&'a self, class: &'a str) -> impl Iterator<Item = (&'a str, &'a InForce)> {
        self.in_force.iter().filter(move |((of, _), _)| of == class).map(|((_, name), text)| (name.as_str(), text))
    }

    /// Every rule of every pack.
    pub fn rules(&self) -> impl Iterator<Item = RuleText<'_>> {
        self.of(CLASS_RULE).filter_map(|(name, text)| {
            let (pack, file) = name.split_once('/')?;
            Some(RuleText { pack, id: file.trim_end_matches(".sql"), text })
        })
    }

    /// Packs by id.
    pub fn packs(&self) -> impl Iterator<Item = &str> {
        self.of(CLASS_PACK).filter_map(|(name, _)| name.split_once('/').map(|(pack, _)| pack))
    }

    /// The rules of a pack and of those it extends, each after the rules it needs; what waits for a rule that is not
    /// there is left out.
    pub fn in_order_of_need(&self, pack: &str) -> Vec<RuleText<'_>> {
        let lineage = self.lineage(pack);
        let ours = self.rules().filter(|rule| lineage.iter().any(|(pack, _)| pack == rule.pack));
        let ids: BTreeSet<&str> = ours.map(|rule| rule.id).collect();
        let mut waiting: Vec<RuleText<'_>> = ids.into_iter().filter_map(|id| self.rule(pack, id)).collect();
        let mut placed: Vec<RuleText<'_>> = Vec::new();
        loop {
            let is_placed = |need: &str| placed.iter().any(|rule| rule.id == need);
            let (ready, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|rule| rule.needs().all(is_placed));
            if ready.is_empty() {
                return placed;
            }
            placed.extend(ready);
            waiting = later;
        }
    }

    /// The text of a rule as `pack` has it: its own, else that of the nearest pack it extends.
    pub fn rule(&self, pack: &str, id: &str) -> Option<RuleText<'_>> {
        self.lineage(pack).iter().find_map(|(name, _)| self.rules().find(|rule| rule.pack == *name && rule.id == id))
    }

    /// What `param('name')` reads, by name.
    pub fn parameters(&self, pack: &str) -> BTreeMap<String, Parameter> {
        let mut parameters = BTreeMap::new();
        for (_, file) in self.lineage(pack).into_iter().rev() {
            parameters.extend(file.parameters);
        }
        parameters
    }

    /// Days back that the pack's rules judge.
    pub fn horizon_days(&self, pack: &str) -> Option<i32> {
        self.lineage(pack).iter().find_map(|(_, file)| file.pack.alert_horizon_days)
    }

    /// The pack and those above it, the nearest first; what cannot be read ends the line.
    fn lineage(&self, pack: &str) -> Vec<(String, PackFile)> {
        let mut line: Vec<(String, PackFile)> = Vec::new();
        let mut next = pack.to_owned();
        while line.len() < PARENTS_MAX {
            let Some(text) = self.in_force.get(&(CLASS_PACK.to_owned(), format!("{next}/pack.toml"))) else { break };
            let Ok(file) = toml::from_str::<PackFile>(&text.body) else { break };
            let parent = file.pack.extends.clone();
            line.push((next, file));
            next = parent;
        }
        line
    }
}
