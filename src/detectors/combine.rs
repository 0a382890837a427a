//! Many p-values: adjusted for their number, or made into one.
//!
//! Promises: adjusted values equal those of R's `p.adjust` to the last digits, in the order given; NaN stays NaN and is
//! not counted.
//! Never: answers outside [0, 1].

use super::gamma::chi_squared_upper_even;
use super::special::{normal_quantile_upper, normal_upper};

/// p-values nearer to 0 or 1 are moved here before their logarithm or normal score is taken.
const P_MIN: f64 = 1e-16;

/// A combined test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Combined {
    /// χ² of Fisher, z of Stouffer.
    pub statistic: f64,
    /// Known p-values it is made of.
    pub n: usize,
    pub p: f64,
}

/// How the normal scores of Stouffer hang together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Correlation<'a> {
    Independent,
    /// The same between any two, from −1 to 1.
    Common(f64),
    /// Row by row, k × k for k p-values, known or not.
    Matrix(&'a [f64]),
}

fn check(p: &[f64]) -> Result<(), String> {
    match p.iter().find(|value| !value.is_nan() && !(0.0..=1.0).contains(*value)) {
        Some(value) => Err(format!("p is {value}, allowed are 0 to 1, and NaN for not available")),
        None => Ok(()),
    }
}

/// Indices of the known values, smallest first.
fn ascending(p: &[f64]) -> Vec<usize> {
    let mut known: Vec<(usize, f64)> = p.iter().copied().enumerate().filter(|(_, value)| !value.is_nan()).collect();
    known.sort_unstable_by(|a, b| a.1.total_cmp(&b.1));
    known.into_iter().map(|(index, _)| index).collect()
}

/// Running minimum of factor·n/rank·p from the largest p down.
fn step_up(p: &[f64], factor: impl Fn(f64) -> f64) -> Result<Vec<f64>, String> {
    check(p)?;
    let order = ascending(p);
    let n = order.len() as f64;
    let mut adjusted = p.to_vec();
    if order.len() < 2 {
        return Ok(adjusted);
    }
    let (factor, mut least) = (factor(n), 1.0_f64);
    for (rank, &index) in order.iter().enumerate().rev() {
        if let Some(value) = adjusted.get_mut(index) {
            least = least.min(factor * n / (rank + 1) as f64 * *value);
            *value = least;
        }
    }
    Ok(adjusted)
}

/// False discovery rate: min over j ≥ i of n·p_(j)/j, at most 1; R `p.adjust(p, "BH")`.
///
/// NaN (not available) stays NaN and is not counted in n; a single p is answered as it is. Fails if a p is outside [0,
/// 1]. Benjamini & Hochberg (1995), JRSS B 57:289.
pub fn benjamini_hochberg(p: &[f64]) -> Result<Vec<f64>, String> {
    step_up(p, |_| 1.0)
}

/// The false discovery rate under any dependence: as BH, times Σ 1/i; R `p.adjust(p, "BY")`.
///
/// NaN and failures as [`benjamini_hochberg`]. Benjamini & Yekutieli (2001), Ann Stat 29:1165.
pub fn benjamini_yekutieli(p: &[f64]) -> Result<Vec<f64>, String> {
    step_up(p, |n| (1..=n as usize).map(|i| 1.0 / i as f64).sum())
}

/// Family-wise error: max over j ≤ i of (n + 1 − j)·p_(j), at most 1; R `p.adjust(p, "holm")`.
///
/// NaN and failures as [`benjamini_hochberg`]. Holm (1979), Scand J Stat 6:65.
pub fn holm(p: &[f64]) -> Result<Vec<f64>, String> {
    check(p)?;
    let order = ascending(p);
    let mut adjusted = p.to_vec();
    let mut most = 0.0_f64;
    for (rank, &index) in order.iter().enumerate() {
        if let Some(value) = adjusted.get_mut(index) {
            most = most.max((order.len() - rank) as f64 * *value);
            *value = most.min(1.0);
        }
    }
    Ok(adjusted)
}

/// Fisher: −2·Σ ln p ~ χ² with 2k degrees of freedom, p clipped to [1e-16, 1 − 1e-16].
///
/// NaN is left out; with nothing known statistic and p are NaN. Fails if a p is outside [0, 1].
/// Fisher (1932), Statistical Methods for Research Workers, §21.1.
pub fn fisher(p: &[f64]) -> Result<Combined, String> {
    check(p)?;
    let known = p.iter().filter(|value| !value.is_nan());
    let n = known.clone().count();
    if n == 0 {
        return Ok(Combined { statistic: f64::NAN, n, p: f64::NAN });
    }
    let statistic = -2.0 * known.map(|value| value.clamp(P_MIN, 1.0 - P_MIN).ln()).sum::<f64>();
    Ok(Combined { statistic, n, p: chi_squared_upper_even(statistic, n) })
}

