//! `alert_why('id')` and `alert_why('id', revision)` in SQL.
//!
//! Promises: the same lines as `qianshao alert why`. An id that is not there is refused in words.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue, plan_err};
use datafusion::datasource::TableType;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::ExecutionPlan;

use super::why::{Line, alert_why};
use crate::delta::log::Log;
use crate::engine::Scan;

/// The table function.
pub struct AlertWhy {
    pub log: Arc<dyn Log>,
    pub until: i64,
}

impl fmt::Debug for AlertWhy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alert_why until {}", self.until)
    }
}

impl TableFunctionImpl for AlertWhy {
    fn call(&self, arguments: &[Expr]) -> Result<Arc<dyn TableProvider>> {
        let (alert_id, revision) = match arguments {
            [Expr::Literal(id, _)] => (id, None),
            [Expr::Literal(id, _), Expr::Literal(ScalarValue::Int64(revision), _)] => (id, *revision),
            _ => {
                return plan_err!("alert_why takes an alert's id, and a revision if not the newest: alert_why('…', 1)");
            }
        };
        let Some(Some(alert_id)) = alert_id.try_as_str() else {
            return plan_err!("alert_why takes an alert's id as text, as it stands in alerts.alert_id");
        };
        Ok(Arc::new(Lines { log: self.log.clone(), until: self.until, alert_id: alert_id.to_owned(), revision }))
    }
}

/// The lines about one alert.
struct Lines {
    log: Arc<dyn Log>,
    until: i64,
    alert_id: String,
    revision: Option<i64>,
}

impl Lines {
    fn read(&self, projection: Option<Vec<usize>>) -> Scan<'_> {
        Box::pin(async move {
            let why = alert_why(&self.log, &self.alert_id, self.revision, self.until)
                .await
                .map_err(|problem| DataFusionError::External(problem))?;
            let rows = rows(&why.lines)?;
            Ok(MemorySourceConfig::try_new_exec(&[vec![rows]], schema(), projection)? as Arc<dyn ExecutionPlan>)
        })
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "alert_why {}", self.alert_id)
    }
}

impl TableProvider for Lines {
    fn schema(&self) -> SchemaRef {
        schema()
    }

    fn table_type(&self) -> TableType {
        TableType::View
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

fn schema() -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![text("kind"), text("name"), text("value"), text("detail")]))
}

/// Lines as rows (kind, name, value, detail).
pub fn rows(lines: &[Line]) -> Result<RecordBatch> {
    let column = |of: fn(&Line) -> &str| -> ArrayRef { Arc::new(StringArray::from_iter_values(lines.iter().map(of))) };
    let columns = vec![
        column(|line| line.kind.word()),
        column(|line| &line.name),
        column(|line| &line.value),
        column(|line| &line.detail),
    ];
    Ok(RecordBatch::try_new(schema(), columns)?)
}
