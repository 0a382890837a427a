//! The detectors beside R's `surveillance` on the same series, as window functions beside plain SQL, and the space-time scan
//! beside the seconds that SaTScan 10.3.2 needed for the same files.
//!
//!   cargo bench --bench detectors
//!
//! Needs Rscript with `surveillance`. Promises: one thread; R is timed inside one process around one call a series
//! (benches/detectors.R); what both sides answer is compared over all series before a ratio is printed.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch};
use arrow::datatypes::Float64Type;
use qianshao::clock::{Clock, WallClock};
use qianshao::delta::registers::Registers;
use qianshao::detectors::combine::benjamini_hochberg;
use qianshao::detectors::cusum::{Cusum, cusum};
use qianshao::detectors::ears::{Ears, ears_c1};
use qianshao::detectors::farrington_flexible::{FarringtonFlexible, FlexibleSpace, ThresholdMethod};
use qianshao::detectors::glr::{Glr, GlrMean, glr};
use qianshao::detectors::history::History;
use qianshao::detectors::scan::{Coordinates, Model, Observations, Period, Scan, TiedPlaces};
use qianshao::detectors::scan_command::{self, ModelName, Written};
use qianshao::engine;
use qianshao::power::drawn;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// 28 scenarios, so 5,012 series.
const REPLICATES: usize = 179;
/// Of a series, what Farrington flexible looks back on and some weeks more.
const WEEKS: usize = 320;
/// Of these, what the charts get; the first are their past.
const LAST: usize = 160;
const PAST: usize = 60;
const ROUNDS: usize = 5;
/// Series and days of the window functions.
const UNITS: usize = 5_000;
const DAYS: usize = 400;

fn main() {
    beside_r();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(as_window_functions());
    adjusted();
    scans();
}

/// Seconds since some moment.
fn seconds() -> f64 {
    WallClock.now() as f64 / 1e6
}

/// Seconds of the fastest round, and what it answered.
fn timed<T>(rounds: usize, mut work: impl FnMut() -> T) -> (f64, T) {
    let mut fastest = f64::INFINITY;
    let mut answer = None;
    for _ in 0..rounds {
        let began = seconds();
        answer = Some(black_box(work()));
        fastest = fastest.min(seconds() - began);
    }
    (fastest, answer.unwrap())
}

fn series() -> Vec<Vec<f64>> {
    let simulation = drawn::noufaily(1, REPLICATES);
    let places = (0..simulation.scenarios.len()).flat_map(|scenario| (0..REPLICATES).map(move |nth| (scenario, nth)));
    let last = |counts: &[f64]| counts[counts.len() - WEEKS..].to_vec();
    places.map(|(scenario, nth)| last(&simulation.replicate(scenario, nth).unwrap().counts)).collect()
}

/// Values and alarms of one series, as R's script writes them.
type Told = Vec<f64>;

fn told(values: &[f64], alarm: &[bool]) -> Told {
    values.iter().copied().chain(alarm.iter().map(|alarm| f64::from(u8::from(*alarm)))).collect()
}

