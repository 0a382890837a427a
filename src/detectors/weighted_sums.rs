//! The sums over the rows of one level that a step of the regression needs.
//!
//! Promises: one pass. Never: keeps the order of addition of a plain loop; the difference is rounding.

/// Sums kept side by side, so that the processor adds two rows at once; four would not fit its registers.
const LANES: usize = 2;

/// Σ of weights, of weights × time, × time², of working responses, of working responses × time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    pub w: f64,
    pub wt: f64,
    pub wtt: f64,
    pub r: f64,
    pub rt: f64,
}

/// Σ of weights ω·μ, of weights × time, × time².
pub(crate) fn sum_weights(means: &[f64], times: &[f64], priors: &[f64]) -> [f64; 3] {
    let mut lanes = [[0.0; LANES]; 3];
    let mut add = |lane: usize, mean: f64, time: f64, prior: f64| {
        let weight = prior * mean;
        let weight_time = weight * time;
        lanes[0][lane] += weight;
        lanes[1][lane] += weight_time;
        lanes[2][lane] += weight_time * time;
    };
    let (means, means_rest) = means.as_chunks::<LANES>();
    let (times, times_rest) = times.as_chunks::<LANES>();
    let (priors, priors_rest) = priors.as_chunks::<LANES>();
    for ((mean, time), prior) in means.iter().zip(times).zip(priors) {
        for lane in 0..LANES {
            add(lane, mean[lane], time[lane], prior[lane]);
        }
    }
    for ((&mean, &time), &prior) in means_rest.iter().zip(times_rest).zip(priors_rest) {
        add(0, mean, time, prior);
    }
    lanes.map(|lane| lane.iter().sum())
}

/// Σ ω w r² and Σ ω r² of the working residuals r = (y − μ)/μ, w the means before.
pub(crate) fn sum_squares(counts: &[f64], means: &[f64], before: &[f64], priors: &[f64]) -> [f64; 2] {
    let mut lanes = [[0.0; LANES]; 2];
    let mut add = |lane: usize, count: f64, mean: f64, before: f64, prior: f64| {
        let residual = (count - mean) / mean;
        let square = prior * residual * residual;
        lanes[0][lane] += square * before;
        lanes[1][lane] += square;
    };
    let (counts, counts_rest) = counts.as_chunks::<LANES>();
    let (means, means_rest) = means.as_chunks::<LANES>();
    let (befores, before_rest) = before.as_chunks::<LANES>();
    let (priors, priors_rest) = priors.as_chunks::<LANES>();
    for (((count, mean), before), prior) in counts.iter().zip(means).zip(befores).zip(priors) {
        for lane in 0..LANES {
            add(lane, count[lane], mean[lane], before[lane], prior[lane]);
        }
    }
    for (((&count, &mean), &before), &prior) in counts_rest.iter().zip(means_rest).zip(before_rest).zip(priors_rest) {
        add(0, count, mean, before, prior);
    }
    lanes.map(|lane| lane.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_odd_row_is_not_forgotten() {
        assert_eq!(sum_weights(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0], &[1.0, 1.0, 2.0]), [9.0, 50.0, 282.0]);
        let squares = sum_squares(&[2.0, 4.0, 9.0], &[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0], &[1.0, 1.0, 2.0]);
        assert_eq!(squares, [27.0, 10.0]);
    }
}
