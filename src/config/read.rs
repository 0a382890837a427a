//! TOML to a typed configuration: every key is looked up in the table, every fault is told with its line.

use std::ops::Range;
use std::path::Path;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

use crate::problem::codes::config::{CONFIG_KEY, CONFIG_TOML, CONFIG_VALUE};
use crate::problem::{Problem, describe};

use super::Config;
use super::keys::{KEYS, Key, Kind, SECTIONS, find, nearest};

/// Reads a configuration; `file` is how messages name it, `base` where its relative paths start.
pub fn parse(text: &str, file: &str, base: &Path) -> Result<Config, Vec<Problem>> {
    let mut reading = Reading { text, file, base, problems: Vec::new(), values: defaults() };
    match DeTable::parse(text) {
        Ok(table) => reading.top(table.get_ref()),
        Err(error) => {
            let at = reading.line(error.span().unwrap_or_default());
            reading.problems.push(*Problem::new(CONFIG_TOML, at, error.message()));
        }
    }
    if !reading.problems.is_empty() {
        return Err(reading.problems);
    }
    Value::Table(reading.values)
        .try_into()
        .map_err(|error| vec![*Problem::new(CONFIG_VALUE, file, error.message().to_owned())])
}

/// The table that an empty file means.
fn defaults() -> Table {
    let mut values = Table::new();
    for (section, ..) in SECTIONS {
        let keys = KEYS.iter().filter(|key| key.section == *section);
        let given = keys.filter_map(|key| Some((key.name.to_owned(), default_value(key)?)));
        values.insert((*section).to_owned(), Value::Table(given.collect()));
    }
    values
}

fn default_value(key: &Key) -> Option<Value> {
    match (key.kind, key.default) {
        (Kind::Settings, _) => Some(Value::Table(Table::new())),
        (_, None) => None,
        (Kind::Whole { .. }, Some(number)) => number.parse().ok().map(Value::Integer),
        (Kind::Several(_), Some(words)) => {
            Some(Value::Array(words.split(' ').map(|word| Value::String(word.to_owned())).collect()))
        }
        (Kind::Text | Kind::OneOf(_) | Kind::Path, Some(text)) => Some(Value::String(text.to_owned())),
    }
}

struct Reading<'a> {
    text: &'a str,
    file: &'a str,
    base: &'a Path,
    problems: Vec<Problem>,
    values: Table,
}

