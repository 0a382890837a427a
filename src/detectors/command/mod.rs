//! `qianshao detect METHOD`: every method by name, its parameters as words, a series in and an answer out.
//!
//! Promises: a line of the reference's manifest is one call here; columns are named as the reference names them.

pub mod nowcast;
pub mod params;
pub mod series;
mod charts;
mod daily;
mod many;
mod weekly;

use params::{Asked, Params};
use series::{Answer, Series};

use crate::detectors::history::OtherCounts;

/// How a method is run: for a whole series, from the first monitored t on.
#[derive(Clone, Copy)]
enum Method {
    Alone(fn(&Series, &Params) -> Result<Answer, String>),
    /// With other counts of the same periods, which costs it less than one run for each.
    WithOthers(fn(&Series, OtherCounts, &Params) -> Result<Vec<Answer>, String>),
}

use Method::{Alone, WithOthers};

/// Every method: its name, what it is, how it is run.
const METHODS: &[(&str, &str, Method)] = &[
    ("ears_c1", "EARS C1: the mean of the 7 days before", Alone(daily::ears_c1)),
    ("ears_c2", "EARS C2: C1 with two days between", Alone(daily::ears_c2)),
    ("ears_c3", "EARS C3 as the CDC defined it: three days' excess above 2", Alone(daily::ears_c3)),
    ("ears_c3_r", "EARS C3 as R's earsC computes it", Alone(daily::ears_c3_r)),
    ("ewma", "exponentially weighted moving average", Alone(daily::ewma)),
    ("essence_ewma", "EWMA of ESSENCE", Alone(daily::essence_ewma)),
    ("essence_regression", "regression on weekdays of ESSENCE", Alone(daily::essence_regression)),
    ("essence_switch", "regression where it fits, else EWMA, of ESSENCE", Alone(daily::essence_switch)),
    ("cusum", "CUSUM of transformed counts", Alone(charts::cusum)),
    ("glr_poisson", "generalised likelihood ratio, Poisson", Alone(charts::glr_poisson)),
    ("glr_negbin", "generalised likelihood ratio, negative binomial", Alone(charts::glr_negbin)),
    ("farrington", "Farrington 1996", WithOthers(weekly::farrington)),
    ("farrington_flexible", "Farrington flexible, Noufaily 2013", WithOthers(weekly::farrington_flexible)),
    ("moving_percentile", "moving percentile of CIDARS", Alone(weekly::moving_percentile)),
    ("bayes", "predictive law of a Poisson count", Alone(weekly::bayes)),
    ("benjamini_hochberg", "p-values adjusted to a false discovery rate", Alone(many::benjamini_hochberg)),
    (
        "benjamini_yekutieli",
        "p-values adjusted to a false discovery rate under any dependence",
        Alone(many::benjamini_yekutieli),
    ),
    ("holm", "p-values adjusted to a family-wise error rate", Alone(many::holm)),
];

/// Names and what they are, in the order of the documents.
pub fn methods() -> impl Iterator<Item = (&'static str, &'static str)> {
    METHODS.iter().map(|(name, what, _)| (*name, *what))
}

