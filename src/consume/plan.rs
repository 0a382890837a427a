//! What a contract compiles to: a tree that says, field by field, what may come and where it goes.
//!
//! Promises: a shape and its Arrow type always agree; a field is found by its name or any alias.
//! Never: holds a message.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, FieldRef, Fields, TimeUnit};
use regex::Regex;

/// Optional fields that stand together and are often left out.
const FIELDS_NEAR: usize = 4;

/// A property of an object.
#[derive(Clone, Debug)]
pub struct Field {
    pub name: String,
    pub aliases: Vec<String>,
    pub required: bool,
    pub shape: Shape,
    pub en: String,
    pub zh: String,
}

/// What a value looks like, and the column that it fills.
#[derive(Clone, Debug)]
pub enum Shape {
    Text(TextRule),
    Identifier(IdentifierRule),
    Integer(IntegerRule),
    Number(NumberRule),
    Boolean,
    Day,
    Instant,
    List {
        item: Box<Shape>,
        least: usize,
        most: usize,
    },
    Object(ObjectRule),
    /// An object with free keys: `List<Struct<key, value>>`, sorted by key.
    Map(Box<Shape>),
}

/// What a text may be.
#[derive(Clone, Debug, Default)]
pub struct TextRule {
    /// The canonical values; empty for any.
    pub choices: Vec<String>,
    /// Tolerated spelling and the canonical value that it stands for.
    pub spellings: Vec<(String, String)>,
    pub pattern: Option<Regex>,
    /// Characters.
    pub least: usize,
    pub most: Option<usize>,
    /// Free text: seen by normalize.sql, never stored.
    pub drop: bool,
    /// Checked against the area list.
    pub area: bool,
}

/// What a personal identifier is and with whom it may be linked.
#[derive(Clone, Debug)]
pub struct IdentifierRule {
    pub scheme: Scheme,
    /// Index into the contract's linkage domains.
    pub domain: usize,
}

/// How an identifier is normalized and checked before it becomes a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// Resident identity number, GB 11643.
    CnId,
    Passport,
    Phone,
    Name,
    /// The sender's own number of a person.
    Local,
}

impl Scheme {
    pub const ALL: [Self; 5] = [Self::CnId, Self::Passport, Self::Phone, Self::Name, Self::Local];

    pub const fn word(self) -> &'static str {
        match self {
            Self::CnId => "cn-id",
            Self::Passport => "passport",
            Self::Phone => "phone",
            Self::Name => "name",
            Self::Local => "local",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.word() == text)
    }
}

#[derive(Clone, Debug)]
pub struct IntegerRule {
    pub least: i64,
    pub most: i64,
    pub choices: Vec<i64>,
    /// A value out of range becomes null and a quality flag instead of a rejection.
    pub flag: bool,
}

#[derive(Clone, Debug)]
pub struct NumberRule {
    pub least: f64,
    pub most: f64,
    pub flag: bool,
}

/// The properties of an object.
#[derive(Clone, Debug, Default)]
pub struct ObjectRule {
    pub fields: Vec<Field>,
    /// Unknown keys are refused rather than ignored.
    pub closed: bool,
    /// Every name and alias, sorted, with the index of its field.
    names: Vec<(String, usize)>,
}

impl ObjectRule {
    /// The rule over `fields`, or the name that two fields share.
    pub fn new(fields: Vec<Field>, closed: bool) -> Result<Self, String> {
        let mut names: Vec<(String, usize)> = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            names.push((field.name.clone(), index));
            names.extend(field.aliases.iter().map(|alias| (alias.clone(), index)));
        }
        names.sort();
        match names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self { fields, closed, names }),
        }
    }

    /// The field of a name or alias. Senders mostly keep the contract's order and leave some fields out, so `guess` and
    /// the next ones are tried first.
    pub fn find(&self, name: &str, guess: usize) -> Option<usize> {
        let mut near = self.fields.iter().enumerate().skip(guess).take(FIELDS_NEAR);
        if let Some((index, _)) = near.find(|(_, field)| field.name == name) {
            return Some(index);
        }
        let at = self.names.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        Some(self.names[at].1)
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(|(name, _)| name.as_str())
    }

    /// The Arrow fields, in contract order.
    pub fn arrow(&self) -> Fields {
        self.fields.iter().map(|field| ArrowField::new(&field.name, field.shape.arrow(), true)).collect()
    }
}

impl Shape {
    pub fn arrow(&self) -> DataType {
        match self {
            Self::Text(_) | Self::Identifier(_) => DataType::Utf8,
            Self::Integer(_) => DataType::Int64,
            Self::Number(_) => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Day => DataType::Date32,
            Self::Instant => instant_type(),
            Self::List { item, .. } => DataType::List(item_field(item.arrow())),
            Self::Object(object) => DataType::Struct(object.arrow()),
            Self::Map(value) => DataType::List(item_field(DataType::Struct(entry_fields(value)))),
        }
    }

    /// The type in the words of a rejection.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Text(_) | Self::Identifier(_) => "a text",
            Self::Integer(_) => "a whole number",
            Self::Number(_) => "a number",
            Self::Boolean => "true or false",
            Self::Day => "a date such as 2021-01-18",
            Self::Instant => "a time such as 2021-01-18T08:30:00+08:00",
            Self::List { .. } => "a list",
            Self::Object(_) | Self::Map(_) => "an object",
        }
    }

    /// Does any text of this shape exist only inside the batch?
    pub fn drops(&self) -> bool {
        match self {
            Self::Text(rule) => rule.drop,
            Self::Identifier(_) | Self::Integer(_) | Self::Number(_) | Self::Boolean | Self::Day | Self::Instant => {
                false
            }
            Self::List { item, .. } => item.drops(),
            Self::Map(value) => value.drops(),
            Self::Object(object) => object.fields.iter().any(|field| field.shape.drops()),
        }
    }
}

/// The type of every stored time.
pub fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// The field of a list's items.
pub fn item_field(item: DataType) -> FieldRef {
    Arc::new(ArrowField::new_list_field(item, true))
}

/// The fields of one entry of a free-key object.
pub fn entry_fields(value: &Shape) -> Fields {
    [ArrowField::new("key", DataType::Utf8, true), ArrowField::new("value", value.arrow(), true)].into_iter().collect()
}
