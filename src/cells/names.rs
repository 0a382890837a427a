//! Texts that repeat, stored once: units, signals, facilities, persons.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A text's number.
pub type Name = u32;

#[derive(Clone, Debug, Default)]
pub struct Names {
    texts: Vec<Arc<str>>,
    numbers: BTreeMap<Arc<str>, Name>,
}

impl Names {
    /// The number of a text, a new one if it has none.
    pub fn number(&mut self, text: &str) -> Name {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as Name;
        let text: Arc<str> = text.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        number
    }

    /// The number of a text that was seen.
    pub fn find(&self, text: &str) -> Option<Name> {
        self.numbers.get(text).copied()
    }

    /// The text of a number that was given out here.
    pub fn text(&self, number: Name) -> &str {
        self.texts.get(number as usize).map_or("", |text| text)
    }
}
