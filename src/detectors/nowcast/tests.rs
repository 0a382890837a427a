//! The edges: one day, no case, no delay, days that nobody reported. How often the interval holds: `tests/detectors`.

use super::*;
use proptest::prelude::*;

const DAYS: usize = 40;
/// What a day's cases come to by delay.
const BY_DELAY: [f64; 5] = [6.0, 7.0, 4.0, 2.0, 1.0];

/// Of days that are all alike, up to today.
fn steady() -> Vec<Vec<f64>> {
    (0..DAYS).map(|day| BY_DELAY.into_iter().take(DAYS - day).collect()).collect()
}

fn said(triangle: &[Vec<f64>]) -> Nowcasts {
    Nowcast::default().run(triangle).unwrap()
}

fn is_all_known(answer: &Nowcasts) -> bool {
    [&answer.expected, &answer.lower, &answer.upper].into_iter().flatten().all(|value| value.is_finite())
}

#[test]
fn one_day_or_no_case_is_answered_by_nothing_and_no_delay_by_the_count() {
    let one = said(&[vec![4.0]]);
    assert!(one.observed == [4.0] && one.expected[0].is_nan() && one.lower[0].is_nan() && one.upper[0].is_nan());
    assert!(said(&[vec![0.0, 0.0], vec![]]).expected.iter().all(|expected| expected.is_nan()));
    assert!(said(&[]).expected.is_empty());
    let at_once = said(&[vec![3.0, 0.0, 0.0], vec![5.0, 0.0], vec![2.0]]);
    assert_eq!(
        (&at_once.expected, &at_once.lower, &at_once.upper),
        (&at_once.observed, &at_once.observed, &at_once.observed)
    );
}

#[test]
fn days_that_are_all_alike_are_expected_to_come_to_the_same() {
    let answer = said(&steady());
    let whole: f64 = BY_DELAY.iter().sum();
    assert!(is_all_known(&answer));
    for day in 0..DAYS {
        let (low, expected, high) = (answer.lower[day], answer.expected[day], answer.upper[day]);
        assert!((expected - whole).abs() < 3.0 && low <= whole && whole <= high, "{day}: {low} {expected} {high}");
    }
    assert_eq!(answer.expected[DAYS - BY_DELAY.len()], whole, "all its delays are over");
}

#[test]
fn a_report_that_is_not_known_is_expected() {
    let mut triangle = steady();
    let known = std::mem::replace(&mut triangle[30][1], f64::NAN);
    let without = said(&triangle);
    assert_eq!(without.observed[30], said(&steady()).observed[30] - known);
    assert!(without.upper[30] > without.lower[30] && without.expected[30] > without.observed[30]);
}

#[test]
fn cases_that_are_younger_than_their_delays_are_expected_to_have_longer_ones() {
    let young = said(&[vec![4.0, 5.0, 3.0, 3.0], vec![3.0, 6.0, 4.0], vec![5.0, 4.0], vec![6.0]]);
    assert!(is_all_known(&young) && young.expected[0] > young.observed[0]);
    // Days before the first case tell nothing of delays.
    let after_silence = said(&[vec![vec![]; 50], vec![vec![4.0, 5.0, 3.0], vec![3.0, 6.0], vec![5.0]]].concat());
    assert!(is_all_known(&after_silence) && after_silence.expected[50] > after_silence.observed[50]);
}

#[test]
fn counts_of_any_size_have_an_answer() {
    for times in [1e-3, 1e3, 1e6, 1e8] {
        let triangle: Vec<Vec<f64>> =
            steady().into_iter().map(|row| row.into_iter().map(|count| (count * times).round()).collect()).collect();
        let seen = triangle.iter().flatten().any(|count| *count > 0.0);
        assert_eq!(is_all_known(&said(&triangle)), seen, "{times}");
    }
    // One case in two months, and one day of a million.
    let mut triangle = vec![vec![]; 60];
    triangle[20] = vec![0.0, 0.0, 1.0];
    assert!(is_all_known(&said(&triangle)));
    triangle[58] = vec![1.0, 1_000_000.0];
    assert!(is_all_known(&said(&triangle)));
}

#[test]
fn what_does_not_fit_is_said_in_words() {
    let said = |nowcast: Nowcast, triangle: &[Vec<f64>]| nowcast.run(triangle).err().unwrap_or_default();
    let base = Nowcast::default;
    assert!(said(base(), &[vec![0.0, 1.0, 1.0], vec![1.0]]).contains("after today"));
    assert!(said(base(), &[vec![-1.0]]).contains("a count is 0 to"));
    assert!(said(base(), &[vec![f64::INFINITY]]).contains("a count is 0 to"));
    assert!(said(Nowcast { level: 1.0, ..base() }, &[]).contains("level is 1"));
    assert!(said(Nowcast { days: 1, ..base() }, &[]).contains("days is 1"));
    assert!(said(Nowcast { delay_max: 120, ..base() }, &[]).contains("delay_max 120"));
    assert!(said(Nowcast { half_life: 0.0, ..base() }, &[]).contains("half_life is 0"));
}

#[test]
fn a_channel_that_was_closed_begins_where_it_opened() {
    let mut triangle: Vec<Vec<f64>> = (0..20).map(|day| vec![0.0; 20 - day]).collect();
    (0..20_usize).for_each(|day| triangle[day][10_usize.saturating_sub(day)] += 9.0);
    assert_eq!(opened(&triangle), 10);
    // A silence that chance explains is no closure.
    triangle.iter_mut().flatten().for_each(|count| *count /= 45.0);
    assert_eq!(opened(&triangle), 0);
}

proptest! {
    #[test]
    fn never_panics_and_the_interval_holds_the_expectation(
        rows in prop::collection::vec(prop::collection::vec(prop_oneof![6 => 0u32..9, 1 => 0u32..1_000], 0..15), 2..15),
    ) {
        let days = rows.len();
        let cut = |(day, row): (usize, Vec<u32>)| row.into_iter().take(days - day).map(f64::from).collect::<Vec<_>>();
        let triangle: Vec<Vec<f64>> = rows.into_iter().enumerate().map(cut).collect();
        let answer = said(&triangle);
        let seen = triangle.iter().flatten().any(|count| *count > 0.0);
        prop_assert_eq!(is_all_known(&answer), seen);
        for day in (0..days).filter(|_| seen) {
            prop_assert!(answer.lower[day] <= answer.expected[day] && answer.expected[day] <= answer.upper[day]);
            prop_assert!(answer.lower[day] >= answer.observed[day]);
        }
    }
}
