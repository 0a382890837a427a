//! Damaged files: whatever happens to a file of a state folder, `qianshao verify` names that file.
//!
//! The folder is made by the shipped role consume from the messages of `tests/bad_input.ndjson`, so it has signals,
//! quarantine, a checkpoint and texts in force.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qianshao::clock::ManualClock;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::log::Log;
use qianshao::delta::tables::Table;
use qianshao::delta::verify::{Verified, verify};
use qianshao::pipeline::Folders;
use qianshao::problem::codes::log as codes;
use tempfile::TempDir;

use crate::bad_input::run::{Input, run};
use crate::bad_input::wording;
use crate::scenarios::setting::{Setting, copy};

/// Messages in an epoch: enough epochs for a checkpoint and entries after it.
const EPOCH: usize = 20;
/// Bits that are flipped in one file, spread over it.
const FLIPS: usize = 40;

/// A folder that was written and left, and the same folder to be damaged.
struct State {
    whole: TempDir,
    work: TempDir,
}

impl State {
    async fn new() -> Self {
        let whole = tempfile::tempdir().unwrap();
        let log = open(whole.path()).await;
        let setting = Setting::read(&Folders::default(), "2021-CF");
        let mut messages = Input::read(&setting.feeds, false).messages;
        // Of the shape, not of the size: large bodies only make this slow.
        messages.iter_mut().for_each(|message| message.payload = message.payload.take().filter(|p| p.len() < 10_000));
        run(&setting, &messages, log, EPOCH).await;
        let state = Self { whole, work: tempfile::tempdir().unwrap() };
        let verified = state.verified();
        assert_eq!(verified.problems, [], "an intact folder passes");
        println!(
            "{} entries, {} files, {} rows, {} bytes",
            verified.entries, verified.files, verified.rows, verified.bytes
        );
        assert!(verified.entries > 60 && verified.files > 60 && verified.rows > 1_000);
        state
    }

    fn verified(&self) -> Verified {
        verify(self.whole.path()).unwrap()
    }

    /// Files below a folder of the state, by path from the state.
    fn files(&self, below: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        list(&self.whole.path().join(below), &mut files);
        files.sort();
        files.iter().map(|path| path.strip_prefix(self.whole.path()).unwrap().to_owned()).collect()
    }

    fn log(&self, table: Table, name: &str) -> PathBuf {
        Path::new("tables").join(table.name()).join("_delta_log").join(name)
    }

    /// Does something to one file; answers the codes of the problems that name it, and how many name others.
    fn damage(&self, path: &Path, act: impl FnOnce(&Path)) -> (BTreeSet<&'static str>, usize) {
        let (from, to) = (self.whole.path().join(path), self.work.path().join(path));
        if !self.work.path().join("tables").exists() {
            copy(self.whole.path(), self.work.path());
        }
        act(&to);
        let verified = verify(self.work.path()).unwrap();
        let shown = to.display().to_string();
        let named: BTreeSet<_> = verified.problems.iter().filter(|p| p.at == shown).map(|p| p.code.id).collect();
        let others = verified.problems.iter().filter(|problem| problem.at != shown).count();
        std::fs::copy(&from, &to).unwrap();
        (named, others)
    }

    /// The damage is told with this code and this path, and nothing else is called damaged.
    fn assert_named(&self, path: &Path, code: &str, what: &str, act: impl FnOnce(&Path)) {
        let (named, others) = self.damage(path, act);
        assert_eq!((named, others), (BTreeSet::from([code]), 0), "{what}: {}", path.display());
    }
}

async fn open(folder: &Path) -> Arc<DeltaLog> {
    Arc::new(DeltaLog::open(folder, Arc::new(ManualClock::new(wording::now()))).await.unwrap())
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { list(&path, files) } else { files.push(path) }
    }
}

fn cut(path: &Path, length: impl FnOnce(usize) -> usize) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..length(bytes.len())]).unwrap();
}

fn zero(path: &Path) {
    let length = std::fs::metadata(path).unwrap().len() as usize;
    std::fs::write(path, vec![0; length]).unwrap();
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    std::fs::write(path, bytes).unwrap();
}

/// Bits spread over a file, the first and the last among them.
fn bits(length: usize, number: usize) -> Vec<usize> {
    (0..number).map(|n| (length * 8 - 1) * n / (number - 1)).collect()
}

