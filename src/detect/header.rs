//! The header of a rule: `-- key: value` lines above the SQL, typed as they are asked for.
//!
//! Promises: a key that is misspelt, doubled, missing or of the wrong type is refused with file, line and what would be
//! right. Never: guesses.

use crate::detect::rule::{Sabotage, is_name};
use crate::problem::codes::rule::{HEADER, HEADER_MISSING};
use crate::problem::{Problem, Result};
use crate::terms::Day;

const KEYS: [&str; 16] = [
    "id",
    "zh",
    "en",
    "severity",
    "scope",
    "kind",
    "valid_from",
    "valid_to",
    "verify_hours",
    "audience",
    "cites",
    "gap_days",
    "history_days",
    "needs",
    "power",
    SABOTAGE,
];
/// The one key that may stand more than once.
const SABOTAGE: &str = "sabotage";

/// The `-- key: value` lines above the SQL, with their line numbers.
pub struct Header<'a> {
    file: &'a str,
    lines: Vec<(usize, &'a str, &'a str)>,
}

impl<'a> Header<'a> {
    /// The header ends at the first line that is no `-- key:`; comments may follow it.
    pub fn read(file: &'a str, text: &'a str) -> Result<Self> {
        let mut header = Self { file, lines: Vec::new() };
        for (number, line) in (1..).zip(text.lines()) {
            let Some((key, value)) = line.strip_prefix("-- ").and_then(|rest| rest.split_once(':')) else { break };
            if !is_name(key) {
                break;
            }
            if !KEYS.contains(&key) {
                let help = nearest(key)
                    .map_or_else(|| format!("one of {}", KEYS.join(", ")), |near| format!("did you mean {near}?"));
                return Err(Problem::new(HEADER, header.line(number), format!("the key {key}")).help(help));
            }
            if key != SABOTAGE && header.find(key).is_some() {
                return Err(Problem::new(HEADER, header.line(number), format!("the key {key} a second time")));
            }
            header.lines.push((number, key, value.trim()));
        }
        Ok(header)
    }

    fn line(&self, number: usize) -> String {
        format!("{}, line {number}", self.file)
    }

    pub fn at(&self, key: &str) -> String {
        self.find(key).map_or_else(|| self.file.to_owned(), |(number, _)| self.line(number))
    }

    fn find(&self, key: &str) -> Option<(usize, &'a str)> {
        self.lines.iter().find(|(_, name, _)| *name == key).map(|(number, _, value)| (*number, *value))
    }

    /// The value, where there is one and it is not empty.
    fn given(&self, key: &str) -> Option<&'a str> {
        self.find(key).map(|(_, value)| value).filter(|value| !value.is_empty())
    }

    fn missing(&self, key: &str) -> Box<Problem> {
        Problem::new(HEADER_MISSING, self.at(key), format!("no value for {key}"))
    }

    fn refused(&self, key: &str, help: impl Into<String>) -> Box<Problem> {
        let found = self.given(key).unwrap_or_default();
        Problem::new(HEADER, self.at(key), format!("{key}: {found}")).help(help)
    }

    pub fn text(&self, key: &str) -> Result<String> {
        self.given(key).map(str::to_owned).ok_or_else(|| self.missing(key))
    }

    pub fn optional(&self, key: &str) -> Option<String> {
        self.given(key).map(str::to_owned)
    }

    pub fn word<T>(&self, key: &str, parse: impl Fn(&str) -> Option<T>, help: &str) -> Result<T> {
        let word = self.given(key).ok_or_else(|| self.missing(key))?;
        parse(word).ok_or_else(|| self.refused(key, help))
    }

    pub fn day(&self, key: &str) -> Result<Option<Day>> {
        let Some(text) = self.given(key) else { return Ok(None) };
        Day::parse(text).map(Some).ok_or_else(|| self.refused(key, "YYYY-MM-DD, or nothing for no limit"))
    }

    pub fn number<T>(&self, key: &str, default: Option<T>, range: std::ops::RangeInclusive<T>) -> Result<T>
    where
        T: Copy + PartialOrd + std::fmt::Display + std::str::FromStr,
    {
        let Some(text) = self.given(key) else { return default.ok_or_else(|| self.missing(key)) };
        let help = format!("a whole number from {} to {}", range.start(), range.end());
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| self.refused(key, help))
    }

    pub fn list(&self, key: &str) -> Vec<String> {
        let listed = self.given(key).unwrap_or_default();
        listed.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect()
    }

    pub fn sabotage(&self) -> Result<Vec<Sabotage>> {
        let lines = self.lines.iter().filter(|(_, key, _)| *key == SABOTAGE);
        lines
            .map(|(number, _, value)| {
                parse_sabotage(value).ok_or_else(|| {
                    Problem::new(HEADER, self.line(*number), format!("{SABOTAGE}: {value}"))
                        .help("sabotage: <rule>.<parameter> tighter=<number> looser=<number>")
                })
            })
            .collect()
    }
}

fn parse_sabotage(value: &str) -> Option<Sabotage> {
    let mut words = value.split_whitespace();
    let parameter = words.next()?.to_owned();
    let tighter = words.next()?.strip_prefix("tighter=")?.parse().ok()?;
    let looser = words.next()?.strip_prefix("looser=")?.parse().ok()?;
    words.next().is_none().then_some(Sabotage { parameter, tighter, looser })
}

/// The text without what its header says about its power.
pub fn without_power(text: &str) -> String {
    let mut is_header = true;
    let is_kept = |line: &&str| {
        is_header = is_header && line.starts_with("-- ");
        !(is_header && line.starts_with("-- power:"))
    };
    text.split_inclusive('\n').filter(is_kept).collect()
}

/// The key that was probably meant.
fn nearest(key: &str) -> Option<&'static str> {
    /// Below this two words have little in common.
    const LIKENESS_MIN: f64 = 0.75;
    let likeness = |known: &&'static str| (strsim::jaro_winkler(key, known), *known);
    let best = KEYS.iter().map(likeness).max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}
