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

/// What one commit added.
#[derive(Clone)]
enum Kept {
    File(Day, Bytes),
    Rows(RecordBatch),
}

#[derive(Default)]
struct State {
    heads: BTreeMap<Table, Head>,
    commits: BTreeMap<Table, Vec<(i64, Kept)>>,
    faults: VecDeque<Fault>,
}

/// A log that lives as long as this value.
#[derive(Default)]
pub struct MemoryLog {
    state: Mutex<State>,
    /// Rows are kept as they are, not as files: where thousands of logs are written, Parquet would be most of the work.
    keeps_rows: bool,
}

impl MemoryLog {
    /// A log without files.
    pub fn of_rows() -> Self {
        Self { keeps_rows: true, ..Self::default() }
    }

    /// The next appends meet these faults, one each.
    pub fn inject(&self, faults: impl IntoIterator<Item = Fault>) {
        self.locked().faults.extend(faults);
    }

    /// The data files of a table as they would stand on disk, in commit order.
    pub fn files(&self, table: Table) -> Vec<Bytes> {
        let state = self.locked();
        let commits = state.commits.get(&table).into_iter().flatten();
        commits
            .filter_map(|(_, kept)| if let Kept::File(_, bytes) = kept { Some(bytes.clone()) } else { None })
            .collect()
    }

    /// How many commits of a table have rows.
    pub fn commits(&self, table: Table) -> usize {
        self.locked().commits.get(&table).map_or(0, Vec::len)
    }

    fn keep(&self, table: Table, append: &Append) -> Result<Kept> {
        let Append { rows, known_at, ranges, .. } = append;
        if self.keeps_rows {
            return Ok(Kept::Rows(files::stamped(table, rows, *known_at)?));
        }
        // Encoded as on disk, so that what cannot be stored there cannot be stored here.
        let file = files::encode(table, rows, *known_at, ranges, known_at.micros())?;
        Ok(Kept::File(known_at.day(), file.bytes))
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
            match self.keep(table, &append) {
                Ok(kept) => state.commits.entry(table).or_default().push((append.known_at.micros(), kept)),
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
        let mut commits: Vec<_> = self.locked().commits.get(&table).cloned().unwrap_or_default();
        commits.retain(|(known_at, _)| *known_at > after && *known_at <= until);
        let mut batches = Vec::new();
        for (_, kept) in commits {
            match kept {
                Kept::File(known_date, bytes) => {
                    batches.extend(files::decode(table, bytes, known_date, after, until)?);
                }
                Kept::Rows(rows) => batches.push(rows),
            }
        }
        Ok(batches)
    }
}
