//! The verbs and their options; each verb is one call.
//!
//! Promises: a problem is told with what would be right; the exit code is 0 only where everything asked for was done.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::clock::{Clock, WallClock};
use crate::demo::once;
use crate::pipeline::Folders;
use crate::problem::{self, Problem, Result, codes};
use crate::simulate::{self, Options, oracle};
use crate::terms::Day;

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
    Demo(Demo),
    /// Write what the invented city would send. 生成虚构城市的报告数据
    Simulate(Simulate),
    /// Judge a finished run by its ledger. 用台账独立核对一次运行
    Oracle(Oracle),
    /// Explain a problem code. 解释问题代码
    Explain { code: String },
}

#[derive(Args)]
struct City {
    /// Every number of the city is drawn from it. 随机种子
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of the run. 天数
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// First day. 起始日期
    #[arg(long, default_value = "2021-01-04")]
    start: String,
    /// 1 is about 10,000 messages a day. 规模
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

impl City {
    fn options(&self, prefix: &str, partitions: i32) -> Result<Options> {
        let start = Day::parse(&self.start).ok_or_else(|| {
            Problem::new(codes::ARGUMENT, "--start", problem::describe(&self.start)).help("a date such as 2021-01-04")
        })?;
        Ok(Options {
            seed: self.seed,
            days: self.days,
            start,
            scale: self.scale,
            prefix: prefix.to_owned(),
            partitions,
            planted: true,
        })
    }
}

#[derive(Args)]
struct Demo {
    #[command(flatten)]
    city: City,
    /// As fast as it goes, then judge it. 全速运行并核对
    #[arg(long)]
    once: bool,
    /// Write the result as one JSON object. 结果写入该文件
    #[arg(long)]
    summary: Option<PathBuf>,
    /// Where tables are kept. 状态文件夹
    #[arg(long, default_value = "state/demo")]
    state: PathBuf,
    /// Feed folders instead of the shipped ones. 报告渠道文件夹
    #[arg(long)]
    feeds: Option<PathBuf>,
    /// Rule packs instead of the shipped ones. 规则包文件夹
    #[arg(long)]
    rules: Option<PathBuf>,
    /// The edition of rules in force. 规则版本
    #[arg(long, default_value = "2021-CF")]
    pack: String,
}

#[derive(Args)]
struct Simulate {
    #[command(flatten)]
    city: City,
    /// A folder for ledger, registers and one NDJSON a topic. 输出文件夹
    #[arg(long)]
    to: Option<PathBuf>,
    /// Print means and variances by weekday. 打印分布统计
    #[arg(long)]
    stats: bool,
}

#[derive(Args)]
struct Oracle {
    /// Plant 24 faults in copies of a finished run and name each. 自检
    #[arg(value_parser = ["selftest"])]
    what: Option<String>,
    #[arg(long)]
    ledger: Option<PathBuf>,
    #[arg(long)]
    state: PathBuf,
    #[arg(long)]
    topic: Option<PathBuf>,
    #[arg(long)]
    logs: Option<PathBuf>,
}

/// Runs one verb.
pub async fn run(cli: Cli) -> ExitCode {
    let done = match cli.verb {
        Verb::Demo(demo) => run_demo(demo).await,
        Verb::Simulate(simulate) => run_simulate(&simulate),
        Verb::Oracle(oracle) => run_oracle(&oracle),
        Verb::Explain { code } => explain(&code),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            say_error(&problem.to_string());
            ExitCode::from(2)
        }
    }
}

async fn run_demo(demo: Demo) -> Result<bool> {
    let clock = WallClock;
    let run = once::Run {
        options: demo.city.options("qianshao", crate::demo::broker::PARTITIONS)?,
        state: demo.state.clone(),
        folders: Folders { feeds: demo.feeds, rules: demo.rules, ..Folders::default() },
        pack: demo.pack,
        plain_identifiers: false,
    };
    let began = clock.now();
    let mut summary = once::run(&run, |until, sent, ticked| {
        let opened = ticked.changes.iter().filter(|alert| alert.revision == 1).count();
        say(&format!(
            "{}  {sent:>6} messages  {} findings  {opened} opened",
            crate::terms::local_text(until),
            ticked.findings
        ));
    })
    .await?;
    summary.seconds = (clock.now() - began) as f64 / 1e6;
    let text = serde_json::to_string_pretty(&summary).unwrap_or_default();
    match &demo.summary {
        Some(path) => std::fs::write(path, &text).map_err(|error| io(path, &error))?,
        None => say(&text),
    }
    let complaints = summary.complaints();
    complaints.iter().for_each(|complaint| say_error(complaint));
    Ok(complaints.is_empty())
}

fn run_simulate(simulate: &Simulate) -> Result<bool> {
    let options = simulate.city.options("qianshao", crate::demo::broker::PARTITIONS)?;
    if simulate.stats {
        say(&simulate::stats::table(options.clone()));
    }
    if let Some(folder) = &simulate.to {
        let messages = simulate::write_folder(options, folder).map_err(|error| io(folder, &error))?;
        say(&format!("{messages} messages in {}", folder.display()));
    }
    Ok(true)
}

fn run_oracle(wanted: &Oracle) -> Result<bool> {
    let books = wanted.state.join("books");
    let input = oracle::Input {
        ledger: wanted.ledger.clone().unwrap_or_else(|| books.join("ledger.ndjson")),
        state: wanted.state.clone(),
        topic: wanted.topic.clone().or_else(|| Some(books.join("alert_topic.ndjson")).filter(|path| path.exists())),
        logs: wanted.logs.clone(),
        canaries: Vec::new(),
    };
    let unjudged = |found: String| Problem::new(codes::IO, wanted.state.display().to_string(), found);
    let verdict = oracle::judge(&input).map_err(unjudged)?;
    for fault in &verdict.faults {
        say(&format!("{} {} {}: {}", fault.check, fault.kind, fault.place, fault.detail));
    }
    say(&format!("{} faults; {:?}", verdict.faults.len(), verdict.counted));
    Ok(verdict.faults.is_empty())
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

fn io(path: &std::path::Path, error: &std::io::Error) -> Box<Problem> {
    Problem::new(codes::IO, path.display().to_string(), error.to_string())
}

/// To standard output; a reader that has gone away is no problem of ours.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}

fn say_error(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
