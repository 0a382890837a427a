//! A rule's power by the command, over the invented city and over a history of one's own.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use flate2::read::GzDecoder;
use qianshao::delta::registers::CLASS_REGISTER;
use qianshao::demo::trial::{Setting, opened};
use qianshao::detectors::farrington::Limit54;
use qianshao::detectors::farrington_flexible::{FarringtonFlexible, ThresholdMethod};
use qianshao::detectors::history::History;
use qianshao::pipeline::{Folders, InForce};
use qianshao::power::folder;
use qianshao::simulate::Options;
use qianshao::simulate::city::COUNTIES;
use qianshao::simulate::series::Series;
use qianshao::simulate::trial::{Place, Watched};
use qianshao::terms::Day;
use serde_json::Value;

fn rules() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("rules")
}

fn ask(file: &Path, words: &[&str]) -> (bool, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qianshao"));
    let output = command.args(["power", "--rule"]).arg(file).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.success(), text(&output.stdout), text(&output.stderr))
}

fn json(file: &Path, words: &[&str]) -> Value {
    let (is_fine, told, error) = ask(file, &[words, &["--format", "json"]].concat());
    assert!(is_fine, "{error}");
    serde_json::from_str(&told).unwrap()
}

/// One round of eight outbreaks in a small city: of this seed the sizes 9, 10 and 1 to 6.
const SHORT: [&str; 6] = ["--days", "42", "--seeds", "1", "--scale", "0.1"];

/// A folder of packs in which a rule's number is another one.
fn with_number(root: &Path, pack: &str, number: &str, from: &str, to: &str) -> PathBuf {
    for folder in std::fs::read_dir(rules()).unwrap().map(|entry| entry.unwrap().path()) {
        let copy = root.join(folder.file_name().unwrap());
        std::fs::create_dir_all(&copy).unwrap();
        for file in std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).filter(|file| file.is_file())
        {
            std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    }
    let toml = root.join(pack).join("pack.toml");
    let text = std::fs::read_to_string(&toml).unwrap();
    let changed = text.replacen(
        &format!("[parameters.\"{number}\"]\nvalue = {from}"),
        &format!("[parameters.\"{number}\"]\nvalue = {to}"),
        1,
    );
    assert_ne!(changed, text);
    std::fs::write(toml, changed).unwrap();
    root.join(pack)
}

#[test]
fn a_rule_that_asks_for_more_finds_less_and_calls_out_less() {
    let root = tempfile::tempdir().unwrap();
    let told = |threshold: &str, words: &[&str]| {
        let folder = root.path().join(threshold);
        let pack = with_number(&folder, "2021-CF", "fever_clinic_c2.threshold", "3", threshold);
        json(&pack.join("fever_clinic_c2.sql"), &[&SHORT[..], words].concat())
    };
    let (loose, strict) = (told("1", &[]), told("30", &[]));
    let of = |told: &Value, measure: &str| told["measures"][measure].as_f64();
    let on = &loose["on"]["city"];
    assert_eq!(
        (sum(&loose, "planted"), on["signals"][0].as_str(), on["place"].as_str()),
        (8, Some("fever_visit"), Some("county"))
    );
    assert!(of(&loose, "pod_mean_k1_10").unwrap() >= 0.5, "{loose}");
    assert!(of(&loose, "alarms_per_area_week").unwrap() > 0.1 && of(&loose, "ppv").unwrap() > 0.0, "{loose}");
    assert_eq!(
        (of(&strict, "pod_mean_k1_10"), of(&strict, "alarms_per_area_week")),
        (Some(0.0), Some(0.0)),
        "{strict}"
    );
    assert_eq!((of(&strict, "ppv"), of(&strict, "mean_delay_days")), (None, None));
    assert_ne!(loose["digest"], strict["digest"]);
    assert_eq!(loose, told("1", &["--threads", "1"]), "threads change nothing");
}

fn sum(told: &Value, measure: &str) -> u64 {
    told["measures"][measure].as_array().unwrap().iter().map(|size| size.as_u64().unwrap()).sum()
}

#[test]
fn a_class_rule_finds_nine_pupils_and_not_one() {
    let told = json(&rules().join("base/school_class_1d3.sql"), &SHORT);
    let [planted, detected] = ["planted", "detected"].map(|of| told["measures"][of].as_array().unwrap().clone());
    assert_eq!((&told["on"]["city"]["place"], sum(&told, "planted")), (&"class".into(), 8));
    assert!(planted[0] == 1 && detected[0] == 0, "{told}");
    // Nine in three days are three on one of them.
    assert!(planted[8] == 1 && planted[9] == 1 && detected[8..] == planted[8..], "{told}");
}

