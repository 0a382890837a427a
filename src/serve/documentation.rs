//! The data dictionary as a table: what every column of every table means, in English and Chinese.
//!
//! Promises: a stored column says here what it says in the log's own dictionary; every table has its line.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::DataType;
use datafusion::execution::context::SessionContext;

use super::listing;
use crate::delta::tables::{STAMP, Table};
use crate::engine;
use crate::problem::Result;

/// A table or column, its meaning in English and Chinese.
type Word = (&'static str, &'static str, &'static str);

/// What each table shows.
pub const TABLES: &[Word] = &[
    ("accounting", "what became of every message, per partition", "每个分区的消息去向"),
    ("alert_history", "every revision of every alert, as published", "预警的全部修订"),
    ("alerts", "the newest revision of every alert", "每条预警的最新修订"),
    ("cells", "count per unit, signal and day, with who reported", "单元×信号×日的计数与报告情况"),
    ("documentation", "this table", "本表"),
    ("epochs", "commits of signals by partition", "各次提交及其分区"),
    ("expected_reports", "who owes a report of which day, and whether it came", "应报告情况"),
    ("feeds", "kinds of message", "报告渠道与消息种类"),
    ("functions", "what a query may call beside PostgreSQL's own functions", "可调用的函数"),
    ("findings", "what the pack's rules return at this moment", "现行规则此刻的判定结果"),
    ("packs", "editions of rules; SET qianshao.pack chooses one", "规则版本"),
    ("quarantine", "messages that could not be used, without their text", "隔离的消息（不含原文）"),
    ("rules", "rules in force, with their text", "现行规则及全文"),
    ("signal_names", "what each signal means", "信号释义"),
    (
        "signal_history",
        "every row of every accepted message, duplicates and older revisions included",
        "全部信号行（含重复与旧版本）",
    ),
    ("signals", "rows of the messages that stand, that count; what rules read", "有效且计入统计的信号（规则所读）"),
    ("ticks", "moments at which rules were evaluated", "评估时刻"),
];

/// Columns that are derived, or stand in registers and texts.
const COLUMNS: &[Word] = &[
    ("accepted", "messages that count as said first", "接收的消息数"),
    ("active_from", "first day of its existence", "启用日期"),
    ("active_to", "last day of its existence", "停用日期"),
    ("area_a", "one of two neighbouring areas", "相邻地区之一"),
    ("area_b", "the other", "相邻地区之二"),
    ("audience", "who is told", "告知对象"),
    ("authoritative", "feed/kind that counts where a feed has several", "以何种消息为准"),
    ("calendar_id", "its calendar", "日历编号"),
    ("call", "how it is called", "调用方式"),
    ("category", "category of goods", "药品类别"),
    ("ce_type", "type in the CloudEvents envelope", "CloudEvents 类型"),
    ("channel", "kind of source that corroborates others", "渠道"),
    ("cites", "the clause or paper it rests on", "依据"),
    ("class", "class of the notifiable disease", "类别"),
    ("code", "code", "代码"),
    ("column_name", "the column", "列名"),
    ("consumed", "messages taken in", "消费的消息数"),
    ("count", "what the day's rows are worth; null = nobody reported", "计数；空为无人报告"),
    ("counts_as", "category it counts as", "计入类别"),
    ("data_type", "its type", "类型"),
    ("date_from", "first day", "起始日期"),
    ("date_to", "last day", "截止日期"),
    ("description", "what it means", "说明"),
    ("digest", "SHA-256 of the text", "全文摘要"),
    ("due_at", "until when it must be here, grace included", "应报时限"),
    ("due_time", "local time of day", "应报时刻"),
    ("duplicates", "messages that repeat an earlier one exactly", "重复的消息数"),
    ("en", "meaning, English", "英文释义"),
    ("expected", "facilities that owe a report", "应报告单位数"),
    ("facility_kind", "kind of facility", "单位类别"),
    ("gap_days", "firing windows this far apart are one run", "合并间隔（日）"),
    ("grace_minutes", "minutes of grace", "宽限（分钟）"),
    ("history_days", "days that its windows look back", "回溯日数"),
    ("id", "name of the rule", "规则编号"),
    ("is_zero", "the report said zero", "零报告"),
    ("is_duplicate", "an earlier message says the same of the same record", "与更早的消息完全重复"),
    ("level", "town, county, prefecture", "级别"),
    ("messages", "accepted messages", "消息数"),
    ("missing", "facilities that owe a report and are silent", "未报告单位数"),
    ("missing_run", "expected days without a report, this one included", "连续缺报日数"),
    ("missing_since", "first of the expected days without a report", "连续缺报首日"),
    ("name_en", "name, English", "英文名称"),
    ("name_zh", "name, Chinese", "中文名称"),
    ("needs", "rules whose findings it reads", "所依赖的规则"),
    ("offset_first", "first offset of an accepted message", "首个偏移量"),
    ("offset_last", "last offset of an accepted message", "末个偏移量"),
    ("pack", "edition", "规则包"),
    ("parent", "area above", "上级地区"),
    ("quarantined", "messages that could not be used", "隔离的消息数"),
    ("received_at", "when it came", "收到时间"),
    ("replaced_by", "today's code", "现行代码"),
    ("report_date", "day that the report is about", "报告所属日期"),
    ("report_hours", "hours within which a case is reported", "报告时限（小时）"),
    ("reported", "facilities that reported", "已报告单位数"),
    ("resolved", "what was sent again for it was accepted", "重新发送的消息已被接受"),
    ("rolls_up", "its rows count for facility and area", "是否向上汇总"),
    ("rows", "rows", "行数"),
    ("rule", "the rule", "规则"),
    ("rules", "rules in force, those of the packs it extends included", "规则数"),
    ("scope", "dirty: only what changed; all: everything, each tick", "评估范围"),
    ("single_case", "one case is an alert", "单例即预警"),
    ("source", "where it comes from", "来源"),
    ("sql", "the whole text", "全文"),
    ("standing", "current, superseded by a later statement, or retracted", "有效、已被取代或已撤销"),
    ("state", "state", "状态"),
    ("symptom", "symptom", "症状"),
    ("syndrome", "syndrome of the signal", "症候群"),
    ("syndrome_a", "one of two that corroborate each other", "可印证症候群之一"),
    ("syndrome_b", "the other", "可印证症候群之二"),
    ("table_name", "the table; without a column, the table itself", "表名"),
    ("title", "meaning, English", "英文标题"),
    ("valid_from", "first day in force", "生效日期"),
    ("valid_to", "last day in force", "失效日期"),
    ("verify_hours", "hours to the first verification", "核实时限（小时）"),
    ("weekdays", "1 = Monday … 7 = Sunday", "星期"),
    ("weight_tenths", "weight of the evidence, tenths", "证据权重（十分之一）"),
    ("zero", "facilities that reported nothing but zero", "零报告单位数"),
    ("zh", "meaning, Chinese", "中文释义"),
];

/// One line a table, then one a column, in the order of the names.
pub async fn table(context: &SessionContext) -> Result<RecordBatch> {
    let mut lines: Vec<[String; 5]> = Vec::new();
    let schema = context.catalog("qianshao").and_then(|catalog| catalog.schema("public"));
    let mut names = schema.as_ref().map(|schema| schema.table_names()).unwrap_or_default();
    names.push("documentation".to_owned());
    names.sort();
    for name in names {
        let (en, zh) = find(TABLES, &name).unwrap_or(("a code list or register", "代码表或登记表"));
        lines.push([name.clone(), String::new(), "table".to_owned(), en.to_owned(), zh.to_owned()]);
        let fields = if name == "documentation" {
            ["table_name", "column_name", "data_type", "en", "zh"].map(|column| (column.to_owned(), "text")).to_vec()
        } else {
            let shown = context.table_provider(name.as_str()).await.map_err(|error| engine::not_run(&name, &error))?;
            shown.schema().fields().iter().map(|field| (field.name().clone(), sql_type(field.data_type()))).collect()
        };
        for (column, kind) in fields {
            let (en, zh) = meaning(&name, &column).unwrap_or_default();
            lines.push([name.clone(), column, kind.to_owned(), en.to_owned(), zh.to_owned()]);
        }
    }
    let column = |at: usize| -> ArrayRef {
        Arc::new(StringArray::from_iter(lines.iter().map(|line| (!line[at].is_empty()).then_some(&line[at]))))
    };
    let names = ["table_name", "column_name", "data_type", "en", "zh"];
    listing::table("documentation", (0..).zip(names).map(|(at, name)| (name, column(at))).collect())
}

/// Table `functions`: what a query may call.
pub fn functions() -> Result<RecordBatch> {
    let methods = engine::statistics::calls();
    let known = engine::functions::FUNCTIONS.iter().chain(engine::statistics::FUNCTIONS);
    let known = known.map(|(call, en, zh)| ((*call).to_owned(), *en, *zh));
    let mut lines: Vec<(String, &str, &str)> = known.chain(methods).collect();
    lines.sort();
    let column = |of: &dyn Fn(&(String, &'static str, &'static str)) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(of)))
    };
    listing::table(
        "functions",
        vec![
            ("call", column(&|line| line.0.clone())),
            ("en", column(&|line| line.1.to_owned())),
            ("zh", column(&|line| line.2.to_owned())),
        ],
    )
}

