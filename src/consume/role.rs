//! The consume role: one epoch after the other, from the source into the log.
//!
//! Promises: offsets resume where `signals` stands; a message that an earlier life quarantined keeps its verdict; an
//! epoch whose partitions were taken away is dropped, not committed; new registers count from the next epoch on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use tracing::{info, warn};

use super::epoch_rows::Intake;
use super::feed::Feeds;
use super::identity::Pseudonyms;
use super::seal::Sealer;
use super::source::{EpochLimit, Polled, Source, Start, Starts};
use crate::clock::Clock;
use crate::delta::commit::{Committed, commit_epoch};
use crate::delta::log::Log;
use crate::delta::reference;
use crate::delta::repair::offsets;
use crate::delta::tables::Table;
use crate::problem::Result;
use crate::terms::Position;

/// What the role needs besides the source.
pub struct Consume {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    feeds: Arc<Feeds>,
    pseudonyms: Arc<Pseudonyms>,
    sealer: Arc<Sealer>,
    prefix: String,
    intake: Intake,
    /// Version of `reference` that the intake was planned with.
    planned_with: u64,
    kept: BTreeSet<Position>,
}

/// What one step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// An epoch of this many messages is durable.
    Epoch {
        messages: usize,
        bytes: usize,
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
        let planned_with = log.head(Table::Reference).await?.version;
        let edition = reference::edition(&*log, i64::MAX).await?;
        let intake = Intake::new(feeds.clone(), &edition, pseudonyms.clone(), sealer.clone(), prefix).await?;
        let kept = kept(&*log).await?;
        let prefix = prefix.to_owned();
        Ok(Self { log, clock, feeds, pseudonyms, sealer, prefix, intake, planned_with, kept })
    }

    pub fn topics(&self) -> Vec<String> {
        self.intake.topics()
    }

    /// Where reading resumes.
    pub async fn starts(&self) -> Result<Starts> {
        let head = self.log.head(Table::Signals).await?;
        Ok(offsets(&head).into_iter().map(|(partition, next)| (partition, Start::at(next))).collect())
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
        self.renew().await?;
        let rows = self.intake.rows(&epoch, &self.kept, self.clock.now()).await?;
        if epoch.generation != source.generation() {
            return Ok(Step::Dropped);
        }
        match commit_epoch(&*self.log, &*self.clock, &rows).await? {
            Committed::Now(known_at) => {
                info!(
                    messages = epoch.messages.len(),
                    rows = rows.signals.num_rows(),
                    quarantined = rows.quarantine.num_rows(),
                    known_at = known_at.micros(),
                    "epoch committed"
                );
                source.committed(&epoch);
                Ok(Step::Epoch { messages: epoch.messages.len(), bytes: epoch.bytes() })
            }
            Committed::Already | Committed::Fenced => {
                // Somebody else moved these partitions, or an earlier life did: only the log knows where we stand.
                self.kept = kept(&*self.log).await?;
                source.restart(self.starts().await?);
                Ok(Step::Dropped)
            }
        }
    }

    /// Plans anew when registers, code lists or contracts have changed.
    async fn renew(&mut self) -> Result<()> {
        let version = self.log.head(Table::Reference).await?.version;
        if version == self.planned_with {
            return Ok(());
        }
        let edition = reference::edition(&*self.log, i64::MAX).await?;
        self.intake =
            Intake::new(self.feeds.clone(), &edition, self.pseudonyms.clone(), self.sealer.clone(), &self.prefix)
                .await?;
        self.planned_with = version;
        Ok(())
    }
}

/// Messages that stand in quarantine at or beyond the offsets of `signals`: a life ended between the two commits.
async fn kept(log: &dyn Log) -> Result<BTreeSet<Position>> {
    let next = offsets(&log.head(Table::Signals).await?);
    let quarantine = offsets(&log.head(Table::Quarantine).await?);
    let ahead = quarantine.iter().any(|(partition, to)| next.get(partition).is_none_or(|next| to > next));
    if !ahead {
        return Ok(BTreeSet::new());
    }
    let mut kept = BTreeSet::new();
    for batch in log.read(Table::Quarantine, i64::MIN, i64::MAX).await? {
        kept.extend(positions(&batch).into_iter().filter(|position| {
            next.get(&(position.topic.to_string(), position.partition)).is_none_or(|next| position.offset >= *next)
        }));
    }
    Ok(kept)
}

fn positions(batch: &RecordBatch) -> Vec<Position> {
    let topic = batch.column_by_name("topic").and_then(|column| column.as_string_opt::<i32>());
    let partition = batch.column_by_name("partition").and_then(|column| column.as_primitive_opt::<Int32Type>());
    let offset = batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else { return Vec::new() };
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    (0..topic.len())
        .map(|row| Position {
            topic: names.entry(topic.value(row)).or_insert_with_key(|name| Arc::from(*name)).clone(),
            partition: partition.value(row),
            offset: offset.value(row),
        })
        .collect()
}
