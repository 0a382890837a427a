//! A JSON file whose every value knows its line and column, for files that people write.
//!
//! Promises: keys keep their order; a key that stands twice is refused; every problem names line and column.
//! Never: used for messages, which are decoded without a tree.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::problem::codes::folder;
use crate::problem::{Code, Problem, Result};

/// A value of the file, borrowed from its text.
#[derive(Clone, Copy, Debug)]
pub struct Node<'a> {
    file: &'a str,
    text: &'a str,
    raw: &'a str,
}

impl<'a> Node<'a> {
    /// The outermost value of a file.
    pub fn of_file(file: &'a str, text: &'a str) -> Result<Self> {
        let whole = Self { file, text, raw: text };
        let raw: &RawValue = serde_json::from_str(text).map_err(|error| whole.syntax(&error))?;
        let node = Self { raw: raw.get(), ..whole };
        Ok(node)
    }

    /// A problem at this value.
    pub fn problem(&self, code: Code, found: impl Into<String>) -> Box<Problem> {
        // Both pointers lie in the same text, so the difference is the value's offset in it.
        let offset = (self.raw.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let before = self.text.get(..offset).unwrap_or_default();
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        Problem::new(code, format!("{}:{line}:{column}", self.file), found)
    }

    fn syntax(&self, error: &serde_json::Error) -> Box<Problem> {
        let at = format!("{}:{}:{}", self.file, error.line(), error.column());
        Problem::new(folder::CONTRACT_JSON, at, error.to_string())
    }

    fn read<T: Deserialize<'a>>(&self, wanted: &str) -> Result<T> {
        serde_json::from_str(self.raw).map_err(|error| {
            let found = match error.classify() {
                serde_json::error::Category::Data => format!("{}, not {wanted}", self.word()),
                _ => error.to_string(),
            };
            self.problem(folder::KEYWORD_VALUE, found).help(format!("write {wanted} here"))
        })
    }

    /// The type of the value, in words.
    pub fn word(&self) -> &'static str {
        match self.raw.as_bytes().first() {
            Some(b'{') => "an object",
            Some(b'[') => "a list",
            Some(b'"') => "a text",
            Some(b't' | b'f') => "true or false",
            Some(b'n') => "null",
            _ => "a number",
        }
    }

    pub fn is_object(&self) -> bool {
        self.raw.starts_with('{')
    }

    /// The entries of an object in their order.
    pub fn entries(&self) -> Result<Vec<(String, Node<'a>)>> {
        if !self.is_object() {
            return Err(self.problem(folder::KEYWORD_VALUE, format!("{}, not an object", self.word())));
        }
        let entries: Entries<'a> =
            serde_json::from_str(self.raw).map_err(|error| self.problem(folder::NAME_TAKEN, error.to_string()))?;
        Ok(entries.0.into_iter().map(|(key, raw)| (key, Node { raw: raw.get(), ..*self })).collect())
    }

    pub fn items(&self) -> Result<Vec<Node<'a>>> {
        let items: Vec<&'a RawValue> = self.read("a list")?;
        Ok(items.into_iter().map(|raw| Node { raw: raw.get(), ..*self }).collect())
    }

    pub fn text(&self) -> Result<String> {
        self.read("a text")
    }

    pub fn texts(&self) -> Result<Vec<String>> {
        self.items()?.iter().map(Node::text).collect()
    }

    pub fn integer(&self) -> Result<i64> {
        self.read("a whole number")
    }

    /// A whole number that is not negative.
    pub fn size(&self) -> Result<usize> {
        let number = self.integer()?;
        let refuse = || self.problem(folder::KEYWORD_VALUE, "a negative size").help("write 0 or more");
        usize::try_from(number).map_err(|_| refuse())
    }

    pub fn number(&self) -> Result<f64> {
        self.read("a number")
    }

    pub fn boolean(&self) -> Result<bool> {
        self.read("true or false")
    }
}

/// The keywords of one schema object, by name.
pub struct Keywords<'a> {
    pub node: Node<'a>,
    entries: Vec<(String, Node<'a>)>,
}

impl<'a> Keywords<'a> {
    pub fn new(node: Node<'a>, entries: Vec<(String, Node<'a>)>) -> Self {
        Self { node, entries }
    }

    pub fn get(&self, name: &str) -> Option<Node<'a>> {
        self.entries.iter().find(|(key, _)| key == name).map(|(_, node)| *node)
    }
}

struct Entries<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Entries<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor)
    }
}

struct EntriesVisitor;

impl<'de> Visitor<'de> for EntriesVisitor {
    type Value = Entries<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Self::Value, A::Error> {
        let mut entries: Vec<(String, &'de RawValue)> = Vec::new();
        while let Some((key, raw)) = map.next_entry::<String, &'de RawValue>()? {
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(A::Error::custom(format!("the key {key} twice")));
            }
            entries.push((key, raw));
        }
        Ok(Entries(entries))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_knows_its_line_and_column() {
        let text = "{\n  \"a\": 1,\n  \"乙\": [true, 7]\n}";
        let root = Node::of_file("c.json", text).unwrap();
        let entries = root.entries().unwrap();
        let seven = entries[1].1.items().unwrap()[1];
        assert_eq!(seven.text().unwrap_err().at, "c.json:3:15");
        assert_eq!(seven.integer().unwrap(), 7);
    }

    #[test]
    fn a_key_that_stands_twice_is_refused() {
        let root = Node::of_file("c.json", r#"{"a":1,"a":2}"#).unwrap();
        assert_eq!(root.entries().unwrap_err().code, folder::NAME_TAKEN);
    }

    #[test]
    fn broken_json_names_its_place() {
        let problem = Node::of_file("c.json", "{\n \"a\": }").err().unwrap();
        assert_eq!(problem.at, "c.json:2:7");
    }
}
