//! The detectors in SQL: the numbers of `qianshao detect` and `qianshao scan`, to the bit, through rows, windows and gaps.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, RecordBatch, StringArray, StructArray,
};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use datafusion::execution::context::SessionContext;
use qianshao::delta::registers::Registers;
use qianshao::detectors::combine::{Correlation, benjamini_hochberg, benjamini_yekutieli, fisher, holm, stouffer};
use qianshao::detectors::command::detect;
use qianshao::detectors::command::methods;
use qianshao::detectors::command::series::{Column, Series};
use qianshao::detectors::scan::{Coordinates, Model, Observations, Period, Scan};
use qianshao::engine;

use crate::scenarios::Dice;

const DAYS: usize = 420;
const SERIES: usize = 3;
/// 2021-01-01.
const FIRST: i32 = 18_628;

fn session() -> SessionContext {
    engine::session(&Arc::new(Registers::default()), &BTreeMap::new(), 0)
}

/// Counts of several series, some missing, in an order that is not theirs.
fn counts() -> (Vec<Vec<f64>>, RecordBatch) {
    let mut dice = Dice::seeded(7);
    let one = |series: usize, dice: &mut Dice| {
        let count = |day: usize| match dice.below(40) {
            0 => f64::NAN,
            _ => (dice.below(9 + series as u64 * 20) + if day % 100 > 95 { 15 } else { 0 }) as f64,
        };
        (0..DAYS).map(count).collect::<Vec<f64>>()
    };
    let series: Vec<Vec<f64>> = (0..SERIES).map(|number| one(number, &mut dice)).collect();
    let places = (0..DAYS).rev().flat_map(|day| (0..SERIES).map(move |number| (number, day)));
    let (names, days): (Vec<String>, Vec<i32>) =
        places.clone().map(|(number, day)| (format!("unit {number}"), FIRST + day as i32)).unzip();
    let counts: Int64Array = places
        .map(|(number, day)| Some(series[number][day]).filter(|count| !count.is_nan()).map(|c| c as i64))
        .collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("unit", Arc::new(StringArray::from(names))),
        ("day", Arc::new(Date32Array::from(days))),
        ("count", Arc::new(counts)),
    ];
    (series, RecordBatch::try_from_iter(columns).unwrap())
}

pub async fn ask(rows: &[RecordBatch], sql: &str) -> Result<RecordBatch, String> {
    let context = session();
    engine::register(&context, "rows", rows[0].schema(), rows.to_vec()).unwrap();
    let frame = context.sql(sql).await.map_err(|error| error.to_string())?;
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    Ok(concat_batches(&batches[0].schema(), &batches).unwrap())
}

fn bits(column: &ArrayRef) -> Vec<Option<u64>> {
    column.as_primitive::<Float64Type>().iter().map(|value| value.map(f64::to_bits)).collect()
}

/// Compares a struct with what the command answers; how many values were compared.
fn same(found: &StructArray, method: &str, params: &[&str], observed: &[f64]) -> usize {
    let dates = Some((0..observed.len()).map(|day| FIRST + day as i32).collect());
    let answer = detect(method, params, &Series { observed: observed.to_vec(), dates, ..Series::default() }).unwrap();
    let before = answer.first - 1;
    let mut compared = 0;
    for (name, column) in &answer.columns {
        let mine = found.column_by_name(name).unwrap_or_else(|| panic!("{method} has no {name}"));
        assert!(mine.slice(0, before).null_count() == before, "{method} answers {name} before its first t");
        match column {
            Column::Numbers(values) => {
                let known = |value: &f64| Some(*value).filter(|value| !value.is_nan()).map(f64::to_bits);
                assert_eq!(bits(mine)[before..], values.iter().map(known).collect::<Vec<_>>(), "{method}: {name}");
            }
            Column::Words(words) => {
                let mine: Vec<_> = mine.as_string::<i32>().iter().skip(before).map(Option::unwrap_or_default).collect();
                assert_eq!(mine, *words, "{method}: {name}");
            }
        }
        compared += observed.len() - before;
    }
    let alarm: Vec<Option<bool>> = found.column_by_name("alarm").unwrap().as_boolean().iter().skip(before).collect();
    assert_eq!(alarm, answer.alarm, "{method}: alarm");
    compared + alarm.len()
}

