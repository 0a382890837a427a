//! Each sentence of the decision on the identity of an alert, and its properties under chance.

use super::*;
use crate::alert::RuleKind;
use crate::detect::rule::Scope;
use crate::terms::Severity;

const HORIZON_DAYS: i32 = 30;
/// An hour of the day at which the tests tick.
const NOON: i64 = 12 * 60;

fn rule(gap_days: i32) -> Rule {
    Rule {
        id: "a_rule".into(),
        zh: "规则".into(),
        en: "rule".into(),
        severity: Severity::Yellow,
        scope: Scope::Dirty,
        kind: RuleKind::Threshold,
        valid_from: None,
        valid_to: None,
        verify_hours: 24,
        audience: Vec::new(),
        cites: "a law".into(),
        gap_days,
        history_days: 0,
        needs: Vec::new(),
        power: None,
        sabotage: Vec::new(),
        sql: String::new(),
        pack: "base".into(),
        file: "a_rule.sql".into(),
        digest: String::new(),
    }
}

fn finding(unit: &str, end: i32, observed: f64) -> Finding {
    let series = Series {
        unit_kind: "class".into(),
        unit_id: unit.into(),
        area_code: "990101".into(),
        signal: "some_signal".into(),
    };
    Finding {
        series,
        facility_id: None,
        syndrome: None,
        window_start: Day(end),
        window_end: Day(end),
        observed,
        expected: None,
        threshold: 3.0,
        statistic: None,
        channels: None,
        severity: None,
    }
}

/// What is known about one unit, day after day.
struct Desk {
    rule: Rule,
    cause: Cause,
    alerts: BTreeMap<AlertId, Alert>,
    revisions: usize,
}

impl Desk {
    fn new(gap_days: i32) -> Self {
        Self { rule: rule(gap_days), cause: Cause::Data, alerts: BTreeMap::new(), revisions: 0 }
    }

    /// Reconciles at noon of `today` with windows that fire on `ends`; returns the revisions written.
    fn tick(&mut self, today: i32, ends: &[i32]) -> Vec<Alert> {
        let findings: Vec<Finding> = ends.iter().map(|end| finding("u", *end, 3.0)).collect();
        self.tick_with(today, &findings)
    }

    fn tick_with(&mut self, today: i32, findings: &[Finding]) -> Vec<Alert> {
        let evaluation = Evaluation {
            rule: &self.rule,
            pack: "base",
            horizon_days: HORIZON_DAYS,
            tick: Tick(Day(today).at_minute(NOON)),
            mode: Mode::Actual,
            cause: &|_| self.cause,
        };
        let alerts: Vec<Alert> = self.alerts.values().cloned().collect();
        let changes = reconcile(&evaluation, findings, &alerts);
        for change in &changes {
            if let Some(old) = self.alerts.get(&change.id) {
                assert_eq!(change.revision, old.revision + 1);
                assert!(old.state == change.state || old.state.may_become(change.state));
                assert_eq!(change.response, old.response, "only people write the response");
            }
            assert_eq!(change.reason.is_some(), change.state == State::Withdrawn);
            self.alerts.insert(change.id.clone(), change.clone());
        }
        self.revisions += changes.len();
        changes
    }

    /// State, onset, last day of each alert in the order of first opening.
    fn seen(&self) -> Vec<(State, i32, i32)> {
        let mut alerts: Vec<&Alert> = self.alerts.values().collect();
        alerts.sort_by_key(|alert| (alert.opened_at, alert.first_onset, &alert.id));
        alerts.iter().map(|alert| (alert.state, alert.onset.0, alert.window_end.0)).collect()
    }

    fn only(&self) -> &Alert {
        assert_eq!(self.alerts.len(), 1);
        self.alerts.values().next().unwrap()
    }

    fn respond(&mut self, response: Response) {
        for alert in self.alerts.values_mut() {
            alert.response = response;
            alert.revision += 1;
        }
    }
}

use State::{Ended, Open, Withdrawn};

#[test]
fn an_alert_begins_on_the_last_day_of_its_first_firing_window() {
    let mut desk = Desk::new(1);
    let window = Finding { window_start: Day(98), ..finding("u", 100, 5.0) };
    desk.tick_with(100, &[window]);
    let alert = desk.only();
    assert_eq!((alert.onset, alert.first_onset, alert.window_start), (Day(100), Day(100), Day(98)));
    assert_eq!(alert.id, AlertId::new("a_rule", &alert.series, Day(100), 0));
    assert_eq!(alert.verify_due.0 - alert.opened_at.0, 24 * 3_600 * MICROS_PER_SECOND);
}

