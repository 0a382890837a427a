//! The sessions that statements run in: the newest state, and a few past moments.
//!
//! Promises: a statement sees what was committed before it began; while nothing is committed, nothing is rebuilt.
//! Never: changes a session that a statement may be using, but for what `now()` answers.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::SchemaProvider;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion_postgres::datafusion_pg_catalog::pg_catalog::context::EmptyContextProvider;
use datafusion_postgres::datafusion_pg_catalog::setup_pg_catalog;
use datafusion_postgres::{DfSessionService, QueryHook};
use tokio::sync::Mutex;

use super::tables::{Asked, Earlier, Opened, open};
use super::yielding::JoinsYield;
use crate::clock::Clock;
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::engine::{self, functions};
use crate::problem::Result;

/// Past moments kept at hand. Each holds everything counted by then, so more cost memory; people compare two or three.
const PAST_MAX: usize = 4;

/// The database's name in `\l` and connection strings.
pub const DATABASE: &str = "qianshao";

/// One state of the log and the session over it.
pub struct Snapshot {
    versions: Vec<u64>,
    pub opened: Opened,
    /// The PostgreSQL library's service over this session.
    pub service: Arc<DfSessionService>,
}

/// All sessions of one log.
pub struct Snapshots {
    log: Arc<DeltaLog>,
    clock: Arc<dyn Clock>,
    pack: String,
    prefix: String,
    hooks: Vec<Arc<dyn QueryHook>>,
    /// By pack, all of them that were asked for.
    newest: Mutex<BTreeMap<String, Arc<Snapshot>>>,
    past: Mutex<BTreeMap<(i64, String), Arc<Snapshot>>>,
    // One for all sessions: psql asks for a table's number in one statement and for its columns in the next.
    catalog: Mutex<Option<Arc<dyn SchemaProvider>>>,
}

impl Snapshots {
    /// `pack` gives the parameters of `param('name')`, `prefix` begins the names of topics.
    pub fn new(
        log: Arc<DeltaLog>,
        clock: Arc<dyn Clock>,
        pack: &str,
        prefix: &str,
        hooks: Vec<Arc<dyn QueryHook>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            log,
            clock,
            pack: pack.to_owned(),
            prefix: prefix.to_owned(),
            hooks,
            newest: Mutex::new(BTreeMap::new()),
            past: Mutex::new(BTreeMap::new()),
            catalog: Mutex::new(None),
        })
    }

    /// The session of a past moment, or of the newest state, in the words of a pack or of the one in force.
    pub async fn at(&self, as_of: Option<i64>, pack: Option<&str>) -> Result<Arc<Snapshot>> {
        let pack = pack.unwrap_or(&self.pack);
        match as_of {
            Some(then) => self.past(then, pack).await,
            None => self.newest(pack).await,
        }
    }

    async fn newest(&self, pack: &str) -> Result<Arc<Snapshot>> {
        let mut newest = self.newest.lock().await;
        let mut versions = Vec::new();
        for table in Table::ALL {
            versions.push(self.log.head(table).await?.version);
        }
        if let Some(snapshot) = newest.get(pack).filter(|snapshot| snapshot.versions == versions) {
            let Opened { context, registers, parameters, .. } = &snapshot.opened;
            functions::register(context, registers, parameters, self.clock.now());
            return Ok(snapshot.clone());
        }
        let same = newest.values().find(|snapshot| snapshot.versions == versions);
        let counted = || newest.values().find_map(|snapshot| snapshot.opened.recount.counted());
        let earlier = match same {
            Some(snapshot) => Earlier::Same(snapshot.opened.recount.clone()),
            None => counted().map_or(Earlier::Nothing, Earlier::Counted),
        };
        let opened = open(&self.log, &self.asked(None, pack), earlier).await?;
        let snapshot = self.snapshot(versions.clone(), opened).await?;
        // Others are of an older state: what they counted has been taken over.
        newest.retain(|_, snapshot| snapshot.versions == versions);
        newest.insert(pack.to_owned(), snapshot.clone());
        Ok(snapshot)
    }

    async fn past(&self, then: i64, pack: &str) -> Result<Arc<Snapshot>> {
        let mut past = self.past.lock().await;
        // What is past no longer changes; a moment to come does.
        let is_past = then < self.clock.now();
        let key = (then, pack.to_owned());
        if let Some(snapshot) = past.get(&key).filter(|_| is_past) {
            return Ok(snapshot.clone());
        }
        let opened = open(&self.log, &self.asked(Some(then), pack), Earlier::Nothing).await?;
        let snapshot = self.snapshot(Vec::new(), opened).await?;
        if past.len() >= PAST_MAX {
            past.pop_first();
        }
        past.insert(key, snapshot.clone());
        Ok(snapshot)
    }

    fn asked(&self, as_of: Option<i64>, pack: &str) -> Asked {
        Asked { as_of, now: self.clock.now(), pack: pack.to_owned(), prefix: self.prefix.clone() }
    }

    async fn snapshot(&self, versions: Vec<u64>, opened: Opened) -> Result<Arc<Snapshot>> {
        let context = &opened.context;
        let failed = |error| engine::not_run("pg_catalog", &error);
        setup_pg_catalog(context, DATABASE, EmptyContextProvider).map_err(|error| failed(*error))?;
        if let Some(database) = context.catalog(DATABASE) {
            let mut shared = self.catalog.lock().await;
            match &*shared {
                Some(shared) => {
                    database.register_schema("pg_catalog", shared.clone()).map_err(failed)?;
                }
                None => *shared = database.schema("pg_catalog"),
            }
        }
        let ours = SessionStateBuilder::new_from_existing(context.state());
        let ours = ours.with_physical_optimizer_rule(Arc::new(JoinsYield)).build();
        *context.state_ref().write() = ours;
        // A state that is built anew takes the engine's own now() back, by its other name.
        let Opened { registers, parameters, now, .. } = &opened;
        functions::register(context, registers, parameters, *now);
        let service = DfSessionService::new_with_hooks(Arc::new(context.clone()), self.hooks.clone());
        Ok(Arc::new(Snapshot { versions, opened, service: Arc::new(service) }))
    }
}
