//! The in-memory log means what Delta means: the same operations on both, and the same outcomes.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use qianshao::clock::ManualClock;
use qianshao::delta::commit::MARK_CLOCK;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::files;
use qianshao::delta::log::{Append, Appended, Head, Log};
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::tables::Table;
use qianshao::terms::{KnownAt, MICROS_PER_DAY, Position};

use super::rows::places;
use crate::scenarios::Dice;

const SEQUENCES: u64 = 8;
const OPERATIONS: usize = 60;
const BEGINNING: i64 = 1_611_000_000_000_000;

/// Both logs, a second writer of the one on disk, and what was seen of them.
struct Both {
    disk: DeltaLog,
    other: DeltaLog,
    memory: MemoryLog,
    /// Heads as they were, newest last: theirs and ours.
    heads: Vec<(Head, Head)>,
    next: i64,
    done: BTreeMap<&'static str, usize>,
}

impl Both {
    /// The append of one epoch on a head.
    fn append(&mut self, clock: i64, rows: usize, dice: &mut Dice) -> Append {
        let positions: Vec<Position> =
            (0..rows as i64).map(|n| Position { topic: "t".into(), partition: 0, offset: self.next + n }).collect();
        let range = (self.next, self.next + rows as i64);
        let known_at = KnownAt(clock.max(BEGINNING) + 1 + dice.below(MICROS_PER_DAY as u64 / 30) as i64);
        let marks = BTreeMap::from([
            ("in/t/0".to_owned(), range.1),
            (format!("mark/{}", dice.below(4)), range.0),
            (MARK_CLOCK.to_owned(), known_at.micros()),
        ]);
        let ranges = if rows > 0 { BTreeMap::from([("t/0".to_owned(), range)]) } else { BTreeMap::new() };
        Append { rows: places(&positions), known_at, marks, ranges }
    }

    async fn heads_now(&self) -> (Head, Head) {
        (self.disk.head(Table::Signals).await.unwrap(), self.memory.head(Table::Signals).await.unwrap())
    }

    async fn operate(&mut self, dice: &mut Dice) {
        let now = self.heads_now().await;
        let rows = dice.below(5) as usize;
        let which =
            ["append", "stale append", "two writers", "crash before the entry", "compact"][dice.below(5) as usize];
        *self.done.entry(which).or_default() += 1;
        match which {
            "append" => self.both(now.clone(), rows, dice, false).await,
            "stale append" => {
                // One that both have left behind: a compaction moves the head on disk alone.
                let left = self.heads.partition_point(|(_, memory)| memory.version < now.1.version);
                let stale = self.heads[..left].get(dice.below(left as u64) as usize).cloned();
                let must_refuse = stale.is_some();
                self.both(stale.unwrap_or(now), rows, dice, must_refuse).await;
            }
            "two writers" => {
                let append = self.append(now.0.clock, rows, dice);
                // The other one reads the head as ours does, and is first.
                let theirs = self.other.head(Table::Signals).await.unwrap();
                same(
                    &self.other.append(Table::Signals, &theirs, append.clone()).await,
                    &self.memory.append(Table::Signals, &now.1, append).await,
                );
                self.next += rows as i64;
                self.both(now.clone(), rows, dice, true).await;
            }
            "crash before the entry" => {
                // The file is there, and no entry names it.
                let append = self.append(now.0.clock, 1 + rows, dice);
                let file = files::encode(Table::Signals, &append.rows, append.known_at, &append.ranges, 0).unwrap();
                let path = self.disk.folder(Table::Signals).join(&file.add.path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, file.bytes).unwrap();
            }
            _ => _ = self.disk.compact(Table::Signals).await.unwrap(),
        }
        self.heads.push(self.heads_now().await);
    }

    async fn both(&mut self, on: (Head, Head), rows: usize, dice: &mut Dice, must_refuse: bool) {
        let append = self.append(on.0.clock, rows, dice);
        let disk = self.disk.append(Table::Signals, &on.0, append.clone()).await;
        let memory = self.memory.append(Table::Signals, &on.1, append).await;
        same(&disk, &memory);
        assert!(!must_refuse || disk == Appended::Refused, "{disk:?}");
        if matches!(disk, Appended::Now(_)) {
            self.next += rows as i64;
        }
    }

    async fn compare(&self, dice: &mut Dice) {
        let (disk, memory) = self.heads_now().await;
        assert_eq!((disk.clock, &disk.marks), (memory.clock, &memory.marks));
        let ends = [i64::MIN, BEGINNING, disk.clock / 2 + BEGINNING / 2, disk.clock - 1, disk.clock, i64::MAX];
        let (after, until) = (ends[dice.below(6) as usize], ends[dice.below(6) as usize]);
        let read = |batches: Vec<RecordBatch>| concat_batches(&Table::Signals.schema(), &batches).unwrap();
        let on_disk = read(self.disk.read(Table::Signals, after, until).await.unwrap());
        let in_memory = read(self.memory.read(Table::Signals, after, until).await.unwrap());
        assert_eq!(on_disk, in_memory, "rows known after {after} and until {until}");
    }
}

/// The same word, and the same clock and marks; compaction gives versions of its own.
fn same(disk: &Appended, memory: &Appended) {
    match (disk, memory) {
        (Appended::Now(disk), Appended::Now(memory)) => {
            assert_eq!((disk.clock, &disk.marks), (memory.clock, &memory.marks));
        }
        (Appended::Refused, Appended::Refused) | (Appended::Unknown(_), Appended::Unknown(_)) => {}
        (disk, memory) => panic!("{disk:?} on disk, {memory:?} in memory"),
    }
}

#[tokio::test]
async fn the_log_in_memory_answers_as_delta_does() {
    let mut done: BTreeMap<&str, usize> = BTreeMap::new();
    for seed in 0..SEQUENCES {
        let (folder, mut dice) = (tempfile::tempdir().unwrap(), Dice::seeded(seed));
        let clock = Arc::new(ManualClock::new(BEGINNING));
        let mut both = Both {
            disk: DeltaLog::open(folder.path(), clock.clone()).await.unwrap(),
            other: DeltaLog::open(folder.path(), clock.clone()).await.unwrap(),
            memory: if seed.is_multiple_of(2) { MemoryLog::default() } else { MemoryLog::of_rows() },
            heads: Vec::new(),
            next: 0,
            done: BTreeMap::new(),
        };
        both.heads.push(both.heads_now().await);
        for _ in 0..OPERATIONS {
            both.operate(&mut dice).await;
            both.compare(&mut dice).await;
        }
        both.done.iter().for_each(|(which, times)| *done.entry(which).or_default() += times);
    }
    println!("{done:?}");
    assert!(done.len() == 5 && done.values().all(|times| *times >= 20), "{done:?}");
}
