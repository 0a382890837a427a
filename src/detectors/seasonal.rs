//! The seasonal mean of counts: a log-linear Poisson or negative binomial model with harmonics and perhaps a trend.
//!
//! Promises: the iterations of R's `glm` and `MASS::glm.nb` step for step (same start, same stopping rule), so that
//! means agree to about 1e-12 also where the likelihood has no maximum, as for a history of zeros.
//! Never: takes a missing day for zero: it leaves the fit.

use std::f64::consts::PI;

use super::gamma::{digamma, ln_gamma, long_sum, trigamma};

/// R's `glm.control`.
const STEPS_MAX: usize = 25;
const EPSILON: f64 = 1e-8;
/// R's `glm.fit` calls a column dependent below this share of its length.
const DEPENDENT: f64 = 1e-11;

/// exp(Σ): intercept, trend t if asked for, cos and sin of 2πst/`freq` for s = 1 … `harmonics`.
#[derive(Clone, Copy, Debug)]
pub struct Seasons {
    pub harmonics: usize,
    pub trend: bool,
    /// Observations a year.
    pub freq: f64,
}

#[derive(Clone, Copy, Debug)]
pub enum Family {
    Poisson,
    /// Variance μ + μ²/θ.
    NegativeBinomial(f64),
}

/// Where the iterations begin.
enum Start {
    /// As R's families do.
    Counts,
    Means(Vec<f64>),
}

#[derive(Clone, Debug)]
pub struct Fit {
    coefficients: Vec<f64>,
    means: Vec<f64>,
    rank: usize,
}

impl Seasons {
    /// One a coefficient, a row a time.
    fn columns(&self, times: impl Iterator<Item = f64> + Clone) -> Vec<Vec<f64>> {
        let mut columns = vec![times.clone().map(|_| 1.0).collect()];
        if self.trend {
            columns.push(times.clone().collect());
        }
        for s in 1..=self.harmonics {
            // In R's order of operations, because t may be large.
            let waves = times.clone().map(|t| (2.0 * s as f64 * PI / self.freq * t).sin_cos());
            let (sines, cosines) = waves.unzip();
            columns.extend([cosines, sines]);
        }
        columns
    }

    /// Mean at each time.
    pub fn predict(&self, fit: &Fit, times: impl Iterator<Item = f64> + Clone) -> Vec<f64> {
        let days = times.clone().count();
        linear(&self.columns(times), &fit.coefficients, days).into_iter().map(mean_of).collect()
    }

    /// `history` begins at time `first`; `None` where R stops with an error.
    pub fn fit(&self, history: &[f64], first: f64, family: Family) -> Option<Fit> {
        let data = self.data(history, first);
        data.fit(family, Start::Counts)
    }

    /// θ by maximum likelihood in turn with the means, as `MASS::glm.nb` (Venables & Ripley 2002, §7.4).
    pub fn fit_with_theta(&self, history: &[f64], first: f64) -> Option<(Fit, f64)> {
        let data = self.data(history, first);
        let mut fit = data.fit(Family::Poisson, Start::Counts)?;
        let mut theta = theta_ml(&data.y, &fit.means)?;
        let free = data.y.len().saturating_sub(fit.rank).max(1);
        let scale = (2.0 * free as f64).sqrt();
        let mut likelihood = log_likelihood(theta, &fit.means, &data.y);
        let (mut before, mut change) = (likelihood + 2.0 * scale, 1.0);
        for _ in 0..STEPS_MAX {
            // Written as R does, so that NaN ends it.
            let moving = (before - likelihood).abs() / scale + f64::abs(change) > EPSILON;
            if !moving {
                break;
            }
            let means = fit.means;
            fit = data.fit(Family::NegativeBinomial(theta), Start::Means(means.clone()))?;
            let last = theta;
            // From the means before this fit, as R does.
            theta = theta_ml(&data.y, &means)?;
            change = last - theta;
            before = likelihood;
            likelihood = log_likelihood(theta, &fit.means, &data.y);
        }
        Some((fit, theta))
    }

    fn data(&self, history: &[f64], first: f64) -> Data {
        let known = history.iter().enumerate().filter(|(_, y)| !y.is_nan());
        let columns = self.columns(known.clone().map(|(i, _)| first + i as f64));
        Data { columns, y: known.map(|(_, y)| *y).collect() }
    }
}

/// R's inverse of the log link.
fn mean_of(eta: f64) -> f64 {
    let mean = eta.exp();
    if mean < f64::EPSILON { f64::EPSILON } else { mean }
}

impl Family {
    fn variance(self, mean: f64) -> f64 {
        match self {
            Self::Poisson => mean,
            Self::NegativeBinomial(theta) => mean + mean * mean / theta,
        }
    }

