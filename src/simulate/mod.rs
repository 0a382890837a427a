//! The invented city and its ledger of truth.
//!
//! `Simulation` writes, from a seed, what a city would send, and before that what must become of it: every message's
//! fate and rows, every planted outbreak with the alert it must raise, every silence.
//!
//! Promises: the same options give the same bytes; messages come in the order of `at`; everything of the run has been
//! sent at `end`, and then adds up to the planned counts.
//! Never: reads a clock, the pipeline's code, or the feed folders; holds more than a few days of messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::terms::{Day, MICROS_PER_SECOND, hex};

pub mod ledger;
pub mod chance;
pub mod city;
pub mod rhythm;
pub mod people;
pub mod silences;
pub mod allowance;
pub mod levels;
pub mod series;
pub mod thresholds;
pub mod plant;
pub mod school_outbreaks;
pub mod outbreaks;
pub mod messages;
pub mod malformed;
pub mod faults;
pub mod sending;
pub mod registers;
pub mod stats;
pub mod trial;
pub mod folder;
pub mod oracle;

pub use folder::write_folder;

use city::{City, county_code};
use faults::Draft;
use ledger::{CityLine, LedgerLine, MessageLine, Silence};
use levels::{Background, Levels, Setting};
use outbreaks::Outbreaks;
use rhythm::Calendar;
use sending::Sending;
use silences::Silences;
use trial::{Trial, Watched};

/// What decides a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    pub seed: u64,
    pub days: u32,
    pub start: Day,
    /// 1 is about 10,000 messages a day.
    pub scale: f64,
    /// Of topics, `qianshao` by default.
    pub prefix: String,
    /// Of every feed topic.
    pub partitions: i32,
    /// With outbreaks and silences.
    pub planted: bool,
}

/// The channels that the city reports through.
const FEEDS: [&str; 5] = ["fever_clinic", "pharmacy", "school", "customs", "report_card"];

impl Options {
    /// Every topic that a run may send to.
    pub fn topics(&self) -> Vec<String> {
        FEEDS.iter().map(|feed| self.topic(feed)).collect()
    }

    fn topic(&self, feed: &str) -> String {
        format!("{}.feed.{feed}.v1", self.prefix)
    }
}

/// A message as it goes to Kafka.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// When it is sent, microseconds UTC; its Kafka timestamp.
    pub at: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub key: Vec<u8>,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Option<Vec<u8>>,
}

/// What was sent since the last step; the two lists run in parallel.
#[derive(Debug, Default)]
pub struct Step {
    pub messages: Vec<Outgoing>,
    pub ledger: Vec<LedgerLine>,
}

/// A run of the city.
pub struct Simulation {
    options: Options,
    city: Arc<City>,
    calendar: Calendar,
    levels: Levels,
    outbreaks: Outbreaks,
    /// By instant and order of writing; late ones wait here.
    queue: BTreeMap<(i64, u64), Draft>,
    next_day: usize,
    queued: u64,
    seq: u64,
    offsets: BTreeMap<(String, i32), i64>,
}

impl Simulation {
    pub fn new(options: Options) -> Self {
        Self::founded(options, Background::Quiet)
    }

    /// A city that keeps no alarm back and has nothing planted but the outbreaks that are asked for.
    pub fn trial(options: Options, watched: Option<&Watched>) -> (Self, Vec<Trial>) {
        let (seed, start) = (options.seed, options.start);
        let mut simulation = Self::founded(Options { planted: false, ..options }, Background::AsDrawn);
        let plant = |watched| trial::plant(&mut simulation.levels, watched, seed, start);
        let trials = watched.map(plant).unwrap_or_default();
        (simulation, trials)
    }

    fn founded(options: Options, background: Background) -> Self {
        let days = options.days as usize;
        let city = Arc::new(City::founded(options.seed));
        let calendar = Calendar::around(options.start, options.days);
        let silences = if options.planted {
            Silences::drawn(&city, &calendar, options.seed, options.start, days)
        } else {
            Silences::default()
        };
        let (seed, start, scale) = (options.seed, options.start, options.scale);
        let setting = Setting { seed, start, days, scale, calendar: &calendar, background };
        let mut levels = Levels::drawn(Arc::clone(&city), Arc::new(silences), &setting);
        let outbreaks = if options.planted {
            outbreaks::plant(&mut levels, options.seed, options.start)
        } else {
            Outbreaks::default()
        };
        Self {
            options,
            city,
            calendar,
            levels,
            outbreaks,
            queue: BTreeMap::new(),
            next_day: 0,
            queued: 0,
            seq: 0,
            offsets: BTreeMap::new(),
        }
    }

