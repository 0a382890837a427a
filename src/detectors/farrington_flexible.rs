//! Farrington flexible: the improved Farrington method of Noufaily et al. (2013). R: `farringtonFlexible`.
//!
//! Promises: R's answers (surveillance 1.20.3) with its quirks: standard errors at Σωr²/(n−p) after reweighting,
//! `mu0` of `delta` on the wrong scale, `score` of `nb_plugin` and `muan` with the logarithm of the mean.
//! Never: shortens the history silently; a week without all its reference weeks has no answer.

use std::ops::Range;

use super::counting_laws::CountingLaw;
use super::farrington::{Limit54, PowerTransformation, in_range, upper_bound};
use super::history::{History, Other, OtherCounts};
use super::quasi_poisson::{Fit, Regression, response};
use super::reference_rows::Row;
use super::seasonal_levels::{Cut, SeasonalLevels};
use super::special::{normal_quantile, normal_upper, student_two_sided};

/// How the bound follows from mean, dispersion and standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThresholdMethod {
    /// Normal on the scale of the power transformation; the bound is a real number.
    Delta,
    /// Quantile of the negative binomial at the fitted mean.
    NbPlugin,
    /// The same at the upper 1 − α limit of the mean.
    Muan,
}

/// Parameters; the defaults are R's.
///
/// Noufaily et al. and UKHSA: `no_periods` 10, `past_weeks_not_included` 26, `weights_threshold` 2.58,
/// `p_threshold_trend` 1, `NbPlugin` or `Muan`, `alpha` 0.005. See [`FarringtonFlexible::noufaily`].
#[derive(Clone, Debug, PartialEq)]
pub struct FarringtonFlexible {
    /// Years to look back. 5.
    pub b: usize,
    /// Half width of the window around a reference period, in periods. 3.
    pub w: usize,
    /// Fit again with less weight on past outbreaks. True.
    pub reweight: bool,
    /// Standardised Anscombe residual above which a past value loses weight. 2.58.
    pub weights_threshold: f64,
    /// Part of the predictive law above the bound, one-sided. 0.05.
    pub alpha: f64,
    /// Try a linear trend of the logarithm. True.
    pub trend: bool,
    /// The trend stays if its p is below. 0.05; 1 keeps it always.
    pub p_threshold_trend: f64,
    /// No alarm with fewer cases in the last periods. 5 in 4.
    pub limit54: Limit54,
    /// Scale of the `Delta` bound. 2/3.
    pub powertrans: PowerTransformation,
    /// Model rates: log population as offset. False.
    pub population_offset: bool,
    /// Seasonal levels a year; 1 uses the windows alone. 1.
    pub no_periods: usize,
    /// Periods before the present one that are left out. `None` = `w`.
    pub past_weeks_not_included: Option<usize>,
    /// `Delta`.
    pub threshold_method: ThresholdMethod,
}

impl Default for FarringtonFlexible {
    fn default() -> Self {
        Self {
            b: 5,
            w: 3,
            reweight: true,
            weights_threshold: 2.58,
            alpha: 0.05,
            trend: true,
            p_threshold_trend: 0.05,
            limit54: Limit54::default(),
            powertrans: PowerTransformation::TwoThirds,
            population_offset: false,
            no_periods: 1,
            past_weeks_not_included: None,
            threshold_method: ThresholdMethod::Delta,
        }
    }
}

/// The answer for one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlexibleAnswer {
    /// Fitted mean; NaN where the bound is.
    pub expected: f64,
    /// R's `mu0Vector`: the mean that the quantile is taken at; for `Delta` without meaning, as in R.
    pub mu0: f64,
    /// Dispersion, at least 1.
    pub phi: f64,
    /// Change of the logarithm of the mean a period; NaN where no trend was kept.
    pub trend: f64,
    /// The trend was kept.
    pub do_trend: bool,
    /// Counts above it are an alarm; NaN with too few recent cases, or where the mean is without limit.
    pub upperbound: f64,
    /// P(as many cases or more).
    pub pvalue: f64,
    /// Exceedance; an alarm is above 1.
    pub score: f64,
    pub alarm: bool,
    /// Standard error of the logarithm of the mean.
    pub se_eta: f64,
}

