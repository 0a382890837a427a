//! `qianshao demo`, `simulate`, `oracle`: the invented city, and the judge of what became of it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{Words, io, say, say_error};
use crate::clock::{Clock, WallClock};
use crate::demo::{live, once};
use crate::pipeline::{Folders, Stop};
use crate::problem::{self, Problem, Result, codes};
use crate::simulate::{self, Options, oracle};
use crate::terms::{Day, Tick};

/// 2021-01-04, a Monday before the Spring Festival that the edition 2021-CF is about.
const FIRST_DAY: Day = Day(18_631);

#[derive(Args)]
struct City {
    /// Every number of the city is drawn from it. 随机种子
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Days of the run. 天数
    #[arg(long, default_value_t = 30)]
    days: u32,
    /// First day, for example 2021-01-04, which is the default except where a broker is sent to: there the last day is
    /// yesterday, because what lies before the alert horizon is judged no more. 起始日期
    #[arg(long)]
    start: Option<String>,
    /// 1 is about 10,000 messages a day. 规模
    #[arg(long, default_value_t = 1.0)]
    scale: f64,
}

impl City {
    fn options(&self, unless_told: Day) -> Result<Options> {
        let start = match &self.start {
            None => unless_told,
            Some(text) => Day::parse(text).ok_or_else(|| {
                Problem::new(codes::ARGUMENT, "--start", problem::describe(text)).help("a date such as 2021-01-04")
            })?,
        };
        Ok(Options {
            seed: self.seed,
            days: self.days,
            start,
            scale: self.scale,
            prefix: "qianshao".to_owned(),
            partitions: crate::demo::broker::PARTITIONS,
            planted: true,
        })
    }
}

#[derive(Args)]
pub struct Demo {
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
    /// Words of the demo. 语言
    #[arg(long, value_enum, default_value = "zh")]
    lang: Words,
    /// Milliseconds between two simulated hours. 每小时间隔（毫秒）
    #[arg(long, default_value_t = 300)]
    pace_ms: u64,
    /// Loopback port of the read-only SQL service; 0 takes a free one. SQL 端口
    #[arg(long, default_value_t = 5433)]
    sql_port: u16,
}

impl Demo {
    fn run(&self) -> Result<once::Run> {
        Ok(once::Run {
            options: self.city.options(FIRST_DAY)?,
            state: self.state.clone(),
            folders: Folders { feeds: self.feeds.clone(), rules: self.rules.clone(), ..Folders::default() },
            pack: self.pack.clone(),
            plain_identifiers: false,
        })
    }
}

pub async fn demo(wanted: Demo) -> Result<bool> {
    if wanted.once { demo_once(&wanted).await } else { demo_live(&wanted).await }
}

async fn demo_once(wanted: &Demo) -> Result<bool> {
    let clock = WallClock;
    let began = clock.now();
    let mut summary = once::run(&wanted.run()?, |until, sent, ticked| {
        let opened = ticked.changes.iter().filter(|alert| alert.revision == 1).count();
        let time = crate::terms::local_text(until);
        say(&format!("{time}  {sent:>6} messages  {} findings  {opened} opened", ticked.findings));
    })
    .await?;
    summary.seconds = (clock.now() - began) as f64 / 1e6;
    let text = serde_json::to_string_pretty(&summary).unwrap_or_default();
    match &wanted.summary {
        Some(path) => std::fs::write(path, &text).map_err(|error| io(path, &error))?,
        None => say(&text),
    }
    let complaints = summary.complaints();
    complaints.iter().for_each(|complaint| say_error(complaint));
    Ok(complaints.is_empty())
}

async fn demo_live(wanted: &Demo) -> Result<bool> {
    let language = wanted.lang.language();
    if let Some(aside) = live::set_aside(&wanted.state).map_err(|error| io(&wanted.state, &error))? {
        say(&match language {
            live::Language::Zh => format!("上次演示的数据已移到 {}", aside.display()),
            live::Language::En => format!("the earlier run is now in {}", aside.display()),
        });
    }
    let (tell, stop) = Stop::new();
    tokio::spawn(async move {
        // Without a signal handler Ctrl-C still ends the process, only less politely.
        let _ = tokio::signal::ctrl_c().await;
        let _ = tell.send(true);
        tell.closed().await;
    });
    let address = super::sql::loopback(wanted.sql_port);
    let listener = super::sql::listen(address).await?;
    let port = super::sql::port_of(&listener);
    let (state, pack, sql_stop) = (wanted.state.clone(), wanted.pack.clone(), stop.clone());
    live::run(
        &wanted.run()?,
        Duration::from_millis(wanted.pace_ms),
        stop,
        move |log, clock, broker| {
            super::sql::spawn(log, clock, listener, &pack, sql_stop);
            say(&format!("Kafka  {broker}"));
            say(&format!("SQL    psql -h 127.0.0.1 -p {port} -U analyst qianshao -c 'SELECT severity, rule, unit_id, state FROM alerts'"));
            say(&format!("SQL    qianshao sql --state {} -c 'SELECT severity, rule, unit_id, state FROM alerts'", state.display()));
        },
        |moment| {
            say(&live::status(moment, language));
            moment.changes.iter().for_each(|alert| say(&live::line(alert, language)));
        },
    )
    .await?;
    say(match language {
        live::Language::Zh => "演示结束，数据仍可用上面的 qianshao sql 查询",
        live::Language::En => "the demo has ended; `qianshao sql` above still reads its tables",
    });
    Ok(true)
}

