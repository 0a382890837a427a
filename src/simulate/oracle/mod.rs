//! The oracle: a slow, obvious, independent judge of a finished run.
//!
//! Promises: it reads the ledger of truth, the state folder and the alert topic from disk, recounts everything in
//! plain loops, and names what is wrong by check, kind and place. It shares no code with what it judges.
//! Never: repairs, guesses, or calls anything of the pipeline.

mod alerts;
mod book;
mod books;
mod calendar;
pub mod canaries;
mod cells;
mod columns;
mod delta;
mod duty;
mod expected;
#[cfg(test)]
mod fixture;
mod ledger;
mod life;
mod messages;
mod registers;
mod rows;
mod rules;
pub mod selftest;
mod state;
mod time;
mod topic;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use calendar::day_of_text;

/// What is to be judged.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// NDJSON that the city wrote before it sent.
    pub ledger: PathBuf,
    /// The state folder, with `tables/` in it.
    pub state: PathBuf,
    /// Messages read back from the alert topics, one JSON object a line.
    pub topic: Option<PathBuf>,
    /// A folder with everything that was logged.
    pub logs: Option<PathBuf>,
    /// Byte patterns that must stand nowhere: names, numbers, phones, in each encoding that the caller cares for.
    pub canaries: Vec<Vec<u8>>,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// `O1` … `O9`.
    pub check: &'static str,
    /// One word for the kind.
    pub kind: &'static str,
    pub place: String,
    pub detail: String,
}

impl Fault {
    fn new(check: &'static str, kind: &'static str, place: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { check, kind, place: place.into(), detail: detail.into() }
    }
}

/// What was counted on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    pub consumed: u64,
    pub accepted: u64,
    pub duplicates: u64,
    pub quarantined: u64,
    pub records: u64,
    pub cells: u64,
    pub ticks: u64,
    pub alerts: u64,
    pub revisions: u64,
}

/// An alert that the recount raises.
#[derive(Debug, Clone, PartialEq)]
pub struct ExpectedAlert {
    pub rule: String,
    pub statistical: bool,
    pub unit_kind: String,
    pub unit_id: String,
    pub area_code: String,
    pub signal: String,
    /// Onset when it was opened; part of its identity.
    pub onset: i64,
    /// The first day of its run that is known: a late row may have moved the onset, and the last window may begin before it.
    pub begins: i64,
    pub window_end: i64,
    pub state: String,
    /// The planted outbreak it belongs to.
    pub planted: Option<String>,
}

/// The judgement.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    pub faults: Vec<Fault>,
    pub counted: Counted,
    pub expected_alerts: Vec<ExpectedAlert>,
    /// Alerts of statistical rules that the recount raises outside planted outbreaks.
    pub expected_statistical_alerts: u64,
}

/// Everything on disk, read once.
struct Run {
    ledger: ledger::Ledger,
    signals_table: delta::Table,
    rows: Vec<rows::SignalRow>,
    messages: Vec<messages::Stored>,
    quarantine: Vec<rows::QuarantineRow>,
    alerts: Vec<rows::AlertRow>,
    ticks: Vec<rows::TickRow>,
    reference: Vec<rows::ReferenceRow>,
}

impl Run {
    /// The message stored for a place; messages are in the order of their places.
    fn stored(&self, at: rows::Place<'_>) -> Option<&messages::Stored> {
        let found = self.messages.binary_search_by(|message| message.place().cmp(&at));
        found.ok().map(|index| &self.messages[index])
    }

    /// The message quarantined at a place; rows are in the order of their places.
    fn quarantined(&self, at: rows::Place<'_>) -> Option<&rows::QuarantineRow> {
        let found = self.quarantine.binary_search_by(|row| row.place().cmp(&at));
        found.ok().map(|index| &self.quarantine[index])
    }

