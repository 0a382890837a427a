//! How the counts of a run spread: mean and variance ÷ mean within a weekday, by signal, over counties.
//!
//! Promises: what it prints is computed from the levels that are sent, planted outbreaks included unless left out.

use std::collections::BTreeMap;

use super::city::COUNTIES;
use super::series::Series;
use super::{Options, Simulation};

/// One signal.
#[derive(Clone, Debug, PartialEq)]
pub struct Spread {
    pub signal: &'static str,
    /// Per county and day.
    pub mean: f64,
    /// Within a weekday at county level, pooled.
    pub dispersion: f64,
}

/// The spread of every county series.
pub fn spreads(simulation: &Simulation) -> Vec<Spread> {
    Series::all().into_iter().map(|series| spread(simulation, series)).collect()
}

fn spread(simulation: &Simulation, series: Series) -> Spread {
    let levels = &simulation.levels;
    let (mut squares, mut freedom, mut sum, mut n) = (0.0, 0.0, 0.0, 0.0);
    for county in 0..COUNTIES {
        let mut weekdays: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for day in (0..levels.open.len()).filter(|day| !matches!(series, Series::Pupil(_)) || levels.open[*day]) {
            let weekday = simulation.options.start.plus(day as i32).weekday();
            weekdays.entry(weekday).or_default().push(f64::from(levels.county(series, county, day)));
        }
        for counts in weekdays.values() {
            let mean = counts.iter().sum::<f64>() / counts.len() as f64;
            squares += counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>();
            freedom += counts.len() as f64 - 1.0;
            sum += counts.iter().sum::<f64>();
            n += counts.len() as f64;
        }
    }
    let mean = if n > 0.0 { sum / n } else { 0.0 };
    let dispersion = if freedom > 0.0 && mean > 0.0 { squares / freedom / mean } else { 0.0 };
    Spread { signal: series.signal(), mean, dispersion }
}

/// The table that `simulate --stats` prints.
pub fn table(options: Options) -> String {
    let mut text = format!("{:<24} {:>12} {:>16}\n", "signal", "mean", "variance/mean");
    for Spread { signal, mean, dispersion } in spreads(&Simulation::new(options)) {
        text.push_str(&format!("{signal:<24} {mean:>12.2} {dispersion:>16.2}\n"));
    }
    text
}
