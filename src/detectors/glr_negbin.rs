//! Negative binomial charts of one run (variance μ + αμ²): GLR of the intercept, LR CUSUM, epidemic GLR.
//!
//! Promises: the statistics of R's C routines `glr_nb_window`, `lr_cusum_nb`, `glr_nbgeneral_window`, their iterations
//! included.
//! Never: looks before the start of the run.

use super::glr::{Newton, Ret};
use super::glr_poisson::{Chart, Run};

/// R's `maxIter`, step and smallest κ of its iterations, and where they begin.
const NEWTON_STEPS_MAX: usize = 1000;
const STEP_MIN: f64 = 1e-6;
const KAPPA_MIN: f64 = -18.0;
const KAPPA_START: f64 = 0.5;
const KAPPA_BEFORE: f64 = 0.4;
/// R's answer where no count up to its limit alarms.
const NEVER: f64 = 1e99;

#[derive(Clone, Copy)]
pub struct NegBin {
    pub alpha: f64,
    pub newton: Newton,
    /// Counts tried for "how many would alarm".
    pub x_max: f64,
}

/// Days k … n: all with one mean, where two sums are enough, or each with its own.
#[derive(Clone, Copy)]
enum Span<'a> {
    Constant { counts: f64, days: f64, mu0: f64 },
    Varying { x: &'a [f64], mu0: &'a [f64] },
}

impl Span<'_> {
    /// Score by information: one Newton step of κ.
    fn step(self, kappa: f64, alpha: f64) -> f64 {
        let growth = kappa.exp();
        match self {
            Self::Constant { counts, days, mu0 } => {
                let spread = 1.0 + alpha * growth * mu0;
                let score = (counts - days * (growth * mu0)) / spread;
                score / (growth * (mu0 * (alpha * counts + days) / (spread * spread)))
            }
            Self::Varying { x, mu0 } => {
                let (mut score, mut information) = (0.0, 0.0);
                for (x, mu0) in x.iter().zip(mu0) {
                    let spread = 1.0 + alpha * growth * mu0;
                    score += (x - growth * mu0) / spread;
                    information += mu0 * (alpha * x + 1.0) / (spread * spread);
                }
                score / (growth * information)
            }
        }
    }

    fn ratio(self, kappa: f64, alpha: f64) -> f64 {
        let growth = kappa.exp();
        let one = |mu0: f64| ((1.0 + alpha * mu0) / (1.0 + alpha * mu0 * growth)).ln();
        match self {
            Self::Constant { counts, days, mu0 } => kappa * counts + (counts + days / alpha) * one(mu0),
            Self::Varying { x, mu0 } => {
                x.iter().zip(mu0).map(|(x, &mu0)| kappa * x + (x + 1.0 / alpha) * one(mu0)).sum()
            }
        }
    }

    /// κ̂ by R's iterations from `start`; may run away or become NaN, as R's.
    fn newton(self, start: f64, alpha: f64) -> f64 {
        let (mut last, mut kappa) = (KAPPA_BEFORE, start);
        let mut steps = 0;
        while kappa > KAPPA_MIN && (kappa - last).abs() > STEP_MIN && steps < NEWTON_STEPS_MAX {
            steps += 1;
            last = kappa;
            kappa = last + self.step(last, alpha);
        }
        kappa
    }

    /// κ̂ by halving: the score falls with κ, and a step has its sign.
    fn halving(self, alpha: f64) -> f64 {
        let (mut low, mut high) = (KAPPA_MIN, 1.0);
        while self.step(high, alpha) > 0.0 && high < 512.0 {
            high *= 2.0;
        }
        for _ in 0..100 {
            let middle = f64::midpoint(low, high);
            if self.step(middle, alpha) > 0.0 {
                low = middle;
            } else {
                high = middle;
            }
        }
        f64::midpoint(low, high)
    }
}

/// A run with what its spans need: sums if the mean never changes.
struct Days<'a> {
    run: Run<'a>,
    /// One mean of all known days.
    constant: Option<f64>,
    /// Counts and known days before each day.
    before: Vec<(f64, f64)>,
}

impl<'a> Days<'a> {
    fn new(run: Run<'a>) -> Self {
        Self { run, constant: run.range.constant(), before: vec![(0.0, 0.0)] }
    }

