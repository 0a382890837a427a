//! What a power cut can leave behind, found at start and set aside with words.
//!
//! Promises: a torn newest entry, rows without their offsets, or a broken checkpoint never keep a table from opening
//! and never count twice; what was set aside stays on disk beside the log.
//! Never: touches an entry older than the newest; such damage stops the start.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray, Int64Array};
use deltalake::kernel::{Action, Add};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::files;
use super::log::{Head, mark_of, parse_offset_mark};
use super::store::{Disk, Os};
use crate::problem::{Problem, Result, codes};

/// The log folder of a Delta table.
pub const LOG_FOLDER: &str = "_delta_log";

/// Checks the log of one table and sets aside what is not whole. Answers what was found, in words.
pub fn repair(table: &Path) -> Result<Vec<Problem>> {
    let log = table.join(LOG_FOLDER);
    if !log.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for checkpoint in checkpoints(&log)? {
        if let Err(reason) = read_checkpoint(&checkpoint.1) {
            set_aside(&log, &checkpoint.1, "broken")?;
            // The hint may point at the checkpoint that is gone; it is optional.
            let hint = log.join("_last_checkpoint");
            if hint.exists() {
                set_aside(&log, &hint, "broken")?;
            }
            found.push(*Problem::new(codes::log::CHECKPOINT_BROKEN, checkpoint.1.display().to_string(), reason));
        }
    }
    let entries = entries(&log)?;
    for (at, (_, path)) in entries.iter().enumerate().rev() {
        let Err(reason) = read_entry(path) else { break };
        if at + 1 < entries.len() {
            return Err(Problem::new(codes::log::LOG_DAMAGED, path.display().to_string(), reason));
        }
        set_aside(&log, path, "torn")?;
        found.push(*Problem::new(codes::log::LOG_TAIL_TORN, path.display().to_string(), reason));
    }
    Ok(found)
}

/// Version and marks as they stand in the log, by reading it ourselves: the library answers one mark at a time.
pub fn read_head(table: &Path) -> Result<Head> {
    let log = table.join(LOG_FOLDER);
    let mut head = Head::default();
    let mut next = 0;
    if let Some((version, path)) = checkpoints(&log)?.into_iter().next_back() {
        head.version = version;
        head.marks = read_checkpoint(&path).map_err(|reason| damaged(&path, reason))?;
        next = version + 1;
    }
    let from = next;
    for (version, path) in entries(&log)?.into_iter().filter(|(version, _)| *version >= from) {
        if version != next && next > 0 {
            return Err(damaged(&path, format!("version {next} is missing before it")));
        }
        let entry = read_entry(&path).map_err(|reason| damaged(&path, reason))?;
        head.marks.extend(entry.marks);
        head.version = version;
        next = version + 1;
    }
    head.clock = head.marks.get(super::commit::MARK_CLOCK).copied().unwrap_or(0);
    Ok(head)
}

fn damaged(path: &Path, reason: String) -> Box<Problem> {
    Problem::new(codes::log::LOG_DAMAGED, path.display().to_string(), reason)
}

/// What one log entry says.
struct Entry {
    marks: BTreeMap<String, i64>,
}

/// Reads one entry whole: every line parses, there is more than the commit's own description, every data file is
/// there in its size, and the offsets in the tags stand in the marks too.
fn read_entry(path: &Path) -> std::result::Result<Entry, String> {
    let text = fs::read_to_string(path).map_err(|error| error.to_string())?;
    if !text.ends_with('\n') && serde_json::from_str::<Action>(text.lines().last().unwrap_or("")).is_err() {
        return Err("it ends inside a line".to_owned());
    }
    let mut marks = BTreeMap::new();
    let mut adds: Vec<Add> = Vec::new();
    let mut actions = 0;
    for line in text.lines() {
        match serde_json::from_str::<Action>(line).map_err(|error| format!("a line is not an action: {error}"))? {
            Action::Txn(txn) => {
                marks.insert(txn.app_id, txn.version);
                actions += 1;
            }
            Action::Add(add) => {
                adds.push(add);
                actions += 1;
            }
            Action::CommitInfo(_) => {}
            _ => actions += 1,
        }
    }
    if actions == 0 {
        return Err("it holds no action".to_owned());
    }
    for add in adds.iter().filter(|add| add.data_change) {
        check_rows(path, add, &marks)?;
    }
    Ok(Entry { marks })
}

