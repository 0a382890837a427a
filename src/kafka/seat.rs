//! One publisher at a time: whoever Kafka's coordinator gives partition 0 of the control topic.
//!
//! Promises: a process that dies or is cut off loses the seat within the session timeout; taking it again is another
//! term. Never: proves anything to Kafka. The transactional id fences; the seat only keeps two from fencing in turns.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::{ClientContext, Statistics};
use tokio::sync::watch;

use crate::kafka::setup::Setup;
use crate::kafka::{KafkaSettings, brokers_up, trouble};
use crate::problem::{Problem, Result, codes};

const POLL: Duration = Duration::from_millis(100);

/// The n-th time that the seat was taken, counted in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(pub u64);

/// A candidate for, and sometimes the holder of, a role.
pub struct Seat {
    term: watch::Receiver<Option<Term>>,
    brokers_up: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Seat {
    /// Stands for `role`: among all processes of this group one holds it.
    pub async fn stand(settings: &KafkaSettings, role: &str) -> Result<Self> {
        let control = settings.topics().control();
        let at = format!("topic {control}, role {role}");
        Setup::new(settings).ensure([control.clone()]).await?;
        let (sender, term) = watch::channel(None);
        // The control topic was just seen: a broker answers until we hear otherwise.
        let brokers_up = Arc::new(AtomicUsize::new(1));
        let consumer: BaseConsumer<Candidate> = settings
            .candidate(role)?
            .create_with_context(Candidate {
                term: sender,
                terms: AtomicU64::new(0),
                brokers_up: Arc::clone(&brokers_up),
            })
            .map_err(|error| trouble(codes::kafka::KAFKA_SETTING, at.clone(), &error))?;
        consumer
            .subscribe(&[&control])
            .map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, at.clone(), &error))?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("kafka-seat".to_owned())
            .spawn(move || {
                while !stopped.load(Ordering::SeqCst) {
                    // Nobody writes to the control topic: polling only keeps the membership alive.
                    if let Some(Err(error)) = consumer.poll(POLL) {
                        tracing::debug!(%error, "control topic");
                    }
                }
            })
            .map_err(|error| Problem::new(codes::kafka::KAFKA_READ, at, error.to_string()))?;
        Ok(Self { term, brokers_up, stop, thread: Some(thread) })
    }

    /// The term being served, if the seat is held right now.
    pub fn term(&self) -> Option<Term> {
        *self.term.borrow()
    }

    /// Connections to brokers that stand.
    pub fn brokers_up(&self) -> usize {
        self.brokers_up.load(Ordering::Relaxed)
    }

    /// Waits for a term later than `last`: after a fence the old one must not be served on.
    pub async fn taken(&mut self, last: Option<Term>) -> Result<Term> {
        let held = self.term.wait_for(|term| *term > last).await.map(|term| *term);
        let ended = || Problem::new(codes::kafka::KAFKA_READ, "the control topic", "its thread has ended");
        held.ok().flatten().ok_or_else(ended)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Leaving in order gives the seat to the next at once.
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the seat's thread ended by a panic");
        }
    }
}

struct Candidate {
    term: watch::Sender<Option<Term>>,
    terms: AtomicU64,
    brokers_up: Arc<AtomicUsize>,
}

impl ClientContext for Candidate {
    fn stats(&self, statistics: Statistics) {
        self.brokers_up.store(brokers_up(&statistics), Ordering::Relaxed);
    }
}

impl ConsumerContext for Candidate {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        // The seat is given up before Kafka gives it to another.
        if matches!(rebalance, Rebalance::Revoke(_)) {
            self.term.send_replace(None);
        }
    }

    fn post_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(partitions) = rebalance
            && partitions.elements().iter().any(|element| element.partition() == 0)
        {
            self.term.send_replace(Some(Term(self.terms.fetch_add(1, Ordering::SeqCst) + 1)));
        }
    }
}