#[test]
fn firing_windows_at_most_gap_days_apart_are_one_run() {
    let mut desk = Desk::new(2);
    desk.tick(104, &[100, 102, 104]);
    assert_eq!(desk.seen(), [(Open, 100, 104)]);
    let mut desk = Desk::new(1);
    desk.tick(104, &[100, 102, 104]);
    assert_eq!(desk.alerts.len(), 3);
}

#[test]
fn an_alert_ends_when_its_last_window_is_older_than_gap_days() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    assert!(desk.tick(101, &[100]).is_empty());
    desk.tick(102, &[100]);
    assert_eq!(desk.seen(), [(Ended, 100, 100)]);
}

#[test]
fn a_run_found_late_is_shown_open_until_the_next_tick() {
    let mut desk = Desk::new(1);
    desk.tick(110, &[100]);
    assert_eq!(desk.seen(), [(Open, 100, 100)]);
    desk.tick(111, &[100]);
    assert_eq!(desk.seen(), [(Ended, 100, 100)]);
}

#[test]
fn an_ended_alert_opens_again_when_a_late_row_prolongs_its_run() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.tick(102, &[100]);
    desk.tick(103, &[100, 101, 102]);
    assert_eq!(desk.seen(), [(Open, 100, 102)]);
}

#[test]
fn a_correction_withdraws_the_alert_and_the_reason_says_what_changed() {
    for (cause, reason) in [(Cause::Data, "corrected"), (Cause::Rules, "rule_changed"), (Cause::Neither, "unsupported")]
    {
        let mut desk = Desk::new(1);
        desk.tick(100, &[100]);
        desk.cause = cause;
        desk.tick(101, &[]);
        assert_eq!(desk.seen(), [(Withdrawn, 100, 100)]);
        assert_eq!(desk.only().reason.as_ref().unwrap().to_string(), reason);
    }
}

#[test]
fn an_ended_alert_is_withdrawn_too_while_its_windows_are_inside_the_horizon() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.tick(102, &[100]);
    desk.tick(103, &[]);
    assert_eq!(desk.seen(), [(Withdrawn, 100, 100)]);
}

#[test]
fn windows_that_leave_the_horizon_end_an_alert_and_never_withdraw_it() {
    let mut desk = Desk::new(40);
    desk.tick(100, &[100]);
    desk.tick(130, &[100]);
    assert_eq!(desk.seen(), [(Open, 100, 100)]);
    desk.tick(131, &[100]);
    assert_eq!(desk.seen(), [(Ended, 100, 100)]);
    assert!(desk.tick(132, &[]).is_empty());
}

#[test]
fn an_alert_that_began_before_the_horizon_keeps_its_onset_and_is_never_withdrawn() {
    let mut desk = Desk::new(1);
    let days: Vec<i32> = (100..=135).collect();
    desk.tick(130, &days[..31]);
    desk.tick(135, &days);
    assert_eq!(desk.seen(), [(Open, 100, 135)]);
    desk.tick(136, &[]);
    assert_eq!(desk.seen(), [(Ended, 100, 135)]);
}

#[test]
fn a_late_row_that_moves_the_onset_keeps_the_id() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    let id = desk.only().id.clone();
    desk.tick(101, &[99, 100, 101]);
    let alert = desk.only();
    assert_eq!((&alert.id, alert.onset, alert.first_onset, alert.revision), (&id, Day(99), Day(100), 2));
}

#[test]
fn when_a_run_splits_the_part_with_the_first_opening_day_keeps_the_id() {
    let mut desk = Desk::new(1);
    desk.tick(102, &[102]);
    let id = desk.only().id.clone();
    desk.tick(104, &[100, 101, 102, 103, 104]);
    desk.tick(104, &[100, 102, 103, 104]);
    assert_eq!(desk.alerts[&id].onset, Day(102));
    assert_eq!(desk.seen(), [(Open, 102, 104), (Open, 100, 100)]);
}

#[test]
fn when_no_part_has_the_first_opening_day_the_earlier_keeps_the_id() {
    let mut desk = Desk::new(1);
    desk.tick(104, &[102]);
    let id = desk.only().id.clone();
    desk.tick(104, &[100, 101, 102, 103, 104]);
    desk.tick(104, &[100, 104]);
    assert_eq!((desk.alerts[&id].onset, desk.alerts[&id].window_end), (Day(100), Day(100)));
}

