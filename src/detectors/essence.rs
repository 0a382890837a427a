//! The daily detectors of ESSENCE: EWMA, regression, and the switch between them, with a p-value and a colour a day.
//!
//! Promises: values and colours of the CDC's Rnssp 0.3.1 (`alert_ewma`, `alert_regression`, `alert_switch`).
//! Never: takes a missing day for zero: it leaves the baselines and has no answer of its own.

pub use super::essence_regression::{RegressionAnswer, essence_regression};

use super::rolling::mean_and_sd;
use super::special::{t_quantile_upper, t_upper};

/// Days of the first, shortest baseline of the EWMA.
const BASELINE_MIN: usize = 7;
const P_RED: f64 = 0.01;
const P_YELLOW: f64 = 0.05;
/// The switch trusts the regression from here on.
const ADJUSTED_R2_MIN: f64 = 0.60;

/// Parameters of the three detectors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Essence {
    /// Days of the whole baseline (B); at least 7, for regression and switch a multiple of 7 from 14. Default 28.
    pub baseline: usize,
    /// Days between the baseline and today (g). Default 2.
    pub guard: usize,
    /// Smoothing for gradual events (w1), above 0 and below 1. Default 0.4.
    pub w1: f64,
    /// Smoothing for sudden events (w2), above 0 and below 1. Default 0.9.
    pub w2: f64,
}

impl Default for Essence {
    fn default() -> Self {
        Self { baseline: 28, guard: 2, w1: 0.4, w2: 0.9 }
    }
}

/// Red p < 0.01, yellow p < 0.05, blue otherwise, grey not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    Red,
    Yellow,
    Blue,
    Grey,
}

impl Colour {
    /// The word in Rnssp's column `alert`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
            Self::Grey => "grey",
        }
    }

    pub(super) fn of(p: f64) -> Self {
        if p < P_RED {
            Self::Red
        } else if p < P_YELLOW {
            Self::Yellow
        } else if p >= P_YELLOW {
            Self::Blue
        } else {
            Self::Grey
        }
    }
}

/// Who answered on a day of the switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detector {
    Ewma,
    Regression,
}

/// One value a day of the input; NaN = not available.
#[derive(Clone, Debug, Default)]
pub struct EwmaColours {
    pub expected: Vec<f64>,
    pub test_statistic: Vec<f64>,
    pub pvalue: Vec<f64>,
    pub alert: Vec<Colour>,
}

/// One value a day of the input; NaN or `None` = not available.
#[derive(Clone, Debug, Default)]
pub struct SwitchAnswer {
    pub expected: Vec<f64>,
    pub test_statistic: Vec<f64>,
    pub pvalue: Vec<f64>,
    pub detector: Vec<Option<Detector>>,
    pub alert: Vec<Colour>,
}

impl Essence {
    pub(super) fn check(&self) -> Result<(), String> {
        let Self { baseline, w1, w2, .. } = *self;
        if baseline < BASELINE_MIN {
            return Err(format!("baseline is {baseline}, allowed are {BASELINE_MIN} days or more"));
        }
        for (name, weight) in [("w1", w1), ("w2", w2)] {
            if !(weight > 0.0 && weight < 1.0) {
                return Err(format!("{name} is {weight}, allowed is more than 0 and less than 1"));
            }
        }
        Ok(())
    }
}

/// 1 − F(t) as R gives it: its rounding near 1 is kept, so that a p of 1e-13 agrees too.
pub(super) fn p_value(t: f64, df: f64) -> f64 {
    if t > 0.0 { 1.0 - (0.5 - t_upper(t, df) + 0.5) } else { 1.0 - t_upper(-t, df) }
}

/// t-quantile rounded to five decimals, as ESSENCE's tables have it.
pub(super) fn quantile_5_decimals(p: f64, df: f64) -> f64 {
    (t_quantile_upper(p, df) * 1e5).round() / 1e5
}

/// The t-quantiles of a baseline's length.
#[derive(Clone, Copy)]
struct Quantiles {
    n: usize,
    red: f64,
    yellow: f64,
}

/// What depends only on the length of the baseline and the weight.
#[derive(Clone, Copy)]
struct Limits {
    red: f64,
    sigma_factor: f64,
    sigma_constant: f64,
    sigma_min: f64,
}

impl Limits {
    fn new(quantiles: Quantiles, guard: usize, weight: f64) -> Self {
        let Quantiles { n, red, yellow } = quantiles;
        let (size, kept) = (n as f64, 1.0 - weight);
        let shared = 2.0 * kept.powf((guard + 1) as f64) * ((1.0 - kept.powf(size)) / size);
        Self {
            red,
            sigma_factor: (weight / (2.0 - weight) + 1.0 / size - shared).sqrt(),
            sigma_constant: (0.1289 - (0.2414 - 0.1826 * kept.powi(4)) * (10.0_f64 * 0.05).ln()) * (weight / yellow),
            sigma_min: (weight / yellow) * (0.01 + 0.05 * (kept * kept)),
        }
    }
}

