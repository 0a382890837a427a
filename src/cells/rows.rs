//! Rows of winning messages, in one list: linked by record, and by series and day.
//!
//! Promises: 56 bytes a row, in memory while it is young; a place that was freed is used again. What a day is worth is
//! known without its rows. Never: promises an order; who shows rows sorts them.

use super::distinct::{Distinct, push};
use super::meanings::Count;
use super::names::{Name, Person};
use super::pages::{Pages, Room, Stored};
use super::worth::{Worth, worth};
use crate::problem::Result;
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
    day: i32,
    what: u32,
    person: (Name, [u8; 16]),
    /// The row before it in its message.
    before: u32,
    /// Its neighbours of one series and day; in a free place, `next` is the next free one.
    next: u32,
    previous: u32,
}

impl Stored for Kept {
    const BYTES: usize = 56;

    fn write(&self, to: &mut Vec<u8>) {
        self.event_time.write(to);
        self.day.write(to);
        to.extend_from_slice(&self.person.1);
        let numbers = [self.record, self.series, self.what, self.person.0, self.before, self.next, self.previous];
        numbers.iter().for_each(|number| number.write(to));
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let (event_time, day) = (i64::read(from)?, i32::read(from)?);
        let (digest, rest) = from.split_first_chunk()?;
        *from = rest;
        let mut number = || u32::read(from);
        let (record, series, what, key) = (number()?, number()?, number()?, number()?);
        let (before, next, previous) = (number()?, number()?, number()?);
        Some(Self { event_time, record, series, day, what, person: (key, *digest), before, next, previous })
    }
}

/// The rows of one series and day.
#[derive(Clone, Copy, Debug)]
pub struct OfDay {
    pub day: Day,
    first: u32,
    /// The number of what they are worth; none until they are counted.
    worth: u32,
}

#[derive(Clone, Debug)]
pub struct Rows {
    whats: Distinct<What>,
    worths: Distinct<Worth>,
    pub series: Distinct<Series>,
    /// Of each series, its days with rows in order.
    days: Vec<Vec<OfDay>>,
    rows: Pages<Kept>,
    free: u32,
    /// How many rows there are, free places not counted.
    pub count: usize,
}

impl Default for Rows {
    fn default() -> Self {
        Self::within(Room::default())
    }
}

impl Rows {
    pub fn within(room: Room) -> Self {
        let (whats, worths, series) = (Distinct::default(), Distinct::default(), Distinct::default());
        Self { whats, worths, series, days: Vec::new(), rows: Pages::within(room), free: NONE, count: 0 }
    }

    /// The number of a series, a new one if it has none.
    pub fn series(&mut self, series: Series) -> u32 {
        let number = self.series.number(series);
        if number as usize == self.days.len() {
            push(&mut self.days, Vec::new());
        }
        number
    }

    /// Keeps a row behind `before` in its message; answers its number. Errors: old rows cannot be read.
    pub fn keep(&mut self, row: &Row, series: u32, day: Day, before: u32) -> Result<u32> {
        let days = &self.days[series as usize];
        let at = match days.last() {
            Some(last) if last.day < day => Err(days.len()),
            Some(_) | None => days.binary_search_by_key(&day, |of_day| of_day.day),
        };
        let next = at.map_or(NONE, |at| days[at].first);
        let kept = Kept {
            event_time: row.event_time,
            record: row.record,
            series,
            day: day.0,
            what: self.whats.number(row.what),
            person: Person::packed(row.person),
            before,
            next,
            previous: NONE,
        };
        let number = match self.free {
            NONE => {
                self.rows.push(kept)?;
                self.rows.len() as u32 - 1
            }
            free => {
                self.rows.change(free, |place| self.free = std::mem::replace(place, kept).next)?;
                free
            }
        };
        let days = &mut self.days[series as usize];
        match at {
            Ok(at) => days[at].first = number,
            Err(at) => insert(days, at, OfDay { day, first: number, worth: NONE }),
        }
        if next != NONE {
            self.rows.change(next, |next| next.previous = number)?;
        }
        self.count += 1;
        Ok(number)
    }

    /// Takes a row out; answers where it stood, and the row before it in its message.
    pub fn forget(&mut self, number: u32) -> Result<(u32, Day, u32)> {
        let Kept { series, day, before, next, previous, .. } = self.rows.get(number)?;
        if next != NONE {
            self.rows.change(next, |next| next.previous = previous)?;
        }
        if previous == NONE {
            self.first_is(next, series, Day(day));
        } else {
            self.rows.change(previous, |previous| previous.next = next)?;
        }
        self.rows.change(number, |place| place.next = self.free)?;
        self.free = number;
        self.count -= 1;
        Ok((series, Day(day), before))
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

    /// Counts again what the rows of a series on one day are worth.
    pub fn recount(&mut self, series: u32, day: Day, rule: Count) -> Result<()> {
        let Ok(at) = self.days(series).binary_search_by_key(&day, |of_day| of_day.day) else { return Ok(()) };
        let worth = worth(rule, &self.of_day(self.days(series)[at])?);
        self.days[series as usize][at].worth = self.worths.number(worth);
        Ok(())
    }

    /// What the rows of a day that was counted are worth.
    pub fn worth(&self, of_day: OfDay) -> Worth {
        self.worths.get(of_day.worth)
    }

    /// What is too much for memory goes into the file.
    pub fn make_room(&mut self) {
        self.rows.make_room();
    }

    /// Where the rows of a message stand, the last one first.
    pub fn of_message(&self, last: u32) -> Result<Vec<(u32, Day)>> {
        let (mut places, mut next) = (Vec::new(), last);
        while next != NONE {
            let row = self.rows.get(next)?;
            places.push((row.series, Day(row.day)));
            next = row.before;
        }
        Ok(places)
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

    /// The rows of one series and day, the last one that came first. Errors: old rows cannot be read.
    pub fn of_day(&self, of_day: OfDay) -> Result<Vec<Row>> {
        let (mut rows, mut next) = (Vec::new(), of_day.first);
        while next != NONE {
            let kept = self.rows.get(next)?;
            let (what, person) = (self.whats.get(kept.what), Person::unpacked(kept.person));
            rows.push(Row { what, person, event_time: kept.event_time, record: kept.record });
            next = kept.next;
        }
        Ok(rows)
    }

    /// The rows of a series on one day, which may have none.
    pub fn on(&self, series: u32, day: Day) -> Result<Vec<Row>> {
        let days = self.days(series);
        let found = days.binary_search_by_key(&day, |of_day| of_day.day).ok();
        found.map_or(Ok(Vec::new()), |at| self.of_day(days[at]))
    }
}

/// Puts a value in its place in a list that grows by an eighth.
pub fn insert<T>(list: &mut Vec<T>, at: usize, value: T) {
    push(list, value);
    list[at..].rotate_right(1);
}
