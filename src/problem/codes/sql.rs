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

pub const ALL: &[Code] = &[SQL_REFUSED, SQL_NOT_RUN, RULE_NOT_RUN];
