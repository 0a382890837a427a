//! Every method at the edge of what a series can be: nothing, one value, zeros, gaps, huge values, ten thousand values.
//!
//! A method may refuse in words. What it answers has a row a day, and no alarm where it knows nothing.

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestCaseResult};
use qianshao::detectors::command::series::{Answer, Column, Series};
use qianshao::detectors::command::{detect, methods};

use crate::scenarios::Dice;

const LONG: usize = 10_000;
/// Days of the long series that are looked at.
const LAST: usize = 100;

fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        6 => (0_u32..20).prop_map(f64::from),
        2 => Just(0.0),
        1 => Just(f64::NAN),
        1 => prop_oneof![Just(1e9), Just(1e15), Just(1e300), Just(f64::MAX)],
        1 => 0.0..1.0,
    ]
}

fn values() -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        1 => Just(Vec::new()),
        2 => value().prop_map(|value| vec![value]),
        2 => (1_usize..400).prop_map(|days| vec![0.0; days]),
        1 => (1_usize..400).prop_map(|days| vec![f64::NAN; days]),
        8 => prop::collection::vec(value(), 2..400),
    ]
}

fn is_known(answer: &Answer, row: usize) -> bool {
    answer.columns.iter().any(|(_, column)| match column {
        Column::Numbers(values) => values.get(row).is_some_and(|value| !value.is_nan()),
        Column::Words(_) => false,
    })
}

fn has_no_alarm_out_of_nothing(method: &str, series: &Series, answer: &Answer) -> TestCaseResult {
    prop_assert_eq!(answer.alarm.len(), (series.observed.len() + 1).saturating_sub(answer.first), "{}", method);
    for (row, alarm) in answer.alarm.iter().enumerate().filter(|(_, alarm)| **alarm == Some(true)) {
        let known = !answer.observed[row].is_nan() && is_known(answer, row);
        prop_assert!(known, "{method}: {alarm:?} on day {} of {:?}", answer.first + row, series.observed);
    }
    prop_assert!(!answer.csv().contains("NaN"), "{}", method);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(30) })]

    #[test]
    fn no_alarm_comes_out_of_nothing(observed in values(), freq in prop_oneof![Just(7.0), Just(52.0)]) {
        let series = Series { observed, freq: Some(freq), ..Series::default() };
        for (method, _) in methods() {
            match detect(method, &[] as &[&str], &series) {
                Ok(answer) => has_no_alarm_out_of_nothing(method, &series, &answer)?,
                Err(words) => prop_assert!(!words.is_empty(), "{}", method),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(4) })]

    #[test]
    fn ten_thousand_values_are_a_series_like_any(seed in any::<u64>()) {
        let mut dice = Dice::seeded(seed);
        let observed: Vec<f64> = (0..LONG).map(|_| dice.below(20) as f64).collect();
        let p_values: Vec<f64> = observed.iter().map(|count| count / 20.0).collect();
        let last = format!("range_start={}", LONG - LAST + 1);
        for (method, _) in methods() {
            let of_p_values = ["benjamini_hochberg", "benjamini_yekutieli", "holm"].contains(&method);
            let observed = if of_p_values { &p_values } else { &observed };
            let series = Series { observed: observed.clone(), ..Series::default() };
            let answer = detect(method, &[&last], &series).map_err(|words| TestCaseError::fail(format!("{method}: {words}")))?;
            prop_assert_eq!(answer.alarm.len(), LAST, "{}", method);
            prop_assert!((0..LAST).all(|row| is_known(&answer, row)), "{}", method);
            has_no_alarm_out_of_nothing(method, &series, &answer)?;
        }
    }
}
