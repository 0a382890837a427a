//! The faults that are planted, one function each: what is changed, and the place that must be named.

use std::collections::BTreeMap;
use std::fs;

use serde_json::json;

use super::super::ledger::Fate;
use super::super::messages::Stored;
use super::super::rows::{Key, QuarantineRow, SignalRow, place_text};
use super::edit::{FileRows, append_entry, doubled, read_files, replace, rows_where, with_int, with_text, without};
use super::{CANARY, Plant, Scene, alerts};

pub(super) const ALL: [Plant; 24] = [
    Plant { name: "a row deleted", named_by: &[("O3", "row_missing"), ("O1", "lost")], plant: row_deleted },
    Plant { name: "a row doubled", named_by: &[("O2", "row_twice")], plant: row_doubled },
    Plant { name: "two revisions swapped", named_by: &[("O3", "revision_differs")], plant: revisions_swapped },
    Plant { name: "a value changed", named_by: &[("O3", "row_unexpected")], plant: value_changed },
    Plant { name: "an area moved", named_by: &[("O3", "area_differs")], plant: area_moved },
    Plant { name: "a zero report dropped", named_by: &[("O1", "lost")], plant: zero_report_dropped },
    Plant { name: "a retraction ignored", named_by: &[("O3", "operation_differs")], plant: retraction_ignored },
    Plant { name: "a duplicate counted", named_by: &[("O1", "duplicate_counted")], plant: duplicate_counted },
    Plant {
        name: "a known_at moved back",
        named_by: &[("O9", "outside_commit"), ("O9", "known_at_back"), ("O9", "split_commit")],
        plant: known_at_moved_back,
    },
    Plant { name: "an offset moved", named_by: &[("O1", "offset_moved")], plant: offset_moved },
    Plant { name: "an epoch gap", named_by: &[("O2", "outside_epoch"), ("O2", "epoch_gap")], plant: epoch_gap },
    Plant { name: "a quarantined payload altered", named_by: &[("O7", "payload_altered")], plant: payload_altered },
    Plant { name: "a wrong reason", named_by: &[("O7", "wrong_reason")], plant: wrong_reason },
    Plant { name: "a quarantine row deleted", named_by: &[("O1", "lost")], plant: quarantine_deleted },
    Plant { name: "a quarantine row doubled", named_by: &[("O7", "quarantined_twice")], plant: quarantine_doubled },
    Plant { name: "a name left in a log line", named_by: &[("O8", "leak")], plant: name_logged },
    Plant { name: "a tick removed", named_by: &[("O9", "tick_missing")], plant: alerts::tick_removed },
    Plant { name: "an alert dropped", named_by: &[("O5", "alert_missing")], plant: alerts::alert_dropped },
    Plant { name: "an alert state changed", named_by: &[("O5", "wrong_state")], plant: alerts::state_changed },
    Plant { name: "a severity altered", named_by: &[("O5", "wrong_severity")], plant: alerts::severity_altered },
    Plant { name: "a revision skipped", named_by: &[("O9", "revision_gap")], plant: alerts::revision_skipped },
    Plant { name: "an alert published twice", named_by: &[("O6", "published_twice")], plant: alerts::published_twice },
    Plant {
        name: "a message missing in the topic",
        named_by: &[("O6", "not_published")],
        plant: alerts::not_published,
    },
    Plant { name: "topic order swapped", named_by: &[("O6", "out_of_order")], plant: alerts::order_swapped },
];

/// What to plant in, or words for why not.
pub(super) fn nowhere<T>(found: Option<T>, what: &str) -> Result<T, String> {
    found.ok_or_else(|| format!("the run has no {what} to plant it in"))
}

/// Changes the file that holds the message's rows.
fn change_message(
    scene: &Scene<'_>,
    message: &Stored,
    change: impl Fn(&mut FileRows, &[usize]) -> Result<(), String>,
) -> Result<String, String> {
    let (topic, partition, offset) = message.place();
    change_rows(scene, "signals", (&[("topic", topic)], &[("partition", partition), ("offset", offset)]), change)?;
    Ok(message.place_text())
}

/// Text and integer columns with the values that rows must have.
type Where<'a> = (&'a [(&'a str, &'a str)], &'a [(&'a str, i64)]);

