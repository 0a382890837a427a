//! The detect role: at a tick, what changed is counted again, judged, and written as alert revisions.
//!
//! Promises: a tick sees exactly the rows known by it; its alert rows are there once, whatever crashed; the tick itself
//! is recorded after them, so that a backtest over the recorded ticks gives the same history.
//! Never: moves a tick back; writes what it judged before another process took over.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tracing::info;

use super::alert_rows::{alerts_of, rows_of};
use super::evaluate::Predicates;
use super::folder::PackFolder;
use super::judge::{Judge, Judged};
use super::pack::{Pack, Packs};
use crate::alert::{Alert, Mode};
use crate::clock::Clock;
use crate::delta::commit::{Committed, Life, append_once, heartbeat};
use crate::delta::log::Log;
use crate::delta::reference::{Edition, Text};
use crate::delta::tables::{Table, UTC};
use crate::fault;
use crate::problem::{Problem, Result, codes};
use crate::terms::KnownAt;

/// Class of a rule's text in `reference`; its name is `pack/rule.sql`.
pub const CLASS_RULE: &str = "rule";
/// Class of a pack's text in `reference`; its name is `pack/pack.toml`.
pub const CLASS_PACK: &str = "pack";
/// Mark in `alert_history` and `ticks`: the newest tick written.
const MARK_TICK: &str = "tick";
/// Marks in `alert_history`: what the row of that tick says, should we end before it is written.
const MARK_SIGNALS: &str = "table/signals";
const MARK_FINDINGS: &str = "findings";
const MARK_CHANGES: &str = "changes";

/// The detect role and what it remembers between ticks.
pub struct Detect {
    log: Arc<dyn Log>,
    clock: Arc<dyn Clock>,
    judge: Judge,
    life: Life,
}

/// What a tick did.
#[derive(Clone, Debug, Default)]
pub struct Ticked {
    pub tick: i64,
    pub findings: usize,
    pub changes: Vec<Alert>,
}

impl Detect {
    /// Opens where the log stands: alerts as they are, records as of the last tick. Whoever judged before is fenced.
    pub async fn open(log: Arc<dyn Log>, clock: Arc<dyn Clock>, pack_id: &str, mode: Mode) -> Result<Self> {
        Self::by(log, clock, pack_id, mode, None).await
    }

    /// Opens with rules that are run by `predicates`, where there are some.
    pub async fn by(
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        pack_id: &str,
        mode: Mode,
        predicates: Option<Predicates>,
    ) -> Result<Self> {
        // Before anything is read: what the one before us still writes must be seen, or not be written.
        let life = Life::begin(&*log, &*clock, &[Table::AlertHistory, Table::Ticks]).await?;
        let stood = Stood::of(&*log).await?;
        let mut judge = stood.judge(&*log, pack_id, mode).await?.by(predicates);
        // An earlier life wrote alert rows and died before it recorded their tick.
        let is_unrecorded = stood.recorded < stood.last_tick;
        if is_unrecorded {
            judge.went_by_what_was_in_force()?;
        }
        let detect = Self { judge, log, clock, life };
        if is_unrecorded {
            let of = |mark: &str| stood.written.get(mark).copied().unwrap_or(0);
            let done = Done {
                tick: stood.last_tick,
                signals: of(MARK_SIGNALS),
                findings: of(MARK_FINDINGS),
                changes: of(MARK_CHANGES),
            };
            let digest = pack_of(&detect.judge.moment.edition, pack_id)?.digest;
            detect.record(&done, &digest).await?;
        }
        Ok(detect)
    }

    /// One tick at `tick`, or at the log's clock where that is later.
    pub async fn tick(&mut self, tick: i64) -> Result<Ticked> {
        // The log's clock at that version is the tick itself: what is committed while we judge belongs to the next one.
        let signals = heartbeat(&*self.log, Table::Signals, tick.max(self.judge.last_tick + 1)).await?;
        let tick = signals.clock;
        let Judged { mut changes, findings, rules_digest, .. } = self.judge.judge(&*self.log, tick).await?;
        let done =
            Done { tick, signals: signals.version as i64, findings: findings as i64, changes: changes.len() as i64 };
        self.commit(&done, &mut changes).await?;
        self.record(&done, &rules_digest).await?;
        Ok(Ticked { tick, findings, changes })
    }

    /// The newest tick that was judged.
    pub const fn last_tick(&self) -> i64 {
        self.judge.last_tick
    }

