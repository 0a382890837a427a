//! `qianshao scan`: the space-time scan statistic over files, JSON out.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::say;
use crate::clock::{Clock, WallClock};
use crate::detectors::scan::TiedPlaces;
use crate::detectors::scan_command::{ModelName, Options, Written, run as scan};
use crate::problem::{Problem, Result, codes};
use crate::terms::MICROS_PER_SECOND;

#[derive(Args)]
pub struct Scan {
    /// Permutation needs cases alone; Poisson needs the population. 模型
    #[arg(long, value_enum)]
    model: Model,
    /// CSV with id (or zip, county), date (or year), and where a row is several cases, cases (or count). 病例
    #[arg(long)]
    cases: PathBuf,
    /// CSV with the id and lat,long or x,y in kilometres. 坐标
    #[arg(long)]
    geo: PathBuf,
    /// CSV with the id, population, and where it changes, the year. 人口
    #[arg(long)]
    population: Option<PathBuf>,
    #[arg(long)]
    max_radius_km: Option<f64>,
    /// Share of the cases, with a population of the people, that a circle may hold. 最大比例
    #[arg(long, default_value_t = 0.5)]
    max_share: f64,
    /// Days, or years where the cases have only years; half of the period where it is not given. 最长窗口
    #[arg(long)]
    max_window: Option<usize>,
    #[arg(long, default_value_t = 2)]
    min_cases: u32,
    /// All windows, which is the default. 回顾性
    #[arg(long, conflicts_with = "prospective")]
    retrospective: bool,
    /// Windows that end on this day, 2021-02-10 or 2021/2/10. 前瞻性
    #[arg(long, value_parser = Written::parse)]
    prospective: Option<Written>,
    /// Daily analyses before this one that the p is adjusted for. 此前分析次数
    #[arg(long, default_value_t = 0)]
    earlier_analyses: usize,
    /// First and last day as D1..D2; cases outside are left out. 研究期间
    #[arg(long, value_parser = period)]
    study_period: Option<(Written, Written)>,
    #[arg(long, default_value_t = 999)]
    replications: usize,
    /// Stop after so many replicas that reach the observed maximum. 序贯停止
    #[arg(long)]
    sequential: Option<usize>,
    /// Writes every replica's maximum, one a line. 零分布文件
    #[arg(long)]
    null: Option<PathBuf>,
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Whether places at one distance enter a circle together. 等距处理
    #[arg(long, value_enum, default_value = "together")]
    ties: Ties,
}

#[derive(Clone, Copy, ValueEnum)]
enum Model {
    Permutation,
    Poisson,
}

#[derive(Clone, Copy, ValueEnum)]
enum Ties {
    Together,
    OneByOne,
}

fn period(text: &str) -> Result<(Written, Written), String> {
    let (first, last) = text.split_once("..").ok_or("write D1..D2, for example 2020-12-13..2021-02-10")?;
    Ok((Written::parse(first)?, Written::parse(last)?))
}

pub fn run(wanted: Scan) -> Result<bool> {
    let options = Options {
        model: match wanted.model {
            Model::Permutation => ModelName::Permutation,
            Model::Poisson => ModelName::Poisson,
        },
        cases: wanted.cases,
        geo: wanted.geo,
        population: wanted.population,
        radius_max_km: wanted.max_radius_km,
        share_max: wanted.max_share,
        window_max: wanted.max_window,
        cases_min: wanted.min_cases,
        prospective: wanted.prospective,
        earlier_analyses: wanted.earlier_analyses,
        study_period: wanted.study_period,
        replications: wanted.replications,
        enough: wanted.sequential,
        ties: match wanted.ties {
            Ties::Together => TiedPlaces::Together,
            Ties::OneByOne => TiedPlaces::OneByOne,
        },
        null: wanted.null,
        seed: wanted.seed,
        threads: wanted.threads,
    };
    let seconds = || WallClock.now() as f64 / MICROS_PER_SECOND as f64;
    let answer = scan(&options, seconds).map_err(|found| {
        Problem::new(codes::ARGUMENT, "scan", found).help("`qianshao scan --help` says what each file holds")
    })?;
    say(&format!("{answer:#}"));
    Ok(true)
}
