//! `qianshao sql` and `qianshao alert why`: the tables of a state folder, as known at any moment.

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use tokio::net::TcpListener;

use super::{io, say};
use crate::clock::{Clock, WallClock};
use crate::config::keys::PACK;
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::detect::preview::pack_in_force;
use crate::engine;
use crate::pipeline::Stop;
use crate::problem::{self, Problem, Result, codes};
use crate::serve::output::{Format, render};
use crate::serve::snapshots::Snapshots;
use crate::serve::tables::{Asked, log_clock, session};
use crate::serve::{pg, why};
use crate::terms::parse_instant;

#[derive(Args)]
pub struct Sql {
    /// State folder to read. 状态文件夹
    #[arg(long, default_value = "state/demo")]
    state: PathBuf,
    /// The query. 查询语句
    #[arg(short)]
    c: String,
    /// What was known then, for example 2021-01-12T18:00. 截至某时刻所知
    #[arg(long)]
    as_of: Option<String>,
    /// table, csv, json, ndjson or parquet.
    #[arg(long, default_value = "table")]
    format: String,
    /// Whose parameters `param('name')` gives; by default of what judged last. 规则版本，默认为最近一次评估所用
    #[arg(long)]
    pack: Option<String>,
    /// Write to a file instead of standard output. 输出文件
    #[arg(short, long)]
    output: Option<PathBuf>,
}

pub async fn sql(wanted: &Sql) -> Result<bool> {
    let format = format(&wanted.format)?;
    let as_of = wanted.as_of.as_deref().map(moment).transpose()?;
    let log = existing(&wanted.state).await?;
    let pack = pack_or_last(&*log, wanted.pack.as_deref()).await?;
    let asked = Asked { as_of, now: log_clock(&log).await?, pack, prefix: "qianshao".to_owned() };
    let context = session(&log, &asked).await?;
    let frame = engine::plan(&context, "-c", &wanted.c).await?;
    let schema = Arc::new(frame.schema().as_arrow().clone());
    let batches = frame.collect().await.map_err(|error| engine::not_run("-c", &error))?;
    put(&render(&batches, &schema, format)?, wanted.output.as_deref())?;
    Ok(true)
}

/// The pack that `--pack` names, else the one that judged last.
pub async fn pack_or_last(log: &dyn Log, wanted: Option<&str>) -> Result<String> {
    match wanted {
        Some(pack) => Ok(pack.to_owned()),
        None => pack_in_force(log, PACK).await,
    }
}

/// What `--format` names.
pub fn format(text: &str) -> Result<Format> {
    Format::parse(text)
        .ok_or_else(|| Problem::new(codes::ARGUMENT, "--format", text).help("table, csv, json, ndjson or parquet"))
}

/// Writes an answer to a file, else to standard output.
pub fn put(bytes: &[u8], output: Option<&Path>) -> Result<()> {
    match output {
        Some(path) => std::fs::write(path, bytes).map_err(|error| io(path, &error)),
        None => {
            // A reader that has gone away is no problem of ours.
            let _ = std::io::stdout().lock().write_all(bytes);
            Ok(())
        }
    }
}

#[derive(Args)]
pub struct Alert {
    #[command(subcommand)]
    what: AlertVerb,
}

#[derive(Subcommand)]
enum AlertVerb {
    /// Rule, parameters, cells and records that made it. 预警依据
    Why {
        /// The alert's id, or its first 8 digits or more. 预警编号，或其前 8 位以上
        id: String,
        #[arg(long, default_value = "state/demo")]
        state: PathBuf,
        #[arg(long)]
        revision: Option<i64>,
    },
}

pub async fn alert(wanted: &Alert) -> Result<bool> {
    let AlertVerb::Why { id, state, revision } = &wanted.what;
    let log: Arc<dyn Log> = existing(state).await?;
    say(&why::alert_why(&log, id, *revision, i64::MAX).await?.text());
    Ok(true)
}

/// A state folder that is there: asking a question must not make one.
pub async fn existing(state: &Path) -> Result<Arc<DeltaLog>> {
    if !state.join("tables").is_dir() {
        return Err(Problem::new(codes::ARGUMENT, "--state", state.display().to_string())
            .help("name the folder that `demo`, `replay` or `serve` keeps its tables in"));
    }
    Ok(Arc::new(DeltaLog::open(state, Arc::new(WallClock)).await?))
}

fn moment(text: &str) -> Result<i64> {
    parse_instant(text).ok_or_else(|| {
        Problem::new(codes::ARGUMENT, "--as-of", problem::describe(text)).help("a time such as 2021-01-12T18:00+08:00")
    })
}

/// The address of a loopback port.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Takes the port, or a free one where it is in use.
pub async fn listen(address: SocketAddr) -> Result<TcpListener> {
    match pg::bind(address).await {
        Ok(listener) => Ok(listener),
        Err(_) => pg::bind(loopback(0)).await,
    }
}

pub fn port_of(listener: &TcpListener) -> u16 {
    listener.local_addr().map_or(0, |address| address.port())
}

/// Serves the tables until told to stop; `clock` says which days are the newest.
pub fn spawn(log: Arc<DeltaLog>, clock: Arc<dyn Clock>, listener: TcpListener, pack: &str, stop: Stop) {
    let snapshots = Snapshots::new(log, clock, pack, "qianshao", pg::hooks());
    tokio::spawn(async move { pg::serve(listener, snapshots, stop.told()).await });
}