/// Changes every file of a table with rows that match.
pub(super) fn change_rows(
    scene: &Scene<'_>,
    table: &str,
    (texts, ints): Where<'_>,
    change: impl Fn(&mut FileRows, &[usize]) -> Result<(), String>,
) -> Result<(), String> {
    let root = scene.table(table);
    let mut changed = Vec::new();
    for mut file in read_files(&root)? {
        let rows = rows_where(&file.batch, texts, ints)?;
        if !rows.is_empty() {
            change(&mut file, &rows)?;
            changed.push(file);
        }
    }
    if changed.is_empty() {
        return Err(format!("{table} has no row where {texts:?} {ints:?}"));
    }
    replace(&root, &changed)
}

fn rows_of<'a>(scene: &'a Scene<'_>, message: &Stored) -> &'a [SignalRow] {
    &scene.run.rows[message.rows()]
}

/// A plain message: neither a duplicate nor repeated, neither first nor last of its partition.
fn plain<'a>(scene: &'a Scene<'_>, fits: impl Fn(&Stored) -> bool) -> Option<&'a Stored> {
    let messages = &scene.run.messages;
    let inner = |place: usize| {
        let same = |other: usize| messages[other].origin.topic == messages[place].origin.topic;
        place > 0 && place + 1 < messages.len() && same(place - 1) && same(place + 1)
    };
    let alone = |m: &Stored| messages.iter().filter(|other| other.record_key == m.record_key).count() == 1;
    let middle = messages.len() / 2;
    let candidates = (middle..messages.len()).chain(0..middle).filter(|place| inner(*place));
    candidates.map(|place| &messages[place]).find(|m| !m.retracts() && fits(m) && alone(m))
}

fn row_deleted(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(plain(scene, |m| m.rows().len() > 1).or(plain(scene, |_| true)), "message")?;
    change_message(scene, message, |file, rows| {
        file.batch = without(&file.batch, &rows[..1])?;
        Ok(())
    })
}

fn row_doubled(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(plain(scene, |_| true), "message")?;
    change_message(scene, message, |file, rows| {
        file.batch = doubled(&file.batch, rows[0])?;
        Ok(())
    })
}

fn revisions_swapped(scene: &Scene<'_>) -> Result<String, String> {
    let mut by_record: BTreeMap<Key, Vec<&Stored>> = BTreeMap::new();
    for message in &scene.run.messages {
        by_record.entry(message.record_key).or_default().push(message);
    }
    let two = by_record.into_values().find(|list| list.iter().any(|m| m.revision != list[0].revision));
    let list = nowhere(two, "record with two revisions")?;
    let other = nowhere(list.iter().find(|m| m.revision != list[0].revision), "record with two revisions")?;
    let sum = list[0].revision + other.revision;
    let swap = |file: &mut FileRows, rows: &[usize]| {
        file.batch = with_int(&file.batch, "revision", rows, |old| sum - old)?;
        Ok(())
    };
    change_message(scene, other, swap)?;
    change_message(scene, list[0], swap)
}

fn value_changed(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(plain(scene, |_| true), "message")?;
    change_message(scene, message, |file, rows| {
        file.batch = with_int(&file.batch, "value", &rows[..1], |old| old + 1)?;
        Ok(())
    })
}

fn area_moved(scene: &Scene<'_>) -> Result<String, String> {
    let known = |m: &Stored| rows_of(scene, m).iter().all(|row| row.area_code.is_some());
    let message = nowhere(plain(scene, known), "message with an area")?;
    change_message(scene, message, |file, rows| {
        file.batch = with_text(&file.batch, "area_code", rows, "998877")?;
        Ok(())
    })
}

fn zero_report_dropped(scene: &Scene<'_>) -> Result<String, String> {
    let zero = |m: &Stored| rows_of(scene, m).iter().all(|row| row.value == 0);
    let message = nowhere(plain(scene, zero), "zero report")?;
    change_message(scene, message, |file, rows| {
        file.batch = without(&file.batch, rows)?;
        Ok(())
    })
}

