//! How unlikely a ratio is, from the maxima of the replicas.

/// Euler's constant.
const EULER: f64 = 0.577_215_664_901_532_9;

/// Ratios closer than this are equal.
pub const RATIO_TOLERANCE: f64 = 1e-9;

/// Whether a replica's maximum is as great as `ratio`.
pub fn reaches(maximum: f64, ratio: f64) -> bool {
    maximum > ratio - RATIO_TOLERANCE
}

/// Replicas with at least `ratio`, plus one.
pub fn rank(ratio: f64, maxima: &[f64]) -> usize {
    maxima.iter().filter(|&&maximum| reaches(maximum, ratio)).count() + 1
}

/// rank / (R + 1); after a stop (Besag and Clifford 1991) (rank − 1) / replicas that ran.
pub fn monte_carlo(rank: usize, replicas: usize, stopped: bool) -> f64 {
    if stopped { (rank - 1) as f64 / replicas as f64 } else { rank as f64 / (replicas + 1) as f64 }
}

/// 1 − exp(−exp(−(x−μ)/β)), β = s√6/π, μ = x̄ − 0.5772β with mean and standard deviation (divisor n, as in SaTScan) of
/// the maxima (Abrams, Kulldorff, Kleinman 2010). `None` when there are fewer than two different maxima.
pub fn gumbel(ratio: f64, maxima: &[f64]) -> Option<f64> {
    let count = maxima.len() as f64;
    let mean = maxima.iter().sum::<f64>() / count;
    let variance = maxima.iter().map(|maximum| (maximum - mean).powi(2)).sum::<f64>() / count;
    // NaN without maxima.
    if variance.is_nan() || variance <= 0.0 {
        return None;
    }
    let beta = variance.sqrt() * 6.0_f64.sqrt() / std::f64::consts::PI;
    let mode = mean - EULER * beta;
    Some(-(-((mode - ratio) / beta).exp()).exp_m1())
}

/// Intervals until chance alone gives as much: 1/p, at least 1; adjusted for `analyses` of the same kind
/// 1/(1−(1−p)^(1/analyses)) (Kleinman et al. 2005).
pub fn recurrence_interval(p: f64, analyses: usize) -> f64 {
    let adjusted = if analyses <= 1 { p } else { -((-p).ln_1p() / analyses as f64).exp_m1() };
    (1.0 / adjusted).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p_values_by_hand() {
        let maxima = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(rank(3.0, &maxima), 3);
        assert_eq!(monte_carlo(3, 4, false), 0.6);
        assert_eq!(monte_carlo(3, 4, true), 0.5);
        assert_eq!(gumbel(1.0, &[]), None);
        assert_eq!(gumbel(1.0, &[2.0, 2.0]), None);
        // s² = 1.25, β = 0.871728, μ = 1.996825.
        let p = gumbel(5.0, &maxima).unwrap();
        assert!((p - 0.031_399).abs() < 1e-6, "{p}");
        assert!(gumbel(60.0, &maxima).unwrap() > 0.0);
    }

    #[test]
    fn recurrence_intervals() {
        assert!((recurrence_interval(0.001, 1) - 1_000.0).abs() < 1e-9);
        assert!((recurrence_interval(0.01, 10) - 1.0 / (1.0 - 0.99_f64.powf(0.1))).abs() < 1e-6);
        assert_eq!(recurrence_interval(1.0, 5), 1.0);
    }
}
