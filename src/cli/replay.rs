//! `qianshao replay`: NDJSON through the same decode, commit and detect, deterministically.
//!
//! Promises: `known_at` follows `reported_at`: what a report's sender says is when it is known; a tick at the end of
//! each day and of each quarter of a day in which something came.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;

use super::{io, key_or_new, say};
use crate::alert::Mode;
use crate::clock::{Clock, ManualClock};
use crate::consume::epoch_rows::feed_topic;
use crate::consume::feed::{Feeds, Kind};
use crate::consume::memory::MemoryFeeds;
use crate::consume::message::Message;
use crate::consume::role::{Consume, Step};
use crate::consume::source::EpochLimit;
use crate::delta::log::{Log, offset_mark};
use crate::delta::tables::Table;
use crate::detect::tick::Detect;
use crate::pipeline::{Folders, open_state};
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, MICROS_PER_DAY, Position, parse_instant};

const TICKS_PER_DAY: i64 = 4;
/// Everything of a quarter of a day is one epoch, up to here.
const EPOCH: EpochLimit = EpochLimit { messages: 20_000, bytes: 64 << 20, wait_ms: 1 };

#[derive(Args)]
pub struct Replay {
    /// Where tables are kept. 状态文件夹
    #[arg(long)]
    state: PathBuf,
    #[arg(long)]
    feeds: Option<PathBuf>,
    #[arg(long)]
    rules: Option<PathBuf>,
    #[arg(long)]
    registers: Option<PathBuf>,
    #[arg(long)]
    codes: Option<PathBuf>,
    #[arg(long, default_value = "base")]
    pack: String,
    /// Key for tokens and sealed bodies; made in the state folder if absent. 密钥文件
    #[arg(long)]
    key_file: Option<PathBuf>,
    /// FEED/KIND=FILE, one JSON object a line. 渠道/种类=文件
    #[arg(required = true)]
    files: Vec<String>,
}

/// Feeds the files and answers how many messages and alert revisions came of them.
pub async fn run(replay: &Replay) -> Result<bool> {
    let feeds = Feeds::load(replay.feeds.as_deref()).map_err(|problems| {
        problems.into_iter().next().map_or_else(|| Problem::new(codes::ARGUMENT, "--feeds", "nothing"), Box::new)
    })?;
    let mut reports = Vec::new();
    for argument in &replay.files {
        reports.extend(read(&feeds, argument)?);
    }
    date_the_undated(&mut reports);
    // Equal times keep the order of the files: the sort is stable.
    reports.sort_by_key(|report| report.reported_at);
    let Some((first, last)) = reports.first().zip(reports.last()).map(|(a, b)| (a.reported_at, b.reported_at)) else {
        return Err(Problem::new(codes::ARGUMENT, "files", "no message"));
    };
    let clock = Arc::new(ManualClock::new(Day::of_micros(first).start_micros()));
    let wall: Arc<dyn Clock> = clock.clone();
    let folders = Folders {
        feeds: replay.feeds.clone(),
        rules: replay.rules.clone(),
        registers: replay.registers.clone(),
        codes: replay.codes.clone(),
    };
    let state = open_state(&replay.state, &folders, &wall).await?;
    let (pseudonyms, sealer) = key_or_new(&replay.state, replay.key_file.as_deref())?;
    let mut consume =
        Consume::open(state.log.clone(), wall.clone(), state.feeds, pseudonyms, sealer, "qianshao").await?;
    let mut detect = Detect::open(state.log.clone(), wall, &replay.pack, Mode::Replay).await?;
    let messages = MemoryFeeds::default();
    let mut source = messages.source(consume.starts().await?);
    let head = state.log.head(Table::Signals).await?;
    let (mut changes, mut next, mut taken, total) = (0, 0, 0, reports.len());
    let mut offsets: std::collections::BTreeMap<String, i64> = Default::default();
    let mut until = Day::of_micros(first).start_micros();
    while until < last + MICROS_PER_DAY {
        until += MICROS_PER_DAY / TICKS_PER_DAY;
        while next < total && reports[next].reported_at <= until {
            let report = &reports[next];
            let start = head.marks.get(&offset_mark(&report.topic, 0)).copied().unwrap_or(0);
            let offset = offsets.entry(report.topic.clone()).or_insert(start);
            messages.append([report.message(*offset)]);
            *offset += 1;
            next += 1;
        }
        clock.advance_to(until);
        let mut came = false;
        loop {
            match consume.step(&mut source, &EPOCH).await? {
                Step::Epoch { messages, .. } => (came, taken) = (true, taken + messages),
                Step::Dropped => came = true,
                Step::Idle | Step::End => break,
            }
        }
        // Without a report only what falls due can change, and that is judged at the day's end.
        if came || Day::of_micros(until).start_micros() == until {
            changes += detect.tick(until).await?.changes.len();
        }
    }
    if taken != total {
        return Err(Problem::new(
            codes::IO,
            replay.state.display().to_string(),
            format!("{taken} of {total} messages taken in"),
        ));
    }
    say(&format!("{total} messages, {changes} alert revisions / 报告 {total} 条，预警修订 {changes} 条"));
    Ok(true)
}

/// A line of a file and when its sender says it was reported.
struct Report {
    topic: String,
    reported_at: i64,
    /// Whether the sender said when.
    dated: bool,
    payload: Vec<u8>,
}

/// A line that says no time is known from the first day on, and judged by the decoder.
fn date_the_undated(reports: &mut [Report]) {
    let first = reports.iter().filter(|report| report.dated).map(|report| report.reported_at).min();
    reports.iter_mut().filter(|report| !report.dated).for_each(|report| report.reported_at = first.unwrap_or(0));
}

impl Report {
    fn message(&self, offset: i64) -> Message {
        Message {
            position: Position { topic: Arc::from(self.topic.as_str()), partition: 0, offset },
            timestamp: Some(self.reported_at),
            key: None,
            headers: Vec::new(),
            payload: Some(self.payload.clone()),
        }
    }
}

fn read(feeds: &Feeds, argument: &str) -> Result<Vec<Report>> {
    let shape = || {
        Problem::new(codes::ARGUMENT, argument, "not FEED/KIND=FILE")
            .help("for example a feed, a slash, a kind, then =reports.ndjson")
    };
    let (name, file) = argument.split_once('=').ok_or_else(shape)?;
    let (feed, kind) = name.split_once('/').ok_or_else(shape)?;
    let known = feeds.get(feed).and_then(|feed| feed.kinds.iter().find(|known| known.name == kind));
    let kind = known.ok_or_else(|| {
        let names: Vec<String> =
            feeds.feeds.iter().flat_map(|f| &f.kinds).map(|k| format!("{}/{}", k.feed, k.name)).collect();
        Problem::new(codes::ARGUMENT, argument, format!("no kind {name}")).help(format!("one of: {}", names.join(", ")))
    })?;
    let text = std::fs::read_to_string(file).map_err(|error| io(Path::new(file), &error))?;
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    Ok(lines
        .map(|line| {
            let stated = reported_at(kind, line);
            Report {
                topic: feed_topic("qianshao", feed),
                reported_at: stated.unwrap_or(0),
                dated: stated.is_some(),
                payload: line.as_bytes().to_vec(),
            }
        })
        .collect())
}

/// What the contract calls the reporting time.
fn reported_at(kind: &Kind, line: &str) -> Option<i64> {
    let stated: Value = serde_json::from_str(line).ok()?;
    let path = kind.contract.reported_at.as_ref()?;
    let field = path.text.split('.').try_fold(&stated, |value, name| value.get(name))?;
    parse_instant(field.as_str()?)
}