    /// The next day's count is part of the past from now on.
    fn add(&mut self, n: usize, missing: bool) {
        if let (Some(x), Some((counts, days))) = (self.run.x.get(n), self.before.last()) {
            self.before.push((counts + x, days + f64::from(u8::from(!missing))));
        }
    }

    /// `x` is the run's counts, perhaps with another count at n, which is `today`.
    fn span<'b>(&'b self, x: &'b [f64], today: f64, k: usize, n: usize) -> Span<'b> {
        match (self.constant, self.before.get(k), self.before.get(n)) {
            (Some(mu0), Some(from), Some(to)) => {
                Span::Constant { counts: to.0 - from.0 + today, days: to.1 - from.1 + 1.0, mu0 }
            }
            _ => Span::Varying { x: x.get(k..=n).unwrap_or(&[]), mu0: self.run.mu0.get(k..=n).unwrap_or(&[]) },
        }
    }
}

/// First and last start of a cluster that ends on day n.
fn starts(chart: &Chart, n: usize) -> std::ops::RangeInclusive<usize> {
    chart.m.map_or(0, |m| n.saturating_sub(m))..=n.saturating_sub(chart.m_tilde.saturating_sub(1))
}

fn intercept_value(days: &Days, chart: &Chart, negbin: NegBin, x: &[f64], n: usize) -> f64 {
    let (mut best, mut kappa) = (f64::MIN, KAPPA_START);
    let sign = chart.dir.sign();
    let today = x.get(n).copied().unwrap_or(f64::NAN);
    for k in starts(chart, n) {
        let span = days.span(x, today, k, n);
        let mut found = span.newton(kappa, negbin.alpha);
        let lost = found.is_nan() || (sign * found <= 0.0 && sign * span.step(0.0, negbin.alpha) > 0.0);
        if negbin.newton == Newton::Safeguarded && lost {
            found = span.halving(negbin.alpha);
        }
        kappa = sign * 0.0_f64.max(sign * found);
        let value = span.ratio(kappa, negbin.alpha);
        if value > best {
            best = value;
        }
    }
    best
}

/// GLR of a change in the intercept; answers the day of the alarm (≥ c).
pub fn glr(run: Run, chart: &Chart, negbin: NegBin, out: &mut Vec<f64>) -> Option<usize> {
    let mut days = Days::new(run);
    let first = chart.m_tilde.saturating_sub(1);
    for (n, &missing) in run.missing.iter().enumerate() {
        if missing {
            out.push(0.0);
            days.add(n, missing);
            continue;
        }
        let value = if n < first { 0.0 } else { intercept_value(&days, chart, negbin, run.x, n) };
        let alarm = n >= first && value >= chart.c_arl;
        out.push(match chart.ret {
            Ret::Value => value,
            Ret::Cases => cases(&days, chart, negbin, n, alarm),
        });
        if alarm {
            return Some(n);
        }
        days.add(n, missing);
    }
    None
}

/// The count from which day n alarms, one after the other from the one observed, as R does: up, or down after an alarm.
fn cases(days: &Days, chart: &Chart, negbin: NegBin, n: usize, alarm: bool) -> f64 {
    let first = chart.m_tilde.saturating_sub(1);
    let mut x: Vec<f64> = days.run.x.iter().take(n + 1).copied().collect();
    let mut tried = x.last().copied().unwrap_or(f64::NAN);
    let mut found = if alarm { f64::NAN } else { NEVER };
    // A day without cases has no answer in R: its loop wants at least one.
    while tried >= 1.0 && tried <= negbin.x_max && n >= first {
        tried += if alarm { -1.0 } else { 1.0 };
        x.pop();
        x.push(tried);
        let alarms = intercept_value(days, chart, negbin, &x, n) >= chart.c_arl;
        if alarms != alarm {
            found = if alarm { tried + 1.0 } else { tried };
            break;
        }
    }
    found
}