    fn start(self, y: f64) -> f64 {
        match self {
            Self::Poisson => y + 0.1,
            Self::NegativeBinomial(_) => y + f64::from(u8::from(y == 0.0)) / 6.0,
        }
    }

    /// `logs`: ln y, and ln of the means.
    fn deviance(self, y: &[f64], means: &[f64], logs: (&[f64], &[f64])) -> f64 {
        let pairs = y.iter().zip(means);
        match self {
            Self::Poisson => {
                let one = |((&y, &mean), (log_y, log_mean)): ((&f64, &f64), (&f64, &f64))| {
                    let surprise = if y > 0.0 { y * (log_y - log_mean.max(f64::EPSILON.ln())) } else { 0.0 };
                    2.0 * (surprise - (y - mean))
                };
                pairs.zip(logs.0.iter().zip(logs.1)).map(one).sum()
            }
            Self::NegativeBinomial(theta) => pairs
                .map(|(y, mean)| {
                    2.0 * (y * (y.max(1.0) / mean).ln() - (y + theta) * ((y + theta) / (mean + theta)).ln())
                })
                .sum(),
        }
    }
}

struct Data {
    /// One a coefficient.
    columns: Vec<Vec<f64>>,
    y: Vec<f64>,
}

impl Data {
    /// Iteratively reweighted least squares, as R's `glm.fit`.
    fn fit(&self, family: Family, start: Start) -> Option<Fit> {
        if self.y.is_empty() || self.y.iter().any(|y| !(y.is_finite() && *y >= 0.0)) {
            return None;
        }
        let mut means = match start {
            Start::Means(means) => means,
            Start::Counts => self.y.iter().map(|&y| family.start(y)).collect(),
        };
        let mut eta: Vec<f64> = means.iter().map(|mean| mean.ln()).collect();
        let log_y: Vec<f64> = self.y.iter().map(|y| y.ln()).collect();
        let mut deviance = family.deviance(&self.y, &means, (&log_y, &eta));
        let mut found: Option<(Vec<f64>, usize)> = None;
        for _ in 0..STEPS_MAX {
            let roots: Vec<f64> = means.iter().map(|&mean| (mean * mean / family.variance(mean)).sqrt()).collect();
            let working = eta.iter().zip(&self.y).zip(&means).map(|((eta, y), mean)| eta + (y - mean) / mean);
            let response: Vec<f64> = working.zip(&roots).map(|(z, root)| z * root).collect();
            let (mut coefficients, rank) = least_squares(&self.columns, &roots, response)?;
            let last = deviance;
            let mut halvings = 0;
            loop {
                eta = linear(&self.columns, &coefficients, self.y.len());
                means.clear();
                means.extend(eta.iter().map(|&eta| mean_of(eta)));
                deviance = family.deviance(&self.y, &means, (&log_y, &eta));
                if deviance.is_finite() {
                    break;
                }
                // R halves the step until the deviance is finite, from the second step on.
                let (before, _) = found.as_ref()?;
                halvings += 1;
                if halvings > STEPS_MAX {
                    return None;
                }
                for (new, old) in coefficients.iter_mut().zip(before) {
                    *new = (*new + old) / 2.0;
                }
            }
            found = Some((coefficients, rank));
            if (deviance - last).abs() / (deviance.abs() + 0.1) < EPSILON {
                break;
            }
        }
        let (coefficients, rank) = found?;
        Some(Fit { coefficients, means, rank })
    }
}

fn linear(columns: &[Vec<f64>], coefficients: &[f64], rows: usize) -> Vec<f64> {
    let mut eta = vec![0.0; rows];
    for (column, beta) in columns.iter().zip(coefficients) {
        for (sum, x) in eta.iter_mut().zip(column) {
            *sum += x * beta;
        }
    }
    eta
}

/// In four sums, so that an addition need not wait for the one before.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let (fours_a, rest_a) = a.as_chunks::<4>();
    let (fours_b, rest_b) = b.as_chunks::<4>();
    let mut sums = [0.0; 4];
    for (a, b) in fours_a.iter().zip(fours_b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f64>() + rest_a.iter().zip(rest_b).map(|(a, b)| a * b).sum::<f64>()
}

