//! What stands behind the shipped roles in this world: a log, a source and an outbox that wait for their turn and fail
//! as the seed says. What they do otherwise is what the shipped in-memory ones do.

use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use qianshao::consume::memory::MemorySource;
use qianshao::consume::source::{Epoch, EpochLimit, Partition, Polled, Source, Starts};
use qianshao::delta::log::{Append, Appended, Head, Log};
use qianshao::delta::tables::Table;
use qianshao::problem::{Problem, Result, codes};
use qianshao::publish::memory::{MemoryOutbox, Told};
use qianshao::publish::message::OutMessage;
use qianshao::publish::outbox::{Outbox, Progress, Published};

use super::fault::Kind;
use super::world::World;

/// One in so many passages fails.
const ODDS_ERROR: u64 = 400;
const ODDS_WRITE_ERROR: u64 = 120;
const ODDS_LOST_ACK: u64 = 60;

/// The log as one role of one process sees it.
pub struct SimLog {
    pub world: Arc<World>,
    pub process: usize,
    pub role: &'static str,
}

impl SimLog {
    async fn pass(&self, what: &'static str) -> Result<()> {
        self.world.turn(self.process, what).await;
        let mut state = self.world.state();
        if state.strikes(Kind::DiskError, ODDS_ERROR) {
            state.blame(self.process, Kind::DiskError);
            return Err(Problem::new(codes::IO, what, "the disk answered with an error"));
        }
        Ok(())
    }
}

#[async_trait]
impl Log for SimLog {
    async fn head(&self, table: Table) -> Result<Head> {
        self.pass("head").await?;
        self.world.log.head(table).await
    }

    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended {
        let flight = (table, on.clone(), append.clone());
        self.world.state().processes[self.process].in_flight.insert(self.role, flight);
        self.world.turn(self.process, "append").await;
        {
            let mut state = self.world.state();
            state.processes[self.process].in_flight.remove(self.role);
            if append.known_at.micros() == on.clock + 1 {
                // The clock stands behind the log: the stamp was forced.
                if state.processes[self.process].blamed == Some(Kind::ClockJump) {
                    state.forced(self.process, "later stamp");
                }
            }
            if state.strikes(Kind::DiskError, ODDS_WRITE_ERROR) {
                state.blame(self.process, Kind::DiskError);
                state.forced(self.process, "read-back");
                return Appended::Unknown("no space left on device".to_owned());
            }
        }
        let appended = self.world.log.append(table, on, append).await;
        self.world.turn(self.process, "appended").await;
        let mut state = self.world.state();
        state.note(|| format!("  {}: {}", table.name(), word(&appended)));
        if appended == Appended::Refused {
            state.forced(self.process, "retry");
        }
        if matches!(appended, Appended::Now(_)) && state.strikes(Kind::LostAck, ODDS_LOST_ACK) {
            state.blame(self.process, Kind::LostAck);
            state.forced(self.process, "read-back");
            return Appended::Unknown("the acknowledgement did not come".to_owned());
        }
        appended
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        self.pass("read").await?;
        self.world.log.read(table, after, until).await
    }
}

fn word(appended: &Appended) -> String {
    match appended {
        Appended::Now(head) => format!("version {}", head.version),
        Appended::Refused => "refused".to_owned(),
        Appended::Unknown(why) => format!("unknown, {why}"),
    }
}

/// A consumer of the partitions that the world gives its process.
pub struct SimSource {
    world: Arc<World>,
    process: usize,
    inner: MemorySource,
    /// The rebalance that was taken up.
    taken: u64,
}

impl SimSource {
    pub fn new(world: Arc<World>, process: usize, starts: Starts) -> Self {
        let (assigned, taken) = {
            let state = world.state();
            let process = &state.processes[process];
            (process.assigned.iter().cloned().collect(), process.generation)
        };
        let inner = world.feeds.source_of(Some(assigned), starts);
        Self { world, process, inner, taken }
    }

    fn replayed(&self, epoch: &Epoch) {
        let mut state = self.world.state();
        let mut again = false;
        for (partition, (from, to)) in &epoch.ranges {
            let read: &mut i64 = state.read_up_to.entry(partition.clone()).or_insert(0);
            again |= *from < *read;
            *read = (*read).max(*to);
        }
        if again {
            state.forced(self.process, "replay");
        }
        state.note(|| format!("  epoch {:?}", epoch.ranges));
    }
}

#[async_trait]
impl Source for SimSource {
    async fn next_epoch(&mut self, limit: &EpochLimit) -> Result<Polled> {
        self.world.turn(self.process, "poll").await;
        let given = {
            let state = self.world.state();
            let process = &state.processes[self.process];
            (process.generation > self.taken).then(|| (process.generation, process.assigned.clone()))
        };
        if let Some((generation, assigned)) = given {
            self.taken = generation;
            self.inner.assign(assigned.into_iter().collect::<std::collections::BTreeSet<Partition>>());
        }
        let mut polled = self.inner.next_epoch(limit).await?;
        if let Polled::Epoch(epoch) = &mut polled {
            epoch.generation += self.taken;
            self.replayed(epoch);
        }
        if let Polled::Trouble(problem) = &polled {
            let mut state = self.world.state();
            state.note(|| format!("  trouble: {} {}", problem.code.reason, problem.at));
            if problem.code.reason == "topic_recreated" && !std::mem::replace(&mut state.recreated_told, true) {
                state.blame(self.process, Kind::TopicRecreated);
                state.forced(self.process, "fence");
            }
        }
        Ok(polled)
    }

    fn generation(&self) -> u64 {
        // A rebalance is known at once, whatever is in flight.
        let now = self.world.state().processes[self.process].generation;
        if now > self.taken {
            self.world.state().forced(self.process, "fence");
        }
        self.inner.generation() + now
    }

    fn committed(&mut self, epoch: &Epoch) {
        self.inner.committed(epoch);
    }

    fn restart(&mut self, starts: Starts) {
        self.world.state().forced(self.process, "fence");
        self.inner.restart(starts);
    }
}

/// A publisher with the one transactional id.
pub struct SimOutbox {
    world: Arc<World>,
    process: usize,
    inner: MemoryOutbox,
}

impl SimOutbox {
    pub fn new(world: Arc<World>, process: usize) -> Self {
        let inner = world.topics.outbox();
        Self { world, process, inner }
    }
}

#[async_trait]
impl Outbox for SimOutbox {
    async fn progress(&mut self) -> Result<Option<Progress>> {
        self.world.turn(self.process, "progress").await;
        self.inner.progress().await
    }

    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published {
        self.world.turn(self.process, "publish").await;
        let told = {
            let mut state = self.world.state();
            let lost = state.strikes(Kind::LostAck, ODDS_LOST_ACK / 4);
            let which = state.dice.below(4);
            lost.then_some(match which {
                0 => Told::No,
                1 => Told::UnknownLanded,
                2 => Told::UnknownLost,
                _ => Told::UnknownLater,
            })
        };
        // Told and asked without a turn between them: nobody else can take the answer.
        self.world.topics.tell(told);
        let published = self.inner.publish(batch, progress).await;
        if told.is_some() && matches!(published, Published::Fenced(_)) {
            self.world.topics.forget_told();
        }
        self.world.turn(self.process, "published").await;
        let mut state = self.world.state();
        state.note(|| format!("  published {}: {published:?}", batch.len()));
        match &published {
            Published::Yes => {}
            Published::Fenced(_) => state.forced(self.process, "fence"),
            Published::No(_) | Published::Unknown(_) => {
                state.blame(self.process, Kind::LostAck);
                state.forced(self.process, "read-back");
            }
        }
        published
    }
}
