//! O3 state: the winning statement of every record, and what it says, are the ledger's.
//!
//! Promises: contents are compared as multisets, so a missing, doubled or changed row is named with its message.

use std::collections::BTreeSet;

use super::calendar::day_text;
use super::ledger::{Message, RecordId};
use super::messages::{Stored, winner, winners};
use super::rows::{Key, SignalRow};
use super::{Counted, Fault, Run, tally};

/// Compares every stored message and every record with the ledger.
pub(super) fn compare(run: &Run, counted: &mut Counted) -> Vec<Fault> {
    let mut faults = Vec::new();
    let winners = winners(&run.messages);
    // Stored record keys with a message of the record that stands under each.
    let mut stored: Vec<(Key, &Message)> = Vec::new();
    let mut messages = run.ledger.of_records().peekable();
    while let Some((record, first)) = messages.next() {
        let mut group = vec![first];
        while let Some((_, next)) = messages.next_if(|(of, _)| *of == record) {
            group.push(next);
        }
        let mut keys = BTreeSet::new();
        for message in &group {
            let Some(found) = run.stored(message.place()) else { continue };
            keys.insert(found.record_key);
            faults.extend(statement(message, found));
            faults.extend(content(message, run.ledger.rows_of(message), &run.rows[found.rows()]));
        }
        if keys.len() > 1 {
            let detail = format!("stored under {} keys", keys.len());
            faults.push(Fault::new("O3", "record_split", words_of(&record), detail));
        }
        let winner = keys.first().and_then(|key| winner(&winners, *key));
        faults.extend(winner.and_then(|winner| leader(&record, &group, winner)));
        stored.extend(keys.into_iter().map(|key| (key, first)));
        counted.records += 1;
    }
    faults.extend(merged(stored, &winners));
    faults
}

fn words_of((feed, kind, record): &RecordId<'_>) -> String {
    format!("{feed}/{kind} {record}")
}

/// Of what was sent of a record, the greatest must be its state.
fn leader(record: &RecordId<'_>, sent: &[&Message], winner: &Stored) -> Option<Fault> {
    let best = sent.iter().max_by_key(|message| message.rank())?;
    (winner.place() != best.place()).then(|| {
        let (found, of, told) = (winner.place_text(), winner.revision, best.revision);
        let detail = format!("record {}: {found} revision {of} wins, must be revision {told}", words_of(record));
        Fault::new("O3", "wrong_winner", best.place_text(), detail)
    })
}

/// Keys under which several records are stored, named by the message that stands there.
fn merged(mut stored: Vec<(Key, &Message)>, winners: &[&Stored]) -> Vec<Fault> {
    stored.sort_by_key(|(key, _)| *key);
    let mut faults = Vec::new();
    for same in stored.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
        let place = winner(winners, same[0].0).map_or_else(String::new, Stored::place_text);
        let records: Vec<RecordId<'_>> = same.iter().filter_map(|(_, message)| message.record_id()).collect();
        faults.push(Fault::new("O3", "records_merged", place, format!("holds records {records:?}")));
    }
    faults
}

fn statement(message: &Message, found: &Stored) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut differ = |kind, told: String, stored: String| {
        let detail = format!("ledger {told}, table {stored}");
        faults.push(Fault::new("O3", kind, message.place_text(), detail));
    };
    if message.revision != found.revision {
        differ("revision_differs", message.revision.to_string(), found.revision.to_string());
    }
    if message.reported_at != 0 && message.reported_at != found.reported_at {
        differ("reported_at_differs", message.reported_at.to_string(), found.reported_at.to_string());
    }
    let told = &message.origin.operation;
    if !told.is_empty() && message.retracts() != found.retracts() {
        differ("operation_differs", told.to_string(), found.origin.operation.to_string());
    }
    faults
}

type Content<'a> = (&'a str, &'a str, &'a str, i64, i64, Option<i64>, Option<&'a str>);

fn content_of(row: &SignalRow) -> Content<'_> {
    (&row.signal, &row.unit_kind, &row.unit_id, row.event_date, row.value, row.denominator, row.slot.as_deref())
}

fn words(content: &Content<'_>) -> String {
    let (signal, unit_kind, unit_id, day, value, denominator, slot) = content;
    let of = denominator.map_or(String::new(), |of| format!(" of {of}"));
    let slot = slot.map_or(String::new(), |slot| format!(" at {slot}"));
    format!("{signal} {unit_kind} {unit_id} {} = {value}{of}{slot}", day_text(*day))
}

fn content(message: &Message, sent: &[SignalRow], rows: &[SignalRow]) -> Vec<Fault> {
    // A retraction needs no content: the record is gone whatever its rows say.
    if sent.is_empty() && message.retracts() {
        return Vec::new();
    }
    let (truth, found) = (tally(sent.iter().map(content_of)), tally(rows.iter().map(content_of)));
    let mut faults = Vec::new();
    for (content, times) in &truth {
        let have = found.get(content).copied().unwrap_or(0);
        if have < *times {
            faults.push(Fault::new("O3", "row_missing", message.place_text(), words(content)));
        }
    }
    for (content, times) in &found {
        let may = truth.get(content).copied().unwrap_or(0);
        if *times > may {
            faults.push(Fault::new("O3", "row_unexpected", message.place_text(), words(content)));
        }
    }
    if faults.is_empty() {
        faults.extend(areas(message, sent, rows));
    }
    faults
}

/// The ledger may say the county where the row says the town.
fn areas(message: &Message, sent: &[SignalRow], rows: &[SignalRow]) -> Option<Fault> {
    for ((content, told), (_, kept)) in with_areas(sent).iter().zip(&with_areas(rows)) {
        if let (Some(told), Some(kept)) = (told, kept)
            && !kept.starts_with(told)
            && !told.starts_with(kept)
        {
            let detail = format!("{}: ledger {told}, table {kept}", words(content));
            return Some(Fault::new("O3", "area_differs", message.place_text(), detail));
        }
    }
    None
}

fn with_areas(rows: &[SignalRow]) -> Vec<(Content<'_>, Option<&str>)> {
    let mut areas: Vec<_> = rows.iter().map(|row| (content_of(row), row.area_code.as_deref())).collect();
    areas.sort_unstable();
    areas
}
