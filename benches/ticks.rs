//! What a tick costs after a few reports came, in a city that has reported for days: judged by units about which rows
//! came, and judged whole.
//!
//!   cargo bench --profile dev --bench ticks
//!
//! Promises: the same plans as `serve`; counting and rules are in the figure, reading the log and planning are not.
//! Fails when the two ways come to different findings.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod city;
mod taken_in;

use std::collections::BTreeSet;
use std::sync::Arc;

use qianshao::cells::moment::Moment;
use qianshao::clock::{Clock, ManualClock, WallClock};
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::reference::put_in_force;
use qianshao::detect::changes::Changes;
use qianshao::detect::evaluate::{Dirty, Plans, Standing};
use qianshao::detect::tick::pack_of;
use qianshao::pipeline::{Folders, InForce};
use qianshao::terms::{Day, MICROS_PER_DAY, MICROS_PER_SECOND};

const PACK: &str = "2021-CF";
/// Days of history before the day on which the ticks are measured: a city that has just begun, and one whose baselines
/// and horizon are full.
const DAYS: [i64; 2] = [14, 60];
const TICKS: i64 = 24;
/// Messages before each tick: about what a city of this size sends in a minute and a half.
const MESSAGES: usize = 10;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for days in DAYS {
        let (narrowed, whole) = runtime.block_on(measured(days));
        let ratio = whole / narrowed;
        println!("{days} days, p50 of {TICKS} ticks: whole {whole:.1} ms, narrowed {narrowed:.1} ms, ratio {ratio:.2}");
    }
}

/// Milliseconds in the middle.
fn p50(micros: &mut [i64]) -> f64 {
    micros.sort_unstable();
    micros[micros.len() / 2] as f64 / 1e3
}

async fn measured(days: i64) -> (f64, f64) {
    let start = Day::parse("2021-01-04").unwrap();
    let noon = start.start_micros() + days * MICROS_PER_DAY + MICROS_PER_DAY / 2;
    let clock = ManualClock::new(start.start_micros() - MICROS_PER_DAY);
    let (log, in_force) = (MemoryLog::default(), InForce::read(&Folders::default()).unwrap());
    put_in_force(&log, &clock, &InForce::CLASSES, &in_force.texts).await.unwrap();
    let messages = city::messages(start, days as u32 + 1, true, noon);
    let history = messages.len() - TICKS as usize * MESSAGES;
    let mut taking_in = taken_in::TakingIn::of(&log, in_force.feeds, messages).await;
    clock.advance_to(noon);
    taking_in.epoch(&log, &clock, history).await;
    let wall = WallClock;
    let mut moment = Arc::new(Moment::as_of(&log, noon).await.unwrap());
    let plans = Plans::of(&moment, pack_of(&moment.edition, PACK).unwrap()).await.unwrap();
    let (mut kept, mut anew) = (Standing::new(), Standing::new());
    let broken = plans.evaluate(&moment, noon, &Dirty::Everything, &mut kept).await.unwrap();
    assert_eq!(broken, [], "every rule runs");
    let (mut narrowed, mut whole) = (Vec::new(), Vec::new());
    for tick in 1..=TICKS {
        let at = noon + tick * 90 * MICROS_PER_SECOND;
        clock.advance_to(at);
        taking_in.epoch(&log, &clock, MESSAGES).await;
        let groups = Arc::get_mut(&mut moment).unwrap().advance(&log, at).await.unwrap();
        let dirty = Dirty::Units(Changes::of(&moment, &groups, BTreeSet::new(), false).units);
        let began = wall.now();
        plans.evaluate(&moment, at, &dirty, &mut kept).await.unwrap();
        let between = wall.now();
        plans.evaluate(&moment, at, &Dirty::Everything, &mut anew).await.unwrap();
        narrowed.push(between - began);
        whole.push(wall.now() - between);
        assert_eq!(kept, anew, "tick {tick}");
    }
    println!("{history} messages before, {} findings", kept.values().map(Vec::len).sum::<usize>());
    (p50(&mut narrowed), p50(&mut whole))
}