#[test]
fn a_rule_is_told_as_table_csv_and_picture_and_what_cannot_be_measured_is_refused() {
    let file = rules().join("2021-CF/pharmacy_c2.sql");
    let (_, table, _) = ask(&file, &SHORT);
    assert!(table.contains("每地区每周误报数") && table.contains("days to detection"), "{table}");
    let (_, csv, _) = ask(&file, &[&SHORT[..], &["--format", "csv"]].concat());
    let mut lines = csv.lines();
    assert!(lines.next().unwrap().starts_with("rule,alarms_per_area_week,mean_delay_days,ppv,pod_k1,"), "{csv}");
    assert!(lines.next().unwrap().starts_with("pharmacy_c2,") && lines.next().is_none(), "{csv}");
    let (_, picture, _) = ask(&file, &[&SHORT[..], &["--format", "svg"]].concat());
    assert!(picture.starts_with("<svg ") && picture.contains("检出概率  Probability of detection"));
    assert_eq!(picture.matches("<polyline").count(), 1);
    let (is_fine, _, error) = ask(&rules().join("base/missing_report.sql"), &SHORT);
    assert!(!is_fine && error.contains("names no signal of the invented city"), "{error}");
    let (is_fine, _, error) = ask(Path::new("nowhere.sql"), &SHORT);
    assert!(!is_fine && error.contains("in the folder of its pack"), "{error}");
}

/// The shipped simulation, of two scenarios the first two series.
fn few_series(root: &Path) {
    let from = rules().with_file_name("tests/data/reference/power");
    let unpack = |name: &str| {
        let mut text = String::new();
        GzDecoder::new(std::fs::File::open(from.join(name)).unwrap()).read_to_string(&mut text).unwrap();
        text
    };
    let keep = |text: &str, is_kept: &dyn Fn(&[&str]) -> bool| {
        let (head, rows) = text.split_once('\n').unwrap();
        let kept = rows.lines().filter(|row| is_kept(&row.split(',').collect::<Vec<_>>()));
        std::iter::once(head).chain(kept).collect::<Vec<_>>().join("\n")
    };
    let of_two = |row: &[&str]| ["14", "19"].contains(&row[0]);
    let few = |row: &[&str]| of_two(row) && ["1", "2"].contains(&row[1]);
    let scenarios = std::fs::read_to_string(from.join("scenarios.csv")).unwrap();
    std::fs::write(root.join("scenarios.csv"), keep(&scenarios, &of_two)).unwrap();
    std::fs::write(root.join("baseline_counts.csv"), keep(&unpack("baseline_counts.csv.gz"), &few)).unwrap();
    std::fs::write(root.join("outbreaks.csv"), keep(&unpack("outbreaks.csv.gz"), &few)).unwrap();
}

const WEEKS: usize = 49;

/// What the rule says by its definition: a week in which one of the seven fortnights that end in it is too rare.
fn weeks_above_season(counts: &[f64]) -> Vec<bool> {
    let method = FarringtonFlexible {
        w: 5,
        no_periods: 10,
        past_weeks_not_included: Some(26),
        threshold_method: ThresholdMethod::NbPlugin,
        limit54: Limit54 { cases: 0.0, periods: 4 },
        ..FarringtonFlexible::default()
    };
    let sums: Vec<f64> = counts.windows(2).map(|two| two[0] + two[1]).collect();
    let first = sums.len() - WEEKS;
    let mut said = vec![false; WEEKS];
    for weekday in 0..7 {
        let dates: Vec<i32> =
            (0..sums.len() as i32).map(|week| 18_253 + weekday - 7 * (sums.len() as i32 - 1 - week)).collect();
        let history = History { observed: &sums, freq: 52, population: None, dates: Some(&dates) };
        let answers = method.run_range(&history, first..sums.len()).unwrap();
        for (week, sum) in sums[first..].iter().enumerate() {
            said[week] |= answers.pvalue[week] < 0.012 && *sum > answers.mu0[week] && *sum >= 3.0;
        }
    }
    said
}