/// The columns that a method may answer beside `alarm`, and which of them are words. Of the series' own values only what
/// is before the first monitored t is looked at, so that this costs nothing.
pub fn columns_of(method: &str) -> Vec<(&'static str, bool)> {
    const LENGTH: usize = 300;
    let series = Series { observed: vec![1.0; LENGTH], ..Series::default() };
    let last = format!("range_start={LENGTH}");
    let mut columns: Vec<(&'static str, bool)> = Vec::new();
    // The likelihood-ratio charts answer other columns when asked for cases, the percentile its bound; others know no `ret`.
    for asked in [&[last.as_str()][..], &[&last, "ret=cases"], &[&last, "ret=upperbound"]] {
        for (name, column) in detect(method, asked, &series).map_or(Vec::new(), |answer| answer.columns) {
            if columns.iter().all(|(known, _)| *known != name) {
                columns.push((name, matches!(column, series::Column::Words(_))));
            }
        }
    }
    columns
}

impl Method {
    /// The answer on `series`, then those on each of `others`.
    fn run(self, series: &Series, others: OtherCounts, params: &Params) -> Result<Vec<Answer>, String> {
        match self {
            Self::WithOthers(run) => run(series, others, params),
            Self::Alone(run) => {
                let mut answers = vec![run(series, params)?];
                for observed in others.series {
                    answers.push(run(&Series { observed: observed.clone(), ..series.clone() }, params)?);
                }
                Ok(answers)
            }
        }
    }
}

/// Runs `method` on `series` with `NAME=VALUE` parameters; fails in words.
pub fn detect<S: AsRef<str>>(method: &str, parameters: &[S], series: &Series) -> Result<Answer, String> {
    let mut answers = detect_with(method, parameters, series, OtherCounts::default())?;
    answers.pop().ok_or_else(|| format!("{method} gave no answer"))
}

/// The same for `series` and, after it, for each of `others`.
pub fn detect_with<S: AsRef<str>>(
    method: &str,
    parameters: &[S],
    series: &Series,
    others: OtherCounts,
) -> Result<Vec<Answer>, String> {
    let Some((name, _, run)) = METHODS.iter().find(|(name, ..)| *name == method) else {
        let known: Vec<&str> = methods().map(|(name, _)| name).collect();
        return Err(format!("there is no method {method}; there are: {}", known.join(", ")));
    };
    let params = Params::parse(parameters)?;
    let answers = run.run(series, others, &params)?;
    params.finish(name)?;
    Ok(answers)
}

/// docs/detectors.md.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for (name, what, run) in METHODS {
        page.push_str(&format!("\n## `{name}`\n\n{what}.\n\n| parameter | may be | default |\n|---|---|---|\n"));
        page.push_str(&rows(asked(*run)));
        let columns: Vec<String> = columns_of(name).iter().map(|(column, _)| format!("`{column}`, ")).collect();
        page.push_str(&format!("\nAnswers {}`alarm`.\n", columns.concat()));
    }
    page.push_str(POWER);
    page.push_str(&nowcast::documentation());
    page
}

/// A row of the table for each parameter.
fn rows(parameters: Vec<Asked>) -> String {
    let row = |asked: Asked| {
        let names: Vec<String> = asked.names.iter().map(|name| format!("`{name}`")).collect();
        format!("| {} | {} | {} |\n", names.join(", "), asked.kind, asked.default)
    };
    parameters.into_iter().map(row).collect()
}

/// What a method asks for, told by running it on a series of which every method has an opinion.
fn asked(run: Method) -> Vec<Asked> {
    let series = Series { observed: (0..600_u32).map(|t| f64::from(t % 7)).collect(), ..Series::default() };
    let Ok(params) = Params::parse::<&str>(&[]) else { return Vec::new() };
    // Whether it succeeds does not matter here.
    let _ = run.run(&series, OtherCounts::default(), &params);
    params.asked()
}

const HEAD: &str = "# Detectors

`qianshao detect METHOD [--param NAME=VALUE …] [--input FILE]` runs one method over one series. FILE (else standard input) is CSV, gzip or
not, with `t, observed` and where a method needs them `date` (or `epoch`), `epoch_as_date`, `freq` (periods a year), `start_year`,
`start_period`, `population`. An empty `observed` is a missing value, which is not zero. The answer is CSV: `t, observed`, the
method's columns under the names of its reference, `alarm` as 0 or 1; empty means not available.

Every method gives the numbers of its reference, compared value by value by `cargo test detectors`: R `surveillance` 1.20.3, the
CDC's Rnssp 0.3.1 for `essence_…`, R's `p.adjust` for the last three, whose `observed` are p-values. A parameter may be written as
there or as here; `range_start` is the first t that is looked at, counted from 1 (CUSUM and the likelihood-ratio charts take what lies
before it as their past; by default the first half).

