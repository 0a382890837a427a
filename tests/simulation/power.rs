//! The store after a power cut: every call that makes a file durable is recorded, the power goes between any two, and
//! what was not synced is kept, dropped, emptied, zeroed or cut short at random, in any order that respects the syncs.
//!
//! Promises: a state is made only of what a disk may leave; what an acknowledged commit wrote is never among the losses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use qianshao::clock::ManualClock;
use qianshao::delta::commit::{Committed, commit_epoch};
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::log::Log;
use qianshao::delta::repair;
use qianshao::delta::store::{Disk, Os};
use qianshao::delta::tables::Table;

use super::rows::epoch;
use super::{asked, on_every_core};
use crate::scenarios::Dice;

const BEGINNING: i64 = 1_611_000_000_000_000;
/// States when nobody says how many.
const STATES: u64 = 300;
/// Messages of an epoch, the first of them bad.
const MESSAGES: i64 = 4;
/// Epochs of the two recordings: of merged files, and of a checkpoint with the entries that it makes needless.
const SHORT: i64 = 18;
const LONG: i64 = 54;
/// One state in so many is of the long recording: opening it takes four times as long.
const LONG_EVERY: u64 = 10;
/// The last calls of the long recording are those around its checkpoint.
const LONG_CALLS: usize = 120;
/// Epochs before the small files of the short recording are merged.
const MERGED_AFTER: i64 = 16;

/// One call, as it was made.
#[derive(Clone, Debug)]
enum Call {
    Folder(PathBuf),
    Write(PathBuf, Bytes),
    SyncFile(PathBuf),
    Link(PathBuf, PathBuf),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
    SyncFolder(PathBuf),
    /// An epoch was acknowledged.
    Acknowledged(i64),
}

/// A disk that does what it is asked and remembers it.
#[derive(Debug, Default)]
struct Recorder {
    calls: Mutex<Vec<Call>>,
}

impl Recorder {
    fn note(&self, call: Call) {
        self.calls.lock().unwrap().push(call);
    }
}

