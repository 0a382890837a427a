//! Bare JSON is of the kind whose unique key stands at its top level.
//!
//! Promises: a message with the keys of two kinds is told, not guessed. Never: reads a value.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::problem::codes::message as codes;

use super::feed::Feed;
use super::message::Fault;
use super::payload::syntax_fault;

/// What the top-level keys say.
pub enum Scan {
    Kind(usize),
    /// A CloudEvents envelope in the body.
    Structured,
}

/// Finds the kind of bare JSON by its top-level keys.
pub fn scan(feed: &Feed, text: &str) -> Result<Scan, Box<Fault>> {
    let mut keys = TopKeys::of(feed);
    let mut json = serde_json::Deserializer::from_str(text);
    let scanned = (&mut keys).deserialize(&mut json).and_then(|()| json.end());
    match (scanned, keys.kind) {
        (Ok(()), _) => {}
        // The decoder meets the same fault and can say in which field.
        (Err(_), Some(kind)) => return Ok(Scan::Kind(kind)),
        (Err(error), None) => return Err(syntax_fault(&error)),
    }
    match (keys.kinds, keys.kind) {
        (0, _) if keys.specversion => Ok(Scan::Structured),
        (0, _) | (_, None) => {
            let known: Vec<_> = feed.kinds.iter().map(|kind| kind.contract.unique_key.as_str()).collect();
            let help = format!("send ce_type, or one of these keys: {}", known.join(", "));
            Err(Fault::new(codes::UNKNOWN_KIND, "no key that identifies a kind").help(help))
        }
        (1, Some(kind)) => Ok(Scan::Kind(kind)),
        (many, Some(_)) => Err(Fault::new(codes::AMBIGUOUS_KIND, format!("the keys of {many} kinds"))),
    }
}

/// What the top-level keys say so far.
pub struct TopKeys<'f> {
    feed: &'f Feed,
    kinds: usize,
    kind: Option<usize>,
    specversion: bool,
    escaped: bool,
}

impl<'f> TopKeys<'f> {
    pub const fn of(feed: &'f Feed) -> Self {
        Self { feed, kinds: 0, kind: None, specversion: false, escaped: false }
    }

    /// The one kind that they name; nothing where a key is spelled with escapes and may be any.
    pub fn plain_kind(&self) -> Option<usize> {
        self.kind.filter(|_| self.kinds == 1 && !self.escaped)
    }

    pub fn see(&mut self, key: &str) {
        self.specversion |= key == "specversion";
        self.escaped |= key.contains('\\');
        for (index, kind) in self.feed.kinds.iter().enumerate() {
            if kind.contract.is_unique(key) && self.kind != Some(index) {
                self.kind = Some(index);
                self.kinds += 1;
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut TopKeys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut TopKeys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(TopKey(self))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct TopKey<'a, 'f>(&'a mut TopKeys<'f>);

impl<'de> DeserializeSeed<'de> for TopKey<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for TopKey<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.see(key);
        Ok(())
    }
}
