//! CUSUM: the excess of each count over a mean, in deviations, added up as long as it stays above zero.
//!
//! Promises: statistic, bound, mean and alarm of R `surveillance::algo.cusum`, the deviations of its bounds included.
//! Never: starts again after an alarm: the sum falls only by quiet days.

use super::seasonal::{Family, Seasons};

/// How a count x with mean m becomes a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transform {
    /// (x − m)/√m.
    Standard,
    /// (x − 3m + 2√(xm))/(2√m), Rossi et al. (1999), Stat Med 18:2111.
    Rossi,
    /// 3/2·(x^{2/3} − m^{2/3})/m^{1/6}.
    Anscombe,
    /// (x^{2/3} − (m^{2/3} − m^{−1/3}/9))/(2/3·m^{1/6}).
    Anscombe2nd,
    /// (x − m)/√(m + αm²).
    PearsonNegBin,
    /// x itself.
    None,
}

/// Where the mean comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum CusumMean {
    /// Mean of all counts before the first day monitored.
    Before,
    /// Known.
    Fixed(f64),
    /// Known, one a monitored day.
    Given(Vec<f64>),
    /// Poisson model 1 + cos + sin of 2πt/`freq`, fitted before the first day monitored.
    Seasonal {
        /// Observations a year.
        freq: f64,
        /// Number within the year of the first count of the series, from 1.
        start_period: f64,
    },
}

/// What becomes of the sum on a missing day and after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CusumMissing {
    /// As R: from then on nothing is available, the bound is 0.
    Ends,
    /// Not available on that day; the sum goes on from the day before.
    Skipped,
}

/// Parameters of CUSUM.
#[derive(Clone, Debug, PartialEq)]
pub struct Cusum {
    /// Reference value, in deviations a day. Default 1.04.
    pub k: f64,
    /// Decision limit, in deviations; above 0. Default 2.26.
    pub h: f64,
    /// Default: estimated from before.
    pub m: CusumMean,
    pub trans: Transform,
    /// Overdispersion of `PearsonNegBin`, variance m + αm². Default 0.1.
    pub alpha: f64,
    /// Default as R.
    pub missing: CusumMissing,
}

impl Default for Cusum {
    fn default() -> Self {
        Self {
            k: 1.04,
            h: 2.26,
            m: CusumMean::Before,
            trans: Transform::Standard,
            alpha: 0.1,
            missing: CusumMissing::Ends,
        }
    }
}

/// One value a day of the input; NaN = not available or before the first day monitored.
#[derive(Clone, Debug, Default)]
pub struct CusumAnswer {
    pub cusum: Vec<f64>,
    /// The count that would have alarmed given the sum of the day before; 0 where R's formula is negative or not
    /// available.
    pub upperbound: Vec<f64>,
    /// Mean in use.
    pub m: Vec<f64>,
    /// cusum ≥ h.
    pub alarm: Vec<bool>,
}

/// Powers of a mean, taken once as long as it stays the same.
#[derive(Clone, Copy)]
struct Scale {
    m: f64,
    /// What a score is divided by.
    unit: f64,
    /// What is taken from the transformed count, and what the bound adds.
    centre: f64,
    bound_centre: f64,
    root: f64,
}

impl Scale {
    fn new(m: f64, trans: Transform, alpha: f64) -> Self {
        let root = m.sqrt();
        let (unit, centre, bound_centre) = match trans {
            Transform::Standard => (root, m, m),
            Transform::Rossi => (2.0 * root, 3.0 * m, 5.0 * m),
            Transform::Anscombe => (m.powf(1.0 / 6.0), m.powf(2.0 / 3.0), m.powf(2.0 / 3.0)),
            // R's bound has m^{1/3} where its score has m^{−1/3}.
            Transform::Anscombe2nd => (
                2.0 / 3.0 * m.powf(1.0 / 6.0),
                m.powf(2.0 / 3.0) - m.powf(-1.0 / 3.0) / 9.0,
                m.powf(2.0 / 3.0) - m.powf(1.0 / 3.0) / 9.0,
            ),
            Transform::PearsonNegBin => ((m + alpha * (m * m)).sqrt(), m, m),
            Transform::None => (1.0, 0.0, 0.0),
        };
        Self { m, unit, centre, bound_centre, root }
    }

