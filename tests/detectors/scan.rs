//! Every answer of SaTScan in the reference folder, against the command.

use std::process::Command;

use serde_json::Value;

use super::table::reference;

/// Answer, then the words of the command without the folder.
const RUNS: [(&str, &str); 8] = [
    (
        "NM_spacetime_poisson_result.json",
        "--model poisson --cases NMcas.csv --geo NMgeo_latlong.csv --population NMpop.csv \
         --study-period 1973..1991-12-31",
    ),
    (
        "synthetic/city300_prospective_perm.json",
        "--model permutation --cases synthetic/city300_cases.csv.gz --geo synthetic/city300_geo.csv.gz \
         --max-window 14 --prospective 2021/2/10",
    ),
    (
        "synthetic/city300_prospective_poisson.json",
        "--model poisson --cases synthetic/city300_cases.csv.gz --geo synthetic/city300_geo.csv.gz \
         --population synthetic/city300_population.csv.gz --max-window 14 --prospective 2021-02-10",
    ),
    (
        "synthetic/city300_retrospective_perm.json",
        "--model permutation --cases synthetic/city300_cases.csv.gz --geo synthetic/city300_geo.csv.gz \
         --max-window 14 --retrospective --threads 2",
    ),
    (
        "synthetic/prov1000_prospective_perm.json",
        "--model permutation --cases synthetic/prov1000_cases.csv.gz --geo synthetic/prov1000_geo.csv.gz \
         --max-window 14 --prospective 2021/2/10 --study-period 2020/12/13..2021/2/10",
    ),
    (
        "synthetic/prov1000_prospective_poisson.json",
        "--model poisson --cases synthetic/prov1000_cases.csv.gz --geo synthetic/prov1000_geo.csv.gz \
         --population synthetic/prov1000_population.csv.gz --max-window 14 --prospective 2021/2/10",
    ),
    (
        "synthetic/nation3000_prospective_perm.json",
        "--model permutation --cases synthetic/nation3000_cases.csv.gz --geo synthetic/nation3000_geo.csv.gz \
         --max-window 7 --max-share 0.1 --prospective 2021/2/10",
    ),
    (
        "synthetic/nation3000_prospective_poisson.json",
        "--model poisson --cases synthetic/nation3000_cases.csv.gz --geo synthetic/nation3000_geo.csv.gz \
         --population synthetic/nation3000_population.csv.gz --max-window 7 --max-share 0.1 --prospective 2021/2/10",
    ),
];

/// Replicas of each run; the references have 999, and so has who sets this variable.
const VARIABLE: &str = "QIANSHAO_REPLICATIONS";

/// Ours, and how much wider than with 999 the distributions of p and of the maxima are.
fn replicas() -> (f64, f64) {
    let ours: f64 = std::env::var(VARIABLE).map_or(99.0, |text| text.parse().unwrap());
    (ours, (999.0 / ours).sqrt())
}

fn number(value: &Value, field: &str) -> f64 {
    let value = &value[field];
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or_else(|| panic!("{field}: {value}"))
}

fn ask(words: &str) -> Value {
    let folder = reference("satscan");
    let mut words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
    for n in 1..words.len() {
        if ["--cases", "--geo", "--population"].contains(&words[n - 1].as_str()) {
            words[n] = folder.join(&words[n]).display().to_string();
        }
    }
    let answer = Command::new(env!("CARGO_BIN_EXE_qianshao")).arg("scan").args(words).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    serde_json::from_slice(&answer.stdout).unwrap()
}

/// How far two answers differ.
#[derive(Default)]
struct Difference {
    values: usize,
    ratio: f64,
    expected: f64,
    p: f64,
    gumbel: f64,
}

