//! Live is backtest: the recorded ticks over the recorded rows, in a log of their own, give the same alert history.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::compute::{concat_batches, filter_record_batch, kernels::cmp::eq};
use arrow::datatypes::TimestampMicrosecondType;
use qianshao::alert::Mode;
use qianshao::clock::ManualClock;
use qianshao::delta::files::known_at_of;
use qianshao::delta::log::{Append, Appended, Log};
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::tables::Table;
use qianshao::detect::tick::Detect;
use qianshao::problem::{Problem, Result, codes};
use qianshao::terms::KnownAt;

use super::world::World;

/// Commits of one table by their `known_at`, without stamps.
type Commits = BTreeMap<i64, Vec<RecordBatch>>;

/// Replays the world's log and compares.
pub async fn same_history(world: &World) -> Result<()> {
    let clock = Arc::new(ManualClock::new(0));
    let copy: Arc<dyn Log> = Arc::new(MemoryLog::default());
    let mut texts = commits(&*world.log, Table::Reference).await?;
    let mut signals = commits(&*world.log, Table::Signals).await?;
    let mut detect = Detect::open(copy.clone(), clock.clone(), &world.setting.pack, Mode::Test).await?;
    for tick in ticks(&*world.log).await? {
        for (table, commits) in [(Table::Reference, &mut texts), (Table::Signals, &mut signals)] {
            let later = commits.split_off(&(tick + 1));
            append(&*copy, table, std::mem::replace(commits, later)).await?;
        }
        clock.advance_to(tick);
        detect.tick(tick).await?;
    }
    let (live, again) = (history(&*world.log).await?, history(&*copy).await?);
    if live == again {
        return Ok(());
    }
    let found = format!("{} revisions live, {} replayed, and they differ", live.num_rows(), again.num_rows());
    Err(Problem::new(codes::sql::SQL_NOT_RUN, "replay of the recorded ticks", found))
}

pub async fn history(log: &dyn Log) -> Result<RecordBatch> {
    let batches = log.read(Table::AlertHistory, i64::MIN, i64::MAX).await?;
    Ok(concat_batches(&Table::AlertHistory.schema(), &batches).unwrap())
}

async fn ticks(log: &dyn Log) -> Result<Vec<i64>> {
    let batches = log.read(Table::Ticks, i64::MIN, i64::MAX).await?;
    let of = |batch: &RecordBatch| {
        let column = batch.column_by_name("tick").unwrap().as_primitive::<TimestampMicrosecondType>();
        column.values().to_vec()
    };
    Ok(batches.iter().flat_map(of).collect())
}

async fn commits(log: &dyn Log, table: Table) -> Result<Commits> {
    let unstamped: Vec<usize> = (0..table.columns().len()).collect();
    let mut commits = Commits::new();
    for batch in log.read(table, i64::MIN, i64::MAX).await? {
        let Some(known) = known_at_of(&batch) else { continue };
        let known = Int64Array::from(known.values().to_vec());
        let mut moments: Vec<i64> = known.values().to_vec();
        moments.sort_unstable();
        moments.dedup();
        for moment in moments {
            let these = eq(&known, &Int64Array::new_scalar(moment)).unwrap();
            let rows = filter_record_batch(&batch, &these).unwrap().project(&unstamped).unwrap();
            commits.entry(moment).or_default().push(rows);
        }
    }
    Ok(commits)
}

async fn append(log: &dyn Log, table: Table, commits: Commits) -> Result<()> {
    for (known_at, batches) in commits {
        let rows = concat_batches(&table.schema_unstamped(), &batches).unwrap();
        let head = log.head(table).await?;
        let append = Append { rows, known_at: KnownAt(known_at), marks: BTreeMap::new(), ranges: BTreeMap::new() };
        let appended = log.append(table, &head, append).await;
        assert!(matches!(appended, Appended::Now(_)), "{appended:?}");
    }
    Ok(())
}
