//! The verbs and their options; each verb is one call.
//!
//! Promises: a problem is told with what would be right; the exit code is 0 only where everything asked for was done.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::config::{Config, LogFormat};
use crate::consume::identity::{Algorithm, Pseudonyms};
use crate::consume::seal::Sealer;
use crate::demo::live::Language;
use crate::problem::{self, Problem, Result, codes};

mod backtest;
mod check;
mod city;
mod detect;
mod feed;
mod health;
pub mod logging;
mod nowcast;
mod offsets;
mod power;
mod power_rule;
mod quarantine;
mod replay;
mod scan;
mod serve;
mod sql;
mod verify;

/// Planning a query recurses; a worker's stack must hold the deepest one that the limits allow.
const STACK_BYTES: usize = 16 << 20;
/// A thread that still waits for Kafka or a disk does not keep an ended process alive: what it was at is not committed.
const THREADS_WAIT: Duration = Duration::from_secs(1);

/// Epidemic surveillance as a stream: reporting channels in, explained alerts out.
/// 传染病监测流处理：多渠道报告进，可解释的预警出。
#[derive(Parser)]
#[command(name = "qianshao", version, about)]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the whole pipeline on an invented city, in this process. 在本进程内以虚构城市演示全流程
    Demo(Box<city::Demo>),
    /// Run against Apache Kafka. 连接 Kafka 正式运行
    Serve(serve::Serve),
    /// Ask a running process whether it is alive, or ready. 询问运行中的进程是否存活或就绪
    Health(health::Health),
    /// Look at a configuration without running it, and at what a start would change. 检查配置，预览规则变更
    Check(check::Check),
    /// Ask the tables in SQL. 用 SQL 查询
    Sql(sql::Sql),
    /// Explain an alert down to its records. 解释预警
    Alert(sql::Alert),
    /// Messages that could not be used. 隔离消息
    Quarantine(quarantine::Quarantine),
    /// Where the log stands in Kafka. 偏移量
    Offsets(offsets::Offsets),
    /// Read a state folder and name every damaged file. 校验状态文件夹
    Verify(verify::Verify),
    /// Feed NDJSON files through decode, commit and detect. 回放文件
    Replay(replay::Replay),
    /// Judge the recorded ticks again, by the rules of then or by others. 历史回测
    Backtest(backtest::Backtest),
    /// Run one detector over one series. 对一条序列运行一种检测方法
    Detect(detect::Detect),
    /// Measure what a method or a rule finds of planted outbreaks. 用植入的暴发测量方法或规则的检测效能
    Power(Box<power::Power>),
    /// Correct the last days' counts for reporting delay. 按报告延迟校正最近各日的计数
    Nowcast(nowcast::Nowcast),
    /// Look for clusters in space and time. 时空扫描统计
    Scan(Box<scan::Scan>),
    /// Check a feed folder. 检查报告渠道文件夹
    Feed(feed::Feed),
    /// Write or send what the invented city would send. 生成虚构城市的报告数据
    Simulate(city::Simulate),
    /// Judge a finished run by its ledger. 用台账独立核对一次运行
    Oracle(city::Oracle),
    /// Explain a problem code. 解释问题代码
    Explain {
        /// For example QS-D001.
        code: String,
    },
}

impl Cli {
    /// What is logged where `QIANSHAO_LOG` says nothing. The demo's broker ends with the demo, which is no trouble.
    pub fn log_filter(&self) -> &'static str {
        match self.verb {
            Verb::Serve(_) => "warn,qianshao=info",
            _ => "warn,librdkafka=off,rdkafka=off",
        }
    }

    /// How the log is written: a process that runs on reads it from its configuration. What is wrong there is told later.
    pub fn log_format(&self) -> LogFormat {
        match &self.verb {
            Verb::Serve(serve) => serve.log_format(),
            _ => LogFormat::Text,
        }
    }
}

/// In which words alerts are told.
#[derive(Clone, Copy, ValueEnum)]
enum Words {
    Zh,
    En,
}

