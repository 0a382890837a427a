//! The loop that judges: one process at a time, and again from the log after anything that was not written.
//!
//! Promises: a process that another has taken over from writes nothing more, and takes over again when nobody judges.

use std::sync::Arc;
use std::time::Duration;

use tracing::{error, warn};

use super::stop::Stop;
use super::watched;
use super::{STUCK_WAIT, TICK_MS_IDLE, TICK_MS_MIN};
use crate::alert::Mode;
use crate::clock::Clock;
use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::detect::tick::Detect;
use crate::observe::Observed;
use crate::problem::{Result, codes};

/// Idle ticks that must be missing before whoever judged counts as gone.
const IDLE_TICKS_MISSING: u64 = 3;

/// What judging begins with.
pub struct Opening {
    pub log: Arc<dyn Log>,
    pub clock: Arc<dyn Clock>,
    pub pack: String,
    pub mode: Mode,
    pub observed: Arc<Observed>,
}

/// Whether a tick without new rows is due. A clock that went back says nothing of how long it was: then it is due, too.
pub fn is_due(idle_since: i64, now: i64) -> bool {
    !(0..TICK_MS_IDLE as i64 * 1_000).contains(&(now - idle_since))
}

/// Then detect: what changed is counted again and judged at a logical moment.
pub async fn detect(opening: Opening, stop: Stop) -> Result<()> {
    while !stop.is_told() {
        match opening.judge(&stop).await {
            Err(problem) if problem.code == codes::log::DETECT_FENCED => {
                warn!(at = problem.at, "{}", problem.code.en);
                opening.wait_for_silence(&stop).await?;
            }
            // What was judged and not written is judged again from what is written.
            Err(problem) if problem.code == codes::log::COMMIT_GAVE_UP => {
                error!(at = problem.at, found = problem.found, help = problem.help, "{}", problem.code.en);
                opening.observed.stands(watched::DETECT, vec![*problem]);
                stop.wait(STUCK_WAIT).await;
            }
            ended => return ended,
        }
    }
    Ok(())
}

impl Opening {
    async fn judge(&self, stop: &Stop) -> Result<()> {
        let Self { log, clock, pack, mode, observed } = self;
        observed.turned(watched::DETECT);
        let mut role = Detect::open(log.clone(), clock.clone(), pack, *mode).await?;
        observed.started(watched::DETECT);
        // A log without rows stands at 0, which is no moment to judge at.
        let (mut seen, mut idle_since) = (0, clock.now());
        while !stop.is_told() {
            observed.turned(watched::DETECT);
            let head = log.head(Table::Signals).await?;
            let due = is_due(idle_since, clock.now());
            if head.clock > seen || due {
                // At the newest rows' own moment the log needs no heartbeat, which would only be in the consumer's way.
                let began = observed.now();
                let ticked = role.tick(if head.clock > seen { head.clock } else { clock.now() }).await?;
                (seen, idle_since) = (ticked.tick, clock.now());
                watched::judged(observed, &ticked, observed.seconds_since(began));
                observed.stands(watched::DETECT, Vec::new());
            }
            stop.wait(Duration::from_millis(TICK_MS_MIN)).await;
        }
        Ok(())
    }

    /// Waits until whoever took over is gone.
    async fn wait_for_silence(&self, stop: &Stop) -> Result<()> {
        let mut before = self.log.head(Table::Ticks).await?;
        while !stop.is_told() {
            self.observed.turned(watched::DETECT);
            stop.wait(Duration::from_millis(IDLE_TICKS_MISSING * TICK_MS_IDLE)).await;
            let now = self.log.head(Table::Ticks).await?;
            if now == before {
                break;
            }
            before = now;
        }
        Ok(())
    }
}
