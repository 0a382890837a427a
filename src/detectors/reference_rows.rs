//! The reference values of a fit, laid out by seasonal level, with R's starting values.
//!
//! Promises: one pass over rows and no logarithm for small whole counts.
//! Never: keeps anything from the load before.

use std::sync::LazyLock;

/// Counts whose logarithms are kept: 16 KB.
const TABLED: usize = 1024;

/// ln(y + 0.1) and y·ln y: the same for every series, and half the cost of a first fit.
static LOGARITHMS: LazyLock<Vec<[f64; 2]>> =
    LazyLock::new(|| (0..TABLED).map(|count| logarithms(count as f64)).collect());

fn logarithms(count: f64) -> [f64; 2] {
    [(count + 0.1).ln(), if count > 0.0 { count * count.ln() } else { 0.0 }]
}

/// Without the call to `trunc` of the C library that `fract` is.
fn is_whole(value: f64) -> bool {
    value as i64 as f64 == value
}

/// One reference value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row {
    /// Seasonal level, from 0.
    pub level: usize,
    /// Periods since any origin.
    pub time: f64,
    pub count: f64,
    /// People at risk; 1 without an offset.
    pub population: f64,
}

/// Rows of one level: `from` … `to` − 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub key: usize,
    pub from: usize,
    pub to: usize,
    /// Mean time of the rows.
    pub centre: f64,
}

/// Columns of rows, sorted by level.
#[derive(Clone, Debug, Default)]
pub(crate) struct ReferenceRows {
    loaded: Vec<Row>,
    place: Vec<usize>,
    pub stretches: Vec<Stretch>,
    pub count: Vec<f64>,
    /// Since the centre of the level.
    pub time: Vec<f64>,
    pub population: Vec<f64>,
    /// Periods since the first row; empty where times are not whole.
    pub step: Vec<u32>,
    /// Time of the first and of the middle period, and the number of periods between first and last.
    pub first: f64,
    pub middle: f64,
    pub periods: usize,
    /// Weight × working response of the first step: R starts at μ = y + 0.1.
    pub start: Vec<f64>,
    /// Half the deviance of the row at the start.
    pub start_deviance: Vec<f64>,
    /// y·ln y − y·ln population.
    pub count_log: Vec<f64>,
}

impl ReferenceRows {
    /// `false` where R's `glm` would stop: a negative or infinite count, no row.
    pub fn load(&mut self, rows: impl Iterator<Item = Row>) -> bool {
        self.loaded.clear();
        // Pushed one by one: `extend` would ask a filtered iterator row after row how many are left.
        rows.for_each(|row| self.loaded.push(row));
        let usable = |row: &Row| row.count >= 0.0 && row.count < f64::INFINITY && row.time.is_finite();
        if self.loaded.is_empty() || !self.loaded.iter().all(usable) {
            return false;
        }
        self.sort_into_levels();
        self.lay_grid();
        self.start_values();
        true
    }

    fn sort_into_levels(&mut self) {
        let keys = self.loaded.iter().map(|row| row.level).max().unwrap_or(0) + 1;
        self.place.clear();
        self.place.resize(keys, 0);
        for row in &self.loaded {
            self.place[row.level] += 1;
        }
        self.stretches.clear();
        let mut from = 0;
        for (key, place) in self.place.iter_mut().enumerate() {
            let to = from + *place;
            if to > from {
                self.stretches.push(Stretch { key, from, to, centre: 0.0 });
            }
            *place = from;
            from = to;
        }
        for values in [&mut self.count, &mut self.time, &mut self.population] {
            values.clear();
            values.resize(from, 0.0);
        }
        for row in &self.loaded {
            let at = self.place[row.level];
            self.place[row.level] += 1;
            self.count[at] = row.count;
            self.time[at] = row.time;
            self.population[at] = row.population;
        }
    }

    /// Times are whole periods almost always: then exp(slope·time) can come from a table of powers.
    fn lay_grid(&mut self) {
        let low = self.time.iter().copied().fold(f64::INFINITY, f64::min);
        let high = self.time.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let whole = high - low < 4096.0 && self.time.iter().all(|time| is_whole(time - low));
        self.step.clear();
        self.first = low;
        self.middle = low + ((high - low) * 0.5).floor();
        self.periods = if whole { (high - low) as usize + 1 } else { 0 };
        if whole {
            self.step.extend(self.time.iter().map(|time| (time - low) as u32));
        }
        for stretch in &mut self.stretches {
            let times = &mut self.time[stretch.from..stretch.to];
            stretch.centre = times.iter().sum::<f64>() / times.len() as f64;
            times.iter_mut().for_each(|time| *time -= stretch.centre);
        }
    }

    fn start_values(&mut self) {
        for values in [&mut self.start, &mut self.start_deviance, &mut self.count_log] {
            values.clear();
            values.resize(self.count.len(), 0.0);
        }
        let (tabled, offset) = (LOGARITHMS.as_slice(), self.population.iter().any(|&population| population != 1.0));
        let starts = self.start.iter_mut().zip(&mut self.start_deviance).zip(&mut self.count_log);
        for (((start, deviance), log), &count) in starts.zip(&self.count) {
            let [log_start, count_log] = match tabled.get(count as usize) {
                Some(&pair) if is_whole(count) => pair,
                _ => logarithms(count),
            };
            *start = (count + 0.1) * log_start - 0.1;
            *deviance = count_log - count * log_start + 0.1;
            *log = count_log;
        }
        if offset {
            let starts = self.start.iter_mut().zip(&mut self.count_log).zip(&self.count).zip(&self.population);
            for (((start, log), count), population) in starts {
                *start -= (count + 0.1) * population.ln();
                *log -= count * population.ln();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(level: usize, time: f64, count: f64) -> Row {
        Row { level, time, count, population: 1.0 }
    }

    #[test]
    fn rows_are_sorted_by_level_and_keep_their_order() {
        let mut rows = ReferenceRows::default();
        assert!(rows.load([row(3, 1.0, 7.0), row(0, 2.0, 8.0), row(3, 5.0, 9.0)].into_iter()));
        assert_eq!(rows.count, [8.0, 7.0, 9.0]);
        assert_eq!(rows.stretches.iter().map(|stretch| stretch.key).collect::<Vec<_>>(), [0, 3]);
        assert_eq!((rows.time.as_slice(), rows.periods, rows.middle), ([0.0, -2.0, 2.0].as_slice(), 5, 3.0));
        assert!(rows.load([row(0, 0.5, 2000.0), row(0, 1.0, 0.0)].into_iter()));
        assert_eq!((rows.count.len(), rows.periods), (2, 0));
    }

    #[test]
    fn what_is_no_count_is_refused() {
        let mut rows = ReferenceRows::default();
        assert!(!rows.load(std::iter::empty()));
        for count in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(!rows.load([row(0, 1.0, 3.0), row(0, 2.0, count)].into_iter()));
        }
    }
}
