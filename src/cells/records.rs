//! Which row of a record counts: duplicates, corrections, retractions, in any order.
//!
//! Promises: the state of a record is all rows of the message with the greatest
//! `(revision, reported_at, topic, partition, offset)`; a retraction leaves nothing. Feeding the same rows in any order,
//! once or twice, gives the same state.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ops::Range;

use arrow::array::{Array, RecordBatch};

use super::columns::{Columns, said};
use super::distinct::{Distinct, push};
use super::keys::Keys;
use super::meanings::Count;
use super::names::{Name, Names, hex_128};
use super::pages::{Pages, Room, Stored};
use super::reporters::Reporters;
use super::rows::{NONE, OfDay, Row, Rows, Series, What};
use crate::problem::Result;
use crate::terms::{Day, Operation};

/// Flag of rows that are kept out of counting.
const OUT_OF_RANGE: &str = "out_of_range";

/// Whence a message came and what kind of statement it is; a few hundred different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Source {
    topic: Name,
    partition: i32,
    operation: Name,
    /// It says that it is a zero report, or nothing but zero.
    is_zero: bool,
}

/// A record: who stands, and where its rows are.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    key: u128,
    revision: i64,
    reported_at: i64,
    offset: i64,
    /// When we first heard of it: a correction or a repeat does not make a report late, and a retraction tells nothing.
    heard_at: i64,
    /// When the message that stands became known.
    known_at: i64,
    source: u32,
    /// Its last row; none where it was retracted.
    last: u32,
}

impl Stored for Record {
    const BYTES: usize = 64;

    fn write(&self, to: &mut Vec<u8>) {
        self.key.write(to);
        let moments = [self.revision, self.reported_at, self.offset, self.heard_at, self.known_at];
        moments.iter().for_each(|moment| moment.write(to));
        [self.source, self.last].iter().for_each(|number| number.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let key = u128::read(from)?;
        let mut moment = || i64::read(from);
        let (revision, reported_at, offset) = (moment()?, moment()?, moment()?);
        let (heard_at, known_at) = (moment()?, moment()?);
        let (source, last) = (u32::read(from)?, u32::read(from)?);
        Some(Self { key, revision, reported_at, offset, heard_at, known_at, source, last })
    }
}

/// The message that stands for a record.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    pub key: u128,
    pub revision: i64,
    pub reported_at: i64,
    pub known_at: i64,
    pub topic: &'a str,
    pub partition: i32,
    pub offset: i64,
    pub operation: &'a str,
}

/// The current state of every record.
#[derive(Clone, Debug, Default)]
pub struct Records {
    pub names: Names,
    pub rows: Rows,
    pub reporters: Reporters,
    /// The reporter of each series; none where no facility is named.
    reporter_of: Vec<u32>,
    /// Topics are compared by text, so they are apart from the names, whose numbers say who came first.
    topics: Names,
    sources: Distinct<Source>,
    records: Pages<Record>,
    by_key: Keys,
    /// Records that are not retracted.
    standing: usize,
    /// Series and days whose rows are to be counted again.
    uncounted: Vec<(u32, Day)>,
    /// Newest `known_at` fed so far.
    pub known_until: i64,
}

impl Records {
    /// Nothing yet; old records and rows go where there is room.
    pub fn within(room: &Room) -> Self {
        Self { rows: Rows::within(room.clone()), records: Pages::within(room.clone()), ..Self::default() }
    }

    /// Feeds rows of `signals`; answers the series that changed, which are to be [counted](Self::count).
    /// Errors: old rows cannot be read.
    pub fn feed(&mut self, batch: &RecordBatch) -> Result<BTreeSet<u32>> {
        let columns = Columns::of(batch)?;
        let already = self.uncounted.len();
        let mut row = 0;
        while row < batch.num_rows() {
            // Rows of one message lie together; they win or lose together.
            let mut end = row + 1;
            while end < batch.num_rows() && columns.same_message(row, end) {
                end += 1;
            }
            self.feed_message(&columns, row..end)?;
            row = end;
        }
        self.records.make_room();
        self.rows.make_room();
        Ok(self.uncounted[already..].iter().map(|(series, _)| *series).collect())
    }

    /// Counts again what changed, each series by its rule.
    pub fn count(&mut self, rule: impl Fn(u32) -> Count) -> Result<()> {
        let mut uncounted = std::mem::take(&mut self.uncounted);
        uncounted.sort_unstable();
        uncounted.dedup();
        uncounted.into_iter().try_for_each(|(series, day)| self.rows.recount(series, day, rule(series)))
    }

