//! The measures of every setting of the reference, to its last printed digit; and how they are told.

use std::collections::BTreeSet;
use std::process::{Command, Output};

use qianshao::power::measure::{Detector, measure};
use qianshao::power::report::Report;
use qianshao::power::{Simulation, folder};

use super::table::{Table, reference};

const NOUFAILY: &str = "noPeriods=10 pastWeeksNotIncluded=26 weightsThreshold=2.58 pThresholdTrend=1 limit54=0,4";
const ORIGINAL: &str = "pastWeeksNotIncluded=0 weightsThreshold=1 limit54=0,4 thresholdMethod=delta";

/// Method and parameters of a row by its words.
fn call(name: &str) -> (&'static str, String) {
    let word =
        |after: &str| name.split(after).nth(1).map(|rest| rest.split([',', ' ', ')']).next().unwrap().to_owned());
    let alpha = || format!("alpha={}", word("alpha ").unwrap());
    let sigma = || format!("{} minSigma={}", alpha(), word("min sigma ").unwrap());
    match name.split([',', '(']).next().unwrap().trim() {
        "Farrington flexible" => {
            let law = if name.contains("muan") { "muan" } else { "nbPlugin" };
            ("farrington_flexible", format!("{NOUFAILY} thresholdMethod={law} {}", alpha()))
        }
        "Farrington original model" => ("farrington_flexible", format!("{ORIGINAL} {}", alpha())),
        "EARS C1" => ("ears_c1", sigma()),
        "EARS C2" => ("ears_c2", sigma()),
        "EARS C3" => ("ears_c3_r", sigma()),
        "EWMA lambda 0.4" => ("ewma", "minSigma=0.5".to_owned()),
        "CUSUM standard" => ("cusum", String::new()),
        "CUSUM Rossi" if name.contains("GLM") => ("cusum", "trans=rossi m=glm".to_owned()),
        "CUSUM Rossi" => ("cusum", "trans=rossi".to_owned()),
        "Bayes 3" => ("bayes", "b=2 w=4 actY=FALSE alpha=0.05".to_owned()),
        "Bayes 2" => ("bayes", "b=1 w=6 alpha=0.05".to_owned()),
        "Bayes 1" => ("bayes", "b=0 w=6 alpha=0.05".to_owned()),
        percentile => {
            let percentile =
                percentile.strip_prefix("moving percentile P").unwrap_or_else(|| panic!("which is {name}?"));
            ("moving_percentile", format!("percentile={}", percentile.split(' ').next().unwrap()))
        }
    }
}