impl FlexibleAnswer {
    const NONE: Self = Self {
        expected: f64::NAN,
        mu0: f64::NAN,
        phi: f64::NAN,
        trend: f64::NAN,
        do_trend: false,
        upperbound: f64::NAN,
        pvalue: f64::NAN,
        score: f64::NAN,
        alarm: false,
        se_eta: f64::NAN,
    };
}

/// Columns of answers, one value a monitored period. The names are R's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FlexibleAnswers {
    /// 0-based index of the first answer in the series.
    pub first: usize,
    pub expected: Vec<f64>,
    pub mu0: Vec<f64>,
    pub phi: Vec<f64>,
    pub trend: Vec<f64>,
    pub do_trend: Vec<bool>,
    pub upperbound: Vec<f64>,
    pub pvalue: Vec<f64>,
    pub score: Vec<f64>,
    pub alarm: Vec<bool>,
}

impl FlexibleAnswers {
    fn push(&mut self, answer: &FlexibleAnswer) {
        self.expected.push(answer.expected);
        self.mu0.push(answer.mu0);
        self.phi.push(answer.phi);
        self.trend.push(answer.trend);
        self.do_trend.push(answer.do_trend);
        self.upperbound.push(answer.upperbound);
        self.pvalue.push(answer.pvalue);
        self.score.push(answer.score);
        self.alarm.push(answer.alarm);
    }
}

/// What is known of a period before its count is looked at.
struct Fitted {
    /// Logarithm of the mean, offset included, and its standard error.
    eta: f64,
    se: f64,
    phi: f64,
    /// `None` = no trend was kept.
    slope: Option<f64>,
}

/// Working space for many fits.
#[derive(Clone, Debug, Default)]
pub struct FlexibleSpace {
    regression: Regression,
    levels: SeasonalLevels,
}

impl FarringtonFlexible {
    /// The settings of Noufaily et al. (2013).
    pub fn noufaily(threshold_method: ThresholdMethod, alpha: f64) -> Self {
        Self {
            alpha,
            threshold_method,
            p_threshold_trend: 1.0,
            no_periods: 10,
            past_weeks_not_included: Some(26),
            ..Self::default()
        }
    }

    /// The settings of Farrington et al. (1996), as R's help page gives them.
    pub fn original() -> Self {
        Self { weights_threshold: 1.0, past_weeks_not_included: Some(0), ..Self::default() }
    }

    /// 0-based index of the first period that can have an answer: `freq`·`b` + `w`.
    pub fn first(&self, freq: usize) -> usize {
        freq * self.b + self.w
    }

    /// Answers from [`first`](Self::first) on.
    ///
    /// Missing counts leave the fit; a missing present count has a mean and a dispersion but no bound. Fails in words
    /// where a parameter is out of its range, the population is missing, or dates do not rise.
    pub fn run(&self, history: &History) -> Result<FlexibleAnswers, String> {
        let end = history.observed.len();
        self.run_range(history, self.first(history.freq.min(366)).min(end)..end)
    }

    /// Answers for the 0-based periods `range`; NaN where reference weeks are missing or no fit converges.
    pub fn run_range(&self, history: &History, range: Range<usize>) -> Result<FlexibleAnswers, String> {
        self.run_with(history, OtherCounts::default(), range).map(|(answers, _)| answers)
    }

