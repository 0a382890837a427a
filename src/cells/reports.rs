//! Who owes a report, who sent one, who sent zero, who is silent.
//!
//! Promises: what is expected comes from the register's calendar, never from who has reported so far; how long somebody
//! has been silent does not depend on the days that are asked for.

use std::collections::{BTreeMap, VecDeque};

use super::places::units_above;
use super::records::Records;
use super::reporters::Said;
use crate::delta::registers::{Duty, Owed, Registers};
use crate::terms::Day;

/// One facility's report of one feed for one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedReport<'a> {
    pub facility_id: &'a str,
    pub feed: &'a str,
    pub day: Day,
    /// Microseconds UTC.
    pub due_at: i64,
    pub state: ReportState,
    pub is_zero: bool,
    pub received_at: Option<i64>,
    /// Expected days without a report, this one included; 0 where it came.
    pub missing_run: i64,
    /// The first of them.
    pub missing_since: Option<Day>,
}

/// Days that a silence is counted back over. Whoever is silent for longer is silent for a year: the register should say
/// that it is closed, and no query should walk back to the beginning of time.
pub const SILENCE_DAYS_MAX: i32 = 366;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportState {
    /// Not yet due.
    Pending,
    Received,
    /// Came after it was due.
    Late,
    Missing,
}

impl ReportState {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Received => "received",
            Self::Late => "late",
            Self::Missing => "missing",
        }
    }
}

/// Every report owed for the days `from ..= until`, at `tick`, by facility, feed and day.
pub fn expected_reports<'a>(
    records: &Records,
    registers: &'a Registers,
    from: Day,
    until: Day,
    tick: i64,
) -> Vec<ExpectedReport<'a>> {
    let mut reports = Vec::new();
    for (duty, owed) in owed_by_duty(registers, from, until) {
        let reporter = reporter(records, duty);
        // The days shown begin in the midst of a silence.
        let mut silence = match owed.first() {
            Some((day, due_at)) if *due_at < tick && said(records, reporter, *day).is_none() => {
                silent_before(records, registers, duty, *day)
            }
            Some(_) | None => VecDeque::new(),
        };
        for (day, due_at) in owed {
            let said = said(records, reporter, day);
            let received_at = said.map(|said| said.heard_at);
            let state = match received_at {
                Some(at) if at <= due_at => ReportState::Received,
                Some(_) => ReportState::Late,
                None if due_at < tick => ReportState::Missing,
                None => ReportState::Pending,
            };
            match state {
                ReportState::Missing => silence.push_back(day),
                ReportState::Pending | ReportState::Received | ReportState::Late => silence.clear(),
            }
            while silence.front().is_some_and(|first| day.0 - first.0 >= SILENCE_DAYS_MAX) {
                silence.pop_front();
            }
            reports.push(ExpectedReport {
                facility_id: &duty.facility_id,
                feed: &duty.feed,
                day,
                due_at,
                state,
                is_zero: said.is_some_and(Said::is_zero),
                received_at,
                missing_run: silence.len() as i64,
                missing_since: silence.front().copied(),
            });
        }
    }
    reports
}

/// The days on which each duty is owed and when it is due, in the order of the duties.
fn owed_by_duty(registers: &Registers, from: Day, until: Day) -> Vec<(&Duty, Vec<(Day, i64)>)> {
    let mut owed_by_duty: Vec<(&Duty, Vec<(Day, i64)>)> =
        registers.duties().iter().map(|duty| (duty, Vec::new())).collect();
    for day in (from.0..=until.0).map(Day) {
        for Owed { duty, due_at } in registers.owed_on(day).iter() {
            owed_by_duty[*duty].1.push((day, *due_at));
        }
    }
    owed_by_duty
}

/// The days right before `day` on which the same report was owed and did not come, the first one first.
fn silent_before(records: &Records, registers: &Registers, duty: &Duty, day: Day) -> VecDeque<Day> {
    let reporter = reporter(records, duty);
    let mut silent = VecDeque::new();
    for before in (1..SILENCE_DAYS_MAX).map(|back| day.plus(-back)) {
        if registers.due_at(&duty.facility_id, &duty.feed, before).is_none() {
            continue;
        }
        if said(records, reporter, before).is_some() {
            break;
        }
        silent.push_front(before);
    }
    silent
}

/// The number of whoever has this duty; none where nothing was ever heard of it.
fn reporter(records: &Records, duty: &Duty) -> Option<u32> {
    let names = &records.names;
    records.reporters.find(names.find(&duty.feed)?, names.find(&duty.facility_id)?)
}

