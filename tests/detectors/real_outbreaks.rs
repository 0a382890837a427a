//! What our detectors say of outbreaks that happened: EHEC O104:H4 in 2011 as it was reported, influenza-like illness since 1997.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;

use flate2::read::GzDecoder;
use qianshao::detectors::farrington_flexible::{FarringtonFlexible, ThresholdMethod};
use qianshao::detectors::history::History;
use qianshao::detectors::nowcast::{Nowcast, Nowcasts};
use qianshao::terms::Day;

use super::nowcast::{day, reports, triangle};
use super::table::reference;

/// Cases of haemolytic-uraemic syndrome in seven days that are an outbreak: Germany has about 70 a year, and of a Poisson
/// law with a mean of 1.4 one week in 1,600 has as many.
const OUTBREAK: f64 = 7.0;

/// The first event day, and what was said on each day from `from` to `to`.
fn replayed(from: &str, to: &str) -> (i32, Vec<(i32, Nowcasts)>) {
    let reports = reports();
    let first = reports.iter().map(|(event, _)| *event).min().unwrap();
    let said = |now| (now, Nowcast::default().run(&triangle(&reports, first, now)).unwrap());
    (first, (day(from)..=day(to)).map(said).collect())
}

/// Of the last seven event days; what nothing is said of counts as it was reported.
fn week(answer: &Nowcasts, column: &[f64]) -> f64 {
    let from = column.len().saturating_sub(7);
    let known = |at: usize| if column[at].is_nan() { answer.observed[at] } else { column[at] };
    (from..column.len()).map(known).sum()
}

#[test]
fn the_last_ten_days_of_ehec_end_within_their_interval() {
    let reports = reports();
    let (first, said) = replayed("2011-05-24", "2011-06-30");
    let (mut held, mut of) = (0, 0);
    for (now, answer) in &said {
        for event in now - 9..=*now {
            let at = (event - first) as usize;
            let last = reports.iter().filter(|(day, _)| *day == event).count() as f64;
            held += i32::from((answer.lower[at]..=answer.upper[at]).contains(&last));
            of += 1;
        }
    }
    println!("{held} of {of} days");
    assert!(f64::from(held) >= 0.9 * f64::from(of), "{held} of {of}");
}

/// Places of the last days of the weeks that are an outbreak even at their lower limits.
fn firing(answer: &Nowcasts) -> BTreeSet<usize> {
    let low = |at: usize| if answer.lower[at].is_nan() { answer.observed[at] } else { answer.lower[at] };
    (6..answer.observed.len()).filter(|&end| (end - 6..=end).map(low).sum::<f64>() >= OUTBREAK).collect()
}

/// The institute had two reports until 23 May, so no count of arrivals tells of an outbreak before the 24th; the weeks that
/// the alert is about end on 16 to 23 May.
#[test]
fn the_alert_of_ehec_comes_with_the_first_reports_and_delay_does_not_withdraw_it() {
    let known = |by: &str| reports().iter().filter(|(_, known)| *known <= day(by)).count();
    assert_eq!((known("2011-05-23"), known("2011-05-24")), (2, 26));
    let (first, said) = replayed("2011-05-18", "2011-06-14");
    let opened = said.iter().position(|(_, answer)| !firing(answer).is_empty()).unwrap();
    let begun = firing(&said[opened].1);
    let weeks = |from: &str, to: &str| (day(from) - first) as usize..=(day(to) - first) as usize;
    println!("opened on {}, by {} weeks", Day(said[opened].0), begun.len());
    assert_eq!(Day(said[opened].0).to_string(), "2011-05-24");
    assert!(begun.iter().any(|end| weeks("2011-05-16", "2011-05-23").contains(end)), "{begun:?}");
    for (now, answer) in &said[opened..] {
        assert!(firing(answer).intersection(&begun).next().is_some(), "{}: withdrawn", Day(*now));
    }
}

