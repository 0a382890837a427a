//! Which row of a record counts: duplicates, corrections, retractions, in any order.
//!
//! Promises: the state of a record is all rows of the message with the greatest
//! `(revision, reported_at, topic, partition, offset)`; a retraction leaves nothing. Feeding the same rows in any order,
//! once or twice, gives the same state.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};

use super::names::{Name, Names};
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, Operation};

/// Flag of rows that are kept out of counting.
const OUT_OF_RANGE: &str = "out_of_range";

/// What decides which message about a record stands; compared from the first field on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Standing {
    pub revision: i64,
    pub reported_at: i64,
    /// Topics are compared by name, so the number must follow the names' order: see `Records::topics`.
    pub topic: u32,
    pub partition: i32,
    pub offset: i64,
}

/// What rows are counted together: one unit, signal and day, of one kind, facility and area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub signal: Name,
    pub day: Day,
    pub unit_kind: Name,
    pub unit_id: Name,
    pub facility: Option<Name>,
    pub area: Option<Name>,
    pub feed: Name,
    pub kind: Name,
}

/// One row of a winning message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    pub value: i64,
    pub denominator: Option<i64>,
    pub person: Option<Name>,
    pub slot: Option<Name>,
    pub quality: Option<Name>,
    pub counts: bool,
    pub event_time: i64,
    pub known_at: i64,
}

/// A record: who stands, and where its rows are.
#[derive(Clone, Debug)]
struct Record {
    standing: Standing,
    /// When we first heard of it: a correction or a repeat does not make a report late, and a retraction tells nothing.
    heard_at: i64,
    operation: Name,
    is_zero: bool,
    groups: Vec<(Group, Row)>,
}

/// The message that stands for a record.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub standing: &'a Standing,
    pub topic: &'a str,
    pub operation: &'a str,
}

/// The current state of every record.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub names: Names,
    /// Topics by number; numbers are only equal or not, order is by text.
    topics: Vec<String>,
    records: BTreeMap<u128, Record>,
    /// Rows by group; the key's second part tells rows of different records apart.
    pub groups: BTreeMap<Group, BTreeMap<(u128, u32), Row>>,
    /// Reports by (feed, facility, day): which records say something, when it came, whether it is more than zero.
    pub reports: BTreeMap<(Name, Name, Day), BTreeMap<u128, Report>>,
    /// Newest `known_at` fed so far.
    pub known_until: i64,
}

/// What one record says about a facility's day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// The earliest `known_at` of any message that states the record.
    pub known_at: i64,
    /// It says that it is a zero report, or nothing but zero.
    pub is_zero: bool,
}

impl Records {
    /// Feeds rows of `signals`; answers the groups that changed.
    pub fn feed(&mut self, batch: &RecordBatch) -> Result<BTreeSet<Group>> {
        let columns = Columns::of(batch)?;
        let mut changed = BTreeSet::new();
        let mut row = 0;
        while row < batch.num_rows() {
            // Rows of one message lie together; they win or lose together.
            let mut end = row + 1;
            while end < batch.num_rows() && columns.same_message(row, end) {
                end += 1;
            }
            self.feed_message(&columns, row..end, &mut changed);
            row = end;
        }
        Ok(changed)
    }

    fn feed_message(&mut self, columns: &Columns<'_>, rows: std::ops::Range<usize>, changed: &mut BTreeSet<Group>) {
        let first = rows.start;
        self.known_until = self.known_until.max(columns.known_at.value(first));
        let Ok(key) = u128::from_str_radix(columns.record_key.value(first), 16) else { return };
        let standing = Standing {
            revision: columns.revision.value(first),
            reported_at: columns.reported_at.value(first),
            topic: self.topic(columns.topic.value(first)),
            partition: columns.partition.value(first),
            offset: columns.offset.value(first),
        };
        let operation = columns.operation.value(first);
        let retracted = operation == Operation::Retract.word();
        // A retraction that overtakes what it retracts is no report.
        let mut heard_at = if retracted { i64::MAX } else { columns.known_at.value(first) };
        if let Some(record) = self.records.get(&key) {
            heard_at = heard_at.min(record.heard_at);
            if !self.beats(&standing, &record.standing) {
                self.heard_already(key, heard_at);
                return;
            }
        }
        self.forget(key, changed);
        let is_zero = operation == Operation::Zero.word() || rows.clone().all(|row| columns.value.value(row) == 0);
        let mut groups = Vec::new();
        if !retracted {
            for row in rows {
                let (group, counted) = self.row(columns, row);
                changed.insert(group);
                self.groups.entry(group).or_default().insert((key, groups.len() as u32), counted);
                groups.push((group, counted));
            }
            self.note_reports(key, &groups, Report { known_at: heard_at, is_zero });
        }
        let operation = self.names.number(operation);
        self.records.insert(key, Record { standing, heard_at, operation, is_zero, groups });
    }

