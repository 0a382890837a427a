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

impl Firing {
    fn overlaps(&self, first: i64, last: i64) -> bool {
        self.onset <= last && first <= self.newest.end
    }
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
    /// Withdrawn because its run joined that of an older alert.
    pub merged: bool,
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
            let shown = by_series.entry(series).or_default().entry(finding.end).or_insert_with(|| finding.clone());
            if finding.observed > shown.observed {
                *shown = finding;
            }
        }
        let all: BTreeSet<Series> = by_series.keys().chain(self.alerts.keys()).cloned().collect();
        for series in all {
            let windows = by_series.remove(&series).unwrap_or_default();
            self.judge(&series, windows, tick, registers);
        }
    }

    fn judge(&mut self, series: &Series, windows: BTreeMap<i64, Finding>, tick: i64, registers: &Registers) {
        let Some(header) = registers.headers.get(&series.rule) else { return self.rule_gone(series, tick) };
        let gap = header.number("gap_days", 1);
        let at = Moment { tick, today: local_day(tick), horizon: local_day(tick) - registers.horizon_days, gap };
        let verify_due = tick + hours(header.number("verify_hours", 24));
        let alerts = self.alerts.entry(series.clone()).or_default();
        let before = alerts.clone();
        let runs = runs(windows, gap);
        let owners = owners(alerts, &runs);
        for (index, alert) in alerts.iter_mut().enumerate().filter(|(_, alert)| alert.state != "withdrawn") {
            match owners.iter().position(|owner| *owner == Some(index)) {
                Some(place) => go_on(alert, &runs[place], header.word("severity"), &at),
                None => lose_run(alert, &runs, &at),
            }
        }
        for (run, _) in runs.iter().zip(&owners).filter(|(_, owner)| owner.is_none()) {
            let same_day: Vec<usize> = (0..alerts.len()).filter(|i| alerts[*i].opening == run.onset).collect();
            let again = same_day.iter().copied().rfind(|i| alerts[*i].state == "withdrawn");
            let index = again.unwrap_or_else(|| {
                alerts.push(opened(series, run, same_day.len(), tick));
                alerts.len() - 1
            });
            let alert = &mut alerts[index];
            // Also a run that is already over is shown open once, so that everybody hears of it.
            alert.state = "open";
            alert.merged = false;
            alert.onset = run.onset;
            alert.verify_due = verify_due;
            take_newest(alert, &run.newest, header.word("severity"));
        }
        for (index, alert) in alerts.iter_mut().enumerate() {
            if before.get(index).is_none_or(|old| !old.same_as(alert)) {
                alert.tick = tick;
                self.revisions.push(alert.clone());
            }
        }
    }

    /// A rule that is no longer in force supports nothing; what is over stays over.
    fn rule_gone(&mut self, series: &Series, tick: i64) {
        for alert in self.alerts.get_mut(series).into_iter().flatten().filter(|alert| alert.state == "open") {
            alert.state = "withdrawn";
            alert.tick = tick;
            self.revisions.push(alert.clone());
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

/// The alert that each run continues: the oldest that overlaps it.
fn owners(alerts: &[Alert], runs: &[Firing]) -> Vec<Option<usize>> {
    let mut owners = vec![None; runs.len()];
    let mut oldest_first: Vec<usize> = (0..alerts.len()).filter(|i| alerts[*i].state != "withdrawn").collect();
    oldest_first.sort_by_key(|i| (alerts[*i].opened_at, alerts[*i].opening, alerts[*i].number));
    for index in oldest_first {
        let alert = &alerts[index];
        let free = |place: &usize| owners[*place].is_none() && runs[*place].overlaps(alert.onset, alert.end);
        let places: Vec<usize> = (0..runs.len()).filter(free).collect();
        // Of a run that split, the part with the day of the first opening keeps the alert, else the earlier.
        let with_opening = places.iter().find(|place| runs[**place].overlaps(alert.opening, alert.opening));
        if let Some(place) = with_opening.or(places.first()) {
            owners[*place] = Some(index);
        }
    }
    owners
}

/// The tick, and the days that follow from it.
struct Moment {
    tick: i64,
    today: i64,
    horizon: i64,
    gap: i64,
}

fn go_on(alert: &mut Alert, run: &Firing, severity: &str, at: &Moment) {
    // Windows that left the horizon no longer fire, but they did: the onset stays.
    alert.onset = if alert.onset < at.horizon { alert.onset.min(run.onset) } else { run.onset };
    take_newest(alert, &run.newest, severity);
    let is_over = at.today - run.newest.end > at.gap;
    alert.state = if is_over && alert.tick != at.tick { "ended" } else { "open" };
}

fn lose_run(alert: &mut Alert, runs: &[Firing], at: &Moment) {
    let overlapped = runs.iter().any(|run| run.overlaps(alert.onset, alert.end));
    if overlapped || alert.onset >= at.horizon {
        alert.state = "withdrawn";
        alert.merged = overlapped;
    } else if alert.state == "open" {
        // Some of its windows can no longer be judged, so nobody can say that the data do not support it.
        alert.state = "ended";
    }
}

fn opened(series: &Series, run: &Firing, number: usize, tick: i64) -> Alert {
    Alert {
        series: series.clone(),
        opening: run.onset,
        number,
        onset: run.onset,
        state: "open",
        merged: false,
        severity: String::new(),
        start: run.newest.start,
        end: run.newest.end,
        observed: 0.0,
        expected: None,
        threshold: 0.0,
        statistic: None,
        channels: None,
        opened_at: tick,
        verify_due: tick,
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

#[cfg(test)]
mod tests {
    use super::super::calendar::instant;
    use super::*;

    fn window(end: i64) -> Finding {
        Finding {
            rule: "r",
            unit_kind: "class".into(),
            unit_id: "S/1".into(),
            area_code: "990101".into(),
            signal: "s".into(),
            start: end,
            end,
            observed: 3.0,
            expected: None,
            threshold: 3.0,
            statistic: None,
            channels: None,
            severity: Some("yellow"),
        }
    }

    /// States of all alerts after ticks on given days with windows ending on given days; gap one day.
    fn after(ticks: &[(i64, &[i64])]) -> Vec<(i64, i64, &'static str)> {
        let mut registers = Registers::as_of(&[], 0).unwrap();
        registers.headers.insert("r".to_owned(), super::super::registers::Header::default());
        let mut lives = Lives::default();
        for (minute, (day, ends)) in (600..).zip(ticks) {
            lives.tick(instant(*day, minute), ends.iter().map(|end| window(*end)).collect(), &registers);
        }
        lives.all().map(|alert| (alert.opening, alert.onset, alert.state)).collect()
    }

    #[test]
    fn an_alert_ends_when_the_gap_has_passed_and_stays_ended_beyond_the_horizon() {
        assert_eq!(after(&[(10, &[10]), (11, &[10])]), [(10, 10, "open")]);
        assert_eq!(after(&[(10, &[10]), (12, &[10])]), [(10, 10, "ended")]);
        assert_eq!(after(&[(10, &[10]), (12, &[10]), (41, &[])]), [(10, 10, "ended")]);
    }

    #[test]
    fn a_late_row_moves_the_onset_and_keeps_the_alert() {
        assert_eq!(after(&[(10, &[10]), (10, &[9, 10])]), [(10, 9, "open")]);
    }

    #[test]
    fn a_bridge_merges_the_younger_into_the_older() {
        let merged = after(&[(10, &[10]), (12, &[10, 12]), (12, &[10, 11, 12])]);
        assert_eq!(merged, [(10, 10, "open"), (12, 12, "withdrawn")]);
    }

    #[test]
    fn a_split_leaves_the_alert_with_the_day_it_opened_on() {
        let split = after(&[(10, &[10]), (12, &[10, 11, 12]), (12, &[10, 12])]);
        assert_eq!(split, [(10, 10, "ended"), (12, 12, "open")]);
        let without_its_day = after(&[(11, &[11]), (12, &[10, 11, 12]), (12, &[10, 12])]);
        assert_eq!(without_its_day, [(11, 10, "ended"), (12, 12, "open")]);
    }

    #[test]
    fn what_was_withdrawn_opens_again_under_its_own_name() {
        assert_eq!(after(&[(10, &[10]), (10, &[])]), [(10, 10, "withdrawn")]);
        assert_eq!(after(&[(10, &[10]), (10, &[]), (11, &[10])]), [(10, 10, "open")]);
    }
}
