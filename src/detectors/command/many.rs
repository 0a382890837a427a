//! Adjustments of many p-values for their number: the column `observed` holds the p-values.

use super::params::Params;
use super::series::{Answer, Column, Series};
use crate::detectors::combine;

/// Error rate at or below which an adjusted p-value is an alarm.
const ALPHA_DEFAULT: f64 = 0.05;

/// What is asked for comes first, so that it is known whatever the series holds.
fn adjusted(
    series: &Series,
    params: &Params,
    method: fn(&[f64]) -> Result<Vec<f64>, String>,
) -> Result<Answer, String> {
    let alpha = params.number(&["alpha"], ALPHA_DEFAULT)?;
    if !(0.0..=1.0).contains(&alpha) {
        return Err(format!("alpha is {alpha}, allowed are 0 to 1"));
    }
    let from = params.range_start(0)?;
    let values = method(&series.observed)?;
    let alarm = values.iter().map(|p| *p <= alpha).collect();
    let answer = Answer::from(from, series, vec![("adjusted", Column::Numbers(values))], alarm);
    Ok(answer.unless_known("adjusted"))
}

pub fn benjamini_hochberg(series: &Series, params: &Params) -> Result<Answer, String> {
    adjusted(series, params, combine::benjamini_hochberg)
}

pub fn benjamini_yekutieli(series: &Series, params: &Params) -> Result<Answer, String> {
    adjusted(series, params, combine::benjamini_yekutieli)
}

pub fn holm(series: &Series, params: &Params) -> Result<Answer, String> {
    adjusted(series, params, combine::holm)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_adjusted_p_value_at_the_error_rate_is_an_alarm_and_a_missing_one_is_none() {
        let series = Series { observed: vec![0.01, f64::NAN, 0.04, 0.03], ..Series::default() };
        let answer = |method: fn(&Series, &Params) -> Result<Answer, String>, alpha: &str| {
            method(&series, &Params::parse(&[alpha]).unwrap()).map(|answer| answer.csv())
        };
        let wanted = "t,observed,adjusted,alarm\n1,0.01,0.03,1\n2,,,\n3,0.04,0.04,1\n4,0.03,0.04,1\n";
        assert_eq!(answer(benjamini_hochberg, "alpha=0.04"), Ok(wanted.to_owned()));
        assert!(answer(holm, "alpha=0.05").unwrap().ends_with("3,0.04,0.06,0\n4,0.03,0.06,0\n"));
        assert!(answer(benjamini_yekutieli, "alpha=2").unwrap_err().contains("alpha is 2"));
    }
}