/// LR CUSUM with known log rate ratio θ: C = max(0, C + θx + (x + 1/α)·ln((1 + αμ)/(1 + αμe^θ))), alarm above c.
pub fn lr(run: Run, chart: &Chart, alpha: f64, theta: f64, out: &mut Vec<f64>) -> Option<usize> {
    let growth = theta.exp();
    let mut sum = 0.0_f64;
    for (n, ((&x, &mu0), &missing)) in run.x.iter().zip(run.mu0).zip(run.missing).enumerate() {
        let before = sum;
        let spread = ((1.0 + alpha * mu0) / (1.0 + alpha * mu0 * growth)).ln();
        sum = 0.0_f64.max(before + (theta * x + (x + 1.0 / alpha) * spread));
        out.push(match chart.ret {
            Ret::Value => sum,
            Ret::Cases => -(before * alpha + spread - chart.c_arl * alpha) / alpha / (theta + spread),
        });
        if sum > chart.c_arl && !missing {
            return Some(n);
        }
    }
    None
}

/// GLR against an epidemic, today's mean μ + e^θ·(yesterday's count). R takes θ from the equation of the intercept; so
/// do we.
pub fn epidemic(run: Run, chart: &Chart, negbin: NegBin, out: &mut Vec<f64>) -> Option<usize> {
    let mut days = Days::new(run);
    let first = chart.m_tilde.saturating_sub(1);
    for (n, &missing) in run.missing.iter().enumerate() {
        let value = if n < first || missing { 0.0 } else { epidemic_value(&days, chart, negbin.alpha, n) };
        out.push(value);
        if value >= chart.c_arl && n >= first && !missing {
            return Some(n);
        }
        days.add(n, missing);
    }
    None
}

fn epidemic_value(days: &Days, chart: &Chart, alpha: f64, n: usize) -> f64 {
    let run = days.run;
    let today = run.x.get(n).copied().unwrap_or(f64::NAN);
    let (mut best, mut theta) = (f64::MIN, KAPPA_START);
    for k in starts(chart, n) {
        theta = days.span(run.x, today, k, n).newton(theta, alpha);
        let rate = theta.exp();
        let window = run.x.iter().zip(run.yesterday()).zip(run.mu0).zip(run.missing).take(n + 1).skip(k);
        let known = window.filter(|(_, missing)| !**missing);
        let value: f64 = known
            .map(|(((&x, &before), &mu0), _)| {
                let mu1 = mu0 + rate * before;
                let spread = (1.0 + alpha * mu0).ln() - (1.0 + alpha * mu1).ln();
                x * (mu1.ln() - mu0.ln() + spread) + 1.0 / alpha * spread
            })
            .sum();
        if value > best {
            best = value;
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::super::glr::Dir;
    use super::super::glr_poisson::MeansRange;
    use super::*;

    const CHART: Chart = Chart { c_arl: 5.0, m_tilde: 1, m: None, dir: Dir::Increase, ret: Ret::Value };

    /// 1,000 cases where 0.1 are usual: R's first step overshoots and its answer is 0. Why `Safeguarded` exists.
    #[test]
    fn a_huge_outbreak_is_lost_as_in_r_and_found_with_the_safeguard() {
        let (mu0, missing) = ([0.1, 0.1], [false, false]);
        let range = MeansRange::of(&mu0, &missing);
        let run = Run { x: &[0.0, 1000.0], mu0: &mu0, missing: &missing, range, x_before: 0.0 };
        let (mut as_r, mut safe) = (Vec::new(), Vec::new());
        let negbin = |newton| NegBin { alpha: 0.2, newton, x_max: 1e4 };
        assert_eq!(glr(run, &CHART, negbin(Newton::AsR), &mut as_r), None);
        assert_eq!(as_r[1], 0.0);
        assert_eq!(glr(run, &CHART, negbin(Newton::Safeguarded), &mut safe), Some(1));
        assert!(safe[1] > 30.0);
    }

    #[test]
    fn two_sums_are_as_good_as_all_days() {
        let (x, mu0) = ([3.0, 0.0, 7.0, 4.0], [2.5; 4]);
        let all = Span::Varying { x: &x, mu0: &mu0 };
        let sums = Span::Constant { counts: 14.0, days: 4.0, mu0: 2.5 };
        for kappa in [-1.0, 0.0, 0.5, 3.0] {
            assert!((all.step(kappa, 0.3) - sums.step(kappa, 0.3)).abs() < 1e-13);
            assert!((all.ratio(kappa, 0.3) - sums.ratio(kappa, 0.3)).abs() < 1e-12);
        }
        assert!((sums.newton(0.5, 0.3) - (14.0_f64 / 10.0).ln()).abs() < 1e-12);
        assert!((sums.halving(0.3) - (14.0_f64 / 10.0).ln()).abs() < 1e-12);
    }
}
