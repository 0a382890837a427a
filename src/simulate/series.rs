//! What a county's day adds up to, and the statistic that a rule will compute from it.
//!
//! Promises: C2 and C3 are those of EARS as the rules state them (baseline t−9 … t−3, sd at least 0.5).

use super::city::{COUNTIES, NEIGHBOURS};
use super::levels::{ABSENT, FEVER, ILI, Levels, PUPIL_SIGNALS};

/// A baseline of seven days behind a guard of two.
const BASELINE: usize = 7;
const GUARD: usize = 2;
const SD_MIN: f64 = 0.5;
/// Above this C2 alarms.
pub const C2_ALARM: f64 = 3.0;
/// Above this C3 alarms.
pub const C3_ALARM: f64 = 2.0;
/// Above this in two neighbours `neighbours_rising` alarms.
const C2_RISEN: f64 = 2.0;
/// Counts below this never alarm.
const COUNT_MIN: u32 = 3;

/// One series of a county.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Series {
    Visits,
    Fever,
    ClinicIli,
    /// By signal: antipyretic, cough, antiviral, antibiotic, other.
    Sale(usize),
    /// By index of `PUPIL_SIGNALS`.
    Pupil(usize),
}

impl Series {
    pub const CLINIC: [Self; 3] = [Self::Visits, Self::Fever, Self::ClinicIli];
    pub const PHARMACY: [Self; 5] = [Self::Sale(0), Self::Sale(1), Self::Sale(2), Self::Sale(3), Self::Sale(4)];

    /// All series of schools.
    pub fn school() -> impl Iterator<Item = Self> {
        (0..PUPIL_SIGNALS.len()).map(Self::Pupil)
    }

    pub fn all() -> Vec<Self> {
        Self::CLINIC.into_iter().chain(Self::PHARMACY).chain(Self::school()).collect()
    }

    pub const fn is_of_pupils(self) -> bool {
        matches!(self, Self::Pupil(_))
    }

    /// The feed that reports it.
    pub const fn feed(self) -> &'static str {
        match self {
            Self::Visits | Self::Fever | Self::ClinicIli => "fever_clinic",
            Self::Sale(_) => "pharmacy",
            Self::Pupil(_) => "school",
        }
    }

    /// The signal id.
    pub fn signal(self) -> &'static str {
        match self {
            Self::Visits => "clinic_visit",
            Self::Fever => "fever_visit",
            Self::ClinicIli => "ili_visit",
            Self::Sale(signal) => SALE_SIGNALS.get(signal).copied().unwrap_or("sale_other"),
            Self::Pupil(signal) => PUPIL_SIGNALS.get(signal).copied().unwrap_or("school_other"),
        }
    }
}

/// Signals of sales; a compound cold medicine counts in the first two.
pub const SALE_SIGNALS: [&str; 5] =
    ["sale_antipyretic", "sale_cough", "sale_antiviral", "sale_antibiotic", "sale_other"];

impl Levels {
    /// The county's count of a series on a day, as the authoritative kinds report it.
    pub fn county(&self, series: Series, county: usize, day: usize) -> u32 {
        let city = &*self.city;
        match series {
            Series::Visits | Series::Fever | Series::ClinicIli => (city.clinics.iter().zip(&self.clinics[day]))
                .filter(|(clinic, _)| clinic.county == county)
                .map(|(_, at)| match series {
                    Series::Visits => at.visits,
                    Series::Fever => at.fever,
                    _ => at.ili,
                })
                .sum(),
            Series::Sale(signal) => (city.pharmacies.iter().zip(&self.pharmacies[day]))
                .filter(|(pharmacy, _)| pharmacy.county == county)
                .map(|(_, units)| match signal {
                    0 | 1 => units[signal] + units[4],
                    2 | 3 => units[signal],
                    _ => units[5],
                })
                .sum(),
            Series::Pupil(signal) => (city.schools.iter())
                .filter(|school| school.county == county)
                // Pupil events say nothing of absence and do not know the ILI definition.
                .filter(|school| !school.by_pupil || (signal != ABSENT && signal != ILI))
                .flat_map(|school| school.classes.clone())
                .map(|class| u32::from(self.classes[day][class][signal]))
                .sum(),
        }
    }

    /// The days of a series up to `day`, oldest first: every day, or the open days of schools.
    fn history(&self, series: Series, county: usize, day: usize) -> Vec<u32> {
        let mut counts: Vec<u32> = (0..=day)
            .rev()
            .filter(|&past| !matches!(series, Series::Pupil(_)) || self.open[past])
            .take(BASELINE + GUARD + 3)
            .map(|past| self.county(series, county, past))
            .collect();
        counts.reverse();
        counts
    }

