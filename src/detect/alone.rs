//! One rule with those that it needs, taken out of its edition: what is judged when a rule is measured by itself.
//!
//! Promises: text and numbers are those of the edition; the digest changes when either does, and with nothing else.

use std::collections::BTreeSet;

use super::folder::PackFolder;
use super::header::without_power;
use super::pack::{Pack, Packs};
use super::rule::{Rule, digest};
use super::tick::texts_of;
use crate::delta::reference::Text;
use crate::problem::codes::rule::{NEEDS, PACK};
use crate::problem::{Problem, Result};

/// A rule, and what must be in force for it.
pub struct Alone {
    pub rule: Rule,
    /// SQL of the rule and of those it needs.
    pub sql: Vec<String>,
    pub digest: String,
    pub texts: Vec<Text>,
}

/// Takes `rule` out of the edition `pack`.
pub fn alone(folders: &[PackFolder], pack: &str, rule: &str) -> Result<Alone> {
    let packs = Packs::of_folders(folders)?;
    let known: Vec<&str> = packs.packs.keys().map(String::as_str).collect();
    let edition = packs.get(pack).ok_or_else(|| {
        Problem::new(PACK, format!("pack {pack}"), "no such pack").help(format!("choose one of: {}", known.join(", ")))
    })?;
    let found = edition.rules.iter().find(|one| one.id == rule).ok_or_else(|| {
        Problem::new(NEEDS, format!("pack {pack}"), format!("no rule {rule}"))
            .help("a rule of this pack, or of one that it extends")
    })?;
    // A pack beside this one may hold a rule of the same name with needs of its own.
    let mut needed = needed_by(edition, rule);
    for other in packs.packs.values() {
        needed.extend(needed.clone().iter().flat_map(|id| needed_by(other, id)));
    }
    let mut folders = folders.to_vec();
    folders.iter_mut().for_each(|folder| folder.rules.retain(|id, _| needed.contains(id)));
    let sql = edition.rules.iter().filter(|one| needed.contains(&one.id)).map(|one| one.sql.clone()).collect();
    Ok(Alone { rule: found.clone(), sql, digest: judged_by(edition, rule), texts: texts_of(&folders) })
}

/// SHA-256 of what decides what a rule finds: its text and its numbers, and those of the rules it needs. What the header
/// says about its power is no part of it: a report that names the rule must not outdate itself.
pub fn judged_by(pack: &Pack, rule: &str) -> String {
    let needed = needed_by(pack, rule);
    let rules = pack.rules.iter().filter(|one| needed.contains(&one.id));
    let of = |one: &Rule| {
        let own = format!("{}.", one.id);
        let numbers = pack.parameters.iter().filter(|(name, _)| name.starts_with(&own));
        let numbers: String =
            numbers.map(|(name, number)| format!("{name} {:016x}\n", number.value.to_bits())).collect();
        format!("{} {}\n{numbers}", one.id, digest(&without_power(&one.sql)))
    };
    digest(&rules.map(of).collect::<String>())
}

/// The rule itself and all that it needs.
fn needed_by(pack: &Pack, rule: &str) -> BTreeSet<String> {
    let mut needed = BTreeSet::from([rule.to_owned()]);
    // Each stands after those it needs, so going backwards meets every need after who has it.
    for one in pack.rules.iter().rev().filter(|one| one.id == rule || !one.needs.is_empty()) {
        if needed.contains(&one.id) {
            needed.extend(one.needs.iter().cloned());
        }
    }
    needed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::folder::read_folders;

    #[test]
    fn a_rule_comes_with_what_it_needs_and_nothing_else() {
        let folders = read_folders(None).unwrap();
        let alone = alone(&folders, "2021-CF", "multi_channel").unwrap();
        let rules: Vec<&str> =
            alone.texts.iter().map(|text| text.name.as_str()).filter(|name| name.ends_with(".sql")).collect();
        assert_eq!(alone.rule.needs.len() + 1, rules.len(), "{rules:?}");
        assert!(Packs::of_folders(&folders).unwrap().get("2021-CF").unwrap().rules.len() > rules.len());
    }

    #[test]
    fn text_and_numbers_change_the_digest_and_the_name_of_the_report_does_not() {
        let mut folders = read_folders(None).unwrap();
        let of = |folders: &[PackFolder]| alone(folders, "2021-CF", "fever_clinic_c2").unwrap().digest;
        let before = of(&folders);
        let pack = folders.iter_mut().find(|folder| folder.name == "2021-CF").unwrap();
        let sql = pack.rules.get_mut("fever_clinic_c2").unwrap();
        let unnamed = without_power(sql);
        assert_ne!(unnamed, *sql);
        *sql = unnamed;
        assert_eq!(of(&folders), before);
        let pack = folders.iter_mut().find(|folder| folder.name == "2021-CF").unwrap();
        let toml = pack.toml.clone();
        pack.toml = toml.replacen(
            "[parameters.\"fever_clinic_c2.threshold\"]\nvalue = 3",
            "[parameters.\"fever_clinic_c2.threshold\"]\nvalue = 4",
            1,
        );
        assert_ne!(pack.toml, toml);
        assert_ne!(of(&folders), before);
        let pack = folders.iter_mut().find(|folder| folder.name == "2021-CF").unwrap();
        pack.toml = toml;
        let sql = pack.rules.get_mut("fever_clinic_c2").unwrap();
        *sql = sql.replacen("9 PRECEDING", "8 PRECEDING", 1);
        assert_ne!(of(&folders), before);
    }
}
