//! A table's log as it lies on disk: entries, checkpoints, and what is live after all of them.
//!
//! Promises: every file of the log folder is looked at; a missing entry is named by its path. A damaged checkpoint does
//! not hide what the entries say, nor a damaged entry what comes after it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow::json::LineDelimitedWriter;
use deltalake::kernel::{Action, Add};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::entry::{self, Entry};
use super::of_file;
use crate::delta::repair::{LOG_FOLDER, checkpoints, entries};
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};

/// The library's pointer to the newest checkpoint.
const HINT: &str = "_last_checkpoint";

/// What a log says.
#[derive(Debug, Default)]
pub struct History {
    pub version: u64,
    pub entries: usize,
    /// Live files by path.
    pub live: BTreeMap<String, Add>,
    pub marks: BTreeMap<String, i64>,
    pub problems: Vec<Problem>,
    pub notes: Vec<Problem>,
}

/// The names in the log folder: another listing means that the table moved.
pub fn listing(table: &Path) -> Result<BTreeSet<PathBuf>> {
    let log = table.join(LOG_FOLDER);
    let unread = |error: std::io::Error| Problem::new(codes::IO, log.display().to_string(), error.to_string());
    if !log.is_dir() {
        return Ok(BTreeSet::new());
    }
    std::fs::read_dir(&log).map_err(unread)?.map(|entry| entry.map(|entry| entry.path()).map_err(unread)).collect()
}

pub fn entry_path(table: &Path, version: u64) -> PathBuf {
    table.join(LOG_FOLDER).join(format!("{version:020}.json"))
}

/// Reads everything in the log folder.
pub fn read(folder: &Path, table: Table) -> Result<History> {
    let mut history = History::default();
    let log = folder.join(LOG_FOLDER);
    if !log.is_dir() {
        history.problems.push(of_file(codes::log::LOG_DAMAGED, log, "no log: the whole table is missing"));
        return Ok(history);
    }
    let (found, listed) = (entries(&log)?, checkpoints(&log)?);
    let mut base = None;
    for (version, path) in &listed {
        match checkpoint(path) {
            Ok(entry) => base = Some((*version, entry)),
            Err(reason) => {
                let covered = (0..=*version).all(|version| found.iter().any(|(at, _)| *at == version));
                history.problems.push(broken_checkpoint(path.clone(), reason, covered || base.is_some()));
            }
        }
    }
    history.problems.extend(hint(&log, &listed));
    history.entries = found.len();
    history.begin(base.as_ref());
    history.replay(folder, table, &found, base.map(|(version, _)| version));
    let known = found.into_iter().chain(listed).map(|(_, path)| path).chain([log.join(HINT)]).collect();
    history.notes.extend(others(listing(folder)?.difference(&known)));
    Ok(history)
}

impl History {
    fn begin(&mut self, base: Option<&(u64, Entry)>) {
        let Some((version, entry)) = base else { return };
        self.version = *version;
        self.marks.clone_from(&entry.marks);
        self.live = entry.adds.iter().map(|add| (add.path.clone(), add.clone())).collect();
    }

    /// Takes the entries in order; those up to `base` are only looked at.
    fn replay(&mut self, folder: &Path, table: Table, found: &[(u64, PathBuf)], base: Option<u64>) {
        let first = found.first().map_or(0, |(version, _)| *version);
        // Behind a checkpoint old entries are forgotten by right; what is kept is kept in a row.
        let mut next = base.map_or(0, |base| first.min(base + 1));
        let last = found.last().map_or(0, |(version, _)| *version);
        let mut old_marks = BTreeMap::new();
        for (version, path) in found {
            for missing in next..*version {
                self.problems.push(of_file(codes::log::LOG_DAMAGED, entry_path(folder, missing), "no such entry"));
                // What the missing entry said is not known, so nothing after it can be compared with it.
                old_marks.clear();
                if base.is_none_or(|base| missing > base) {
                    self.marks.clear();
                }
            }
            next = version + 1;
            let is_counted = base.is_none_or(|base| *version > base);
            let before = if is_counted { &mut self.marks } else { &mut old_marks };
            let read = entry::read(path);
            let faults =
                read.as_ref().map_or_else(|reason| vec![reason.clone()], |entry| entry::faults(entry, table, before));
            let code = if *version == last { codes::log::ENTRY_TORN } else { codes::log::LOG_DAMAGED };
            self.problems.extend(faults.first().map(|first| {
                let more = if faults.len() > 1 { format!(", and {} more", faults.len() - 1) } else { String::new() };
                of_file(code, path.clone(), format!("{first}{more}"))
            }));
            match read {
                Ok(entry) => {
                    before.extend(entry.marks.clone());
                    if is_counted {
                        self.take(*version, entry);
                    }
                }
                Err(_) => before.clear(),
            }
        }
        if found.is_empty() && base.is_none() {
            self.problems.push(of_file(codes::log::LOG_DAMAGED, entry_path(folder, 0), "no such entry"));
        }
    }