/// Settings that each method looks back less than its default with, so that it has something to say.
fn settings(method: &str) -> (&'static str, &'static [&'static str]) {
    match method {
        "farrington" | "bayes" => ("'b', 2, 'w', 2, 'freq', 52", &["b=2", "w=2", "freq=52"]),
        "farrington_flexible" => (
            "'b', 3, 'noPeriods', 4, 'thresholdMethod', 'nbPlugin'",
            &["b=3", "noPeriods=4", "thresholdMethod=nbPlugin"],
        ),
        "moving_percentile" => ("'years', 3, 'percentile', 0.9", &["years=3", "percentile=0.9"]),
        "cusum" => {
            ("'range_start', 60, 'm', NULL, 'trans', 'anscombe'", &["range_start=60", "m=NULL", "trans=anscombe"])
        }
        "glr_poisson" => ("'range_start', 120, 'ret', 'cases'", &["range_start=120", "ret=cases"]),
        "glr_negbin" => ("'range_start', 120, 'M', 20", &["range_start=120", "M=20"]),
        _ => ("'baseline', 28", &["baseline=28"]),
    }
}

#[tokio::test]
async fn every_method_answers_in_sql_what_the_command_answers() {
    let (series, rows) = counts();
    // In batches, so that a series lies in several.
    let batches: Vec<RecordBatch> =
        (0..rows.num_rows()).step_by(100).map(|at| rows.slice(at, 100.min(rows.num_rows() - at))).collect();
    let mut compared = 0;
    // Those that adjust p-values answer a number, and are asked below.
    let adjusted = ["benjamini_hochberg", "benjamini_yekutieli", "holm"];
    let of_series: Vec<&str> = methods().map(|(name, _)| name).filter(|name| !adjusted.contains(name)).collect();
    for method in of_series.iter().copied() {
        let (written, params) = settings(method);
        let sql = format!(
            "SELECT unit, day, {method}(count, 'date', day, {written}) OVER (PARTITION BY unit ORDER BY day) AS answer
             FROM rows ORDER BY unit, day"
        );
        let found = ask(&batches, &sql).await.unwrap_or_else(|why| panic!("{method}: {why}"));
        for (number, observed) in series.iter().enumerate() {
            let part = found.column(2).slice(number * DAYS, DAYS);
            compared += same(part.as_struct(), method, params, observed);
        }
    }
    println!("{compared} values of {} methods are those of the command", of_series.len());
    assert!(compared > 50_000);
}

#[tokio::test]
async fn a_day_without_a_row_is_missing_and_not_skipped_when_dates_are_given() {
    let (series, rows) = counts();
    let gone = "day NOT IN (DATE '2021-03-05', DATE '2021-03-06') AND unit = 'unit 1'";
    let mut with_gap = series[1].clone();
    with_gap[63] = f64::NAN;
    with_gap[64] = f64::NAN;
    let ask = async |date: &str| {
        let sql = format!(
            "SELECT day, ears_c2(count{date}) OVER (ORDER BY day) AS answer FROM rows WHERE {gone} ORDER BY day"
        );
        let found = ask(std::slice::from_ref(&rows), &sql).await.unwrap();
        let kept: Vec<usize> =
            found.column(0).as_primitive::<Date32Type>().values().iter().map(|day| (day - FIRST) as usize).collect();
        let bound = found.column(1).as_struct().column_by_name("upperbound").unwrap();
        (kept, bits(bound))
    };
    let answer = detect::<&str>("ears_c2", &[], &Series { observed: with_gap, ..Series::default() }).unwrap();
    let Column::Numbers(bounds) = &answer.columns[0].1 else { panic!() };
    let wanted = |day: &usize| {
        bounds.get((day + 1).checked_sub(answer.first)?).filter(|bound| !bound.is_nan()).map(|bound| bound.to_bits())
    };
    let (kept, dated) = ask(", 'date', day").await;
    assert_eq!(kept.len(), DAYS - 2);
    assert_eq!(dated, kept.iter().map(wanted).collect::<Vec<_>>());
    let (_, undated) = ask("").await;
    assert_ne!(undated, dated, "without dates the rows are the series");
}

#[tokio::test]
async fn what_a_method_does_not_know_is_told_with_what_it_knows() {
    let (_, rows) = counts();
    for (call, told) in [
        ("ears_c2(count, 'basline', 7) OVER (ORDER BY day, unit)", "baseline"),
        ("ears_c2(count, 'baseline', 7, 'b', 8) OVER (ORDER BY day, unit)", "give one of them"),
        ("ears_c2(count, 'baseline', 7, 'baseline', 8) OVER (ORDER BY day, unit)", "given twice"),
        ("ears_c2(count, 'baseline', count) OVER (ORDER BY day, unit)", "not the same in all rows"),
        ("ears_c2(count, 'baseline') OVER (ORDER BY day)", "'name', value"),
        ("ears_c2(count, 7, 'baseline') OVER (ORDER BY day)", "'name' belongs"),
        ("ears_c2(unit) OVER (ORDER BY day)", "is no number"),
        ("ears_c2(count, 'date', day) OVER (ORDER BY day)", "dates do not rise"),
        ("essence_ewma(count, 'date', unit) OVER (ORDER BY day)", "is no date"),
        ("space_time_scan(unit, 0.0, 0.0, unit, 1)", "is no date"),
        ("benjamini_hochberg(count) OVER ()", "allowed are 0 to 1"),
        ("fisher(0.5, 'weight', 2)", "no parameter weight"),
        ("space_time_scan(unit, 0.0, 0.0, day, count)", "leave out who did not report"),
        ("space_time_scan(unit, count, 0.0, day, 1)", "asked for"),
        ("space_time_scan(unit, 0.0, 0.0, day, 1, 'max_windows', 3)", "max_window"),
    ] {
        let told_was =
            ask(std::slice::from_ref(&rows), &format!("SELECT {call} AS answer FROM rows")).await.unwrap_err();
        assert!(told_was.contains(told), "{call}: {told_was}");
    }
}

#[tokio::test]
async fn p_values_are_adjusted_over_their_window_and_combined_over_their_group() {
    let p: Vec<f64> = vec![0.01, 0.8, f64::NAN, 0.04, 0.03, 0.2];
    let column: Float64Array = p.iter().map(|p| (!p.is_nan()).then_some(*p)).collect();
    let places = Int64Array::from_iter_values(0..p.len() as i64);
    let rows = RecordBatch::try_from_iter([("at", Arc::new(places) as ArrayRef), ("p", Arc::new(column))]).unwrap();
    let sql =
        "SELECT benjamini_hochberg(p) OVER (), benjamini_yekutieli(p) OVER (), holm(p) OVER () FROM rows ORDER BY at";
    let found = ask(&[rows.slice(0, 2), rows.slice(2, 4)], sql).await.unwrap();
    for (column, wanted) in [benjamini_hochberg(&p), benjamini_yekutieli(&p), holm(&p)].into_iter().enumerate() {
        let wanted: Vec<_> =
            wanted.unwrap().into_iter().map(|value| (!value.is_nan()).then_some(value.to_bits())).collect();
        assert_eq!(bits(found.column(column)), wanted);
    }
    let sql = "SELECT fisher(p), stouffer(p, 'correlation', 0.3), stouffer(p, 'weight', at + 1), fisher(p) FILTER (WHERE at > 9)
        FROM rows";
    let found = ask(&[rows.slice(0, 2), rows.slice(2, 4)], sql).await.unwrap();
    let weights: Vec<f64> = (1..=p.len()).map(|weight| weight as f64).collect();
    let wanted =
        [fisher(&p), stouffer(&p, &[], Correlation::Common(0.3)), stouffer(&p, &weights, Correlation::Independent)];
    for (column, wanted) in wanted.into_iter().enumerate() {
        let (found, wanted) = (found.column(column).as_struct(), wanted.unwrap());
        let number = |name| found.column_by_name(name).unwrap().as_primitive::<Float64Type>().value(0);
        let n = found.column_by_name("n").unwrap().as_primitive::<Int64Type>().value(0);
        assert_eq!((number("statistic"), n, number("p")), (wanted.statistic, wanted.n as i64, wanted.p));
    }
    assert!(found.column(3).is_null(0), "of nothing there is nothing");
}

#[tokio::test]
async fn a_scan_in_sql_finds_the_clusters_of_the_command() {
    const PLACES: usize = 30;
    let mut dice = Dice::seeded(3);
    let points: Vec<[f64; 2]> =
        (0..PLACES).map(|_| [dice.below(500) as f64 / 10.0, dice.below(500) as f64 / 10.0]).collect();
    let days = 40;
    let mut cases: Vec<u32> = (0..PLACES * days).map(|_| u32::from(dice.below(3) == 0)).collect();
    // Something for the last days of one corner.
    let near = |place: usize| points[place][0] < 15.0 && points[place][1] < 15.0;
    (0..PLACES)
        .filter(|place| near(*place))
        .for_each(|place| (36..days).for_each(|day| cases[place * days + day] += 3));
    let cells = (0..PLACES)
        .flat_map(|place| (0..days).map(move |day| (place, day)))
        .filter(|(place, day)| cases[place * days + day] > 0);
    let columns: [(&str, ArrayRef); 5] = [
        ("place", Arc::new(cells.clone().map(|(place, _)| Some(format!("P{place:02}"))).collect::<StringArray>())),
        ("x", Arc::new(cells.clone().map(|(place, _)| Some(points[place][0])).collect::<Float64Array>())),
        ("y", Arc::new(cells.clone().map(|(place, _)| Some(points[place][1])).collect::<Float64Array>())),
        ("day", Arc::new(cells.clone().map(|(_, day)| Some(FIRST + day as i32)).collect::<Date32Array>())),
        (
            "cases",
            Arc::new(cells.map(|(place, day)| Some(i64::from(cases[place * days + day]))).collect::<Int64Array>()),
        ),
    ];
    let rows = RecordBatch::try_from_iter(columns).unwrap();
    let scan = Scan {
        period: Period::Prospective { earlier_analyses: 0 },
        window_max: Some(7),
        replications: 99,
        seed: 5,
        ..Scan::default()
    };
    let wanted = scan
        .run(&Coordinates::Plane(points.clone()), &Observations { intervals: days, cases }, &Model::Permutation)
        .unwrap();
    let sql =
        "WITH found AS (SELECT unnest(space_time_scan(place, x, y, day, cases, 'coordinates', 'plane', 'max_window', 7,
            'replications', 99, 'seed', 5)) AS one FROM rows)
        SELECT one['places'], one['start'], one['end'], one['observed'], one['expected'],
            one['log_likelihood_ratio'], one['p_value'] FROM found";
    let found = ask(&[rows], sql).await.unwrap();
    assert_eq!(found.num_rows(), wanted.clusters.len());
    assert!(found.num_rows() > 0 && wanted.clusters[0].p_value < Some(0.05), "the planted one is found");
    for (row, cluster) in wanted.clusters.iter().enumerate() {
        let places: Vec<String> = found
            .column(0)
            .as_list::<i32>()
            .value(row)
            .as_string::<i32>()
            .iter()
            .map(|place| place.unwrap().to_owned())
            .collect();
        assert_eq!(places, cluster.places.iter().map(|place| format!("P{place:02}")).collect::<Vec<_>>());
        let day = |column: usize| (found.column(column).as_primitive::<Date32Type>().value(row) - FIRST) as usize;
        let number = |column: usize| found.column(column).as_primitive::<Float64Type>().value(row);
        let observed = found.column(3).as_primitive::<Int64Type>().value(row);
        assert_eq!((day(1), day(2), observed), (cluster.start, cluster.end, i64::from(cluster.observed)));
        assert_eq!((number(4), number(5)), (cluster.expected, cluster.log_likelihood_ratio));
        assert_eq!(Some(number(6)), cluster.p_value);
    }
}