    /// The same, and the answers for each of `others`, which cost little more than one: a period is fitted again only where
    /// that is asked for and one of its reference counts differs.
    pub fn run_with(
        &self,
        history: &History,
        others: OtherCounts<'_>,
        range: Range<usize>,
    ) -> Result<(FlexibleAnswers, Vec<FlexibleAnswers>), String> {
        self.check(history)?;
        let others = Other::of(history, others)?;
        let z = normal_quantile(1.0 - self.alpha);
        let mut space = FlexibleSpace::default();
        let mut answers = FlexibleAnswers { first: range.start, ..FlexibleAnswers::default() };
        let mut told = vec![answers.clone(); others.len()];
        for at in range {
            let fitted = self.fit(history, at, &mut space);
            let answer = self.judge(fitted.as_ref(), history, at, z);
            answers.push(&answer);
            for (other, told) in others.iter().zip(&mut told) {
                let history = other.history(history);
                let answer = if other.is_refitted(|index| space.levels.uses(at, index)) {
                    let fitted = self.fit(&history, at, &mut space);
                    self.judge(fitted.as_ref(), &history, at, z)
                } else if other.differs(at, self.limit54.periods) {
                    self.judge(fitted.as_ref(), &history, at, z)
                } else {
                    answer
                };
                told.push(&answer);
            }
        }
        Ok((answers, told))
    }

    /// The answer for one period, for callers that judge many series in turn.
    pub fn at(&self, history: &History, at: usize, space: &mut FlexibleSpace) -> Result<FlexibleAnswer, String> {
        self.check(history)?;
        let fitted = self.fit(history, at, space);
        Ok(self.judge(fitted.as_ref(), history, at, normal_quantile(1.0 - self.alpha)))
    }

    fn check(&self, history: &History) -> Result<(), String> {
        history.check()?;
        let freq = history.freq;
        in_range("b", self.b as f64, 1.0, 100.0)?;
        in_range("w", self.w as f64, 0.0, (freq.saturating_sub(1) / 2) as f64)?;
        in_range("alpha", self.alpha, 1e-12, 1.0 - 1e-12)?;
        in_range("weights_threshold", self.weights_threshold, 0.0, f64::MAX)?;
        in_range("p_threshold_trend", self.p_threshold_trend, 0.0, f64::MAX)?;
        in_range("no_periods", self.no_periods as f64, 1.0, freq as f64)?;
        in_range("past_weeks_not_included", self.past() as f64, 0.0, (freq * self.b) as f64)?;
        self.limit54.check()?;
        if self.population_offset && history.population.is_none() {
            return Err("population_offset is true: allowed only with a population for each period".to_owned());
        }
        Ok(())
    }

    fn past(&self) -> usize {
        self.past_weeks_not_included.unwrap_or(self.w)
    }

    /// The model of a period; the present count is no part of it.
    fn fit(&self, history: &History, at: usize, space: &mut FlexibleSpace) -> Option<Fitted> {
        let cut = Cut { b: self.b, w: self.w, no_periods: self.no_periods, past: self.past() };
        space.levels.lay(history, at, cut)?;
        let now = self.load(history, at, space)?;
        let key = self.no_periods - 1;
        let offset = self.population(history, at).ln();
        let threshold = self.reweight.then_some(self.weights_threshold);
        let regression = &mut space.regression;
        let mut fit = regression.fit(self.trend, threshold).filter(|fit| fit.converged)?;
        if fit.trend {
            let (eta, _) = regression.predict(&fit, key, now)?;
            let random = regression.is_exact(&fit);
            if random || !self.keeps_trend(&fit, response(eta + offset), regression.count_max()) {
                fit = regression.fit(false, threshold).filter(|fit| fit.converged)?;
            }
        }
        let (eta, variance) = regression.predict(&fit, key, now)?;
        let se = (self.dispersion(&fit) * variance).sqrt();
        Some(Fitted { eta: eta + offset, se, phi: fit.phi, slope: fit.trend.then_some(fit.slope) })
    }

    fn judge(&self, fitted: Option<&Fitted>, history: &History, at: usize, z: f64) -> FlexibleAnswer {
        let judged = fitted.zip(history.observed.get(at)).and_then(|(fitted, &count)| {
            let mut answer = self.threshold(count, fitted.eta, fitted.se, fitted.phi, z)?;
            answer.phi = fitted.phi;
            answer.se_eta = fitted.se;
            if let Some(slope) = fitted.slope {
                answer.trend = slope;
                answer.do_trend = true;
            }
            let enough = history.recent(at, self.limit54.periods) >= self.limit54.cases;
            answer.alarm = enough && answer.score > 1.0 && count != 0.0;
            if !enough {
                (answer.upperbound, answer.expected) = (f64::NAN, f64::NAN);
            }
            Some(answer)
        });
        judged.unwrap_or(FlexibleAnswer::NONE)
    }

