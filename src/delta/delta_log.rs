//! Delta tables on a local disk behind the `Log` seam.
//!
//! Promises: an append extends exactly the head it names (`max_retries` 0, hooks off); files and entries are synced;
//! the table object is opened anew after each checkpoint, because a kept one slows with every commit.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use async_trait::async_trait;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, TableReference};
use deltalake::kernel::{Action, Add, StructType, Transaction};
use deltalake::operations::create::CreateBuilder;
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableBuilder, DeltaTableError};
use object_store::{ObjectStore, PutMode, PutOptions};
use tokio::sync::Mutex;
use tracing::{info, warn};
use url::Url;

use super::files;
use super::log::{Append, Appended, Head, Log, Take};
use super::recent::Recent;
use super::tables::Table;
use super::{maintain, repair, store};
use crate::clock::Clock;
use crate::problem::{Problem, Result, codes};

/// Commits between two checkpoints. More slows every commit by about 0.2 ms each; fewer writes checkpoints for nothing.
const CHECKPOINT_EVERY: u64 = 50;

/// Another process writes a table's first entry within milliseconds, unless the disk is very slow.
const CREATE_ATTEMPTS_MAX: u32 = 100;
const CREATE_AGAIN: Duration = Duration::from_millis(50);

/// A folder of Delta tables: `<state>/tables/<table>`.
pub struct DeltaLog {
    root: PathBuf,
    store: Arc<dyn ObjectStore>,
    clock: Arc<dyn Clock>,
    open: BTreeMap<Table, Mutex<Option<Open>>>,
    recent: Recent,
}

/// A table as we last saw it.
pub(super) struct Open {
    pub(super) table: DeltaTable,
    pub(super) head: Head,
}

impl DeltaLog {
    /// Opens the tables below `state`, repairing what a power cut tore; makes them where there are none.
    pub async fn open(state: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Self::open_on(state, clock, Arc::new(store::Os)).await
    }

    /// Opens them on a disk of the caller's.
    pub async fn open_on(state: &Path, clock: Arc<dyn Clock>, disk: Arc<dyn store::Disk>) -> Result<Self> {
        let root = state.join("tables");
        let at = |error: std::io::Error| Problem::new(codes::IO, root.display().to_string(), error.to_string());
        store::create_folders_durably(&*disk, &root).map_err(at)?;
        let root = root.canonicalize().map_err(at)?;
        for table in Table::ALL {
            for problem in repair::repair(&root.join(table.name()))? {
                warn!(table = table.name(), at = problem.at, found = problem.found, "{}", problem.code.en);
            }
        }
        let open = Table::ALL.into_iter().map(|table| (table, Mutex::new(None))).collect();
        let (store, recent) = (Arc::new(store::DurableStore::on(disk)), Recent::default());
        let log = Self { root, store, clock, open, recent };
        for table in Table::ALL {
            log.head(table).await?;
        }
        Ok(log)
    }

    /// The folder of one table.
    pub fn folder(&self, table: Table) -> PathBuf {
        self.root.join(table.name())
    }

    /// The table at its newest version, for readers that plan queries over it.
    pub async fn delta_table(&self, table: Table) -> Result<DeltaTable> {
        let mut slot = self.slot(table).lock().await;
        Ok(self.refreshed(table, &mut slot).await?.table.clone())
    }

    /// The same with the head that belongs to it: read apart, another commit may lie between them.
    pub async fn delta_table_and_head(&self, table: Table) -> Result<(DeltaTable, Head)> {
        let mut slot = self.slot(table).lock().await;
        let open = self.refreshed(table, &mut slot).await?;
        Ok((open.table.clone(), open.head.clone()))
    }

    /// The first offset of each `topic/partition` that some live file came from.
    pub async fn first_offsets(&self, table: Table) -> Result<BTreeMap<String, i64>> {
        let mut firsts = BTreeMap::new();
        for add in live_files(&self.delta_table(table).await?) {
            for (partition, (from, _)) in files::ranges_of(&add) {
                let first = firsts.entry(partition).or_insert(from);
                *first = from.min(*first);
            }
        }
        Ok(firsts)
    }

    /// Merges the small files of closed days and forgets what they replaced.
    pub async fn compact(&self, table: Table) -> Result<usize> {
        let mut slot = self.slot(table).lock().await;
        let open = self.refreshed(table, &mut slot).await?;
        let merged = maintain::compact(table, open, &self.store, &self.root, self.clock.now()).await?;
        if merged > 0 {
            *slot = None;
        }
        Ok(merged)
    }

