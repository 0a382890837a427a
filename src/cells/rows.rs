//! Rows of winning messages, in one list: linked by record, and by series and day.
//!
//! Promises: forty bytes a row; a place that was freed is used again. Never: promises an order; who shows rows sorts them.

use super::distinct::{Distinct, push};
use super::names::{Name, Person};
use crate::terms::Day;

/// No row, no record, no series.
pub const NONE: u32 = u32::MAX;

/// What rows of one day are counted together: one unit and signal, of one kind, facility and area.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub signal: Name,
    pub unit_kind: Name,
    pub unit_id: Name,
    pub facility: Option<Name>,
    pub area: Option<Name>,
    pub feed: Name,
    pub kind: Name,
}

/// What a row says apart from whom it is about; most say one of a few hundred things.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct What {
    pub value: i64,
    pub denominator: Option<i64>,
    pub slot: Option<Name>,
    pub quality: Option<Name>,
    pub counts: bool,
}

/// One row of a winning message.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub what: What,
    pub person: Option<Person>,
    pub event_time: i64,
    /// The number of its record.
    pub record: u32,
}

#[derive(Clone, Copy, Debug)]
struct Kept {
    event_time: i64,
    record: u32,
    series: u32,
    day: Day,
    person: u32,
    what: u32,
    /// The row before it in its message.
    before: u32,
    /// Its neighbours of one series and day; in a free place, `next` is the next free one.
    next: u32,
    previous: u32,
}

/// The rows of one series and day.
#[derive(Clone, Copy, Debug)]
pub struct OfDay {
    pub day: Day,
    first: u32,
}

#[derive(Clone, Debug)]
pub struct Rows {
    whats: Distinct<What>,
    pub series: Distinct<Series>,
    /// Of each series, its days with rows in order.
    days: Vec<Vec<OfDay>>,
    rows: Vec<Kept>,
    free: u32,
    /// How many rows there are, free places not counted.
    pub count: usize,
}

impl Default for Rows {
    fn default() -> Self {
        let (whats, series) = (Distinct::default(), Distinct::default());
        Self { whats, series, days: Vec::new(), rows: Vec::new(), free: NONE, count: 0 }
    }
}

impl Rows {
    /// The number of a series, a new one if it has none.
    pub fn series(&mut self, series: Series) -> u32 {
        let number = self.series.number(series);
        if number as usize == self.days.len() {
            push(&mut self.days, Vec::new());
        }
        number
    }

    /// Keeps a row behind `before` in its message; answers its number.
    pub fn keep(&mut self, row: &Row, series: u32, day: Day, before: u32) -> u32 {
        let days = &mut self.days[series as usize];
        let at = match days.last() {
            Some(last) if last.day < day => Err(days.len()),
            Some(_) | None => days.binary_search_by_key(&day, |of_day| of_day.day),
        };
        let next = at.map_or(NONE, |at| days[at].first);
        let kept = Kept {
            event_time: row.event_time,
            record: row.record,
            series,
            day,
            person: Person::packed(row.person),
            what: self.whats.number(row.what),
            before,
            next,
            previous: NONE,
        };
        let number = self.free;
        let number = match self.rows.get_mut(number as usize) {
            Some(place) => {
                self.free = std::mem::replace(place, kept).next;
                number
            }
            None => {
                push(&mut self.rows, kept);
                self.rows.len() as u32 - 1
            }
        };
        let days = &mut self.days[series as usize];
        match at {
            Ok(at) => days[at].first = number,
            Err(at) => insert(days, at, OfDay { day, first: number }),
        }
        if let Some(next) = self.rows.get_mut(next as usize) {
            next.previous = number;
        }
        self.count += 1;
        number
    }

    /// Takes a row out; answers where it stood, and the row before it in its message.
    pub fn forget(&mut self, number: u32) -> (u32, Day, u32) {
        let Kept { series, day, before, next, previous, .. } = self.rows[number as usize];
        if let Some(next) = self.rows.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.rows.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => self.first_is(next, series, day),
        }
        self.rows[number as usize].next = self.free;
        self.free = number;
        self.count -= 1;
        (series, day, before)
    }

    /// A day without rows is gone: it would say which of two statements came first.
    fn first_is(&mut self, first: u32, series: u32, day: Day) {
        let days = &mut self.days[series as usize];
        let Ok(at) = days.binary_search_by_key(&day, |of_day| of_day.day) else { return };
        if first == NONE {
            days.remove(at);
        } else {
            days[at].first = first;
        }
    }

    /// Where the rows of a message stand, the last one first.
    pub fn of_message(&self, last: u32) -> impl Iterator<Item = (u32, Day)> {
        let mut next = last;
        std::iter::from_fn(move || {
            let row = self.rows.get(next as usize)?;
            next = row.before;
            Some((row.series, row.day))
        })
    }

    /// The days of a series that have rows, in order.
    pub fn days(&self, series: u32) -> &[OfDay] {
        &self.days[series as usize]
    }

    /// Those from `from` to `until`.
    pub fn days_within(&self, series: u32, from: Day, until: Day) -> &[OfDay] {
        let days = self.days(series);
        let end = days.partition_point(|of_day| of_day.day <= until);
        let begin = days[..end].partition_point(|of_day| of_day.day < from);
        &days[begin..end]
    }

    /// The rows of one series and day, the last one that came first.
    pub fn of_day(&self, of_day: OfDay) -> impl Iterator<Item = Row> {
        let mut next = of_day.first;
        std::iter::from_fn(move || {
            let row = self.rows.get(next as usize)?;
            next = row.next;
            let what = self.whats.get(row.what);
            Some(Row { what, person: Person::unpacked(row.person), event_time: row.event_time, record: row.record })
        })
    }

    /// The rows of a series on one day, which may have none.
    pub fn on(&self, series: u32, day: Day) -> impl Iterator<Item = Row> {
        let days = self.days(series);
        let found = days.binary_search_by_key(&day, |of_day| of_day.day).ok();
        found.into_iter().flat_map(move |at| self.of_day(days[at]))
    }
}

/// Puts a value in its place in a list that grows by an eighth.
pub fn insert<T>(list: &mut Vec<T>, at: usize, value: T) {
    push(list, value);
    list[at..].rotate_right(1);
}
