//! The alert: what a rule's findings become, with a life that people and data both write.
//!
//! Promises: an id depends only on what the alert is about and the day it first began, never on a version or a pack;
//! `state` is written by data alone, `response` by people alone.
//! Never: decides whether an alert should stand. That is reconcile's.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::terms::{Day, KnownAt, Severity, Tick, hex};

/// Bytes of the digest that make an id: 128 bits, so that two alerts never share one.
const ID_BYTES: usize = 16;

/// 32 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AlertId(String);

impl AlertId {
    /// The id of the alert of `rule` about `series` that began on `first_onset`, the `n`-th one of these values.
    pub fn new(rule: &str, series: &Series, first_onset: Day, n: usize) -> Self {
        let mut hash = Sha256::new();
        for part in [rule, &series.unit_kind, &series.unit_id, &series.area_code, &series.signal] {
            // The length before the text: "a" + "bc" must not be "ab" + "c".
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.update(first_onset.0.to_le_bytes());
        hash.update((n as u64).to_le_bytes());
        Self(hex(&hash.finalize()[..ID_BYTES]))
    }

    /// Reads the 32 lower-case hexadecimal digits that `as_str` gives.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        (text.len() == 2 * ID_BYTES && is_hex).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What an alert of one rule is about: at most one of them stands at a time.
///
/// The area is part of it, because one port may send people with symptoms to two counties on one day.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Series {
    pub unit_kind: String,
    pub unit_id: String,
    /// The county.
    pub area_code: String,
    pub signal: String,
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant),+
        }

        impl $name {
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The word in tables and topics.
            pub const fn word(self) -> &'static str {
                match self {
                    $(Self::$variant => $word),+
                }
            }

            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|one| one.word() == text)
            }
        }
    };
}

words!(
    /// What the data say today.
    State {
        /// Its last firing window is recent.
        Open = "open",
        /// The run is over.
        Ended = "ended",
        /// Today's data no longer support it.
        Withdrawn = "withdrawn",
    }
);

impl State {
    /// Whether reconcile may take an alert from here to `to`.
    pub const fn may_become(self, to: Self) -> bool {
        match (self, to) {
            (Self::Open, Self::Ended | Self::Withdrawn) => true,
            (Self::Ended, Self::Open | Self::Withdrawn) => true,
            // What was withdrawn is shown open first, so that everybody hears of it, and may end from there.
            (Self::Withdrawn, Self::Open) => true,
            (Self::Withdrawn, Self::Ended)
            | (Self::Open, Self::Open)
            | (Self::Ended, Self::Ended)
            | (Self::Withdrawn, Self::Withdrawn) => false,
        }
    }
}

words!(
    /// What people have done about it, in the order in which they do it.
    Response {
        None = "none",
        Acknowledged = "acknowledged",
        Verifying = "verifying",
        Suspected = "suspected",
        Investigating = "investigating",
        Confirmed = "confirmed",
        Excluded = "excluded",
    }
);

impl Response {
    /// Whether a person may take the response from here to `to`: forward, with steps left out where they were not
    /// needed; a verdict (confirmed, excluded) may only be taken back to verifying.
    pub fn may_become(self, to: Self) -> bool {
        match self {
            Self::Confirmed | Self::Excluded => to == Self::Verifying,
            Self::None | Self::Acknowledged | Self::Verifying | Self::Suspected | Self::Investigating => to > self,
        }
    }
}

words!(
    /// Whether an alert means what it says.
    Mode {
        Actual = "actual",
        Exercise = "exercise",
        Replay = "replay",
        Test = "test",
    }
);

words!(
    /// How a rule decides: by a number that a law or a person set, or by comparison with the past.
    RuleKind {
        Threshold = "threshold",
        Statistical = "statistical",
    }
);

/// Why an alert was withdrawn.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Rows came about its unit: a correction, a retraction, a late report.
    Corrected,
    /// A rule, a parameter or a code list changed.
    RuleChanged,
    /// Nothing came about its unit, but the data no longer support it (a register changed, days passed).
    Unsupported,
    /// Its run joined that of an older alert.
    MergedInto(AlertId),
}

