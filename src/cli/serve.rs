//! `qianshao serve -c FILE`: the roles of a configuration, against Apache Kafka.
//!
//! Promises: it answers its probes before it opens anything; told to end, it finishes or drops what is in flight and
//! ends within seconds, whatever Kafka does.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinHandle, JoinSet};
use tracing::{info, warn};

use super::logging::announce;
use super::{config_of, sql};
use crate::clock::{Clock, WallClock};
use crate::config::{self, Config, LogFormat, Role};
use crate::consume::identity::{Algorithm, Pseudonyms};
use crate::consume::kafka::KafkaSource;
use crate::consume::role::Consume;
use crate::consume::seal::Sealer;
use crate::consume::source::{Pace, Source};
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::delta::timed_log::TimedLog;
use crate::kafka::seat::Seat;
use crate::observe::{Observed, http};
use crate::pipeline::judging::{self, Opening};
use crate::pipeline::{self, Folders, State, Stop, watched};
use crate::problem::{Problem, Result, codes};
use crate::publish::counted::CountedOutbox;
use crate::publish::role::Publish;
use crate::publish::topic::KafkaOutbox;

/// How long what is in flight may take to finish. Service managers kill after ten seconds.
const DRAIN: Duration = Duration::from_secs(8);

#[derive(Args)]
pub struct Serve {
    /// The configuration, see docs/configuration.md. 配置文件
    #[arg(short, long)]
    config: PathBuf,
}

impl Serve {
    /// As the configuration says, where it can be read.
    pub fn log_format(&self) -> LogFormat {
        Config::load(&self.config).map_or(LogFormat::Text, |config| config.observe.log_format)
    }
}

/// What every role is started with.
struct Running {
    config: Config,
    clock: Arc<dyn Clock>,
    observed: Arc<Observed>,
    stop: Stop,
}

type Roles = JoinSet<Result<()>>;

/// Runs the configured roles until Ctrl-C, a SIGTERM, or until one of them ends.
pub async fn serve(wanted: &Serve) -> Result<bool> {
    let config = config_of(&wanted.config)?;
    if let Some(problem) = config::check(&config).into_iter().next() {
        return Err(Box::new(problem));
    }
    // Before anything takes time: the first process of a container does not die of a signal that it does not handle.
    let mut end = End::hear()?;
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let observed = Observed::new(clock.clone(), &parts(&config));
    let (tell_probes, probes_told) = Stop::new();
    let probes = start_probes(&config, &observed, probes_told).await?;
    let (tell, stop) = Stop::new();
    let running = Running { config, clock, observed, stop };
    let mut roles = Roles::new();
    let ended = tokio::select! {
        ended = run(&running, &mut roles) => ended,
        () = end.told() => Ok(()),
    };
    running.observed.stopping();
    // Every loop hears it between two steps; what is in flight is finished or dropped, never half written.
    let _ = tell.send(true);
    drain(roles).await;
    let _ = tell_probes.send(true);
    if let Some(probes) = probes {
        // It ends at once; that it broke off before would have been said.
        let _ = probes.await;
    }
    info!("stopped");
    ended.map(|()| true)
}

fn parts(config: &Config) -> Vec<&'static str> {
    let name = |role: &Role| match role {
        Role::Consume => watched::CONSUME,
        Role::Detect => watched::DETECT,
        Role::Publish => watched::PUBLISH,
        Role::Serve => watched::SERVE,
    };
    config.serve.roles.iter().map(name).chain([watched::STATE]).collect()
}

async fn start_probes(config: &Config, observed: &Arc<Observed>, stop: Stop) -> Result<Option<JoinHandle<()>>> {
    let Some(address) = config.observe.address else { return Ok(None) };
    let listener = http::bind(address).await?;
    let address = listener.local_addr().unwrap_or(address);
    announce(&format!("probes and metrics on {address}"));
    let observed = observed.clone();
    Ok(Some(tokio::spawn(http::serve(listener, move |path| observed.answer(path), stop.told()))))
}