/// Coefficients and rank; dependent columns get 0. Gram–Schmidt, twice where
/// the first time took most of a column, which is as exact as reflections.
fn least_squares(columns: &[Vec<f64>], roots: &[f64], mut response: Vec<f64>) -> Option<(Vec<f64>, usize)> {
    let mut basis: Vec<(usize, Vec<f64>, Vec<f64>)> = Vec::new();
    let mut projections = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        let mut rest: Vec<f64> = column.iter().zip(roots).map(|(x, root)| x * root).collect();
        let length = dot(&rest, &rest).sqrt();
        let mut upper = vec![0.0; basis.len()];
        let mut left = length;
        for _ in 0..2 {
            for ((_, unit, _), entry) in basis.iter().zip(&mut upper) {
                let along = dot(unit, &rest);
                *entry += along;
                rest.iter_mut().zip(unit).for_each(|(value, unit)| *value -= along * unit);
            }
            let before = left;
            left = dot(&rest, &rest).sqrt();
            if left > 0.5 * before {
                break;
            }
        }
        if left.is_nan() || left < length * DEPENDENT || left == 0.0 {
            continue;
        }
        rest.iter_mut().for_each(|value| *value /= left);
        let along = dot(&rest, &response);
        response.iter_mut().zip(&rest).for_each(|(value, unit)| *value -= along * unit);
        upper.push(left);
        projections.push(along);
        basis.push((index, rest, upper));
    }
    let mut coefficients = vec![0.0; columns.len()];
    for (position, (index, _, upper)) in basis.iter().enumerate().rev() {
        let beta = projections.get(position)? / upper.last()?;
        *coefficients.get_mut(*index)? = beta;
        for (value, entry) in projections.iter_mut().zip(upper) {
            *value -= beta * entry;
        }
    }
    coefficients.iter().all(|beta| beta.is_finite()).then_some((coefficients, basis.len()))
}

/// `MASS::theta.ml`: Newton's steps from the moment estimator.
fn theta_ml(y: &[f64], means: &[f64]) -> Option<f64> {
    let tolerance = f64::EPSILON.powf(0.25);
    let pairs = || y.iter().zip(means);
    let mut theta = y.len() as f64 / long_sum(pairs().map(|(y, mean)| (y / mean - 1.0).powi(2)));
    let mut step = 1.0_f64;
    for _ in 1..STEPS_MAX {
        let moving = step.abs() > tolerance;
        if !moving {
            break;
        }
        theta = theta.abs();
        let score = long_sum(pairs().map(|(y, mean)| {
            digamma(theta + y) - digamma(theta) + theta.ln() + 1.0 - (theta + mean).ln() - (y + theta) / (mean + theta)
        }));
        let information = long_sum(pairs().map(|(y, mean)| {
            -trigamma(theta + y) + trigamma(theta) - 1.0 / theta + 2.0 / (mean + theta)
                - (y + theta) / (mean + theta).powi(2)
        }));
        step = score / information;
        theta += step;
    }
    (theta.is_finite() && theta > 0.0).then_some(theta)
}

fn log_likelihood(theta: f64, means: &[f64], y: &[f64]) -> f64 {
    let one = |(&y, &mean): (&f64, &f64)| {
        let log_mean = if y == 0.0 { (mean + 1.0).ln() } else { mean.ln() };
        ln_gamma(theta + y) - ln_gamma(theta) - ln_gamma(y + 1.0) + theta * theta.ln() + y * log_mean
            - (theta + y) * (theta + mean).ln()
    };
    y.iter().zip(means).map(one).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mean_that_is_in_the_model_is_found() {
        let seasons = Seasons { harmonics: 2, trend: true, freq: 52.0 };
        let mean =
            |t: f64| (1.0 + 0.002 * t + 0.5 * (2.0 * PI * t / 52.0).cos() - 0.2 * (4.0 * PI * t / 52.0).sin()).exp();
        let history: Vec<f64> = (1..=156).map(|t| mean(f64::from(t))).collect();
        for family in [Family::Poisson, Family::NegativeBinomial(3.0)] {
            let fit = seasons.fit(&history, 1.0, family).unwrap();
            let next = seasons.predict(&fit, std::iter::once(160.0))[0];
            assert!((next / mean(160.0) - 1.0).abs() < 1e-9, "{next}");
        }
    }

    #[test]
    fn dependent_columns_are_left_out_and_nothing_known_is_no_fit() {
        let columns = [vec![1.0; 3], vec![2.0; 3], vec![1.0, 2.0, 4.0]];
        let (coefficients, rank) = least_squares(&columns, &[1.0; 3], vec![3.0, 5.0, 9.0]).unwrap();
        assert_eq!((coefficients[1], rank), (0.0, 2));
        assert!((coefficients[0] - 1.0).abs() < 1e-12 && (coefficients[2] - 2.0).abs() < 1e-12);
        let yearly = Seasons { harmonics: 1, trend: false, freq: 52.0 };
        assert!(yearly.fit(&[f64::NAN], 1.0, Family::Poisson).is_none());
        assert!(yearly.fit(&[f64::INFINITY], 1.0, Family::Poisson).is_none());
    }
}
