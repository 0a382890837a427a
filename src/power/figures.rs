//! Alarms beside the truth, counted; and what is divided from the counts.
//!
//! Promises: counts add up in any order; a measure without a denominator is NaN, not 0.

use std::ops::AddAssign;

use super::{Replicate, SIZES};

/// What a method said in the test periods of one replicate: nothing planted, then each size.
pub struct Alarms {
    pub without: Vec<bool>,
    pub with: Vec<Vec<bool>>,
}

/// Of one size.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Outbreaks {
    planted: u64,
    detected: u64,
    in_first_period: u64,
    /// Periods from the first case to the first alarm, of those detected.
    delay: u64,
}

/// Counts of many replicates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub series: u64,
    /// Test periods of all series.
    periods: u64,
    /// Alarms in them with nothing planted.
    false_alarms: u64,
    by_size: [Outbreaks; SIZES],
    /// Periods with cases of the outbreak and without, with an alarm and without; all sizes.
    true_positive: u64,
    false_negative: u64,
    false_positive: u64,
    true_negative: u64,
}

impl Counts {
    /// Of one replicate; `first` is the 0-based period of the first test period.
    pub fn of(replicate: &Replicate, alarms: &Alarms, first: usize) -> Self {
        let mut counts = Self { series: 1, periods: alarms.without.len() as u64, ..Self::default() };
        counts.false_alarms = alarms.without.iter().filter(|alarm| **alarm).count() as u64;
        for ((outbreak, said), counted) in replicate.current.iter().zip(&alarms.with).zip(0..SIZES) {
            counts.count_size(outbreak, said, first, counted);
        }
        counts
    }

    fn count_size(&mut self, outbreak: &[(usize, f64)], said: &[bool], first: usize, size: usize) {
        let has_cases = |period: usize| outbreak.iter().any(|(at, cases)| *at == period && *cases > 0.0);
        for (place, alarm) in said.iter().enumerate() {
            let cell = match (has_cases(first + place), alarm) {
                (true, true) => &mut self.true_positive,
                (true, false) => &mut self.false_negative,
                (false, true) => &mut self.false_positive,
                (false, false) => &mut self.true_negative,
            };
            *cell += 1;
        }
        let (Some((begin, _)), Some((end, _))) = (outbreak.first(), outbreak.last()) else { return };
        let during = said.iter().enumerate().filter(|(place, _)| (*begin..=*end).contains(&(first + place)));
        let delay = during.filter(|(_, alarm)| **alarm).map(|(place, _)| first + place - begin).min();
        if let Some(counted) = self.by_size.get_mut(size) {
            counted.planted += 1;
            counted.detected += u64::from(delay.is_some());
            counted.in_first_period += u64::from(delay == Some(0));
            counted.delay += delay.unwrap_or(0) as u64;
        }
    }

    fn sum(&self, of: impl Fn(&Outbreaks) -> u64) -> u64 {
        self.by_size.iter().map(of).sum()
    }

    /// The measures.
    pub fn figures(&self, periods_a_week: usize) -> Figures {
        let detected = self.sum(|size| size.detected);
        let (sensitivity, ppv) = (
            part(self.true_positive, self.true_positive + self.false_negative),
            part(self.true_positive, self.true_positive + self.false_positive),
        );
        let fpr = part(self.false_alarms, self.periods);
        Figures {
            fpr,
            alarms_per_area_week: fpr * periods_a_week as f64,
            pod: self.by_size.map(|size| part(size.detected, size.planted)),
            pod_mean: mean(self.by_size.map(|size| part(size.detected, size.planted))),
            pod_first: mean(self.by_size.map(|size| part(size.in_first_period, size.planted))),
            mean_delay: part(self.sum(|size| size.delay), detected),
            sensitivity,
            specificity: part(self.true_negative, self.true_negative + self.false_positive),
            npv: part(self.true_negative, self.true_negative + self.false_negative),
            ppv,
            f1: 2.0 * sensitivity * ppv / (sensitivity + ppv),
        }
    }
}

