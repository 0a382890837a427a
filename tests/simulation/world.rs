//! The world behind the seams: time, partitions, who lives, and what goes wrong, all of it decided by one seed.
//!
//! Promises: nothing happens but between two turns, and which turn comes next is the seed's; whoever passes a seam
//! waits for its turn there.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};

use qianshao::clock::Clock;
use qianshao::consume::memory::MemoryFeeds;
use qianshao::consume::source::Partition;
use qianshao::delta::log::{Append, Head};
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::tables::Table;
use qianshao::publish::memory::MemoryTopics;
use sha2::{Digest, Sha256};

use super::fault::{Kind, Tally};
use super::letters::{Letter, PARTITIONS};
use super::plan::Plan;
use crate::scenarios::Dice;

pub const PROCESSES: usize = 2;
pub const TOPIC: &str = "qianshao.feed.school.v1";

/// What one process is to the world.
#[derive(Clone, Debug, Default)]
pub struct Process {
    pub frozen: bool,
    /// How far its wall clock is off, microseconds.
    pub off: i64,
    pub assigned: Vec<Partition>,
    /// Grows with every rebalance.
    pub generation: u64,
    /// The newest fault that has not made it do anything yet.
    pub blamed: Option<Kind>,
    /// Writes that have begun and are not acknowledged, by role.
    pub in_flight: BTreeMap<&'static str, (Table, Head, Append)>,
}

pub struct State {
    pub dice: Dice,
    pub now: i64,
    pub processes: [Process; PROCESSES],
    /// Who judges, who publishes.
    pub seats: BTreeMap<&'static str, usize>,
    pub tally: Tally,
    pub faults: usize,
    pub sent: usize,
    /// Whether things go wrong.
    pub is_rough: bool,
    pub recreated: bool,
    /// Somebody has said so.
    pub recreated_told: bool,
    pub read_up_to: BTreeMap<Partition, i64>,
    /// What stands at every place of the topic, and stood there before it was made again.
    pub ledger: BTreeMap<(i32, i64), Letter>,
    kinds: std::collections::BTreeSet<Kind>,
    faults_max: usize,
    parked: bool,
    digest: Sha256,
    pub trace: Option<Vec<String>>,
}

/// Everything outside the processes.
pub struct World {
    state: Mutex<State>,
    pub feeds: MemoryFeeds,
    pub log: MemoryLog,
    pub topics: MemoryTopics,
}

impl World {
    pub fn new(plan: &Plan, now: i64, is_traced: bool) -> Arc<Self> {
        let all: Vec<Partition> = (0..PARTITIONS).map(|partition| (TOPIC.to_owned(), partition)).collect();
        let mut processes: [Process; PROCESSES] = Default::default();
        for (number, partition) in all.into_iter().enumerate() {
            processes[number % PROCESSES].assigned.push(partition);
        }
        let state = State {
            dice: Dice::seeded(plan.seed),
            now,
            processes,
            seats: BTreeMap::from([("detect", 0), ("publish", 0)]),
            tally: Tally::default(),
            faults: 0,
            sent: 0,
            is_rough: true,
            recreated: false,
            recreated_told: false,
            read_up_to: BTreeMap::new(),
            ledger: BTreeMap::new(),
            kinds: plan.kinds.clone(),
            faults_max: plan.faults,
            parked: false,
            digest: Sha256::new(),
            trace: is_traced.then(Vec::new),
        };
        let log = if plan.writes_files { MemoryLog::default() } else { MemoryLog::of_rows() };
        let (feeds, topics) = (MemoryFeeds::default(), MemoryTopics::default());
        Arc::new(Self { state: Mutex::new(state), feeds, log, topics })
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Waits until the seed gives `process` its next turn.
    pub fn turn(self: &Arc<Self>, process: usize, what: &'static str) -> Turn {
        Turn { world: Some(self.clone()), process, what }
    }
}

impl State {
    /// Whether a fault of this kind happens now, once in `odds`.
    pub fn strikes(&mut self, kind: Kind, odds: u64) -> bool {
        // Drawn whether it may happen or not, so that a smaller plan stays close to the larger.
        let drawn = self.dice.below(odds) == 0;
        let may = self.is_rough && self.kinds.contains(&kind) && self.faults < self.faults_max;
        if drawn && may {
            self.faults += 1;
            *self.tally.fired.entry(kind).or_default() += 1;
        }
        drawn && may
    }

    pub fn blame(&mut self, process: usize, kind: Kind) {
        self.processes[process].blamed = Some(kind);
    }

    /// `process` had to retry, step back, read again or read back.
    pub fn forced(&mut self, process: usize, how: &str) {
        if let Some(kind) = self.processes[process].blamed.take() {
            *self.tally.forced.entry(kind).or_default() += 1;
            self.note(|| format!("process {process}: {} forced a {how}", kind.word()));
        }
    }

    pub fn note(&mut self, what: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(what());
        }
    }

    /// Whether the one that was polled last waits for its next turn.
    pub fn take_parked(&mut self) -> bool {
        std::mem::take(&mut self.parked)
    }

    /// Digest of every turn so far.
    pub fn digest(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }
}

/// Passing a seam.
pub struct Turn {
    world: Option<Arc<World>>,
    process: usize,
    what: &'static str,
}

impl Future for Turn {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let (process, what) = (self.process, self.what);
        match self.world.take() {
            None => Poll::Ready(()),
            Some(world) => {
                let mut state = world.state();
                state.parked = true;
                state.digest.update([process as u8]);
                state.digest.update(what);
                state.note(|| format!("process {process}: {what}"));
                Poll::Pending
            }
        }
    }
}

/// A process's own wall clock.
pub struct WallOf(pub Arc<World>, pub usize);

impl Clock for WallOf {
    fn now(&self) -> i64 {
        let state = self.0.state();
        state.now + state.processes[self.1].off
    }
}