impl Reason {
    const MERGED: &'static str = "merged_into:";

    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "corrected" => Some(Self::Corrected),
            "rule_changed" => Some(Self::RuleChanged),
            "unsupported" => Some(Self::Unsupported),
            other => other.strip_prefix(Self::MERGED).and_then(AlertId::parse).map(Self::MergedInto),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrected => f.write_str("corrected"),
            Self::RuleChanged => f.write_str("rule_changed"),
            Self::Unsupported => f.write_str("unsupported"),
            Self::MergedInto(id) => write!(f, "{}{id}", Self::MERGED),
        }
    }
}

/// One revision of an alert: a row of `alert_history`, a message of the alert topics.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    pub id: AlertId,
    /// 1 for the first.
    pub revision: i64,
    pub rule: String,
    pub rule_kind: RuleKind,
    pub pack: String,
    pub severity: Severity,
    pub state: State,
    pub response: Response,
    /// Present exactly while withdrawn.
    pub reason: Option<Reason>,
    pub mode: Mode,
    pub series: Series,
    pub syndrome: Option<String>,
    pub facility_id: Option<String>,
    /// The onset at first opening, part of the id; it stays when a late row moves `onset`.
    pub first_onset: Day,
    /// The last day of the first firing window.
    pub onset: Day,
    /// Of the latest firing window, as are the numbers below.
    pub window_start: Day,
    pub window_end: Day,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    /// Comma list.
    pub channels: Option<String>,
    pub title_zh: String,
    pub title_en: String,
    /// The tick of the first revision.
    pub opened_at: Tick,
    /// When the first verification is due, by the rule's hours from the latest opening.
    pub verify_due: Tick,
    /// The tick of this revision.
    pub tick: Tick,
    /// When this revision was committed; `None` until the commit stamps it.
    pub known_at: Option<KnownAt>,
}

impl Alert {
    /// Whether the two revisions look the same to everybody who reads them: all but their numbering and times, and the
    /// edition that a change of pack alone would alter on every alert.
    pub fn reads_like(&self, other: &Self) -> bool {
        let same_edition = Self {
            revision: other.revision,
            pack: other.pack.clone(),
            mode: other.mode,
            tick: other.tick,
            known_at: other.known_at,
            ..self.clone()
        };
        same_edition == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        Series { unit_kind: "class".into(), unit_id: "S1/3-2".into(), area_code: "990101".into(), signal: "gi".into() }
    }

    #[test]
    fn an_id_is_the_same_for_the_same_beginning_and_differs_for_any_other() {
        let id = AlertId::new("r", &series(), Day(10), 0);
        assert_eq!(id, AlertId::new("r", &series(), Day(10), 0));
        assert_eq!(AlertId::parse(id.as_str()), Some(id.clone()));
        assert_ne!(id, AlertId::new("r", &series(), Day(11), 0));
        assert_ne!(id, AlertId::new("r", &series(), Day(10), 1));
        let other_area = Series { area_code: "990102".into(), ..series() };
        assert_ne!(id, AlertId::new("r", &other_area, Day(10), 0));
        let shifted = Series { unit_kind: "classS".into(), unit_id: "1/3-2".into(), ..series() };
        assert_ne!(id, AlertId::new("r", &shifted, Day(10), 0));
    }

    #[test]
    fn every_word_reads_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.word()), Some(*state));
            assert!(!state.may_become(*state));
        }
        let merged = Reason::MergedInto(AlertId::new("r", &series(), Day(1), 0));
        for reason in [Reason::Corrected, Reason::RuleChanged, Reason::Unsupported, merged] {
            assert_eq!(Reason::parse(&reason.to_string()), Some(reason));
        }
        assert_eq!(Reason::parse("merged_into:somewhere"), None);
    }

    #[test]
    fn people_go_forward_and_take_a_verdict_back_only_to_verify() {
        assert!(Response::None.may_become(Response::Excluded));
        assert!(Response::Acknowledged.may_become(Response::Verifying));
        assert!(!Response::Verifying.may_become(Response::Acknowledged));
        assert!(Response::Excluded.may_become(Response::Verifying));
        assert!(!Response::Confirmed.may_become(Response::Excluded));
    }

    #[test]
    fn what_was_withdrawn_is_shown_open_before_it_ends() {
        assert!(State::Withdrawn.may_become(State::Open));
        assert!(!State::Withdrawn.may_become(State::Ended));
        assert!(State::Ended.may_become(State::Open));
    }
}
