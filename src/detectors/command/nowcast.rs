//! `qianshao nowcast`: reports as CSV in, counts corrected for reporting delay out.
//!
//! Promises: rows may come in any order and a day several times; what does not fit is named with its line and column.
//! Never: uses a report from after the day that is taken as today; repeats what stands in a field.

use std::collections::BTreeMap;

use super::params::{Asked, Params};
use crate::detectors::nowcast::{Nowcast, Nowcasts};
use crate::detectors::unpacked::unpacked;
use crate::terms::Day;

/// Days from the first event to today at most: each is a row of the triangle. Ten years.
const DAYS_MAX: i32 = 3_660;

/// Reports by event day and the day on which they were known. NaN where the count is not known yet.
#[derive(Debug, Default)]
pub struct Reports(BTreeMap<(Day, Day), f64>);

/// Where the columns stand.
struct Columns {
    event: usize,
    known: usize,
    count: Option<usize>,
}

impl Columns {
    fn of(headers: &csv::StringRecord) -> Result<Self, String> {
        let at = |name: &str| headers.iter().position(|header| header == name);
        let needed =
            |name| at(name).ok_or_else(|| format!("there is no column {name}: the first line names the columns"));
        Ok(Self { event: needed("event_date")?, known: needed("known_date")?, count: at("count") })
    }

    /// What a row adds; fails with its column and words.
    fn read(&self, row: &csv::StringRecord, reports: &mut Reports) -> Result<(), (&'static str, String)> {
        let text = |place: usize| row.get(place).unwrap_or_default();
        let date = |place, name| Day::parse(text(place)).ok_or((name, "no date; write 2021-01-31".to_owned()));
        let (event, known) = (date(self.event, "event_date")?, date(self.known, "known_date")?);
        let count = match self.count.map(text) {
            None => 1.0,
            Some("" | "NA") => f64::NAN,
            Some(text) => text.parse().map_err(|_| ("count", "no number".to_owned()))?,
        };
        reports.add(event, known, count).map_err(|what| (if known < event { "known_date" } else { "count" }, what))
    }
}

/// Counted from 1. A reader says where it went on reading, which is before the empty lines that it left out.
fn line_of(record: &csv::StringRecord, text: &[u8]) -> u64 {
    let Some(position) = record.position() else { return 0 };
    let from = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let rest = text.get(from..).unwrap_or_default();
    let empty = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).filter(|byte| **byte == b'\n').count();
    position.line() + empty as u64
}

impl Reports {
    /// Reads CSV with `event_date, known_date` and where a row is not one case `count`; gzip is unpacked. An empty `count`
    /// is a report that may still come.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = unpacked(bytes)?;
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(&*text);
        let columns = Columns::of(reader.headers().map_err(|error| error.to_string())?)?;
        let mut reports = Self::default();
        for record in reader.records() {
            let record = record.map_err(|error| error.to_string())?;
            columns
                .read(&record, &mut reports)
                .map_err(|(column, what)| format!("line {}, column {column}: {what}", line_of(&record, &text)))?;
        }
        Ok(reports)
    }

    /// `count` more cases of `event` that were told on the day `known`; NaN is a report that may still come.
    pub fn add(&mut self, event: Day, known: Day, count: f64) -> Result<(), String> {
        if known < event {
            return Err(format!("known on {known}, before it happened on {event}"));
        }
        if count < 0.0 || (!count.is_nan() && count.fract() != 0.0) || count.is_infinite() {
            return Err(format!("{count} cases: a whole number from 0 on is asked for"));
        }
        *self.0.entry((event, known)).or_insert(0.0) += count;
        Ok(())
    }

    /// The first event day, and a row for each day from it to `now`. Without `now`, the last day with a report is today.
    fn triangle(&self, now: Option<Day>) -> Result<(Day, Vec<Vec<f64>>), String> {
        let last = self.0.keys().map(|(_, known)| *known).max();
        let now = now.or(last).unwrap_or(Day(0));
        let known = || self.0.iter().filter(|((_, known), _)| *known <= now);
        let Some(first) = known().map(|((event, _), _)| *event).min() else { return Ok((now, Vec::new())) };
        let days = now.0.saturating_sub(first.0);
        if days >= DAYS_MAX {
            return Err(format!("{first} to {now}: more than {DAYS_MAX} days"));
        }
        let mut triangle = vec![Vec::new(); days as usize + 1];
        for ((event, known), count) in known() {
            let (row, delay) = (&mut triangle[(event.0 - first.0) as usize], (known.0 - event.0) as usize);
            if row.len() <= delay {
                row.resize(delay + 1, 0.0);
            }
            row[delay] += count;
        }
        Ok((first, triangle))
    }

    /// The first event day and, from it to `now`, what each day comes to; with `NAME=VALUE` parameters.
    pub fn nowcast<S: AsRef<str>>(&self, now: Option<Day>, parameters: &[S]) -> Result<(Day, Nowcasts), String> {
        let params = Params::parse(parameters)?;
        let nowcast = asked(&params)?;
        params.finish("nowcast")?;
        let (first, triangle) = self.triangle(now)?;
        Ok((first, nowcast.run(&triangle)?))
    }
}

