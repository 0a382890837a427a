//! A property of a contract becomes a field plan, or a problem with line and column.
//!
//! Promises: whatever is accepted here can be decoded; whatever stands outside the stated subset of JSON Schema is
//! refused in words, and every problem of the file is told, not only the first.
//! Never: ignores a keyword that would change what is accepted.

use regex::Regex;

use crate::problem::codes::folder;
use crate::problem::{Code, Problem, Result};

use super::document::{Keywords, Node};
use super::plan::{Field, IdentifierRule, IntegerRule, NumberRule, ObjectRule, Scheme, Shape, TextRule};

/// Containers inside one another, the message itself included; deeper data belongs into a kind of its own.
const DEPTH_MAX: usize = 3;

const PROPERTY_KEYWORDS: &[&str] = &[
    "title",
    "description",
    "type",
    "properties",
    "required",
    "items",
    "enum",
    "const",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "additionalProperties",
    "examples",
    "default",
    "$id",
    "x-zh",
    "x-aliases",
    "x-values",
    "x-identifier",
    "x-drop",
    "x-out-of-range",
    "x-area-code",
    "x-date-of",
];

/// Compiles a contract and collects what is wrong with it.
#[derive(Default)]
pub struct Compiler {
    pub problems: Vec<Problem>,
    /// Linkage domains in order of first mention.
    pub domains: Vec<String>,
}

impl Compiler {
    /// The value, or its problem noted.
    pub fn take<T>(&mut self, result: Result<T>) -> Option<T> {
        result.map_err(|problem| self.problems.push(*problem)).ok()
    }

    pub fn note(&mut self, node: Node<'_>, code: Code, found: impl Into<String>, help: impl Into<String>) {
        self.problems.push(*node.problem(code, found).help(help));
    }

