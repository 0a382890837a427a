//! Plain EWMA: a smoothed count against the mean and deviation of a baseline that ends some days before.
//!
//! Promises: z₁ = y₁, z_t = λy_t + (1 − λ)z_{t−1}; the same series gives the same answer.
//! Never: takes a missing day for zero: it leaves the smoother as it was and has no answer of its own.

use super::rolling::Window;

/// How wide the limits of a smoother are that has not run for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EwmaVariance {
    /// λ/(2 − λ).
    Asymptotic,
    /// λ/(2 − λ)·(1 − (1 − λ)^{2t}), t counted in known days.
    Exact,
}

/// Parameters of the plain EWMA.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ewma {
    /// Weight λ of today, above 0 and at most 1. Default 0.4.
    pub lambda: f64,
    /// Days of the baseline; at least 3. Default 28.
    pub baseline: usize,
    /// Days between the baseline and today. Default 2.
    pub guard: usize,
    /// Width L of the limits in deviations of the smoother; above 0. Default 3.
    pub limit: f64,
    /// Smallest deviation of the baseline, in counts a day. Default 0.
    pub min_sigma: f64,
    pub variance: EwmaVariance,
    /// Days of a baseline that may be missing. Default 0.
    pub missing_max: usize,
}

impl Default for Ewma {
    fn default() -> Self {
        Self {
            lambda: 0.4,
            baseline: 28,
            guard: 2,
            limit: 3.0,
            min_sigma: 0.0,
            variance: EwmaVariance::Asymptotic,
            missing_max: 0,
        }
    }
}

/// One value a day of the input; NaN = not available.
#[derive(Clone, Debug, Default)]
pub struct EwmaAnswer {
    /// The smoothed count.
    pub ewma: Vec<f64>,
    pub mean: Vec<f64>,
    /// Deviation of the baseline, at least `min_sigma`.
    pub sd: Vec<f64>,
    pub upperbound: Vec<f64>,
    /// ewma > upperbound.
    pub alarm: Vec<bool>,
}

impl Ewma {
    fn check(&self) -> Result<(), String> {
        let Self { lambda, baseline, limit, min_sigma, missing_max, .. } = *self;
        if !(lambda > 0.0 && lambda <= 1.0) {
            return Err(format!("lambda is {lambda}, allowed is more than 0 and at most 1"));
        }
        if baseline < 3 {
            return Err(format!("baseline is {baseline}, allowed are 3 days or more"));
        }
        if !(limit > 0.0 && limit.is_finite()) {
            return Err(format!("limit is {limit}, allowed is more than 0"));
        }
        if !(min_sigma >= 0.0 && min_sigma.is_finite()) {
            return Err(format!("min_sigma is {min_sigma}, allowed are 0 and more"));
        }
        if missing_max + 2 > baseline {
            return Err(format!("missing_max is {missing_max}, allowed are 0 to baseline − 2 = {}", baseline - 2));
        }
        Ok(())
    }
}

/// Bound = mean + L·max(sd, `min_sigma`)·√(λ/(2 − λ)); alarm if the smoothed count is above it.
///
/// Counts a day (any unit of time). Not available on the first `baseline` + `guard` days, where more than `missing_max`
/// days of the baseline are missing, and on a missing day. Fails if a parameter is out of range. Roberts (1959),
/// Technometrics 1:239; Lucas & Saccucci (1990), Technometrics 32:1.
pub fn ewma(observed: &[f64], parameters: &Ewma) -> Result<EwmaAnswer, String> {
    parameters.check()?;
    let Ewma { lambda, baseline, guard, limit, min_sigma, variance, missing_max } = *parameters;
    let moments = Window { baseline, guard, missing_max }.moments(observed);
    let asymptotic = lambda / (2.0 - lambda);
    let (mut smooth, mut forgotten) = (f64::NAN, 1.0);
    let mut answer = EwmaAnswer { mean: moments.mean, sd: moments.sd, ..EwmaAnswer::default() };
    for (&y, (&mean, sd)) in observed.iter().zip(answer.mean.iter().zip(&mut answer.sd)) {
        if !y.is_nan() {
            smooth = if smooth.is_nan() { y } else { lambda * y + (1.0 - lambda) * smooth };
            forgotten *= (1.0 - lambda) * (1.0 - lambda);
        }
        if *sd < min_sigma {
            *sd = min_sigma;
        }
        let width = match variance {
            EwmaVariance::Asymptotic => asymptotic.sqrt(),
            EwmaVariance::Exact => (asymptotic * (1.0 - forgotten)).sqrt(),
        };
        let (value, bound) = if y.is_nan() { (f64::NAN, f64::NAN) } else { (smooth, mean + limit * *sd * width) };
        answer.ewma.push(value);
        answer.upperbound.push(bound);
        answer.alarm.push(value > bound);
    }
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_day_leaves_the_smoother_as_it_was() {
        let parameters = Ewma { baseline: 3, guard: 0, missing_max: 1, ..Ewma::default() };
        let answer = ewma(&[1.0, 2.0, 3.0, f64::NAN, 10.0], &parameters).unwrap();
        let before = 0.4 * 3.0 + 0.6 * (0.4 * 2.0 + 0.6);
        assert!(answer.ewma[3].is_nan() && !answer.alarm[3]);
        assert!((answer.ewma[4] - (4.0 + 0.6 * before)).abs() < 1e-15);
        assert_eq!(answer.mean[4], 2.5);
    }

    #[test]
    fn exact_limits_are_narrower_and_grow() {
        let counts: Vec<f64> = (0..50).map(|i| f64::from(i % 5)).collect();
        let base = Ewma { baseline: 5, guard: 0, ..Ewma::default() };
        let wide = ewma(&counts, &base).unwrap();
        let exact = ewma(&counts, &Ewma { variance: EwmaVariance::Exact, ..base }).unwrap();
        assert!(exact.upperbound[5] < wide.upperbound[5]);
        assert!((exact.upperbound[49] - wide.upperbound[49]).abs() < 1e-9);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        for (parameters, word) in [
            (Ewma { lambda: 0.0, ..Ewma::default() }, "lambda"),
            (Ewma { baseline: 1, ..Ewma::default() }, "baseline"),
            (Ewma { limit: f64::NAN, ..Ewma::default() }, "limit"),
            (Ewma { min_sigma: -0.1, ..Ewma::default() }, "min_sigma"),
            (Ewma { missing_max: 40, ..Ewma::default() }, "missing_max"),
        ] {
            assert!(ewma(&[], &parameters).unwrap_err().starts_with(word));
        }
        assert!(ewma(&[], &Ewma::default()).unwrap().ewma.is_empty());
    }
}