    /// Scores less the reference value, of days that share this mean.
    fn gains(&self, counts: &[f64], trans: Transform, k: f64, gains: &mut Vec<f64>) {
        let Self { m, unit, centre, .. } = *self;
        // One loop a transform: chosen once, not once a day.
        match trans {
            Transform::Standard | Transform::PearsonNegBin => {
                gains.extend(counts.iter().map(|x| (x - centre) / unit - k));
            }
            Transform::Rossi => gains.extend(counts.iter().map(|x| (x - centre + 2.0 * (x * m).sqrt()) / unit - k)),
            Transform::Anscombe => {
                gains.extend(counts.iter().map(|x| 1.5 * (x.powf(2.0 / 3.0) - centre) / unit - k));
            }
            Transform::Anscombe2nd => gains.extend(counts.iter().map(|x| (x.powf(2.0 / 3.0) - centre) / unit - k)),
            Transform::None => gains.extend(counts.iter().map(|x| x - k)),
        }
    }

    /// The counts that would lift the sum to h, of days that share this mean. `room`: what the sum lacks, with the reference
    /// value, on entry; `shown`: the sums of those days.
    fn bounds(&self, room: &mut [f64], shown: &[f64], h: f64, trans: Transform) {
        let Self { m, root, unit, bound_centre, .. } = *self;
        match trans {
            Transform::Standard => each(room, |room| ceil(root * room + m)),
            Transform::Rossi => each(room, |room| {
                let inner = 4.0 * (m * m) + 2.0 * (m * root) * room;
                2.0 * room * root + bound_centre - 2.0 * inner.sqrt()
            }),
            Transform::Anscombe | Transform::Anscombe2nd => {
                let unit = if trans == Transform::Anscombe { 2.0 / 3.0 * unit } else { unit };
                each(room, |room| {
                    let base = unit * room + bound_centre;
                    base * base.sqrt()
                });
            }
            Transform::PearsonNegBin => each(room, |room| unit * room + m),
            Transform::None => {
                room.copy_from_slice(shown);
                each(room, |shown| h - shown);
            }
        }
    }
}

/// A bound of every day; what is not above zero is none, and told as 0.
fn each(room: &mut [f64], bound: impl Fn(f64) -> f64) {
    for room in room {
        let bound = bound(*room);
        *room = if bound > 0.0 { bound } else { 0.0 };
    }
}

/// The least whole number that is not less, as `f64::ceil`; but a call to that, where the processor's own instruction may
/// not be taken for granted, is dearer than the rest of a day.
fn ceil(value: f64) -> f64 {
    /// Beyond it every number is whole; the sum with 1.5 times 2⁵² rounds to a whole number.
    const WHOLE: f64 = 4_503_599_627_370_496.0;
    let nearest = (value + 1.5 * WHOLE) - 1.5 * WHOLE;
    let least = if nearest < value { nearest + 1.0 } else { nearest };
    if value.abs() < WHOLE / 2.0 { least } else { value }
}

impl Cusum {
    fn check(&self, days: usize, start: usize) -> Result<(), String> {
        if !self.k.is_finite() {
            return Err(format!("k is {}, allowed is any finite number", self.k));
        }
        if !(self.h > 0.0 && self.h.is_finite()) {
            return Err(format!("h is {}, allowed is more than 0", self.h));
        }
        if !(self.alpha >= 0.0 && self.alpha.is_finite()) {
            return Err(format!("alpha is {}, allowed are 0 and more", self.alpha));
        }
        if start > days {
            return Err(format!("start is {start}, allowed are 0 to the {days} days of the series"));
        }
        let valid = |mean: f64| mean.is_finite() && mean >= 0.0;
        match &self.m {
            CusumMean::Before | CusumMean::Seasonal { .. } if start == 0 => {
                Err("start is 0, allowed is 1 or more: the mean is estimated from the days before".to_owned())
            }
            CusumMean::Fixed(mean) if !valid(*mean) => Err(format!("m is {mean}, allowed are 0 and more")),
            CusumMean::Given(means) if means.len() != days - start => {
                Err(format!("m has {} values, allowed is one a monitored day = {}", means.len(), days - start))
            }
            CusumMean::Given(means) => match means.iter().find(|mean| !valid(**mean)) {
                Some(mean) => Err(format!("m contains {mean}, allowed are 0 and more")),
                None => Ok(()),
            },
            CusumMean::Seasonal { freq, start_period }
                if !(freq.is_finite() && *freq > 0.0 && start_period.is_finite()) =>
            {
                Err(format!("freq is {freq} and start_period {start_period}, allowed are finite numbers, freq above 0"))
            }
            CusumMean::Before | CusumMean::Fixed(_) | CusumMean::Seasonal { .. } => Ok(()),
        }
    }

