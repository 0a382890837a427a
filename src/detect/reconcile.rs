//! Findings against alerts: which begin, go on, end, and which the data no longer support.
//!
//! Promises: every run of firing windows has exactly one alert that stands for it, and every other alert says why it
//! does not; the order of findings and alerts changes nothing, and a second call changes nothing more.
//! A revision is written only when something that people see has changed.
//! Never: withdraws what lies beyond the horizon, re-opens what people excluded, or writes `response`.

use std::collections::BTreeMap;

use crate::alert::{Alert, AlertId, Mode, Reason, Response, Series, State};
use crate::detect::finding::Finding;
use crate::detect::rule::Rule;
use crate::detect::runs::{Run, runs_of};
use crate::terms::{Day, MICROS_PER_SECOND, Tick};

/// Why the findings about one series may differ from those of the last tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// Rows came about its unit: reports, corrections, retractions.
    Data,
    /// The rule, a number it asks for or a code list changed.
    Rules,
    /// Neither: time passed, a register changed, or rows came about others.
    Neither,
}

impl Cause {
    const fn reason(self) -> Reason {
        match self {
            Self::Data => Reason::Corrected,
            Self::Rules => Reason::RuleChanged,
            Self::Neither => Reason::Unsupported,
        }
    }
}

/// One rule at one tick.
#[derive(Clone, Copy)]
pub struct Evaluation<'a> {
    pub rule: &'a Rule,
    /// The edition in force, which may have inherited the rule.
    pub pack: &'a str,
    pub horizon_days: i32,
    pub tick: Tick,
    pub mode: Mode,
    pub cause: &'a dyn Fn(&Series) -> Cause,
}

impl Evaluation<'_> {
    fn today(&self) -> Day {
        self.tick.day()
    }

    /// The first day on which a window that ends is judged.
    fn horizon(&self) -> Day {
        self.today().plus(-self.horizon_days)
    }

    /// Whether a run that last fired on `end` may go on tomorrow.
    fn is_going_on(&self, end: Day) -> bool {
        self.today().0 - end.0 <= self.rule.gap_days
    }

    fn verify_due(&self) -> Tick {
        Tick(self.tick.0 + self.rule.verify_hours * 3_600 * MICROS_PER_SECOND)
    }
}

/// The revisions that make `alerts` agree with `standing`.
///
/// `standing` is every finding of the rule that holds at this tick in the evaluated scope; `alerts` is the newest revision
/// of every alert of the rule in that scope, ended and withdrawn ones too. Time alone ends alerts, so those that are open
/// belong to the scope whenever a day has begun.
pub fn reconcile<'a>(
    evaluation: &Evaluation<'_>,
    standing: &'a [Finding],
    alerts: impl IntoIterator<Item = &'a Alert>,
) -> Vec<Alert> {
    let mut by_series: BTreeMap<&Series, (Vec<&Finding>, Vec<&Alert>)> = BTreeMap::new();
    for finding in standing {
        by_series.entry(&finding.series).or_default().0.push(finding);
    }
    for alert in alerts {
        by_series.entry(&alert.series).or_default().1.push(alert);
    }
    let rule = evaluation.rule;
    by_series
        .into_values()
        .flat_map(|(findings, alerts)| {
            let runs = runs_of(findings, rule.gap_days, evaluation.horizon(), rule.severity);
            reconcile_series(evaluation, &runs, &alerts)
        })
        .collect()
}

/// The withdrawal of an alert whose rule is no longer in force, unless it is over already.
pub fn rule_gone(alert: &Alert, tick: Tick) -> Option<Alert> {
    (alert.state == State::Open).then(|| Alert {
        revision: alert.revision + 1,
        state: State::Withdrawn,
        reason: Some(Reason::RuleChanged),
        tick,
        known_at: None,
        ..alert.clone()
    })
}

fn reconcile_series(evaluation: &Evaluation<'_>, runs: &[Run<'_>], alerts: &[&Alert]) -> Vec<Alert> {
    let mut live: Vec<&Alert> = alerts.iter().copied().filter(|alert| alert.state != State::Withdrawn).collect();
    // The older keeps a run that several claim; what people excluded never swallows what stands.
    live.sort_by_key(|alert| (alert.response == Response::Excluded, alert.opened_at, alert.first_onset, &alert.id));
    let mut owners: Vec<Option<&Alert>> = vec![None; runs.len()];
    let mut changes = Vec::new();
    for alert in live {
        let claims = claims(alert, runs);
        match (claims.iter().find(|run| owners[**run].is_none()), claims.first().and_then(|run| owners[*run])) {
            (Some(run), _) => {
                owners[*run] = Some(alert);
                changes.push(continued(evaluation, alert, &runs[*run]));
            }
            (None, Some(keeper)) => {
                changes.push(withdrawn(evaluation, alert, Reason::MergedInto(keeper.id.clone())));
            }
            (None, None) => changes.extend(without_run(evaluation, alert)),
        }
    }
    for (run, _) in runs.iter().zip(&owners).filter(|(_, owner)| owner.is_none()) {
        changes.extend(begun(evaluation, run, alerts));
    }
    let old: BTreeMap<&AlertId, &&Alert> = alerts.iter().map(|alert| (&alert.id, alert)).collect();
    changes.retain(|change| old.get(&change.id).is_none_or(|alert| !alert.reads_like(change)));
    changes
}

