//! A rule over series of counts: its SQL and the evaluation of a tick, over a moment in which each variant of a series is
//! what one county's facility reported.
//!
//! A period's count stands on its first day and zero on the others; every day has its report. The same counts stand in
//! every signal that the rule names.
//!
//! Promises: the same series give the same alarms; a county says nothing about another, as long as the rule's SQL does not.
//! Never: shows the rule a county's future: a window is judged by what stands before its end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray, new_null_array,
};
use arrow::datatypes::DataType;
use tokio::task::{JoinError, JoinSet};

use crate::cells::moment::Moment;
use crate::clock::ManualClock;
use crate::consume::feed::Feeds;
use crate::delta::memory_log::MemoryLog;
use crate::delta::reference::{Text, put_in_force};
use crate::delta::registers::{CLASS_CODE, CLASS_REGISTER};
use crate::delta::tables::UTC;
use crate::detect::evaluate::{Dirty, Plans, Standing};
use crate::detect::tick::pack_of;
use crate::pipeline::InForce;
use crate::power::figures::{Alarms, Counts};
use crate::power::{Calendar, Replicate, SIZES, Simulation};
use crate::problem::{Problem, Result, codes};
use crate::terms::{Day, MICROS_PER_DAY};

/// 2019-12-29, a Sunday, is the last day of every series.
const LAST_DAY: Day = Day(18_259);
/// A series without an outbreak in the test periods, and one with each size.
const VARIANTS: usize = 1 + SIZES;
/// 2⁶⁴ ÷ the golden ratio: the lower half of a key is its hash.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;
/// A day's report comes in its evening.
const HEARD_AFTER: i64 = MICROS_PER_DAY / 6 * 5;

/// What is the same for every series.
pub struct Setting<'a> {
    pub feeds: &'a Feeds,
    /// The rule and its pack, contracts and code lists; registers and areas are made here.
    pub texts: Vec<Text>,
    pub pack: &'a str,
    pub rule: &'a str,
    /// Feed and signal of each series that the rule names.
    pub signals: Vec<(&'static str, &'static str)>,
}

/// A rule, planned over a moment that waits for counts.
pub struct Judge {
    plans: Plans,
    empty: Moment,
    rule: String,
    /// Feed, kind and signal.
    signals: Vec<(String, String, String)>,
    calendar: Calendar,
    history_days: i32,
}

impl Judge {
    pub async fn new(setting: &Setting<'_>, calendar: Calendar) -> Result<Self> {
        let signals = setting.signals.iter().map(|(feed, signal)| kind_of(setting.feeds, feed, signal)).collect();
        let mut texts: Vec<Text> = setting.texts.to_vec();
        texts.retain(|text| {
            text.class != CLASS_REGISTER && (text.class.as_str(), text.name.as_str()) != (CLASS_CODE, "areas")
        });
        texts.extend(registers(&setting.signals));
        let log = MemoryLog::of_rows();
        let clock = ManualClock::new(0);
        put_in_force(&log, &clock, &InForce::CLASSES, &texts).await?;
        let empty = Moment::empty(&log, i64::MAX).await?;
        let mut pack = pack_of(&empty.edition, setting.pack)?;
        let days = i32::try_from(calendar.test * days_of(calendar)).unwrap_or(i32::MAX);
        pack.alert_horizon_days = days;
        // The series lie in no year: what is asked is what the rule finds while it is in force.
        pack.rules.iter_mut().for_each(|rule| (rule.valid_from, rule.valid_to) = (None, None));
        let history_days = pack.rules.iter().map(|rule| rule.history_days).max().unwrap_or(0);
        let plans = Plans::of(&empty, pack).await?;
        Ok(Self { plans, empty, rule: setting.rule.to_owned(), signals, calendar, history_days })
    }

