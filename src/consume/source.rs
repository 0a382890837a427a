//! Where messages come from: epochs of a bounded size, each with the offsets that its commit must move.
//!
//! Promises: an epoch's ranges join: `from` is where the log's offset stands, `to` where it will stand.
//! An epoch that was cut before a revoke says so by its generation.
//! Never: skips what it cannot explain. A gap is said in words and its partition waits.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::consume::message::Message;
use crate::problem::{Problem, Result};
use crate::terms::Position;

/// A partition of a topic.
pub type Partition = (String, i32);
/// From where to where (exclusive) an epoch reaches in each partition.
pub type Ranges = BTreeMap<Partition, (i64, i64)>;

/// How large an epoch may become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EpochLimit {
    pub messages: usize,
    pub bytes: usize,
    pub wait_ms: u64,
}

/// What one commit makes durable: messages of several partitions and the offsets that they move.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Epoch {
    /// In order of offsets within each partition.
    pub messages: Vec<Message>,
    pub ranges: Ranges,
    /// Of the last message of each range: shows later whether the topic is still the same.
    pub witnesses: BTreeMap<Partition, i64>,
    /// Compare with [`Source::generation`] before the commit: partitions may have been taken since.
    pub generation: u64,
}

/// What a source has to say.
#[derive(Debug, PartialEq, Eq)]
pub enum Polled {
    Epoch(Epoch),
    /// Nothing came within the limit's time.
    Idle,
    /// Partitions were taken: what is in flight must be dropped, not committed.
    Revoked,
    /// Something a person must know. Reading goes on, except in a partition with a gap: it waits.
    Trouble(Box<Problem>),
    /// There is no more and there will be none.
    End,
}

/// How a source stands, for whoever watches it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// What keeps partitions waiting, and topics that are not there.
    pub problems: Vec<Problem>,
    /// Partitions among these that wait for a person.
    pub waiting: usize,
    /// Connections to brokers that stand; None before the first word about it.
    pub brokers_up: Option<usize>,
    /// Of each partition that is read, where the log stands and where it ends.
    pub reach: BTreeMap<Partition, (i64, i64)>,
}

/// Kafka, or messages in memory.
#[async_trait]
pub trait Source: Send {
    /// The next epoch, as soon as one of the limits is reached.
    async fn next_epoch(&mut self, limit: &EpochLimit) -> Result<Polled>;

    /// Grows when partitions are taken and when reading starts again.
    fn generation(&self) -> u64;

    /// The epoch is durable: a rebalance starts behind it.
    fn committed(&mut self, epoch: &Epoch);

    /// How it stands right now. What is in memory has nothing to say.
    fn standing(&self) -> Standing {
        Standing { brokers_up: Some(1), ..Standing::default() }
    }

    /// The log refused: everything in flight is dropped, reading starts again where the log stands.
    fn restart(&mut self, starts: Starts);
}

/// Where reading resumes in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    pub next: i64,
    /// Of the message before `next`, where the log knows it.
    pub witness: Option<i64>,
}

impl Start {
    pub const fn at(next: i64) -> Self {
        Self { next, witness: None }
    }
}

/// The log's offsets; a partition that is absent was never read.
pub type Starts = BTreeMap<Partition, Start>;

/// Moves the starts behind an epoch.
pub(super) fn advance(starts: &mut Starts, epoch: &Epoch) {
    for (partition, (_, to)) in &epoch.ranges {
        let witness = epoch.witnesses.get(partition).copied();
        starts.insert(partition.clone(), Start { next: *to, witness });
    }
}

/// An epoch being cut.
pub(super) struct Cut {
    epoch: Epoch,
    bytes: usize,
    /// The partition of the message before: they come in runs.
    last: Partition,
}

impl Cut {
    pub fn new(generation: u64) -> Self {
        Self { epoch: Epoch { generation, ..Epoch::default() }, bytes: 0, last: Partition::default() }
    }

    /// Adds a message that was read when the partition stood at `from`; false if it does not join what is there.
    pub fn add(&mut self, from: i64, message: Message) -> bool {
        let position = &message.position;
        if !is_of(position, &self.last) {
            self.last = (position.topic.to_string(), position.partition);
            self.epoch.ranges.entry(self.last.clone()).or_insert((from, from));
        }
        let next = position.offset + 1;
        let Some(range) = self.epoch.ranges.get_mut(&self.last) else { return false };
        if range.1 != from || position.offset < from {
            return false;
        }
        range.1 = next;
        self.bytes += size(&message);
        self.epoch.messages.push(message);
        true
    }

