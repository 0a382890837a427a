//! Farrington et al. (1996): counts against the same weeks of earlier years. R: `farrington`, `algo.farrington`.
//!
//! Promises: R's answers (surveillance 1.20.3): reference values that lie before the series are left out, as there.
//! Reference values that the model meets to the last digit have no trend; in R the rounding decides.
//! Never: answers a period without any reference value; takes a missing count for zero.

use std::ops::Range;

use super::history::{Calendar, History, Other, OtherCounts, month_day, nearest_weekday, years_before};
use super::quasi_poisson::{Regression, response};
use super::reference_rows::Row;
use super::special::{normal_lower, normal_quantile, student_two_sided};

/// The scale on which counts are taken as normal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerTransformation {
    /// "2/3": removes skewness.
    TwoThirds,
    /// "1/2": steadies the variance.
    Half,
    /// "none".
    None,
}

impl PowerTransformation {
    pub fn exponent(self) -> f64 {
        match self {
            Self::TwoThirds => 2.0 / 3.0,
            Self::Half => 0.5,
            Self::None => 1.0,
        }
    }

    /// Standard deviation of a new count on this scale, `tau` its variance over its mean.
    pub fn sd(self, mean: f64, tau: f64) -> f64 {
        match self {
            Self::TwoThirds => (4.0 / 9.0 * mean.powf(1.0 / 3.0) * tau).sqrt(),
            Self::Half => (0.25 * tau).sqrt(),
            Self::None => (mean * tau).sqrt(),
        }
    }
}

/// No alarm with fewer than `cases` in the last `periods`, the present one included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limit54 {
    pub cases: f64,
    pub periods: usize,
}

impl Default for Limit54 {
    fn default() -> Self {
        Self { cases: 5.0, periods: 4 }
    }
}

impl Limit54 {
    pub(crate) fn check(&self) -> Result<(), String> {
        in_range("limit54.cases", self.cases, 0.0, f64::MAX)?;
        in_range("limit54.periods", self.periods as f64, 1.0, 1e6)
    }
}

/// Says which parameter is out of its range.
pub(crate) fn in_range(name: &str, value: f64, low: f64, high: f64) -> Result<(), String> {
    if (low..=high).contains(&value) {
        return Ok(());
    }
    Err(if high == f64::MAX {
        format!("{name} is {value}: allowed is {low} or more")
    } else {
        format!("{name} is {value}: allowed are {low} to {high}")
    })
}

/// The greater of the two limits on the scale of counts; R sorts them, and one that is not a number goes first.
pub(crate) fn upper_bound(centre: f64, half_width: f64, exponent: f64) -> f64 {
    let (low, high) = (centre - half_width, centre + half_width);
    low.powf(1.0 / exponent).max(high.powf(1.0 / exponent))
}

/// Parameters; the defaults are R's.
#[derive(Clone, Debug, PartialEq)]
pub struct Farrington {
    /// Years to look back. 5.
    pub b: usize,
    /// Half width of the window around a reference period, in periods. 3.
    pub w: usize,
    /// Fit again with less weight on past outbreaks. True.
    pub reweight: bool,
    /// Part of the predictive law outside the two bounds. 0.05.
    pub alpha: f64,
    /// Try a linear trend of the logarithm; it stays if p < 0.05, `b` ≥ 3 and the forecast is not above the past.
    pub trend: bool,
    /// No alarm with fewer cases in the last periods. 5 in 4.
    pub limit54: Limit54,
    /// 2/3.
    pub powertrans: PowerTransformation,
}

impl Default for Farrington {
    fn default() -> Self {
        Self {
            b: 5,
            w: 3,
            reweight: true,
            alpha: 0.05,
            trend: true,
            limit54: Limit54::default(),
            powertrans: PowerTransformation::TwoThirds,
        }
    }
}