    #[expect(clippy::expect_used, reason = "`open` makes a slot for every table")]
    fn slot(&self, table: Table) -> &Mutex<Option<Open>> {
        self.open.get(&table).expect("a slot for every table")
    }

    /// The table as it stands on disk now.
    async fn refreshed<'a>(&self, table: Table, slot: &'a mut Option<Open>) -> Result<&'a mut Open> {
        let moved = slot.as_ref().is_some_and(|open| {
            self.folder(table).join(repair::LOG_FOLDER).join(format!("{:020}.json", open.head.version + 1)).exists()
        });
        if moved {
            *slot = None;
        }
        if slot.is_none() {
            *slot = Some(self.load(table).await?);
        }
        slot.as_mut().ok_or_else(|| self.unopened(table, "it vanished while being opened"))
    }

    async fn load(&self, table: Table) -> Result<Open> {
        let folder = self.folder(table);
        let url = Url::from_directory_path(&folder).map_err(|()| self.unopened(table, "its path is not absolute"))?;
        let builder = || {
            DeltaTableBuilder::from_url(url.clone())
                .map(|builder| builder.with_storage_backend(self.store.clone(), url.clone()))
                .map_err(|error| self.unopened(table, error))
        };
        let mut attempts = 0;
        while !has_entry(&folder)? {
            match self.create(table, builder()?).await {
                // Processes that start together on an empty folder: another one is about to have made it.
                Err(_) if attempts < CREATE_ATTEMPTS_MAX => tokio::time::sleep(CREATE_AGAIN).await,
                Err(problem) => return Err(problem),
                Ok(_) => {}
            }
            attempts += 1;
        }
        // Exactly the version of the head: another process may commit between the two.
        let head = repair::read_head(&folder)?;
        let at_head = builder()?.with_version(head.version);
        let delta = at_head.load().await.map_err(|error| self.unopened(table, error))?;
        Ok(Open { table: delta, head })
    }

    async fn create(&self, table: Table, builder: DeltaTableBuilder) -> Result<DeltaTable> {
        let storage = builder.build_storage().map_err(|error| self.unopened(table, error))?;
        let schema: StructType =
            table.schema().as_ref().try_into_kernel().map_err(|error| self.unopened(table, error))?;
        info!(table = table.name(), "table created");
        CreateBuilder::new()
            .with_log_store(storage)
            .with_table_name(table.name())
            .with_columns(schema.fields().cloned())
            .with_partition_columns(["known_date"])
            // Time travel is by `known_at`, so the log itself may forget early; its length slows every commit.
            .with_configuration([
                ("delta.logRetentionDuration", Some("interval 1 hours")),
                ("delta.deletedFileRetentionDuration", Some("interval 1 hours")),
            ])
            .await
            .map_err(|error| self.unopened(table, error))
    }

    fn unopened(&self, table: Table, error: impl std::fmt::Display) -> Box<Problem> {
        Problem::new(codes::log::LOG_NOT_OPENED, self.folder(table).display().to_string(), error.to_string())
    }

    /// Puts the data file and answers the action that adds it.
    async fn put_rows(&self, table: Table, append: &Append) -> Result<Add, String> {
        let file = files::encode(table, &append.rows, append.known_at, &append.ranges, append.known_at.micros())
            .map_err(|problem| problem.to_string())?;
        let path = self.folder(table).join(&file.add.path);
        let path = object_store::path::Path::from_absolute_path(path).map_err(|error| error.to_string())?;
        let options = PutOptions { mode: PutMode::Overwrite, ..Default::default() };
        self.store.put_opts(&path, file.bytes.into(), options).await.map_err(|error| error.to_string())?;
        Ok(file.add)
    }
}

#[async_trait]
impl Log for DeltaLog {
    fn scratch(&self) -> Option<&Path> {
        Some(&self.root)
    }

