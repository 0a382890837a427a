//! Quasi-Poisson regression of counts on seasonal levels and a linear trend, with the reweighting of Farrington.
//!
//! Promises: the iterates, the stopping rule and the quirks of R's `glm.fit` (log link), to rounding. The levels are
//! eliminated, so that a step costs one pass over the rows and no matrix.
//! Never: panics; where R stops with an error the fit is `None`.

use super::reference_rows::{ReferenceRows, Row, Stretch};
use super::special::deviance_part;
use super::weighted_sums::{Sums, sum_squares, sum_weights};

/// `glm.control()` of R.
const ITERATIONS_MAX: usize = 25;
const EPSILON: f64 = 1e-8;

/// Squared relative residual that is rounding alone.
const EXACT: f64 = 1e-24;

/// Powers made side by side.
const BLOCK: usize = 4;

fn relative_change(deviance: f64, before: f64) -> f64 {
    (deviance - before).abs() / (deviance.abs() + 0.1)
}

/// The mean of a linear predictor, by R's log link never below the machine's precision.
pub fn response(eta: f64) -> f64 {
    if eta.is_nan() { eta } else { eta.exp().max(f64::EPSILON) }
}

/// Coefficient of one level, and its part of the weighted sums.
#[derive(Clone, Copy, Debug, Default)]
struct Level {
    /// At the centre of the level.
    intercept: f64,
    intercept_before: f64,
    sums: Sums,
}

/// Σ ω y, Σ ω y t and Σ ω population of a level.
#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    count: f64,
    count_time: f64,
    exposure: f64,
}

/// A fitted model. Its levels stay in the `Regression`.
#[derive(Clone, Copy, Debug)]
pub struct Fit {
    pub converged: bool,
    /// Time is in the model.
    pub trend: bool,
    /// Rows minus parameters.
    pub df: f64,
    /// Change of the logarithm of the mean a period; 0 without trend.
    pub slope: f64,
    /// Pearson dispersion Σ w r² / df, w the weights of the last iteration, r the working residuals.
    pub pearson: f64,
    /// Σ ω r² / df, ω the prior weights.
    pub prior_dispersion: f64,
    /// max(1, Pearson).
    pub phi: f64,
    /// 1 / the variance of the slope at dispersion 1.
    slope_information: f64,
}

/// Rows and working space; reuse it from fit to fit.
#[derive(Clone, Debug, Default)]
pub struct Regression {
    rows: ReferenceRows,
    levels: Vec<Level>,
    /// exp(slope·(period − middle)).
    grid: Vec<f64>,
    prior: Vec<f64>,
    mean: Vec<f64>,
    mean_before: Vec<f64>,
    counts: Vec<Counts>,
    /// Σ ω(y·ln y − y·offset): with the `counts` all that the deviance needs beside the coefficients.
    deviance_fixed: f64,
    deviance_size: f64,
    fresh: Vec<Sums>,
}

impl Regression {
    /// Takes the rows of the next fit. `false` where R's `glm` would stop: a negative or infinite count, no row.
    pub fn load(&mut self, rows: impl Iterator<Item = Row>) -> bool {
        if !self.rows.load(rows) {
            return false;
        }
        self.levels.clear();
        self.levels.resize(self.rows.stretches.len(), Level::default());
        self.grid.clear();
        self.grid.resize(self.rows.periods.next_multiple_of(BLOCK), 1.0);
        for values in [&mut self.prior, &mut self.mean, &mut self.mean_before] {
            values.clear();
            values.resize(self.rows.count.len(), 1.0);
        }
        true
    }

    /// The greatest count loaded.
    pub fn count_max(&self) -> f64 {
        self.rows.count.iter().copied().fold(0.0, f64::max)
    }

    /// Fits twice, the second time with the weights of Farrington where `threshold` is given. A trend that does not
    /// converge is left out. `None` where nothing can be said.
    pub fn fit(&mut self, trend: bool, threshold: Option<f64>) -> Option<Fit> {
        self.prior.fill(1.0);
        let mut fit = self.iterate(trend);
        if trend && !fit.is_some_and(|fit| fit.converged) {
            fit = self.iterate(false);
        }
        let fit = fit?;
        match threshold {
            Some(threshold) if fit.phi.is_finite() => {
                self.reweight(&fit, threshold);
                let refit = self.iterate(fit.trend)?;
                // R asks the first fit only.
                Some(Fit { converged: fit.converged, ..refit })
            }
            _ => Some(fit),
        }
    }

