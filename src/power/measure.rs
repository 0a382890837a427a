//! Runs a method over every series of a simulation, in threads, and counts.
//!
//! Promises: the counts do not depend on the number of threads; the first refusal in the order of the series is told.
//! Never: judges a period in which the method has no answer as an alarm.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::figures::{Alarms, Counts};
use super::{Calendar, Replicate, Simulation};
use crate::detectors::command::detect_with;
use crate::detectors::command::series::{Answer, Series};
use crate::detectors::history::OtherCounts;

/// Replicates that a thread takes at once: enough that taking costs nothing, few enough that all end together.
const BATCH: usize = 10;

/// Counts of every scenario. `judge` says what a method says about one replicate.
pub fn measure(
    simulation: &Simulation,
    threads: usize,
    judge: impl Fn(&Replicate) -> Result<Alarms, String> + Sync,
) -> Result<Vec<Counts>, String> {
    let places: Vec<(usize, usize)> = (0..simulation.scenarios.len())
        .flat_map(|scenario| (0..simulation.replicates(scenario)).map(move |replicate| (scenario, replicate)))
        .collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut counts = vec![Counts::default(); simulation.scenarios.len()];
        let mut refused: Option<(usize, String)> = None;
        loop {
            let batch = next.fetch_add(BATCH, Ordering::Relaxed);
            let Some(places_left) = places.get(batch..).filter(|left| !left.is_empty()) else { break };
            for (nth, &(scenario, replicate)) in places_left.iter().take(BATCH).enumerate() {
                let Some(series) = simulation.replicate(scenario, replicate) else { continue };
                let first = series.counts.len().saturating_sub(simulation.calendar.test);
                match judge(&series) {
                    Ok(alarms) => counts[scenario] += &Counts::of(&series, &alarms, first),
                    Err(found) => {
                        refused.get_or_insert((batch + nth, found));
                        // Nothing that follows can be earlier.
                        next.store(places.len(), Ordering::Relaxed);
                        break;
                    }
                }
            }
        }
        (counts, refused)
    };
    let done = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads.clamp(1, places.len().max(1))).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(|worker| worker.join()).collect::<Vec<_>>()
    });
    let mut sum = vec![Counts::default(); simulation.scenarios.len()];
    let mut refusals = Vec::new();
    for worker in done {
        let (counts, refused) = worker.map_err(|_| "a thread ended early".to_owned())?;
        sum.iter_mut().zip(&counts).for_each(|(sum, counts)| *sum += counts);
        refusals.extend(refused);
    }
    match refusals.into_iter().min() {
        Some((_, found)) => Err(found),
        None => Ok(sum),
    }
}

/// A method of docs/detectors.md and how it is asked.
pub struct Detector {
    pub method: String,
    /// NAME=VALUE.
    pub parameters: Vec<String>,
    /// Whether the current outbreak may enter the models that judge it, as in life. The published measures fit a model
    /// of Farrington's kind to the series without it.
    pub refit: bool,
}

impl Detector {
    /// What it says about a replicate. Its past is everything before the test periods.
    pub fn judge(&self, calendar: Calendar, replicate: &Replicate) -> Result<Alarms, String> {
        let first = replicate.counts.len().saturating_sub(calendar.test);
        let mut parameters = self.parameters.clone();
        if !parameters.iter().any(|pair| pair.split('=').next().is_some_and(|name| name.trim() == "range_start")) {
            parameters.push(format!("range_start={}", first + 1));
        }
        let planted: Vec<Vec<f64>> = replicate.current.iter().map(|outbreak| replicate.with(outbreak)).collect();
        let observed = replicate.counts.clone();
        let series = Series { observed, freq: Some(calendar.freq as f64), ..Series::default() };
        let others = OtherCounts { series: &planted, refit: self.refit };
        let answers = detect_with(&self.method, &parameters, &series, others)?;
        let mut said = answers.iter().map(|answer| tested(answer, first, calendar.test));
        let without = said.next().ok_or_else(|| format!("{} gave no answer", self.method))??;
        Ok(Alarms { without, with: said.collect::<Result<_, _>>()? })
    }
}

/// The alarms of the test periods; no answer is no alarm.
fn tested(answer: &Answer, first: usize, periods: usize) -> Result<Vec<bool>, String> {
    let skipped = (first + 1).checked_sub(answer.first).ok_or_else(|| {
        format!("range_start={}: the first test period is t {}, and nothing later is allowed", answer.first, first + 1)
    })?;
    let alarms = answer.alarm.iter().skip(skipped).take(periods);
    Ok(alarms.map(|alarm| *alarm == Some(true)).collect())
}