#[test]
fn nobody_says_that_ehec_is_over_before_the_corrected_counts_fall() {
    let (_, said) = replayed("2011-05-24", "2011-07-31");
    let highest = said.iter().map(|(_, answer)| week(answer, &answer.expected)).fold(0.0, f64::max);
    // After the highest week: before it expectations are low because nothing is there yet.
    let peak = said.iter().position(|(_, answer)| week(answer, &answer.expected) == highest).unwrap();
    let falls = |(_, answer): &&(i32, Nowcasts)| week(answer, &answer.expected) < 0.5 * highest;
    let fallen = said[peak..].iter().find(falls).map(|(now, _)| *now).unwrap();
    let is_over = |(_, answer): &&(i32, Nowcasts)| week(answer, &answer.expected) < OUTBREAK;
    let over = said.iter().find(is_over).map(|(now, _)| *now).unwrap();
    println!("halved on {}, over on {}", Day(fallen), Day(over));
    assert!(over > fallen && over >= day("2011-06-01"), "halved on {}, over on {}", Day(fallen), Day(over));
}

/// Weeks as 200917, and whether each is an alarm.
type Alarms = BTreeMap<u32, bool>;

/// Weeks, their dates, cases, patients.
type Counted = (Vec<u32>, Vec<i32>, Vec<f64>, Vec<f64>);

/// By region, with the patients as denominator or without one.
fn alarms(population_offset: bool) -> BTreeMap<String, Alarms> {
    let file = std::fs::File::open(reference("realdata").join("us_ilinet_hhs_regions_1_5.csv.gz")).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    let mut regions: BTreeMap<String, Counted> = BTreeMap::new();
    for record in csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.unwrap();
        let number = |place: usize| record[place].parse::<u32>().unwrap();
        let (weeks, dates, counts, patients) = regions.entry(record[0].to_owned()).or_default();
        weeks.push(100 * number(1) + number(2));
        dates.push(day(&record[3]));
        counts.push(f64::from(number(4)));
        patients.push(f64::from(number(6)));
    }
    let base = FarringtonFlexible::noufaily(ThresholdMethod::NbPlugin, 0.005);
    let method = FarringtonFlexible { population_offset, ..base };
    let judged = |(weeks, dates, counts, patients): Counted| {
        let history = History { observed: &counts, freq: 52, population: Some(&patients), dates: Some(&dates) };
        let answers = method.run(&history).unwrap();
        weeks[answers.first..].iter().copied().zip(answers.alarm).collect()
    };
    regions.into_iter().map(|(region, series)| (region, judged(series))).collect()
}

fn between(alarms: &Alarms, from: u32, to: u32) -> Vec<u32> {
    alarms.range(from..=to).filter(|(_, alarm)| **alarm).map(|(week, _)| *week).collect()
}

fn in_summer(alarms: &Alarms) -> Vec<u32> {
    // Spring 2009 went on into its summer.
    let is_summer = |week: &u32| (22..=33).contains(&(week % 100)) && week / 100 != 2009;
    between(alarms, 0, 999_999).into_iter().filter(is_summer).collect()
}

#[test]
fn influenza_like_illness_alarms_when_it_was_unusual() {
    for (region, alarms) in &alarms(true) {
        let weeks = |from, to| between(alarms, from, to);
        assert!(alarms[&200_917], "{region}: spring 2009");
        assert!(weeks(200_937, 200_943).len() == 7 && !weeks(200_934, 200_938).is_empty(), "{region}: autumn 2009");
        assert!(weeks(201_750, 201_810).len() >= 5, "{region}: 2017/18");
        assert!(!weeks(202_010, 202_012).is_empty(), "{region}: March 2020");
        assert!(weeks(202_242, 202_248).len() >= 4, "{region}: autumn 2022");
    }
}

/// Region 4, the South, had more patients than in any earlier summer in 2020, 2021 and 2022 (COVID-19): no silence there.
#[test]
fn influenza_like_illness_is_silent_in_summer_and_in_2020_21() {
    for (region, alarms) in &alarms(true) {
        assert_eq!(between(alarms, 202_040, 202_121), Vec::<u32>::new(), "{region}: 2020/21");
        let expected: &[u32] = match region.as_str() {
            "Region 4" => &[202_027, 202_028, 202_029, 202_129, 202_130, 202_131, 202_132, 202_133, 202_222, 202_223],
            _ => &[],
        };
        assert_eq!(in_summer(alarms), expected, "{region}");
    }
}

#[test]
fn without_a_denominator_summers_that_nobody_watched_before_are_alarms() {
    let (with, without) = (alarms(true), alarms(false));
    let of = |all: &BTreeMap<String, Alarms>| all.values().map(|alarms| in_summer(alarms).len()).sum::<usize>();
    println!("alarms in summer: {} with patients, {} without", of(&with), of(&without));
    assert!(of(&without) > 4 * of(&with));
}
