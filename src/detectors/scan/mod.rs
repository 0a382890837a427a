//! The space-time scan statistic (Kulldorff 1997, 2001; permutation model Kulldorff et al. 2005), as SaTScan computes it.
//!
//! Promises: the same input and seed give the same clusters and p-values for ever, with any number of threads; every
//! cylinder within the limits is judged. Never: panics, or reads a clock.

use std::fmt;

mod clusters;
mod geometry;
mod kernel;
mod observed;
mod population;
mod replicas;
mod search;
mod significance;
mod statistic;
mod windows;

use clusters::Seen;
use geometry::{Limits, Points};
use observed::Expected;
use replicas::Null;
use search::{Search, Stop};

pub use geometry::{Coordinates, TiedPlaces};
pub use observed::Observations;
pub use population::{Census, expected_cells};
pub use statistic::log_likelihood_ratio;

/// Replicas at most: more would need more memory for their maxima than they are worth.
const REPLICATIONS_MAX: usize = 10_000_000;

/// Windows at most: every centre remembers its best cylinder for each.
const WINDOWS_MAX: usize = 1 << 21;

/// Numbers of a population that can be divided by without overflow.
const POPULATIONS: std::ops::RangeInclusive<f64> = 1e-100..=1e100;

/// Threads at most.
const THREADS_MAX: usize = 1_024;

/// What would be expected without clusters.
#[derive(Clone, Debug, PartialEq)]
pub enum Model {
    /// From the cases alone: cases of the place × cases of the day / all cases.
    Permutation,
    /// By place, a population that does not change.
    Poisson(Vec<f64>),
    /// Place-major, one number an interval, proportional to the expected cases: see [`expected_cells`].
    PoissonCells(Vec<f64>),
}

/// Which windows of time are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Period {
    /// Windows anywhere.
    Retrospective,
    /// Windows that end with the last interval. With earlier analyses of the same kind, one an interval, the replicas
    /// are searched at their last intervals too and the recurrence interval is adjusted.
    Prospective { earlier_analyses: usize },
}

/// Parameters; the defaults are SaTScan's.
#[derive(Clone, Debug, PartialEq)]
pub struct Scan {
    pub period: Period,
    /// Of a circle, share of all cases (permutation) or of the expected cases (Poisson); 0 to 1. Default 0.5.
    pub share_max: f64,
    /// Of a circle, km. Default none.
    pub radius_max_km: Option<f64>,
    /// Longest window, intervals. Default: half of the period, rounded down, at least 1.
    pub window_max: Option<usize>,
    /// Fewest cases of a cluster. Default 2.
    pub cases_min: u32,
    pub ties: TiedPlaces,
    /// Replicas of the null hypothesis. Default 999; 0 gives no p-values.
    pub replications: usize,
    /// Stop after this many replicas at least as extreme as the most likely cluster (Besag and Clifford 1991; SaTScan
    /// uses 50). Default: never.
    pub enough: Option<usize>,
    pub seed: u64,
    /// Default 1. The answer does not depend on it.
    pub threads: usize,
    /// Most clusters reported. Default 500.
    pub clusters_max: usize,
}

impl Default for Scan {
    fn default() -> Self {
        Self {
            period: Period::Retrospective,
            share_max: 0.5,
            radius_max_km: None,
            window_max: None,
            cases_min: 2,
            ties: TiedPlaces::Together,
            replications: 999,
            enough: None,
            seed: 12_345_678,
            threads: 1,
            clusters_max: 500,
        }
    }
}

/// A cluster. The first is the most likely one; the later ones share no place with a better one at the same time.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    pub centre: usize,
    /// By distance from the centre.
    pub places: Vec<usize>,
    /// To the farthest place, km.
    pub radius_km: f64,
    /// First and last interval.
    pub start: usize,
    pub end: usize,
    pub observed: u32,
    pub expected: f64,
    pub log_likelihood_ratio: f64,
    /// Rank among the replicas' maxima; `None` without replicas.
    pub p_value: Option<f64>,
    /// From the Gumbel distribution fitted to the maxima; the only p below 1/(R+1).
    pub gumbel_p_value: Option<f64>,
    /// Prospective only: intervals until chance alone gives as much, from `p_value`.
    pub recurrence_interval: Option<f64>,
}

