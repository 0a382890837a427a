//! Every stored column: type, unit, meaning in Chinese and English. The data dictionary is written from here.
//!
//! Promises: one place per column; the partition column `known_date` is last and stands in no data file.

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

/// The stored tables. `cells`, `alerts`, `epochs` and the registers are derived from them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Signals,
    Quarantine,
    AlertHistory,
    Ticks,
    Reference,
}

impl Table {
    pub const ALL: [Self; 5] = [Self::Signals, Self::Quarantine, Self::AlertHistory, Self::Ticks, Self::Reference];

    /// The folder and SQL name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signals => "signals",
            Self::Quarantine => "quarantine",
            Self::AlertHistory => "alert_history",
            Self::Ticks => "ticks",
            Self::Reference => "reference",
        }
    }

    pub const fn columns(self) -> &'static [Column] {
        match self {
            Self::Signals => SIGNALS,
            Self::Quarantine => QUARANTINE,
            Self::AlertHistory => ALERT_HISTORY,
            Self::Ticks => TICKS,
            Self::Reference => REFERENCE,
        }
    }

    /// Columns as a writer gives them: without `known_at` and `known_date`, which the commit stamps.
    pub fn schema_unstamped(self) -> SchemaRef {
        SCHEMAS[self as usize].clone()
    }

    /// All columns, `known_at` and `known_date` last.
    pub fn schema(self) -> SchemaRef {
        let mut fields: Vec<Field> = self.columns().iter().map(Column::field).collect();
        fields.extend(STAMP.iter().map(Column::field));
        Arc::new(Schema::new(fields))
    }

    /// Columns in a data file: all but the partition column.
    pub fn schema_in_file(self) -> SchemaRef {
        let mut fields: Vec<Field> = self.columns().iter().map(Column::field).collect();
        fields.push(STAMP[0].field());
        Arc::new(Schema::new(fields))
    }
}

static SCHEMAS: LazyLock<Vec<SchemaRef>> = LazyLock::new(|| {
    Table::ALL
        .iter()
        .map(|table| Arc::new(Schema::new(table.columns().iter().map(Column::field).collect::<Vec<_>>())))
        .collect()
});

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Int32,
    Int64,
    Float,
    /// Microseconds UTC.
    Time,
    /// Local date at +08:00.
    Date,
    Bytes,
}

/// One stored column.
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    pub en: &'static str,
    pub zh: &'static str,
}

impl Column {
    pub fn field(&self) -> Field {
        let data_type = match self.kind {
            Kind::Text => DataType::Utf8,
            Kind::Int32 => DataType::Int32,
            Kind::Int64 => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Time => time_type(),
            Kind::Date => DataType::Date32,
            Kind::Bytes => DataType::Binary,
        };
        Field::new(self.name, data_type, self.nullable)
    }
}

/// The type of every stored instant.
pub fn time_type() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(UTC.into()))
}

/// The zone of stored instants; people see +08:00.
pub const UTC: &str = "UTC";

const fn must(name: &'static str, kind: Kind, en: &'static str, zh: &'static str) -> Column {
    Column { name, kind, nullable: false, en, zh }
}

const fn may(name: &'static str, kind: Kind, en: &'static str, zh: &'static str) -> Column {
    Column { name, kind, nullable: true, en, zh }
}

/// Stamped by the commit on every row of every table.
pub const STAMP: &[Column] = &[
    must("known_at", Kind::Time, "when we committed it; strictly increasing along the table", "入库时间，逐次递增"),
    must("known_date", Kind::Date, "local date of known_at; the partition", "入库日期（分区）"),
];

const SIGNALS: &[Column] = &[
    must("feed", Kind::Text, "reporting channel", "报告渠道"),
    must("kind", Kind::Text, "kind of message within the feed", "消息种类"),
    must("topic", Kind::Text, "Kafka topic of the message", "来源主题"),
    must("partition", Kind::Int32, "Kafka partition", "分区号"),
    must("offset", Kind::Int64, "Kafka offset", "偏移量"),
    must("row", Kind::Int32, "row number within the message", "消息内行号"),
    must("record_key", Kind::Text, "identity of the record, 32 hex digits", "记录标识"),
    must("revision", Kind::Int64, "number of the statement about the record", "修订号"),
    must("operation", Kind::Text, "report, correct, retract or zero", "操作：报告、订正、撤销、零报告"),
    must("content_hash", Kind::Text, "digest of the decoded fields, 32 hex digits", "内容摘要"),
    must("signal", Kind::Text, "what was observed", "信号"),
    must("unit_kind", Kind::Text, "class, dormitory, facility, gate, case", "单元类别"),
    must("unit_id", Kind::Text, "the finest unit it was observed in", "单元编号"),
    may("facility_id", Kind::Text, "reporting facility", "报告单位"),
    may("area_code", Kind::Text, "finest area known, by today's codes", "地区代码"),
    must("event_time", Kind::Time, "when it happened", "发生时间"),
    must("event_date", Kind::Date, "local date on which it counts", "发生日期"),
    must("reported_at", Kind::Time, "when they told us, by their word", "报告时间"),
    must("value", Kind::Int64, "count", "数值"),
    may("denominator", Kind::Int64, "of how many", "分母"),
    may("person_key", Kind::Text, "keyed hash of a person, with its key's id", "人员假名"),
    may("slot", Kind::Text, "session of the day; the greatest counts", "时段"),
    may("quality", Kind::Text, "flags, comma-separated", "质量标记"),
    may("retry_of", Kind::Text, "the message in quarantine that was sent again as this one", "所重试的隔离消息"),
];

