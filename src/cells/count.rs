//! Cells: count, denominator, expected, reported, zero and missing reporters for unit × signal × day.
//!
//! Promises: the same records and registers give the same cells, whatever came first; two kinds of one feed are never
//! added for one facility and signal: the register's authoritative kind counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::meanings::{Count, Meanings};
use super::names::Name;
use super::records::{Group, Records, Row};
use super::reports::Turnout;
use crate::delta::registers::Registers;
use crate::terms::Day;

/// Units that areas and facilities make; finer ones come from the rows.
pub const AREA_UNITS: [&str; 4] = ["facility", "town", "county", "prefecture"];

/// Which unit, signal and day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CellKey {
    pub unit_kind: String,
    pub unit_id: String,
    pub signal: String,
    pub day: Day,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    pub feed: String,
    /// The county.
    pub area_code: Option<String>,
    pub facility_id: Option<String>,
    /// `None` = nobody reported, which is not zero.
    pub count: Option<i64>,
    pub denominator: Option<i64>,
    /// Facilities that owe a report of the feed, sent one, sent nothing but zero, are silent: of the feed, not of the
    /// signal, because a report speaks of all of them. A class or a case is its own only reporter.
    pub expected: i64,
    pub reported: i64,
    pub zero: i64,
    pub missing: i64,
}

/// Units by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Units(BTreeMap<String, BTreeSet<String>>);

impl Units {
    pub fn insert(&mut self, kind: &str, id: &str) {
        if !self.contains(kind, id) {
            self.0.entry(kind.to_owned()).or_default().insert(id.to_owned());
        }
    }

    pub fn contains(&self, kind: &str, id: &str) -> bool {
        self.0.get(kind).is_some_and(|ids| ids.contains(id))
    }

    /// Ids of every kind.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.values().flatten().map(String::as_str)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a reader wants: `None` = all.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub unit_kinds: Option<BTreeSet<String>>,
    pub signals: Option<BTreeSet<String>>,
    pub units: Option<Arc<Units>>,
}

impl Wanted {
    pub fn unit_kind(&self, kind: &str) -> bool {
        self.unit_kinds.as_ref().is_none_or(|kinds| kinds.contains(kind))
    }

    pub fn unit(&self, kind: &str, id: &str) -> bool {
        self.unit_kind(kind) && self.units.as_ref().is_none_or(|units| units.contains(kind, id))
    }

    pub fn signal(&self, signal: &str) -> bool {
        self.signals.as_ref().is_none_or(|signals| signals.contains(signal))
    }
}

/// Everything that cells are counted from.
pub struct Counting<'a> {
    pub records: &'a Records,
    pub registers: &'a Registers,
    pub meanings: &'a Meanings,
    pub turnout: &'a Turnout,
}

