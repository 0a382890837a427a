//! A message as it came, and why one was not used.
//!
//! Promises: a rejection says what, where, what was found and what would be right.
//! Never: repeats a person's data; `found` is a description.

use sha2::{Digest, Sha256};

use crate::problem::Code;
use crate::terms::Position;

/// One message of a feed, as the source handed it over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub position: Position,
    /// Kafka's timestamp, microseconds UTC.
    pub timestamp: Option<i64>,
    pub key: Option<Vec<u8>>,
    pub headers: Vec<(String, Vec<u8>)>,
    /// `None` is a tombstone.
    pub payload: Option<Vec<u8>>,
}

impl Message {
    /// What it is known by when it is met again.
    pub fn witness(&self) -> i64 {
        witness(self.timestamp, self.key.as_deref(), self.payload.as_deref())
    }

    /// The value of the last header of this name; Kafka allows repeats and the last one is the newest.
    pub fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers.iter().rev().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

/// What a message is known by when it is met again: time, key and payload in one number, never 0.
pub(super) fn witness(timestamp: Option<i64>, key: Option<&[u8]>, payload: Option<&[u8]>) -> i64 {
    let mut digest = Sha256::new();
    digest.update(timestamp.unwrap_or(-1).to_le_bytes());
    for part in [key, payload] {
        let length = part.map_or(-1, |part| part.len() as i64);
        digest.update(length.to_le_bytes());
        digest.update(part.unwrap_or_default());
    }
    i64::from_le_bytes(digest.finalize().first_chunk::<8>().copied().unwrap_or_default()) | 1
}

/// Why a message was not used; the material of its quarantine row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Index into the messages that were handed to the decoder.
    pub message: usize,
    /// The kind, where the message got far enough to have one.
    pub kind: Option<String>,
    pub code: Code,
    /// JSON pointer into the payload; empty for the whole.
    pub pointer: String,
    /// What was found, described.
    pub found: String,
    /// What would be right.
    pub help: String,
}

/// A rejection before its message and kind are known; boxed, because it is rare and its way up is long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: Code,
    pub pointer: String,
    pub found: String,
    pub help: String,
}

impl Fault {
    /// A fault of the whole message, with the help of its code.
    pub fn new(code: Code, found: impl Into<String>) -> Box<Self> {
        Box::new(Self { code, pointer: String::new(), found: found.into(), help: code.help.to_owned() })
    }

    /// The same fault with a help that knows more.
    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = help.into();
        self
    }

    /// The same fault seen from the container that holds `name`.
    pub fn within(mut self: Box<Self>, name: &str) -> Box<Self> {
        self.pointer.insert_str(0, &format!("/{}", name.replace('~', "~0").replace('/', "~1")));
        self
    }

    /// The rejection of `message`, of `kind` as far as known.
    pub fn rejects(self, message: usize, kind: Option<&str>) -> Rejected {
        let Self { code, pointer, found, help } = self;
        Rejected { message, kind: kind.map(str::to_owned), code, pointer, found, help }
    }
}
