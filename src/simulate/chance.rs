//! Chance as an argument: one seed, many independent streams, the few distributions a city needs.
//!
//! Promises: the same seed and stream give the same draws, whatever else was drawn before.
//! Never: reads entropy from the machine.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Largest mean that one product of uniforms draws exactly; beyond, Poisson variables are added up.
const POISSON_CHUNK: f64 = 20.0;

/// One stream of draws.
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// The stream of a purpose (`what`) and its place (`a`, `b`), for example a county and a day.
    pub fn of(seed: u64, what: &str, a: u64, b: u64) -> Self {
        let digest = Sha256::new()
            .chain_update(seed.to_le_bytes())
            .chain_update(a.to_le_bytes())
            .chain_update(b.to_le_bytes())
            .chain_update(what.as_bytes())
            .finalize();
        Self(ChaCha8Rng::from_seed(digest.into()))
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        // 53 bits are what a double holds.
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in [low, high).
    pub fn within(&mut self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// Uniform in 0..n; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.unit() * n as f64) as usize).min(n.saturating_sub(1))
    }

    /// Uniform whole number from `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low + 1).max(1) as usize) as i64
    }

    /// True with this probability.
    pub fn happens(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// One of several, none preferred.
    pub fn pick<'a, T: ?Sized>(&mut self, of: &[&'a T], default: &'a T) -> &'a T {
        of.get(self.below(of.len())).copied().unwrap_or(default)
    }

    /// A random order.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }

    /// Standard normal, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Gamma with this shape and scale 1, by Marsaglia and Tsang (2000).
    pub fn gamma(&mut self, shape: f64) -> f64 {
        if shape < 1.0 {
            let boost = (1.0 - self.unit()).powf(1.0 / shape.max(1e-9));
            return self.gamma(shape + 1.0) * boost;
        }
        let d = shape - 1.0 / 3.0;
        let c = 1.0 / (9.0 * d).sqrt();
        loop {
            let x = self.normal();
            let v = (1.0 + c * x).powi(3);
            if v > 0.0 && (1.0 - self.unit()).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
                return d * v;
            }
        }
    }

    pub fn poisson(&mut self, mean: f64) -> u32 {
        let mut left = mean.max(0.0);
        let mut count = 0;
        while left > 0.0 {
            let part = left.min(POISSON_CHUNK);
            left -= part;
            let limit = (-part).exp();
            let mut product = self.unit();
            while product > limit {
                count += 1;
                product *= self.unit();
            }
        }
        count
    }

    /// The mean of one day whose counts are negative binomial with `dispersion` = variance ÷ mean: a gamma mixture.
    /// Poisson draws that share this mean add up to exactly that distribution.
    pub fn day_mean(&mut self, mean: f64, dispersion: f64) -> f64 {
        if mean <= 0.0 || dispersion <= 1.0 {
            return mean.max(0.0);
        }
        self.gamma(mean / (dispersion - 1.0)) * (dispersion - 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moments(draws: &[f64]) -> (f64, f64) {
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (draws.len() - 1) as f64;
        (mean, variance)
    }

    #[test]
    fn poisson_draws_have_equal_mean_and_variance() {
        let mut chance = Chance::of(1, "test", 0, 0);
        for wanted in [0.3, 4.0, 75.0] {
            let draws: Vec<f64> = (0..20_000).map(|_| f64::from(chance.poisson(wanted))).collect();
            let (mean, variance) = moments(&draws);
            assert!((mean / wanted - 1.0).abs() < 0.03, "{wanted}: {mean}");
            assert!((variance / wanted - 1.0).abs() < 0.06, "{wanted}: {variance}");
        }
    }

    #[test]
    fn a_gamma_mixture_is_overdispersed_as_asked() {
        let mut chance = Chance::of(2, "test", 0, 0);
        for wanted in [1.2, 12.0, 150.0] {
            let draws: Vec<f64> = (0..20_000)
                .map(|_| {
                    let mean = chance.day_mean(wanted, 2.5);
                    f64::from(chance.poisson(mean))
                })
                .collect();
            let (mean, variance) = moments(&draws);
            assert!((mean / wanted - 1.0).abs() < 0.05, "{wanted}: {mean}");
            assert!((variance / mean / 2.5 - 1.0).abs() < 0.12, "{wanted}: {variance} / {mean}");
        }
    }

    #[test]
    fn streams_repeat_and_differ() {
        let draw = |seed, a| Chance::of(seed, "stream", a, 7).unit();
        assert_eq!(draw(1, 2).to_bits(), draw(1, 2).to_bits());
        assert_ne!(draw(1, 2).to_bits(), draw(1, 3).to_bits());
        assert_ne!(draw(1, 2).to_bits(), draw(2, 2).to_bits());
    }
}