#[tokio::test]
async fn a_data_file_that_is_cut_flipped_zeroed_or_gone_is_named() {
    let state = State::new().await;
    let (mut damages, mut flips) = (0, 0);
    for table in [Table::Signals, Table::Quarantine, Table::Reference] {
        let files = state.files(&format!("tables/{}", table.name()));
        let data: Vec<&PathBuf> = files.iter().filter(|path| path.to_string_lossy().contains("/known_date=")).collect();
        for path in [data[0], data[data.len() / 2], data[data.len() - 1]] {
            state.assert_named(path, codes::FILE_GONE.id, "missing", |path| std::fs::remove_file(path).unwrap());
            state.assert_named(path, codes::FILE_DAMAGED.id, "empty", |path| cut(path, |_| 0));
            state.assert_named(path, codes::FILE_DAMAGED.id, "half", |path| cut(path, |length| length / 2));
            state.assert_named(path, codes::FILE_DAMAGED.id, "one byte less", |path| cut(path, |length| length - 1));
            state.assert_named(path, codes::FILE_DAMAGED.id, "zeros", zero);
            state.assert_named(path, codes::FILE_DAMAGED.id, "another file", |path| {
                std::fs::copy(state.whole.path().join(data[data.len() / 2]), path).unwrap();
                flip(path, 100);
            });
            damages += 6;
        }
        let path = data[data.len() / 3];
        let length = std::fs::metadata(state.whole.path().join(path)).unwrap().len() as usize;
        for bit in bits(length, FLIPS) {
            state.assert_named(path, codes::FILE_DAMAGED.id, "one bit", |path| flip(path, bit));
            flips += 1;
        }
    }
    println!("{damages} damages of data files and {flips} flipped bits, each named with its file and nothing else");
}

#[tokio::test]
async fn a_log_entry_that_is_torn_zeroed_or_gone_is_named() {
    let state = State::new().await;
    for (version, code) in [(55, codes::LOG_DAMAGED.id), (newest(&state), codes::ENTRY_TORN.id)] {
        let path = state.log(Table::Signals, &format!("{version:020}.json"));
        for (what, length) in [("empty", 0), ("first line cut", 20)] {
            assert_among(&state, &path, code, what, |path| cut(path, |_| length));
        }
        assert_among(&state, &path, code, "half", |path| cut(path, |length| length / 2));
        assert_among(&state, &path, code, "zeros", zero);
        assert_among(&state, &path, code, "without its offsets", |path| {
            let text = std::fs::read_to_string(path).unwrap();
            let kept: Vec<&str> = text.lines().filter(|line| !line.contains("\"txn\"")).collect();
            std::fs::write(path, kept.join("\n") + "\n").unwrap();
        });
    }
    let middle = state.log(Table::Signals, &format!("{:020}.json", 55));
    assert_among(&state, &middle, codes::LOG_DAMAGED.id, "missing", |path| std::fs::remove_file(path).unwrap());
    let first = state.log(Table::Ticks, &format!("{:020}.json", 0));
    assert_among(&state, &first, codes::LOG_DAMAGED.id, "missing", |path| std::fs::remove_file(path).unwrap());
    // The newest entry of quarantine: signals say that they rest on it.
    let newest = state.files("tables/quarantine/_delta_log").into_iter().rfind(|path| path.ends_with_json()).unwrap();
    assert_among(&state, &newest, codes::LOG_DAMAGED.id, "missing", |path| std::fs::remove_file(path).unwrap());
}

trait EndsWithJson {
    fn ends_with_json(&self) -> bool;
}

impl EndsWithJson for PathBuf {
    fn ends_with_json(&self) -> bool {
        self.extension().is_some_and(|ending| ending == "json")
    }
}

fn newest(state: &State) -> u64 {
    let entries = state.files("tables/signals/_delta_log");
    let newest = entries.iter().rfind(|path| path.ends_with_json()).unwrap();
    newest.file_stem().unwrap().to_str().unwrap().parse().unwrap()
}

/// The file is named with this code; what its entry said is missed elsewhere, and that may be told too.
fn assert_among(state: &State, path: &Path, code: &str, what: &str, act: impl FnOnce(&Path)) {
    let (named, _) = state.damage(path, act);
    assert!(named.contains(code), "{what}: {} is named {named:?}", path.display());
}

#[tokio::test]
async fn a_flipped_bit_in_a_log_entry_is_told_unless_nothing_reads_it() {
    let state = State::new().await;
    let path = state.log(Table::Signals, &format!("{:020}.json", 55));
    let text = std::fs::read_to_string(state.whole.path().join(&path)).unwrap();
    let (mut told, mut silent) = (0, 0);
    for (at, line) in lines(&text) {
        for bit in bits(line.len(), 25.min(line.len() * 8)).into_iter().map(|bit| at * 8 + bit) {
            let (named, others) = state.damage(&path, |path| flip(path, bit));
            let is_told = !named.is_empty() || others > 0;
            // Who wrote it and when, and what a message was known by: nothing is counted by these.
            // A step back of one in what it rests on is the entry before's, which cannot be told from it.
            let is_idle = ["commitInfo", "\"seen/", "table/quarantine"].iter().any(|word| line.contains(word));
            assert!(is_told || is_idle || idle_fields(line, bit - at * 8), "bit {bit} of {line}");
            told += usize::from(is_told);
            silent += usize::from(!is_told);
        }
    }
    println!(
        "{told} of {} flipped bits of one entry told; the others lie where nothing is counted by them",
        told + silent
    );
    assert!(told > silent);
}

