//! What did we know on the 12th? Over seven days of the invented city everything is digested at twenty instants while
//! it is so, and asked again when the week is over.

use std::collections::BTreeMap;
use std::sync::Arc;

use qianshao::alert::Mode;
use qianshao::clock::{Clock, ManualClock};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::memory::{MemoryFeeds, MemorySource};
use qianshao::consume::message::Message;
use qianshao::consume::role::{Consume, Step};
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::EpochLimit;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::reference::put_in_force;
use qianshao::detect::tick::Detect;
use qianshao::engine;
use qianshao::pipeline::{Folders, InForce};
use qianshao::serve::tables::{Asked, session};
use qianshao::simulate::{Options, Outgoing, Simulation};
use qianshao::terms::{Day, MICROS_PER_DAY, Position, local_text};
use sha2::{Digest, Sha256};

use super::schedule::Dice;
use super::setting::Setting;
use super::values;
use super::world::PREFIX;

const DAYS: u32 = 7;
const INSTANTS: usize = 20;
const TICKS_PER_DAY: i64 = 2;
const KEY: &[u8] = b"the invented city is about nobody at all";
/// Everything that people ask the past about.
const TABLES: [&str; 8] =
    ["signals", "signal_history", "cells", "alerts", "quarantine", "expected_reports", "facilities", "calendars"];

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Register,
    Tick,
    Look,
}

pub struct Week {
    pub simulation: Simulation,
    pub clock: Arc<ManualClock>,
    pub log: Arc<DeltaLog>,
    feeds: MemoryFeeds,
    consume: Consume,
    source: MemorySource,
    pub detect: Detect,
    pub setting: Arc<Setting>,
    pub registers: BTreeMap<String, String>,
}

impl Week {
    /// The invented city's first morning, under the rules named or under all.
    pub async fn begin(options: Options, state: &std::path::Path, rules: &[&str]) -> Self {
        let simulation = Simulation::new(options.clone());
        let folder = tempfile::tempdir().unwrap();
        for (name, body) in simulation.registers() {
            std::fs::write(folder.path().join(name), body).unwrap();
        }
        let folders = Folders { registers: Some(folder.path().to_owned()), ..Folders::default() };
        let all = Setting::read(&folders, "2021-CF");
        let setting = if rules.is_empty() { all } else { all.with_rules(rules) };
        let clock = Arc::new(ManualClock::new(options.start.start_micros()));
        let wall: Arc<dyn Clock> = clock.clone();
        let log = Arc::new(DeltaLog::open(state, wall.clone()).await.unwrap());
        put_in_force(&*log, &*clock, &InForce::CLASSES, &setting.texts).await.unwrap();
        let pseudonyms = Arc::new(Pseudonyms::from_bytes(KEY, Algorithm::Sha256));
        let sealer = Arc::new(Sealer::from_bytes(KEY));
        let consume =
            Consume::open(log.clone(), wall.clone(), setting.feeds.clone(), pseudonyms, sealer, PREFIX).await.unwrap();
        let detect = Detect::open(log.clone(), wall, &setting.pack, Mode::Test).await.unwrap();
        let feeds = MemoryFeeds::default();
        let source = feeds.source(consume.starts().await.unwrap());
        let registers = setting.registers();
        Self { simulation, clock, log, feeds, consume, source, detect, setting, registers }
    }

    /// Everything that the city has sent by `at` is committed.
    pub async fn advance(&mut self, at: i64) {
        self.feeds.append(self.simulation.until(at).messages.into_iter().map(message));
        self.clock.advance_to(at);
        let limit = EpochLimit { messages: 400, bytes: usize::MAX, wait_ms: 0 };
        while let Step::Epoch { .. } = self.consume.step(&mut self.source, &limit).await.unwrap() {}
    }

