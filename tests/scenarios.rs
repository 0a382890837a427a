//! Scenarios as text: each file runs under every schedule, and every answer must be the same.
//!
//! `cargo test scenarios` runs all of them; `SCENARIO=A07 cargo test scenarios` those whose path holds the text.

use std::sync::Arc;

use sqllogictest::{MakeConnection, Runner, TestError, strict_column_validator};
use tokio::sync::Mutex;

mod as_of;
mod backtest;
mod connection;
mod deciding;
mod kills;
mod messages;
mod pasted;
mod replay;
mod sabotage;
mod schedule;
mod script;
pub mod session;
pub mod setting;
mod values;
mod world;

use connection::Connection;
use qianshao::fault::{Crashes, POINTS};
pub use schedule::Dice;
use schedule::{Acts, KILLS, Schedule};
use script::{Script, scripts};
pub use setting::Setting;
pub use world::PREFIX;
use world::World;

async fn opened(script: &Script, schedule: Schedule, setting: Arc<Setting>) -> Result<Arc<Mutex<World>>, String> {
    opened_to_crash(script, schedule, setting, None).await
}

async fn opened_to_crash(
    script: &Script,
    schedule: Schedule,
    setting: Arc<Setting>,
    crashes: Option<Crashes>,
) -> Result<Arc<Mutex<World>>, String> {
    let feeds = script.sent_feeds(&setting.feeds);
    let world = World::open_to_crash(setting, feeds, schedule, &script.name, crashes).await;
    Ok(Arc::new(Mutex::new(world.map_err(|problem| problem.to_string())?)))
}

fn connect(world: &Arc<Mutex<World>>) -> Runner<Connection, impl MakeConnection<Conn = Connection> + use<>> {
    let world = world.clone();
    let mut runner = Runner::new(move || {
        let world = world.clone();
        async move { Ok(Connection::new(world)) }
    });
    runner.with_column_validator(strict_column_validator);
    runner
}

/// Runs one script to its end; answers what the schedule did.
async fn run(script: &Script, schedule: Schedule, setting: Arc<Setting>) -> Result<Acts, String> {
    if schedule != Schedule::Killed {
        return run_in(script, opened(script, schedule, setting).await?).await;
    }
    let kills = if std::env::var("QIANSHAO_POINTS").is_ok_and(|points| points == "all") { usize::MAX } else { KILLS };
    let (mut acts, mut drawn) = (Acts::default(), kills::drawn(&script.name));
    // What it did not come to is replaced by the next that was drawn, in a world of its own.
    while acts.killed.len() < kills && !drawn.is_empty() {
        let points: Vec<_> = drawn.drain(..drawn.len().min(KILLS.min(kills - acts.killed.len()))).collect();
        acts.add(&killed_at(script, &points, setting.clone()).await?);
        drawn.retain(|(point, _)| !acts.killed.contains_key(*point));
    }
    Ok(acts)
}

/// Runs one script in a world of its own that is dropped at these points.
async fn killed_at(script: &Script, points: &[(&str, u32)], setting: Arc<Setting>) -> Result<Acts, String> {
    let crashes = Crashes::at(points.iter().copied());
    let world = opened_to_crash(script, Schedule::Killed, setting, Some(crashes.clone())).await?;
    let mut acts = run_in(script, world).await.map_err(|why| format!("killed at {:?}: {why}", crashes.fallen()))?;
    crashes.fallen().into_iter().for_each(|point| *acts.killed.entry(point).or_default() += 1);
    Ok(acts)
}

async fn run_in(script: &Script, world: Arc<Mutex<World>>) -> Result<Acts, String> {
    let mut runner = connect(&world);
    for record in script.records.clone() {
        runner.run_async(record).await.map_err(|error: TestError| error.display(false).to_string())?;
    }
    let world = world.lock().await;
    for message in world.topics.visible() {
        let wrong = messages::violations(&message);
        if !wrong.is_empty() {
            return Err(format!("topic {}, key {}: {}", message.topic, message.key, wrong.join("; ")));
        }
    }
    Ok(world.acts.clone())
}

/// Straight, everything is in force; else what the file is about.
fn setting_of(script: &Script, schedule: Schedule) -> Arc<Setting> {
    match script.subject().filter(|_| schedule != Schedule::Straight) {
        Some(rules) => Setting::of(script).with_rules(&rules),
        None => Setting::of(script),
    }
}

async fn all_under(schedule: Schedule) -> Acts {
    let chosen = std::env::var("SCENARIO").unwrap_or_default();
    let (mut acts, mut failed, mut ran) = (Acts::default(), Vec::new(), 0);
    for script in scripts().iter().filter(|script| script.name.contains(&chosen) && script.runs_under(schedule)) {
        ran += 1;
        let setting = setting_of(script, schedule);
        match run(script, schedule, setting).await {
            Ok(did) => {
                acts.add(&did);
                failed.extend(did.idle(schedule).map(|why| format!("{}: {why}", script.name)));
            }
            Err(why) => failed.push(format!("{}, {}:\n{why}", script.name, schedule.word())),
        }
    }
    println!("{}: {ran} scenarios, {acts:?}", schedule.word());
    assert!(failed.is_empty(), "{} of {ran} failed\n\n{}", failed.len(), failed.join("\n\n"));
    assert!(ran > 0, "no scenario's path holds {chosen:?}");
    acts
}

#[tokio::test]
async fn every_scenario_holds_straight() {
    all_under(Schedule::Straight).await;
}

#[tokio::test]
async fn every_scenario_holds_message_by_message() {
    all_under(Schedule::OneByOne).await;
}

#[tokio::test]
async fn every_scenario_holds_in_another_order() {
    all_under(Schedule::Shuffled).await;
}

#[tokio::test]
async fn every_scenario_holds_when_each_message_comes_twice() {
    all_under(Schedule::Twice).await;
}

#[tokio::test]
async fn every_scenario_holds_with_two_consumers() {
    all_under(Schedule::Split).await;
}

#[tokio::test]
async fn every_scenario_holds_through_restarts() {
    all_under(Schedule::Restarted).await;
}

#[tokio::test]
async fn every_scenario_holds_from_a_copy_of_its_folder() {
    all_under(Schedule::Restored).await;
}

/// `QIANSHAO_POINTS=all cargo test --test spec killed` has every scenario killed at every point that it comes to.
#[tokio::test]
async fn every_scenario_holds_when_killed_at_three_named_points() {
    let mut killed = all_under(Schedule::Killed).await.killed;
    if std::env::var_os("SCENARIO").is_some() {
        return;
    }
    // What was drawn too seldom is tried on one scenario after the other.
    for (point, script) in POINTS.iter().flat_map(|point| scripts().into_iter().map(move |script| (*point, script))) {
        if killed.get(point).is_none_or(|kills| *kills < 3) {
            let setting = setting_of(&script, Schedule::Killed);
            let did = killed_at(&script, &[(point, 1)], setting).await.unwrap();
            *killed.entry(point.to_owned()).or_default() += did.killed.get(point).copied().unwrap_or(0);
        }
    }
    println!("each point, how often: {killed:?}");
    assert!(POINTS.iter().all(|point| killed.get(*point).is_some_and(|kills| *kills >= 3)), "{killed:?}");
}
