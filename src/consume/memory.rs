//! Messages in memory behind the source's seam: for tests, replay and the seeded world.
//!
//! Promises: the same epochs for the same messages, limits and starts; a revoke and a restart behave as Kafka's do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::consume::message::Message;
use crate::consume::source::{Cut, Epoch, EpochLimit, Partition, Polled, Source, Start, Starts, advance, is_of};
use crate::consume::starts::{Verdict, Watermarks, judge, recreated};
use crate::fault;
use crate::problem::{Problem, Result, codes};

/// What every source and writer of one broker shares.
#[derive(Clone, Default)]
pub struct MemoryFeeds(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// In order of arrival over all partitions; retention removes from the front of a partition.
    messages: Vec<Message>,
    ends: BTreeMap<Partition, i64>,
    closed: bool,
}

impl MemoryFeeds {
    /// Messages that are all there from the start; after them comes the end.
    pub fn of(messages: impl IntoIterator<Item = Message>) -> Self {
        let feeds = Self::default();
        feeds.append(messages);
        feeds.close();
        feeds
    }

    /// Adds messages as they are: their positions must follow what is there.
    pub fn append(&self, messages: impl IntoIterator<Item = Message>) {
        self.with(|state| {
            for message in messages {
                let position = &message.position;
                state.ends.insert((position.topic.to_string(), position.partition), position.offset + 1);
                state.messages.push(message);
            }
        });
    }

    /// No more will come: sources that have read everything say `End`.
    pub fn close(&self) {
        self.with(|state| state.closed = true);
    }

    /// Retention: everything below `low` is gone.
    pub fn forget_below(&self, topic: &str, partition: i32, low: i64) {
        self.with(|state| {
            state.messages.retain(|message| {
                let position = &message.position;
                (&*position.topic, position.partition) != (topic, partition) || position.offset >= low
            });
        });
    }

    /// Somebody deleted the topic and created it again.
    pub fn recreate(&self, topic: &str) {
        self.with(|state| {
            state.messages.retain(|message| &*message.position.topic != topic);
            state.ends.iter_mut().filter(|((name, _), _)| name == topic).for_each(|(_, end)| *end = 0);
        });
    }

    /// Where each partition ends.
    pub fn ends(&self) -> BTreeMap<Partition, i64> {
        self.with(|state| state.ends.clone())
    }

    /// A source that reads every partition from where the log stands.
    pub fn source(&self, starts: Starts) -> MemorySource {
        self.source_of(None, starts)
    }