/// Starts the roles and waits for the first that ends.
async fn run(running: &Running, roles: &mut Roles) -> Result<()> {
    let Running { config, clock, observed, stop } = running;
    let log = Arc::new(DeltaLog::open(&config.state.folder, clock.clone()).await?);
    // Who only reads puts nothing in force: the folders of a process that answers SQL decide nothing.
    let feeds = match config.has(Role::Consume) || config.has(Role::Detect) {
        true => pipeline::enforce(&log, &folders_of(config), clock).await?,
        false => Arc::default(),
    };
    let state = State { log, feeds };
    roles.spawn(pipeline::look(state.log.clone(), observed.clone(), stop.clone()));
    for role in &config.serve.roles {
        match role {
            Role::Consume => start_consume(running, &state, roles).await?,
            Role::Detect => start_detect(running, &state, roles),
            Role::Publish => start_publish(running, &state, roles).await?,
            Role::Serve => {
                let listener = crate::serve::pg::bind(config.serve.sql_address).await?;
                announce(&format!("SQL on {}", config.serve.sql_address));
                sql::spawn(state.log.clone(), clock.clone(), listener, &config.detect.pack, stop.clone());
                observed.started(watched::SERVE);
            }
        }
    }
    announce("ready / 已就绪");
    first_end(roles).await
}

async fn first_end(roles: &mut Roles) -> Result<()> {
    match roles.join_next().await {
        Some(Ok(ended)) => ended,
        Some(Err(error)) => Err(Problem::new(codes::IO, "a role", error.to_string())),
        None => std::future::pending().await,
    }
}

/// Waits for every loop to end between two steps. One that takes too long is dropped: the next start does it again.
async fn drain(mut roles: Roles) {
    let ended = tokio::time::timeout(DRAIN, async { while roles.join_next().await.is_some() {} });
    if ended.await.is_err() {
        warn!(loops = roles.len(), "not everything in flight could be finished; it is done again at the next start");
        roles.abort_all();
    }
}

pub(super) fn folders_of(config: &Config) -> Folders {
    let folders = config.folders.clone();
    Folders { feeds: folders.feeds, rules: folders.rules, registers: folders.registers, codes: folders.codes }
}

/// Ctrl-C, or what a service manager sends.
struct End {
    interrupt: Signal,
    terminate: Signal,
}

impl End {
    fn hear() -> Result<Self> {
        let hear = |kind| signal(kind).map_err(|error| Problem::new(codes::IO, "signals", error.to_string()));
        Ok(Self { interrupt: hear(SignalKind::interrupt())?, terminate: hear(SignalKind::terminate())? })
    }

    async fn told(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// The log as a role sees it: every commit is timed.
fn timed(running: &Running, state: &State) -> Arc<dyn Log> {
    Arc::new(TimedLog::new(state.log.clone(), running.observed.clone()))
}

async fn start_consume(running: &Running, state: &State, roles: &mut Roles) -> Result<()> {
    let Running { config, clock, observed, stop } = running;
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
    let log = timed(running, state);
    let role = Consume::open(log, clock.clone(), state.feeds.clone(), pseudonyms, sealer, prefix).await?;
    let source = Box::new(KafkaSource::open(&config.kafka, &role.topics(), role.starts().await?)?);
    let epoch = &config.epoch;
    let pace = Pace::new(epoch.wait_ms_min, epoch.wait_ms_max, epoch.messages_max, epoch.bytes_max);
    observed.stands(watched::CONSUME, source.standing().problems);
    observed.started(watched::CONSUME);
    roles.spawn(pipeline::consume(role, source, pace, observed.clone(), stop.clone()));
    roles.spawn(pipeline::maintain(state.log.clone(), stop.clone()));
    Ok(())
}

fn start_detect(running: &Running, state: &State, roles: &mut Roles) {
    let Running { config, clock, observed, stop } = running;
    let opening = Opening {
        log: timed(running, state),
        clock: clock.clone(),
        pack: config.detect.pack.clone(),
        mode: config.detect.mode,
        observed: observed.clone(),
    };
    roles.spawn(judging::detect(opening, stop.clone()));
}

async fn start_publish(running: &Running, state: &State, roles: &mut Roles) -> Result<()> {
    let Running { config, observed, stop, .. } = running;
    let seat = Seat::stand(&config.kafka, "publish").await?;
    let role = Publish::new(timed(running, state), config.kafka.topics());
    // One id for all publishers of a prefix: whoever holds the seat fences whoever had it before.
    let outbox = KafkaOutbox::new(&config.kafka, &format!("{}-publish", config.kafka.topic_prefix));
    let outbox = Box::new(CountedOutbox::new(Box::new(outbox), observed.clone()));
    observed.started(watched::PUBLISH);
    roles.spawn(pipeline::publish(role, outbox, seat, observed.clone(), stop.clone()));
    Ok(())
}
