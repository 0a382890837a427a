//! The detect role: at a tick, what changed is counted again, judged, and written as alert revisions.
//!
//! Promises: a tick sees exactly the rows known by it; its alert rows are there once, whatever crashed; the tick itself
//! is recorded after them, so that a backtest over the recorded ticks gives the same history.
//! Never: moves a tick back.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use tracing::info;

use super::alert_rows::{alerts_of, rows_of};
use super::evaluate::{Judges, Standing};
use super::folder::PackFolder;
use super::pack::{Pack, Packs};
use super::reconcile::{Cause, Evaluation, reconcile};
use crate::alert::{Alert, AlertId, Mode};
use crate::cells::moment::Moment;
use crate::clock::Clock;
use crate::delta::commit::{append_once, heartbeat};
use crate::delta::log::Log;
use crate::delta::reference::{Edition, Text};
use crate::delta::registers::CLASS_REGISTER;
use crate::delta::tables::{Table, UTC};
use crate::problem::{Problem, Result, codes};
use crate::terms::Tick;

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
    pack_id: String,
    mode: Mode,
    moment: Arc<Moment>,
    standing: Standing,
    /// `None` until the first tick.
    judges: Option<Judges>,
    alerts: BTreeMap<AlertId, Alert>,
    rules_digest: String,
    last_tick: i64,
}

/// What a tick did.
#[derive(Clone, Debug, Default)]
pub struct Ticked {
    pub tick: i64,
    pub findings: usize,
    pub changes: Vec<Alert>,
}

impl Detect {
    /// Opens where the log stands: alerts as they are, records as of the last tick.
    pub async fn open(log: Arc<dyn Log>, clock: Arc<dyn Clock>, pack_id: &str, mode: Mode) -> Result<Self> {
        let mut alerts = BTreeMap::new();
        for batch in log.read(Table::AlertHistory, i64::MIN, i64::MAX).await? {
            for alert in alerts_of(&batch)? {
                remember(&mut alerts, alert);
            }
        }
        let last_tick = log.head(Table::AlertHistory).await?.marks.get(MARK_TICK).copied().unwrap_or(0);
        let rules_digest = last_digest(&*log).await?;
        let mut detect = Self {
            moment: Arc::new(Moment::as_of(&*log, last_tick).await?),
            log,
            clock,
            pack_id: pack_id.to_owned(),
            mode,
            standing: Standing::new(),
            judges: None,
            alerts,
            rules_digest,
            last_tick,
        };
        detect.record_interrupted_tick().await?;
        Ok(detect)
    }

    /// One tick at `tick`, or at the log's clock where that is later.
    pub async fn tick(&mut self, tick: i64) -> Result<Ticked> {
        // The log's clock at that version is the tick itself: what is committed while we judge belongs to the next one.
        let signals = heartbeat(&*self.log, Table::Signals, tick.max(self.last_tick + 1)).await?;
        let tick = signals.clock;
        let today_is_new = Tick(tick).day() != Tick(self.last_tick).day();
        let before = self.moment.edition.clone();
        let moment = Arc::get_mut(&mut self.moment).ok_or_else(|| busy(tick))?;
        let renewed = moment.renew(&*self.log, tick).await?;
        let changed = moment.advance(&*self.log, tick).await?;
        let pack = pack_of(&self.moment.edition, &self.pack_id)?;
        let rules_changed = pack.digest != self.rules_digest && !self.rules_digest.is_empty();
        let everything = renewed || !changed.is_empty() || today_is_new || pack.digest != self.rules_digest;
        let judges = match self.judges.take().filter(|judges| judges.fit(&self.moment, &pack)) {
            Some(judges) => judges,
            None => Judges::of(&self.moment, &pack).await?,
        };
        judges.evaluate(&self.moment, &pack, tick, everything, &mut self.standing).await?;
        self.judges = Some(judges);
        self.standing.retain(|rule, _| pack.rules.iter().any(|known| known.id == *rule));
        let other_words = renewed && differs_beyond_registers(&before, &self.moment.edition);
        let cause = match (rules_changed || (other_words && changed.is_empty()), changed.is_empty()) {
            (true, _) => Cause::Rules,
            (false, false) => Cause::Data,
            (false, true) => Cause::Neither,
        };
        let mut changes = self.reconcile(&pack, tick, cause);
        let findings = self.standing.values().map(Vec::len).sum();
        let done =
            Done { tick, signals: signals.version as i64, findings: findings as i64, changes: changes.len() as i64 };
        self.commit(&done, &pack, &mut changes).await?;
        self.rules_digest = pack.digest.clone();
        self.last_tick = tick;
        Ok(Ticked { tick, findings, changes })
    }

    /// Alerts as they stand, newest revision each.
    pub fn alerts(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values()
    }

