//! The command `scan`: files in, clusters out as JSON.
//!
//! Promises: all numbers are JSON numbers; a field that has no value is missing.

mod dates;
mod input;
mod report;
mod table;

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

pub use dates::{Day, Unit, Written};
use input::Input;

use crate::detectors::scan::{Period, Scan, TiedPlaces};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelName {
    Permutation,
    Poisson,
}

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Options {
    pub model: ModelName,
    pub cases: PathBuf,
    pub geo: PathBuf,
    /// Needed by the Poisson model.
    pub population: Option<PathBuf>,
    pub radius_max_km: Option<f64>,
    pub share_max: f64,
    /// Days, or years where the cases have only years.
    pub window_max: Option<usize>,
    pub cases_min: u32,
    /// The last day of a prospective analysis; `None` = retrospective.
    pub prospective: Option<Written>,
    pub earlier_analyses: usize,
    pub study_period: Option<(Written, Written)>,
    pub replications: usize,
    pub enough: Option<usize>,
    pub ties: TiedPlaces,
    /// Where to write every replica's maximum, one a line.
    pub null: Option<PathBuf>,
    pub seed: u64,
    pub threads: usize,
}

/// Reads, scans, answers. `seconds` is asked for the time at the start and at the end.
pub fn run(options: &Options, seconds: impl Fn() -> f64) -> Result<Value, String> {
    let began = seconds();
    let input = Input::read(options)?;
    let scan = Scan {
        period: match options.prospective {
            None => Period::Retrospective,
            Some(_) => Period::Prospective { earlier_analyses: options.earlier_analyses },
        },
        share_max: options.share_max,
        radius_max_km: options.radius_max_km,
        window_max: options.window_max,
        cases_min: options.cases_min,
        ties: options.ties,
        replications: options.replications,
        enough: options.enough,
        seed: options.seed,
        threads: options.threads,
        ..Scan::default()
    };
    let found = scan.run(&input.coordinates, &input.observations, &input.model)?;
    if let Some(path) = &options.null {
        let lines: String = found.maxima.iter().map(|maximum| format!("{maximum}\n")).collect();
        fs::write(path, lines).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(report::json(options, &input, &found, seconds() - began))
}
