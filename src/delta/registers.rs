//! Registers and code lists as an edition holds them: who exists where, who must report when, what a code means today.
//!
//! Promises: an area code of any year leads to today's code; a day is open or closed by the calendar's last matching line.
//! Never: guesses a facility, an area or a neighbour that no register names.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use serde::Deserialize;

use super::edition::Edition;
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// Classes of the texts that are read here.
pub const CLASS_CODE: &str = "code";
pub const CLASS_REGISTER: &str = "register";

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registers {
    pub areas: BTreeMap<String, Area>,
    pub facilities: BTreeMap<String, Facility>,
    pub expected: Vec<Expected>,
    pub calendars: BTreeMap<String, Vec<Span>>,
    /// Unit kind → whether its rows count for the facility and area above it.
    pub rolls_up: BTreeMap<String, bool>,
    pub symptoms: BTreeMap<String, String>,
    owed: OwedByDay,
}

/// One report that is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Its place in [`Registers::duties`].
    pub duty: usize,
    /// Microseconds UTC.
    pub due_at: i64,
}

/// A facility that may owe reports of a feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    pub facility_id: String,
    pub feed: String,
}

/// What is owed on each day that was asked for: a register never changes, an edition makes a new one.
#[derive(Debug, Default)]
struct OwedByDay {
    duties: OnceLock<Vec<Duty>>,
    days: Mutex<BTreeMap<Day, Arc<Vec<Owed>>>>,
}

impl Clone for OwedByDay {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for OwedByDay {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Area {
    pub level: String,
    pub parent: Option<String>,
    pub valid_from: Option<Day>,
    pub valid_to: Option<Day>,
    pub replaced_by: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Facility {
    pub kind: String,
    pub area_code: String,
    pub calendar_id: String,
    /// `feed/kind` that count where a feed has several.
    pub authoritative: Vec<String>,
    pub active_from: Option<Day>,
    pub active_to: Option<Day>,
}

/// Who owes a report of a feed, and until when on the day itself.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    pub facility_kind: String,
    pub facility_id: String,
    pub feed: String,
    /// Minutes after local midnight, grace included.
    pub due_minute: i64,
    pub valid_from: Option<Day>,
    pub valid_to: Option<Day>,
}

/// A stretch of a calendar.
#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub from: Option<Day>,
    pub to: Option<Day>,
    /// Digits 1 (Monday) to 7 (Sunday).
    pub weekdays: String,
    pub open: bool,
}

/// Where an area code leads: town, county and prefecture by today's codes, as far as known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lineage<'a> {
    pub town: Option<&'a str>,
    pub county: Option<&'a str>,
    pub prefecture: Option<&'a str>,
}

/// Replacements of an area code followed at most this far: a register with a circle must not hang us.
const REPLACEMENTS_MAX: usize = 8;

impl Registers {
    /// Reads the registers of an edition; a list that is not there is empty.
    pub fn of(edition: &Edition) -> Result<Self> {
        let mut registers = Self::default();
        for (file, body) in edition.of(CLASS_CODE).chain(edition.of(CLASS_REGISTER)) {
            match file {
                "areas" => rows(file, body)?.into_iter().for_each(|row: AreaRow| registers.add_area(row)),
                "facilities" => rows(file, body)?.into_iter().for_each(|row: FacilityRow| registers.add_facility(row)),
                "expected_reports" => registers.expected = rows(file, body)?.into_iter().filter_map(expected).collect(),
                "calendars" => rows(file, body)?.into_iter().for_each(|row: SpanRow| registers.add_span(row)),
                "unit_kinds" => {
                    let kinds: Vec<UnitKindRow> = rows(file, body)?;
                    registers.rolls_up = kinds.into_iter().map(|row| (row.unit_kind, row.rolls_up == "yes")).collect();
                }
                "symptoms" => {
                    let symptoms: Vec<SymptomRow> = rows(file, body)?;
                    registers.symptoms = symptoms.into_iter().map(|row| (row.symptom, row.syndrome)).collect();
                }
                _ => {}
            }
        }
        Ok(registers)
    }

    /// Whether some edition of the area list has the code.
    pub fn knows_area(&self, code: &str) -> bool {
        self.areas.contains_key(code)
    }

