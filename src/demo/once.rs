//! `demo --once`: N days as fast as they go, four ticks a day, then the books are judged.
//!
//! Promises: the same seed gives the same tables and the same alert topic.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::books::Books;
use super::broker::{Broker, PARTITIONS};
use super::summary::{Summary, summarize};
use crate::alert::Mode;
use crate::clock::{Clock, ManualClock};
use crate::consume::identity::{Algorithm, Pseudonyms};
use crate::consume::kafka::KafkaSource;
use crate::consume::role::{Consume, Step};
use crate::consume::seal::Sealer;
use crate::consume::source::{EpochLimit, Source};
use crate::delta::delta_log::DeltaLog;
use crate::detect::tick::{Detect, Ticked};
use crate::pipeline::{Folders, open_state};
use crate::problem::{Problem, Result, codes};
use crate::publish::role::Publish;
use crate::simulate::oracle::{Input, judge};
use crate::simulate::{Options, Simulation};
use crate::terms::MICROS_PER_DAY;

/// Ticks of a simulated day.
const TICKS_PER_DAY: i64 = 4;
/// Messages of one step never exceed this; a step is one epoch where possible.
const EPOCH_BYTES_MAX: usize = 64 << 20;
/// Waiting for the broker this often without a message means that it dropped one.
const IDLE_STEPS_MAX: usize = 200;

/// What a run is made of.
#[derive(Clone, Debug)]
pub struct Run {
    pub options: Options,
    pub state: PathBuf,
    pub folders: Folders,
    pub pack: String,
    /// Only for showing that the search for identifiers finds some when hashing is off.
    pub plain_identifiers: bool,
}

/// The roles of a demo, wired to its broker and its clock.
pub struct Stage {
    pub simulation: Simulation,
    pub broker: Broker,
    pub books: Books,
    pub clock: Arc<ManualClock>,
    pub log: Arc<DeltaLog>,
    pub consume: Consume,
    pub source: Box<dyn Source>,
    pub detect: Detect,
    pub publish: Publish,
    pub outbox: super::broker::EmbeddedOutbox,
}

impl Stage {
    /// Founds the city, opens the state folder, starts the broker.
    pub async fn set(run: &Run) -> Result<Self> {
        let simulation = Simulation::new(run.options.clone());
        let books = Books::open(&run.state, &simulation.registers(), &simulation.header_lines())?;
        let clock = Arc::new(ManualClock::new(run.options.start.start_micros()));
        let wall: Arc<dyn Clock> = clock.clone();
        let folders = Folders { registers: Some(run.state.join("registers")), ..run.folders.clone() };
        let state = open_state(&run.state, &folders, &wall).await?;
        let broker = Broker::start(&run.options.prefix)?;
        let (pseudonyms, sealer) = keys(run);
        let consume = Consume::open(
            state.log.clone(),
            wall.clone(),
            state.feeds.clone(),
            pseudonyms,
            sealer,
            &run.options.prefix,
        )
        .await?;
        for topic in consume.topics() {
            broker.topic(&topic, PARTITIONS);
        }
        let topics = broker.settings.topics();
        for topic in [topics.changed(), topics.current(), topics.progress()] {
            broker.topic(&topic, 1);
        }
        let source = Box::new(KafkaSource::open(&broker.settings, &consume.topics(), consume.starts().await?)?);
        let detect = Detect::open(state.log.clone(), wall, &run.pack, Mode::Exercise).await?;
        let publish = Publish::new(state.log.clone(), topics);
        let outbox = broker.outbox();
        Ok(Self { simulation, broker, books, clock, log: state.log, consume, source, detect, publish, outbox })
    }

    /// Everything that the city sends up to `until`: written down, sent, committed, judged, published.
    pub async fn advance(&mut self, until: i64) -> Result<(usize, Ticked)> {
        let step = self.simulation.until(until);
        self.books.write(&step.ledger)?;
        let sent = step.messages.len();
        let broker = self.broker.clone();
        tokio::task::spawn_blocking(move || broker.send(&step.messages))
            .await
            .map_err(|error| lost(error.to_string()))??;
        self.clock.advance_to(until);
        self.consume_all(sent).await?;
        let ticked = self.detect.tick(until).await?;
        self.publish.round(&mut self.outbox).await?;
        Ok((sent, ticked))
    }