impl Words {
    const fn language(self) -> Language {
        match self {
            Self::Zh => Language::Zh,
            Self::En => Language::En,
        }
    }
}

/// Parses the command line, sets up logging, runs one verb, maps the outcome to an exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.log_filter(), cli.log_format());
    #[cfg(debug_assertions)]
    if let Err(problem) = crate::fault::arm_from_environment() {
        tracing::error!(%problem, "no run with an unknown fault");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(run(cli));
            runtime.shutdown_timeout(THREADS_WAIT);
            code
        }
        Err(error) => {
            tracing::error!(%error, "no runtime");
            ExitCode::from(2)
        }
    }
}

/// Runs one verb.
async fn run(cli: Cli) -> ExitCode {
    let done = match cli.verb {
        Verb::Demo(demo) => city::demo(*demo).await,
        Verb::Serve(serve) => serve::serve(&serve).await,
        Verb::Health(health) => health::health(&health).await,
        Verb::Check(check) => check::check(&check).await,
        Verb::Sql(sql) => sql::sql(&sql).await,
        Verb::Alert(alert) => sql::alert(&alert).await,
        Verb::Quarantine(quarantine) => quarantine::run(&quarantine).await,
        Verb::Offsets(offsets) => offsets::run(&offsets).await,
        Verb::Verify(verify) => verify::run(&verify),
        Verb::Replay(replay) => replay::run(&replay).await,
        Verb::Backtest(wanted) => backtest::run(&wanted).await,
        Verb::Detect(detect) => detect::run(&detect),
        Verb::Power(power) => power::run(&power).await,
        Verb::Nowcast(nowcast) => nowcast::run(&nowcast),
        Verb::Scan(scan) => scan::run(*scan),
        Verb::Feed(feed) => feed::run(&feed).await,
        Verb::Simulate(simulate) => city::simulate(simulate).await,
        Verb::Oracle(oracle) => city::judge(&oracle),
        Verb::Explain { code } => explain(&code),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            logging::tell(&problem);
            ExitCode::from(2)
        }
    }
}

fn explain(code: &str) -> Result<bool> {
    match codes::every().find(|known| known.id.eq_ignore_ascii_case(code)) {
        Some(known) => {
            say(&format!("{}  {}\n{}\n{}\n{}", known.id, known.reason, known.en, known.zh, known.help));
            Ok(true)
        }
        None => Err(Problem::new(codes::ARGUMENT, "explain", problem::describe(code))
            .help("docs/problems.md lists the codes, for example QS-D001")),
    }
}

/// Reads a configuration; the first problem is told.
fn config_of(path: &Path) -> Result<Config> {
    Config::load(path).map_err(|problems| {
        let mut problems = problems.into_iter();
        let first = problems.next().map_or_else(|| Problem::new(codes::ARGUMENT, "-c", "nothing"), Box::new);
        problems.for_each(|problem| logging::tell(&problem));
        first
    })
}

/// The key of a file, or of one that is made in the state folder for data that nobody is identified by.
fn key_or_new(state: &Path, file: Option<&Path>) -> Result<(Arc<Pseudonyms>, Arc<Sealer>)> {
    let made: PathBuf = state.join("key");
    let path = match file {
        Some(path) => path,
        None => {
            if !made.exists() {
                std::fs::write(&made, new_key()).map_err(|error| io(&made, &error))?;
            }
            &made
        }
    };
    Ok((Arc::new(Pseudonyms::from_file(path, Algorithm::Sha256)?), Arc::new(Sealer::from_file(path)?)))
}

/// A key from the operating system's own randomness, in hexadecimal digits.
fn new_key() -> String {
    use std::io::Read;
    let mut key = [0; 32];
    let read = std::fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut key));
    match read {
        Ok(()) => crate::terms::hex(&key),
        // A key that everybody knows would be worse than none: an empty file is refused by whoever reads it.
        Err(_) => String::new(),
    }
}

fn io(path: &Path, error: &std::io::Error) -> Box<Problem> {
    Problem::new(codes::IO, path.display().to_string(), error.to_string())
}

/// To standard output; a reader that has gone away is no problem of ours.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
