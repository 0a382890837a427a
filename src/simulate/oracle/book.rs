//! The counting book: winning statements by record, and every count that follows from them.
//!
//! Promises: after `advance(t)` it holds what the rows known by `t` say and nothing else; a key that a statement
//! touched is counted again from all its rows, never adjusted.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::Stored;
use super::registers::Registers;
use super::rows::{Key, Origin, SignalRow, Text};

/// One base unit, signal and day, as one feed and kind tell it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseKey {
    pub signal: Text,
    pub unit_kind: Text,
    pub unit_id: Text,
    pub day: i64,
    pub feed: Text,
    pub kind: Text,
    pub facility: Option<Text>,
    /// Today's code of the finest area known.
    pub area: String,
}

/// What was counted under a base key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Count {
    pub count: i64,
    pub denominator: Option<i64>,
    /// Those who are known one by one.
    pub persons: BTreeSet<Key>,
    /// The number is a total of all who are ill, not of those who fell ill that day.
    pub is_total: bool,
}

/// A sum over base units.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub count: i64,
    pub denominator: Option<i64>,
    pub parts: usize,
}

/// A unit that base units roll up into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SumKey {
    pub signal: Text,
    pub unit_kind: &'static str,
    pub unit_id: String,
    pub day: i64,
}

/// Who reported: facility, feed, day → its messages, each with "nothing but zero".
pub type Reports = BTreeMap<(Text, Text, i64), BTreeMap<u32, bool>>;

/// The book over some messages.
pub struct Book<'a> {
    rows: &'a [SignalRow],
    messages: &'a [Stored],
    pub registers: &'a Registers,
    /// Messages by `known_at`, the order in which they are taken in.
    order: Vec<u32>,
    taken: usize,
    /// The record of each message by number, and the message that stands for each record.
    record: Vec<u32>,
    winner: Vec<Option<u32>>,
    sources: BTreeMap<BaseKey, BTreeSet<u32>>,
    pub base: BTreeMap<BaseKey, Count>,
    pub sums: BTreeMap<SumKey, Sum>,
    pub reports: Reports,
    /// County, feed, day → facilities that reported.
    pub heard: BTreeMap<(String, Text, i64), BTreeSet<Text>>,
}

impl<'a> Book<'a> {
    pub fn new(rows: &'a [SignalRow], messages: &'a [Stored], registers: &'a Registers) -> Self {
        let mut order: Vec<u32> = (0..messages.len() as u32).collect();
        order.sort_by_key(|i| messages[*i as usize].commit.known_at);
        Self {
            rows,
            messages,
            registers,
            order,
            taken: 0,
            winner: vec![None; messages.len()],
            record: records(messages),
            sources: BTreeMap::new(),
            base: BTreeMap::new(),
            sums: BTreeMap::new(),
            reports: BTreeMap::new(),
            heard: BTreeMap::new(),
        }
    }

