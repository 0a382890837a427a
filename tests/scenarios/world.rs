//! A small world around the shipped roles: a broker and alert topics in memory, a clock that is told the time, a log.
//!
//! Promises: between two ticks messages come as the schedule says; at a tick everything that was sent is committed,
//! judged and published. Only the ends are ours: decode, commit, detect and publish are the product's.

use std::collections::BTreeMap;
use std::sync::Arc;

use qianshao::alert::Mode;
use qianshao::clock::{Clock, ManualClock};
use qianshao::consume::feed::Feeds;
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::memory::{MemoryFeeds, MemorySource};
use qianshao::consume::message::Message;
use qianshao::consume::role::{Consume, Step};
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::EpochLimit;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::log::Log;
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::reference::put_in_force;
use qianshao::detect::tick::Detect;
use qianshao::fault::{Crashes, Ended};
use qianshao::kafka::Topics;
use qianshao::pipeline::{InForce, merge_small_files};
use qianshao::problem::Result;
use qianshao::publish::memory::{MemoryTopics, Told};
use qianshao::publish::role::Publish;
use qianshao::terms::{MICROS_PER_SECOND, Position, parse_instant};
use tempfile::TempDir;

use super::kills::{self, Part};
use super::schedule::{Acts, Dice, Schedule, Sent, shuffle};
use super::setting::{Setting, copy};

/// When texts come into force: before everything that a scenario tells of.
const BEGINNING: &str = "2010-01-01T00:00:00+08:00";
pub const PREFIX: &str = "qianshao";
const KEY: &[u8] = b"scenarios are about nobody, so this may be read";

/// A consumer and the broker's partitions that are its own.
struct Seat {
    feeds: MemoryFeeds,
    consume: Consume,
    source: MemorySource,
}

/// Everything that a scenario runs in.
pub struct World {
    pub setting: Arc<Setting>,
    /// Those that are consumed; all of them are in force.
    feeds: Arc<Feeds>,
    pub schedule: Schedule,
    pub clock: Arc<ManualClock>,
    pub log: Arc<dyn Log>,
    pub topics: MemoryTopics,
    pub acts: Acts,
    /// The newest tick; before the first, the beginning.
    pub tick: i64,
    folder: Option<TempDir>,
    crashes: Option<Crashes>,
    registers: BTreeMap<String, String>,
    sent: Vec<Sent>,
    /// To be delivered again after the next tick's messages.
    again: Vec<Sent>,
    offsets: BTreeMap<(String, i32), i64>,
    delivered: usize,
    seats: Vec<Seat>,
    detect: Detect,
    publish: Publish,
    dice: Dice,
}

impl World {
    pub async fn open(setting: Arc<Setting>, feeds: Arc<Feeds>, schedule: Schedule, name: &str) -> Result<Self> {
        Self::open_to_crash(setting, feeds, schedule, name, None).await
    }

    /// The same, with points at which its work is dropped.
    pub async fn open_to_crash(
        setting: Arc<Setting>,
        feeds: Arc<Feeds>,
        schedule: Schedule,
        name: &str,
        crashes: Option<Crashes>,
    ) -> Result<Self> {
        let beginning = parse_instant(BEGINNING).unwrap_or_default();
        let clock = Arc::new(ManualClock::new(beginning));
        let folder = schedule.is_stored().then(|| tempfile::tempdir().unwrap());
        let log = open_log(folder.as_ref(), &clock).await?;
        if let Some(crashes) = &crashes {
            kills::grow_old(&*log, &*clock, &setting.texts, crashes).await?;
        }
        put_in_force(&*log, &*clock, &InForce::CLASSES, &setting.texts).await?;
        let mut seats = Vec::new();
        for _ in 0..schedule.consumers() {
            seats.push(Seat::open(&log, &clock, &feeds, MemoryFeeds::default()).await?);
        }
        let detect = Detect::open(log.clone(), clock.clone(), &setting.pack, Mode::Test).await?;
        let publish = Publish::new(log.clone(), Topics { prefix: PREFIX.to_owned() });
        Ok(Self {
            registers: setting.registers(),
            setting,
            feeds,
            schedule,
            clock,
            log,
            topics: MemoryTopics::default(),
            acts: Acts::default(),
            tick: beginning,
            folder,
            crashes,
            sent: Vec::new(),
            again: Vec::new(),
            offsets: BTreeMap::new(),
            delivered: 0,
            seats,
            detect,
            publish,
            dice: Dice::of(name),
        })
    }