    /// Every role ends here, with what it remembers.
    fn without_roles(self) -> (Broker, Books, Arc<DeltaLog>) {
        (self.broker, self.books, self.log)
    }

    /// Writes down what only the running pipeline knows, and ends it: what is judged is what stands on the disk.
    async fn close(self, run: &Run, last_tick: i64) -> Result<Books> {
        let (broker, books, log) = self.without_roles();
        Books::write_counted(&run.state, &log, &run.pack, last_tick).await?;
        let settings = broker.settings.clone();
        tokio::task::spawn_blocking(move || books.read_topic(&settings).map(|_| books))
            .await
            .map_err(|error| lost(error.to_string()))?
    }

    async fn consume_all(&mut self, sent: usize) -> Result<()> {
        let (mut left, mut idle) = (sent, 0);
        while left > 0 {
            let limit = EpochLimit { messages: left, bytes: EPOCH_BYTES_MAX, wait_ms: 500 };
            match self.consume.step(&mut *self.source, &limit).await? {
                Step::Epoch { messages, .. } => {
                    left = left.saturating_sub(messages);
                    idle = 0;
                }
                Step::Idle | Step::Dropped => idle += 1,
                Step::End => return Err(lost(format!("the source ended with {left} messages to come"))),
            }
            if idle > IDLE_STEPS_MAX {
                return Err(lost(format!("{left} messages never came")));
            }
        }
        Ok(())
    }
}

/// Runs all days and judges them. `each` hears of every tick.
pub async fn run(run: &Run, mut each: impl FnMut(i64, usize, &Ticked)) -> Result<Summary> {
    fresh(&run.state)?;
    let mut stage = Stage::set(run).await?;
    let start = run.options.start.start_micros();
    let mut last_tick = start;
    for tick in 1..=i64::from(run.options.days) * TICKS_PER_DAY {
        let until = start + tick * MICROS_PER_DAY / TICKS_PER_DAY;
        let (sent, ticked) = stage.advance(until).await?;
        each(until, sent, &ticked);
        last_tick = ticked.tick;
    }
    let books = stage.close(run, last_tick).await?;
    let input =
        Input { ledger: books.ledger(), state: run.state.clone(), topic: Some(books.topic()), ..Input::default() };
    let verdict = tokio::task::spawn_blocking(move || judge(&input))
        .await
        .map_err(|error| lost(error.to_string()))?
        .map_err(lost)?;
    let log = DeltaLog::open(&run.state, Arc::new(ManualClock::new(last_tick))).await?;
    summarize(&log, &books.ledger(), &verdict).await
}

fn lost(found: impl Into<String>) -> Box<Problem> {
    Problem::new(codes::kafka::KAFKA_UNREACHABLE, "the demo", found)
}

/// A run that is judged begins with nothing.
fn fresh(state: &Path) -> Result<()> {
    let tables = state.join("tables");
    if tables.exists() {
        return Err(Problem::new(codes::IO, tables.display().to_string(), "an earlier run")
            .help("name another folder with --state, or delete this one; `qianshao sql --state DIR` still reads it"));
    }
    Ok(())
}

/// The demo's keys are made from its seed: nothing in it is about a real person.
fn keys(run: &Run) -> (Arc<Pseudonyms>, Arc<Sealer>) {
    let key: Vec<u8> = format!("demo key of seed {:>16}", run.options.seed).into_bytes();
    let pseudonyms = match run.plain_identifiers {
        true => Pseudonyms::insecure_plain(),
        false => Pseudonyms::from_bytes(&key, Algorithm::Sha256),
    };
    (Arc::new(pseudonyms), Arc::new(Sealer::from_bytes(&key)))
}