    /// What R's `summary.glm` finds in the model, whose weights were overwritten by those of the reweighting.
    fn dispersion(&self, fit: &Fit) -> f64 {
        if self.reweight { fit.prior_dispersion } else { fit.pearson }
    }

    fn keeps_trend(&self, fit: &Fit, mean: f64, count_max: f64) -> bool {
        if self.b < 3 || mean.is_nan() || mean > count_max {
            return false;
        }
        let error = Regression::slope_error(fit, self.dispersion(fit));
        student_two_sided(fit.slope / error, fit.df) < self.p_threshold_trend
    }

    fn population(&self, history: &History, at: usize) -> f64 {
        match history.population {
            Some(population) if self.population_offset => population.get(at).copied().unwrap_or(f64::NAN),
            _ => 1.0,
        }
    }

    /// Rows of the fit; answers the time of the present period.
    fn load(&self, history: &History, at: usize, space: &mut FlexibleSpace) -> Option<f64> {
        let FlexibleSpace { regression, levels } = space;
        let dates = history.dates;
        let origin = dates.and_then(|dates| dates.get(levels.first_used())).map_or(0.0, |&day| f64::from(day));
        let step = match dates {
            Some([first, second, ..]) => f64::from(*second) - f64::from(*first),
            _ => 1.0,
        };
        let time = |index: usize| match dates.and_then(|dates| dates.get(index)) {
            Some(&day) => (f64::from(day) - origin) / step,
            None => index as f64,
        };
        let mut first_known = None;
        let rows = levels.used(at).filter_map(|(index, level)| {
            let count = history.observed.get(index).copied().filter(|count| !count.is_nan())?;
            let population = self.population(history, index);
            if population.is_nan() || population <= 0.0 {
                return None;
            }
            first_known.get_or_insert(index);
            Some(Row { level, time: time(index), count, population })
        });
        if !regression.load(rows) {
            return None;
        }
        // R counts the present from the first week that is known, the past from the first that is used.
        Some(match history.dates {
            Some(_) => time(at) - time(first_known?),
            None => time(at),
        })
    }

    fn threshold(&self, count: f64, eta: f64, se: f64, phi: f64, z: f64) -> Option<FlexibleAnswer> {
        if eta.is_nan() || se.is_nan() || phi.is_nan() {
            return None;
        }
        let none = FlexibleAnswer::NONE;
        if self.threshold_method == ThresholdMethod::Delta {
            let mean = response(eta);
            let mean_error = se * mean;
            let exponent = self.powertrans.exponent();
            let sd = self.powertrans.sd(mean, phi + mean_error * mean_error / mean);
            let upperbound = upper_bound(mean.powf(exponent), z * sd, exponent);
            let pvalue = normal_upper((count.powf(exponent) - mean.powf(exponent)) / sd);
            let score = (count - mean) / (upperbound - mean);
            let expected = if upperbound.is_nan() { f64::NAN } else { mean };
            return Some(FlexibleAnswer {
                expected,
                upperbound,
                pvalue,
                score,
                mu0: (mean + z * mean_error).exp(),
                ..none
            });
        }
        let mean = eta.exp();
        let mu0 = match self.threshold_method {
            ThresholdMethod::Muan => (eta + z * se).exp(),
            ThresholdMethod::Delta | ThresholdMethod::NbPlugin => mean,
        };
        if mu0.is_infinite() {
            return Some(FlexibleAnswer { mu0, ..none });
        }
        let law = CountingLaw::overdispersed(mu0, phi);
        let upperbound = law.quantile(1.0 - self.alpha);
        let score = (count - eta) / (upperbound - eta);
        let expected = if upperbound.is_nan() { f64::NAN } else { mean };
        Some(FlexibleAnswer { expected, mu0, upperbound, pvalue: law.at_least(count), score, ..none })
    }
}

#[cfg(test)]
mod tests;
