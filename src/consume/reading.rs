//! What a member of the group knows while it reads: where each partition stands, and which of them wait for a person.
//!
//! Promises: offsets are set on the assignment itself, before anything is fetched; a revoke is acknowledged at once.
//! Never: waits for storage inside Kafka's callback.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{Statistics, TopicPartitionList};

use crate::consume::heard::Heard;
use crate::consume::message::{Message, witness};
use crate::consume::source::{Partition, Ranges, Standing, Start, Starts};
use crate::consume::starts::{Verdict, Watermarks, judge, recreated};
use crate::kafka::trouble;
use crate::problem::{Problem, codes};
use crate::terms::Position;

/// How long the broker may take to say where a partition begins and ends; a rebalance waits for it.
const WATERMARKS_WAIT: Duration = Duration::from_secs(5);
/// Troubles kept until the source asks; more than this many partitions in trouble is one trouble.
const TROUBLES_MAX: usize = 256;
const MICROS_PER_MILLI: i64 = 1_000;

/// A message, where its partition stood before it, and the generation it was read in.
pub(super) struct Arrived {
    pub generation: u64,
    pub from: i64,
    pub message: Message,
}

/// What a polled message is to us.
pub(super) enum Seen {
    Next(Arrived),
    /// Already read, or of a partition that waits: nothing to do.
    Before,
    /// It shows that the partition is not the one that was read.
    Gap,
}

#[derive(Default)]
struct State {
    starts: Starts,
    positions: BTreeMap<Partition, i64>,
    /// The last message that the log holds, read once more to see that it is still the same.
    witnesses: BTreeMap<Partition, (i64, i64)>,
    /// Partitions that wait, and why.
    held: BTreeMap<Partition, Box<Problem>>,
    heard: Heard,
    troubles: VecDeque<Box<Problem>>,
    said: BTreeSet<&'static str>,
    lag: BTreeMap<Partition, i64>,
    names: BTreeMap<String, Arc<str>>,
    /// The partition of the message before: they come in runs.
    last: Partition,
    generation: u64,
    assigned_anew: bool,
    unanswered: bool,
}

/// Shared by the polling thread, its callbacks and the source.
pub(super) struct Reading(Mutex<State>);