    async fn head(&self, table: Table) -> Result<Head> {
        let mut slot = self.slot(table).lock().await;
        Ok(self.refreshed(table, &mut slot).await?.head.clone())
    }

    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended {
        let mut slot = self.slot(table).lock().await;
        let Some(open) = slot.as_mut().filter(|open| open.head == *on) else { return Appended::Refused };
        let (mut actions, mut path) = (Vec::new(), None);
        if append.rows.num_rows() > 0 {
            match self.put_rows(table, &append).await {
                Ok(add) => {
                    path = Some(add.path.clone());
                    actions.push(Action::Add(add));
                }
                Err(reason) => return Appended::Unknown(reason),
            }
        }
        actions.extend(append.marks.iter().map(|(mark, value)| Action::Txn(Transaction::new(mark, *value))));
        let outcome = commit(&open.table, actions).await;
        match outcome {
            Ok(state) => {
                let mut head = on.clone();
                head.version += 1;
                head.clock = append.known_at.micros();
                head.marks.extend(append.marks);
                // Only signals are followed; what cannot be kept is read from its file.
                if let (Table::Signals, Some(path)) = (table, path)
                    && let Ok(rows) = files::stamped(table, &append.rows, append.known_at)
                {
                    self.recent.keep(&path, rows);
                }
                open.table.state = Some(state);
                open.head = head.clone();
                if head.version.is_multiple_of(CHECKPOINT_EVERY) {
                    maintain::checkpoint(table, &open.table).await;
                    *slot = None;
                }
                Appended::Now(head)
            }
            Err(error) => {
                *slot = None;
                if refused(&error) { Appended::Refused } else { Appended::Unknown(error.to_string()) }
            }
        }
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        let mut batches = Vec::new();
        let mut take = |batch| {
            batches.push(batch);
            Ok(())
        };
        self.each(table, after, until, &mut take).await?;
        Ok(batches)
    }

    async fn each(&self, table: Table, after: i64, until: i64, take: &mut Take<'_>) -> Result<()> {
        let mut live = live_files(&self.delta_table(table).await?);
        live.retain(|add| files::known_of(add).is_none_or(|(from, to)| to > after && from <= until));
        live.sort_by_key(|add| (files::known_of(add), add.path.clone()));
        let folder = self.folder(table);
        for add in live {
            // A commit's rows have one time, and that is within.
            if let Some(rows) = self.recent.rows(&add.path) {
                take(rows)?;
                continue;
            }
            let path = folder.join(&add.path);
            let at = |found: String| Problem::new(codes::log::FILE_NOT_DECODED, path.display().to_string(), found);
            let bytes = tokio::fs::read(&path).await.map_err(|error| at(error.to_string()))?;
            let known_date = files::known_date_of(&add).ok_or_else(|| at("it has no known_date".to_owned()))?;
            files::decode(table, bytes.into(), known_date, after, until)?.into_iter().try_for_each(&mut *take)?;
        }
        Ok(())
    }
}

/// One commit on exactly the table's snapshot, with no hook that could fail after the entry is written.
pub(super) async fn commit(
    table: &DeltaTable,
    actions: Vec<Action>,
) -> std::result::Result<deltalake::table::state::DeltaTableState, DeltaTableError> {
    let operation = DeltaOperation::Write {
        mode: SaveMode::Append,
        partition_by: Some(vec!["known_date".to_owned()]),
        predicate: None,
    };
    let snapshot: &dyn TableReference = table.snapshot()?;
    let finalized = CommitBuilder::default()
        .with_actions(actions)
        .with_app_metadata(HashMap::new())
        .with_max_retries(0)
        .build(Some(snapshot), table.log_store(), operation)
        .await?;
    Ok(finalized.snapshot())
}

/// Whether the table is there at all.
fn has_entry(table: &Path) -> Result<bool> {
    let log = table.join(repair::LOG_FOLDER);
    Ok(log.is_dir() && !repair::entries(&log)?.is_empty())
}

/// Every live file of a table.
#[expect(deprecated, reason = "tags are reached through the action only")]
pub(super) fn live_files(table: &DeltaTable) -> Vec<Add> {
    table.snapshot().map(|state| state.log_data().iter().map(|file| file.add_action()).collect()).unwrap_or_default()
}

/// A refusal is the library's word that the entry of the next version is somebody else's.
fn refused(error: &DeltaTableError) -> bool {
    use deltalake::kernel::transaction::TransactionError;
    matches!(
        error,
        DeltaTableError::VersionAlreadyExists(_)
            | DeltaTableError::Transaction {
                source: TransactionError::MaxCommitAttempts(_) | TransactionError::VersionAlreadyExists(_)
            }
    )
}
