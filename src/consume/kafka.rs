//! Partitions of Kafka, assigned, polled, paused and revoked, behind the source's seam.
//!
//! Promises: a partition is read from where the log stands, never from Kafka's group offsets; a full queue pauses
//! partitions and the poll goes on, so the member never leaves because a commit was slow.
//! Never: starts again at 0 by itself, commits an offset before the log has.
//!
//! ```text
//! thread "kafka-poll": poll ─▶ Reading (positions, gaps) ─▶ bounded queue ─▶ KafkaSource::next_epoch (tokio)
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tokio::sync::mpsc;

use crate::consume::poller::{Member, Poller, Shared};
use crate::consume::reading::{Arrived, Reading};
use crate::consume::source::{Cut, Epoch, EpochLimit, Polled, Source, Starts, advance, size};
use crate::kafka::{KafkaSettings, trouble};
use crate::problem::{Problem, Result, codes};

/// Messages between the polling thread and the epoch being cut. Larger only moves memory from librdkafka to us.
const QUEUE_MESSAGES: usize = 8_192;
/// Bytes in that queue: messages of 100 kB must not become 800 MB.
const QUEUE_BYTES: usize = 16 << 20;
/// Reads the feeds' topics as one member of the group.
pub struct KafkaSource {
    queue: mpsc::Receiver<Arrived>,
    shared: Arc<Shared>,
    /// The generation that the last answer belonged to.
    generation: u64,
    thread: Option<JoinHandle<()>>,
}

impl KafkaSource {
    /// Joins the group and reads `topics` from `starts`, the log's offsets.
    pub fn open(settings: &KafkaSettings, topics: &[String], starts: Starts) -> Result<Self> {
        Self::with_queue(settings, topics, starts, QUEUE_MESSAGES, QUEUE_BYTES)
    }

    /// The same with a queue of another size: a small one pauses soon.
    pub fn with_queue(
        settings: &KafkaSettings,
        topics: &[String],
        starts: Starts,
        queue_messages: usize,
        queue_bytes_max: usize,
    ) -> Result<Self> {
        let at = || format!("kafka {}, group {}", settings.bootstrap_servers, settings.group_id);
        let reading = Arc::new(Reading::new(starts));
        let consumer: BaseConsumer<Member> = settings
            .member()?
            .create_with_context(Member(Arc::clone(&reading)))
            .map_err(|error| trouble(codes::kafka::KAFKA_SETTING, at(), &error))?;
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, at(), &error))?;
        let (sender, queue) = mpsc::channel(queue_messages);
        let shared = Arc::new(Shared {
            reading,
            stop: AtomicBool::new(false),
            restart: AtomicBool::new(false),
            queued_bytes: AtomicUsize::new(0),
            queue_bytes_max,
        });
        let poller = Poller { consumer, shared: Arc::clone(&shared), sender, waiting: VecDeque::new(), paused: false };
        let thread = std::thread::Builder::new()
            .name("kafka-poll".to_owned())
            .spawn(move || poller.run())
            .map_err(|error| Problem::new(codes::kafka::KAFKA_READ, at(), error.to_string()))?;
        Ok(Self { queue, shared, generation: 0, thread: Some(thread) })
    }

    /// Messages up to the limit; None when the polling thread is gone.
    async fn cut(&mut self, limit: &EpochLimit) -> Result<Option<Cut>> {
        let mut cut = Cut::new(self.generation);
        let over = tokio::time::sleep(Duration::from_millis(limit.wait_ms));
        tokio::pin!(over);
        while !cut.is_full(limit) {
            let arrived = tokio::select! {
                biased;
                () = &mut over => break,
                arrived = self.queue.recv() => arrived,
            };
            let Some(Arrived { generation, from, message }) = arrived else { return Ok(None) };
            self.shared.queued_bytes.fetch_sub(size(&message), Ordering::Relaxed);
            // It was read before partitions were taken: it comes again from where the log stands.
            if generation != self.generation {
                continue;
            }
            let at = message.position.to_string();
            if !cut.add(from, message) {
                return Err(Problem::new(
                    codes::kafka::KAFKA_READ,
                    at,
                    format!("it was read at {from}, which does not join"),
                ));
            }
        }
        Ok(Some(cut))
    }
}

#[async_trait]
impl Source for KafkaSource {
    async fn next_epoch(&mut self, limit: &EpochLimit) -> Result<Polled> {
        if let Some(problem) = self.shared.reading.next_trouble() {
            return Ok(Polled::Trouble(problem));
        }
        let now = self.shared.reading.generation();
        if self.generation != now {
            self.generation = now;
            return Ok(Polled::Revoked);
        }
        let Some(cut) = self.cut(limit).await? else {
            return match self.shared.reading.next_trouble() {
                Some(problem) => Err(problem),
                None => Ok(Polled::End),
            };
        };
        // Partitions were taken while it was cut: the next call says so.
        if self.shared.reading.generation() != self.generation {
            return Ok(Polled::Idle);
        }
        Ok(cut.finish().map_or(Polled::Idle, Polled::Epoch))
    }

    fn generation(&self) -> u64 {
        self.shared.reading.generation()
    }

    fn committed(&mut self, epoch: &Epoch) {
        self.shared.reading.with_starts(|starts| advance(starts, epoch));
        self.shared.reading.show_lag(&epoch.ranges);
    }

    fn restart(&mut self, starts: Starts) {
        self.shared.reading.with_starts(|held| *held = starts);
        self.shared.reading.take_all();
        self.generation = self.shared.reading.generation();
        self.shared.restart.store(true, Ordering::SeqCst);
    }
}

impl Drop for KafkaSource {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.queue.close();
        // The thread leaves the group in order; a member that only vanished would hold its partitions for seconds.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the polling thread ended by a panic");
        }
    }
}
<<<<<<< HEAD

/// The polling thread's own things.
struct Poller {
    consumer: BaseConsumer<Member>,
    shared: Arc<Shared>,
    sender: mpsc::Sender<Arrived>,
    /// Read, but the queue was full.
    waiting: VecDeque<Arrived>,
    paused: bool,
}

impl Poller {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            if self.shared.restart.swap(false, Ordering::SeqCst) {
                self.start_again();
            } else if self.shared.reading.take_unanswered() {
                self.shared.reading.take_all();
                self.start_again();
            }
            let polled = self.consumer.poll(POLL).map(|polled| polled.map(|message| self.shared.reading.see(&message)));
            match polled {
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
        }
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
            ) => reading.say_once(trouble(codes::kafka::TOPIC_MISSING, "the feeds' topics", error)),
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
=======
>>>>>>> publish