    /// The test periods in which a window of the rule ends, for every variant.
    async fn alarms(&self, replicate: &Replicate) -> Result<Alarms> {
        let variants: Vec<Vec<f64>> = std::iter::once(replicate.counts.clone())
            .chain(replicate.current.iter().map(|outbreak| replicate.with(outbreak)))
            .collect();
        let mut moment = self.empty.clone();
        moment.feed(&self.rows(&variants)?)?;
        let mut standing = Standing::new();
        let tick = LAST_DAY.plus(1).start_micros() - 1;
        let broken = self.plans.evaluate(&Arc::new(moment), tick, &Dirty::Everything, &mut standing).await?;
        if let Some(problem) = broken.into_iter().next() {
            return Err(Box::new(problem));
        }
        let first_day = LAST_DAY.plus(1 - (self.calendar.test * days_of(self.calendar)) as i32);
        let mut said = vec![vec![false; self.calendar.test]; VARIANTS];
        for finding in standing.get(&self.rule).into_iter().flatten() {
            let variant = variant_of(&finding.series.unit_id);
            let period =
                usize::try_from(finding.window_end.0 - first_day.0).ok().map(|day| day / days_of(self.calendar));
            if let Some(alarm) =
                variant.zip(period).and_then(|(variant, period)| said.get_mut(variant)?.get_mut(period))
            {
                *alarm = true;
            }
        }
        let with = said.split_off(1);
        Ok(Alarms { without: said.into_iter().flatten().collect(), with })
    }

    /// A row a facility, signal and day, as far back as the rule looks.
    fn rows(&self, variants: &[Vec<f64>]) -> Result<RecordBatch> {
        let days_a_period = days_of(self.calendar);
        let wanted = self.calendar.test * days_a_period + self.history_days as usize;
        let mut lines = Lines::default();
        for (variant, counts) in variants.iter().enumerate() {
            let days = (counts.len() * days_a_period).min(wanted.next_multiple_of(days_a_period));
            for back in (0..days).rev() {
                let period = counts.len() - 1 - back / days_a_period;
                let is_first = back % days_a_period == days_a_period - 1;
                let count = if is_first { counts[period] as i64 } else { 0 };
                for signal in 0..self.signals.len() {
                    lines.0.push(Line { signal, variant, day: LAST_DAY.plus(-(back as i32)), count });
                }
            }
        }
        lines.batch(&self.signals)
    }
}

