//! O4 expected reports: who owed what, whether it came in time, for how long there was silence, against
//! `expected_reports.csv` where the run wrote it out.
//!
//! Promises: a report came when the first message that states its record came; corrections, repeats and retractions
//! change nothing about that.

use std::collections::BTreeMap;
use std::path::Path;

use super::book::Book;
use super::calendar::{day_of_text, day_text, instant};
use super::registers::Registers;
use super::rows::{Key, Text};
use super::rules::SILENCE_DAYS;
use super::{Fault, Run};

/// More faults of one kind say nothing new.
const FAULTS_MAX: usize = 100;

/// One report that is owed, as it must be shown.
#[derive(Debug, PartialEq, Eq)]
struct Owed {
    state: &'static str,
    received_at: Option<i64>,
    is_zero: bool,
    missing_run: i64,
    missing_since: Option<i64>,
}

/// Compares every line that was written out, and names what is not there.
pub(super) fn compare(run: &Run, state: &Path) -> Result<Vec<Fault>, String> {
    let path = state.join("expected_reports.csv");
    let Some(tick) = run.ticks.iter().map(|tick| tick.tick).max().filter(|_| path.exists()) else {
        return Ok(Vec::new());
    };
    let registers = Registers::as_of(&run.reference, tick)?;
    let mut book = Book::new(&run.rows, &run.messages, &registers);
    book.advance(tick);
    let mut heard: BTreeMap<Key, i64> = BTreeMap::new();
    for message in run.messages.iter().filter(|message| !message.retracts() && message.commit.known_at <= tick) {
        let first = heard.entry(message.record_key).or_insert(message.commit.known_at);
        *first = message.commit.known_at.min(*first);
    }
    let asked = Asked { run, registers: &registers, book: &book, heard, tick };
    let mut faults = Vec::new();
    for (facility, feed, day, written) in lines(&path)? {
        let told = asked.owed(&facility, &feed, day).map(|owed| words(&owed)).unwrap_or_default();
        if told != written {
            let place = format!("{facility} {feed} {}", day_text(day));
            let detail = format!("must be {told:?}, is {written:?}");
            faults.push(Fault::new("O4", "wrong_expected_report", place, detail));
        }
    }
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

struct Asked<'a> {
    run: &'a Run,
    registers: &'a Registers,
    book: &'a Book<'a>,
    /// Record → when the first message that states it came.
    heard: BTreeMap<Key, i64>,
    tick: i64,
}

impl Asked<'_> {
    /// When the report came and whether it said zero; none if there is none.
    fn came(&self, facility: &str, feed: &str, day: i64) -> Option<(i64, bool)> {
        let key = (Text::from(facility), Text::from(feed), day);
        let messages = self.book.reports.get(&key).filter(|messages| !messages.is_empty())?;
        let first =
            messages.keys().filter_map(|at| self.heard.get(&self.run.messages[*at as usize].record_key)).min()?;
        Some((*first, messages.values().all(|zero| *zero)))
    }

    fn is_missing(&self, facility: &str, feed: &str, day: i64, minutes: i64) -> bool {
        self.came(facility, feed, day).is_none() && instant(day, minutes) < self.tick
    }

    fn owed(&self, facility: &str, feed: &str, day: i64) -> Option<Owed> {
        let known = self.registers.facilities.get(facility)?;
        let minutes = self.registers.due(known, feed, day)?;
        let came = self.came(facility, feed, day);
        let missing = self.is_missing(facility, feed, day, minutes);
        let state = match came {
            Some((at, _)) if at <= instant(day, minutes) => "received",
            Some(_) => "late",
            None if missing => "missing",
            None => "pending",
        };
        let mut silent = Vec::new();
        for before in (0..SILENCE_DAYS).map(|back| day - back).take_while(|_| missing) {
            match self.registers.due(known, feed, before) {
                Some(minutes) if self.is_missing(facility, feed, before, minutes) => silent.push(before),
                Some(_) => break,
                None => {}
            }
        }
        Some(Owed {
            state,
            received_at: came.map(|(at, _)| at),
            is_zero: came.is_some_and(|(_, zero)| zero),
            missing_run: silent.len() as i64,
            missing_since: silent.last().copied(),
        })
    }
}

fn words(owed: &Owed) -> Vec<String> {
    vec![
        owed.state.to_owned(),
        owed.received_at.map_or_else(String::new, |at| at.to_string()),
        owed.is_zero.to_string(),
        owed.missing_run.to_string(),
        owed.missing_since.map_or_else(String::new, day_text),
    ]
}

type Line = (String, String, i64, Vec<String>);

/// Facility, feed, day, and the words as they are written.
fn lines(path: &Path) -> Result<Vec<Line>, String> {
    let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(|e| say(&e))?;
    let mut out = Vec::new();
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row.map_err(|e| say(&e))?;
        let text = |name: &str| row.get(name).cloned().unwrap_or_default();
        let day = day_of_text(&text("report_date")).ok_or_else(|| say(&"a row without report_date"))?;
        let written = ["state", "received_at", "is_zero", "missing_run", "missing_since"].map(text).to_vec();
        out.push((text("facility_id"), text("feed"), day, written));
    }
    Ok(out)
}