    /// Today's code of an area that was called `code` on `day`; `None` if it was not in use then.
    pub fn area_at(&self, code: &str, day: Day) -> Option<&str> {
        let area = self.areas.get(code)?;
        let in_use = area.valid_from.is_none_or(|from| from <= day) && area.valid_to.is_none_or(|to| day <= to);
        in_use.then(|| self.today(code)).flatten()
    }

    /// Today's code of an area, following its replacements.
    pub fn today(&self, code: &str) -> Option<&str> {
        let (mut code, mut area) = self.areas.get_key_value(code)?;
        for _ in 0..REPLACEMENTS_MAX {
            let Some(next) = &area.replaced_by else { return Some(code) };
            (code, area) = self.areas.get_key_value(next)?;
        }
        None
    }

    pub fn area_of(&self, facility_id: &str) -> Option<&str> {
        self.today(&self.facilities.get(facility_id)?.area_code)
    }

    /// The kind of a feed that counts for a facility, where the register states one.
    pub fn stated_kind(&self, facility_id: &str, feed: &str) -> Option<&str> {
        let mut stated = self.facilities.get(facility_id)?.authoritative.iter();
        stated.find_map(|entry| entry.split_once('/').filter(|(of, _)| *of == feed)).map(|(_, kind)| kind)
    }

    /// Town, county and prefecture above and including `code`.
    pub fn lineage(&self, code: &str) -> Lineage<'_> {
        let mut lineage = Lineage::default();
        let mut next = self.areas.get_key_value(code);
        for _ in 0..REPLACEMENTS_MAX {
            let Some((code, area)) = next else { break };
            match area.level.as_str() {
                "town" => lineage.town = Some(code),
                "county" => lineage.county = Some(code),
                "prefecture" => lineage.prefecture = Some(code),
                _ => {}
            }
            next = area.parent.as_ref().and_then(|parent| self.areas.get_key_value(parent));
        }
        lineage
    }

    /// The smallest area, a county at least, in which every registered facility lies: who runs us answers for it.
    pub fn home(&self) -> Option<&str> {
        let mut facilities = self.facilities.keys().filter_map(|id| self.line_of(self.area_of(id)?));
        let first = facilities.next()?;
        let shared = facilities.fold(first, |shared, next| {
            shared.into_iter().zip(next).take_while(|(one, other)| one == other).map(|(one, _)| one).collect()
        });
        shared.last().copied()
    }

    /// The areas above `code` and itself, the largest first, down to the county.
    fn line_of(&self, code: &str) -> Option<Vec<&str>> {
        let (mut code, mut area) = self.areas.get_key_value(code)?;
        let mut line = Vec::new();
        for _ in 0..REPLACEMENTS_MAX {
            if area.level != "town" {
                line.push(code.as_str());
            }
            let Some(above) = area.parent.as_ref().and_then(|parent| self.areas.get_key_value(parent)) else { break };
            (code, area) = above;
        }
        line.reverse();
        Some(line)
    }

    /// When the facility's report of `feed` for `day` is due, microseconds UTC; `None` if none is owed.
    pub fn due_at(&self, facility_id: &str, feed: &str, day: Day) -> Option<i64> {
        let facility = self.facilities.get(facility_id)?;
        let active = within(day, facility.active_from, facility.active_to) && self.is_open(&facility.calendar_id, day);
        let owed = self.expected.iter().rev().find(|expected| {
            expected.feed == feed
                && (expected.facility_id == facility_id
                    || (expected.facility_id.is_empty() && expected.facility_kind == facility.kind))
                && within(day, expected.valid_from, expected.valid_to)
        })?;
        active.then(|| day.at_minute(owed.due_minute))
    }

    /// Every facility with every feed that some line asks for, by facility and feed.
    pub fn duties(&self) -> &[Duty] {
        self.owed.duties.get_or_init(|| {
            let feeds = self.feeds_owed();
            let of =
                |facility_id: &String, feed: &&str| Duty { facility_id: facility_id.clone(), feed: (*feed).to_owned() };
            self.facilities.keys().flat_map(|facility_id| feeds.iter().map(move |feed| of(facility_id, feed))).collect()
        })
    }

    /// Every report owed for a day, by facility and feed.
    pub fn owed_on(&self, day: Day) -> Arc<Vec<Owed>> {
        let mut days = self.owed.days.lock().unwrap_or_else(PoisonError::into_inner);
        let owed = days.entry(day).or_insert_with(|| {
            let duties = self.duties().iter().enumerate();
            let owed = duties.filter_map(|(duty, Duty { facility_id, feed })| {
                Some(Owed { duty, due_at: self.due_at(facility_id, feed, day)? })
            });
            Arc::new(owed.collect())
        });
        owed.clone()
    }

    /// Feeds that some register line asks for.
    pub fn feeds_owed(&self) -> std::collections::BTreeSet<&str> {
        self.expected.iter().map(|expected| expected.feed.as_str()).collect()
    }

    fn is_open(&self, calendar_id: &str, day: Day) -> bool {
        let weekday = char::from_digit(day.weekday(), 10).unwrap_or('0');
        self.calendars
            .get(calendar_id)
            .and_then(|spans| {
                spans.iter().rev().find(|span| within(day, span.from, span.to) && span.weekdays.contains(weekday))
            })
            .is_none_or(|span| span.open)
    }

    fn add_area(&mut self, row: AreaRow) {
        let area = Area {
            level: row.level,
            parent: some(row.parent),
            valid_from: Day::parse(&row.valid_from),
            valid_to: Day::parse(&row.valid_to),
            replaced_by: some(row.replaced_by),
        };
        self.areas.insert(row.code, area);
    }

    fn add_facility(&mut self, row: FacilityRow) {
        let facility = Facility {
            kind: row.facility_kind,
            area_code: row.area_code,
            calendar_id: row.calendar_id,
            authoritative: row.authoritative.split_whitespace().map(str::to_owned).collect(),
            active_from: Day::parse(&row.active_from),
            active_to: Day::parse(&row.active_to),
        };
        self.facilities.insert(row.facility_id, facility);
    }

    fn add_span(&mut self, row: SpanRow) {
        let span = Span {
            from: Day::parse(&row.date_from),
            to: Day::parse(&row.date_to),
            weekdays: if row.weekdays.is_empty() { "1234567".to_owned() } else { row.weekdays },
            open: row.state == "open",
        };
        self.calendars.entry(row.calendar_id).or_default().push(span);
    }
}

