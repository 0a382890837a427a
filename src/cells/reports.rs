//! Who owes a report, who sent one, who sent zero, who is silent.
//!
//! Promises: what is expected comes from the register's calendar, never from who has reported so far.

use std::collections::BTreeMap;

use super::names::Name;
use super::records::Records;
use crate::delta::registers::Registers;
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
}

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

/// Every report owed for the days `from ..= until`, at `tick`. Runs of missing days are counted from `from` on.
pub fn expected_reports(
    records: &Records,
    registers: &Registers,
    from: Day,
    until: Day,
    tick: i64,
) -> Vec<ExpectedReport> {
    let mut reports = Vec::new();
    for facility_id in registers.facilities.keys() {
        for feed in registers.feeds_owed() {
            let mut run = 0;
            for day in (from.0..=until.0).map(Day) {
                let Some(due_at) = registers.due_at(facility_id, feed, day) else { continue };
                let said = said(records, feed, facility_id, day);
                let received_at = said.and_then(|reports| reports.values().map(|report| report.known_at).min());
                let state = match received_at {
                    Some(at) if at <= due_at => ReportState::Received,
                    Some(_) => ReportState::Late,
                    None if due_at < tick => ReportState::Missing,
                    None => ReportState::Pending,
                };
                run = if state == ReportState::Missing { run + 1 } else { 0 };
                reports.push(ExpectedReport {
                    facility_id: facility_id.clone(),
                    feed: feed.to_owned(),
                    day,
                    due_at,
                    state,
                    is_zero: said
                        .is_some_and(|reports| !reports.is_empty() && reports.values().all(|report| report.is_zero)),
                    received_at,
                    missing_run: run,
                });
            }
        }
    }
    reports
}

fn said<'a>(
    records: &'a Records,
    feed: &str,
    facility_id: &str,
    day: Day,
) -> Option<&'a BTreeMap<u128, super::records::Report>> {
    let (feed, facility): (Name, Name) = (records.names.find(feed)?, records.names.find(facility_id)?);
    records.reports.get(&(feed, facility, day)).filter(|reports| !reports.is_empty())
}

/// Per feed and unit (facility or area) and day: expected, reported, missing facilities.
pub type Turnout = BTreeMap<(String, &'static str, String, Day), Tally>;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub expected: i64,
    pub reported: i64,
    pub missing: i64,
}

/// Adds up the reports by facility and by the areas above it.
pub fn turnout(records: &Records, registers: &Registers, from: Day, until: Day) -> Turnout {
    let mut turnout = Turnout::new();
    let feeds = registers.feeds_owed();
    for (facility_id, facility) in &registers.facilities {
        let lineage = registers.today(&facility.area_code).map(|area| registers.lineage(area)).unwrap_or_default();
        let units = [
            ("facility", Some(facility_id.as_str())),
            ("town", lineage.town),
            ("county", lineage.county),
            ("prefecture", lineage.prefecture),
        ];
        for feed in &feeds {
            for day in (from.0..=until.0).map(Day) {
                let expected = registers.due_at(facility_id, feed, day).is_some();
                let reported = said(records, feed, facility_id, day).is_some();
                if !expected && !reported {
                    continue;
                }
                for (kind, id) in units.iter().filter_map(|(kind, id)| Some((*kind, (*id)?))) {
                    let tally = turnout.entry(((*feed).to_owned(), kind, id.to_owned(), day)).or_default();
                    tally.expected += i64::from(expected);
                    tally.reported += i64::from(reported);
                    tally.missing += i64::from(expected && !reported);
                }
            }
        }
    }
    turnout
}
