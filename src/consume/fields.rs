//! One value of a message goes from serde_json's token into its column, checked on the way.
//!
//! Promises: a value is appended once or refused; identifiers become tokens here, before anything else sees them.
//! Never: builds a tree, copies a text that is fine as it stands, repeats a person's data.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::problem::codes::field as codes;
use crate::problem::{Code, describe};
use crate::terms::Day;

use super::columns::{Column, Scalar};
use super::identity::{Subkey, normalize};
use super::message::Fault;
use super::plan::{IdentifierRule, IntegerRule, NumberRule, Shape, TextRule};
use super::values::{
    day_of_text, holds_personal_number, instant_of_text, integer_of_number, integer_of_text, is_hidden,
    is_personal_number, number_of_text, plain_digits,
};

/// What one message's reading needs and leaves behind.
pub struct Reading<'c> {
    pub subkeys: &'c [Subkey],
    pub known_area: &'c dyn Fn(&str) -> bool,
    pub today: Day,
    /// Why reading stopped, if our rules stopped it.
    pub fault: Option<Box<Fault>>,
    /// Where it stopped, innermost first.
    pub path: Vec<String>,
    pub out_of_range: bool,
    pub bad_id: bool,
    pub unknown_fields: usize,
    normal: String,
    token: String,
}

type Checked = Result<(), Box<Fault>>;

impl<'c> Reading<'c> {
    pub fn new(subkeys: &'c [Subkey], known_area: &'c dyn Fn(&str) -> bool, today: Day) -> Self {
        Self {
            subkeys,
            known_area,
            today,
            fault: None,
            path: Vec::new(),
            out_of_range: false,
            bad_id: false,
            unknown_fields: 0,
            normal: String::new(),
            token: String::new(),
        }
    }

    /// Turns a refusal into serde's error and keeps the refusal itself.
    pub fn settle<E: Error>(&mut self, checked: Checked) -> Result<(), E> {
        checked.map_err(|fault| {
            self.fault = Some(fault);
            E::custom("refused by the contract")
        })
    }

    fn identifier(&mut self, rule: &IdentifierRule, text: &str, column: &mut Column) -> Checked {
        let subkey = self.subkeys.get(rule.domain);
        match subkey.filter(|_| normalize(rule.scheme, text, self.today, &mut self.normal)) {
            Some(subkey) => {
                self.token.clear();
                subkey.token(&self.normal, &mut self.token);
                column.push(Scalar::Text(&self.token));
            }
            None => {
                self.bad_id = true;
                column.push_null();
            }
        }
        Ok(())
    }

    fn integer(&mut self, rule: &IntegerRule, value: i64, column: &mut Column) -> Checked {
        if is_personal_number(value, self.today) {
            return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, describe(&value.to_string())));
        }
        if (rule.least..=rule.most).contains(&value) && (rule.choices.is_empty() || rule.choices.contains(&value)) {
            column.push(Scalar::Integer(value));
            return Ok(());
        }
        if !rule.choices.is_empty() {
            let choices: Vec<_> = rule.choices.iter().map(i64::to_string).collect();
            let help = format!("send one of {}", choices.join(", "));
            return Err(refuse(codes::NOT_IN_VALUE_SET, describe(&value.to_string())).help(help));
        }
        let help = format!("send a whole number from {} to {}", rule.least, rule.most);
        self.beyond(rule.flag, &value.to_string(), help, column)
    }

    fn number(&mut self, rule: &NumberRule, value: f64, column: &mut Column) -> Checked {
        if integer_of_number(value).is_some_and(|whole| is_personal_number(whole, self.today)) {
            return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, "a number of a person's form"));
        }
        if (rule.least..=rule.most).contains(&value) {
            // Minus zero is zero, or the same statement would have two hashes.
            column.push(Scalar::Number(value + 0.0));
            return Ok(());
        }
        let help = format!("send a number from {} to {}", rule.least, rule.most);
        self.beyond(rule.flag, &value.to_string(), help, column)
    }

    fn beyond(&mut self, flag: bool, value: &str, help: String, column: &mut Column) -> Checked {
        if !flag {
            return Err(refuse(codes::OUT_OF_RANGE, describe(value)).help(help));
        }
        self.out_of_range = true;
        column.push_null();
        Ok(())
    }

    fn text(&self, rule: &TextRule, text: &str, column: &mut Column) -> Checked {
        let text = if rule.drop { Cow::Borrowed(text) } else { plain_digits(text) };
        let spelled = rule.spellings.iter().find(|(spelling, _)| *spelling == text);
        let text = spelled.map_or(&*text, |(_, canonical)| canonical);
        if !rule.choices.is_empty() {
            if !rule.choices.iter().any(|choice| choice == text) {
                let help = format!("send one of {}", rule.choices.join(", "));
                return Err(refuse(codes::NOT_IN_VALUE_SET, describe(text)).help(help));
            }
        } else {
            self.check_free(rule, text)?;
        }
        if rule.area && !(self.known_area)(text) {
            return Err(refuse(codes::UNKNOWN_AREA, describe(text)));
        }
        column.push(Scalar::Text(text));
        Ok(())
    }

    fn check_free(&self, rule: &TextRule, text: &str) -> Checked {
        if !rule.drop {
            if let Some(c) = text.chars().find(|c| is_hidden(*c)) {
                return Err(refuse(codes::CONTROL_CHARACTER, format!("the character U+{:04X}", c as u32)));
            }
            if holds_personal_number(text, self.today) {
                return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, describe(text)));
            }
        }
        if rule.least > 0 || rule.most.is_some() {
            let length = text.chars().count();
            let most = rule.most.unwrap_or(usize::MAX);
            if !(rule.least..=most).contains(&length) {
                return Err(refuse(codes::TEXT_LENGTH, format!("{length} characters")));
            }
        }
        match &rule.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                let help = format!("send a text of the form {pattern}");
                Err(refuse(codes::PATTERN, describe(text)).help(help))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A refusal of one value; its place is added on the way up.
