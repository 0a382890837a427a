//! Who had to report on which day: the register of obligations laid over the calendars.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use super::registers::Registers;

/// What is due, by feed and day.
#[derive(Debug, Default)]
pub struct Duty {
    /// Feed → day → facility → minutes after local midnight at which the report is missing.
    due: BTreeMap<String, BTreeMap<i64, BTreeMap<String, i64>>>,
    /// Feed → county → day → facilities that must report.
    in_county: BTreeMap<(String, String), BTreeMap<i64, usize>>,
    county: BTreeMap<String, String>,
}

impl Duty {
    pub fn new(registers: &Registers, days: RangeInclusive<i64>) -> Self {
        let mut duty = Self::default();
        let feeds: BTreeSet<&str> = registers.obligations.iter().map(|o| &*o.feed).collect();
        for facility in registers.facilities.values() {
            let county = registers.county_of(&facility.area);
            for feed in &feeds {
                for day in days.clone() {
                    let Some(minutes) = registers.due(facility, feed, day) else { continue };
                    let by_day = duty.due.entry((*feed).to_owned()).or_default();
                    by_day.entry(day).or_default().insert(facility.id.clone(), minutes);
                    let counts = duty.in_county.entry(((*feed).to_owned(), county.clone())).or_default();
                    *counts.entry(day).or_default() += 1;
                }
            }
            duty.county.insert(facility.id.clone(), county);
        }
        duty
    }

    pub fn feeds(&self) -> impl Iterator<Item = &str> {
        self.due.keys().map(String::as_str)
    }

    /// Feed and county of everything that is ever due.
    pub fn counties_of(&self, feed: &str) -> impl Iterator<Item = &str> {
        self.in_county.keys().filter(move |key| key.0 == feed).map(|key| &*key.1)
    }

    /// Days on which the county's facilities had to report, with how many.
    pub fn days_in_county(&self, feed: &str, county: &str) -> Option<&BTreeMap<i64, usize>> {
        self.in_county.get(&(feed.to_owned(), county.to_owned()))
    }

    /// Facility → minutes, for one feed and day.
    pub fn on(&self, feed: &str, day: i64) -> Option<&BTreeMap<String, i64>> {
        self.due.get(feed)?.get(&day)
    }

    /// Days on which one facility had to report, in order.
    pub fn days_of(&self, feed: &str, facility: &str) -> Vec<(i64, i64)> {
        let days = self.due.get(feed).into_iter().flatten();
        days.filter_map(|(day, all)| Some((*day, *all.get(facility)?))).collect()
    }

    pub fn county_of(&self, facility: &str) -> &str {
        self.county.get(facility).map_or("", String::as_str)
    }

    pub fn facilities(&self) -> impl Iterator<Item = &str> {
        self.county.keys().map(String::as_str)
    }
}