    fn reconcile(&self, pack: &Pack, tick: i64, cause: Cause) -> Vec<Alert> {
        let mut by_rule: BTreeMap<&str, Vec<Alert>> = BTreeMap::new();
        for alert in self.alerts.values() {
            by_rule.entry(&alert.rule).or_default().push(alert.clone());
        }
        let evaluation = |rule| Evaluation {
            rule,
            pack: &pack.id,
            horizon_days: pack.alert_horizon_days,
            tick: Tick(tick),
            mode: self.mode,
            cause,
        };
        let mut changes = Vec::new();
        for rule in &pack.rules {
            let alerts = by_rule.remove(rule.id.as_str()).unwrap_or_default();
            // A rule that never came to an answer in this life says nothing, least of all that its alerts are unfounded.
            let Some(standing) = self.standing.get(&rule.id) else { continue };
            changes.extend(reconcile(&evaluation(rule), standing, &alerts));
        }
        // A rule that is no longer there supports nothing.
        for (_, alerts) in by_rule {
            changes.extend(alerts.iter().filter_map(|alert| super::reconcile::rule_gone(alert, Tick(tick))));
        }
        changes.sort_by(|one, other| (&one.id, one.revision).cmp(&(&other.id, other.revision)));
        changes
    }

    async fn commit(&mut self, done: &Done, pack: &Pack, changes: &mut [Alert]) -> Result<()> {
        if !changes.is_empty() {
            let rows = rows_of(changes)?;
            let Done { tick, signals, findings, changes: written } = *done;
            let marks =
                [(MARK_TICK, tick), (MARK_SIGNALS, signals), (MARK_FINDINGS, findings), (MARK_CHANGES, written)];
            append_once(&*self.log, &*self.clock, Table::AlertHistory, rows, &marks, tick).await?;
            let known_at = self.log.head(Table::AlertHistory).await?.clock;
            for alert in changes.iter_mut() {
                alert.known_at = Some(crate::terms::KnownAt(known_at));
                remember(&mut self.alerts, alert.clone());
            }
            info!(changes = written, findings, "alerts written");
        }
        self.record(done, &pack.digest).await
    }

    async fn record(&self, done: &Done, digest: &str) -> Result<()> {
        let Done { tick, signals, findings, changes } = *done;
        let time =
            |micros: i64| -> ArrayRef { Arc::new(TimestampMicrosecondArray::from(vec![micros]).with_timezone(UTC)) };
        let columns: Vec<ArrayRef> = vec![
            time(tick),
            time(tick),
            Arc::new(Int64Array::from(vec![signals])),
            time(self.moment.edition.known_at),
            Arc::new(StringArray::from(vec![digest])),
            Arc::new(Int64Array::from(vec![findings])),
            Arc::new(Int64Array::from(vec![changes])),
        ];
        let rows = RecordBatch::try_new(Table::Ticks.schema_unstamped(), columns)
            .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table ticks", error.to_string()))?;
        append_once(&*self.log, &*self.clock, Table::Ticks, rows, &[(MARK_TICK, tick)], tick).await?;
        Ok(())
    }

    /// An earlier life wrote alert rows and died before it recorded their tick.
    async fn record_interrupted_tick(&mut self) -> Result<()> {
        let recorded = self.log.head(Table::Ticks).await?.marks.get(MARK_TICK).copied().unwrap_or(0);
        if recorded < self.last_tick {
            let digest = pack_of(&self.moment.edition, &self.pack_id)?.digest;
            let marks = self.log.head(Table::AlertHistory).await?.marks;
            let of = |mark: &str| marks.get(mark).copied().unwrap_or(0);
            let done = Done {
                tick: self.last_tick,
                signals: of(MARK_SIGNALS),
                findings: of(MARK_FINDINGS),
                changes: of(MARK_CHANGES),
            };
            self.record(&done, &digest).await?;
        }
        self.last_tick = self.last_tick.max(recorded);
        Ok(())
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

/// Whether contracts, code lists, packs or rules differ; who exists and who must report is no rule.
fn differs_beyond_registers(one: &Edition, other: &Edition) -> bool {
    let texts = |edition: &Edition| -> BTreeMap<(String, String), String> {
        let kept = edition.texts.iter().filter(|((class, _), _)| class != CLASS_REGISTER);
        kept.map(|(name, body)| (name.clone(), body.clone())).collect()
    };
    texts(one) != texts(other)
}

fn remember(alerts: &mut BTreeMap<AlertId, Alert>, alert: Alert) {
    match alerts.get(&alert.id) {
        Some(known) if known.revision >= alert.revision => {}
        Some(_) | None => {
            alerts.insert(alert.id.clone(), alert);
        }
    }
}

/// The pack in force, read from the texts of an edition. Where there is no pack at all there are no rules.
pub fn pack_of(edition: &Edition, id: &str) -> Result<Pack> {
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
    let packs = Packs::of_folders(&folders)?;
    if packs.packs.is_empty() {
        return Ok(Pack::without_rules(id));
    }
    packs.get(id).cloned().ok_or_else(|| {
        let known: Vec<&str> = packs.packs.keys().map(String::as_str).collect();
        Problem::new(codes::rule::PACK, format!("pack {id}"), "no such pack")
            .help(format!("choose one of: {}", known.join(", ")))
    })
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

fn busy(tick: i64) -> Box<Problem> {
    Problem::new(codes::sql::SQL_NOT_RUN, format!("tick {}", Tick(tick)), "the counted state is still being read")
}