/// The answer for one period.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FarringtonAnswer {
    /// Fitted mean.
    pub expected: f64,
    /// Dispersion, at least 1.
    pub phi: f64,
    /// Counts above it are an alarm; 0 with too few recent cases.
    pub upperbound: f64,
    /// P(fewer or as many cases), R's `pd[, 1]`.
    pub quantile: f64,
    /// Median of the predictive law, R's `pd[, 2]`.
    pub median: f64,
    /// The trend was kept.
    pub do_trend: bool,
    pub alarm: bool,
}

impl FarringtonAnswer {
    const NONE: Self = Self {
        expected: f64::NAN,
        phi: f64::NAN,
        upperbound: f64::NAN,
        quantile: f64::NAN,
        median: f64::NAN,
        do_trend: false,
        alarm: false,
    };
}

/// Columns of answers, one value a monitored period.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FarringtonAnswers {
    /// 0-based index of the first answer in the series.
    pub first: usize,
    pub expected: Vec<f64>,
    pub phi: Vec<f64>,
    pub upperbound: Vec<f64>,
    pub quantile: Vec<f64>,
    pub median: Vec<f64>,
    pub do_trend: Vec<bool>,
    pub alarm: Vec<bool>,
}

impl FarringtonAnswers {
    fn push(&mut self, answer: &FarringtonAnswer) {
        self.expected.push(answer.expected);
        self.phi.push(answer.phi);
        self.upperbound.push(answer.upperbound);
        self.quantile.push(answer.quantile);
        self.median.push(answer.median);
        self.do_trend.push(answer.do_trend);
        self.alarm.push(answer.alarm);
    }
}

/// What is known of a period before its count is looked at.
struct Fitted {
    mean: f64,
    /// Standard error of the mean.
    mean_error: f64,
    phi: f64,
    do_trend: bool,
}

/// Working space for many fits.
#[derive(Clone, Debug, Default)]
pub struct FarringtonSpace {
    regression: Regression,
    references: Vec<usize>,
}

impl Farrington {
    /// 0-based index of the first period monitored by default, as in R: `freq`·`b` − `w` − 1.
    pub fn first(&self, freq: usize) -> usize {
        (freq * self.b).saturating_sub(self.w + 1)
    }

    /// Answers from [`first`](Self::first) on.
    ///
    /// Missing counts leave the fit (R stops); a missing count in the last four periods leaves no bound. Fails in
    /// words where a parameter is out of its range or dates do not rise.
    pub fn run(&self, history: &History) -> Result<FarringtonAnswers, String> {
        let end = history.observed.len();
        self.run_range(history, self.first(history.freq.min(366)).min(end)..end)
    }

    /// Answers for the 0-based periods `range`; NaN where no reference value exists or nothing can be fitted.
    pub fn run_range(&self, history: &History, range: Range<usize>) -> Result<FarringtonAnswers, String> {
        self.run_with(history, OtherCounts::default(), range).map(|(answers, _)| answers)
    }

    /// The same, and the answers for each of `others`, which cost little more than one: a period is fitted again only where
    /// that is asked for and one of its reference counts differs.
    pub fn run_with(
        &self,
        history: &History,
        others: OtherCounts<'_>,
        range: Range<usize>,
    ) -> Result<(FarringtonAnswers, Vec<FarringtonAnswers>), String> {
        self.check(history)?;
        let others = Other::of(history, others)?;
        let mut space = FarringtonSpace::default();
        let mut answers = FarringtonAnswers { first: range.start, ..FarringtonAnswers::default() };
        let mut told = vec![answers.clone(); others.len()];
        for at in range {
            let fitted = self.fit(history, at, &mut space);
            let answer = self.judge(fitted.as_ref(), history, at);
            answers.push(&answer);
            for (other, told) in others.iter().zip(&mut told) {
                let history = other.history(history);
                let answer = if other.is_refitted(|index| space.references.contains(&index)) {
                    let fitted = self.fit(&history, at, &mut space);
                    self.judge(fitted.as_ref(), &history, at)
                } else if other.differs(at, self.limit54.periods) {
                    self.judge(fitted.as_ref(), &history, at)
                } else {
                    answer
                };
                told.push(&answer);
            }
        }
        Ok((answers, told))
    }