    /// Adds the mean of each of `days` monitored days.
    fn means(&self, history: &[f64], days: usize, means: &mut Vec<f64>) -> Result<(), String> {
        let all = means.len() + days;
        match &self.m {
            CusumMean::Fixed(mean) => means.resize(all, *mean),
            CusumMean::Given(given) => means.extend(given),
            CusumMean::Before => {
                // As R: one missing day in the past and there is no mean, unless missing days are to be skipped.
                let is_skipped = |y: &f64| self.missing == CusumMissing::Skipped && y.is_nan();
                let known = history.len() - history.iter().filter(|y| is_skipped(y)).count();
                // Four sums: one would wait for each addition in turn. Those of counts are the same in any order.
                let mut sums = [0.0; 4];
                for (i, y) in history.iter().enumerate() {
                    sums[i % 4] += if is_skipped(y) { 0.0 } else { *y };
                }
                means.resize(all, sums.iter().sum::<f64>() / known as f64);
            }
            CusumMean::Seasonal { freq, start_period } => {
                let seasons = Seasons { harmonics: 1, trend: false, freq: *freq };
                let fit = seasons.fit(history, *start_period, Family::Poisson).ok_or_else(|| {
                    format!(
                        "m cannot be fitted on the {} days before start, allowed are counts of 0 and more",
                        history.len()
                    )
                })?;
                let times = (0..days).map(|i| start_period + (history.len() + i) as f64);
                means.extend(seasons.predict(&fit, times));
            }
        }
        Ok(())
    }
}

