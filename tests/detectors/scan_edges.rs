//! Whatever the input: an answer or words, never a panic.

use proptest::prelude::*;
use qianshao::detectors::scan::{Coordinates, Model, Observations, Period, Scan, TiedPlaces};

fn odd_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        -2.0..2.0_f64,
        Just(0.0),
        Just(-0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(1e308),
        Just(-1e308),
        Just(5e-324),
        Just(91.0),
    ]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![20 => (0..6).prop_map(f64::from), 1 => odd_number()]
}

fn scan() -> impl Strategy<Value = Scan> {
    let period = prop_oneof![
        Just(Period::Retrospective),
        Just(Period::Prospective { earlier_analyses: 0 }),
        Just(Period::Prospective { earlier_analyses: 2 }),
        Just(Period::Prospective { earlier_analyses: usize::MAX }),
    ];
    let size = || prop_oneof![5 => 0..4_usize, 1 => Just(usize::MAX)];
    (
        (period, prop_oneof![4 => Just(0.5), 1 => odd_number()], prop::option::of(number()), prop::option::of(size())),
        (prop_oneof![5 => 0..4_u32, 1 => Just(u32::MAX)], any::<bool>(), 0..20_usize, prop::option::of(size())),
        (any::<u64>(), 0..3_usize, size()),
    )
        .prop_map(
            |((period, share_max, radius_max_km, window_max), (cases_min, one_by_one, replications, enough), rest)| {
                Scan {
                    period,
                    share_max,
                    radius_max_km,
                    window_max,
                    cases_min,
                    ties: if one_by_one { TiedPlaces::OneByOne } else { TiedPlaces::Together },
                    replications,
                    enough,
                    seed: rest.0,
                    threads: rest.1,
                    clusters_max: rest.2,
                }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn nothing_panics(
        scan in scan(),
        (places, intervals) in (0..6_usize, 0..6_usize),
        numbers in prop::collection::vec(number(), 60),
        counts in prop::collection::vec(prop_oneof![20 => 0..5_u32, 1 => 0..100_000_u32], 36),
        earth in any::<bool>(),
        (model, short) in (0..3, 0..12_usize),
    ) {
        let pairs = numbers.chunks(2).take(places).map(|pair| [pair[0], pair[1]]).collect();
        let coordinates = if earth { Coordinates::LatLong(pairs) } else { Coordinates::Plane(pairs) };
        // Sometimes one number too few.
        let cells = (places * intervals).saturating_sub(usize::from(short == 0));
        let observations = Observations { intervals, cases: counts[..cells].to_vec() };
        let model = match model {
            0 => Model::Permutation,
            1 => Model::Poisson(numbers[20..20 + places].to_vec()),
            _ => Model::PoissonCells(numbers[20..20 + places * intervals].to_vec()),
        };
        if let Ok(report) = scan.run(&coordinates, &observations, &model) {
            for cluster in &report.clusters {
                prop_assert!(cluster.log_likelihood_ratio > 0.0 && cluster.log_likelihood_ratio.is_finite());
                prop_assert!(cluster.p_value.is_none_or(|p| p > 0.0 && p <= 1.0));
                prop_assert!(cluster.observed >= scan.cases_min && cluster.end < intervals);
            }
            prop_assert!(report.maxima.len() <= scan.replications);
            prop_assert!(report.maxima.iter().all(|maximum| *maximum >= 0.0 && maximum.is_finite()));
        }
    }
}

fn small() -> (Coordinates, Observations) {
    let coordinates = Coordinates::Plane((0..6).map(|n| [f64::from(n), f64::from(n * n % 5)]).collect());
    (coordinates, Observations { intervals: 4, cases: (0..24).map(|n| n * 7 % 5).collect() })
}

#[test]
fn parameters_out_of_range_are_named() {
    let (coordinates, observations) = small();
    let wrong = [
        ("share_max", Scan { share_max: 0.0, ..Scan::default() }),
        ("share_max", Scan { share_max: f64::NAN, ..Scan::default() }),
        ("share_max", Scan { share_max: 1.1, ..Scan::default() }),
        ("radius_max_km", Scan { radius_max_km: Some(-1.0), ..Scan::default() }),
        ("window_max", Scan { window_max: Some(0), ..Scan::default() }),
        ("cases_min", Scan { cases_min: 0, ..Scan::default() }),
        ("replications", Scan { replications: usize::MAX, ..Scan::default() }),
        ("enough", Scan { enough: Some(0), ..Scan::default() }),
        ("threads", Scan { threads: 0, ..Scan::default() }),
    ];
    for (name, scan) in wrong {
        let error = scan.run(&coordinates, &observations, &Model::Permutation).unwrap_err();
        assert!(error.contains(name) && error.contains("allowed"), "{error}");
    }
}

#[test]
fn a_seed_and_not_the_threads_decide_the_replicas() {
    let (coordinates, observations) = small();
    let maxima = |seed, threads, enough| {
        let scan = Scan { seed, threads, enough, replications: 200, ..Scan::default() };
        scan.run(&coordinates, &observations, &Model::Permutation).unwrap().maxima
    };
    let one = maxima(1, 1, None);
    assert_eq!(one, maxima(1, 2, None));
    assert_eq!(one, maxima(1, 7, None));
    assert_ne!(one, maxima(2, 1, None));
    let stopped = maxima(1, 2, Some(3));
    assert_eq!(stopped, one[..stopped.len()]);
    // Published p-values depend on these numbers: never change them.
    let sum: f64 = one.iter().sum();
    assert!((sum - 237.660_665_315_798_24).abs() < 1e-9, "{sum}");
}

#[test]
fn earlier_analyses_raise_p_and_shorten_the_recurrence_interval() {
    let (coordinates, observations) = small();
    let run = |earlier_analyses| {
        let scan = Scan { period: Period::Prospective { earlier_analyses }, ..Scan::default() };
        scan.run(&coordinates, &observations, &Model::Permutation).unwrap()
    };
    let (alone, adjusted) = (run(0), run(2));
    assert!(adjusted.maxima.iter().sum::<f64>() > alone.maxima.iter().sum::<f64>());
    let (alone, adjusted) = (&alone.clusters[0], &adjusted.clusters[0]);
    assert_eq!(alone.places, adjusted.places);
    let p = adjusted.p_value.unwrap();
    assert!(p >= alone.p_value.unwrap());
    let right = 1.0 / (1.0 - (1.0 - p).powf(1.0 / 3.0));
    assert!((adjusted.recurrence_interval.unwrap() - right.max(1.0)).abs() < 1e-9);
}

#[test]
fn no_cases_no_clusters() {
    let (coordinates, _) = small();
    let observations = Observations { intervals: 4, cases: vec![0; 24] };
    let report = Scan::default().run(&coordinates, &observations, &Model::Permutation).unwrap();
    assert!(report.clusters.is_empty() && report.maxima.is_empty());
}
