//! `qianshao backtest`: what the rules would have alarmed, tick by tick, over the log as it was known at each tick.
//!
//! Promises: over the recorded ticks and the rules of then, the answer is `alert_history` byte for byte, but for when it
//! was committed. Never: adds a row; opening the folder mends it, as for every reader.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::say_error;
use super::sql::{existing, format, pack_or_last, put};
use crate::alert::{Alert, Mode, State};
use crate::delta::log::Log;
use crate::delta::reference::Proposed;
use crate::detect::alert_rows::rows_of;
use crate::detect::backtest::{backtest_at, recorded_ticks};
use crate::detect::tick::{CLASS_PACK, CLASS_RULE};
use crate::pipeline::{Folders, InForce};
use crate::problem::{self, Problem, Result, codes};
use crate::serve::output::render;
use crate::terms::{Day, MICROS_PER_DAY};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Ticks {
    /// Those at which the rules were really judged.
    Recorded,
    /// One at the end of each day.
    Daily,
}

#[derive(Args)]
pub struct Backtest {
    /// State folder to read. 状态文件夹
    #[arg(long, default_value = "state/demo")]
    state: PathBuf,
    /// Rules and numbers in place of those that were in force. 用以替换的规则文件夹
    #[arg(long)]
    rules: Option<PathBuf>,
    /// By default the one that judged last. 规则版本，默认为最近一次评估所用
    #[arg(long)]
    pack: Option<String>,
    /// First day whose revisions are told, for example 2021-01-12. 起始日期
    #[arg(long)]
    from: Option<String>,
    /// Last day. 截止日期
    #[arg(long)]
    to: Option<String>,
    /// Moments at which the rules are judged. 评估时刻
    #[arg(long, value_enum, default_value = "recorded")]
    ticks: Ticks,
    /// What stands in every alert: actual, exercise, replay or test. 性质
    #[arg(long, default_value = "actual")]
    mode: String,
    /// table, csv, json, ndjson or parquet.
    #[arg(long, default_value = "table")]
    format: String,
    /// Write to a file instead of standard output. 输出文件
    #[arg(short, long)]
    output: Option<PathBuf>,
}

/// Judges again, and tells every revision; how many there were goes to standard error.
pub async fn run(wanted: &Backtest) -> Result<bool> {
    let format = format(&wanted.format)?;
    let modes: Vec<&str> = Mode::ALL.iter().map(|mode| mode.word()).collect();
    let mode = Mode::parse(&wanted.mode).ok_or_else(|| wrong("--mode", &wanted.mode, &modes.join(", ")))?;
    let day = |at: &str, text: &Option<String>| {
        let parse = |text: &String| Day::parse(text).ok_or_else(|| wrong(at, text, "a date such as 2021-01-12"));
        text.as_ref().map(parse).transpose()
    };
    let (from, to) = (day("--from", &wanted.from)?, day("--to", &wanted.to)?);
    let log = existing(&wanted.state).await?;
    let pack = pack_or_last(&*log, wanted.pack.as_deref()).await?;
    let proposed = match &wanted.rules {
        None => None,
        Some(rules) => {
            let texts = InForce::read(&Folders { rules: Some(rules.clone()), ..Folders::default() })?.texts;
            Some(Proposed::instead(&*log, &texts, &[CLASS_RULE, CLASS_PACK]).await?)
        }
    };
    let log: &dyn Log = proposed.as_ref().map_or(&*log, |proposed| proposed);
    let ticks = ticks(log, wanted.ticks, from, to).await?;
    let mut revisions = backtest_at(log, &pack, mode, &ticks, None).await?;
    // What was open before the first day is known from the ticks before it.
    revisions.retain(|alert| from.is_none_or(|from| Day::of_micros(alert.tick.0) >= from));
    let rows = rows_of(&revisions)?;
    put(&render(std::slice::from_ref(&rows), &rows.schema(), format)?, wanted.output.as_deref())?;
    say_error(&told(ticks.len(), &revisions));
    Ok(true)
}

async fn ticks(log: &dyn Log, ticks: Ticks, from: Option<Day>, to: Option<Day>) -> Result<Vec<i64>> {
    let recorded = recorded_ticks(log).await?;
    let Some((first, last)) = recorded.first().zip(recorded.last()) else {
        return Err(Problem::new(codes::ARGUMENT, "--state", "no tick is recorded there")
            .help("the folder of a run that judged: `serve` with detect, `demo` or `replay`"));
    };
    Ok(match ticks {
        Ticks::Recorded => {
            recorded.iter().copied().filter(|tick| to.is_none_or(|to| Day::of_micros(*tick) <= to)).collect()
        }
        Ticks::Daily => {
            let (from, to) = (from.unwrap_or(Day::of_micros(*first)), to.unwrap_or(Day::of_micros(*last)));
            (from.0..=to.0).map(|day| Day(day).start_micros() + MICROS_PER_DAY - 1).collect()
        }
    })
}

/// Ticks, revisions and what became of the alerts, rule by rule.
fn told(ticks: usize, revisions: &[Alert]) -> String {
    let mut rules: BTreeMap<&str, [usize; 3]> = BTreeMap::new();
    for alert in revisions {
        let counts = rules.entry(&alert.rule).or_default();
        counts[0] += usize::from(alert.revision == 1);
        counts[1] += usize::from(alert.state == State::Ended);
        counts[2] += usize::from(alert.state == State::Withdrawn);
    }
    let mut text = format!("{ticks} ticks / 评估次数, {} revisions / 修订数", revisions.len());
    for (rule, [opened, ended, withdrawn]) in rules {
        text.push_str(&format!(
            "\n  {rule}: {opened} opened / 新增, {ended} ended / 结束, {withdrawn} withdrawn / 撤销"
        ));
    }
    text
}

fn wrong(at: &str, found: &str, help: &str) -> Box<Problem> {
    Problem::new(codes::ARGUMENT, at, problem::describe(found)).help(help.to_owned())
}