/// Of both smoothers, for a baseline of `n` days.
fn both_limits(n: usize, parameters: &Essence) -> (usize, Limits, Limits) {
    let df = (n - 1) as f64;
    let quantiles = Quantiles { n, red: quantile_5_decimals(P_RED, df), yellow: quantile_5_decimals(P_YELLOW, df) };
    let of = |weight| Limits::new(quantiles, parameters.guard, weight);
    (n, of(parameters.w1), of(parameters.w2))
}

struct Smoother {
    weight: f64,
    z: f64,
}

impl Smoother {
    const fn new(weight: f64) -> Self {
        Self { weight, z: f64::NAN }
    }

    fn smooth(&mut self, y: f64) {
        self.z = if self.z.is_nan() { y } else { self.weight * y + (1.0 - self.weight) * self.z };
    }

    /// Test statistic; an outlying smoother is then pulled back to the limit.
    fn test(&mut self, mean: f64, sd: f64, limits: &Limits) -> f64 {
        let sigma = (sd * limits.sigma_factor + limits.sigma_constant).max(limits.sigma_min);
        let statistic = (self.z - mean) / sigma;
        if statistic.abs() > limits.red {
            self.z = mean + statistic.signum() * limits.red * sigma;
        }
        statistic
    }
}

/// Percentages below 1 are taken in units of the median of their positive values.
fn rescaled(observed: &[f64]) -> Vec<f64> {
    let known = || observed.iter().copied().filter(|y| !y.is_nan());
    let mut positive: Vec<f64> = known().filter(|&y| y > 0.0).collect();
    if positive.is_empty() || known().any(|y| y >= 1.0) {
        return observed.to_vec();
    }
    positive.sort_unstable_by(f64::total_cmp);
    let (lower, upper) = (positive.get((positive.len() - 1) / 2), positive.get(positive.len() / 2));
    let median = f64::midpoint(lower.copied().unwrap_or(1.0), upper.copied().unwrap_or(1.0));
    observed.iter().map(|y| y / median).collect()
}

/// Two smoothers (`w1`, `w2`) against the mean of a baseline that grows from 7 days to `baseline`; the smaller p
/// counts.
///
/// T = (z − mean)/σ, σ = sd·√(w/(2−w) + 1/n − 2(1−w)^{g+1}(1−(1−w)ⁿ)/n) + c with ESSENCE's correction c and floor; p
/// from Student's t, n − 1 degrees of freedom; beyond the 99 % limit the smoother is set back to it. If all values are
/// below 1, everything is in units of the median of the positive ones. Daily counts or percentages. Not available on
/// the first 7 + `guard` days, on a missing day, and with fewer than 7 known days in the baseline; a shorter series has
/// no answer, where Rnssp stops below `baseline` + `guard` + 1 days. Fails if a parameter is out of range. Burkom,
/// Elbert & Magruder (2010); CDC Rnssp 0.3.1 `alert_ewma`.
pub fn essence_ewma(observed: &[f64], parameters: &Essence) -> Result<EwmaColours, String> {
    parameters.check()?;
    let Essence { baseline, guard, w1, w2 } = *parameters;
    let y = rescaled(observed);
    let (mut gradual, mut sudden) = (Smoother::new(w1), Smoother::new(w2));
    let mut limits: Option<(usize, Limits, Limits)> = None;
    let mut answer = EwmaColours::default();
    for (i, &today) in y.iter().enumerate() {
        let (mut expected, mut statistic, mut p) = (f64::NAN, f64::NAN, f64::NAN);
        if !today.is_nan() {
            gradual.smooth(today);
            sudden.smooth(today);
            let end = i.saturating_sub(guard);
            let window = y.get(end.saturating_sub(baseline)..end).unwrap_or(&[]);
            let known = window.iter().copied().filter(|value| !value.is_nan());
            let n = known.clone().count();
            if n >= BASELINE_MIN {
                let (mean, sd) = mean_and_sd(known, n);
                expected = mean;
                let df = (n - 1) as f64;
                let (_, limits1, limits2) = *match &mut limits {
                    Some(kept) if kept.0 == n => kept,
                    other => other.insert(both_limits(n, parameters)),
                };
                let (t1, t2) = (gradual.test(mean, sd, &limits1), sudden.test(mean, sd, &limits2));
                let (p1, p2) = (p_value(t1, df), p_value(t2, df));
                (statistic, p) = if p1 < p2 { (t1, p1) } else { (t2, p2) };
            }
        }
        answer.expected.push(expected);
        answer.test_statistic.push(statistic);
        answer.pvalue.push(p);
        answer.alert.push(Colour::of(p));
    }
    Ok(answer)
}

