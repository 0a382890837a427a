//! The feed's SELECT at work: raw batch to rows of `signals`.
//!
//! Promises: `normalize.sql` is planned once for a kind and edition; every message ends as at least one row or as one
//! rejection; a message on which the mapping fails is found by halving, and its neighbours go on.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, cast, concat_batches, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::common::DataFusionError;
use datafusion::execution::context::SessionContext;

use super::feed::Kind;
use crate::delta::tables::time_type;
use crate::engine;
use crate::engine::kept::{Kept, Slot};
use crate::problem::{Problem, Result};

/// What a mapping returns, in this order.
pub const OUTPUT: &[(&str, Needed)] = &[
    ("message", Needed::Always),
    ("signal", Needed::Always),
    ("unit_kind", Needed::Always),
    ("unit_id", Needed::Always),
    ("facility_id", Needed::Maybe),
    ("area_code", Needed::Maybe),
    ("event_time", Needed::Maybe),
    ("event_date", Needed::Maybe),
    ("value", Needed::Always),
    ("denominator", Needed::Maybe),
    ("person_key", Needed::Maybe),
    ("slot", Needed::Maybe),
];

/// Whether a mapping must give a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needed {
    Always,
    Maybe,
}

/// The schema of a mapping's rows.
pub fn output_schema() -> SchemaRef {
    let fields: Vec<Field> = OUTPUT.iter().map(|(name, _)| Field::new(*name, output_type(name), true)).collect();
    Arc::new(Schema::new(fields))
}

fn output_type(name: &str) -> DataType {
    match name {
        "message" | "value" | "denominator" => DataType::Int64,
        "event_time" => time_type(),
        "event_date" => DataType::Date32,
        _ => DataType::Utf8,
    }
}

/// One kind's SELECT, planned.
pub struct Mapping {
    select: Kept,
    input: Arc<Slot>,
    at: String,
}

impl Mapping {
    /// Plans the mapping of `kind` in a session that knows the code tables.
    pub async fn plan(context: &SessionContext, kind: &Kind) -> Result<Self> {
        let at = format!("{}/{}/normalize.sql", kind.feed, kind.name);
        let input = Slot::register(context, "raw", kind.contract.raw_schema())?;
        let frame = engine::plan(context, &at, &kind.normalize_sql).await?;
        for (name, needed) in OUTPUT {
            let given = frame.schema().has_column_with_unqualified_name(name);
            if *needed == Needed::Always && !given {
                return Err(Problem::new(crate::problem::codes::sql::SQL_REFUSED, &*at, format!("no column {name}"))
                    .help("docs/feeds.md lists the columns that a mapping returns"));
            }
        }
        let select = Kept::of(context, &at, frame).await?;
        Ok(Self { select, input, at })
    }

    /// Maps a whole batch, in the order of messages. Where it fails, answers which messages (rows of `raw`) failed and why.
    pub async fn run(&self, raw: &RecordBatch) -> Result<(RecordBatch, BTreeMap<i64, String>)> {
        let mut done = Vec::new();
        let mut failed = BTreeMap::new();
        let mut open = vec![raw.clone()];
        while let Some(part) = open.pop() {
            match self.run_once(&part).await {
                Ok(rows) => done.push(rows),
                Err(error) if part.num_rows() == 1 => {
                    failed.insert(message_of(&part), error.strip_backtrace());
                }
                Err(_) => {
                    let half = part.num_rows() / 2;
                    open.push(part.slice(half, part.num_rows() - half));
                    open.push(part.slice(0, half));
                }
            }
        }
        let rows = concat_batches(&output_schema(), &done).map_err(|error| self.not_run(error.into()))?;
        let sorted = in_order(&rows).map_err(|error| self.not_run(error.into()))?;
        Ok((sorted, failed))
    }

    async fn run_once(&self, raw: &RecordBatch) -> std::result::Result<RecordBatch, DataFusionError> {
        self.input.put(raw.clone());
        let batches = self.select.run().await?;
        let schema = output_schema();
        let mapped = batches.iter().map(|batch| conform(batch, &schema)).collect::<std::result::Result<Vec<_>, _>>()?;
        Ok(concat_batches(&schema, &mapped)?)
    }

    fn not_run(&self, error: DataFusionError) -> Box<Problem> {
        engine::not_run(&self.at, &error)
    }
}

/// The rows by message and then by content, so that a row's number within its message is the same at every run.
fn in_order(rows: &RecordBatch) -> std::result::Result<RecordBatch, arrow::error::ArrowError> {
    let messages = rows.column(0).as_primitive::<Int64Type>();
    // One row a message, in order and none without a number: nothing is left to sort by.
    if messages.null_count() == 0 && messages.values().windows(2).all(|pair| pair[0] < pair[1]) {
        return Ok(rows.clone());
    }
    let columns: Vec<SortColumn> =
        rows.columns().iter().map(|column| SortColumn { values: column.clone(), options: None }).collect();
    let order: UInt32Array = lexsort_to_indices(&columns, None)?;
    take_record_batch(rows, &order)
}

fn message_of(raw: &RecordBatch) -> i64 {
    raw.column_by_name("message")
        .and_then(|column| column.as_primitive_opt::<Int64Type>())
        .filter(|column| !column.is_empty())
        .map_or(-1, |column: &Int64Array| column.value(0))
}

fn conform(batch: &RecordBatch, schema: &SchemaRef) -> std::result::Result<RecordBatch, DataFusionError> {
    let columns: std::result::Result<Vec<ArrayRef>, DataFusionError> = schema
        .fields()
        .iter()
        .map(|field| match batch.column_by_name(field.name()) {
            Some(column) => Ok(cast(column, field.data_type())?),
            None => Ok(arrow::array::new_null_array(field.data_type(), batch.num_rows())),
        })
        .collect();
    Ok(RecordBatch::try_new(schema.clone(), columns?)?)
}
