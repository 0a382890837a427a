//! The polling thread: what a full queue, a gap, a restart and a rebalance mean to Kafka's consumer.
//!
//! Promises: it polls whatever happens, so the member never leaves because a commit was slow.
//! Never: blocks on the queue.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::consume::reading::{Arrived, Reading, Seen};
use crate::consume::source::size;
use crate::fault;
use crate::kafka::trouble;
use crate::problem::codes;

/// How long one poll waits: the latency of a stop and a restart, not of a message. In its last millisecond it does not
/// rest, so a short one would keep a processor busy.
const POLL: Duration = Duration::from_millis(100);
/// The queue is full, so nothing can come: it is looked at this often.
const FULL: Duration = Duration::from_millis(2);

/// How long a look for missing topics may keep the poll waiting: well below the session's timeout.
const LOOK: Duration = Duration::from_millis(500);

/// What the polling thread and the source share.
pub(super) struct Shared {
    pub reading: Arc<Reading>,
    pub stop: AtomicBool,
    pub restart: AtomicBool,
    pub queued_bytes: AtomicUsize,
    pub queue_bytes_max: usize,
}

/// The polling thread's own things.
pub(super) struct Poller {
    pub consumer: BaseConsumer<Member>,
    pub shared: Arc<Shared>,
    pub sender: mpsc::Sender<Arrived>,
    /// Read, but the queue was full.
    pub waiting: VecDeque<Arrived>,
    pub paused: bool,
}