/// The answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Report {
    pub clusters: Vec<Cluster>,
    /// Each replica's greatest log-likelihood ratio, in order.
    pub maxima: Vec<f64>,
    pub total_cases: u32,
    /// Centres × circles, without windows.
    pub circles: usize,
}

impl Scan {
    /// Scans. `observations` and the model's numbers have a row for each place of `coordinates`.
    ///
    /// There are no missing counts: a place that did not report must be left out. Without cases, or when no cylinder
    /// has an excess, there are no clusters. Fails on parameters out of range, and on inputs that do not fit together.
    pub fn run(&self, coordinates: &Coordinates, observations: &Observations, model: &Model) -> Result<Report, String> {
        let points = Points::new(coordinates)?;
        let cases = self.check(&points, observations, model)?;
        if cases == 0 {
            return Ok(Report::default());
        }
        let intervals = observations.intervals;
        let (expected, weights) = expectation(observations, model, f64::from(cases));
        let circles = points.circles(&Limits {
            weights: &weights,
            weight_max: self.share_max * weights.iter().sum::<f64>(),
            radius_max_km: self.radius_max_km,
            ties: self.ties,
        })?;
        let window_max = self.window_max.unwrap_or(intervals / 2).clamp(1, intervals);
        let (end_first, end_first_replicas) = match self.period {
            Period::Retrospective => (1, 1),
            Period::Prospective { earlier_analyses } => (intervals, intervals.saturating_sub(earlier_analyses)),
        };
        let ends = intervals - end_first_replicas.min(end_first) + 1;
        if ends.saturating_mul(window_max) > WINDOWS_MAX {
            return Err(format!("window_max is {window_max}: too many windows of {intervals} intervals"));
        }
        let clusters = Seen {
            circles: &circles,
            observations,
            expected: &expected,
            windows: &windows::windows(intervals, window_max, end_first),
            cases_min: self.cases_min,
            several_a_centre: self.period == Period::Retrospective,
            clusters_max: self.clusters_max,
        }
        .clusters();
        let null = null(observations, model, cases, self.seed);
        let stop = self.enough.zip(clusters.first()).map(|(enough, (first, _))| Stop { enough, ratio: first.ratio });
        let maxima = Search {
            circles: &circles,
            expected: &expected,
            null: &null,
            windows: &windows::windows(intervals, window_max, end_first_replicas),
            places: points.len(),
            cases,
            cases_min: self.cases_min,
            threads: self.threads,
        }
        .run(self.replications, stop);
        Ok(Report {
            clusters: clusters.into_iter().map(|found| self.cluster(found, &points, &maxima)).collect(),
            maxima,
            total_cases: cases,
            circles: circles.closes.iter().filter(|closes| **closes).count(),
        })
    }

    fn cluster(&self, (found, places): (clusters::Cylinder, Vec<u32>), points: &Points, maxima: &[f64]) -> Cluster {
        let places: Vec<usize> = places.into_iter().map(|place| place as usize).collect();
        let centre = places.first().copied().unwrap_or(0);
        let p_value = (!maxima.is_empty()).then(|| {
            let rank = significance::rank(found.ratio, maxima);
            significance::monte_carlo(rank, maxima.len(), maxima.len() < self.replications)
        });
        let recurrence_interval = match self.period {
            Period::Retrospective => None,
            Period::Prospective { earlier_analyses } => {
                p_value.map(|p| significance::recurrence_interval(p, earlier_analyses.saturating_add(1)))
            }
        };
        Cluster {
            centre,
            radius_km: places.iter().map(|&place| points.distance_km(centre, place)).fold(0.0, f64::max),
            places,
            start: found.window.start,
            end: found.window.end - 1,
            observed: found.observed,
            expected: found.expected,
            log_likelihood_ratio: found.ratio,
            p_value,
            gumbel_p_value: significance::gumbel(found.ratio, maxima),
            recurrence_interval,
        }
    }

