//! What machines and people on duty watch: is it alive, is it ready, how much does it do.
//!
//! Promises: parts report here and never ask here; nothing that is shown speaks of a person, a unit or an area.
//! Never: decides what a role does.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::json;

use crate::clock::Clock;
use crate::problem::Problem;

pub use document::documentation;
use http::Answer;
use metrics::Metrics;
use standing::Standings;

mod document;
pub mod families;
pub mod http;
pub mod metrics;
mod process;
pub mod standing;

/// Which sources this program was built from, where its builder said so.
const REVISION: Option<&str> = option_env!("QIANSHAO_REVISION");
const JSON: &str = "application/json";
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";
const MICROS: f64 = 1e6;

/// What the parts of one process report, and what is answered from it.
pub struct Observed {
    clock: Arc<dyn Clock>,
    standings: Mutex<Standings>,
    pub metrics: Metrics,
}

impl Observed {
    /// `parts` must have started before the process is ready.
    pub fn new(clock: Arc<dyn Clock>, parts: &[&'static str]) -> Arc<Self> {
        let metrics = Metrics::default();
        metrics.set(&families::BUILD, &[env!("CARGO_PKG_VERSION"), REVISION.unwrap_or_default()], 1.0);
        Arc::new(Self { clock, standings: Mutex::new(Standings::expecting(parts)), metrics })
    }

    fn standings(&self) -> MutexGuard<'_, Standings> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Microseconds UTC.
    pub fn now(&self) -> i64 {
        self.clock.now()
    }

    /// Seconds since a moment that [`Observed::now`] gave.
    pub fn seconds_since(&self, began: i64) -> f64 {
        // A clock that was set back makes no negative duration.
        (self.now() - began).max(0) as f64 / MICROS
    }

    pub fn started(&self, part: &'static str) {
        self.standings().started(part);
    }

    /// The problems that a part stands with right now; none is well.
    pub fn stands(&self, part: &'static str, problems: Vec<Problem>) {
        self.standings().stands(part, problems);
    }

    /// A loop came round.
    pub fn turned(&self, part: &'static str) {
        let now = self.now();
        self.standings().turned(part, now);
    }

    /// From now on nothing new is begun.
    pub fn stopping(&self) {
        self.standings().stopping();
    }

    /// The answer to a path.
    pub fn answer(&self, path: &str) -> Answer {
        let now = self.now();
        match path {
            "/livez" => verdict("alive", &self.standings().not_alive(now)),
            "/readyz" => verdict("ready", &self.standings().not_ready(now)),
            "/metrics" => Answer { status: 200, media: PROMETHEUS, body: self.text(now) },
            _ => {
                let pages = json!({ "pages": ["/livez", "/readyz", "/metrics"] });
                Answer { status: if path == "/" { 200 } else { 404 }, media: JSON, body: format!("{pages}\n") }
            }
        }
    }

    fn text(&self, now: i64) -> String {
        let (is_ready, turns): (bool, BTreeMap<_, _>) = {
            let standings = self.standings();
            (standings.not_ready(now).is_empty(), standings.turns().clone())
        };
        self.metrics.set(&families::READY, &[], f64::from(u8::from(is_ready)));
        for (part, at) in turns {
            self.metrics.set(&families::LAST_TURN, &[part], at as f64 / MICROS);
        }
        for (family, value) in process::usage() {
            self.metrics.set(&family, &[], value);
        }
        self.metrics.text()
    }
}

/// A yes, or a no with its reasons in both languages.
fn verdict(word: &str, reasons: &[Problem]) -> Answer {
    let told = |problem: &Problem| {
        let Problem { code, at, found, help } = problem;
        json!({ "code": code.id, "en": code.en, "zh": code.zh, "at": at, "found": found, "help": help })
    };
    let told: Vec<_> = reasons.iter().map(told).collect();
    let body = json!({ word: reasons.is_empty(), "reasons": told });
    Answer { status: if reasons.is_empty() { 200 } else { 503 }, media: JSON, body: format!("{body:#}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::problem::codes::kafka::TOPIC_MISSING;

    #[test]
    fn a_no_says_why_in_both_languages_and_what_to_do() {
        let observed = Observed::new(Arc::new(ManualClock::new(0)), &["consume"]);
        assert_eq!(observed.answer("/livez").status, 200);
        assert_eq!(observed.answer("/readyz").status, 503);
        observed.started("consume");
        assert_eq!(observed.answer("/readyz").status, 200);
        observed.stands("consume", vec![*Problem::new(TOPIC_MISSING, "the feeds' topics", "no topic a")]);
        let answer = observed.answer("/readyz");
        let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!((answer.status, &body["ready"]), (503, &json!(false)));
        let reason = &body["reasons"][0];
        assert_eq!((&reason["code"], &reason["found"]), (&json!("QS-K003"), &json!("no topic a")));
        assert_eq!((&reason["zh"], &reason["help"]), (&json!(TOPIC_MISSING.zh), &json!(TOPIC_MISSING.help)));
        assert_eq!(observed.answer("/elsewhere").status, 404);
    }

    #[test]
    fn the_metrics_name_the_program_and_whether_it_is_ready() {
        let observed = Observed::new(Arc::new(ManualClock::new(2_000_000)), &["consume"]);
        observed.turned("consume");
        let line = |observed: &Observed, name: &str| {
            let text = observed.answer("/metrics").body;
            text.lines().find(|line| line.starts_with(name)).map(str::to_owned).unwrap()
        };
        assert_eq!(line(&observed, "qianshao_ready"), "qianshao_ready 0");
        observed.started("consume");
        assert_eq!(line(&observed, "qianshao_ready"), "qianshao_ready 1");
        assert!(line(&observed, "qianshao_build_info{").contains(env!("CARGO_PKG_VERSION")));
        assert!(line(&observed, "qianshao_loop_last_turn_timestamp_seconds{").ends_with("{loop=\"consume\"} 2"));
    }
}