    /// The answer for one period, for callers that judge many series in turn.
    pub fn at(&self, history: &History, at: usize, space: &mut FarringtonSpace) -> Result<FarringtonAnswer, String> {
        self.check(history)?;
        let fitted = self.fit(history, at, space);
        Ok(self.judge(fitted.as_ref(), history, at))
    }

    fn check(&self, history: &History) -> Result<(), String> {
        history.check()?;
        in_range("b", self.b as f64, 1.0, 100.0)?;
        in_range("w", self.w as f64, 0.0, history.freq as f64)?;
        in_range("alpha", self.alpha, 1e-12, 1.0 - 1e-12)?;
        self.limit54.check()
    }

    /// The model of a period; the present count is no part of it.
    fn fit(&self, history: &History, at: usize, space: &mut FarringtonSpace) -> Option<Fitted> {
        self.find_references(history, at, &mut space.references)?;
        let FarringtonSpace { regression, references } = space;
        let rows = references.iter().filter_map(|&index| {
            let count = history.observed.get(index).copied().filter(|count| !count.is_nan())?;
            Some(Row { level: 0, time: index as f64, count, population: 1.0 })
        });
        if !regression.load(rows) {
            return None;
        }
        let threshold = self.reweight.then_some(1.0);
        let mut fit = regression.fit(self.trend, threshold)?;
        if fit.trend {
            let mean = response(regression.predict(&fit, 0, at as f64)?.0);
            let error = Regression::slope_error(&fit, fit.pearson);
            let significant = student_two_sided(fit.slope / error, fit.df) < 0.05;
            let random = regression.is_exact(&fit);
            if self.b < 3 || random || !significant || mean.is_nan() || mean > regression.count_max() {
                fit = regression.fit(false, threshold)?;
            }
        }
        if fit.phi.is_nan() {
            return None;
        }
        let (eta, variance) = regression.predict(&fit, 0, at as f64)?;
        let mean = response(eta);
        Some(Fitted { mean, mean_error: (fit.phi * variance).sqrt() * mean, phi: fit.phi, do_trend: fit.trend })
    }

    fn judge(&self, fitted: Option<&Fitted>, history: &History, at: usize) -> FarringtonAnswer {
        let Some((&Fitted { mean, mean_error, phi, do_trend }, &count)) = fitted.zip(history.observed.get(at)) else {
            return FarringtonAnswer::NONE;
        };
        let exponent = self.powertrans.exponent();
        let sd = self.powertrans.sd(mean, phi + mean_error * mean_error / mean);
        let centre = mean.powf(exponent);
        let bound = upper_bound(centre, normal_quantile(1.0 - self.alpha / 2.0) * sd, exponent);
        let recent = history.recent(at, self.limit54.periods);
        let enough = recent >= self.limit54.cases;
        let upperbound = match enough {
            true => bound,
            false if recent.is_nan() => f64::NAN,
            false => 0.0,
        };
        FarringtonAnswer {
            expected: mean,
            phi,
            upperbound,
            quantile: normal_lower((count.powf(exponent) - centre) / sd),
            median: centre.powf(1.0 / exponent),
            do_trend,
            alarm: enough && (count - mean) / (bound - mean) > 1.0,
        }
    }

    /// Periods within `w` of the same period one to `b` years before, those that exist.
    fn find_references(&self, history: &History, at: usize, references: &mut Vec<usize>) -> Option<()> {
        references.clear();
        let w = self.w as i64;
        for year in 1..=self.b as i64 {
            for shift in -w..=w {
                let index = match history.dates {
                    None => usize::try_from(at as i64 - history.freq as i64 * year + shift).ok(),
                    Some(dates) => {
                        let today = i64::from(*dates.get(at)?);
                        let calendar = Calendar::of(history.freq)?;
                        history.index_of(same_period(today, year, shift, calendar))
                    }
                };
                references.extend(index);
            }
        }
        (!references.is_empty()).then_some(())
    }
}

