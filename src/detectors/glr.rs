//! GLR and LR CUSUM charts: how much better a change since some day explains the counts than their seasonal mean does.
//!
//! Promises: statistic, mean, dispersion, alarms and restarts of R `surveillance::algo.glrpois` and `algo.glrnb`.
//! Never: looks back beyond the last alarm: the chart starts anew on the day after.

use super::glr_negbin::{self, NegBin};
use super::glr_poisson::{self, Chart, MeansRange, Run};
use super::seasonal::{Family, Seasons};

/// Where the in-control mean comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum GlrMean {
    /// Known, the same every day.
    Fixed(f64),
    /// Known, one a monitored day.
    Given(Vec<f64>),
    /// Log-linear model fitted before the first day monitored.
    Seasonal {
        /// Observations a year.
        freq: f64,
        /// Pairs cos, sin of 2πst/`freq`. R's default 1.
        harmonics: usize,
        /// With a linear trend. R's default no.
        trend: bool,
        /// Fitted again after each alarm, on everything up to it. R's default no.
        refit: bool,
    },
}

/// What changes in an outbreak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The mean is multiplied.
    Intercept,
    /// A multiple of yesterday's count is added to the mean.
    Epidemic,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    Increase,
    Decrease,
}

impl Dir {
    pub(super) const fn sign(self) -> f64 {
        match self {
            Self::Increase => 1.0,
            Self::Decrease => -1.0,
        }
    }
}

/// What `upperbound` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The statistic.
    Value,
    /// The count with which the day would alarm.
    Cases,
}

/// How the negative binomial change is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Newton {
    /// R's iterations. They run away, and answer 0, where a count is far above a mean below one.
    AsR,
    /// R's iterations, and halving where they ran away.
    Safeguarded,
}

/// Parameters of the charts.
#[derive(Clone, Debug, PartialEq)]
pub struct Glr {
    /// Limit of the statistic; above 0. Default 5.
    pub c_arl: f64,
    /// Default one harmonic, no trend, 52 a year.
    pub mu0: GlrMean,
    /// Overdispersion, variance μ + αμ²; 0 = Poisson (default), `None` = estimated together with a seasonal mean.
    pub alpha: Option<f64>,
    /// Days a chart needs after a restart (R's `Mtilde`); at least 1. Default 1.
    pub m_tilde: usize,
    /// Days before today that a change may begin (R's `M`); `None` = no limit (R's −1, default). At least 1.
    pub m: Option<usize>,
    pub change: Change,
    /// Log rate ratio to look for: LR CUSUM instead of GLR. Default none.
    pub theta: Option<f64>,
    pub dir: Dir,
    pub ret: Ret,
    /// Counts that `Ret::Cases` tries with the negative binomial. Default 10,000.
    pub x_max: f64,
    pub newton: Newton,
}

impl Default for Glr {
    fn default() -> Self {
        Self {
            c_arl: 5.0,
            mu0: GlrMean::Seasonal { freq: 52.0, harmonics: 1, trend: false, refit: false },
            alpha: Some(0.0),
            m_tilde: 1,
            m: None,
            change: Change::Intercept,
            theta: None,
            dir: Dir::Increase,
            ret: Ret::Value,
            x_max: 1e4,
            newton: Newton::AsR,
        }
    }
}

/// One value a day of the input; NaN = not available or before the first day monitored.
#[derive(Clone, Debug, Default)]
pub struct GlrAnswer {
    /// Statistic or cases, as [`Glr::ret`] says; 0 where R's is negative or not a number, infinite where no count alarms.
    pub upperbound: Vec<f64>,
    pub mu0: Vec<f64>,
    /// Overdispersion in use.
    pub alpha: f64,
    pub alarm: Vec<bool>,
}

/// More than the days of a year can tell apart.
const HARMONICS_MAX: usize = 183;

fn count_is_wrong(count: &&f64) -> bool {
    count.is_infinite() || **count < 0.0
}

