//! The ledger of truth: what the invented city sent and what must become of every message.
//!
//! Promises: every line is read or named with its number; words that are not known here are ignored. A message is kept in
//! the shape of what is stored of it, small enough for a month of a city at once.

mod line;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::{Deref, Range};
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::rows::{Commit, Key, Origin, Place, Said, SignalRow, Stated, Words, place_text};
use line::{MessageLine, RowLine, Tag};

/// One message with its fate.
#[derive(Debug, Clone)]
pub struct Message {
    /// What it states; nothing is known of commits and files, and its content is the digest of its payload.
    pub stated: Arc<Stated>,
    pub seq: u64,
    pub fate: Fate,
    pub record: Option<Box<str>>,
    /// What must be said of it where it is refused.
    pub refusal: Option<Box<Refusal>>,
    from: u32,
    to: u32,
}

/// Why a message must be refused, as far as the ledger says.
#[derive(Debug, Clone, Default)]
pub struct Refusal {
    pub reason: Option<String>,
    pub pointer: Option<String>,
}

/// Feed, kind and the sender's number.
pub type RecordId<'a> = (&'a str, &'a str, &'a str);

/// What must become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    Accepted,
    Duplicate,
    #[serde(alias = "quarantined")]
    Quarantine,
}

/// An outbreak that was planted, with the alert it must raise.
#[derive(Debug, Clone, Deserialize)]
pub struct Planted {
    pub id: String,
    pub area_code: String,
    pub rule: String,
    pub onset: String,
    pub until: String,
}

/// The whole ledger.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub messages: Vec<Message>,
    /// What the messages stand for, message by message.
    pub rows: Vec<SignalRow>,
    pub planted: Vec<Planted>,
    pub words: Words,
    /// Messages in the order of their places, and in the order of their records and revisions.
    by_place: Vec<u32>,
    by_record: Vec<u32>,
}

const MESSAGE: &str = "{\"line\":\"message\",";

/// Reads a ledger, or names the line that cannot be read.
pub fn read(path: &Path) -> Result<Ledger, String> {
    let file = File::open(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let (mut ledger, mut reader, mut line) = (Ledger::default(), BufReader::new(file), String::new());
    for number in 1.. {
        let say = |e: &dyn std::fmt::Display| format!("{} line {number}: {e}", path.display());
        line.clear();
        if reader.read_line(&mut line).map_err(|e| say(&e))? == 0 {
            break;
        }
        if !line.trim().is_empty() {
            ledger.take(&line).map_err(|e| say(&e))?;
        }
    }
    ledger.messages.shrink_to_fit();
    ledger.rows.shrink_to_fit();
    ledger.by_place = ledger.sorted(|a, b| a.place().cmp(&b.place()));
    ledger.by_record = ledger.sorted(|a, b| (a.record_id(), a.revision).cmp(&(b.record_id(), b.revision)));
    Ok(ledger)
}

impl Ledger {
    fn take(&mut self, line: &str) -> serde_json::Result<()> {
        // Almost every line is a message and begins like this; reading it twice would double the time.
        let tag: Option<Tag> = if line.starts_with(MESSAGE) { None } else { Some(serde_json::from_str(line)?) };
        match tag.as_ref().map_or("message", |tag| &*tag.line) {
            "message" => self.take_message(serde_json::from_str(line)?),
            "planted" => self.planted.push(serde_json::from_str(line)?),
            _ => {}
        }
        Ok(())
    }

    fn take_message(&mut self, line: MessageLine<'_>) {
        let words = &mut self.words;
        let record = (&*line.feed, &*line.kind, line.record.as_deref());
        let origin = Origin {
            topic: words.of(&line.topic),
            partition: line.partition,
            feed: words.of(&line.feed),
            kind: words.of(&line.kind),
            operation: words.of(line.operation.as_deref().unwrap_or_default()),
        };
        let stated = Arc::new(Stated {
            origin: words.origin(origin),
            offset: line.offset,
            record_key: Key::of(record),
            revision: line.revision,
            content_hash: Key::of(line.payload_sha256.to_lowercase()),
            reported_at: line.reported_at.0,
            commit: words.commit(Commit::default()),
        });
        let from = self.rows.len() as u32;
        let facility = line.facility_id.as_deref().filter(|id| !id.is_empty());
        for (row, of) in (0..).zip(&line.rows) {
            let said = of.said(facility, words);
            let person_key = of.person.as_deref().map(Key::of);
            self.rows.push(SignalRow { said: words.said(said), stated: stated.clone(), person_key, row });
        }
        let refusal = Refusal { reason: line.reason, pointer: line.pointer };
        self.messages.push(Message {
            stated,
            seq: line.seq,
            fate: line.fate,
            record: line.record.as_deref().map(Box::from),
            refusal: (line.fate == Fate::Quarantine).then(|| Box::new(refusal)),
            from,
            to: self.rows.len() as u32,
        });
    }

    fn sorted(&self, by: impl Fn(&Message, &Message) -> std::cmp::Ordering) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.messages.len() as u32).collect();
        order.sort_by(|a, b| by(&self.messages[*a as usize], &self.messages[*b as usize]));
        order
    }

    /// The message that was sent to a place.
    pub fn sent_to(&self, place: Place<'_>) -> Option<&Message> {
        let message = |at: &u32| &self.messages[*at as usize];
        let found = self.by_place.binary_search_by(|at| message(at).place().cmp(&place)).ok()?;
        self.by_place.get(found).map(message)
    }

    /// Messages that count, in the order of their records and revisions; those without a record are none.
    pub fn of_records(&self) -> impl Iterator<Item = (RecordId<'_>, &Message)> {
        let messages = self.by_record.iter().map(|at| &self.messages[*at as usize]);
        let counting = messages.filter(|message| message.fate != Fate::Quarantine);
        counting.filter_map(|message| Some((message.record_id()?, message)))
    }

    /// Forgets every message; outbreaks stay.
    pub fn forget_messages(&mut self) {
        *self = Self {
            planted: std::mem::take(&mut self.planted),
            words: std::mem::take(&mut self.words),
            ..Self::default()
        };
    }

    /// What a message stands for.
    pub fn rows_of(&self, message: &Message) -> &[SignalRow] {
        &self.rows[message.rows()]
    }
}

impl RowLine<'_> {
    fn said(&self, facility: Option<&str>, words: &mut Words) -> Said {
        Said {
            signal: words.of(&self.signal),
            unit_kind: words.of(&self.unit_kind),
            unit_id: words.of(&self.unit_id),
            facility_id: words.of_some(self.facility_id.as_deref().or(facility)),
            area_code: words.of_some(self.area_code.as_deref()),
            // No stored row is of that day, so a date that is none is told as a row that is missing.
            event_date: super::day_of_text(&self.event_date).unwrap_or(0),
            value: self.value,
            denominator: self.denominator,
            slot: words.of_some(self.slot.as_deref()),
            quality: words.of_some(self.quality.as_deref()),
        }
    }
}

impl Deref for Message {
    type Target = Stated;

    fn deref(&self) -> &Stated {
        &self.stated
    }
}

impl Message {
    /// Where its rows are.
    pub fn rows(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    /// The place as people write it.
    pub fn place_text(&self) -> String {
        format!("{} (seq {})", place_text(self.place()), self.seq)
    }

    /// The record it speaks of; sender's numbers are unique within a feed and kind only.
    pub fn record_id(&self) -> Option<RecordId<'_>> {
        self.record.as_deref().map(|record| (&*self.origin.feed, &*self.origin.kind, record))
    }
}
