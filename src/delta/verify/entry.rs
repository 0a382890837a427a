//! One entry of a table's log against itself and the marks before it.
//!
//! Promises: an entry passes only if every line is an action, and what its files say of offsets and time stands in its
//! marks too. Never: looks at a data file.

use std::collections::BTreeMap;
use std::path::Path;

use deltalake::kernel::{Action, Add, Remove};

use crate::delta::commit::{MARK_CLOCK, MARK_EPOCH, MARK_QUARANTINE};
use crate::delta::files::{TAG_SHA256, known_of, ranges_of, tag};
use crate::delta::log::{mark_of, parse_offset_mark};
use crate::delta::repair::without_offset;
use crate::delta::tables::Table;

/// What an entry does.
#[derive(Debug, Default)]
pub struct Entry {
    pub adds: Vec<Add>,
    pub removes: Vec<Remove>,
    pub marks: BTreeMap<String, i64>,
    /// Names of the columns, where the entry states the table's schema.
    pub columns: Option<Vec<String>>,
}

/// Reads the entry whole; what is wrong with it is said.
pub fn read(path: &Path) -> Result<Entry, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if let Some(found) = of_zeros(&bytes) {
        return Err(found);
    }
    let text = String::from_utf8(bytes).map_err(|_| "bytes that are not text".to_owned())?;
    let mut actions = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let action = serde_json::from_str(line).map_err(|error| format!("line {number} is no action: {error}"))?;
        actions.push(action);
    }
    let entry = of_actions(actions);
    if entry.adds.is_empty() && entry.removes.is_empty() && entry.marks.is_empty() && entry.columns.is_none() {
        return Err("it says nothing".to_owned());
    }
    Ok(entry)
}

/// What a power cut leaves of bytes that were promised and never came.
pub fn of_zeros(bytes: &[u8]) -> Option<String> {
    match bytes {
        [] => Some("no bytes".to_owned()),
        _ if bytes.iter().all(|byte| *byte == 0) => Some(format!("{} bytes, all of them zero", bytes.len())),
        _ => None,
    }
}

pub fn of_actions(actions: Vec<Action>) -> Entry {
    let mut entry = Entry::default();
    for action in actions {
        match action {
            Action::Add(add) => entry.adds.push(add),
            Action::Remove(remove) => entry.removes.push(remove),
            Action::Txn(txn) => drop(entry.marks.insert(txn.app_id, txn.version)),
            Action::Metadata(metadata) => {
                let columns = metadata.parse_schema().map(|schema| schema.fields().map(|f| f.name().clone()).collect());
                entry.columns = columns.ok();
            }
            _ => {}
        }
    }
    entry
}

/// What the entry says that cannot be, after `before` was in force.
pub fn faults(entry: &Entry, table: Table, before: &BTreeMap<String, i64>) -> Vec<String> {
    let mut faults = Vec::new();
    if let Some(columns) = &entry.columns {
        let schema = table.schema();
        let known: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        if *columns != known {
            faults.push("the columns are not those of this table".to_owned());
        }
    }
    let appended: Vec<&Add> = entry.adds.iter().filter(|add| add.data_change).collect();
    let clock = entry.marks.get(MARK_CLOCK);
    if !appended.is_empty() && clock.is_none() {
        faults.push("rows stand without their clock".to_owned());
    }
    if let (Some(now), Some(then)) = (clock, before.get(MARK_CLOCK))
        && now <= then
    {
        faults.push(format!("its clock {now} does not follow {then}"));
    }
    if let (Some(now), Some(then)) = (entry.marks.get(MARK_QUARANTINE), before.get(MARK_QUARANTINE))
        && now < then
    {
        faults.push(format!("it rests on entry {now} of quarantine, and the entry before on {then}"));
    }
    if matches!(table, Table::Signals | Table::Quarantine) {
        let unknown = entry.marks.keys().find(|name| !is_written(name, &entry.marks));
        faults.extend(unknown.map(|name| format!("a mark that nobody writes: {name}")));
    }
    for add in appended {
        faults.extend(tags(add));
        if known_of(add).zip(clock).is_some_and(|((_, to), clock)| to != *clock) {
            faults.push("the time of its rows is not that of its clock".to_owned());
        }
        faults.extend(offsets(add, table, &entry.marks, before));
    }
    faults
}

/// Offsets, what their last message is known by, and three marks of our own.
fn is_written(name: &str, marks: &BTreeMap<String, i64>) -> bool {
    let of_offset = name.strip_prefix("seen/").is_some_and(|place| marks.contains_key(&mark_of(place)));
    of_offset || parse_offset_mark(name).is_some() || [MARK_CLOCK, MARK_EPOCH, MARK_QUARANTINE].contains(&name)
}

/// Without its tags nobody can say what a file is.
pub fn tags(add: &Add) -> Option<String> {
    let whole = tag(add, TAG_SHA256).is_some_and(|digest| digest.len() == 64) && known_of(add).is_some();
    (!whole).then(|| format!("no digest or no time is said of {}", add.path))
}

fn offsets(add: &Add, table: Table, marks: &BTreeMap<String, i64>, before: &BTreeMap<String, i64>) -> Vec<String> {
    let mut faults: Vec<String> = without_offset(add, marks).collect();
    for (place, (from, to)) in ranges_of(add) {
        let mark = mark_of(&place);
        // Quarantine is written before its epoch counts, so its ranges may begin again after a crash.
        if table == Table::Signals && before.get(&mark).is_some_and(|stood| *stood != from) {
            faults.push(format!("{place} goes on at {from} and stood at {}", before[&mark]));
        }
        if from >= to {
            faults.push(format!("the offsets {from} to {to} of {place} are none"));
        }
    }
    faults
}
