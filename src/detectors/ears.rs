//! EARS: today against the mean and deviation of the days just before (C1, C2), and three days of excess added up (C3).
//!
//! Promises: bounds equal those of R `surveillance::earsC` to 1e-12 relative, NaN where R has NA.
//! Never: counts a missing day as zero, or alarms where there is no bound.

use super::rolling::Window;
use super::special::normal_quantile;

/// R refuses fewer: two days have hardly a deviation.
const BASELINE_MIN: usize = 3;
/// C3 adds up the excess of today and of the two days before.
const C3_DAYS: usize = 3;

/// Parameters of EARS.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ears {
    /// Days of the baseline; at least 3. Default 7.
    pub baseline: usize,
    /// Days between the baseline and the day looked at, in C2 and C3; C1 has none. Default 2.
    pub guard: usize,
    /// One-sided level of the bound, above 0 and below 1. Default (`None`) as R: 0.001 for C1 and C2, 0.025 for
    /// `ears_c3_r`. The CDC's three deviations are 0.00135.
    pub alpha: Option<f64>,
    /// Smallest deviation, in counts a day. Default 0; 0.5 keeps single cases in a quiet series from alarming.
    pub min_sigma: f64,
    /// The classic C3 alarms above this. Default 2.
    pub c3_threshold: f64,
    /// Days of a baseline that may be missing. Default 0 as R: one missing day, and the bound is not available.
    pub missing_max: usize,
}

impl Default for Ears {
    fn default() -> Self {
        Self { baseline: 7, guard: 2, alpha: None, min_sigma: 0.0, c3_threshold: 2.0, missing_max: 0 }
    }
}

/// One value a day of the input; NaN = not available.
#[derive(Clone, Debug, Default)]
pub struct EarsBound {
    /// Mean of the baseline.
    pub expected: Vec<f64>,
    /// Deviation of the baseline, at least `min_sigma`.
    pub sigma: Vec<f64>,
    pub upperbound: Vec<f64>,
    /// observed > upperbound.
    pub alarm: Vec<bool>,
}

/// The classic C3; one value a day of the input, NaN = not available.
#[derive(Clone, Debug, Default)]
pub struct EarsC3 {
    /// Mean of the baseline.
    pub expected: Vec<f64>,
    /// Deviation of the baseline, at least `min_sigma`.
    pub sigma: Vec<f64>,
    /// Σ max(0, C2 − 1) over today and the two days before, in deviations.
    pub statistic: Vec<f64>,
    /// statistic > `c3_threshold`.
    pub alarm: Vec<bool>,
}

impl Ears {
    fn check(&self) -> Result<(), String> {
        let Self { baseline, min_sigma, c3_threshold, .. } = *self;
        if baseline < BASELINE_MIN {
            return Err(format!("baseline is {baseline}, allowed are {BASELINE_MIN} days or more"));
        }
        if !(min_sigma >= 0.0 && min_sigma.is_finite()) {
            return Err(format!("min_sigma is {min_sigma}, allowed are 0 and more"));
        }
        if !(c3_threshold >= 0.0 && c3_threshold.is_finite()) {
            return Err(format!("c3_threshold is {c3_threshold}, allowed are 0 and more"));
        }
        if self.missing_max + 2 > baseline {
            return Err(format!(
                "missing_max is {}, allowed are 0 to baseline − 2 = {}",
                self.missing_max,
                baseline - 2
            ));
        }
        Ok(())
    }

    /// z of the bound.
    fn z(&self, alpha_default: f64) -> Result<f64, String> {
        let alpha = self.alpha.unwrap_or(alpha_default);
        if !(alpha > 0.0 && alpha < 1.0) {
            return Err(format!("alpha is {alpha}, allowed is more than 0 and less than 1"));
        }
        Ok(normal_quantile(1.0 - alpha))
    }

    const fn window(&self, guard: usize) -> Window {
        Window { baseline: self.baseline, guard, missing_max: self.missing_max }
    }
}

