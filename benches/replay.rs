//! How fast a state folder becomes alerts again: thirty days of the invented city, judged once at their end, and judged
//! day by day.
//!
//!   cargo bench --profile dev --bench replay
//!
//! Promises: a real Delta folder, read through the log as `backtest` reads it; everything runs on one thread.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod city;
mod taken_in;

use std::sync::Arc;

use qianshao::alert::Mode;
use qianshao::cells::moment::Moment;
use qianshao::clock::{Clock, ManualClock, WallClock};
use qianshao::delta::log::Log;
use qianshao::delta::tables::Table;
use qianshao::detect::judge::Judge;
use qianshao::pipeline::{Folders, State, open_state};
use qianshao::terms::{Day, MICROS_PER_DAY};

const PACK: &str = "2021-CF";
const DAYS: i64 = 30;
/// Messages of an epoch: what `serve` takes at most.
const EPOCH: usize = 20_000;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(measured());
}

async fn measured() {
    let folder = tempfile::tempdir().unwrap();
    let start = Day::parse("2021-01-04").unwrap();
    let state = taken_in(folder.path(), start).await;
    let log = &*state.log;
    let end = start.start_micros() + DAYS * MICROS_PER_DAY;

    let began = WallClock.now();
    let batches = log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap();
    let read = since(began);
    let rows = batches.iter().map(|batch| batch.num_rows()).sum::<usize>() as f64;
    let mut moment = Moment::empty(log, end).await.unwrap();
    let began = WallClock.now();
    for batch in &batches {
        moment.records.feed(batch).unwrap();
    }
    let fed = since(began);
    drop((batches, moment));

    let began = WallClock.now();
    let mut judge = Judge::open(log, PACK, Mode::Replay, 0, "").await.unwrap();
    let judged = judge.judge(log, end).await.unwrap();
    let whole = since(began);
    assert_eq!(judged.broken, [], "every rule runs");
    let (records, findings) = (judge.moment.records.len(), judged.findings);
    println!("{rows} rows, {records} records that stand, {findings} findings, {} alerts", judged.changes.len());
    let rate = |seconds: f64| rows / seconds / 1e6;
    println!("read {read:.2} s ({:.2} million rows a second), fed {fed:.2} s ({:.2})", rate(read), rate(fed));
    let rest = whole - read - fed;
    println!("one tick from nothing {whole:.2} s ({:.2}), of which planning, counting, rules {rest:.2} s", rate(whole));
    println!("{DAYS} ticks from nothing {}", daily(log, start, rows).await);
}

/// One tick a day, and what was found on the last.
async fn daily(log: &dyn Log, start: Day, rows: f64) -> String {
    let began = WallClock.now();
    let mut judge = Judge::open(log, PACK, Mode::Replay, 0, "").await.unwrap();
    let (mut changes, mut findings, mut micros) = (0, 0, Vec::new());
    for day in 1..=DAYS {
        let before = WallClock.now();
        let judged = judge.judge(log, start.start_micros() + day * MICROS_PER_DAY).await.unwrap();
        micros.push(WallClock.now() - before);
        assert_eq!(judged.broken, [], "every rule runs");
        changes += judged.changes.len();
        findings = judged.findings;
        judged.changes.into_iter().for_each(|change| judge.remember(change));
    }
    let seconds = since(began);
    micros.sort_unstable();
    let (p50, rate) = (micros[micros.len() / 2] as f64 / 1e3, rows / seconds / 1e6);
    format!("{seconds:.2} s ({rate:.2}), p50 {p50:.0} ms; {changes} revisions, {findings} findings at the end")
}

fn since(began: i64) -> f64 {
    (WallClock.now() - began) as f64 / 1e6
}

/// The city's state folder after thirty days.
async fn taken_in(folder: &std::path::Path, start: Day) -> State {
    let clock = Arc::new(ManualClock::new(start.start_micros() - MICROS_PER_DAY));
    let shared: Arc<dyn Clock> = clock.clone();
    let state = open_state(folder, &Folders::default(), &shared).await.unwrap();
    let messages = city::messages(start, DAYS as u32, true, start.start_micros() + DAYS * MICROS_PER_DAY);
    println!("{} messages of {DAYS} days", messages.len());
    let mut taking_in = taken_in::TakingIn::of(&*state.log, state.feeds.clone(), messages).await;
    while taking_in.epoch(&*state.log, &clock, EPOCH).await > 0 {}
    state
}
