//! The seam to the log: heads, appends, reads. Real Delta and an in-memory world stand behind it.
//!
//! Promises: an append names the head it extends and is refused when the head has moved; its outcome is one of
//! four values, and `Unknown` must be read back.

use std::collections::BTreeMap;
use std::path::Path;

use arrow::array::RecordBatch;
use async_trait::async_trait;

use super::tables::Table;
use crate::problem::Result;
use crate::terms::KnownAt;

/// The newest durable state of one table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// Version of the newest commit.
    pub version: u64,
    /// `known_at` of the newest commit; 0 before the first.
    pub clock: i64,
    /// Application marks (Delta `txn`): offsets under `in/<topic>/<partition>`, versions of other tables, ticks.
    pub marks: BTreeMap<String, i64>,
}

impl Head {
    /// The next `known_at` that a commit on this head may carry.
    pub fn next_known_at(&self, now: i64) -> KnownAt {
        KnownAt(now.max(self.clock + 1))
    }
}

/// What one commit adds.
#[derive(Clone, Debug)]
pub struct Append {
    /// Rows in the table's unstamped schema; may be empty (marks only).
    pub rows: RecordBatch,
    pub known_at: KnownAt,
    /// Marks to set; those not named keep their value.
    pub marks: BTreeMap<String, i64>,
    /// Offset ranges `[from, to)` by `topic/partition`; also written into the file's tags.
    pub ranges: BTreeMap<String, (i64, i64)>,
}

/// The outcome of an append is data: callers say what each means for them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Appended {
    Now(Head),
    /// The head moved since it was read; nothing was written.
    Refused,
    /// It may or may not be there: read the head before acting.
    Unknown(String),
}

/// One ordered log of a few tables.
#[async_trait]
pub trait Log: Send + Sync {
    /// The newest durable state, read anew.
    async fn head(&self, table: Table) -> Result<Head>;

    /// Appends on exactly `on`; never rebases.
    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended;

    /// Rows with `after < known_at <= until`, in commit order, in the table's whole schema.
    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>>;

    /// The same rows, some at a time: whoever reads everything need not hold everything.
    async fn each(&self, table: Table, after: i64, until: i64, take: &mut Take<'_>) -> Result<()> {
        self.read(table, after, until).await?.into_iter().try_for_each(take)
    }

    /// Where files may lie that are not needed tomorrow; none where nothing lies on a disk.
    fn scratch(&self) -> Option<&Path> {
        None
    }
}

/// Takes rows that were read.
pub type Take<'a> = dyn FnMut(RecordBatch) -> Result<()> + Send + 'a;

/// How a partition is written in tags and marks.
pub fn place(topic: &str, partition: i32) -> String {
    format!("{topic}/{partition}")
}

/// The mark under which the next offset of a place stands.
pub fn mark_of(place: &str) -> String {
    format!("in/{place}")
}

/// The mark under which the next offset of a partition stands.
pub fn offset_mark(topic: &str, partition: i32) -> String {
    mark_of(&place(topic, partition))
}

/// The mark under which the message before that offset is known; 0 where nobody knows it.
pub fn witness_mark(topic: &str, partition: i32) -> String {
    format!("seen/{topic}/{partition}")
}

/// Topic and partition of an offset mark.
pub fn parse_offset_mark(mark: &str) -> Option<(&str, i32)> {
    let (topic, partition) = mark.strip_prefix("in/")?.rsplit_once('/')?;
    Some((topic, partition.parse().ok()?))
}
