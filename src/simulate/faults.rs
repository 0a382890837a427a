//! What goes wrong on the way: repeats, late ones, corrections, retractions, malformed copies.
//!
//! Promises: when everything has arrived the counts are the true ones: a malformed message is a broken copy that is
//! sent besides the good one, a misreport is corrected, a mistaken record is retracted.

use super::chance::Chance;
use super::ledger::{Fate, TrueRow};
use super::malformed::BREAKAGES;
use super::messages::{Message, Statement};
use crate::terms::{MICROS_PER_SECOND, local_text};

const REPEATED: f64 = 0.0205;
const LATE: f64 = 0.031;
const CORRECTED: f64 = 0.0105;
const RETRACTED: f64 = 0.003;
const MALFORMED: f64 = 0.0105;
/// Late by one hour to three days.
const LATE_HOURS: (f64, f64) = (1.0, 72.0);
const HOUR: f64 = 3_600.0;

/// How a message is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Envelope {
    /// CloudEvents attributes as headers.
    Binary,
    /// CloudEvents as JSON around the data.
    Structured,
    Bare,
}

/// A message on its way, before it has a position.
#[derive(Clone)]
pub struct Draft {
    pub at: i64,
    pub feed: &'static str,
    pub kind: &'static str,
    pub facility: String,
    pub record: Option<String>,
    pub revision: u32,
    pub reported_at: i64,
    pub operation: &'static str,
    pub headers: Vec<(String, Vec<u8>)>,
    pub payload: Option<Vec<u8>>,
    pub fate: Fate,
    pub reason: Option<&'static str>,
    pub pointer: Option<String>,
    pub fault: Option<&'static str>,
    pub rows: Vec<TrueRow>,
}

/// What may happen to a message.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Care {
    /// Anything.
    Ordinary,
    /// It comes in time, because it is the report of its facility and day.
    Steady,
    /// It comes in time and as it is; it may be repeated.
    Exact,
}

/// Takes messages in and hands drafts out.
pub struct Post {
    chance: Chance,
    /// Nothing is sent after this.
    end: i64,
    breakage: usize,
    pub drafts: Vec<Draft>,
}

impl Post {
    pub fn new(seed: u64, day: usize, end: i64) -> Self {
        // Days begin at different ways of being wrong, so that short runs meet all of them.
        Self { chance: Chance::of(seed, "post", day as u64, 0), end, breakage: day * 7, drafts: vec![] }
    }

    /// Sends a message, perhaps not quite as it should be.
    pub fn send<M: Message>(&mut self, mut message: M, care: Care) {
        let mut at = self.soon(message.statement().at);
        if care == Care::Ordinary && self.chance.happens(MALFORMED) {
            self.send_broken(&message, at);
        }
        if care == Care::Ordinary && self.chance.happens(LATE) {
            let hours = self.chance.within(LATE_HOURS.0.ln(), LATE_HOURS.1.ln()).exp();
            at = self.later(at, hours);
            // Some senders stamp when they send, others when they wrote.
            if self.chance.happens(0.5) {
                message.state(Statement::first(at));
            }
        }
        if care != Care::Exact && self.chance.happens(RETRACTED) {
            self.send_retracted(&message, at);
        }
        if care != Care::Exact && self.chance.happens(CORRECTED) {
            self.send_corrected(message, at);
        } else {
            self.push(&message, at, "report");
        }
    }

    /// A few seconds of transport.
    fn soon(&mut self, at: i64) -> i64 {
        (at + self.chance.between(1, 20) * MICROS_PER_SECOND).min(self.end)
    }

    fn later(&mut self, at: i64, hours: f64) -> i64 {
        at.saturating_add((hours * HOUR) as i64 * MICROS_PER_SECOND).min(self.end)
    }

    fn send_corrected<M: Message>(&mut self, mut truth: M, at: i64) {
        let mut wrong = truth.clone();
        wrong.misreport(&mut self.chance);
        self.push(&wrong, at, "report");
        let hours = self.chance.within(0.5, 30.0);
        let at = self.later(at, hours);
        truth.state(Statement::later(at, "correct"));
        self.push(&truth, at, "correct");
    }

