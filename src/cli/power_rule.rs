//! `qianshao power --rule`: what a rule raises over the invented city with planted outbreaks, or over one's own history.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use clap::ValueEnum;
use tokio::task::JoinSet;

use super::power::Power;
use super::sql::existing;
use crate::alert::{Alert, Mode};
use crate::consume::feed::Feeds;
use crate::delta::log::Log;
use crate::delta::reference::{Proposed, Text};
use crate::delta::registers::CLASS_REGISTER;
use crate::delta::tables::Table;
use crate::demo::counted::{self, Judge};
use crate::demo::trial::{Setting, opened};
use crate::detect::alone::{Alone, alone};
use crate::detect::backtest::{backtest_at, recorded_ticks};
use crate::detect::folder::read_folders;
use crate::detect::rule::Rule;
use crate::detect::tick::{CLASS_PACK, CLASS_RULE};
use crate::pipeline::{Folders, InForce};
use crate::power::Simulation;
use crate::power::raised::Raised;
use crate::power::report::Report;
use crate::power::rule::{On, RuleReport};
use crate::problem::{Problem, Result, codes};
use crate::simulate::Options;
use crate::simulate::city::COUNTIES;
use crate::simulate::trial::{FIRST_ONSET, Place, Watched, named};
use crate::terms::{Day, MICROS_PER_DAY};

/// 2021-03-01, a Monday after the winter holidays: schools are open, and the shipped editions are in force.
const FIRST_DAY: Day = Day(18_687);
/// Digits of an area code that name a county.
const COUNTY_DIGITS: usize = 6;

/// Where the cases of an outbreak fall.
#[derive(Clone, Copy, ValueEnum)]
pub enum Where {
    County,
    Facility,
    Class,
}

/// A rule's file, with the folder of its pack and the folder of packs.
struct Named<'a> {
    rule: &'a str,
    pack: &'a str,
    packs: &'a Path,
}

impl<'a> Named<'a> {
    fn of(file: &'a Path) -> Result<Self> {
        let is_sql = file.extension().is_some_and(|extension| extension == "sql");
        let rule = file.file_stem().filter(|_| is_sql).and_then(|stem| stem.to_str());
        let folder = file.parent();
        let pack = folder.and_then(Path::file_name).and_then(|name| name.to_str());
        let packs = folder.and_then(Path::parent);
        let (Some(rule), Some(pack), Some(packs)) = (rule, pack, packs) else {
            return Err(Problem::new(codes::ARGUMENT, "--rule", file.display().to_string())
                .help("a rule in the folder of its pack, rules/PACK/RULE.sql"));
        };
        let packs = if packs.as_os_str().is_empty() { Path::new(".") } else { packs };
        Ok(Self { rule, pack, packs })
    }
}

/// Judges the rule alone, by its SQL and the evaluation of every tick.
pub async fn report(wanted: &Power, file: &Path) -> Result<RuleReport> {
    let Named { rule, pack, packs } = Named::of(file)?;
    let edition = wanted.pack.as_deref().unwrap_or(pack);
    let taken = alone(&read_folders(Some(packs))?, edition, rule)?;
    let (on, raised) = match &wanted.state {
        Some(state) => over_history(state, edition, &taken).await?,
        None => over_city(wanted, packs, edition, &taken).await?,
    };
    let Alone { rule, digest, .. } = taken;
    Ok(RuleReport { rule: rule.id, zh: rule.zh, en: rule.en, pack: edition.to_owned(), digest, on, raised })
}

