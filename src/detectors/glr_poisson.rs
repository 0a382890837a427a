//! Poisson charts of one run, from a restart to the next alarm: GLR of the intercept, LR CUSUM, epidemic GLR.
//!
//! Promises: the statistics of R's C routines `glr_cusum`, `glr_cusum_window`, `lr_cusum`, `glr_epi_window`.
//! Never: looks before the start of the run.

use super::glr::{Dir, Ret};

/// Counts tried for "how many would alarm".
const CASES_MAX: f64 = 9_007_199_254_740_992.0;
/// R's `maxIter`, and the smallest φ its iterations follow.
const NEWTON_STEPS_MAX: usize = 1000;
const PHI_MIN: f64 = -18.0;

/// Share of its counts below which a statistic is computed in R's order of operations.
const TINY: f64 = 2e-7;
/// Σμ/min μ of a run up to which differences of sums keep ten digits.
const MEANS_RANGE_MAX: f64 = 1e6;

/// One run: counts and means from the restart on, missing days as 0 in both, which adds nothing.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    pub x: &'a [f64],
    pub mu0: &'a [f64],
    pub missing: &'a [bool],
    /// Of all the means there are; found once, because runs may be as many as days.
    pub range: MeansRange,
    /// The count before the run.
    pub x_before: f64,
}

/// Sum and extremes of the means of known days.
#[derive(Clone, Copy)]
pub struct MeansRange {
    sum: f64,
    least: f64,
    greatest: f64,
}

impl MeansRange {
    pub fn of(mu0: &[f64], missing: &[bool]) -> Self {
        let known = mu0.iter().zip(missing).filter(|(_, missing)| !**missing);
        let none = Self { sum: 0.0, least: f64::INFINITY, greatest: 0.0 };
        known.fold(none, |range, (&mu0, _)| Self {
            sum: range.sum + mu0,
            least: range.least.min(mu0),
            greatest: range.greatest.max(mu0),
        })
    }

    /// The mean, if it never changes.
    pub fn constant(self) -> Option<f64> {
        (self.least == self.greatest).then_some(self.least)
    }
}

impl Run<'_> {
    /// Yesterday's count of each day.
    pub fn yesterday(&self) -> impl Iterator<Item = &f64> {
        std::iter::once(&self.x_before).chain(self.x)
    }
}

#[derive(Clone, Copy)]
pub struct Chart {
    pub c_arl: f64,
    pub m_tilde: usize,
    /// Days before today that a cluster may begin.
    pub m: Option<usize>,
    pub dir: Dir,
    pub ret: Ret,
}

/// log-likelihood ratio of a window with sum of counts and means; `None` where R's comparison fails on NaN.
fn ratio(counts: f64, means: f64, dir: Dir) -> Option<f64> {
    let sign = dir.sign();
    let kappa = sign * 0.0_f64.max(sign * (counts / means).ln());
    let value = kappa * counts + (1.0 - kappa.exp()) * means;
    (!value.is_nan()).then_some(value)
}

/// The best cluster so far.
#[derive(Clone, Copy)]
struct Best {
    value: f64,
    /// Its cases; 0 before the first one.
    counts: f64,
}

impl Best {
    /// Whether rounding shows in the tenth digit, so that R's order of operations is needed.
    fn is_tiny(self) -> bool {
        self.value < TINY * self.counts
    }

    /// Increases only, means above 0. Spares logarithms that cannot win: m·h(r) ≤ m·r²/2.
    fn or(self, counts: f64, means: f64) -> Self {
        let over = counts - means;
        if over <= 0.0 || over * over <= 2.0 * means * self.value {
            return self;
        }
        let value = counts * (counts / means).ln() - over;
        if value > self.value { Self { value, counts } } else { self }
    }
}

/// Starts of a cluster that can still be the best: the lower convex hull of (Σμ, Σx) with slopes above 1.
///
/// For a given size of change κ the best start minimises Σx − Σμ·(e^κ − 1)/κ, which a corner of the hull does
/// (Ward et al. 2024, Stat Comput 34: Poisson-FOCuS; here for means that change by day).
#[derive(Default)]
struct Hull {
    corners: Vec<(f64, f64)>,
    means: f64,
    counts: f64,
}

impl Hull {
    /// A cluster may start today: today's sums before today's count.
    fn open(&mut self) {
        let (means, counts) = (self.means, self.counts);
        while let Some(&(m, x)) = self.corners.last() {
            let useless = match self.corners.iter().rev().nth(1) {
                Some(&(m0, x0)) => (counts - x) * (m - m0) <= (x - x0) * (means - m),
                None => counts - x <= means - m,
            };
            if !useless {
                break;
            }
            self.corners.pop();
        }
        self.corners.push((means, counts));
    }

    fn add(&mut self, x: f64, mu0: f64) {
        self.counts += x;
        self.means += mu0;
    }

