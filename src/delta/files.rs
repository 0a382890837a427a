//! One data file: rows stamped, encoded as Parquet, with statistics and tags that say what it is.
//!
//! Promises: a file's name and its `qs.sha256` tag are its digest; `qs.offsets` are the offsets its rows came from,
//! so rows without their offsets can never pass for a commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{filter_record_batch, max, min};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use deltalake::kernel::Add;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use super::tables::{Table, UTC};
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, KnownAt, Position, hex, local_text};

/// Tag: SHA-256 of the file, 64 hex digits.
pub const TAG_SHA256: &str = "qs.sha256";
/// Tag: JSON object `topic/partition` → `[from, to)`.
pub const TAG_OFFSETS: &str = "qs.offsets";
/// Tags: smallest and greatest `known_at` of the rows, microseconds.
pub const TAG_KNOWN_FROM: &str = "qs.known_from";
pub const TAG_KNOWN_TO: &str = "qs.known_to";

/// Offset ranges `[from, to)` by `topic/partition`.
pub type Ranges = BTreeMap<String, (i64, i64)>;

/// A data file ready to be put, and the action that adds it.
pub struct DataFile {
    pub bytes: Bytes,
    pub add: Add,
}

/// Stamps and encodes the rows of one commit.
pub fn encode(table: Table, rows: &RecordBatch, known_at: KnownAt, ranges: &Ranges, now: i64) -> Result<DataFile> {
    let stamped = stamp(table, rows, known_at)?;
    encode_stamped(table, &[stamped], known_at.day(), ranges, now, true)
}

/// Encodes rows that already carry their `known_at`, all of one `known_date`.
pub fn encode_stamped(
    table: Table,
    rows: &[RecordBatch],
    known_date: Day,
    ranges: &Ranges,
    now: i64,
    data_change: bool,
) -> Result<DataFile> {
    let mut bytes = Vec::new();
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema_in_file(), Some(properties)).map_err(unwritten)?;
    for batch in rows {
        writer.write(batch).map_err(unwritten)?;
    }
    writer.close().map_err(unwritten)?;
    let digest = hex(&Sha256::digest(&bytes));
    let (known_from, known_to) = known_range(rows);
    let tags = HashMap::from([
        (TAG_SHA256.to_owned(), Some(digest.clone())),
        (TAG_OFFSETS.to_owned(), serde_json::to_string(ranges).ok()),
        (TAG_KNOWN_FROM.to_owned(), Some(known_from.to_string())),
        (TAG_KNOWN_TO.to_owned(), Some(known_to.to_string())),
    ]);
    let add = Add {
        path: format!("known_date={known_date}/{digest}.parquet"),
        partition_values: HashMap::from([("known_date".to_owned(), Some(known_date.to_string()))]),
        size: bytes.len() as i64,
        modification_time: now / 1_000,
        data_change,
        stats: Some(statistics(rows, known_from, known_to)),
        tags: Some(tags),
        ..Default::default()
    };
    Ok(DataFile { bytes: bytes.into(), add })
}

/// The rows of one commit as readers see them, without a file between.
pub fn stamped(table: Table, rows: &RecordBatch, known_at: KnownAt) -> Result<RecordBatch> {
    dated(table, &stamp(table, rows, known_at)?, known_at.day())
}

/// Adds the partition's column, which stands in no file.
fn dated(table: Table, batch: &RecordBatch, known_date: Day) -> Result<RecordBatch> {
    let known_date: ArrayRef = Arc::new(Date32Array::from(vec![known_date.0; batch.num_rows()]));
    let columns = batch.columns().iter().cloned().chain([known_date]).collect();
    RecordBatch::try_new(table.schema(), columns).map_err(unread)
}

/// Reads a data file back, in the table's whole schema, keeping `after < known_at <= until`.
pub fn decode(table: Table, bytes: Bytes, known_date: Day, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.with_batch_size(65_536).build())
        .map_err(unread)?;
    let mut batches = Vec::new();
    for batch in reader {
        let batch = dated(table, &batch.map_err(unread)?, known_date)?;
        let keep = known_at_of(&batch)
            .map(|known| known.iter().map(|at| at.map(|at| at > after && at <= until)).collect())
            .ok_or_else(|| unread("no column known_at"))?;
        let batch = filter_record_batch(&batch, &keep).map_err(unread)?;
        if batch.num_rows() > 0 {
            batches.push(batch);
        }
    }
    Ok(batches)
}