`.ci/run r-parity` draws series and settings from a seed and asks R too: every value, every empty field, every alarm. Some
answers of R are accidents; there ours need not be the same, and the run counts how many were excepted:

- `farrington`, `farrington_flexible`: a reference value that the model must meet (leverage 1, as where it is alone in its seasonal
  level) is never a past outbreak. R divides what rounding left of its residual by zero, and the sign decides.
- `farrington`, `farrington_flexible`: reference values that the model meets to the last digit, as where all are equal, have no trend.
  In R slope and standard error are both rounding, and so is its choice.
- `farrington_flexible`: a reference window that begins before the series has no answer. R refuses it too, but for a window that begins
  exactly one period too early, whose index 0 it drops without a word.
- `farrington_flexible`: a model with as many parameters as reference values has no dispersion, and so neither bound nor alarm; R says
  that there is no alarm.
- `cusum` and the likelihood-ratio charts with a fitted mean: where R itself answers otherwise, by a tenth of what is allowed, when its
  periods a year differ by a few roundings.
- `glr_negbin` with an estimated `alpha`: a model that meets all counts of its past has no residual to estimate it from; ours refuses.

Where R stops (a missing value in `farrington` or in the likelihood-ratio charts, a window before the series) ours leaves the missing
value out, answers empty, or says what does not fit; never a number that is none.

`.ci/run r-parity` 用种子随机抽取序列与参数，同时询问 R，逐值、逐空值、逐报警比较；上列各处 R 的结果出于偶然（舍入或下标 0），不要求相同，运行结果会报告例外的数目。

## In SQL

Each method is a window function of every session, live, in `psql` and in a backtest: `METHOD(observed, 'name', value, …) OVER (PARTITION BY
series ORDER BY date)` answers a struct a row with the method's columns and `alarm`, null where something is not available. Names
and values are those of `--param`; a value may be any expression that says the same in all rows, such as `param('c2.min_sigma')`. `'date',
day` gives the rows their dates: a day (or week) between two rows that has none is then missing; without it the rows are the series.
`'population', people` is a column too. What a method says of a row does not depend on later rows, as long as `cusum` and the
likelihood-ratio charts are told their `range_start`. The window's frame is not looked at.

```sql
WITH judged AS (
  SELECT unit_id, signal, event_date, count,
    ears_c2(count, 'date', event_date, 'min_sigma', 0.5) OVER (PARTITION BY unit_id, signal ORDER BY event_date) AS c2
  FROM cells WHERE unit_kind = 'county'
)
SELECT unit_id, signal, event_date, count, c2['upperbound'] FROM judged WHERE c2['alarm'];
```

`benjamini_hochberg(p)`, `benjamini_yekutieli(p)` and `holm(p)` adjust the p-values of their window: `OVER ()` is every row. `fisher(p)` and `stouffer(p,
'weight', w, 'correlation', r)` are aggregates that answer `statistic, n, p`.

`space_time_scan(place, x, y, date, cases, 'name', value, …)` is an aggregate that answers a list of clusters, the most likely first: `unnest` it. x
and y are latitude and longitude, or km with `'coordinates', 'plane'`; with `'population', people` the model is Poisson, else permutation. Parameters: `period`
(prospective, retrospective), `max_share`, `max_radius_km`, `max_window` (days), `min_cases`, `replications`, `enough`, `earlier_analyses`, `seed`. Days run
from the first row's date to the last; a place and day without a row had no cases, so who did not report must be left out.