impl Reading {
    pub fn new(starts: Starts) -> Self {
        Self(Mutex::new(State { starts, ..State::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    pub fn with_starts(&self, act: impl FnOnce(&mut Starts)) {
        act(&mut self.state().starts);
    }

    /// Everything read so far belongs to a generation that is over.
    pub fn take_all(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.positions.clear();
        state.witnesses.clear();
        state.held.clear();
    }

    pub fn say(&self, problem: Box<Problem>) {
        let mut state = self.state();
        if state.troubles.len() < TROUBLES_MAX {
            state.troubles.push_back(problem);
        }
    }

    /// Says a trouble that comes again and again once, until a message has come.
    pub fn say_once(&self, problem: Box<Problem>) {
        if self.state().said.insert(problem.code.id) {
            self.say(problem);
        }
    }

    pub fn hear(&self, statistics: &Statistics) {
        self.state().heard.hear(statistics);
    }

    pub fn miss(&self) {
        self.state().heard.miss();
    }

    pub fn is_time_to_look(&self) -> bool {
        self.state().heard.is_time_to_look()
    }

    pub fn looked(&self, missing: BTreeSet<String>) {
        self.state().heard.looked(missing);
    }

    pub fn standing(&self) -> Standing {
        let state = self.state();
        let problems = state.held.values().map(|problem| (**problem).clone()).chain(state.heard.problem()).collect();
        let reach = |(partition, position): (&Partition, &i64)| {
            let next = state.starts.get(partition).map_or(*position, |start| start.next);
            // What was read is there, whatever the client's last word about the end.
            let end = state.heard.ends.get(partition).copied().unwrap_or(*position).max(*position);
            (partition.clone(), (next, end))
        };
        Standing {
            problems,
            waiting: state.held.len(),
            brokers_up: state.heard.brokers_up,
            reach: state.positions.iter().map(reach).collect(),
        }
    }

    pub fn next_trouble(&self) -> Option<Box<Problem>> {
        self.state().troubles.pop_front()
    }

    pub fn held(&self) -> Vec<Partition> {
        self.state().held.keys().cloned().collect()
    }

    /// Partitions that are ours and of which the log knows nothing: an epoch notes that they were there.
    pub fn begun(&self) -> Vec<Partition> {
        let state = self.state();
        state.positions.keys().filter(|partition| !state.starts.contains_key(partition)).cloned().collect()
    }

    pub fn read_partitions(&self) -> Vec<Partition> {
        self.state().positions.keys().cloned().collect()
    }

    /// Whether partitions were assigned since the last call.
    pub fn assigned_anew(&self) -> bool {
        std::mem::take(&mut self.state().assigned_anew)
    }

    /// Whether the broker did not say where a partition begins and ends: then it must be asked again.
    pub fn take_unanswered(&self) -> bool {
        std::mem::take(&mut self.state().unanswered)
    }

    pub fn show_lag(&self, ranges: &Ranges) {
        let ends = ranges.iter().map(|(partition, (_, to))| (partition.clone(), *to));
        self.state().lag.extend(ends);
    }

    pub fn take_lag(&self) -> Option<BTreeMap<Partition, i64>> {
        let mut state = self.state();
        let held: BTreeMap<_, _> = std::mem::take(&mut state.lag);
        let ours = held.into_iter().filter(|(partition, _)| state.positions.contains_key(partition));
        Some(ours.collect::<BTreeMap<_, _>>()).filter(|ours| !ours.is_empty())
    }

    /// Sets where every partition of an assignment is read from; what has a gap is held.
    pub fn assign<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>, partitions: &TopicPartitionList) {
        let marks = watermarks(consumer, partitions);
        let mut state = self.state();
        for mut element in partitions.elements() {
            let partition = (element.topic().to_owned(), element.partition());
            let from = match marks.get(&partition) {
                Some(Ok(marks)) => state.begin(&partition, *marks),
                Some(Err(problem)) => {
                    state.unanswered = true;
                    state.hold(&partition, problem.clone())
                }
                None => None,
            };
            // A partition that waits must be given some offset; it is paused, and what still comes is not looked at.
            let offset = from.map_or(Offset::End, Offset::Offset);
            if let Err(error) = element.set_offset(offset) {
                state.hold(&partition, trouble(codes::kafka::KAFKA_READ, format!("topic {}", partition.0), &error));
            }
        }
        state.assigned_anew = true;
    }

    /// Asks the broker again about every partition that is being read.
    pub fn judge_again<C: ConsumerContext>(&self, consumer: &BaseConsumer<C>) {
        let mut partitions = TopicPartitionList::new();
        for (topic, partition) in self.read_partitions() {
            partitions.add_partition(&topic, partition);
        }
        let marks = watermarks(consumer, &partitions);
        let mut state = self.state();
        for (partition, marks) in marks {
            let Some(position) = state.positions.get(&partition).copied() else { continue };
            let verdict = match marks {
                Ok(marks) => judge(&partition.0, partition.1, Some(Start::at(position)), true, marks),
                Err(problem) => {
                    state.unanswered = true;
                    Verdict::Hold(problem)
                }
            };
            if let Verdict::Hold(problem) = verdict {
                state.hold(&partition, problem);
            }
        }
    }

    /// Judges a polled message and moves its partition's position.
    pub fn see(&self, message: &BorrowedMessage<'_>) -> Seen {
        let mut state = self.state();
        let state = &mut *state;
        state.said.clear();
        let (topic, number, offset) = (message.topic(), message.partition(), message.offset());
        if state.last.1 != number || state.last.0 != topic {
            state.last = (topic.to_owned(), number);
        }
        let Some(position) = state.positions.get_mut(&state.last) else { return Seen::Before };
        let (from, timestamp) = (*position, micros(message));
        let witness = if state.witnesses.is_empty() { None } else { state.witnesses.remove(&state.last) };
        if offset < from {
            return match witness {
                Some((at, then)) if at == offset && then == witness_of(message) => Seen::Before,
                _ => {
                    state.hold(&(topic.to_owned(), number), recreated(topic, number, offset));
                    Seen::Gap
                }
            };
        }
        *position = offset + 1;
        let generation = state.generation;
        let position = Position { topic: state.name(topic), partition: number, offset };
        let message = Message {
            position,
            timestamp,
            key: message.key().map(<[u8]>::to_vec),
            headers: headers(message),
            payload: message.payload().map(<[u8]>::to_vec),
        };
        Seen::Next(Arrived { generation, from, message })
    }
}

impl State {
    /// The offset to fetch from, or None if the partition waits.
    fn begin(&mut self, partition: &Partition, marks: Watermarks) -> Option<i64> {
        let (topic, number) = (partition.0.as_str(), partition.1);
        let start = self.starts.get(partition).copied();
        let topic_known = self.starts.keys().any(|(known, _)| known == topic);
        let from = match judge(topic, number, start, topic_known, marks) {
            Verdict::Read { from } => from,
            Verdict::ReadAndSay { from, problem } => {
                self.troubles.push_back(problem);
                from
            }
            Verdict::Hold(problem) => return self.hold(partition, problem),
        };
        self.held.remove(partition);
        self.heard.ends.insert(partition.clone(), marks.high);
        self.positions.insert(partition.clone(), from);
        match start.and_then(|start| start.witness) {
            // The message before ours is read once more: if it is another one, so is the topic, whatever its name.
            Some(witness) if from > marks.low => {
                self.witnesses.insert(partition.clone(), (from - 1, witness));
                Some(from - 1)
            }
            _ => Some(from),
        }
    }

    fn hold(&mut self, partition: &Partition, problem: Box<Problem>) -> Option<i64> {
        self.positions.remove(partition);
        let is_known = self.held.insert(partition.clone(), problem.clone()).is_some();
        if !is_known && self.troubles.len() < TROUBLES_MAX {
            self.troubles.push_back(problem);
        }
        None
    }

    fn name(&mut self, topic: &str) -> Arc<str> {
        if let Some(name) = self.names.get(topic) {
            return Arc::clone(name);
        }
        let name: Arc<str> = topic.into();
        self.names.insert(topic.to_owned(), Arc::clone(&name));
        name
    }
}

type Marks = BTreeMap<Partition, Result<Watermarks, Box<Problem>>>;

/// Asked before the state is locked: the broker may take its time.
fn watermarks<C: ConsumerContext>(consumer: &BaseConsumer<C>, partitions: &TopicPartitionList) -> Marks {
    let mut silent: Option<Box<Problem>> = None;
    let mut mark = |topic: &str, partition: i32| {
        // Within a rebalance the whole group waits for us: one silence is enough, and the rest is asked again.
        if let Some(problem) = &silent {
            return Err(problem.clone());
        }
        let marks = consumer
            .fetch_watermarks(topic, partition, WATERMARKS_WAIT)
            .map(|(low, high)| Watermarks { low, high })
            .map_err(|error| {
                trouble(codes::kafka::KAFKA_UNREACHABLE, format!("topic {topic}, partition {partition}"), &error)
            });
        silent = marks.as_ref().err().cloned();
        marks
    };
    let elements = partitions.elements();
    elements.iter().map(|e| ((e.topic().to_owned(), e.partition()), mark(e.topic(), e.partition()))).collect()
}

fn witness_of(message: &BorrowedMessage<'_>) -> i64 {
    witness(micros(message), message.key(), message.payload())
}

fn micros(message: &BorrowedMessage<'_>) -> Option<i64> {
    message.timestamp().to_millis().map(|millis| millis * MICROS_PER_MILLI)
}

fn headers(message: &BorrowedMessage<'_>) -> Vec<(String, Vec<u8>)> {
    let Some(headers) = message.headers() else { return Vec::new() };
    headers.iter().map(|header| (header.key.to_owned(), header.value.unwrap_or_default().to_vec())).collect()
}