    pub fn is_full(&self, limit: &EpochLimit) -> bool {
        self.epoch.messages.len() >= limit.messages || self.bytes >= limit.bytes
    }

    pub fn finish(mut self) -> Option<Epoch> {
        // The last of each partition is met first; a witness is a digest, too dear for every message.
        for message in self.epoch.messages.iter().rev() {
            if self.epoch.witnesses.len() == self.epoch.ranges.len() {
                break;
            }
            let partition = (message.position.topic.to_string(), message.position.partition);
            self.epoch.witnesses.entry(partition).or_insert_with(|| message.witness());
        }
        (!self.epoch.messages.is_empty()).then_some(self.epoch)
    }
}

/// Whether a position lies in a partition.
pub(super) fn is_of(position: &Position, (topic, partition): &Partition) -> bool {
    position.partition == *partition && *position.topic == **topic
}

/// What a message weighs in a queue: its bytes, and a little for what stands around them.
pub(super) fn size(message: &Message) -> usize {
    let headers: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    message.payload.as_ref().map_or(0, Vec::len) + message.key.as_ref().map_or(0, Vec::len) + headers + 64
}

/// How long the next epoch may take: short when idle (latency), long under backlog (throughput), and never shorter
/// than the last commit took, or a slow disk would be given ever more commits.
#[derive(Clone, Debug)]
pub struct Pace {
    pub short_ms: u64,
    pub long_ms: u64,
    pub messages: usize,
    pub bytes: usize,
    backlog: bool,
    last_commit_ms: u64,
}

/// A commit that took longer than this says nothing about the next: a disk was full, a machine slept.
const WAIT_MS_MAX: u64 = 10_000;

impl Pace {
    pub const fn new(short_ms: u64, long_ms: u64, messages: usize, bytes: usize) -> Self {
        Self { short_ms, long_ms, messages, bytes, backlog: false, last_commit_ms: 0 }
    }

    pub fn limit(&self) -> EpochLimit {
        let wanted = if self.backlog { self.long_ms } else { self.short_ms };
        let wait_ms = wanted.max(self.last_commit_ms).min(WAIT_MS_MAX.max(self.long_ms));
        EpochLimit { messages: self.messages, bytes: self.bytes, wait_ms }
    }

    /// Learns from an epoch that was committed in `commit_ms`.
    pub fn learn(&mut self, epoch_messages: usize, epoch_bytes: usize, commit_ms: u64) {
        // Half full in a short epoch already means that more is coming than a short epoch should carry.
        self.backlog = epoch_messages * 2 >= self.messages || epoch_bytes * 2 >= self.bytes;
        self.last_commit_ms = commit_ms;
    }
}

impl Epoch {
    /// What the payloads weigh.
    pub fn bytes(&self) -> usize {
        self.messages.iter().map(size).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Position;

    fn message(offset: i64) -> Message {
        let position = Position { topic: "t".into(), partition: 0, offset };
        Message { position, timestamp: Some(offset), key: None, headers: Vec::new(), payload: Some(vec![0; 100]) }
    }

    #[test]
    fn the_ranges_of_an_epoch_join_over_offsets_that_hold_no_message() {
        let mut cut = Cut::new(0);
        assert!(cut.add(5, message(5)));
        assert!(cut.add(6, message(9)), "a transaction marker stands between");
        assert!(!cut.add(12, message(12)), "10 and 11 are not accounted for");
        let epoch = cut.finish().unwrap();
        assert_eq!(epoch.ranges, BTreeMap::from([(("t".to_owned(), 0), (5, 10))]));
        assert_eq!(epoch.witnesses.into_values().collect::<Vec<_>>(), [message(9).witness()]);
    }

    #[test]
    fn an_epoch_is_short_when_idle_long_under_backlog_and_twice_the_last_commit() {
        let mut pace = Pace::new(50, 1_000, 100, 1 << 20);
        assert_eq!(pace.limit().wait_ms, 50);
        pace.learn(100, 0, 30);
        assert_eq!(pace.limit().wait_ms, 1_000);
        pace.learn(1, 0, 200);
        assert_eq!(pace.limit().wait_ms, 200);
        pace.learn(1, 0, 3_600_000);
        assert_eq!(pace.limit().wait_ms, WAIT_MS_MAX);
    }
}