/// The runs that the alert overlaps, the one it would keep first: that with the day of its first opening, else the earlier.
fn claims(alert: &Alert, runs: &[Run<'_>]) -> Vec<usize> {
    let overlapped = |run: &usize| runs[*run].overlaps(alert.onset, alert.window_end);
    let mut claims: Vec<usize> = (0..runs.len()).filter(overlapped).collect();
    claims.sort_by_key(|run| (!runs[*run].overlaps(alert.first_onset, alert.first_onset), *run));
    claims
}

/// The alert that goes on standing for its run.
fn continued(evaluation: &Evaluation<'_>, alert: &Alert, run: &Run<'_>) -> Alert {
    // A first window that has left the horizon still was the first.
    let onset = if alert.onset < evaluation.horizon() { alert.onset.min(run.onset) } else { run.onset };
    Alert { onset, state: next_state(evaluation, alert, run.end()), ..shown(evaluation, alert, run) }
}

fn next_state(evaluation: &Evaluation<'_>, alert: &Alert, end: Day) -> State {
    match (alert.state, evaluation.is_going_on(end)) {
        (State::Ended, true) if alert.response == Response::Excluded => State::Ended,
        (State::Open | State::Ended | State::Withdrawn, true) => State::Open,
        // A run found late is over when it is found. It is shown open until the next tick, so that everybody hears of it.
        (State::Open, false) if alert.tick == evaluation.tick => State::Open,
        (State::Open | State::Ended | State::Withdrawn, false) => State::Ended,
    }
}

/// An alert none of whose windows fires any more.
fn without_run(evaluation: &Evaluation<'_>, alert: &Alert) -> Option<Alert> {
    if alert.onset >= evaluation.horizon() {
        return Some(withdrawn(evaluation, alert, (evaluation.cause)(&alert.series).reason()));
    }
    // Some of its windows can no longer be judged: nobody can say that the data do not support it.
    (alert.state == State::Open).then(|| Alert { state: State::Ended, ..next_revision(evaluation, alert) })
}

fn withdrawn(evaluation: &Evaluation<'_>, alert: &Alert, reason: Reason) -> Alert {
    Alert { state: State::Withdrawn, reason: Some(reason), ..next_revision(evaluation, alert) }
}

/// The alert of a run that no standing alert claims: the withdrawn one that began on the same day, or a new one.
fn begun(evaluation: &Evaluation<'_>, run: &Run<'_>, alerts: &[&Alert]) -> Option<Alert> {
    let same_day: Vec<&Alert> = alerts.iter().copied().filter(|alert| alert.first_onset == run.onset).collect();
    let earlier = same_day.iter().copied().filter(|alert| alert.state == State::Withdrawn);
    match earlier.max_by_key(|alert| (alert.opened_at, &alert.id)) {
        Some(alert) if alert.response == Response::Excluded => None,
        Some(alert) => Some(Alert {
            state: State::Open,
            reason: None,
            onset: run.onset,
            verify_due: evaluation.verify_due(),
            ..shown(evaluation, alert, run)
        }),
        None => Some(opened(evaluation, run, same_day.len())),
    }
}

/// The next revision, with the numbers of the run's latest window.
fn shown(evaluation: &Evaluation<'_>, alert: &Alert, run: &Run<'_>) -> Alert {
    let fresh = opened(evaluation, run, 0);
    Alert {
        id: alert.id.clone(),
        revision: alert.revision + 1,
        state: alert.state,
        response: alert.response,
        reason: alert.reason.clone(),
        first_onset: alert.first_onset,
        onset: alert.onset,
        opened_at: alert.opened_at,
        verify_due: alert.verify_due,
        ..fresh
    }
}

fn next_revision(evaluation: &Evaluation<'_>, alert: &Alert) -> Alert {
    Alert { revision: alert.revision + 1, tick: evaluation.tick, known_at: None, ..alert.clone() }
}

fn opened(evaluation: &Evaluation<'_>, run: &Run<'_>, earlier: usize) -> Alert {
    let (rule, finding) = (evaluation.rule, run.latest);
    // No unit below the county: this text goes to everybody.
    let area = &finding.series.area_code;
    Alert {
        id: AlertId::new(&rule.id, &finding.series, run.onset, earlier),
        revision: 1,
        rule: rule.id.clone(),
        rule_kind: rule.kind,
        pack: evaluation.pack.to_owned(),
        severity: finding.severity.unwrap_or(rule.severity),
        state: State::Open,
        response: Response::None,
        reason: None,
        mode: evaluation.mode,
        series: finding.series.clone(),
        syndrome: finding.syndrome.clone(),
        facility_id: finding.facility_id.clone(),
        first_onset: run.onset,
        onset: run.onset,
        window_start: finding.window_start,
        window_end: finding.window_end,
        observed: finding.observed,
        expected: finding.expected,
        threshold: finding.threshold,
        statistic: finding.statistic,
        channels: finding.channels.clone(),
        title_zh: format!("{}（{area}）", rule.zh),
        title_en: format!("{} ({area})", rule.en),
        opened_at: evaluation.tick,
        verify_due: evaluation.verify_due(),
        tick: evaluation.tick,
        known_at: None,
    }
}

#[cfg(test)]
#[path = "reconcile_tests.rs"]
mod tests;
