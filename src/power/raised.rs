//! What a rule raised beside what was planted for it, counted; and what is divided from the counts.
//!
//! Promises: false alarms are counted in runs without outbreaks, so that none is explained away; a measure without a
//! denominator is `None`, not 0. Never: counts an alert that had opened before the outbreak as finding it.

use std::ops::AddAssign;

use serde_json::{Value, json};

use crate::alert::Alert;
use crate::simulate::trial::{SIZES, Trial, is_own};
use crate::terms::Day;

/// Outbreaks of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outbreaks {
    pub planted: u64,
    pub detected: u64,
    pub cases: u64,
    /// Days from the first case to the tick that opened the first alert, of those detected.
    pub delay: u64,
}

impl Outbreaks {
    pub fn mean_delay(&self) -> Option<f64> {
        part(self.delay, self.detected)
    }
}

/// Counts of many runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// Areas × days in which nothing was planted, and the alerts that opened in them.
    pub quiet_area_days: u64,
    pub false_alarms: u64,
    pub by_size: [Outbreaks; SIZES],
    /// Alerts of the runs with outbreaks, and those of them that are about one.
    pub alerts: u64,
    pub true_alerts: u64,
}

impl Raised {
    /// Of a run without outbreaks, judged from `from` on.
    pub fn without(opened: &[Alert], from: Day, areas: usize, days: u32) -> Self {
        let false_alarms = opened.iter().filter(|alert| alert.first_onset >= from).count() as u64;
        Self { quiet_area_days: areas as u64 * u64::from(days), false_alarms, ..Self::default() }
    }

    /// Of a run with outbreaks.
    pub fn with(opened: &[Alert], from: Day, trials: &[Trial]) -> Self {
        let mut raised = Self::default();
        for trial in trials {
            let found = opened.iter().filter(|alert| is_about(alert, trial));
            let delay = found.map(|alert| alert.opened_at.day().0 - trial.first.0).min();
            if let Some(counted) = raised.by_size.get_mut(trial.size - 1) {
                counted.planted += 1;
                counted.cases += u64::from(trial.cases);
                counted.detected += u64::from(delay.is_some());
                counted.delay += u64::from(delay.unwrap_or(0).unsigned_abs());
            }
        }
        let counted: Vec<&Alert> = opened.iter().filter(|alert| alert.first_onset >= from).collect();
        raised.alerts = counted.len() as u64;
        raised.true_alerts =
            counted.iter().filter(|alert| trials.iter().any(|trial| is_about(alert, trial))).count() as u64;
        raised
    }

    fn sum(&self, of: impl Fn(&Outbreaks) -> u64) -> u64 {
        self.by_size.iter().map(of).sum()
    }

    /// Alerts that opened for an area and week without outbreaks.
    pub fn alarms_per_area_week(&self) -> Option<f64> {
        part(7 * self.false_alarms, self.quiet_area_days)
    }

    /// Part of the outbreaks of each size with an alert that opened from their first to their last case.
    pub fn pod(&self) -> [Option<f64>; SIZES] {
        self.by_size.map(|size| part(size.detected, size.planted))
    }

    pub fn pod_mean(&self) -> Option<f64> {
        part(self.sum(|size| size.detected), self.sum(|size| size.planted))
    }

    /// Mean cases of an outbreak of each size.
    pub fn cases(&self) -> [Option<f64>; SIZES] {
        self.by_size.map(|size| part(size.cases, size.planted))
    }

    pub fn mean_delay(&self) -> Option<f64> {
        part(self.sum(|size| size.delay), self.sum(|size| size.detected))
    }

    pub fn ppv(&self) -> Option<f64> {
        part(self.true_alerts, self.alerts)
    }

    pub fn planted(&self) -> u64 {
        self.sum(|size| size.planted)
    }

    /// Every measure with the counts that it was divided from.
    pub fn json(&self) -> Value {
        let counts = |of: fn(&Outbreaks) -> u64| self.by_size.iter().map(of).collect::<Vec<_>>();
        json!({
            "alarms_per_area_week": self.alarms_per_area_week(),
            "false_alarms": self.false_alarms,
            "quiet_area_days": self.quiet_area_days,
            "pod": self.pod(),
            "pod_mean_k1_10": self.pod_mean(),
            "planted": counts(|size| size.planted),
            "detected": counts(|size| size.detected),
            "mean_cases": self.cases(),
            "mean_delay_days": self.mean_delay(),
            "ppv": self.ppv(),
            "alerts": self.alerts,
            "true_alerts": self.true_alerts,
        })
    }
}