    /// The next clinic or pharmacy of the register is closed from that day on.
    pub async fn close_one(&mut self, at: i64) {
        let facilities = &self.registers["facilities"];
        let open = facilities.lines().find(|line| line.contains(",fever_clinic,") && line.ends_with(',')).unwrap();
        let closed = format!("{open}{}", Day::of_micros(at));
        let changed = facilities.replace(open, &closed);
        self.registers.insert("facilities".to_owned(), changed);
        let texts = self.setting.texts_with(&self.registers);
        put_in_force(&*self.log, &*self.clock, &InForce::CLASSES, &texts).await.unwrap();
    }

    /// A digest of each table, as everybody who asks sees it.
    async fn digests(&self, as_of: Option<i64>, now: i64) -> Vec<(&'static str, usize, String)> {
        let asked = Asked { as_of, now, pack: self.setting.pack.clone(), prefix: PREFIX.to_owned() };
        let context = session(&self.log, &asked).await.unwrap();
        let mut digests = Vec::new();
        for table in TABLES {
            let sql = format!("SELECT * FROM {table}");
            let batches = engine::query(&context, table, &sql).await.unwrap();
            let mut rows: Vec<String> = values::rows(&batches).into_iter().map(|row| row.join("\t")).collect();
            rows.sort();
            let digest: String =
                Sha256::digest(rows.join("\n")).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            digests.push((table, rows.len(), digest));
        }
        digests
    }
}

fn message(sent: Outgoing) -> Message {
    let Outgoing { at, topic, partition, offset, key, headers, payload } = sent;
    let position = Position { topic: topic.into(), partition, offset };
    Message { position, timestamp: Some(at), key: Some(key), headers, payload }
}

/// Ticks, register changes and looks, in the order of time.
fn events(start: i64, dice: &mut Dice) -> Vec<(i64, Event)> {
    let week = i64::from(DAYS) * MICROS_PER_DAY;
    let mut at = |count: usize, event| -> Vec<(i64, Event)> {
        // Not in the first hours, when there is nothing to be known.
        (0..count)
            .map(|_| (start + MICROS_PER_DAY / 2 + dice.below((week - MICROS_PER_DAY) as u64) as i64, event))
            .collect()
    };
    let mut events = at(INSTANTS, Event::Look);
    events.extend(at(3, Event::Register));
    let ticks = i64::from(DAYS) * TICKS_PER_DAY;
    events.extend((1..=ticks).map(|tick| (start + tick * MICROS_PER_DAY / TICKS_PER_DAY, Event::Tick)));
    events.sort_unstable();
    events
}

#[tokio::test]
async fn what_was_known_at_an_instant_is_the_same_when_asked_later() {
    let start = Day::parse("2021-01-11").unwrap();
    let options =
        Options { seed: 7, days: DAYS, start, scale: 0.02, prefix: PREFIX.to_owned(), partitions: 2, planted: true };
    let folder = tempfile::tempdir().unwrap();
    let mut week = Week::begin(options, folder.path(), &["school_class_1d3", "missing_report"]).await;
    let mut looks = Vec::new();
    for (at, event) in events(start.start_micros(), &mut Dice::of("as of")) {
        week.advance(at).await;
        match event {
            Event::Register => week.close_one(at).await,
            Event::Tick => _ = week.detect.tick(at).await.unwrap(),
            Event::Look => {
                // Later than every commit that was made at this instant.
                let now = at + 1_000;
                week.clock.advance_to(now);
                looks.push((now, week.digests(None, now).await));
            }
        }
    }
    let mut differing = Vec::new();
    for (at, live) in &looks {
        for (live, later) in live.iter().zip(week.digests(Some(*at), 0).await) {
            if *live != later {
                differing.push(format!("{}: live {live:?}, later {later:?}", local_text(*at)));
            }
        }
    }
    assert!(differing.is_empty(), "as of\n{}", differing.join("\n"));
    for (number, table) in TABLES.iter().enumerate() {
        let mut different: Vec<&String> = looks.iter().map(|(_, digests)| &digests[number].2).collect();
        different.dedup();
        println!("{table}: {} states of {INSTANTS}, {} rows at last", different.len(), looks[INSTANTS - 1].1[number].1);
        assert!(different.len() > 1 || *table == "calendars", "{table} never changed, so nothing was shown");
    }
}