fn beside_r() {
    let series = series();
    let folder = tempfile::tempdir().unwrap();
    let bytes: Vec<u8> = series.iter().flatten().flat_map(|count| count.to_le_bytes()).collect();
    std::fs::write(folder.path().join("series"), bytes).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/detectors.R");
    let ran = Command::new("Rscript").arg("--vanilla").arg(script).arg(folder.path()).arg(WEEKS.to_string()).status();
    assert!(ran.is_ok_and(|status| status.success()), "Rscript with the package surveillance is needed");
    let told_by_r = std::fs::read_to_string(folder.path().join("seconds")).unwrap();
    let theirs_took: BTreeMap<&str, f64> = told_by_r
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(method, seconds)| (method, seconds.trim().parse().unwrap()))
        .collect();
    let whole: Vec<&[f64]> = series.iter().map(Vec::as_slice).collect();
    let last: Vec<&[f64]> = whole.iter().map(|counts| &counts[WEEKS - LAST..]).collect();
    let compare = |method: &str, answers: usize, (ours, told): (f64, Vec<Told>)| {
        let bytes = std::fs::read(folder.path().join(method)).unwrap();
        let theirs: Vec<f64> =
            bytes.chunks_exact(8).map(|eight| f64::from_le_bytes(eight.try_into().unwrap())).collect();
        let ours_all: Vec<f64> = told.into_iter().flatten().collect();
        assert_eq!(ours_all.len(), theirs.len(), "{method}");
        let is_same = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * b.abs().max(1.0);
        let differing = ours_all.iter().zip(&theirs).filter(|(a, b)| !is_same(**a, **b)).count();
        let all = (series.len() * answers) as f64;
        println!(
            "{method}: {:.0} a second, R {:.0}: {:.0} times; {} values of {} series compared, {differing} differ",
            all / ours,
            all / theirs_took[method],
            theirs_took[method] / ours,
            theirs.len(),
            series.len()
        );
        assert_eq!(differing, 0, "{method}");
    };
    let ears = |counts: &[f64]| ears_c1(counts, &Ears::default()).unwrap();
    let bounds = last.iter().map(|counts| ears(counts)).map(|answer| told(&answer.upperbound[7..], &answer.alarm[7..]));
    compare("ears_c1", LAST - 7, (each(&last, ears), bounds.collect()));
    let method = FarringtonFlexible::noufaily(ThresholdMethod::NbPlugin, 0.005);
    let mut space = FlexibleSpace::default();
    let mut fit = |counts: &[f64]| method.at(&History::of(counts, 52), WEEKS - 1, &mut space).unwrap();
    let bounds =
        whole.iter().map(|counts| fit(counts)).map(|answer| told(&[answer.upperbound], &[answer.alarm])).collect();
    compare("farrington_flexible", 1, (each(&whole, fit), bounds));
    let chart = |counts: &[f64]| cusum(counts, PAST, &Cusum::default()).unwrap();
    let sums = last.iter().map(|counts| chart(counts)).map(|answer| told(&answer.cusum[PAST..], &answer.alarm[PAST..]));
    compare("cusum", LAST - PAST, (each(&last, chart), sums.collect()));
    let mean = |counts: &[f64]| (counts[..PAST].iter().sum::<f64>() / PAST as f64).max(0.1);
    let chart =
        |counts: &[f64]| glr(counts, PAST, &Glr { mu0: GlrMean::Fixed(mean(counts)), ..Glr::default() }).unwrap();
    let statistics =
        last.iter().map(|counts| chart(counts)).map(|answer| told(&answer.upperbound[PAST..], &answer.alarm[PAST..]));
    compare("glr_poisson", LAST - PAST, (each(&last, chart), statistics.collect()));
}

/// Seconds of one call a series. What it answers is let go at once: keeping it would be most of the time.
fn each<T>(series: &[&[f64]], mut one: impl FnMut(&[f64]) -> T) -> f64 {
    let all = || {
        for counts in series {
            black_box(one(counts));
        }
    };
    timed(ROUNDS, all).0
}

const AS_FUNCTION: &str = "
    SELECT unit, day, ears_c1(count) OVER (PARTITION BY unit ORDER BY day)['upperbound'] AS bound
    FROM counts ORDER BY unit, day";
const PLAIN: &str = "
    SELECT unit, day,
      CASE WHEN count(count) OVER week = 7
        THEN avg(count) OVER week + 3.090232306167813 * stddev_samp(count) OVER week END AS bound
    FROM counts
    WINDOW week AS (PARTITION BY unit ORDER BY day ROWS BETWEEN 7 PRECEDING AND 1 PRECEDING)
    ORDER BY unit, day";

