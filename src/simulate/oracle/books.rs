//! O1 conservation, O2 identity, O7 quarantine: every message of the ledger stands in exactly one place.
//!
//! Promises: each fault names the message or the partition it was found at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use sha2::{Digest, Sha256};

use super::delta::DataFile;
use super::ledger::{Fate, Message};
use super::messages::Stored;
use super::rows::{Key, Place, QuarantineRow, place_text};
use super::{Counted, Fault, Run, tally};

fn partition_of(message: &Stored) -> (&str, i64) {
    let (topic, partition, _) = message.place();
    (topic, partition)
}

/// O1: per partition accepted + duplicates + quarantined = consumed = the committed offset.
pub(super) fn conservation(run: &Run, counted: &mut Counted) -> Vec<Fault> {
    let mut faults = Vec::new();
    let of = |duplicate: bool| run.messages.iter().filter(move |m| m.duplicate == duplicate);
    let (accepted, duplicates) = (of(false).map(partition_of), of(true).map(partition_of));
    let (accepted, duplicates) = (tally(accepted), tally(duplicates));
    let refused: BTreeSet<Place<'_>> = run.quarantine.iter().map(QuarantineRow::place).collect();
    let quarantined = tally(refused.iter().map(|place| (place.0, place.1)));
    let mut partitions: BTreeMap<(&str, i64), Vec<&Message>> = BTreeMap::new();
    for message in &run.ledger.messages {
        partitions.entry((&*message.origin.topic, message.origin.partition)).or_default().push(message);
        faults.extend(fate_of(run, message));
    }
    for ((topic, partition), messages) in &partitions {
        let place = format!("{topic}/{partition}");
        let Some(next) = run.signals_table.txns.get(&format!("in/{place}")).copied() else {
            faults.push(Fault::new("O1", "offset_missing", place, "no offset is committed for this partition"));
            continue;
        };
        let end = messages.iter().map(|m| m.offset + 1).max().unwrap_or(0);
        if next != end {
            let detail = format!("the ledger ends at {end}, the committed offset is {next}");
            faults.push(Fault::new("O1", "offset_moved", &*place, detail));
        }
        let here = (*topic, *partition);
        let number = |counts: &BTreeMap<(&str, i64), usize>| counts.get(&here).copied().unwrap_or(0) as u64;
        let (accepted, duplicates, quarantined) = (number(&accepted), number(&duplicates), number(&quarantined));
        let consumed = messages.iter().filter(|m| m.offset < next).count() as u64;
        if accepted + duplicates + quarantined != consumed {
            let detail =
                format!("accepted {accepted} + duplicates {duplicates} + quarantined {quarantined} ≠ {consumed}");
            faults.push(Fault::new("O1", "books", &*place, detail));
        }
        counted.accepted += accepted;
        counted.duplicates += duplicates;
        counted.quarantined += quarantined;
        counted.consumed += consumed;
    }
    faults.extend(read_from_nowhere(run, &partitions));
    faults.extend(miscounted_duplicates(run));
    faults
}

/// A partition of the ledger's topics to which nothing was sent may be known, but nothing can have been read from it.
fn read_from_nowhere(run: &Run, partitions: &BTreeMap<(&str, i64), Vec<&Message>>) -> Vec<Fault> {
    let topics: BTreeSet<&str> = partitions.keys().map(|(topic, _)| *topic).collect();
    let marks = run.signals_table.txns.iter().filter(|(_, next)| **next != 0);
    let read = marks.filter_map(|(app, next)| {
        let place = app.strip_prefix("in/")?;
        let (topic, partition) = place.rsplit_once('/')?;
        let silent = topics.contains(topic) && !partitions.contains_key(&(topic, partition.parse().ok()?));
        silent.then(|| {
            Fault::new(
                "O1",
                "offset_moved",
                place,
                format!("the ledger sends nothing here, the committed offset is {next}"),
            )
        })
    });
    read.collect()
}

