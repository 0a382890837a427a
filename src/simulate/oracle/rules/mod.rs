//! The rules, read by their meaning and counted in plain loops.
//!
//! Promises: every window that fires, from integers; parameters and headers come from the packs in force.
//! Never: reads a rule's SQL. A rule whose text was changed is judged by the meaning written here.

mod duties;
mod ears;
mod elsewhere;
mod school;

pub use duties::SILENCE_DAYS;

use super::book::Book;
use super::calendar::local_day;
use super::duty::Duty;
use super::registers::Registers;
use super::rows::Text;

/// What a rule sees at a tick.
pub struct View<'a> {
    pub book: &'a Book<'a>,
    pub duty: &'a Duty,
    pub tick: i64,
}

/// One firing window.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    pub rule: &'static str,
    pub unit_kind: String,
    pub unit_id: String,
    pub area_code: String,
    pub signal: String,
    pub start: i64,
    pub end: i64,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    pub channels: Option<String>,
    /// Where the finding, and not the header, says so.
    pub severity: Option<&'static str>,
}

impl Finding {
    /// A window of `rule` in a unit (kind, id, county) with what was observed and the limit it reached.
    fn new(
        rule: &'static str,
        unit: (&str, &str, &str),
        signal: &str,
        (start, end): (i64, i64),
        (observed, threshold): (f64, f64),
    ) -> Self {
        Self {
            rule,
            unit_kind: unit.0.to_owned(),
            unit_id: unit.1.to_owned(),
            area_code: unit.2.to_owned(),
            signal: signal.to_owned(),
            start,
            end,
            observed,
            expected: None,
            threshold,
            statistic: None,
            channels: None,
            severity: None,
        }
    }

    fn with(mut self, expected: Option<f64>, statistic: f64) -> Self {
        self.expected = expected;
        self.statistic = Some(statistic);
        self
    }
}

/// Days before the horizon that are evaluated too, because windows inside lean on findings outside.
const LEAN_DAYS: i64 = 10;

impl<'a> View<'a> {
    pub fn registers(&self) -> &'a Registers {
        self.book.registers
    }

    pub fn today(&self) -> i64 {
        local_day(self.tick)
    }

    /// The earliest window end that is judged.
    pub fn horizon(&self) -> i64 {
        self.today() - self.registers().horizon_days
    }

    /// The first day that any rule looks at: the longest history that one asks for, before the horizon.
    fn first_day(&self) -> i64 {
        let histories = self.registers().headers.values().map(|header| header.number("history_days", 0));
        self.horizon() - histories.max().unwrap_or(0)
    }

    fn lean(&self) -> i64 {
        self.horizon() - LEAN_DAYS
    }

    /// A window is judged by the rule that was valid on its last day.
    fn in_force(&self, finding: &Finding) -> bool {
        let Some(header) = self.registers().headers.get(finding.rule) else { return false };
        let day = |key| super::day_of_text(header.word(key));
        day("valid_from").is_none_or(|from| finding.end >= from) && day("valid_to").is_none_or(|to| finding.end <= to)
    }

    fn parameter(&self, name: &str) -> Result<f64, String> {
        self.registers().parameter(name)
    }

    /// Base counts of one signal and unit kind, from `from` on: unit, day, key area, facility, count.
    fn base<'b>(
        &'b self,
        signal: &'b str,
        unit_kind: &'b str,
        from: i64,
    ) -> impl Iterator<Item = (&'b super::book::BaseKey, &'b super::book::Count)> {
        let start = super::book::BaseKey {
            signal: Text::from(signal),
            unit_kind: Text::from(unit_kind),
            unit_id: Text::from(""),
            day: i64::MIN,
            feed: Text::from(""),
            kind: Text::from(""),
            facility: None,
            area: String::new(),
        };
        let same = move |key: &super::book::BaseKey| *key.signal == *signal && *key.unit_kind == *unit_kind;
        self.book.base.range(start..).take_while(move |(key, _)| same(key)).filter(move |(key, _)| key.day >= from)
    }
}

type RuleFn = fn(&View<'_>) -> Result<Vec<Finding>, String>;

/// The rules that are read here, by id.
const RULES: [(&str, RuleFn); 15] = [
    ("school_class_1d3", school::class_1d3),
    ("school_class_3d5", school::class_3d5),
    ("school_ili_7d10", school::ili_7d10),
    ("school_ili_7d30", school::ili_7d30),
    ("school_absence", school::absence),
    ("customs_symptomatic", elsewhere::customs_symptomatic),
    ("notifiable_single_case", elsewhere::notifiable_single_case),
    ("missing_report", duties::missing_report),
    ("silent_feed", duties::silent_feed),
    ("fever_clinic_c2", ears::fever_clinic_c2),
    ("fever_clinic_c3", ears::fever_clinic_c3),
    ("pharmacy_c2", ears::pharmacy_c2),
    ("school_c2", ears::school_c2),
    ("multi_channel", elsewhere::multi_channel),
    ("neighbours_rising", ears::neighbours_rising),
];

/// Every window inside the horizon that fires at the tick, of every rule in force.
pub fn findings(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let mut out = Vec::new();
    for (id, rule) in RULES {
        if !view.registers().headers.contains_key(id) {
            continue;
        }
        let found = rule(view)?.into_iter();
        out.extend(found.filter(|finding| finding.end >= view.horizon() && view.in_force(finding)));
    }
    Ok(out)
}

/// Whether the oracle knows a rule.
pub fn knows(rule: &str) -> bool {
    RULES.iter().any(|(id, _)| *id == rule)
}
