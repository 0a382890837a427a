//! Messages that decoded well and yet became no signal.

use super::Code;

pub const NO_SIGNAL: Code = Code {
    id: "QS-D060",
    reason: "no_signal",
    en: "the mapping made no row of this message",
    zh: "该消息未映射出任何信号",
    help: "normalize.sql must return at least one row for each message, zero reports and retractions too",
};

pub const NORMALIZE_FAILED: Code = Code {
    id: "QS-D061",
    reason: "normalize_failed",
    en: "the mapping failed on this message",
    zh: "该消息映射时出错",
    help: "mend normalize.sql, then retry the message from the quarantine",
};

pub const NO_EVENT_TIME: Code = Code {
    id: "QS-D062",
    reason: "no_event_time",
    en: "a row has neither event_time nor event_date",
    zh: "信号没有发生时间，也没有发生日期",
    help: "send the time or the date at which it happened",
};

pub const UNDECLARED: Code = Code {
    id: "QS-D063",
    reason: "undeclared",
    en: "the mapping made a row that the contract does not declare",
    zh: "映射产生了契约未声明的信号或单元类别",
    help: "declare the signal in x-signals of contract.json; unit kinds are those of schemas/codes/unit_kinds.csv",
};

pub const AREA_NOT_IN_USE: Code = Code {
    id: "QS-D064",
    reason: "area_not_in_use",
    en: "the area code was not in use on that day",
    zh: "该地区代码在该日期未启用或已停用",
    help: "send the code that was in use on the day of the event; codes/areas.csv says from when to when and what replaced it",
};

pub const ALL: &[Code] = &[NO_SIGNAL, NORMALIZE_FAILED, NO_EVENT_TIME, UNDECLARED, AREA_NOT_IN_USE];
