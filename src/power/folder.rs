//! A folder of planted outbreaks as it was published: baselines, outbreaks, scenarios.
//!
//! `scenarios.csv`: `scenario, theta, phi, beta, gamma1, gamma2, m, trend`. `baseline_counts.csv`: `scenario, rep, w1, w2 …`.
//! `outbreaks.csv`: `scenario, rep, outbreak, start, k, size, week, cases`; an outbreak `baseline…` belongs to every
//! series, of `current_k1` … `current_k10` one is used at a time. Each file may end in `.gz`.
//!
//! Promises: what does not fit is named with file and line.
//! Never: takes a series that is shorter than the others, or a case outside of its series.

use std::collections::BTreeMap;
use std::path::Path;

use super::{Calendar, Replicate, SIZES, Scenario, Series, Simulation};
use crate::detectors::unpacked::unpacked;

/// Replicates by scenario and number.
type Replicates = BTreeMap<(u32, u32), Replicate>;

/// Reads a folder; fails in words.
pub fn read(folder: &Path) -> Result<Simulation, String> {
    let scenarios = scenarios(&File::open(folder, "scenarios.csv")?)?;
    let mut replicates = baselines(&File::open(folder, "baseline_counts.csv")?)?;
    plant(&File::open(folder, "outbreaks.csv")?, &mut replicates)?;
    let calendar = Calendar::WEEKS;
    let shortest = replicates.values().map(|replicate| replicate.counts.len()).min().unwrap_or(0);
    if shortest <= calendar.test {
        return Err(format!("baseline_counts.csv: {shortest} periods, more than {} are needed", calendar.test));
    }
    let of = |scenario: &Scenario| {
        let all = replicates.range((scenario.number, 0)..=(scenario.number, u32::MAX));
        all.map(|(_, replicate)| replicate.clone()).collect::<Vec<_>>()
    };
    let series: Vec<Vec<Replicate>> = scenarios.iter().map(of).collect();
    if let Some((scenario, _)) = scenarios.iter().zip(&series).find(|(_, series)| series.is_empty()) {
        return Err(format!("baseline_counts.csv: no series of scenario {}", scenario.number));
    }
    let name = folder.file_name().map_or_else(|| ".".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(Simulation { name, calendar, scenarios, series: Series::Read(series) })
}

/// A table with its name and its columns.
struct File {
    name: String,
    text: Vec<u8>,
}

impl File {
    fn open(folder: &Path, name: &str) -> Result<Self, String> {
        let packed = format!("{name}.gz");
        let found = [name, &packed].into_iter().find(|name| folder.join(name).exists());
        let name = found.ok_or_else(|| format!("{} has neither {name} nor {packed}", folder.display()))?;
        let bytes = std::fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))?;
        let text = unpacked(&bytes).map_err(|found| format!("{name}: {found}"))?.into_owned();
        Ok(Self { name: name.to_owned(), text })
    }

    /// Calls `row` for each row with the columns of these names first and all others after them.
    fn rows<const N: usize>(
        &self,
        names: [&str; N],
        mut row: impl FnMut([&str; N], &csv::StringRecord) -> Result<(), String>,
    ) -> Result<(), String> {
        let mut reader = csv::Reader::from_reader(&*self.text);
        let headers = reader.headers().map_err(|error| format!("{}: {error}", self.name))?.clone();
        let mut places = [0; N];
        for (place, name) in places.iter_mut().zip(names) {
            let found = headers.iter().position(|header| header.trim() == name);
            *place = found.ok_or_else(|| format!("{}: there is no column {name}", self.name))?;
        }
        let mut record = csv::StringRecord::new();
        let mut line = 1;
        while reader.read_record(&mut record).map_err(|error| format!("{}: {error}", self.name))? {
            line += 1;
            let fields = places.map(|place| record.get(place).unwrap_or_default().trim());
            row(fields, &record).map_err(|found| format!("{}, line {line}: {found}", self.name))?;
        }
        Ok(())
    }
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.trim().parse().map_err(|_| format!("{text} is no such number"))
}

fn scenarios(file: &File) -> Result<Vec<Scenario>, String> {
    let mut found = Vec::new();
    let names = ["scenario", "theta", "phi", "beta", "gamma1", "gamma2", "m", "trend"];
    file.rows(names, |[scenario, theta, phi, beta, gamma1, gamma2, m, trend], _| {
        found.push(Scenario {
            number: number(scenario)?,
            theta: number(theta)?,
            phi: number(phi)?,
            beta: number(beta)?,
            gamma: [number(gamma1)?, number(gamma2)?],
            harmonics: number(m)?,
            trend: number::<u32>(trend)? > 0,
        });
        Ok(())
    })?;
    if found.is_empty() { Err(format!("{}: no scenario", file.name)) } else { Ok(found) }
}

fn baselines(file: &File) -> Result<Replicates, String> {
    let mut found = Replicates::new();
    file.rows(["scenario", "rep", "w1"], |[scenario, replicate, _], record| {
        let counts: Vec<f64> = record.iter().skip(2).map(number).collect::<Result<_, _>>()?;
        if let Some(other) = found.values().next().filter(|other: &&Replicate| other.counts.len() != counts.len()) {
            return Err(format!("{} counts, the series above has {}", counts.len(), other.counts.len()));
        }
        let replicate_of = Replicate { counts, current: vec![Vec::new(); SIZES] };
        match found.insert((number(scenario)?, number(replicate)?), replicate_of) {
            Some(_) => Err(format!("scenario {scenario}, rep {replicate} stands twice")),
            None => Ok(()),
        }
    })?;
    Ok(found)
}

fn plant(file: &File, replicates: &mut Replicates) -> Result<(), String> {
    let names = ["scenario", "rep", "outbreak", "week", "cases"];
    file.rows(names, |[scenario, replicate, outbreak, week, cases], _| {
        let place = (number(scenario)?, number(replicate)?);
        let series = replicates.get_mut(&place).ok_or("a series that baseline_counts.csv does not have")?;
        let (week, cases): (usize, f64) = (number(week)?, number(cases)?);
        let at = week.checked_sub(1).filter(|at| *at < series.counts.len()).ok_or("a week outside of the series")?;
        if outbreak.starts_with("baseline") {
            series.counts.iter_mut().skip(at).take(1).for_each(|count| *count += cases);
            return Ok(());
        }
        let size = outbreak.strip_prefix("current_k").and_then(|k| k.parse::<usize>().ok()).filter(|k| *k >= 1);
        let current = size.and_then(|size| series.current.get_mut(size - 1));
        current.ok_or_else(|| format!("{outbreak}: baseline… or current_k1 to current_k{SIZES}"))?.push((at, cases));
        Ok(())
    })?;
    for series in replicates.values_mut() {
        series.current.iter_mut().for_each(|outbreak| outbreak.sort_by_key(|(at, _)| *at));
    }
    Ok(())
}
