//! What every property starts from: the shipped feeds, their own good examples, and a moment.
//!
//! Never: holds a person. The numbers are invented ones of an area that does not exist.

use std::sync::LazyLock;

use qianshao::consume::decode::{Context, Decoded, decode};
use qianshao::consume::feed::{Feed, Feeds};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::message::{Message, Rejected};
use qianshao::terms::Position;

/// 2021-02-01T00:00:00Z, after every example was reported.
pub const NOW: i64 = 1_612_137_600_000_000;

/// The shipped feeds, compiled once.
pub static FEEDS: LazyLock<Feeds> = LazyLock::new(|| Feeds::load(None).unwrap());

static PSEUDONYMS: LazyLock<Pseudonyms> = LazyLock::new(|| Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256));

/// The good examples of a feed, all its kinds.
pub fn good(feed: &Feed) -> Vec<&str> {
    feed.kinds.iter().flat_map(|kind| kind.good.lines()).filter(|line| !line.is_empty()).collect()
}

/// A message with this payload, a minute old.
pub fn message(payload: &[u8]) -> Message {
    Message {
        position: Position { topic: "t".into(), partition: 0, offset: 0 },
        timestamp: Some(NOW - 60_000_000),
        key: None,
        headers: Vec::new(),
        payload: Some(payload.to_vec()),
    }
}

/// The shipped decoder under an area list of two counties and a town.
pub fn decoded(feed: &Feed, messages: &[Message]) -> (Vec<Decoded>, Vec<Rejected>) {
    let known_area = |code: &str| code.starts_with("9901") || code.starts_with("3418");
    decode(feed, messages, &Context { pseudonyms: &PSEUDONYMS, known_area: &known_area, now: NOW })
}

/// Bytes read one after the other: what a fuzzer gives becomes choices. After the last byte come zeros.
pub struct Choices<'a>(pub &'a [u8]);

impl<'a> Choices<'a> {
    pub fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        usize::from(u16::from_le_bytes([self.byte(), self.byte()])) % end.max(1)
    }

    pub fn of<'t, T: ?Sized>(&mut self, choices: &[&'t T]) -> &'t T {
        choices[self.below(choices.len())]
    }

    /// The next `length` bytes, or those that are left.
    pub fn take(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    pub fn is_over(&self) -> bool {
        self.0.is_empty()
    }
}