/// C = max(0, C + score − k), alarm if C ≥ h; `start` = index of the first day monitored, from 0.
///
/// Counts a day (any unit of time). Not available before `start`; where the mean is 0 and so is the count (0/0), and
/// from then on; on and after a missing day as [`Cusum::missing`] says. Fails if a parameter is out of range or the
/// seasonal mean cannot be fitted. k for rates θ₀, θ₁ is (θ₁ − θ₀)/ln(θ₁/θ₀). Page (1954), Biometrika 41:100; Höhle
/// (2007), Comput Stat 22:571.
pub fn cusum(observed: &[f64], start: usize, parameters: &Cusum) -> Result<CusumAnswer, String> {
    parameters.check(observed.len(), start)?;
    let (history, monitored) = observed.split_at(start);
    let Cusum { k, h, trans, alpha, missing, .. } = *parameters;
    let unknown = || {
        let mut column = Vec::with_capacity(observed.len());
        column.resize(start, f64::NAN);
        column
    };
    let mut answer = CusumAnswer {
        cusum: unknown(),
        upperbound: unknown(),
        m: unknown(),
        alarm: Vec::with_capacity(observed.len()),
    };
    answer.alarm.resize(start, false);
    let is_constant = matches!(parameters.m, CusumMean::Before | CusumMean::Fixed(_));
    parameters.means(history, monitored.len(), &mut answer.m)?;
    let skips = missing == CusumMissing::Skipped;
    let mut sum = 0.0;
    let mut from = start;
    // Days that share their mean are taken together.
    for same in answer.m[start..].chunk_by(|one, next| is_constant || one == next) {
        let until = from + same.len();
        let scale = Scale::new(same[0], trans, alpha);
        scale.gains(&observed[from..until], trans, k, &mut answer.cusum);
        answer.upperbound.resize(until, 0.0);
        let sums = answer.cusum[from..until].iter_mut().zip(&mut answer.upperbound[from..until]);
        for (x, (shown, room)) in observed[from..until].iter().zip(sums) {
            *room = h + k - sum;
            let next = sum + *shown;
            // Not f64::max: as in R, once not available it stays so.
            *shown = if next < 0.0 { 0.0 } else { next };
            sum = if skips && x.is_nan() { sum } else { *shown };
        }
        scale.bounds(&mut answer.upperbound[from..until], &answer.cusum[from..until], h, trans);
        from = until;
    }
    answer.alarm.extend(answer.cusum[start..].iter().map(|shown| *shown >= h));
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_rise_is_added_up_until_it_alarms() {
        let mut counts = vec![4.0; 10];
        counts.extend([7.0, 7.0, 7.0, 7.0, 7.0, 7.0]);
        let parameters = Cusum { k: 0.5, h: 3.0, ..Cusum::default() };
        let answer = cusum(&counts, 10, &parameters).unwrap();
        assert_eq!(answer.cusum[10..], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
        assert_eq!(answer.upperbound[10..13], [11.0, 9.0, 7.0]);
        assert_eq!(answer.alarm[10..], [false, false, true, true, true, true]);
        assert!(answer.cusum[9].is_nan() && !answer.alarm[9]);
    }

    #[test]
    fn a_missing_day_ends_the_sum_or_is_skipped() {
        let counts = [4.0, 4.0, 9.0, f64::NAN, 9.0];
        let ends = cusum(&counts, 2, &Cusum::default()).unwrap();
        assert!(ends.cusum[3].is_nan() && ends.cusum[4].is_nan());
        assert!(ends.upperbound[4] == 0.0 && !ends.alarm[4]);
        let skips = Cusum { missing: CusumMissing::Skipped, ..Cusum::default() };
        let skipped = cusum(&counts, 2, &skips).unwrap();
        assert!(skipped.cusum[3].is_nan() && (skipped.cusum[4] - 2.0 * skipped.cusum[2]).abs() < 1e-12);
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let said = |parameters: Cusum, start| cusum(&[1.0, 2.0], start, &parameters).unwrap_err();
        assert!(said(Cusum::default(), 0).contains("start is 0"));
        assert!(said(Cusum::default(), 3).contains("start is 3"));
        assert!(said(Cusum { h: 0.0, ..Cusum::default() }, 1).contains("h is 0"));
        assert!(said(Cusum { k: f64::NAN, ..Cusum::default() }, 1).contains("k is NaN"));
        assert!(said(Cusum { m: CusumMean::Fixed(-1.0), ..Cusum::default() }, 1).contains("m is -1"));
        assert!(said(Cusum { m: CusumMean::Given(vec![]), ..Cusum::default() }, 1).contains("m has 0"));
        let seasonal = CusumMean::Seasonal { freq: 0.0, start_period: 1.0 };
        assert!(said(Cusum { m: seasonal, ..Cusum::default() }, 1).contains("freq is 0"));
    }

    #[test]
    fn a_ceiling_is_that_of_the_library() {
        let edges = [0.0, 0.5, 1.0, 1e15, 2_251_799_813_685_247.5, 4.5e15, 1e300, f64::INFINITY, f64::EPSILON];
        for edge in edges.into_iter().flat_map(|edge| [edge, -edge]) {
            assert_eq!(ceil(edge), edge.ceil());
        }
        assert!(ceil(f64::NAN).is_nan());
    }

    /// Any number at all.
    fn anything() -> impl Strategy<Value = f64> {
        prop_oneof![Just(f64::NAN), Just(f64::INFINITY), any::<f64>(), 0.0..50.0]
    }

    proptest! {
        #[test]
        fn any_ceiling_is_that_of_the_library(value in prop_oneof![any::<f64>(), -1e6..1e6]) {
            prop_assert!(ceil(value) == value.ceil() || value.is_nan());
        }

        #[test]
        fn whatever_comes_it_answers_each_day(
            counts in prop::collection::vec(anything(), 1..60),
            which in 0_usize..6,
            seasonal: bool,
        ) {
            let all = [Transform::Standard, Transform::Rossi, Transform::Anscombe, Transform::Anscombe2nd,
                Transform::PearsonNegBin, Transform::None];
            let m = if seasonal { CusumMean::Seasonal { freq: 52.0, start_period: 1.0 } } else { CusumMean::Before };
            let parameters = Cusum { trans: all[which], m, ..Cusum::default() };
            if let Ok(answer) = cusum(&counts, 1, &parameters) {
                prop_assert_eq!(answer.cusum.len(), counts.len());
                prop_assert_eq!(answer.m.len(), counts.len());
                prop_assert!(answer.alarm.iter().zip(&answer.cusum).all(|(&alarm, sum)| !(alarm && sum.is_nan())));
            }
        }
    }
}
