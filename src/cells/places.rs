//! Where the rows of each series count: the units above it, its county, whether its kind is the one that counts.
//!
//! Promises: what registers and contracts say of each series, asked once an edition and not once a tick.

use super::count::{AREA_UNITS, Units, Wanted};
use super::distinct::{Distinct, push};
use super::meanings::{Count, Meanings};
use super::names::{Name, Names};
use super::records::Records;
use super::rows::{NONE, Series};
use crate::delta::registers::{Lineage, Registers};

/// Where one series counts.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    /// Numbers of the facility, town, county and prefecture that its rows count for, as far as there are such.
    pub above: [u32; 4],
    /// The number of its own unit; none where that is a facility or an area.
    pub own: u32,
    /// The county of its rows' area, else of its facility.
    pub county: Option<Name>,
    /// How its rows become a count.
    pub count: Count,
    /// Whether this kind's rows of the signal count for this facility.
    pub is_authoritative: bool,
}

impl Place {
    /// Every unit whose cells it is part of.
    pub fn units(&self) -> impl Iterator<Item = u32> {
        self.above.into_iter().chain([self.own]).filter(|unit| *unit != NONE)
    }
}

/// A unit of cells.
#[derive(Clone, Copy, Debug)]
pub struct Unit<'a> {
    pub kind: &'a str,
    pub id: &'a str,
    /// Its county by the registers; of a unit that is no facility and no area they know none.
    pub county: Option<Name>,
    pub is_area: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Places {
    names: Names,
    /// Kind and id.
    units: Distinct<(Name, Name)>,
    counties: Vec<Option<Name>>,
    places: Vec<Place>,
    /// Numbers of the series of each signal, by the signal's number.
    of_signal: Vec<Vec<u32>>,
}

impl Places {
    /// Finds the places of series that are new; `registers` and `meanings` are those of the first.
    pub fn extend(&mut self, records: &Records, registers: &Registers, meanings: &Meanings) {
        for number in self.places.len() as u32..records.rows.series.len() as u32 {
            let series = records.rows.series.get(number);
            let place = self.place(&series, records, registers, meanings);
            push(&mut self.places, place);
            let signal = series.signal as usize;
            if self.of_signal.len() <= signal {
                self.of_signal.resize_with(signal + 1, Vec::new);
            }
            push(&mut self.of_signal[signal], number);
        }
    }

    fn place(&mut self, series: &Series, records: &Records, registers: &Registers, meanings: &Meanings) -> Place {
        let names = &records.names;
        let mut above = [NONE; 4];
        let units = above_of(records, registers, series);
        for (slot, (kind, id)) in above.iter_mut().zip(units) {
            *slot = self.unit(kind, id, registers);
        }
        let (own_kind, own_id) = (names.text(series.unit_kind), names.text(series.unit_id));
        let own = if AREA_UNITS.contains(&own_kind) { NONE } else { self.unit(own_kind, own_id, registers) };
        let of_facility = || registers.area_of(names.text(series.facility?));
        let area = series.area.map(|area| names.text(area)).or_else(of_facility);
        let county = area.and_then(|area| registers.lineage(area).county).map(|county| self.names.number(county));
        let (feed, kind, signal) = (names.text(series.feed), names.text(series.kind), names.text(series.signal));
        Place {
            above,
            own,
            county,
            count: meanings.count(feed, kind, signal),
            is_authoritative: is_authoritative(records, registers, meanings, series),
        }
    }

    fn unit(&mut self, kind: &str, id: &str, registers: &Registers) -> u32 {
        let number = self.units.number((self.names.number(kind), self.names.number(id)));
        if number as usize == self.counties.len() {
            let county = county_of_unit(registers, kind, id).map(|county| self.names.number(county));
            push(&mut self.counties, county);
        }
        number
    }

    pub fn get(&self, series: u32) -> &Place {
        &self.places[series as usize]
    }

