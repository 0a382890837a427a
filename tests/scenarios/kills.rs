//! At which named points the work of a scenario is dropped, as a kill drops it.
//!
//! Promises: the file's name draws them, the same on every machine; a point that the scenario never comes to is
//! replaced by the next one drawn.

use qianshao::clock::Clock;
use qianshao::delta::commit::heartbeat;
use qianshao::delta::edition::Text;
use qianshao::delta::log::Log;
use qianshao::delta::reference::put_in_force;
use qianshao::delta::tables::Table;
use qianshao::fault::{Crashes, POINTS};
use qianshao::pipeline::InForce;
use qianshao::problem::Result;

use super::schedule::Dice;

/// Work that is done again when it was dropped.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    Consume,
    /// The tick at this moment.
    Judge(i64),
    Publish,
    Merge,
}

/// Files of one table and day that are merged.
const MANY: usize = 16;
/// A few commits before a checkpoint.
const COMMITS: i64 = 47;

/// Every point in the order drawn by `name`, at its first or second hit; those at the second once more at the first.
pub fn drawn(name: &str) -> Vec<(&'static str, u32)> {
    let mut dice = Dice::of(name);
    let mut points = POINTS.to_vec();
    dice.shuffle(&mut points);
    let drawn: Vec<_> = points.into_iter().map(|point| (point, 1 + dice.below(2) as u32)).collect();
    let again = drawn.iter().filter(|(_, hit)| *hit > 1).map(|(point, _)| (*point, 1));
    drawn.iter().copied().chain(again).collect()
}

/// Makes a log old enough that what happens to old logs happens to this one.
pub async fn grow_old(log: &dyn Log, clock: &dyn Clock, texts: &[Text], crashes: &Crashes) -> Result<()> {
    if crashes.awaits("maintain::compacted") {
        for piece in 1..MANY {
            put_in_force(log, clock, &InForce::CLASSES, &texts[..texts.len() * piece / MANY]).await?;
        }
    }
    if crashes.awaits("store::checkpoint") {
        for moment in 1..COMMITS {
            heartbeat(log, Table::Signals, clock.now() + moment).await?;
        }
    }
    Ok(())
}
