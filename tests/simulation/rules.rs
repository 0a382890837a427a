//! What is in force in this world, and two of the shipped rules as functions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use qianshao::alert::Series;
use qianshao::cells::count::Wanted;
use qianshao::cells::tables::Shown;
use qianshao::delta::reference::Text;
use qianshao::detect::evaluate::Predicates;
use qianshao::detect::finding::Finding;
use qianshao::detect::rule::Rule;
use qianshao::pipeline::Folders;
use qianshao::terms::Day;

use super::plan::Rules;
use crate::scenarios::Setting;

pub const PACK: &str = "base";
/// One day, one class: at least so many. 卫办疾控发〔2006〕65号
pub const ONE_DAY: (&str, i32, i64, i32) = ("school_class_1d3", 1, 3, 1);
/// Three days, one class: at least so many; the fourth number is the rule's `gap_days`.
pub const THREE_DAYS: (&str, i32, i64, i32) = ("school_class_3d5", 3, 5, 2);

/// Texts and feeds that are in force.
pub fn setting() -> Arc<Setting> {
    static SETTING: OnceLock<Arc<Setting>> = OnceLock::new();
    let read = || Setting::read(&Folders::default(), PACK).with_rules(&[ONE_DAY.0, THREE_DAYS.0]);
    SETTING.get_or_init(read).clone()
}

/// The texts that a schedule puts in force: without SQL only what the functions and the registers need.
pub fn texts(rules: Rules) -> Vec<Text> {
    let texts = setting().texts.clone();
    let is_needed = |text: &Text| match text.class.as_str() {
        "feed" => text.name == "school/pupil_event",
        "code" => ["areas", "unit_kinds"].contains(&text.name.as_str()),
        "register" => text.name == "facilities",
        "pack" => text.name == "base/pack.toml",
        _ => true,
    };
    match rules {
        Rules::Shipped => texts,
        Rules::Predicates => texts.into_iter().filter(is_needed).collect(),
    }
}

/// The two rules, read from cells.
pub fn predicates(rules: Rules) -> Option<Predicates> {
    let judge = |rule: &Rule, shown: &Shown| match rule.id.as_str() {
        id if id == ONE_DAY.0 => findings(shown, ONE_DAY.1, ONE_DAY.2),
        id if id == THREE_DAYS.0 => findings(shown, THREE_DAYS.1, THREE_DAYS.2),
        other => panic!("no function for rule {other}"),
    };
    match rules {
        Rules::Shipped => None,
        Rules::Predicates => Some(Arc::new(judge)),
    }
}

/// Windows of `days` that end on a day with a case and hold at least `pupils`.
fn findings(shown: &Shown, days: i32, pupils: i64) -> Vec<Finding> {
    let wanted = Wanted { unit_kinds: Some(BTreeSet::from(["class".to_owned()])), ..Wanted::default() };
    let cells = shown.cells(&wanted);
    let mut series: BTreeMap<(&str, &str), Vec<(Day, i64)>> = BTreeMap::new();
    for (key, cell) in &cells {
        let count = cell.count.unwrap_or(0);
        if count > 0 {
            series.entry((&key.unit_id, &key.signal)).or_default().push((key.day, count));
        }
    }
    let mut findings = Vec::new();
    for ((unit_id, signal), counts) in series {
        for (end, _) in &counts {
            let first = end.plus(1 - days);
            let inside = counts.iter().filter(|(day, _)| *day >= first && day <= end);
            let observed: i64 = inside.map(|(_, count)| count).sum();
            if observed >= pupils {
                findings.push(finding(unit_id, signal, first, *end, observed, pupils));
            }
        }
    }
    findings
}

fn finding(unit_id: &str, signal: &str, first: Day, end: Day, observed: i64, pupils: i64) -> Finding {
    Finding {
        series: Series {
            unit_kind: "class".to_owned(),
            unit_id: unit_id.to_owned(),
            area_code: "990101".to_owned(),
            signal: signal.to_owned(),
        },
        facility_id: None,
        syndrome: None,
        window_start: first,
        window_end: end,
        observed: observed as f64,
        expected: None,
        threshold: pupils as f64,
        statistic: None,
        channels: None,
        severity: None,
    }
}