    /// Flags are a verdict on the message that the ledger does not repeat.
    fn take_over_flags(&mut self) {
        let mut flagged = Vec::new();
        let has_flags = |m: &&messages::Stored| self.rows[m.rows()].iter().any(|row| row.quality.is_some());
        for stored in self.messages.iter().filter(has_flags) {
            let Some(sent) = self.ledger.sent_to(stored.place()) else { continue };
            for at in sent.rows().filter(|at| self.ledger.rows[*at].quality.is_none()) {
                let told = &self.ledger.rows[at];
                let same = |kept: &&rows::SignalRow| kept.signal == told.signal && kept.unit_id == told.unit_id;
                let flags = self.rows[stored.rows()].iter().find(same).and_then(|kept| kept.quality.clone());
                flagged.extend(flags.map(|flags| (at, flags)));
            }
        }
        for (at, flags) in flagged {
            let told = rows::Said { quality: Some(flags), ..(*self.ledger.rows[at].said).clone() };
            self.ledger.rows[at].said = self.ledger.words.said(told);
        }
    }
}

/// Judges a run. An error says that there is nothing to judge; what is readable but wrong is a fault.
pub fn judge(input: &Input) -> Result<Verdict, String> {
    let ledger = ledger::read(&input.ledger)?;
    let mut faults = canaries::search(input)?;
    let mut run = match read_run(ledger, &input.state) {
        Ok(run) => run,
        Err(why) => {
            faults.push(Fault::new("O2", "unreadable", input.state.display().to_string(), why));
            return Ok(Verdict { faults, ..Verdict::default() });
        }
    };
    let mut counted = Counted::default();
    faults.extend(books::conservation(&run, &mut counted));
    faults.extend(books::identity(&run));
    faults.extend(books::quarantined(&run));
    faults.extend(state::compare(&run, &mut counted));
    faults.extend(time::order(&run));
    faults.extend(cells::compare(&mut run, &input.state, &mut counted)?);
    faults.extend(expected::compare(&run, &input.state)?);
    let (alert_faults, expected_alerts) = alerts::compare(&run, &mut counted)?;
    faults.extend(alert_faults);
    if let Some(topic) = &input.topic {
        faults.extend(topic::compare(&run, topic)?);
    }
    faults.sort();
    faults.dedup();
    let unplanted = |alert: &&ExpectedAlert| alert.statistical && alert.planted.is_none();
    let expected_statistical_alerts = expected_alerts.iter().filter(unplanted).count() as u64;
    Ok(Verdict { faults, counted, expected_alerts, expected_statistical_alerts })
}

fn read_run(mut ledger: ledger::Ledger, state: &std::path::Path) -> Result<Run, String> {
    let signals_table = rows::table_at(state, "signals")?;
    let mut signal_rows = rows::signals(&signals_table, &mut ledger.words)?;
    let messages = messages::grouped(&mut signal_rows);
    let mut run = Run {
        quarantine: rows::quarantine(&or_empty(state, "quarantine")?, &mut ledger.words)?,
        ledger,
        rows: signal_rows,
        messages,
        alerts: rows::alert_history(&or_empty(state, "alert_history")?)?,
        ticks: rows::ticks(&or_empty(state, "ticks")?)?,
        reference: rows::reference(&or_empty(state, "reference")?)?,
        signals_table,
    };
    run.take_over_flags();
    Ok(run)
}

/// A table that was never written to has no folder yet.
fn or_empty(state: &std::path::Path, name: &str) -> Result<delta::Table, String> {
    let root = state.join("tables").join(name);
    if root.exists() { delta::open(&root) } else { Ok(delta::Table { root, ..delta::Table::default() }) }
}

/// Counts by key, for comparing multisets.
fn tally<K: Ord>(items: impl IntoIterator<Item = K>) -> BTreeMap<K, usize> {
    let mut out = BTreeMap::new();
    for item in items {
        *out.entry(item).or_insert(0) += 1;
    }
    out
}

#[cfg(test)]
mod tests;
