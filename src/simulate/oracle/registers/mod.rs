//! Registers, code lists, contracts, packs and rule headers, as they were in force at one moment.
//!
//! Promises: the newest text of each name known by then; an empty text is a withdrawn one.

mod read;

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::weekday;
use super::rows::ReferenceRow;
use read::{csv_of, extends};

/// A facility that reports.
#[derive(Debug, Clone, Default)]
pub struct Facility {
    pub id: String,
    pub kind: String,
    pub area: String,
    pub calendar: String,
    /// `feed/kind` words: the kinds that count here.
    pub authoritative: BTreeSet<String>,
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// Who must report what, until when.
#[derive(Debug, Clone)]
pub struct Obligation {
    pub facility_kind: String,
    pub facility_id: String,
    pub feed: String,
    /// Minutes after local midnight, grace included.
    pub due_minutes: i64,
    pub from: Option<i64>,
    pub to: Option<i64>,
}

/// One row of a calendar.
#[derive(Debug, Clone)]
struct Season {
    from: Option<i64>,
    to: Option<i64>,
    weekdays: String,
    open: bool,
}

/// How one signal of one kind is counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SignalWord {
    pub syndrome: String,
    pub channel: String,
    pub weight_tenths: i64,
    pub count: String,
}

/// What a contract says about counting.
#[derive(Debug, Clone, Default)]
pub struct Contract {
    pub authoritative_default: bool,
    pub signals: BTreeMap<String, SignalWord>,
}

/// The head of a rule's text.
#[derive(Debug, Clone, Default)]
pub struct Header {
    pub words: BTreeMap<String, String>,
}

impl Header {
    pub fn word(&self, key: &str) -> &str {
        self.words.get(key).map_or("", String::as_str)
    }

    pub fn number(&self, key: &str, otherwise: i64) -> i64 {
        self.word(key).parse().unwrap_or(otherwise)
    }
}

/// Everything in force at one moment.
#[derive(Debug, Clone, Default)]
pub struct Registers {
    pub facilities: BTreeMap<String, Facility>,
    pub obligations: Vec<Obligation>,
    calendars: BTreeMap<String, Vec<Season>>,
    pub parents: BTreeMap<String, (String, String)>,
    replaced_by: BTreeMap<String, String>,
    pub neighbours: BTreeMap<String, BTreeSet<String>>,
    pub compatible: BTreeSet<(String, String)>,
    pub single_case: BTreeMap<String, bool>,
    pub rolls_up: BTreeMap<String, bool>,
    pub contracts: BTreeMap<(String, String), Contract>,
    pub parameters: BTreeMap<String, f64>,
    pub horizon_days: i64,
    pub headers: BTreeMap<String, Header>,
}

/// Days after which an alert's window is no longer judged, where no pack says otherwise.
const HORIZON_DAYS: i64 = 30;

/// The texts in force at `known_at`, by class and name.
fn in_force(reference: &[ReferenceRow], known_at: i64) -> BTreeMap<(&str, &str), &ReferenceRow> {
    let mut out: BTreeMap<(&str, &str), &ReferenceRow> = BTreeMap::new();
    for row in reference.iter().filter(|row| row.known_at <= known_at) {
        out.insert((&row.class, row.name.trim_end_matches(".csv")), row);
    }
    out.retain(|_, row| !row.body.is_empty());
    out
}

/// The newest `known_at` that matters at `known_at`: equal answers mean equal registers.
pub fn edition(reference: &[ReferenceRow], known_at: i64) -> i64 {
    reference.iter().map(|row| row.known_at).filter(|at| *at <= known_at).max().unwrap_or(i64::MIN)
}

impl Registers {
    /// The registers as of `known_at`.
    pub fn as_of(reference: &[ReferenceRow], known_at: i64) -> Result<Self, String> {
        let mut out = Self { horizon_days: HORIZON_DAYS, ..Self::default() };
        let texts = in_force(reference, known_at);
        let mut packs = Vec::new();
        for ((class, name), row) in &texts {
            let say = |why: String| format!("{class} {name}: {why}");
            match *class {
                "register" | "code" => out.take_list(name, &csv_of(&row.body).map_err(say)?),
                "feed" => out.take_contract(name, &row.body),
                "rule" => out.take_header(&row.body),
                "pack" => packs.push(row.body.parse::<toml::Table>().map_err(|e| say(e.to_string()))?),
                _ => {}
            }
        }
        // A pack that extends another has the last word.
        packs.sort_by_key(|pack| extends(pack).is_some());
        for pack in &packs {
            out.take_pack(pack);
        }
        Ok(out)
    }