/// Counts of every scenario, by as many judges at once as there are.
pub async fn measure(simulation: Simulation, judges: Vec<Judge>) -> Result<Vec<Counts>> {
    let places: Vec<(usize, usize)> = (0..simulation.scenarios.len())
        .flat_map(|scenario| (0..simulation.replicates(scenario)).map(move |replicate| (scenario, replicate)))
        .collect();
    let (simulation, places, next) = (Arc::new(simulation), Arc::new(places), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for judge in judges {
        let (simulation, places, next) = (simulation.clone(), places.clone(), next.clone());
        tasks.spawn(async move {
            let mut counts = vec![Counts::default(); simulation.scenarios.len()];
            while let Some(&(scenario, replicate)) = places.get(next.fetch_add(1, Ordering::Relaxed)) {
                let Some(series) = simulation.replicate(scenario, replicate) else { continue };
                let first = series.counts.len().saturating_sub(simulation.calendar.test);
                let alarms = judge.alarms(&series).await?;
                if let Some(sum) = counts.get_mut(scenario) {
                    *sum += &Counts::of(&series, &alarms, first);
                }
            }
            Ok::<_, Box<Problem>>(counts)
        });
    }
    let ended = |error: JoinError| Problem::new(codes::IO, "a rule over series", error.to_string());
    let mut sum = vec![Counts::default(); simulation.scenarios.len()];
    while let Some(done) = tasks.join_next().await {
        sum.iter_mut().zip(&done.map_err(ended)??).for_each(|(sum, counts)| *sum += counts);
    }
    Ok(sum)
}

/// Days of a period.
fn days_of(calendar: Calendar) -> usize {
    if calendar.is_daily() { 1 } else { 7 }
}

/// The kind of the feed whose contract has the signal, the one that counts where there are several.
fn kind_of(feeds: &Feeds, feed: &str, signal: &str) -> (String, String, String) {
    let kinds = feeds.feeds.iter().filter(|one| one.name == feed).flat_map(|one| &one.kinds);
    let of_signal = kinds.filter(|kind| kind.contract.signals.iter().any(|meaning| meaning.signal == signal));
    let name = of_signal.max_by_key(|kind| kind.contract.authoritative_default).map(|kind| kind.name.clone());
    (feed.to_owned(), name.unwrap_or_default(), signal.to_owned())
}

fn county(variant: usize) -> String {
    format!("98{variant:04}")
}

fn facility(variant: usize) -> String {
    format!("V{}", county(variant))
}

/// Of a county, or of the facility in it.
fn variant_of(unit_id: &str) -> Option<usize> {
    unit_id.trim_start_matches('V').strip_prefix("98")?.parse().ok()
}

/// A county and a facility for each variant, all of which owe a report every day.
fn registers(signals: &[(&str, &str)]) -> Vec<Text> {
    let mut areas = "code,level,name_zh,name_en,parent,valid_from,valid_to,replaced_by,source,lon,lat\n".to_owned();
    let mut facilities =
        "facility_id,name_zh,name_en,facility_kind,area_code,calendar_id,authoritative,active_from,active_to\n"
            .to_owned();
    for variant in 0..VARIANTS {
        let (county, facility) = (county(variant), facility(variant));
        areas += &format!("{county},county,序列{variant},Series {variant},,,,,invented,,\n");
        facilities += &format!("{facility},序列{variant},Series {variant},series,{county},always,,,\n");
    }
    let mut expected = "facility_kind,facility_id,feed,due_time,grace_minutes,valid_from,valid_to\n".to_owned();
    let feeds: BTreeSet<&str> = signals.iter().map(|(feed, _)| *feed).collect();
    feeds.iter().for_each(|feed| expected += &format!("series,,{feed},23:59,60,,\n"));
    let text = |class: &str, name: &str, body: String| Text { class: class.into(), name: name.into(), body };
    vec![
        text(CLASS_CODE, "areas", areas),
        text(CLASS_REGISTER, "facilities", facilities),
        text(CLASS_REGISTER, "expected_reports", expected),
    ]
}

/// A row of `signals`: what the facility of a variant reported in a signal.
struct Line {
    signal: usize,
    variant: usize,
    day: Day,
    count: i64,
}

#[derive(Default)]
struct Lines(Vec<Line>);

impl Lines {
    fn batch(&self, signals: &[(String, String, String)]) -> Result<RecordBatch> {
        let rows = self.0.len();
        let text = |of: &dyn Fn(usize, &Line) -> String| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(self.0.iter().enumerate().map(|(nth, line)| of(nth, line))))
        };
        let time = |of: fn(Day) -> i64| -> ArrayRef {
            Arc::new(
                TimestampMicrosecondArray::from_iter_values(self.0.iter().map(|line| of(line.day))).with_timezone(UTC),
            )
        };
        let heard = |day: Day| day.start_micros() + HEARD_AFTER;
        let columns: BTreeMap<&str, ArrayRef> = BTreeMap::from([
            ("feed", text(&|_, line| signals[line.signal].0.clone())),
            ("kind", text(&|_, line| signals[line.signal].1.clone())),
            ("topic", text(&|_, _| "series".to_owned())),
            ("partition", Arc::new(Int32Array::from(vec![0; rows])) as ArrayRef),
            ("offset", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
            ("record_key", text(&|nth, _| format!("{nth:016x}{:016x}", (nth as u64).wrapping_mul(SPREAD)))),
            ("revision", Arc::new(Int64Array::from(vec![0; rows]))),
            ("operation", text(&|_, _| "report".to_owned())),
            ("signal", text(&|_, line| signals[line.signal].2.clone())),
            ("unit_kind", text(&|_, _| "facility".to_owned())),
            ("unit_id", text(&|_, line| facility(line.variant))),
            ("facility_id", text(&|_, line| facility(line.variant))),
            ("area_code", text(&|_, line| county(line.variant))),
            ("event_time", time(Day::start_micros)),
            ("event_date", Arc::new(Date32Array::from_iter_values(self.0.iter().map(|line| line.day.0)))),
            ("reported_at", time(heard)),
            ("value", Arc::new(Int64Array::from_iter_values(self.0.iter().map(|line| line.count)))),
            ("denominator", new_null_array(&DataType::Int64, rows)),
            ("person_key", new_null_array(&DataType::Utf8, rows)),
            ("slot", new_null_array(&DataType::Utf8, rows)),
            ("quality", new_null_array(&DataType::Utf8, rows)),
            ("known_at", time(heard)),
        ]);
        RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
            .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "rows of series", error.to_string()))
    }
}