    /// A source that reads the partitions that it is given; `None` is all of them.
    pub fn source_of(&self, assigned: Option<BTreeSet<Partition>>, starts: Starts) -> MemorySource {
        let mut source = MemorySource {
            feeds: self.clone(),
            assigned,
            starts: Starts::new(),
            next: BTreeMap::new(),
            judged: BTreeSet::new(),
            seen: 0,
            trouble: VecDeque::new(),
            generation: 0,
            revoked: false,
            is_new: true,
        };
        source.begin(starts);
        source
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One reader of a [`MemoryFeeds`].
pub struct MemorySource {
    feeds: MemoryFeeds,
    /// `None` is every partition.
    assigned: Option<BTreeSet<Partition>>,
    /// What the log holds, moved by commits.
    starts: Starts,
    /// Where each partition is being read; a partition that waits for a person is absent.
    next: BTreeMap<Partition, i64>,
    /// Partitions whose start was decided: read, or waiting for a person.
    judged: BTreeSet<Partition>,
    /// How many messages of the order of arrival were passed.
    seen: usize,
    trouble: VecDeque<Box<Problem>>,
    generation: u64,
    revoked: bool,
    /// Nothing was read since the partitions were given.
    is_new: bool,
}

impl MemorySource {
    /// A rebalance: these partitions from now on, and what is in flight is lost.
    pub fn assign(&mut self, assigned: BTreeSet<Partition>) {
        self.assigned = Some(assigned);
        self.revoke();
    }

    /// Takes the partitions away and gives them back: what is in flight is lost, as in a rebalance.
    pub fn revoke(&mut self) {
        self.revoked = true;
        self.generation += 1;
        self.begin(self.starts.clone());
    }

    fn begin(&mut self, starts: Starts) {
        self.is_new = true;
        self.next.clear();
        self.seen = 0;
        let ends = self.feeds.with(|state| {
            let low = |partition: &Partition, end: i64| {
                let mut offsets =
                    state.messages.iter().filter(|m| is_of(&m.position, partition)).map(|m| m.position.offset);
                offsets.next().unwrap_or(end)
            };
            let marks = |(partition, high): (&Partition, &i64)| {
                (partition.clone(), Watermarks { low: low(partition, *high), high: *high })
            };
            let ours = state.ends.iter().filter(|(partition, _)| is_ours(&self.assigned, partition));
            ours.map(marks).collect::<Vec<_>>()
        });
        self.judged.clear();
        for ((topic, number), marks) in ends {
            self.judged.insert((topic.clone(), number));
            let start = starts.get(&(topic.clone(), number)).copied();
            let topic_known = starts.keys().any(|(known, _)| *known == topic);
            let verdict = judge(&topic, number, start, topic_known, marks);
            match self.stranger(&topic, number, start, &verdict).unwrap_or(verdict) {
                Verdict::Read { from } => _ = self.next.insert((topic, number), from),
                Verdict::ReadAndSay { from, problem } => {
                    self.trouble.push_back(problem);
                    self.next.insert((topic, number), from);
                }
                Verdict::Hold(problem) => self.trouble.push_back(problem),
            }
        }
        self.starts = starts;
    }

    /// The message before our offset must be the one that was read there, as in Kafka.
    fn stranger(&self, topic: &str, number: i32, start: Option<Start>, verdict: &Verdict) -> Option<Verdict> {
        let Start { next, witness } = start.filter(|_| matches!(verdict, Verdict::Read { .. }))?;
        let partition = (topic.to_owned(), number);
        let before = self.feeds.with(|state| {
            let mut read = state.messages.iter().filter(|message| is_of(&message.position, &partition));
            read.find(|message| message.position.offset == next - 1).map(Message::witness)
        });
        (before.zip(witness).is_some_and(|(found, known)| found != known))
            .then(|| Verdict::Hold(recreated(topic, number, next - 1)))
    }

    fn cut(&mut self, limit: &EpochLimit) -> Result<Polled> {
        let mut cut = Cut::new(self.generation);
        let closed = self.feeds.with(|state| {
            while let Some(message) = state.messages.get(self.seen).filter(|_| !cut.is_full(limit)) {
                self.seen += 1;
                let position = &message.position;
                let partition = (position.topic.to_string(), position.partition);
                // A partition that appears while we read is read from where the log stands, as Kafka's are.
                let stands = self.starts.get(&partition).map_or(0, |start| start.next);
                let is_new = position.offset == stands && is_ours(&self.assigned, &partition);
                if is_new && self.judged.insert(partition.clone()) {
                    self.next.insert(partition.clone(), stands);
                }
                let Some(next) = self.next.get_mut(&partition).filter(|next| position.offset >= **next) else {
                    continue;
                };
                if !cut.add(*next, message.clone()) {
                    return Err(Problem::new(
                        codes::kafka::KAFKA_READ,
                        position.to_string(),
                        "it does not join what was read",
                    ));
                }
                *next = position.offset + 1;
            }
            Ok(state.closed && self.seen >= state.messages.len())
        })?;
        Ok(match cut.finish() {
            Some(epoch) => Polled::Epoch(epoch),
            None if closed => Polled::End,
            None => Polled::Idle,
        })
    }
}

fn is_ours(assigned: &Option<BTreeSet<Partition>>, partition: &Partition) -> bool {
    assigned.as_ref().is_none_or(|assigned| assigned.contains(partition))
}

#[async_trait]
impl Source for MemorySource {
    async fn next_epoch(&mut self, limit: &EpochLimit) -> Result<Polled> {
        if std::mem::take(&mut self.revoked) {
            fault::reached("source::revoked").await?;
            return Ok(Polled::Revoked);
        }
        if std::mem::take(&mut self.is_new) {
            fault::reached("source::assigned").await?;
        }
        match self.trouble.pop_front() {
            Some(problem) => Ok(Polled::Trouble(problem)),
            None => self.cut(limit),
        }
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn committed(&mut self, epoch: &Epoch) {
        advance(&mut self.starts, epoch);
    }

    fn restart(&mut self, starts: Starts) {
        self.generation += 1;
        self.begin(starts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::Position;

    const LIMIT: EpochLimit = EpochLimit { messages: 3, bytes: 1 << 20, wait_ms: 0 };

    fn message(partition: i32, offset: i64) -> Message {
        let position = Position { topic: "t".into(), partition, offset };
        Message { position, timestamp: None, key: None, headers: Vec::new(), payload: Some(b"{}".to_vec()) }
    }

    fn feeds() -> MemoryFeeds {
        MemoryFeeds::of((0..4).flat_map(|offset| [message(0, offset), message(1, offset)]))
    }

    #[tokio::test]
    async fn epochs_join_and_end_after_the_last_message() {
        let mut source = feeds().source(Starts::new());
        let (mut ends, mut messages) = (BTreeMap::<Partition, i64>::new(), 0);
        while let Polled::Epoch(epoch) = source.next_epoch(&LIMIT).await.unwrap() {
            messages += epoch.messages.len();
            for (partition, (from, to)) in &epoch.ranges {
                assert_eq!(ends.insert(partition.clone(), *to).unwrap_or(0), *from);
            }
        }
        assert_eq!(messages, 8);
        assert_eq!(source.next_epoch(&LIMIT).await.unwrap(), Polled::End);
    }

    #[tokio::test]
    async fn what_was_in_flight_at_a_revoke_comes_again_and_what_was_committed_does_not() {
        let mut source = feeds().source(Starts::new());
        let Polled::Epoch(first) = source.next_epoch(&LIMIT).await.unwrap() else { panic!() };
        source.committed(&first);
        let Polled::Epoch(second) = source.next_epoch(&LIMIT).await.unwrap() else { panic!() };
        source.revoke();
        assert_ne!(second.generation, source.generation());
        assert_eq!(source.next_epoch(&LIMIT).await.unwrap(), Polled::Revoked);
        let Polled::Epoch(again) = source.next_epoch(&LIMIT).await.unwrap() else { panic!() };
        assert_eq!(again.messages, second.messages);
    }

    #[tokio::test]
    async fn a_partition_that_comes_while_we_read_is_read_from_where_the_log_stands() {
        let (feeds, starts) = (MemoryFeeds::default(), BTreeMap::from([(("t".to_owned(), 0), Start::at(4))]));
        let mut source = feeds.source(starts);
        assert_eq!(source.next_epoch(&LIMIT).await.unwrap(), Polled::Idle);
        feeds.append([message(0, 4), message(0, 5), message(1, 0)]);
        let Polled::Epoch(epoch) = source.next_epoch(&LIMIT).await.unwrap() else { panic!() };
        let ranges = [(("t".to_owned(), 0), (4, 6)), (("t".to_owned(), 1), (0, 1))];
        assert_eq!(epoch.ranges, BTreeMap::from(ranges));
    }

    #[tokio::test]
    async fn a_recreated_topic_waits_and_is_said_in_words() {
        let feeds = feeds();
        feeds.recreate("t");
        let starts = BTreeMap::from([(("t".to_owned(), 0), Start::at(4)), (("t".to_owned(), 1), Start::at(0))]);
        let mut source = feeds.source(starts);
        let Polled::Trouble(problem) = source.next_epoch(&LIMIT).await.unwrap() else { panic!() };
        assert_eq!(problem.code.reason, "topic_recreated");
        assert_eq!(source.next_epoch(&LIMIT).await.unwrap(), Polled::End);
    }
}