impl Counting<'_> {
    /// The cells of the days `from ..= until`.
    pub fn cells(&self, wanted: &Wanted, from: Day, until: Day) -> BTreeMap<CellKey, Cell> {
        let mut cells = BTreeMap::new();
        let mut series = BTreeSet::new();
        for signal in self.signals(wanted) {
            let low = Group {
                signal,
                day: Day(i32::MIN),
                unit_kind: 0,
                unit_id: 0,
                facility: None,
                area: None,
                feed: 0,
                kind: 0,
            };
            let high = Group { signal: signal + 1, ..low };
            for (group, rows) in self.records.groups.range(low..high) {
                if !self.is_authoritative(group) {
                    continue;
                }
                let mut units = above(self.records, self.registers, group);
                units.retain(|(kind, id)| wanted.unit(kind, id));
                // A day without a row is zero or silence wherever any day has one.
                series.extend(units.iter().map(|(kind, id)| (*kind, *id, group.signal)));
                let names = &self.records.names;
                let own = (names.text(group.unit_kind), names.text(group.unit_id));
                if !AREA_UNITS.contains(&own.0) && wanted.unit(own.0, own.1) {
                    units.push(own);
                }
                let inside = group.day >= from && group.day <= until;
                if inside && !units.is_empty() && rows.values().any(|row| row.counts) {
                    self.add(group, rows, &units, &mut cells);
                }
            }
        }
        self.complete(&series, from, until, &mut cells);
        cells
    }

    fn signals(&self, wanted: &Wanted) -> Vec<Name> {
        let names = &self.records.names;
        self.meanings
            .feed_of
            .keys()
            .filter(|signal| wanted.signal(signal))
            .filter_map(|signal| names.find(signal))
            .collect()
    }

    /// Whether this kind's rows of the signal count for this facility.
    pub fn is_authoritative(&self, group: &Group) -> bool {
        let names = &self.records.names;
        let (feed, kind) = (names.text(group.feed), names.text(group.kind));
        let stated = group.facility.and_then(|facility| self.registers.stated_kind(names.text(facility), feed));
        let authority = self.meanings.authority(feed, names.text(group.signal), stated);
        authority.is_none_or(|authority| authority == kind)
    }

    fn add(
        &self,
        group: &Group,
        rows: &BTreeMap<(u128, u32), Row>,
        units: &[(&str, &str)],
        cells: &mut BTreeMap<CellKey, Cell>,
    ) {
        let names = &self.records.names;
        let (count, denominator) = self.worth(group, rows);
        let county = self.county(group);
        for (kind, id) in units {
            let key = CellKey {
                unit_kind: (*kind).to_owned(),
                unit_id: (*id).to_owned(),
                signal: names.text(group.signal).to_owned(),
                day: group.day,
            };
            let facility = group.facility.filter(|_| *kind == "facility" || !AREA_UNITS.contains(kind));
            let cell = cells.entry(key).or_insert_with(|| Cell {
                feed: names.text(group.feed).to_owned(),
                facility_id: facility.map(|facility| names.text(facility).to_owned()),
                ..Cell::default()
            });
            cell.area_code =
                [cell.area_code.take(), self.county_of_cell(kind, id, &county)].into_iter().flatten().min();
            cell.count = Some(cell.count.unwrap_or(0) + count);
            if let Some(denominator) = denominator {
                cell.denominator = Some(cell.denominator.unwrap_or(0) + denominator);
            }
        }
    }

    /// What the rows of one group are worth: count and denominator.
    fn worth(&self, group: &Group, rows: &BTreeMap<(u128, u32), Row>) -> (i64, Option<i64>) {
        let names = &self.records.names;
        let key =
            (names.text(group.feed).to_owned(), names.text(group.kind).to_owned(), names.text(group.signal).to_owned());
        let rule = self.meanings.signals.get(&key).map_or(Count::Sum, |meaning| meaning.count);
        let counted = rows.values().filter(|row| row.counts);
        let denominators = |rows: &[&Row]| {
            let given: Vec<i64> = rows.iter().filter_map(|row| row.denominator).collect();
            (!given.is_empty()).then(|| given.iter().sum())
        };
        match rule {
            Count::Sum => {
                let rows: Vec<&Row> = counted.collect();
                (rows.iter().map(|row| row.value).sum(), denominators(&rows))
            }
            Count::DistinctPersons => {
                let rows: Vec<&Row> = counted.collect();
                let persons: BTreeSet<Name> =
                    rows.iter().filter(|row| row.value > 0).filter_map(|row| row.person).collect();
                let nameless: i64 = rows.iter().filter(|row| row.person.is_none()).map(|row| row.value).sum();
                (persons.len() as i64 + nameless, denominators(&rows))
            }
            Count::GreatestSlot => {
                let mut slots: BTreeMap<Option<Name>, Vec<&Row>> = BTreeMap::new();
                counted.for_each(|row| slots.entry(row.slot).or_default().push(row));
                let worths =
                    slots.into_values().map(|rows| (rows.iter().map(|row| row.value).sum(), denominators(&rows)));
                worths.max().unwrap_or((0, None))
            }
        }
    }

    /// The county of a group: of its row's area, else of its facility.
    fn county(&self, group: &Group) -> Option<String> {
        let names = &self.records.names;
        let of_row = group.area.map(|area| names.text(area));
        let of_facility = || self.registers.area_of(names.text(group.facility?));
        let area = of_row.or_else(of_facility)?;
        self.registers.lineage(area).county.map(str::to_owned)
    }

    /// Rows for days without a count: expected or reported says whether that is zero or silence.
    fn complete(
        &self,
        series: &BTreeSet<(&str, &str, Name)>,
        from: Day,
        until: Day,
        cells: &mut BTreeMap<CellKey, Cell>,
    ) {
        let names = &self.records.names;
        for (unit_kind, unit_id, signal_name) in series {
            let signal = names.text(*signal_name);
            let Some(feed) = self.meanings.feed_of.get(signal) else { continue };
            let id = (*unit_id).to_owned();
            let days = (feed.clone(), *unit_kind, id.clone(), from)..=(feed.clone(), *unit_kind, id.clone(), until);
            for ((_, _, _, day), tally) in self.turnout.range(days) {
                let key = CellKey {
                    unit_kind: (*unit_kind).to_owned(),
                    unit_id: id.clone(),
                    signal: signal.to_owned(),
                    day: *day,
                };
                let cell = cells.entry(key).or_insert_with(|| Cell {
                    feed: feed.clone(),
                    area_code: self.county_of_unit(unit_kind, unit_id),
                    facility_id: (*unit_kind == "facility").then(|| id.clone()),
                    ..Cell::default()
                });
                if cell.count.is_none() && tally.reported > 0 {
                    cell.count = Some(0);
                }
                (cell.expected, cell.reported) = (tally.expected, tally.reported);
                (cell.zero, cell.missing) = (tally.zero, tally.missing);
            }
        }
        for (key, cell) in cells.iter_mut().filter(|(key, _)| !AREA_UNITS.contains(&key.unit_kind.as_str())) {
            debug_assert!(cell.count.is_some(), "a cell of {} without a row", key.unit_kind);
            cell.reported = 1;
            cell.zero = i64::from(cell.count == Some(0));
        }
    }

    /// A place's own county; where none is known, that of the rows. Rows of one port name many counties of destination,
    /// and which came first must not matter.
    fn county_of_cell(&self, unit_kind: &str, unit_id: &str, of_rows: &Option<String>) -> Option<String> {
        match unit_kind {
            "prefecture" => None,
            kind if AREA_UNITS.contains(&kind) => self.county_of_unit(kind, unit_id).or_else(|| of_rows.clone()),
            _ => of_rows.clone(),
        }
    }

    fn county_of_unit(&self, unit_kind: &str, unit_id: &str) -> Option<String> {
        let area = if unit_kind == "facility" { self.registers.area_of(unit_id)? } else { unit_id };
        self.registers.lineage(area).county.map(str::to_owned)
    }
}

/// The unit of a group's rows and every unit that they count for.
pub fn own_and_above<'a>(
    records: &'a Records,
    registers: &'a Registers,
    group: &Group,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let names = &records.names;
    let own = (names.text(group.unit_kind), names.text(group.unit_id));
    above(records, registers, group).into_iter().chain([own])
}

/// Facility, town, county, prefecture that a group's rows count for.
fn above<'a>(records: &'a Records, registers: &'a Registers, group: &Group) -> Vec<(&'static str, &'a str)> {
    let names = &records.names;
    if !registers.rolls_up.get(names.text(group.unit_kind)).copied().unwrap_or(false) {
        return Vec::new();
    }
    let lineage = group.area.map(|area| registers.lineage(names.text(area))).unwrap_or_default();
    let units = [
        ("facility", group.facility.map(|facility| names.text(facility))),
        ("town", lineage.town),
        ("county", lineage.county),
        ("prefecture", lineage.prefecture),
    ];
    units.into_iter().filter_map(|(kind, id)| Some((kind, id?))).collect()
}