    /// Refuses what cannot be computed; gives the number of cases.
    fn check(&self, points: &Points, observations: &Observations, model: &Model) -> Result<u32, String> {
        let Observations { intervals, cases } = observations;
        let cells = points.len().saturating_mul(*intervals);
        if *intervals == 0 || points.is_empty() || cases.len() != cells {
            let (found, places) = (cases.len(), points.len());
            return Err(format!("{found} counts for {places} places and {intervals} intervals: one a cell is needed"));
        }
        allowed("share_max", self.share_max, self.share_max > 0.0 && self.share_max <= 1.0, "above 0, to 1")?;
        let radius = self.radius_max_km.unwrap_or(0.0);
        allowed("radius_max_km", radius, radius >= 0.0, "0 or more")?;
        let window = self.window_max.unwrap_or(1);
        allowed("window_max", window, window >= 1, "1 or more intervals")?;
        allowed("cases_min", self.cases_min, self.cases_min >= 1, "1 or more")?;
        allowed("replications", self.replications, self.replications <= REPLICATIONS_MAX, "0 to 10,000,000")?;
        allowed("threads", self.threads, (1..=THREADS_MAX).contains(&self.threads), "1 to 1,024")?;
        let enough = self.enough.unwrap_or(1);
        allowed("enough", enough, enough >= 1, "1 or more replicas")?;
        let (numbers, needed) = match model {
            Model::Permutation => (&[][..], 0),
            Model::Poisson(population) => (&population[..], points.len()),
            Model::PoissonCells(cells_given) => (&cells_given[..], cells),
        };
        if numbers.len() != needed {
            return Err(format!("{} numbers of the population: {needed} are needed", numbers.len()));
        }
        if let Some(wrong) = numbers.iter().find(|number| **number != 0.0 && !POPULATIONS.contains(*number)) {
            return Err(format!("population {wrong}: 0 and 1e-100 to 1e100 are allowed"));
        }
        if needed > 0 && numbers.iter().all(|number| *number == 0.0) {
            return Err("population is 0 everywhere: above 0 is needed somewhere".to_owned());
        }
        for (place, row) in cases.chunks(*intervals).enumerate() {
            let here = needed / points.len();
            let lives = needed == 0 || numbers[place * here..(place + 1) * here].iter().any(|&number| number > 0.0);
            if !lives && row.iter().any(|&count| count > 0) {
                return Err(format!("place {place} has cases but no population"));
            }
        }
        let total = observations.total();
        i32::try_from(total).map_err(|_| format!("{total} cases: at most {} are allowed", i32::MAX))?;
        Ok(total as u32)
    }
}

/// Expected counts, and what circles gather.
fn expectation(observations: &Observations, model: &Model, cases: f64) -> (Expected, Vec<f64>) {
    let intervals = observations.intervals;
    match model {
        Model::Permutation => (Expected::permutation(observations), observations.by_place()),
        Model::Poisson(population) => (Expected::population(population, intervals, cases), population.clone()),
        Model::PoissonCells(cells) => {
            let weights = cells.chunks(intervals).map(|row| row.iter().sum()).collect();
            (Expected::cells(cells, intervals, cases), weights)
        }
    }
}

fn null(observations: &Observations, model: &Model, cases: u32, seed: u64) -> Null {
    let intervals = observations.intervals;
    match model {
        Model::Permutation => Null::permutation(observations, seed),
        Model::Poisson(population) => {
            let cells: Vec<f64> = population.iter().flat_map(|&one| std::iter::repeat_n(one, intervals)).collect();
            Null::poisson(&cells, cases, intervals, seed)
        }
        Model::PoissonCells(cells) => Null::poisson(cells, cases, intervals, seed),
    }
}

fn allowed(name: &str, value: impl fmt::Display, is: bool, range: &str) -> Result<(), String> {
    if is { Ok(()) } else { Err(format!("{name} is {value}: {range} is allowed")) }
}
