//! Rules at a tick: SQL over one moment, rows become findings.
//!
//! Promises: the same moment, rules and tick give the same findings, live and in a backtest.
//! Never: reads a clock; `now()` is the tick. A rule that breaks off keeps what it found before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use datafusion::execution::context::SessionContext;
use tracing::error;

use super::finding::{Finding, findings_of};
use super::pack::Pack;
use super::rule::{Rule, Scope};
use crate::cells::moment::Moment;
use crate::cells::session::{findings_schema, rule_session};
use crate::cells::tables::{Shown, Stage};
use crate::engine;
use crate::engine::functions::Now;
use crate::engine::kept::{Kept, Slot};
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// What each rule found, by its id; kept between ticks.
pub type Standing = BTreeMap<String, Vec<Finding>>;

/// A pack's rules, planned once under one edition of the texts in force.
pub struct Plans {
    /// `known_at` of the edition that the plans have read.
    read: i64,
    pub pack: Arc<Pack>,
    now: Arc<AtomicI64>,
    stage: Arc<Stage>,
    findings: Arc<Slot>,
    /// A rule that cannot be planned has none.
    plans: BTreeMap<String, Kept>,
}

impl Plans {
    /// Plans every rule of `pack`, which is of the edition of `moment`, over its registers and code lists.
    pub async fn of(moment: &Moment, pack: Pack) -> Result<Self> {
        let now = Arc::new(AtomicI64::new(0));
        let stage = Arc::new(Stage::default());
        let context = rule_session(moment, &pack.values(), Now::Kept(now.clone()), &stage)?;
        let findings = Slot::register(&context, "findings", findings_schema())?;
        let mut plans = BTreeMap::new();
        for rule in &pack.rules {
            match plan(&context, rule).await {
                Ok(plan) => drop(plans.insert(rule.id.clone(), plan)),
                Err(problem) => report(rule, &problem),
            }
        }
        Ok(Self { read: moment.edition.known_at, pack: Arc::new(pack), now, stage, findings, plans })
    }

    /// Whether the plans have read the texts in force.
    pub fn fit(&self, moment: &Moment) -> bool {
        self.read == moment.edition.known_at
    }

    /// Evaluates every rule of the pack in the order of their needs.
    ///
    /// `everything` forces rules of scope `dirty` too; otherwise they run only where rows came.
    pub async fn evaluate(
        &self,
        moment: &Arc<Moment>,
        tick: i64,
        everything: bool,
        standing: &mut Standing,
    ) -> Result<()> {
        self.now.store(tick, Ordering::Relaxed);
        let (horizon, history) = (self.pack.alert_horizon_days, self.pack.history_days());
        self.stage.show(Some(Shown::to_rules(moment.clone(), horizon, history, tick)));
        let judged = self.judge(everything, standing).await;
        self.stage.show(None);
        judged
    }

    async fn judge(&self, everything: bool, standing: &mut Standing) -> Result<()> {
        for rule in &self.pack.rules {
            if rule.scope == Scope::Dirty && !everything && standing.contains_key(&rule.id) {
                continue;
            }
            let Some(plan) = self.plans.get(&rule.id) else { continue };
            self.findings.put(findings_table(standing)?);
            match run(plan, rule).await {
                Ok(findings) => drop(standing.insert(rule.id.clone(), findings)),
                Err(problem) => report(rule, &problem),
            }
        }
        Ok(())
    }
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

async fn run(plan: &Kept, rule: &Rule) -> Result<Vec<Finding>> {
    let batches = plan
        .run()
        .await
        .map_err(|error| Problem::new(codes::sql::RULE_NOT_RUN, rule.file.clone(), error.strip_backtrace()))?;
    let mut findings = Vec::new();
    for batch in &batches {
        findings.extend(findings_of(batch, rule)?);
    }
    findings.retain(|finding| rule.is_valid_on(finding.window_end));
    // The engine promises no order; ours is by content, so that a rerun gives the same alert.
    findings.sort_by(|one, other| {
        (&one.series, one.window_end, one.window_start).cmp(&(&other.series, other.window_end, other.window_start))
    });
    Ok(findings)
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
