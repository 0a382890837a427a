//! The kinds of faults that a seed decides, and how often each happened and made the product do something about it.
//!
//! Promises: a fault counts as forcing only when what followed it was a retry, a fence, a replay or a read-back that was
//! seen at a seam, and once.

use std::collections::BTreeMap;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One process ends between two steps, as by kill -9.
    Crash,
    /// One process stands still while others go on, and goes on later.
    Freeze,
    /// A message comes again at a later offset.
    Duplicate,
    /// A statement about a record comes before the one that it replaces.
    Reorder,
    /// A commit or a batch was done, or not, and nobody says which.
    LostAck,
    /// A read or a write fails.
    DiskError,
    /// Every process ends; a write that was not yet acknowledged is there afterwards.
    PowerKept,
    /// The same; it is not.
    PowerDropped,
    /// The same; its entry is torn, and the repair at the start sets it aside.
    PowerTorn,
    /// The same; its entry is empty.
    PowerTruncated,
    /// Partitions go to another process.
    Rebalance,
    /// A topic is deleted and made again.
    TopicRecreated,
    /// The wall clock of a process leaps.
    ClockJump,
}

impl Kind {
    pub const ALL: [Self; 13] = [
        Self::Crash,
        Self::Freeze,
        Self::Duplicate,
        Self::Reorder,
        Self::LostAck,
        Self::DiskError,
        Self::PowerKept,
        Self::PowerDropped,
        Self::PowerTorn,
        Self::PowerTruncated,
        Self::Rebalance,
        Self::TopicRecreated,
        Self::ClockJump,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Freeze => "freeze",
            Self::Duplicate => "duplicate",
            Self::Reorder => "reorder",
            Self::LostAck => "lost acknowledgement",
            Self::DiskError => "disk error",
            Self::PowerKept => "power loss, kept",
            Self::PowerDropped => "power loss, dropped",
            Self::PowerTorn => "power loss, torn",
            Self::PowerTruncated => "power loss, truncated",
            Self::Rebalance => "rebalance",
            Self::TopicRecreated => "topic recreated",
            Self::ClockJump => "clock jump",
        }
    }
}

/// How often, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub fired: BTreeMap<Kind, usize>,
    pub forced: BTreeMap<Kind, usize>,
}

impl Tally {
    pub fn add(&mut self, other: &Self) {
        other.fired.iter().for_each(|(kind, times)| *self.fired.entry(*kind).or_default() += times);
        other.forced.iter().for_each(|(kind, times)| *self.forced.entry(*kind).or_default() += times);
    }

    /// A line for each kind.
    pub fn table(&self) -> String {
        let times = |of: &BTreeMap<Kind, usize>, kind| of.get(&kind).copied().unwrap_or(0);
        let line = |kind: Kind| {
            format!("{:<24}{:>9}{:>9}\n", kind.word(), times(&self.fired, kind), times(&self.forced, kind))
        };
        let head = format!("{:<24}{:>9}{:>9}\n", "fault", "fired", "forced");
        Kind::ALL.into_iter().map(line).fold(head, |table, line| table + &line)
    }

    /// Kinds that forced something less often than `least`.
    pub fn rare(&self, least: usize) -> Vec<&'static str> {
        let is_rare = |kind: &Kind| self.forced.get(kind).copied().unwrap_or(0) < least;
        Kind::ALL.into_iter().filter(is_rare).map(Kind::word).collect()
    }
}
