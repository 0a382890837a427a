//! CUSUM and likelihood-ratio charts: what lies before the first monitored t is their past.

use super::params::Params;
use super::series::{Answer, Column, FREQ_DEFAULT, Series};
use crate::detectors::cusum::{self, Cusum, CusumMean, CusumMissing, Transform};
use crate::detectors::glr::{self, Change, Dir, Glr, GlrMean, Ret};

fn freq(series: &Series, params: &Params) -> Result<f64, String> {
    params.number(&["freq", "frequency"], series.freq.unwrap_or(FREQ_DEFAULT))
}

/// One number a monitored day, or one for all of them.
fn means(given: Vec<f64>) -> Result<f64, Vec<f64>> {
    match given.as_slice() {
        [one] => Ok(*one),
        _ => Err(given),
    }
}

pub fn cusum(series: &Series, params: &Params) -> Result<Answer, String> {
    let default = Cusum::default();
    let start = params.range_start(series.observed.len() / 2)?.min(series.observed.len());
    let freq = freq(series, params)?;
    let start_period = series.start.map_or(1.0, |(_, period)| period);
    let kind = "a number, one a monitored t, glm or NULL";
    let m = match params.is(&["m"], "glm", kind, "NULL")? {
        true => CusumMean::Seasonal { freq, start_period },
        false => match params.vector(&["m"], kind, "NULL")?.map(means) {
            Some(Ok(one)) => CusumMean::Fixed(one),
            Some(Err(given)) => CusumMean::Given(given),
            None => CusumMean::Before,
        },
    };
    let words = [
        ("standard", Transform::Standard),
        ("rossi", Transform::Rossi),
        ("anscombe", Transform::Anscombe),
        ("anscombe2nd", Transform::Anscombe2nd),
        ("pearsonNegBin", Transform::PearsonNegBin),
        ("pearson_neg_bin", Transform::PearsonNegBin),
        ("none", Transform::None),
    ];
    let cusum = Cusum {
        k: params.number(&["k"], default.k)?,
        h: params.number(&["h"], default.h)?,
        m,
        trans: params.word(&["trans"], &words)?,
        alpha: params.number(&["alpha"], default.alpha)?,
        missing: params.word(&["missing"], &[("ends", CusumMissing::Ends), ("skipped", CusumMissing::Skipped)])?,
    };
    let answer = cusum::cusum(&series.observed, start, &cusum)?;
    let columns = vec![
        ("cusum", Column::Numbers(answer.cusum)),
        ("upperbound", Column::Numbers(answer.upperbound)),
        ("m", Column::Numbers(answer.m)),
    ];
    Ok(Answer::from(start, series, columns, answer.alarm).unless_known("cusum"))
}

fn glr(series: &Series, params: &Params) -> Result<(usize, Glr), String> {
    let default = Glr::default();
    let start = params.range_start(series.observed.len() / 2)?.min(series.observed.len());
    let seasonal = GlrMean::Seasonal {
        freq: freq(series, params)?,
        harmonics: params.count(&["harmonics", "mu0.S", "S"], 1)?,
        trend: params.truth(&["trend", "mu0.trend"], false)?,
        refit: params.truth(&["refit", "mu0.refit"], false)?,
    };
    let mu0 = match params.vector(&["mu0"], "a number or one a monitored t", "fitted")?.map(means) {
        None => seasonal,
        Some(Ok(one)) => GlrMean::Fixed(one),
        Some(Err(given)) => GlrMean::Given(given),
    };
    // R writes no limit as -1.
    let m = params.integer(&["m", "M"], -1)?;
    let glr = Glr {
        c_arl: params.number(&["c_arl", "c.ARL"], default.c_arl)?,
        mu0,
        alpha: params.number_or_null(&["alpha"], default.alpha)?,
        m_tilde: params.count(&["m_tilde", "Mtilde"], default.m_tilde)?,
        m: usize::try_from(m).ok(),
        change: params.word(
            &["change"],
            &[("intercept", Change::Intercept), ("epi", Change::Epidemic), ("epidemic", Change::Epidemic)],
        )?,
        theta: params.number_or_null(&["theta"], default.theta)?,
        dir: params.word(&["dir"], &[("inc", Dir::Increase), ("dec", Dir::Decrease)])?,
        ret: params.word(&["ret"], &[("value", Ret::Value), ("cases", Ret::Cases)])?,
        x_max: params.number(&["x_max", "xMax"], default.x_max)?,
        newton: default.newton,
    };
    Ok((start, glr))
}

fn answered(series: &Series, start: usize, glr: &Glr, names: &[&'static str]) -> Result<Answer, String> {
    let answer = glr::glr(&series.observed, start, glr)?;
    let names = if glr.ret == Ret::Cases { &["cases"] } else { names };
    let mut columns: Vec<(&'static str, Column)> =
        names.iter().map(|name| (*name, Column::Numbers(answer.upperbound.clone()))).collect();
    columns.push(("mu0", Column::Numbers(answer.mu0)));
    columns.push(("alpha", Column::Numbers(vec![answer.alpha; series.observed.len()])));
    Ok(Answer::from(start, series, columns, answer.alarm).unless_known("mu0"))
}

pub fn glr_poisson(series: &Series, params: &Params) -> Result<Answer, String> {
    let (start, glr) = glr(series, params)?;
    answered(series, start, &Glr { alpha: Some(0.0), ..glr }, &["glr", "statistic"])
}

pub fn glr_negbin(series: &Series, params: &Params) -> Result<Answer, String> {
    let (start, glr) = glr(series, params)?;
    answered(series, start, &glr, &["statistic"])
}