/// C1: U = mean + z·max(sd, `min_sigma`) of the `baseline` days before today; alarm if observed > U.
///
/// Counts a day (any unit of time). Not available: the first `baseline` days, and wherever more than `missing_max` days
/// of the baseline are missing. If today is missing there is a bound and no alarm. Fails if a parameter is out of
/// range. Hutwagner et al. (2003), J Urban Health 80 (2 Suppl 1):i89.
pub fn ears_c1(observed: &[f64], ears: &Ears) -> Result<EarsBound, String> {
    bound(observed, ears, 0)
}

/// C2: as C1, with `guard` days between baseline and today, so that a slow outbreak does not raise its own bound.
pub fn ears_c2(observed: &[f64], ears: &Ears) -> Result<EarsBound, String> {
    bound(observed, ears, ears.guard)
}

fn bound(observed: &[f64], ears: &Ears, guard: usize) -> Result<EarsBound, String> {
    ears.check()?;
    let z = ears.z(0.001)?;
    let moments = ears.window(guard).moments(observed);
    let (expected, mut sigma) = (moments.mean, moments.sd);
    raise(&mut sigma, ears.min_sigma);
    let upperbound: Vec<f64> = expected.iter().zip(&sigma).map(|(mean, sd)| mean + z * sd).collect();
    let alarm = observed.iter().zip(&upperbound).map(|(y, bound)| y > bound).collect();
    Ok(EarsBound { expected, sigma, upperbound, alarm })
}

/// Like R's `pmax`: NaN stays NaN, unlike `f64::max`.
fn raise(sigma: &mut [f64], least: f64) {
    for sd in sigma {
        *sd = if *sd < least { least } else { *sd };
    }
}

/// max(0, score − 1) that keeps NaN.
fn excess(score: f64) -> f64 {
    if score - 1.0 < 0.0 { 0.0 } else { score - 1.0 }
}

/// The classic C3 of the CDC: Σ over today and two days before of max(0, C2 − 1), C2 = (observed − mean) / sd; alarm
/// above 2.
///
/// Not available on the first `baseline` + `guard` + 2 days, where one of the three days is missing, and where one of
/// them equals its constant baseline while `min_sigma` is 0 (0/0). Fails if a parameter is out of range. Hutwagner et
/// al. (2003); Zhu et al. (2005), MMWR 54 Suppl:39.
pub fn ears_c3(observed: &[f64], ears: &Ears) -> Result<EarsC3, String> {
    ears.check()?;
    let moments = ears.window(ears.guard).moments(observed);
    let (expected, mut sigma) = (moments.mean, moments.sd);
    raise(&mut sigma, ears.min_sigma);
    let over = excesses(observed, &expected, &sigma);
    let mut statistic = vec![f64::NAN; observed.len().min(C3_DAYS - 1)];
    statistic.extend(over.windows(C3_DAYS).map(|days| days.iter().sum::<f64>()));
    let alarm = statistic.iter().map(|&sum| sum > ears.c3_threshold).collect();
    Ok(EarsC3 { expected, sigma, statistic, alarm })
}

fn excesses(observed: &[f64], expected: &[f64], sigma: &[f64]) -> Vec<f64> {
    observed.iter().zip(expected).zip(sigma).map(|((y, mean), sd)| excess((y - mean) / sd)).collect()
}