/// The `known_at` column of a batch.
pub fn known_at_of(batch: &RecordBatch) -> Option<&TimestampMicrosecondArray> {
    batch.column_by_name("known_at")?.as_any().downcast_ref()
}

/// Where each row's message stands, row by row; nothing where the columns are not those of a message.
pub fn positions_of(batch: &RecordBatch) -> Vec<Position> {
    let topic = batch.column_by_name("topic").and_then(|column| column.as_string_opt::<i32>());
    let partition = batch.column_by_name("partition").and_then(|column| column.as_primitive_opt::<Int32Type>());
    let offset = batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(topic), Some(partition), Some(offset)) = (topic, partition, offset) else { return Vec::new() };
    let mut names: BTreeMap<&str, Arc<str>> = BTreeMap::new();
    (0..topic.len())
        .map(|row| Position {
            topic: names.entry(topic.value(row)).or_insert_with_key(|name| Arc::from(*name)).clone(),
            partition: partition.value(row),
            offset: offset.value(row),
        })
        .collect()
}

/// Reads the offset ranges of an `add` action's tags.
pub fn ranges_of(add: &Add) -> Ranges {
    tag(add, TAG_OFFSETS).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Smallest and greatest `known_at` of an `add` action, by its tags.
pub fn known_of(add: &Add) -> Option<(i64, i64)> {
    Some((tag(add, TAG_KNOWN_FROM)?.parse().ok()?, tag(add, TAG_KNOWN_TO)?.parse().ok()?))
}

/// One tag of an `add` action.
pub fn tag<'a>(add: &'a Add, name: &str) -> Option<&'a str> {
    add.tags.as_ref()?.get(name)?.as_deref()
}

/// The partition of an `add` action.
pub fn known_date_of(add: &Add) -> Option<Day> {
    Day::parse(add.partition_values.get("known_date")?.as_deref()?)
}

/// What a writer says about rows: their statistics, and the smallest and greatest `known_at`.
pub fn statistics_of(rows: &[RecordBatch]) -> (String, (i64, i64)) {
    let (from, to) = known_range(rows);
    (statistics(rows, from, to), (from, to))
}

fn stamp(table: Table, rows: &RecordBatch, known_at: KnownAt) -> Result<RecordBatch> {
    let known = TimestampMicrosecondArray::from(vec![known_at.micros(); rows.num_rows()]).with_timezone(UTC);
    let mut columns = rows.columns().to_vec();
    columns.push(Arc::new(known));
    RecordBatch::try_new(table.schema_in_file(), columns).map_err(unwritten)
}

fn known_range(rows: &[RecordBatch]) -> (i64, i64) {
    let known: Vec<_> = rows.iter().filter_map(known_at_of).collect();
    let from = known.iter().filter_map(|column| min(column)).min().unwrap_or(0);
    let to = known.iter().filter_map(|column| max(column)).max().unwrap_or(0);
    (from, to)
}

/// Statistics for readers that prune: rows, `known_at`, and `event_date` where there is one.
fn statistics(rows: &[RecordBatch], known_from: i64, known_to: i64) -> String {
    let records: usize = rows.iter().map(RecordBatch::num_rows).sum();
    let mut least = serde_json::json!({ "known_at": utc_text(known_from) });
    let mut greatest = serde_json::json!({ "known_at": utc_text(known_to) });
    let dates: Vec<&Date32Array> =
        rows.iter().filter_map(|batch| batch.column_by_name("event_date")?.as_any().downcast_ref()).collect();
    if let (Some(from), Some(to)) =
        (dates.iter().filter_map(|d| min(d)).min(), dates.iter().filter_map(|d| max(d)).max())
    {
        least["event_date"] = Day(from).to_string().into();
        greatest["event_date"] = Day(to).to_string().into();
    }
    serde_json::json!({ "numRecords": records, "minValues": least, "maxValues": greatest, "nullCount": { "known_at": 0 } })
        .to_string()
}

fn utc_text(micros: i64) -> String {
    chrono::DateTime::from_timestamp_micros(micros)
        .map_or_else(|| local_text(micros), |at| at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string())
}

fn unwritten(error: impl std::fmt::Display) -> Box<Problem> {
    Problem::new(codes::log::FILE_NOT_ENCODED, "a data file being written", error.to_string())
}

fn unread(error: impl std::fmt::Display) -> Box<Problem> {
    Problem::new(codes::log::FILE_NOT_DECODED, "a data file being read", error.to_string())
}
