//! The answer as JSON, with the fields of the reference answers.

use serde_json::{Map, Value, json};

use super::dates::Day;
use super::input::Input;
use super::{ModelName, Options};
use crate::detectors::scan::{Cluster, Coordinates, Model, Report};

/// Levels whose critical values are given.
const LEVELS: [(&str, f64); 3] = [("0.05", 0.05), ("0.01", 0.01), ("0.001", 0.001)];

pub fn json(options: &Options, input: &Input, found: &Report, seconds: f64) -> Value {
    let when = if options.prospective.is_some() { "prospective" } else { "retrospective" };
    let model = match options.model {
        ModelName::Permutation => "space-time permutation",
        ModelName::Poisson => "discrete Poisson",
    };
    let first = input.starts.first().copied().unwrap_or(Day(0));
    let clusters: Vec<Value> = found.clusters.iter().map(|cluster| cluster_json(cluster, input, found)).collect();
    json!({
        "analysis": format!("{when} space-time, high rates, {model}"),
        "study_period": format!("{first} to {}", last_day(input, input.starts.len().saturating_sub(2))),
        "time_unit": input.unit.word(),
        "locations": input.ids.len(),
        "circles": found.circles,
        "total_cases": found.total_cases,
        "cases_outside_study_period": input.outside,
        "clusters": clusters,
        "critical_values_standard_monte_carlo": critical_values(&found.maxima),
        "replications": options.replications,
        "replications_run": found.maxima.len(),
        "seed": options.seed,
        "seconds": seconds,
    })
}

fn cluster_json(cluster: &Cluster, input: &Input, found: &Report) -> Value {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    let ids: Vec<&str> = cluster.places.iter().filter_map(|&place| input.ids.get(place).map(String::as_str)).collect();
    put("location_ids", json!(ids));
    put("centre", json!(centre(&input.coordinates, cluster.centre)));
    put("radius", json!(cluster.radius_km));
    put("start", json!(input.starts.get(cluster.start).map(Day::to_string)));
    put("end", json!(last_day(input, cluster.end)));
    if let Model::Poisson(people) = &input.model {
        let sum: f64 = cluster.places.iter().filter_map(|&place| people.get(place)).sum();
        put("population", json!(sum));
    }
    let (observed, total) = (f64::from(cluster.observed), f64::from(found.total_cases));
    put("observed", json!(observed));
    put("expected", json!(cluster.expected));
    put("observed_over_expected", json!(observed / cluster.expected));
    let outside = (total - observed) / (total - cluster.expected);
    // Without cases outside the relative risk has no value.
    if input.model != Model::Permutation && outside > 0.0 {
        put("relative_risk", json!(observed / cluster.expected / outside));
    }
    put("log_likelihood_ratio", json!(cluster.log_likelihood_ratio));
    if let Some(p) = cluster.p_value {
        put("p_value", json!(p));
    }
    if let Some(p) = cluster.gumbel_p_value {
        put("gumbel_p_value", json!(p));
    }
    if let Some(intervals) = cluster.recurrence_interval {
        // Days, whatever the unit of the analysis.
        put("recurrence_interval", json!(intervals * input.unit.days()));
    }
    Value::Object(fields)
}

fn last_day(input: &Input, interval: usize) -> String {
    input.starts.get(interval + 1).map_or(String::new(), |next| Day(next.0 - 1).to_string())
}

fn centre(coordinates: &Coordinates, place: usize) -> [f64; 2] {
    let (Coordinates::Plane(pairs) | Coordinates::LatLong(pairs)) = coordinates;
    pairs.get(place).copied().unwrap_or_default()
}

/// The smallest maximum that would be significant at each level.
fn critical_values(maxima: &[f64]) -> Value {
    let mut falling = maxima.to_vec();
    falling.sort_unstable_by(|a, b| b.total_cmp(a));
    let at = |level: f64| {
        // 1e-9 because 0.05 · 1000 must be 50.
        let rank = ((maxima.len() + 1) as f64 * level + 1e-9).floor() as usize;
        rank.checked_sub(1).and_then(|n| falling.get(n).copied())
    };
    LEVELS.iter().filter_map(|(name, level)| Some(((*name).to_owned(), json!(at(*level)?)))).collect()
}
