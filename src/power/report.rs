//! What was measured, with what it was measured on; as CSV and as JSON.
//!
//! Promises: CSV has one row a scenario, fpr to four digits and pod to three; JSON has every measure unrounded.
//! Never: writes NaN: a measure without a denominator is empty, in JSON null.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::figures::{Counts, Figures};
use super::{Calendar, Group, SIZES, Scenario, Series, Simulation};

/// A finished measurement.
pub struct Report {
    /// The method and its parameters, as they were asked for.
    pub method: String,
    /// Name of the simulation, with its seed where it was drawn.
    pub simulation: String,
    pub calendar: Calendar,
    pub scenarios: Vec<(Scenario, Counts)>,
    /// Of a rule: its id, the edition, and the digest of what was judged.
    pub rule: Option<(String, String, String)>,
}

impl Report {
    pub fn new(method: &str, parameters: &[String], simulation: &Simulation, counts: Vec<Counts>) -> Self {
        let seed = match &simulation.series {
            Series::Read(_) => String::new(),
            Series::Drawn { seed, .. } => format!(", seed {seed}"),
        };
        Self {
            method: std::iter::once(method).chain(parameters.iter().map(String::as_str)).collect::<Vec<_>>().join(" "),
            simulation: format!("{}{seed}", simulation.name),
            calendar: simulation.calendar,
            scenarios: simulation.scenarios.iter().copied().zip(counts).collect(),
            rule: None,
        }
    }

    fn sum<'a>(&self, counts: impl Iterator<Item = &'a Counts>) -> Counts {
        let mut sum = Counts::default();
        counts.for_each(|counts| sum += counts);
        sum
    }

    pub fn series(&self) -> u64 {
        self.scenarios.iter().map(|(_, counts)| counts.series).sum()
    }

    /// Counts of all scenarios together, divided once.
    pub fn overall(&self) -> Figures {
        self.sum(self.scenarios.iter().map(|(_, counts)| counts)).figures(self.calendar.periods_a_week)
    }

    /// The same for each group of scenarios.
    pub fn groups(&self) -> Vec<(Group, Figures)> {
        let mut groups: BTreeMap<Group, Vec<&Counts>> = BTreeMap::new();
        for (scenario, counts) in &self.scenarios {
            groups.entry(scenario.group()).or_default().push(counts);
        }
        let figures = |counts: Vec<&Counts>| self.sum(counts.into_iter()).figures(self.calendar.periods_a_week);
        groups.into_iter().map(|(group, counts)| (group, figures(counts))).collect()
    }

    /// `method, scenario, fpr, pod_k1 … pod_k10`.
    pub fn csv(&self) -> String {
        let sizes: Vec<String> = (1..=SIZES).map(|k| format!("pod_k{k}")).collect();
        let mut text = format!("method,scenario,fpr,{}\n", sizes.join(","));
        for (scenario, counts) in &self.scenarios {
            let figures = counts.figures(self.calendar.periods_a_week);
            let pod: Vec<String> = figures.pod.iter().map(|pod| digits(*pod, 3)).collect();
            let method = self.method.replace('"', "\"\"");
            text += &format!("\"{method}\",{},{},{}\n", scenario.number, digits(figures.fpr, 4), pod.join(","));
        }
        text
    }

    pub fn json(&self) -> Value {
        let scenarios = self.scenarios.iter().map(|(scenario, counts)| {
            let mut told = measures(&counts.figures(self.calendar.periods_a_week));
            told["scenario"] = json!(scenario.number);
            told["trend"] = json!(scenario.trend);
            told["season"] = json!(scenario.harmonics > 0);
            told["series"] = json!(counts.series);
            told
        });
        let groups = self.groups().into_iter().map(|(group, figures)| {
            let mut told = measures(&figures);
            told["trend"] = json!(group.trend);
            told["season"] = json!(group.season);
            told
        });
        let mut told = json!({
            "method": self.method,
            "simulation": self.simulation,
            "period": if self.calendar.is_daily() { "day" } else { "week" },
            "test_periods": self.calendar.test,
            "series": self.series(),
            "overall": measures(&self.overall()),
            "groups": groups.collect::<Vec<_>>(),
            "scenarios": scenarios.collect::<Vec<_>>(),
        });
        if let Some((rule, pack, digest)) = &self.rule {
            told["rule"] = json!(rule);
            told["pack"] = json!(pack);
            told["digest"] = json!(digest);
        }
        told
    }
}

fn measures(figures: &Figures) -> Value {
    json!({
        "fpr": known(figures.fpr),
        "alarms_per_area_week": known(figures.alarms_per_area_week),
        "pod": figures.pod.map(known),
        "pod_mean_k1_10": known(figures.pod_mean),
        "pod_first": known(figures.pod_first),
        "mean_delay": known(figures.mean_delay),
        "sensitivity": known(figures.sensitivity),
        "specificity": known(figures.specificity),
        "npv": known(figures.npv),
        "ppv": known(figures.ppv),
        "f1": known(figures.f1),
    })
}

fn known(value: f64) -> Option<f64> {
    value.is_finite().then_some(value)
}

/// Rounded to so many digits; empty where there is no number.
fn digits(value: f64, digits: usize) -> String {
    known(value).map_or_else(String::new, |value| format!("{value:.digits$}"))
}