/// Judges the rule alone on series of counts, each in a county of its own.
pub async fn over_series(wanted: &Power, file: &Path, simulation: Simulation) -> Result<Report> {
    let Named { rule, pack, packs } = Named::of(file)?;
    let edition = wanted.pack.as_deref().unwrap_or(pack);
    let taken = alone(&read_folders(Some(packs))?, edition, rule)?;
    let (feeds, texts) = in_force(packs, &taken)?;
    let watched = watched(&taken, wanted.place)?;
    let signals = watched.series.iter().map(|series| (series.feed(), series.signal())).collect();
    let setting = counted::Setting { feeds: &feeds, texts, pack: edition, rule: &taken.rule.id, signals };
    let mut judges = Vec::new();
    for _ in 0..wanted.threads {
        judges.push(Judge::new(&setting, simulation.calendar).await?);
    }
    let about = simulation.clone();
    let counts = counted::measure(simulation, judges).await?;
    let Alone { rule, digest, .. } = taken;
    let mut report = Report::new(&format!("{} {}", rule.id, rule.zh), &[], &about, counts);
    report.rule = Some((rule.id, edition.to_owned(), digest));
    Ok(report)
}

/// Feeds, and every text but registers and the rules that are not judged.
fn in_force(packs: &Path, taken: &Alone) -> Result<(Arc<Feeds>, Vec<Text>)> {
    let InForce { feeds, mut texts, .. } =
        InForce::read(&Folders { rules: Some(packs.to_path_buf()), ..Folders::default() })?;
    texts.retain(|text| ![CLASS_RULE, CLASS_PACK, CLASS_REGISTER].contains(&text.class.as_str()));
    texts.extend(taken.texts.iter().cloned());
    Ok((feeds, texts))
}

async fn over_city(wanted: &Power, packs: &Path, edition: &str, taken: &Alone) -> Result<(On, Raised)> {
    let watched = watched(taken, wanted.place)?;
    let start = first_day(&taken.rule, wanted.days)?;
    let (feeds, texts) = in_force(packs, taken)?;
    let setting = Setting { feeds, texts, pack: edition.to_owned(), watched };
    let options = Options {
        seed: wanted.seed,
        days: wanted.days,
        start,
        scale: wanted.scale,
        prefix: "qianshao".to_owned(),
        partitions: 1,
        planted: false,
    };
    let seeds = wanted.seed..wanted.seed.saturating_add(wanted.seeds);
    let (first, last) = (seeds.start, seeds.end.saturating_sub(1));
    let mut runs: Vec<(u64, bool)> = seeds.flat_map(|seed| [(seed, false), (seed, true)]).collect();
    let mut raised = Raised::default();
    while !runs.is_empty() {
        let now: Vec<(u64, bool)> = runs.drain(..runs.len().min(usize::from(wanted.threads))).collect();
        for one in together(&setting, &options, &taken.rule.id, now).await? {
            raised += &one;
        }
    }
    let signals = setting.watched.series.iter().map(|series| series.signal()).collect();
    Ok((On::City { seeds: (first, last), days: wanted.days, place: setting.watched.place, signals }, raised))
}

/// Some runs at once.
async fn together(setting: &Setting, options: &Options, rule: &str, runs: Vec<(u64, bool)>) -> Result<Vec<Raised>> {
    let mut tasks = JoinSet::new();
    for (seed, is_planted) in runs {
        let (setting, rule) = (setting.clone(), rule.to_owned());
        let options = Options { seed, ..options.clone() };
        tasks.spawn(async move { run(&setting, options, &rule, is_planted).await });
    }
    let ended = |error: tokio::task::JoinError| Problem::new(codes::IO, "a run of the city", error.to_string());
    let mut raised = Vec::new();
    while let Some(done) = tasks.join_next().await {
        raised.push(done.map_err(ended)??);
    }
    Ok(raised)
}

async fn run(setting: &Setting, options: Options, rule: &str, is_planted: bool) -> Result<Raised> {
    let (from, days) = (options.start.plus(FIRST_ONSET as i32), options.days.saturating_sub(FIRST_ONSET as u32));
    let (mut alerts, trials) = opened(setting, options, is_planted).await?;
    alerts.retain(|alert| alert.rule == rule);
    Ok(match is_planted {
        true => Raised::with(&alerts, from, &trials),
        false => Raised::without(&alerts, from, COUNTIES, days),
    })
}

