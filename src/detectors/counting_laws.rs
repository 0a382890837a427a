//! Poisson and negative binomial: upper tail and quantile.
//!
//! Promises: tails to about 1e-13 relative, to 1e-9 past `TERMS_MAX` terms, where 1 − prob rounds; the quantile
//! is the least count that R's `qpois`, `qnbinom` find.
//! Never: loops without end; past `TERMS_MAX` terms a tail is a continued fraction, and a quantile is halved for.

use super::far_tails;
use super::special::{binomial_term, deviance_part, normal_quantile, normal_upper, stirling_remainder};

/// Terms summed for one tail. At 5 ns a term this is 10 ms, met only by counts beyond 10¹⁰.
const TERMS_MAX: usize = 2_000_000;

/// Counts above it have no next one.
const COUNT_MAX: f64 = 9_007_199_254_740_992.0;

/// R lowers p by this part, so that a quantile of a cumulated probability is that count and not the next.
const FUZZ: f64 = 64.0 * f64::EPSILON;

/// A law of counts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum CountingLaw {
    Poisson {
        mean: f64,
    },
    /// Mean size·(1−prob)/prob, variance mean/prob.
    NegativeBinomial {
        size: f64,
        prob: f64,
    },
}

impl CountingLaw {
    /// Mean μ and variance φμ; Poisson where φ is not above 1. The parameters are rounded as R rounds them.
    pub fn overdispersed(mean: f64, phi: f64) -> Self {
        if phi > 1.0 {
            Self::NegativeBinomial { size: mean / (phi - 1.0), prob: 1.0 / phi }
        } else {
            Self::Poisson { mean }
        }
    }

    fn is_known(&self) -> bool {
        match *self {
            Self::Poisson { mean } => mean.is_finite() && mean >= 0.0,
            Self::NegativeBinomial { size, prob } => size.is_finite() && size >= 0.0 && prob > 0.0 && prob <= 1.0,
        }
    }

    fn mean(&self) -> f64 {
        match *self {
            Self::Poisson { mean } => mean,
            Self::NegativeBinomial { size, prob } => size * (1.0 - prob) / prob,
        }
    }

    fn is_zero_surely(&self) -> bool {
        match *self {
            Self::Poisson { mean } => mean == 0.0,
            Self::NegativeBinomial { size, prob } => size == 0.0 || prob == 1.0,
        }
    }

    /// P(Y = count), count ≥ 0.
    fn term(&self, count: f64) -> f64 {
        match *self {
            Self::Poisson { mean } if count == 0.0 => (-mean).exp(),
            Self::Poisson { mean } => {
                (-stirling_remainder(count) - deviance_part(count, mean)).exp()
                    / (2.0 * std::f64::consts::PI * count).sqrt()
            }
            Self::NegativeBinomial { size, prob } if count == 0.0 => (size * prob.ln()).exp(),
            Self::NegativeBinomial { size, prob } => {
                size / (size + count) * binomial_term(size, size + count, prob, 1.0 - prob)
            }
        }
    }

    /// P(Y = count + 1) / P(Y = count).
    fn growth(&self, count: f64) -> f64 {
        match *self {
            Self::Poisson { mean } => mean / (count + 1.0),
            Self::NegativeBinomial { size, prob } => (count + size) * (1.0 - prob) / (count + 1.0),
        }
    }

    /// Standard deviation and skewness.
    fn shape(&self) -> (f64, f64) {
        match *self {
            Self::Poisson { mean } => (mean.sqrt(), 1.0 / mean.sqrt()),
            Self::NegativeBinomial { size, prob } => {
                let (odds, inverse) = ((1.0 - prob) / prob, 1.0 / prob);
                let sd = (size * odds * inverse).sqrt();
                (sd, (inverse + odds) / sd)
            }
        }
    }

    /// P(Y ≥ count). NaN where the count or the law is not known.
    pub fn at_least(&self, count: f64) -> f64 {
        if count.is_nan() || !self.is_known() {
            return f64::NAN;
        }
        let count = (count + 1e-7).floor();
        if count <= 0.0 {
            return 1.0;
        }
        if self.is_zero_surely() || count.is_infinite() {
            return 0.0;
        }
        if count > self.mean() { self.ascend(count) } else { 1.0 - self.descend(count - 1.0) }
    }

    fn at_most(&self, count: f64) -> f64 {
        if count < self.mean() { self.descend(count) } else { 1.0 - self.ascend(count + 1.0) }
    }