    /// Today's code of an area.
    pub fn current<'a>(&'a self, code: &'a str) -> &'a str {
        let mut code = code;
        // Codes are replaced a few times in a century; a ring in the list must not hang the judge.
        for _ in 0..8 {
            match self.replaced_by.get(code) {
                Some(new) => code = new,
                None => break,
            }
        }
        code
    }

    /// The county of an area; an unknown code is cut to six digits.
    pub fn county_of(&self, code: &str) -> String {
        let mut code = self.current(code);
        for _ in 0..8 {
            match self.parents.get(code) {
                Some((level, _)) if level == "county" => return code.to_owned(),
                Some((_, parent)) if code.len() > 6 => code = parent,
                Some(_) | None => break,
            }
        }
        code.get(..6).unwrap_or(code).to_owned()
    }

    /// The prefecture of a county; an unknown code is cut to four digits.
    pub fn prefecture_of(&self, county: &str) -> String {
        let parent = self.parents.get(county).map(|(_, parent)| parent.clone());
        parent.unwrap_or_else(|| format!("{}00", county.get(..4).unwrap_or(county)))
    }

    /// Whether a calendar has the day open: the last row that matches decides, no row means open.
    fn is_open(&self, calendar: &str, day: i64) -> bool {
        let digit = weekday(day).to_string();
        let seasons = self.calendars.get(calendar).map(Vec::as_slice).unwrap_or_default();
        let matches = |s: &&Season| s.weekdays.contains(&digit) && within(day, s.from, s.to);
        seasons.iter().rev().find(matches).is_none_or(|season| season.open)
    }

    /// Minutes after local midnight at which the facility's report for `feed` and `day` is missing; none if not due.
    pub fn due(&self, facility: &Facility, feed: &str, day: i64) -> Option<i64> {
        if !within(day, facility.from, facility.to) || !self.is_open(&facility.calendar, day) {
            return None;
        }
        let applies = |o: &&Obligation| {
            let whose = o.facility_id == facility.id || (o.facility_id.is_empty() && o.facility_kind == facility.kind);
            o.feed == feed && whose && within(day, o.from, o.to)
        };
        let mine = self.obligations.iter().filter(applies);
        mine.max_by_key(|o| !o.facility_id.is_empty()).map(|o| o.due_minutes)
    }

    /// Whether rows of this kind and signal count at this facility: one kind of those that can say the signal, never two.
    pub fn counts(&self, feed: &str, kind: &str, signal: &str, facility: Option<&str>) -> bool {
        let saying: Vec<(&str, bool)> = (self.contracts.iter())
            .filter(|((of, _), contract)| of == feed && contract.signals.contains_key(signal))
            .map(|((_, kind), contract)| (&**kind, contract.authoritative_default))
            .collect();
        let told = facility.and_then(|id| self.facilities.get(id)).map(|facility| &facility.authoritative);
        let named = |kind: &str| told.is_some_and(|words| words.contains(&format!("{feed}/{kind}")));
        let chosen = (saying.iter().find(|(kind, _)| named(kind)))
            .or(saying.iter().find(|(_, is_default)| *is_default))
            .or(saying.first());
        chosen.is_none_or(|(chosen, _)| *chosen == kind)
    }

    /// How a signal of a feed and kind is counted.
    pub fn signal(&self, feed: &str, kind: &str, signal: &str) -> Option<&SignalWord> {
        self.contracts.get(&(feed.to_owned(), kind.to_owned()))?.signals.get(signal)
    }

    /// What any contract says about a signal.
    pub fn any_signal(&self, signal: &str) -> Option<(&str, &SignalWord)> {
        self.contracts.iter().find_map(|((feed, _), contract)| Some((&**feed, contract.signals.get(signal)?)))
    }

    /// A rule's parameter.
    pub fn parameter(&self, name: &str) -> Result<f64, String> {
        self.parameters.get(name).copied().ok_or_else(|| format!("no pack has the parameter {name}"))
    }
}

fn within(day: i64, from: Option<i64>, to: Option<i64>) -> bool {
    from.is_none_or(|from| day >= from) && to.is_none_or(|to| day <= to)
}
