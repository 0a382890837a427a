//! The two loops, written out: commit, then detect. And what they stand on: a state folder with texts in force.
//!
//! Promises: roles meet only in the log; each loop ends cleanly when it is told to.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use crate::cells::meanings::CLASS_FEED;
use crate::clock::Clock;
use crate::consume::feed::{Feeds, Kind};
use crate::consume::role::{Consume, Step};
use crate::consume::source::{Pace, Source};
use crate::delta::csv_folder::csv_texts;
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::delta::reference::{Text, put_in_force};
use crate::delta::registers::{CLASS_CODE, CLASS_REGISTER};
use crate::delta::tables::Table;
use crate::detect::folder::read_folders;
use crate::detect::pack::Packs;
use crate::detect::tick::{CLASS_PACK, CLASS_RULE, texts_of};
use crate::kafka::seat::Seat;
use crate::observe::Observed;
use crate::problem::{Problem, Result, codes};
use crate::publish::outbox::{Outbox, Round};
use crate::publish::role::Publish;

pub use stop::Stop;

pub mod judging;
pub mod watched;
mod stop;

/// Ticks follow epochs no closer than this: a burst of small epochs is judged once.
const TICK_MS_MIN: u64 = 100;
/// A tick without new rows, for what falls due: missing reports, runs that end.
const TICK_MS_IDLE: u64 = 10_000;
/// A full disk is looked at this often: rarely enough for the log of words, often enough for the delay of an alert.
const STUCK_WAIT: Duration = Duration::from_secs(2);
/// Small files are merged this often.
const COMPACT_EVERY: Duration = Duration::from_secs(300);
/// Heads of the tables are read this often for whoever watches.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Who waits for the publisher's seat says so this often.
const SEAT_WAIT: Duration = Duration::from_secs(1);

/// Folders that replace what the program was built with.
#[derive(Clone, Debug, Default)]
pub struct Folders {
    pub feeds: Option<PathBuf>,
    pub rules: Option<PathBuf>,
    pub registers: Option<PathBuf>,
    pub codes: Option<PathBuf>,
}

/// A state folder, opened, with its texts in force.
pub struct State {
    pub log: Arc<DeltaLog>,
    pub feeds: Arc<Feeds>,
}

/// Everything that is put in force, and the feeds themselves.
pub struct InForce {
    pub feeds: Arc<Feeds>,
    pub packs: Packs,
    pub texts: Vec<Text>,
}

impl InForce {
    /// Classes of texts that the folders decide: what is not in them is withdrawn.
    pub const CLASSES: [&str; 5] = [CLASS_FEED, CLASS_RULE, CLASS_PACK, CLASS_CODE, CLASS_REGISTER];

    /// Reads the folders, or what the program was built with.
    pub fn read(folders: &Folders) -> Result<Self> {
        let feeds = Feeds::load(folders.feeds.as_deref()).map_err(first_problem)?;
        let contract = |kind: &Arc<Kind>| Text {
            class: CLASS_FEED.into(),
            name: format!("{}/{}", kind.feed, kind.name),
            body: kind.contract_json.clone(),
        };
        let mut texts: Vec<Text> = feeds.feeds.iter().flat_map(|feed| &feed.kinds).map(contract).collect();
        let rules = read_folders(folders.rules.as_deref())?;
        let packs = Packs::of_folders(&rules)?;
        texts.extend(texts_of(&rules));
        texts.extend(csv_texts(CLASS_CODE, folders.codes.as_deref())?);
        texts.extend(csv_texts(CLASS_REGISTER, folders.registers.as_deref())?);
        Ok(Self { feeds: Arc::new(feeds), packs, texts })
    }
}

/// Opens the state folder and puts feeds, rules, registers and code lists in force.
pub async fn open_state(state: &Path, folders: &Folders, clock: &Arc<dyn Clock>) -> Result<State> {
    let log = Arc::new(DeltaLog::open(state, clock.clone()).await?);
    let feeds = enforce(&log, folders, clock).await?;
    Ok(State { log, feeds })
}

/// Puts feeds, rules, registers and code lists in force.
pub async fn enforce(log: &DeltaLog, folders: &Folders, clock: &Arc<dyn Clock>) -> Result<Arc<Feeds>> {
    let InForce { feeds, texts, .. } = InForce::read(folders)?;
    put_in_force(log, &**clock, &InForce::CLASSES, &texts).await?;
    Ok(feeds)
}