    /// Whether what is left of the counts is their rounding, as where all are equal: then a trend is rounding too.
    pub fn is_exact(&self, fit: &Fit) -> bool {
        fit.pearson <= EXACT * self.count_max().max(1.0)
    }

    /// Linear predictor of a level at a time, without offset, and its variance at dispersion 1.
    pub fn predict(&self, fit: &Fit, key: usize, time: f64) -> Option<(f64, f64)> {
        let mut pairs = self.levels.iter().zip(&self.rows.stretches);
        let (level, stretch) = pairs.find(|(_, stretch)| stretch.key == key)?;
        let since = time - stretch.centre;
        let from_mean = since - level.sums.wt / level.sums.w;
        let by_slope = if fit.trend { from_mean * from_mean / fit.slope_information } else { 0.0 };
        Some((level.intercept + fit.slope * since, 1.0 / level.sums.w + by_slope))
    }

    /// Standard error of the slope at a dispersion.
    pub fn slope_error(fit: &Fit, dispersion: f64) -> f64 {
        (dispersion / fit.slope_information).sqrt()
    }

    /// Iteratively reweighted least squares.
    fn iterate(&mut self, trend: bool) -> Option<Fit> {
        let mut deviance_before = self.begin(trend);
        let (mut slope, mut slope_before) = (0.0, 0.0);
        let mut information = self.solve(trend, &mut slope)?;
        let mut converged = false;
        let mut last = 1;
        let mut fresh = std::mem::take(&mut self.fresh);
        for iteration in 1..=ITERATIONS_MAX {
            last = iteration;
            std::mem::swap(&mut self.mean, &mut self.mean_before);
            let mut deviance = self.pass(trend, slope, &mut fresh);
            for _ in 0..ITERATIONS_MAX {
                // R halves the step, but has nothing to go back to at first.
                if deviance.is_finite() || iteration == 1 {
                    break;
                }
                slope = 0.5 * (slope + slope_before);
                self.levels
                    .iter_mut()
                    .for_each(|level| level.intercept = 0.5 * (level.intercept + level.intercept_before));
                deviance = self.pass(trend, slope, &mut fresh);
            }
            if !deviance.is_finite() {
                return None;
            }
            if self.is_doubtful(deviance, deviance_before) {
                deviance = self.deviance_by_row(slope, |level| level.intercept);
                if iteration > 1 {
                    deviance_before = self.deviance_by_row(slope_before, |level| level.intercept_before);
                }
            }
            if relative_change(deviance, deviance_before) < EPSILON {
                converged = true;
                break;
            }
            if iteration == ITERATIONS_MAX {
                break;
            }
            deviance_before = deviance;
            slope_before = slope;
            for (level, sums) in self.levels.iter_mut().zip(&fresh) {
                level.intercept_before = level.intercept;
                level.sums = *sums;
            }
            information = self.solve(trend, &mut slope)?;
        }
        self.fresh = fresh;
        if !trend {
            self.fill_means(last == 1);
        }
        Some(self.conclude(trend, slope, information, converged))
    }

    /// Sums of the first step and the deviance of the start.
    fn begin(&mut self, trend: bool) -> f64 {
        let mut deviance = 0.0;
        self.deviance_fixed = 0.0;
        self.counts.clear();
        let rows = &self.rows;
        for (level, stretch) in self.levels.iter_mut().zip(&rows.stretches) {
            let (from, to) = (stretch.from, stretch.to);
            let (means, priors) = (&mut self.mean[from..to], &self.prior[from..to]);
            let (counts_of, times) = (&rows.count[from..to], &rows.time[from..to]);
            means.iter_mut().zip(counts_of).for_each(|(mean, count)| *mean = count + 0.1);
            let [w, wt, wtt] = sum_weights(means, times, priors);
            let mut sums = Sums { w, wt, wtt, ..Sums::default() };
            let mut counts = Counts::default();
            let starts = rows.start[from..to].iter().zip(&rows.start_deviance[from..to]).zip(&rows.count_log[from..to]);
            let values = counts_of.iter().zip(times).zip(priors).zip(&rows.population[from..to]);
            for ((((&count, &time), &prior), &population), ((&start, &start_deviance), &count_log)) in
                values.zip(starts)
            {
                let (weighted, response) = (prior * count, prior * start);
                sums.r += response;
                sums.rt += response * time;
                counts.count += weighted;
                counts.count_time += weighted * time;
                counts.exposure += prior * population;
                deviance += prior * start_deviance;
                self.deviance_fixed += prior * count_log;
            }
            if !trend {
                sums.wt = 0.0;
            }
            *level = Level { sums, ..Level::default() };
            self.counts.push(counts);
        }
        2.0 * deviance
    }

