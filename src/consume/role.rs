//! The consume role: one epoch after the other, from the source into the log.
//!
//! Promises: offsets resume where `signals` stands; a message that an earlier life quarantined keeps its verdict; an
//! epoch whose partitions were taken away is dropped, not committed; new registers count from the next epoch on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use futures::future::BoxFuture;
use tracing::{debug, info, warn};

use super::epoch_rows::Intake;
use super::feed::Feeds;
use super::identity::Pseudonyms;
use super::seal::Sealer;
use super::source::{Epoch, EpochLimit, Partition, Polled, Source, Start, Starts};
use super::taken::{Taken, taken};
use crate::clock::Clock;
use crate::delta::commit::{Committed, EpochRows, Verdicts, commit_judged};
use crate::delta::files::positions_of;
use crate::delta::log::{Log, witness_mark};
use crate::delta::reference;
use crate::delta::repair::offsets;
use crate::delta::tables::Table;
use crate::fault;
use crate::problem::Result;
use crate::terms::Position;

/// Turns an epoch into the rows of its commit. Behind it: contracts and their mappings, or the seeded world's own.
#[async_trait]
pub trait IntoRows: Send + Sync {
    /// Topics of all feeds.
    fn topics(&self) -> Vec<String>;

    /// `kept` are messages that stand in quarantine already.
    async fn rows(&self, epoch: &Epoch, kept: &BTreeSet<Position>, now: i64) -> Result<EpochRows>;
}

/// Plans an intake from the texts in force; asked again whenever they change.
#[async_trait]
pub trait Means: Send + Sync {
    async fn plan(&self, log: &dyn Log) -> Result<Box<dyn IntoRows>>;
}

/// What the role needs besides the source.
pub struct Consume {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    means: Box<dyn Means>,
    intake: Box<dyn IntoRows>,
    /// Version of `reference` that the intake was planned with.
    planned_with: u64,
    kept: Kept,
    claimed: Claimed,
}

/// Messages that stand in quarantine at or beyond the offsets of `signals`, and up to where quarantine was read.
struct Kept {
    positions: BTreeSet<Position>,
    read_to: BTreeMap<Partition, i64>,
}

/// Partitions of which an epoch was committed since they were given to us.
#[derive(Default)]
struct Claimed {
    generation: u64,
    partitions: BTreeSet<Partition>,
}

impl Claimed {
    /// Whether a partition of the epoch is new to us.
    fn misses(&mut self, epoch: &Epoch) -> bool {
        if self.generation != epoch.generation {
            *self = Self { generation: epoch.generation, partitions: BTreeSet::new() };
        }
        epoch.ranges.keys().any(|partition| !self.partitions.contains(partition))
    }
}

/// Contracts and mappings: what an intake is planned from, besides the texts in force.
struct Contracts {
    feeds: Arc<Feeds>,
    pseudonyms: Arc<Pseudonyms>,
    sealer: Arc<Sealer>,
    prefix: String,
}

impl Contracts {
    // Not `async`: the compiler sees once for all that such a future may go to another thread, not again where `async_trait` asks.
    fn planned<'a>(&'a self, log: &'a dyn Log) -> BoxFuture<'a, Result<Box<dyn IntoRows>>> {
        Box::pin(async move {
            let edition = reference::edition(log, i64::MAX).await?;
            let (feeds, pseudonyms, sealer) = (self.feeds.clone(), self.pseudonyms.clone(), self.sealer.clone());
            let intake = Intake::new(feeds, &edition, pseudonyms, sealer, &self.prefix).await?;
            Ok(Box::new(intake) as Box<dyn IntoRows>)
        })
    }
}

#[async_trait]
impl Means for Contracts {
    async fn plan(&self, log: &dyn Log) -> Result<Box<dyn IntoRows>> {
        self.planned(log).await
    }
}

#[async_trait]
impl IntoRows for Intake {
    fn topics(&self) -> Vec<String> {
        Self::topics(self)
    }

    async fn rows(&self, epoch: &Epoch, kept: &BTreeSet<Position>, now: i64) -> Result<EpochRows> {
        Self::rows(self, epoch, kept, now).await
    }
}