/// Of the sizes that were planted: where few cases fall behind the end of a series, more small outbreaks are none at all.
fn mean(by_size: [f64; SIZES]) -> f64 {
    let known = by_size.iter().filter(|part| part.is_finite());
    known.clone().sum::<f64>() / known.count() as f64
}

fn part(some: u64, all: u64) -> f64 {
    some as f64 / all as f64
}

impl AddAssign<&Self> for Outbreaks {
    fn add_assign(&mut self, other: &Self) {
        self.planted += other.planted;
        self.detected += other.detected;
        self.in_first_period += other.in_first_period;
        self.delay += other.delay;
    }
}

impl AddAssign<&Self> for Counts {
    fn add_assign(&mut self, other: &Self) {
        self.series += other.series;
        self.periods += other.periods;
        self.false_alarms += other.false_alarms;
        self.by_size.iter_mut().zip(&other.by_size).for_each(|(one, other)| *one += other);
        self.true_positive += other.true_positive;
        self.false_negative += other.false_negative;
        self.false_positive += other.false_positive;
        self.true_negative += other.true_negative;
    }
}

/// The measures of Noufaily et al. (2013) and Bédubourg & Le Strat (2017).
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// Alarms ÷ test periods, with nothing planted in them.
    pub fpr: f64,
    /// The same alarms, a series and week.
    pub alarms_per_area_week: f64,
    /// Part of the outbreaks of each size with an alarm from their first to their last case.
    pub pod: [f64; SIZES],
    /// Mean over the sizes.
    pub pod_mean: f64,
    /// Alarm in the period of the first case, mean over the sizes.
    pub pod_first: f64,
    /// Periods from the first case to the first alarm, of those detected.
    pub mean_delay: f64,
    /// Of the periods of all sizes: with cases and an alarm ÷ with cases.
    pub sensitivity: f64,
    pub specificity: f64,
    pub npv: f64,
    pub ppv: f64,
    pub f1: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replicate(outbreak: &[(usize, f64)]) -> Replicate {
        let mut current = vec![Vec::new(); SIZES];
        current[2] = outbreak.to_vec();
        Replicate { counts: vec![0.0; 10], current }
    }

    fn alarms(without: [u8; 4], with: [u8; 4]) -> Alarms {
        let said = |alarms: [u8; 4]| alarms.iter().map(|alarm| *alarm > 0).collect::<Vec<bool>>();
        let mut all = vec![said(without); SIZES];
        all[2] = said(with);
        Alarms { without: said(without), with: all }
    }

    #[test]
    fn an_alarm_from_the_first_to_the_last_case_finds_the_outbreak_also_between_two_cases() {
        let planted = replicate(&[(7, 2.0), (9, 1.0)]);
        let found = Counts::of(&planted, &alarms([0, 0, 0, 0], [0, 0, 1, 0]), 6).figures(1);
        assert_eq!((found.pod[2], found.mean_delay, found.pod_first), (1.0, 1.0, 0.0));
        // The week between has no case: the alarm in it is a false one there.
        assert_eq!((found.ppv, found.sensitivity), (0.0, 0.0));
        let missed = Counts::of(&planted, &alarms([1, 0, 0, 0], [1, 0, 0, 0]), 6).figures(7);
        assert_eq!((missed.pod[2], missed.fpr, missed.alarms_per_area_week), (0.0, 0.25, 1.75));
        assert!(missed.mean_delay.is_nan() && missed.pod[0].is_nan());
    }

    #[test]
    fn an_outbreak_whose_cases_all_fall_behind_the_end_is_not_planted() {
        let mut counts = Counts::of(&replicate(&[]), &alarms([0, 1, 0, 0], [0, 1, 0, 0]), 6);
        counts += &Counts::of(&replicate(&[(6, 3.0)]), &alarms([0, 0, 0, 0], [1, 0, 0, 0]), 6);
        let figures = counts.figures(1);
        assert_eq!((counts.series, figures.fpr, figures.pod[2], figures.pod_first), (2, 0.125, 1.0, 1.0));
    }
}
