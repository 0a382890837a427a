//! The columns of `signals` that are counted from.

use arrow::array::{Array, PrimitiveArray, RecordBatch, StringArray};
use arrow::datatypes::{Date32Type, Int32Type, Int64Type, TimestampMicrosecondType};

use crate::problem::{Problem, Result, codes};

macro_rules! columns {
    ($($name:ident: $array:ty),+ $(,)?) => {
        pub struct Columns<'a> { $(pub $name: &'a $array),+ }

        impl<'a> Columns<'a> {
            pub fn of(batch: &'a RecordBatch) -> Result<Self> {
                Ok(Self { $($name: column(batch, stringify!($name))?),+ })
            }
        }
    };
}

columns! {
    feed: StringArray,
    kind: StringArray,
    topic: StringArray,
    partition: PrimitiveArray<Int32Type>,
    offset: PrimitiveArray<Int64Type>,
    record_key: StringArray,
    revision: PrimitiveArray<Int64Type>,
    operation: StringArray,
    signal: StringArray,
    unit_kind: StringArray,
    unit_id: StringArray,
    facility_id: StringArray,
    area_code: StringArray,
    event_time: PrimitiveArray<TimestampMicrosecondType>,
    event_date: PrimitiveArray<Date32Type>,
    reported_at: PrimitiveArray<TimestampMicrosecondType>,
    value: PrimitiveArray<Int64Type>,
    denominator: PrimitiveArray<Int64Type>,
    person_key: StringArray,
    slot: StringArray,
    quality: StringArray,
    known_at: PrimitiveArray<TimestampMicrosecondType>,
}

impl Columns<'_> {
    pub fn same_message(&self, one: usize, other: usize) -> bool {
        self.offset.value(one) == self.offset.value(other)
            && self.partition.value(one) == self.partition.value(other)
            && self.topic.value(one) == self.topic.value(other)
    }
}

/// What a column says in a row, unless it says nothing.
pub fn said(column: &StringArray, row: usize) -> Option<&str> {
    column.is_valid(row).then(|| column.value(row))
}

fn column<'a, T: 'static>(batch: &'a RecordBatch, name: &str) -> Result<&'a T> {
    batch
        .column_by_name(name)
        .and_then(|column| column.as_any().downcast_ref())
        .ok_or_else(|| Problem::new(codes::log::FILE_NOT_DECODED, "table signals", format!("column {name}")))
}
