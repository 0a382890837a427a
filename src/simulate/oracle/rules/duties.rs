//! Rules about reports that did not come: silence is not zero.

use std::collections::BTreeMap;

use super::super::calendar::instant;
use super::super::rows::Text;
use super::{Finding, View};

/// A report of one facility, feed and day that is due, has not come, and whose time has passed.
fn is_missing(view: &View<'_>, facility: &str, feed: &str, day: i64, minutes: i64) -> bool {
    let came = view.book.reports.contains_key(&(Text::from(facility), Text::from(feed), day));
    !came && instant(day, minutes) < view.tick
}

/// Days that a silence is counted back over.
pub const SILENCE_DAYS: i64 = 366;

/// Consecutive expected reports of one facility that are missing.
pub fn missing_report(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let mut out = Vec::new();
    for feed in view.duty.feeds() {
        for facility in view.duty.facilities() {
            let mut run: Vec<i64> = Vec::new();
            for (day, minutes) in view.duty.days_of(feed, facility) {
                if day < view.first_day() - SILENCE_DAYS || day > view.today() {
                    continue;
                }
                if !is_missing(view, facility, feed, day, minutes) {
                    run.clear();
                    continue;
                }
                run.retain(|missed| day - missed < SILENCE_DAYS);
                // Silence goes on over days on which nothing was owed, once the next report is missing too.
                let unowed = run.last().map_or(day, |before| before + 1)..day;
                for between in unowed {
                    out.extend(silence(view, facility, feed, (run[0], between), run.len())?);
                }
                run.push(day);
                out.extend(silence(view, facility, feed, (run[0], day), run.len())?);
            }
        }
    }
    Ok(out)
}

/// A facility silent from its first missing report to a day, with so many reports missing.
fn silence(
    view: &View<'_>,
    facility: &str,
    feed: &str,
    window: (i64, i64),
    missing: usize,
) -> Result<Option<Finding>, String> {
    let blue = view.parameter("missing_report.blue_days")?;
    let yellow = view.parameter("missing_report.yellow_days")?;
    let orange = view.parameter("missing_report.orange_days")?;
    let length = missing as f64;
    if length < blue {
        return Ok(None);
    }
    let unit = ("facility", facility, view.duty.county_of(facility));
    let mut found = Finding::new("missing_report", unit, &format!("{feed}_report"), window, (length, blue));
    let severity = if length >= yellow { "yellow" } else { "blue" };
    found.severity = Some(if length >= orange { "orange" } else { severity });
    Ok(Some(found))
}

/// All expected reporters of a county and feed are missing on one day.
pub fn silent_feed(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let share_min = view.parameter("silent_feed.missing_share")?;
    let mut out = Vec::new();
    for feed in view.duty.feeds() {
        // County → the expected day before, if it was silent.
        let mut silent_before: BTreeMap<&str, Option<i64>> = BTreeMap::new();
        for day in view.first_day()..=view.today() {
            let mut counties: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
            for (facility, minutes) in view.duty.on(feed, day).into_iter().flatten() {
                let county = counties.entry(view.duty.county_of(facility)).or_default();
                county.0 += 1;
                county.1 += i64::from(is_missing(view, facility, feed, day, *minutes));
            }
            for (county, (expected, missing)) in counties {
                let share = missing as f64 / expected as f64;
                if share < share_min {
                    silent_before.insert(county, None);
                    continue;
                }
                let before = silent_before.insert(county, Some(day)).flatten();
                for end in before.map_or(day, |before| before + 1)..=day {
                    let (unit, of) = (("county", county, county), (missing as f64, share_min));
                    let found = Finding::new("silent_feed", unit, &format!("{feed}_report"), (end, end), of);
                    out.push(found.with(Some(expected as f64), share));
                }
            }
        }
    }
    Ok(out)
}
