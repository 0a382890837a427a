//! What each loop's turn means to whoever watches the process: numbers, and problems that stand.
//!
//! Never: decides anything for the loop.

use crate::consume::role::Step;
use crate::consume::source::{Partition, Standing};
use crate::delta::log::{Head, parse_offset_mark};
use crate::delta::tables::Table;
use crate::detect::tick::Ticked;
use crate::observe::{Observed, families};
use crate::problem::{Problem, Result, codes};
use crate::publish::outbox::Round;

/// Parts of a process, as probes name them.
pub const CONSUME: &str = "consume";
pub const DETECT: &str = "detect";
pub const PUBLISH: &str = "publish";
pub const SERVE: &str = "serve";
/// The log itself, which every process reads.
pub const STATE: &str = "state";

const MICROS: f64 = 1e6;

pub fn consumed(observed: &Observed, step: &Step, standing: Standing) {
    let metrics = &observed.metrics;
    match step {
        Step::Epoch { taken, .. } => {
            metrics.add(&families::EPOCHS, &["committed"], 1.0);
            for (topic, counts) in taken {
                metrics.add(&families::CONSUMED, &[topic], counts.consumed as f64);
                metrics.add(&families::ACCEPTED, &[topic], counts.accepted() as f64);
                for (reason, count) in &counts.quarantined {
                    metrics.add(&families::QUARANTINED, &[topic, reason], *count as f64);
                }
            }
        }
        Step::Dropped => metrics.add(&families::EPOCHS, &["dropped"], 1.0),
        Step::Idle | Step::End => {}
    }
    let labels = |(topic, number): &Partition| vec![topic.clone(), number.to_string()];
    let lags = standing.reach.iter().map(|(partition, (next, end))| (labels(partition), (end - next).max(0) as f64));
    metrics.replace(&families::LAG, lags);
    metrics.replace(&families::END_OFFSET, standing.reach.iter().map(|(p, (_, end))| (labels(p), *end as f64)));
    metrics.set(&families::WAITING, &[], standing.waiting as f64);
    metrics.set(&families::BROKERS, &[CONSUME], standing.brokers_up.unwrap_or_default() as f64);
    observed.turned(CONSUME);
    observed.stands(CONSUME, standing.problems);
}

pub fn judged(observed: &Observed, ticked: &Ticked, seconds: f64) {
    let metrics = &observed.metrics;
    metrics.add(&families::TICKS, &[], 1.0);
    metrics.time(&families::TICK_SECONDS, &[], seconds);
    metrics.set(&families::LAST_TICK, &[], ticked.tick as f64 / MICROS);
    metrics.set(&families::FINDINGS, &[], ticked.findings as f64);
    for alert in &ticked.changes {
        metrics.add(&families::ALERT_CHANGES, &[alert.state.word(), alert.severity.word()], 1.0);
    }
}

/// Whether we hold the publisher's seat. Who waits for it is as ready as who holds it, as long as a broker answers.
pub fn seated(observed: &Observed, is_seated: bool, brokers_up: usize) {
    observed.metrics.set(&families::SEATED, &[], f64::from(u8::from(is_seated)));
    observed.metrics.set(&families::BROKERS, &[PUBLISH], brokers_up as f64);
    observed.turned(PUBLISH);
    if !is_seated {
        observed.stands(PUBLISH, unreachable(brokers_up).into_iter().collect());
    }
}

pub fn published(observed: &Observed, round: &Result<Round>, brokers_up: usize) {
    let metrics = &observed.metrics;
    let problems = match round {
        Ok(Round::Done { alerts, dead_letters, .. }) => {
            metrics.add(&families::PUBLISHED_ROWS, &["alert"], *alerts as f64);
            metrics.add(&families::PUBLISHED_ROWS, &["dead_letter"], *dead_letters as f64);
            // A round with nothing to send asks no broker.
            unreachable(brokers_up).into_iter().collect()
        }
        Ok(Round::Fenced(_)) => Vec::new(),
        Err(problem) => {
            metrics.add(&families::PUBLISH_FAILURES, &[problem.code.id], 1.0);
            vec![(**problem).clone()]
        }
    };
    observed.stands(PUBLISH, problems);
}

