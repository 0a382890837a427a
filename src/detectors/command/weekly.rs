//! Methods that look back over years.

use super::params::Params;
use super::series::{Answer, Column, FREQ_DEFAULT, Series};
use crate::detectors::bayes::Bayes;
use crate::detectors::farrington::{Farrington, FarringtonAnswers, Limit54, PowerTransformation};
use crate::detectors::farrington_flexible::{FarringtonFlexible, FlexibleAnswers, ThresholdMethod};
use crate::detectors::history::{History, OtherCounts};
use crate::detectors::moving_percentile::MovingPercentile;

fn freq(series: &Series, params: &Params) -> Result<usize, String> {
    let default = series.freq.filter(|freq| *freq >= 1.0 && *freq <= 366.0).unwrap_or(FREQ_DEFAULT);
    params.count(&["freq", "frequency"], default.round() as usize)
}

fn history<'a>(series: &'a Series, params: &Params) -> Result<History<'a>, String> {
    let by_date = params.truth(&["epoch_as_date", "epochAsDate"], series.epoch_as_date)?;
    if by_date && series.dates.is_none() {
        return Err("epoch_as_date=TRUE: the file has no column date with a date in every row".to_owned());
    }
    Ok(History {
        observed: &series.observed,
        freq: freq(series, params)?,
        population: series.population.as_deref(),
        dates: series.dates.as_deref().filter(|_| by_date),
    })
}

fn limit54(params: &Params) -> Result<Limit54, String> {
    match params.vector(&["limit54"], "two numbers: cases, periods", "5,4")?.as_deref() {
        None => Ok(Limit54::default()),
        Some([cases, periods]) if periods.fract() == 0.0 && (1.0..1e6).contains(periods) => {
            Ok(Limit54 { cases: *cases, periods: *periods as usize })
        }
        Some(_) => Err("limit54: two numbers are asked for, cases and periods, for example limit54=5,4".to_owned()),
    }
}

const POWERS: [(&str, PowerTransformation); 3] =
    [("2/3", PowerTransformation::TwoThirds), ("1/2", PowerTransformation::Half), ("none", PowerTransformation::None)];

pub fn farrington(series: &Series, others: OtherCounts, params: &Params) -> Result<Vec<Answer>, String> {
    let default = Farrington::default();
    let farrington = Farrington {
        b: params.count(&["years", "b"], default.b)?,
        w: params.count(&["half_width", "w"], default.w)?,
        reweight: params.truth(&["reweight"], default.reweight)?,
        alpha: params.number(&["alpha"], default.alpha)?,
        trend: params.truth(&["trend"], default.trend)?,
        limit54: limit54(params)?,
        powertrans: params.word(&["powertrans"], &POWERS)?,
    };
    let history = history(series, params)?;
    let start = params.range_start(farrington.first(history.freq))?.min(series.observed.len());
    let (answer, told) = farrington.run_with(&history, others, start..series.observed.len())?;
    let answered = |(observed, answer): (&Vec<f64>, FarringtonAnswers)| {
        let columns = vec![
            ("upperbound", Column::Numbers(answer.upperbound)),
            // R leaves it empty, and so do we.
            ("trend", Column::Numbers(vec![f64::NAN; answer.alarm.len()])),
            ("quantile", Column::Numbers(answer.quantile)),
            ("median", Column::Numbers(answer.median)),
        ];
        Answer::monitored(start, observed, columns, answer.alarm).unless_known("upperbound")
    };
    let observed = [&series.observed].into_iter().chain(others.series);
    Ok(observed.zip([answer].into_iter().chain(told)).map(answered).collect())
}

fn flexible(params: &Params) -> Result<FarringtonFlexible, String> {
    let default = FarringtonFlexible::default();
    let methods = [
        ("delta", ThresholdMethod::Delta),
        ("nbPlugin", ThresholdMethod::NbPlugin),
        ("nb_plugin", ThresholdMethod::NbPlugin),
        ("muan", ThresholdMethod::Muan),
    ];
    Ok(FarringtonFlexible {
        b: params.count(&["years", "b"], default.b)?,
        w: params.count(&["half_width", "w"], default.w)?,
        reweight: params.truth(&["reweight"], default.reweight)?,
        weights_threshold: params.number(&["weights_threshold", "weightsThreshold"], default.weights_threshold)?,
        alpha: params.number(&["alpha"], default.alpha)?,
        trend: params.truth(&["trend"], default.trend)?,
        p_threshold_trend: params.number(&["p_threshold_trend", "pThresholdTrend"], default.p_threshold_trend)?,
        limit54: limit54(params)?,
        powertrans: params.word(&["powertrans"], &POWERS)?,
        population_offset: params.truth(&["population_offset", "populationOffset"], default.population_offset)?,
        no_periods: params.count(&["no_periods", "noPeriods"], default.no_periods)?,
        past_weeks_not_included: params.count_or_null(&["past_weeks_not_included", "pastWeeksNotIncluded"])?,
        threshold_method: params.word(&["threshold_method", "thresholdMethod"], &methods)?,
    })
}

