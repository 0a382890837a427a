//! A pack on top of those it extends, made whole and put in order.
//!
//! Promises: what a merged pack's rules ask for is there, and each rule stands after those it needs; circles are named.
//! Never: reads a file.

use std::collections::{BTreeMap, BTreeSet};

use crate::detect::pack::{Own, Pack, Parameter};
use crate::detect::rule::{Rule, digest};
use crate::problem::codes::rule::{NEEDS, PACK_EXTENDS, PARAMETER};
use crate::problem::{Problem, Result};

/// Windows that ended longer ago are not judged, where no pack says otherwise.
pub const ALERT_HORIZON_DAYS_DEFAULT: i32 = 30;

/// The pack `id` on top of what it extends: its rules and numbers replace those of the same name.
pub fn merge(own: &BTreeMap<String, Own>, id: &str) -> Result<Pack> {
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
            return Err(Problem::new(
                PACK_EXTENDS,
                &pack.file,
                format!("extends = {} leads back to itself", pack.head.extends),
            ));
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