impl Reading<'_> {
    fn line(&self, span: Range<usize>) -> String {
        let before = self.text.bytes().take(span.start);
        format!("{}, line {}", self.file, 1 + before.filter(|byte| *byte == b'\n').count())
    }

    fn top(&mut self, table: &DeTable<'_>) {
        let mut sections: Vec<_> = table.iter().collect();
        // The table is sorted by name; people read from the top.
        sections.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in sections {
            let (section, span) = (name.get_ref().as_ref(), name.span());
            let is_known = SECTIONS.iter().any(|(known, ..)| *known == section);
            match value.get_ref() {
                DeValue::Table(keys) if is_known => self.section(section, keys),
                _ if is_known => {
                    let found = format!("{section} = …");
                    let problem = Problem::new(CONFIG_VALUE, self.line(span), found);
                    self.problems.push(*problem.help(format!("a section: [{section}]")));
                }
                DeValue::Table(_) => self.unknown_section(section, span),
                _ => self.unknown_key("", section, span),
            }
        }
    }

    fn section(&mut self, section: &str, keys: &DeTable<'_>) {
        let mut keys: Vec<_> = keys.iter().collect();
        keys.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in keys {
            let Some(key) = find(section, name.get_ref()) else {
                self.unknown_key(section, name.get_ref(), name.span());
                continue;
            };
            match self.value(key, value) {
                Ok(value) => {
                    if let Some(Value::Table(values)) = self.values.get_mut(section) {
                        values.insert(key.name.to_owned(), value);
                    }
                }
                Err((found, help)) => {
                    let at = self.line(value.span());
                    let found = format!("{}: {found}", key.path());
                    self.problems.push(*Problem::new(CONFIG_VALUE, at, found).help(help));
                }
            }
        }
    }

    fn unknown_section(&mut self, section: &str, span: Range<usize>) {
        let names: Vec<&str> = SECTIONS.iter().map(|(name, ..)| *name).collect();
        let help = meant(section, &names)
            .map_or_else(|| format!("the sections are {}", names.join(", ")), |near| format!("did you mean [{near}]?"));
        let problem = Problem::new(CONFIG_KEY, self.line(span), format!("the section [{section}]"));
        self.problems.push(*problem.help(help));
    }

    fn unknown_key(&mut self, section: &str, name: &str, span: Range<usize>) {
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let problem = Problem::new(CONFIG_KEY, self.line(span), format!("the key {path}"));
        self.problems.push(*match nearest(section, name) {
            Some(near) => problem.help(format!("did you mean {near}?")),
            None => problem,
        });
    }

    /// The value of a key, or what was found and what would be right.
    fn value(&self, key: &Key, value: &Spanned<DeValue<'_>>) -> Result<Value, (String, String)> {
        let value = value.get_ref();
        let wrong = |wanted: String| (format!("a value of type {}", value.type_str()), wanted);
        let text = || value.as_str().ok_or_else(|| wrong("a text in quotes".to_owned()));
        match key.kind {
            Kind::Text if key.name == "sql_address" => address(text()?),
            Kind::Text if key.path() == "observe.address" && text()? == "off" => Ok(Value::String("off".to_owned())),
            Kind::Text if key.path() == "observe.address" => address(text()?),
            Kind::Text if text()?.trim().is_empty() => {
                Err(("an empty text".to_owned(), "leave the key out, or fill it".to_owned()))
            }
            Kind::Text => Ok(Value::String(text()?.to_owned())),
            Kind::Path => Ok(Value::String(self.resolved(text()?))),
            Kind::OneOf(words) => one_of(text()?, words),
            Kind::Several(words) => several(value, words),
            Kind::Whole { min, max } => {
                let wanted = format!("a whole number from {min} to {max}");
                let number = value.as_integer().ok_or_else(|| wrong(wanted.clone()))?;
                let found = i64::from_str_radix(number.as_str(), number.radix()).ok();
                let right = found.filter(|n| u64::try_from(*n).is_ok_and(|n| (min..=max).contains(&n)));
                right.map(Value::Integer).ok_or_else(|| (number.as_str().to_owned(), wanted))
            }
            Kind::Settings => {
                let table = value.as_table().ok_or_else(|| wrong("a table: [kafka.security]".to_owned()))?;
                let mut settings = Table::new();
                self.settings("", table, &mut settings)?;
                Ok(Value::Table(settings))
            }
        }
    }

    /// `security.protocol = …` without quotes is a table in a table for TOML; people mean the name.
    fn settings(&self, prefix: &str, table: &DeTable<'_>, out: &mut Table) -> Result<(), (String, String)> {
        for (name, value) in table {
            let name = format!("{prefix}{}", name.get_ref());
            match value.get_ref() {
                DeValue::Table(inner) => self.settings(&format!("{name}."), inner, out)?,
                DeValue::String(text) if name.ends_with("_file") || name.ends_with(".location") => {
                    out.insert(name, Value::String(self.resolved(text)));
                }
                DeValue::String(text) => {
                    out.insert(name, Value::String(text.as_ref().to_owned()));
                }
                other => return Err((format!("{name} of type {}", other.type_str()), "a text in quotes".to_owned())),
            }
        }
        Ok(())
    }

    fn resolved(&self, path: &str) -> String {
        self.base.join(path).display().to_string()
    }
}

fn address(text: &str) -> Result<Value, (String, String)> {
    match text.parse::<std::net::SocketAddr>() {
        Ok(address) => Ok(Value::String(address.to_string())),
        Err(_) => Err((describe(text), "an address and a port, for example 127.0.0.1:5433".to_owned())),
    }
}

fn one_of(word: &str, words: &'static [&'static str]) -> Result<Value, (String, String)> {
    if words.contains(&word) {
        return Ok(Value::String(word.to_owned()));
    }
    let help = meant(word, words)
        .map_or_else(|| format!("one of: {}", words.join(", ")), |near| format!("did you mean {near}?"));
    Err((format!("the word {word}"), help))
}

fn several(value: &DeValue<'_>, words: &'static [&'static str]) -> Result<Value, (String, String)> {
    let wanted = || format!("a list of at least one of: {}", words.join(", "));
    let list = value.as_array().ok_or_else(|| (format!("a value of type {}", value.type_str()), wanted()))?;
    if list.is_empty() {
        return Err(("an empty list".to_owned(), wanted()));
    }
    let word = |item: &Spanned<DeValue<'_>>| {
        let text = item.get_ref().as_str().ok_or_else(|| ("something that is no word".to_owned(), wanted()))?;
        one_of(text, words)
    };
    list.iter().map(word).collect::<Result<_, _>>().map(Value::Array)
}

/// The word that was probably meant.
fn meant<'a>(word: &str, words: &[&'a str]) -> Option<&'a str> {
    /// Below this two words have little in common.
    const LIKENESS_MIN: f64 = 0.8;
    let scored = words.iter().map(|known| (strsim::jaro_winkler(word, known), *known));
    let best = scored.max_by(|one, other| one.0.total_cmp(&other.0))?;
    (best.0 >= LIKENESS_MIN).then_some(best.1)
}