#[test]
fn runs_that_join_keep_the_older_alert_and_the_other_names_it() {
    let mut desk = Desk::new(1);
    desk.tick(103, &[103]);
    let older = desk.only().id.clone();
    desk.tick(104, &[101, 103]);
    desk.tick(105, &[101, 102, 103]);
    assert_eq!(desk.seen(), [(Ended, 101, 103), (Withdrawn, 101, 101)]);
    let younger = desk.alerts.values().find(|alert| alert.id != older).unwrap();
    assert_eq!(younger.reason, Some(Reason::MergedInto(older)));
}

#[test]
fn what_was_merged_comes_back_under_its_id_when_the_runs_part_again() {
    let mut desk = Desk::new(1);
    desk.tick(103, &[101, 103]);
    desk.tick(103, &[101, 102, 103]);
    desk.tick(103, &[101, 103]);
    assert_eq!(desk.seen(), [(Open, 101, 101), (Open, 103, 103)]);
}

#[test]
fn what_was_withdrawn_opens_again_as_the_same_alert_when_it_begins_on_the_same_day() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.tick(101, &[]);
    desk.tick(101, &[100, 101]);
    let alert = desk.only();
    assert_eq!((alert.state, alert.revision, alert.reason.clone()), (Open, 3, None));
    assert_eq!(alert.opened_at, Tick(Day(100).at_minute(NOON)));
    assert_eq!(alert.verify_due, Tick(Day(102).at_minute(NOON)), "the time to verify begins anew");
    desk.tick(101, &[]);
    desk.tick(101, &[101]);
    assert_eq!(desk.seen(), [(Withdrawn, 100, 101), (Open, 101, 101)], "another first day is another alert");
}

#[test]
fn n_counts_earlier_alerts_with_the_same_values() {
    let mut desk = Desk::new(1);
    desk.tick(104, &[102]);
    desk.tick(104, &[100, 101, 102]);
    desk.tick(104, &[100]);
    // The first alert began on 102 and now stands for 100; a new run begins on 102.
    desk.tick(104, &[100, 102]);
    let series = finding("u", 0, 0.0).series;
    assert!(desk.alerts.contains_key(&AlertId::new("a_rule", &series, Day(102), 0)));
    assert!(desk.alerts.contains_key(&AlertId::new("a_rule", &series, Day(102), 1)));
}

#[test]
fn what_people_excluded_never_opens_again_by_itself() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.tick(102, &[100]);
    desk.respond(Response::Excluded);
    desk.tick(103, &[100, 101, 102, 103]);
    assert_eq!(desk.seen(), [(Ended, 100, 103)]);

    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.respond(Response::Excluded);
    desk.tick(101, &[]);
    desk.tick(101, &[100]);
    assert_eq!(desk.seen(), [(Withdrawn, 100, 100)]);
}

#[test]
fn an_excluded_alert_never_swallows_one_that_stands() {
    let mut desk = Desk::new(1);
    desk.tick(100, &[100]);
    desk.respond(Response::Excluded);
    desk.tick(102, &[100, 102]);
    desk.tick(102, &[100, 101, 102]);
    assert_eq!(desk.seen(), [(Withdrawn, 100, 100), (Open, 100, 102)]);
}

#[test]
fn a_revision_is_written_only_when_people_see_a_change() {
    let mut desk = Desk::new(1);
    assert_eq!(desk.tick_with(100, &[finding("u", 100, 3.0)]).len(), 1);
    assert!(desk.tick_with(101, &[finding("u", 100, 3.0)]).is_empty());
    let more = desk.tick_with(101, &[finding("u", 100, 4.0)]);
    assert_eq!((more.len(), more[0].revision, more[0].observed), (1, 2, 4.0));
    desk.rule.severity = Severity::Red;
    assert_eq!(desk.tick_with(101, &[finding("u", 100, 4.0)])[0].severity, Severity::Red);
}

#[test]
fn a_rule_may_grade_its_own_findings_and_the_latest_window_counts() {
    let mut desk = Desk::new(1);
    let graded = |end, severity| Finding { severity: Some(severity), ..finding("u", end, 1.0) };
    desk.tick_with(101, &[graded(100, Severity::Blue), graded(101, Severity::Orange)]);
    assert_eq!(desk.only().severity, Severity::Orange);
}

#[test]
fn units_do_not_touch_each_other() {
    let mut desk = Desk::new(1);
    let other_area = {
        let one = finding("u", 100, 3.0);
        Finding { series: Series { area_code: "990102".into(), ..one.series.clone() }, ..one }
    };
    desk.tick_with(100, &[finding("u", 100, 3.0), finding("v", 101, 3.0), other_area]);
    assert_eq!(desk.alerts.len(), 3);
}

#[path = "reconcile_chance.rs"]
mod by_chance;
