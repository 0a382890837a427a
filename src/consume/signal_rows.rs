//! Rows of `signals`, column by column.
//!
//! Promises: every row carries the coordinates of its message and its number within it.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Builder, Int32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};

use super::epoch_rows::unbuilt;
use super::feed::Kind;
use super::statement::Stated;
use crate::delta::tables::{Table, UTC};
use crate::problem::Result;
use crate::terms::{Day, Position};

/// One row of a mapping, completed.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapped<'r> {
    /// Row of the raw batch, and so of its statements.
    pub raw: usize,
    pub signal: &'r str,
    pub unit_kind: &'r str,
    pub unit_id: &'r str,
    pub facility_id: Option<&'r str>,
    pub area_code: Option<&'r str>,
    /// Microseconds UTC.
    pub event_time: i64,
    pub event_date: Day,
    pub value: i64,
    pub denominator: Option<i64>,
    pub person_key: Option<&'r str>,
    pub slot: Option<&'r str>,
    pub quality: Option<String>,
}

/// Builders in the order of the table's columns.
pub struct SignalRows {
    feed: String,
    kind: String,
    last: Option<(Position, i32)>,
    texts: Vec<StringBuilder>,
    partition: Int32Builder,
    offset: Int64Builder,
    row: Int32Builder,
    revision: Int64Builder,
    event_time: TimestampMicrosecondBuilder,
    event_date: Date32Builder,
    reported_at: TimestampMicrosecondBuilder,
    value: Int64Builder,
    denominator: Int64Builder,
}

/// Text columns in the order of `texts`.
const TEXTS: [&str; 15] = [
    "feed",
    "kind",
    "topic",
    "record_key",
    "operation",
    "content_hash",
    "signal",
    "unit_kind",
    "unit_id",
    "facility_id",
    "area_code",
    "person_key",
    "slot",
    "quality",
    "retry_of",
];

impl SignalRows {
    pub fn new(kind: &Kind) -> Self {
        Self {
            feed: kind.feed.clone(),
            kind: kind.name.clone(),
            last: None,
            texts: TEXTS.iter().map(|_| StringBuilder::new()).collect(),
            partition: Int32Builder::new(),
            offset: Int64Builder::new(),
            row: Int32Builder::new(),
            revision: Int64Builder::new(),
            event_time: TimestampMicrosecondBuilder::new(),
            event_date: Date32Builder::new(),
            reported_at: TimestampMicrosecondBuilder::new(),
            value: Int64Builder::new(),
            denominator: Int64Builder::new(),
        }
    }

    /// Adds a row; rows of one message come one after the other.
    pub fn push(&mut self, position: &Position, stated: &Stated, mapped: &Mapped<'_>) {
        let number = match &self.last {
            Some((last, number)) if last == position => number + 1,
            Some(_) | None => 0,
        };
        self.last = Some((position.clone(), number));
        let texts = [
            Some(self.feed.as_str()),
            Some(self.kind.as_str()),
            Some(&*position.topic),
            Some(stated.record_key.as_str()),
            Some(stated.operation.word()),
            Some(stated.content_hash.as_str()),
            Some(mapped.signal),
            Some(mapped.unit_kind),
            Some(mapped.unit_id),
            mapped.facility_id,
            mapped.area_code,
            mapped.person_key,
            mapped.slot,
            mapped.quality.as_deref(),
            stated.retry_of.as_deref(),
        ];
        self.texts.iter_mut().zip(texts).for_each(|(builder, text)| builder.append_option(text));
        self.partition.append_value(position.partition);
        self.offset.append_value(position.offset);
        self.row.append_value(number);
        self.revision.append_value(stated.revision);
        self.event_time.append_value(mapped.event_time);
        self.event_date.append_value(mapped.event_date.0);
        self.reported_at.append_value(stated.reported_at);
        self.value.append_value(mapped.value);
        self.denominator.append_option(mapped.denominator);
    }

    pub fn finish(mut self) -> Result<RecordBatch> {
        let schema = Table::Signals.schema_unstamped();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "partition" => Arc::new(self.partition.finish()),
                "offset" => Arc::new(self.offset.finish()),
                "row" => Arc::new(self.row.finish()),
                "revision" => Arc::new(self.revision.finish()),
                "event_time" => Arc::new(self.event_time.finish().with_timezone(UTC)),
                "event_date" => Arc::new(self.event_date.finish()),
                "reported_at" => Arc::new(self.reported_at.finish().with_timezone(UTC)),
                "value" => Arc::new(self.value.finish()),
                "denominator" => Arc::new(self.denominator.finish()),
                name => {
                    let at = TEXTS.iter().position(|text| *text == name).unwrap_or_default();
                    Arc::new(self.texts[at].finish())
                }
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        RecordBatch::try_new(schema, columns).map_err(unbuilt)
    }
}