fn unreachable(brokers_up: usize) -> Option<Problem> {
    let problem = || *Problem::new(codes::kafka::KAFKA_UNREACHABLE, "the publisher", "no connection to any broker");
    (brokers_up == 0).then(problem)
}

/// The newest commit of a table, or why it cannot be read.
pub fn head(observed: &Observed, table: Table, head: &Head) {
    let metrics = &observed.metrics;
    metrics.set(&families::LOG_VERSION, &[table.name()], head.version as f64);
    metrics.set(&families::LOG_KNOWN_AT, &[table.name()], head.clock as f64 / MICROS);
    if table == Table::Signals {
        let offset = |(mark, next): (&String, &i64)| {
            let (topic, partition) = parse_offset_mark(mark)?;
            Some((vec![topic.to_owned(), partition.to_string()], *next as f64))
        };
        metrics.replace(&families::LOG_OFFSET, head.marks.iter().filter_map(offset));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::clock::ManualClock;
    use crate::consume::taken::{Taken, TopicTaken};

    fn observed() -> Arc<Observed> {
        let observed = Observed::new(Arc::new(ManualClock::new(0)), &[CONSUME, PUBLISH]);
        observed.started(CONSUME);
        observed.started(PUBLISH);
        observed
    }

    #[test]
    fn the_books_of_an_epoch_balance_and_its_lag_is_what_is_left_to_commit() {
        let observed = observed();
        let quarantined = BTreeMap::from([("not_json".to_owned(), 2)]);
        let taken = Taken::from([("feed".to_owned(), TopicTaken { consumed: 10, quarantined })]);
        let reach = BTreeMap::from([(("feed".to_owned(), 3), (40, 52))]);
        let standing = Standing { brokers_up: Some(1), reach, ..Standing::default() };
        consumed(&observed, &Step::Epoch { messages: 10, bytes: 1, took_ms: 1, taken }, standing);
        let text = observed.metrics.text();
        for line in [
            "qianshao_messages_consumed_total{topic=\"feed\"} 10",
            "qianshao_messages_accepted_total{topic=\"feed\"} 8",
            "qianshao_messages_quarantined_total{topic=\"feed\",reason=\"not_json\"} 2",
            "qianshao_lag_messages{topic=\"feed\",partition=\"3\"} 12",
            "qianshao_kafka_end_offset{topic=\"feed\",partition=\"3\"} 52",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }

    #[test]
    fn who_waits_for_the_seat_is_ready_and_who_cannot_publish_is_not() {
        let observed = observed();
        let status = || observed.answer("/readyz").status;
        seated(&observed, false, 1);
        assert_eq!(status(), 200);
        let stuck = Problem::new(codes::kafka::PUBLISH_STUCK, "3 messages", "timed out");
        published(&observed, &Err(stuck), 1);
        assert_eq!(status(), 503);
        published(&observed, &Ok(Round::Fenced("another".to_owned())), 1);
        assert_eq!(status(), 200);
        seated(&observed, false, 0);
        assert_eq!(status(), 503);
    }

    #[test]
    fn offsets_of_the_log_are_shown_by_topic_and_partition() {
        let observed = observed();
        let marks = BTreeMap::from([("in/a/b/1".to_owned(), 7), ("clock".to_owned(), 9)]);
        head(&observed, Table::Signals, &Head { version: 4, clock: 2_500_000, marks });
        let text = observed.metrics.text();
        for line in [
            "qianshao_log_version{table=\"signals\"} 4",
            "qianshao_log_known_at_timestamp_seconds{table=\"signals\"} 2.5",
            "qianshao_log_offset{topic=\"a/b\",partition=\"1\"} 7",
        ] {
            assert!(text.lines().any(|one| one == line), "{line} in {text}");
        }
    }
}
