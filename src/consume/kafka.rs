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
use crate::consume::source::{Cut, Epoch, EpochLimit, Polled, Source, Standing, Starts, advance, size};
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
            let position = message.position.clone();
            if !cut.add(from, message) {
                return Err(Problem::new(
                    codes::kafka::KAFKA_READ,
                    position.to_string(),
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
        let Some(mut epoch) = cut.finish() else { return Ok(Polled::Idle) };
        // Else a partition that stays empty would look like one that was added, after every restart.
        for partition in self.shared.reading.begun() {
            epoch.ranges.entry(partition).or_insert((0, 0));
        }
        Ok(Polled::Epoch(epoch))
    }

    fn generation(&self) -> u64 {
        self.shared.reading.generation()
    }

    fn committed(&mut self, epoch: &Epoch) {
        self.shared.reading.with_starts(|starts| advance(starts, epoch));
        self.shared.reading.show_lag(&epoch.ranges);
    }

    fn standing(&self) -> Standing {
        self.shared.reading.standing()
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
