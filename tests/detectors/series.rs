//! The default settings of each method on the series that R ships and on simulated days.

use std::fs;

use qianshao::detectors::command::detect;
use qianshao::detectors::command::series::Series;

use super::table::{Scores, Table, compare, reference};

/// Method and parameters of a file by its name, as `tests/data/reference/README.md` says.
fn call(name: &str) -> Option<(&'static str, Vec<String>)> {
    let own = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<String>>();
    let years = || name.rsplit_once("_b").map(|(_, rest)| format!("b={}", rest.split('_').next().unwrap()));
    let noufaily = ["noPeriods=10", "weightsThreshold=2.58", "pastWeeksNotIncluded=26", "pThresholdTrend=1"];
    Some(match name {
        name if name.starts_with("ears_c") => {
            let method = match &name[..7] {
                "ears_c1" => "ears_c1",
                "ears_c2" => "ears_c2",
                _ => "ears_c3_r",
            };
            let alpha = if method == "ears_c3_r" { "alpha=NULL" } else { "alpha=0.00135" };
            match &name[8..] {
                "default" => (method, own(&[])),
                "baseline14" => (method, own(&["baseline=14"])),
                _ => (method, own(&[alpha, "minSigma=0.5"])),
            }
        }
        name if name.starts_with("farrington_original") => ("farrington", [own(&["w=3"]), vec![years()?]].concat()),
        name if name.starts_with("farrington_flexible_original") => {
            let settings = ["w=3", "weightsThreshold=1", "pastWeeksNotIncluded=0", "thresholdMethod=delta"];
            ("farrington_flexible", [own(&settings), vec![years()?]].concat())
        }
        name if name.starts_with("farrington_flexible_noufaily_nbplugin") => {
            let method = ["thresholdMethod=nbPlugin", "alpha=0.005"];
            ("farrington_flexible", [own(&noufaily), own(&method), vec![years()?]].concat())
        }
        name if name.starts_with("farrington_flexible_noufaily_muan") => {
            let method = ["thresholdMethod=muan", "alpha=0.01"];
            ("farrington_flexible", [own(&noufaily), own(&method), vec![years()?]].concat())
        }
        "cusum_k1.04_h2.26_standard" => ("cusum", own(&["k=1.04", "h=2.26"])),
        "cusum_k1.04_h2.26_rossi" => ("cusum", own(&["k=1.04", "h=2.26", "trans=rossi"])),
        "glr_poisson_intercept_c5" => ("glr_poisson", own(&["c.ARL=5", "mu0.S=1"])),
        "moving_percentile_5y_pm2w" => ("moving_percentile", own(&[])),
        _ => return None,
    })
}

#[test]
fn the_series_that_r_ships_have_its_answers() {
    let (mut scores, mut failures) = (Scores::default(), Vec::new());
    for folder in fs::read_dir(reference("series")).unwrap() {
        let folder = folder.unwrap().path();
        let series = Series::read(&fs::read(folder.join("series.csv")).unwrap()).unwrap();
        for file in fs::read_dir(&folder).unwrap() {
            let file = file.unwrap().path();
            let name = file.file_stem().unwrap().to_str().unwrap();
            if name == "series" {
                continue;
            }
            let place = format!("{}", file.display());
            let (method, mut parameters) = call(name).unwrap_or_else(|| panic!("{place}: which method?"));
            let table = Table::read(&file);
            parameters.push(format!("range_start={}", table.columns["t"][0]));
            let run = std::panic::catch_unwind(|| {
                let answer = detect(method, &parameters, &series).unwrap_or_else(|error| panic!("{place}: {error}"));
                let mut score = (0, 0.0);
                compare(&place, &answer, &table, &mut score);
                score
            });
            match run {
                Ok(score) => scores.add(method, score),
                Err(error) => failures.push(error.downcast_ref::<String>().cloned().unwrap_or_default()),
            }
        }
    }
    let values = scores.told();
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
    assert!(values > 50_000, "{values} values");
}