/// The day `years` before, `shift` periods on: of weeks the nearest on the same weekday, of months the same day.
fn same_period(today: i64, years: i64, shift: i64, calendar: Calendar) -> i64 {
    let day = calendar.shift(years_before(today, years), shift);
    match calendar {
        Calendar::Days => day,
        Calendar::Months => day - (month_day(day) - month_day(today)),
        Calendar::Weeks => nearest_weekday(day, today),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn five_years() -> Vec<f64> {
        (0..320).map(|week| f64::from(4 + week * 7 % 5)).collect()
    }

    #[test]
    fn an_excess_is_an_alarm() {
        let mut observed = five_years();
        observed[300] = 30.0;
        let answers = Farrington::default().run(&History::of(&observed, 52)).unwrap();
        assert_eq!((answers.first, answers.alarm.len()), (256, 64));
        let alarms: Vec<usize> = (0..64).filter(|&at| answers.alarm[at]).map(|at| at + answers.first).collect();
        assert_eq!(alarms, [300]);
    }

    #[test]
    fn equal_reference_values_have_no_trend() {
        let observed = vec![9.0; 320];
        let answers = Farrington::default().run(&History::of(&observed, 52)).unwrap();
        assert!(!answers.do_trend.contains(&true));
        let without = Farrington { trend: false, ..Farrington::default() }.run(&History::of(&observed, 52)).unwrap();
        assert_eq!(answers, without);
    }

    #[test]
    fn few_recent_cases_are_no_alarm() {
        let mut observed = vec![0.0; 320];
        observed[300] = 4.0;
        let answers = Farrington::default().run(&History::of(&observed, 52)).unwrap();
        assert_eq!((answers.upperbound[44], answers.alarm[44]), (0.0, false));
        observed[300] = 5.0;
        assert!(Farrington::default().run(&History::of(&observed, 52)).unwrap().alarm[44]);
    }

    #[test]
    fn missing_is_not_zero() {
        let mut observed = five_years();
        observed[300] = f64::NAN;
        // A reference week of week 310.
        observed[258] = f64::NAN;
        let answers = Farrington::default().run(&History::of(&observed, 52)).unwrap();
        for at in 300..304 {
            assert!(answers.upperbound[at - 256].is_nan() && !answers.alarm[at - 256]);
        }
        assert!(answers.upperbound[310 - 256] > 6.0);
    }

    #[test]
    fn parameters_out_of_range_are_said_in_words() {
        let said = |method: Farrington| method.run(&History::of(&[1.0], 52)).err().unwrap_or_default();
        assert!(said(Farrington { b: 0, ..Default::default() }).contains("b is 0: allowed are 1 to 100"));
        assert!(said(Farrington { w: 99, ..Default::default() }).contains("w is 99"));
        assert!(said(Farrington { alpha: 1.0, ..Default::default() }).contains("alpha is 1"));
        let limit54 = Limit54 { cases: -1.0, periods: 4 };
        assert!(said(Farrington { limit54, ..Default::default() }).contains("limit54.cases is -1"));
    }

    proptest! {
        #[test]
        fn never_panics(
            observed in prop::collection::vec(prop_oneof![8 => 0f64..9.0, 1 => any::<f64>(), 1 => Just(f64::NAN)], 0..90),
            b in 0usize..4, w in 0usize..4, freq in 1usize..14, start in any::<i32>(), dated in any::<bool>(),
        ) {
            let dates: Vec<i32> = (0..observed.len() as i32).map(|at| start.wrapping_add(at.wrapping_mul(7))).collect();
            let freq = if dated { 12 } else { freq };
            let history = History { dates: dated.then_some(&dates), ..History::of(&observed, freq) };
            let method = Farrington { b, w, ..Farrington::default() };
            if let Ok(answers) = method.run_range(&history, 0..observed.len() + 3) {
                prop_assert_eq!(answers.alarm.len(), observed.len() + 3);
                for (bound, alarm) in answers.upperbound.iter().zip(&answers.alarm) {
                    prop_assert!(!(bound.is_nan() && *alarm));
                }
            }
        }
    }
}