/// Whether an alert is about an outbreak: its place and signal, first opened for a day from its first to its last case.
/// What a rule makes of other rules' findings has a signal of its own.
fn is_about(alert: &Alert, trial: &Trial) -> bool {
    let signal = alert.series.signal.as_str();
    let is_signal = trial.signals.contains(&signal) || is_own(signal);
    let is_place = alert.series.unit_id == trial.area_code || alert.series.unit_id.starts_with(&trial.unit);
    is_signal
        && is_place
        && alert.series.area_code == trial.area_code
        && (trial.first..=trial.last).contains(&alert.first_onset)
}

fn part(some: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| some as f64 / all as f64)
}

impl AddAssign<&Self> for Raised {
    fn add_assign(&mut self, other: &Self) {
        self.quiet_area_days += other.quiet_area_days;
        self.false_alarms += other.false_alarms;
        for (one, other) in self.by_size.iter_mut().zip(&other.by_size) {
            one.planted += other.planted;
            one.detected += other.detected;
            one.cases += other.cases;
            one.delay += other.delay;
        }
        self.alerts += other.alerts;
        self.true_alerts += other.true_alerts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::{AlertId, Mode, Response, RuleKind, Series, State};
    use crate::terms::{Severity, Tick};

    fn alert(unit: &str, signal: &str, onset: i32, opened: i32) -> Alert {
        let series = Series {
            unit_kind: "county".into(),
            unit_id: unit.into(),
            area_code: unit.chars().take(6).collect(),
            signal: signal.into(),
        };
        let day = Tick(Day(opened).start_micros());
        Alert {
            id: AlertId::new("r", &series, Day(onset), 0),
            revision: 1,
            rule: "r".into(),
            rule_kind: RuleKind::Statistical,
            pack: "p".into(),
            severity: Severity::Yellow,
            state: State::Open,
            response: Response::None,
            reason: None,
            mode: Mode::Exercise,
            series,
            syndrome: None,
            facility_id: None,
            first_onset: Day(onset),
            onset: Day(onset),
            window_start: Day(onset),
            window_end: Day(onset),
            observed: 1.0,
            expected: None,
            threshold: 1.0,
            statistic: None,
            channels: None,
            title_zh: String::new(),
            title_en: String::new(),
            opened_at: day,
            verify_due: day,
            tick: day,
            known_at: None,
        }
    }

    fn trial(size: usize, first: i32, last: i32) -> Trial {
        let (area_code, unit) = ("990101".to_owned(), "990101".to_owned());
        Trial { area_code, unit, signals: vec!["fever_visit"], size, cases: 4, first: Day(first), last: Day(last) }
    }

    #[test]
    fn an_outbreak_is_found_by_an_alert_of_its_place_signal_and_days_and_by_no_other() {
        let trials = [trial(3, 100, 104)];
        let of = |alerts: &[Alert]| Raised::with(alerts, Day(90), &trials);
        let found = of(&[alert("990101", "fever_visit", 102, 103), alert("990101", "fever_visit", 104, 106)]);
        assert_eq!((found.pod()[2], found.mean_delay(), found.ppv()), (Some(1.0), Some(3.0), Some(1.0)));
        for other in [
            alert("990102", "fever_visit", 102, 103),
            alert("990101", "ili_visit", 102, 103),
            alert("990101", "fever_visit", 99, 100),
            alert("990101", "fever_visit", 105, 105),
        ] {
            let missed = of(&[other]);
            assert_eq!((missed.pod()[2], missed.mean_delay(), missed.ppv()), (Some(0.0), None, Some(0.0)));
        }
        // What a rule makes of other rules' findings has a signal of its own.
        assert_eq!(of(&[alert("990101", "several_at_once", 100, 100)]).pod()[2], Some(1.0));
        assert_eq!(of(&[]).ppv(), None);
    }

    #[test]
    fn false_alarms_are_those_of_quiet_runs_after_the_baseline() {
        let alerts = [alert("990101", "fever_visit", 89, 90), alert("990102", "fever_visit", 91, 91)];
        let mut raised = Raised::without(&alerts, Day(90), 2, 70);
        raised += &Raised::with(&alerts, Day(90), &[]);
        assert_eq!((raised.false_alarms, raised.alarms_per_area_week()), (1, Some(0.05)));
        assert_eq!((raised.alerts, raised.ppv(), raised.pod()[0]), (1, Some(0.0), None));
    }
}
