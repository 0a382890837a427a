//! Moving percentile of the Chinese CIDARS (Yang et al. 2011): a count against the same weeks of earlier years.
//!
//! Promises: quantiles as R's type 7 (linear between order statistics) of the blocks of counts.
//! Never: answers before `years`·`freq` + `plus_minus` periods of history; takes a missing block for zero.

use super::farrington::in_range;
use super::lunar_new_year;

/// Parameters; the defaults are those of the reference: 5 years × 5 weeks = 25 blocks, P80. CIDARS began with 3 × 5.
#[derive(Clone, Debug, PartialEq)]
pub struct MovingPercentile {
    /// Years to look back. 5.
    pub years: usize,
    /// Periods before and after the same period of an earlier year. 2.
    pub plus_minus: usize,
    /// Periods a year. 52, also for leap years and days.
    pub freq: usize,
    /// Percentile that makes an alarm, in per cent. 80; CIDARS uses 40 to 95.
    pub percentile: f64,
    /// Alarm also where the count equals the percentile. False.
    pub or_equal: bool,
    /// Blocks that may be missing; with more there is no answer. 2.
    pub missing_max: usize,
    /// Around the Spring Festival, compare with periods as far from it in earlier years. False; needs dates.
    pub lunar_new_year: bool,
}

impl Default for MovingPercentile {
    fn default() -> Self {
        Self {
            years: 5,
            plus_minus: 2,
            freq: 52,
            percentile: 80.0,
            or_equal: false,
            missing_max: 2,
            lunar_new_year: false,
        }
    }
}

/// Columns of answers, as long as the series; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Percentiles {
    pub p50: Vec<f64>,
    pub p75: Vec<f64>,
    pub p80: Vec<f64>,
    pub p90: Vec<f64>,
    /// The percentile asked for.
    pub upperbound: Vec<f64>,
    pub alarm: Vec<bool>,
}

impl MovingPercentile {
    /// Judges every period. A missing count has percentiles and no alarm. Fails in words where a parameter is out of
    /// its range.
    pub fn run(&self, observed: &[f64], dates: Option<&[i32]>) -> Result<Percentiles, String> {
        in_range("years", self.years as f64, 1.0, 100.0)?;
        in_range("freq", self.freq as f64, 1.0, 366.0)?;
        in_range("plus_minus", self.plus_minus as f64, 0.0, (self.freq - 1) as f64)?;
        in_range("percentile", self.percentile, 0.0, 100.0)?;
        let dates = dates.filter(|dates| self.lunar_new_year && dates.len() == observed.len());
        if self.lunar_new_year && dates.is_none() {
            return Err("lunar_new_year is true: allowed only with a date for each period".to_owned());
        }
        let mut answers = Percentiles::default();
        let mut blocks = Vec::with_capacity(self.years * (2 * self.plus_minus + 1));
        for (at, &count) in observed.iter().enumerate() {
            self.collect(observed, dates, at, &mut blocks);
            answers.p50.push(quantile(&blocks, 0.5));
            answers.p75.push(quantile(&blocks, 0.75));
            answers.p80.push(quantile(&blocks, 0.8));
            answers.p90.push(quantile(&blocks, 0.9));
            let bound = quantile(&blocks, self.percentile / 100.0);
            answers.upperbound.push(bound);
            answers.alarm.push(count > bound || (self.or_equal && count == bound));
        }
        Ok(answers)
    }

    /// The known blocks in rising order; none where too many are missing.
    fn collect(&self, observed: &[f64], dates: Option<&[i32]>, at: usize, blocks: &mut Vec<f64>) {
        blocks.clear();
        if at < self.years * self.freq + self.plus_minus {
            return;
        }
        let mut wanted = 0;
        for year in 1..=self.years {
            let same = at - year * self.freq;
            let centre = dates.and_then(|dates| as_far_from_new_year(dates, at, year)).unwrap_or(same);
            // No block of the present or of later periods: they are not yet past.
            let window = centre.saturating_sub(self.plus_minus)..=(centre + self.plus_minus).min(at - 1);
            wanted += window.clone().count();
            let known = observed.get(window).unwrap_or_default();
            blocks.extend(known.iter().filter(|count| !count.is_nan()));
        }
        if blocks.is_empty() || blocks.len() + self.missing_max < wanted {
            blocks.clear();
        }
        blocks.sort_unstable_by(f64::total_cmp);
    }
}

/// The period nearest to the day that lies to its Spring Festival as that of `at` does, so many years earlier.
fn as_far_from_new_year(dates: &[i32], at: usize, years: usize) -> Option<usize> {
    let wanted = lunar_new_year::earlier(*dates.get(at)?, years)?;
    let after = dates.partition_point(|day| *day < wanted).min(at);
    let before = after.saturating_sub(1);
    let apart = |place: usize| dates.get(place).map_or(i64::MAX, |day| (i64::from(*day) - i64::from(wanted)).abs());
    // Further away than a week there is no period of that time.
    [after, before].into_iter().min_by_key(|place| apart(*place)).filter(|place| apart(*place) <= 7)
}

