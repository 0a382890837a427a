//! Whether the process is alive, and whether it does what it was told to: decisions over what its loops reported.
//!
//! Promises: each no has its reasons, as problems with what to do; who only waits for others' turn is ready.

use std::collections::BTreeMap;

use crate::problem::Problem;
use crate::problem::codes::observe::{LOOP_STANDS, ROLE_STARTING, STOPPING};

/// A loop that has not come round for this long is named: five unclean outcomes of Kafka, each with its own timeouts,
/// and a judgement of everything after a change of rules stay below.
const TURN_SECONDS_MAX: i64 = 600;
const MICROS: i64 = 1_000_000;

/// What the parts of a process said about themselves.
#[derive(Clone, Debug, Default)]
pub struct Standings {
    parts: BTreeMap<&'static str, Part>,
    turns: BTreeMap<&'static str, i64>,
    is_stopping: bool,
}

#[derive(Clone, Debug, Default)]
struct Part {
    is_started: bool,
    problems: Vec<Problem>,
}

impl Standings {
    /// Parts that must have started before the process is ready.
    pub fn expecting(parts: &[&'static str]) -> Self {
        let parts = parts.iter().map(|part| (*part, Part::default())).collect();
        Self { parts, ..Self::default() }
    }

    pub fn started(&mut self, part: &'static str) {
        self.parts.entry(part).or_default().is_started = true;
    }

    /// The problems that a part stands with right now; none is well.
    pub fn stands(&mut self, part: &'static str, problems: Vec<Problem>) {
        self.parts.entry(part).or_default().problems = problems;
    }

    pub fn turned(&mut self, part: &'static str, now: i64) {
        self.turns.insert(part, now);
    }

    pub fn stopping(&mut self) {
        self.is_stopping = true;
    }

    pub const fn turns(&self) -> &BTreeMap<&'static str, i64> {
        &self.turns
    }

    /// Why this process should be ended and started again; nothing else is worth a restart.
    pub fn not_alive(&self, now: i64) -> Vec<Problem> {
        let stands = self.turns.iter().filter(|(_, at)| now - **at > TURN_SECONDS_MAX * MICROS);
        let told = |(part, at): (&&'static str, &i64)| {
            let seconds = (now - at) / MICROS;
            *Problem::new(LOOP_STANDS, format!("the loop {part}"), format!("no turn for {seconds} seconds"))
        };
        stands.map(told).collect()
    }

    /// Why this process does not do, or does not yet do, all that it was told to.
    pub fn not_ready(&self, now: i64) -> Vec<Problem> {
        let mut reasons = self.not_alive(now);
        if self.is_stopping {
            reasons.push(*Problem::new(STOPPING, "the process", "it was told to stop"));
        }
        for (name, part) in &self.parts {
            if part.is_started {
                reasons.extend(part.problems.iter().cloned());
            } else {
                reasons.push(*Problem::new(ROLE_STARTING, format!("the part {name}"), "it has not started yet"));
            }
        }
        reasons
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::codes::kafka::RETENTION_GAP;

    fn ids(problems: &[Problem]) -> Vec<&'static str> {
        problems.iter().map(|problem| problem.code.id).collect()
    }

    #[test]
    fn it_is_ready_when_every_part_has_started_and_stands_without_a_problem() {
        let mut standings = Standings::expecting(&["consume", "publish"]);
        standings.started("publish");
        assert_eq!(ids(&standings.not_ready(0)), ["QS-O001"]);
        assert_eq!(standings.not_ready(0)[0].at, "the part consume");
        standings.started("consume");
        assert_eq!(ids(&standings.not_ready(0)), [""; 0]);
        let gap = *Problem::new(RETENTION_GAP, "topic a, partition 0", "offsets 3 to 5 are gone");
        standings.stands("consume", vec![gap.clone()]);
        assert_eq!(standings.not_ready(0), [gap]);
        standings.stands("consume", Vec::new());
        standings.stopping();
        assert_eq!(ids(&standings.not_ready(0)), ["QS-O002"]);
        assert_eq!(standings.not_alive(0), []);
    }

    #[test]
    fn a_loop_that_stands_still_is_named_and_only_that_one() {
        let mut standings = Standings::default();
        standings.turned("consume", 0);
        standings.turned("detect", 5 * MICROS);
        assert_eq!(standings.not_alive(TURN_SECONDS_MAX * MICROS), []);
        let named = standings.not_alive((TURN_SECONDS_MAX + 1) * MICROS);
        assert_eq!((ids(&named), named[0].at.as_str()), (vec!["QS-O003"], "the loop consume"));
        assert_eq!(ids(&standings.not_ready((TURN_SECONDS_MAX + 1) * MICROS)), ["QS-O003"]);
    }
}
