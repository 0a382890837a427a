//! Cells: count, denominator, expected, reported, zero and missing reporters for unit × signal × day.
//!
//! Promises: the same records and registers give the same cells, whatever came first; two kinds of one feed are never
//! added for one facility and signal: the register's authoritative kind counts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::distinct::Distinct;
use super::meanings::Meanings;
use super::names::Name;
use super::places::{Place, Places, Unit};
use super::records::Records;
use super::reports::{Tally, Turnout};
use super::rows::insert;
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

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cell<'a> {
    pub feed: &'a str,
    /// The county.
    pub area_code: Option<&'a str>,
    pub facility_id: Option<&'a str>,
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

/// The cells of one unit and signal, in order of days.
pub struct CellSeries<'a> {
    pub unit_kind: &'a str,
    pub unit_id: &'a str,
    pub signal: &'a str,
    pub days: Vec<(Day, Cell<'a>)>,
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

    /// Kind and id of every unit.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().flat_map(|(kind, ids)| ids.iter().map(move |id| (kind.as_str(), id.as_str())))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// What a reader wants: `None` = all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pub unit_kinds: Option<BTreeSet<String>>,
    pub signals: Option<BTreeSet<String>>,
    pub units: Option<Arc<Units>>,
}

impl Wanted {
    pub fn unit_kind(&self, kind: &str) -> bool {
        self.unit_kinds.as_ref().is_none_or(|kinds| kinds.contains(kind))
    }

    pub fn signal(&self, signal: &str) -> bool {
        self.signals.as_ref().is_none_or(|signals| signals.contains(signal))
    }
}

/// Everything that cells are counted from.
pub struct Counting<'a> {
    pub records: &'a Records,
    pub places: &'a Places,
    pub meanings: &'a Meanings,
    pub turnout: &'a Turnout,
}

/// What the rows of one unit, signal and day add up to.
struct Sum {
    day: Day,
    count: i64,
    denominator: Option<i64>,
    county: Option<Name>,
    /// The least series of these: its feed and facility are the cell's, whichever came first.
    first: u32,
}

/// Sums of each unit and signal, in order of days.
type Sums = Vec<Vec<Sum>>;

