//! Small epochs for tests of the log.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
    new_null_array,
};
use arrow::datatypes::DataType;

use super::commit::EpochRows;
use super::tables::{Table, UTC};

/// Offsets `[from, to)` of one partition, the first `bad` of them quarantined.
pub fn epoch(topic: &str, partition: i32, from: i64, to: i64, bad: usize) -> EpochRows {
    let offsets: Vec<i64> = (from..to).collect();
    EpochRows {
        ranges: BTreeMap::from([((topic.to_owned(), partition), (from, to))]),
        witnesses: BTreeMap::new(),
        signals: rows(Table::Signals, topic, partition, &offsets[bad..]),
        quarantine: rows(Table::Quarantine, topic, partition, &offsets[..bad]),
    }
}

/// Rows of one partition, a message an offset: the same offset again is another row of its message.
pub fn rows(table: Table, topic: &str, partition: i32, offsets: &[i64]) -> RecordBatch {
    let n = offsets.len();
    let schema = table.schema_unstamped();
    let columns = schema.fields().iter().map(|field| -> ArrayRef {
        match (field.name().as_str(), field.data_type()) {
            ("topic", _) => Arc::new(StringArray::from(vec![topic; n])),
            ("partition", _) => Arc::new(Int32Array::from(vec![partition; n])),
            ("offset", _) => Arc::new(Int64Array::from(offsets.to_vec())),
            ("record_key", _) => Arc::new(StringArray::from_iter_values(offsets.iter().map(i64::to_string))),
            _ if field.is_nullable() => new_null_array(field.data_type(), n),
            (_, DataType::Utf8) => Arc::new(StringArray::from(vec!["x"; n])),
            (_, DataType::Int32) => Arc::new(Int32Array::from(vec![0; n])),
            (_, DataType::Int64) => Arc::new(Int64Array::from(vec![1; n])),
            (_, DataType::Date32) => Arc::new(Date32Array::from(vec![18_600; n])),
            (_, DataType::Binary) => Arc::new(BinaryArray::from(vec![b"x".as_slice(); n])),
            _ => Arc::new(TimestampMicrosecondArray::from(vec![0; n]).with_timezone(UTC)),
        }
    });
    let columns: Vec<ArrayRef> = columns.collect();
    RecordBatch::try_new(schema, columns).unwrap()
}
