//! EARS, EWMA and the detectors of ESSENCE.

use super::params::Params;
use super::series::{Answer, Column, Series};
use crate::detectors::ears::{self, Ears, EarsBound};
use crate::detectors::essence::{self, Colour, Detector, Essence};
use crate::detectors::ewma::{self, Ewma, EwmaVariance};

/// Days before the first one that C3 adds up.
const C3_DAYS_BEFORE: usize = 2;

fn ears(params: &Params) -> Result<Ears, String> {
    let default = Ears::default();
    Ok(Ears {
        baseline: params.count(&["baseline", "b", "B"], default.baseline)?,
        guard: params.count(&["guard", "g"], default.guard)?,
        alpha: params.number_or_null(&["alpha"], default.alpha)?,
        min_sigma: params.number(&["min_sigma", "minSigma"], default.min_sigma)?,
        c3_threshold: params.number(&["c3_threshold"], default.c3_threshold)?,
        missing_max: params.count(&["missing_max"], default.missing_max)?,
    })
}

fn bound(series: &Series, params: &Params, answer: EarsBound, days: usize) -> Result<Answer, String> {
    let from = params.range_start(days)?;
    let columns = vec![("upperbound", Column::Numbers(answer.upperbound))];
    Ok(Answer::from(from, series, columns, answer.alarm).unless_known("upperbound"))
}

pub fn ears_c1(series: &Series, params: &Params) -> Result<Answer, String> {
    let ears = ears(params)?;
    bound(series, params, ears::ears_c1(&series.observed, &ears)?, ears.baseline)
}

pub fn ears_c2(series: &Series, params: &Params) -> Result<Answer, String> {
    let ears = ears(params)?;
    bound(series, params, ears::ears_c2(&series.observed, &ears)?, ears.baseline + ears.guard)
}

pub fn ears_c3_r(series: &Series, params: &Params) -> Result<Answer, String> {
    let ears = ears(params)?;
    let days = ears.baseline + ears.guard + C3_DAYS_BEFORE;
    bound(series, params, ears::ears_c3_r(&series.observed, &ears)?, days)
}

pub fn ears_c3(series: &Series, params: &Params) -> Result<Answer, String> {
    let ears = ears(params)?;
    let answer = ears::ears_c3(&series.observed, &ears)?;
    let from = params.range_start(ears.baseline + ears.guard + C3_DAYS_BEFORE)?;
    let columns = vec![
        ("expected", Column::Numbers(answer.expected)),
        ("sigma", Column::Numbers(answer.sigma)),
        ("statistic", Column::Numbers(answer.statistic)),
    ];
    Ok(Answer::from(from, series, columns, answer.alarm).unless_known("statistic"))
}

pub fn ewma(series: &Series, params: &Params) -> Result<Answer, String> {
    let default = Ewma::default();
    let ewma = Ewma {
        lambda: params.number(&["lambda"], default.lambda)?,
        baseline: params.count(&["baseline", "B"], default.baseline)?,
        guard: params.count(&["guard", "g"], default.guard)?,
        limit: params.number(&["limit", "L"], default.limit)?,
        min_sigma: params.number(&["min_sigma", "minSigma"], default.min_sigma)?,
        variance: params
            .word(&["variance"], &[("asymptotic", EwmaVariance::Asymptotic), ("exact", EwmaVariance::Exact)])?,
        missing_max: params.count(&["missing_max"], default.missing_max)?,
    };
    let answer = ewma::ewma(&series.observed, &ewma)?;
    let from = params.range_start(ewma.baseline + ewma.guard)?;
    let columns = vec![
        ("ewma", Column::Numbers(answer.ewma)),
        ("mean", Column::Numbers(answer.mean)),
        ("sd", Column::Numbers(answer.sd)),
        ("upperbound", Column::Numbers(answer.upperbound)),
    ];
    Ok(Answer::from(from, series, columns, answer.alarm).unless_known("upperbound"))
}

fn essence(params: &Params) -> Result<Essence, String> {
    let default = Essence::default();
    Ok(Essence {
        baseline: params.count(&["baseline", "B"], default.baseline)?,
        guard: params.count(&["guard", "g"], default.guard)?,
        w1: params.number(&["w1"], default.w1)?,
        w2: params.number(&["w2"], default.w2)?,
    })
}

/// Monday is 1: of the first date, else as given.
fn first_weekday(series: &Series, params: &Params) -> Result<u8, String> {
    let dated = series.dates.as_ref().and_then(|dates| dates.first());
    // 1970-01-01 was a Thursday.
    let default = dated.map_or(1, |day| (day + 3).rem_euclid(7) + 1);
    let given = params.count(&["first_weekday"], default as usize)?;
    u8::try_from(given).map_err(|_| format!("first_weekday={given}: 1 (Monday) to 7 (Sunday)"))
}

/// Red is an alarm; yellow warns.
fn coloured(
    series: &Series,
    params: &Params,
    mut columns: Vec<(&'static str, Column)>,
    alert: &[Colour],
) -> Result<Answer, String> {
    columns.push(("alert", Column::Words(alert.iter().map(|colour| colour.word()).collect())));
    let alarm = alert.iter().map(|colour| *colour == Colour::Red).collect();
    Ok(Answer::from(params.range_start(0)?, series, columns, alarm).unless_known("pvalue"))
}

pub fn essence_ewma(series: &Series, params: &Params) -> Result<Answer, String> {
    let answer = essence::essence_ewma(&series.observed, &essence(params)?)?;
    let columns = vec![
        ("expected", Column::Numbers(answer.expected)),
        ("test_statistic", Column::Numbers(answer.test_statistic)),
        ("pvalue", Column::Numbers(answer.pvalue)),
    ];
    coloured(series, params, columns, &answer.alert)
}

pub fn essence_regression(series: &Series, params: &Params) -> Result<Answer, String> {
    let weekday = first_weekday(series, params)?;
    let answer = essence::essence_regression(&series.observed, weekday, &essence(params)?)?;
    let columns = vec![
        ("expected", Column::Numbers(answer.expected)),
        ("sigma", Column::Numbers(answer.sigma)),
        ("adj_r2", Column::Numbers(answer.adj_r2)),
        ("test_statistic", Column::Numbers(answer.test_statistic)),
        ("pvalue", Column::Numbers(answer.pvalue)),
    ];
    coloured(series, params, columns, &answer.alert)
}

pub fn essence_switch(series: &Series, params: &Params) -> Result<Answer, String> {
    let weekday = first_weekday(series, params)?;
    let answer = essence::essence_switch(&series.observed, weekday, &essence(params)?)?;
    let detector = answer.detector.iter().map(|detector| match detector {
        Some(Detector::Ewma) => "EWMA",
        Some(Detector::Regression) => "Adaptive Multiple Regression",
        None => "",
    });
    let columns = vec![
        ("expected", Column::Numbers(answer.expected)),
        ("test_statistic", Column::Numbers(answer.test_statistic)),
        ("pvalue", Column::Numbers(answer.pvalue)),
        ("detector", Column::Words(detector.collect())),
    ];
    coloured(series, params, columns, &answer.alert)
}
