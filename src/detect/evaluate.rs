//! Rules at a tick: SQL over one moment, rows become findings.
//!
//! Promises: the same moment, rules and tick give the same findings, live and in a backtest.
//! Never: reads a clock; `now()` is the tick. A rule that breaks off keeps what it found before.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arrow::array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::execution::context::SessionContext;
use tracing::error;

use super::finding::{Finding, findings_of};
use super::pack::Pack;
use super::rule::{Rule, Scope};
use crate::cells::moment::Moment;
use crate::cells::tables::{Counted, Shown, Stage, View};
use crate::engine;
use crate::engine::functions::Now;
use crate::engine::kept::{Kept, Slot};
use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// What each rule found, by its id; kept between ticks.
pub type Standing = BTreeMap<String, Vec<Finding>>;

/// A pack's rules, planned once under one edition of the texts in force.
pub struct Plans {
    /// `known_at` of the edition, digest of the pack: what the plans have read.
    read: (i64, String),
    now: Arc<AtomicI64>,
    stage: Arc<Stage>,
    findings: Arc<Slot>,
    /// A rule that cannot be planned has none.
    plans: BTreeMap<String, Kept>,
}

impl Plans {
    /// Plans every rule of `pack` over the registers and code lists of `moment`.
    pub async fn of(moment: &Moment, pack: &Pack) -> Result<Self> {
        let now = Arc::new(AtomicI64::new(0));
        let stage = Arc::new(Stage::default());
        let context = session(moment, pack, Now::Kept(now.clone()), &stage)?;
        let findings = Slot::register(&context, "findings", findings_schema())?;
        let mut plans = BTreeMap::new();
        for rule in &pack.rules {
            match plan(&context, rule).await {
                Ok(plan) => drop(plans.insert(rule.id.clone(), plan)),
                Err(problem) => report(rule, &problem),
            }
        }
        Ok(Self { read: (moment.edition.known_at, pack.digest.clone()), now, stage, findings, plans })
    }

    /// Whether the plans have read what is in force now.
    pub fn fit(&self, moment: &Moment, pack: &Pack) -> bool {
        self.read.0 == moment.edition.known_at && self.read.1 == pack.digest
    }

    /// Evaluates every rule of `pack` in the order of their needs.
    ///
    /// `everything` forces rules of scope `dirty` too; otherwise they run only where rows came.
    pub async fn evaluate(
        &self,
        moment: &Arc<Moment>,
        pack: &Pack,
        tick: i64,
        everything: bool,
        standing: &mut Standing,
    ) -> Result<()> {
        self.now.store(tick, Ordering::Relaxed);
        self.stage.show(Some(shown(moment, pack, tick)));
        let judged = self.judge(pack, everything, standing).await;
        self.stage.show(None);
        judged
    }

    async fn judge(&self, pack: &Pack, everything: bool, standing: &mut Standing) -> Result<()> {
        for rule in &pack.rules {
            if rule.scope == Scope::Dirty && !everything && standing.contains_key(&rule.id) {
                continue;
            }
            let Some(plan) = self.plans.get(&rule.id) else { continue };
            if !rule.needs.is_empty() {
                self.findings.put(findings_table(standing)?);
            }
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

/// The days that `pack`'s rules look at, horizon and the history before it.
fn shown(moment: &Arc<Moment>, pack: &Pack, tick: i64) -> Arc<Shown> {
    let today = Day::of_micros(tick);
    let history = pack.rules.iter().map(|rule| rule.history_days).max().unwrap_or(0);
    Shown::new(moment.clone(), today.plus(-pack.alert_horizon_days - history), today, tick)
}

/// A session as a rule sees it: counted tables of the horizon and the history before it, registers, parameters, the tick.
pub fn rule_session(moment: &Arc<Moment>, pack: &Pack, tick: i64) -> Result<SessionContext> {
    let stage = Arc::new(Stage::default());
    stage.show(Some(shown(moment, pack, tick)));
    session(moment, pack, tick.into(), &stage)
}

fn session(moment: &Moment, pack: &Pack, now: Now, stage: &Arc<Stage>) -> Result<SessionContext> {
    let context = engine::session(&moment.registers, &pack.values(), now);
    for (name, view) in
        [("cells", View::Cells), ("signals", View::CurrentSignals), ("expected_reports", View::ExpectedReports)]
    {
        context
            .register_table(name, Counted::on(stage.clone(), view))
            .map_err(|error| engine::not_run(name, &error))?;
    }
    for (name, batch) in engine::reference_tables(&moment.edition)? {
        // The calendar of expected reports is shown as what it makes of each day.
        if name != "expected_reports" {
            engine::register(&context, &name, batch.schema(), vec![batch])?;
        }
    }
    let names = moment.meanings.table()?;
    engine::register(&context, "signal_names", names.schema(), vec![names])?;
    Ok(context)
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

fn findings_schema() -> SchemaRef {
    let column = |name: &str, kind: DataType| Field::new(name, kind, true);
    let text = |name: &str| column(name, DataType::Utf8);
    Arc::new(Schema::new(vec![
        text("rule"),
        text("unit_kind"),
        text("unit_id"),
        text("area_code"),
        text("facility_id"),
        text("signal"),
        text("syndrome"),
        column("window_start", DataType::Date32),
        column("window_end", DataType::Date32),
        column("observed", DataType::Float64),
        column("expected", DataType::Float64),
        column("threshold", DataType::Float64),
        column("statistic", DataType::Float64),
        text("channels"),
    ]))
}