fn said(records: &Records, reporter: Option<u32>, day: Day) -> Option<&Said> {
    records.reporters.on(reporter?, day)
}

/// Per feed and unit (facility or area), and day by day: expected, reported, zero and missing facilities.
#[derive(Clone, Debug, Default)]
pub struct Turnout {
    units: BTreeMap<(String, &'static str, String), usize>,
    tallies: Vec<Tallies>,
}

/// The days of one feed and unit.
#[derive(Clone, Debug)]
pub struct Tallies {
    from: Day,
    days: Vec<Tally>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub expected: u32,
    pub reported: u32,
    /// Those that reported nothing but zero.
    pub zero: u32,
    pub missing: u32,
}

impl Tallies {
    /// Nothing where nobody owed a report or sent one.
    pub fn on(&self, day: Day) -> Option<Tally> {
        let at = usize::try_from(day.0 - self.from.0).ok()?;
        self.days.get(at).copied().filter(|tally| *tally != Tally::default())
    }
}

impl Turnout {
    pub fn of(&self, feed: &str, unit_kind: &str, unit_id: &str) -> Option<&Tallies> {
        let units: &BTreeMap<(String, &str, String), usize> = &self.units;
        Some(&self.tallies[*units.get(&(feed.to_owned(), unit_kind, unit_id.to_owned()))?])
    }

    /// Where the tallies of a facility's feed stand: its own, and those of the areas above it.
    fn places(&mut self, registers: &Registers, feed: &str, facility_id: &str, from: Day, days: usize) -> Vec<usize> {
        let mut places = Vec::new();
        for (kind, id) in units_of(registers, facility_id) {
            let next = self.tallies.len();
            let place = *self.units.entry((feed.to_owned(), kind, id.to_owned())).or_insert(next);
            if place == next {
                self.tallies.push(Tallies { from, days: vec![Tally::default(); days] });
            }
            places.push(place);
        }
        places
    }

    fn add(&mut self, places: &[usize], at: usize, tally: Tally) {
        for place in places {
            let sum = &mut self.tallies[*place].days[at];
            sum.expected += tally.expected;
            sum.reported += tally.reported;
            sum.zero += tally.zero;
            sum.missing += tally.missing;
        }
    }
}

/// Adds up the reports by facility and by the areas above it.
pub fn turnout(records: &Records, registers: &Registers, from: Day, until: Day) -> Turnout {
    let days = usize::try_from(until.0 - from.0 + 1).unwrap_or(0);
    let at = |day: Day| (day.0 - from.0) as usize;
    let mut turnout = Turnout::default();
    let mut owed_here: BTreeMap<u32, Vec<bool>> = BTreeMap::new();
    for (duty, owed) in owed_by_duty(registers, from, until).iter().filter(|(_, owed)| !owed.is_empty()) {
        let reporter = reporter(records, duty);
        let places = turnout.places(registers, &duty.feed, &duty.facility_id, from, days);
        let mut is_owed = vec![false; days];
        for (day, _) in owed {
            let said = said(records, reporter, *day);
            let (reported, zero) = (u32::from(said.is_some()), u32::from(said.is_some_and(Said::is_zero)));
            turnout.add(&places, at(*day), Tally { expected: 1, reported, zero, missing: 1 - reported });
            is_owed[at(*day)] = true;
        }
        owed_here.extend(reporter.map(|reporter| (reporter, is_owed)));
    }
    // Whoever reports without owing it is counted as reporting.
    for (reporter, feed, facility) in records.reporters.all() {
        let is_owed = owed_here.get(&reporter);
        let said = records.reporters.days(reporter).iter();
        let inside = said.filter(|said| said.day >= from && said.day <= until);
        let unasked: Vec<&Said> = inside.filter(|said| !is_owed.is_some_and(|owed| owed[at(said.day)])).collect();
        let (feed, facility) = (records.names.text(feed), records.names.text(facility));
        if !unasked.is_empty() && registers.facilities.contains_key(facility) {
            let places = turnout.places(registers, feed, facility, from, days);
            for said in unasked {
                let zero = u32::from(said.is_zero());
                turnout.add(&places, at(said.day), Tally { expected: 0, reported: 1, zero, missing: 0 });
            }
        }
    }
    turnout
}

/// The facility itself and the areas above it.
pub fn units_of<'a>(registers: &'a Registers, facility_id: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
    let lineage = registers.area_of(facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
    units_above(Some(facility_id), lineage)
}
