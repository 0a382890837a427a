//! Mean and standard deviation of the baseline before each day.
//!
//! Promises: constant baselines have exactly their value as mean and exactly 0 as deviation.
//! Never: takes a missing day for zero.

/// Baselines with a squared sum below this are exact in f64.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Which days a baseline is made of: `baseline` days, the last of them `guard` + 1 days before the day looked at.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub baseline: usize,
    pub guard: usize,
    /// Days of it that may be missing.
    pub missing_max: usize,
}

/// Of each day, NaN where the baseline is not complete enough.
#[derive(Clone, Debug, Default)]
pub struct Moments {
    pub mean: Vec<f64>,
    pub sd: Vec<f64>,
}

impl Window {
    /// Index of the first day with a whole baseline before it.
    pub const fn first(self) -> usize {
        self.baseline.saturating_add(self.guard)
    }

    pub fn moments(self, observed: &[f64]) -> Moments {
        let unknown = vec![f64::NAN; observed.len().min(self.first())];
        let mut moments = Moments { mean: unknown.clone(), sd: unknown };
        if observed.len() <= self.first() || self.baseline < 2 {
            moments.mean.resize(observed.len(), f64::NAN);
            moments.sd.resize(observed.len(), f64::NAN);
        } else if self.is_exact(observed) {
            self.running(observed, &mut moments);
        } else {
            self.two_passes(observed, &mut moments);
        }
        moments
    }

    /// Whether sums and sums of squares stay integers that f64 holds.
    fn is_exact(self, observed: &[f64]) -> bool {
        let size = self.baseline as f64;
        let limit = (EXACT_MAX / (size * size)).sqrt().min(f64::from(i32::MAX));
        // Through i32, because the conversion is one instruction and NaN becomes 0.
        observed.iter().fold(true, |all, &y| all & (y.abs() <= limit) & (f64::from(y as i32) == y))
    }

    /// Two additions and two subtractions a day, exact in integers; roots and divisions in a second pass of their own.
    fn running(self, observed: &[f64], moments: &mut Moments) {
        let n = self.baseline as f64;
        let (first, rest) = observed.split_at(self.baseline);
        let (mut sum, mut squares) = first.iter().fold((0.0, 0.0), |(sum, squares), y| (sum + y, squares + y * y));
        let days = observed.len() - self.first();
        moments.mean.reserve(days);
        moments.sd.reserve(days);
        moments.mean.push(sum);
        moments.sd.push(squares);
        moments.mean.extend(rest.iter().zip(observed).take(days - 1).map(|(new, old)| {
            sum += new - old;
            sum
        }));
        moments.sd.extend(rest.iter().zip(observed).take(days - 1).map(|(new, old)| {
            squares += new * new - old * old;
            squares
        }));
        let pairs = n * (n - 1.0);
        for (mean, sd) in moments.mean.iter_mut().zip(&mut moments.sd).skip(self.first()) {
            *sd = ((n * *sd - *mean * *mean) / pairs).sqrt();
            *mean /= n;
        }
    }

    fn two_passes(self, observed: &[f64], moments: &mut Moments) {
        let days = observed.len() - self.first();
        for window in observed.windows(self.baseline).take(days) {
            let (mean, sd) = self.of(window);
            moments.mean.push(mean);
            moments.sd.push(sd);
        }
    }

    fn of(self, window: &[f64]) -> (f64, f64) {
        let known = window.iter().filter(|y| !y.is_nan()).count();
        if known < 2 || window.len() - known > self.missing_max {
            return (f64::NAN, f64::NAN);
        }
        mean_and_sd(window.iter().copied().filter(|y| !y.is_nan()), known)
    }
}

/// Mean, corrected once as R does, and standard deviation with n − 1.
pub fn mean_and_sd(values: impl Iterator<Item = f64> + Clone, n: usize) -> (f64, f64) {
    let n = n as f64;
    let rough = values.clone().sum::<f64>() / n;
    let mean = rough + values.clone().map(|y| y - rough).sum::<f64>() / n;
    let squares: f64 = values.map(|y| (y - mean) * (y - mean)).sum();
    (mean, (squares / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_agree_and_a_constant_has_no_deviation() {
        let window = Window { baseline: 7, guard: 2, missing_max: 0 };
        let counts: Vec<f64> = (0..60).map(|i| f64::from((i * 37) % 11)).collect();
        let fast = window.moments(&counts);
        let mut slow = Moments { mean: vec![f64::NAN; 9], sd: vec![f64::NAN; 9] };
        window.two_passes(&counts, &mut slow);
        for (a, b) in fast.mean.iter().zip(&slow.mean).chain(fast.sd.iter().zip(&slow.sd)) {
            assert!((a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-13, "{a} {b}");
        }
        for constant in [0.1, 3.0, 1e300, 7e12] {
            let flat = window.moments(&[constant; 20]);
            assert!(flat.mean[9..].iter().all(|&mean| mean == constant), "{flat:?}");
            assert!(flat.sd[9..].iter().all(|&sd| sd == 0.0), "{flat:?}");
        }
    }
}