    fn is_summable(&self) -> bool {
        // About forty standard deviations, or forty e-foldings of a geometric tail.
        let tail = match *self {
            Self::Poisson { .. } => 0.0,
            Self::NegativeBinomial { prob, .. } => 40.0 / prob,
        };
        self.shape().0 * 12.0 + tail < TERMS_MAX as f64
    }

    fn far_above(&self, count: f64) -> f64 {
        let ratio = match *self {
            _ if self.mean() > COUNT_MAX => return normal_upper((count - 0.5 - self.mean()) / self.shape().0),
            Self::Poisson { mean } => far_tails::poisson_above(count, mean),
            Self::NegativeBinomial { size, prob } => far_tails::negative_binomial_above(count, size, prob),
        };
        (self.term(count) * ratio).min(1.0)
    }

    fn far_below(&self, count: f64) -> f64 {
        let ratio = match *self {
            _ if self.mean() > COUNT_MAX => return normal_upper((self.mean() - count - 0.5) / self.shape().0),
            Self::Poisson { mean } => far_tails::poisson_below(count, mean),
            Self::NegativeBinomial { size, prob } => far_tails::negative_binomial_below(count, size, prob),
        };
        (self.term(count) * ratio).min(1.0)
    }

    /// Σ P(Y = k), k ≥ count, for a count above the mean.
    fn ascend(&self, count: f64) -> f64 {
        if !self.is_summable() {
            return self.far_above(count);
        }
        let (mut term, mut sum, mut at) = (self.term(count), 0.0, count);
        for _ in 0..TERMS_MAX {
            sum += term;
            let growth = self.growth(at);
            // The rest is below a geometric series.
            if term <= sum * 1e-17 * (1.0 - growth).max(0.0) || term == 0.0 {
                break;
            }
            term *= growth;
            at += 1.0;
        }
        sum
    }

    /// Σ P(Y = k), k ≤ count, for a count below the mean.
    fn descend(&self, count: f64) -> f64 {
        if !self.is_summable() {
            return self.far_below(count);
        }
        let (mut term, mut sum, mut at) = (self.term(count), 0.0, count);
        for _ in 0..TERMS_MAX {
            sum += term;
            if at <= 0.0 || term <= sum * 1e-20 {
                break;
            }
            at -= 1.0;
            term /= self.growth(at);
        }
        sum
    }

    /// The least count with P(Y ≤ count) ≥ `p`; NaN where the law is not known or `p` is outside 0…1.
    pub fn quantile(&self, p: f64) -> f64 {
        if !self.is_known() || !(0.0..=1.0).contains(&p) {
            return f64::NAN;
        }
        if p == 0.0 || self.is_zero_surely() {
            return 0.0;
        }
        if p == 1.0 {
            return f64::INFINITY;
        }
        let z = normal_quantile(p);
        let (sd, skewness) = self.shape();
        let guess = (self.mean() + sd * (z + skewness * (z * z - 1.0) / 6.0)).round().max(0.0);
        if guess.is_nan() || guess.max(self.mean()) > COUNT_MAX {
            return guess;
        }
        if !self.is_summable() {
            return self.halve(guess, sd, p * (1.0 - FUZZ));
        }
        self.search(guess, p * (1.0 - FUZZ))
    }

    /// The least count with P(Y ≤ count) ≥ `p`, from a guess that a few deviations bracket.
    fn halve(&self, guess: f64, sd: f64, p: f64) -> f64 {
        let mut step = sd.ceil().max(1.0);
        // P(Y ≤ low) < p ≤ P(Y ≤ high); −1 is below all counts.
        let (mut low, mut high) = (guess, guess);
        while low >= 0.0 && self.at_most(low) >= p {
            (low, high, step) = ((low - step).floor().max(-1.0), low, step * 2.0);
        }
        while high < COUNT_MAX && self.at_most(high) < p {
            (low, high, step) = (high, (high + step).ceil(), step * 2.0);
        }
        while high - low > 1.0 {
            let middle = f64::midpoint(low, high).floor();
            if self.at_most(middle) >= p {
                high = middle;
            } else {
                low = middle;
            }
        }
        high
    }

