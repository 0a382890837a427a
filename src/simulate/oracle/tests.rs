//! The oracle judged: a clean run passes, each planted fault is named, the life of alerts is as designed.

use super::fixture::{FIRST_DAY, write_run};
use super::selftest::selftest;
use super::*;

#[test]
fn a_clean_run_has_no_fault() {
    let folder = tempfile::tempdir().unwrap();
    let verdict = judge(&write_run(folder.path())).unwrap();
    assert_eq!(verdict.faults, []);
    let Counted { consumed, accepted, duplicates, quarantined, .. } = verdict.counted;
    assert_eq!((duplicates, quarantined), (1, 2));
    assert_eq!(accepted + duplicates + quarantined, consumed);
    assert_eq!(verdict.expected_statistical_alerts, 1);
}

#[test]
fn every_planted_fault_is_named_with_kind_and_place() {
    let folder = tempfile::tempdir().unwrap();
    let scratch = tempfile::tempdir().unwrap();
    write_run(folder.path());
    let planted = selftest(folder.path(), scratch.path()).unwrap();
    assert_eq!(planted.len(), 24);
    let missed: Vec<_> = planted.iter().filter(|planted| !planted.named).collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn a_correction_withdraws_the_alert_and_a_later_one_ends() {
    let folder = tempfile::tempdir().unwrap();
    let input = write_run(folder.path());
    let run = read_run(ledger::read(&input.ledger).unwrap(), &input.state).unwrap();
    let first = day_of_text(FIRST_DAY).unwrap();
    let lives = alerts::replay(&run).unwrap();
    let of = |rule: &str| -> Vec<(i64, &str, i64)> {
        let mine = lives.revisions.iter().filter(|alert| alert.series.rule == rule);
        mine.map(|alert| (alert.opening - first, alert.state, calendar::local_day(alert.tick) - first)).collect()
    };
    let class = [(3, "open", 3), (3, "ended", 5), (3, "withdrawn", 8), (9, "open", 9), (9, "ended", 11)];
    assert_eq!(of("school_class_1d3"), class);
    assert_eq!(of("fever_clinic_c2"), [(16, "open", 16), (16, "ended", 18)]);
    // Blue on the first silent day, yellow on the second, over when the gap has passed.
    assert_eq!(of("missing_report"), [(11, "open", 11), (11, "open", 12), (11, "ended", 16)]);
}

#[test]
fn a_run_without_its_signals_table_is_unreadable_and_said_so() {
    let folder = tempfile::tempdir().unwrap();
    let input = write_run(folder.path());
    std::fs::remove_dir_all(folder.path().join("state/tables/signals")).unwrap();
    let verdict = judge(&input).unwrap();
    assert_eq!(verdict.faults[0].kind, "unreadable");
}