fn within(day: Day, from: Option<Day>, to: Option<Day>) -> bool {
    from.is_none_or(|from| from <= day) && to.is_none_or(|to| day <= to)
}

fn some(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

fn expected(row: ExpectedRow) -> Option<Expected> {
    let (hour, minute) = row.due_time.split_once(':')?;
    let due = hour.parse::<i64>().ok()? * 60 + minute.parse::<i64>().ok()?;
    Some(Expected {
        facility_kind: row.facility_kind,
        facility_id: row.facility_id,
        feed: row.feed,
        due_minute: due + row.grace_minutes.parse::<i64>().unwrap_or(0),
        valid_from: Day::parse(&row.valid_from),
        valid_to: Day::parse(&row.valid_to),
    })
}

fn rows<T: for<'de> Deserialize<'de>>(file: &str, body: &str) -> Result<Vec<T>> {
    csv::Reader::from_reader(body.as_bytes())
        .deserialize()
        .collect::<std::result::Result<_, _>>()
        .map_err(|error| Problem::new(codes::log::REGISTER_UNREADABLE, format!("{file}.csv"), error.to_string()))
}

#[derive(Deserialize)]
struct AreaRow {
    code: String,
    level: String,
    parent: String,
    valid_from: String,
    valid_to: String,
    replaced_by: String,
}

#[derive(Deserialize)]
struct FacilityRow {
    facility_id: String,
    facility_kind: String,
    area_code: String,
    calendar_id: String,
    authoritative: String,
    active_from: String,
    active_to: String,
}

#[derive(Deserialize)]
struct ExpectedRow {
    facility_kind: String,
    facility_id: String,
    feed: String,
    due_time: String,
    grace_minutes: String,
    valid_from: String,
    valid_to: String,
}

#[derive(Deserialize)]
struct SpanRow {
    calendar_id: String,
    date_from: String,
    date_to: String,
    weekdays: String,
    state: String,
}

#[derive(Deserialize)]
struct UnitKindRow {
    unit_kind: String,
    rolls_up: String,
}

#[derive(Deserialize)]
struct SymptomRow {
    symptom: String,
    syndrome: String,
}
