//! What was seen, and what would be expected without clusters.
//!
//! Promises: an expected count is summed over places in the order of the circle, the same way wherever it is asked for.

use super::windows::Window;

/// Cases by place and interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    pub intervals: usize,
    /// Place-major: `intervals` numbers a place.
    pub cases: Vec<u32>,
}

impl Observations {
    pub fn places(&self) -> usize {
        self.cases.len().checked_div(self.intervals).unwrap_or(0)
    }

    pub fn total(&self) -> u64 {
        self.cases.iter().map(|&count| u64::from(count)).sum()
    }

    pub fn by_place(&self) -> Vec<f64> {
        self.cases.chunks(self.intervals.max(1)).map(|row| row.iter().map(|&count| f64::from(count)).sum()).collect()
    }

    pub fn by_interval(&self) -> Vec<f64> {
        let mut sums = vec![0.0; self.intervals];
        for row in self.cases.chunks(self.intervals.max(1)) {
            sums.iter_mut().zip(row).for_each(|(sum, &count)| *sum += f64::from(count));
        }
        sums
    }
}

/// Expected cases of a place in a window.
#[derive(Clone, Debug)]
pub enum Expected {
    /// Share of the place × share of the window × all cases: permutation, or a population that does not change.
    Product {
        /// By place; whole numbers stay exact.
        places: Vec<f64>,
        /// Sums over the intervals before each, `intervals` + 1 of them.
        before: Vec<f64>,
        scale: f64,
    },
    /// By place, sums over the intervals before each: a population that changes or has strata.
    Cells { before: Vec<f64>, intervals: usize },
}

fn running(values: &[f64]) -> Vec<f64> {
    let mut sum = 0.0;
    let sums = values.iter().map(|value| {
        sum += value;
        sum
    });
    std::iter::once(0.0).chain(sums).collect()
}

impl Expected {
    /// E = cases of the zone × cases of the window / all cases (Kulldorff et al. 2005).
    pub fn permutation(observations: &Observations) -> Self {
        let total = observations.total() as f64;
        Self::Product {
            places: observations.by_place(),
            before: running(&observations.by_interval()),
            scale: 1.0 / total,
        }
    }

    /// E = all cases × share of the population × share of the time.
    pub fn population(by_place: &[f64], intervals: usize, cases: f64) -> Self {
        let total: f64 = by_place.iter().sum();
        Self::Product {
            places: by_place.to_vec(),
            before: (0..=intervals).map(|n| n as f64).collect(),
            scale: cases / total / intervals as f64,
        }
    }

    /// From numbers proportional to the expected cases, place-major.
    pub fn cells(cells: &[f64], intervals: usize, cases: f64) -> Self {
        let total: f64 = cells.iter().sum();
        let scaled: Vec<f64> = cells.iter().map(|cell| cell / total * cases).collect();
        Self::Cells { before: scaled.chunks(intervals.max(1)).flat_map(running).collect(), intervals }
    }

    /// What a place adds to the running sum of a zone in `window`.
    #[inline]
    pub fn part(&self, place: usize, window: Window) -> f64 {
        match self {
            Self::Product { places, .. } => places[place],
            Self::Cells { before, intervals } => {
                let row = place * (intervals + 1);
                before[row + window.end] - before[row + window.start]
            }
        }
    }

    /// What the running sum must be multiplied with to give the expected cases in `window`.
    #[inline]
    pub fn factor(&self, window: Window) -> (f64, f64) {
        match self {
            Self::Product { before, scale, .. } => (before[window.end] - before[window.start], *scale),
            Self::Cells { .. } => (1.0, 1.0),
        }
    }

    /// Expected cases of `zone` in `window`.
    pub fn of(&self, zone: &[u32], window: Window) -> f64 {
        let sum: f64 = zone.iter().map(|&place| self.part(place as usize, window)).sum();
        let (window_part, scale) = self.factor(window);
        sum * window_part * scale
    }

    /// Whether the running sum of a zone is the same in every window.
    pub fn is_product(&self) -> bool {
        matches!(self, Self::Product { .. })
    }
}