    pub fn send(&mut self, feed: &str, payload: &str) {
        self.sent.push(Sent { feed: feed.to_owned(), payload: payload.to_owned() });
        self.acts.messages += 1;
    }

    /// Replaces the rows of a register that have the same first column, and adds the others.
    pub async fn register(&mut self, name: &str, csv: &str) -> Result<()> {
        let mut lines = csv.lines().filter(|line| !line.is_empty());
        let header = lines.next().unwrap_or_default();
        let body = self.registers.entry(name.to_owned()).or_insert_with(|| format!("{header}\n"));
        assert_eq!(body.lines().next(), Some(header), "the columns of {name}");
        let id = |line: &str| line.split(',').next().unwrap_or_default().to_owned();
        for line in lines {
            // Of a calendar the last line that matches counts, so nothing is replaced in it.
            let kept = |old: &&str| name == "calendars" || id(line).is_empty() || id(old) != id(line);
            let mut rows: Vec<&str> = body.lines().filter(kept).collect();
            rows.push(line);
            *body = format!("{}\n", rows.join("\n"));
        }
        self.put_in_force(&self.setting.clone()).await
    }

    /// Puts other rules or feeds in force from now on; registers stay as they are.
    pub async fn put_in_force(&mut self, setting: &Arc<Setting>) -> Result<()> {
        let texts = setting.texts_with(&self.registers);
        // Later than the tick before, which did not know of it.
        self.clock.advance_to(self.clock.now() + MICROS_PER_SECOND);
        put_in_force(&*self.log, &*self.clock, &InForce::CLASSES, &texts).await?;
        self.setting = setting.clone();
        Ok(())
    }

    /// Time passes to `at`; what was sent is committed, then judged, then published.
    pub async fn tick_at(&mut self, at: i64) -> Result<()> {
        // A moment before, so that the tick is at `at` however many commits there are.
        self.clock.advance_to(at - MICROS_PER_SECOND);
        let mut messages = std::mem::take(&mut self.sent);
        self.arrange(&mut messages);
        if self.schedule.rests() {
            let rest = messages.split_off(messages.len() / 2);
            self.enqueue(messages);
            self.through(Part::Consume).await?;
            self.reopen().await?;
            messages = rest;
        }
        self.enqueue(messages);
        self.through(Part::Consume).await?;
        if self.schedule.rests() {
            self.reopen().await?;
        }
        self.clock.advance_to(at);
        self.through(Part::Judge(at)).await?;
        self.acts.ticks += 1;
        // Alerts are written and not yet published.
        if self.schedule.rests() {
            self.reopen().await?;
        }
        let before = self.topics.visible().len();
        self.through(Part::Publish).await?;
        self.acts.published += self.topics.visible().len() - before;
        if self.schedule == Schedule::Killed {
            self.through(Part::Merge).await?;
        }
        Ok(())
    }

    /// Does a part of the work, and again from the folder where it was dropped.
    async fn through(&mut self, part: Part) -> Result<()> {
        let Some(crashes) = self.crashes.clone() else { return self.act(part).await };
        loop {
            if matches!(part, Part::Consume) && crashes.awaits("source::revoked") {
                self.seats.iter_mut().for_each(|seat| seat.source.revoke());
            }
            if matches!(part, Part::Publish) && crashes.awaits("publish::aborted") {
                self.topics.tell([Told::UnknownLanded]);
            }
            let ended = crashes.run(self.act(part)).await;
            self.topics.forget_told();
            match ended {
                Ended::Whole(done) => return done,
                Ended::Crashed => self.reopen().await?,
            }
        }
    }

    async fn act(&mut self, part: Part) -> Result<()> {
        match part {
            Part::Consume => self.consume().await,
            Part::Judge(at) => {
                // A tick whose alerts were written is recorded by the next life.
                if self.detect.last_tick() < at {
                    self.detect.tick(at).await?;
                }
                self.tick = self.detect.last_tick();
                Ok(())
            }
            Part::Publish => self.publish.round(&mut self.topics.outbox()).await.map(drop),
            Part::Merge => {
                if let Some(folder) = &self.folder {
                    merge_small_files(&DeltaLog::open(folder.path(), self.clock.clone()).await?).await;
                }
                Ok(())
            }
        }
    }

