//! One data file against what the log says of it, and the files that the log does not name.
//!
//! Promises: a file passes only if it has the digest that its name and tag state, and its rows are those that size,
//! statistics, times and offset ranges describe.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use arrow::array::{AsArray, RecordBatch};
use deltalake::kernel::Add;
use sha2::{Digest, Sha256};

use super::entry::{of_zeros, tags};
use super::of_file;
use crate::delta::edition::CLASS_AUDIT;
use crate::delta::files::{TAG_SHA256, decode, known_date_of, known_of, positions_of, ranges_of, statistics_of, tag};
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};
use crate::terms::{Position, hex};

/// A file that is what the log says.
#[derive(Debug, Default)]
pub struct FileRead {
    pub rows: usize,
    pub bytes: u64,
    /// Messages that its rows came from, each once.
    pub positions: BTreeSet<Position>,
    /// Names of the gaps that people accepted, where the file holds such rows.
    pub accepted: Vec<String>,
}

/// Reads a live file; what is wrong with it is told.
pub fn read(folder: &Path, table: Table, add: &Add) -> Result<FileRead, Vec<Problem>> {
    let path = folder.join(&add.path);
    let damaged = |found: String| vec![of_file(codes::log::FILE_DAMAGED, path.clone(), found)];
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let found = format!("no file; the log says {} bytes", add.size);
            return Err(vec![of_file(codes::log::FILE_GONE, path, found)]);
        }
        Err(error) => return Err(damaged(error.to_string())),
    };
    if let Some(found) = tags(add) {
        return Err(damaged(found));
    }
    same_bytes(add, &bytes).map_err(damaged)?;
    let length = bytes.len() as u64;
    let day = known_date_of(add).filter(|day| add.path.starts_with(&format!("known_date={day}/")));
    let Some(day) = day else { return Err(damaged("its folder is not the day that the log says".to_owned())) };
    let batches =
        decode(table, bytes.into(), day, i64::MIN, i64::MAX).map_err(|problem| damaged(problem.found.clone()))?;
    let positions: Vec<Position> = batches.iter().flat_map(positions_of).collect();
    let faults = [same_rows(add, &batches), inside(add, &positions)];
    if let Some(found) = faults.into_iter().flatten().next() {
        return Err(vec![of_file(codes::log::ROWS_DISAGREE, path, found)]);
    }
    Ok(FileRead {
        rows: batches.iter().map(RecordBatch::num_rows).sum(),
        bytes: length,
        positions: positions.into_iter().collect(),
        accepted: if table == Table::Reference { accepted(&batches) } else { Vec::new() },
    })
}

fn same_bytes(add: &Add, bytes: &[u8]) -> std::result::Result<(), String> {
    if bytes.len() as i64 != add.size {
        return Err(format!("{} bytes; the log says {}", bytes.len(), add.size));
    }
    if let Some(found) = of_zeros(bytes) {
        return Err(found);
    }
    let digest = hex(&Sha256::digest(bytes));
    if tag(add, TAG_SHA256) != Some(digest.as_str()) {
        return Err(format!("SHA-256 {digest}; the log says {}", tag(add, TAG_SHA256).unwrap_or("none")));
    }
    let named = Path::new(&add.path).file_stem().and_then(|stem| stem.to_str()) == Some(digest.as_str());
    if named { Ok(()) } else { Err(format!("SHA-256 {digest}, which is not its name")) }
}

/// Statistics and times are counted again.
fn same_rows(add: &Add, batches: &[RecordBatch]) -> Option<String> {
    let (counted, known) = statistics_of(batches);
    if known_of(add) != Some(known) {
        return Some("the times of its rows are not those that the log says".to_owned());
    }
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    let said = add.stats.as_deref().and_then(parsed);
    (said.is_none() || said != parsed(&counted)).then(|| format!("its rows count {counted}; the log says otherwise"))
}

/// Every row came from within the ranges that the file is tagged with.
fn inside(add: &Add, positions: &[Position]) -> Option<String> {
    let ranges = ranges_of(add);
    let outside = positions.iter().find(|position| {
        let range = ranges.get(&format!("{}/{}", position.topic, position.partition));
        range.is_none_or(|(from, to)| !(*from..*to).contains(&position.offset))
    });
    outside.map(|position| format!("a row of {position}, which is in none of its offset ranges"))
}

/// Gaps that people accepted are rows of their own class.
fn accepted(batches: &[RecordBatch]) -> Vec<String> {
    let mut names = Vec::new();
    for batch in batches {
        let texts = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(classes), Some(rows)) = (texts("class"), texts("name")) else { continue };
        let audits = (0..batch.num_rows()).filter(|row| classes.value(*row) == CLASS_AUDIT);
        names.extend(audits.map(|row| rows.value(row).to_owned()));
    }
    names
}

/// Data files that the log does not name: a commit that was refused or cut leaves one, and so does a merge for a moment.
pub fn unnamed(folder: &Path, live: &BTreeMap<String, Add>) -> Result<Vec<Problem>> {
    let known: BTreeSet<PathBuf> = live.keys().map(|path| folder.join(path)).collect();
    let mut notes = Vec::new();
    for path in below(folder)? {
        let is_log = path.starts_with(folder.join(crate::delta::repair::LOG_FOLDER));
        if !is_log && !known.contains(&path) {
            notes.push(of_file(codes::log::FILE_UNNAMED, path, "a file that the log does not name"));
        }
    }
    Ok(notes)
}

fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let unread = |error: std::io::Error| Problem::new(codes::IO, folder.display().to_string(), error.to_string());
    let mut found = Vec::new();
    if !folder.is_dir() {
        return Ok(found);
    }
    for entry in std::fs::read_dir(folder).map_err(unread)? {
        let path = entry.map_err(unread)?.path();
        match path.is_dir() {
            true => found.extend(below(&path)?),
            false => found.push(path),
        }
    }
    found.sort();
    Ok(found)
}