fn asked(params: &Params) -> Result<Nowcast, String> {
    let default = Nowcast::default();
    Ok(Nowcast {
        level: params.number(&["level"], default.level)?,
        delay_max: params.count(&["delay_max", "D"], default.delay_max)?,
        days: params.count(&["days"], default.days)?,
        half_life: params.number(&["half_life"], default.half_life)?,
    })
}

/// CSV `event_date, observed, expected, lower, upper`, a row for every day from the first event to `now`.
pub fn csv<S: AsRef<str>>(reports: &Reports, now: Option<Day>, parameters: &[S]) -> Result<String, String> {
    let (first, Nowcasts { observed, expected, lower, upper }) = reports.nowcast(now, parameters)?;
    let mut text = "event_date,observed,expected,lower,upper\n".to_owned();
    for (place, observed) in observed.iter().enumerate() {
        let of =
            |column: &[f64]| column.get(place).filter(|value| !value.is_nan()).map_or(String::new(), f64::to_string);
        let day = first.plus(place as i32);
        text += &format!("{day},{observed},{},{},{}\n", of(&expected), of(&lower), of(&upper));
    }
    Ok(text)
}

/// What docs/detectors.md says of it, parameters included.
pub fn documentation() -> String {
    let mut page = ABOUT.to_owned();
    let Ok(params) = Params::parse::<&str>(&[]) else { return page };
    // Defaults are never refused.
    let _ = asked(&params);
    for Asked { names, kind, default } in params.asked() {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        page.push_str(&format!("| {} | {kind} | {default} |\n", names.join(", ")));
    }
    page
}

const ABOUT: &str = "
## Nowcast

`qianshao nowcast [--input FILE] [--now DATE] [--param NAME=VALUE …]` corrects the last days for reporting delay. FILE (else standard
input) is CSV, gzip or not, with `event_date, known_date` and where a row is not one case `count`; an empty `count` is a report that
may still come. Reports after `--now` (else the last `known_date`) are not used. The answer is CSV, a row a day: `event_date, observed,
expected, lower, upper`, the interval being one for the count that the day will come to; empty means that nothing can be said: from one
day alone, or without any case.

