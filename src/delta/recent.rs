//! Rows of the newest commits of this process: who follows the log in the same process need not read them from the disk.
//!
//! Promises: what is answered is what the file holds, to the bit; only of files whose commit stands; never more than
//! `BYTES_MAX` and `FILES_MAX`. Never: a source of truth. What is not here is read from its file.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use arrow::array::RecordBatch;

/// A few epochs under backlog; a tick follows within a second.
const BYTES_MAX: usize = 32 << 20;
/// Whoever follows is hardly ever further behind; older rows would only be held for nobody.
const FILES_MAX: usize = 8;

#[derive(Default)]
pub struct Recent(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    /// Oldest first: path of the file below its table, and its rows.
    rows: VecDeque<(String, RecordBatch)>,
    bytes: usize,
}

impl Recent {
    /// Keeps the rows of a file whose entry was just written.
    pub fn keep(&self, path: &str, rows: RecordBatch) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.bytes += rows.get_array_memory_size();
        kept.rows.push_back((path.to_owned(), rows));
        while kept.bytes > BYTES_MAX || kept.rows.len() > FILES_MAX {
            let Some((_, oldest)) = kept.rows.pop_front() else { break };
            kept.bytes -= oldest.get_array_memory_size();
        }
    }

    /// The rows of a file, where they are still here.
    pub fn rows(&self, path: &str) -> Option<RecordBatch> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.rows.iter().rev().find(|(known, _)| known == path).map(|(_, rows)| rows.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;
    use crate::clock::ManualClock;
    use crate::delta::commit::commit_epoch;
    use crate::delta::delta_log::DeltaLog;
    use crate::delta::log::Log;
    use crate::delta::tables::Table;
    use crate::delta::testing::epoch;

    #[test]
    fn the_oldest_rows_go_first() {
        let rows = |number: i64| {
            let column = Arc::new(Int64Array::from(vec![number; BYTES_MAX / 8 / 3]));
            RecordBatch::try_from_iter([("number", column as _)]).unwrap()
        };
        let recent = Recent::default();
        (0..4).for_each(|number| recent.keep(&number.to_string(), rows(number)));
        assert_eq!(
            [0, 1, 2, 3].map(|number: i64| recent.rows(&number.to_string()).is_some()),
            [false, false, true, true]
        );
        assert_eq!(recent.rows("3"), Some(rows(3)));
    }

    #[tokio::test]
    async fn what_is_answered_is_what_the_files_hold() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_000_000));
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        for from in [0, 5, 10] {
            commit_epoch(&log, &*clock, &epoch("t", 0, from, from + 5, 1)).await.unwrap();
        }
        let other = DeltaLog::open(folder.path(), clock).await.unwrap();
        let (kept, read) = (
            log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap(),
            other.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap(),
        );
        assert_eq!(kept.iter().map(RecordBatch::num_rows).sum::<usize>(), 12);
        assert_eq!(kept, read);
    }
}