    /// Adds the step that the sums ask for to the coefficients; answers the information on the slope.
    fn solve(&mut self, trend: bool, slope: &mut f64) -> Option<f64> {
        let mut information = 0.0;
        let mut step = 0.0;
        if trend {
            let mut moment = 0.0;
            for Level { sums, .. } in &self.levels {
                information += sums.wtt - sums.wt * sums.wt / sums.w;
                moment += sums.rt - sums.wt * sums.r / sums.w;
            }
            if information.is_nan() || information <= 0.0 {
                return None;
            }
            step = moment / information;
        }
        *slope += step;
        let mut finite = slope.is_finite();
        for level in &mut self.levels {
            level.intercept += (level.sums.r - level.sums.wt * step) / level.sums.w;
            finite &= level.intercept.is_finite();
        }
        finite.then_some(information)
    }

    /// Means at the coefficients, the sums of the next step, and the deviance.
    fn pass(&mut self, trend: bool, slope: f64, fresh: &mut Vec<Sums>) -> f64 {
        fresh.clear();
        let gridded = trend && self.fill_grid(slope);
        for at in 0..self.levels.len() {
            fresh.push(if trend { self.pass_trend(slope, at, gridded) } else { self.pass_level(at) });
        }
        let residual: f64 = fresh.iter().map(|sums| sums.r).sum();
        let (mut linear, mut size) = (0.0, self.deviance_fixed.abs());
        for (level, counts) in self.levels.iter().zip(&self.counts) {
            let part = level.intercept * counts.count + slope * counts.count_time;
            linear += part;
            size += part.abs() + counts.count;
        }
        self.deviance_size = size;
        2.0 * (self.deviance_fixed - linear - residual)
    }

    /// The deviance is a difference of large sums: here their rounding could decide whether to stop.
    fn is_doubtful(&self, deviance: f64, before: f64) -> bool {
        let noise = 16.0 * f64::EPSILON * self.deviance_size / (deviance.abs() + 0.1);
        (relative_change(deviance, before) - EPSILON).abs() < noise
    }

    /// exp(slope·(period − middle)) for every period; `false` where that could overflow or the times are not whole.
    fn fill_grid(&mut self, slope: f64) -> bool {
        if self.grid.is_empty() || slope.abs() * self.grid.len() as f64 > 400.0 {
            return false;
        }
        let ratio = slope.exp();
        let mut block = [(slope * (self.rows.first - self.rows.middle)).exp(); BLOCK];
        for at in 1..BLOCK {
            block[at] = block[at - 1] * ratio;
        }
        let stride = (slope * BLOCK as f64).exp();
        for values in self.grid.as_chunks_mut::<BLOCK>().0 {
            *values = block;
            block.iter_mut().for_each(|value| *value *= stride);
        }
        true
    }

    fn pass_trend(&mut self, slope: f64, at: usize, gridded: bool) -> Sums {
        let intercept = self.levels[at].intercept;
        let Stretch { from, to, centre, .. } = self.rows.stretches[at];
        let at_middle = intercept - slope * (centre - self.rows.middle);
        let means = &mut self.mean[from..to];
        let (times, populations) = (&self.rows.time[from..to], &self.rows.population[from..to]);
        if gridded && at_middle.abs() < 400.0 {
            let factor = at_middle.exp();
            let (grid, steps) = (self.grid.as_slice(), &self.rows.step[from..to]);
            for ((mean, &step), &population) in means.iter_mut().zip(steps).zip(populations) {
                *mean = (factor * grid[step as usize] * population).max(f64::EPSILON);
            }
        } else {
            for ((mean, &time), &population) in means.iter_mut().zip(times).zip(populations) {
                *mean = ((intercept + slope * time).exp() * population).max(f64::EPSILON);
            }
        }
        let [w, wt, wtt] = sum_weights(means, times, &self.prior[from..to]);
        let Counts { count, count_time, .. } = self.counts[at];
        Sums { w, wt, wtt, r: count - w, rt: count_time - wt }
    }

