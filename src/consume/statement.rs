//! What a decoded message states about which record: identity, revision, clocks, operation, quality.
//!
//! Promises: the same statement has the same key and hash wherever and whenever it is decoded with one key; times that
//! cannot be are told, not believed. Never: decides lateness or which statement wins; the log does.

use crate::problem::codes::message as codes;
use crate::terms::{Day, MICROS_PER_DAY, MICROS_PER_SECOND, Operation};

use super::columns::Column;
use super::contract::{Contract, FieldPath};
use super::feed::Kind;
use super::identity::StableHash;
use super::message::Fault;

/// Clocks of senders differ by minutes; beyond this an event counts at its reporting time, with a flag.
const AHEAD_TOLERATED: i64 = 10 * 60 * MICROS_PER_SECOND;
/// A reporting time orders revisions. One from another year would win for ever, so it does not enter the log.
const REPORT_AHEAD_MAX: i64 = MICROS_PER_DAY;

/// What one message states; row i of the batch belongs to statement i.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    /// Index into the messages that were handed to the decoder.
    pub message: usize,
    /// 32 hexadecimal digits over feed and key fields.
    pub record_key: String,
    pub revision: i64,
    /// Microseconds UTC.
    pub reported_at: i64,
    pub operation: Operation,
    /// 32 hexadecimal digits over the contract's fields.
    pub content_hash: String,
    /// The event's time, or the first instant of its date; the reporting time where `quality` says `future_time`.
    pub event_time: Option<i64>,
    /// Flags, comma-separated, in alphabetical order.
    pub quality: Option<String>,
    /// The quarantined message that this one repeats.
    pub retry_of: Option<String>,
}

/// The clocks of one message besides its own fields.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// CloudEvents time, else Kafka's timestamp.
    pub envelope: Option<i64>,
    pub now: i64,
}

/// Flags that the fields raised.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flags {
    pub out_of_range: bool,
    pub bad_id: bool,
}

/// A row of a batch whose statement is asked for.
pub struct Row<'a> {
    pub kind: &'a Kind,
    pub columns: &'a [Column],
    pub row: usize,
}

impl Row<'_> {
    /// The statement of this row; hash and retry are added by the batch.
    pub fn state(&self, message: usize, clocks: Clocks, flags: Flags) -> Result<Stated, Box<Fault>> {
        let contract = &self.kind.contract;
        let record_key = self.record_key(contract)?;
        let reported_at = self.reported_at(contract, clocks)?;
        let event = contract.event_time.as_ref().and_then(|path| self.instant(path));
        let future = event.is_some_and(|event| event > clocks.now.saturating_add(AHEAD_TOLERATED));
        let raised = [(flags.bad_id, "bad_id"), (future, "future_time"), (flags.out_of_range, "out_of_range")];
        let quality = raised.iter().any(|(raised, _)| *raised).then(|| {
            let words: Vec<&str> = raised.into_iter().filter(|(raised, _)| *raised).map(|(_, word)| word).collect();
            words.join(",")
        });
        Ok(Stated {
            message,
            record_key,
            revision: contract.revision.as_ref().and_then(|path| self.integer(path)).unwrap_or(0),
            reported_at,
            operation: self.operation(contract),
            content_hash: String::new(),
            event_time: if future { Some(reported_at) } else { event },
            quality,
            retry_of: None,
        })
    }

    fn column(&self, path: &FieldPath) -> Option<&Column> {
        let (first, rest) = path.steps.split_first()?;
        self.columns.get(*first)?.at(rest)
    }

    fn integer(&self, path: &FieldPath) -> Option<i64> {
        self.column(path)?.integer(self.row)
    }

    fn text(&self, path: &FieldPath) -> Option<&str> {
        self.column(path)?.text(self.row)
    }

    /// The instant at a path; a date begins at its local midnight.
    fn instant(&self, path: &FieldPath) -> Option<i64> {
        let value = self.integer(path)?;
        match self.kind.contract.shape(path) {
            Some(super::plan::Shape::Day) => i32::try_from(value).ok().map(|day| Day(day).start_micros()),
            _ => Some(value),
        }
    }

    fn record_key(&self, contract: &Contract) -> Result<String, Box<Fault>> {
        let mut hash = StableHash::default();
        hash.part(&[self.kind.feed.as_bytes()]);
        for path in &contract.record_key {
            // The first byte tells a text from a number, so "5" and 5 are two records.
            match (self.text(path), self.integer(path)) {
                (Some(text), _) => hash.part(&[b"t", text.as_bytes()]),
                (None, Some(number)) => hash.part(&[b"n", &number.to_be_bytes()]),
                (None, None) => {
                    let mut fault = Fault::new(codes::MISSING_RECORD_KEY, "no usable value");
                    fault.pointer = format!("/{}", path.text.replace('.', "/"));
                    return Err(fault);
                }
            }
        }
        Ok(hash.finish())
    }

    fn reported_at(&self, contract: &Contract, clocks: Clocks) -> Result<i64, Box<Fault>> {
        let stated = contract.reported_at.as_ref().and_then(|path| self.instant(path));
        let Some(reported_at) = stated.or(clocks.envelope) else {
            return Err(Fault::new(codes::NO_REPORT_TIME, "no time in field, envelope or Kafka"));
        };
        if reported_at > clocks.now.saturating_add(REPORT_AHEAD_MAX) {
            let mut fault = Fault::new(codes::REPORT_TIME_IN_FUTURE, crate::terms::local_text(reported_at));
            if let (Some(path), Some(_)) = (&contract.reported_at, stated) {
                fault.pointer = format!("/{}", path.text.replace('.', "/"));
            }
            return Err(fault);
        }
        Ok(reported_at)
    }

    /// A retraction stays one even if it also says zero.
    fn operation(&self, contract: &Contract) -> Operation {
        let stated = contract.operation.as_ref().and_then(|path| self.text(path)).and_then(Operation::parse);
        let zero = contract.zero_report.as_ref().and_then(|path| self.column(path)?.boolean(self.row));
        match (stated, zero) {
            (Some(Operation::Retract), _) => Operation::Retract,
            (_, Some(true)) => Operation::Zero,
            (Some(operation), _) => operation,
            (None, _) => Operation::Report,
        }
    }
}
