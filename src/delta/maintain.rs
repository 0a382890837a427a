//! Checkpoints, compaction and the removal of what compaction replaced.
//!
//! Promises: compaction changes no row, joins the offset ranges of the files it merges, and leaves every mark as it
//! is; a file is removed only after the commit that replaced it is durable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::kernel::{Action, Add, Remove};
use object_store::{ObjectStore, PutMode, PutOptions};
use tracing::{info, warn};

use super::delta_log::{Open, commit, live_files};
use super::files::{self, Ranges};
use super::tables::Table;
use crate::fault;
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// Small files of one day that are worth merging. Fewer would rewrite a day again and again.
const FILES_PER_DAY_MIN: usize = 16;

/// Writes a checkpoint; its failure costs speed, never data, so it is told and not returned.
pub async fn checkpoint(table: Table, delta: &DeltaTable) {
    if let Err(error) = deltalake::checkpoints::create_checkpoint(delta, None).await {
        warn!(table = table.name(), %error, "no checkpoint was written; commits go on and slow down");
        return;
    }
    if fault::reached("store::checkpoint").await.is_err() {
        return;
    }
    if let Err(error) = deltalake::checkpoints::cleanup_metadata(delta, None).await {
        warn!(table = table.name(), %error, "old log entries were not removed");
    }
}

/// Merges the files of each day that has many. Answers how many files went away.
pub(super) async fn compact(
    table: Table,
    open: &mut Open,
    store: &Arc<dyn ObjectStore>,
    root: &Path,
    now: i64,
) -> Result<usize> {
    let mut days: BTreeMap<Day, Vec<Add>> = BTreeMap::new();
    for add in live_files(&open.table) {
        if let Some(day) = files::known_date_of(&add) {
            days.entry(day).or_default().push(add);
        }
    }
    let folder = root.join(table.name());
    let mut actions = Vec::new();
    let mut merged = Vec::new();
    for (day, mut adds) in days.into_iter().filter(|(_, adds)| adds.len() >= FILES_PER_DAY_MIN) {
        adds.sort_by_key(files::known_of);
        let file = merge(table, day, &adds, &folder, now).await?;
        let path = object_store::path::Path::from_absolute_path(folder.join(&file.add.path)).map_err(unmerged)?;
        let options = PutOptions { mode: PutMode::Overwrite, ..Default::default() };
        store.put_opts(&path, file.bytes.into(), options).await.map_err(unmerged)?;
        actions.push(Action::Add(file.add));
        actions.extend(adds.iter().map(|add| Action::Remove(removal(add, now))));
        merged.extend(adds.into_iter().map(|add| add.path));
    }
    if actions.is_empty() {
        return Ok(0);
    }
    // A moved head means that somebody appended meanwhile: the merged file stays unreferenced, and the next run tries again.
    if commit(&open.table, actions).await.is_err() {
        return Ok(0);
    }
    fault::reached("maintain::compacted").await?;
    info!(table = table.name(), files = merged.len(), "small files merged");
    for path in &merged {
        // A reader on an older snapshot may hold the file open; the name may go, the bytes stay until it is done.
        let _ = tokio::fs::remove_file(folder.join(path)).await;
    }
    Ok(merged.len())
}

async fn merge(table: Table, day: Day, adds: &[Add], folder: &Path, now: i64) -> Result<files::DataFile> {
    let mut rows = Vec::new();
    let mut ranges = Ranges::new();
    for add in adds {
        let path = folder.join(&add.path);
        let bytes = tokio::fs::read(&path).await.map_err(unmerged)?;
        for batch in files::decode(table, bytes.into(), day, i64::MIN, i64::MAX)? {
            // The partition column stands in no file.
            let kept: Vec<usize> = (0..batch.num_columns() - 1).collect();
            rows.push(batch.project(&kept).map_err(unmerged)?);
        }
        for (place, (from, to)) in files::ranges_of(add) {
            let joined = ranges.entry(place).or_insert((from, to));
            *joined = (joined.0.min(from), joined.1.max(to));
        }
    }
    files::encode_stamped(table, &rows, day, &ranges, now, false)
}

fn removal(add: &Add, now: i64) -> Remove {
    Remove {
        path: add.path.clone(),
        data_change: false,
        deletion_timestamp: Some(now / 1_000),
        extended_file_metadata: Some(true),
        partition_values: Some(add.partition_values.clone()),
        size: Some(add.size),
        tags: None,
        deletion_vector: None,
        base_row_id: None,
        default_row_commit_version: None,
    }
}

fn unmerged(error: impl std::fmt::Display) -> Box<Problem> {
    Problem::new(codes::IO, "a compaction", error.to_string())
}