/// Which of the city's signals the rule's SQL names, else those of the rules that it needs, all of them at once.
fn watched(taken: &Alone, place: Option<Where>) -> Result<Watched> {
    let own = named(&taken.rule.sql);
    let together = own.is_empty();
    let series = if together { named(&taken.sql.join("\n")) } else { own };
    if series.is_empty() {
        return Err(Problem::new(
            codes::ARGUMENT,
            "--rule",
            format!("{} names no signal of the invented city", taken.rule.id),
        )
        .help("measure it over a history of your own: --state DIR"));
    }
    let is_class = taken.rule.sql.contains("'class'");
    let is_facility = taken.rule.sql.contains("'facility'");
    let place = match place {
        Some(Where::County) => Place::County,
        Some(Where::Facility) => Place::Facility,
        Some(Where::Class) => Place::Class,
        None if is_facility && !together => Place::Facility,
        None if is_class && !together => Place::Class,
        None => Place::County,
    };
    let is_pupils = series.iter().all(|series| series.is_of_pupils());
    if (place == Place::Class && !is_pupils) || (place != Place::County && together) {
        return Err(Problem::new(codes::ARGUMENT, "--place", place.word())
            .help("class: only for signals of schools; a rule over findings of others: county"));
    }
    Ok(Watched { series, together, place })
}

/// The first day of a run in which the rule is in force on every day.
fn first_day(rule: &Rule, days: u32) -> Result<Day> {
    let length = i32::try_from(days).unwrap_or(i32::MAX);
    let latest = rule.valid_to.map_or(FIRST_DAY, |to| to.plus(1 - length));
    let start = rule.valid_from.map_or(FIRST_DAY, |from| from.max(FIRST_DAY)).min(latest);
    if rule.is_valid_on(start) {
        return Ok(start);
    }
    Err(Problem::new(codes::ARGUMENT, "--days", format!("{days}: {} is in force for fewer", rule.id))
        .help("fewer days, or a longer validity in the rule's header"))
}

/// The alerts that the rule raises over what is recorded, one tick a day.
async fn over_history(state: &Path, edition: &str, taken: &Alone) -> Result<(On, Raised)> {
    let log = existing(state).await?;
    let recorded = recorded_ticks(&*log).await?;
    let Some((first, last)) = recorded.first().zip(recorded.last()) else {
        return Err(Problem::new(codes::ARGUMENT, "--state", "no tick is recorded there")
            .help("the folder of a run that judged: `serve` with detect, `demo` or `replay`"));
    };
    let proposed = Proposed::instead(&*log, &taken.texts, &[CLASS_RULE, CLASS_PACK]).await?;
    let (from, to) = (Day::of_micros(*first), Day::of_micros(*last));
    let ticks: Vec<i64> = (from.0..=to.0).map(|day| Day(day).start_micros() + MICROS_PER_DAY - 1).collect();
    let mut alerts: Vec<Alert> = backtest_at(&proposed, edition, Mode::Exercise, &ticks, None).await?;
    alerts.retain(|alert| alert.revision == 1 && alert.rule == taken.rule.id);
    let (areas, days) = (areas(&*log).await?, ticks.len() as u32);
    let on = On::History { state: state.display().to_string(), days, areas };
    Ok((on, Raised::without(&alerts, Day(i32::MIN), areas, days)))
}

/// Counties that reported anything.
async fn areas(log: &dyn Log) -> Result<usize> {
    let mut counties = BTreeSet::new();
    for batch in log.read(Table::Signals, i64::MIN, i64::MAX).await? {
        let codes = batch.column_by_name("area_code").and_then(|column| column.as_string_opt::<i32>());
        let county = |code: &str| code.get(..COUNTY_DIGITS).map(str::to_owned);
        counties.extend(codes.into_iter().flat_map(|codes| codes.iter().flatten().filter_map(county)));
    }
    Ok(counties.len())
}
