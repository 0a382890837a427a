//! Rows and the Kafka offsets they came from become durable in one commit.
//!
//! Promises: after `Now` or `Already` the epoch is there exactly once, whatever crashed; quarantine rows are there
//! before the signals commit that rests on them; a writer whose partitions moved on is fenced.
//! Never: retries blindly. An unknown outcome is read back from the log and then decided.

use std::collections::BTreeMap;

use arrow::array::RecordBatch;
use sha2::{Digest, Sha256};

use super::files::Ranges;
use super::log::{Append, Appended, Head, Log, offset_mark, place, witness_mark};
use super::tables::Table;
use crate::clock::Clock;
use crate::fault;
use crate::problem::{Problem, Result, codes};
use crate::terms::KnownAt;

/// Mark in `signals`: the quarantine version that the commit rests on.
pub const MARK_QUARANTINE: &str = "table/quarantine";
/// Mark in `signals`: the clock, so that an empty commit has a time too.
pub const MARK_CLOCK: &str = "clock";
/// Mark in `quarantine`: digest of the newest epoch written there.
pub const MARK_EPOCH: &str = "epoch";

/// Mark of a table that one writer at a time may extend: whose turn it is.
const MARK_LIFE: &str = "life";

/// How often a moved head or a lost acknowledgement is read back before we give up with words.
const ATTEMPTS_MAX: usize = 32;

/// One epoch, decoded and normalized: what one commit makes durable.
#[derive(Clone, Debug)]
pub struct EpochRows {
    /// Every message of the epoch lies in one of these, keyed by (topic, partition).
    pub ranges: BTreeMap<(String, i32), (i64, i64)>,
    /// What the last message of a range is known by.
    pub witnesses: BTreeMap<(String, i32), i64>,
    pub signals: RecordBatch,
    pub quarantine: RecordBatch,
}

/// What the writer of an epoch knows of verdicts that stand already.
#[derive(Clone, Debug, Default)]
pub struct Verdicts {
    /// Up to where each partition had been judged when the rows of quarantine were last read.
    pub read_to: BTreeMap<(String, i32), i64>,
    /// A partition of the epoch is new to the writer: quarantine is marked even without rows, so that whoever had the
    /// partition before is fenced there, too.
    pub claims: bool,
}

/// What became of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Committed {
    Now(KnownAt),
    /// The log already held it.
    Already,
    /// Somebody else owns these partitions, or has judged their messages: drop the epoch and resume from the log.
    Fenced,
}

/// Makes an epoch durable whose writer knows of no verdicts.
pub async fn commit_epoch(log: &dyn Log, clock: &dyn Clock, epoch: &EpochRows) -> Result<Committed> {
    commit_judged(log, clock, epoch, &Verdicts::default()).await
}

/// Makes an epoch durable: quarantine first, then signals with the offsets.
pub async fn commit_judged(
    log: &dyn Log,
    clock: &dyn Clock,
    epoch: &EpochRows,
    verdicts: &Verdicts,
) -> Result<Committed> {
    let (mut quarantine, mut last) = (None, String::new());
    for _ in 0..ATTEMPTS_MAX {
        let signals = log.head(Table::Signals).await?;
        match standing(&signals, epoch) {
            Standing::Done => return Ok(Committed::Already),
            Standing::Elsewhere => return Ok(Committed::Fenced),
            Standing::Ours => {}
        }
        let rests_on = match quarantine {
            Some(version) => version,
            None => match commit_quarantine(log, clock, epoch, verdicts).await? {
                Some(version) => version,
                None => return Ok(Committed::Fenced),
            },
        };
        quarantine = Some(rests_on);
        let known_at = signals.next_known_at(clock.now());
        let mut marks = offset_marks(epoch);
        marks.extend(epoch.witnesses.iter().map(|((topic, partition), w)| (witness_mark(topic, *partition), *w)));
        marks.insert(MARK_QUARANTINE.to_owned(), rests_on as i64);
        marks.insert(MARK_CLOCK.to_owned(), known_at.micros());
        let append = Append { rows: epoch.signals.clone(), known_at, marks, ranges: tag_ranges(epoch) };
        match log.append(Table::Signals, &signals, append).await {
            Appended::Now(_) => {
                fault::reached("commit::acknowledged").await?;
                return Ok(Committed::Now(known_at));
            }
            Appended::Refused => {}
            Appended::Unknown(reason) => last = reason,
        }
    }
    Err(gave_up(Table::Signals, &last))
}