    /// The last instant of the run: by then everything has been sent.
    pub fn end(&self) -> i64 {
        self.options.start.plus(self.options.days as i32).start_micros() - MICROS_PER_SECOND
    }

    /// File name and CSV text of each register.
    pub fn registers(&self) -> Vec<(&'static str, String)> {
        registers::registers(&self.city, &self.calendar, self.options.start)
    }

    /// What is true of the run before anything is sent.
    pub fn header_lines(&self) -> Vec<LedgerLine> {
        let Options { seed, days, start, scale, prefix, partitions, .. } = self.options.clone();
        let city = CityLine { seed, start: start.to_string(), days, scale, prefix, partitions };
        let silences = self.levels.silences.all.iter().map(|quiet| Silence {
            facility_id: quiet.facility_id.clone(),
            feed: quiet.feed.to_owned(),
            area_code: county_code(quiet.county),
            from: start.plus(quiet.from as i32).to_string(),
            to: start.plus(quiet.to as i32).to_string(),
        });
        [LedgerLine::City(city)]
            .into_iter()
            .chain(registers::facility_lines(&self.city).into_iter().map(LedgerLine::Facility))
            .chain(registers::expected_lines(&self.levels, start).into_iter().map(LedgerLine::Expected))
            .chain(self.outbreaks.planted.iter().cloned().map(LedgerLine::Planted))
            .chain(silences.map(LedgerLine::Silence))
            .collect()
    }

    /// Everything that is sent up to and including this instant and was not handed out before.
    pub fn until(&mut self, micros: i64) -> Step {
        while self.next_day < self.options.days as usize
            && self.options.start.plus(self.next_day as i32).start_micros() <= micros
        {
            self.write_day();
        }
        let later = self.queue.split_off(&(micros.saturating_add(1), 0));
        let due = std::mem::replace(&mut self.queue, later);
        let mut step = Step::default();
        for ((at, _), draft) in due {
            let (message, line) = self.sent(at, draft);
            step.messages.push(message);
            step.ledger.push(line);
        }
        step
    }

    fn write_day(&mut self) {
        let sending = Sending {
            levels: &self.levels,
            outbreaks: &self.outbreaks,
            seed: self.options.seed,
            start: self.options.start,
            scale: self.options.scale,
            end: self.end(),
        };
        for draft in sending.day(self.next_day) {
            self.queue.insert((draft.at, self.queued), draft);
            self.queued += 1;
        }
        self.next_day += 1;
    }

    /// Gives a draft its position.
    fn sent(&mut self, at: i64, draft: Draft) -> (Outgoing, LedgerLine) {
        let topic = self.options.topic(draft.feed);
        let partition = partition_of(&draft.facility, self.options.partitions);
        let next = self.offsets.entry((topic.clone(), partition)).or_default();
        let offset = *next;
        *next += 1;
        let payload_sha256 = hex(&Sha256::digest(draft.payload.as_deref().unwrap_or_default()));
        let line = MessageLine {
            seq: self.seq,
            feed: draft.feed.to_owned(),
            kind: draft.kind.to_owned(),
            topic: topic.clone(),
            partition,
            offset,
            sent_at: at,
            payload_sha256,
            fate: draft.fate,
            reason: draft.reason.map(str::to_owned),
            pointer: draft.pointer,
            fault: draft.fault.map(str::to_owned),
            record: draft.record,
            revision: i64::from(draft.revision),
            reported_at: draft.reported_at,
            operation: draft.operation.to_owned(),
            facility_id: draft.facility.clone(),
            rows: draft.rows,
        };
        self.seq += 1;
        let key = draft.facility.into_bytes();
        let message = Outgoing { at, topic, partition, offset, key, headers: draft.headers, payload: draft.payload };
        (message, LedgerLine::Message(Box::new(line)))
    }
}

/// A facility's messages stay in order, on one partition.
fn partition_of(facility: &str, partitions: i32) -> i32 {
    let digest = Sha256::digest(facility.as_bytes());
    i32::from(digest[0]) % partitions.max(1)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod outbreak_tests;
