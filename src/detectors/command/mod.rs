//! `qianshao detect METHOD`: every method by name, its parameters as words, a series in and an answer out.
//!
//! Promises: a line of the reference's manifest is one call here; columns are named as the reference names them.

pub mod params;
pub mod series;
mod charts;
mod daily;
mod weekly;

use params::{Asked, Params};
use series::{Answer, Series};

/// Answers for a whole series, from the first monitored t on.
type Method = fn(&Series, &Params) -> Result<Answer, String>;

/// Every method: its name, what it is, how it is run.
const METHODS: &[(&str, &str, Method)] = &[
    ("ears_c1", "EARS C1: the mean of the 7 days before", daily::ears_c1),
    ("ears_c2", "EARS C2: C1 with two days between", daily::ears_c2),
    ("ears_c3", "EARS C3 as the CDC defined it: three days' excess above 2", daily::ears_c3),
    ("ears_c3_r", "EARS C3 as R's earsC computes it", daily::ears_c3_r),
    ("ewma", "exponentially weighted moving average", daily::ewma),
    ("essence_ewma", "EWMA of ESSENCE", daily::essence_ewma),
    ("essence_regression", "regression on weekdays of ESSENCE", daily::essence_regression),
    ("essence_switch", "regression where it fits, else EWMA, of ESSENCE", daily::essence_switch),
    ("cusum", "CUSUM of transformed counts", charts::cusum),
    ("glr_poisson", "generalised likelihood ratio, Poisson", charts::glr_poisson),
    ("glr_negbin", "generalised likelihood ratio, negative binomial", charts::glr_negbin),
    ("farrington", "Farrington 1996", weekly::farrington),
    ("farrington_flexible", "Farrington flexible, Noufaily 2013", weekly::farrington_flexible),
    ("moving_percentile", "moving percentile of CIDARS", weekly::moving_percentile),
    ("bayes", "predictive law of a Poisson count", weekly::bayes),
];

/// Names and what they are, in the order of the documents.
pub fn methods() -> impl Iterator<Item = (&'static str, &'static str)> {
    METHODS.iter().map(|(name, what, _)| (*name, *what))
}

/// Runs `method` on `series` with `NAME=VALUE` parameters; fails in words.
pub fn detect<S: AsRef<str>>(method: &str, parameters: &[S], series: &Series) -> Result<Answer, String> {
    let Some((name, _, run)) = METHODS.iter().find(|(name, ..)| *name == method) else {
        let known: Vec<&str> = methods().map(|(name, _)| name).collect();
        return Err(format!("there is no method {method}; there are: {}", known.join(", ")));
    };
    let params = Params::parse(parameters)?;
    let answer = run(series, &params)?;
    params.finish(name)?;
    Ok(answer)
}

/// docs/detectors.md.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for (name, what, run) in METHODS {
        page.push_str(&format!("\n## `{name}`\n\n{what}.\n\n| parameter | may be | default |\n|---|---|---|\n"));
        for asked in asked(*run) {
            let names: Vec<String> = asked.names.iter().map(|name| format!("`{name}`")).collect();
            page.push_str(&format!("| {} | {} | {} |\n", names.join(", "), asked.kind, asked.default));
        }
    }
    page
}

/// What a method asks for, told by running it on a series of which every method has an opinion.
fn asked(run: Method) -> Vec<Asked> {
    let series = Series { observed: (0..600_u32).map(|t| f64::from(t % 7)).collect(), ..Series::default() };
    let Ok(params) = Params::parse::<&str>(&[]) else { return Vec::new() };
    // Whether it succeeds does not matter here.
    let _ = run(&series, &params);
    params.asked()
}

const HEAD: &str = "# Detectors

`qianshao detect METHOD [--param NAME=VALUE …] [--input FILE]` runs one method over one series. FILE (else standard input) is CSV, gzip or
not, with `t, observed` and where a method needs them `date` (or `epoch`), `epoch_as_date`, `freq` (periods a year), `start_year`,
`start_period`, `population`. An empty `observed` is a missing value, which is not zero. The answer is CSV: `t, observed`, the
method's columns under the names of its reference, `alarm` as 0 or 1; empty means not available.

Every method gives the numbers of its reference, compared value by value by `cargo test detectors`: R `surveillance` 1.20.3, the
CDC's Rnssp 0.3.1 for `essence_…`. A parameter may be written as there or as here; `range_start` is the first t that is looked at,
counted from 1 (CUSUM and the likelihood-ratio charts take what lies before it as their past; by default the first half).

`qianshao detect 方法 [--param 名称=值 …] [--input 文件]`：对一条序列运行一种方法，参数名可用本页或参考软件的写法；缺失值留空，缺失不等于零。
";
