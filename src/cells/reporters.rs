//! Which facilities said something on which day: all that expected reports need to know of the records.
//!
//! Promises: a day is there as long as some row of a standing message is about it.

use super::distinct::{Distinct, push};
use super::names::Name;
use super::rows::insert;
use crate::terms::Day;

/// What was said on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Said {
    pub day: Day,
    rows: u32,
    /// Rows of messages that say more than zero.
    telling: u32,
    /// When the first of the records that say it was first heard of, microseconds UTC.
    pub heard_at: i64,
}

impl Said {
    /// It says that it is a zero report, or nothing but zero.
    pub const fn is_zero(&self) -> bool {
        self.telling == 0
    }
}

/// Feeds of facilities, and their days.
#[derive(Clone, Debug, Default)]
pub struct Reporters {
    /// Feed and facility.
    names: Distinct<(Name, Name)>,
    days: Vec<Vec<Said>>,
    /// Numbers of the series of each.
    series: Vec<Vec<u32>>,
}

impl Reporters {
    /// The number of a reporter; `series` is one of its own.
    pub fn number(&mut self, feed: Name, facility: Name, series: u32) -> u32 {
        let number = self.names.number((feed, facility));
        if number as usize == self.days.len() {
            push(&mut self.days, Vec::new());
            push(&mut self.series, Vec::new());
        }
        push(&mut self.series[number as usize], series);
        number
    }

    /// The number of a reporter that was heard of.
    pub fn find(&self, feed: Name, facility: Name) -> Option<u32> {
        self.names.find((feed, facility))
    }

    /// Feed and facility of every reporter, by number.
    pub fn all(&self) -> impl Iterator<Item = (u32, Name, Name)> {
        (0..self.names.len() as u32).map(|number| {
            let (feed, facility) = self.names.get(number);
            (number, feed, facility)
        })
    }

    /// What was said, in order of days.
    pub fn days(&self, reporter: u32) -> &[Said] {
        self.days.get(reporter as usize).map_or(&[], Vec::as_slice)
    }

    pub fn on(&self, reporter: u32, day: Day) -> Option<&Said> {
        let days = self.days(reporter);
        days.binary_search_by_key(&day, |said| said.day).ok().map(|at| &days[at])
    }

    pub fn series(&self, reporter: u32) -> &[u32] {
        &self.series[reporter as usize]
    }

    /// Adds a row of a record that was first heard of at `heard_at`.
    pub fn add(&mut self, reporter: u32, day: Day, is_zero: bool, heard_at: i64) {
        let days = &mut self.days[reporter as usize];
        let at = match days.last() {
            Some(last) if last.day < day => Err(days.len()),
            Some(_) | None => days.binary_search_by_key(&day, |said| said.day),
        };
        let at = match at {
            Ok(at) => at,
            Err(at) => {
                insert(days, at, Said { day, rows: 0, telling: 0, heard_at });
                at
            }
        };
        let said = &mut days[at];
        said.rows += 1;
        said.telling += u32::from(!is_zero);
        said.heard_at = said.heard_at.min(heard_at);
    }

    /// Takes a row out; answers whether what is left must be asked when it was first heard of.
    pub fn take(&mut self, reporter: u32, day: Day, is_zero: bool, heard_at: i64) -> bool {
        let days = &mut self.days[reporter as usize];
        let Ok(at) = days.binary_search_by_key(&day, |said| said.day) else { return false };
        let said = &mut days[at];
        said.rows -= 1;
        said.telling -= u32::from(!is_zero);
        if said.rows == 0 {
            days.remove(at);
            return false;
        }
        said.heard_at == heard_at
    }

    /// States when a day was first heard of.
    pub fn heard(&mut self, reporter: u32, day: Day, heard_at: i64) {
        let days = &mut self.days[reporter as usize];
        if let Ok(at) = days.binary_search_by_key(&day, |said| said.day) {
            days[at].heard_at = heard_at;
        }
    }
}