/// Commit: messages become rows, and the offsets they came from, in one step.
pub async fn consume(
    mut role: Consume,
    mut source: Box<dyn Source>,
    mut pace: Pace,
    observed: Arc<Observed>,
    stop: Stop,
) -> Result<()> {
    while !stop.is_told() {
        let step = role.step(&mut *source, &pace.limit()).await;
        let Some(step) = unless_stuck(step, watched::CONSUME, &observed, &stop).await? else {
            role.start_again(&mut *source).await?;
            continue;
        };
        watched::consumed(&observed, &step, source.standing());
        match step {
            Step::Epoch { messages, bytes, took_ms, .. } => pace.learn(messages, bytes, took_ms),
            Step::Idle | Step::Dropped => {}
            Step::End => break,
        }
    }
    Ok(())
}

/// A log that takes nothing, as on a full disk, is told and waited out; anything else ends the role.
async fn unless_stuck<T>(done: Result<T>, part: &'static str, observed: &Observed, stop: &Stop) -> Result<Option<T>> {
    match done {
        Ok(done) => Ok(Some(done)),
        Err(problem) if problem.code == codes::log::COMMIT_GAVE_UP => {
            error!(at = problem.at, found = problem.found, help = problem.help, "{}", problem.code.en);
            observed.stands(part, vec![*problem]);
            stop.wait(STUCK_WAIT).await;
            Ok(None)
        }
        Err(problem) => Err(problem),
    }
}

/// The table first, the topic second; only while we hold the publisher's seat.
pub async fn publish(
    role: Publish,
    mut outbox: Box<dyn Outbox>,
    mut seat: Seat,
    observed: Arc<Observed>,
    stop: Stop,
) -> Result<()> {
    let (mut term, mut fenced) = (None, true);
    while !stop.is_told() {
        let is_seated = !fenced && term == seat.term();
        watched::seated(&observed, is_seated, seat.brokers_up());
        if !is_seated {
            tokio::select! {
                taken = seat.taken(term) => (term, fenced) = (Some(taken?), false),
                () = stop.wait(SEAT_WAIT) => continue,
            }
        }
        let round = role.round(&mut *outbox).await;
        watched::published(&observed, &round, seat.brokers_up());
        match round {
            Ok(Round::Done { .. }) => fenced = false,
            Ok(Round::Fenced(by)) => {
                warn!(by, "another publisher has taken over; waiting to be assigned again");
                fenced = true;
            }
            Err(problem) => error!(at = problem.at, found = problem.found, "{}", problem.code.en),
        }
        stop.wait(Duration::from_millis(TICK_MS_MIN)).await;
    }
    Ok(())
}

/// Tells whoever watches where the log stands, and whether it can be read at all.
pub async fn look(log: Arc<DeltaLog>, observed: Arc<Observed>, stop: Stop) -> Result<()> {
    while !stop.is_told() {
        let mut problems = Vec::new();
        for table in Table::ALL {
            match log.head(table).await {
                Ok(head) => watched::head(&observed, table, &head),
                Err(problem) => problems.push(*problem),
            }
        }
        observed.turned(watched::STATE);
        observed.stands(watched::STATE, problems);
        observed.started(watched::STATE);
        stop.wait(LOOK_EVERY).await;
    }
    Ok(())
}

/// Keeps the log short: merges the small files of each table now and then.
pub async fn maintain(log: Arc<DeltaLog>, stop: Stop) -> Result<()> {
    while !stop.is_told() {
        stop.wait(COMPACT_EVERY).await;
        // The next life does it; a stop is waited for.
        if !stop.is_told() {
            merge_small_files(&log).await;
        }
    }
    Ok(())
}

/// One round of it; what fails is told and tried again in the next.
pub async fn merge_small_files(log: &DeltaLog) {
    for table in Table::ALL {
        if let Err(problem) = log.compact(table).await {
            warn!(table = table.name(), found = problem.found, "small files were not merged");
        }
    }
}

fn first_problem(problems: Vec<Problem>) -> Box<Problem> {
    let more = problems.len().saturating_sub(1);
    match problems.into_iter().next() {
        Some(first) if more == 0 => Box::new(first),
        Some(first) => {
            let help = format!("{} ({more} more: qianshao feed check DIR)", first.help);
            Box::new(first).help(help)
        }
        None => Problem::new(codes::IO, "feeds", "nothing was read"),
    }
}