const QUARANTINE: &[Column] = &[
    must("topic", Kind::Text, "Kafka topic of the message", "来源主题"),
    must("partition", Kind::Int32, "Kafka partition", "分区号"),
    must("offset", Kind::Int64, "Kafka offset", "偏移量"),
    must("feed", Kind::Text, "reporting channel", "报告渠道"),
    may("kind", Kind::Text, "kind of message, where it could be told", "消息种类"),
    must("code", Kind::Text, "problem code, see `qianshao explain`", "问题代码"),
    must("reason", Kind::Text, "problem in one word", "原因"),
    must("pointer", Kind::Text, "JSON pointer to the field", "字段位置"),
    must("found", Kind::Text, "what was found, described without a person's data", "实际内容（脱敏描述）"),
    must("help", Kind::Text, "what would be right", "应当如何"),
    must("body", Kind::Bytes, "the message, encrypted", "原文（加密）"),
    must("body_sha256", Kind::Text, "digest of the message, 64 hex digits", "原文摘要"),
    must("body_shape", Kind::Text, "the message with every value described only", "原文结构（脱敏）"),
    may("retry_of", Kind::Text, "coordinates of the message that this one retries", "重试对象"),
];

const ALERT_HISTORY: &[Column] = &[
    must("alert_id", Kind::Text, "identity, 32 hex digits", "预警编号"),
    must("revision", Kind::Int64, "1 for the opening, then 2, 3, …", "修订号"),
    must("rule", Kind::Text, "rule that found it", "规则"),
    must("rule_kind", Kind::Text, "threshold or statistical", "规则类别"),
    must("pack", Kind::Text, "edition of rules in force", "规则版本"),
    must("severity", Kind::Text, "red, orange, yellow, blue", "级别"),
    must("state", Kind::Text, "open, ended, withdrawn", "状态"),
    must("response", Kind::Text, "what people have answered", "应答"),
    may("reason", Kind::Text, "why it was withdrawn or ended", "撤销或结束原因"),
    must("mode", Kind::Text, "actual, exercise, replay, test", "性质"),
    must("signal", Kind::Text, "what was counted", "信号"),
    may("syndrome", Kind::Text, "syndrome of the signal", "症候群"),
    must("unit_kind", Kind::Text, "kind of unit", "单元类别"),
    must("unit_id", Kind::Text, "unit", "单元编号"),
    may("facility_id", Kind::Text, "facility of the unit", "单位"),
    must("area_code", Kind::Text, "county", "县区代码"),
    must("first_onset", Kind::Date, "onset at the first opening, part of the id", "首次触发时的起始日期"),
    must("onset", Kind::Date, "last day of the first firing window", "起始日期"),
    must("window_start", Kind::Date, "first day of the newest firing window", "窗口起"),
    must("window_end", Kind::Date, "last day of the newest firing window", "窗口止"),
    must("observed", Kind::Float, "what was counted in the window", "观察值"),
    may("expected", Kind::Float, "what the baseline expects", "期望值"),
    must("threshold", Kind::Float, "limit that was reached", "阈值"),
    may("statistic", Kind::Float, "value of the method's statistic", "统计量"),
    may("channels", Kind::Text, "channels that contributed, comma-separated", "渠道"),
    must("title_zh", Kind::Text, "name of the rule, Chinese", "规则名称（中文）"),
    must("title_en", Kind::Text, "name of the rule, English", "规则名称（英文）"),
    must("opened_at", Kind::Time, "tick of the opening", "触发时间"),
    must("verify_due", Kind::Time, "until when it must be verified", "核实期限"),
    must("tick", Kind::Time, "tick of this revision", "评估时刻"),
];

const TICKS: &[Column] = &[
    must("tick", Kind::Time, "logical moment of evaluation", "评估时刻"),
    must("known_until", Kind::Time, "signals known up to here were seen", "可见信号截止"),
    must("signals_version", Kind::Int64, "version of the signals table", "信号表版本"),
    must(
        "reference_known_at",
        Kind::Time,
        "registers, codes and rules known up to here were in force",
        "登记表与规则截止",
    ),
    must("rules_digest", Kind::Text, "digest of all rules and parameters", "规则摘要"),
    must("findings", Kind::Int64, "rows that the rules returned", "命中行数"),
    must("changes", Kind::Int64, "alert revisions written", "预警修订数"),
];

const REFERENCE: &[Column] = &[
    must("class", Kind::Text, "code, register, pack, rule, feed, audit", "类别"),
    must("name", Kind::Text, "name of the file", "名称"),
    must("digest", Kind::Text, "SHA-256 of the body, 64 hex digits", "摘要"),
    must("body", Kind::Text, "the whole text", "全文"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_has_a_meaning_in_two_languages_and_a_name_of_its_own() {
        for table in Table::ALL {
            let mut names: Vec<_> = table.columns().iter().chain(STAMP).map(|column| column.name).collect();
            assert!(table.columns().iter().all(|column| !column.en.is_empty() && !column.zh.is_empty()));
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), table.schema().fields().len(), "{}", table.name());
        }
    }
}
