//! ESSENCE's adaptive regression: a trend and the days of the week on four weeks, then today against the forecast.
//!
//! Promises: values and colours of the CDC's Rnssp 0.3.1 `alert_regression`, its late second look at alerts included.
//! Never: fits with a weekday unseen in the baseline.

use super::essence::{Colour, Essence, p_value, quantile_5_decimals};

/// Days of the first, shortest baseline.
const BASELINE_MIN: usize = 11;
const WEEK: usize = 7;
/// Intercept, trend, six days of the week.
const COEFFICIENTS: usize = 8;
/// Saturday; Sunday follows.
const WEEKEND_FROM: usize = 5;

/// One value a day of the input; NaN = not available.
#[derive(Clone, Debug, Default)]
pub struct RegressionAnswer {
    pub expected: Vec<f64>,
    pub sigma: Vec<f64>,
    pub adj_r2: Vec<f64>,
    pub test_statistic: Vec<f64>,
    pub pvalue: Vec<f64>,
    /// After the second look; blue too on an early day below its week's mean, as Rnssp answers.
    pub alert: Vec<Colour>,
}

struct Forecast {
    expected: f64,
    sigma: f64,
    adj_r2: f64,
    df: f64,
}

/// Counts ~ 1 + day + weekday on a baseline that grows from 11 days to `baseline`; T = (observed − forecast)/σ.
///
/// σ = max(√MSE·√((n+7)(n−4)/(n(n−7))), 0.01/t₀.₉₅), p from Student's t with n − 8 degrees of freedom. An alert is
/// taken back to blue if today is below the mean of its last 7 days, on a weekend only if also below that of its last 7
/// same weekdays. `first_weekday` is that of the first day, Monday 1 … Sunday 7; days follow each other without a gap
/// (a missing one is NaN). Daily counts or percentages. Not available on the first 11 + `guard` days, on a missing day,
/// with fewer than 11 known days or an unseen weekday in the baseline. Fails if a parameter is out of range. CDC
/// Rnssp 0.3.1 `alert_regression`, which stops below `baseline` + `guard` + 1 days.
pub fn essence_regression(
    observed: &[f64],
    first_weekday: u8,
    parameters: &Essence,
) -> Result<RegressionAnswer, String> {
    parameters.check()?;
    let Essence { baseline, guard, .. } = *parameters;
    if !baseline.is_multiple_of(WEEK) || baseline < 2 * WEEK {
        return Err(format!("baseline is {baseline}, allowed are multiples of 7 from 14 days"));
    }
    if !(1..=7).contains(&first_weekday) {
        return Err(format!("first_weekday is {first_weekday}, allowed are 1 (Monday) to 7 (Sunday)"));
    }
    let phase = usize::from(first_weekday) - 1;
    let sigma_min: Vec<f64> = (0..=baseline).map(floor_of_sigma).collect();
    let mut answer = RegressionAnswer::default();
    for (i, &y) in observed.iter().enumerate() {
        let end = i.saturating_sub(guard);
        let begin = end.saturating_sub(baseline);
        let window = observed.get(begin..end).unwrap_or(&[]);
        let forecast = if y.is_nan() || window.len() < BASELINE_MIN {
            None
        } else {
            forecast(window, (phase + begin) % WEEK, i - begin, &sigma_min)
        };
        let none = Forecast { expected: f64::NAN, sigma: f64::NAN, adj_r2: f64::NAN, df: f64::NAN };
        let Forecast { expected, sigma, adj_r2, df } = forecast.unwrap_or(none);
        let statistic = (y - expected) / sigma;
        answer.expected.push(expected);
        answer.sigma.push(sigma);
        answer.adj_r2.push(adj_r2);
        answer.test_statistic.push(statistic);
        answer.pvalue.push(p_value(statistic, df));
    }
    answer.alert = second_look(observed, phase, &answer.pvalue);
    Ok(answer)
}

fn floor_of_sigma(n: usize) -> f64 {
    if n > COEFFICIENTS { 0.01 / quantile_5_decimals(0.05, (n - COEFFICIENTS) as f64) } else { f64::NAN }
}

/// Per weekday: known days, their sum, the sum of their positions.
#[derive(Clone, Copy, Default)]
struct Day {
    n: f64,
    y: f64,
    t: f64,
}