    fn take(&mut self, version: u64, entry: Entry) {
        self.version = version;
        for remove in entry.removes {
            self.live.remove(&remove.path);
        }
        self.live.extend(entry.adds.into_iter().map(|add| (add.path.clone(), add)));
    }
}

fn broken_checkpoint(path: PathBuf, reason: String, is_covered: bool) -> Problem {
    match is_covered {
        true => of_file(codes::log::CHECKPOINT_TORN, path, reason),
        false => of_file(codes::log::LOG_DAMAGED, path, format!("{reason}; the entries before it are gone")),
    }
}

/// A checkpoint's actions: all of its columns are read, so that every page of it is.
fn checkpoint(path: &Path) -> std::result::Result<Entry, String> {
    let bytes = std::fs::read(path).map_err(|error| error.to_string())?;
    if let Some(found) = entry::of_zeros(&bytes) {
        return Err(found);
    }
    let told = |error: &dyn std::fmt::Display| error.to_string();
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).map_err(|error| told(&error))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["add", "txn", "metaData", "protocol", "remove"]);
    let reader = builder.with_projection(mask).build().map_err(|error| told(&error))?;
    let mut lines = LineDelimitedWriter::new(Vec::new());
    for batch in reader {
        lines.write(&batch.map_err(|error| told(&error))?).map_err(|error| told(&error))?;
    }
    lines.finish().map_err(|error| told(&error))?;
    let text = String::from_utf8(lines.into_inner()).map_err(|error| told(&error))?;
    let read =
        |line: &str| serde_json::from_str::<Action>(line).map_err(|error| format!("a row is no action: {error}"));
    let actions = text.lines().filter(|line| *line != "{}").map(read).collect::<std::result::Result<_, _>>()?;
    let entry = entry::of_actions(actions);
    match entry.columns {
        None => Err("it does not state the table's columns".to_owned()),
        Some(_) => Ok(entry),
    }
}

/// The pointer is optional; where it is, it must lead to a checkpoint.
fn hint(log: &Path, checkpoints: &[(u64, PathBuf)]) -> Option<Problem> {
    let path = log.join(HINT);
    let text = match std::fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => return Some(of_file(codes::log::HINT_BROKEN, path, error.to_string())),
    };
    let found = match serde_json::from_slice::<serde_json::Value>(&text) {
        Err(error) => error.to_string(),
        Ok(value) => match value["version"].as_u64() {
            None => "no version".to_owned(),
            Some(version) if checkpoints.iter().any(|(known, _)| *known == version) => return None,
            Some(version) => format!("version {version}, and there is no such checkpoint"),
        },
    };
    Some(of_file(codes::log::HINT_BROKEN, path, found))
}

/// What else lies in the log folder.
fn others<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> Vec<Problem> {
    let note = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let found = match name.rsplit_once('.').map(|(_, ending)| ending) {
            Some("torn" | "broken") => "set aside by an earlier start",
            _ => "a file that is no part of a log",
        };
        of_file(codes::log::FILE_UNNAMED, path.clone(), found)
    };
    paths.map(note).collect()
}