impl Glr {
    fn check(&self, observed: &[f64], start: usize) -> Result<(), String> {
        let days = observed.len();
        if start > days {
            return Err(format!("start is {start}, allowed are 0 to the {days} days of the series"));
        }
        if let Some(count) = observed.iter().find(count_is_wrong) {
            return Err(format!(
                "observed contains {count}, allowed are counts of 0 and more, and NaN for a missing day"
            ));
        }
        if !(self.c_arl > 0.0 && self.c_arl.is_finite()) {
            return Err(format!("c_arl is {}, allowed is more than 0", self.c_arl));
        }
        for (name, days) in [("m_tilde", Some(self.m_tilde)), ("m", self.m)] {
            if days == Some(0) {
                return Err(format!("{name} is 0, allowed are 1 day or more"));
            }
        }
        if let Some(alpha) = self.alpha.filter(|alpha| !(alpha.is_finite() && *alpha >= 0.0)) {
            return Err(format!("alpha is {alpha}, allowed are 0 and more"));
        }
        if let Some(theta) = self.theta.filter(|theta| !theta.is_finite() || *theta == 0.0) {
            return Err(format!("theta is {theta}, allowed is a finite number other than 0"));
        }
        if self.x_max.is_nan() {
            return Err("x_max is NaN, allowed is any number".to_owned());
        }
        if self.change == Change::Epidemic && self.ret == Ret::Cases {
            return Err("ret is Cases, allowed for change Epidemic is Value".to_owned());
        }
        self.check_mean(days - start, start)
    }

    fn check_mean(&self, monitored: usize, start: usize) -> Result<(), String> {
        let wrong = |mean: &&f64| !(mean.is_finite() && **mean >= 0.0);
        match &self.mu0 {
            GlrMean::Fixed(mean) if wrong(&mean) => Err(format!("mu0 is {mean}, allowed are 0 and more")),
            GlrMean::Given(means) if means.len() != monitored => {
                Err(format!("mu0 has {} values, allowed is one a monitored day = {monitored}", means.len()))
            }
            GlrMean::Given(means) if means.iter().any(|mean| wrong(&mean)) => {
                Err("mu0 contains a value that is negative or not finite, allowed are 0 and more".to_owned())
            }
            GlrMean::Fixed(_) | GlrMean::Given(_) if self.alpha.is_none() => {
                Err("alpha is none, allowed with a known mu0 are 0 and more".to_owned())
            }
            GlrMean::Fixed(_) | GlrMean::Given(_) => Ok(()),
            GlrMean::Seasonal { .. } if start == 0 => {
                Err("start is 0, allowed is 1 or more: the mean is estimated from the days before".to_owned())
            }
            GlrMean::Seasonal { freq, .. } if !(freq.is_finite() && *freq > 0.0) => {
                Err(format!("freq is {freq}, allowed is more than 0"))
            }
            GlrMean::Seasonal { harmonics, .. } if *harmonics > HARMONICS_MAX => {
                Err(format!("harmonics is {harmonics}, allowed are 0 to {HARMONICS_MAX}"))
            }
            GlrMean::Seasonal { .. } => Ok(()),
        }
    }

    /// Means of `days` days after `history`, and the overdispersion.
    fn means(&self, history: &[f64], days: usize, alpha: Option<f64>) -> Result<(Vec<f64>, f64), String> {
        let (freq, harmonics, trend) = match &self.mu0 {
            GlrMean::Fixed(mean) => return Ok((vec![*mean; days], alpha.unwrap_or(0.0))),
            GlrMean::Given(means) => return Ok((means.clone(), alpha.unwrap_or(0.0))),
            GlrMean::Seasonal { freq, harmonics, trend, .. } => (*freq, *harmonics, *trend),
        };
        let seasons = Seasons { harmonics, trend, freq };
        let fitted = match alpha {
            None => seasons.fit_with_theta(history, 1.0).map(|(fit, theta)| (fit, 1.0 / theta)),
            Some(0.0) => seasons.fit(history, 1.0, Family::Poisson).map(|fit| (fit, 0.0)),
            Some(alpha) => seasons.fit(history, 1.0, Family::NegativeBinomial(1.0 / alpha)).map(|fit| (fit, alpha)),
        };
        let (fit, alpha) = fitted.ok_or_else(|| {
            format!(
                "mu0 cannot be fitted on the {} days before start, allowed are counts that are not all missing, \
                     and for alpha none not all equal",
                history.len()
            )
        })?;
        let times = (1..=days).map(|day| (history.len() + day) as f64);
        Ok((seasons.predict(&fit, times), alpha))
    }

