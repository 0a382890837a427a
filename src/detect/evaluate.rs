//! Rules at a tick: SQL over one moment, rows become findings.
//!
//! Promises: the same moment, rules and tick give the same findings, live and in a backtest.
//! Never: reads a clock; `now()` is the tick. A rule that breaks off keeps what it found before.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use datafusion::execution::context::SessionContext;
use tracing::error;

use super::finding::{Finding, findings_of};
use super::pack::Pack;
use super::rule::{Rule, Scope};
use crate::cells::count::Units;
use crate::cells::moment::Moment;
use crate::cells::session::{findings_schema, rule_session};
use crate::cells::tables::{Shown, Stage};
use crate::cells::views::Views;
use crate::engine;
use crate::engine::functions::Now;
use crate::engine::kept::{Kept, Slot};
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// The table of what the rules before found; only a rule whose text names it can read it.
const FINDINGS: &str = "findings";

/// What each rule found, by its id; kept between ticks.
pub type Standing = BTreeMap<String, Vec<Finding>>;

/// What rules of scope `dirty` judge at a tick.
pub enum Dirty {
    Everything,
    /// Units about which rows came: what was found about others stands.
    Units(Arc<Units>),
}

/// What a rule finds in what is shown, without SQL: the seeded world runs ten thousand months, and planning is slow.
pub type Predicates = Arc<dyn Fn(&Rule, &Shown) -> Vec<Finding> + Send + Sync>;

/// A pack's rules, planned once under one edition of the texts in force.
pub struct Plans {
    /// `known_at` of the edition that the plans have read.
    read: i64,
    pub pack: Arc<Pack>,
    how: How,
}

/// How rules are run.
enum How {
    Sql(Box<Sql>),
    Predicates(Predicates),
}

/// Rules as SQL, planned over one stage.
struct Sql {
    now: Arc<AtomicI64>,
    stage: Arc<Stage>,
    findings: Arc<Slot>,
    /// A rule that cannot be planned has none.
    plans: BTreeMap<String, Kept>,
    unplanned: Vec<Problem>,
    /// The area of units that know none.
    home: Option<String>,
}

impl Plans {
    /// Plans every rule of `pack`, which is of the edition of `moment`, over its registers and code lists.
    pub async fn of(moment: &Moment, pack: Pack) -> Result<Self> {
        let how = How::Sql(Box::new(Sql::of(moment, &pack).await?));
        Ok(Self { read: moment.edition.known_at, pack: Arc::new(pack), how })
    }

    /// The same pack, its rules run by `predicates`.
    pub fn by(moment: &Moment, pack: Pack, predicates: Predicates) -> Self {
        Self { read: moment.edition.known_at, pack: Arc::new(pack), how: How::Predicates(predicates) }
    }

    /// Whether the plans have read the texts in force.
    pub fn fit(&self, moment: &Moment) -> bool {
        self.read == moment.edition.known_at
    }

    /// Evaluates every rule of the pack in the order of their needs; answers what kept some of them from it.
    ///
    /// A rule of scope `all`, and one that has found nothing yet, judges everything whatever `dirty` says.
    pub async fn evaluate(
        &self,
        moment: &Arc<Moment>,
        tick: i64,
        dirty: &Dirty,
        standing: &mut Standing,
    ) -> Result<Vec<Problem>> {
        let units = match dirty {
            Dirty::Units(units) => Some(units.clone()),
            Dirty::Everything => None,
        };
        let histories = self.pack.rules.iter().map(|rule| rule.history_days);
        let views = Views::new(moment.clone(), self.pack.alert_horizon_days, histories, tick, units);
        if let How::Sql(sql) = &self.how {
            sql.now.store(tick, Relaxed);
        }
        let judged = self.judge(views, dirty, standing).await;
        if let How::Sql(sql) = &self.how {
            sql.stage.show(None);
        }
        judged
    }

    async fn judge(&self, mut views: Views, dirty: &Dirty, standing: &mut Standing) -> Result<Vec<Problem>> {
        let mut broken = match &self.how {
            How::Sql(sql) => sql.unplanned.clone(),
            How::Predicates(_) => Vec::new(),
        };
        for rule in &self.pack.rules {
            let narrow = match dirty {
                Dirty::Units(units) if rule.scope == Scope::Dirty && standing.contains_key(&rule.id) => Some(units),
                Dirty::Units(_) | Dirty::Everything => None,
            };
            if narrow.is_some_and(|units| units.is_empty()) {
                continue;
            }
            let shown = views.of(rule.history_days, narrow.is_some());
            let found = match &self.how {
                How::Sql(sql) => sql.run(rule, shown, standing).await,
                How::Predicates(predicates) => Ok(Some(predicates(rule, &shown))),
            };
            match found {
                Ok(Some(mut findings)) => {
                    findings.retain(|finding| rule.is_valid_on(finding.window_end));
                    take_up(standing.entry(rule.id.clone()).or_default(), findings, narrow.map(|u| &**u));
                }
                Ok(None) => {}
                Err(problem) => {
                    report(rule, &problem);
                    broken.push(*problem);
                }
            }
        }
        Ok(broken)
    }
}