    /// Reads a schema object and refuses keywords that are not `known`.
    pub fn keywords<'a>(&mut self, node: Node<'a>, known: &[&str]) -> Option<Keywords<'a>> {
        let entries = self.take(node.entries())?;
        for (key, value) in &entries {
            let close = known.iter().find(|word| strsim::osa_distance(word, key) <= 2);
            match close {
                _ if known.contains(&key.as_str()) => {}
                Some(word) => self.note(*value, folder::KEYWORD, key.clone(), format!("did you mean {word}?")),
                // Other x- keywords are somebody's notes: they change nothing here.
                None if key.starts_with("x-") => {}
                None => self.note(*value, folder::KEYWORD, key.clone(), folder::KEYWORD.help),
            }
        }
        Some(Keywords::new(node, entries))
    }

    /// The value of a keyword through `read`, where it stands.
    pub fn value<'a, T>(
        &mut self,
        words: &Keywords<'a>,
        name: &str,
        read: impl FnOnce(&Node<'a>) -> Result<T>,
    ) -> Option<T> {
        let node = words.get(name)?;
        self.take(read(&node))
    }

    /// The text of a keyword that must stand.
    pub fn needed(&mut self, words: &Keywords<'_>, name: &str) -> String {
        match self.value(words, name, Node::text) {
            Some(text) if !text.trim().is_empty() => text,
            _ => {
                let help = format!("add \"{name}\" here");
                self.note(words.node, folder::KEYWORD_MISSING, format!("no {name}"), help);
                String::new()
            }
        }
    }

    /// `properties`, `required` and a false `additionalProperties` of an object at `depth`.
    pub fn object(&mut self, words: &Keywords<'_>, depth: usize, dropped: bool) -> ObjectRule {
        let required = self.value(words, "required", Node::texts).unwrap_or_default();
        let properties = self.value(words, "properties", Node::entries).unwrap_or_default();
        let closed = self.value(words, "additionalProperties", Node::boolean) == Some(false);
        for name in &required {
            if let (false, Some(node)) = (properties.iter().any(|(key, _)| key == name), words.get("required")) {
                self.note(node, folder::PATH, name.clone(), "require only properties that are described");
            }
        }
        let mut fields = Vec::new();
        for (name, node) in properties {
            let Some(words) = self.keywords(node, PROPERTY_KEYWORDS) else { continue };
            let en = self.needed(&words, "description");
            let zh = self.needed(&words, "x-zh");
            let aliases = self.value(&words, "x-aliases", Node::texts).unwrap_or_default();
            let Some(shape) = self.shape(&words, depth, dropped) else { continue };
            fields.push(Field { required: required.contains(&name), name, aliases, shape, en, zh });
        }
        ObjectRule::new(fields, closed).unwrap_or_else(|name| {
            self.note(words.node, folder::NAME_TAKEN, name, "give every field and alias its own name");
            ObjectRule::default()
        })
    }

    fn shape(&mut self, words: &Keywords<'_>, depth: usize, dropped: bool) -> Option<Shape> {
        let kind = self.needed(words, "type");
        let dropped = self.value(words, "x-drop", Node::boolean).unwrap_or(dropped);
        match kind.as_str() {
            "" => None,
            "string" => self.string(words, dropped),
            "integer" => self.integer(words).map(Shape::Integer),
            "number" => Some(Shape::Number(self.number(words))),
            "boolean" => Some(Shape::Boolean),
            "array" => self.list(words, depth, dropped),
            "object" => self.nested(words, depth, dropped),
            other => {
                let help = "use string, integer, number, boolean, array or object";
                self.note(words.get("type")?, folder::KEYWORD_VALUE, other, help);
                None
            }
        }
    }

    fn string(&mut self, words: &Keywords<'_>, drop: bool) -> Option<Shape> {
        if let Some(node) = words.get("x-identifier") {
            return self.identifier(node).map(Shape::Identifier);
        }
        let format = self.value(words, "format", Node::text);
        match format.as_deref() {
            None => self.text(words, drop).map(Shape::Text),
            Some("date") => self.undisturbed(words, Shape::Day),
            Some("date-time") => self.undisturbed(words, Shape::Instant),
            Some(other) => {
                self.note(words.get("format")?, folder::KEYWORD_VALUE, other, "use date or date-time");
                None
            }
        }
    }

    /// A date or time that no other keyword narrows.
    fn undisturbed(&mut self, words: &Keywords<'_>, shape: Shape) -> Option<Shape> {
        for name in ["pattern", "enum", "const", "minLength", "maxLength", "x-values"] {
            if let Some(node) = words.get(name) {
                self.note(node, folder::KEYWORD, name, "a date or time takes no further keyword");
            }
        }
        Some(shape)
    }

    fn text(&mut self, words: &Keywords<'_>, drop: bool) -> Option<TextRule> {
        let mut choices = self.value(words, "enum", Node::texts).unwrap_or_default();
        choices.extend(self.value(words, "const", Node::text));
        let pattern = self.value(words, "pattern", |node| {
            let text = node.text()?;
            if !(text.starts_with('^') && text.ends_with('$')) {
                let help = "begin it with ^ and end it with $, or anything may stand beside what it matches";
                return Err(node.problem(folder::KEYWORD_VALUE, "a pattern that is open at an end").help(help));
            }
            Regex::new(&text).map_err(|error| {
                let help = "write a regular expression of the Rust regex crate: no look-around, no back references";
                node.problem(folder::KEYWORD_VALUE, error.to_string()).help(help)
            })
        });
        let mut spellings = Vec::new();
        for (spelling, node) in self.value(words, "x-values", Node::entries).unwrap_or_default() {
            let Some(canonical) = self.take(node.text()) else { continue };
            if !choices.contains(&canonical) {
                self.note(node, folder::KEYWORD_VALUE, canonical.clone(), "map to a value of enum");
            }
            spellings.push((spelling, canonical));
        }
        let area = self.value(words, "x-area-code", Node::boolean).unwrap_or(false);
        if !drop && !area && choices.is_empty() && pattern.is_none() {
            self.note(words.node, folder::UNGUARDED_TEXT, "a text that anything may fill", folder::UNGUARDED_TEXT.help);
        }
        let least = self.value(words, "minLength", Node::size).unwrap_or(0);
        let most = self.value(words, "maxLength", Node::size);
        Some(TextRule { choices, spellings, pattern, least, most, drop, area })
    }

    fn identifier(&mut self, node: Node<'_>) -> Option<IdentifierRule> {
        let words = self.keywords(node, &["domain", "scheme"])?;
        let domain = self.needed(&words, "domain");
        let scheme = self.needed(&words, "scheme");
        let plain = !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        if !plain {
            self.note(node, folder::KEYWORD_VALUE, domain.clone(), "name a linkage domain in lower-case letters");
        }
        let Some(scheme) = Scheme::parse(&scheme) else {
            self.note(node, folder::KEYWORD_VALUE, scheme, "use cn-id, passport, phone, name or local");
            return None;
        };
        let known = self.domains.iter().position(|other| *other == domain);
        let domain = known.unwrap_or_else(|| {
            self.domains.push(domain);
            self.domains.len() - 1
        });
        Some(IdentifierRule { scheme, domain })
    }

    fn flags(&mut self, words: &Keywords<'_>) -> bool {
        let word = self.value(words, "x-out-of-range", Node::text);
        match (word.as_deref(), words.get("x-out-of-range")) {
            (Some("flag"), _) => true,
            (Some("reject") | None, _) | (_, None) => false,
            (Some(other), Some(node)) => {
                self.note(node, folder::KEYWORD_VALUE, other, "use flag or reject");
                false
            }
        }
    }

    fn integer(&mut self, words: &Keywords<'_>) -> Option<IntegerRule> {
        let read = |node: &Node<'_>| node.items()?.iter().map(Node::integer).collect::<Result<Vec<i64>>>();
        let mut choices = self.value(words, "enum", read).unwrap_or_default();
        choices.extend(self.value(words, "const", Node::integer));
        let least = self.value(words, "minimum", Node::integer).unwrap_or(i64::MIN);
        let most = self.value(words, "maximum", Node::integer).unwrap_or(i64::MAX);
        self.ordered(words, least <= most);
        Some(IntegerRule { least, most, choices, flag: self.flags(words) })
    }

    fn number(&mut self, words: &Keywords<'_>) -> NumberRule {
        let least = self.value(words, "minimum", Node::number).unwrap_or(f64::MIN);
        let most = self.value(words, "maximum", Node::number).unwrap_or(f64::MAX);
        self.ordered(words, least <= most);
        NumberRule { least, most, flag: self.flags(words) }
    }

    fn ordered(&mut self, words: &Keywords<'_>, holds: bool) {
        if let (false, Some(node)) = (holds, words.get("minimum")) {
            self.note(node, folder::KEYWORD_VALUE, "a minimum above the maximum", "swap them");
        }
    }

    fn list(&mut self, words: &Keywords<'_>, depth: usize, dropped: bool) -> Option<Shape> {
        let Some(items) = words.get("items") else {
            self.note(words.node, folder::KEYWORD_MISSING, "no items", "say with \"items\" what the list holds");
            return None;
        };
        let item_words = self.keywords(items, PROPERTY_KEYWORDS)?;
        let item = self.shape(&item_words, depth, dropped)?;
        if matches!(item, Shape::List { .. }) {
            self.note(items, folder::CONTRACT_DEPTH, "a list of lists", "name the inner list in an object");
        }
        let least = self.value(words, "minItems", Node::size).unwrap_or(0);
        let most = self.value(words, "maxItems", Node::size).unwrap_or(usize::MAX);
        Some(Shape::List { item: Box::new(item), least, most })
    }

    fn nested(&mut self, words: &Keywords<'_>, depth: usize, dropped: bool) -> Option<Shape> {
        let depth = depth + 1;
        if depth > DEPTH_MAX {
            self.note(words.node, folder::CONTRACT_DEPTH, format!("level {depth}"), folder::CONTRACT_DEPTH.help);
            return None;
        }
        match words.get("additionalProperties") {
            Some(values) if values.is_object() => {
                if let Some(node) = words.get("properties") {
                    self.note(node, folder::KEYWORD, "properties beside free keys", "keep one of the two");
                }
                let value_words = self.keywords(values, PROPERTY_KEYWORDS)?;
                Some(Shape::Map(Box::new(self.shape(&value_words, depth, dropped)?)))
            }
            _ if words.get("properties").is_none() => {
                let help = "add properties, or a schema as additionalProperties for free keys";
                self.note(words.node, folder::KEYWORD_MISSING, "an object of nothing", help);
                None
            }
            _ => Some(Shape::Object(self.object(words, depth, dropped))),
        }
    }
}