    /// The sums of one signal over one kind of unit, by unit and day.
    pub fn sums_of<'b>(
        &'b self,
        signal: &'b str,
        unit_kind: &'static str,
    ) -> impl Iterator<Item = (&'b SumKey, &'b Sum)> {
        let from = SumKey { signal: Text::from(signal), unit_kind, unit_id: String::new(), day: i64::MIN };
        let same = move |key: &SumKey| *key.signal == *signal && key.unit_kind == unit_kind;
        self.sums.range(from..).take_while(move |(key, _)| same(key))
    }

    /// Takes in every message known by `until`.
    pub fn advance(&mut self, until: i64) {
        let mut touched = BTreeSet::new();
        while let Some(index) = self.order.get(self.taken).copied() {
            if self.messages[index as usize].commit.known_at > until {
                break;
            }
            self.taken += 1;
            self.take(index, &mut touched);
        }
        for key in touched {
            self.recount(key);
        }
    }

    fn take(&mut self, index: u32, touched: &mut BTreeSet<BaseKey>) {
        let message = &self.messages[index as usize];
        let record = self.record[index as usize] as usize;
        let before = self.winner[record];
        if before.is_some_and(|at| self.messages[at as usize].rank() >= message.rank()) {
            return;
        }
        if let Some(old) = before {
            self.put(old, false, touched);
        }
        self.winner[record] = Some(index);
        self.put(index, true, touched);
    }

    /// Adds or takes away what a statement says. A retraction says nothing.
    fn put(&mut self, index: u32, adds: bool, touched: &mut BTreeSet<BaseKey>) {
        let message = &self.messages[index as usize];
        if message.retracts() {
            return;
        }
        let rows = &self.rows[message.rows()];
        let is_zero = &*message.origin.operation == "zero" || rows.iter().all(|row| row.value == 0);
        for (at, row) in (message.rows().start as u32..).zip(rows) {
            self.put_report(index, row, is_zero, adds);
            let Some(key) = self.key_of(row) else { continue };
            let sources = self.sources.entry(key.clone()).or_default();
            if adds {
                sources.insert(at);
            } else {
                sources.remove(&at);
            }
            touched.insert(key);
        }
    }

    fn put_report(&mut self, index: u32, row: &SignalRow, is_zero: bool, adds: bool) {
        let Some(facility) = row.facility_id.clone() else { return };
        let registered = self.registers.facilities.get(&*facility).map(|f| &*f.area);
        let county = registered.or(row.area_code.as_deref()).map(|area| self.registers.county_of(area));
        let key = (facility.clone(), row.stated.origin.feed.clone(), row.event_date);
        let messages = self.reports.entry(key.clone()).or_default();
        if adds {
            messages.insert(index, is_zero);
        } else {
            messages.remove(&index);
        }
        let gone = messages.is_empty();
        let heard =
            self.heard.entry((county.unwrap_or_default(), row.stated.origin.feed.clone(), row.event_date)).or_default();
        if gone {
            self.reports.remove(&key);
            heard.remove(&facility);
        } else {
            heard.insert(facility);
        }
    }

    /// The key a row counts under; none if it does not count.
    fn key_of(&self, row: &SignalRow) -> Option<BaseKey> {
        let out_of_range =
            row.quality.as_deref().is_some_and(|flags| flags.split(',').any(|f| f.trim() == "out_of_range"));
        let Origin { feed, kind, .. } = &*row.stated.origin;
        if out_of_range || !self.registers.counts(feed, kind, &row.signal, row.facility_id.as_deref()) {
            return None;
        }
        let registered = row.facility_id.as_deref().and_then(|id| self.registers.facilities.get(id));
        let area = row.area_code.as_deref().or(registered.map(|f| &*f.area)).unwrap_or_default();
        Some(BaseKey {
            signal: row.signal.clone(),
            unit_kind: row.unit_kind.clone(),
            unit_id: row.unit_id.clone(),
            day: row.event_date,
            feed: feed.clone(),
            kind: kind.clone(),
            facility: row.facility_id.clone(),
            area: self.registers.current(area).to_owned(),
        })
    }

    fn recount(&mut self, key: BaseKey) {
        if let Some(old) = self.base.remove(&key) {
            self.roll_up(&key, &old, -1);
        }
        let Some(sources) = self.sources.get(&key) else { return };
        if sources.is_empty() {
            self.sources.remove(&key);
            return;
        }
        let rows: Vec<&SignalRow> = sources.iter().map(|at| &self.rows[*at as usize]).collect();
        let said = self.registers.signal(&key.feed, &key.kind, &key.signal);
        let new = counted(said.map_or("sum", |word| &word.count), &rows);
        self.roll_up(&key, &new, 1);
        self.base.insert(key, new);
    }

    fn roll_up(&mut self, key: &BaseKey, count: &Count, sign: i64) {
        if !self.registers.rolls_up.get(&*key.unit_kind).copied().unwrap_or(&*key.unit_kind != "dormitory") {
            return;
        }
        let mut units: Vec<(&'static str, String)> = Vec::new();
        let facility = if &*key.unit_kind == "facility" { Some(&key.unit_id) } else { key.facility.as_ref() };
        units.extend(facility.map(|id| ("facility", id.to_string())));
        if !key.area.is_empty() {
            if key.area.len() > 6 {
                units.push(("town", key.area.clone()));
            }
            let county = self.registers.county_of(&key.area);
            units.push(("prefecture", self.registers.prefecture_of(&county)));
            units.push(("county", county));
        }
        for (unit_kind, unit_id) in units {
            let sum_key = SumKey { unit_kind, unit_id, signal: key.signal.clone(), day: key.day };
            let sum = self.sums.entry(sum_key.clone()).or_default();
            sum.count += sign * count.count;
            sum.parts = if sign > 0 { sum.parts + 1 } else { sum.parts.saturating_sub(1) };
            if let Some(denominator) = count.denominator {
                sum.denominator = Some(sum.denominator.unwrap_or(0) + sign * denominator);
            }
            if sum.parts == 0 {
                self.sums.remove(&sum_key);
            }
        }
    }
}

/// The record of each message: the number of one of its messages.
fn records(messages: &[Stored]) -> Vec<u32> {
    let mut by_key: Vec<u32> = (0..messages.len() as u32).collect();
    by_key.sort_by_key(|at| messages[*at as usize].record_key);
    let mut record = vec![0; messages.len()];
    for same in by_key.chunk_by(|a, b| messages[*a as usize].record_key == messages[*b as usize].record_key) {
        same.iter().for_each(|at| record[*at as usize] = same[0]);
    }
    record
}

/// Counts the rows of one base key by the contract's word.
fn counted(word: &str, rows: &[&SignalRow]) -> Count {
    match word {
        "distinct_persons" => {
            let sick = || rows.iter().filter(|row| row.value > 0);
            let persons: BTreeSet<Key> = sick().filter_map(|row| row.person_key).collect();
            let nameless: i64 = sick().filter(|row| row.person_key.is_none()).map(|row| row.value).sum();
            Count { count: persons.len() as i64 + nameless, denominator: greatest_of(rows), persons, is_total: false }
        }
        "greatest_slot" => {
            let mut slots: BTreeMap<&str, i64> = BTreeMap::new();
            for row in rows {
                *slots.entry(row.slot.as_deref().unwrap_or_default()).or_default() += row.value;
            }
            let greatest = slots.values().copied().max().unwrap_or(0);
            let totals_only = slots.keys().all(|slot| slot.ends_with("_total"));
            Count { count: greatest, denominator: greatest_of(rows), persons: BTreeSet::new(), is_total: totals_only }
        }
        _ => {
            let denominators: Vec<i64> = rows.iter().filter_map(|row| row.denominator).collect();
            let denominator = (!denominators.is_empty()).then(|| denominators.iter().sum());
            Count { count: rows.iter().map(|row| row.value).sum(), denominator, ..Count::default() }
        }
    }
}

fn greatest_of(rows: &[&SignalRow]) -> Option<i64> {
    rows.iter().filter_map(|row| row.denominator).max()
}
