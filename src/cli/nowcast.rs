//! `qianshao nowcast`: the last days' counts corrected for reporting delay, CSV in, CSV out.

use std::path::PathBuf;

use clap::Args;

use super::{detect, say};
use crate::detectors::command::nowcast::{Reports, csv};
use crate::problem::{Problem, Result, codes, describe};
use crate::terms::Day;

#[derive(Args)]
pub struct Nowcast {
    /// CSV with event_date, known_date and where a row is not one case, count; else standard input is read. 输入文件
    #[arg(long)]
    input: Option<PathBuf>,
    /// The day that is taken as today, 2021-01-31; without it the last known_date. 视为今天的日期
    #[arg(long)]
    now: Option<String>,
    /// NAME=VALUE, see docs/detectors.md. 参数
    #[arg(long = "param", value_name = "NAME=VALUE", num_args = 1..)]
    params: Vec<String>,
}

fn day(text: &str) -> Result<Day> {
    Day::parse(text).ok_or_else(|| {
        Problem::new(codes::ARGUMENT, "--now", describe(text)).help("write a date as 2021-01-31 / 日期写作 2021-01-31")
    })
}

pub fn run(wanted: &Nowcast) -> Result<bool> {
    let now = wanted.now.as_deref().map(day).transpose()?;
    let (name, bytes) = detect::bytes(wanted.input.as_deref())?;
    let reports = Reports::read(&bytes).map_err(|found| {
        Problem::new(codes::ARGUMENT, name, found)
            .help("CSV with the columns event_date, known_date / 含这两列的 CSV 文件: docs/detectors.md")
    })?;
    let answer = csv(&reports, now, &wanted.params).map_err(|found| {
        Problem::new(codes::ARGUMENT, "nowcast", found).help("docs/detectors.md lists the parameters / 参数见该文档")
    })?;
    say(answer.trim_end());
    Ok(true)
}
