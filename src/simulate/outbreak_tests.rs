//! Promises about outbreaks: planted ones cross their rules, and nothing else does.

use std::collections::{BTreeMap, BTreeSet};

use super::ledger::{MessageLine, Planted, TrueRow};
use super::tests::{options, run};
use super::*;

fn planted(simulation: &Simulation) -> Vec<Planted> {
    let lines = simulation.header_lines().into_iter();
    lines.filter_map(|line| if let LedgerLine::Planted(planted) = line { Some(planted) } else { None }).collect()
}

/// The rows of the winning statement of every record, by a reading of the ledger alone.
fn winners(lines: &[MessageLine]) -> Vec<(&MessageLine, &TrueRow)> {
    let mut state: BTreeMap<(&str, &str, &str), &MessageLine> = BTreeMap::new();
    for line in lines {
        let Some(record) = &line.record else { continue };
        let slot = state.entry((&line.feed, &line.kind, record)).or_insert(line);
        if (line.revision, line.reported_at, line.offset) > (slot.revision, slot.reported_at, slot.offset) {
            *slot = line;
        }
    }
    let standing = state.into_values().filter(|line| line.operation != "retract");
    standing.flat_map(|line| line.rows.iter().map(move |row| (line, row))).collect()
}

/// Cells of a class, by sessions' greatest or by distinct pupils, of the authoritative kind.
fn class_cells(simulation: &Simulation, lines: &[MessageLine]) -> BTreeMap<(String, String, i32), i64> {
    let authoritative: BTreeMap<String, String> = registers::facility_lines(&simulation.city)
        .into_iter()
        .map(|line| (line.facility_id, line.authoritative))
        .collect();
    let mut sessions: BTreeMap<(String, String, i32), i64> = BTreeMap::new();
    let mut pupils: BTreeMap<(String, String, i32), BTreeSet<String>> = BTreeMap::new();
    for (line, row) in winners(lines) {
        if line.feed != "school" || authoritative[&line.facility_id] != format!("school/{}", line.kind) {
            continue;
        }
        let cell = (row.unit_id.clone(), row.signal.clone(), Day::parse(&row.event_date).unwrap().0);
        match &row.person {
            Some(person) => {
                pupils.entry(cell).or_default().insert(person.clone());
            }
            None => {
                let count = sessions.entry(cell).or_default();
                *count = (*count).max(row.value);
            }
        }
    }
    sessions.extend(pupils.into_iter().map(|(cell, who)| (cell, who.len() as i64)));
    sessions
}

const SIMILAR: [&str; 7] = [
    "school_fever",
    "school_respiratory",
    "school_gi",
    "school_rash",
    "school_parotitis",
    "school_conjunctivitis",
    "school_jaundice",
];

#[test]
fn threshold_rules_fire_where_planted_and_nowhere_else() {
    for seed in [21, 22, 23] {
        let (simulation, _, lines) = run(options(seed, 30, 0.1));
        let cells = class_cells(&simulation, &lines);
        let at =
            |unit: &str, signal: &str, day: i32| cells.get(&(unit.into(), signal.into(), day)).copied().unwrap_or(0);
        let mut fired: BTreeSet<(String, String, String)> = BTreeSet::new();
        let mut weeks: BTreeMap<(String, i32), i64> = BTreeMap::new();
        for ((unit, signal, day), count) in &cells {
            if SIMILAR.contains(&signal.as_str()) {
                if *count >= 3 {
                    fired.insert(("school_class_1d3".into(), unit.clone(), signal.clone()));
                }
                if *count > 0 && (day - 2..=*day).map(|day| at(unit, signal, day)).sum::<i64>() >= 5 {
                    fired.insert(("school_class_3d5".into(), unit.clone(), signal.clone()));
                }
            }
            if signal == "school_ili" {
                for end in *day..day + 7 {
                    *weeks.entry((unit.split('/').next().unwrap().into(), end)).or_default() += count;
                }
            }
        }
        for ((school, _), _) in weeks.iter().filter(|(_, pupils)| **pupils >= 10) {
            fired.insert(("school_ili_7d10".into(), school.clone(), "school_ili".into()));
        }
        for (line, row) in winners(&lines).into_iter().filter(|(_, row)| row.signal == "customs_symptomatic") {
            let county: String = row.area_code.chars().take(6).collect();
            fired.insert(("customs_symptomatic".into(), format!("{}@{county}", line.facility_id), row.signal.clone()));
        }
        let wanted: BTreeSet<_> = planted(&simulation)
            .into_iter()
            .filter(|line| {
                line.rule.starts_with("school_class")
                    || line.rule == "school_ili_7d10"
                    || line.rule == "customs_symptomatic"
            })
            .map(|line| {
                let port = if line.kind == "imported_case" { format!("@{}", line.area_code) } else { String::new() };
                (line.rule, line.unit_id + &port, line.signal)
            })
            .collect();
        assert_eq!(fired, wanted, "seed {seed}");
        assert!(wanted.iter().any(|(rule, ..)| rule == "school_class_1d3"), "seed {seed}");
        assert!(wanted.iter().any(|(rule, ..)| rule == "school_class_3d5"), "seed {seed}");
    }
}

#[test]
fn every_kind_of_outbreak_is_planted_and_none_is_unplanned() {
    for seed in 31..45 {
        let simulation = Simulation::new(options(seed, 30, 1.0));
        let kinds: BTreeSet<String> = planted(&simulation).into_iter().map(|line| line.kind).collect();
        for kind in
            ["class_cluster", "county_ili", "neighbours", "imported_case", "slow_ramp", "notifiable_case", "silence"]
        {
            assert!(kinds.contains(kind), "seed {seed} lacks {kind}: {kinds:?}");
        }
        assert!(!kinds.contains("unplanned"), "seed {seed}: {:?}", planted(&simulation));
        assert!(kinds.contains("school_ili") && kinds.contains("school_absence"), "seed {seed}: {kinds:?}");
    }
}

