//! O4 cells: every count from the ledger alone, from the table rows, and, where it was written out, from `cells.csv`.
//!
//! Promises: the two recounts share the counting rules and nothing else: one reads what was sent, one what is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::book::{Book, SumKey};
use super::calendar::{day_of_text, day_text};
use super::duty::Duty;
use super::ledger::Fate;
use super::messages::Stored;
use super::registers::Registers;
use super::rows::{SignalRow, Text};
use super::{Counted, Fault, Run};

/// More faults of one kind say nothing new.
const FAULTS_MAX: usize = 100;

/// One cell, however it was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Cell {
    count: Option<i64>,
    expected: i64,
    reported: i64,
    zero: i64,
    missing: i64,
}

type CellKey = (String, String, String, i64);

/// Compares the recounts, one after the other: the ledger's messages are forgotten once they are counted.
pub(super) fn compare(run: &mut Run, state: &Path, counted: &mut Counted) -> Result<Vec<Fault>, String> {
    let registers = Registers::as_of(&run.reference, i64::MAX)?;
    let counting = run.ledger.messages.iter().filter(|message| message.fate != Fate::Quarantine);
    let sent: Vec<Stored> = counting.map(|message| Stored::new(message.stated.clone(), message.rows())).collect();
    let truth = recounted(&run.ledger.rows, &sent, &registers);
    drop(sent);
    run.ledger.forget_messages();
    let kept = recounted(&run.rows, &run.messages, &registers);
    counted.cells = kept.len() as u64;
    let mut faults = differences(&truth, &kept, "wrong_count", "the ledger", "the table");
    drop(kept);
    let csv = state.join("cells.csv");
    if csv.exists() {
        faults.extend(differences(&truth, &written(&csv)?, "wrong_cell", "the ledger", "cells.csv"));
    }
    Ok(faults)
}

fn recounted(rows: &[SignalRow], messages: &[Stored], registers: &Registers) -> BTreeMap<CellKey, Cell> {
    let mut book = Book::new(rows, messages, registers);
    book.advance(i64::MAX);
    let days = days_of(&book);
    let of_days = days.first().zip(days.last()).map(|(first, last)| Duty::new(registers, *first..=*last));
    cells(&book, &of_days.unwrap_or_default())
}

fn days_of(book: &Book<'_>) -> BTreeSet<i64> {
    book.base.keys().map(|key| key.day).collect()
}