/// Least squares in closed form: within weekdays the trend is a simple regression, the weekday's level is its mean.
fn forecast(window: &[f64], phase: usize, today: usize, sigma_min: &[f64]) -> Option<Forecast> {
    let known =
        || window.iter().enumerate().filter(|(_, y)| !y.is_nan()).map(|(t, &y)| ((phase + t) % WEEK, t as f64, y));
    let mut days = [Day::default(); WEEK];
    let mut count = 0_usize;
    for (weekday, t, y) in known() {
        let day = days.get_mut(weekday)?;
        *day = Day { n: day.n + 1.0, y: day.y + y, t: day.t + t };
        count += 1;
    }
    if count < BASELINE_MIN || days.iter().any(|day| day.n == 0.0) {
        return None;
    }
    let mut level = days.map(|day| (day.t / day.n, day.y / day.n));
    // Corrected once, so that a constant weekday is exactly its value.
    let mut rest = [0.0; WEEK];
    for (weekday, _, y) in known() {
        *rest.get_mut(weekday)? += y - level.get(weekday)?.1;
    }
    for ((mean, rest), day) in level.iter_mut().zip(rest).zip(&days) {
        mean.1 += rest / day.n;
    }
    let (mut products, mut squares) = (0.0, 0.0);
    for (weekday, t, y) in known() {
        let (t_mean, y_mean) = level.get(weekday)?;
        products += (t - t_mean) * (y - y_mean);
        squares += (t - t_mean) * (t - t_mean);
    }
    if squares <= 0.0 {
        return None;
    }
    let slope = products / squares;
    let fitted = |weekday: usize, t: f64| level.get(weekday).map(|(t_mean, y_mean)| y_mean + slope * (t - t_mean));
    let n = count as f64;
    let mean = known().map(|(_, _, y)| y).sum::<f64>() / n;
    let (mut rss, mut mss) = (0.0, 0.0);
    for (weekday, t, y) in known() {
        let fit = fitted(weekday, t)?;
        rss += (y - fit) * (y - fit);
        mss += (fit - mean) * (fit - mean);
    }
    let df = n - COEFFICIENTS as f64;
    let adjusted = 1.0 - (1.0 - mss / (rss + mss)) * ((n - 1.0) / df);
    let factor = ((n + 7.0) * (n - 4.0) / (n * (n - 7.0))).sqrt();
    let floor = sigma_min.get(count).copied()?;
    let ahead = fitted((phase + today) % WEEK, today as f64)?;
    Some(Forecast {
        expected: if ahead < 0.0 { 0.0 } else { ahead },
        sigma: ((rss / df).sqrt() * factor).max(floor),
        // A baseline of zeros explains nothing.
        adj_r2: if adjusted.is_nan() { 0.0 } else { adjusted },
        df,
    })
}

/// Colours after the removal of alerts on days that are low for their week.
fn second_look(observed: &[f64], phase: usize, pvalue: &[f64]) -> Vec<Colour> {
    let mean_of_7 = |i: usize, every: usize| -> f64 {
        let days = (0..WEEK).map(|back| i.checked_sub(back * every).and_then(|day| observed.get(day)));
        days.map(|day| day.copied().unwrap_or(f64::NAN)).sum::<f64>() / WEEK as f64
    };
    let days = observed.iter().zip(pvalue).enumerate();
    days.map(|(i, (&y, &p))| {
        let first = Colour::of(p);
        let low = first != Colour::Blue && y < mean_of_7(i, 1);
        let weekend = (phase + i) % WEEK >= WEEKEND_FROM;
        if low && (!weekend || y < mean_of_7(i, WEEK)) { Colour::Blue } else { first }
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twice as many on Mondays, one more a day.
    fn weekly(days: usize) -> Vec<f64> {
        (0..days).map(|i| i as f64 + if i.is_multiple_of(WEEK) { 20.0 } else { 10.0 }).collect()
    }

    #[test]
    fn trend_and_weekday_are_forecast() {
        let answer = essence_regression(&weekly(60), 1, &Essence::default()).unwrap();
        for (i, expected) in answer.expected.iter().enumerate().skip(13) {
            assert!((expected - weekly(60)[i]).abs() < 1e-9, "day {i}: {expected}");
        }
        assert!(answer.expected[12].is_nan() && answer.adj_r2[40] > 0.999);
    }

    #[test]
    fn missing_days_leave_the_fit() {
        let mut counts = weekly(60);
        counts[30] = f64::NAN;
        let answer = essence_regression(&counts, 1, &Essence::default()).unwrap();
        assert!(answer.pvalue[30].is_nan());
        assert!((answer.expected[40] - counts[40]).abs() < 1e-9);
        let unknown = essence_regression(&[f64::NAN; 60], 1, &Essence::default()).unwrap();
        assert!(unknown.pvalue.iter().all(|p| p.is_nan()));
    }

    /// A red day below its week's mean: 10 on all days, 9 on the last, 5 or 10 on the same weekdays before.
    #[test]
    fn a_low_day_is_no_alert_unless_it_is_high_for_a_weekend() {
        let colour = |days: usize, first_weekday: usize, same_weekdays: f64| {
            let mut counts = vec![10.0; days];
            (WEEK + 1..=days).step_by(WEEK).for_each(|back| counts[days - back] = same_weekdays);
            counts[days - 1] = 9.0;
            let mut pvalue = vec![0.5; days];
            pvalue[days - 1] = 0.001;
            second_look(&counts, first_weekday - 1, &pvalue)[days - 1]
        };
        // 50 days from a Saturday end on a Saturday, from a Monday on a Monday.
        assert_eq!(colour(50, 6, 5.0), Colour::Red);
        assert_eq!(colour(50, 6, 10.0), Colour::Blue);
        assert_eq!(colour(50, 1, 5.0), Colour::Blue);
        assert_eq!(colour(36, 6, 10.0), Colour::Red, "six Saturdays are not enough for a mean");
    }

    #[test]
    fn parameters_out_of_range_are_named() {
        let said = |weekday, baseline| {
            essence_regression(&[1.0; 60], weekday, &Essence { baseline, ..Essence::default() }).unwrap_err()
        };
        assert!(said(0, 28).contains("first_weekday is 0"));
        assert!(said(1, 27).contains("baseline is 27"));
        assert!(said(1, 7).contains("baseline is 7"));
    }
}
