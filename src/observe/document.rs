//! docs/metrics.md, written from the table of metrics.

use std::fmt::Write;

use super::families::{ALL, Kind};

const HEAD: &str = "# Metrics 指标

What `/metrics` answers at `observe.address`, in the text that Prometheus reads. Everything counts since the process started. No label names a person, a unit or an area.
Beside it `/livez` says whether the loops turn (a reason to restart), and `/readyz` whether the process does all that it was told to (reasons in words, no reason to restart).

`observe.address` 上 `/metrics` 的内容，Prometheus 文本格式，自进程启动起计；标签不含个人、单位或地区。
`/livez` 表示各循环是否运转（否则应重启）；`/readyz` 表示是否履行全部职责（附原因，无须重启）。

This page is written from `src/observe/families.rs`; a test compares them. 本页由程序生成。

| metric | type | labels | what | 含义 |
|---|---|---|---|---|
";

/// docs/metrics.md.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for family in ALL {
        let kind = match family.kind {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram(_) => "histogram",
        };
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "–".to_owned() } else { labels.join(", ") };
        // A String takes everything: its `write_fmt` has no way to fail.
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} | {} |", family.name, family.en, family.zh);
    }
    page
}