/// Stouffer: z = Σ w·Φ⁻¹(1 − p) / √(wᵀRw), p clipped to [1e-16, 1 − 1e-16]; one-sided p = 1 − Φ(z).
///
/// An empty `weights` means all 1. NaN is left out with its weight; statistic and p are NaN with nothing known or a
/// variance wᵀRw that is not above 0. Fails if a p is outside [0, 1], a weight is negative or not finite, or a size
/// does not fit. Stouffer et al. (1949), The American Soldier 1:45; Strube (1985), Psychol Bull 97:334 for the
/// correlation.
pub fn stouffer(p: &[f64], weights: &[f64], correlation: Correlation) -> Result<Combined, String> {
    check(p)?;
    check_stouffer(p.len(), weights, correlation)?;
    let weight = |i: usize| if weights.is_empty() { Some(1.0) } else { weights.get(i).copied() };
    let scores: Vec<(usize, f64, f64)> = (p.iter().enumerate())
        .filter(|(_, value)| !value.is_nan())
        .filter_map(|(i, value)| Some((i, weight(i)?, normal_quantile_upper(value.clamp(P_MIN, 1.0 - P_MIN)))))
        .collect();
    let sum: f64 = scores.iter().map(|(_, w, z)| w * z).sum();
    let mut variance = 0.0;
    for &(i, a, _) in &scores {
        for &(j, b, _) in &scores {
            variance += a * b * between(correlation, i, j, p.len());
        }
    }
    let statistic = if variance > 0.0 { sum / variance.sqrt() } else { f64::NAN };
    Ok(Combined { statistic, n: scores.len(), p: normal_upper(statistic) })
}

fn between(correlation: Correlation, i: usize, j: usize, k: usize) -> f64 {
    match correlation {
        Correlation::Matrix(matrix) => matrix.get(i * k + j).copied().unwrap_or(f64::NAN),
        Correlation::Independent | Correlation::Common(_) if i == j => 1.0,
        Correlation::Independent => 0.0,
        Correlation::Common(rho) => rho,
    }
}

fn check_stouffer(k: usize, weights: &[f64], correlation: Correlation) -> Result<(), String> {
    if !weights.is_empty() && weights.len() != k {
        return Err(format!("weights has {} values, allowed are none or one a p-value = {k}", weights.len()));
    }
    if let Some(weight) = weights.iter().find(|weight| !(weight.is_finite() && **weight >= 0.0)) {
        return Err(format!("weights contains {weight}, allowed are 0 and more"));
    }
    let allowed = -1.0..=1.0;
    match correlation {
        Correlation::Common(rho) if !allowed.contains(&rho) => {
            Err(format!("correlation is {rho}, allowed are −1 to 1"))
        }
        Correlation::Matrix(matrix) if matrix.len() != k * k => {
            Err(format!("correlation has {} values, allowed is a square of {k} × {k}", matrix.len()))
        }
        Correlation::Matrix(matrix) => match matrix.iter().find(|rho| !allowed.contains(*rho)) {
            Some(rho) => Err(format!("correlation contains {rho}, allowed are −1 to 1")),
            None => Ok(()),
        },
        Correlation::Independent | Correlation::Common(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn missing_values_are_not_counted() {
        let with = benjamini_hochberg(&[0.01, f64::NAN, 0.02, 0.5]).unwrap();
        let without = benjamini_hochberg(&[0.01, 0.02, 0.5]).unwrap();
        assert!(with[1].is_nan());
        assert_eq!([with[0], with[2], with[3]].as_slice(), without);
        assert_eq!(fisher(&[0.3, f64::NAN]).unwrap().n, 1);
        assert!(fisher(&[]).unwrap().p.is_nan() && stouffer(&[], &[], Correlation::Independent).unwrap().p.is_nan());
        assert_eq!(holm(&[0.7]).unwrap(), [0.7]);
    }

    #[test]
    fn a_single_p_stays_itself() {
        assert!((fisher(&[0.03]).unwrap().p - 0.03).abs() < 1e-15);
        assert!((stouffer(&[0.03], &[2.0], Correlation::Common(0.9)).unwrap().p - 0.03).abs() < 1e-15);
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert!(holm(&[1.5]).unwrap_err().contains("p is 1.5"));
        let said = |weights: &[f64], correlation| stouffer(&[0.1, 0.2], weights, correlation).unwrap_err();
        assert!(said(&[1.0], Correlation::Independent).contains("weights has 1"));
        assert!(said(&[1.0, -1.0], Correlation::Independent).contains("weights contains -1"));
        assert!(said(&[], Correlation::Common(2.0)).contains("correlation is 2"));
        assert!(said(&[], Correlation::Matrix(&[1.0])).contains("correlation has 1"));
    }

    proptest! {
        #[test]
        fn adjusted_values_keep_the_order_and_never_fall(p in prop::collection::vec(0.0_f64..=1.0, 2..40)) {
            for adjusted in [benjamini_hochberg(&p), benjamini_yekutieli(&p), holm(&p)] {
                let adjusted = adjusted.unwrap();
                let mut pairs = p.iter().zip(&adjusted);
                prop_assert!(pairs.all(|(raw, value)| *value >= raw * (1.0 - 1e-15) && *value <= 1.0));
                for (i, j) in (0..p.len()).flat_map(|i| (0..p.len()).map(move |j| (i, j))) {
                    prop_assert!(p[i] > p[j] || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
