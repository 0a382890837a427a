//! One tick, judged: what is known by it is counted, the rules are run, and alerts are brought to agree.
//!
//! Promises: the same log and ticks give the same revisions, live and in a backtest.
//! Never: writes, or reads what became known after the tick.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::changes::{Changes, changed_rules};
use super::evaluate::{Dirty, Plans, Predicates, Standing};
use super::pack::Pack;
use super::reconcile::{Evaluation, reconcile, rule_gone};
use super::tick::pack_of;
use crate::alert::{Alert, AlertId, Mode, Series};
use crate::cells::moment::Moment;
use crate::delta::log::Log;
use crate::delta::reference::Edition;
use crate::delta::registers::CLASS_REGISTER;
use crate::fault;
use crate::problem::{Problem, Result, codes};
use crate::terms::Tick;

/// What is remembered between ticks.
pub struct Judge {
    pack_id: String,
    mode: Mode,
    /// What runs rules in place of their SQL.
    predicates: Option<Predicates>,
    pub moment: Arc<Moment>,
    /// `None` until the first tick.
    plans: Option<Plans>,
    standing: Standing,
    pub alerts: BTreeMap<AlertId, Alert>,
    /// The rules of the tick before; none before the first.
    before: Option<Arc<Pack>>,
    pub last_tick: i64,
}

/// What a tick came to.
pub struct Judged {
    pub changes: Vec<Alert>,
    pub findings: usize,
    /// Of the rules that judged.
    pub rules_digest: String,
    /// Why some of them did not.
    pub broken: Vec<Problem>,
}

impl Judge {
    /// Goes on after `last_tick`, whose rules are told by their digest; empty where there was none.
    pub async fn open(log: &dyn Log, pack_id: &str, mode: Mode, last_tick: i64, rules_digest: &str) -> Result<Self> {
        let moment = Arc::new(Moment::as_of(log, last_tick).await?);
        let before = match rules_digest {
            "" => None,
            digest => Some(pack_of(&moment.edition, pack_id)?).filter(|pack| pack.digest == digest).map(Arc::new),
        };
        let (standing, alerts) = (Standing::new(), BTreeMap::new());
        let pack_id = pack_id.to_owned();
        Ok(Self { pack_id, mode, predicates: None, moment, plans: None, standing, alerts, before, last_tick })
    }

    /// Runs rules by `predicates`, where there are some.
    #[must_use]
    pub fn by(mut self, predicates: Option<Predicates>) -> Self {
        self.predicates = predicates;
        self
    }

    /// The revisions of `tick`; they are remembered once they are told back by `remember`.
    pub async fn judge(&mut self, log: &dyn Log, tick: i64) -> Result<Judged> {
        let today_is_new = Tick(tick).day() != Tick(self.last_tick).day();
        let words = self.moment.edition.clone();
        let moment = Arc::get_mut(&mut self.moment).ok_or_else(|| busy(tick))?;
        let renewed = moment.renew(log, tick).await?;
        let groups = moment.advance(log, tick).await?;
        fault::reached("detect::counted").await?;
        let plans = match self.plans.take().filter(|plans| plans.fit(&self.moment)) {
            Some(plans) => plans,
            None => self.plan().await?,
        };
        let pack = plans.pack.clone();
        let same_rules = self.before.as_ref().is_some_and(|before| before.digest == pack.digest);
        let other_words = renewed && differs_beyond_rules(&words, &self.moment.edition);
        // Before the first tick there is nothing that a change could have withdrawn.
        let rules = if same_rules { BTreeSet::new() } else { changed_rules(self.before.as_deref(), &pack) };
        let changes = Changes::of(&self.moment, &groups, rules, other_words);
        let dirty = match renewed || today_is_new || !same_rules {
            true => Dirty::Everything,
            false => Dirty::Units(changes.units.clone()),
        };
        let broken = plans.evaluate(&self.moment, tick, &dirty, &mut self.standing).await?;
        fault::reached("detect::evaluated").await?;
        self.plans = Some(plans);
        self.standing.retain(|rule, _| pack.rules.iter().any(|known| known.id == *rule));
        let changes = self.reconcile(&pack, tick, &changes);
        let findings = self.standing.values().map(Vec::len).sum();
        let rules_digest = pack.digest.clone();
        self.before = Some(pack);
        self.last_tick = tick;
        Ok(Judged { changes, findings, rules_digest, broken })
    }

    async fn plan(&self) -> Result<Plans> {
        let pack = pack_of(&self.moment.edition, &self.pack_id)?;
        match &self.predicates {
            Some(predicates) => Ok(Plans::by(&self.moment, pack, predicates.clone())),
            None => Plans::of(&self.moment, pack).await,
        }
    }

    /// The last tick was judged by what was in force then, although nobody has recorded it.
    pub(super) fn went_by_what_was_in_force(&mut self) -> Result<()> {
        self.before = Some(Arc::new(pack_of(&self.moment.edition, &self.pack_id)?));
        Ok(())
    }

    /// Goes on with another pack.
    pub fn change_pack(&mut self, pack_id: &str) {
        self.plans = self.plans.take().filter(|_| self.pack_id == pack_id);
        pack_id.clone_into(&mut self.pack_id);
    }

    /// Takes up a revision, unless a newer one is known.
    pub fn remember(&mut self, alert: Alert) {
        match self.alerts.get(&alert.id) {
            Some(known) if known.revision >= alert.revision => {}
            Some(_) | None => {
                self.alerts.insert(alert.id.clone(), alert);
            }
        }
    }

    fn reconcile(&self, pack: &Pack, tick: i64, changed: &Changes) -> Vec<Alert> {
        let mut by_rule: BTreeMap<&str, Vec<&Alert>> = BTreeMap::new();
        for alert in self.alerts.values() {
            by_rule.entry(&alert.rule).or_default().push(alert);
        }
        let mut changes = Vec::new();
        for rule in &pack.rules {
            let evaluation = Evaluation {
                rule,
                pack: &pack.id,
                horizon_days: pack.alert_horizon_days,
                tick: Tick(tick),
                mode: self.mode,
                cause: &|series: &Series| changed.cause(&self.moment, rule, series),
            };
            let alerts = by_rule.remove(rule.id.as_str()).unwrap_or_default();
            // A rule that never came to an answer in this life says nothing, least of all that its alerts are unfounded.
            let Some(standing) = self.standing.get(&rule.id) else { continue };
            changes.extend(reconcile(&evaluation, standing, alerts));
        }
        // A rule that is no longer there supports nothing.
        for (_, alerts) in by_rule {
            changes.extend(alerts.into_iter().filter_map(|alert| rule_gone(alert, Tick(tick))));
        }
        changes.sort_by(|one, other| (&one.id, one.revision).cmp(&(&other.id, other.revision)));
        changes
    }
}

/// Whether contracts or code lists differ. Rules and numbers are compared by themselves; who exists is no rule.
fn differs_beyond_rules(one: &Edition, other: &Edition) -> bool {
    let apart = [CLASS_REGISTER, super::tick::CLASS_RULE, super::tick::CLASS_PACK];
    let texts = |edition: &Edition| -> BTreeMap<(String, String), String> {
        let kept = edition.texts.iter().filter(|((class, _), _)| !apart.contains(&class.as_str()));
        kept.map(|(name, body)| (name.clone(), body.clone())).collect()
    };
    texts(one) != texts(other)
}

fn busy(tick: i64) -> Box<Problem> {
    Problem::new(codes::sql::SQL_NOT_RUN, format!("tick {}", Tick(tick)), "the counted state is still being read")
}
