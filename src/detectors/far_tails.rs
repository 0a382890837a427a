//! Tails of counting laws with too many terms to add up: continued fractions, in units of the tail's first term.
//!
//! Promises: about 1e-12 relative to what prob rounds to, on the side of the mean that the name says; √(count) steps.
//! Never: loops without end.

/// Steps of a fraction: enough for counts of 10¹², in about 10 ms.
const STEPS_MAX: usize = 3_000_000;

/// Below it Lentz's method would divide by zero.
const TINY: f64 = 1e-300;

fn not_zero(value: f64) -> f64 {
    if value.abs() < TINY { TINY } else { value }
}

/// 1/(1 + d₁/(1 + d₂/(1 + …))) by the modified Lentz method; `part` gives d from 1 on.
fn fraction(part: impl Fn(f64) -> f64) -> f64 {
    let (mut value, mut above, mut below) = (1.0, 1.0, 0.0);
    for step in 1..=STEPS_MAX {
        let part = part(step as f64);
        below = 1.0 / not_zero(1.0 + part * below);
        above = not_zero(1.0 + part / above);
        let change = above * below;
        value *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    1.0 / value
}

/// x/a · the fraction of the incomplete beta function is I(x; a, b) in units of its first factor (DLMF 8.17.22).
fn beta_fraction(x: f64, a: f64, b: f64) -> f64 {
    fraction(|step| {
        let m = (step / 2.0).floor();
        if step % 2.0 == 1.0 {
            -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0))
        } else {
            m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m))
        }
    })
}

/// P(Y ≥ count) / P(Y = count) of a negative binomial, for a count above the mean.
pub fn negative_binomial_above(count: f64, size: f64, prob: f64) -> f64 {
    beta_fraction(1.0 - prob, count, size)
}

/// P(Y ≤ count) / P(Y = count) of a negative binomial, for a count below the mean.
pub fn negative_binomial_below(count: f64, size: f64, prob: f64) -> f64 {
    (1.0 - prob) * (size + count) / size * beta_fraction(prob, size, count + 1.0)
}

/// P(Y ≥ count) / P(Y = count) of a Poisson law, for a count above the mean: the fraction above at b → ∞.
pub fn poisson_above(count: f64, mean: f64) -> f64 {
    fraction(|step| {
        let m = (step / 2.0).floor();
        if step % 2.0 == 1.0 {
            -(count + m) * mean / ((count + 2.0 * m) * (count + 2.0 * m + 1.0))
        } else {
            m * mean / ((count + 2.0 * m - 1.0) * (count + 2.0 * m))
        }
    })
}

/// P(Y ≤ count) / P(Y = count) of a Poisson law, for a count below the mean (DLMF 8.9.2).
pub fn poisson_below(count: f64, mean: f64) -> f64 {
    let mut denominator = not_zero(mean - count);
    let (mut above, mut below) = (1.0 / TINY, 1.0 / denominator);
    let mut value = below;
    for step in 1..=STEPS_MAX {
        let m = step as f64;
        let part = -m * (m - count - 1.0);
        denominator += 2.0;
        below = 1.0 / not_zero(part * below + denominator);
        above = not_zero(denominator + part / above);
        let change = above * below;
        value *= change;
        if (change - 1.0).abs() < f64::EPSILON {
            break;
        }
    }
    mean * value
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Σ of ratios to the first term, from `count` up or down.
    fn slow(count: f64, up: bool, growth: impl Fn(f64) -> f64) -> f64 {
        let (mut term, mut sum, mut at) = (1.0, 0.0, count);
        while term > 1e-20 && at >= 0.0 {
            sum += term;
            term = if up { term * growth(at) } else { term / growth(at - 1.0) };
            at += if up { 1.0 } else { -1.0 };
        }
        sum
    }

    #[test]
    fn fractions_are_the_sums() {
        for (size, prob, below, above) in
            [(3.0, 0.01, 150.0, 600.0), (0.4, 0.002, 12.0, 900.0), (900.0, 0.5, 850.0, 960.0)]
        {
            let growth = |at: f64| (at + size) * (1.0 - prob) / (at + 1.0);
            let found = [negative_binomial_above(above, size, prob), negative_binomial_below(below, size, prob)];
            for (found, wanted) in found.iter().zip([slow(above, true, growth), slow(below, false, growth)]) {
                assert!((found / wanted - 1.0).abs() < 1e-11, "{size} {prob}: {found} {wanted}");
            }
        }
        for (mean, below, above) in [(400.0, 390.0, 401.0), (9000.0, 8000.0, 9300.0), (2.5, 1.0, 9.0)] {
            let growth = |at: f64| mean / (at + 1.0);
            let found = [poisson_above(above, mean), poisson_below(below, mean)];
            for (found, wanted) in found.iter().zip([slow(above, true, growth), slow(below, false, growth)]) {
                assert!((found / wanted - 1.0).abs() < 1e-11, "{mean}: {found} {wanted}");
            }
        }
    }
}