/// What one step came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// An epoch of this many messages is durable.
    Epoch {
        messages: usize,
        bytes: usize,
        /// Decoding and committing it; waiting for its messages is not in it.
        took_ms: u64,
        taken: Taken,
    },
    /// Nothing came.
    Idle,
    /// What was in flight was dropped; reading starts again where the log stands.
    Dropped,
    End,
}

impl Consume {
    pub async fn open(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        feeds: Arc<Feeds>,
        pseudonyms: Arc<Pseudonyms>,
        sealer: Arc<Sealer>,
        prefix: &str,
    ) -> Result<Self> {
        let means = Contracts { feeds, pseudonyms, sealer, prefix: prefix.to_owned() };
        Self::with(log, clock, Box::new(means)).await
    }

    /// Opens with other means of making rows.
    pub async fn with(log: Arc<dyn Log>, clock: Arc<dyn Clock>, means: Box<dyn Means>) -> Result<Self> {
        let planned_with = log.head(Table::Reference).await?.version;
        let intake = means.plan(&*log).await?;
        let kept = kept(&*log).await?;
        Ok(Self { log, clock, means, intake, planned_with, kept, claimed: Claimed::default() })
    }

    pub fn topics(&self) -> Vec<String> {
        self.intake.topics()
    }

    /// Where reading resumes.
    pub async fn starts(&self) -> Result<Starts> {
        let head = self.log.head(Table::Signals).await?;
        let start = |(partition, next): ((String, i32), i64)| {
            let witness = head.marks.get(&witness_mark(&partition.0, partition.1)).copied().filter(|known| *known != 0);
            (partition, Start { next, witness })
        };
        Ok(offsets(&head).into_iter().map(start).collect())
    }

    /// Reads, decodes and commits one epoch.
    pub async fn step(&mut self, source: &mut dyn Source, limit: &EpochLimit) -> Result<Step> {
        let epoch = match source.next_epoch(limit).await? {
            Polled::Epoch(epoch) => epoch,
            Polled::Idle => return Ok(Step::Idle),
            Polled::End => return Ok(Step::End),
            Polled::Revoked => return Ok(Step::Dropped),
            Polled::Trouble(problem) => {
                warn!(at = problem.at, found = problem.found, help = problem.help, "{}", problem.code.en);
                return Ok(Step::Idle);
            }
        };
        debug!(messages = epoch.messages.len(), "epoch read");
        let began = self.clock.now();
        fault::reached("consume::polled").await?;
        self.renew().await?;
        let rows = self.intake.rows(&epoch, &self.kept.positions, self.clock.now()).await?;
        fault::reached("consume::decoded").await?;
        if epoch.generation != source.generation() {
            return Ok(Step::Dropped);
        }
        let verdicts = Verdicts { read_to: self.kept.read_to.clone(), claims: self.claimed.misses(&epoch) };
        match commit_judged(&*self.log, &*self.clock, &rows, &verdicts).await? {
            Committed::Now(known_at) => {
                self.claimed.partitions.extend(epoch.ranges.keys().cloned());
                info!(
                    messages = epoch.messages.len(),
                    rows = rows.signals.num_rows(),
                    quarantined = rows.quarantine.num_rows(),
                    known_at = known_at.micros(),
                    "epoch committed"
                );
                source.committed(&epoch);
                let taken = taken(&epoch, &self.kept.positions, &rows.quarantine);
                let took_ms = u64::try_from(self.clock.now() - began).unwrap_or(0) / 1_000;
                Ok(Step::Epoch { messages: epoch.messages.len(), bytes: epoch.bytes(), took_ms, taken })
            }
            outcome @ (Committed::Already | Committed::Fenced) => {
                info!(?outcome, messages = epoch.messages.len(), "epoch dropped; reading again where the log stands");
                // Somebody else moved these partitions, or an earlier life did: only the log knows where we stand.
                self.start_again(source).await?;
                Ok(Step::Dropped)
            }
        }
    }

    /// Reads again from where the log stands: what was in flight is dropped.
    pub async fn start_again(&mut self, source: &mut dyn Source) -> Result<()> {
        self.kept = kept(&*self.log).await?;
        source.restart(self.starts().await?);
        Ok(())
    }