fn ask(method: &str, parameters: &str, words: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qianshao"));
    command.args(["power", "--method", method]);
    if !parameters.is_empty() {
        command.arg("--param").args(parameters.split_whitespace());
    }
    command.args(words).output().unwrap()
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Three of the 475 overall figures are an alarm or two apart in the fourth digit, with every row by scenario equal: 61 counts
/// equal their interpolated percentile but for rounding, and the order of its sum decides.
const APART: (&str, [&str; 3]) = ("moving percentile P95", ["pod_first_week", "ppv", "mean_delay_weeks_when_detected"]);

/// Values of the two tables that ours have to the last printed digit, for one setting.
fn compared(name: &str, simulation: &Simulation, [by_scenario, summary]: [&Table; 2]) -> usize {
    let (method, parameters) = call(name);
    let parameters: Vec<String> = parameters.split_whitespace().map(str::to_owned).collect();
    let detector = Detector { method: method.to_owned(), parameters, refit: false };
    let counts = measure(simulation, 2, |replicate| detector.judge(simulation.calendar, replicate)).unwrap();
    let report = Report::new(&detector.method, &detector.parameters, simulation, counts);
    let of = |table: &Table| {
        let methods = table.columns["method"].iter().enumerate();
        methods.filter(|(_, method)| *method == name).map(|(row, _)| row).collect::<Vec<_>>()
    };
    let (answer, mut values) = (report.csv(), 0);
    let mut reader = csv::Reader::from_reader(answer.as_bytes());
    let heads = reader.headers().unwrap().clone();
    assert_eq!(heads.len(), by_scenario.columns.len(), "{name}: columns");
    for (record, row) in reader.records().map(Result::unwrap).zip(of(by_scenario)) {
        for (head, value) in heads.iter().zip(&record).skip(1) {
            assert_eq!(value, by_scenario.columns[head][row], "{name}, row {row}, {head}");
            values += 1;
        }
    }
    let (overall, row) = (&report.json()["overall"], of(summary)[0]);
    for (head, column) in summary.columns.iter().filter(|(head, _)| *head != "method") {
        let told = match (head.strip_prefix("pod_k"), head.as_str()) {
            (Some(k), _) => &overall["pod"][k.parse::<usize>().unwrap() - 1],
            (None, "pod_first_week") => &overall["pod_first"],
            (None, "mean_delay_weeks_when_detected") => &overall["mean_delay"],
            (None, head) => &overall[head],
        };
        let value = told.as_f64().unwrap();
        if name.starts_with(APART.0) && APART.1.contains(&head.as_str()) {
            let published: f64 = column[row].parse().unwrap();
            assert!((value - published).abs() < 2e-4, "{name}, {head}: {value} {published}");
            continue;
        }
        assert_eq!(format!("{value:.4}"), column[row], "{name}, {head}");
        values += 1;
    }
    values
}

#[test]
fn every_setting_of_the_reference_has_its_power_to_the_last_digit() {
    let tables =
        ["results_by_scenario.csv", "results_summary.csv"].map(|name| Table::read(&reference("power").join(name)));
    let simulation = folder::read(&reference("power")).unwrap();
    let names: BTreeSet<&str> = tables[0].columns["method"].iter().map(String::as_str).collect();
    let values: usize = names.iter().map(|name| compared(name, &simulation, [&tables[0], &tables[1]])).sum();
    println!("power: {} settings, {values} values to the last printed digit, 3 in the fourth", names.len());
    assert_eq!((names.len(), values), (25, 25 * (28 * 12 + 19) - 3));
}

#[test]
fn a_seed_decides_the_series_and_threads_change_nothing() {
    let csv = |words: &[&str]| text(&ask("ears_c2", "", &[&["--replicates", "3", "--format", "csv"], words].concat()));
    let once = csv(&["--seed", "7"]);
    assert_eq!(once.lines().count(), 29);
    assert_eq!(once, csv(&["--seed", "7", "--threads", "1"]));
    assert_ne!(once, csv(&["--seed", "8"]));
    assert_ne!(once, csv(&["--seed", "7", "--simulation", "daily"]));
}

#[test]
fn what_is_drawn_has_the_power_of_the_published_simulation() {
    let told = |words: &[&str]| {
        let answer = text(&ask("ears_c1", "alpha=0.001", &[words, &["--format", "json"]].concat()));
        serde_json::from_str::<serde_json::Value>(&answer).unwrap()["overall"].clone()
    };
    let folder = reference("power").display().to_string();
    let (drawn, published) = (told(&["--replicates", "30", "--seed", "3"]), told(&["--simulation", &folder]));
    // Three standard errors of 840 series, alarms of neighbouring weeks counted as one.
    for (measure, within) in [("fpr", 0.006), ("pod_mean_k1_10", 0.05), ("ppv", 0.05), ("mean_delay", 0.06)] {
        let (one, other) = (drawn[measure].as_f64().unwrap(), published[measure].as_f64().unwrap());
        assert!((one - other).abs() < within, "{measure}: {one} {other}");
    }
}

#[test]
fn the_table_and_the_picture_say_the_same_in_two_languages() {
    let told = |format: &str| text(&ask("ears_c1", "", &["--replicates", "2", "--format", format]));
    let json: serde_json::Value = serde_json::from_str(&told("json")).unwrap();
    let fpr = json["overall"]["fpr"].as_f64().unwrap();
    let (table, picture) = (told("table"), told("svg"));
    assert!(table.contains("误报率") && table.contains("false-positive rate"), "{table}");
    assert!(table.contains(&format!("{:.1}", 100.0 * fpr)), "{table}");
    assert!(
        picture.contains(&format!(">{:.2}%<", 100.0 * fpr)) && picture.contains("检出概率  Probability of detection")
    );
    assert_eq!(picture.matches("<polyline").count(), 4);
    assert!(picture.starts_with("<svg ") && picture.trim_end().ends_with("</svg>"));
}

#[test]
fn what_does_not_fit_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let said = |method: &str, parameters: &str, words: &[&str]| {
        let refused = ask(method, parameters, words);
        assert!(!refused.status.success());
        String::from_utf8(refused.stderr).unwrap()
    };
    assert!(said("ears_c9", "", &["--replicates", "1"]).contains("there is no method ears_c9"));
    assert!(said("ears_c1", "range_start=600", &["--replicates", "1"]).contains("the first test period is t 576"));
    assert!(said("ears_c1", "", &["--simulation", &path]).contains("neither scenarios.csv nor scenarios.csv.gz"));
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("scenarios.csv", "scenario,theta,phi,beta,gamma1,gamma2,m,trend\n1,0,1,0,0,0,0,0\n");
    let weeks: Vec<String> = (1..=60).map(|week| format!("w{week}")).collect();
    write("baseline_counts.csv", &format!("scenario,rep,{}\n1,1{}\n", weeks.join(","), ",1".repeat(60)));
    write("outbreaks.csv", "scenario,rep,outbreak,start,k,size,week,cases\n1,1,current_k1,60,1,2,61,2\n");
    assert!(said("ears_c1", "", &["--simulation", &path]).contains("outbreaks.csv, line 2: a week outside"));
}