impl Sql {
    async fn of(moment: &Moment, pack: &Pack) -> Result<Self> {
        let now = Arc::new(AtomicI64::new(0));
        let stage = Arc::new(Stage::default());
        let context = rule_session(moment, &pack.values(), Now::Kept(now.clone()), &stage)?;
        let findings = Slot::register(&context, FINDINGS, findings_schema())?;
        let (mut plans, mut unplanned) = (BTreeMap::new(), Vec::new());
        for rule in &pack.rules {
            match plan(&context, rule).await {
                Ok(plan) => drop(plans.insert(rule.id.clone(), plan)),
                Err(problem) => {
                    report(rule, &problem);
                    unplanned.push(*problem);
                }
            }
        }
        let home = moment.registers.home().map(str::to_owned);
        Ok(Self { now, stage, findings, plans, unplanned, home })
    }

    /// What one rule finds in what is shown; nothing where it has no plan.
    async fn run(&self, rule: &Rule, shown: Arc<Shown>, standing: &Standing) -> Result<Option<Vec<Finding>>> {
        let Some(plan) = self.plans.get(&rule.id) else { return Ok(None) };
        self.stage.show(Some(shown));
        if rule.sql.to_ascii_lowercase().contains(FINDINGS) {
            self.findings.put(findings_table(standing)?);
        }
        let batches = plan
            .run()
            .await
            .map_err(|error| Problem::new(codes::sql::RULE_NOT_RUN, rule.file.clone(), error.strip_backtrace()))?;
        let mut findings = Vec::new();
        for batch in &batches {
            findings.extend(findings_of(batch, rule, self.home.as_deref())?);
        }
        Ok(Some(findings))
    }
}

/// Puts what was found about `units` in the place of what was found about them before.
fn take_up(standing: &mut Vec<Finding>, found: Vec<Finding>, units: Option<&Units>) {
    let is_judged = |finding: &Finding| {
        units.is_none_or(|units| units.contains(&finding.series.unit_kind, &finding.series.unit_id))
    };
    standing.retain(|finding| !is_judged(finding));
    // Of a unit that is only part of another's rows not everything was shown.
    standing.extend(found.into_iter().filter(is_judged));
    standing.sort_by(by_content);
}

/// The engine promises no order; ours is by content, so that a rerun gives the same alert.
fn by_content(one: &Finding, other: &Finding) -> Ordering {
    (&one.series, one.window_end, one.window_start).cmp(&(&other.series, other.window_end, other.window_start))
}

fn report(rule: &Rule, problem: &Problem) {
    error!(rule = rule.id, at = problem.at, found = problem.found, "{}", problem.code.en);
}

async fn plan(context: &SessionContext, rule: &Rule) -> Result<Kept> {
    let planned = async {
        let frame = engine::plan(context, &rule.file, &rule.sql).await?;
        Kept::of(context, &rule.file, frame).await
    };
    planned.await.map_err(|problem| Problem::new(codes::sql::RULE_NOT_RUN, problem.at.clone(), problem.found.clone()))
}

/// Table `findings`: what the rules before found.
fn findings_table(standing: &Standing) -> Result<RecordBatch> {
    let rows: Vec<(&String, &Finding)> =
        standing.iter().flat_map(|(rule, findings)| findings.iter().map(move |finding| (rule, finding))).collect();
    let text = |of: &dyn Fn(&(&String, &Finding)) -> Option<String>| -> ArrayRef {
        Arc::new(rows.iter().map(of).collect::<StringArray>())
    };
    let float = |of: fn(&Finding) -> Option<f64>| -> ArrayRef {
        Arc::new(rows.iter().map(|(_, finding)| of(finding)).collect::<Float64Array>())
    };
    let day = |of: fn(&Finding) -> Day| -> ArrayRef {
        Arc::new(Date32Array::from_iter_values(rows.iter().map(|(_, finding)| of(finding).0)))
    };
    let columns: Vec<ArrayRef> = vec![
        text(&|(rule, _)| Some((*rule).clone())),
        text(&|(_, finding)| Some(finding.series.unit_kind.clone())),
        text(&|(_, finding)| Some(finding.series.unit_id.clone())),
        text(&|(_, finding)| Some(finding.series.area_code.clone())),
        text(&|(_, finding)| finding.facility_id.clone()),
        text(&|(_, finding)| Some(finding.series.signal.clone())),
        text(&|(_, finding)| finding.syndrome.clone()),
        day(|finding| finding.window_start),
        day(|finding| finding.window_end),
        float(|finding| Some(finding.observed)),
        float(|finding| finding.expected),
        float(|finding| Some(finding.threshold)),
        float(|finding| finding.statistic),
        text(&|(_, finding)| finding.channels.clone()),
    ];
    RecordBatch::try_new(findings_schema(), columns)
        .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table findings", error.to_string()))
}
