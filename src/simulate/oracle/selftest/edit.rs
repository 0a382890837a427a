//! Changes a copied table as a stranger with a Parquet writer would: a new file, a new log entry, digests set right.
//!
//! Promises: the edited table still opens; only what was meant to be wrong is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, StringArray};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{DataType, Int64Type};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::super::books::hex;
use super::super::columns::Rows;
use super::super::delta::{self, DataFile, Entry, Table};

/// One live file with its rows.
pub struct FileRows {
    pub file: DataFile,
    pub batch: RecordBatch,
}

/// Reads every live file of the table in `root`.
pub fn read_files(root: &Path) -> Result<Vec<FileRows>, String> {
    let table = delta::open(root)?;
    let mut out = Vec::new();
    for file in table.live {
        let batches = delta::read_parquet(&root.join(&file.path))?;
        let Some(first) = batches.first() else { continue };
        let batch = concat_batches(&first.schema(), &batches).map_err(|e| format!("{}: {e}", file.path))?;
        out.push(FileRows { file, batch });
    }
    Ok(out)
}

/// Puts the changed files in place of the old ones, in one log entry.
pub fn replace(root: &Path, changed: &[FileRows]) -> Result<(), String> {
    let mut lines = Vec::new();
    for (number, rows) in changed.iter().enumerate() {
        lines.push(json!({"remove": {"path": rows.file.path, "deletionTimestamp": 0, "dataChange": false}}));
        let folder = rows.file.path.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let path = format!("{folder}edited-{}-{number}.parquet", next_version(root)?);
        let digest = write_parquet(&root.join(&path), &rows.batch)?;
        let mut tags = rows.file.tags.clone();
        for (_, value) in tags.iter_mut().filter(|(key, _)| key.contains("sha256")) {
            value.clone_from(&digest);
        }
        lines.push(add_line(root, &path, &rows.file.partition, &tags, false)?);
    }
    append_entry(root, &lines)
}

/// The action that adds a file.
pub fn add_line(
    root: &Path,
    path: &str,
    partition: &BTreeMap<String, String>,
    tags: &BTreeMap<String, String>,
    is_new: bool,
) -> Result<Value, String> {
    let size = fs::metadata(root.join(path)).map_err(|e| format!("{path}: {e}"))?.len();
    let add = json!({"path": path, "partitionValues": partition, "size": size, "modificationTime": 0,
        "dataChange": is_new, "tags": tags});
    Ok(json!({ "add": add }))
}

fn next_version(root: &Path) -> Result<i64, String> {
    if !root.join("_delta_log").exists() {
        return Ok(0);
    }
    let table: Table = delta::open(root)?;
    let newest = table.entries.iter().map(|entry: &Entry| entry.version).max();
    newest.map(|newest| newest + 1).ok_or_else(|| format!("{}: no log entry to follow", root.display()))
}

/// Appends one log entry.
pub fn append_entry(root: &Path, lines: &[Value]) -> Result<(), String> {
    let log = root.join("_delta_log");
    let version = next_version(root)?;
    fs::create_dir_all(&log).map_err(|e| format!("{}: {e}", log.display()))?;
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let path = log.join(format!("{version:020}.json"));
    fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Writes a batch and answers the file's digest.
pub fn write_parquet(path: &Path, batch: &RecordBatch) -> Result<String, String> {
    let say = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|e| say(&e))?;
    }
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).map_err(|e| say(&e))?;
    writer.write(batch).map_err(|e| say(&e))?;
    writer.close().map_err(|e| say(&e))?;
    fs::write(path, &bytes).map_err(|e| say(&e))?;
    Ok(hex(&Sha256::digest(&bytes)))
}

/// Rows whose text and integer columns have these values.
pub fn rows_where(batch: &RecordBatch, texts: &[(&str, &str)], ints: &[(&str, i64)]) -> Result<Vec<usize>, String> {
    let none = BTreeMap::new();
    let rows = Rows { batch, partition: &none };
    let mut keep = vec![true; rows.len()];
    for (name, value) in texts {
        let column = rows.texts(name)?;
        keep.iter_mut().enumerate().for_each(|(row, keep)| *keep &= column.get(row) == Some(value));
    }
    for (name, value) in ints {
        let is_time = matches!(batch.column_by_name(name).map(|c| c.data_type()), Some(DataType::Timestamp(_, _)));
        let column = if is_time { rows.times(name)? } else { rows.ints(name)? };
        keep.iter_mut().enumerate().for_each(|(row, keep)| *keep &= column.get(row) == Some(*value));
    }
    Ok((0..keep.len()).filter(|row| keep[*row]).collect())
}

/// The batch without some rows.
pub fn without(batch: &RecordBatch, rows: &[usize]) -> Result<RecordBatch, String> {
    let keep: BooleanArray = (0..batch.num_rows()).map(|row| Some(!rows.contains(&row))).collect();
    filter_record_batch(batch, &keep).map_err(|e| e.to_string())
}

/// The batch with one row once more.
pub fn doubled(batch: &RecordBatch, row: usize) -> Result<RecordBatch, String> {
    concat_batches(&batch.schema(), [batch, &batch.slice(row, 1)]).map_err(|e| e.to_string())
}

/// The batch with a text in some rows of a column.
pub fn with_text(batch: &RecordBatch, name: &str, rows: &[usize], text: &str) -> Result<RecordBatch, String> {
    with_column(batch, name, |old| {
        let old = cast(old, &DataType::Utf8).map_err(|e| e.to_string())?;
        let old = old.as_string::<i32>();
        let value =
            |row: usize| if rows.contains(&row) { Some(text) } else { old.is_valid(row).then(|| old.value(row)) };
        Ok(Arc::new((0..old.len()).map(value).collect::<StringArray>()))
    })
}

/// The batch with an integer, or an instant, changed in some rows of a column.
pub fn with_int(
    batch: &RecordBatch,
    name: &str,
    rows: &[usize],
    change: impl Fn(i64) -> i64,
) -> Result<RecordBatch, String> {
    with_column(batch, name, |old| {
        let old = cast(old, &DataType::Int64).map_err(|e| e.to_string())?;
        let old = old.as_primitive::<Int64Type>();
        let value = |row: usize| {
            let value = old.is_valid(row).then(|| old.value(row));
            if rows.contains(&row) { value.map(&change) } else { value }
        };
        Ok(Arc::new((0..old.len()).map(value).collect::<Int64Array>()))
    })
}

fn with_column(
    batch: &RecordBatch,
    name: &str,
    change: impl Fn(&ArrayRef) -> Result<ArrayRef, String>,
) -> Result<RecordBatch, String> {
    let place = batch.schema().index_of(name).map_err(|e| e.to_string())?;
    let mut columns = batch.columns().to_vec();
    let kind = columns[place].data_type().clone();
    columns[place] = cast(&change(&columns[place])?, &kind).map_err(|e| format!("column {name}: {e}"))?;
    RecordBatch::try_new(batch.schema(), columns).map_err(|e| e.to_string())
}
