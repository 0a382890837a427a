//! The shipped roles in a world where one seed decides every crash, delay, duplicate and lost acknowledgement.
//!
//! `cargo test simulation` runs a few hundred schedules. By the environment: QIANSHAO_SCHEDULES (how many),
//! QIANSHAO_SEED (the first), QIANSHAO_TRACE=1 (every turn of a failing one). docs/reliability.md says what is shown.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

mod checks;
mod fault;
mod letters;
mod lives;
mod model;
mod plan;
mod power;
mod rows;
mod rules;
mod run;
mod seams;
mod two_logs;
mod world;

use fault::Tally;
use plan::{Plan, Rules};
use run::{Report, run};

/// Schedules when nobody says how many.
const SCHEDULES: u64 = 200;
/// One schedule with the shipped SQL for so many without.
const SHIPPED_EVERY: u64 = 50;
/// A fault that forced something less often than once in so many schedules was not tested.
const RARE: u64 = 100;

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

fn one(plan: &Plan, is_traced: bool) -> Report {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(run(plan, is_traced))
}

/// A failing plan, made smaller, and how to run it again.
fn told(plan: Plan, why: &str) -> String {
    let seed = plan.seed;
    println!("seed {seed}: {why}; making it smaller");
    let small =
        plan.shrink(|plan| Some(one(plan, false)).filter(|report| report.failed.is_some()).map(|report| report.did));
    let report = one(&small, true);
    let trace = match std::env::var_os("QIANSHAO_TRACE") {
        Some(_) => report.trace.join("\n"),
        None => "QIANSHAO_TRACE=1 shows every turn".to_owned(),
    };
    format!(
        "seed {seed}: {why}\n  alone: QIANSHAO_SEED={seed} QIANSHAO_SCHEDULES=1 cargo test simulation\n  smaller, {} turns: \
         {} messages, {} faults of {:?}: {}\n{trace}",
        report.turns,
        report.did.messages,
        report.did.faults,
        small.kinds,
        report.failed.unwrap_or_default(),
    )
}

/// Tries the seeds on every core until one fails; answers the first that did, and why.
fn on_every_core(seeds: std::ops::Range<u64>, one: impl Fn(u64) -> Result<(), String> + Sync) -> Option<(u64, String)> {
    let (next, failed) = (AtomicU64::new(seeds.start), Mutex::new(None));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end || failed.lock().unwrap().is_some() {
                        break;
                    }
                    if let Err(why) = one(seed) {
                        *failed.lock().unwrap() = Some((seed, why));
                    }
                }
            });
        }
    });
    failed.into_inner().unwrap()
}

/// Runs a schedule of each seed; answers the tally and the turns, or tells of the first that failed.
fn all(seeds: std::ops::Range<u64>, rules: Rules) -> (Tally, usize) {
    let done = Mutex::new((Tally::default(), 0));
    let failed = on_every_core(seeds, |seed| {
        let report = one(&Plan::of(seed, rules), false);
        let mut done = done.lock().unwrap();
        done.0.add(&report.tally);
        done.1 += report.turns;
        report.failed.map_or(Ok(()), Err)
    });
    if let Some((seed, why)) = failed {
        panic!("{}", told(Plan::of(seed, rules), &why));
    }
    done.into_inner().unwrap()
}

#[test]
fn every_schedule_loses_nothing_repeats_nothing_and_comes_to_rest() {
    let (first, count) = (asked("QIANSHAO_SEED").unwrap_or(0), asked("QIANSHAO_SCHEDULES").unwrap_or(SCHEDULES));
    let (tally, turns) = all(first..first + count, Rules::Predicates);
    println!("{count} schedules from seed {first}, {turns} turns\n{}", tally.table());
    let rare = tally.rare((count / RARE) as usize);
    assert!(rare.is_empty(), "below {} in {count} schedules: {rare:?}", count / RARE);
}

#[test]
fn every_schedule_holds_with_the_shipped_contracts_and_rules() {
    let (first, count) = (asked("QIANSHAO_SEED").unwrap_or(0), asked("QIANSHAO_SCHEDULES").unwrap_or(SCHEDULES));
    let count = count.div_ceil(SHIPPED_EVERY);
    let (tally, turns) = all(first..first + count, Rules::Shipped);
    println!("{count} schedules from seed {first} with the shipped rules, {turns} turns\n{}", tally.table());
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    for seed in 0..64 {
        let plan = Plan { writes_files: true, ..Plan::of(seed, Rules::Predicates) };
        assert_eq!(one(&plan, false).bytes, one(&plan, false).bytes, "seed {seed}");
    }
}