    /// The statistic had today's count been `x`, before it is added.
    fn value_with(&self, x: f64, mu0: f64) -> Best {
        let (means, counts) = (self.means + mu0, self.counts + x);
        let none = Best { value: 0.0, counts: 0.0 };
        self.corners.iter().fold(none, |best, (m, y)| best.or(counts - y, means - m))
    }
}

/// All starts one after the other, for windows, decreases and means of 0; `x_today` in place of today's count.
fn value_by_search(run: Run, chart: &Chart, n: usize, x_today: f64) -> f64 {
    let (latest, earliest) = match chart.m {
        // In a window a cluster has more than `m_tilde` days.
        Some(m) => (n.checked_sub(chart.m_tilde), n.saturating_sub(m)),
        None => (Some(n), 0),
    };
    let Some(latest) = latest.filter(|&latest| latest >= earliest) else { return f64::MIN };
    let mut today = (x_today, run.mu0.get(n).copied().unwrap_or(f64::NAN));
    let sums = |from: usize, to: usize, mut sum: (f64, f64)| {
        let days = run.x.get(from..to).unwrap_or(&[]).iter().zip(run.mu0.get(from..to).unwrap_or(&[]));
        days.rev().map(move |(x, mu0)| {
            sum = (sum.0 + x, sum.1 + mu0);
            sum
        })
    };
    // Days after the latest start belong to every cluster.
    today = sums(latest + 1, n, today).fold(today, |_, sum| sum);
    let whole_day = (latest == n).then_some(today);
    let clusters = || whole_day.into_iter().chain(sums(earliest, (latest + 1).min(n), today));
    if chart.dir == Dir::Increase && today.1 > 0.0 {
        let best = largest_above(clusters);
        if !best.is_tiny() {
            return best.value;
        }
    }
    clusters().filter_map(|(counts, means)| ratio(counts, means, chart.dir)).fold(f64::MIN, f64::max)
}

/// First a lower bound of all (Bennett's inequality), so that few logarithms remain.
fn largest_above<I: Iterator<Item = (f64, f64)>>(clusters: impl Fn() -> I) -> Best {
    let bound = clusters().fold(0.0_f64, |best, (counts, means)| {
        let over = (counts - means).max(0.0);
        best.max(over * over / (2.0 * means + over * (2.0 / 3.0)))
    });
    // A little less, so that the best one is surely above it and its own value is the answer.
    let least = Best { value: bound * (1.0 - 1e-12), counts: 0.0 };
    clusters().fold(least, |best, (counts, means)| best.or(counts, means))
}

