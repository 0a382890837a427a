//! Nowcast: counts of the last days, corrected for what has not been reported yet.
//!
//! A reporting triangle has a row for every event day and in it the count of every delay. A Poisson model with random
//! effects (McGough et al. 2020; Günther et al. 2021, after Lawless 1994 and Höhle & an der Heiden 2014) says what the
//! cells to come hold: see `model`. The interval is that of a negative binomial with their mean and variance, which
//! contains the uncertainty of every effect, also of the reporting days to come.
//!
//! Promises: lower ≤ expected ≤ upper, none below what is already there; a day whose delays are all over is its count.
//! Never: a panic; chance; an answer from one day alone, because nothing is known of delays then.

mod model;
mod symmetric;

use model::{Cell, Fitted};

use super::counting_laws::CountingLaw;

/// Days of a triangle at most: a fit costs the third power of them.
const DAYS_MAX: usize = 120;

/// Cases of one cell at most: no country has a billion in a day, and their logarithms stay small.
const COUNT_MAX: f64 = 1e9;

/// A channel was closed when so many reports are missing in a silence; by chance that happens once in 10⁸.
const SILENCE_REPORTS: f64 = 20.0;
/// Longer than a long weekend.
const SILENT_DAYS: usize = 4;
/// Report days after a closure with which a fit can do without what came before.
const OPEN_DAYS: usize = 5;

/// Parameters.
#[derive(Clone, Debug, PartialEq)]
pub struct Nowcast {
    /// Probability of the interval. 0.95.
    pub level: f64,
    /// Longest delay that is looked at; cases that take longer are not expected. 30.
    pub delay_max: usize,
    /// The last days that the model is fitted to. 60.
    pub days: usize,
    /// Days after which a report counts half in the fit, because delays change. 10.
    pub half_life: f64,
}

impl Default for Nowcast {
    fn default() -> Self {
        Self { level: 0.95, delay_max: 30, days: 60, half_life: 10.0 }
    }
}

/// Columns of answers, one value an event day. NaN where nothing can be said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Nowcasts {
    pub observed: Vec<f64>,
    pub expected: Vec<f64>,
    pub lower: Vec<f64>,
    pub upper: Vec<f64>,
}

impl Nowcast {
    /// Answers for every row of `triangle`, oldest day first, the last one today: row t holds the counts by delay.
    ///
    /// A count that is missing at the end of a row is 0; a NaN is a report that may still come (the channel was down
    /// that day): it is left out of the fit and expected like a later one. A day without cases is a row of zeros, and
    /// counts. The longest delay that was seen, `delay_max` at most, is the longest that is expected; in a triangle that
    /// is too young to have shown it, half as much again.
    ///
    /// Nothing is answered (NaN) from a triangle of a single day or without any case: neither tells of delays. Fails in
    /// words where a parameter is out of its range, a count is negative or huge, or a report is from the future.
    pub fn run(&self, triangle: &[Vec<f64>]) -> Result<Nowcasts, String> {
        self.check(triangle)?;
        let days = triangle.len();
        let sum = |row: &Vec<f64>| 0.0 + row.iter().filter(|count| !count.is_nan()).sum::<f64>();
        let observed: Vec<f64> = triangle.iter().map(sum).collect();
        let mut answers = Nowcasts { observed, ..Nowcasts::default() };
        let from = days.saturating_sub(self.days.max(self.delay_max + 1));
        let recent = &triangle[from..];
        let seen = self.longest_seen(recent);
        let fitted = seen.filter(|_| days > 1).and_then(|seen| self.fit(recent, seen + 1));
        let longest = seen.map_or(0, |seen| self.longest(seen, recent));
        for (day, row) in triangle.iter().enumerate() {
            let (mean, low, high) = match (&fitted, day.checked_sub(from)) {
                (Some(fitted), Some(place)) => {
                    let to_come = to_come(row, days - 1 - day, longest);
                    self.limits(fitted, place, &to_come)
                }
                // Older than any delay that is looked at.
                (Some(_), None) => (0.0, 0.0, 0.0),
                (None, _) => (f64::NAN, f64::NAN, f64::NAN),
            };
            let known = answers.observed[day];
            answers.expected.push(known + mean);
            answers.lower.push(known + low);
            answers.upper.push(known + high);
        }
        Ok(answers)
    }

    fn longest_seen(&self, triangle: &[Vec<f64>]) -> Option<usize> {
        let cells = triangle.iter().flat_map(|row| row.iter().enumerate());
        cells.filter(|(delay, count)| **count > 0.0 && *delay <= self.delay_max).map(|(delay, _)| delay).max()
    }