#[derive(Args)]
pub struct Simulate {
    #[command(flatten)]
    city: City,
    /// A folder (ledger, registers, one NDJSON a topic) or kafka://HOST:PORT. 输出到文件夹或 Kafka
    #[arg(long)]
    to: Option<String>,
    /// What topic names begin with. 主题前缀
    #[arg(long, default_value = "qianshao")]
    prefix: String,
    /// Where the ledger goes when sending to Kafka. 台账文件夹
    #[arg(long, default_value = "state/simulate")]
    ledger: PathBuf,
    /// Send no faster than this, messages a second; without it as fast as the broker takes them. 每秒条数上限
    #[arg(long)]
    per_second: Option<u32>,
    /// Print means and variances by weekday. 打印分布统计
    #[arg(long)]
    stats: bool,
}

pub async fn simulate(wanted: Simulate) -> Result<bool> {
    let to = wanted.to.as_deref().map(|to| (to, to.strip_prefix("kafka://")));
    let first = match to {
        Some((_, Some(_))) => Tick(WallClock.now()).day().plus(-days_of(wanted.city.days)),
        Some((_, None)) | None => FIRST_DAY,
    };
    let options = Options { prefix: wanted.prefix.clone(), ..wanted.city.options(first)? };
    if wanted.stats {
        say(&simulate::stats::table(options.clone()));
    }
    match to {
        None => Ok(true),
        Some((_, Some(servers))) => {
            let (from, to) = (options.start, options.start.plus(days_of(options.days) - 1));
            let sent = crate::demo::sender::send_city(options, servers, &wanted.ledger, wanted.per_second).await?;
            say(&format!(
                "{sent} messages of {from} to {to} sent to {servers}; ledger and registers in {}",
                wanted.ledger.display()
            ));
            Ok(true)
        }
        Some((folder, None)) => {
            let folder = PathBuf::from(folder);
            let messages = simulate::write_folder(options, &folder).map_err(|error| io(&folder, &error))?;
            say(&format!("{messages} messages in {}", folder.display()));
            Ok(true)
        }
    }
}

fn days_of(days: u32) -> i32 {
    i32::try_from(days).unwrap_or(i32::MAX)
}

#[derive(Args)]
pub struct Oracle {
    /// `selftest` plants 24 faults in copies of a finished run and names each. 自检
    #[arg(value_parser = ["selftest"])]
    what: Option<String>,
    #[arg(long)]
    ledger: Option<PathBuf>,
    /// The state folder to judge. 状态文件夹
    #[arg(long)]
    state: PathBuf,
    #[arg(long)]
    topic: Option<PathBuf>,
    #[arg(long)]
    logs: Option<PathBuf>,
    /// Where selftest keeps its copies. 自检副本文件夹
    #[arg(long)]
    scratch: Option<PathBuf>,
}

pub fn judge(wanted: &Oracle) -> Result<bool> {
    let unjudged = |found: String| Problem::new(codes::IO, wanted.state.display().to_string(), found);
    if wanted.what.is_some() {
        let scratch = wanted.scratch.clone().unwrap_or_else(|| wanted.state.with_extension("selftest"));
        let trials = oracle::selftest::selftest_of(&input(wanted), &scratch).map_err(unjudged)?;
        let named = trials.iter().filter(|trial| trial.named).count();
        for trial in &trials {
            say(&format!("{}  {}", if trial.named { "named " } else { "MISSED" }, trial.planted));
        }
        say(&format!("{named} of {} faults named", trials.len()));
        return Ok(named == trials.len());
    }
    let verdict = oracle::judge(&input(wanted)).map_err(unjudged)?;
    for fault in &verdict.faults {
        say(&format!("{} {} {}: {}", fault.check, fault.kind, fault.place, fault.detail));
    }
    say(&format!("{} faults; {:?}", verdict.faults.len(), verdict.counted));
    Ok(verdict.faults.is_empty())
}

fn input(wanted: &Oracle) -> oracle::Input {
    let books = wanted.state.join("books");
    oracle::Input {
        ledger: wanted.ledger.clone().unwrap_or_else(|| books.join("ledger.ndjson")),
        state: wanted.state.clone(),
        topic: wanted.topic.clone().or_else(|| Some(books.join("alert_topic.ndjson")).filter(|path| path.exists())),
        logs: wanted.logs.clone(),
        canaries: Vec::new(),
    }
}