impl<'a> Counting<'a> {
    /// The cells of the days `from ..= until`, one by one.
    pub fn cells(&self, wanted: &Wanted, from: Day, until: Day) -> BTreeMap<CellKey, Cell<'a>> {
        let key = |series: &CellSeries<'_>, day| CellKey {
            unit_kind: series.unit_kind.to_owned(),
            unit_id: series.unit_id.to_owned(),
            signal: series.signal.to_owned(),
            day,
        };
        let all = self.series(wanted, from, until);
        all.iter().flat_map(|series| series.days.iter().map(|(day, cell)| (key(series, *day), *cell))).collect()
    }

    /// The same by unit kind, unit, signal and day.
    pub fn series(&self, wanted: &Wanted, from: Day, until: Day) -> Vec<CellSeries<'a>> {
        let chosen = self.places.wanted(wanted);
        let (mut keys, mut sums) = (Distinct::<(u32, Name)>::default(), Sums::new());
        for signal in self.signals(wanted) {
            for series in self.places.of_signal(signal) {
                let place = self.places.get(*series);
                if !place.is_authoritative || self.records.rows.days(*series).is_empty() {
                    continue;
                }
                let slots: Vec<(u32, usize)> = place
                    .units()
                    .filter(|unit| chosen[*unit as usize])
                    .map(|unit| (unit, keys.number((unit, signal)) as usize))
                    .collect();
                // A day without a row is zero or silence wherever any day has one.
                sums.resize_with(keys.len(), Vec::new);
                if !slots.is_empty() {
                    self.add(*series, place, &slots, (from, until), &mut sums);
                }
            }
        }
        let numbered = sums.into_iter().enumerate();
        let mut cells: Vec<CellSeries<'a>> =
            numbered.map(|(number, sums)| self.completed(keys.get(number as u32), &sums, from, until)).collect();
        cells.retain(|series| !series.days.is_empty());
        cells.sort_unstable_by_key(|series| (series.unit_kind, series.unit_id, series.signal));
        cells
    }

    fn signals(&self, wanted: &Wanted) -> Vec<Name> {
        let names = &self.records.names;
        let known = self.meanings.feed_of.keys().filter(|signal| wanted.signal(signal));
        known.filter_map(|signal| names.find(signal)).collect()
    }

    /// Adds the days of a series to the sums in `slots`, each with its unit.
    fn add(&self, series: u32, place: &Place, slots: &[(u32, usize)], days: (Day, Day), sums: &mut Sums) {
        let rows = &self.records.rows;
        for of_day in rows.days_within(series, days.0, days.1) {
            let Some((count, denominator)) = rows.worth(*of_day) else { continue };
            for (unit, slot) in slots {
                let sums = &mut sums[*slot];
                let at = sums.partition_point(|sum| sum.day < of_day.day);
                if sums.get(at).is_none_or(|sum| sum.day != of_day.day) {
                    insert(sums, at, Sum { day: of_day.day, count: 0, denominator: None, county: None, first: series });
                }
                let sum = &mut sums[at];
                sum.count += count;
                sum.denominator = match (sum.denominator, denominator) {
                    (Some(one), Some(other)) => Some(one + other),
                    (one, other) => one.or(other),
                };
                if sum.first != series && rows.series.get(series) < rows.series.get(sum.first) {
                    sum.first = series;
                }
                let county = self.county_of_cell(&self.places.unit_of(*unit), place.county);
                sum.county = self.lesser(sum.county, county);
            }
        }
    }

    /// A place's own county; where none is known, that of the rows. Rows of one port name many counties of destination,
    /// and which came first must not matter.
    fn county_of_cell(&self, unit: &Unit<'_>, of_rows: Option<Name>) -> Option<Name> {
        if unit.kind == "prefecture" { None } else { unit.county.or(of_rows) }
    }

    fn lesser(&self, one: Option<Name>, other: Option<Name>) -> Option<Name> {
        match (one, other) {
            (Some(one), Some(other)) if one != other && self.places.code(other) < self.places.code(one) => Some(other),
            (one, other) => one.or(other),
        }
    }

    /// Cells of what was added up, and of days without a count: expected or reported says whether that is zero or silence.
    fn completed(&self, key: (u32, Name), sums: &[Sum], from: Day, until: Day) -> CellSeries<'a> {
        let (unit, signal) = (self.places.unit_of(key.0), self.records.names.text(key.1));
        let feed_of = self.meanings.feed_of.get(signal).filter(|_| unit.is_area);
        let tallies = feed_of.and_then(|feed| Some((feed.as_str(), self.turnout.of(feed, unit.kind, unit.id)?)));
        let mut days = Vec::with_capacity(sums.len());
        let mut sums = sums.iter().peekable();
        for day in (from.0..=until.0).map(Day) {
            let sum = sums.next_if(|sum| sum.day == day);
            let tally = tallies.and_then(|(feed, tallies)| Some((feed, tallies.on(day)?)));
            let mut cell = match (sum, tally) {
                (Some(sum), _) => self.cell(&unit, sum),
                (None, Some((feed, _))) => Cell {
                    feed,
                    area_code: unit.county.map(|county| self.places.code(county)),
                    facility_id: (unit.kind == "facility").then_some(unit.id),
                    ..Cell::default()
                },
                (None, None) => continue,
            };
            if let Some((_, tally)) = tally {
                complete(&mut cell, &tally);
            }
            if !unit.is_area {
                cell.reported = 1;
                cell.zero = i64::from(cell.count == Some(0));
            }
            days.push((day, cell));
        }
        CellSeries { unit_kind: unit.kind, unit_id: unit.id, signal, days }
    }

    fn cell(&self, unit: &Unit<'_>, sum: &Sum) -> Cell<'a> {
        let first = self.records.rows.series.get(sum.first);
        let facility = first.facility.filter(|_| unit.kind == "facility" || !unit.is_area);
        Cell {
            feed: self.records.names.text(first.feed),
            area_code: sum.county.map(|county| self.places.code(county)),
            facility_id: facility.map(|facility| self.records.names.text(facility)),
            count: Some(sum.count),
            denominator: sum.denominator,
            ..Cell::default()
        }
    }
}

fn complete(cell: &mut Cell<'_>, tally: &Tally) {
    if cell.count.is_none() && tally.reported > 0 {
        cell.count = Some(0);
    }
    (cell.expected, cell.reported) = (tally.expected.into(), tally.reported.into());
    (cell.zero, cell.missing) = (tally.zero.into(), tally.missing.into());
}
