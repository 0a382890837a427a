//! Rules over single arrivals and cases, and over what several channels say together.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, View, ears};

/// Arrivals with symptoms, by port, county of destination and day.
pub fn customs_symptomatic(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let (rule, signal) = ("customs_symptomatic", "customs_symptomatic");
    let arrivals = view.parameter("customs_symptomatic.arrivals")?;
    let mut counts: BTreeMap<(&str, String, i64), i64> = BTreeMap::new();
    for (key, count) in view.base(signal, "facility", view.lean()).filter(|(key, _)| !key.area.is_empty()) {
        *counts.entry((&key.unit_id, view.registers().county_of(&key.area), key.day)).or_default() += count.count;
    }
    let mut out = Vec::new();
    for ((port, county, day), count) in counts {
        if count as f64 >= arrivals {
            let (unit, of) = (("facility", port, &*county), (count as f64, arrivals));
            out.push(Finding::new(rule, unit, signal, (day, day), of));
        }
    }
    Ok(out)
}

/// One case of a disease of which one is enough.
pub fn notifiable_single_case(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let cases = view.parameter("notifiable_single_case.cases")?;
    let mark = view.parameter("notifiable_single_case.single_case_mark")?;
    let mut out = Vec::new();
    for (code, single) in &view.registers().single_case {
        if f64::from(u8::from(*single)) < mark {
            continue;
        }
        let signal = format!("case_{code}");
        for (key, count) in view.base(&signal, "case", view.lean()) {
            if count.count as f64 >= cases {
                let area = view.registers().county_of(&key.area);
                let (unit, of) = (("case", &*key.unit_id, &*area), (count.count as f64, cases));
                out.push(Finding::new("notifiable_single_case", unit, &signal, (key.day, key.day), of));
            }
        }
    }
    Ok(out)
}

/// One channel's word on one day in one county.
struct Heard {
    county: String,
    day: i64,
    syndrome: String,
    channel: String,
    tenths: i64,
}

/// Several channels that report compatible syndromes in one county within a few dates.
pub fn multi_channel(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let tenths_min = view.parameter("multi_channel.weight_tenths")?;
    let channels_min = view.parameter("multi_channel.channels")?;
    let days = view.parameter("multi_channel.days")? as i64;
    let heard = heard(view)?;
    let anchors: BTreeSet<(&str, i64, &str)> = heard.iter().map(|h| (&*h.county, h.day, &*h.syndrome)).collect();
    let mut best: BTreeMap<(&str, i64), Vec<Weighed>> = BTreeMap::new();
    for (county, end, syndrome) in anchors {
        let mut channels: BTreeMap<&str, (i64, i64)> = BTreeMap::new();
        for h in heard.iter().filter(|h| h.county == county && (end - (days - 1)..=end).contains(&h.day)) {
            let pair = (syndrome.to_owned(), h.syndrome.clone());
            if syndrome == h.syndrome || view.registers().compatible.contains(&pair) {
                let entry = channels.entry(&h.channel).or_insert((h.tenths, h.day));
                *entry = (entry.0.max(h.tenths), entry.1.min(h.day));
            }
        }
        best.entry((county, end)).or_default().push(Weighed {
            tenths: channels.values().map(|(tenths, _)| tenths).sum(),
            count: channels.len() as i64,
            start: channels.values().map(|(_, day)| *day).min().unwrap_or(end),
            channels: channels.keys().copied().collect::<Vec<_>>().join(","),
        });
    }
    let mut out = Vec::new();
    for ((county, end), weighed) in best {
        // Anchors come by syndrome, so the first of the heaviest is the first by name.
        let heaviest = weighed.iter().map(|w| (w.tenths, w.count)).max();
        let Some(chosen) = weighed.iter().find(|w| Some((w.tenths, w.count)) == heaviest) else { continue };
        if chosen.tenths as f64 >= tenths_min && chosen.count as f64 >= channels_min && end >= view.lean() {
            let (unit, of) = (("county", county, county), (chosen.count as f64, tenths_min));
            let mut found = Finding::new("multi_channel", unit, "multi_channel", (chosen.start, end), of)
                .with(None, chosen.tenths as f64);
            found.channels = Some(chosen.channels.clone());
            out.push(found);
        }
    }
    Ok(out)
}

struct Weighed {
    tenths: i64,
    count: i64,
    start: i64,
    channels: String,
}

/// The county findings that the rule listens to, with what the contracts say of their signals.
fn heard(view: &View<'_>) -> Result<Vec<Heard>, String> {
    let mut findings = ears::fever_clinic_c2(view)?;
    findings.extend(ears::fever_clinic_c3(view)?);
    findings.extend(ears::pharmacy_c2(view)?);
    findings.extend(ears::school_c2(view)?);
    let mut out = Vec::new();
    for finding in findings.iter().filter(|finding| view.in_force(finding)) {
        if let Some((_, word)) = view.registers().any_signal(&finding.signal) {
            out.push(Heard {
                county: finding.unit_id.clone(),
                day: finding.end,
                syndrome: word.syndrome.clone(),
                channel: word.channel.clone(),
                tenths: word.weight_tenths,
            });
        }
    }
    Ok(out)
}
