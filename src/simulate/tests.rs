//! Promises of the invented city, recounted from what it sends.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{Fate, MessageLine};
use super::*;

pub fn options(seed: u64, days: u32, scale: f64) -> Options {
    let start = Day::parse("2021-01-04").unwrap();
    Options { seed, days, start, scale, prefix: "qianshao".into(), partitions: 3, planted: true }
}

/// A run of thirty days, small where messages do not depend on volume.
pub fn run(options: Options) -> (Simulation, Vec<Outgoing>, Vec<MessageLine>) {
    let mut simulation = Simulation::new(options);
    let step = simulation.until(simulation.end());
    assert!(simulation.until(i64::MAX - 1).messages.is_empty(), "everything was sent by the end");
    let lines = step.ledger.into_iter().map(|line| match line {
        LedgerLine::Message(line) => *line,
        other => panic!("{other:?}"),
    });
    let lines = lines.collect();
    (simulation, step.messages, lines)
}

fn share(lines: &[MessageLine], of: impl Fn(&MessageLine) -> bool) -> f64 {
    lines.iter().filter(|line| of(line)).count() as f64 / lines.len() as f64
}

#[test]
fn the_same_seed_sends_the_same_bytes() {
    let digest = |seed: u64, steps: i64| {
        let mut simulation = Simulation::new(options(seed, 4, 0.2));
        let start = simulation.options.start.start_micros();
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&simulation.header_lines()).unwrap());
        for step in 1..=steps {
            let sent = simulation.until(start + (simulation.end() - start) * step / steps);
            for (message, line) in sent.messages.iter().zip(&sent.ledger) {
                hash.update(format!("{message:?}"));
                hash.update(serde_json::to_vec(line).unwrap());
            }
        }
        hex(&hash.finalize())
    };
    assert_eq!(digest(7, 1), digest(7, 29), "whatever the steps");
    assert_ne!(digest(7, 1), digest(8, 1));
}

#[test]
fn a_day_has_ten_thousand_messages_and_its_share_of_faults() {
    let (_, messages, lines) = run(options(11, 4, 1.0));
    let daily = messages.len() as f64 / 4.0;
    assert!((9_000.0..11_000.0).contains(&daily), "{daily}");
    let near = |share: f64, target: f64| (share / target - 1.0).abs() < 0.2;
    assert!(near(share(&lines, |line| line.fate == Fate::Duplicate), 0.02));
    assert!(near(share(&lines, |line| line.fate == Fate::Quarantine), 0.01));
    assert!(near(share(&lines, |line| line.operation == "correct" && line.fate == Fate::Accepted), 0.01));
    // Half of the late ones say when they were written, so that their way can be told.
    let hours = |line: &MessageLine| line.sent_at - line.reported_at >= 3_500 * MICROS_PER_SECOND;
    assert!(near(share(&lines, |line| line.fate == Fate::Accepted && hours(line)), 0.03 / 2.0));
    assert!(share(&lines, |line| line.operation == "retract") > 0.001);
    assert!(share(&lines, |line| line.operation == "zero") > 0.001);
    let faults: BTreeSet<_> = lines.iter().filter_map(|line| line.fault.clone()).collect();
    assert!(faults.len() >= 30, "{faults:?}");
    let reasons: BTreeSet<_> = lines.iter().filter_map(|line| line.reason.clone()).collect();
    assert!(reasons.len() >= 20, "{reasons:?}");
    assert!(messages.windows(2).all(|pair| pair[0].at <= pair[1].at), "in order");
    for (message, line) in messages.iter().zip(&lines) {
        assert_eq!((message.partition, message.offset), (line.partition, line.offset));
        assert_eq!(hex(&Sha256::digest(message.payload.as_deref().unwrap_or_default())), line.payload_sha256);
    }
    let wrapped = |name: &str| messages.iter().filter(|m| m.headers.iter().any(|(key, _)| key == name)).count() as f64;
    assert!((0.45..0.55).contains(&(wrapped("ce_type") / messages.len() as f64)));
}

#[test]
fn offsets_are_contiguous_and_a_repeat_follows_its_original() {
    let (_, messages, lines) = run(options(5, 3, 0.3));
    let mut next: BTreeMap<(&str, i32), i64> = BTreeMap::new();
    for message in &messages {
        let at = next.entry((&message.topic, message.partition)).or_default();
        assert_eq!(message.offset, *at);
        *at += 1;
    }
    let mut seen = BTreeSet::new();
    for line in lines.iter().filter(|line| line.fate != Fate::Quarantine) {
        let first = seen.insert((line.feed.clone(), line.record.clone(), line.revision, line.reported_at));
        assert_eq!(first, line.fate == Fate::Accepted, "{line:?}");
    }
}

#[test]
fn counts_are_overdispersed() {
    for seed in [1, 2, 3] {
        let simulation = Simulation::new(Options { planted: false, ..options(seed, 84, 1.0) });
        for spread in stats::spreads(&simulation) {
            // Of one a day nothing is spread but chance itself.
            let rare = spread.mean < 1.8;
            assert!(rare || spread.dispersion >= 1.5, "seed {seed}: {spread:?}");
        }
    }
}

#[test]
fn whoever_should_report_reports_in_time_unless_silent() {
    let (simulation, _, lines) = run(options(61, 14, 0.2));
    let mut first: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    for line in lines.iter().filter(|line| line.fate == Fate::Accepted) {
        for row in &line.rows {
            let key = (line.facility_id.clone(), line.feed.clone(), row.event_date.clone());
            let at = first.entry(key).or_insert(line.sent_at);
            *at = line.sent_at.min(*at);
        }
    }
    for line in registers::expected_lines(&simulation.levels, simulation.options.start) {
        let came = first.get(&(line.facility_id.clone(), line.feed.clone(), line.report_date.clone()));
        assert_eq!(came.is_some(), line.sent, "{line:?}");
        assert!(came.is_none_or(|at| *at <= line.due_at), "{line:?}");
    }
}
