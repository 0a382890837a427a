//! Reads a whole state folder and names what is damaged: each file, what was found, what to do.
//!
//! Promises: reads what the log names and nothing through the library, so that a table which no longer opens is read
//! too; what moves while it reads (the pipeline runs, a merge replaces files) is read again, not called damage.
//! Never: writes, renames or repairs. A start repairs; this tells.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::tables::Table;
use crate::problem::{Problem, Result, codes};
use crate::terms::Position;

mod entry;
mod files;
mod history;
mod offsets;

use files::FileRead;
use history::History;

/// How often a table that moves under us is read again. A merge or a checkpoint comes every few minutes.
const ATTEMPTS_MAX: usize = 5;

/// What was read, and what is wrong.
#[derive(Debug, Default)]
pub struct Verified {
    pub entries: usize,
    pub files: usize,
    pub rows: usize,
    pub bytes: u64,
    pub problems: Vec<Problem>,
    /// Files that nobody needs, and what an earlier start set aside: no damage.
    pub notes: Vec<Problem>,
}

/// One table, read once without it moving.
struct TableRead {
    history: History,
    files: BTreeMap<String, FileRead>,
    problems: Vec<Problem>,
    notes: Vec<Problem>,
}

/// Reads every table below `state`.
pub fn verify(state: &Path) -> Result<Verified> {
    let root = state.join("tables");
    if !root.is_dir() {
        return Err(Problem::new(codes::ARGUMENT, "--state", state.display().to_string())
            .help("name the folder that `demo`, `replay` or `serve` keeps its tables in"));
    }
    // Signals first: what its commits rest on is then at least as new.
    let mut tables = BTreeMap::new();
    for table in Table::ALL {
        tables.insert(table, read_table(&root, table)?);
    }
    let mut verified = Verified::default();
    verified.problems.extend(between(&root, &tables));
    for (_, read) in tables {
        verified.entries += read.history.entries;
        verified.files += read.files.len();
        verified.rows += read.files.values().map(|file| file.rows).sum::<usize>();
        verified.bytes += read.files.values().map(|file| file.bytes).sum::<u64>();
        verified.problems.extend(read.problems);
        verified.notes.extend(read.notes);
    }
    Ok(verified)
}

fn read_table(root: &Path, table: Table) -> Result<TableRead> {
    let folder = root.join(table.name());
    for attempt in 1.. {
        let before = history::listing(&folder)?;
        let read = read_once(&folder, table)?;
        let is_still = history::listing(&folder)? == before;
        if read.problems.is_empty() || is_still || attempt == ATTEMPTS_MAX {
            return Ok(read);
        }
    }
    read_once(&folder, table)
}

fn read_once(folder: &Path, table: Table) -> Result<TableRead> {
    let mut history = history::read(folder, table)?;
    let mut problems = std::mem::take(&mut history.problems);
    let mut notes = std::mem::take(&mut history.notes);
    let mut read = BTreeMap::new();
    for add in history.live.values() {
        match files::read(folder, table, add) {
            Ok(file) => drop(read.insert(add.path.clone(), file)),
            Err(found) => problems.extend(found),
        }
    }
    notes.extend(files::unnamed(folder, &history.live)?);
    Ok(TableRead { history, files: read, problems, notes })
}

/// What one table says about another, and the offsets of all files of one.
fn between(root: &Path, tables: &BTreeMap<Table, TableRead>) -> Vec<Problem> {
    let (Some(signals), Some(quarantine), Some(reference)) =
        (tables.get(&Table::Signals), tables.get(&Table::Quarantine), tables.get(&Table::Reference))
    else {
        return Vec::new();
    };
    let folder = |table: Table| root.join(table.name());
    let mut problems = Vec::new();
    let rests_on = signals.history.marks.get(super::commit::MARK_QUARANTINE).copied().unwrap_or(0);
    if rests_on > quarantine.history.version as i64 {
        let found = format!("the newest entry is {}, and signals rest on {rests_on}", quarantine.history.version);
        let missing = history::entry_path(&folder(Table::Quarantine), quarantine.history.version + 1);
        problems.push(*Problem::new(codes::log::LOG_DAMAGED, missing.display().to_string(), found));
    }
    let refused: Vec<&Position> = quarantine.files.values().flat_map(|file| &file.positions).collect();
    problems.extend(twice(&folder(Table::Quarantine), &quarantine.files));
    problems.extend(in_both(&folder(Table::Signals), &signals.files, &refused));
    // Where a file could not be read, what it held is missed everywhere else; that is one damage, not many.
    if quarantine.problems.is_empty() && signals.problems.is_empty() {
        let accepted: Vec<&str> =
            reference.files.values().flat_map(|file| &file.accepted).map(String::as_str).collect();
        let live: Vec<_> = signals.history.live.values().collect();
        problems.extend(offsets::gaps(&folder(Table::Signals), &live, &refused, &accepted));
        problems.extend(offsets::behind(&folder(Table::Signals), &signals.history, &live));
    }
    problems
}

/// Messages that stand in quarantine a second time.
fn twice(folder: &Path, files: &BTreeMap<String, FileRead>) -> Vec<Problem> {
    let mut seen = HashSet::new();
    let mut problems = Vec::new();
    for (path, file) in files {
        let again = file.positions.iter().filter(|position| !seen.insert(*position)).collect::<Vec<_>>();
        problems.extend(stands_again(folder, path, &again));
    }
    problems
}

/// Messages of `signals` that stand in quarantine too.
fn in_both(folder: &Path, files: &BTreeMap<String, FileRead>, refused: &[&Position]) -> Vec<Problem> {
    let refused: HashSet<&Position> = refused.iter().copied().collect();
    let both = |file: &FileRead| -> Vec<Position> {
        file.positions.iter().filter(|position| refused.contains(position)).cloned().collect()
    };
    let found = files.iter().map(|(path, file)| (path, both(file)));
    found.filter_map(|(path, both)| stands_again(folder, path, &both.iter().collect::<Vec<_>>())).collect()
}

fn stands_again(folder: &Path, path: &str, again: &[&Position]) -> Option<Problem> {
    let first = again.first()?;
    let found = format!("{} messages that stand elsewhere too, the first {first}", again.len());
    Some(*Problem::new(codes::log::MESSAGE_TWICE, folder.join(path).display().to_string(), found))
}

/// A problem of a file.
fn of_file(code: codes::Code, path: PathBuf, found: impl Into<String>) -> Problem {
    *Problem::new(code, path.display().to_string(), found)
}
