//! Bayes (Riebler 2004; Höhle 2007): the predictive law of a Poisson count whose rate is learnt from the past.
//! R: `algo.bayes`.
//!
//! Promises: R's bounds: the 1 − α quantile of NB(size Σ + ½, prob n/(n+1)), n and Σ over the known baseline.
//! Never: answers where the baseline reaches before the series (R stops), or where none of it is known.

use super::counting_laws::CountingLaw;
use super::farrington::in_range;

/// Parameters; the defaults are R's, which are Bayes 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Bayes {
    /// Years to look back. 0.
    pub b: usize,
    /// Periods before and after the same period of an earlier year; before the present one in this year. 6.
    pub w: usize,
    /// Use the last `w` periods too. True.
    pub act_y: bool,
    /// Part of the predictive law above the bound, one-sided. 0.05.
    pub alpha: f64,
}

impl Default for Bayes {
    fn default() -> Self {
        Self { b: 0, w: 6, act_y: true, alpha: 0.05 }
    }
}

/// Columns of answers, as long as the series; NaN where there is none.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BayesAnswers {
    /// Counts above it are an alarm.
    pub upperbound: Vec<f64>,
    pub alarm: Vec<bool>,
}

impl Bayes {
    /// `b` 1, `w` 6, with the present year.
    pub fn two() -> Self {
        Self { b: 1, ..Self::default() }
    }

    /// `b` 2, `w` 4, without the present year.
    pub fn three() -> Self {
        Self { b: 2, w: 4, act_y: false, ..Self::default() }
    }

    /// Judges every period of a series with `freq` periods a year. Missing counts leave the baseline. Fails in words
    /// where a parameter is out of its range or nothing is left as baseline.
    pub fn run(&self, observed: &[f64], freq: usize) -> Result<BayesAnswers, String> {
        self.check(freq)?;
        let mut bounds = Bounds { known: 0, kept: Vec::new() };
        let mut answers = BayesAnswers::default();
        for (at, &count) in observed.iter().enumerate() {
            let bound = match self.baseline(observed, at, freq) {
                Some((sum, known)) if known > 0 && sum >= 0.0 => bounds.of(self.alpha, sum, known),
                _ => f64::NAN,
            };
            answers.upperbound.push(bound);
            answers.alarm.push(count > bound);
        }
        Ok(answers)
    }

    fn check(&self, freq: usize) -> Result<(), String> {
        in_range("freq", freq as f64, 1.0, 366.0)?;
        in_range("b", self.b as f64, 0.0, 100.0)?;
        // R would take the present count itself for w = 0.
        in_range("w", self.w as f64, if self.act_y { 1.0 } else { 0.0 }, 36_600.0)?;
        in_range("alpha", self.alpha, 1e-12, 1.0 - 1e-12)?;
        if self.b == 0 && !self.act_y {
            return Err("b is 0 without act_y: allowed is b 1 or more, or act_y".to_owned());
        }
        Ok(())
    }

    /// Sum and number of the known counts of the baseline.
    fn baseline(&self, observed: &[f64], at: usize, freq: usize) -> Option<(f64, u32)> {
        at.checked_sub(self.b * freq + self.w)?;
        let mut total = (0.0, 0);
        if self.act_y {
            add(&mut total, observed.get(at - self.w..at)?);
        }
        for year in 1..=self.b {
            let centre = at - year * freq;
            add(&mut total, observed.get(centre - self.w..=centre + self.w)?);
        }
        Some(total)
    }
}

fn bound(alpha: f64, sum: f64, known: u32) -> f64 {
    let known = f64::from(known);
    CountingLaw::NegativeBinomial { size: sum + 0.5, prob: known / (known + 1.0) }.quantile(1.0 - alpha)
}

/// Sums whose bound is kept: 32 KB.
const KEPT_MAX: f64 = 4096.0;

/// Bounds by sum: a series has few different sums of one number of known counts.
struct Bounds {
    known: u32,
    kept: Vec<f64>,
}

impl Bounds {
    fn of(&mut self, alpha: f64, sum: f64, known: u32) -> f64 {
        if sum >= KEPT_MAX || sum.fract() != 0.0 {
            return bound(alpha, sum, known);
        }
        if known != self.known {
            self.known = known;
            self.kept.clear();
        }
        let at = sum as usize;
        if at >= self.kept.len() {
            self.kept.resize(at + 1, f64::NAN);
        }
        if self.kept[at].is_nan() {
            self.kept[at] = bound(alpha, sum, known);
        }
        self.kept[at]
    }
}

/// Adds the known counts. A window is added anew for each period: one huge value must not blur the later ones.
fn add(total: &mut (f64, u32), counts: &[f64]) {
    for count in counts.iter().filter(|count| count.is_finite()) {
        total.0 += count;
        total.1 += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn six_quiet_weeks_bound_the_seventh() {
        let mut observed = vec![0.0; 7];
        observed.push(1.0);
        let answers = Bayes::default().run(&observed, 52).unwrap();
        assert!(answers.upperbound[5].is_nan());
        // NB(½, 6/7): P(0) = 0.926 < 0.95, so 1 is the bound.
        assert_eq!(answers.upperbound[6], 1.0);
        assert!(!answers.alarm[7]);
    }

    #[test]
    fn missing_weeks_leave_the_baseline() {
        let observed = [4.0, f64::NAN, 4.0, 4.0, f64::NAN, 4.0, 4.0, f64::NAN];
        let found = Bayes::default().run(&observed, 52).unwrap();
        assert_eq!(found.upperbound[6], bound(0.05, 16.0, 4));
        assert!(!found.upperbound[7].is_nan() && !found.alarm[7]);
        let empty = Bayes::default().run(&[f64::NAN; 9], 52).unwrap();
        assert!(empty.upperbound.iter().all(|bound| bound.is_nan()));
    }

    #[test]
    fn parameters_out_of_range_are_said_in_words() {
        let said = |method: Bayes| method.run(&[1.0], 52).err().unwrap_or_default();
        assert!(said(Bayes { act_y: false, ..Default::default() }).contains("b is 0"));
        assert!(said(Bayes { w: 0, ..Default::default() }).contains("w is 0"));
        assert!(said(Bayes { alpha: f64::NAN, ..Default::default() }).contains("alpha is NaN"));
    }

    proptest! {
        #[test]
        fn never_panics(
            observed in prop::collection::vec(prop_oneof![any::<f64>(), Just(f64::NAN), 0f64..9.0], 0..80),
            b in 0usize..3, w in 0usize..12, freq in 1usize..14, act_y in any::<bool>(),
        ) {
            if let Ok(answers) = (Bayes { b, w, act_y, alpha: 0.05 }).run(&observed, freq) {
                prop_assert_eq!(answers.upperbound.len(), observed.len());
                for (bound, alarm) in answers.upperbound.iter().zip(&answers.alarm) {
                    prop_assert!(!(bound.is_nan() && *alarm));
                }
            }
        }
    }
}