/// C3 as R's `earsC` computes it, for comparison only: U = max(0, observed + sd·(z − the two previous days' excess)).
///
/// U contains today's count, so it alarms on what happened on the two days before and never on today; use [`ears_c3`].
/// Level 0.025 by default. Not available as for [`ears_c3`].
pub fn ears_c3_r(observed: &[f64], ears: &Ears) -> Result<EarsBound, String> {
    ears.check()?;
    let z = ears.z(0.025)?;
    let moments = ears.window(ears.guard).moments(observed);
    let (expected, mut sigma) = (moments.mean, moments.sd);
    raise(&mut sigma, ears.min_sigma);
    let over = excesses(observed, &expected, &sigma);
    let mut upperbound = vec![f64::NAN; observed.len().min(C3_DAYS - 1)];
    let today = observed.iter().zip(&sigma).skip(C3_DAYS - 1);
    upperbound.extend(today.zip(over.windows(2)).map(|((y, sd), before)| {
        let limit = y + sd * (z - before.iter().sum::<f64>());
        if limit < 0.0 { 0.0 } else { limit }
    }));
    let alarm = observed.iter().zip(&upperbound).map(|(y, bound)| y > bound).collect();
    Ok(EarsBound { expected, sigma, upperbound, alarm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_jump_alarms_and_a_calm_week_does_not() {
        let mut counts = vec![2.0, 3.0, 2.0, 4.0, 3.0, 2.0, 3.0, 2.0, 3.0, 3.0, 2.0, 3.0];
        counts.push(12.0);
        let c1 = ears_c1(&counts, &Ears::default()).unwrap();
        assert_eq!(c1.alarm.iter().filter(|&&alarm| alarm).count(), 1);
        assert!(c1.alarm[12] && c1.upperbound[6].is_nan() && !c1.upperbound[7].is_nan());
        assert!(ears_c2(&counts, &Ears::default()).unwrap().upperbound[8].is_nan());
        assert!(ears_c3(&counts, &Ears::default()).unwrap().alarm[12]);
        assert!(!ears_c3_r(&counts, &Ears::default()).unwrap().alarm[12], "R's C3 does not look at today");
    }

    #[test]
    fn c3_alarms_above_two_and_not_at_two() {
        let ears = Ears { min_sigma: 1.0, baseline: 3, guard: 0, ..Ears::default() };
        let three_days = |a: f64, b: f64, c: f64| {
            let answer = ears_c3(&[2.0, 2.0, 2.0, a, b, c], &ears).unwrap();
            (answer.statistic[5], answer.alarm[5])
        };
        assert_eq!(three_days(2.0, 2.0, 5.0), (2.0, false));
        assert_eq!(three_days(2.0, 2.0, 6.0), (3.0, true));
        assert_eq!(three_days(6.0, 2.0, 2.0), (3.0, true), "the excess of the day before yesterday counts too");
    }

    #[test]
    fn a_missing_day_is_not_a_zero() {
        let mut counts = vec![5.0; 20];
        counts[10] = f64::NAN;
        let strict = ears_c1(&counts, &Ears::default()).unwrap();
        assert!(strict.upperbound[11..18].iter().all(|bound| bound.is_nan()));
        let tolerant = ears_c1(&counts, &Ears { missing_max: 2, ..Ears::default() }).unwrap();
        assert!(tolerant.upperbound[7..].iter().all(|&bound| bound == 5.0));
        assert!(!tolerant.alarm[10]);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let refused = |ears: Ears| ears_c1(&[1.0], &ears).unwrap_err();
        assert!(refused(Ears { baseline: 2, ..Ears::default() }).contains("baseline is 2"));
        assert!(refused(Ears { alpha: Some(1.0), ..Ears::default() }).contains("alpha is 1"));
        assert!(refused(Ears { min_sigma: -1.0, ..Ears::default() }).contains("min_sigma is -1"));
        assert!(refused(Ears { min_sigma: f64::NAN, ..Ears::default() }).contains("min_sigma is NaN"));
        assert!(refused(Ears { missing_max: 6, ..Ears::default() }).contains("missing_max is 6"));
    }

    /// Any number at all.
    fn anything() -> impl Strategy<Value = f64> {
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>(), 0.0..50.0]
    }

    proptest! {
        #[test]
        fn whatever_comes_it_answers_each_day(
            counts in prop::collection::vec(anything(), 0..60),
            baseline in 3_usize..30,
            guard in 0_usize..5,
        ) {
            let ears = Ears { baseline, guard, ..Ears::default() };
            for answer in [ears_c1(&counts, &ears), ears_c2(&counts, &ears), ears_c3_r(&counts, &ears)] {
                let answer = answer.unwrap();
                prop_assert_eq!(answer.alarm.len(), counts.len());
                prop_assert_eq!(answer.upperbound.len(), counts.len());
                let mut days = answer.alarm.iter().zip(&answer.upperbound);
                prop_assert!(days.all(|(&alarm, bound)| !(alarm && bound.is_nan())));
            }
            prop_assert_eq!(ears_c3(&counts, &ears).unwrap().statistic.len(), counts.len());
        }
    }
}