    pub fn unit_of(&self, number: u32) -> Unit<'_> {
        let (kind, id) = self.units.get(number);
        let (kind, id) = (self.names.text(kind), self.names.text(id));
        Unit { kind, id, county: self.counties[number as usize], is_area: AREA_UNITS.contains(&kind) }
    }

    /// The code of a county.
    pub fn code(&self, county: Name) -> &str {
        self.names.text(county)
    }

    /// The series of a signal.
    pub fn of_signal(&self, signal: Name) -> &[u32] {
        self.of_signal.get(signal as usize).map_or(&[], Vec::as_slice)
    }

    /// Of each unit, whether its cells are wanted.
    pub fn wanted(&self, wanted: &Wanted) -> Vec<bool> {
        let kinds = |number: u32| wanted.unit_kind(self.names.text(self.units.get(number).0));
        match &wanted.units {
            Some(units) => {
                let mut chosen = self.among(units);
                for (number, is_chosen) in chosen.iter_mut().enumerate().filter(|(_, is_chosen)| **is_chosen) {
                    *is_chosen = kinds(number as u32);
                }
                chosen
            }
            None => {
                // There are few kinds and many units.
                let of_kind: Vec<bool> =
                    (0..self.names.len() as u32).map(|name| wanted.unit_kind(self.names.text(name))).collect();
                (0..self.units.len() as u32).map(|number| of_kind[self.units.get(number).0 as usize]).collect()
            }
        }
    }

    /// Of each unit, whether it is one of `units`.
    pub fn among(&self, units: &Units) -> Vec<bool> {
        let mut among = vec![false; self.units.len()];
        for (kind, id) in units.iter() {
            let names = self.names.find(kind).zip(self.names.find(id));
            if let Some(number) = names.and_then(|(kind, id)| self.units.find((kind, id))) {
                among[number as usize] = true;
            }
        }
        among
    }
}

/// Whether this kind's rows of the signal count for this facility.
fn is_authoritative(records: &Records, registers: &Registers, meanings: &Meanings, series: &Series) -> bool {
    let names = &records.names;
    let (feed, kind) = (names.text(series.feed), names.text(series.kind));
    let stated = series.facility.and_then(|facility| registers.stated_kind(names.text(facility), feed));
    let authority = meanings.authority(feed, names.text(series.signal), stated);
    authority.is_none_or(|authority| authority == kind)
}

fn county_of_unit<'a>(registers: &'a Registers, unit_kind: &str, unit_id: &'a str) -> Option<&'a str> {
    match unit_kind {
        "facility" => registers.lineage(registers.area_of(unit_id)?).county,
        kind if AREA_UNITS.contains(&kind) => registers.lineage(unit_id).county,
        _ => None,
    }
}

/// The unit of a series and every unit that its rows count for.
pub fn own_and_above<'a>(
    records: &'a Records,
    registers: &'a Registers,
    series: &Series,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let names = &records.names;
    let own = (names.text(series.unit_kind), names.text(series.unit_id));
    above_of(records, registers, series).into_iter().chain([own])
}

/// Facility, town, county, prefecture that a series counts for.
fn above_of<'a>(records: &'a Records, registers: &'a Registers, series: &Series) -> Vec<(&'static str, &'a str)> {
    let names = &records.names;
    if !registers.rolls_up.get(names.text(series.unit_kind)).copied().unwrap_or(false) {
        return Vec::new();
    }
    let lineage = series.area.map(|area| registers.lineage(names.text(area))).unwrap_or_default();
    units_above(series.facility.map(|facility| names.text(facility)), lineage).collect()
}

/// A facility and the areas of a lineage, as units.
pub(super) fn units_above<'a>(
    facility: Option<&'a str>,
    lineage: Lineage<'a>,
) -> impl Iterator<Item = (&'static str, &'a str)> {
    let Lineage { town, county, prefecture } = lineage;
    let units = [("facility", facility), ("town", town), ("county", county), ("prefecture", prefecture)];
    units.into_iter().filter_map(|(kind, id)| Some((kind, id?)))
}