/// C2 by the textbook, over a slice that ends today.
fn c2(counts: &[i64]) -> f64 {
    let base: Vec<f64> = counts[counts.len() - 10..counts.len() - 3].iter().map(|count| *count as f64).collect();
    let mean = base.iter().sum::<f64>() / 7.0;
    let sd = (base.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / 6.0).sqrt().max(0.5);
    (counts[counts.len() - 1] as f64 - mean) / sd
}

#[test]
fn planted_rises_cross_their_statistic_in_what_is_sent() {
    for seed in [51, 52, 53] {
        let (simulation, _, lines) = run(options(seed, 30, 0.2));
        let authoritative: BTreeMap<String, String> = registers::facility_lines(&simulation.city)
            .into_iter()
            .map(|line| (line.facility_id, line.authoritative))
            .collect();
        let mut daily: BTreeMap<(String, &str), Vec<i64>> = BTreeMap::new();
        let start = simulation.options.start;
        for (line, row) in winners(&lines) {
            if authoritative.get(&line.facility_id) == Some(&format!("{}/{}", line.feed, line.kind))
                && line.feed != "school"
            {
                let county: String = row.area_code.chars().take(6).collect();
                let days = daily.entry((county, &row.signal)).or_insert_with(|| vec![0; 30]);
                days[(Day::parse(&row.event_date).unwrap().0 - start.0) as usize] += row.value;
            }
        }
        for line in planted(&simulation) {
            let onset = (Day::parse(&line.onset).unwrap().0 - start.0) as usize;
            let until = (Day::parse(&line.until).unwrap().0 - start.0) as usize;
            let at = |signal: &str, day: usize| c2(&daily[&(line.area_code.clone(), signal)][..=day]);
            match line.rule.as_str() {
                "multi_channel" => assert!(at("fever_visit", onset) > 3.0 && at("sale_cough", onset) > 3.0, "{line:?}"),
                "neighbours_rising" => assert!(at("fever_visit", onset) > 3.0, "{line:?}"),
                "fever_clinic_c3" => {
                    let c3 =
                        |day: usize| (0..3).map(|back| (at("fever_visit", day - back) - 1.0).max(0.0)).sum::<f64>();
                    assert!((onset..=until).any(|day| c3(day) > 2.0), "{line:?}");
                }
                _ => {}
            }
            if matches!(line.rule.as_str(), "multi_channel" | "neighbours_rising" | "fever_clinic_c3") {
                assert!(onset >= 12, "{line:?}");
                for signal in ["fever_visit", "sale_cough", "sale_antipyretic", "ili_visit"] {
                    assert!((onset..=until).all(|day| at(signal, day) <= 6.0), "{line:?} {signal}");
                }
            }
        }
    }
}

/// First days of runs of firing days that lie at most `gap` apart.
fn starts(fires: impl Iterator<Item = bool>, gap: usize) -> Vec<usize> {
    let days: Vec<usize> = fires.enumerate().filter(|(_, fires)| *fires).map(|(day, _)| day).collect();
    (0..days.len()).filter(|n| *n == 0 || days[*n] - days[n - 1] > gap).map(|n| days[n]).collect()
}

/// Days on which the statistical rules open an alert in a county.
fn statistical_alerts(levels: &Levels, county: usize) -> Vec<usize> {
    use series::Series;
    let days = levels.open.len();
    let high = |series| {
        move |day: usize| {
            levels.county(series, county, day) >= 3 && levels.c2(series, county, day).is_some_and(|c2| c2 > 3.0)
        }
    };
    let c3 = |day: usize| levels.c3(Series::Fever, county, day).is_some_and(|c3| c3 > 2.0);
    let mut alerts = starts((0..days).map(high(Series::Fever)), 1);
    alerts.extend(starts((0..days).map(c3), 1));
    alerts.extend(starts((0..days).map(|day| levels.rises_with_neighbour(county, day)), 2));
    for signal in 0..3 {
        alerts.extend(starts((0..days).map(high(Series::Sale(signal))), 1));
    }
    for signal in 2..9 {
        alerts.extend(starts((0..days).map(high(Series::Pupil(signal))), 3));
    }
    alerts.sort_unstable();
    alerts
}

#[test]
fn a_county_has_at_most_two_unplanted_statistical_alerts_a_week() {
    for (seed, is_planted) in [(71, false), (72, true), (73, true), (74, true), (75, true)] {
        let simulation = Simulation::new(Options { planted: is_planted, ..options(seed, 42, 1.0) });
        let start = simulation.options.start.0;
        let lines = planted(&simulation);
        let mut total = 0;
        for county in 0..city::COUNTIES {
            let mut alerts = statistical_alerts(&simulation.levels, county);
            alerts.retain(|day| {
                let day = *day as i32 + start;
                !lines.iter().filter(|line| line.area_code == county_code(county)).any(|line| {
                    let of = |text: &str| Day::parse(text).unwrap().0;
                    of(&line.onset) - 2 <= day && day <= of(&line.until) + 3
                })
            });
            total += alerts.len();
            let crowded = alerts.windows(3).find(|three| three[2] - three[0] < 7);
            assert!(crowded.is_none(), "seed {seed}, county {county}: {alerts:?}");
        }
        assert!(total > 0, "the background is not scrubbed clean");
        println!("seed {seed}: {total} unplanted statistical alerts in six weeks");
    }
}
