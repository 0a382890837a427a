//! The command over small files.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;

/// A folder of this test, new.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("qianshao-scan-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let folder = Self(path);
        folder.write("geo.csv", "zip,x_km,y_km\n1,0,0\n2,1,0\n3,10,0\n4,10,1\n5,30,30\n");
        folder.write("cases.csv", &cases("date", |day| format!("2021/1/{day}")));
        folder.write("people.csv", "zip,population\n1,100\n2,100\n3,100\n4,100\n5,100\n");
        folder
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.0.join(name), text).unwrap();
    }

    fn ask(&self, words: &str) -> Result<Value, String> {
        let words = words.split_whitespace().map(|word| match word.strip_prefix('@') {
            Some(name) => self.0.join(name).display().to_string(),
            None => word.to_owned(),
        });
        let answer = Command::new(env!("CARGO_BIN_EXE_qianshao")).arg("scan").args(words).output().unwrap();
        match answer.status.success() {
            true => {
                let mut answer: Value = serde_json::from_slice(&answer.stdout).unwrap();
                assert!(answer["seconds"].is_f64());
                // The only field that differs from run to run.
                answer["seconds"] = 1.5.into();
                Ok(answer)
            }
            false => Err(String::from_utf8_lossy(&answer.stderr).into_owned()),
        }
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Two cases a place and day of ten days, and six at places 3 and 4 on the last two.
fn cases(header: &str, date: impl Fn(u32) -> String) -> String {
    let mut text = format!("zip,cases,{header}\n");
    for place in 1..=5 {
        for day in 1..=10 {
            let count = if day > 8 && (place == 3 || place == 4) { 6 } else { 2 };
            text += &format!("{place},{count},{}\n", date(day));
        }
    }
    text
}

const BOTH: &str = "--model permutation --cases @cases.csv --geo @geo.csv --replications 99";

#[test]
fn the_planted_cluster_is_found() {
    let folder = Folder::new("planted");
    for words in [
        format!("{BOTH} --prospective 2021-01-10"),
        format!("{BOTH} --prospective 2021/1/10 --study-period 2021-1-1..2021/01/10"),
        format!("{BOTH} --retrospective"),
        BOTH.replace("permutation", "poisson --population @people.csv"),
    ] {
        let answer = folder.ask(&words).unwrap();
        let first = &answer["clusters"][0];
        assert_eq!(first["location_ids"], serde_json::json!(["3", "4"]), "{words}");
        assert_eq!((&first["start"], &first["end"]), (&"2021/1/9".into(), &"2021/1/10".into()), "{words}");
        assert_eq!(first["observed"], 24.0);
        assert_eq!(answer["study_period"], "2021/1/1 to 2021/1/10");
        assert_eq!(answer["replications_run"], 99);
        for field in ["expected", "log_likelihood_ratio", "p_value", "gumbel_p_value", "radius"] {
            assert!(first[field].is_f64(), "{field} {words}");
        }
        assert_eq!(first["recurrence_interval"].is_f64(), words.contains("--prospective"), "{words}");
        assert!(answer["seconds"].is_f64());
    }
}

#[test]
fn other_columns_dates_and_gzip_mean_the_same() {
    let folder = Folder::new("columns");
    let mut right = folder.ask(BOTH).unwrap();
    folder.write("geo.csv", "\u{feff}id,y,x\n1,0,0\n2,0,1\n3,0,10\n4,1,10\n5,30,30\n");
    let text = cases("date", |day| format!("2021-01-{day:02}")).replace("zip,cases,date", "County,Count,Date");
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(text.as_bytes()).unwrap();
    fs::write(folder.0.join("cases.csv"), packed.finish().unwrap()).unwrap();
    assert_eq!(folder.ask(BOTH).unwrap(), right);
    folder.write("cases.csv", &cases("year", |year| format!("{}", 2000 + year)));
    let mut years = folder.ask(BOTH).unwrap();
    assert_eq!(years["study_period"], "2001/1/1 to 2010/12/31");
    let same = |answer: &mut Value| {
        let clusters = answer["clusters"].as_array_mut().unwrap();
        clusters.iter_mut().for_each(|one| ["start", "end"].iter().for_each(|field| one[*field] = Value::Null));
        answer["clusters"].take()
    };
    assert_eq!(same(&mut years), same(&mut right));
}

#[test]
fn every_maximum_is_written() {
    let folder = Folder::new("null");
    let answer = folder.ask(&format!("{BOTH} --null @null.txt --seed 7 --threads 2")).unwrap();
    let text = fs::read_to_string(folder.0.join("null.txt")).unwrap();
    let maxima: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(maxima.len(), 99);
    let ratio = answer["clusters"][0]["log_likelihood_ratio"].as_f64().unwrap();
    let above = maxima.iter().filter(|maximum| **maximum >= ratio).count();
    assert_eq!(answer["clusters"][0]["p_value"], (above + 1) as f64 / 100.0);
}

#[test]
fn cases_outside_the_period_are_counted() {
    let folder = Folder::new("outside");
    let answer = folder.ask(&format!("{BOTH} --study-period 2021-01-01..2021-01-08")).unwrap();
    assert_eq!(answer["total_cases"], 80);
    assert_eq!(answer["cases_outside_study_period"], 36);
    let answer = folder.ask(&format!("{BOTH} --prospective 2021-01-08")).unwrap();
    assert_eq!(answer["total_cases"], 80);
}

#[test]
fn strata_and_census_years_are_standardised() {
    let folder = Folder::new("strata");
    // Twice the population in stratum b at place 5, where all cases of b are: no excess is left.
    folder.write("cases.csv", "id,cases,year,sex\n1,5,2001,a\n2,5,2001,a\n5,20,2002,b\n");
    folder.write("geo.csv", "id,lat,long\n1,50,10\n2,50.1,10\n5,48,9\n");
    folder.write("people.csv", "id,year,population,sex\n1,2001,50,a\n2,2001,50,a\n5,2001,70,b\n");
    let words = "--model poisson --population @people.csv --cases @cases.csv --geo @geo.csv --max-share 0.9";
    let answer = folder.ask(&format!("{words} --replications 9")).unwrap();
    let first = &answer["clusters"][0];
    // Place 5 expects its 20 cases over two years.
    assert_eq!(first["location_ids"], serde_json::json!(["5"]));
    assert!((first["expected"].as_f64().unwrap() - 10.0).abs() < 0.1, "{first:#}");
    assert_eq!(answer["time_unit"], "year");
}

#[test]
fn what_is_wrong_is_said_with_its_line() {
    let folder = Folder::new("wrong");
    let poisson = BOTH.replace("permutation", "poisson");
    assert!(folder.ask(&poisson).unwrap_err().contains("--population"));
    assert!(folder.ask(&BOTH.replace("@cases", "@none")).unwrap_err().contains("none.csv"));
    assert!(folder.ask(&format!("{BOTH} --max-share 2")).unwrap_err().contains("share_max is 2"));
    assert!(folder.ask(&format!("{BOTH} --study-period 2021-02-01..2021-01-01")).is_err());
    assert!(folder.ask(&format!("{BOTH} --study-period 1-1-1..9999-1-1 --max-window 1")).is_err());
    for (file, text, words) in [
        ("cases.csv", "zip,cases,date\n1,1,2021-01-01\n9,1,2021-01-01\n", "line 3: \"9\" has no coordinates"),
        ("cases.csv", "zip,cases,date\n1,-1,2021-01-01\n", "line 2: -1 cases"),
        ("cases.csv", "zip,cases,date\n1,0.5,2021-01-01\n", "line 2: 0.5 cases"),
        ("cases.csv", "zip,cases,date\n1,1,2021-02-30\n", "line 2: date \"2021-02-30\""),
        ("cases.csv", "zip,cases\n1,1\n", "no column date or day or year"),
        ("geo.csv", "zip,x,y\n1,0,0\n1,0,0\n1,0,1\n", "line 4: 1 stands elsewhere in line 3"),
        ("geo.csv", "zip,lat,long\n1,100,0\n", "name the columns x and y"),
        ("geo.csv", "zip,x,y\n1,0,\n", "line 2: y is \"\""),
        ("people.csv", "zip,population\n1,-4\n", "line 2: population -4"),
        ("people.csv", "zip,population\n1,4\n", "has cases but no population"),
    ] {
        let folder = Folder::new("wrong-file");
        folder.write(file, text);
        let error = folder.ask(&format!("{poisson} --population @people.csv")).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
}
