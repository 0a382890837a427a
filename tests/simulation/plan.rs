//! What one schedule is: a seed, and what of it is left when it is made smaller.

use std::collections::BTreeSet;

use super::fault::Kind;

/// Whose rules judge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Two of the shipped rules, as functions of the harness.
    Predicates,
    /// The shipped contracts, mappings and rules.
    Shipped,
}

/// One schedule. The same plan gives the same run, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub seed: u64,
    pub rules: Rules,
    /// Kinds of faults that may happen.
    pub kinds: BTreeSet<Kind>,
    /// Faults that happen, at most.
    pub faults: usize,
    /// Messages that are sent, at most.
    pub messages: usize,
    /// Whether the log is written as Parquet, which is most of the work.
    pub writes_files: bool,
}

impl Plan {
    pub fn of(seed: u64, rules: Rules) -> Self {
        let (faults, messages) = (usize::MAX, usize::MAX);
        Self { seed, rules, kinds: Kind::ALL.into(), faults, messages, writes_files: false }
    }

    /// What could be left out next, the largest first.
    fn smaller(&self, did: &Did) -> Vec<Self> {
        let without = |kind: &Kind| {
            let mut kinds = self.kinds.clone();
            kinds.remove(kind);
            Self { kinds, ..self.clone() }
        };
        let mut plans: Vec<Self> = self.kinds.iter().map(without).collect();
        for (now, with) in [(did.faults, 0), (did.messages, 1)] {
            for to in [now / 2, now * 3 / 4, now.saturating_sub(1)] {
                let plan = match with {
                    0 => Self { faults: to, ..self.clone() },
                    _ => Self { messages: to, ..self.clone() },
                };
                if to < now {
                    plans.push(plan);
                }
            }
        }
        plans
    }

    /// A plan as small as can be that still fails. `run` answers what a failing plan did, nothing where it holds.
    pub fn shrink(self, mut run: impl FnMut(&Self) -> Option<Did>) -> Self {
        let mut least = self;
        let Some(mut did) = run(&least) else { return least };
        'smaller: loop {
            for plan in least.smaller(&did) {
                // A plan that does no less is no smaller, whatever it may do: repeats count as messages, too.
                let is_less =
                    |now: &Did| now.faults + now.messages < did.faults + did.messages || plan.kinds != least.kinds;
                if let Some(now) = run(&plan).filter(is_less) {
                    (least, did) = (plan, now);
                    continue 'smaller;
                }
            }
            return least;
        }
    }
}

/// How much a run did before it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Did {
    pub faults: usize,
    pub messages: usize,
}