/// A column's meaning: what the stored table says of it, else the derived ones, else any stored table.
fn meaning(table: &str, column: &str) -> Option<(&'static str, &'static str)> {
    let stored = |of: &dyn Fn(&Table) -> bool| {
        let tables = Table::ALL.into_iter().filter(|table| of(table));
        let found = tables.flat_map(Table::columns).chain(STAMP).find(|known| known.name == column);
        found.map(|known| (known.en, known.zh))
    };
    let own = if table == "alerts" { Table::AlertHistory.name() } else { table };
    Table::ALL
        .iter()
        .any(|known| known.name() == own)
        .then(|| stored(&|known| known.name() == own))
        .flatten()
        .or_else(|| find(COLUMNS, column))
        .or_else(|| stored(&|_| true))
}

fn find(words: &[Word], name: &str) -> Option<(&'static str, &'static str)> {
    words.iter().find(|word| word.0 == name).map(|word| (word.1, word.2))
}

/// PostgreSQL's name of a type.
fn sql_type(kind: &DataType) -> &'static str {
    match kind {
        DataType::Boolean => "boolean",
        DataType::Int32 => "integer",
        DataType::Int64 => "bigint",
        DataType::Float64 => "double precision",
        DataType::Date32 => "date",
        DataType::Timestamp(_, Some(_)) => "timestamptz",
        DataType::Binary | DataType::BinaryView => "bytea",
        _ => "text",
    }
}
