//! What changed since the last tick, so that a withdrawal can say why: unit by unit, rule by rule.
//!
//! Promises: rows about one unit never speak for another; a number that changed speaks only for the rules that ask for it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::pack::Pack;
use super::reconcile::Cause;
use super::rule::Rule;
use crate::alert::Series;
use crate::cells::count::Units;
use crate::cells::moment::Moment;
use crate::cells::places::own_and_above;
use crate::cells::reports::units_of;
use crate::delta::reference::ADJACENCY;

/// The changes of one tick.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Rules whose text or numbers changed, or those of a rule that they need.
    rules: BTreeSet<String>,
    /// A contract or a code list changed, which any rule may read.
    words: bool,
    /// Unit kind, unit, signal of which rows came, with every unit that these are part of.
    series: BTreeSet<(String, String, String)>,
    /// The same without the signal, and whoever sent a report or owes one.
    pub units: Arc<Units>,
    /// Areas beside those of `units`.
    beside: BTreeSet<String>,
}

impl Changes {
    pub fn of(moment: &Moment, series: &BTreeSet<u32>, rules: BTreeSet<String>, words: bool) -> Self {
        let (mut changes, mut units) = (Self { rules, words, ..Self::default() }, Units::default());
        let names = &moment.records.names;
        for number in series {
            let series = moment.records.rows.series.get(*number);
            let signal = names.text(series.signal);
            for (kind, id) in own_and_above(&moment.records, &moment.registers, &series) {
                changes.series.insert((kind.to_owned(), id.to_owned(), signal.to_owned()));
                units.insert(kind, id);
            }
            let reporter = series.facility.map(|facility| names.text(facility));
            let reporting = reporter.into_iter().flat_map(|facility| units_of(&moment.registers, facility));
            reporting.for_each(|(kind, id)| units.insert(kind, id));
        }
        changes.beside = beside(moment, &units);
        changes.units = Arc::new(units);
        changes
    }

    /// Why the findings of `rule` about a series may differ from those of the last tick.
    pub fn cause(&self, moment: &Moment, rule: &Rule, series: &Series) -> Cause {
        if self.rules.contains(&rule.id) {
            return Cause::Rules;
        }
        let Series { unit_kind, unit_id, signal, .. } = series;
        // A signal of a rule's own making (a report that is owed, several channels) rests on all of the unit's rows.
        let came = match moment.meanings.feed_of.contains_key(signal) {
            true => self.series.contains(&(unit_kind.clone(), unit_id.clone(), signal.clone())),
            false => self.units.contains(unit_kind, unit_id),
        };
        let came_beside = || self.beside.contains(unit_id) && rule.sql.contains(ADJACENCY);
        match (came || came_beside(), self.words) {
            (true, _) => Cause::Data,
            (false, true) => Cause::Rules,
            (false, false) => Cause::Neither,
        }
    }
}

/// The areas that adjoin one of `units`.
fn beside(moment: &Moment, units: &Units) -> BTreeSet<String> {
    let touched: BTreeSet<&str> = units.iter().map(|(_, id)| id).collect();
    let pairs = moment.edition.adjacent_areas();
    pairs.filter(|(here, _)| touched.contains(here)).map(|(_, there)| there.to_owned()).collect()
}

/// The rules of `pack` that decide otherwise than those of the same name before: text, numbers, horizon, or what they need.
pub fn changed_rules(before: Option<&Pack>, pack: &Pack) -> BTreeSet<String> {
    let mut changed = BTreeSet::new();
    // Each comes after those it needs.
    for rule in &pack.rules {
        let same = before.is_some_and(|before| {
            let old = before.rules.iter().find(|old| old.id == rule.id);
            let number = |pack: &Pack, name: &str| pack.parameters.get(name).map(|number| number.value.to_bits());
            let numbers = before.parameters.keys().chain(pack.parameters.keys());
            let mut asked = numbers.filter(|name| rule.sql.contains(&format!("'{name}'")));
            old.is_some_and(|old| old.digest == rule.digest)
                && before.alert_horizon_days == pack.alert_horizon_days
                && asked.all(|name| number(before, name) == number(pack, name))
        });
        if !same || rule.needs.iter().any(|need| changed.contains(need)) {
            changed.insert(rule.id.clone());
        }
    }
    changed
}