pub fn farrington_flexible(series: &Series, others: OtherCounts, params: &Params) -> Result<Vec<Answer>, String> {
    let flexible = flexible(params)?;
    let history = history(series, params)?;
    let start = params.range_start(flexible.first(history.freq))?.min(series.observed.len());
    let (answer, told) = flexible.run_with(&history, others, start..series.observed.len())?;
    let answered = |(observed, answer): (&Vec<f64>, FlexibleAnswers)| {
        let fitted = |(kept, phi): (&bool, &f64)| if phi.is_nan() { f64::NAN } else { f64::from(u8::from(*kept)) };
        let kept = answer.do_trend.iter().zip(&answer.phi).map(fitted).collect();
        let columns = vec![
            ("expected", Column::Numbers(answer.expected)),
            ("mu0Vector", Column::Numbers(answer.mu0)),
            ("phi", Column::Numbers(answer.phi)),
            ("trend", Column::Numbers(answer.trend)),
            ("doTrend", Column::Numbers(kept)),
            ("upperbound", Column::Numbers(answer.upperbound)),
            ("pvalue", Column::Numbers(answer.pvalue)),
            ("score", Column::Numbers(answer.score)),
        ];
        // As R: a missing count that has a model is no alarm.
        Answer::monitored(start, observed, columns, answer.alarm).unless_computed("phi")
    };
    let observed = [&series.observed].into_iter().chain(others.series);
    Ok(observed.zip([answer].into_iter().chain(told)).map(answered).collect())
}

pub fn moving_percentile(series: &Series, params: &Params) -> Result<Answer, String> {
    let default = MovingPercentile::default();
    let percentile = MovingPercentile {
        years: params.count(&["years", "b"], default.years)?,
        plus_minus: params.count(&["plus_minus", "w"], default.plus_minus)?,
        // CIDARS counts years of 52 weeks, whatever the calendar.
        freq: params.count(&["freq", "frequency"], default.freq)?,
        percentile: params.number(&["percentile"], default.percentile)?,
        or_equal: params.truth(&["or_equal"], default.or_equal)?,
        missing_max: params.count(&["missing_max"], default.missing_max)?,
        lunar_new_year: params.truth(&["lunar_new_year"], default.lunar_new_year)?,
    };
    let answer = percentile.run(&series.observed, series.dates.as_deref())?;
    let from = params.range_start(percentile.years * percentile.freq + percentile.plus_minus)?;
    let with_bound = params.word(&["ret"], &[("percentiles", false), ("upperbound", true)])?;
    let mut columns = vec![
        ("p50", Column::Numbers(answer.p50)),
        ("p75", Column::Numbers(answer.p75)),
        ("p80", Column::Numbers(answer.p80)),
        ("p90", Column::Numbers(answer.p90)),
    ];
    // The reference's four columns are all that is answered unasked.
    if with_bound {
        columns.push(("upperbound", Column::Numbers(answer.upperbound)));
    }
    Ok(Answer::from(from, series, columns, answer.alarm).unless_known("p50"))
}

pub fn bayes(series: &Series, params: &Params) -> Result<Answer, String> {
    let default = Bayes::default();
    let bayes = Bayes {
        b: params.count(&["years", "b"], default.b)?,
        w: params.count(&["half_width", "w"], default.w)?,
        act_y: params.truth(&["act_y", "actY"], default.act_y)?,
        alpha: params.number(&["alpha"], default.alpha)?,
    };
    let freq = freq(series, params)?;
    let answer = bayes.run(&series.observed, freq)?;
    let from = params.range_start(bayes.b * freq + bayes.w)?;
    let columns = vec![("upperbound", Column::Numbers(answer.upperbound))];
    Ok(Answer::from(from, series, columns, answer.alarm).unless_known("upperbound"))
}
