//! What Kafka's client tells about itself every second: connections, ends of partitions, topics that are not there.
//!
//! Promises: a topic that was missing is missed until it is seen, whatever else comes meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use rdkafka::Statistics;

use crate::consume::source::Partition;
use crate::kafka::brokers_up;
use crate::problem::{Problem, codes};

/// While topics are missing they are looked for this often, in seconds: as often as the client looks for new partitions.
const LOOK_SECONDS: u32 = 10;

/// The newest word.
#[derive(Default)]
pub(super) struct Heard {
    pub brokers_up: Option<usize>,
    pub ends: BTreeMap<Partition, i64>,
    missing: Option<BTreeSet<String>>,
    seconds: u32,
}

impl Heard {
    pub fn hear(&mut self, statistics: &Statistics) {
        self.brokers_up = Some(brokers_up(statistics));
        self.seconds += 1;
        for (topic, told) in &statistics.topics {
            for (number, partition) in &told.partitions {
                // We read what is committed: the last stable offset is the end for us. Negative: not known yet.
                let end = if partition.ls_offset >= 0 { partition.ls_offset } else { partition.hi_offset };
                if *number >= 0 && end >= 0 {
                    self.ends.insert((topic.clone(), *number), end);
                }
            }
        }
    }

    /// Some topic is not there; which, is found by looking.
    pub fn miss(&mut self) {
        if self.missing.is_none() {
            (self.missing, self.seconds) = (Some(BTreeSet::new()), LOOK_SECONDS);
        }
    }

    /// Whether it is time to look for missing topics.
    pub fn is_time_to_look(&mut self) -> bool {
        let is_time = self.missing.is_some() && self.seconds >= LOOK_SECONDS;
        if is_time {
            self.seconds = 0;
        }
        is_time
    }

    /// What looking came to.
    pub fn looked(&mut self, missing: BTreeSet<String>) {
        self.missing = Some(missing).filter(|missing| !missing.is_empty());
    }

    /// What a person must know of it.
    pub fn problem(&self) -> Option<Problem> {
        match (self.brokers_up, &self.missing) {
            (None, _) => Some(unreachable("no answer yet")),
            (Some(0), _) => Some(unreachable("no connection to any broker")),
            (Some(_), Some(missing)) => {
                let names: Vec<&str> = missing.iter().map(String::as_str).collect();
                let found = if names.is_empty() { "a topic is missing".to_owned() } else { names.join(", ") };
                Some(*Problem::new(codes::kafka::TOPIC_MISSING, "the feeds' topics", found))
            }
            (Some(_), None) => None,
        }
    }
}

fn unreachable(found: &str) -> Problem {
    *Problem::new(codes::kafka::KAFKA_UNREACHABLE, "the consumer", found)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use rdkafka::statistics::{Broker, Partition as Told, Topic};

    use super::*;

    fn word(state: &str, ls_offset: i64, hi_offset: i64) -> Statistics {
        let broker = Broker { state: state.to_owned(), ..Broker::default() };
        let told = Told { ls_offset, hi_offset, ..Told::default() };
        let topic = Topic { partitions: HashMap::from([(0, told.clone()), (-1, told)]), ..Topic::default() };
        Statistics {
            brokers: HashMap::from([("one".to_owned(), broker)]),
            topics: HashMap::from([("a".to_owned(), topic)]),
            ..Statistics::default()
        }
    }

    #[test]
    fn a_broker_counts_when_its_connection_stands_and_an_end_when_it_is_known() {
        let mut heard = Heard::default();
        assert_eq!(heard.problem().map(|problem| problem.code.id), Some("QS-K002"));
        heard.hear(&word("UP", -1_001, -1_001));
        assert_eq!((heard.problem(), heard.ends.len()), (None, 0));
        heard.hear(&word("UP", -1_001, 7));
        heard.hear(&word("UP", 5, 7));
        assert_eq!(heard.ends, BTreeMap::from([(("a".to_owned(), 0), 5)]));
        heard.hear(&word("DOWN", 5, 7));
        assert_eq!(heard.problem().map(|problem| problem.found), Some("no connection to any broker".to_owned()));
    }

    #[test]
    fn a_missing_topic_is_looked_for_until_it_is_seen() {
        let mut heard = Heard::default();
        heard.hear(&word("UP", 0, 0));
        assert!(!heard.is_time_to_look());
        heard.miss();
        assert!(heard.is_time_to_look() && !heard.is_time_to_look());
        heard.looked(BTreeSet::from(["b".to_owned()]));
        heard.miss();
        assert_eq!(heard.problem().map(|problem| problem.found), Some("b".to_owned()));
        (0..LOOK_SECONDS).for_each(|_| heard.hear(&word("UP", 0, 0)));
        assert!(heard.is_time_to_look());
        heard.looked(BTreeSet::new());
        assert_eq!(heard.problem(), None);
    }
}