impl Disk for Recorder {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        Os.create_folder(folder)?;
        self.note(Call::Folder(folder.to_owned()));
        Ok(())
    }

    fn write(&self, file: &Path, parts: &[Bytes]) -> io::Result<fs::File> {
        let written = Os.write(file, parts)?;
        self.note(Call::Write(file.to_owned(), parts.concat().into()));
        Ok(written)
    }

    fn sync_file(&self, open: &fs::File, file: &Path) -> io::Result<()> {
        self.note(Call::SyncFile(file.to_owned()));
        Os.sync_file(open, file)
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.link(from, to)?;
        self.note(Call::Link(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.rename(from, to)?;
        self.note(Call::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        Os.remove(file)?;
        self.note(Call::Remove(file.to_owned()));
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.note(Call::SyncFolder(folder.to_owned()));
        Os.sync_folder(folder)
    }
}

/// A disk that keeps what it is told until the machine ends.
#[derive(Debug)]
struct Unsynced;

impl Disk for Unsynced {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        Os.create_folder(folder)
    }

    fn write(&self, file: &Path, parts: &[Bytes]) -> io::Result<fs::File> {
        Os.write(file, parts)
    }

    fn sync_file(&self, _: &fs::File, _: &Path) -> io::Result<()> {
        Ok(())
    }

    fn link(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.link(from, to)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Os.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        Os.remove(file)
    }

    fn sync_folder(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}

/// A file's bytes, and whether they would survive.
#[derive(Clone, Debug)]
struct File {
    bytes: Bytes,
    is_synced: bool,
}

/// What a disk holds: names that are durable, changes of names that are not, and files.
#[derive(Clone, Debug, Default)]
struct Platter {
    files: Vec<File>,
    names: BTreeMap<PathBuf, usize>,
    /// Changes since the last sync of their folder; `None` takes the name away.
    pending: Vec<(PathBuf, Option<usize>)>,
    /// Folders whose own names are not durable: if one is missing, so is what is in it.
    folders: Vec<PathBuf>,
    /// The same, as a program sees it.
    seen: BTreeMap<PathBuf, usize>,
    acknowledged: BTreeSet<i64>,
}

impl Platter {
    fn name(&mut self, path: &Path, file: Option<usize>) {
        match file {
            Some(file) => _ = self.seen.insert(path.to_owned(), file),
            None => _ = self.seen.remove(path),
        }
        self.pending.push((path.to_owned(), file));
    }

    fn call(&mut self, call: &Call) {
        match call {
            Call::Folder(path) => self.folders.push(path.clone()),
            Call::Write(path, bytes) => {
                self.files.push(File { bytes: bytes.clone(), is_synced: false });
                self.name(path, Some(self.files.len() - 1));
            }
            Call::SyncFile(path) => {
                if let Some(file) = self.seen.get(path) {
                    self.files[*file].is_synced = true;
                }
            }
            Call::Link(from, to) => self.name(to, self.seen.get(from).copied()),
            Call::Rename(from, to) => {
                let file = self.seen.get(from).copied();
                self.name(to, file);
                self.name(from, None);
            }
            Call::Remove(path) => self.name(path, None),
            Call::SyncFolder(folder) => {
                let (durable, pending): (Vec<_>, Vec<_>) =
                    std::mem::take(&mut self.pending).into_iter().partition(|(path, _)| path.parent() == Some(folder));
                self.pending = pending;
                self.folders.retain(|made| made.parent() != Some(folder));
                durable.into_iter().for_each(|(path, file)| set(&mut self.names, path, file));
            }
            Call::Acknowledged(epoch) => _ = self.acknowledged.insert(*epoch),
        }
    }

    /// One of the states that a power cut may leave.
    fn cut(&self, dice: &mut Dice) -> BTreeMap<PathBuf, Bytes> {
        let mut names = self.names.clone();
        for (path, file) in &self.pending {
            if dice.below(2) == 0 {
                set(&mut names, path.clone(), *file);
            }
        }
        let missing: Vec<&PathBuf> = self.folders.iter().filter(|_| dice.below(2) == 0).collect();
        names.retain(|path, _| !missing.iter().any(|folder| path.starts_with(folder)));
        let left = |file: &File, dice: &mut Dice| match (file.is_synced, dice.below(5)) {
            (true, _) | (false, 0) => file.bytes.clone(),
            (false, 1) => Bytes::new(),
            (false, 2) => vec![0; file.bytes.len()].into(),
            (false, 3) => {
                // A block that never came: zeroes up to the length.
                let cut = dice.below(file.bytes.len() as u64 + 1) as usize;
                [&file.bytes[..cut], &vec![0; file.bytes.len() - cut]].concat().into()
            }
            _ => file.bytes.slice(..dice.below(file.bytes.len() as u64 + 1) as usize),
        };
        names.into_iter().map(|(path, file)| (path, left(&self.files[file], dice))).collect()
    }
}

fn set(names: &mut BTreeMap<PathBuf, usize>, path: PathBuf, file: Option<usize>) {
    match file {
        Some(file) => _ = names.insert(path, file),
        None => _ = names.remove(&path),
    }
}

/// Every call of a life with commits to both tables, merged files and removed ones, and a checkpoint if it is long.
async fn recording(root: &Path, epochs: i64) -> Vec<Call> {
    let recorder = Arc::new(Recorder::default());
    let clock = Arc::new(ManualClock::new(BEGINNING));
    let log = DeltaLog::open_on(root, clock.clone(), recorder.clone()).await.unwrap();
    for n in 0..epochs {
        commit_epoch(&log, &*clock, &epoch(n * MESSAGES, (n + 1) * MESSAGES)).await.unwrap();
        recorder.note(Call::Acknowledged(n));
        if n == MERGED_AFTER && epochs == SHORT {
            log.compact(Table::Signals).await.unwrap();
        }
    }
    drop(log);
    Arc::into_inner(recorder).unwrap().calls.into_inner().unwrap()
}

/// Opens what is left and goes on with it.
async fn survives(left: &BTreeMap<PathBuf, Bytes>, from: &Path, acknowledged: &BTreeSet<i64>) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in left {
        let path = folder.path().join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let clock = Arc::new(ManualClock::new(BEGINNING));
    // What it writes now need not survive anything.
    let opened = DeltaLog::open_on(folder.path(), clock.clone(), Arc::new(Unsynced)).await;
    let log = opened.map_err(|why| format!("it does not open: {why}"))?;
    let head = log.head(Table::Signals).await.map_err(|why| why.to_string())?;
    let next = repair::offsets(&head).get(&("t".to_owned(), 0)).copied().unwrap_or(0);
    let due = acknowledged.last().map_or(0, |epoch| (epoch + 1) * MESSAGES);
    if next < due {
        return Err(format!("offsets stand at {next}, and {due} was acknowledged"));
    }
    let again = commit_epoch(&log, &*clock, &epoch(next, next + MESSAGES)).await.map_err(|why| why.to_string())?;
    if !matches!(again, Committed::Now(_)) {
        return Err(format!("the next epoch is not taken: {again:?}"));
    }
    is_whole(&log, next + MESSAGES).await
}

/// Each message below `next` is in one of the tables, once.
async fn is_whole(log: &dyn Log, next: i64) -> Result<(), String> {
    let mut found = Vec::new();
    for table in [Table::Signals, Table::Quarantine] {
        for batch in log.read(table, i64::MIN, i64::MAX).await.map_err(|why| format!("unreadable: {why}"))? {
            found.extend(qianshao::delta::files::positions_of(&batch).into_iter().map(|position| position.offset));
        }
    }
    // Quarantine may be ahead: it commits first, and its verdicts are kept.
    found.retain(|offset| *offset < next);
    found.sort_unstable();
    let expected: Vec<i64> = (0..next).collect();
    if found == expected { Ok(()) } else { Err(format!("offsets {found:?} are there, of 0 to {next}")) }
}

/// A recording, and the first call after which the power may go.
struct Recording {
    root: PathBuf,
    calls: Vec<Call>,
    from: usize,
}

impl Recording {
    fn of(epochs: i64, last: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let calls = runtime().block_on(recording(&root, epochs));
        Self { root, from: calls.len().saturating_sub(last), calls }
    }

    /// One state that the power may leave of it; nothing where the state is not a new one.
    fn one(&self, seed: u64, distinct: &Mutex<BTreeSet<[u8; 32]>>) -> Result<(), String> {
        let mut dice = Dice::seeded(seed);
        let at = self.from + dice.below((self.calls.len() - self.from) as u64 + 1) as usize;
        let mut platter = Platter::default();
        self.calls[..at].iter().for_each(|call| platter.call(call));
        let left = platter.cut(&mut dice);
        if !distinct.lock().unwrap().insert(digest(&left)) {
            return Ok(());
        }
        runtime().block_on(survives(&left, &self.root, &platter.acknowledged)).map_err(|why| {
            let last: Vec<&Call> = self.calls[at.saturating_sub(8)..at].iter().collect();
            format!("after {last:?}: {why}")
        })
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn whatever_a_power_cut_leaves_opens_with_everything_acknowledged_and_nothing_twice() {
    let (first, count) = (asked("QIANSHAO_SEED").unwrap_or(0), asked("QIANSHAO_STATES").unwrap_or(STATES));
    let (short, long) = (Recording::of(SHORT, usize::MAX), Recording::of(LONG, LONG_CALLS));
    let distinct = Mutex::new(BTreeSet::new());
    let failed = on_every_core(first..first + count, |seed| {
        let of = if seed.is_multiple_of(LONG_EVERY) { &long } else { &short };
        of.one(seed, &distinct)
    });
    if let Some((seed, why)) = failed {
        panic!("QIANSHAO_SEED={seed}, {why}");
    }
    let distinct = distinct.into_inner().unwrap().len();
    println!(
        "{count} states from seed {first}, {distinct} of them distinct, of {} and {} calls",
        short.calls.len(),
        long.calls.len()
    );
    assert!(distinct as u64 >= count / 8, "{distinct} of {count} states are distinct: they show little");
}

fn digest(left: &BTreeMap<PathBuf, Bytes>) -> [u8; 32] {
    use sha2::{Digest, Sha256};
    let mut digest = Sha256::new();
    for (path, bytes) in left {
        digest.update(path.as_os_str().as_encoded_bytes());
        digest.update((bytes.len() as u64).to_le_bytes());
        digest.update(bytes);
    }
    digest.finalize().into()
}
