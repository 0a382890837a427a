//! Planted outbreaks that a seed decides: the simulation of Noufaily et al. (2013), and its counterpart in days.
//!
//! Weeks: μ(t) = exp(θ + βt + Σ_{j≤m} [γ₁cos(2πjt/52) + γ₂sin(2πjt/52)]), t = 1 … 624; counts negative binomial with
//! variance φμ. Four outbreaks start in weeks 313 to 575 with k from {2, 3, 5, 10}, one in 576 to 624, in the sizes
//! k = 1 … 10. Size ~ Poisson(k·√(φμ(start))), drawn again until ≥ 2; a case falls ⌊LN(0, 0.5²)⌋ weeks after the start.
//!
//! Days: seven years of 364 days. A day's mean is the seventh part of its week's, times its weekday's share; β and the
//! season run by the week that the day is in. Outbreaks start in the days 1,093 to 2,205 and in the last 343. Size ~
//! Poisson(k·√(φ·7μ)): standard deviations of a week, because a case falls ⌊4·LN(0, 0.5²)⌋ days after the start.
//!
//! Promises: a replicate is the same for ever for its seed, scenario and number, whatever else is drawn.
//! Never: a case behind the end of the series.

use std::f64::consts::TAU;

use super::{Calendar, Replicate, SIZES, Scenario, Series, Simulation};
use crate::simulate::chance::Chance;

/// θ, φ, β with a trend, γ₁ and γ₂ with a season (Noufaily et al. 2013, table I, as far as their 28 scenarios go).
const SETS: [(f64, f64, f64, [f64; 2]); 7] = [
    (0.1, 1.5, 0.0025, [0.6, 0.6]),
    (-2.0, 2.0, 0.005, [0.1, 0.3]),
    (1.5, 1.0, 0.003, [0.2, -0.4]),
    (0.5, 5.0, 0.002, [0.5, 0.5]),
    (2.5, 3.0, 0.001, [1.0, 0.1]),
    (3.75, 1.1, 0.001, [0.1, -0.1]),
    (5.0, 1.2, 0.0001, [0.05, 0.01]),
];
const WEEKS: usize = 624;
/// Weeks before the first that a past outbreak may start in.
const TRAINING_WEEKS: usize = 312;
const DAYS: usize = 7 * 364;
/// Three years of days without an outbreak.
const TRAINING_DAYS: usize = 3 * 364;
/// Monday to Sunday, mean 1: fewer people see a doctor at a weekend.
const WEEKDAYS: [f64; 7] = [1.3, 1.15, 1.1, 1.1, 1.1, 0.7, 0.55];
/// Days of a case after the start, in units of LN(0, 0.5²): a week's outbreak in days (Noufaily et al. 2019).
const DAYS_SPREAD: f64 = 4.0;
const PAST_OUTBREAKS: usize = 4;
const PAST_SIZES: [f64; 4] = [2.0, 3.0, 5.0, 10.0];
/// Standard deviation of the logarithm of a case's delay.
const SPREAD: f64 = 0.5;
const CASES_MIN: u32 = 2;

/// The simulation of Noufaily et al. in weeks.
pub fn noufaily(seed: u64, replicates: usize) -> Simulation {
    let series = Series::Drawn { seed, replicates };
    Simulation { name: "noufaily".to_owned(), calendar: Calendar::WEEKS, scenarios: scenarios(), series }
}

/// Its counterpart in days.
pub fn daily(seed: u64, replicates: usize) -> Simulation {
    Simulation { name: "daily".to_owned(), calendar: Calendar::DAYS, ..noufaily(seed, replicates) }
}

/// Seven sets × no trend, trend × no season, season.
fn scenarios() -> Vec<Scenario> {
    let mut scenarios = Vec::new();
    for (theta, phi, beta, gamma) in SETS {
        for (trend, harmonics) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
            scenarios.push(Scenario {
                number: scenarios.len() as u32 + 1,
                theta,
                phi,
                beta: if trend { beta } else { 0.0 },
                gamma: if harmonics > 0 { gamma } else { [0.0; 2] },
                harmonics,
                trend,
            });
        }
    }
    scenarios
}

/// Mean of the 0-based period `at`.
fn mean(scenario: &Scenario, calendar: Calendar, at: usize) -> f64 {
    let week = (at / calendar.periods_a_week + 1) as f64;
    let season = (1..=scenario.harmonics).map(|j| {
        let angle = TAU * f64::from(j) * week / 52.0;
        scenario.gamma[0] * angle.cos() + scenario.gamma[1] * angle.sin()
    });
    let of_week = (scenario.theta + scenario.beta * week + season.sum::<f64>()).exp();
    if calendar.is_daily() { of_week / 7.0 * WEEKDAYS[at % 7] } else { of_week }
}

/// One series; its number is counted from 0.
pub fn replicate(scenario: &Scenario, calendar: Calendar, seed: u64, number: u64) -> Replicate {
    let what = if calendar.is_daily() { "power, days" } else { "power, weeks" };
    let mut chance = Chance::of(seed, what, u64::from(scenario.number), number);
    let (periods, training) = if calendar.is_daily() { (DAYS, TRAINING_DAYS) } else { (WEEKS, TRAINING_WEEKS) };
    let test = periods - calendar.test;
    let mut counts: Vec<f64> = (0..periods)
        .map(|at| {
            let mean = chance.day_mean(mean(scenario, calendar, at), scenario.phi);
            f64::from(chance.poisson(mean))
        })
        .collect();
    for _ in 0..PAST_OUTBREAKS {
        let start = training + chance.below(test - training);
        let k = PAST_SIZES[chance.below(PAST_SIZES.len())];
        for (at, cases) in outbreak(&mut chance, scenario, calendar, (start, periods), k) {
            counts[at] += cases;
        }
    }
    let start = test + chance.below(calendar.test);
    let sizes = 1..=SIZES;
    let current = sizes.map(|k| outbreak(&mut chance, scenario, calendar, (start, periods), k as f64)).collect();
    Replicate { counts, current }
}

/// Cases by period of an outbreak that starts at `start`, of a series of `periods`.
fn outbreak(
    chance: &mut Chance,
    scenario: &Scenario,
    calendar: Calendar,
    (start, periods): (usize, usize),
    k: f64,
) -> Vec<(usize, f64)> {
    // The weekday's share is no part of an outbreak's size.
    let of_week = mean(scenario, calendar, start - start % calendar.periods_a_week);
    let of_week = if calendar.is_daily() { of_week * 7.0 / WEEKDAYS[0] } else { of_week };
    let expected = k * (scenario.phi * of_week).sqrt();
    let mut size = chance.poisson(expected);
    // Until ≥ 2, but not for ever where the mean is next to nothing.
    for _ in 0..10_000 {
        if size >= CASES_MIN {
            break;
        }
        size = chance.poisson(expected);
    }
    let spread = if calendar.is_daily() { DAYS_SPREAD } else { 1.0 };
    let mut cases = std::collections::BTreeMap::new();
    for _ in 0..size.max(CASES_MIN) {
        let at = start + (spread * (SPREAD * chance.normal()).exp()) as usize;
        if at < periods {
            *cases.entry(at).or_insert(0.0) += 1.0;
        }
    }
    cases.into_iter().collect()
}