    /// Plans anew when registers, code lists or contracts have changed.
    async fn renew(&mut self) -> Result<()> {
        let version = self.log.head(Table::Reference).await?.version;
        if version == self.planned_with {
            return Ok(());
        }
        self.intake = self.means.plan(&*self.log).await?;
        self.planned_with = version;
        Ok(())
    }
}

/// What stands in quarantine ahead of `signals`: a life ended, or lost its partitions, between the two commits.
async fn kept(log: &dyn Log) -> Result<Kept> {
    let next = offsets(&log.head(Table::Signals).await?);
    let read_to = offsets(&log.head(Table::Quarantine).await?);
    let ahead = read_to.iter().any(|(partition, to)| next.get(partition).is_none_or(|next| to > next));
    let mut positions = BTreeSet::new();
    if !ahead {
        return Ok(Kept { positions, read_to });
    }
    for batch in log.read(Table::Quarantine, i64::MIN, i64::MAX).await? {
        positions.extend(positions_of(&batch).into_iter().filter(|position| {
            next.get(&(position.topic.to_string(), position.partition)).is_none_or(|next| position.offset >= *next)
        }));
    }
    Ok(Kept { positions, read_to })
}

#[cfg(test)]
mod tests {
    use arrow::array::RecordBatch;

    use super::*;
    use crate::clock::ManualClock;
    use crate::consume::message::Message;
    use crate::delta::memory_log::MemoryLog;
    use crate::terms::MICROS_PER_SECOND;

    /// Rows of nothing: only time is asked for here.
    struct Nothing;

    #[async_trait]
    impl Means for Nothing {
        async fn plan(&self, _log: &dyn Log) -> Result<Box<dyn IntoRows>> {
            Ok(Box::new(Self))
        }
    }

    #[async_trait]
    impl IntoRows for Nothing {
        fn topics(&self) -> Vec<String> {
            Vec::new()
        }

        async fn rows(&self, epoch: &Epoch, _kept: &BTreeSet<Position>, _now: i64) -> Result<EpochRows> {
            let (ranges, witnesses) = (epoch.ranges.clone(), epoch.witnesses.clone());
            let empty = |table: Table| RecordBatch::new_empty(table.schema_unstamped());
            Ok(EpochRows { ranges, witnesses, signals: empty(Table::Signals), quarantine: empty(Table::Quarantine) })
        }
    }

    /// One message after a long wait.
    struct Slow(Arc<ManualClock>, i64);

    #[async_trait]
    impl Source for Slow {
        async fn next_epoch(&mut self, _limit: &EpochLimit) -> Result<Polled> {
            self.0.advance_to(self.0.now() + 60 * MICROS_PER_SECOND);
            let position = Position { topic: "t".into(), partition: 0, offset: self.1 };
            let message = Message { position, timestamp: None, key: None, headers: Vec::new(), payload: None };
            let ranges = BTreeMap::from([(("t".to_owned(), 0), (self.1, self.1 + 1))]);
            self.1 += 1;
            Ok(Polled::Epoch(Epoch { messages: vec![message], ranges, ..Epoch::default() }))
        }

        fn generation(&self) -> u64 {
            0
        }

        fn committed(&mut self, _epoch: &Epoch) {}

        fn restart(&mut self, _starts: Starts) {}
    }

    #[tokio::test]
    async fn waiting_for_messages_is_no_part_of_a_commit() {
        let clock = Arc::new(ManualClock::new(0));
        let mut role = Consume::with(Arc::new(MemoryLog::default()), clock.clone(), Box::new(Nothing)).await.unwrap();
        let (mut source, limit) = (Slow(clock, 0), EpochLimit { messages: 1, bytes: 1, wait_ms: 1 });
        for _ in 0..2 {
            // Else each wait would be twice the one before it, and alerts would come ten seconds late.
            let step = role.step(&mut source, &limit).await.unwrap();
            assert!(matches!(step, Step::Epoch { took_ms: 0, .. }), "{step:?}");
        }
    }
}
