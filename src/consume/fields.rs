//! One value of a message goes from serde_json's token to the rule of its field.
//!
//! Promises: every token of every type ends in its column or in a refusal. Never: builds a tree.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::problem::codes::field as codes;
use crate::problem::{Code, describe};

use super::admit::{Checked, Reading, refuse};
use super::columns::{Column, Scalar};
use super::message::Fault;
use super::plan::Shape;
use super::values::{day_of_text, instant_of_text, integer_of_number, integer_of_text, is_whole, number_of_text};

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
                None if is_whole(text) => {
                    return Err(refuse(codes::NUMBER_TOO_LARGE, describe(text)));
                }
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