/// A commit without rows: time passed, and a tick may rely on it.
pub async fn heartbeat(log: &dyn Log, table: Table, at: i64) -> Result<Head> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS_MAX {
        let head = log.head(table).await?;
        if head.clock >= at {
            return Ok(head);
        }
        let marks = BTreeMap::from([(MARK_CLOCK.to_owned(), at)]);
        let rows = RecordBatch::new_empty(table.schema_unstamped());
        let append = Append { rows, known_at: KnownAt(at), marks, ranges: Ranges::new() };
        match log.append(table, &head, append).await {
            Appended::Now(head) => return Ok(head),
            Appended::Refused => {}
            Appended::Unknown(reason) => last = reason,
        }
    }
    Err(gave_up(table, &last))
}

/// Appends rows once under marks of which the first must grow: already at its value it means that they are there.
/// Only while `life` holds the table; `None` asks nobody.
pub async fn append_once(
    log: &dyn Log,
    clock: &dyn Clock,
    table: Table,
    rows: RecordBatch,
    marks: &[(&str, i64)],
    not_before: i64,
    life: Option<Life>,
) -> Result<Committed> {
    let mut last = String::new();
    for _ in 0..ATTEMPTS_MAX {
        let head = log.head(table).await?;
        if life.is_some_and(|life| head.marks.get(MARK_LIFE) != Some(&life.0)) {
            return Ok(Committed::Fenced);
        }
        if marks.first().is_some_and(|(name, value)| head.marks.get(*name).is_some_and(|at| at >= value)) {
            return Ok(Committed::Already);
        }
        let known_at = head.next_known_at(clock.now().max(not_before));
        let clocked = marks.iter().copied().chain([(MARK_CLOCK, known_at.micros())]);
        let marks = clocked.map(|(name, value)| (name.to_owned(), value)).collect();
        let append = Append { rows: rows.clone(), known_at, marks, ranges: Ranges::new() };
        match log.append(table, &head, append).await {
            Appended::Now(_) => return Ok(Committed::Now(known_at)),
            Appended::Refused => {}
            Appended::Unknown(reason) => last = reason,
        }
    }
    Err(gave_up(table, &last))
}

/// One life of whoever writes these tables alone: a later one fences it, as a producer's epoch does in Kafka.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life(i64);

impl Life {
    /// Takes the tables over from whoever holds them.
    pub async fn begin(log: &dyn Log, clock: &dyn Clock, tables: &[Table]) -> Result<Self> {
        for _ in 0..ATTEMPTS_MAX {
            let mut newest = 0;
            for table in tables {
                newest = newest.max(log.head(*table).await?.marks.get(MARK_LIFE).copied().unwrap_or(0));
            }
            let life = newest + 1;
            let mut taken = 0;
            for table in tables {
                let nothing = RecordBatch::new_empty(table.schema_unstamped());
                let marked = append_once(log, clock, *table, nothing, &[(MARK_LIFE, life)], 0, None).await?;
                taken += usize::from(matches!(marked, Committed::Now(_)));
            }
            // Somebody who began at the same moment took one of them: only a life of one's own fences.
            if taken == tables.len() {
                return Ok(Self(life));
            }
        }
        Err(gave_up(tables.first().copied().unwrap_or(Table::Ticks), "others begin at the same time"))
    }
}

/// Where the epoch stands against the offsets in the log.
enum Standing {
    Ours,
    Done,
    Elsewhere,
}

// Delta stores `txn` without enforcing it, so we compare it on the very snapshot we commit from.
fn standing(head: &Head, epoch: &EpochRows) -> Standing {
    let mut ours = 0;
    let mut done = 0;
    for ((topic, partition), (from, to)) in &epoch.ranges {
        match head.marks.get(&offset_mark(topic, *partition)) {
            None => ours += 1,
            Some(next) if next == from => ours += 1,
            Some(next) if next >= to => done += 1,
            Some(_) => {}
        }
    }
    if ours == epoch.ranges.len() {
        Standing::Ours
    } else if done == epoch.ranges.len() {
        Standing::Done
    } else {
        Standing::Elsewhere
    }
}

/// Whether quarantine has judged messages of the epoch that its writer has not read: their verdicts are kept.
fn is_judged_elsewhere(head: &Head, epoch: &EpochRows, verdicts: &Verdicts) -> bool {
    epoch.ranges.iter().any(|(partition, (from, _))| {
        let known = verdicts.read_to.get(partition).copied().unwrap_or(0).max(*from);
        head.marks.get(&offset_mark(&partition.0, partition.1)).is_some_and(|judged| *judged > known)
    })
}