impl Poller {
    pub fn run(mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            if self.shared.restart.swap(false, Ordering::SeqCst) {
                self.start_again();
            } else if self.shared.reading.take_unanswered() {
                self.shared.reading.take_all();
                self.start_again();
            }
            let wait = if self.paused { Duration::ZERO } else { POLL };
            let polled = self.consumer.poll(wait).map(|polled| polled.map(|message| self.shared.reading.see(&message)));
            match polled {
                None if self.paused => std::thread::sleep(FULL),
                None => {}
                Some(Ok(Seen::Next(arrived))) => self.waiting.push_back(arrived),
                Some(Ok(Seen::Before)) => {}
                Some(Ok(Seen::Gap)) => self.pause(&self.shared.reading.held()),
                Some(Err(error)) if self.goes_on(&error) => {}
                Some(Err(_)) => return,
            }
            if !self.hand_over() {
                return;
            }
            self.commit_lag();
            if self.shared.reading.is_time_to_look() {
                self.look_for_topics();
            }
        }
    }

    /// Which of the topics that we asked for a broker does not know, or does not show to us.
    fn look_for_topics(&self) {
        let asked = self.consumer.subscription();
        // A broker that does not answer is told elsewhere; the next look comes by itself.
        let (Ok(asked), Ok(known)) = (asked, self.consumer.fetch_metadata(None, LOOK)) else { return };
        let known: BTreeSet<&str> = known.topics().iter().map(|topic| topic.name()).collect();
        let asked = asked.elements().iter().map(|element| element.topic().to_owned()).collect::<BTreeSet<_>>();
        self.shared.reading.looked(asked.into_iter().filter(|topic| !known.contains(topic.as_str())).collect());
    }

    /// Moves what waits into the queue, pausing what is full and resuming what has room; false when nobody listens.
    fn hand_over(&mut self) -> bool {
        while let Some(arrived) = self.waiting.pop_front() {
            let bytes = size(&arrived.message);
            if self.shared.queued_bytes.load(Ordering::Relaxed) > self.shared.queue_bytes_max {
                self.waiting.push_front(arrived);
                break;
            }
            // Before the send: the receiver subtracts as soon as it has it.
            self.shared.queued_bytes.fetch_add(bytes, Ordering::Relaxed);
            match self.sender.try_send(arrived) {
                Ok(()) => {}
                Err(TrySendError::Full(arrived)) => {
                    self.shared.queued_bytes.fetch_sub(bytes, Ordering::Relaxed);
                    self.waiting.push_front(arrived);
                    break;
                }
                Err(TrySendError::Closed(_)) => return false,
            }
        }
        // What was paused before an assignment may or may not be paused after it.
        let unsure = self.shared.reading.assigned_anew();
        let has_room = self.sender.capacity() * 2 >= self.sender.max_capacity();
        if !self.waiting.is_empty() && (unsure || !self.paused) {
            self.pause(&self.shared.reading.read_partitions());
            self.paused = true;
        } else if self.waiting.is_empty() && (unsure || (self.paused && has_room)) {
            self.resume();
            self.paused = false;
        }
        true
    }

    fn resume(&self) {
        if let Err(error) = self.consumer.resume(&list(&self.shared.reading.read_partitions())) {
            tracing::warn!(%error, "partitions could not be resumed");
        }
    }

    fn pause(&self, partitions: &[(String, i32)]) {
        // It can only name a partition that was just taken from us: then there is nothing to pause.
        if let Err(error) = self.consumer.pause(&list(partitions)) {
            tracing::warn!(%error, "partitions could not be paused");
        }
    }

    /// Reads every partition again from where the log stands.
    fn start_again(&mut self) {
        self.waiting.clear();
        let assigned = self.consumer.assignment().and_then(|partitions| {
            self.shared.reading.assign(&self.consumer, &partitions);
            self.consumer.assign(&partitions)
        });
        match assigned {
            Ok(()) => self.pause(&self.shared.reading.held()),
            Err(error) => self.shared.reading.say(trouble(codes::kafka::KAFKA_READ, "restart", &error)),
        }
    }

    /// Whether polling can go on after an error.
    fn goes_on(&mut self, error: &KafkaError) -> bool {
        let reading = &self.shared.reading;
        match error.rdkafka_error_code() {
            // Retention passed us while we read, or the topic is another one now: every position is judged again.
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                reading.judge_again(&self.consumer);
                self.pause(&reading.held());
            }
            Some(
                RDKafkaErrorCode::UnknownTopicOrPartition
                | RDKafkaErrorCode::UnknownTopic
                | RDKafkaErrorCode::TopicAuthorizationFailed,
            ) => {
                reading.miss();
                reading.say_once(trouble(codes::kafka::TOPIC_MISSING, "the feeds' topics", error));
            }
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                reading.say(trouble(codes::kafka::KAFKA_READ, "the consumer", error));
                return false;
            }
            _ => reading.say_once(trouble(codes::kafka::KAFKA_UNREACHABLE, "the consumer", error)),
        }
        true
    }

    fn commit_lag(&self) {
        let Some(ranges) = self.shared.reading.take_lag() else { return };
        let mut offsets = TopicPartitionList::new();
        for ((topic, partition), to) in ranges {
            if offsets.add_partition_offset(&topic, partition, Offset::Offset(to)).is_err() {
                return;
            }
        }
        // For lag dashboards only: the log's own offsets are what counts.
        if let Err(error) = self.consumer.commit(&offsets, CommitMode::Async) {
            tracing::debug!(%error, "group offsets were not stored");
        }
    }
}

fn list(partitions: &[(String, i32)]) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, *partition);
    }
    list
}

/// The consumer's context: Kafka calls it from within `poll`.
pub(super) struct Member(pub Arc<Reading>);

impl Member {
    fn planned(&self, point: &str) {
        if let Err(problem) = fault::reached_on_thread(point) {
            self.0.say(problem);
        }
    }
}

impl ClientContext for Member {
    fn stats(&self, statistics: Statistics) {
        self.0.hear(&statistics);
    }
}

impl ConsumerContext for Member {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            Rebalance::Assign(partitions) => {
                self.0.assign(consumer, partitions);
                tracing::info!(partitions = partitions.count(), "partitions assigned");
                self.planned("source::assigned");
            }
            Rebalance::Revoke(partitions) if partitions.count() > 0 => {
                self.0.take_all();
                self.planned("source::revoked");
            }
            Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => self.0.say(trouble(codes::kafka::KAFKA_READ, "rebalance", error)),
        }
    }

    fn post_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let held = self.0.held();
        if !matches!(rebalance, Rebalance::Assign(_)) || held.is_empty() {
            return;
        }
        let mut partitions = TopicPartitionList::new();
        for (topic, partition) in held {
            partitions.add_partition(&topic, partition);
        }
        if let Err(error) = consumer.pause(&partitions) {
            self.0.say(trouble(codes::kafka::KAFKA_READ, "partitions that wait", &error));
        }
    }
}