`nowcast(event_date, known_date, as_of, 'name', value, …)` is an aggregate that answers a list of days, the oldest first, with `event_date,
observed, expected, lower, upper`: `unnest` it. A row is one case, or `'count', n` of them; what was known after `as_of` changes nothing, and
null for `as_of` is the last `known_date`. Parameters and method: [Nowcast](#nowcast).

```sql
WITH corrected AS (
  SELECT signal, unnest(nowcast(event_date, known_date, local_date(now()))) AS day FROM signals GROUP BY signal
)
SELECT signal, day['event_date'], day['observed'], day['expected'], day['lower'], day['upper'] FROM corrected;
```

SQL 中可直接调用：方法为窗口函数，逐行给出结构体（各列与 `alarm`）；`'date'` 列给出日期后，缺失的日期按缺失处理而非零；`space_time_scan` 为聚合函数，返回聚集列表；`nowcast` 为聚合函数，返回按报告延迟校正的每日病例数及区间。

`qianshao detect 方法 [--param 名称=值 …] [--input 文件]`：对一条序列运行一种方法，参数名可用本页或参考软件的写法；缺失值留空，缺失不等于零。
";

const POWER: &str = "
## Power

`qianshao power --method METHOD [--param NAME=VALUE …] [--simulation noufaily|daily|DIR] [--seed S] [--replicates N]
[--format table|csv|json|svg]` runs a method over series with planted outbreaks and counts what it finds and what it calls out when
there is none. What lies before the test periods is a method's past (`range_start`). The seconds are told on standard error.

- `noufaily`: the simulation of Noufaily et al. (2013): 7 sets of parameters × no trend, trend × no season, season; 624 weeks, the last 49
  are tested. μ(t) = exp(θ + βt + γ₁cos(2πt/52) + γ₂sin(2πt/52)), variance φμ. Four outbreaks start in the weeks 313 to 575, one in the last
  49, which is given in ten sizes: Poisson(k·√(φμ)) cases, k = 1 … 10, in the weeks ⌊LN(0, 0.5²)⌋ after the start.
- `daily`: the same sets in days: 7 years of 364 days, the last 343 are tested. A day has the seventh part of its week's mean times 1.3,
  1.15, 1.1, 1.1, 1.1, 0.7, 0.55 from Monday to Sunday; four outbreaks start after the third year; sizes are in standard deviations of a
  week, √(φ·7μ), and cases fall ⌊4·LN(0, 0.5²)⌋ days after the start.
- `DIR`: a folder with `scenarios.csv` (`scenario, theta, phi, beta, gamma1, gamma2, m, trend`), `baseline_counts.csv` (`scenario, rep, w1,
  w2 …`, weeks without outbreaks) and `outbreaks.csv` (`scenario, rep, outbreak, start, k, size, week, cases`; `baseline…` belongs to
  every series, of `current_k1` … `current_k10` one is used at a time), gzip or not.

False-positive rate (FPR): alarms ÷ test periods with nothing planted in them. Probability of detection (POD) of a size: outbreaks with an
alarm from their first to their last case. Delay: from the first case to the first alarm, of those detected. Positive predictive value
(PPV), sensitivity, specificity: over the periods of all sizes; a period is positive if it has cases of the outbreak. A period without an
answer is no alarm. Models of Farrington's kind are fitted to the series without the current outbreak, as in the published figures;
`--refit` lets it into their reference values, as in life.

`table` is for a person; `csv` has a row a scenario with FPR and POD; `json` every measure; `svg` is a slide; `-o FILE` writes to a file.
`cargo test power` compares 25 settings on 840 published series, value by value.

### Of a rule

`qianshao power --rule FILE [--pack ID] [--seeds N] [--seed S] [--days N] [--place county|facility|class] [--format …]` judges one rule of
a pack, with those it needs and with their numbers: messages of the invented city are decoded, committed, counted, and its SQL is evaluated
at the end of each day, as everywhere. Each seed is run twice, without outbreaks and with. The background is as chance made it; in the
demo's city, days with too many alarms are drawn again.

- Planted is what the rule's SQL names: one of its signals an outbreak; where it names none, all those of the rules that it needs at once.
  One outbreak a county in three weeks, sizes k = 1 … 10 equally often: Poisson(k·sd) cases, sd of a week of the county's series (of the
  facility's, where the SQL says `'facility'`), ⌊4·LN(0, 0.5²)⌋ days after the onset. Where the SQL says `'class'`: k pupils of one
  class, ⌊LN(0, 0.5²)⌋ days after it. Absences and sales are planted like cases.
- Found is an outbreak for whose place and signal an alert first opened for a day from its first to its last case. Days to detection run
  from the first case to the tick that opened it, so that late reports count. False alarms are those of the runs without outbreaks; PPV
  is of the alerts of the others, and depends on how many outbreaks there are.
- `--state DIR` judges the rule over one's own history, a tick a day: alarms per area and week. Nobody knows which of them were outbreaks,
  so nothing else is told. A rule that watches what the city does not send (clocks, declarations, single cases) can only be judged so.
- The figures are this city's, whose counties are small: chance brings pupils of few classes together more often. One's own false alarms are
  told by `--state`.
- An outbreak stays in its county: what a rule finds of several counties rising together is not measured here.
- `--simulation noufaily|daily|DIR` judges the rule over the series of a method instead, with the same measures and in the same formats:
  each series, and each of its ten outbreaks, is what one county's only facility reports, up to 29 December 2019. A week's count stands on its
  Monday, the other days report zero, and every signal that the SQL names reports the same. An alarm of a week is a window that ends in it.

### What the routine pack finds

`.ci/run power-table` draws five seeds, and asks for the pack's rule of visits over five years and for Farrington flexible (10 levels, negative
binomial, the settings of Noufaily et al. 2013) over the same 2,100 series; the method gets the α at which it calls out as often as the
rule. It fails where the rule calls out falsely in more than 1.5 % of the weeks, or finds no more. Outbreaks found, in per cent, by size k
(seeds 259860, 304786, 59228, 691094, 84112; the rule's α was chosen on other series, replicates 1 to 15 of the shipped ones):

| | false-positive rate % | k = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | mean |
|---|---|---|---|---|---|---|---|---|---|---|---|---|
| the routine pack's rule | 1.36 | 8 | 16 | 29 | 45 | 62 | 77 | 86 | 91 | 95 | 96 | 60.3 |
| Farrington flexible, α 0.0129 | 1.36 | 10 | 16 | 27 | 40 | 55 | 70 | 80 | 88 | 94 | 95 | 57.5 |

The rule adds up two weeks and looks at them on each of the seven days of a week, so that an outbreak that spreads over weeks is seen whole;
one of a single case or two is seen less often than by the method.

In the invented city without outbreaks (seed 1, four weeks after four of history) the whole pack raises 1.5 alerts a county and week, 1.2 of
them by the thresholds for classes that the law sets: `QIANSHAO_CITY=1 cargo test without_outbreaks`; `cargo test` asks for a
smaller city and fails above two.

The JSON holds a digest of the rule's text and numbers. A rule whose header names it (`-- power: reports/<id>.json`, in the pack's folder) is
a measured one; `qianshao check` says which rules have no report and which reports are older than their rule. The shipped
rules name theirs: five seeds of the city (`--seeds 5`); where a rule watches what the city's outbreaks do not touch, 63 days of the city as its
history (`qianshao demo --once --days 63 --seed 1 --state city-63-days`, then `--state city-63-days`), which tells how often it alarms and no more.

`qianshao power`：在植入暴发的模拟序列上测量一种方法的误报率、各规模暴发的检出概率、检出所需时间与阳性预测值。`--rule 文件` 在虚构城市中植入已知规模的暴发，
让报告经过与正式运行相同的解码、提交、计数与 SQL 评估来测量一条规则；`--state 文件夹` 以自有历史数据为基线，只给出每地区每周报警数；`--simulation` 则用与方法相同的模拟序列。规则文件头可用
`-- power: reports/<规则>.json` 注明效能报告，`qianshao check` 会提示没有报告或报告早于规则改动的规则。
";