fn retraction_ignored(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(scene.run.messages.iter().find(|m| m.retracts()), "retraction")?;
    change_message(scene, message, |file, rows| {
        file.batch = with_text(&file.batch, "operation", rows, "report")?;
        Ok(())
    })
}

fn duplicate_counted(scene: &Scene<'_>) -> Result<String, String> {
    let told = scene.run.ledger.messages.iter().find(|m| m.fate == Fate::Duplicate);
    let told = nowhere(told, "duplicate")?;
    let at = |m: &&Stored| m.place() == told.place();
    let message = nowhere(scene.run.messages.iter().find(at), "duplicate in the table")?;
    change_message(scene, message, |file, rows| {
        file.batch = with_text(&file.batch, "content_hash", rows, "00000000000000000000000000000000")?;
        Ok(())
    })
}

fn known_at_moved_back(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(plain(scene, |_| true), "message")?;
    let file = &scene.run.signals_table.live[message.commit.file];
    let place = message.place_text();
    change_message(scene, message, |file, rows| {
        file.batch = with_int(&file.batch, "known_at", rows, |old| old - 1_000_000)?;
        Ok(())
    })?;
    // Named at the message, or at the file whose tags say otherwise, which has a new name.
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    Ok(if file.tags.contains_key("qs.known_from") { folder.to_owned() } else { place })
}

fn offset_moved(scene: &Scene<'_>) -> Result<String, String> {
    let mark = scene.run.signals_table.txns.iter().find(|(app, _)| app.starts_with("in/"));
    let (app, next) = nowhere(mark, "committed offset")?;
    append_entry(&scene.table("signals"), &[json!({"txn": {"appId": app, "version": next + 1}})])?;
    Ok(app.trim_start_matches("in/").to_owned())
}

fn epoch_gap(scene: &Scene<'_>) -> Result<String, String> {
    let message = nowhere(plain(scene, |_| true), "message")?;
    let partition = format!("{}/{}", message.origin.topic, message.origin.partition);
    change_message(scene, message, |file, _| {
        let tag = file.file.tags.iter_mut().find(|(key, _)| key.contains("offsets"));
        let (_, text) = nowhere(tag, "offsets tag")?;
        let mut ranges: BTreeMap<String, (i64, i64)> = serde_json::from_str(text).map_err(|e| e.to_string())?;
        let range = nowhere(ranges.get_mut(&partition), "range of the partition")?;
        range.0 = message.offset + 1;
        *text = serde_json::to_string(&ranges).map_err(|e| e.to_string())?;
        Ok(())
    })
}

fn change_quarantine(
    scene: &Scene<'_>,
    change: impl Fn(&mut FileRows, &[usize]) -> Result<(), String>,
) -> Result<String, String> {
    let row: &QuarantineRow = nowhere(scene.run.quarantine.first(), "quarantined message")?;
    let at = [("partition", row.partition), ("offset", row.offset)];
    change_rows(scene, "quarantine", (&[("topic", &row.topic)], &at), change)?;
    Ok(place_text(row.place()))
}

fn payload_altered(scene: &Scene<'_>) -> Result<String, String> {
    let digest = "0".repeat(64);
    change_quarantine(scene, |file, rows| {
        file.batch = with_text(&file.batch, "body_sha256", rows, &digest)?;
        Ok(())
    })
}

fn wrong_reason(scene: &Scene<'_>) -> Result<String, String> {
    change_quarantine(scene, |file, rows| {
        file.batch = with_text(&file.batch, "reason", rows, "because")?;
        Ok(())
    })
}

fn quarantine_deleted(scene: &Scene<'_>) -> Result<String, String> {
    change_quarantine(scene, |file, rows| {
        file.batch = without(&file.batch, rows)?;
        Ok(())
    })
}

fn quarantine_doubled(scene: &Scene<'_>) -> Result<String, String> {
    change_quarantine(scene, |file, rows| {
        file.batch = doubled(&file.batch, rows[0])?;
        Ok(())
    })
}

fn name_logged(scene: &Scene<'_>) -> Result<String, String> {
    let path = scene.logs.join("planted.log");
    fs::write(&path, format!("INFO epoch committed reporter=\"{CANARY}\"\n")).map_err(|e| e.to_string())?;
    Ok("planted.log".to_owned())
}