    fn search(&self, guess: f64, p: f64) -> f64 {
        let mut at = guess;
        let mut term = self.term(at);
        let mut cumulated = self.at_most(at);
        if cumulated >= p {
            for _ in 0..TERMS_MAX {
                if at <= 0.0 || cumulated - term < p {
                    break;
                }
                cumulated -= term;
                at -= 1.0;
                term /= self.growth(at);
            }
        } else {
            for _ in 0..TERMS_MAX {
                term *= self.growth(at);
                at += 1.0;
                cumulated += term;
                if cumulated >= p || term == 0.0 {
                    break;
                }
            }
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slow and obvious: terms from zero on.
    fn slow(law: CountingLaw, count: usize) -> f64 {
        let mut term = law.term(0.0);
        let mut below = 0.0;
        for k in 0..count {
            below += term;
            term *= law.growth(k as f64);
        }
        1.0 - below
    }

    #[test]
    fn tails_agree_with_the_sum_from_zero() {
        for (mean, phi) in [(0.01, 1.0), (0.3, 1.4), (3.0, 1.0), (7.5, 2.5), (40.0, 1.2), (90.0, 12.0)] {
            let law = CountingLaw::overdispersed(mean, phi);
            for count in [0, 1, 2, 5, 17, 60, 120] {
                let (found, wanted) = (law.at_least(count as f64), slow(law, count));
                assert!((found - wanted).abs() < 1e-13, "{law:?} {count}: {found} {wanted}");
            }
        }
    }

    #[test]
    fn the_quantile_is_the_least_count_that_reaches_p() {
        for (mean, phi) in [(0.01, 1.0), (0.2, 30.0), (3.0, 1.0), (7.5, 2.5), (400.0, 1.01), (9000.0, 500.0)] {
            let law = CountingLaw::overdispersed(mean, phi);
            for p in [1e-6, 0.05, 0.5, 0.9, 0.995, 0.999_999] {
                let found = law.quantile(p);
                assert!(law.at_most(found) >= p * (1.0 - 1e-12), "{law:?} {p} {found}");
                assert!(found == 0.0 || law.at_most(found - 1.0) < p, "{law:?} {p} {found}");
            }
        }
    }

    #[test]
    fn a_far_tail_keeps_its_digits() {
        // Poisson 1: P(Y ≥ 30) = e⁻¹/30!·(1 + 1/31 + 1/(31·32) + …).
        let law = CountingLaw::Poisson { mean: 1.0 };
        let series = 1.0 + (1.0 + (1.0 + (1.0 + (1.0 + 1.0 / 35.0) / 34.0) / 33.0) / 32.0) / 31.0;
        let factorial: f64 = (1..=30).map(f64::from).product();
        let wanted = (-1.0f64).exp() / factorial * series;
        assert!((law.at_least(30.0) / wanted - 1.0).abs() < 1e-9);
    }

    #[test]
    fn what_is_not_known_is_nan_and_what_is_huge_ends() {
        assert!(CountingLaw::Poisson { mean: f64::NAN }.quantile(0.5).is_nan());
        assert!(CountingLaw::Poisson { mean: f64::INFINITY }.at_least(3.0).is_nan());
        assert!(CountingLaw::Poisson { mean: 2.0 }.at_least(f64::NAN).is_nan());
        assert_eq!(CountingLaw::Poisson { mean: 0.0 }.quantile(0.99), 0.0);
        assert!(CountingLaw::overdispersed(1e15, 1e7).quantile(0.99) > 1e15);
        assert!(CountingLaw::overdispersed(1e300, 2.0).quantile(0.99).is_finite());
        assert!((CountingLaw::overdispersed(1e15, 1e7).at_least(1e15) - 0.5).abs() < 0.01);
    }

    /// What R answers: `qnbinom(0.99, 2.5, 1e-6)`, `pnbinom(QN - 1, 2.5, 1e-6, lower.tail = FALSE)` and so on.
    #[test]
    fn hundreds_of_thousands_of_widely_spread_cases_have_their_quantile_and_tails() {
        let law = CountingLaw::NegativeBinomial { size: 2.5, prob: 1e-6 };
        assert_eq!(law.quantile(0.99), 7_543_131.0);
        for (count, wanted) in
            [(1e6, 0.849_144_690_161_468_7), (5e6, 0.075_235_061_972_002_25), (2e7, 1.493_352_991_832_136_3e-7)]
        {
            let found = law.at_least(count);
            assert!((found / wanted - 1.0).abs() < 1e-9, "{count}: {found} {wanted}");
        }
        let poisson = CountingLaw::Poisson { mean: 1e11 };
        assert_eq!(poisson.quantile(0.99), 100_000_735_657.0);
        assert!((poisson.at_least(1e11 + 3e5) - 0.171_391_244_371_997_13).abs() < 1e-9);
    }
}
