//! Expected cases from a census: strata and a population that changes.
//!
//! Promises: indirect standardisation as in SaTScan: one rate a stratum for the whole map and period; between two census
//! days the population changes in a straight line, before the first and after the last it stays.

use std::collections::BTreeMap;

/// Population of a place and stratum on a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Census {
    pub place: usize,
    pub stratum: usize,
    /// Any count of days, the same as in `starts`.
    pub day: i64,
    pub population: f64,
}

/// Numbers proportional to the expected cases, place-major, one an interval. `cases` by stratum; `starts` the first day
/// of each interval and the day after the last.
///
/// Fails where a stratum has cases but nobody lives in it, or a population is no count.
pub fn expected_cells(census: &[Census], cases: &[f64], places: usize, starts: &[i64]) -> Result<Vec<f64>, String> {
    let intervals = starts.len().saturating_sub(1);
    let mut days: Vec<i64> = census.iter().map(|one| one.day).collect();
    days.sort_unstable();
    days.dedup();
    if days.is_empty() {
        return Err("population is empty: at least one number is needed".to_owned());
    }
    // By interval and census day: person-days that one person of that day stands for.
    let weights: Vec<Vec<f64>> = starts.windows(2).map(|ends| day_weights(&days, ends[0], ends[1])).collect();
    let whole: Vec<f64> = (0..days.len()).map(|day| weights.iter().map(|row| row[day]).sum()).collect();
    let mut person_days = vec![0.0; cases.len()];
    for one in census {
        if !one.population.is_finite() || one.population < 0.0 {
            return Err(format!("population {} of place {}: 0 or more is allowed", one.population, one.place));
        }
        let day = days.partition_point(|&day| day < one.day);
        if let Some(sum) = person_days.get_mut(one.stratum) {
            *sum += one.population * whole[day];
        }
    }
    let mut rates = Vec::with_capacity(cases.len());
    for (stratum, (&count, &sum)) in cases.iter().zip(&person_days).enumerate() {
        if count > 0.0 && sum <= 0.0 {
            return Err(format!("stratum {stratum} has {count} cases but no population"));
        }
        rates.push(if count > 0.0 { count / sum } else { 0.0 });
    }
    let mut adjusted: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    for one in census {
        let day = days.partition_point(|&day| day < one.day);
        let rate = rates.get(one.stratum).copied().unwrap_or(0.0);
        *adjusted.entry((one.place, day)).or_default() += rate * one.population;
    }
    let mut cells = vec![0.0; places * intervals];
    for ((place, day), sum) in adjusted {
        for (interval, row) in weights.iter().enumerate() {
            if let Some(cell) = cells.get_mut(place * intervals + interval) {
                *cell += sum * row[day];
            }
        }
    }
    Ok(cells)
}

/// By census day, the integral over `from..until` of its part in the straight lines between census days.
fn day_weights(days: &[i64], from: i64, until: i64) -> Vec<f64> {
    let mut weights = vec![0.0; days.len()];
    let inside = days.iter().copied().filter(|&day| day > from && day < until);
    let stops: Vec<i64> = std::iter::once(from).chain(inside).chain(std::iter::once(until)).collect();
    for ends in stops.windows(2) {
        let half = (ends[1] - ends[0]) as f64 / 2.0;
        for &end in ends {
            let next = days.partition_point(|&day| day <= end);
            if next == 0 || next == days.len() {
                weights[next.saturating_sub(1)] += half;
                continue;
            }
            let part = (end - days[next - 1]) as f64 / (days[next] - days[next - 1]) as f64;
            weights[next - 1] += half * (1.0 - part);
            weights[next] += half * part;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_population_changes_in_a_straight_line() {
        let at = |day, population| Census { place: 0, stratum: 0, day, population };
        let cells = expected_cells(&[at(0, 100.0), at(10, 200.0)], &[1.0], 1, &[-5, 0, 5, 10, 20]).unwrap();
        let scale = 1.0 / cells[0];
        let shares: Vec<f64> = cells.iter().map(|cell| cell * scale).collect();
        for (share, right) in shares.iter().zip([1.0, 1.25, 1.75, 4.0]) {
            assert!((share - right).abs() < 1e-12, "{shares:?}");
        }
        assert!((cells.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_stratum_with_cases_needs_people() {
        let census = [Census { place: 0, stratum: 0, day: 0, population: 5.0 }];
        assert!(expected_cells(&census, &[1.0, 2.0], 1, &[0, 1]).is_err());
        assert!(expected_cells(&[], &[1.0], 1, &[0, 1]).is_err());
    }
}