    /// The message that stands for the record `key`.
    pub fn statement(&self, key: u128) -> Option<Statement<'_>> {
        let record = self.records.get(&key)?;
        Some(Statement {
            standing: &record.standing,
            topic: self.topics.get(record.standing.topic as usize).map_or("", String::as_str),
            operation: self.names.text(record.operation),
        })
    }

    /// What does not stand may still be the first that we heard.
    fn heard_already(&mut self, key: u128, at: i64) {
        let Some(record) = self.records.get_mut(&key).filter(|record| at < record.heard_at) else { return };
        record.heard_at = at;
        let (groups, report) = (record.groups.clone(), Report { known_at: at, is_zero: record.is_zero });
        self.note_reports(key, &groups, report);
    }

    fn beats(&self, new: &Standing, old: &Standing) -> bool {
        let topic = |standing: &Standing| self.topics.get(standing.topic as usize).map_or("", String::as_str);
        let (new_topic, old_topic) = (topic(new), topic(old));
        (new.revision, new.reported_at, new_topic, new.partition, new.offset)
            > (old.revision, old.reported_at, old_topic, old.partition, old.offset)
    }

    fn topic(&mut self, topic: &str) -> u32 {
        if let Some(number) = self.topics.iter().position(|known| known == topic) {
            return number as u32;
        }
        self.topics.push(topic.to_owned());
        self.topics.len() as u32 - 1
    }

    /// Takes a record's rows out of their groups and reports.
    fn forget(&mut self, key: u128, changed: &mut BTreeSet<Group>) {
        let Some(record) = self.records.remove(&key) else { return };
        for (number, (group, _)) in record.groups.iter().enumerate() {
            changed.insert(*group);
            if let Some(rows) = self.groups.get_mut(group) {
                rows.remove(&(key, number as u32));
                // An empty group would say which of two statements came first.
                if rows.is_empty() {
                    self.groups.remove(group);
                }
            }
            if let Some(facility) = group.facility
                && let Some(reports) = self.reports.get_mut(&(group.feed, facility, group.day))
            {
                reports.remove(&key);
            }
        }
    }

    fn note_reports(&mut self, key: u128, groups: &[(Group, Row)], report: Report) {
        for (group, _) in groups {
            if let Some(facility) = group.facility {
                self.reports.entry((group.feed, facility, group.day)).or_default().insert(key, report);
            }
        }
    }

    fn row(&mut self, columns: &Columns<'_>, row: usize) -> (Group, Row) {
        let names = &mut self.names;
        let mut optional =
            |column: &arrow::array::StringArray| column.is_valid(row).then(|| names.number(column.value(row)));
        let (facility, area) = (optional(columns.facility_id), optional(columns.area_code));
        let (person, slot, quality) = (optional(columns.person_key), optional(columns.slot), optional(columns.quality));
        let group = Group {
            signal: self.names.number(columns.signal.value(row)),
            day: Day(columns.event_date.value(row)),
            unit_kind: self.names.number(columns.unit_kind.value(row)),
            unit_id: self.names.number(columns.unit_id.value(row)),
            facility,
            area,
            feed: self.names.number(columns.feed.value(row)),
            kind: self.names.number(columns.kind.value(row)),
        };
        let flagged = quality.is_some_and(|flags| self.names.text(flags).split(',').any(|flag| flag == OUT_OF_RANGE));
        let counted = Row {
            value: columns.value.value(row),
            denominator: columns.denominator.is_valid(row).then(|| columns.denominator.value(row)),
            person,
            slot,
            quality,
            counts: !flagged,
            event_time: columns.event_time.value(row),
            known_at: columns.known_at.value(row),
        };
        (group, counted)
    }

    /// Topic, partition, offset and revision of the message that decides a record.
    pub fn message(&self, key: u128) -> Option<(&str, i32, i64, i64)> {
        let standing = &self.records.get(&key)?.standing;
        let topic = self.topics.get(standing.topic as usize)?;
        Some((topic, standing.partition, standing.offset, standing.revision))
    }

    /// Records that stand, retracted ones left out.
    pub fn len(&self) -> usize {
        self.records.values().filter(|record| !record.groups.is_empty()).count()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

macro_rules! columns {
    ($($name:ident: $array:ty),+ $(,)?) => {
        struct Columns<'a> { $($name: &'a $array),+ }

        impl<'a> Columns<'a> {
            fn of(batch: &'a RecordBatch) -> Result<Self> {
                Ok(Self { $($name: column(batch, stringify!($name))?),+ })
            }
        }
    };
}

columns! {
    feed: arrow::array::StringArray,
    kind: arrow::array::StringArray,
    topic: arrow::array::StringArray,
    partition: arrow::array::PrimitiveArray<Int32Type>,
    offset: arrow::array::PrimitiveArray<Int64Type>,
    record_key: arrow::array::StringArray,
    revision: arrow::array::PrimitiveArray<Int64Type>,
    operation: arrow::array::StringArray,
    signal: arrow::array::StringArray,
    unit_kind: arrow::array::StringArray,
    unit_id: arrow::array::StringArray,
    facility_id: arrow::array::StringArray,
    area_code: arrow::array::StringArray,
    event_time: arrow::array::PrimitiveArray<TimestampMicrosecondType>,
    event_date: arrow::array::PrimitiveArray<Date32Type>,
    reported_at: arrow::array::PrimitiveArray<TimestampMicrosecondType>,
    value: arrow::array::PrimitiveArray<Int64Type>,
    denominator: arrow::array::PrimitiveArray<Int64Type>,
    person_key: arrow::array::StringArray,
    slot: arrow::array::StringArray,
    quality: arrow::array::StringArray,
    known_at: arrow::array::PrimitiveArray<TimestampMicrosecondType>,
}

impl Columns<'_> {
    fn same_message(&self, one: usize, other: usize) -> bool {
        self.offset.value(one) == self.offset.value(other)
            && self.partition.value(one) == self.partition.value(other)
            && self.topic.value(one) == self.topic.value(other)
    }
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| Problem::new(codes::log::FILE_NOT_DECODED, "table signals", format!("column {name}")))
}