A Poisson model with random effects of the reporting triangle: level, delay and a drift of the delays are random walks; weekday of event,
weekday of report and report day are independent; variances and overdispersion are estimated (McGough et al. 2020, PLOS Computational
Biology 16:e1007735; Günther et al. 2021, Biometrical Journal 63:490; after Lawless 1994, Canadian Journal of Statistics 22:15, and Höhle &
an der Heiden 2014, Biometrics 70:993). Old reports count less, by half every `half_life` days; what a closed channel held back is left
out. No delay longer than `delay_max`, or than any that was seen, is expected; where the first case is too young to tell, half as much again.
`cargo test nowcast` compares it with R's `surveillance::nowcast` on the EHEC O104:H4 outbreak of 2011, and counts how often its interval
holds on simulated triangles; `.ci/run r-parity` asks R's `nowcast` about drawn triangles too, and compares how often both intervals hold
the final counts of the last ten days and how wide they are (ours at most 1.2 times, on average). Delays that lengthen just while cases rise cannot be told from fewer cases before the late reports have
come: the interval is then too low.

`qianshao nowcast`：按报告延迟校正最近各日的计数，给出期望值与区间；只有一天或没有病例时不作回答（留空）。病例上升的同时报告变慢，在迟到的报告到达之前无法与病例减少区分，此时区间偏低。`.ci/run r-parity` 另用随机抽取的报告三角与 R 的 `nowcast` 比较区间覆盖率与平均宽度。

| parameter | may be | default |
|---|---|---|
";

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, now: Option<&str>) -> Result<String, String> {
        csv::<&str>(&Reports::read(text.as_bytes())?, now.and_then(Day::parse), &[])
    }

    #[test]
    fn rows_are_cases_or_counts_and_nothing_after_today_is_used() {
        let cases =
            said("event_date,known_date\n2021-01-01,2021-01-01\n2021-01-01,2021-01-01\n2021-01-02,2021-01-02\n", None);
        // The last row is of a day before the others, and nobody knew of it on the second.
        let counts =
            "known_date,event_date,count\n2021-01-02,2021-01-02,1\n2021-01-01,2021-01-01,2\n2021-01-03,2020-12-25,9\n";
        assert_eq!(cases, said(counts, Some("2021-01-02")));
        assert_eq!(
            cases.unwrap(),
            "event_date,observed,expected,lower,upper\n2021-01-01,2,2,2,2\n2021-01-02,1,1,1,1\n"
        );
        // One day tells of no delay, and before the first report there is no day.
        assert_eq!(said(counts, Some("2021-01-01")).unwrap().lines().nth(1), Some("2021-01-01,2,,,"));
        assert_eq!(said(counts, Some("2020-12-31")).unwrap().lines().count(), 1);
    }

    #[test]
    fn what_does_not_fit_is_named_with_its_line_and_column() {
        for (text, told) in [
            (
                "event_date,known_date\n2021-01-02,2021-01-01\n",
                "line 2, column known_date: known on 2021-01-01, before",
            ),
            ("event_date,known_date\n\n2021-01-02,soon\n", "line 3, column known_date: no date"),
            ("event_date,known_date\n2021-02-30,2021-03-01\n", "line 2, column event_date: no date"),
            ("date\n2021-01-02\n", "no column event_date"),
            ("event_date,known_date,count\n2021-01-01,2021-01-01,-1\n", "line 2, column count: -1 cases"),
            ("event_date,known_date,count\n2021-01-01,2021-01-01,0.5\n", "line 2, column count: 0.5 cases"),
            ("event_date,known_date,count\n2021-01-01,2021-01-01,inf\n", "line 2, column count: inf cases"),
            ("event_date,known_date,count\n2021-01-01,2021-01-01,some\n", "line 2, column count: no number"),
            ("event_date,known_date,count\n2021-01-01,2021-01-01,2000000000\n", "a count is 0 to 1000000000"),
            ("event_date,known_date\n2021-01-01\n", "line: 2"),
            ("event_date,known_date\n1921-01-01,2021-01-01\n", "more than 3660 days"),
        ] {
            let found = said(text, None).unwrap_err();
            assert!(found.contains(told), "{text}: {found}");
        }
        assert_eq!(said("event_date,known_date\n", None).unwrap().lines().count(), 1);
    }
}
