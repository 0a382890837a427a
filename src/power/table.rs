//! The measures for a person at a terminal, in Chinese and English.
//!
//! Promises: columns stand under each other, also where a Chinese character is two wide.

use super::figures::Figures;
use super::report::Report;
use super::{Group, SIZES};

/// Sizes that a row of a scenario shows.
const SHOWN: [usize; 5] = [2, 3, 5, 7, 10];

/// The whole table.
pub fn table(report: &Report) -> String {
    let daily = report.calendar.is_daily();
    let (period, zh) = if daily { ("days", "天") } else { ("weeks", "周") };
    let mut text = format!(
        "power 检测效能: {}\non 数据: {}; {} scenarios 情景, {} series 序列, the last 最后 {} {period} {zh}\n\n",
        report.method,
        report.simulation,
        report.scenarios.len(),
        report.series(),
        report.calendar.test
    );
    text += &measures(report, (period, zh));
    text += "\nprobability of detection by size, k standard deviations 各规模暴发的检出概率 (%)\n";
    text += &sizes(report);
    text += "\nby scenario 各情景 (%)\n";
    text += &scenarios(report);
    text
}

fn per_cent(value: f64) -> String {
    if value.is_finite() { format!("{:.1}", 100.0 * value) } else { "-".to_owned() }
}

fn plain(value: f64, digits: usize) -> String {
    if value.is_finite() { format!("{value:.digits$}") } else { "-".to_owned() }
}

/// The name of a group in a heading.
fn heading(group: Group) -> &'static str {
    match (group.trend, group.season) {
        (false, false) => "steady 平稳",
        (false, true) => "season 季节",
        (true, false) => "trend 趋势",
        (true, true) => "both 趋势+季节",
    }
}

/// What all have in common, then the groups.
fn columns(report: &Report) -> Vec<(&'static str, Figures)> {
    let groups = report.groups().into_iter().map(|(group, figures)| (heading(group), figures));
    std::iter::once(("all 全部", report.overall())).chain(groups).collect()
}

fn measures(report: &Report, (period, zh): (&str, &str)) -> String {
    let columns = columns(report);
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(columns.iter().map(|(name, _)| (*name).to_owned()));
    let mut row = |name: String, of: &dyn Fn(&Figures) -> String| {
        rows.push(std::iter::once(name).chain(columns.iter().map(|(_, figures)| of(figures))).collect());
    };
    row("false-positive rate 误报率 (%)".to_owned(), &|figures| per_cent(figures.fpr));
    row("false alarms per area and week 每地区每周误报数".to_owned(), &|figures| {
        plain(figures.alarms_per_area_week, 4)
    });
    row("detected, mean of k 1-10 检出概率，k 平均 (%)".to_owned(), &|figures| per_cent(figures.pod_mean));
    row(format!("detected at the first case 首例当{zh}检出 (%)"), &|figures| per_cent(figures.pod_first));
    row(format!("{period} to detection 检出所需{zh}数"), &|figures| plain(figures.mean_delay, 2));
    row("positive predictive value 阳性预测值 (%)".to_owned(), &|figures| per_cent(figures.ppv));
    row("sensitivity 灵敏度 (%)".to_owned(), &|figures| per_cent(figures.sensitivity));
    row("specificity 特异度 (%)".to_owned(), &|figures| per_cent(figures.specificity));
    aligned(&rows)
}

fn sizes(report: &Report) -> String {
    let mut rows = vec![std::iter::once("k".to_owned()).chain((1..=SIZES).map(|k| k.to_string())).collect::<Vec<_>>()];
    for (name, figures) in columns(report) {
        rows.push(std::iter::once(name.to_owned()).chain(figures.pod.iter().map(|pod| per_cent(*pod))).collect());
    }
    aligned(&rows)
}

fn scenarios(report: &Report) -> String {
    let mut heads = vec!["scenario 情景".to_owned(), "FPR 误报率".to_owned(), "PPV 阳性预测值".to_owned()];
    heads.extend(SHOWN.iter().map(|k| format!("k={k}")));
    let mut rows = vec![heads];
    for (scenario, counts) in &report.scenarios {
        let figures = counts.figures(report.calendar.periods_a_week);
        let name = format!("{:2} {}", scenario.number, heading(scenario.group()));
        let mut row = vec![name, per_cent(figures.fpr), per_cent(figures.ppv)];
        row.extend(SHOWN.iter().map(|k| per_cent(figures.pod[k - 1])));
        rows.push(row);
    }
    aligned(&rows)
}

/// Columns a terminal needs for a text: two for a Chinese character or mark.
fn width(text: &str) -> usize {
    text.chars().map(|c| 1 + usize::from(c >= '\u{2e80}')).sum()
}

/// The first column to the left, the others to the right.
pub fn aligned(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|text| width(text)).max();
    let widths: Vec<usize> = (0..columns).map(|column| widest(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, (field, widest)) in row.iter().zip(&widths).enumerate() {
            let fill = " ".repeat(widest - width(field));
            line += &if column == 0 { format!("  {field}{fill}") } else { format!("  {fill}{field}") };
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_characters_are_two_wide_and_columns_stand_under_each_other() {
        let rows = [["a 全部", "1"], ["abcdef", "22"]].map(|row| row.map(str::to_owned).to_vec());
        assert_eq!(aligned(&rows), "  a 全部   1\n  abcdef  22\n");
    }
}