    /// Without trend all rows of a level share one rate.
    fn pass_level(&self, at: usize) -> Sums {
        let w = self.levels[at].intercept.exp().max(f64::MIN_POSITIVE) * self.counts[at].exposure;
        Sums { w, r: self.counts[at].count - w, ..Sums::default() }
    }

    fn fill_means(&mut self, first: bool) {
        for (level, stretch) in self.levels.iter().zip(&self.rows.stretches) {
            let (rate, rate_before) = (level.intercept.exp(), level.intercept_before.exp());
            for i in stretch.from..stretch.to {
                self.mean[i] = (rate * self.rows.population[i]).max(f64::EPSILON);
                if !first {
                    self.mean_before[i] = (rate_before * self.rows.population[i]).max(f64::EPSILON);
                }
            }
        }
    }

    fn deviance_by_row(&self, slope: f64, intercept: impl Fn(&Level) -> f64) -> f64 {
        let mut sum = 0.0;
        for (level, stretch) in self.levels.iter().zip(&self.rows.stretches) {
            for i in stretch.from..stretch.to {
                let log_rate = intercept(level) + slope * self.rows.time[i];
                let mean = (log_rate.exp() * self.rows.population[i]).max(f64::EPSILON);
                let count = self.rows.count[i];
                let part = if count > 0.0 { deviance_part(count, mean) } else { mean };
                sum += self.prior[i] * part;
            }
        }
        2.0 * sum
    }

    /// Dispersions, from the weights of the last iteration and the residuals after it.
    fn conclude(&self, trend: bool, slope: f64, slope_information: f64, converged: bool) -> Fit {
        let df = self.rows.count.len() as f64 - self.levels.len() as f64 - f64::from(u8::from(trend));
        let [pearson, prior_dispersion] = sum_squares(&self.rows.count, &self.mean, &self.mean_before, &self.prior);
        let over = |sum: f64| if df > 0.0 { sum / df } else { f64::NAN };
        let pearson = over(pearson);
        let phi = if pearson < 1.0 { 1.0 } else { pearson };
        let prior_dispersion = over(prior_dispersion);
        Fit { converged, trend, df, slope, pearson, prior_dispersion, phi, slope_information }
    }

    /// ω = γ·s⁻² where the standardised Anscombe residual s exceeds the threshold (0 or more), γ elsewhere, Σω = n.
    fn reweight(&mut self, fit: &Fit, threshold: f64) {
        let mut sum = 0.0;
        let inverse_information = if fit.trend { 1.0 / fit.slope_information } else { 0.0 };
        for (level, stretch) in self.levels.iter().zip(&self.rows.stretches) {
            let (mean_time, inverse_weight) = (level.sums.wt / level.sums.w, 1.0 / level.sums.w);
            for i in stretch.from..stretch.to {
                let (count, mean) = (self.rows.count[i], self.mean[i]);
                let mut prior = 1.0;
                if count > mean {
                    let since = self.rows.time[i] - mean_time;
                    let rest = 1.0 - self.mean_before[i] * (inverse_weight + since * since * inverse_information);
                    if let Some(residual) = anscombe_above(count, mean, fit.phi, rest, threshold) {
                        prior = 1.0 / (residual * residual);
                    }
                }
                self.prior[i] = prior;
                sum += prior;
            }
        }
        let gamma = self.prior.len() as f64 / sum;
        self.prior.iter_mut().for_each(|prior| *prior *= gamma);
    }
}

/// Standardised Anscombe residual of a count above its mean, where it exceeds the threshold; `rest` is 1 − leverage.
fn anscombe_above(count: f64, mean: f64, phi: f64, rest: f64, threshold: f64) -> Option<f64> {
    // The only row of its level fits itself: it says nothing about an outbreak.
    if rest <= 10.0 * f64::EPSILON {
        return None;
    }
    // Pearson's residual is never below Anscombe's: most rows need no power.
    let excess = count - mean;
    if excess * excess <= threshold * threshold * phi * rest * mean * (1.0 - 1e-9) {
        return None;
    }
    let residual = 1.5 * (count.powf(2.0 / 3.0) * mean.powf(-1.0 / 6.0) - mean.sqrt()) / (phi * rest).sqrt();
    (residual > threshold).then_some(residual)
}

#[cfg(test)]
mod tests;
