//! Facilities that fall silent: nothing at all comes from them for some days.
//!
//! Promises: never the port and never the only clinic of a county, so that a feed is not silent with them.

use std::collections::BTreeMap;

use super::chance::Chance;
use super::city::City;
use super::rhythm::Calendar;
use crate::terms::Day;

/// One silence, in days of the run, both included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    pub facility_id: String,
    pub feed: &'static str,
    pub county: usize,
    pub from: usize,
    pub to: usize,
}

/// All silences of a run.
#[derive(Clone, Debug, Default)]
pub struct Silences {
    pub all: Vec<Quiet>,
    by_facility: BTreeMap<String, Vec<(usize, usize)>>,
}

impl Silences {
    /// Two pharmacies, a school and a second clinic in every three weeks.
    pub fn drawn(city: &City, calendar: &Calendar, seed: u64, start: Day, days: usize) -> Self {
        let mut silences = Self::default();
        let rounds = (days / 21).max(usize::from(days >= 4));
        for round in 0..rounds {
            let mut chance = Chance::of(seed, "silences", round as u64, 0);
            let first = round * days / rounds.max(1);
            let last = ((round + 1) * days / rounds.max(1)).saturating_sub(2);
            for number in 0..4 {
                let (facility_id, feed, county) = match number {
                    0 | 1 => {
                        let of = &city.pharmacies[chance.below(city.pharmacies.len())];
                        (of.id.clone(), "pharmacy", of.county)
                    }
                    2 => {
                        let of = &city.schools[chance.below(city.schools.len())];
                        (of.id.clone(), "school", of.county)
                    }
                    _ => {
                        let seconds: Vec<_> = city.clinics.iter().filter(|clinic| clinic.id.ends_with("02")).collect();
                        let of = seconds[chance.below(seconds.len())];
                        (of.id.clone(), "fever_clinic", of.county)
                    }
                };
                let from = chance.between(first as i64 + 1, (last as i64).max(first as i64 + 1)) as usize;
                let to = (from + chance.below(3)).min(days.saturating_sub(2));
                let seen = (from..=to).any(|day| feed != "school" || calendar.school_open(start.plus(day as i32)));
                if from <= to && seen && !silences.by_facility.contains_key(&facility_id) {
                    silences.add(Quiet { facility_id, feed, county, from, to });
                }
            }
        }
        silences
    }

    fn add(&mut self, quiet: Quiet) {
        self.by_facility.entry(quiet.facility_id.clone()).or_default().push((quiet.from, quiet.to));
        self.all.push(quiet);
    }

    pub fn covers(&self, facility_id: &str, day: usize) -> bool {
        self.by_facility
            .get(facility_id)
            .is_some_and(|spans| spans.iter().any(|(from, to)| (*from..=*to).contains(&day)))
    }
}