/// Puts the epoch's bad messages into quarantine and answers the version that holds them; nothing where somebody else did.
async fn commit_quarantine(
    log: &dyn Log,
    clock: &dyn Clock,
    epoch: &EpochRows,
    verdicts: &Verdicts,
) -> Result<Option<u64>> {
    let (digest, mut last) = (epoch_digest(epoch), String::new());
    for _ in 0..ATTEMPTS_MAX {
        let head = log.head(Table::Quarantine).await?;
        // The mark says that a lost acknowledgement, or an earlier life, was a yes.
        if head.marks.get(MARK_EPOCH) == Some(&digest) {
            return Ok(Some(head.version));
        }
        if is_judged_elsewhere(&head, epoch, verdicts) {
            return Ok(None);
        }
        if epoch.quarantine.num_rows() == 0 && !verdicts.claims {
            return Ok(Some(head.version));
        }
        let known_at = head.next_known_at(clock.now());
        let (mut marks, mut ranges) = (BTreeMap::new(), Ranges::new());
        for ((topic, partition), (from, to)) in &epoch.ranges {
            let mark = offset_mark(topic, *partition);
            // An earlier life may have judged further: its verdicts must not be forgotten.
            let judged = head.marks.get(&mark).copied().unwrap_or(0).max(*to);
            marks.insert(mark, judged);
            ranges.insert(place(topic, *partition), (*from, judged));
        }
        marks.insert(MARK_CLOCK.to_owned(), known_at.micros());
        marks.insert(MARK_EPOCH.to_owned(), digest);
        let append = Append { rows: epoch.quarantine.clone(), known_at, marks, ranges };
        match log.append(Table::Quarantine, &head, append).await {
            Appended::Now(head) => {
                fault::reached("commit::quarantine_written").await?;
                return Ok(Some(head.version));
            }
            Appended::Refused => {}
            Appended::Unknown(reason) => last = reason,
        }
    }
    Err(gave_up(Table::Quarantine, &last))
}

/// Identifies the epoch's bad messages by their coordinates, so that the same epoch is not written twice.
fn epoch_digest(epoch: &EpochRows) -> i64 {
    let mut digest = Sha256::new();
    for ((topic, partition), (from, to)) in &epoch.ranges {
        digest.update(format!("{topic}/{partition}[{from},{to})"));
    }
    digest.update(epoch.quarantine.num_rows().to_le_bytes());
    let bytes = digest.finalize();
    i64::from_le_bytes(bytes.first_chunk::<8>().copied().unwrap_or_default())
}

/// With the reason of the last attempt: a full disk says so there.
fn gave_up(table: Table, last: &str) -> Box<Problem> {
    let found = match last {
        "" => format!("{ATTEMPTS_MAX} attempts, and the head had always moved"),
        last => format!("{ATTEMPTS_MAX} attempts; the last: {last}"),
    };
    Problem::new(codes::log::COMMIT_GAVE_UP, format!("table {}", table.name()), found)
}

fn offset_marks(epoch: &EpochRows) -> BTreeMap<String, i64> {
    epoch.ranges.iter().map(|((topic, partition), (_, to))| (offset_mark(topic, *partition), *to)).collect()
}

