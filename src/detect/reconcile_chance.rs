//! Reconcile under chance: any story of ticks, findings and exclusions.

use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

/// What fires on each of a few days of two units: end of window → number.
fn fires() -> impl Strategy<Value = Vec<Finding>> {
    btree_map((0..2_usize, 95..112_i32), 3..6_u8, 0..14).prop_map(|windows| {
        let one = |((unit, end), observed): ((usize, i32), u8)| finding(["u", "v"][unit], end, f64::from(observed));
        windows.into_iter().map(one).collect()
    })
}

/// Ticks (days forward, what fires, whether people exclude everything before it).
fn story() -> impl Strategy<Value = Vec<(i32, Vec<Finding>, bool)>> {
    vec((0..4_i32, fires(), prop::bool::weighted(0.1)), 1..8)
}

fn told(story: &[(i32, Vec<Finding>, bool)], gap_days: i32, turn: usize) -> Desk {
    let mut desk = Desk::new(gap_days);
    let mut today = 112;
    for (forward, findings, excludes) in story {
        today += forward;
        if *excludes {
            desk.respond(Response::Excluded);
        }
        let mut findings = findings.clone();
        let middle = if findings.is_empty() { 0 } else { turn % findings.len() };
        findings.rotate_left(middle);
        if turn % 2 == 1 {
            findings.reverse();
        }
        desk.tick_with(today, &findings);
        let before = desk.revisions;
        desk.tick_with(today, &findings);
        assert_eq!(desk.revisions, before, "a second call changes nothing");
        check_runs(&desk, today, &findings);
    }
    desk
}

/// Every run has exactly one alert that stands for it, or one that people excluded; nothing else stands.
fn check_runs(desk: &Desk, today: i32, findings: &[Finding]) {
    let horizon = Day(today - HORIZON_DAYS);
    for unit in ["u", "v"] {
        let of_unit = findings.iter().filter(|finding| finding.series.unit_id == unit);
        let runs = runs_of(of_unit, desk.rule.gap_days, horizon, Severity::Yellow);
        let alerts: Vec<&Alert> = desk.alerts.values().filter(|alert| alert.series.unit_id == unit).collect();
        for run in &runs {
            let is_its = |alert: &&&Alert| alert.state != Withdrawn && alert.window_end == run.end();
            let standing = alerts.iter().filter(is_its).count();
            let is_excluded = |alert: &&Alert| alert.first_onset == run.onset && alert.response == Response::Excluded;
            assert!(standing == 1 || (standing == 0 && alerts.iter().any(is_excluded)), "{run:?}");
        }
        let inside = |alert: &&&Alert| alert.state != Withdrawn && alert.onset >= horizon;
        for alert in alerts.iter().filter(inside) {
            assert!(runs.iter().any(|run| (run.onset, run.end()) == (alert.onset, alert.window_end)));
        }
    }
}

proptest! {
    #[test]
    fn the_order_of_findings_changes_nothing(story in story(), gap_days in 0..4_i32, turn in 1..20_usize) {
        prop_assert_eq!(told(&story, gap_days, 0).alerts, told(&story, gap_days, turn).alerts);
    }

    #[test]
    fn the_order_of_alerts_changes_nothing(story in story(), gap_days in 0..4_i32, findings in fires()) {
        let desk = told(&story, gap_days, 0);
        let evaluation = Evaluation {
            rule: &desk.rule,
            pack: "base",
            horizon_days: HORIZON_DAYS,
            tick: Tick(Day(140).at_minute(NOON)),
            mode: Mode::Actual,
            cause: &|_| Cause::Data,
        };
        let forward: Vec<Alert> = desk.alerts.values().cloned().collect();
        let backward: Vec<Alert> = desk.alerts.values().rev().cloned().collect();
        prop_assert_eq!(reconcile(&evaluation, &findings, &forward), reconcile(&evaluation, &findings, &backward));
    }
}
