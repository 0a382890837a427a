//! The in-memory world behind the `Log` seam: the same outcomes as Delta, and faults on request.
//!
//! Promises: what an append means here is what it means on disk; a test compares both.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use bytes::Bytes;

use super::files;
use super::log::{Append, Appended, Head, Log};
use super::tables::Table;
use crate::problem::Result;
use crate::terms::Day;

/// What the next append does instead of succeeding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The entry is written, the acknowledgement is lost.
    WrittenUnknown,
    /// The entry is not written, and we cannot tell.
    LostUnknown,
    /// Somebody else's empty commit came first.
    HeadMoved,
}

#[derive(Default)]
struct State {
    heads: BTreeMap<Table, Head>,
    files: BTreeMap<Table, Vec<(i64, Day, Bytes)>>,
    faults: VecDeque<Fault>,
}

/// A log that lives as long as this value.
#[derive(Default)]
pub struct MemoryLog {
    state: Mutex<State>,
}

impl MemoryLog {
    /// The next appends meet these faults, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.extend(faults);
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn head(&self, table: Table) -> Result<Head> {
        Ok(self.locked().heads.get(&table).cloned().unwrap_or_default())
    }

    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended {
        let mut state = self.locked();
        let fault = state.faults.pop_front();
        let mut head = state.heads.get(&table).cloned().unwrap_or_default();
        if fault == Some(Fault::HeadMoved) {
            head.version += 1;
            head.clock += 1;
            state.heads.insert(table, head.clone());
        }
        if *on != head {
            return Appended::Refused;
        }
        if fault == Some(Fault::LostUnknown) {
            return Appended::Unknown("the acknowledgement did not come".to_owned());
        }
        if append.rows.num_rows() > 0 {
            // Encoded as on disk, so that what cannot be stored there cannot be stored here.
            match files::encode(table, &append.rows, append.known_at, &append.ranges, append.known_at.micros()) {
                Ok(file) => state.files.entry(table).or_default().push((
                    append.known_at.micros(),
                    append.known_at.day(),
                    file.bytes,
                )),
                Err(problem) => return Appended::Unknown(problem.to_string()),
            }
        }
        head.version += 1;
        head.clock = append.known_at.micros();
        head.marks.extend(append.marks);
        state.heads.insert(table, head.clone());
        match fault {
            Some(Fault::WrittenUnknown) => Appended::Unknown("the acknowledgement did not come".to_owned()),
            Some(Fault::LostUnknown | Fault::HeadMoved) | None => Appended::Now(head),
        }
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        let files: Vec<_> = self.locked().files.get(&table).cloned().unwrap_or_default();
        let mut batches = Vec::new();
        for (known_at, known_date, bytes) in files {
            if known_at > after && known_at <= until {
                batches.extend(files::decode(table, bytes, known_date, after, until)?);
            }
        }
        Ok(batches)
    }
}
