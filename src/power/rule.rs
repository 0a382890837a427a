//! A rule's power, told: what it was measured on, by which text of it, and the measures; table, CSV and JSON.
//!
//! Promises: what is not known is empty, in JSON null, and the table says why.

use serde_json::{Value, json};

use super::SIZES;
use super::raised::Raised;
use super::table::aligned;
use crate::simulate::trial::Place;

/// A finished measurement.
pub struct RuleReport {
    pub rule: String,
    pub zh: String,
    pub en: String,
    /// The edition whose numbers it was judged by.
    pub pack: String,
    /// Of its text and its numbers: what `check` compares with those in force.
    pub digest: String,
    pub on: On,
    pub raised: Raised,
}

/// What it was measured on.
pub enum On {
    /// The invented city, once without and once with planted outbreaks for each seed.
    City { seeds: (u64, u64), days: u32, place: Place, signals: Vec<&'static str> },
    /// The history of a state folder, in which nobody knows what was an outbreak.
    History { state: String, days: u32, areas: usize },
}

impl RuleReport {
    pub fn is_of_classes(&self) -> bool {
        matches!(self.on, On::City { place: Place::Class, .. })
    }

    /// One line for a person.
    pub fn on(&self) -> String {
        match &self.on {
            On::City { seeds: (first, last), days, .. } => format!(
                "虚构城市，种子 {first}–{last}，各 {days} 天，{} 起植入暴发   invented city, seeds {first} to {last}, {days} days each, {} planted outbreaks",
                self.raised.planted(),
                self.raised.planted()
            ),
            On::History { state, days, areas } => {
                format!("{state}: {days} days 天, {areas} areas 地区")
            }
        }
    }

    /// How much was judged.
    pub fn measured(&self) -> String {
        match &self.on {
            On::City { seeds: (first, last), days, .. } => {
                format!("{} runs of {days} days, {} planted outbreaks", 2 * (last - first + 1), self.raised.planted())
            }
            On::History { days, areas, .. } => format!("{days} days, {areas} areas"),
        }
    }

    /// `rule, alarms_per_area_week, mean_delay_days, ppv, pod_k1 … pod_k10`.
    pub fn csv(&self) -> String {
        let sizes: Vec<String> = (1..=SIZES).map(|k| format!("pod_k{k}")).collect();
        let raised = &self.raised;
        let measures = [raised.alarms_per_area_week(), raised.mean_delay(), raised.ppv()];
        let field =
            |value: Option<f64>, digits: usize| value.map_or_else(String::new, |value| format!("{value:.digits$}"));
        let mut fields: Vec<String> = measures.into_iter().map(|value| field(value, 4)).collect();
        fields.extend(raised.pod().into_iter().map(|pod| field(pod, 3)));
        format!(
            "rule,alarms_per_area_week,mean_delay_days,ppv,{}\n{},{}\n",
            sizes.join(","),
            self.rule,
            fields.join(",")
        )
    }

    pub fn json(&self) -> Value {
        let raised = &self.raised;
        let (on, measures) = match &self.on {
            On::City { seeds: (first, last), days, place, signals } => (
                json!({ "city": { "seeds": [first, last], "days": days, "place": place.word(), "signals": signals } }),
                raised.json(),
            ),
            // Nobody knows which of them were false.
            On::History { state, days, areas } => (
                json!({ "history": { "state": state, "days": days, "areas": areas } }),
                json!({ "alarms_per_area_week": raised.alarms_per_area_week(), "alarms": raised.false_alarms }),
            ),
        };
        json!({ "rule": self.rule, "pack": self.pack, "digest": self.digest, "on": on, "measures": measures })
    }

    pub fn table(&self) -> String {
        let raised = &self.raised;
        let number = |value: Option<f64>, digits: usize| {
            value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
        };
        let share = |value: Option<f64>| number(value.map(|value| 100.0 * value), 1);
        let mut rows = vec![
            vec!["alarms per area and week 每地区每周报警数".to_owned(), number(raised.alarms_per_area_week(), 4)],
            vec!["detected, mean of k 1-10 检出概率，k 平均 (%)".to_owned(), share(raised.pod_mean())],
            vec!["days to detection 检出所需天数".to_owned(), number(raised.mean_delay(), 2)],
            vec!["positive predictive value 阳性预测值 (%)".to_owned(), share(raised.ppv())],
        ];
        let mut text = format!(
            "power 检测效能: {} {} {} ({})\non 数据: {}\n\n",
            self.rule,
            self.zh,
            self.en,
            self.pack,
            self.on()
        );
        match &self.on {
            On::City { place, signals, .. } => {
                rows[0][0] = "false alarms per area and week 每地区每周误报数".to_owned();
                text += &format!("planted in 植入: {}, {}\n", place.word(), signals.join(" "));
                text += &aligned(&rows);
                text += "\nby size k 各规模\n";
                text += &self.sizes(&share, &number);
            }
            On::History { .. } => {
                text += &aligned(&rows[..1]);
                text += "\nNobody knows which of these alarms were outbreaks: what a rule finds is measured on planted ones, without --state.\n\
                         这些报警中哪些是真实暴发不得而知；检出概率须用植入暴发测量（不带 --state）。\n";
            }
        }
        text
    }

    fn sizes(&self, share: &dyn Fn(Option<f64>) -> String, number: &dyn Fn(Option<f64>, usize) -> String) -> String {
        let raised = &self.raised;
        let row = |name: &str, of: &dyn Fn(usize) -> String| {
            std::iter::once(name.to_owned()).chain((0..SIZES).map(of)).collect::<Vec<_>>()
        };
        aligned(&[
            row("k", &|nth| (nth + 1).to_string()),
            row("outbreaks 暴发数", &|nth| raised.by_size[nth].planted.to_string()),
            row("mean cases 平均病例数", &|nth| number(raised.cases()[nth], 1)),
            row("detected 检出 (%)", &|nth| share(raised.pod()[nth])),
            row("days to detection 检出所需天数", &|nth| number(raised.by_size[nth].mean_delay(), 2)),
        ])
    }
}
