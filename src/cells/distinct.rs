//! Values that repeat, stored once and told by a number; and lists that grow without much room to spare.
//!
//! Promises: equal values have one number, and numbers follow the order in which values came.
//! Never: gives an order of its own. What a hash decides is whether a value is there, nothing else.

use std::hash::{BuildHasher, Hash};

use hashbrown::{DefaultHashBuilder, HashTable};

/// Each value once.
#[derive(Clone, Debug)]
pub struct Distinct<T> {
    values: Vec<T>,
    /// Numbers only: the values stand beside, so a value costs itself and some five bytes.
    numbers: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl<T> Default for Distinct<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: HashTable::new(), hasher: DefaultHashBuilder::default() }
    }
}

impl<T: Copy + Eq + Hash> Distinct<T> {
    /// The number of a value, a new one if it has none.
    pub fn number(&mut self, value: T) -> u32 {
        let Self { values, numbers, hasher } = self;
        let hash = hasher.hash_one(value);
        if let Some(number) = numbers.find(hash, |number| values[*number as usize] == value) {
            return *number;
        }
        let number = values.len() as u32;
        push(values, value);
        numbers.insert_unique(hash, number, |number| hasher.hash_one(values[*number as usize]));
        number
    }

    /// The number of a value that was seen.
    pub fn find(&self, value: T) -> Option<u32> {
        let hash = self.hasher.hash_one(value);
        self.numbers.find(hash, |number| self.values[*number as usize] == value).copied()
    }

    /// The value of a number that was given out here.
    pub fn get(&self, number: u32) -> T {
        self.values[number as usize]
    }

    pub const fn len(&self) -> usize {
        self.values.len()
    }
}

/// Adds to a list that grows by an eighth: doubling would leave half of what is kept for years empty.
pub fn push<T>(list: &mut Vec<T>, value: T) {
    if list.len() == list.capacity() {
        list.reserve_exact(list.len() / 8 + 1);
    }
    list.push(value);
}