/// The regression where it explains its baseline (adjusted R² ≥ 0.60), else the EWMA.
///
/// `first_weekday` is that of the first day, Monday 1 … Sunday 7; days follow each other without a gap (a missing one
/// is NaN). Not available where the chosen detector is not. Fails as [`essence_regression`]. CDC Rnssp 0.3.1
/// `alert_switch`.
pub fn essence_switch(observed: &[f64], first_weekday: u8, parameters: &Essence) -> Result<SwitchAnswer, String> {
    let regression = essence_regression(observed, first_weekday, parameters)?;
    let ewma = essence_ewma(observed, parameters)?;
    let fits = |adj_r2: f64| adj_r2 >= ADJUSTED_R2_MIN;
    let choose = |by_regression: &[f64], by_ewma: &[f64]| -> Vec<f64> {
        let pairs = by_regression.iter().zip(by_ewma).zip(&regression.adj_r2);
        pairs.map(|((a, b), &adj_r2)| if fits(adj_r2) { *a } else { *b }).collect()
    };
    let test_statistic = choose(&regression.test_statistic, &ewma.test_statistic);
    let chosen = test_statistic.iter().zip(&regression.adj_r2);
    let detector = chosen.map(|(statistic, &adj_r2)| match (statistic.is_nan(), fits(adj_r2)) {
        (true, _) => None,
        (false, true) => Some(Detector::Regression),
        (false, false) => Some(Detector::Ewma),
    });
    let alerts = regression.alert.iter().zip(&ewma.alert).zip(&regression.adj_r2);
    Ok(SwitchAnswer {
        expected: choose(&regression.expected, &ewma.expected),
        pvalue: choose(&regression.pvalue, &ewma.pvalue),
        detector: detector.collect(),
        alert: alerts.map(|((a, b), &adj_r2)| if fits(adj_r2) { *a } else { *b }).collect(),
        test_statistic,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jump_is_red_and_a_constant_is_blue() {
        let mut counts = vec![10.0; 40];
        assert!(essence_ewma(&counts, &Essence::default()).unwrap().alert[9..].iter().all(|&c| c == Colour::Blue));
        counts[39] = 40.0;
        let answer = essence_ewma(&counts, &Essence::default()).unwrap();
        assert_eq!(answer.alert[39], Colour::Red);
        assert_eq!(answer.alert[8], Colour::Grey);
        assert!(essence_ewma(&[0.0; 40], &Essence::default()).unwrap().pvalue[39] > 0.05);
    }

    #[test]
    fn percentages_are_taken_in_units_of_their_median() {
        let counts: Vec<f64> = (0..40).map(|i| f64::from(1 + (i * 7) % 5)).collect();
        let shares: Vec<f64> = counts.iter().map(|y| y / 100.0).collect();
        let in_medians: Vec<f64> = counts.iter().map(|y| y / 3.0).collect();
        let a = essence_ewma(&shares, &Essence::default()).unwrap();
        let b = essence_ewma(&in_medians, &Essence::default()).unwrap();
        assert!((a.test_statistic[39] - b.test_statistic[39]).abs() < 1e-9);
    }

    #[test]
    fn a_short_series_has_no_answer_and_a_longer_one_says_the_same_of_its_first_days() {
        let counts: Vec<f64> = (0..40).map(|i| f64::from(5 + (i * 7) % 5)).collect();
        let of = |days: usize| essence_switch(&counts[..days], 1, &Essence::default()).unwrap().pvalue;
        assert!(of(9).iter().all(|p| p.is_nan()));
        for days in [10, 14, 30] {
            let bits = |values: &[f64]| values.iter().map(|p| p.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&of(days)), bits(&of(40)[..days]));
            assert!(!of(days)[days - 1].is_nan());
        }
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let said = |parameters: Essence| essence_ewma(&[1.0; 10], &parameters).unwrap_err();
        assert!(said(Essence { baseline: 6, ..Essence::default() }).contains("baseline is 6"));
        assert!(said(Essence { w2: 1.0, ..Essence::default() }).contains("w2 is 1"));
    }

    /// Any number at all.
    fn anything() -> impl Strategy<Value = f64> {
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>(), 0.0..50.0]
    }

    proptest! {
        #[test]
        fn whatever_comes_it_answers_each_day(
            counts in prop::collection::vec(anything(), 0..80),
            weekday in 1_u8..=7,
        ) {
            let answer = essence_switch(&counts, weekday, &Essence::default()).unwrap();
            prop_assert_eq!(answer.alert.len(), counts.len());
            prop_assert_eq!(answer.expected.len(), counts.len());
            for (p, detector) in answer.pvalue.iter().zip(&answer.detector) {
                prop_assert!(p.is_nan() || detector.is_some());
            }
        }
    }
}
