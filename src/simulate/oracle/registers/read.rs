//! Register files, contracts, rule headers and packs, taken in one by one.

use std::collections::BTreeMap;

use super::super::calendar::day_of_text;
use super::{Contract, Facility, Header, Obligation, Registers, Season, SignalWord};

pub(super) type Csv = Vec<BTreeMap<String, String>>;

pub(super) fn csv_of(body: &str) -> Result<Csv, String> {
    let mut reader =
        csv::ReaderBuilder::new().flexible(true).from_reader(body.trim_start_matches('\u{feff}').as_bytes());
    let rows: Result<Csv, csv::Error> = reader.deserialize().collect();
    rows.map_err(|e| e.to_string())
}

fn word(row: &BTreeMap<String, String>, key: &str) -> String {
    row.get(key).map(|value| value.trim().to_owned()).unwrap_or_default()
}

fn day(row: &BTreeMap<String, String>, key: &str) -> Option<i64> {
    day_of_text(&word(row, key))
}

impl Registers {
    pub(super) fn take_list(&mut self, name: &str, rows: &Csv) {
        for row in rows {
            match name {
                "facilities" => self.take_facility(row),
                "expected_reports" => self.take_obligation(row),
                "calendars" => self.calendars.entry(word(row, "calendar_id")).or_default().push(Season {
                    from: day(row, "date_from"),
                    to: day(row, "date_to"),
                    weekdays: word(row, "weekdays"),
                    open: word(row, "state") == "open",
                }),
                "areas" => self.take_area(row),
                "adjacency" => {
                    let (a, b) = (word(row, "area_a"), word(row, "area_b"));
                    self.neighbours.entry(a.clone()).or_default().insert(b.clone());
                    self.neighbours.entry(b).or_default().insert(a);
                }
                "compatible_syndromes" => {
                    let (a, b) = (word(row, "syndrome_a"), word(row, "syndrome_b"));
                    self.compatible.insert((a.clone(), b.clone()));
                    self.compatible.insert((b, a));
                }
                "diseases" => {
                    let single = matches!(&*word(row, "single_case"), "true" | "yes" | "1");
                    self.single_case.insert(word(row, "code").to_lowercase(), single);
                }
                "unit_kinds" => {
                    self.rolls_up.insert(word(row, "unit_kind"), word(row, "rolls_up") == "yes");
                }
                _ => {}
            }
        }
    }

    fn take_facility(&mut self, row: &BTreeMap<String, String>) {
        let facility = Facility {
            id: word(row, "facility_id"),
            kind: word(row, "facility_kind"),
            area: word(row, "area_code"),
            calendar: word(row, "calendar_id"),
            authoritative: word(row, "authoritative").split_whitespace().map(str::to_owned).collect(),
            from: day(row, "active_from"),
            to: day(row, "active_to"),
        };
        self.facilities.insert(facility.id.clone(), facility);
    }

    fn take_obligation(&mut self, row: &BTreeMap<String, String>) {
        let due = word(row, "due_time");
        let (hours, minutes) = due.split_once(':').unwrap_or((&due, "0"));
        let grace: i64 = word(row, "grace_minutes").parse().unwrap_or(0);
        self.obligations.push(Obligation {
            facility_kind: word(row, "facility_kind"),
            facility_id: word(row, "facility_id"),
            feed: word(row, "feed"),
            due_minutes: hours.parse::<i64>().unwrap_or(0) * 60 + minutes.parse::<i64>().unwrap_or(0) + grace,
            from: day(row, "valid_from"),
            to: day(row, "valid_to"),
        });
    }

    fn take_area(&mut self, row: &BTreeMap<String, String>) {
        let code = word(row, "code");
        let new = word(row, "replaced_by");
        if !new.is_empty() {
            self.replaced_by.insert(code.clone(), new);
        }
        self.parents.insert(code, (word(row, "level"), word(row, "parent")));
    }

    pub(super) fn take_contract(&mut self, name: &str, body: &str) {
        let Ok(json) = serde_json::from_str::<serde_json::Value>(body) else { return };
        let Some(signals) = json.get("x-signals").and_then(|s| s.as_object()) else { return };
        let mut parts = name.split('/');
        let (Some(feed), Some(kind)) = (parts.next(), parts.next()) else { return };
        let text = |value: &serde_json::Value, key: &str| {
            value.get(key).and_then(|v| v.as_str()).unwrap_or_default().to_owned()
        };
        let signals = signals.iter().map(|(id, value)| {
            let said = SignalWord {
                syndrome: text(value, "syndrome"),
                channel: text(value, "channel"),
                weight_tenths: value.get("weight_tenths").and_then(serde_json::Value::as_i64).unwrap_or(0),
                count: text(value, "count"),
            };
            (id.clone(), said)
        });
        let authoritative_default = json.get("x-authoritative-default").and_then(|v| v.as_bool()).unwrap_or(false);
        let contract = Contract { authoritative_default, signals: signals.collect() };
        self.contracts.insert((feed.to_owned(), kind.trim_end_matches(".json").to_owned()), contract);
    }

    pub(super) fn take_header(&mut self, body: &str) {
        let mut header = Header::default();
        for line in body.lines().map_while(|line| line.trim().strip_prefix("--")) {
            if let Some((key, value)) = line.split_once(':') {
                header.words.insert(key.trim().to_owned(), value.trim().to_owned());
            }
        }
        let id = header.word("id").to_owned();
        if !id.is_empty() {
            self.headers.insert(id, header);
        }
    }

    pub(super) fn take_pack(&mut self, pack: &toml::Table) {
        let head = pack.get("pack").and_then(|head| head.as_table());
        let days = head.and_then(|head| head.get("alert_horizon_days")).or_else(|| pack.get("alert_horizon_days"));
        if let Some(days) = days.and_then(|days| days.as_integer()) {
            self.horizon_days = days;
        }
        let Some(parameters) = pack.get("parameters").and_then(|p| p.as_table()) else { return };
        for (name, parameter) in parameters {
            let value = parameter.get("value");
            let number = value.and_then(|v| v.as_float().or_else(|| v.as_integer().map(|i| i as f64)));
            if let Some(number) = number {
                self.parameters.insert(name.clone(), number);
            }
        }
    }
}

/// The pack that a pack builds on.
pub(super) fn extends(pack: &toml::Table) -> Option<&str> {
    pack.get("pack")?.as_table()?.get("extends")?.as_str().filter(|base| !base.is_empty())
}
