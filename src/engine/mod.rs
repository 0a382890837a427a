//! The only maker of a DataFusion session: the same functions, limits and settings for every query.
//!
//! Promises: one partition, so that the same rows give the same bits; functions read the registers and the tick they
//! were made with.
//! Never: lets a query reach a file, a network or a table that was not registered.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::MemTable;
use datafusion::common::DataFusionError;
use datafusion::execution::context::{SQLOptions, SessionContext};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::prelude::{DataFrame, SessionConfig};
use futures::future::BoxFuture;

use crate::delta::reference::Edition;
use crate::delta::registers::{CLASS_CODE, CLASS_REGISTER, Registers};
use crate::problem::codes::sql;
use crate::problem::{Problem, Result};

pub mod functions;
pub mod kept;
pub mod statistics;

/// What `TableProvider::scan` answers. Our tables write it out, without `async_trait`: its future would hold the filters, and that an
/// `Expr` may go to another thread takes the compiler nine seconds to see, table by table. Where a signature has no bounds, it
/// sees it once for all.
pub type Scan<'a> = BoxFuture<'a, datafusion::common::Result<Arc<dyn ExecutionPlan>>>;

/// Rows that flow through operators at a time; DataFusion's own default.
const BATCH_ROWS: usize = 8_192;

/// A session with our functions. `tick` is what `now()` answers; `parameters` what `param('name')` gives.
#[expect(clippy::disallowed_methods, reason = "the one place that makes a session")]
pub fn session(
    registers: &Arc<Registers>,
    parameters: &BTreeMap<String, f64>,
    tick: impl Into<functions::Now>,
) -> SessionContext {
    let config = SessionConfig::new()
        .with_target_partitions(1)
        .with_batch_size(BATCH_ROWS)
        .with_information_schema(true)
        .with_default_catalog_and_schema("qianshao", "public")
        // Errors say line and column.
        .set_bool("datafusion.sql_parser.collect_spans", true)
        .set_bool("datafusion.sql_parser.map_string_types_to_utf8view", false);
    let context = SessionContext::new_with_config(config);
    functions::register(&context, registers, parameters, tick.into());
    statistics::register(&context);
    context
}

/// Registers a table held in memory.
pub fn register(context: &SessionContext, name: &str, schema: SchemaRef, batches: Vec<RecordBatch>) -> Result<()> {
    let table = MemTable::try_new(schema, vec![batches]).map_err(|error| not_run(name, &error))?;
    context.register_table(name, Arc::new(table)).map_err(|error| not_run(name, &error))?;
    Ok(())
}

/// Every code list and register of an edition as a table of texts, by its file's name.
pub fn reference_tables(edition: &Edition) -> Result<Vec<(String, RecordBatch)>> {
    edition
        .of(CLASS_CODE)
        .chain(edition.of(CLASS_REGISTER))
        .map(|(name, body)| Ok((name.to_owned(), text_table(name, body)?)))
        .collect()
}

/// A query that reads: planned, refused in words where it would do more.
pub async fn plan(context: &SessionContext, at: &str, sql: &str) -> Result<DataFrame> {
    let read_only = SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false);
    context
        .sql_with_options(sql, read_only)
        .await
        .map_err(|error| Problem::new(sql::SQL_REFUSED, place(at, &error), error.strip_backtrace()))
}

/// Where in a text the planner stumbled; the parser says it in its own words.
fn place(at: &str, error: &DataFusionError) -> String {
    let span = error.diagnostic().and_then(|diagnostic| diagnostic.span);
    span.map_or_else(|| at.to_owned(), |span| format!("{at}:{}:{}", span.start.line, span.start.column))
}

/// Runs a query that reads.
pub async fn query(context: &SessionContext, at: &str, sql: &str) -> Result<Vec<RecordBatch>> {
    plan(context, at, sql).await?.collect().await.map_err(|error| not_run(at, &error))
}

/// The problem of a query that broke off.
pub fn not_run(at: &str, error: &DataFusionError) -> Box<Problem> {
    Problem::new(sql::SQL_NOT_RUN, at, error.strip_backtrace())
}

/// A CSV text as a table whose columns are all texts: a code is not a number.
fn text_table(name: &str, body: &str) -> Result<RecordBatch> {
    let unread =
        |error: String| Problem::new(crate::problem::codes::log::REGISTER_UNREADABLE, format!("{name}.csv"), error);
    let header = body.lines().next().unwrap_or("");
    let fields: Vec<Field> = header.split(',').map(|column| Field::new(column.trim(), DataType::Utf8, true)).collect();
    let schema = Arc::new(Schema::new(fields));
    let reader = ReaderBuilder::new(schema.clone())
        .with_header(true)
        // The whole text at once; quoted line breaks only make it fewer rows.
        .with_batch_size(body.lines().count().max(1))
        .build(body.as_bytes())
        .map_err(|error| unread(error.to_string()))?;
    let batches: Vec<RecordBatch> =
        reader.collect::<std::result::Result<_, _>>().map_err(|error| unread(error.to_string()))?;
    arrow::compute::concat_batches(&schema, &batches).map_err(|error| unread(error.to_string()))
}