/// Type 7 of Hyndman & Fan (1996) of values in rising order; NaN of none.
fn quantile(sorted: &[f64], p: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * p;
    // R's guard: a place that is whole but for rounding is whole.
    let below = (place + 4.0 * f64::EPSILON).floor();
    let rest = place - below;
    let at = (below as usize).min(last);
    let (low, high) = (sorted[at], sorted[(at + 1).min(last)]);
    if rest.abs() < 4.0 * f64::EPSILON || low == high { low } else { (1.0 - rest) * low + rest * high }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn twenty_five_blocks_give_their_order_statistics() {
        let observed: Vec<f64> = (0..300).map(f64::from).collect();
        let answers = MovingPercentile::default().run(&observed, None).unwrap();
        assert!(answers.p50[261].is_nan() && !answers.alarm[261]);
        // Index 262: blocks 0…4, 52…56, …, 208…212; the 13th is 106, the 19th 159, the 20th 160, the 21st 208.
        assert_eq!((answers.p50[262], answers.p75[262]), (106.0, 159.0));
        assert!((answers.p80[262] - 169.6).abs() < 1e-12 && answers.upperbound[262] == answers.p80[262]);
        assert!(answers.alarm[262]);
    }

    #[test]
    fn equal_is_an_alarm_only_where_asked() {
        let observed = [3.0; 300];
        let strict = MovingPercentile::default().run(&observed, None).unwrap();
        let equal = MovingPercentile { or_equal: true, ..Default::default() }.run(&observed, None).unwrap();
        assert!(!strict.alarm.contains(&true));
        assert!(equal.alarm[262] && !equal.alarm[261]);
    }

    #[test]
    fn missing_is_not_zero() {
        let mut observed = vec![3.0; 300];
        observed[0] = f64::NAN;
        observed[1] = f64::NAN;
        assert_eq!(MovingPercentile::default().run(&observed, None).unwrap().p50[262], 3.0);
        observed[2] = f64::NAN;
        assert!(MovingPercentile::default().run(&observed, None).unwrap().p50[262].is_nan());
    }

    #[test]
    fn parameters_out_of_range_are_said_in_words() {
        let said = |method: MovingPercentile| method.run(&[1.0], None).err().unwrap_or_default();
        assert!(said(MovingPercentile { percentile: 101.0, ..Default::default() }).contains("percentile is 101"));
        assert!(said(MovingPercentile { freq: 0, ..Default::default() }).contains("freq is 0"));
        assert!(said(MovingPercentile { years: 0, ..Default::default() }).contains("years is 0"));
    }

    /// G10: the week of 12 February 2021 beside that of 25 January 2020. Four times as many are seen in each festival's week.
    #[test]
    fn the_week_of_the_spring_festival_is_no_alarm_where_years_are_aligned_by_it() {
        // Mondays from 2015-01-05 to 2021-03-01; weeks of New Year's Day by their Mondays.
        let dates: Vec<i32> = (0..322).map(|week| 16_440 + 7 * week).collect();
        let festivals = [16_482, 16_839, 17_189, 17_574, 17_931, 18_281, 18_666];
        let observed: Vec<f64> = dates.iter().map(|day| if festivals.contains(day) { 40.0 } else { 10.0 }).collect();
        let this = dates.iter().position(|day| *day == 18_666).unwrap();
        let base = MovingPercentile { plus_minus: 0, ..Default::default() };
        let by_calendar = base.run(&observed, Some(&dates)).unwrap();
        let aligned = MovingPercentile { lunar_new_year: true, ..base.clone() }.run(&observed, Some(&dates)).unwrap();
        assert!(by_calendar.alarm[this], "a festival week beside ordinary ones");
        assert!(!aligned.alarm[this] && aligned.upperbound[this] == 40.0);
        // More than in any festival's week is an alarm still.
        let mut more = observed.clone();
        more[this] = 41.0;
        let aligned = MovingPercentile { lunar_new_year: true, ..base.clone() };
        assert!(aligned.run(&more, Some(&dates)).unwrap().alarm[this]);
        assert!(aligned.run(&more, None).unwrap_err().contains("lunar_new_year"));
    }

    proptest! {
        #[test]
        fn never_panics(
            observed in prop::collection::vec(prop_oneof![any::<f64>(), Just(f64::NAN), 0f64..9.0], 0..80),
            years in 1usize..4, plus_minus in 0usize..12, freq in 1usize..14,
        ) {
            let method = MovingPercentile { years, plus_minus, freq, ..Default::default() };
            if let Ok(answers) = method.run(&observed, None) {
                prop_assert_eq!(answers.p50.len(), observed.len());
                for (bound, alarm) in answers.upperbound.iter().zip(&answers.alarm) {
                    prop_assert!(!(bound.is_nan() && *alarm));
                }
            }
        }
    }
}
