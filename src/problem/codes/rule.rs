//! A rules folder that cannot be used: its packs, the headers of its rules, what its SQL returns.

use super::Code;

pub const PACK: Code = Code {
    id: "QS-R001",
    reason: "pack",
    en: "a rule pack cannot be read",
    zh: "规则包无法读取",
    help: "a pack is a folder with pack.toml; docs/rules.md shows one",
};

pub const PACK_EXTENDS: Code = Code {
    id: "QS-R002",
    reason: "pack_extends",
    en: "a pack extends one that does not exist, or itself",
    zh: "规则包继承的上级不存在或形成循环",
    help: "write the id of another pack of this folder in extends, or leave it out",
};

pub const HEADER: Code = Code {
    id: "QS-R003",
    reason: "rule_header",
    en: "a line of a rule's header cannot be used",
    zh: "规则文件头有一行无法使用",
    help: "one `-- key: value` a line above the SQL; docs/rules.md lists the keys",
};

pub const HEADER_MISSING: Code = Code {
    id: "QS-R004",
    reason: "rule_header_missing",
    en: "a rule's header lacks a key",
    zh: "规则文件头缺少必需的键",
    help: "add the line; docs/rules.md lists the keys",
};

pub const RULE_NAME: Code = Code {
    id: "QS-R005",
    reason: "rule_name",
    en: "a rule is not called like its file, or two rules of a pack share a name",
    zh: "规则名与文件名不一致或重名",
    help: "the file is <id>.sql, with an id of lower-case letters, digits and _",
};

pub const PARAMETER: Code = Code {
    id: "QS-R006",
    reason: "rule_parameter",
    en: "a parameter is missing or cannot be used",
    zh: "规则参数缺失或无法使用",
    help: "write [parameters.\"<rule>.<name>\"] with value, unit, source and mark in pack.toml",
};

pub const NEEDS: Code = Code {
    id: "QS-R007",
    reason: "rule_needs",
    en: "a rule needs one that is not in its pack, or in the end itself",
    zh: "规则所依赖的规则不存在或循环依赖",
    help: "name rules of this pack or of one that it extends, without a circle",
};

pub const VALIDITY: Code = Code {
    id: "QS-R008",
    reason: "rule_validity",
    en: "a validity ends before it begins",
    zh: "有效期的结束早于开始",
    help: "both days count; leave valid_to empty for no end",
};

pub const RULE_COLUMNS: Code = Code {
    id: "QS-R009",
    reason: "rule_columns",
    en: "a rule does not return the columns of a finding",
    zh: "规则返回的列不符合要求",
    help: "return unit_kind, unit_id, area_code, signal, window_start, window_end, observed and threshold; docs/rules.md lists all",
};

pub const POWER_MISSING: Code = Code {
    id: "QS-R010",
    reason: "rule_power_missing",
    en: "nobody has measured what these rules find",
    zh: "以下规则未附检测效能报告",
    help: "qianshao power --rule FILE --format json -o REPORT, and name the report in the header: -- power: reports/<id>.json",
};

pub const POWER_OLD: Code = Code {
    id: "QS-R011",
    reason: "rule_power_old",
    en: "a rule has changed since its power was measured",
    zh: "规则在效能报告之后有改动",
    help: "run qianshao power --rule FILE --format json -o REPORT again",
};

pub const POWER_REPORT: Code = Code {
    id: "QS-R012",
    reason: "rule_power_report",
    en: "the power report that a rule names is not there or is another rule's",
    zh: "规则所指的效能报告不存在或不属于该规则",
    help: "a file in the pack's folder, written by qianshao power --rule FILE --format json",
};

/// In the order of docs/problems.md.
pub const ALL: &[Code] = &[
    PACK,
    PACK_EXTENDS,
    HEADER,
    HEADER_MISSING,
    RULE_NAME,
    PARAMETER,
    NEEDS,
    VALIDITY,
    RULE_COLUMNS,
    POWER_MISSING,
    POWER_OLD,
    POWER_REPORT,
];