pub fn refuse(code: Code, found: impl Into<String>) -> Box<Fault> {
    Fault::new(code, found)
}

/// The value of one field, item or entry.
pub struct Value<'p, 's, 'c> {
    pub shape: &'p Shape,
    pub column: &'s mut Column,
    pub reading: &'s mut Reading<'c>,
    /// What a null is called where none may stand.
    pub on_null: Option<Code>,
}

impl Value<'_, '_, '_> {
    fn other_type(&self, found: &str) -> Box<Fault> {
        refuse(codes::WRONG_TYPE, found).help(format!("send {}", self.shape.word()))
    }

    fn text(&mut self, text: &str) -> Checked {
        let (reading, column) = (&mut *self.reading, &mut *self.column);
        let scalar = match self.shape {
            Shape::Text(rule) => return reading.text(rule, text, column),
            Shape::Identifier(rule) => return reading.identifier(rule, text, column),
            Shape::Integer(rule) => match integer_of_text(text) {
                Some(value) => return reading.integer(rule, value, column),
                None if number_of_text(text).is_some() => {
                    return Err(refuse(codes::NOT_AN_INTEGER, describe(text)));
                }
                None => return Err(refuse(codes::NOT_A_NUMBER, describe(text))),
            },
            Shape::Number(rule) => match number_of_text(text) {
                Some(value) => return reading.number(rule, value, column),
                None => return Err(refuse(codes::NOT_A_NUMBER, describe(text))),
            },
            Shape::Day => match day_of_text(text) {
                Some(day) => Scalar::Day(day),
                None => return Err(refuse(codes::BAD_DATE, describe(text))),
            },
            Shape::Instant => match instant_of_text(text) {
                Some(micros) => Scalar::Instant(micros),
                None => return Err(refuse(codes::BAD_TIME, describe(text))),
            },
            Shape::Boolean | Shape::List { .. } | Shape::Object(_) | Shape::Map(_) => {
                return Err(self.other_type(&describe(text)));
            }
        };
        self.column.push(scalar);
        Ok(())
    }

    fn integer(&mut self, value: i64) -> Checked {
        match self.shape {
            Shape::Integer(rule) => self.reading.integer(rule, value, self.column),
            Shape::Number(rule) => self.reading.number(rule, value as f64, self.column),
            Shape::Text(_)
            | Shape::Identifier(_)
            | Shape::Boolean
            | Shape::Day
            | Shape::Instant
            | Shape::List { .. }
            | Shape::Object(_)
            | Shape::Map(_) => Err(self.other_type("a number")),
        }
    }

    fn number(&mut self, value: f64) -> Checked {
        match self.shape {
            Shape::Integer(rule) => match integer_of_number(value) {
                Some(whole) => self.reading.integer(rule, whole, self.column),
                None if value.fract() == 0.0 => Err(refuse(codes::NUMBER_TOO_LARGE, "a number of more than 15 digits")),
                None => Err(refuse(codes::NOT_AN_INTEGER, describe(&value.to_string()))),
            },
            Shape::Number(rule) => self.reading.number(rule, value, self.column),
            Shape::Text(_)
            | Shape::Identifier(_)
            | Shape::Boolean
            | Shape::Day
            | Shape::Instant
            | Shape::List { .. }
            | Shape::Object(_)
            | Shape::Map(_) => Err(self.other_type("a number")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.shape.word())
    }

    fn visit_str<E: Error>(mut self, text: &str) -> Result<(), E> {
        let checked = self.text(text);
        self.reading.settle(checked)
    }

    fn visit_i64<E: Error>(mut self, value: i64) -> Result<(), E> {
        let checked = self.integer(value);
        self.reading.settle(checked)
    }

    fn visit_u64<E: Error>(mut self, value: u64) -> Result<(), E> {
        let checked = match (i64::try_from(value), self.shape) {
            (Ok(value), _) => self.integer(value),
            (Err(_), Shape::Integer(_)) => Err(refuse(codes::NUMBER_TOO_LARGE, describe(&value.to_string()))),
            (Err(_), _) => self.number(value as f64),
        };
        self.reading.settle(checked)
    }

    fn visit_f64<E: Error>(mut self, value: f64) -> Result<(), E> {
        let checked = self.number(value);
        self.reading.settle(checked)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        let checked = match self.shape {
            Shape::Boolean => {
                self.column.push(Scalar::Boolean(value));
                Ok(())
            }
            _ => Err(self.other_type("true or false")),
        };
        self.reading.settle(checked)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        let checked = match self.on_null {
            Some(code) => Err(refuse(code, "null")),
            None => {
                self.column.push_null();
                Ok(())
            }
        };
        self.reading.settle(checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::List { item, least, most } => self.list(item, *least..=*most, items),
            _ => {
                let fault = self.other_type("a list");
                self.reading.settle(Err(fault))
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Object(object) => self.object(object, entries),
            Shape::Map(value) => self.free_keys(value, entries),
            _ => {
                let fault = self.other_type("an object");
                self.reading.settle(Err(fault))
            }
        }
    }
}
