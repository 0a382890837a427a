//! Edges and properties of Farrington flexible.

use super::*;
use proptest::prelude::*;

#[test]
fn a_short_history_has_no_answer() {
    let method = FarringtonFlexible::default();
    assert_eq!(method.first(52), 263);
    assert!(method.run(&History::of(&[3.0; 263], 52)).unwrap().alarm.is_empty());
    let answers = method.run_range(&History::of(&[3.0; 264], 52), 262..264).unwrap();
    assert!(answers.phi[0].is_nan() && answers.phi[1] == 1.0);
    assert!(method.run(&History::of(&[], 52)).unwrap().expected.is_empty());
}

#[test]
fn a_missing_present_has_a_mean_and_no_bound() {
    let mut observed = vec![3.0; 270];
    observed[265] = f64::NAN;
    let answers = FarringtonFlexible::default().run(&History::of(&observed, 52)).unwrap();
    assert!(answers.upperbound[2].is_nan() && !answers.alarm[2] && answers.phi[2] == 1.0);
    assert!(answers.upperbound[6] > 3.0);
}

#[test]
fn without_any_known_reference_there_is_no_answer() {
    let mut observed = vec![f64::NAN; 270];
    observed[264..].fill(9.0);
    let answers = FarringtonFlexible::default().run(&History::of(&observed, 52)).unwrap();
    assert!(answers.phi.iter().all(|phi| phi.is_nan()) && !answers.alarm.contains(&true));
}

#[test]
fn parameters_out_of_range_are_said_in_words() {
    let said = |method: FarringtonFlexible| method.run(&History::of(&[1.0], 52)).err().unwrap_or_default();
    let base = FarringtonFlexible::default;
    assert!(said(FarringtonFlexible { w: 26, ..base() }).contains("w is 26: allowed are 0 to 25"));
    assert!(said(FarringtonFlexible { no_periods: 0, ..base() }).contains("no_periods is 0"));
    assert!(said(FarringtonFlexible { past_weeks_not_included: Some(300), ..base() }).contains("is 300"));
    assert!(said(FarringtonFlexible { population_offset: true, ..base() }).contains("population_offset"));
    assert!(said(FarringtonFlexible { weights_threshold: f64::NAN, ..base() }).contains("weights_threshold is NaN"));
}

proptest! {
    #[test]
    fn never_panics(
        observed in prop::collection::vec(prop_oneof![8 => 0f64..9.0, 1 => any::<f64>(), 1 => Just(f64::NAN)], 0..90),
        b in 0usize..4, w in 0usize..4, freq in 1usize..14, start in any::<i32>(), dated in any::<bool>(), no_periods in 1usize..12, kind in 0usize..3,
    ) {
        let dates: Vec<i32> = (0..observed.len() as i32).map(|at| start.wrapping_add(at.wrapping_mul(7))).collect();
        let freq = if dated { 12 } else { freq };
        let history = History { dates: dated.then_some(&dates), ..History::of(&observed, freq) };
        let method = FarringtonFlexible {
            b, w, no_periods,
            threshold_method: [ThresholdMethod::Delta, ThresholdMethod::NbPlugin, ThresholdMethod::Muan][kind],
            ..FarringtonFlexible::default()
        };
        if let Ok(answers) = method.run_range(&history, 0..observed.len() + 3) {
            prop_assert_eq!(answers.alarm.len(), observed.len() + 3);
            for (bound, alarm) in answers.upperbound.iter().zip(&answers.alarm) {
                prop_assert!(!(bound.is_nan() && *alarm));
            }
        }
    }
}