/// The lines of a text with where they begin.
fn lines(text: &str) -> Vec<(usize, &str)> {
    let mut at = 0;
    let place = |line: &'_ str| {
        let begins = at;
        at += line.len() + 1;
        begins
    };
    let begins: Vec<usize> = text.lines().map(place).collect();
    begins.into_iter().zip(text.lines()).collect()
}

/// Whether the bit lies in what the library writes and nobody asks for: times of writing, absent values, markers.
fn idle_fields(line: &str, bit: usize) -> bool {
    let at = bit / 8;
    [
        "\"modificationTime\":",
        "\"deletionVector\":",
        "\"baseRowId\":",
        "\"defaultRowCommitVersion\":",
        "\"clusteringProvider\":",
        "\"lastUpdated\":",
    ]
    .iter()
    .any(|name| line.match_indices(name).any(|(from, _)| (from..from + name.len() + 14).contains(&at)))
}

#[tokio::test]
async fn a_checkpoint_or_its_pointer_that_is_damaged_is_named_and_keeps_no_table_from_opening() {
    let state = State::new().await;
    let log = state.files("tables/signals/_delta_log");
    let checkpoint = log.iter().find(|path| path.to_string_lossy().ends_with(".checkpoint.parquet")).unwrap();
    let hint = log.iter().find(|path| path.ends_with("_last_checkpoint")).unwrap();
    for (what, length) in [("empty", 0), ("half", 2), ("one byte less", 1)] {
        assert_among(&state, checkpoint, codes::CHECKPOINT_TORN.id, what, |path| {
            cut(path, |whole| if length == 2 { whole / 2 } else { whole * length - length });
        });
    }
    assert_among(&state, checkpoint, codes::CHECKPOINT_TORN.id, "zeros", zero);
    assert_among(&state, hint, codes::HINT_BROKEN.id, "its checkpoint is missing", |_| {
        std::fs::remove_file(state.work.path().join(checkpoint)).unwrap();
    });
    std::fs::copy(state.whole.path().join(checkpoint), state.work.path().join(checkpoint)).unwrap();
    for (what, length) in [("empty", 0), ("cut", 9)] {
        state.assert_named(hint, codes::HINT_BROKEN.id, what, |path| cut(path, |_| length));
        cut(&state.work.path().join(hint), |_| length);
        let log = open(state.work.path()).await;
        assert!(!log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap().is_empty(), "{what} and it opens");
        drop(log);
        std::fs::remove_dir_all(state.work.path().join("tables")).unwrap();
    }
}

#[tokio::test]
async fn what_stands_twice_or_not_at_all_is_told_and_a_file_that_nobody_names_is_a_note() {
    let state = State::new().await;
    let stray = Path::new("tables/signals/known_date=2021-01-20/left.parquet");
    std::fs::write(state.whole.path().join(stray), b"left").unwrap();
    let verified = state.verified();
    assert_eq!((verified.problems.len(), verified.notes.len()), (0, 1));
    assert!(verified.notes[0].at.ends_with("left.parquet"));
    std::fs::remove_file(state.whole.path().join(stray)).unwrap();
    // An entry that is written a second time under the next version: its rows would count twice.
    let next = state.log(Table::Signals, &format!("{:020}.json", newest(&state) + 1));
    let last = state.log(Table::Signals, &format!("{:020}.json", newest(&state)));
    std::fs::copy(state.whole.path().join(last), state.whole.path().join(&next)).unwrap();
    let verified = state.verified();
    let named = |code: &str| {
        verified.problems.iter().any(|problem| problem.code.id == code && problem.at.ends_with(next.to_str().unwrap()))
    };
    assert!(named(codes::ENTRY_TORN.id), "{:?}", verified.problems);
}

#[tokio::test]
async fn a_folder_passes_after_a_merge_and_while_it_is_written() {
    let state = State::new().await;
    let log = open(state.whole.path()).await;
    assert!(log.compact(Table::Signals).await.unwrap() > 16);
    let merged = state.verified();
    assert_eq!(merged.problems, [], "after a merge");
    let folder = state.whole.path().to_owned();
    let reading =
        tokio::task::spawn_blocking(move || (0..6).map(|_| verify(&folder).unwrap().problems.len()).sum::<usize>());
    for at in 1..=60 {
        qianshao::delta::commit::heartbeat(&*log, Table::Signals, wording::now() + 1_000_000 * at).await.unwrap();
        if at % 20 == 0 {
            log.compact(Table::Quarantine).await.unwrap();
        }
    }
    assert_eq!(reading.await.unwrap(), 0, "while it is written");
    assert_eq!(state.verified().problems, [], "and afterwards");
}