    /// Alerts as they stand, newest revision each.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.judge.alerts.values()
    }

    async fn commit(&mut self, done: &Done, changes: &mut [Alert]) -> Result<()> {
        if changes.is_empty() {
            return Ok(());
        }
        let Done { tick, signals, findings, changes: written } = *done;
        let marks = [(MARK_TICK, tick), (MARK_SIGNALS, signals), (MARK_FINDINGS, findings), (MARK_CHANGES, written)];
        let known_at = self.append(Table::AlertHistory, rows_of(changes)?, &marks, tick).await?;
        fault::reached("detect::alerts_committed").await?;
        for alert in changes.iter_mut() {
            alert.known_at = Some(known_at);
            self.judge.remember(alert.clone());
        }
        info!(changes = written, findings, "alerts written");
        Ok(())
    }

    async fn record(&self, done: &Done, digest: &str) -> Result<()> {
        let Done { tick, signals, findings, changes } = *done;
        let time =
            |micros: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone(UTC)) };
        let columns: Vec<ArrayRef> = vec![
            time(tick),
            time(tick),
            Arc::new(Int64Array::from(vec![signals])),
            time(self.judge.moment.edition.known_at),
            Arc::new(StringArray::from(vec![digest])),
            Arc::new(Int64Array::from(vec![findings])),
            Arc::new(Int64Array::from(vec![changes])),
        ];
        let rows = RecordBatch::try_new(Table::Ticks.schema_unstamped(), columns)
            .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table ticks", error.to_string()))?;
        self.append(Table::Ticks, rows, &[(MARK_TICK, tick)], tick).await?;
        fault::reached("detect::tick_recorded").await
    }

    /// Appends once, as long as nobody has taken over; answers when it became known.
    async fn append(&self, table: Table, rows: RecordBatch, marks: &[(&str, i64)], tick: i64) -> Result<KnownAt> {
        match append_once(&*self.log, &*self.clock, table, rows, marks, tick, Some(self.life)).await? {
            Committed::Now(known_at) => Ok(known_at),
            // In our life nobody else writes here: what is newest is what we wrote.
            Committed::Already => Ok(KnownAt(self.log.head(table).await?.clock)),
            Committed::Fenced => {
                Err(Problem::new(codes::log::DETECT_FENCED, format!("table {}", table.name()), "a later life's mark"))
            }
        }
    }
}

/// How far the log was judged.
pub(super) struct Stood {
    /// Marks of the newest alert rows, and the newest tick that is recorded.
    written: BTreeMap<String, i64>,
    recorded: i64,
    pub(super) last_tick: i64,
    /// Empty before the first tick.
    pub(super) rules_digest: String,
}

impl Stood {
    pub(super) async fn of(log: &dyn Log) -> Result<Self> {
        let written = log.head(Table::AlertHistory).await?.marks;
        let recorded = log.head(Table::Ticks).await?.marks.get(MARK_TICK).copied().unwrap_or(0);
        let last_tick = written.get(MARK_TICK).copied().unwrap_or(0).max(recorded);
        Ok(Self { written, recorded, last_tick, rules_digest: last_digest(log).await? })
    }

    /// A judge that goes on from there, with the alerts as they are.
    pub(super) async fn judge(&self, log: &dyn Log, pack_id: &str, mode: Mode) -> Result<Judge> {
        let mut judge = Judge::open(log, pack_id, mode, self.last_tick, &self.rules_digest).await?;
        for batch in log.read(Table::AlertHistory, i64::MIN, i64::MAX).await? {
            alerts_of(&batch)?.into_iter().for_each(|alert| judge.remember(alert));
        }
        Ok(judge)
    }
}

/// What the row of a tick says besides the texts in force.
struct Done {
    tick: i64,
    /// Version of `signals` that was seen.
    signals: i64,
    findings: i64,
    changes: i64,
}

/// Digest of the rules that the newest recorded tick was judged by; empty before the first.
async fn last_digest(log: &dyn Log) -> Result<String> {
    let newest = log.head(Table::Ticks).await?.marks.get(MARK_TICK).copied().unwrap_or(i64::MAX);
    let rows = log.read(Table::Ticks, newest.saturating_sub(1), i64::MAX).await?;
    let digests = rows.last().and_then(|batch| batch.column_by_name("rules_digest")?.as_string_opt::<i32>());
    Ok(digests.filter(|digests| !digests.is_empty()).map_or("", |digests| digests.value(digests.len() - 1)).to_owned())
}

/// The pack in force, read from the texts of an edition. Where there is no pack at all there are no rules.
pub fn pack_of(edition: &Edition, id: &str) -> Result<Pack> {
    let packs = packs_of(edition)?;
    if packs.packs.is_empty() {
        return Ok(Pack::without_rules(id));
    }
    packs.get(id).cloned().ok_or_else(|| {
        let known: Vec<&str> = packs.packs.keys().map(String::as_str).collect();
        Problem::new(codes::rule::PACK, format!("pack {id}"), "no such pack")
            .help(format!("choose one of: {}", known.join(", ")))
    })
}

/// Every pack in force.
pub(super) fn packs_of(edition: &Edition) -> Result<Packs> {
    let mut folders: BTreeMap<&str, PackFolder> = BTreeMap::new();
    for (name, body) in edition.of(CLASS_PACK) {
        let pack = name.split_once('/').map_or(name, |(pack, _)| pack);
        let folder = PackFolder {
            name: pack.to_owned(),
            path: format!("rules/{pack}"),
            toml: body.to_owned(),
            rules: BTreeMap::new(),
        };
        folders.insert(pack, folder);
    }
    for (name, body) in edition.of(CLASS_RULE) {
        let Some((pack, rule)) = name.split_once('/') else { continue };
        if let Some(folder) = folders.get_mut(pack) {
            folder.rules.insert(rule.trim_end_matches(".sql").to_owned(), body.to_owned());
        }
    }
    let folders: Vec<PackFolder> = folders.into_values().collect();
    Packs::of_folders(&folders)
}

/// The texts of a rules folder, to be put in force.
pub fn texts_of(folders: &[PackFolder]) -> Vec<Text> {
    let mut texts = Vec::new();
    for folder in folders {
        texts.push(Text {
            class: CLASS_PACK.into(),
            name: format!("{}/pack.toml", folder.name),
            body: folder.toml.clone(),
        });
        for (rule, body) in &folder.rules {
            texts.push(Text {
                class: CLASS_RULE.into(),
                name: format!("{}/{rule}.sql", folder.name),
                body: body.clone(),
            });
        }
    }
    texts
}
