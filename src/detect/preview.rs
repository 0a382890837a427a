//! What a change of rules, numbers, lists or registers would do to the alerts, before it is in force.
//!
//! Promises: it is the tick that would follow, judged by the same code; what time and rows alone change is left out.
//! Never: writes.

use super::judge::Judge;
use super::tick::{Stood, packs_of};
use crate::alert::{Alert, Mode};
use crate::delta::log::Log;
use crate::delta::reference::{self, Edition, Proposed, Text};
use crate::delta::tables::Table;
use crate::problem::{Problem, Result};
use crate::terms::KnownAt;

/// What would change.
pub struct Preview {
    /// Whether anything is in force yet.
    pub first: bool,
    /// Texts that are new or differ; an empty body is withdrawn.
    pub texts: Vec<Text>,
    /// When it was judged, microseconds UTC.
    pub tick: i64,
    /// The revisions that the texts alone would make.
    pub changes: Vec<Alert>,
    /// Rules that cannot be planned or run.
    pub broken: Vec<Problem>,
}

/// Judges twice at `now`, or at the log's clock where that is later: by the texts in force, and as if `wanted` were.
pub async fn preview(
    log: &dyn Log,
    pack_id: &str,
    mode: Mode,
    classes: &[&str],
    wanted: &[Text],
    now: i64,
) -> Result<Preview> {
    let in_force = reference::edition(log, i64::MAX).await?;
    let texts = reference::difference(&in_force, classes, wanted);
    let stood = Stood::of(log).await?;
    let clock = log.head(Table::Signals).await?.clock.max(in_force.known_at);
    let tick = now.max(clock).max(stood.last_tick + 1);
    let mut judge = stood.judge(log, &judged_by(&in_force, &stood.rules_digest, pack_id)?, mode).await?;
    settle(&mut judge, log, tick).await?;
    judge.change_pack(pack_id);
    let proposed = Proposed::new(log, &texts, KnownAt(tick + 1))?;
    let judged = judge.judge(&proposed, tick + 1).await?;
    Ok(Preview { first: in_force.texts.is_empty(), texts, tick, changes: judged.changes, broken: judged.broken })
}

/// What time and rows change by themselves.
async fn settle(judge: &mut Judge, log: &dyn Log, tick: i64) -> Result<()> {
    for change in judge.judge(log, tick).await?.changes {
        judge.remember(change);
    }
    Ok(())
}

/// The pack that judged the newest tick; where none has, `otherwise`, or any that there is.
pub async fn pack_in_force(log: &dyn Log, otherwise: &str) -> Result<String> {
    let digest = Stood::of(log).await?.rules_digest;
    judged_by(&reference::edition(log, i64::MAX).await?, &digest, otherwise)
}

/// The pack of the newest tick: the configuration may name another one now.
fn judged_by(in_force: &Edition, digest: &str, wanted: &str) -> Result<String> {
    let packs = packs_of(in_force)?;
    let same = packs.get(wanted).filter(|pack| pack.digest == digest);
    let judged = same.or_else(|| packs.packs.values().find(|pack| pack.digest == digest));
    // Before the first tick any pack will do: none has judged.
    let any = judged.or_else(|| packs.get(wanted)).or_else(|| packs.packs.values().next());
    Ok(any.map_or(wanted, |pack| &pack.id).to_owned())
}