fn fate_of(run: &Run, message: &Message) -> Option<Fault> {
    let (stored, bad) = (run.stored(message.place()), run.quarantined(message.place()));
    let refused = message.fate == Fate::Quarantine;
    match (stored.is_some(), bad.is_some()) {
        (false, false) => Some(Fault::new("O1", "lost", message.place_text(), format!("must be {:?}", message.fate))),
        (true, true) => Some(Fault::new("O1", "counted_twice", message.place_text(), "in signals and in quarantine")),
        (true, false) if refused => {
            Some(Fault::new("O1", "wrong_fate", message.place_text(), "accepted, must be refused"))
        }
        (false, true) if !refused => {
            let reason = bad.map_or("", |row| &*row.reason);
            Some(Fault::new("O1", "wrong_fate", message.place_text(), format!("refused ({reason}), must be accepted")))
        }
        (true, false) | (false, true) => None,
    }
}

/// Of identical statements any one may be the first to arrive; how many there are is fixed.
fn miscounted_duplicates(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut messages = run.ledger.of_records().peekable();
    while let Some((record, first)) = messages.next() {
        let (mut group, revision) = (vec![first], first.revision);
        while let Some((_, next)) = messages.next_if(|(of, next)| (*of, next.revision) == (record, revision)) {
            group.push(next);
        }
        group.retain(|message| run.stored(message.place()).is_some());
        let told = group.iter().filter(|message| message.fate == Fate::Duplicate).count();
        let found = group.iter().filter_map(|m| run.stored(m.place())).filter(|stored| stored.duplicate).count();
        let place = group.iter().rfind(|message| message.fate == Fate::Duplicate).or(group.first());
        if let Some(place) = place.filter(|_| told != found) {
            let kind = if found < told { "duplicate_counted" } else { "taken_for_duplicate" };
            let detail = format!("record {record:?} revision {revision}: {told} duplicates sent, {found} found");
            faults.push(Fault::new("O1", kind, place.place_text(), detail));
        }
    }
    faults
}

/// O2: each ledger message once, unique coordinates, contiguous epochs.
pub(super) fn identity(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    let stored = run.messages.iter().map(|message| message.place());
    for place in stored.chain(run.quarantine.iter().map(QuarantineRow::place)) {
        if run.ledger.sent_to(place).is_none() {
            let detail = "the ledger has no message at this place";
            faults.push(Fault::new("O2", "unknown_message", place_text(place), detail));
        }
    }
    for message in &run.messages {
        for pair in run.rows[message.rows()].windows(2) {
            if pair[0].row == pair[1].row {
                let detail = format!("row {} of the message stands twice", pair[0].row);
                faults.push(Fault::new("O2", "row_twice", message.place_text(), detail));
            }
            let of = |row: usize| (pair[row].stated.record_key, pair[row].stated.revision);
            if of(0) != of(1) {
                faults.push(Fault::new("O2", "two_records", message.place_text(), "one message, two records"));
            }
        }
    }
    faults.extend(epochs(run));
    faults.extend(run.signals_table.live.iter().filter_map(|file| altered(run, file)));
    faults
}

type Ranges = BTreeMap<String, (i64, i64)>;

/// The offset ranges in a file's tags.
fn ranges_of(file: &DataFile) -> Option<Ranges> {
    file.tags.iter().filter(|(key, _)| key.contains("offsets")).find_map(|(_, json)| serde_json::from_str(json).ok())
}

