//! The life of alerts: runs of firing windows, opened, ended, withdrawn, tick by tick.
//!
//! Promises: an alert's identity is its rule, unit, county, signal, onset at opening and a number, as published.

use std::collections::{BTreeMap, BTreeSet};

use super::calendar::{day_text, hours, local_day};
use super::registers::Registers;
use super::rules::Finding;

/// What a rule watches: one series can have one alert open at a time per run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Series {
    pub rule: String,
    pub unit_kind: String,
    pub unit_id: String,
    pub area_code: String,
    pub signal: String,
}

/// Firing windows whose ends are close enough to be one thing.
#[derive(Debug, Clone)]
struct Firing {
    onset: i64,
    newest: Finding,
}

/// An alert as the recount has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    pub series: Series,
    /// Onset at first opening, and the number among equals: the identity.
    pub opening: i64,
    pub number: usize,
    pub onset: i64,
    pub state: &'static str,
    pub severity: String,
    pub start: i64,
    pub end: i64,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    pub channels: Option<String>,
    pub opened_at: i64,
    pub verify_due: i64,
    pub tick: i64,
}

impl Alert {
    /// Everything but the tick of the revision.
    fn same_as(&self, other: &Self) -> bool {
        Self { tick: 0, ..self.clone() } == Self { tick: 0, ..other.clone() }
    }
}

/// All alerts so far, and every revision in the order of ticks.
#[derive(Debug, Default)]
pub struct Lives {
    alerts: BTreeMap<Series, Vec<Alert>>,
    pub revisions: Vec<Alert>,
}

impl Lives {
    /// Takes in the findings of one tick.
    pub fn tick(&mut self, tick: i64, findings: Vec<Finding>, registers: &Registers) {
        let mut by_series: BTreeMap<Series, BTreeMap<i64, Finding>> = BTreeMap::new();
        for finding in findings {
            let series = Series {
                rule: finding.rule.to_owned(),
                unit_kind: finding.unit_kind.clone(),
                unit_id: finding.unit_id.clone(),
                area_code: finding.area_code.clone(),
                signal: finding.signal.clone(),
            };
            by_series.entry(series).or_default().insert(finding.end, finding);
        }
        let all: BTreeSet<Series> = by_series.keys().chain(self.alerts.keys()).cloned().collect();
        for series in all {
            let windows = by_series.remove(&series).unwrap_or_default();
            self.judge(&series, windows, tick, registers);
        }
    }

    fn judge(&mut self, series: &Series, windows: BTreeMap<i64, Finding>, tick: i64, registers: &Registers) {
        let header = registers.headers.get(&series.rule).cloned().unwrap_or_default();
        let gap = header.number("gap_days", 1);
        let (today, horizon) = (local_day(tick), local_day(tick) - registers.horizon_days);
        let alerts = self.alerts.entry(series.clone()).or_default();
        let before = alerts.clone();
        let runs = runs(windows, gap);
        let owners = owners(alerts, &runs, gap);
        for (run, owner) in runs.iter().zip(&owners) {
            let index = owner.unwrap_or_else(|| {
                let number = alerts.iter().filter(|alert| alert.opening == run.onset).count();
                alerts.push(opened(series, run, number, tick, header.number("verify_hours", 24)));
                alerts.len() - 1
            });
            let alert = &mut alerts[index];
            // Windows that left the horizon no longer fire, but they did: the onset stays.
            alert.onset = if alert.onset < horizon { alert.onset.min(run.onset) } else { run.onset };
            take_newest(alert, &run.newest, header.word("severity"));
            alert.state = if today - run.newest.end > gap { "ended" } else { "open" };
        }
        let owned: BTreeSet<usize> = owners.iter().filter_map(|owner| *owner).collect();
        for (index, alert) in alerts.iter_mut().enumerate().take(before.len()) {
            if owned.contains(&index) || alert.state == "withdrawn" {
                continue;
            }
            alert.state = if alert.end < horizon { "ended" } else { "withdrawn" };
        }
        for (index, alert) in alerts.iter_mut().enumerate() {
            if before.get(index).is_none_or(|old| !old.same_as(alert)) {
                alert.tick = tick;
                self.revisions.push(alert.clone());
            }
        }
    }

    /// Every alert as it stands.
    pub fn all(&self) -> impl Iterator<Item = &Alert> {
        self.alerts.values().flatten()
    }
}

fn runs(windows: BTreeMap<i64, Finding>, gap: i64) -> Vec<Firing> {
    let mut out: Vec<Firing> = Vec::new();
    for (end, finding) in windows {
        match out.last_mut() {
            Some(run) if end - run.newest.end <= gap => run.newest = finding,
            _ => out.push(Firing { onset: end, newest: finding }),
        }
    }
    out
}

/// The alert that each run continues.
fn owners(alerts: &[Alert], runs: &[Firing], gap: i64) -> Vec<Option<usize>> {
    let mut owners = vec![None; runs.len()];
    // Older alerts choose first, so runs that join keep the older one.
    for (index, alert) in alerts.iter().enumerate().filter(|(_, alert)| alert.state != "withdrawn") {
        let touches = |run: &Firing| run.onset <= alert.end + gap && alert.onset - gap <= run.newest.end;
        let free = |place: &usize| owners[*place].is_none() && touches(&runs[*place]);
        let holds_opening = |place: &usize| (runs[*place].onset..=runs[*place].newest.end).contains(&alert.opening);
        let places: Vec<usize> = (0..runs.len()).filter(free).collect();
        let chosen = places.iter().find(|place| holds_opening(place)).or(places.first()).copied();
        if let Some(place) = chosen {
            owners[place] = Some(index);
        }
    }
    owners
}

fn opened(series: &Series, run: &Firing, number: usize, tick: i64, verify_hours: i64) -> Alert {
    Alert {
        series: series.clone(),
        opening: run.onset,
        number,
        onset: run.onset,
        state: "open",
        severity: String::new(),
        start: run.newest.start,
        end: run.newest.end,
        observed: 0.0,
        expected: None,
        threshold: 0.0,
        statistic: None,
        channels: None,
        opened_at: tick,
        verify_due: tick + hours(verify_hours),
        tick,
    }
}

fn take_newest(alert: &mut Alert, newest: &Finding, severity: &str) {
    alert.severity = newest.severity.unwrap_or(severity).to_owned();
    alert.start = newest.start;
    alert.end = newest.end;
    alert.observed = newest.observed;
    alert.expected = newest.expected;
    alert.threshold = newest.threshold;
    alert.statistic = newest.statistic;
    alert.channels.clone_from(&newest.channels);
}

/// The series as people write it.
pub fn series_text(series: &Series) -> String {
    let Series { rule, unit_kind, unit_id, area_code, signal } = series;
    format!("{rule} {unit_kind} {unit_id} ({area_code}) {signal}")
}

/// An alert's identity as people write it.
pub fn identity_text(series: &Series, opening: i64, number: usize) -> String {
    format!("{} from {} #{number}", series_text(series), day_text(opening))
}
