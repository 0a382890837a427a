//! What a slide shows of a method, and of a rule.
//!
//! Promises: the same figures as table and JSON, rounded.

use super::figures::Figures;
use super::report::Report;
use super::rule::RuleReport;
use super::slide::{Bar, Bars, Curve, GREY, LOOKS, Look, Name, Picture, Unit};
use super::{Group, SIZES};

const SIZE_AXIS: &str = "暴发规模 k（基线标准差的倍数）  Size of the outbreak, standard deviations of the baseline";
const PUPILS_AXIS: &str = "暴发规模 k（同班病例数）  Size of the outbreak, pupils of one class";

/// Of a method.
pub fn of_method(report: &Report) -> Picture {
    let (groups, overall) = (report.groups(), report.overall());
    let all = Bar { value: overall.fpr, colour: GREY, zh: "全部".to_owned(), en: "all".to_owned() };
    let bars = groups.iter().map(|(group, figures)| {
        let (Look { colour, .. }, (zh, en)) = look(*group);
        Bar { value: figures.fpr, colour, zh: zh.to_owned(), en: en.to_owned() }
    });
    let bars = Bars {
        title: "误报率  False-positive rate",
        unit: Unit::Share,
        shown: std::iter::once(all).chain(bars).collect(),
    };
    let curve = |(group, figures): &(Group, Figures)| {
        let (look, name) = look(*group);
        Curve { look, name, pod: figures.pod }
    };
    Picture {
        subject: report.method.clone(),
        on: on_series(report),
        axis: SIZE_AXIS,
        curves: groups.iter().map(curve).collect(),
        bars,
        figures: method_figures(&overall, report.calendar.is_daily()),
    }
}

fn look(group: Group) -> (Look, Name) {
    match (group.trend, group.season) {
        (false, false) => (LOOKS[0], ("平稳", "steady")),
        (false, true) => (LOOKS[1], ("季节", "season")),
        (true, false) => (LOOKS[2], ("趋势", "trend")),
        (true, true) => (LOOKS[3], ("趋势+季节", "trend + season")),
    }
}

fn on_series(report: &Report) -> String {
    let (period, zh) = if report.calendar.is_daily() { ("days", "天") } else { ("weeks", "周") };
    let (scenarios, series, test) = (report.scenarios.len(), report.series(), report.calendar.test);
    format!(
        "{}：{scenarios} 个情景，{series} 条序列，最后 {test} {zh}   {scenarios} scenarios, {series} series, the last {test} {period}",
        report.simulation
    )
}

fn method_figures(overall: &Figures, daily: bool) -> Vec<(String, String, String)> {
    let (period, zh) = if daily { ("Days to detection", "天") } else { ("Weeks to detection", "周") };
    let first = if daily { "Found on the first day" } else { "Found in the first week" };
    vec![
        told(per_cent(overall.ppv), "阳性预测值", "Positive predictive value"),
        told(plain(overall.mean_delay, 2), &format!("检出所需{zh}数"), period),
        told(per_cent(overall.pod_first), &format!("首例当{zh}检出"), first),
        told(per_cent(overall.pod[4]), "检出概率 k = 5", "Detected at k = 5"),
        told(plain(overall.alarms_per_area_week, 4), "每地区每周误报数", "False alarms, area and week"),
    ]
}

/// Of a rule.
pub fn of_rule(report: &RuleReport) -> Picture {
    let raised = &report.raised;
    let bar = |nth: usize| Bar {
        value: raised.by_size[nth].mean_delay().unwrap_or(f64::NAN),
        colour: LOOKS[0].colour,
        zh: (nth + 1).to_string(),
        en: String::new(),
    };
    let bars =
        Bars { title: "检出所需天数  Days to detection", unit: Unit::Days, shown: (0..SIZES).map(bar).collect() };
    let pod = raised.pod().map(|pod| pod.unwrap_or(f64::NAN));
    let number = |value: Option<f64>| value.unwrap_or(f64::NAN);
    Picture {
        subject: format!("{}  {}  {}", report.rule, report.zh, report.en),
        on: report.on(),
        axis: if report.is_of_classes() { PUPILS_AXIS } else { SIZE_AXIS },
        curves: vec![Curve { look: LOOKS[0], name: ("规则", "rule"), pod }],
        bars,
        figures: vec![
            told(per_cent(number(raised.ppv())), "阳性预测值", "Positive predictive value"),
            told(plain(number(raised.mean_delay()), 2), "检出所需天数", "Days to detection"),
            told(per_cent(number(raised.pod_mean())), "检出，k 平均", "Detected, mean of k"),
            told(per_cent(pod[4]), "检出概率 k = 5", "Detected at k = 5"),
            told(plain(number(raised.alarms_per_area_week()), 4), "每地区每周误报数", "False alarms, area and week"),
        ],
    }
}

fn told(value: String, zh: &str, en: &str) -> (String, String, String) {
    (value, zh.to_owned(), en.to_owned())
}

fn per_cent(value: f64) -> String {
    if value.is_finite() { format!("{:.1}%", 100.0 * value) } else { "–".to_owned() }
}

fn plain(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "–".to_owned() }
}