impl Difference {
    fn cluster(&mut self, name: &str, theirs: &Value, ours: &Value) {
        let (replicas, wider) = replicas();
        for field in ["location_ids", "start", "end", "observed"] {
            assert_eq!(theirs[field], ours[field], "{name} {field}");
        }
        let ratio = (number(theirs, "log_likelihood_ratio") - number(ours, "log_likelihood_ratio")).abs();
        assert!(ratio <= 1e-6, "{name}: {theirs:#} {ours:#}");
        self.ratio = self.ratio.max(ratio);
        for (field, within) in
            [("expected", 0.005), ("observed_over_expected", 0.005), ("relative_risk", 0.005), ("population", 0.5)]
        {
            // Only constant populations are added up.
            if theirs[field].is_null() || ours[field].is_null() {
                continue;
            }
            let difference = (number(theirs, field) - number(ours, field)).abs();
            assert!(difference <= within * 1.000_001, "{name} {field}: {theirs:#} {ours:#}");
            self.values += 1;
            if field == "expected" {
                self.expected = self.expected.max(difference);
            }
        }
        // SaTScan prints two decimals or four significant digits.
        let radius = (number(theirs, "radius") - number(ours, "radius")).abs();
        assert!(radius <= 0.0051_f64.max(0.0006 * number(ours, "radius")), "{name} radius: {theirs:#} {ours:#}");
        let (p, q) = (number(theirs, "p_value"), number(ours, "p_value"));
        let error = (p * (1.0 - p) * (1.0 / 999.0 + 1.0 / replicas)).sqrt();
        assert!((p - q).abs() <= 3.0 * error + 1.0 / replicas, "{name}: p {p} {q}");
        self.p = self.p.max((p - q).abs());
        let (p, q) = (number(theirs, "gumbel_p_value"), number(ours, "gumbel_p_value"));
        let apart = (p.ln() - q.ln()).abs() / p.ln().abs().max(1.0);
        assert!(apart <= 0.15 * wider, "{name}: Gumbel p {p} {q}");
        self.gumbel = self.gumbel.max(apart);
        self.values += theirs["location_ids"].as_array().unwrap().len() + 8;
    }
}

#[test]
fn satscan_agrees_on_every_cluster() {
    let (mut values, mut clusters, (replicas, wider)) = (0, 0, replicas());
    for (file, words) in RUNS {
        let text = std::fs::read_to_string(reference("satscan").join(file)).unwrap();
        let theirs: Value = serde_json::from_str(&text).unwrap();
        let ours = ask(&format!("{words} --replications {replicas}"));
        for field in ["study_period", "locations", "total_cases"] {
            assert_eq!(theirs[field], ours[field], "{file} {field}");
        }
        let (theirs_list, ours_list) = (theirs["clusters"].as_array().unwrap(), ours["clusters"].as_array().unwrap());
        assert!(ours_list.len() >= theirs_list.len(), "{file}");
        let mut difference = Difference::default();
        for (n, (theirs, ours)) in theirs_list.iter().zip(ours_list).enumerate() {
            difference.cluster(&format!("{file} {n}"), theirs, ours);
        }
        // SaTScan leaves out clusters with p = 1: below every replica's maximum.
        for left_out in &ours_list[theirs_list.len()..] {
            assert!(number(left_out, "p_value") > 1.0 - 0.02 * wider, "{file}: {left_out:#}");
        }
        for level in ["0.05", "0.01"] {
            let field = "critical_values_standard_monte_carlo";
            let (theirs, ours) = (number(&theirs[field], level), number(&ours[field], level));
            assert!((theirs - ours).abs() < 0.12 * wider * theirs, "{file} {level}: {theirs} {ours}");
        }
        println!(
            "{file}: {} clusters, {} values; greatest difference ratio {:.1e}, expected {:.1e}, p {:.3}, ln Gumbel p {:.3}",
            theirs_list.len(),
            difference.values,
            difference.ratio,
            difference.expected,
            difference.p,
            difference.gumbel
        );
        values += difference.values;
        clusters += theirs_list.len();
    }
    println!("{clusters} clusters, {values} values");
    assert_eq!(clusters, 44);
}

#[test]
fn the_sequential_stop_agrees_with_the_full_run() {
    let words = "--model permutation --cases synthetic/city300_cases.csv.gz --geo synthetic/city300_geo.csv.gz \
                 --max-window 7 --max-share 0.1 --prospective 2021-02-01";
    let full = ask(words);
    let stopped = ask(&format!("{words} --sequential 50"));
    let ran = number(&stopped, "replications_run");
    let (p, q) = (number(&full["clusters"][0], "p_value"), number(&stopped["clusters"][0], "p_value"));
    assert!(ran < 999.0 && (q - 50.0 / ran).abs() < 1e-12, "{ran} {q}");
    assert!((p - q).abs() < 4.0 * (q * (1.0 - q) / ran).sqrt(), "{p} {q}");
}