    fn arrange(&mut self, messages: &mut Vec<Sent>) {
        match self.schedule {
            Schedule::Shuffled if messages.len() > 1 => {
                let before = messages.clone();
                shuffle(messages, &mut self.dice);
                self.acts.movable += usize::from(before.iter().any(|message| *message != before[0]));
                self.acts.moved += usize::from(*messages != before);
            }
            Schedule::Twice => {
                let (later, soon): (Vec<_>, Vec<_>) =
                    messages.iter().cloned().enumerate().partition(|(at, _)| at % 2 == 1);
                let soon = soon.into_iter().chain(std::mem::take(&mut self.again).into_iter().enumerate());
                let soon: Vec<Sent> = soon.map(|(_, message)| message).collect();
                self.acts.again += soon.len();
                messages.extend(soon);
                self.again = later.into_iter().map(|(_, message)| message).collect();
            }
            Schedule::Shuffled
            | Schedule::Straight
            | Schedule::OneByOne
            | Schedule::Split
            | Schedule::Restarted
            | Schedule::Restored
            | Schedule::Killed => {}
        }
    }

    /// Gives the messages their offsets.
    fn enqueue(&mut self, messages: Vec<Sent>) {
        for message in messages {
            let seat = self.delivered % self.seats.len();
            self.delivered += 1;
            let topic = format!("{PREFIX}.feed.{}.v1", message.feed);
            let next = self.offsets.entry((topic.clone(), seat as i32)).or_insert(0);
            let position = Position { topic: topic.into(), partition: seat as i32, offset: *next };
            *next += 1;
            let payload = Some(message.payload.into_bytes());
            self.seats[seat].feeds.append([Message {
                position,
                timestamp: None,
                key: None,
                headers: Vec::new(),
                payload,
            }]);
        }
    }

    /// Has every consumer commit what is its own.
    async fn consume(&mut self) -> Result<()> {
        let limit = EpochLimit { messages: self.schedule.epoch(), bytes: usize::MAX, wait_ms: 0 };
        let mut idle = 0;
        while idle < self.seats.len() {
            idle = 0;
            for (number, seat) in self.seats.iter_mut().enumerate() {
                match seat.consume.step(&mut seat.source, &limit).await? {
                    Step::Epoch { messages, .. } => {
                        self.acts.epochs += 1;
                        self.acts.fed[number] += messages;
                    }
                    Step::Dropped => {}
                    Step::Idle | Step::End => idle += 1,
                }
            }
        }
        Ok(())
    }

    /// Closes the log and both roles, and opens them from their folder, or from a copy of it.
    async fn reopen(&mut self) -> Result<()> {
        if self.schedule == Schedule::Restored
            && let Some(before) = self.folder.take()
        {
            let restored = tempfile::tempdir().unwrap();
            copy(before.path(), restored.path());
            self.folder = Some(restored);
        }
        self.log = open_log(self.folder.as_ref(), &self.clock).await?;
        let mut seats = Vec::new();
        for seat in std::mem::take(&mut self.seats) {
            seats.push(Seat::open(&self.log, &self.clock, &self.feeds, seat.feeds).await?);
        }
        self.seats = seats;
        self.detect = Detect::open(self.log.clone(), self.clock.clone(), &self.setting.pack, Mode::Test).await?;
        self.publish = Publish::new(self.log.clone(), Topics { prefix: PREFIX.to_owned() });
        self.acts.reopened += 1;
        Ok(())
    }
}

impl Seat {
    async fn open(
        log: &Arc<dyn Log>,
        clock: &Arc<ManualClock>,
        known: &Arc<Feeds>,
        feeds: MemoryFeeds,
    ) -> Result<Self> {
        let pseudonyms = Arc::new(Pseudonyms::from_bytes(KEY, Algorithm::Sha256));
        let sealer = Arc::new(Sealer::from_bytes(KEY));
        let wall: Arc<dyn Clock> = clock.clone();
        let consume = Consume::open(log.clone(), wall, known.clone(), pseudonyms, sealer, PREFIX).await?;
        let source = feeds.source(consume.starts().await?);
        Ok(Self { feeds, consume, source })
    }
}

async fn open_log(folder: Option<&TempDir>, clock: &Arc<ManualClock>) -> Result<Arc<dyn Log>> {
    Ok(match folder {
        Some(folder) => Arc::new(DeltaLog::open(folder.path(), clock.clone()).await?),
        None => Arc::new(MemoryLog::default()),
    })
}