    /// C2 of a day, where the baseline is whole.
    pub fn c2(&self, series: Series, county: usize, day: usize) -> Option<f64> {
        let (mean, sd, observed) = self.baseline(series, county, day)?;
        Some((f64::from(observed) - mean) / sd)
    }

    /// Mean, sd and today's count.
    pub fn baseline(&self, series: Series, county: usize, day: usize) -> Option<(f64, f64, u32)> {
        if matches!(series, Series::Pupil(_)) && !self.open[day] {
            return None;
        }
        baseline_at_end(&self.history(series, county, day))
    }

    /// C3 of a day: what the last three days' C2 exceed 1 by.
    pub fn c3(&self, series: Series, county: usize, day: usize) -> Option<f64> {
        let counts = self.history(series, county, day);
        let above = |back: usize| {
            let (mean, sd, observed) = baseline_at_end(counts.get(..counts.len().checked_sub(back)?)?)?;
            Some(((f64::from(observed) - mean) / sd - 1.0).max(0.0))
        };
        // Days before the first whole baseline exceed nothing.
        Some(above(0)? + above(1).unwrap_or(0.0) + above(2).unwrap_or(0.0))
    }

    /// How many statistical rules alarm for this series on this day, of their own accord: what C3 carries over from the
    /// days before is not counted again.
    pub fn new_alarms(&self, series: Series, county: usize, day: usize) -> usize {
        let Some((mean, sd, observed)) = self.baseline(series, county, day) else { return 0 };
        let c2 = (f64::from(observed) - mean) / sd;
        let judged = match series {
            Series::Fever => true,
            // Antiviral is the last that the rules judge.
            Series::Sale(signal) => signal <= 2,
            Series::Pupil(signal) => (FEVER..PUPIL_SIGNALS.len() - 1).contains(&signal),
            Series::Visits | Series::ClinicIli => false,
        };
        if !judged || observed < COUNT_MIN {
            return 0;
        }
        let ramp = series == Series::Fever
            && self.c3(series, county, day).is_some_and(|sum| sum > C3_ALARM && sum - (c2 - 1.0).max(0.0) <= C3_ALARM);
        usize::from(c2 > C2_ALARM) + usize::from(ramp)
    }

    /// Does the county rise enough to corroborate a neighbour?
    pub fn risen(&self, county: usize, day: usize) -> bool {
        self.county(Series::Fever, county, day) >= COUNT_MIN
            && self.c2(Series::Fever, county, day).is_some_and(|c2| c2 > C2_RISEN)
    }

    /// Does it rise together with a neighbour, within the three days up to this one?
    pub fn rises_with_neighbour(&self, county: usize, day: usize) -> bool {
        let recently = |of| (day.saturating_sub(2)..=day).any(|past| self.risen(of, past));
        recently(county) && neighbours(county).any(recently)
    }
}

/// The counties that touch this one.
pub fn neighbours(county: usize) -> impl Iterator<Item = usize> {
    (0..COUNTIES).filter(move |other| {
        *other != county && NEIGHBOURS.iter().any(|three| three.contains(&county) && three.contains(other))
    })
}

fn baseline_at_end(counts: &[u32]) -> Option<(f64, f64, u32)> {
    let (&observed, before) = counts.split_last()?;
    let window = before.get(before.len().checked_sub(BASELINE + GUARD)?..before.len() - GUARD)?;
    let (sum, squares) =
        window.iter().fold((0_u64, 0_u64), |(s, q), &x| (s + u64::from(x), q + u64::from(x) * u64::from(x)));
    let (sum, squares, n) = (sum as f64, squares as f64, BASELINE as f64);
    let sd = ((squares - sum * sum / n).max(0.0) / (n - 1.0)).sqrt().max(SD_MIN);
    Some((sum / n, sd, observed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c2_of_the_reference_scenario() {
        let (mean, sd, observed) = baseline_at_end(&[18, 22, 20, 19, 24, 21, 17, 20, 23, 41]).unwrap();
        assert!((mean - 20.143).abs() < 1e-3 && (sd - 2.410).abs() < 1e-3);
        assert!(((f64::from(observed) - mean) / sd - 8.653).abs() < 1e-3);
        assert!(baseline_at_end(&[1, 2, 3, 4, 5, 6, 7, 8, 9]).is_none());
    }
}
