//! A Delta table folder read by hand: log entries, an optional checkpoint, live files, their rows.
//!
//! Promises: reads only what the open format says, so a stranger's folder is judged like our own.
//! Never: writes, repairs, or trusts `_last_checkpoint` further than as a hint.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use arrow::record_batch::RecordBatch;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde::Deserialize;

use super::columns;

/// One data file that an `add` action names.
#[derive(Debug, Clone, Default)]
pub struct DataFile {
    pub path: String,
    pub partition: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
}

/// What one log entry did.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    pub version: i64,
    /// Files with new data; a compaction's files are not new data.
    pub adds: Vec<DataFile>,
    /// All files of a compaction or another rewrite.
    pub rewrites: Vec<DataFile>,
    pub removes: Vec<String>,
    pub txns: BTreeMap<String, i64>,
}

/// A table at its newest version.
#[derive(Debug, Clone, Default)]
pub struct Table {
    pub root: PathBuf,
    pub live: Vec<DataFile>,
    pub txns: BTreeMap<String, i64>,
    /// The entries still on disk, oldest first; those before a checkpoint may be gone.
    pub entries: Vec<Entry>,
}

#[derive(Deserialize)]
struct Line {
    add: Option<AddLine>,
    remove: Option<RemoveLine>,
    txn: Option<TxnLine>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddLine {
    path: String,
    #[serde(default)]
    partition_values: BTreeMap<String, Option<String>>,
    #[serde(default)]
    tags: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    data_change: bool,
    #[serde(default)]
    deletion_vector: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct RemoveLine {
    path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct TxnLine {
    app_id: String,
    version: i64,
}

/// Opens the table in `root`, or says which file cannot be read.
pub fn open(root: &Path) -> Result<Table, String> {
    let log = root.join("_delta_log");
    let (jsons, checkpoints) = list_log(&log)?;
    let mut entries = Vec::new();
    for (version, path) in &jsons {
        entries.push(read_entry(*version, path)?);
    }
    let newest = entries.last().map(|entry| entry.version).max(checkpoints.keys().next_back().copied());
    let newest = newest.ok_or_else(|| format!("{}: no log entry", log.display()))?;
    let present: BTreeSet<i64> = jsons.keys().copied().collect();
    let base = checkpoints.keys().rev().find(|at| (**at + 1..=newest).all(|v| present.contains(&v)));
    let mut live = BTreeMap::new();
    let mut txns = BTreeMap::new();
    let mut from = 0;
    if let Some(at) = base {
        read_checkpoint(&checkpoints[at], &mut live, &mut txns)?;
        from = at + 1;
    } else if let Some(gap) = (0..=newest).find(|v| !present.contains(v)) {
        return Err(format!("{}: log entry {gap} is missing and no checkpoint stands after it", log.display()));
    }
    for entry in entries.iter().filter(|entry| entry.version >= from) {
        for path in &entry.removes {
            live.remove(path);
        }
        for file in entry.adds.iter().chain(&entry.rewrites) {
            live.insert(file.path.clone(), file.clone());
        }
        txns.extend(entry.txns.clone());
    }
    Ok(Table { root: root.to_path_buf(), live: live.into_values().collect(), txns, entries })
}

type ByVersion = BTreeMap<i64, PathBuf>;

fn list_log(log: &Path) -> Result<(ByVersion, ByVersion), String> {
    let mut jsons = BTreeMap::new();
    let mut checkpoints = BTreeMap::new();
    let listing = fs::read_dir(log).map_err(|e| format!("{}: {e}", log.display()))?;
    for item in listing {
        let path = item.map_err(|e| format!("{}: {e}", log.display()))?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default().to_owned();
        let Some((digits, rest)) = name.split_once('.') else { continue };
        let (true, Ok(version)) = (digits.len() == 20, digits.parse::<i64>()) else { continue };
        match rest {
            "json" => jsons.insert(version, path),
            "checkpoint.parquet" => checkpoints.insert(version, path),
            _ => None,
        };
    }
    Ok((jsons, checkpoints))
}

fn read_entry(version: i64, path: &Path) -> Result<Entry, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut entry = Entry { version, ..Entry::default() };
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line: Line = serde_json::from_str(line).map_err(|e| format!("{}: {e}", path.display()))?;
        if let Some(add) = line.add {
            if add.deletion_vector.is_some_and(|vector| !vector.is_null()) {
                return Err(format!("{}: deletion vectors are not read here", path.display()));
            }
            let new_data = add.data_change;
            let file = DataFile {
                path: percent_decoded(&add.path),
                partition: present_values(add.partition_values),
                tags: present_values(add.tags.unwrap_or_default()),
            };
            if new_data { entry.adds.push(file) } else { entry.rewrites.push(file) }
        }
        if let Some(remove) = line.remove {
            entry.removes.push(percent_decoded(&remove.path));
        }
        if let Some(txn) = line.txn {
            entry.txns.insert(txn.app_id, txn.version);
        }
    }
    Ok(entry)
}

fn present_values(map: BTreeMap<String, Option<String>>) -> BTreeMap<String, String> {
    map.into_iter().filter_map(|(key, value)| value.map(|value| (key, value))).collect()
}

fn read_checkpoint(
    path: &Path,
    live: &mut BTreeMap<String, DataFile>,
    txns: &mut BTreeMap<String, i64>,
) -> Result<(), String> {
    for batch in read_parquet(path)? {
        for row in columns::checkpoint_adds(&batch)? {
            let file = DataFile { path: percent_decoded(&row.0), partition: row.1, tags: row.2 };
            live.insert(file.path.clone(), file);
        }
        txns.extend(columns::checkpoint_txns(&batch)?);
    }
    Ok(())
}

/// The record batches of one parquet file, read as they are asked for.
pub fn parquet(path: &Path) -> Result<impl Iterator<Item = Result<RecordBatch, String>>, String> {
    let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let file = fs::File::open(path).map_err(|e| say(&e))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).map_err(|e| say(&e))?;
    Ok(reader.map(move |batch| batch.map_err(|e| say(&e))))
}

/// All record batches of one parquet file.
pub fn read_parquet(path: &Path) -> Result<Vec<RecordBatch>, String> {
    parquet(path)?.collect()
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match (bytes[at], hex.and_then(|pair| u8::from_str_radix(pair, 16).ok())) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
