//! O3 state: the winning statement of every record, and what it says, are the ledger's.
//!
//! Promises: contents are compared as multisets, so a missing, doubled or changed row is named with its message.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::{day_of_text, day_text};
use super::ledger::{Fate, Message, RecordId, TrueRow};
use super::messages::{Stored, winners};
use super::rows::{SignalRow, Text};
use super::{Counted, Fault, Run, tally};

/// Compares every stored message and every record with the ledger.
pub(super) fn compare(run: &Run, counted: &mut Counted) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut keys: BTreeMap<RecordId<'_>, BTreeSet<Text>> = BTreeMap::new();
    let mut records: BTreeMap<Text, BTreeSet<RecordId<'_>>> = BTreeMap::new();
    let mut best: BTreeMap<RecordId<'_>, &Message> = BTreeMap::new();
    for message in run.ledger.messages.iter().filter(|m| m.fate != Fate::Quarantine) {
        let Some(record) = message.record_id() else { continue };
        let leader = best.entry(record).or_insert(message);
        if rank(message) > rank(leader) {
            *leader = message;
        }
        let Some(found) = run.stored(message.at()) else { continue };
        keys.entry(record).or_default().insert(found.record_key.clone());
        records.entry(found.record_key.clone()).or_default().insert(record);
        faults.extend(statement(message, found));
        faults.extend(content(message, &run.rows[found.from..found.to]));
    }
    for (record, keys) in keys.iter().filter(|(_, keys)| keys.len() > 1) {
        faults.push(Fault::new("O3", "record_split", words_of(record), format!("stored under {} keys", keys.len())));
    }
    for (key, records) in records.iter().filter(|(_, records)| records.len() > 1) {
        faults.push(Fault::new("O3", "records_merged", &**key, format!("holds records {records:?}")));
    }
    faults.extend(leaders(&best, &keys, &winners(&run.messages)));
    counted.records = best.len() as u64;
    faults
}

fn words_of((feed, kind, record): &RecordId<'_>) -> String {
    format!("{feed}/{kind} {record}")
}

fn rank(message: &Message) -> (i64, i64, &str, i64, i64) {
    (message.revision, message.reported_at.0, &message.topic, message.partition, message.offset)
}

fn leaders(
    best: &BTreeMap<RecordId<'_>, &Message>,
    keys: &BTreeMap<RecordId<'_>, BTreeSet<Text>>,
    winners: &BTreeMap<Text, &Stored>,
) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (record, message) in best {
        let key = keys.get(record).and_then(|keys| keys.first());
        let Some(winner) = key.and_then(|key| winners.get(key)) else { continue };
        if (&*winner.place.0, winner.place.1, winner.place.2) != message.at() {
            let detail = format!(
                "record {}: {} revision {} wins, must be revision {}",
                words_of(record),
                winner.place_text(),
                winner.revision,
                message.revision
            );
            faults.push(Fault::new("O3", "wrong_winner", message.place(), detail));
        }
    }
    faults
}

fn statement(message: &Message, found: &Stored) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut differ = |kind, told: String, stored: String| {
        let detail = format!("ledger {told}, table {stored}");
        faults.push(Fault::new("O3", kind, message.place(), detail));
    };
    if message.revision != found.revision {
        differ("revision_differs", message.revision.to_string(), found.revision.to_string());
    }
    if message.reported_at.0 != 0 && message.reported_at.0 != found.reported_at {
        differ("reported_at_differs", message.reported_at.0.to_string(), found.reported_at.to_string());
    }
    if message.operation.is_some() && message.retracts() != found.retracts() {
        let told = message.operation.clone().unwrap_or_default();
        differ("operation_differs", told, found.operation.to_string());
    }
    faults
}

type Content<'a> = (&'a str, &'a str, &'a str, i64, i64, Option<i64>, Option<&'a str>);

fn told(row: &TrueRow) -> Content<'_> {
    let day = day_of_text(&row.event_date).unwrap_or(i64::MIN);
    (&row.signal, &row.unit_kind, &row.unit_id, day, row.value, row.denominator, row.slot.as_deref())
}

fn kept(row: &SignalRow) -> Content<'_> {
    (&row.signal, &row.unit_kind, &row.unit_id, row.event_date, row.value, row.denominator, row.slot.as_deref())
}

fn words(content: &Content<'_>) -> String {
    let (signal, unit_kind, unit_id, day, value, denominator, slot) = content;
    let of = denominator.map_or(String::new(), |of| format!(" of {of}"));
    let slot = slot.map_or(String::new(), |slot| format!(" at {slot}"));
    format!("{signal} {unit_kind} {unit_id} {} = {value}{of}{slot}", day_text(*day))
}

fn content(message: &Message, rows: &[SignalRow]) -> Vec<Fault> {
    // A retraction needs no content: the record is gone whatever its rows say.
    if message.rows.is_empty() && message.retracts() {
        return Vec::new();
    }
    let (truth, found) = (tally(message.rows.iter().map(told)), tally(rows.iter().map(kept)));
    let mut faults = Vec::new();
    for (content, times) in &truth {
        let have = found.get(content).copied().unwrap_or(0);
        if have < *times {
            faults.push(Fault::new("O3", "row_missing", message.place(), words(content)));
        }
    }
    for (content, times) in &found {
        let may = truth.get(content).copied().unwrap_or(0);
        if *times > may {
            faults.push(Fault::new("O3", "row_unexpected", message.place(), words(content)));
        }
    }
    if faults.is_empty() {
        faults.extend(areas(message, rows));
    }
    faults
}

/// The ledger may say the county where the row says the town.
fn areas(message: &Message, rows: &[SignalRow]) -> Option<Fault> {
    let mut truth: Vec<_> = message.rows.iter().map(|row| (told(row), row.area_code.as_deref())).collect();
    let mut found: Vec<_> = rows.iter().map(|row| (kept(row), row.area_code.as_deref())).collect();
    truth.sort();
    found.sort();
    for ((content, told), (_, kept)) in truth.iter().zip(&found) {
        if let (Some(told), Some(kept)) = (told, kept)
            && !kept.starts_with(told)
            && !told.starts_with(kept)
        {
            let detail = format!("{}: ledger {told}, table {kept}", words(content));
            return Some(Fault::new("O3", "area_differs", message.place(), detail));
        }
    }
    None
}
