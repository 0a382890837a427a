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