    /// One run of the chart that alarms on the day answered, if at all.
    fn run(&self, run: Run, alpha: f64, out: &mut Vec<f64>) -> Option<usize> {
        let chart = Chart { c_arl: self.c_arl, m_tilde: self.m_tilde, m: self.m, dir: self.dir, ret: self.ret };
        let negbin = NegBin { alpha, newton: self.newton, x_max: self.x_max };
        match (self.change, self.theta, alpha == 0.0) {
            (Change::Intercept, None, true) => glr_poisson::glr(run, &chart, out),
            (Change::Intercept, None, false) => glr_negbin::glr(run, &chart, negbin, out),
            (Change::Intercept, Some(theta), true) => glr_poisson::lr(run, &chart, theta, out),
            (Change::Intercept, Some(theta), false) => glr_negbin::lr(run, &chart, alpha, theta, out),
            (Change::Epidemic, _, true) => glr_poisson::epidemic(run, &chart, out),
            (Change::Epidemic, _, false) => glr_negbin::epidemic(run, &chart, negbin, out),
        }
    }
}

/// GLR (or, with `theta`, LR CUSUM) chart from index `start`, from 0; after an alarm it starts anew on the next day.
///
/// G_n = max over k of sup_κ Σ_{k…n} ln f(x; e^κ·μ)/f(x; μ); alarm G ≥ c (LR CUSUM and epidemic Poisson: > c). Counts a
/// day (any unit of time). With a window `m` a Poisson change begins at least `m_tilde` days before today, as in R. A
/// missing day adds nothing and has no answer; R refuses it. Not available before `start`. Fails if a parameter is out
/// of range, a count is negative or infinite, or the mean cannot be fitted. Höhle & Paul (2008), Comput Stat Data Anal
/// 52:4357; Held, Höhle & Hofmann (2005) for the epidemic chart.
pub fn glr(observed: &[f64], start: usize, parameters: &Glr) -> Result<GlrAnswer, String> {
    parameters.check(observed, start)?;
    let (history, monitored) = observed.split_at(start);
    let (mut means, alpha) = parameters.means(history, monitored.len(), parameters.alpha)?;
    let missing: Vec<bool> = monitored.iter().map(|x| x.is_nan()).collect();
    let known = |values: &[f64]| -> Vec<f64> {
        values.iter().zip(&missing).map(|(&value, &missing)| if missing { 0.0 } else { value }).collect()
    };
    let x = known(monitored);
    let mut mu0 = known(&means);
    let mut range = MeansRange::of(&mu0, &missing);
    let refit = matches!(parameters.mu0, GlrMean::Seasonal { refit: true, .. });
    let mut statistic = Vec::with_capacity(monitored.len());
    let mut alarm = vec![false; observed.len()];
    let (mut from, mut x_before) = (0, 0.0);
    while from < x.len() {
        let (_, x_run) = x.split_at(from);
        let (_, mu0_run) = mu0.split_at(from);
        let (_, missing_run) = missing.split_at(from);
        let run = Run { x: x_run, mu0: mu0_run, missing: missing_run, range, x_before };
        let Some(day) = parameters.run(run, alpha, &mut statistic) else { break };
        x_before = x_run.get(day).copied().unwrap_or(0.0);
        from += day + 1;
        alarm.iter_mut().skip(start + from - 1).take(1).for_each(|alarm| *alarm = true);
        if refit && from < x.len() {
            let (past, _) = observed.split_at(start + from);
            let (again, _) = parameters.means(past, x.len() - from, Some(alpha))?;
            means.truncate(from);
            means.extend(again);
            mu0 = known(&means);
            range = MeansRange::of(&mu0, &missing);
        }
    }
    let shown = |(value, missing): (f64, &bool)| match (*missing, value > 0.0) {
        (true, _) => f64::NAN,
        (false, true) => value,
        (false, false) => 0.0,
    };
    let mut upperbound = vec![f64::NAN; start];
    upperbound.extend(statistic.into_iter().zip(&missing).map(shown));
    let mut mu0 = vec![f64::NAN; start];
    mu0.extend(means);
    Ok(GlrAnswer { upperbound, mu0, alpha, alarm })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rise_alarms_and_the_chart_starts_anew() {
        let counts = [2.0, 2.0, 2.0, 9.0, 9.0, 2.0, 2.0];
        let parameters = Glr { mu0: GlrMean::Fixed(2.0), ..Glr::default() };
        let answer = glr(&counts, 0, &parameters).unwrap();
        assert_eq!(answer.alarm, [false, false, false, true, true, false, false]);
        let one = 9.0 * 4.5_f64.ln() - 7.0;
        assert!((answer.upperbound[3] - one).abs() < 1e-12 && (answer.upperbound[4] - one).abs() < 1e-12);
        assert_eq!(answer.upperbound[5], 0.0);
    }

    #[test]
    fn a_missing_day_adds_nothing() {
        let parameters = Glr { mu0: GlrMean::Fixed(2.0), c_arl: 100.0, ..Glr::default() };
        let gap = glr(&[2.0, 5.0, f64::NAN, 6.0], 0, &parameters).unwrap();
        let none = glr(&[2.0, 5.0, 6.0], 0, &parameters).unwrap();
        assert!(gap.upperbound[2].is_nan() && !gap.alarm[2]);
        assert!((gap.upperbound[3] - none.upperbound[2]).abs() < 1e-12);
    }

    #[test]
    fn a_fall_alarms_if_asked_for() {
        let parameters = Glr { mu0: GlrMean::Fixed(20.0), dir: Dir::Decrease, ..Glr::default() };
        let answer = glr(&[19.0, 21.0, 5.0, 4.0], 0, &parameters).unwrap();
        assert_eq!(answer.alarm, [false, false, true, true]);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let said = |parameters: Glr, start| glr(&[1.0, 2.0, 1.0], start, &parameters).unwrap_err();
        let known = Glr { mu0: GlrMean::Fixed(1.0), ..Glr::default() };
        assert!(said(Glr::default(), 0).contains("start is 0"));
        assert!(said(known.clone(), 4).contains("start is 4"));
        assert!(said(Glr { c_arl: 0.0, ..known.clone() }, 0).contains("c_arl is 0"));
        assert!(said(Glr { alpha: None, ..known.clone() }, 0).contains("alpha is none"));
        assert!(said(Glr { alpha: Some(-1.0), ..known.clone() }, 0).contains("alpha is -1"));
        assert!(said(Glr { m: Some(0), ..known.clone() }, 0).contains("m is 0"));
        assert!(said(Glr { theta: Some(0.0), ..known.clone() }, 0).contains("theta is 0"));
        assert!(said(Glr { mu0: GlrMean::Given(vec![1.0]), ..known.clone() }, 0).contains("mu0 has 1"));
        assert!(said(Glr { change: Change::Epidemic, ret: Ret::Cases, ..known.clone() }, 0).contains("ret is Cases"));
        assert!(glr(&[-1.0], 0, &known).unwrap_err().contains("observed contains -1"));
    }

    fn count() -> impl Strategy<Value = f64> {
        prop_oneof![Just(f64::NAN), Just(1e300), (0_u8..50).prop_map(f64::from)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn whatever_comes_it_answers_each_day(
            counts in prop::collection::vec(count(), 1..40),
            mean in prop_oneof![Just(0.0), 0.1_f64..30.0, Just(1e300)],
            alpha in prop_oneof![Just(0.0), Just(1e-12), 0.01_f64..2.0],
            theta in prop::option::of(-1.0_f64..2.0),
            m in prop::option::of(1_usize..10),
            m_tilde in 1_usize..12,
            dir in prop_oneof![Just(Dir::Increase), Just(Dir::Decrease)],
            change in prop_oneof![Just(Change::Intercept), Just(Change::Epidemic)],
            ret in prop_oneof![Just(Ret::Value), Just(Ret::Cases)],
        ) {
            let parameters = Glr {
                mu0: GlrMean::Fixed(mean),
                alpha: Some(alpha),
                theta,
                m,
                m_tilde,
                dir,
                change,
                ret,
                x_max: 100.0,
                ..Glr::default()
            };
            if let Ok(answer) = glr(&counts, 0, &parameters) {
                prop_assert_eq!(answer.upperbound.len(), counts.len());
                let mut days = answer.alarm.iter().zip(&answer.upperbound);
                prop_assert!(days.all(|(&alarm, value)| !(alarm && value.is_nan())));
            }
        }
    }
}