/// Partitions of which a file has rows, and the entry's marks not the offset behind them.
pub fn without_offset(add: &Add, marks: &BTreeMap<String, i64>) -> impl Iterator<Item = String> {
    files::ranges_of(add)
        .into_iter()
        .filter(|(place, (_, to))| marks.get(&mark_of(place)) != Some(to))
        .map(|(place, (_, to))| format!("rows up to offset {to} of {place} stand without their offset"))
}

fn check_rows(entry: &Path, add: &Add, marks: &BTreeMap<String, i64>) -> std::result::Result<(), String> {
    if let Some(fault) = without_offset(add, marks).next() {
        return Err(fault);
    }
    if !marks.contains_key(super::commit::MARK_CLOCK) {
        return Err("rows stand without their clock".to_owned());
    }
    let file = entry.parent().and_then(Path::parent).map(|table| table.join(&add.path));
    let size = file.and_then(|file| fs::metadata(file).ok()).map(|metadata| metadata.len() as i64);
    // A file that compaction replaced and vacuum removed is gone by right; one of another size is damaged.
    match size {
        Some(size) if size != add.size => Err(format!("data file {} has {size} bytes, not {}", add.path, add.size)),
        Some(_) | None => Ok(()),
    }
}

fn read_checkpoint(path: &Path) -> std::result::Result<BTreeMap<String, i64>, String> {
    let file = fs::File::open(path).map_err(|error| error.to_string())?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| error.to_string())?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["txn"]);
    let reader = builder.with_projection(mask).build().map_err(|error| error.to_string())?;
    let mut marks = BTreeMap::new();
    for batch in reader {
        let batch = batch.map_err(|error| error.to_string())?;
        let Some(txn) = batch.column_by_name("txn").and_then(|column| column.as_struct_opt()) else { continue };
        let names = txn.column_by_name("appId").and_then(|column| column.as_string_opt::<i32>());
        let values = txn.column_by_name("version").and_then(|column| column.as_any().downcast_ref::<Int64Array>());
        let (Some(names), Some(values)) = (names, values) else { continue };
        for row in (0..txn.len()).filter(|row| txn.is_valid(*row) && names.is_valid(*row)) {
            marks.insert(names.value(row).to_owned(), values.value(row));
        }
    }
    Ok(marks)
}

/// Log entries by version, oldest first.
pub fn entries(log: &Path) -> Result<Vec<(u64, PathBuf)>> {
    named(log, ".json")
}

pub(super) fn checkpoints(log: &Path) -> Result<Vec<(u64, PathBuf)>> {
    named(log, ".checkpoint.parquet")
}

fn named(log: &Path, ending: &str) -> Result<Vec<(u64, PathBuf)>> {
    let listed = fs::read_dir(log)
        .map_err(|error| Problem::new(codes::IO, log.display().to_string(), error.to_string()))?
        .filter_map(std::result::Result::ok);
    let mut found: Vec<_> = listed
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_suffix(ending)?;
            (version.len() == 20).then(|| version.parse().ok().map(|version| (version, entry.path())))?
        })
        .collect();
    found.sort();
    Ok(found)
}

fn set_aside(log: &Path, path: &Path, why: &str) -> Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{why}"));
    fs::rename(path, PathBuf::from(name))
        .and_then(|()| Os.sync_folder(log))
        .map_err(|error| Problem::new(codes::IO, path.display().to_string(), error.to_string()))
}

/// Offsets that a head names, by topic and partition.
pub fn offsets(head: &Head) -> BTreeMap<(String, i32), i64> {
    head.marks
        .iter()
        .filter_map(|(mark, next)| {
            parse_offset_mark(mark).map(|(topic, partition)| ((topic.to_owned(), partition), *next))
        })
        .collect()
}
