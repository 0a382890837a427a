//! Plans that are kept: a SELECT planned once and run whenever its tables have something new to show.
//!
//! Promises: a run sees what the slots hold when it starts, and nothing of the run before.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::DataFusionError;
use datafusion::execution::context::SessionContext;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::execution_plan::reset_plan_states;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use datafusion::physical_plan::{ExecutionPlan, collect};
use datafusion::prelude::DataFrame;

use super::not_run;
use crate::problem::Result;

/// One SELECT, planned.
pub struct Kept {
    plan: Arc<dyn ExecutionPlan>,
    context: Arc<TaskContext>,
}

impl Kept {
    /// `at` names the text in messages.
    pub async fn of(context: &SessionContext, at: &str, frame: DataFrame) -> Result<Self> {
        let plan = frame.create_physical_plan().await.map_err(|error| not_run(at, &error))?;
        Ok(Self { plan, context: context.task_ctx() })
    }

    /// The rows of now.
    pub async fn run(&self) -> std::result::Result<Vec<RecordBatch>, DataFusionError> {
        // Joins keep their built side in the plan; a plan that runs again must forget it.
        let plan = reset_plan_states(self.plan.clone())?;
        collect(plan, self.context.clone()).await
    }
}

/// A table whose one batch is put in place before each run.
pub struct Slot {
    name: &'static str,
    schema: SchemaRef,
    batch: Mutex<Option<RecordBatch>>,
}

impl Slot {
    /// An empty table `name` of `context`; one of this name that was there is gone.
    pub fn register(context: &SessionContext, name: &'static str, schema: SchemaRef) -> Result<Arc<Self>> {
        let slot = Arc::new(Self { name, schema: schema.clone(), batch: Mutex::new(None) });
        let table = StreamingTable::try_new(schema, vec![slot.clone()]).map_err(|error| not_run(name, &error))?;
        let _ = context.deregister_table(name);
        context.register_table(name, Arc::new(table)).map_err(|error| not_run(name, &error))?;
        Ok(slot)
    }

    pub fn put(&self, batch: RecordBatch) {
        *self.batch.lock().unwrap_or_else(PoisonError::into_inner) = Some(batch);
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartitionStream for Slot {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let batch = self.batch.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let batches = futures::stream::iter(batch.into_iter().map(Ok));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), batches))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicI64, Ordering};

    use arrow::array::{AsArray, Int64Array};
    use arrow::datatypes::{DataType, Field, Int64Type, Schema};

    use super::*;
    use crate::delta::registers::Registers;
    use crate::engine::functions::Now;

    fn numbers(values: &[i64]) -> RecordBatch {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from(values.to_vec()))]).unwrap()
    }

    async fn answer(kept: &Kept) -> Vec<i64> {
        let batches = kept.run().await.unwrap();
        batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int64Type>().values().to_vec()).collect()
    }

    #[tokio::test]
    async fn a_kept_plan_sees_the_tick_and_the_rows_of_each_run_and_nothing_of_the_run_before() {
        let tick = Arc::new(AtomicI64::new(0));
        let context =
            crate::engine::session(&Arc::new(Registers::default()), &BTreeMap::new(), Now::Kept(tick.clone()));
        let slot = Slot::register(&context, "numbers", numbers(&[]).schema()).unwrap();
        // The join keeps its built side, the subquery its one value, unless they are made to forget.
        let sql = "SELECT CAST(now() AS BIGINT) + a.n FROM numbers a JOIN numbers b ON a.n = b.n
            WHERE a.n >= (SELECT max(n) FROM numbers) ORDER BY 1";
        let frame = crate::engine::plan(&context, "test", sql).await.unwrap();
        let kept = Kept::of(&context, "test", frame).await.unwrap();
        for (now, rows, expected) in [(1_000, vec![1, 5], vec![1_005]), (2_000, vec![3, 3], vec![2_003; 4])] {
            tick.store(now, Ordering::Relaxed);
            slot.put(numbers(&rows));
            assert_eq!(answer(&kept).await, expected);
        }
    }
}
