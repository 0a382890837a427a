//! `qianshao power`: what a method or a rule finds of planted outbreaks, and what it calls out when there is none.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::power_rule::{self, Where};
use super::say_error;
use super::sql::put;
use crate::clock::{Clock, WallClock};
use crate::power::measure::{Detector, measure};
use crate::power::report::Report;
use crate::power::{Simulation, drawn, folder, pictures, slide, table};
use crate::problem::{Problem, Result, codes};
use crate::terms::MICROS_PER_SECOND;

/// Replicates of a scenario at most: a hundred times those of the literature is hours.
const REPLICATES_MAX: u32 = 10_000;
/// Days of a run of the city: three weeks of baseline and one round of outbreaks, and at most a year.
const DAYS: std::ops::RangeInclusive<i64> = 42..=366;
/// Runs of the city at most; a thousand take an hour.
const SEEDS_MAX: u64 = 1_000;

#[derive(Args)]
pub struct Power {
    /// One of docs/detectors.md, for example ears_c2. 方法
    #[arg(long, required_unless_present = "rule", conflicts_with = "rule")]
    method: Option<String>,
    /// NAME=VALUE, in the spelling of the reference or in ours. 参数
    #[arg(long = "param", value_name = "NAME=VALUE", num_args = 1.., requires = "method")]
    params: Vec<String>,
    /// A rule in the folder of its pack, rules/PACK/RULE.sql. 规则文件
    #[arg(long, value_name = "FILE")]
    rule: Option<PathBuf>,
    /// noufaily (weeks, the default for a method), daily, or a folder of planted outbreaks; a rule is measured on the invented
    /// city where it is left out. 模拟数据
    #[arg(long, value_name = "noufaily|daily|DIR", conflicts_with = "state")]
    simulation: Option<PathBuf>,
    /// Of noufaily and daily; for a rule the first of the city's. 随机种子
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Series of each scenario of noufaily and daily. 每个情景的序列数
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=i64::from(REPLICATES_MAX)))]
    replicates: u32,
    /// Fit models of Farrington's kind again where the outbreak is among their reference values; published figures do not. 重新拟合
    #[arg(long)]
    refit: bool,
    /// The edition whose numbers the rule is judged by; its own folder's otherwise. 规则版本
    #[arg(long, requires = "rule")]
    pub pack: Option<String>,
    /// Count what the rule raises over this history instead of the invented city. 以自有历史数据为基线
    #[arg(long, requires = "rule")]
    pub state: Option<PathBuf>,
    /// Where the cases of an outbreak fall; by the rule's SQL otherwise. 病例分布范围
    #[arg(long, value_enum, requires = "rule")]
    pub place: Option<Where>,
    /// Seeds of the city for a rule, each run without outbreaks and with. 规则所用种子数
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    pub seeds: u64,
    /// Days of each of these runs. 每次运行天数
    #[arg(long, default_value_t = 63, value_parser = clap::value_parser!(u32).range(DAYS))]
    pub days: u32,
    /// Of the city: 1 is about 10,000 messages a day. 城市规模
    #[arg(long, default_value_t = 1.0, requires = "rule")]
    pub scale: f64,
    /// The answer is the same with any number of them. 线程数
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..))]
    pub threads: u16,
    /// 输出格式
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write to a file instead of standard output. 输出文件
    #[arg(short, long)]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For a person. 表格
    Table,
    /// A row a scenario. 每个情景一行
    Csv,
    /// Every measure. 全部指标
    Json,
    /// A picture for a slide. 幻灯片图
    Svg,
}

/// The words `noufaily` and `daily`, else a folder.
fn simulation(wanted: &Power) -> Result<Simulation> {
    let replicates = wanted.replicates as usize;
    let Some(named) = &wanted.simulation else { return Ok(drawn::noufaily(wanted.seed, replicates)) };
    match named.to_str() {
        Some("noufaily") => Ok(drawn::noufaily(wanted.seed, replicates)),
        Some("daily") => Ok(drawn::daily(wanted.seed, replicates)),
        Some(_) | None => read(named),
    }
}

fn read(path: &Path) -> Result<Simulation> {
    folder::read(path).map_err(|found| {
        let at = path.display().to_string();
        Problem::new(codes::ARGUMENT, at, found)
            .help("noufaily, daily, or a folder as docs/detectors.md says under Power")
    })
}

/// Measures and tells; how long it took goes to standard error.
pub async fn run(wanted: &Power) -> Result<bool> {
    let began = WallClock.now();
    let (told, of) = match (&wanted.rule, &wanted.method) {
        (Some(file), _) => of_rule(wanted, file).await?,
        (None, method) => of_method(wanted, method.as_deref().unwrap_or_default())?,
    };
    put(format!("{}\n", told.trim_end()).as_bytes(), wanted.output.as_deref())?;
    let seconds = (WallClock.now() - began) as f64 / MICROS_PER_SECOND as f64;
    say_error(&format!("{of}, {seconds:.2} s"));
    Ok(true)
}

fn of_method(wanted: &Power, method: &str) -> Result<(String, String)> {
    let simulation = simulation(wanted)?;
    let detector = Detector { method: method.to_owned(), parameters: wanted.params.clone(), refit: wanted.refit };
    let judge = |replicate: &_| detector.judge(simulation.calendar, replicate);
    let counts = measure(&simulation, usize::from(wanted.threads), judge).map_err(|found| {
        Problem::new(codes::ARGUMENT, format!("power --method {method}"), found)
            .help("docs/detectors.md lists methods and parameters")
    })?;
    let report = Report::new(&detector.method, &detector.parameters, &simulation, counts);
    Ok((told(wanted, &report), over(&report)))
}

fn told(wanted: &Power, report: &Report) -> String {
    match wanted.format {
        Format::Table => table::table(report),
        Format::Csv => report.csv(),
        Format::Json => format!("{:#}", report.json()),
        Format::Svg => slide::svg(&pictures::of_method(report)),
    }
}

fn over(report: &Report) -> String {
    format!("{} series, {} test periods each", report.series(), report.calendar.test)
}

async fn of_rule(wanted: &Power, file: &Path) -> Result<(String, String)> {
    if wanted.simulation.is_some() {
        let report = power_rule::over_series(wanted, file, simulation(wanted)?).await?;
        return Ok((told(wanted, &report), over(&report)));
    }
    let report = power_rule::report(wanted, file).await?;
    let told = match wanted.format {
        Format::Table => report.table(),
        Format::Csv => report.csv(),
        Format::Json => format!("{:#}", report.json()),
        Format::Svg => slide::svg(&pictures::of_rule(&report)),
    };
    Ok((told, report.measured()))
}
