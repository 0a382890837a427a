//! Objects, lists and free-key objects of a message: which value goes into which column.
//!
//! Promises: every field of an object is filled exactly once, with null where nothing came; a key that stands twice is
//! refused, whichever spelling it uses; a refusal knows its way up. Never: reads a value.

use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::problem::codes::{field as codes, message};

use super::admit::{Reading, refuse};
use super::columns::{Column, Scalar};
use super::fields::Value;
use super::plan::{ObjectRule, Shape};
use super::values::holds_personal_number;

/// Free keys are stored, so they are short codes.
const KEY_CHARACTERS_MAX: usize = 40;

impl Value<'_, '_, '_> {
    /// The fields of an object inside the message.
    pub fn object<'de, A: MapAccess<'de>>(self, object: &ObjectRule, entries: A) -> Result<(), A::Error> {
        let row = self.column.len();
        if let Some(columns) = self.column.fields() {
            read_object(object, columns, row, self.reading, entries)?;
        }
        self.column.close();
        Ok(())
    }

    /// The items of a list.
    pub fn list<'de, A: SeqAccess<'de>>(
        self,
        item: &Shape,
        lengths: RangeInclusive<usize>,
        mut items: A,
    ) -> Result<(), A::Error> {
        let mut length = 0;
        if let Some(column) = self.column.item() {
            loop {
                let value = Value {
                    shape: item,
                    column: &mut *column,
                    reading: &mut *self.reading,
                    on_null: Some(codes::WRONG_TYPE),
                };
                match items.next_element_seed(value) {
                    Ok(Some(())) if length >= *lengths.end() => {
                        let found = format!("more than {} items", lengths.end());
                        return self.reading.settle(Err(refuse(codes::LIST_LENGTH, found)));
                    }
                    Ok(Some(())) => length += 1,
                    Ok(None) => break,
                    Err(error) => {
                        self.reading.path.push(length.to_string());
                        return Err(error);
                    }
                }
            }
        }
        if length < *lengths.start() {
            return self.reading.settle(Err(refuse(codes::LIST_LENGTH, format!("{length} items"))));
        }
        self.column.close();
        Ok(())
    }

    /// The entries of an object with free keys.
    pub fn free_keys<'de, A: MapAccess<'de>>(self, shape: &Shape, mut entries: A) -> Result<(), A::Error> {
        if let Some((keys, values)) = self.column.entries() {
            while entries.next_key_seed(FreeKey { keys: &mut *keys, reading: &mut *self.reading })?.is_some() {
                let value = Value {
                    shape,
                    column: &mut *values,
                    reading: &mut *self.reading,
                    on_null: Some(codes::WRONG_TYPE),
                };
                if let Err(error) = entries.next_value_seed(value) {
                    let key = keys.len().checked_sub(1).and_then(|last| keys.text(last)).unwrap_or_default();
                    self.reading.path.push(key.to_owned());
                    return Err(error);
                }
            }
        }
        if !self.column.close() {
            return self.reading.settle(Err(refuse(message::DUPLICATE_KEY, "a free key that stands twice")));
        }
        Ok(())
    }
}

/// Reads an object into row `row` of its columns.
pub fn read_object<'de, A: MapAccess<'de>>(
    object: &ObjectRule,
    columns: &mut [Column],
    row: usize,
    reading: &mut Reading<'_>,
    mut entries: A,
) -> Result<(), A::Error> {
    let mut guess = 0;
    while let Some(name) = entries.next_key_seed(Name { object, guess })? {
        let Some(index) = name else {
            reading.unknown_fields += 1;
            if object.closed {
                return reading.settle(Err(refuse(codes::UNKNOWN_FIELD, "a key that the contract does not name")));
            }
            entries.next_value::<IgnoredAny>()?;
            continue;
        };
        let (field, column) = (&object.fields[index], &mut columns[index]);
        guess = index + 1;
        if column.len() > row {
            reading.path.push(field.name.clone());
            return reading.settle(Err(refuse(message::DUPLICATE_KEY, "a second value for the field")));
        }
        let on_null = field.required.then_some(codes::MISSING_FIELD);
        let value = Value { shape: &field.shape, column, reading: &mut *reading, on_null };
        if let Err(error) = entries.next_value_seed(value) {
            reading.path.push(field.name.clone());
            return Err(error);
        }
    }
    for (field, column) in object.fields.iter().zip(columns) {
        if column.len() > row {
            continue;
        }
        if field.required {
            reading.path.push(field.name.clone());
            let help = format!("send {}", field.shape.word());
            return reading.settle(Err(refuse(codes::MISSING_FIELD, "nothing").help(help)));
        }
        column.push_null();
    }
    Ok(())
}

/// Looks a key up without copying it: the index of its field, or nothing.
struct Name<'p> {
    object: &'p ObjectRule,
    guess: usize,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(self.object.find(key, self.guess))
    }
}

/// Appends a free key to its column.
struct FreeKey<'s, 'c> {
    keys: &'s mut Column,
    reading: &'s mut Reading<'c>,
}

impl<'de> DeserializeSeed<'de> for FreeKey<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for FreeKey<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_+.".contains(&b);
        if key.is_empty() || key.len() > KEY_CHARACTERS_MAX || !key.bytes().all(plain) {
            let found = format!("a key of {} characters", key.chars().count());
            return self.reading.settle(Err(refuse(codes::MAP_KEY, found)));
        }
        if holds_personal_number(key, self.reading.today) {
            return self.reading.settle(Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, "a key of a person's form")));
        }
        self.keys.push(Scalar::Text(key));
        Ok(())
    }
}

/// The whole message: an object that fills the columns of its kind.
pub struct Root<'p, 's, 'c> {
    pub object: &'p ObjectRule,
    pub columns: &'s mut [Column],
    pub row: usize,
    pub reading: &'s mut Reading<'c>,
}

impl<'de> DeserializeSeed<'de> for Root<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<(), A::Error> {
        read_object(self.object, self.columns, self.row, self.reading, entries)
    }
}
