//! One rule alone over some weeks of the invented city: the same decode, commit, count and SQL as in every run, on a log
//! in memory, with a tick at the end of each day.
//!
//! Promises: the same options give the same alerts. Only the feeds of the watched signals report: a rule that reads
//! others sees them silent.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::alert::{Alert, Mode};
use crate::clock::{Clock, ManualClock};
use crate::consume::feed::Feeds;
use crate::consume::identity::{Algorithm, Pseudonyms};
use crate::consume::memory::{MemoryFeeds, MemorySource};
use crate::consume::message::Message;
use crate::consume::role::{Consume, Step};
use crate::consume::seal::Sealer;
use crate::consume::source::EpochLimit;
use crate::delta::log::Log;
use crate::delta::memory_log::MemoryLog;
use crate::delta::reference::{Text, put_in_force};
use crate::delta::registers::CLASS_REGISTER;
use crate::detect::tick::Detect;
use crate::pipeline::InForce;
use crate::problem::{Problem, Result, codes};
use crate::simulate::trial::{Trial, Watched};
use crate::simulate::{Options, Outgoing, Simulation};
use crate::terms::{MICROS_PER_DAY, Position};

/// Everything of a day is one epoch, up to here.
const EPOCH: EpochLimit = EpochLimit { messages: 20_000, bytes: 64 << 20, wait_ms: 1 };

/// What is the same in all runs.
#[derive(Clone)]
pub struct Setting {
    pub feeds: Arc<Feeds>,
    /// Rules, contracts and code lists; the registers are the city's.
    pub texts: Vec<Text>,
    pub pack: String,
    pub watched: Watched,
}

/// What opened, in order, and what was planted: nothing, where it is not asked for.
pub async fn opened(setting: &Setting, options: Options, is_planted: bool) -> Result<(Vec<Alert>, Vec<Trial>)> {
    let (start, days, prefix) = (options.start, i64::from(options.days), options.prefix.clone());
    let key = format!("trial of seed {:>16}", options.seed).into_bytes();
    let topics: BTreeSet<String> =
        setting.watched.series.iter().map(|series| format!("{prefix}.feed.{}.v1", series.feed())).collect();
    let (mut simulation, trials) = Simulation::trial(options, is_planted.then_some(&setting.watched));
    let clock = Arc::new(ManualClock::new(start.start_micros() - MICROS_PER_DAY));
    let wall: Arc<dyn Clock> = clock.clone();
    let log: Arc<dyn Log> = Arc::new(MemoryLog::of_rows());
    let mut texts = setting.texts.clone();
    texts.extend(registers(&simulation));
    put_in_force(&*log, &*clock, &InForce::CLASSES, &texts).await?;
    let (pseudonyms, sealer) = (Pseudonyms::from_bytes(&key, Algorithm::Sha256), Sealer::from_bytes(&key));
    let feeds = setting.feeds.clone();
    let mut consume =
        Consume::open(log.clone(), wall.clone(), feeds, Arc::new(pseudonyms), Arc::new(sealer), &prefix).await?;
    let mut detect = Detect::open(log.clone(), wall, &setting.pack, Mode::Exercise).await?;
    let messages = MemoryFeeds::default();
    let mut source = messages.source(consume.starts().await?);
    let mut opened = Vec::new();
    for day in 1..=days {
        let until = start.start_micros() + day * MICROS_PER_DAY - 1;
        let sent = simulation.until(until).messages.into_iter().filter(|message| topics.contains(&message.topic));
        let sent: Vec<Message> = sent.map(message).collect();
        let count = sent.len();
        messages.append(sent);
        clock.advance_to(until);
        take_in(&mut consume, &mut source, count).await?;
        opened.extend(detect.tick(until).await?.changes.into_iter().filter(|alert| alert.revision == 1));
    }
    Ok((opened, trials))
}

async fn take_in(consume: &mut Consume, source: &mut MemorySource, sent: usize) -> Result<()> {
    let mut taken = 0;
    loop {
        match consume.step(source, &EPOCH).await? {
            Step::Epoch { messages, .. } => taken += messages,
            Step::Dropped => {}
            Step::Idle | Step::End => break,
        }
    }
    if taken == sent {
        return Ok(());
    }
    Err(Problem::new(codes::IO, "the city in memory", format!("{taken} of {sent} messages taken in")))
}

/// The city's registers as texts to be put in force.
fn registers(simulation: &Simulation) -> Vec<Text> {
    let text = |(name, body): (&str, String)| Text {
        class: CLASS_REGISTER.into(),
        name: name.trim_end_matches(".csv").to_owned(),
        body,
    };
    simulation.registers().into_iter().map(text).collect()
}

fn message(one: Outgoing) -> Message {
    Message {
        position: Position { topic: one.topic.into(), partition: one.partition, offset: one.offset },
        timestamp: Some(one.at),
        key: Some(one.key),
        headers: one.headers,
        payload: one.payload,
    }
}