    /// A series counts by another rule from now on.
    pub fn uncount(&mut self, series: u32) {
        self.uncounted.extend(self.rows.days(series).iter().map(|of_day| (series, of_day.day)));
    }

    fn feed_message(&mut self, columns: &Columns<'_>, rows: Range<usize>) -> Result<()> {
        let first = rows.start;
        let known_at = columns.known_at.value(first);
        self.known_until = self.known_until.max(known_at);
        let Some(key) = hex_128(columns.record_key.value(first)) else { return Ok(()) };
        let operation = columns.operation.value(first);
        let is_retracted = operation == Operation::Retract.word();
        let mut new = Record {
            key,
            revision: columns.revision.value(first),
            reported_at: columns.reported_at.value(first),
            offset: columns.offset.value(first),
            // A retraction that overtakes what it retracts is no report.
            heard_at: if is_retracted { i64::MAX } else { known_at },
            known_at,
            source: NONE,
            last: NONE,
        };
        let (topic, partition) = (columns.topic.value(first), columns.partition.value(first));
        let known = self.find(key)?;
        if let Some((number, old)) = known {
            new.heard_at = new.heard_at.min(old.heard_at);
            if self.compared(&new, topic, partition, &old) != Ordering::Greater {
                return self.heard_already(number, &old, new.heard_at);
            }
            self.forget(&old)?;
        }
        let is_zero = operation == Operation::Zero.word() || rows.clone().all(|row| columns.value.value(row) == 0);
        let number = known.map_or(self.records.len() as u32, |(number, _)| number);
        if !is_retracted {
            for row in rows {
                let (row, series, day) = self.row(columns, row, number);
                self.uncounted.push((series, day));
                new.last = self.rows.keep(&row, series, day, new.last)?;
                if let Some(reporter) = self.reporter(series) {
                    self.reporters.add(reporter, day, is_zero, new.heard_at);
                }
            }
        }
        let (topic, operation) = (self.topics.number(topic), self.names.number(operation));
        new.source = self.sources.number(Source { topic, partition, operation, is_zero });
        let stood = known.is_some_and(|(_, old)| old.last != NONE);
        self.standing = self.standing + usize::from(new.last != NONE) - usize::from(stood);
        if known.is_some() {
            return self.records.change(number, |record| *record = new);
        }
        self.records.push(new)?;
        self.by_key.insert(key, number);
        Ok(())
    }

    /// What decides which message about a record stands, compared from the first on.
    fn compared(&self, new: &Record, topic: &str, partition: i32, old: &Record) -> Ordering {
        let source = self.sources.get(old.source);
        (new.revision, new.reported_at, topic, partition, new.offset).cmp(&(
            old.revision,
            old.reported_at,
            self.topics.text(source.topic),
            source.partition,
            old.offset,
        ))
    }

    /// What does not stand may still be the first that we heard.
    fn heard_already(&mut self, number: u32, record: &Record, at: i64) -> Result<()> {
        if at >= record.heard_at {
            return Ok(());
        }
        self.records.change(number, |record| record.heard_at = at)?;
        for (series, day) in self.rows.of_message(record.last)? {
            if let Some(reporter) = self.reporter(series) {
                let heard = self.reporters.on(reporter, day).map_or(at, |said| said.heard_at.min(at));
                self.reporters.heard(reporter, day, heard);
            }
        }
        Ok(())
    }

    /// Takes a record's rows out of their series and reports.
    fn forget(&mut self, record: &Record) -> Result<()> {
        let is_zero = self.sources.get(record.source).is_zero;
        let mut asked = Vec::new();
        let mut next = record.last;
        while next != NONE {
            let (series, day, before) = self.rows.forget(next)?;
            self.uncounted.push((series, day));
            next = before;
            if let Some(reporter) = self.reporter(series)
                && self.reporters.take(reporter, day, is_zero, record.heard_at)
            {
                asked.push((reporter, day));
            }
        }
        asked.sort_unstable();
        asked.dedup();
        for (reporter, day) in asked {
            let mut first = None;
            for series in self.reporters.series(reporter) {
                for row in self.rows.on(*series, day)? {
                    let heard_at = self.records.get(row.record)?.heard_at;
                    first = Some(first.map_or(heard_at, |first: i64| first.min(heard_at)));
                }
            }
            if let Some(heard_at) = first {
                self.reporters.heard(reporter, day, heard_at);
            }
        }
        Ok(())
    }

