//! `findings` for people: what the pack's rules return over the snapshot, evaluated when a statement reads it.
//!
//! Promises: the rows that a tick at this moment would find, so that the text of a rule that reads others' findings
//! means the same here; once a snapshot. A rule that breaks off is told, and nothing is shown instead.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringArray};
use arrow::compute::{cast, concat_batches, filter_record_batch};
use arrow::datatypes::{Date32Type, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::DataFusionError;
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;
use tokio::sync::OnceCell;

use super::edition::{RuleText, Texts};
use super::recount::Recount;
use crate::cells::moment::Moment;
use crate::cells::session::{findings_schema, rule_session};
use crate::cells::tables::Stage;
use crate::cells::views::Views;
use crate::engine::{self, Scan};
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// Days before the tick that are judged, where no pack says so.
const HORIZON_DAYS_DEFAULT: i32 = 30;
/// Places of `area_code` and `window_end` among the columns.
const AREA_CODE: usize = 3;
const WINDOW_END: usize = 8;

/// The table.
pub struct Findings {
    texts: Arc<Texts>,
    pack: String,
    recount: Arc<Recount>,
    found: OnceCell<RecordBatch>,
}

impl Findings {
    pub fn new(texts: Arc<Texts>, pack: &str, recount: Arc<Recount>) -> Arc<Self> {
        Arc::new(Self { texts, pack: pack.to_owned(), recount, found: OnceCell::new() })
    }

    async fn found(&self) -> Result<RecordBatch> {
        let shown = self.recount.shown().await?;
        let mut evaluation = Evaluation::new(&self.texts, &self.pack, &shown.moment, shown.tick)?;
        let mut found = RecordBatch::new_empty(findings_schema());
        for rule in self.texts.in_order_of_need(&self.pack) {
            found = joined(&found, &evaluation.rows(&rule, &found).await?)?;
        }
        Ok(found)
    }

    fn read(&self, projection: Option<Vec<usize>>) -> Scan<'_> {
        Box::pin(async move {
            let found = self.found.get_or_try_init(|| self.found()).await;
            let found = found.map_err(|problem| DataFusionError::External(problem))?.clone();
            Ok(MemorySourceConfig::try_new_exec(&[vec![found]], findings_schema(), projection)?
                as Arc<dyn ExecutionPlan>)
        })
    }
}

impl fmt::Debug for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "findings of {}", self.pack)
    }
}

impl TableProvider for Findings {
    fn schema(&self) -> SchemaRef {
        findings_schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        _state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        _filters: &'d [Expr],
        _limit: Option<usize>,
    ) -> Scan<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        self.read(projection.cloned())
    }
}

/// A pack's rules at a tick: the tables as each of them saw them.
pub struct Evaluation {
    context: SessionContext,
    stage: Arc<Stage>,
    views: Views,
    /// The area of units that know none.
    home: Option<String>,
}

impl Evaluation {
    pub fn new(texts: &Texts, pack: &str, moment: &Arc<Moment>, tick: i64) -> Result<Self> {
        let rules = texts.in_order_of_need(pack);
        let histories = rules.iter().map(|rule| rule.days("history_days"));
        let horizon = texts.horizon_days(pack).unwrap_or(HORIZON_DAYS_DEFAULT);
        let parameters = texts.parameters(pack).into_iter().map(|(name, parameter)| (name, parameter.value)).collect();
        let stage = Arc::new(Stage::default());
        Ok(Self {
            context: rule_session(moment, &parameters, tick, &stage)?,
            views: Views::new(moment.clone(), horizon, histories, tick, None),
            stage,
            home: moment.registers.home().map(str::to_owned),
        })
    }

    /// What a rule returns, valid windows only; `before` is what it may read of others.
    pub async fn rows(&mut self, rule: &RuleText<'_>, before: &RecordBatch) -> Result<RecordBatch> {
        self.stage.show(Some(self.views.of(rule.days("history_days"), false)));
        finding_rows(&self.context, rule, before, self.home.as_deref()).await
    }
}

async fn finding_rows(
    context: &SessionContext,
    rule: &RuleText<'_>,
    before: &RecordBatch,
    home: Option<&str>,
) -> Result<RecordBatch> {
    // There is none before the first rule.
    let _ = context.deregister_table("findings");
    engine::register(context, "findings", findings_schema(), vec![before.clone()])?;
    let broken = |found: String| Problem::new(codes::sql::RULE_NOT_RUN, format!("rule {}", rule.id), found);
    let frame = engine::plan(context, rule.id, &rule.text.body).await?;
    let returned = frame.schema().inner().clone();
    let batches = frame.collect().await.map_err(|error| engine::not_run(rule.id, &error))?;
    let rows = concat_batches(&returned, &batches).map_err(|error| broken(error.to_string()))?;
    let ids: ArrayRef = Arc::new(StringArray::from_iter_values((0..rows.num_rows()).map(|_| rule.id)));
    let mut columns = vec![ids];
    for field in findings_schema().fields().iter().skip(1) {
        columns.push(match rows.column_by_name(field.name()) {
            Some(column) => cast(column, field.data_type()).map_err(|error| broken(error.to_string()))?,
            None => arrow::array::new_null_array(field.data_type(), rows.num_rows()),
        });
    }
    // As a tick does: a unit of unknown area is put to the whole area that we watch.
    let areas = columns[AREA_CODE].as_string::<i32>().iter().map(|area| area.or(home));
    columns[AREA_CODE] = Arc::new(areas.collect::<StringArray>());
    let rows = RecordBatch::try_new(findings_schema(), columns).map_err(|error| broken(error.to_string()))?;
    let limit = |key: &str| Day::parse(rule.header(key));
    let (from, to) = (limit("valid_from"), limit("valid_to"));
    let ends = rows.column(WINDOW_END).as_primitive::<Date32Type>();
    let valid = (0..ends.len()).map(|row| {
        let end = Day(ends.value(row));
        Some(from.is_none_or(|from| from <= end) && to.is_none_or(|to| end <= to))
    });
    filter_record_batch(&rows, &valid.collect()).map_err(|error| broken(error.to_string()))
}

/// Findings of several rules in one.
pub fn joined(one: &RecordBatch, other: &RecordBatch) -> Result<RecordBatch> {
    concat_batches(&findings_schema(), [one, other])
        .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table findings", error.to_string()))
}