#[test]
fn a_rule_over_series_of_counts_alarms_where_its_definition_does() {
    let root = tempfile::tempdir().unwrap();
    few_series(root.path());
    let file = rules().join("routine/visits_above_season.sql");
    let told = json(&file, &["--simulation", root.path().to_str().unwrap()]);
    let planted = folder::read(root.path()).unwrap();
    let (mut weeks, mut alarms, mut found) = (0, 0, 0);
    for scenario in 0..2 {
        for replicate in 0..2 {
            let series = planted.replicate(scenario, replicate).unwrap();
            let said = weeks_above_season(&series.counts);
            (weeks, alarms) = (weeks + said.len(), alarms + said.iter().filter(|alarm| **alarm).count());
            for outbreak in &series.current {
                let said = weeks_above_season(&series.with(outbreak));
                let first = series.counts.len() - WEEKS;
                let during = outbreak[0].0..=outbreak[outbreak.len() - 1].0;
                found += usize::from(during.into_iter().any(|week| said[week - first]));
            }
        }
    }
    let overall = |measure: &str| told["overall"][measure].as_f64().unwrap();
    assert_eq!(overall("fpr"), alarms as f64 / weeks as f64, "{told}");
    assert!((overall("pod_mean_k1_10") - found as f64 / 40.0).abs() < 1e-12, "{found} of 40: {told}");
    assert!(found > 10 && told["digest"].as_str().is_some_and(|digest| digest.len() == 64), "{told}");
    assert_eq!(told, json(&file, &["--simulation", root.path().to_str().unwrap(), "--threads", "1"]));
}

#[test]
fn a_history_of_ones_own_tells_alarms_for_an_area_and_week_and_nothing_that_nobody_knows() {
    let examples = rules().with_file_name("examples/realdata");
    let state = tempfile::tempdir().unwrap();
    let run = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_qianshao"));
        let output = command.args(words).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let folder = state.path().to_str().unwrap();
    let (registers, reports) = (examples.join("registers"), examples.join("school_pupil_event.ndjson"));
    let feed = format!("school/pupil_event={}", reports.display());
    run(&["replay", "--state", folder, "--registers", registers.to_str().unwrap(), "--pack", "base", &feed]);
    let query = "SELECT count(DISTINCT alert_id) AS n FROM alert_history WHERE rule = 'school_class_1d3'";
    let opened: u64 =
        run(&["sql", "--state", folder, "-c", query, "--format", "csv"]).lines().nth(1).unwrap().parse().unwrap();
    let told = json(&rules().join("base/school_class_1d3.sql"), &["--state", folder]);
    let on = &told["on"]["history"];
    let area_weeks = on["areas"].as_f64().unwrap() * on["days"].as_f64().unwrap() / 7.0;
    assert!(opened > 0, "the reports have clusters");
    assert_eq!(told["measures"]["alarms"], opened, "{told}");
    let rate = told["measures"]["alarms_per_area_week"].as_f64().unwrap();
    assert!((rate - opened as f64 / area_weeks).abs() < 1e-9, "{told}");
    assert_eq!(told["measures"].as_object().unwrap().len(), 2, "{told}");
    let (_, table, _) = ask(&rules().join("base/school_class_1d3.sql"), &["--state", folder]);
    assert!(table.contains("不得而知") && table.contains("Nobody knows"), "{table}");
}

/// Weeks until the rules have a past, and those in which alerts are counted.
const WEEKS_BEFORE: i32 = 4;
const WEEKS_COUNTED: i32 = 4;

/// `QIANSHAO_CITY=1` asks for the demo's city; a smaller one takes a minute less.
#[tokio::test]
async fn without_outbreaks_the_routine_pack_calls_out_at_most_twice_a_county_and_week() {
    let scale: f64 = std::env::var("QIANSHAO_CITY").map_or(0.2, |text| text.parse().unwrap());
    let InForce { feeds, mut texts, .. } = InForce::read(&Folders::default()).unwrap();
    texts.retain(|text| text.class != CLASS_REGISTER);
    let watched = Watched { series: Series::all(), together: false, place: Place::County };
    let setting = Setting { feeds, texts, pack: "routine".to_owned(), watched };
    let start = Day::parse("2023-03-06").unwrap();
    let options = Options {
        seed: 1,
        days: (7 * (WEEKS_BEFORE + WEEKS_COUNTED)) as u32,
        start,
        scale,
        prefix: "qianshao".to_owned(),
        partitions: 1,
        planted: false,
    };
    let (alerts, _) = opened(&setting, options, false).await.unwrap();
    let counted: Vec<_> = alerts.iter().filter(|alert| alert.window_end >= start.plus(7 * WEEKS_BEFORE)).collect();
    let rate = counted.len() as f64 / f64::from(WEEKS_COUNTED) / COUNTIES as f64;
    let mut by_rule = std::collections::BTreeMap::new();
    counted.iter().for_each(|alert| *by_rule.entry(alert.rule.as_str()).or_insert(0) += 1);
    println!("{rate:.2} alerts a county and week: {by_rule:?}");
    assert!(rate <= 2.0, "{rate} alerts a county and week: {by_rule:?}");
    assert!(
        counted.iter().any(|alert| setting.texts.iter().any(|text| text.name == format!("routine/{}.sql", alert.rule)))
    );
}