    fn send_retracted<M: Message>(&mut self, of: &M, at: i64) {
        let Some(mut void) = of.mistaken() else { return };
        self.push(&void, at, "report");
        let hours = self.chance.within(0.2, 20.0);
        let at = self.later(at, hours);
        void.state(Statement::later(at, "retract"));
        self.push(&void, at, "retract");
    }

    fn push<M: Message>(&mut self, message: &M, at: i64, operation: &'static str) {
        let Ok(body) = serde_json::to_string(message) else { return };
        let statement = message.statement();
        let envelope = match self.chance.below(4) {
            0 | 1 => Envelope::Binary,
            2 => Envelope::Structured,
            _ => Envelope::Bare,
        };
        let (headers, payload) = wrapped::<M>(message, envelope, &body, None);
        let draft = Draft {
            at,
            feed: M::FEED,
            kind: M::KIND,
            facility: message.facility().to_owned(),
            record: Some(message.record()),
            revision: statement.revision.unwrap_or(0),
            reported_at: statement.at,
            // A zero report says so, also where it corrects.
            operation: if message.is_zero() { "zero" } else { operation },
            headers,
            payload: Some(payload),
            fate: Fate::Accepted,
            reason: None,
            pointer: None,
            fault: None,
            rows: message.rows(),
        };
        if self.chance.happens(REPEATED) {
            let hours = self.chance.within(0.01, 12.0);
            let at = self.later(at, hours);
            self.drafts.push(draft.clone());
            self.drafts.push(Draft { at, fate: Fate::Duplicate, ..draft });
        } else {
            self.drafts.push(draft);
        }
    }

    /// A broken copy; the good one follows, as when a sender tries again.
    fn send_broken<M: Message>(&mut self, message: &M, at: i64) {
        let Ok(body) = serde_json::to_string(message) else { return };
        let found = (0..BREAKAGES.len()).find_map(|step| {
            let next = (self.breakage + step) % BREAKAGES.len();
            let broken = BREAKAGES[next].of(M::FEED, M::KIND, &body)?;
            Some((next, broken))
        });
        let Some((which, broken)) = found else { return };
        self.breakage = which + 1;
        let envelope = if broken.typed || broken.kind.is_some() { Envelope::Binary } else { Envelope::Bare };
        let (headers, _) = wrapped::<M>(message, envelope, &body, broken.kind);
        self.drafts.push(Draft {
            at,
            feed: M::FEED,
            kind: M::KIND,
            facility: message.facility().to_owned(),
            record: None,
            revision: 0,
            reported_at: message.statement().at,
            operation: "report",
            headers,
            payload: broken.payload,
            fate: Fate::Quarantine,
            reason: Some(BREAKAGES[which].reason),
            pointer: broken.pointer,
            fault: Some(BREAKAGES[which].name),
            rows: vec![],
        });
    }
}

/// Headers and payload of a message in an envelope; `kind` overrides the type's last words.
fn wrapped<M: Message>(
    message: &M,
    envelope: Envelope,
    body: &str,
    kind: Option<&str>,
) -> (Vec<(String, Vec<u8>)>, Vec<u8>) {
    let statement = message.statement();
    let ce_type = match kind {
        None => format!("cn.qianshao.{}.{}.v1", M::FEED, M::KIND),
        Some(kind) => format!("cn.qianshao.{}.{kind}", M::FEED),
    };
    let id = format!("{}#{}", message.record(), statement.revision.unwrap_or(0));
    let source = format!("/facility/{}", message.facility());
    let time = local_text(statement.at);
    match envelope {
        Envelope::Bare => (vec![], body.as_bytes().to_vec()),
        Envelope::Binary => {
            let attributes = [
                ("ce_specversion", "1.0"),
                ("ce_id", &id),
                ("ce_type", &ce_type),
                ("ce_source", &source),
                ("ce_time", &time),
                ("content-type", "application/json"),
            ];
            let headers = attributes.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
            (headers.collect(), body.as_bytes().to_vec())
        }
        Envelope::Structured => {
            let payload = format!(
                r#"{{"specversion":"1.0","id":"{id}","type":"{ce_type}","source":"{source}","time":"{time}","datacontenttype":"application/json","data":{body}}}"#
            );
            let content = b"application/cloudevents+json; charset=UTF-8".to_vec();
            (vec![("content-type".to_owned(), content)], payload.into_bytes())
        }
    }
}