async fn as_window_functions() {
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    let rows = UNITS * DAYS;
    let columns: [(&str, ArrayRef); 3] = [
        ("unit", Arc::new(Int64Array::from_iter_values((0..rows).map(|row| (row / DAYS) as i64)))),
        ("day", Arc::new(Date32Array::from_iter_values((0..rows).map(|row| 18_628 + (row % DAYS) as i32)))),
        ("count", Arc::new(Int64Array::from_iter_values((0..rows).map(|_| dice.random_range(0..40))))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let context = engine::session(&Arc::new(Registers::default()), &BTreeMap::new(), 0);
    let batches = (0..rows).step_by(8_192).map(|from| batch.slice(from, 8_192.min(rows - from))).collect();
    engine::register(&context, "counts", batch.schema(), batches).unwrap();
    let mut fastest = [f64::INFINITY; 2];
    let mut bounds: [Vec<Option<f64>>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (nth, sql) in [AS_FUNCTION, PLAIN].into_iter().enumerate() {
            let began = seconds();
            let answer = context.sql(sql).await.unwrap().collect().await.unwrap();
            fastest[nth] = fastest[nth].min(seconds() - began);
            bounds[nth] =
                answer.iter().flat_map(|batch| batch.column(2).as_primitive::<Float64Type>().iter()).collect();
        }
    }
    let [ours, plain] = bounds;
    assert_eq!((ours.len(), plain.len()), (rows, rows));
    let is_same = |a: &Option<f64>, b: &Option<f64>| match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= 1e-9 * b.abs().max(1.0),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    assert!(ours.iter().zip(&plain).all(|(a, b)| is_same(a, b)));
    println!(
        "ears_c1 in SQL, {UNITS} series x {DAYS} days: {:.2} s, ROWS BETWEEN {:.2} s: {:.1} times; {rows} bounds compared",
        fastest[0],
        fastest[1],
        fastest[1] / fastest[0]
    );
}

fn adjusted() {
    let mut dice = ChaCha8Rng::seed_from_u64(2);
    let p: Vec<f64> = (0..57_000).map(|_| dice.random::<f64>()).collect();
    let (took, _) = timed(ROUNDS, || benjamini_hochberg(&p).unwrap());
    println!("benjamini_hochberg over {} values: {:.1} ms", p.len(), took * 1e3);
}

/// Files, words of the command that differ, CPU seconds of SaTScan 10.3.2 on another machine, what is aimed at.
const SCANS: [(&str, usize, f64, f64, f64); 3] =
    [("city300", 14, 0.5, 2.1, 0.4), ("prov1000", 14, 0.5, 25.9, 5.0), ("nation3000", 7, 0.1, 26.1, 5.0)];

fn scans() {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference/satscan/synthetic");
    for (name, window, share, satscan, aim) in SCANS {
        let file = |what: &str| folder.join(format!("{name}_{what}.csv.gz"));
        let options = scan_command::Options {
            model: ModelName::Permutation,
            cases: file("cases"),
            geo: file("geo"),
            population: None,
            radius_max_km: None,
            share_max: share,
            window_max: Some(window),
            cases_min: 2,
            prospective: Some(Written::parse("2021/2/10").unwrap()),
            earlier_analyses: 0,
            study_period: None,
            replications: 999,
            enough: None,
            ties: TiedPlaces::Together,
            null: None,
            seed: 1,
            threads: 1,
        };
        let (took, answer) = timed(1, || scan_command::run(&options, || 0.0).unwrap());
        assert_eq!(answer["replications_run"], 999, "{name}");
        println!("scan {name}, 999 replicas: {took:.2} s (aim {aim}), SaTScan {satscan} CPU s elsewhere");
    }
    let (took, found) = drawn_map(192, 24, 4_000, Scan { radius_max_km: Some(3.0), ..Scan::default() });
    println!("scan of 192 places, 24 days, 999 replicas: {took:.3} s (aim 0.03), {} circles", found.circles);
    let (took, found) = drawn_map(3_000, 60, 6_000, Scan { share_max: 0.1, enough: Some(50), ..Scan::default() });
    println!(
        "scan of 3,000 places without a cluster, sequential stop: {took:.2} s (aim 1), {} replicas, p {:.2}",
        found.maxima.len(),
        found.clusters.first().and_then(|cluster| cluster.p_value).unwrap_or(1.0)
    );
}

/// Cases that fall anywhere, scanned prospectively with windows up to seven days.
fn drawn_map(places: usize, intervals: usize, cases: usize, scan: Scan) -> (f64, qianshao::detectors::scan::Report) {
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    // As dense as New York's 192 postal areas, on 30 by 30 km.
    let width = 30.0 * (places as f64 / 192.0).sqrt();
    let points: Vec<[f64; 2]> =
        (0..places).map(|_| [dice.random::<f64>() * width, dice.random::<f64>() * width]).collect();
    let mut observed = Observations { intervals, cases: vec![0; places * intervals] };
    for _ in 0..cases {
        observed.cases[dice.random_range(0..places * intervals)] += 1;
    }
    let scan = Scan { period: Period::Prospective { earlier_analyses: 0 }, window_max: Some(7), seed: 1, ..scan };
    let coordinates = Coordinates::Plane(points);
    timed(1, || scan.run(&coordinates, &observed, &Model::Permutation).unwrap())
}
