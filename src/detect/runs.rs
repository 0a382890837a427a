//! Firing windows that follow each other are one run: what an alert stands for.
//!
//! Promises: the same findings give the same runs in any order; no window counts twice. Never: looks at alerts.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::detect::finding::Finding;
use crate::terms::{Day, Severity};

/// Firing windows of one series, whose ends lie at most the rule's `gap_days` apart.
#[derive(Clone, Copy, Debug)]
pub struct Run<'a> {
    /// The last day of the first firing window.
    pub onset: Day,
    /// The latest firing window, whose numbers the alert shows.
    pub latest: &'a Finding,
}

impl Run<'_> {
    pub const fn end(&self) -> Day {
        self.latest.window_end
    }

    /// Whether a day from `first` to `last` lies in the run.
    pub fn overlaps(&self, first: Day, last: Day) -> bool {
        self.onset <= last && first <= self.end()
    }
}

/// The runs of one series, in order of time. Windows that end before `horizon` are not judged.
pub fn runs_of<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    gap_days: i32,
    horizon: Day,
    rule_severity: Severity,
) -> Vec<Run<'a>> {
    let mut by_end: BTreeMap<Day, &Finding> = BTreeMap::new();
    for finding in findings.into_iter().filter(|finding| finding.window_end >= horizon) {
        let shown = by_end.entry(finding.window_end).or_insert(finding);
        if by_strength(finding, shown, rule_severity) == Ordering::Less {
            *shown = finding;
        }
    }
    let mut runs: Vec<Run<'_>> = Vec::new();
    for (end, finding) in by_end {
        match runs.last_mut() {
            Some(run) if end.0 - run.end().0 <= gap_days => run.latest = finding,
            _ => runs.push(Run { onset: end, latest: finding }),
        }
    }
    runs
}

/// Of two windows with the same end the more severe is shown, then the greater; the rest only makes the choice certain.
fn by_strength(one: &Finding, other: &Finding, rule_severity: Severity) -> Ordering {
    let severity = |finding: &Finding| finding.severity.unwrap_or(rule_severity);
    let number = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => other.total_cmp(&one),
        (one, other) => other.is_some().cmp(&one.is_some()),
    };
    severity(one)
        .cmp(&severity(other))
        .then_with(|| other.observed.total_cmp(&one.observed))
        .then_with(|| number(one.statistic, other.statistic))
        .then_with(|| one.window_start.cmp(&other.window_start))
        .then_with(|| one.threshold.total_cmp(&other.threshold))
        .then_with(|| number(one.expected, other.expected))
        .then_with(|| one.channels.cmp(&other.channels))
        .then_with(|| one.syndrome.cmp(&other.syndrome))
        .then_with(|| one.facility_id.cmp(&other.facility_id))
        .then_with(|| one.severity.cmp(&other.severity))
}
