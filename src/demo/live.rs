//! `demo`: the same stage at a pace one can watch, until Ctrl-C or the last day.
//!
//! Promises: alerts are told as they open and as they are withdrawn; the two lines it prints for SQL work as printed.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::once::{Run, Stage};
use crate::alert::{Alert, State};
use crate::clock::Clock;
use crate::delta::delta_log::DeltaLog;
use crate::pipeline::Stop;
use crate::problem::Result;
use crate::terms::{MICROS_PER_DAY, local_text};

/// Steps of a simulated day: fine enough to see the morning's reports come in.
const STEPS_PER_DAY: i64 = 24;

/// In which words alerts are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    Zh,
    En,
}

/// What happened in one step, for whoever shows it.
pub struct Moment<'a> {
    pub until: i64,
    pub messages: usize,
    pub total: usize,
    pub open: usize,
    pub changes: &'a [Alert],
}

/// Runs until told to stop. `ready` hears of the log once it can be queried, of the city's clock and of the broker's address.
pub async fn run(
    run: &Run,
    pace: Duration,
    stop: Stop,
    ready: impl FnOnce(Arc<DeltaLog>, Arc<dyn Clock>, &str) + Send,
    mut each: impl FnMut(&Moment<'_>) + Send,
) -> Result<()> {
    let mut stage = Stage::set(run).await?;
    ready(stage.log.clone(), stage.clock.clone(), &stage.broker.settings.bootstrap_servers);
    let start = run.options.start.start_micros();
    let mut total = 0;
    for step in 1..=i64::from(run.options.days) * STEPS_PER_DAY {
        if stop.is_told() {
            break;
        }
        let until = start + step * MICROS_PER_DAY / STEPS_PER_DAY;
        let (messages, ticked) = stage.advance(until).await?;
        total += messages;
        let open = stage.detect.alerts().filter(|alert| alert.state == State::Open).count();
        each(&Moment { until, messages, total, open, changes: &ticked.changes });
        stop.wait(pace).await;
    }
    Ok(())
}

/// One alert in one line.
pub fn line(alert: &Alert, language: Language) -> String {
    let (title, state) = match (language, alert.state) {
        (Language::Zh, State::Open) => (&alert.title_zh, if alert.revision == 1 { "触发" } else { "更新" }),
        (Language::Zh, State::Ended) => (&alert.title_zh, "结束"),
        (Language::Zh, State::Withdrawn) => (&alert.title_zh, "撤销"),
        (Language::En, State::Open) => (&alert.title_en, if alert.revision == 1 { "opened" } else { "updated" }),
        (Language::En, State::Ended) => (&alert.title_en, "ended"),
        (Language::En, State::Withdrawn) => (&alert.title_en, "withdrawn"),
    };
    let reason = alert.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    format!(
        "  [{:<6}] {state:<9} {title}  {} {}  {} / {}{reason}  {}",
        alert.severity.word(),
        alert.series.unit_id,
        alert.window_end,
        alert.observed,
        alert.threshold,
        &alert.id.as_str()[..8],
    )
}

/// The status line of a step.
pub fn status(moment: &Moment<'_>, language: Language) -> String {
    let time = local_text(moment.until);
    match language {
        Language::Zh => {
            format!("{time}  报告 {:>5}（累计 {}）  未结预警 {}", moment.messages, moment.total, moment.open)
        }
        Language::En => {
            format!("{time}  {:>5} messages ({} so far)  {} alerts open", moment.messages, moment.total, moment.open)
        }
    }
}

/// A folder that an earlier demo used is moved aside, so that a second run starts fresh and the first can still be read.
pub fn set_aside(state: &PathBuf) -> std::io::Result<Option<PathBuf>> {
    if !state.join("tables").exists() {
        return Ok(None);
    }
    let free = (1..).map(|n| state.with_extension(format!("{n}"))).find(|path| !path.exists());
    match free {
        Some(aside) => std::fs::rename(state, &aside).map(|()| Some(aside)),
        None => Ok(None),
    }
}
