//! Every line of the reference's manifest whose method we have is one call, and gives its file.

use std::collections::BTreeSet;
use std::fs;

use qianshao::detectors::command::detect;
use qianshao::detectors::command::series::Series;

use super::table::{Scores, Table, compare, reference};

/// The method of a line of the manifest, by the first words of its name; `None` where we have none.
fn method(name: &str) -> Option<&'static str> {
    const KNOWN: [(&str, &str); 15] = [
        ("farrington_", "farrington"),
        ("flexible_", "farrington_flexible"),
        ("ears_c1", "ears_c1"),
        ("ears_c2", "ears_c2"),
        ("ears_c3", "ears_c3_r"),
        ("bayes_", "bayes"),
        ("cusum_", "cusum"),
        ("lrcusum_", "glr_poisson"),
        ("glrpois_", "glr_poisson"),
        ("glrnb_", "glr_negbin"),
        ("ewma_plain", "ewma"),
        ("essence_ewma", "essence_ewma"),
        ("essence_regression", "essence_regression"),
        ("essence_switch", "essence_switch"),
        ("moving_percentile", "moving_percentile"),
    ];
    KNOWN.iter().find(|(start, _)| name.starts_with(start)).map(|(_, method)| *method)
}

/// `list(b = 3, mu0 = list(S = 1))` and `algo.bayes(list(…))` and `lambda=0.4 L=3` as NAME=VALUE; `method` of EARS is
/// the method itself.
fn parameters(text: &str) -> Vec<String> {
    let inner = match text.find("list(") {
        Some(at) => {
            let mut depth = 1;
            let from = &text[at + 5..];
            let end = from.char_indices().find(|(_, c)| {
                depth += i32::from(*c == '(') - i32::from(*c == ')');
                depth == 0
            });
            from[..end.unwrap().0].to_owned()
        }
        None => text.split(", ").next().unwrap().replace(' ', ","),
    };
    let mut found = Vec::new();
    for part in split(&inner) {
        let Some((name, value)) = part.split_once('=') else { continue };
        let (name, value) = (name.trim(), value.trim().trim_matches('"'));
        match value.strip_prefix("list(").and_then(|rest| rest.strip_suffix(')')) {
            Some(list) => {
                found.extend(parameters(&format!("list({list})")).into_iter().map(|pair| format!("{name}.{pair}")))
            }
            None if name != "method" => found.push(format!("{name}={value}")),
            None => {}
        }
    }
    found
}

/// At commas outside of parentheses.
fn split(text: &str) -> Vec<String> {
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in text.chars() {
        depth += i32::from(c == '(') - i32::from(c == ')');
        match c {
            ',' if depth == 0 => parts.push(String::new()),
            c => parts.last_mut().unwrap().push(c),
        }
    }
    parts
}

#[test]
fn every_line_of_the_manifest_is_one_call() {
    let (folder, mut scores) = (reference("variants"), Scores::default());
    let mut without = BTreeSet::new();
    let mut manifest = csv::Reader::from_path(folder.join("manifest.csv")).unwrap();
    let mut failures = Vec::new();
    for line in manifest.records() {
        let line = line.unwrap();
        let (file, series, name) = (&line[0], &line[1], &line[2]);
        let Some(method) = method(name) else {
            without.insert(name.to_owned());
            continue;
        };
        let series = Series::read(&fs::read(folder.join(format!("{series}__series.csv"))).unwrap()).unwrap();
        let table = Table::read(&folder.join(file));
        let mut parameters = parameters(&line[3]);
        parameters.push(format!("range_start={}", table.columns["t"][0]));
        let run = std::panic::catch_unwind(|| {
            let answer = detect(method, &parameters, &series).unwrap_or_else(|error| panic!("{file}: {error}"));
            let mut score = (0, 0.0);
            compare(file, &answer, &table, &mut score);
            score
        });
        match run {
            Ok(score) => scores.add(method, score),
            Err(error) => failures.push(error.downcast_ref::<String>().cloned().unwrap_or_default()),
        }
    }
    let values = scores.told();
    println!("{values} values; no method for {without:?}");
    assert!(failures.is_empty(), "{} failures: {failures:#?}", failures.len());
    assert!(values > 100_000, "{values} values");
}
