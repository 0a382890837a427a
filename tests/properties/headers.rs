//! Headers of rules: any text is a rule whose header says so, or a problem with its place and what would be right.

use qianshao::detect::rule::Rule;
use qianshao::problem::Problem;

use super::decode::damaged;
use super::examples::Choices;

const RULES: [(&str, &str); 3] = [
    ("school_class_1d3", include_str!("../../rules/base/school_class_1d3.sql")),
    ("silent_feed", include_str!("../../rules/base/silent_feed.sql")),
    ("fever_clinic_c2", include_str!("../../rules/2021-CF/fever_clinic_c2.sql")),
];
const LINES: [&str; 12] = [
    "-- severity: purple",
    "-- severity: red",
    "-- verify_hours: 8761",
    "-- gap_days: -1",
    "-- gap_days: 3661",
    "-- history_days: 1e3",
    "-- valid_from: 2021-02-30",
    "-- id: other",
    "-- zh:",
    "-- severty: red",
    "-- sabotage: a.b tighter=NaN looser=x",
    "-- needs: a, ,b",
];

/// The bytes are a text, or damage to a shipped rule.
pub fn holds(data: &[u8]) {
    let mut choices = Choices(data);
    let (stem, text) = RULES[choices.below(RULES.len())];
    let text = match choices.byte() % 4 {
        0 => choices.0.to_vec(),
        1 => {
            let mut lines: Vec<&str> = text.lines().collect();
            let at = choices.below(15.min(lines.len()));
            match choices.byte() % 3 {
                0 => drop(lines.remove(at)),
                1 => lines.insert(at, choices.of(&LINES)),
                _ => lines[at] = choices.of(&LINES),
            }
            lines.join("\n").into_bytes()
        }
        _ => damaged(text.as_bytes(), &mut choices),
    };
    let text = String::from_utf8_lossy(&text);
    match Rule::parse("pack", stem, "pack/rule.sql", &text) {
        Ok(rule) => says_what_it_says(&rule, stem, &text),
        Err(problem) => has_a_place(&problem),
    }
}

fn says_what_it_says(rule: &Rule, stem: &str, text: &str) {
    // The header ends where a line is no `-- key:`; read anew here, one line after the other.
    let is_key =
        |key: &str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    let lines = text.lines().map_while(|line| line.strip_prefix("-- ")?.split_once(':').filter(|(key, _)| is_key(key)));
    let header: Vec<(&str, &str)> = lines.map(|(key, value)| (key, value.trim())).collect();
    let value = |key: &str| {
        let mut found = header.iter().filter(|(name, _)| *name == key).map(|(_, value)| *value);
        let first = found.next();
        assert!(found.next().is_none(), "{key} twice was read");
        first.filter(|value| !value.is_empty())
    };
    assert_eq!((rule.id.as_str(), value("id")), (stem, Some(stem)));
    assert_eq!(value("severity"), Some(rule.severity.word()));
    assert_eq!((value("zh"), value("en")), (Some(rule.zh.as_str()), Some(rule.en.as_str())));
    assert!((0..=24 * 365).contains(&rule.verify_hours) && (0..=3_660).contains(&rule.history_days));
    let gap = value("gap_days").map(|text| text.parse::<i32>().unwrap());
    assert_eq!(rule.gap_days, gap.unwrap_or(1));
    assert_eq!(rule.valid_from.map(|day| day.to_string()), value("valid_from").map(str::to_owned));
    assert_eq!(rule.sabotage.len(), header.iter().filter(|(key, _)| *key == "sabotage").count());
    assert_eq!(rule.sql, text);
}

fn has_a_place(problem: &Problem) {
    assert!(problem.at.starts_with("pack/rule.sql"), "{}", problem.at);
    assert!(!problem.found.is_empty() && !problem.help.is_empty(), "{}", problem.code.id);
}
