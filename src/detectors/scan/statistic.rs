//! Kulldorff's log-likelihood ratio, and its inverse as a table, so that a replica needs a compare and no logarithm.
//!
//! Promises: every pair (count, expected) whose ratio exceeds the bar lies above the table's threshold.

/// Relative width by which the table errs on the safe side; what it lets through is judged exactly.
const SAFETY: f64 = 1e-9;

/// Steps of the look-up grid per expected case.
const GRID_STEPS: f64 = 8.0;

/// Newton steps at most; the function is convex and falling, so it arrives from the left in about five.
const NEWTON_STEPS_MAX: usize = 60;

/// c·ln(c/E) + (C−c)·ln((C−c)/(C−E)), 0 unless c > E > 0 (Kulldorff 1997): the ratio for high rates, given C cases.
pub fn log_likelihood_ratio(observed: f64, expected: f64, total: f64) -> f64 {
    // Written so that NaN gives 0.
    if !(expected > 0.0 && observed > expected && observed <= total) {
        return 0.0;
    }
    let inside = observed * (observed / expected).ln();
    let rest = total - observed;
    if rest <= 0.0 {
        return inside;
    }
    inside + rest * (rest / (total - expected)).ln()
}

/// Never below the ratio, and without a logarithm: (c−E)²/2 · (1/E + 1/(C−c)).
pub fn ratio_at_most(observed: f64, expected: f64, total: f64) -> f64 {
    let rest = total - observed;
    if rest <= 0.0 {
        return f64::INFINITY;
    }
    let excess = observed - expected;
    0.5 * excess * excess * (1.0 / expected + 1.0 / rest)
}

/// For one bar: from an expected count to the smallest count whose ratio can exceed the bar.
pub struct Thresholds {
    /// By count: the largest expected count with a ratio above the bar; the last entry is infinite.
    expected_max: Vec<f64>,
    /// By ⌊expected · `GRID_STEPS`⌋: where to begin in `expected_max`.
    grid: Vec<u32>,
}

impl Thresholds {
    /// Table for counts of at least `cases_min` and expected counts up to `expected_most`.
    pub fn new(bar: f64, total: u32, cases_min: u32, expected_most: f64) -> Self {
        let total_cases = f64::from(total);
        let expected_most = expected_most.clamp(0.0, total_cases);
        let mut expected_max = Vec::new();
        let mut expected = 0.0_f64;
        for count in 0..=total {
            if count < cases_min.max(1) {
                expected_max.push(f64::NEG_INFINITY);
                continue;
            }
            expected = solve(bar, f64::from(count), total_cases, expected);
            expected_max.push(expected * (1.0 + SAFETY));
            if expected > expected_most {
                break;
            }
        }
        expected_max.push(f64::INFINITY);
        let mut grid = Vec::new();
        let mut count = 0_usize;
        let steps = (expected_most * GRID_STEPS).floor() as usize + 2;
        for step in 0..steps {
            let floor = step as f64 / GRID_STEPS;
            while expected_max.get(count).is_some_and(|&most| most < floor) {
                count += 1;
            }
            grid.push(count as u32);
        }
        Self { expected_max, grid }
    }

    /// The smallest count that may exceed the bar at `expected`.
    pub fn count_min(&self, expected: f64) -> u32 {
        let step = (expected * GRID_STEPS) as usize;
        let mut count = self.grid.get(step).copied().unwrap_or(0);
        while self.expected_max.get(count as usize).is_some_and(|&most| most < expected) {
            count += 1;
        }
        count
    }
}

/// The expected count at which `count` of `total` cases has the ratio `bar`; `before` is a smaller solution or 0.
fn solve(bar: f64, count: f64, total: f64, before: f64) -> f64 {
    if bar <= 0.0 {
        return count;
    }
    let mut expected = before.max(count * (-(bar / count + 1.0)).exp());
    for _ in 0..NEWTON_STEPS_MAX {
        let excess = log_likelihood_ratio(count, expected, total) - bar;
        let slope = (total - count) / (total - expected) - count / expected;
        let step = excess / slope;
        expected -= step;
        if step.is_nan() || step.abs() <= expected * 1e-13 {
            break;
        }
    }
    expected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_zero_without_excess_and_known_with_it() {
        assert_eq!(log_likelihood_ratio(3.0, 3.0, 10.0), 0.0);
        assert_eq!(log_likelihood_ratio(2.0, 3.0, 10.0), 0.0);
        assert_eq!(log_likelihood_ratio(f64::NAN, 3.0, 10.0), 0.0);
        assert_eq!(log_likelihood_ratio(3.0, 0.0, 10.0), 0.0);
        assert!((log_likelihood_ratio(10.0, 5.0, 10.0) - 10.0 * 2.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn bound_is_never_below_the_ratio() {
        for total in [10_u32, 100, 5_000] {
            for observed in 1..=total.min(300) {
                for part in 1..40 {
                    let expected = f64::from(observed) * f64::from(part) / 40.0;
                    let ratio = log_likelihood_ratio(f64::from(observed), expected, f64::from(total));
                    assert!(ratio_at_most(f64::from(observed), expected, f64::from(total)) >= ratio * (1.0 - 1e-12));
                }
            }
        }
    }

    #[test]
    fn thresholds_agree_with_the_ratio() {
        for (bar, total) in [(0.0, 40_u32), (1.0, 40), (3.0, 2_506), (9.5, 2_506), (30.0, 100)] {
            let most = f64::from(total) / 2.0;
            let table = Thresholds::new(bar, total, 2, most);
            for step in 1..2_000 {
                let expected = most * f64::from(step) / 2_000.0;
                let slow = (2..=total)
                    .find(|&count| log_likelihood_ratio(f64::from(count), expected, f64::from(total)) > bar)
                    .unwrap_or(total + 1);
                let quick = table.count_min(expected);
                assert!(quick <= slow && quick + 1 >= slow, "{bar} {total} {expected}: {quick} {slow}");
                if quick < slow && quick >= 2 {
                    let near = log_likelihood_ratio(f64::from(quick), expected, f64::from(total));
                    assert!((near - bar).abs() < 1e-6, "{bar} {total} {expected}: {quick} {slow} {near}");
                }
            }
        }
    }
}
