//! In what order, how often and into how many consumers the messages of a scenario come.
//!
//! Promises: the same scenario and schedule give the same order, on every machine; what a schedule did can be asked,
//! so that one which did nothing fails.

use std::collections::BTreeMap;

/// Kills that each scenario is to survive.
pub const KILLS: usize = 3;

/// How messages come between two ticks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Schedule {
    Straight,
    /// An epoch per message.
    OneByOne,
    /// In another order.
    Shuffled,
    /// Each message again at a later offset: one half before the next tick, one half after it.
    Twice,
    /// Two consumers with partitions of their own, one log.
    Split,
    /// Every role closed and opened again from its folder: in the midst of the messages, before a tick, and within it,
    /// when alerts are written and not yet published.
    Restarted,
    /// The same, and the folder is a copy of the one before, as after a backup was put back.
    Restored,
    /// Dropped in the midst of its work at points that the scenario's name draws, and opened again from its folder.
    Killed,
}

impl Schedule {
    pub const ALL: [Self; 8] = [
        Self::Straight,
        Self::OneByOne,
        Self::Shuffled,
        Self::Twice,
        Self::Split,
        Self::Restarted,
        Self::Restored,
        Self::Killed,
    ];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Straight => "straight",
            Self::OneByOne => "one by one",
            Self::Shuffled => "shuffled",
            Self::Twice => "twice",
            Self::Split => "split",
            Self::Restarted => "restarted",
            Self::Restored => "restored",
            Self::Killed => "killed",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|schedule| schedule.word() == word)
    }

    pub const fn consumers(self) -> usize {
        match self {
            Self::Split => 2,
            Self::Straight
            | Self::OneByOne
            | Self::Shuffled
            | Self::Twice
            | Self::Restarted
            | Self::Restored
            | Self::Killed => 1,
        }
    }

    /// Whether the world lives in a folder, so that it can be opened again.
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::Restarted | Self::Restored | Self::Killed)
    }

    /// Whether it is opened again where no work is under way.
    pub const fn rests(self) -> bool {
        matches!(self, Self::Restarted | Self::Restored)
    }

    /// Messages of one epoch.
    pub const fn epoch(self) -> usize {
        match self {
            Self::OneByOne => 1,
            // Few, so that the consumers' commits lie between each other's, and there is much that a kill cuts short.
            Self::Split | Self::Killed => 3,
            Self::Straight | Self::Shuffled | Self::Twice | Self::Restarted | Self::Restored => usize::MAX,
        }
    }
}

/// A message that was sent and has no offset yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    pub feed: String,
    pub payload: String,
}

/// What a schedule did to one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acts {
    pub messages: usize,
    pub ticks: usize,
    pub epochs: usize,
    /// Intervals between two ticks with more than one message, and those of them that came in another order.
    pub movable: usize,
    pub moved: usize,
    pub again: usize,
    /// Messages that each consumer committed.
    pub fed: [usize; 2],
    pub reopened: usize,
    pub published: usize,
    /// Named points at which it was dropped.
    pub killed: BTreeMap<String, usize>,
}

impl Acts {
    pub fn add(&mut self, other: &Self) {
        self.messages += other.messages;
        self.ticks += other.ticks;
        self.epochs += other.epochs;
        self.movable += other.movable;
        self.moved += other.moved;
        self.again += other.again;
        self.fed[0] += other.fed[0];
        self.fed[1] += other.fed[1];
        self.reopened += other.reopened;
        self.published += other.published;
        other.killed.iter().for_each(|(point, kills)| *self.killed.entry(point.clone()).or_default() += kills);
    }

    /// Why the schedule did not act on this scenario, if it did not.
    pub fn idle(&self, schedule: Schedule) -> Option<String> {
        let acted = match schedule {
            Schedule::Straight => self.epochs <= self.ticks,
            Schedule::OneByOne => self.epochs == self.messages,
            Schedule::Shuffled => self.moved == self.movable,
            // Those of the last interval that wait for a next one never come again.
            Schedule::Twice => self.again > 0 || self.messages == 0,
            Schedule::Split => self.messages < 2 || self.fed.iter().all(|fed| *fed > 0),
            Schedule::Restarted | Schedule::Restored => self.reopened >= 3 * self.ticks,
            Schedule::Killed => self.killed.values().sum::<usize>() >= KILLS,
        };
        (!acted).then(|| format!("{} did not act: {self:?}", schedule.word()))
    }
}

/// Chance that is the same everywhere: SplitMix64.
pub struct Dice(u64);

impl Dice {
    /// Of a text, by FNV-1a.
    pub fn of(text: &str) -> Self {
        Self(
            text.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// Of a number.
    pub const fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    /// Another order, by Fisher and Yates.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}

/// Another order of the same messages, unless they are all alike.
pub fn shuffle(messages: &mut [Sent], dice: &mut Dice) {
    let before = messages.to_vec();
    dice.shuffle(messages);
    if messages == before && !messages.is_empty() {
        messages.rotate_left(1);
    }
}
