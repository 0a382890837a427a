//! A log that reports what each commit took and how it ended; else it is the log behind it.
//!
//! Never: changes an outcome.

use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::log::{Append, Appended, Head, Log, Take};
use super::tables::Table;
use crate::observe::{Observed, families};
use crate::problem::Result;

/// The log as a role of a running process sees it.
pub struct TimedLog {
    log: Arc<dyn Log>,
    observed: Arc<Observed>,
}

impl TimedLog {
    pub fn new(log: Arc<dyn Log>, observed: Arc<Observed>) -> Self {
        Self { log, observed }
    }
}

#[async_trait]
impl Log for TimedLog {
    async fn head(&self, table: Table) -> Result<Head> {
        self.log.head(table).await
    }

    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended {
        let began = self.observed.now();
        let appended = self.log.append(table, on, append).await;
        let outcome = match &appended {
            Appended::Now(_) => "now",
            Appended::Refused => "refused",
            Appended::Unknown(_) => "unknown",
        };
        let metrics = &self.observed.metrics;
        metrics.add(&families::COMMITS, &[table.name(), outcome], 1.0);
        metrics.time(&families::COMMIT_SECONDS, &[table.name()], self.observed.seconds_since(began));
        appended
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        self.log.read(table, after, until).await
    }

    async fn each(&self, table: Table, after: i64, until: i64, take: &mut Take<'_>) -> Result<()> {
        self.log.each(table, after, until, take).await
    }

    fn scratch(&self) -> Option<&Path> {
        self.log.scratch()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::delta::commit::commit_epoch;
    use crate::delta::memory_log::{Fault, MemoryLog};
    use crate::delta::testing;

    #[tokio::test]
    async fn every_attempt_is_counted_with_its_outcome() {
        let clock = Arc::new(ManualClock::new(1_000));
        let (memory, observed) = (MemoryLog::default(), Observed::new(clock.clone(), &[]));
        memory.inject([Fault::LostUnknown, Fault::HeadMoved]);
        let log = TimedLog::new(Arc::new(memory), observed.clone());
        commit_epoch(&log, &*clock, &testing::epoch("feed", 0, 0, 5, 0)).await.unwrap();
        let text = observed.metrics.text();
        for outcome in ["now", "refused", "unknown"] {
            let line = format!("qianshao_commits_total{{table=\"signals\",outcome=\"{outcome}\"}} 1\n");
            assert!(text.contains(&line), "{line} in {text}");
        }
        assert!(text.contains("qianshao_commit_seconds_count{table=\"signals\"} 3\n"), "{text}");
    }
}
