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
pub use schedule::Dice;
use schedule::{Acts, Schedule};
use script::{Script, scripts};
pub use setting::Setting;
pub use world::PREFIX;
use world::World;

async fn opened(script: &Script, schedule: Schedule, setting: Arc<Setting>) -> Result<Arc<Mutex<World>>, String> {
    let feeds = script.sent_feeds(&setting.feeds);
    let world = World::open(setting, feeds, schedule, &script.name).await;
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
    let world = opened(script, schedule, setting).await?;
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

async fn all_under(schedule: Schedule) {
    let chosen = std::env::var("SCENARIO").unwrap_or_default();
    let (mut acts, mut failed, mut ran) = (Acts::default(), Vec::new(), 0);
    for script in scripts().iter().filter(|script| script.name.contains(&chosen) && script.runs_under(schedule)) {
        ran += 1;
        // Straight, everything is in force; else what the file is about.
        let setting = match script.subject().filter(|_| schedule != Schedule::Straight) {
            Some(rules) => Setting::of(script).with_rules(&rules),
            None => Setting::of(script),
        };
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
