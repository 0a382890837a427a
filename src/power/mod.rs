//! Power: what a method or a rule finds of planted outbreaks, and what it calls out when there is none.
//!
//! Promises: the measures of Noufaily et al. (2013) on a folder of planted outbreaks or on one that a seed decides; the
//! same answer with any number of threads; a method is run by the functions that `qianshao detect` uses.
//! Never: reads a clock; prints; rounds before it divides.

pub mod drawn;
pub mod figures;
pub mod folder;
pub mod measure;
pub mod pictures;
pub mod raised;
pub mod report;
pub mod rule;
pub mod slide;
pub mod table;

use std::borrow::Cow;

/// Sizes of the outbreak in the test periods: k = 1 … 10 standard deviations of the baseline.
pub const SIZES: usize = 10;

/// Planted outbreaks: scenarios with series whose truth is known.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// `noufaily`, `daily`, or the folder's name.
    pub name: String,
    pub calendar: Calendar,
    pub scenarios: Vec<Scenario>,
    pub series: Series,
}

/// How periods are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Calendar {
    /// Periods a year: 52 weeks or 364 days.
    pub freq: usize,
    /// The last periods of a series, in which methods are tested.
    pub test: usize,
    pub periods_a_week: usize,
}

impl Calendar {
    /// Weeks 576 to 624 of Noufaily et al.
    pub const WEEKS: Self = Self { freq: 52, test: 49, periods_a_week: 1 };
    /// The same 49 weeks in days.
    pub const DAYS: Self = Self { freq: 364, test: 343, periods_a_week: 7 };

    pub fn is_daily(self) -> bool {
        self.periods_a_week > 1
    }
}

/// One set of parameters: μ(t) = exp(θ + βt + season), variance φμ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scenario {
    pub number: u32,
    pub theta: f64,
    pub phi: f64,
    pub beta: f64,
    pub gamma: [f64; 2],
    /// Harmonics of the year.
    pub harmonics: u32,
    pub trend: bool,
}

/// What separates scenarios in a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    pub trend: bool,
    pub season: bool,
}

impl Scenario {
    pub fn group(&self) -> Group {
        Group { trend: self.trend, season: self.harmonics > 0 }
    }
}

/// Where the series are from.
#[derive(Clone, Debug)]
pub enum Series {
    /// Read from a folder: replicates by scenario.
    Read(Vec<Vec<Replicate>>),
    /// Drawn when they are asked for.
    Drawn { seed: u64, replicates: usize },
}

/// One series with its outbreaks.
#[derive(Clone, Debug, PartialEq)]
pub struct Replicate {
    /// Counts with the past outbreaks, without one in the test periods.
    pub counts: Vec<f64>,
    /// The outbreak of each size: 0-based period and cases, in that order; empty where all its cases fall behind the end.
    pub current: Vec<Vec<(usize, f64)>>,
}

impl Replicate {
    /// The counts with an outbreak of it.
    pub fn with(&self, outbreak: &[(usize, f64)]) -> Vec<f64> {
        let mut counts = self.counts.clone();
        for (at, cases) in outbreak {
            counts.iter_mut().skip(*at).take(1).for_each(|count| *count += cases);
        }
        counts
    }
}

impl Simulation {
    /// Replicates of the scenario at this place.
    pub fn replicates(&self, scenario: usize) -> usize {
        match &self.series {
            Series::Read(all) => all.get(scenario).map_or(0, Vec::len),
            Series::Drawn { replicates, .. } => *replicates,
        }
    }

    /// One replicate; `None` where there is no such.
    pub fn replicate(&self, scenario: usize, replicate: usize) -> Option<Cow<'_, Replicate>> {
        match &self.series {
            Series::Read(all) => all.get(scenario)?.get(replicate).map(Cow::Borrowed),
            Series::Drawn { seed, .. } => {
                let scenario = self.scenarios.get(scenario)?;
                Some(Cow::Owned(drawn::replicate(scenario, self.calendar, *seed, replicate as u64)))
            }
        }
    }
}
