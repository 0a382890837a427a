//! Does a commit stay as quick as the first ones? A thousand epochs of the invented city's reports, one after another.
//!
//!   cargo bench --profile dev --bench commits
//!
//! Promises: the same commit path and the same maintenance as `serve`, on a real disk; decoding is not in the figure.
//! Fails when the middle of the last 50 takes more than three times that of the first 50.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod city;

use std::collections::BTreeSet;
use std::sync::Arc;

use qianshao::clock::{Clock, WallClock};
use qianshao::consume::epoch_rows::Intake;
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::memory::MemoryFeeds;
use qianshao::consume::message::Message;
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::{EpochLimit, Polled, Source, Starts};
use qianshao::delta::commit::{Committed, EpochRows, commit_epoch};
use qianshao::delta::log::Log;
use qianshao::delta::reference;
use qianshao::delta::tables::Table;
use qianshao::pipeline::{Folders, State, merge_small_files, open_state};
use qianshao::terms::{Day, MICROS_PER_DAY};

const COMMITS: usize = 1_000;
/// Messages of one epoch: what a city of this size sends in a minute and a half.
const MESSAGES: usize = 10;
/// `serve` merges every 300 s; an epoch lasts a second when reports trickle in.
const COMMITS_PER_MERGE: usize = 300;
/// How many commits stand for the beginning and for the end.
const COMPARED: usize = 50;
/// The limit.
const RATIO_MAX: f64 = 3.0;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let micros = runtime.block_on(measured());
    for (at, part) in micros.chunks(100).enumerate() {
        println!("commits {:>4} to {:>4}: p50 {:.1} ms", at * 100 + 1, at * 100 + part.len(), p50(part));
    }
    let (first, last) = (p50(&micros[..COMPARED]), p50(&micros[micros.len() - COMPARED..]));
    let ratio = last / first;
    println!(
        "{} commits of {MESSAGES} messages: first {COMPARED} p50 {first:.1} ms, last {COMPARED} p50 {last:.1} ms, ratio {ratio:.2}",
        micros.len()
    );
    assert!(micros.len() == COMMITS, "{} commits", micros.len());
    assert!(ratio <= RATIO_MAX, "commits slow down: {ratio:.2} times, at most {RATIO_MAX}");
    println!("test result: ok. 1 passed; 0 failed; 0 ignored;");
}

/// Milliseconds in the middle.
fn p50(micros: &[i64]) -> f64 {
    let mut sorted = micros.to_vec();
    sorted.sort_unstable();
    sorted[sorted.len() / 2] as f64 / 1e3
}

/// How long each commit took, in order.
async fn measured() -> Vec<i64> {
    let folder = tempfile::tempdir().unwrap();
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let state = open_state(folder.path(), &Folders::default(), &clock).await.unwrap();
    let epochs = epochs(&state).await;
    let mut micros = Vec::new();
    for epoch in &epochs {
        let began = clock.now();
        let committed = commit_epoch(&*state.log, &*clock, epoch).await.unwrap();
        micros.push(clock.now() - began);
        assert!(matches!(committed, Committed::Now(_)));
        if micros.len().is_multiple_of(COMMITS_PER_MERGE) {
            let before = clock.now();
            merge_small_files(&state.log).await;
            println!("merged after {} commits in {} ms", micros.len(), (clock.now() - before) / 1_000);
        }
    }
    let stored = state.log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap();
    let rows: usize = stored.iter().map(|batch| batch.num_rows()).sum();
    let sent: usize = epochs.iter().map(|epoch| epoch.signals.num_rows()).sum();
    assert_eq!(rows, sent, "rows in the table");
    println!("{rows} rows, {} entries in the log", entries(&state));
    micros
}

fn entries(state: &State) -> usize {
    std::fs::read_dir(state.log.folder(Table::Signals).join("_delta_log")).unwrap().count()
}

/// The city's messages, decoded beforehand.
async fn epochs(state: &State) -> Vec<EpochRows> {
    let edition = reference::edition(&*state.log, i64::MAX).await.unwrap();
    let key = [7; 32];
    let (pseudonyms, sealer) = (Pseudonyms::from_bytes(&key, Algorithm::Sha256), Sealer::from_bytes(&key));
    let intake =
        Intake::new(state.feeds.clone(), &edition, Arc::new(pseudonyms), Arc::new(sealer), "qianshao").await.unwrap();
    let mut source = MemoryFeeds::of(messages()).source(Starts::new());
    let limit = EpochLimit { messages: MESSAGES, bytes: 1 << 20, wait_ms: 1 };
    let mut epochs = Vec::new();
    while epochs.len() < COMMITS {
        let Polled::Epoch(epoch) = source.next_epoch(&limit).await.unwrap() else { break };
        epochs.push(intake.rows(&epoch, &BTreeSet::new(), WallClock.now()).await.unwrap());
    }
    epochs
}

fn messages() -> Vec<Message> {
    let start = Day::parse("2021-01-04").unwrap();
    let sent = city::messages(start, 2, false, start.start_micros() + 2 * MICROS_PER_DAY);
    sent.into_iter().take(COMMITS * MESSAGES).collect()
}
