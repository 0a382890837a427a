//! Numbers that the process keeps about itself, and their text for Prometheus.
//!
//! Promises: every family is shown with HELP and TYPE, series or not; a family that would grow without end stops at a
//! limit and says how many reports it left out.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::families::{self, Family, Kind};

/// Series of one family. A nation's feeds have a few hundred partitions; more would hurt whoever stores them.
const SERIES_MAX: usize = 2_000;

#[derive(Clone, Debug, PartialEq)]
enum Value {
    Number(f64),
    Buckets { counts: Vec<u64>, sum: f64 },
}

type Series = BTreeMap<Vec<String>, Value>;

/// All series of this process.
#[derive(Default)]
pub struct Metrics(Mutex<BTreeMap<&'static str, Series>>);

impl Metrics {
    /// Adds to a counter.
    pub fn add(&self, family: &Family, labels: &[&str], more: f64) {
        self.change(family, labels, |value| {
            if let Value::Number(number) = value {
                *number += more;
            }
        });
    }

    /// Sets a gauge, or a counter that somebody else counts.
    pub fn set(&self, family: &Family, labels: &[&str], to: f64) {
        self.change(family, labels, |value| *value = Value::Number(to));
    }

    /// Sets all series of a gauge at once: what is not named is gone.
    pub fn replace(&self, family: &Family, series: impl IntoIterator<Item = (Vec<String>, f64)>) {
        let series = series.into_iter().take(SERIES_MAX).map(|(labels, value)| (labels, Value::Number(value)));
        self.all().insert(family.name, series.collect());
    }

    /// Counts a duration.
    pub fn time(&self, family: &Family, labels: &[&str], seconds: f64) {
        self.change(family, labels, |value| {
            let (Value::Buckets { counts, sum }, Kind::Histogram(bounds)) = (value, family.kind) else { return };
            let bucket = bounds.iter().position(|bound| seconds <= *bound).unwrap_or(bounds.len());
            counts[bucket] += 1;
            *sum += seconds;
        });
    }

    fn change(&self, family: &Family, labels: &[&str], act: impl FnOnce(&mut Value)) {
        let labels: Vec<String> = labels.iter().map(|label| (*label).to_owned()).collect();
        let mut all = self.all();
        let series = all.entry(family.name).or_default();
        if series.len() < SERIES_MAX || series.contains_key(&labels) {
            act(series.entry(labels).or_insert_with(|| empty(family.kind)));
        }
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<&'static str, Series>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that Prometheus reads (exposition format 0.0.4).
    pub fn text(&self) -> String {
        let all = self.all();
        let mut text = String::new();
        for family in families::ALL {
            let kind = match family.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram(_) => "histogram",
            };
            put(&mut text, format_args!("# HELP {} {}\n# TYPE {} {kind}\n", family.name, family.en, family.name));
            for (labels, value) in all.get(family.name).into_iter().flatten() {
                show(&mut text, family, labels, value);
            }
        }
        text
    }
}

fn empty(kind: Kind) -> Value {
    match kind {
        Kind::Counter | Kind::Gauge => Value::Number(0.0),
        Kind::Histogram(bounds) => Value::Buckets { counts: vec![0; bounds.len() + 1], sum: 0.0 },
    }
}

fn show(text: &mut String, family: &Family, labels: &[String], value: &Value) {
    let mut pairs: Vec<String> =
        family.labels.iter().zip(labels).map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
    match (value, family.kind) {
        (Value::Buckets { counts, sum }, Kind::Histogram(bounds)) => {
            let shown = braced(&pairs);
            let mut below = 0;
            for (count, bound) in counts.iter().zip(bounds.iter().map(f64::to_string).chain(["+Inf".to_owned()])) {
                below += count;
                pairs.push(format!("le=\"{bound}\""));
                put(text, format_args!("{}_bucket{} {below}\n", family.name, braced(&pairs)));
                pairs.pop();
            }
            put(text, format_args!("{0}_sum{shown} {sum}\n{0}_count{shown} {below}\n", family.name));
        }
        (Value::Number(number), _) => put(text, format_args!("{}{} {number}\n", family.name, braced(&pairs))),
        (Value::Buckets { .. }, _) => {}
    }
}

fn braced(pairs: &[String]) -> String {
    if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) }
}

fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // A String takes everything: its `write_fmt` has no way to fail.
    let _ = text.write_fmt(arguments);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(metrics: &Metrics, family: &Family) -> Vec<String> {
        let start = |line: &&str| line.starts_with(family.name);
        metrics.text().lines().filter(start).map(str::to_owned).collect()
    }

    #[test]
    fn a_duration_is_counted_in_every_bucket_that_it_fits_and_in_the_sum() {
        let metrics = Metrics::default();
        [0.005, 0.3, 90.0]
            .into_iter()
            .for_each(|seconds| metrics.time(&families::COMMIT_SECONDS, &["signals"], seconds));
        let lines = lines(&metrics, &families::COMMIT_SECONDS);
        let bucket =
            |le: &str, count: u32| format!("qianshao_commit_seconds_bucket{{table=\"signals\",le=\"{le}\"}} {count}");
        for expected in [bucket("0.005", 1), bucket("0.25", 1), bucket("0.5", 2), bucket("60", 2), bucket("+Inf", 3)] {
            assert!(lines.contains(&expected), "{expected} in {lines:?}");
        }
        assert!(lines.contains(&"qianshao_commit_seconds_sum{table=\"signals\"} 90.305".to_owned()), "{lines:?}");
        assert!(lines.contains(&"qianshao_commit_seconds_count{table=\"signals\"} 3".to_owned()), "{lines:?}");
    }

    #[test]
    fn a_family_that_would_grow_without_end_stops_at_its_limit() {
        let metrics = Metrics::default();
        for n in 0..SERIES_MAX + 5 {
            metrics.add(&families::CONSUMED, &[&n.to_string()], 1.0);
            metrics.add(&families::CONSUMED, &["0"], 1.0);
        }
        let lines = lines(&metrics, &families::CONSUMED);
        assert_eq!(lines.len(), SERIES_MAX);
        assert!(lines.contains(&format!("qianshao_messages_consumed_total{{topic=\"0\"}} {}", SERIES_MAX + 6)));
    }

    #[test]
    fn what_a_gauge_no_longer_names_is_gone_and_a_label_cannot_break_a_line() {
        let metrics = Metrics::default();
        let at = |topic: &str| vec![topic.to_owned(), "0".to_owned()];
        metrics.replace(&families::LAG, [(at("a"), 1.0), (at("b"), 2.0)]);
        metrics.replace(&families::LAG, [(at("b\"\n\\"), 3.0)]);
        assert_eq!(lines(&metrics, &families::LAG), [r#"qianshao_lag_messages{topic="b\"\n\\",partition="0"} 3"#]);
    }

    #[test]
    fn names_follow_the_conventions_and_stand_once() {
        let mut names = std::collections::BTreeSet::new();
        for family in families::ALL {
            assert!(names.insert(family.name), "{} stands twice", family.name);
            let is_ours = family.name.starts_with("qianshao_") || family.name.starts_with("process_");
            let is_counter = family.kind == Kind::Counter;
            assert!(is_ours && is_counter == family.name.ends_with("_total"), "{}", family.name);
            assert!(family.en.ends_with('.') && family.zh.ends_with('。'), "{}", family.name);
            for label in family.labels {
                assert!(!["person", "unit_id", "facility_id", "area_code"].contains(label), "{}", family.name);
            }
        }
    }
}
