//! Edges and properties of the quasi-Poisson fit.

use super::*;
use proptest::prelude::*;

fn row(level: usize, time: f64, count: f64) -> Row {
    Row { level, time, count, population: 1.0 }
}

#[test]
fn without_trend_a_level_has_its_mean() {
    let mut regression = Regression::default();
    let counts = [3.0, 5.0, 4.0, 20.0, 0.0, 22.0];
    assert!(regression.load(counts.iter().enumerate().map(|(at, &count)| row(at / 3, at as f64, count))));
    let fit = regression.fit(false, None).unwrap();
    let (eta, variance) = regression.predict(&fit, 0, 99.0).unwrap();
    assert!(fit.converged && (eta - 4f64.ln()).abs() < 1e-6 && (variance - 1.0 / 12.0).abs() < 1e-4);
    let (eta, _) = regression.predict(&fit, 1, 99.0).unwrap();
    assert!((eta - 14f64.ln()).abs() < 1e-6);
    assert!(regression.predict(&fit, 2, 99.0).is_none());
    // Pearson: (1 + 1 + 0)/4 + (36 + 196 + 64)/14 over 4.
    assert!((fit.pearson - (0.5 + 296.0 / 14.0) / 4.0).abs() < 1e-3);
}

#[test]
fn an_exact_trend_is_found() {
    let mut regression = Regression::default();
    let mean = |at: f64| (1.5 + 0.01 * at).exp();
    assert!(regression.load((0..60).map(|at| row(at / 30, f64::from(at as u32), mean(f64::from(at as u32))))));
    let fit = regression.fit(true, Some(2.58)).unwrap();
    let (eta, _) = regression.predict(&fit, 1, 100.0).unwrap();
    assert!((fit.slope - 0.01).abs() < 1e-9 && (eta - 2.5).abs() < 1e-8);
}

#[test]
fn a_past_outbreak_loses_weight() {
    let mut regression = Regression::default();
    let count = |at: usize| if at == 7 { 60.0 } else { 4.0 + (at % 3) as f64 };
    assert!(regression.load((0..40).map(|at| row(0, at as f64, count(at)))));
    let plain = regression.fit(false, None).unwrap();
    let (before, _) = regression.predict(&plain, 0, 40.0).unwrap();
    let reweighted = regression.fit(false, Some(2.58)).unwrap();
    let (after, _) = regression.predict(&reweighted, 0, 40.0).unwrap();
    assert!(before.exp() > 6.2 && (after.exp() - 5.0).abs() < 0.15, "{} {}", before.exp(), after.exp());
    assert!(reweighted.phi < plain.phi);
}

#[test]
fn whole_and_broken_times_give_one_answer() {
    let count = |at: usize| ((at * 7) % 11 + at / 9) as f64;
    let slope = |scale: f64| {
        let mut regression = Regression::default();
        assert!(regression.load((0..80).map(|at| row(at % 4, at as f64 * scale, count(at)))));
        regression.fit(true, Some(1.0)).unwrap().slope * scale
    };
    assert!((slope(1.0) - slope(0.3)).abs() < 1e-12 * slope(1.0).abs());
}

#[test]
fn one_row_has_no_dispersion_and_no_trend() {
    let mut regression = Regression::default();
    assert!(regression.load([row(0, 1.0, 5.0)].into_iter()));
    let fit = regression.fit(true, Some(1.0)).unwrap();
    assert!(!fit.trend && fit.phi.is_nan());
}

proptest! {
    #[test]
    fn never_panics_and_ignores_the_order_of_rows(
        counts in prop::collection::vec(prop_oneof![Just(0.0), 0f64..30.0, Just(1e300)], 1..40),
        levels in 1usize..5, trend in any::<bool>(),
    ) {
        let mut regression = Regression::default();
        let rows: Vec<Row> = counts.iter().enumerate().map(|(at, &y)| row(at % levels, at as f64, y.floor())).collect();
        prop_assert!(regression.load(rows.iter().copied()));
        let one = regression.fit(trend, Some(2.58)).map(|fit| (fit.converged, fit.phi));
        prop_assert!(regression.load(rows.iter().rev().copied()));
        let other = regression.fit(trend, Some(2.58)).map(|fit| (fit.converged, fit.phi));
        if let (Some((true, one)), Some((true, other))) = (one, other) && one < 1e6 {
            prop_assert!((one - other).abs() <= 1e-6 * one, "{} {}", one, other);
        }
    }
}