/// Every cell that has a count or a report.
fn cells(book: &Book<'_>, duty: &Duty) -> BTreeMap<CellKey, Cell> {
    let mut out = BTreeMap::new();
    for (key, count) in &book.base {
        if matches!(&*key.unit_kind, "class" | "dormitory" | "case" | "gate") {
            let cell: &mut Cell = out
                .entry((key.unit_kind.to_string(), key.unit_id.to_string(), key.signal.to_string(), key.day))
                .or_default();
            cell.count = Some(cell.count.unwrap_or(0) + count.count);
            cell.reported = 1;
            cell.zero = i64::from(cell.count == Some(0));
        }
    }
    let reporters = Reporters::of(book, duty);
    let series: BTreeSet<(&'static str, &str, &Text)> =
        book.sums.keys().map(|k| (k.unit_kind, &*k.unit_id, &k.signal)).collect();
    let days: BTreeSet<i64> = days_of(book);
    for (unit_kind, unit_id, signal) in series {
        let Some((feed, _)) = book.registers.any_signal(signal) else { continue };
        for day in &days {
            let key = SumKey { unit_kind, unit_id: unit_id.to_owned(), signal: (*signal).clone(), day: *day };
            let mut cell = Cell { count: book.sums.get(&key).map(|sum| sum.count), ..Cell::default() };
            reporters.fill((unit_kind, unit_id), feed, *day, &mut cell);
            if cell.reported > 0 {
                cell.count = cell.count.or(Some(0));
            }
            if cell.count.is_some() || cell.reported > 0 {
                out.insert((unit_kind.to_owned(), unit_id.to_owned(), signal.to_string(), *day), cell);
            }
        }
    }
    out
}

/// Who of a unit's facilities should report, did, reported nothing but zero, is missing.
struct Reporters<'a> {
    duty: &'a Duty,
    /// Unit → its facilities.
    inside: BTreeMap<(&'static str, String), Vec<&'a str>>,
    /// Facility, feed, day → reported nothing but zero.
    said: BTreeMap<(&'a str, &'a str, i64), bool>,
}

impl<'a> Reporters<'a> {
    fn of(book: &'a Book<'_>, duty: &'a Duty) -> Self {
        let mut inside: BTreeMap<(&'static str, String), Vec<&str>> = BTreeMap::new();
        for facility in duty.facilities() {
            let county = duty.county_of(facility);
            let town = book.registers.facilities.get(facility).map_or(county, |f| book.registers.current(&f.area));
            let prefecture = book.registers.prefecture_of(county);
            let units = [("facility", facility), ("town", town), ("county", county), ("prefecture", &*prefecture)];
            for (unit_kind, unit_id) in units {
                inside.entry((unit_kind, unit_id.to_owned())).or_default().push(facility);
            }
        }
        let zero = |messages: &BTreeMap<u32, bool>| messages.values().all(|zero| *zero);
        let said = book.reports.iter().map(|((facility, feed, day), m)| ((&**facility, &**feed, *day), zero(m)));
        Self { duty, inside, said: said.collect() }
    }

    fn fill(&self, (unit_kind, unit_id): (&'static str, &str), feed: &str, day: i64, cell: &mut Cell) {
        let due = self.duty.on(feed, day);
        for facility in self.inside.get(&(unit_kind, unit_id.to_owned())).into_iter().flatten() {
            let zero = self.said.get(&(*facility, feed, day));
            let expected = due.is_some_and(|due| due.contains_key(*facility));
            cell.expected += i64::from(expected);
            cell.reported += i64::from(zero.is_some());
            cell.zero += i64::from(zero == Some(&true));
            cell.missing += i64::from(expected && zero.is_none());
        }
    }
}

fn differences(
    truth: &BTreeMap<CellKey, Cell>,
    other: &BTreeMap<CellKey, Cell>,
    kind: &'static str,
    here: &str,
    there: &str,
) -> Vec<Fault> {
    let keys: BTreeSet<&CellKey> = truth.keys().chain(other.keys()).collect();
    let mut faults = Vec::new();
    for key in keys {
        let (told, found) = (truth.get(key), other.get(key));
        let empty = |cell: &Cell| cell.count.is_none() && cell.reported == 0;
        if told == found || (told.is_none() && found.is_some_and(empty)) {
            continue;
        }
        let place = format!("{} {} {} {}", key.0, key.1, key.2, day_text(key.3));
        let detail = format!("{here}: {}; {there}: {}", words(told), words(found));
        faults.push(Fault::new("O4", kind, place, detail));
    }
    faults.truncate(FAULTS_MAX);
    faults
}

fn words(cell: Option<&Cell>) -> String {
    cell.map_or("no cell".to_owned(), |cell| {
        let count = cell.count.map_or("null".to_owned(), |count| count.to_string());
        let Cell { expected, reported, zero, missing, .. } = cell;
        format!("count {count}, expected {expected}, reported {reported}, zero {zero}, missing {missing}")
    })
}

/// The cells that the run wrote out.
fn written(path: &Path) -> Result<BTreeMap<CellKey, Cell>, String> {
    let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut reader = csv::Reader::from_path(path).map_err(|e| say(&e))?;
    let mut out = BTreeMap::new();
    for row in reader.deserialize::<BTreeMap<String, String>>() {
        let row = row.map_err(|e| say(&e))?;
        let text = |name: &str| row.get(name).cloned().unwrap_or_default();
        let number = |name: &str| text(name).parse::<i64>().ok();
        let day = day_of_text(&text("event_date")).ok_or_else(|| say(&"a row without event_date"))?;
        let cell = Cell {
            count: number("count"),
            expected: number("expected").unwrap_or(0),
            reported: number("reported").unwrap_or(0),
            zero: number("zero").unwrap_or(0),
            missing: number("missing").unwrap_or(0),
        };
        out.insert((text("unit_kind"), text("unit_id"), text("signal"), day), cell);
    }
    Ok(out)
}
