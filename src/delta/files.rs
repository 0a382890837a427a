//! One data file: rows stamped, encoded as Parquet, with statistics and tags that say what it is.
//!
//! Promises: a file's name and its `qs.sha256` tag are its digest; `qs.offsets` are the offsets its rows came from,
//! so rows without their offsets can never pass for a commit.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, RecordBatch, TimestampMicrosecondArray};
use arrow::compute::{concat_batches, filter_record_batch, max, min};
use arrow::datatypes::{Int32Type, Int64Type};
use bytes::Bytes;
use deltalake::kernel::Add;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesBuilder};
use parquet::schema::types::ColumnPath;
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

/// Rows that are read at a time.
const BATCH_ROWS: usize = 65_536;

/// Columns of which hardly a value comes twice: a dictionary of them is only work.
const DISTINCT: [&str; 4] = ["record_key", "content_hash", "offset", "person_key"];

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
    let properties = Some(properties(data_change));
    let mut writer = ArrowWriter::try_new(&mut bytes, table.schema_in_file(), properties).map_err(unwritten)?;
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

/// A commit's file is read once and merged soon, so it must be quick; a merged one is kept, so it must be small.
fn properties(is_commit: bool) -> WriterProperties {
    let level = ZstdLevel::try_new(1).unwrap_or_default();
    let compression = if is_commit { Compression::SNAPPY } else { Compression::ZSTD(level) };
    let properties = WriterProperties::builder()
        .set_compression(compression)
        // A file is one page or few: statistics of pages say nothing more.
        .set_statistics_enabled(EnabledStatistics::Chunk);
    let plain = |properties: WriterPropertiesBuilder, column: &&str| {
        properties.set_column_dictionary_enabled(ColumnPath::from(*column), false)
    };
    DISTINCT.iter().fold(properties, plain).build()
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

/// Reads a data file back, in the table's whole schema, keeping `after < known_at <= until`. The rows of one message
/// lie in one batch.
pub fn decode(table: Table, bytes: Bytes, known_date: Day, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
    decode_by(BATCH_ROWS, table, bytes, known_date, after, until)
}

fn decode_by(
    batch_rows: usize,
    table: Table,
    bytes: Bytes,
    known_date: Day,
    after: i64,
    until: i64,
) -> Result<Vec<RecordBatch>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes)
        .and_then(|builder| builder.with_batch_size(batch_rows).build())
        .map_err(unread)?;
    let mut batches: Vec<RecordBatch> = Vec::new();
    for batch in reader {
        let batch = dated(table, &batch.map_err(unread)?, known_date)?;
        let known = known_at_of(&batch).ok_or_else(|| unread("no column known_at"))?;
        let is_within = |at: i64| at > after && at <= until;
        // All rows of a commit have one time, so mostly all are kept or none.
        let batch = match known.null_count() == 0 && known.values().iter().all(|at| is_within(*at)) {
            true => batch,
            false => {
                let keep = known.iter().map(|at| at.map(is_within)).collect();
                filter_record_batch(&batch, &keep).map_err(unread)?
            }
        };
        if batch.num_rows() > 0 {
            join(&mut batches, batch)?;
        }
    }
    Ok(batches)
}

/// Adds a batch; the rows of a message that began in the batch before come over, because they win or lose together.
fn join(batches: &mut Vec<RecordBatch>, batch: RecordBatch) -> Result<()> {
    let begun = batches.last().map_or(0, |last| {
        let first = positions_of(&batch.slice(0, 1));
        let of_first = |row: &usize| positions_of(&last.slice(*row, 1)) == first;
        if first.is_empty() { 0 } else { (0..last.num_rows()).rev().take_while(of_first).count() }
    });
    let Some(last) = batches.pop_if(|_| begun > 0) else {
        batches.push(batch);
        return Ok(());
    };
    let whole = last.num_rows() - begun;
    if whole > 0 {
        batches.push(last.slice(0, whole));
    }
    batches.push(concat_batches(&batch.schema(), &[last.slice(whole, begun), batch]).map_err(unread)?);
    Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delta::testing::rows;

    #[test]
    fn the_rows_of_one_message_lie_in_one_batch() {
        let offsets = [1, 1, 1, 2, 2, 3, 3, 3, 3, 4];
        let sent = rows(Table::Signals, "t", 0, &offsets);
        let file = encode(Table::Signals, &sent, KnownAt(7), &Ranges::new(), 7).unwrap();
        for batch_rows in 1..=offsets.len() {
            let (bytes, day) = (file.bytes.clone(), KnownAt(7).day());
            let batches = decode_by(batch_rows, Table::Signals, bytes, day, 0, 9).unwrap();
            let read: Vec<Vec<i64>> = batches
                .iter()
                .map(|batch| positions_of(batch).iter().map(|position| position.offset).collect())
                .collect();
            assert_eq!(read.concat(), offsets, "{batch_rows} rows at a time");
            let is_parted = |pair: &[Vec<i64>]| pair[0].last() == pair[1].first();
            assert!(!read.windows(2).any(is_parted), "{batch_rows} rows at a time: {read:?}");
        }
    }
}
