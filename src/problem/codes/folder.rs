//! A feed folder that cannot be used: its files, its contract, its examples.

use super::Code;

pub const FOLDER: Code = Code {
    id: "QS-F001",
    reason: "folder",
    en: "a feed folder is empty or badly named",
    zh: "渠道文件夹为空或名称不合要求",
    help: "name it <feed>/<kind> in lower-case letters, digits and _, with a contract.json in it",
};

pub const FILE_MISSING: Code = Code {
    id: "QS-F002",
    reason: "file_missing",
    en: "a file of the feed folder is missing",
    zh: "渠道文件夹缺少文件",
    help: "every kind has contract.json, normalize.sql, good.ndjson, bad.ndjson and proof.slt",
};

pub const CONTRACT_JSON: Code = Code {
    id: "QS-F003",
    reason: "contract_json",
    en: "the contract is not JSON",
    zh: "契约文件不是 JSON",
    help: "correct the JSON at this line",
};

pub const KEYWORD: Code = Code {
    id: "QS-F004",
    reason: "keyword",
    en: "the contract uses a keyword outside the subset",
    zh: "契约使用了子集之外的关键字",
    help: "use the keywords that docs/feeds.md lists",
};

pub const KEYWORD_VALUE: Code = Code {
    id: "QS-F005",
    reason: "keyword_value",
    en: "a keyword of the contract has a value that it cannot have",
    zh: "契约关键字的值不合要求",
    help: "see the keyword in docs/feeds.md",
};

pub const KEYWORD_MISSING: Code = Code {
    id: "QS-F006",
    reason: "keyword_missing",
    en: "the contract lacks a keyword",
    zh: "契约缺少关键字",
    help: "add the keyword; docs/feeds.md says what it means",
};

pub const CONTRACT_DEPTH: Code = Code {
    id: "QS-F007",
    reason: "contract_depth",
    en: "the contract is nested deeper than 3 levels",
    zh: "契约嵌套超过 3 层",
    help: "flatten the objects",
};

pub const PATH: Code = Code {
    id: "QS-F008",
    reason: "path",
    en: "a path of the contract leads to no such field",
    zh: "契约中的路径找不到字段",
    help: "name a property, or a property of an object as person.id",
};

pub const UNGUARDED_TEXT: Code = Code {
    id: "QS-F009",
    reason: "unguarded_text",
    en: "a stored text has no pattern, enum or format",
    zh: "入库文本没有 pattern、enum 或 format",
    help: "add a pattern, enum or format, or mark it x-identifier or x-drop",
};

pub const NAME_TAKEN: Code = Code {
    id: "QS-F010",
    reason: "name_taken",
    en: "two fields or kinds share a name that must be unique",
    zh: "两个字段或消息种类的名称重复",
    help: "give each its own name",
};

pub const GOOD_REJECTED: Code = Code {
    id: "QS-F011",
    reason: "good_rejected",
    en: "a line of good.ndjson is rejected",
    zh: "good.ndjson 中的一行被拒收",
    help: "correct the line or the contract",
};

pub const BAD_ACCEPTED: Code = Code {
    id: "QS-F012",
    reason: "bad_accepted",
    en: "a line of bad.ndjson is accepted",
    zh: "bad.ndjson 中的一行被接收",
    help: "correct the line, or tighten the contract",
};

pub const BAD_OTHERWISE: Code = Code {
    id: "QS-F013",
    reason: "bad_otherwise",
    en: "a line of bad.ndjson is rejected for another reason",
    zh: "bad.ndjson 中的一行因其他原因被拒收",
    help: "correct expect or pointer, or the line",
};

pub const EXAMPLE_LINE: Code = Code {
    id: "QS-F014",
    reason: "example_line",
    en: "a line of an examples file cannot be read",
    zh: "示例文件中有一行无法读取",
    help: "one JSON object for each line; bad lines as expect, pointer, and message or raw",
};

pub const KEY_FILE: Code = Code {
    id: "QS-F015",
    reason: "key_file",
    en: "the key file does not hold a usable key",
    zh: "密钥文件中没有可用的密钥",
    help: "write one line: 64 or more hexadecimal digits, optionally after a key id and a colon",
};

pub const ALL: &[Code] = &[
    FOLDER,
    FILE_MISSING,
    CONTRACT_JSON,
    KEYWORD,
    KEYWORD_VALUE,
    KEYWORD_MISSING,
    CONTRACT_DEPTH,
    PATH,
    UNGUARDED_TEXT,
    NAME_TAKEN,
    GOOD_REJECTED,
    BAD_ACCEPTED,
    BAD_OTHERWISE,
    EXAMPLE_LINE,
    KEY_FILE,
];
