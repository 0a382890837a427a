//! `qianshao serve -c FILE`: the roles of a configuration, against Apache Kafka.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use tokio::task::JoinSet;
use tracing::info;

use super::{config_of, say, sql};
use crate::clock::{Clock, WallClock};
use crate::config::{self, Config, Role};
use crate::consume::identity::{Algorithm, Pseudonyms};
use crate::consume::kafka::KafkaSource;
use crate::consume::role::Consume;
use crate::consume::seal::Sealer;
use crate::consume::source::Pace;
use crate::delta::delta_log::DeltaLog;
use crate::kafka::seat::Seat;
use crate::pipeline::{self, Folders, Opening, State, Stop};
use crate::problem::{Problem, Result, codes};
use crate::publish::role::Publish;
use crate::publish::topic::KafkaOutbox;

#[derive(Args)]
pub struct Serve {
    /// The configuration, see docs/configuration.md. 配置文件
    #[arg(short, long)]
    config: PathBuf,
}

/// Runs the configured roles until Ctrl-C, a SIGTERM, or until one of them ends.
pub async fn serve(wanted: &Serve) -> Result<bool> {
    let config = config_of(&wanted.config)?;
    if let Some(problem) = config::check(&config).into_iter().next() {
        return Err(Box::new(problem));
    }
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let log = Arc::new(DeltaLog::open(&config.state.folder, clock.clone()).await?);
    // Who only reads puts nothing in force: the folders of a process that answers SQL decide nothing.
    let feeds = match config.has(Role::Consume) || config.has(Role::Detect) {
        true => pipeline::enforce(&log, &folders_of(&config), &clock).await?,
        false => Arc::default(),
    };
    let state = State { log, feeds };
    let (tell, stop) = Stop::new();
    let mut roles = JoinSet::new();
    for role in &config.serve.roles {
        match role {
            Role::Consume => start_consume(&config, &state, &clock, &stop, &mut roles).await?,
            Role::Detect => start_detect(&config, &state, &clock, &stop, &mut roles),
            Role::Publish => start_publish(&config, &state, &stop, &mut roles).await?,
            Role::Serve => {
                let listener = crate::serve::pg::bind(config.serve.sql_address).await?;
                say(&format!("SQL on {}", config.serve.sql_address));
                sql::spawn(state.log.clone(), clock.clone(), listener, &config.detect.pack, stop.clone());
            }
        }
    }
    say("ready / 已就绪");
    let ended = tokio::select! {
        ended = first_end(&mut roles) => ended,
        () = told_to_end() => Ok(()),
    };
    // Every loop hears it between two steps; what is in flight is finished or dropped, never half written.
    let _ = tell.send(true);
    while roles.join_next().await.is_some() {}
    info!("stopped");
    ended.map(|()| true)
}

pub(super) fn folders_of(config: &Config) -> Folders {
    let folders = config.folders.clone();
    Folders { feeds: folders.feeds, rules: folders.rules, registers: folders.registers, codes: folders.codes }
}

/// Ctrl-C, or what a service manager sends.
async fn told_to_end() {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        // Without a handler the signal still ends the process, only less politely.
        Err(_) => _ = tokio::signal::ctrl_c().await,
    }
}

type Roles = JoinSet<Result<()>>;

async fn first_end(roles: &mut Roles) -> Result<()> {
    match roles.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(Problem::new(codes::IO, "a role", error.to_string())),
        // Only the SQL service runs: it goes on until somebody stops us.
        None => std::future::pending().await,
    }
}

async fn start_consume(
    config: &Config,
    state: &State,
    clock: &Arc<dyn Clock>,
    stop: &Stop,
    roles: &mut Roles,
) -> Result<()> {
    let key_file = config
        .identity
        .key_file
        .as_deref()
        .ok_or_else(|| Problem::new(codes::config::CONFIG_MISSING, "identity.key_file", "nothing"))?;
    let algorithm = match config.identity.algorithm {
        config::Algorithm::HmacSha256 => Algorithm::Sha256,
        config::Algorithm::HmacSm3 => Algorithm::Sm3,
    };
    let pseudonyms = Arc::new(Pseudonyms::from_file(key_file, algorithm)?);
    let sealer = Arc::new(Sealer::from_file(key_file)?);
    let prefix = &config.kafka.topic_prefix;
    let role = Consume::open(state.log.clone(), clock.clone(), state.feeds.clone(), pseudonyms, sealer, prefix).await?;
    let source = Box::new(KafkaSource::open(&config.kafka, &role.topics(), role.starts().await?)?);
    let epoch = &config.epoch;
    let pace = Pace::new(epoch.wait_ms_min, epoch.wait_ms_max, epoch.messages_max, epoch.bytes_max);
    let (clock, stop, log) = (clock.clone(), stop.clone(), state.log.clone());
    let maintain = stop.clone();
    roles.spawn(async move { pipeline::consume(role, source, pace, clock, stop).await });
    roles.spawn(async move { pipeline::maintain(log, maintain).await });
    Ok(())
}

fn start_detect(config: &Config, state: &State, clock: &Arc<dyn Clock>, stop: &Stop, roles: &mut Roles) {
    let (log, clock, stop) = (state.log.clone(), clock.clone(), stop.clone());
    let opening = Opening { log, clock, pack: config.detect.pack.clone(), mode: config.detect.mode };
    roles.spawn(async move { pipeline::detect(opening, stop).await });
}

async fn start_publish(config: &Config, state: &State, stop: &Stop, roles: &mut Roles) -> Result<()> {
    let seat = Seat::stand(&config.kafka, "publish").await?;
    let role = Publish::new(state.log.clone(), config.kafka.topics());
    // One id for all publishers of a prefix: whoever holds the seat fences whoever had it before.
    let outbox = KafkaOutbox::new(&config.kafka, &format!("{}-publish", config.kafka.topic_prefix));
    let stop = stop.clone();
    roles.spawn(async move { pipeline::publish(role, Box::new(outbox), seat, stop).await });
    Ok(())
}