fn epochs(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut spans: BTreeMap<String, Vec<(i64, i64, &str)>> = BTreeMap::new();
    let ranges: Vec<Option<Ranges>> = run.signals_table.live.iter().map(ranges_of).collect();
    for (file, ranges) in run.signals_table.live.iter().zip(&ranges) {
        let Some(ranges) = ranges else { continue };
        for (partition, (from, to)) in ranges {
            spans.entry(partition.clone()).or_default().push((*from, *to, &file.path));
        }
    }
    let mut partition: (Place<'_>, String) = (("", 0, 0), String::new());
    for row in &run.rows {
        let (place, file) = (row.stated.place(), row.stated.commit.file);
        let Some(Some(ranges)) = ranges.get(file) else { continue };
        // Rows are in the order of their places, so the name is written once a partition.
        if (place.0, place.1) != (partition.0.0, partition.0.1) {
            partition = (place, format!("{}/{}", place.0, place.1));
        }
        let range = ranges.get(&partition.1);
        if range.is_none_or(|(from, to)| place.2 < *from || place.2 >= *to) {
            let detail = format!("{} does not name this offset in its tags", run.signals_table.live[file].path);
            faults.push(Fault::new("O2", "outside_epoch", place_text(place), detail));
        }
    }
    for (partition, mut list) in spans {
        list.sort_unstable();
        for pair in list.windows(2) {
            let ((_, end, first), (start, _, second)) = (pair[0], pair[1]);
            if start < end {
                let detail = format!("{first} ends at {end}, {second} begins at {start}");
                faults.push(Fault::new("O2", "epoch_overlap", &*partition, detail));
            }
            faults.extend(gap(run, &partition, end, start));
        }
        let end = list.iter().map(|span| span.1).max().unwrap_or(0);
        match run.signals_table.txns.get(&format!("in/{partition}")) {
            Some(next) if *next < end => {
                let detail = format!("files reach {end}, the committed offset is {next}");
                faults.push(Fault::new("O2", "tags_beyond_offset", &*partition, detail));
            }
            Some(next) => faults.extend(gap(run, &partition, end, *next)),
            None => {}
        }
    }
    faults
}

/// An epoch of refused messages only has no file; anything else between two files is a gap.
fn gap(run: &Run, partition: &str, from: i64, to: i64) -> Option<Fault> {
    let missing = |m: &&Message| {
        m.fate != Fate::Quarantine
            && (from..to).contains(&m.offset)
            && format!("{}/{}", m.origin.topic, m.origin.partition) == partition
    };
    if to <= from {
        return None;
    }
    let lost = run.ledger.messages.iter().find(missing)?;
    let detail = format!("no file covers offsets {from}..{to}, where {} stood", lost.place_text());
    Some(Fault::new("O2", "epoch_gap", partition, detail))
}

/// A file whose digest stands in its tags must still have it.
fn altered(run: &Run, file: &DataFile) -> Option<Fault> {
    let is_digest = |key: &str| key.contains("sha256") || key.contains("digest");
    let (_, told) = file.tags.iter().find(|(key, value)| is_digest(key) && value.len() == 64)?;
    let bytes = fs::read(run.signals_table.root.join(&file.path)).ok()?;
    let found = hex(&Sha256::digest(&bytes));
    (found != told.to_lowercase())
        .then(|| Fault::new("O2", "file_altered", &*file.path, format!("its tag says {told}, it has {found}")))
}

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// O7: what was refused is kept unaltered, once, with the right reason.
pub(super) fn quarantined(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    let places = tally(run.quarantine.iter().map(QuarantineRow::place));
    for (place, times) in places.iter().filter(|(_, times)| **times > 1) {
        faults.push(Fault::new("O7", "quarantined_twice", place_text(*place), format!("stands {times} times")));
    }
    for row in &run.quarantine {
        let Some(message) = run.ledger.sent_to(row.place()) else { continue };
        let mut differ = |kind, told: &str, found: &str| {
            if told != found {
                let detail = format!("ledger {told:?}, quarantine {found:?}");
                faults.push(Fault::new("O7", kind, message.place_text(), detail));
            }
        };
        if let Some(told) = &message.refusal {
            differ("wrong_reason", told.reason.as_deref().unwrap_or(&row.reason), &row.reason);
            differ("wrong_pointer", told.pointer.as_deref().unwrap_or(&row.pointer), &row.pointer);
        }
        let kept = row.body_sha256.to_lowercase();
        if Key::of(&*kept) != message.content_hash {
            let detail = format!("quarantine {kept:?}, which is not what was sent");
            faults.push(Fault::new("O7", "payload_altered", message.place_text(), detail));
        }
        if row.body_bytes == 0 {
            faults.push(Fault::new("O7", "payload_missing", message.place_text(), "no encrypted body is kept"));
        }
    }
    faults
}
