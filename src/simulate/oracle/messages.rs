//! Signal rows put back together as the messages they came from, with duplicates derived.
//!
//! Promises: a message is a duplicate when an earlier one says the same of the same record; nothing is dropped.

use std::ops::{Deref, Range};
use std::sync::Arc;

use super::rows::{Key, SignalRow, Stated, place_text};

/// One stored message: some of the sorted rows.
#[derive(Debug, Clone)]
pub struct Stored {
    stated: Arc<Stated>,
    from: u32,
    to: u32,
    pub duplicate: bool,
}

impl Deref for Stored {
    type Target = Stated;

    fn deref(&self) -> &Stated {
        &self.stated
    }
}

impl Stored {
    pub fn new(stated: Arc<Stated>, rows: Range<usize>) -> Self {
        Self { stated, from: rows.start as u32, to: rows.end as u32, duplicate: false }
    }

    /// Where its rows are.
    pub fn rows(&self) -> Range<usize> {
        self.from as usize..self.to as usize
    }

    pub fn place_text(&self) -> String {
        place_text(self.place())
    }
}

/// Sorts `rows` by place and row number and groups them into messages, in the order of their places.
pub fn grouped(rows: &mut [SignalRow]) -> Vec<Stored> {
    rows.sort_by(|a, b| (a.stated.place(), a.row).cmp(&(b.stated.place(), b.row)));
    let mut out: Vec<Stored> = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        match out.last_mut().filter(|last| last.place() == row.stated.place()) {
            Some(last) => last.to = index as u32 + 1,
            None => out.push(Stored::new(row.stated.clone(), index..index + 1)),
        }
    }
    out.shrink_to_fit();
    mark_duplicates(&mut out);
    out
}

fn mark_duplicates(messages: &mut [Stored]) {
    let statement = |message: &Stored| (message.record_key, message.revision, message.content_hash);
    let mut order: Vec<u32> = (0..messages.len() as u32).collect();
    order.sort_by(|a, b| {
        let (a, b) = (&messages[*a as usize], &messages[*b as usize]);
        (statement(a), a.commit.known_at, a.place()).cmp(&(statement(b), b.commit.known_at, b.place()))
    });
    for pair in order.windows(2) {
        let (first, second) = (pair[0] as usize, pair[1] as usize);
        messages[second].duplicate = statement(&messages[first]) == statement(&messages[second]);
    }
}

/// The winning message of every record, in the order of record keys.
pub fn winners(messages: &[Stored]) -> Vec<&Stored> {
    let mut out: Vec<&Stored> = messages.iter().collect();
    out.sort_by(|a, b| (a.record_key, b.rank()).cmp(&(b.record_key, a.rank())));
    out.dedup_by_key(|message| message.record_key);
    out
}

/// The winning message of one record.
pub fn winner<'a>(winners: &[&'a Stored], record: Key) -> Option<&'a Stored> {
    winners.binary_search_by_key(&record, |message| message.record_key).ok().map(|at| winners[at])
}