fn tag_ranges(epoch: &EpochRows) -> Ranges {
    epoch.ranges.iter().map(|((topic, partition), range)| (place(topic, *partition), *range)).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::delta::delta_log::DeltaLog;
    use crate::delta::memory_log::{Fault, MemoryLog};
    use crate::delta::{repair, testing};

    fn epoch(from: i64, to: i64, bad: usize) -> EpochRows {
        testing::epoch("feed", 0, from, to, bad)
    }

    async fn rows(log: &dyn Log, table: Table) -> usize {
        log.read(table, i64::MIN, i64::MAX).await.unwrap().iter().map(RecordBatch::num_rows).sum()
    }

    #[tokio::test]
    async fn an_epoch_is_there_once_whatever_the_acknowledgement_says() {
        let clock = ManualClock::new(1_000);
        for fault in [Fault::WrittenUnknown, Fault::LostUnknown, Fault::HeadMoved] {
            let log = MemoryLog::default();
            log.inject([fault, fault, fault]);
            let committed = commit_epoch(&log, &clock, &epoch(0, 5, 2)).await.unwrap();
            assert_ne!(committed, Committed::Fenced);
            assert_eq!(commit_epoch(&log, &clock, &epoch(0, 5, 2)).await.unwrap(), Committed::Already);
            assert_eq!((rows(&log, Table::Signals).await, rows(&log, Table::Quarantine).await), (3, 2), "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_writer_whose_partitions_moved_on_is_fenced() {
        let (clock, log) = (ManualClock::new(1_000), MemoryLog::default());
        commit_epoch(&log, &clock, &epoch(0, 5, 0)).await.unwrap();
        assert_eq!(commit_epoch(&log, &clock, &epoch(3, 8, 0)).await.unwrap(), Committed::Fenced);
        assert_eq!(rows(&log, Table::Signals).await, 5);
    }

    #[tokio::test]
    async fn a_reopened_table_knows_its_offsets_and_rows() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_611_000_000_000_000));
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        for n in 0..3 {
            commit_epoch(&log, &*clock, &epoch(n * 5, n * 5 + 5, 1)).await.unwrap();
        }
        drop(log);
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        let head = log.head(Table::Signals).await.unwrap();
        assert_eq!(repair::offsets(&head), BTreeMap::from([(("feed".to_owned(), 0), 15)]));
        assert_eq!((rows(&log, Table::Signals).await, rows(&log, Table::Quarantine).await), (12, 3));
        assert_eq!(commit_epoch(&log, &*clock, &epoch(10, 15, 1)).await.unwrap(), Committed::Already);
        assert_eq!(commit_epoch(&log, &*clock, &epoch(12, 18, 1)).await.unwrap(), Committed::Fenced);
    }

    #[tokio::test]
    async fn two_writers_on_one_head_commit_once() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_611_000_000_000_000));
        let one = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        let two = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        let head = two.head(Table::Signals).await.unwrap();
        commit_epoch(&one, &*clock, &epoch(0, 5, 0)).await.unwrap();
        let stale = epoch(0, 5, 0);
        let append = Append {
            rows: stale.signals.clone(),
            known_at: KnownAt(head.clock + 5),
            marks: offset_marks(&stale),
            ranges: tag_ranges(&stale),
        };
        assert_eq!(two.append(Table::Signals, &head, append).await, Appended::Refused);
        assert_eq!(commit_epoch(&two, &*clock, &stale).await.unwrap(), Committed::Already);
        assert_eq!(rows(&two, Table::Signals).await, 5);
    }

    #[tokio::test]
    async fn compaction_keeps_rows_offsets_and_marks() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_611_000_000_000_000));
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        for n in 0..60 {
            commit_epoch(&log, &*clock, &epoch(n * 5, n * 5 + 5, 0)).await.unwrap();
        }
        let before = log.head(Table::Signals).await.unwrap();
        assert_eq!(log.compact(Table::Signals).await.unwrap(), 60);
        let log = DeltaLog::open(folder.path(), clock).await.unwrap();
        let after = log.head(Table::Signals).await.unwrap();
        assert_eq!((after.clock, after.marks), (before.clock, before.marks));
        assert_eq!(rows(&log, Table::Signals).await, 300);
    }

    #[tokio::test]
    async fn a_torn_tail_steps_back_with_its_offsets_and_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_611_000_000_000_000));
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        for n in 0..3 {
            commit_epoch(&log, &*clock, &epoch(n * 5, n * 5 + 5, 0)).await.unwrap();
        }
        let newest = log.folder(Table::Signals).join("_delta_log/00000000000000000003.json");
        drop(log);
        let whole = std::fs::read(&newest).unwrap();
        let without_txn: Vec<&str> =
            std::str::from_utf8(&whole).unwrap().lines().filter(|line| !line.contains("\"txn\"")).collect();
        for torn in [&whole[..whole.len() / 2], b"".as_slice(), (without_txn.join("\n") + "\n").as_bytes()] {
            std::fs::write(&newest, torn).unwrap();
            let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
            assert_eq!(rows(&log, Table::Signals).await, 10, "the torn epoch is gone as a whole");
            assert_eq!(
                commit_epoch(&log, &*clock, &epoch(10, 15, 0)).await.unwrap(),
                Committed::Now(clock_of(&log).await)
            );
            assert_eq!(rows(&log, Table::Signals).await, 15, "and is healed by replay");
            std::fs::remove_file(&newest).unwrap();
        }
    }

    #[tokio::test]
    async fn a_broken_checkpoint_does_not_keep_a_table_from_opening() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new(1_611_000_000_000_000));
        let log = DeltaLog::open(folder.path(), clock.clone()).await.unwrap();
        for n in 0..52 {
            commit_epoch(&log, &*clock, &epoch(n * 5, n * 5 + 5, 0)).await.unwrap();
        }
        let checkpoint = log.folder(Table::Signals).join("_delta_log/00000000000000000050.checkpoint.parquet");
        drop(log);
        let whole = std::fs::read(&checkpoint).unwrap();
        std::fs::write(&checkpoint, &whole[..whole.len() / 2]).unwrap();
        let log = DeltaLog::open(folder.path(), clock).await.unwrap();
        assert_eq!(rows(&log, Table::Signals).await, 260);
        assert!(checkpoint.with_extension("parquet.broken").exists(), "it stays on disk, set aside");
    }

    async fn clock_of(log: &dyn Log) -> KnownAt {
        KnownAt(log.head(Table::Signals).await.unwrap().clock)
    }
}
