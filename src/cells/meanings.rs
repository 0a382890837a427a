//! What each signal means, from the contracts that are in force.
//!
//! Promises: a feed folder is enough; nothing here knows a feed or a signal by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use serde_json::Value;

use crate::delta::reference::Edition;
use crate::problem::{Problem, Result, codes};

/// Class of a contract's text in `reference`; its name is `feed/kind`.
pub const CLASS_FEED: &str = "feed";

/// How the rows of one unit, signal and day become a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Count {
    Sum,
    /// The same person twice counts once.
    DistinctPersons,
    /// Sessions of one day are statements about the same people: the greatest counts.
    GreatestSlot,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meaning {
    pub en: String,
    pub zh: String,
    pub syndrome: String,
    pub channel: String,
    pub weight_tenths: i64,
    pub count: Count,
}

/// Feed, kind and signal.
pub type Named = (String, String, String);

/// Signals by name, and the kinds that count where a register is silent.
#[derive(Clone, Debug, Default)]
pub struct Meanings {
    pub signals: BTreeMap<Named, Meaning>,
    /// Feed → its kinds, the default authority first.
    pub kinds: BTreeMap<String, Vec<String>>,
    /// Signal → feed.
    pub feed_of: BTreeMap<String, String>,
    /// Feed → signal → the kinds that can say it, the default authority first.
    saying: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

impl Meanings {
    pub fn of(edition: &Edition) -> Result<Self> {
        let mut meanings = Self::default();
        for (name, body) in edition.of(CLASS_FEED) {
            let unread =
                |found: String| Problem::new(codes::log::REGISTER_UNREADABLE, format!("contract {name}"), found);
            let (feed, kind) = name.split_once('/').ok_or_else(|| unread("its name is not feed/kind".to_owned()))?;
            let contract: Value = serde_json::from_str(body).map_err(|error| unread(error.to_string()))?;
            let kinds = meanings.kinds.entry(feed.to_owned()).or_default();
            if contract["x-authoritative-default"] == Value::Bool(true) {
                kinds.insert(0, kind.to_owned());
            } else {
                kinds.push(kind.to_owned());
            }
            for (signal, stated) in contract["x-signals"].as_object().into_iter().flatten() {
                meanings.feed_of.insert(signal.clone(), feed.to_owned());
                meanings.signals.insert((feed.to_owned(), kind.to_owned(), signal.clone()), meaning(stated));
            }
        }
        for (feed, kind, signal) in meanings.signals.keys() {
            let kinds = meanings.saying.entry(feed.clone()).or_default().entry(signal.clone()).or_default();
            match meanings.kinds.get(feed).and_then(|kinds| kinds.first()) {
                Some(default) if default == kind => kinds.insert(0, kind.clone()),
                Some(_) | None => kinds.push(kind.clone()),
            }
        }
        Ok(meanings)
    }

    /// The kind whose rows of a signal count: of those that can say it, the one that the register states, else the
    /// default. Where only one kind can say it, that is the one: what it alone knows must not get lost.
    pub fn authority(&self, feed: &str, signal: &str, stated: Option<&str>) -> Option<&str> {
        let kinds = self.saying.get(feed)?.get(signal)?;
        kinds.iter().find(|kind| stated == Some(kind)).or(kinds.first()).map(String::as_str)
    }

    /// How the rows of one unit and day become a count; where nothing is said, they are added up.
    pub fn count(&self, feed: &str, kind: &str, signal: &str) -> Count {
        let key = (feed.to_owned(), kind.to_owned(), signal.to_owned());
        self.signals.get(&key).map_or(Count::Sum, |meaning| meaning.count)
    }

    /// The meaning of a signal, by the first kind that has it.
    pub fn any(&self, signal: &str) -> Option<&Meaning> {
        let feed = self.feed_of.get(signal)?;
        self.kinds.get(feed)?.iter().find_map(|kind| self.signals.get(&(feed.clone(), kind.clone(), signal.to_owned())))
    }

    /// Table `signal_names`.
    pub fn table(&self) -> Result<RecordBatch> {
        let text = |of: &dyn Fn(&Named, &Meaning) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.signals.iter().map(|(key, meaning)| of(key, meaning))))
        };
        let weights = Int64Array::from_iter_values(self.signals.values().map(|meaning| meaning.weight_tenths));
        let columns: Vec<(&str, ArrayRef)> = vec![
            ("signal", text(&|(_, _, signal), _| signal.clone())),
            ("feed", text(&|(feed, _, _), _| feed.clone())),
            ("kind", text(&|(_, kind, _), _| kind.clone())),
            ("syndrome", text(&|_, meaning| meaning.syndrome.clone())),
            ("channel", text(&|_, meaning| meaning.channel.clone())),
            ("weight_tenths", Arc::new(weights)),
            ("en", text(&|_, meaning| meaning.en.clone())),
            ("zh", text(&|_, meaning| meaning.zh.clone())),
        ];
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, column)| {
                Field::new(
                    *name,
                    if *name == "weight_tenths" { DataType::Int64 } else { column.data_type().clone() },
                    false,
                )
            })
            .collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())
            .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table signal_names", error.to_string()))
    }
}

fn meaning(stated: &Value) -> Meaning {
    let text = |name: &str| stated[name].as_str().unwrap_or_default().to_owned();
    Meaning {
        en: text("en"),
        zh: text("zh"),
        syndrome: text("syndrome"),
        channel: text("channel"),
        weight_tenths: stated["weight_tenths"].as_i64().unwrap_or(0),
        count: match stated["count"].as_str() {
            Some("distinct_persons") => Count::DistinctPersons,
            Some("greatest_slot") => Count::GreatestSlot,
            Some(_) | None => Count::Sum,
        },
    }
}
