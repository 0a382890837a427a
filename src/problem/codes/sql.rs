//! Problems of SQL: queries, rules at work, mappings at work.

use super::Code;

pub const SQL_REFUSED: Code = Code {
    id: "QS-S001",
    reason: "sql_refused",
    en: "a statement was not understood or not allowed",
    zh: "SQL 语句无法识别或不被允许",
    help: "only queries that read are allowed; `\\dt` in psql lists the tables, docs/rules.md the functions",
};

pub const SQL_NOT_RUN: Code = Code {
    id: "QS-S002",
    reason: "sql_not_run",
    en: "a query did not run to its end",
    zh: "查询未能执行完毕",
    help: "the text below says which value or operator; casts of texts that are no numbers are the usual cause",
};

pub const RULE_NOT_RUN: Code = Code {
    id: "QS-S003",
    reason: "rule_not_run",
    en: "a rule did not run; its alerts stay as they were",
    zh: "规则未能执行，其预警保持不变",
    help: "run the rule's text in psql or `qianshao sql`, mend it, and put it in force again",
};

pub const READ_ONLY: Code = Code {
    id: "QS-S004",
    reason: "read_only",
    en: "this port only reads: the statement would change something",
    zh: "此端口只读：该语句会修改数据",
    help: "SELECT, EXPLAIN, SHOW and SET qianshao.as_of are allowed; data come in by the feeds' topics only",
};

pub const NOT_LOOPBACK: Code = Code {
    id: "QS-S005",
    reason: "not_loopback",
    en: "the SQL port opens on this machine only",
    zh: "SQL 端口只能监听本机地址",
    help: "it asks for no password: listen on 127.0.0.1 or [::1] and reach it through ssh",
};

pub const ALERT_UNKNOWN: Code = Code {
    id: "QS-S006",
    reason: "alert_unknown",
    en: "no such alert, or not yet at that time",
    zh: "预警不存在，或在该时刻尚未产生",
    help: "SELECT alert_id, revision FROM alert_history lists them; the first 8 of the 32 digits are enough where they are one alert's",
};

pub const INSTANT_UNREADABLE: Code = Code {
    id: "QS-S007",
    reason: "instant_unreadable",
    en: "this is no moment in time",
    zh: "无法识别的时刻",
    help: "write 2021-01-18T18:00:00+08:00, or 2021-01-18 18:00 for +08:00; an empty text means now",
};

pub const SQL_TOO_LONG: Code = Code {
    id: "QS-S008",
    reason: "sql_too_long",
    en: "a statement took longer than its limit and was stopped",
    zh: "语句超时，已被终止",
    help: "ask for fewer days, units or signals; a filter on signal and unit_kind narrows what is counted",
};

pub const OUTPUT: Code = Code {
    id: "QS-S009",
    reason: "output",
    en: "an answer cannot be written in this format",
    zh: "结果无法以该格式输出",
    help: "table, csv, json, ndjson and parquet are known; nested columns need json, ndjson or parquet",
};

pub const ALERT_AMBIGUOUS: Code = Code {
    id: "QS-S010",
    reason: "alert_ambiguous",
    en: "several alerts begin with these digits",
    zh: "有多条预警以这些字符开头",
    help: "write more of the 32 digits",
};

pub const PACK_UNKNOWN: Code = Code {
    id: "QS-S011",
    reason: "pack_unknown",
    en: "no pack has this name",
    zh: "没有此规则包",
    help: "SELECT pack FROM packs lists them",
};

pub const ALL: &[Code] = &[
    SQL_REFUSED,
    SQL_NOT_RUN,
    RULE_NOT_RUN,
    READ_ONLY,
    NOT_LOOPBACK,
    ALERT_UNKNOWN,
    INSTANT_UNREADABLE,
    SQL_TOO_LONG,
    OUTPUT,
    ALERT_AMBIGUOUS,
    PACK_UNKNOWN,
];