    fn reporter(&self, series: u32) -> Option<u32> {
        self.reporter_of.get(series as usize).copied().filter(|reporter| *reporter != NONE)
    }

    fn row(&mut self, columns: &Columns<'_>, at: usize, record: u32) -> (Row, u32, Day) {
        let names = &mut self.names;
        let mut optional = |column| said(column, at).map(|text| names.number(text));
        let (facility, area) = (optional(columns.facility_id), optional(columns.area_code));
        let (slot, quality) = (optional(columns.slot), optional(columns.quality));
        let person = said(columns.person_key, at).map(|token| names.person(token));
        let series = Series {
            signal: names.number(columns.signal.value(at)),
            unit_kind: names.number(columns.unit_kind.value(at)),
            unit_id: names.number(columns.unit_id.value(at)),
            facility,
            area,
            feed: names.number(columns.feed.value(at)),
            kind: names.number(columns.kind.value(at)),
        };
        let flagged = quality.is_some_and(|flags| names.text(flags).split(',').any(|flag| flag == OUT_OF_RANGE));
        let what = What {
            value: columns.value.value(at),
            denominator: columns.denominator.is_valid(at).then(|| columns.denominator.value(at)),
            slot,
            quality,
            counts: !flagged,
        };
        let number = self.series(series);
        (
            Row { what, person, event_time: columns.event_time.value(at), record },
            number,
            Day(columns.event_date.value(at)),
        )
    }

    fn series(&mut self, series: Series) -> u32 {
        let number = self.rows.series(series);
        if number as usize == self.reporter_of.len() {
            let reporter = series.facility.map(|facility| self.reporters.number(series.feed, facility, number));
            push(&mut self.reporter_of, reporter.unwrap_or(NONE));
        }
        number
    }

    /// The message that stands for a record, and may have retracted it.
    pub fn standing(&self, key: u128) -> Result<Option<Statement<'_>>> {
        Ok(self.find(key)?.map(|(_, record)| self.statement(&record)))
    }

    fn find(&self, key: u128) -> Result<Option<(u32, Record)>> {
        for number in self.by_key.candidates(key) {
            let record = self.records.get(number)?;
            if record.key == key {
                return Ok(Some((number, record)));
            }
        }
        Ok(None)
    }

    /// The message that stands for a record.
    pub fn statement(&self, record: &Record) -> Statement<'_> {
        let source = self.sources.get(record.source);
        Statement {
            key: record.key,
            revision: record.revision,
            reported_at: record.reported_at,
            known_at: record.known_at,
            topic: self.topics.text(source.topic),
            partition: source.partition,
            offset: record.offset,
            operation: self.names.text(source.operation),
        }
    }

    /// The rows of one series and day that a reader wants, each with its record, by record key and place in the message.
    /// Errors: old rows cannot be read.
    pub fn rows_in_order(&self, of_day: OfDay, is_wanted: impl Fn(&Row) -> bool) -> Result<Vec<(Row, Record)>> {
        let rows = self.rows.of_day(of_day)?;
        // They come last one first; those of one message keep their order.
        let wanted = rows.into_iter().rev().filter(is_wanted);
        let mut rows = wanted.map(|row| Ok((row, self.records.get(row.record)?))).collect::<Result<Vec<_>>>()?;
        rows.sort_by_cached_key(|(_, record)| record.key);
        Ok(rows)
    }

    /// Every series that is wanted with its days `from ..= until`, by signal, day and the rest of the series.
    pub fn groups(&self, from: Day, until: Day, is_wanted: impl Fn(u32, &Series) -> bool) -> Vec<(Series, OfDay)> {
        let mut groups = Vec::new();
        for number in 0..self.rows.series.len() as u32 {
            let series = self.rows.series.get(number);
            if is_wanted(number, &series) {
                let days = self.rows.days_within(number, from, until);
                groups.extend(days.iter().map(|of_day| (series, *of_day)));
            }
        }
        groups.sort_unstable_by_key(|(series, of_day)| (series.signal, of_day.day, *series));
        groups
    }

    /// The first day that any row is about.
    pub fn first_day(&self) -> Option<Day> {
        let series = 0..self.rows.series.len() as u32;
        series.filter_map(|series| self.rows.days(series).first()).map(|of_day| of_day.day).min()
    }

    /// Records that stand, retracted ones left out.
    pub const fn len(&self) -> usize {
        self.standing
    }

    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