    /// The longest delay that is expected. Cases that are younger than it cannot have shown it: where the delays that
    /// were seen fill the days since the first case, longer ones will come.
    fn longest(&self, seen: usize, triangle: &[Vec<f64>]) -> usize {
        let before = triangle.iter().take_while(|row| !row.iter().any(|count| *count > 0.0)).count();
        let days = triangle.len() - before;
        let is_young = days <= self.delay_max && 4 * (seen + 1) >= 3 * days;
        if is_young { self.delay_max.min(seen + seen.div_ceil(2)) } else { seen }
    }

    fn check(&self, triangle: &[Vec<f64>]) -> Result<(), String> {
        if !(self.level > 0.0 && self.level < 1.0) {
            return Err(format!("level is {}: allowed is what lies between 0 and 1", self.level));
        }
        if !(2..=DAYS_MAX).contains(&self.days) || self.delay_max >= DAYS_MAX {
            let (days, delay) = (self.days, self.delay_max);
            return Err(format!("days is {days}, delay_max {delay}: allowed are 2 to {DAYS_MAX}, and less than that"));
        }
        if !(self.half_life > 0.0 && self.half_life.is_finite()) {
            return Err(format!("half_life is {}: allowed is more than 0 days", self.half_life));
        }
        for (day, row) in triangle.iter().enumerate() {
            if let Some(count) = row.iter().find(|count| **count < 0.0 || **count > COUNT_MAX) {
                return Err(format!("day {}: {count} cases: a count is 0 to {COUNT_MAX}", day + 1));
            }
            if row.len() > triangle.len() - day {
                return Err(format!("day {}: a delay of {}, which is after today", day + 1, row.len() - 1));
            }
        }
        Ok(())
    }

    /// Mean and limits of what is to come.
    fn limits(&self, fitted: &Fitted, day: usize, delays: &[usize]) -> (f64, f64, f64) {
        if delays.is_empty() {
            return (0.0, 0.0, 0.0);
        }
        let (mean, variance) = fitted.sum(day, delays);
        let law = CountingLaw::overdispersed(mean, variance / mean.max(f64::MIN_POSITIVE));
        let outside = 0.5 * (1.0 - self.level);
        let (low, high) = (law.quantile(outside), law.quantile(1.0 - outside));
        // A very skewed law has its mean above the upper limit.
        (mean.clamp(low, high), low, high)
    }

    fn fit(&self, triangle: &[Vec<f64>], delays: usize) -> Option<Fitted> {
        let (days, open) = (triangle.len(), opened(triangle));
        let mut cells = Vec::new();
        for (day, row) in triangle.iter().enumerate() {
            for delay in open.saturating_sub(day)..delays.min(days - day) {
                let count = row.get(delay).copied().unwrap_or(0.0);
                let ago = (days - 1 - day - delay) as f64;
                if !count.is_nan() {
                    cells.push(Cell { day, delay, count, weight: 0.5_f64.powf(ago / self.half_life) });
                }
            }
        }
        model::fit(&cells, days, delays)
    }
}

/// The report day from which the channel was open: the end of the last silence in which at the pace since then
/// `SILENCE_REPORTS` would have come. What it held back tells of the closure and not of delays.
fn opened(triangle: &[Vec<f64>]) -> usize {
    let days = triangle.len();
    let mut reports = vec![0.0; days];
    for (day, row) in triangle.iter().enumerate() {
        row.iter()
            .enumerate()
            .filter(|(_, count)| **count > 0.0)
            .for_each(|(delay, count)| reports[day + delay] += count);
    }
    let (mut since, mut silent) = (0.0, 0);
    for (day, reports) in reports.iter().enumerate().rev() {
        since += reports;
        silent = if *reports > 0.0 { 0 } else { silent + 1 };
        let begin = day + silent;
        let missed = since / days.saturating_sub(begin) as f64 * silent as f64;
        if silent >= SILENT_DAYS && missed > SILENCE_REPORTS {
            return if begin + OPEN_DAYS <= days { begin } else { 0 };
        }
    }
    0
}

/// Delays of a day that are after today, or were not known.
fn to_come(row: &[f64], age: usize, longest: usize) -> Vec<usize> {
    (0..=longest).filter(|&delay| delay > age || row.get(delay).is_some_and(|count| count.is_nan())).collect()
}

#[cfg(test)]
mod tests;
