//! Who owes a report, who sent one, who sent zero, who is silent.
//!
//! Promises: what is expected comes from the register's calendar, never from who has reported so far; how long somebody
//! has been silent does not depend on the days that are asked for.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::names::Name;
use super::records::{Records, Report};
use crate::delta::registers::{Owed, Registers};
use crate::terms::Day;

/// One facility's report of one feed for one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedReport {
    pub facility_id: String,
    pub feed: String,
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

/// Every report owed for the days `from ..= until`, at `tick`.
pub fn expected_reports(
    records: &Records,
    registers: &Registers,
    from: Day,
    until: Day,
    tick: i64,
) -> Vec<ExpectedReport> {
    let mut reports = Vec::new();
    let mut silences: BTreeMap<(String, String), VecDeque<Day>> = BTreeMap::new();
    for day in (from.0..=until.0).map(Day) {
        for owed in registers.owed_on(day).iter() {
            let said = said(records, &owed.feed, &owed.facility_id, day);
            let received_at = said.and_then(|reports| reports.values().map(|report| report.known_at).min());
            let state = match received_at {
                Some(at) if at <= owed.due_at => ReportState::Received,
                Some(_) => ReportState::Late,
                None if owed.due_at < tick => ReportState::Missing,
                None => ReportState::Pending,
            };
            let silence = match (silences.entry((owed.facility_id.clone(), owed.feed.clone())), state) {
                (Entry::Occupied(known), _) => known.into_mut(),
                // The days shown begin in the midst of a silence.
                (Entry::Vacant(new), ReportState::Missing) => new.insert(silent_before(records, registers, owed, day)),
                (Entry::Vacant(new), _) => new.insert(VecDeque::new()),
            };
            match state {
                ReportState::Missing => silence.push_back(day),
                ReportState::Pending | ReportState::Received | ReportState::Late => silence.clear(),
            }
            while silence.front().is_some_and(|first| day.0 - first.0 >= SILENCE_DAYS_MAX) {
                silence.pop_front();
            }
            reports.push(ExpectedReport {
                facility_id: owed.facility_id.clone(),
                feed: owed.feed.clone(),
                day,
                due_at: owed.due_at,
                state,
                is_zero: said.is_some_and(is_zero),
                received_at,
                missing_run: silence.len() as i64,
                missing_since: silence.front().copied(),
            });
        }
    }
    reports.sort_by(|one, other| {
        (&one.facility_id, &one.feed, one.day).cmp(&(&other.facility_id, &other.feed, other.day))
    });
    reports
}

/// The days right before `day` on which the same report was owed and did not come, the first one first.
fn silent_before(records: &Records, registers: &Registers, owed: &Owed, day: Day) -> VecDeque<Day> {
    let mut silent = VecDeque::new();
    for before in (1..SILENCE_DAYS_MAX).map(|back| day.plus(-back)) {
        if registers.due_at(&owed.facility_id, &owed.feed, before).is_none() {
            continue;
        }
        if said(records, &owed.feed, &owed.facility_id, before).is_some() {
            break;
        }
        silent.push_front(before);
    }
    silent
}

/// What the records of one facility, feed and day say.
type Said = BTreeMap<u128, Report>;

fn is_zero(reports: &Said) -> bool {
    reports.values().all(|report| report.is_zero)
}

fn said<'a>(records: &'a Records, feed: &str, facility_id: &str, day: Day) -> Option<&'a Said> {
    let (feed, facility): (Name, Name) = (records.names.find(feed)?, records.names.find(facility_id)?);
    records.reports.get(&(feed, facility, day)).filter(|reports| !reports.is_empty())
}

/// Per feed and unit (facility or area) and day: expected, reported, zero and missing facilities.
pub type Turnout = BTreeMap<(String, &'static str, String, Day), Tally>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub expected: i64,
    pub reported: i64,
    /// Those that reported nothing but zero.
    pub zero: i64,
    pub missing: i64,
}

/// Adds up the reports by facility and by the areas above it.
pub fn turnout(records: &Records, registers: &Registers, from: Day, until: Day) -> Turnout {
    let mut turnout = Turnout::new();
    let mut add = |feed: &str, facility_id: &str, day: Day, tally: Tally| {
        for (kind, id) in units_of(registers, facility_id) {
            let sum = turnout.entry((feed.to_owned(), kind, id.to_owned(), day)).or_default();
            sum.expected += tally.expected;
            sum.reported += tally.reported;
            sum.zero += tally.zero;
            sum.missing += tally.missing;
        }
    };
    let mut owed_here: BTreeSet<(Name, Name, Day)> = BTreeSet::new();
    for day in (from.0..=until.0).map(Day) {
        for owed in registers.owed_on(day).iter() {
            let said = said(records, &owed.feed, &owed.facility_id, day);
            let (reported, zero) = (i64::from(said.is_some()), i64::from(said.is_some_and(is_zero)));
            add(&owed.feed, &owed.facility_id, day, Tally { expected: 1, reported, zero, missing: 1 - reported });
            let names = (records.names.find(&owed.feed), records.names.find(&owed.facility_id));
            if let (Some(feed), Some(facility)) = names {
                owed_here.insert((feed, facility, day));
            }
        }
    }
    // Whoever reports without owing it is counted as reporting.
    for ((feed, facility, day), reports) in &records.reports {
        let inside = *day >= from && *day <= until && !reports.is_empty();
        if inside && !owed_here.contains(&(*feed, *facility, *day)) {
            let (feed, facility) = (records.names.text(*feed), records.names.text(*facility));
            if registers.facilities.contains_key(facility) {
                let zero = i64::from(is_zero(reports));
                add(feed, facility, *day, Tally { expected: 0, reported: 1, zero, missing: 0 });
            }
        }
    }
    turnout
}

/// The facility itself and the areas above it.
pub fn units_of<'a>(registers: &'a Registers, facility_id: &'a str) -> impl Iterator<Item = (&'static str, &'a str)> {
    let lineage = registers.area_of(facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
    let units = [
        ("facility", Some(facility_id)),
        ("town", lineage.town),
        ("county", lineage.county),
        ("prefecture", lineage.prefecture),
    ];
    units.into_iter().filter_map(|(kind, id)| Some((kind, id?)))
}
