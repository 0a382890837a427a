//! All texts that are in force at one moment: registers, code lists, packs, rules.
//!
//! Promises: a value, read once; its digest changes when any text does. Never: reads or writes the log.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::terms::hex;

/// Class of the rows that say what people accepted.
pub const CLASS_AUDIT: &str = "audit";

/// The list of areas that adjoin: a rule that reads it judges a unit by its neighbours' rows too.
pub const ADJACENCY: &str = "adjacency";

/// One text in force: a register, a code list, a pack, a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub class: String,
    pub name: String,
    pub body: String,
}

impl Text {
    pub fn digest(&self) -> String {
        hex(&Sha256::digest(self.body.as_bytes()))
    }
}

/// All texts in force at one moment, by class and name; an empty body means withdrawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edition {
    pub known_at: i64,
    pub texts: BTreeMap<(String, String), String>,
}

impl Edition {
    /// Texts of one class by name.
    pub fn of<'a>(&'a self, class: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.texts
            .iter()
            .filter(move |((of, _), body)| of == class && !body.is_empty())
            .map(|((_, name), body)| (name.as_str(), body.as_str()))
    }

    /// Areas that adjoin, each pair both ways.
    pub fn adjacent_areas(&self) -> impl Iterator<Item = (&str, &str)> {
        let lists = self.texts.iter().filter(|((_, name), _)| name == ADJACENCY);
        let pairs = lists.flat_map(|(_, body)| body.lines().skip(1)).filter_map(|line| {
            let mut columns = line.split(',').map(str::trim);
            Some((columns.next()?, columns.next()?))
        });
        pairs.flat_map(|(one, other)| [(one, other), (other, one)])
    }

    /// One digest over everything in force.
    pub fn digest(&self) -> String {
        let mut digest = Sha256::new();
        for ((class, name), body) in &self.texts {
            digest.update(format!("{class}\0{name}\0{}\0", body.len()));
            digest.update(body);
        }
        hex(&digest.finalize())
    }
}