/// The smallest count at which the statistic reaches c (for decreases: falls to it); infinite if none does.
fn cases(c_arl: f64, dir: Dir, value: impl Fn(f64) -> f64) -> f64 {
    let reached = |x: f64| match dir {
        Dir::Increase => value(x) >= c_arl,
        Dir::Decrease => value(x) <= c_arl,
    };
    // By itself, because R leaves out windows without cases when it looks for decreases.
    if reached(0.0) {
        return 0.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    while !reached(high) {
        low = high;
        high *= 2.0;
        if high > CASES_MAX {
            return f64::INFINITY;
        }
    }
    while high - low > 1.0 {
        let middle = f64::midpoint(low, high).floor();
        if reached(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}

/// GLR of a change in the intercept: G = max over starts k of sup_κ κΣx − (e^κ − 1)Σμ; answers the day of the alarm.
pub fn glr(run: Run, chart: &Chart, out: &mut Vec<f64>) -> Option<usize> {
    let simple = chart.m.is_none() && chart.dir == Dir::Increase;
    if simple && run.range.sum <= run.range.least * MEANS_RANGE_MAX {
        glr_by_hull(run, chart, out)
    } else {
        glr_by_search(run, chart, out)
    }
}

fn glr_by_hull(run: Run, chart: &Chart, out: &mut Vec<f64>) -> Option<usize> {
    let mut hull = Hull::default();
    let first = chart.m_tilde.saturating_sub(1);
    for (n, ((&x, &mu0), &missing)) in run.x.iter().zip(run.mu0).zip(run.missing).enumerate() {
        hull.open();
        let best = hull.value_with(x, mu0);
        let value = match (n < first || missing, best.is_tiny()) {
            (true, _) => 0.0,
            (false, false) => best.value,
            (false, true) => value_by_search(run, chart, n, x),
        };
        out.push(match chart.ret {
            Ret::Value => value,
            Ret::Cases if n < first || missing => 0.0,
            Ret::Cases => cases(chart.c_arl, chart.dir, |count| hull.value_with(count, mu0).value),
        });
        if value >= chart.c_arl && n >= first && !missing {
            return Some(n);
        }
        hull.add(x, mu0);
    }
    None
}

fn glr_by_search(run: Run, chart: &Chart, out: &mut Vec<f64>) -> Option<usize> {
    let first = if chart.m.is_some() { chart.m_tilde } else { chart.m_tilde.saturating_sub(1) };
    for (n, (&x, &missing)) in run.x.iter().zip(run.missing).enumerate() {
        if n < first || missing {
            out.push(0.0);
            continue;
        }
        let value = value_by_search(run, chart, n, x);
        out.push(match chart.ret {
            Ret::Value => value,
            Ret::Cases => cases(chart.c_arl, chart.dir, |count| value_by_search(run, chart, n, count)),
        });
        if value >= chart.c_arl {
            return Some(n);
        }
    }
    None
}

/// LR CUSUM with known log rate ratio θ: C = max(0, C + θx + (1 − e^θ)μ), alarm above c.
pub fn lr(run: Run, chart: &Chart, theta: f64, out: &mut Vec<f64>) -> Option<usize> {
    let growth = theta.exp();
    let mut sum = 0.0_f64;
    for (n, ((&x, &mu0), &missing)) in run.x.iter().zip(run.mu0).zip(run.missing).enumerate() {
        let before = sum;
        sum = 0.0_f64.max(before + (theta * x + (1.0 - growth) * mu0));
        out.push(match chart.ret {
            Ret::Value => sum,
            Ret::Cases => (chart.c_arl - before + mu0 * (growth - 1.0)) / theta,
        });
        if sum > chart.c_arl && !missing {
            return Some(n);
        }
    }
    None
}

/// GLR against an epidemic: today's mean μ + λ·(yesterday's count), λ by Newton's steps; alarm above c.
pub fn epidemic(run: Run, chart: &Chart, out: &mut Vec<f64>) -> Option<usize> {
    let first = chart.m_tilde.saturating_sub(1);
    for (n, &missing) in run.missing.iter().enumerate() {
        let value = if n < first || missing { 0.0 } else { epidemic_value(run, chart, n) };
        out.push(value);
        if value > chart.c_arl && n >= first && !missing {
            return Some(n);
        }
    }
    None
}

fn epidemic_value(run: Run, chart: &Chart, n: usize) -> f64 {
    let (mut best, mut lambda) = (f64::MIN, 0.5_f64);
    let earliest = chart.m.map_or(0, |m| n.saturating_sub(m));
    let latest = n.saturating_sub(chart.m_tilde.saturating_sub(1));
    for k in earliest..=latest {
        let days = || {
            let all = run.x.iter().zip(run.yesterday()).zip(run.mu0).zip(run.missing).take(n + 1).skip(k);
            all.filter(|(_, missing)| !**missing).map(|(((&x, &before), &mu0), _)| (x, before, mu0))
        };
        lambda = epidemic_rate(days, lambda.ln()).exp();
        let value: f64 = days().map(|(x, before, mu0)| x * (lambda * before / mu0 + 1.0).ln() - lambda * before).sum();
        if value > best {
            best = value;
        }
    }
    best
}

/// ln λ from Newton's steps that begin at `phi`; NaN, as in R, where yesterday's counts are all 0.
fn epidemic_rate<I: Iterator<Item = (f64, f64, f64)>>(days: impl Fn() -> I, mut phi: f64) -> f64 {
    let mut last = 2.0_f64;
    let mut steps = 0;
    while phi > PHI_MIN && (phi.exp() - last.exp()).abs() > 1e-6 && steps < NEWTON_STEPS_MAX {
        steps += 1;
        last = phi;
        let rate = last.exp();
        let (mut score, mut curvature) = (0.0, 0.0);
        for (x, before, mu0) in days() {
            let mean = rate * before + mu0;
            score += (x * before) / mean - before;
            curvature += (x * (before * before)) / (mean * mean);
        }
        let score = rate * score;
        phi = last + score / ((2.0 * last).exp() * curvature - score);
    }
    phi
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// The slow search is the oracle of the hull.
        #[test]
        fn the_hull_finds_what_the_search_finds(
            days in prop::collection::vec((0_u8..12, 0.1_f64..8.0), 1..120),
            c_arl in 1.0_f64..20.0,
            m_tilde in 1_usize..4,
            cases_too: bool,
        ) {
            let x: Vec<f64> = days.iter().map(|day| f64::from(day.0)).collect();
            let mu0: Vec<f64> = days.iter().map(|day| day.1).collect();
            let missing = vec![false; x.len()];
            let range = MeansRange::of(&mu0, &missing);
            let run = Run { x: &x, mu0: &mu0, missing: &missing, range, x_before: 0.0 };
            let ret = if cases_too { Ret::Cases } else { Ret::Value };
            let chart = Chart { c_arl, m_tilde, m: None, dir: Dir::Increase, ret };
            let (mut fast, mut slow) = (Vec::new(), Vec::new());
            prop_assert_eq!(glr_by_hull(run, &chart, &mut fast), glr_by_search(run, &chart, &mut slow));
            for (a, b) in fast.iter().zip(&slow) {
                prop_assert!((a - b).abs() <= 1e-9 * b.abs().max(1.0), "{} {}", a, b);
            }
        }
    }
}
