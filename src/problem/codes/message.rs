//! A message that cannot be used as a whole: its bytes, its envelope, its kind, its record.

use super::Code;

pub const EMPTY_PAYLOAD: Code = Code {
    id: "QS-D001",
    reason: "empty_payload",
    en: "the message has no content",
    zh: "消息没有内容",
    help: "send one JSON object for each message",
};

pub const TOMBSTONE: Code = Code {
    id: "QS-D002",
    reason: "tombstone",
    en: "the message has a key and no value",
    zh: "消息只有键没有值",
    help: "to take a record back, send it again with operation retract",
};

pub const PAYLOAD_TOO_LARGE: Code = Code {
    id: "QS-D003",
    reason: "payload_too_large",
    en: "the message is larger than 1 MiB",
    zh: "消息超过 1 MiB",
    help: "send one record for each message, without attachments",
};

pub const NOT_UTF8: Code = Code {
    id: "QS-D004",
    reason: "not_utf8",
    en: "the message is not UTF-8 text",
    zh: "消息不是 UTF-8 编码",
    help: "convert the text to UTF-8 before sending; GBK is not accepted on topics",
};

pub const BYTE_ORDER_MARK: Code = Code {
    id: "QS-D005",
    reason: "byte_order_mark",
    en: "the message begins with a byte order mark",
    zh: "消息以字节顺序标记（BOM）开头",
    help: "send UTF-8 without a byte order mark",
};

pub const COMPRESSED_BODY: Code = Code {
    id: "QS-D006",
    reason: "compressed_body",
    en: "the message body is compressed",
    zh: "消息正文被压缩",
    help: "leave compression to the Kafka producer (compression.type), send plain JSON",
};

pub const NOT_JSON: Code = Code {
    id: "QS-D007",
    reason: "not_json",
    en: "the message is not JSON",
    zh: "消息不是 JSON",
    help: "send one JSON object: names and texts in double quotes, numbers as digits",
};

pub const CUT_OFF: Code = Code {
    id: "QS-D008",
    reason: "cut_off",
    en: "the message ends in the middle of its JSON",
    zh: "消息的 JSON 不完整，中途结束",
    help: "send the whole object; look for a length limit between the sender and Kafka",
};

pub const TRAILING_BYTES: Code = Code {
    id: "QS-D009",
    reason: "trailing_bytes",
    en: "something follows the JSON object",
    zh: "JSON 对象之后还有内容",
    help: "send exactly one JSON object for each message",
};

pub const TOO_DEEP: Code = Code {
    id: "QS-D010",
    reason: "too_deep",
    en: "the JSON is nested deeper than 16 levels",
    zh: "JSON 嵌套超过 16 层",
    help: "send the fields of the contract only; contracts have at most 3 levels",
};

pub const TOO_MANY_KEYS: Code = Code {
    id: "QS-D011",
    reason: "too_many_keys",
    en: "the JSON has more than 10000 keys",
    zh: "JSON 的键超过 10000 个",
    help: "send one record for each message",
};

pub const NOT_AN_OBJECT: Code = Code {
    id: "QS-D012",
    reason: "not_an_object",
    en: "the message is JSON but not an object",
    zh: "消息是 JSON 但不是对象",
    help: "send one JSON object for each message, not a list, a text or a number",
};

pub const DUPLICATE_KEY: Code = Code {
    id: "QS-D013",
    reason: "duplicate_key",
    en: "a key stands twice in one object",
    zh: "同一对象中键重复",
    help: "send every field once; a field and its alias are the same field",
};

pub const LONE_SURROGATE: Code = Code {
    id: "QS-D014",
    reason: "lone_surrogate",
    en: "a text holds half of a character",
    zh: "文本含有不完整的字符（孤立代理项）",
    help: "write characters as UTF-8, or as a complete pair of escapes",
};

pub const HEADERS_TOO_LARGE: Code = Code {
    id: "QS-D015",
    reason: "headers_too_large",
    en: "the headers of the message are larger than 64 KiB",
    zh: "消息头超过 64 KiB",
    help: "send CloudEvents attributes as headers and everything else in the body",
};

pub const BAD_ENVELOPE: Code = Code {
    id: "QS-D016",
    reason: "bad_envelope",
    en: "the CloudEvents envelope cannot be read",
    zh: "CloudEvents 信封无法读取",
    help: "send CloudEvents 1.0: specversion 1.0, a type, and data or data_base64; time as RFC 3339",
};

pub const UNKNOWN_KIND: Code = Code {
    id: "QS-D017",
    reason: "unknown_kind",
    en: "the kind of the message is unknown in this feed",
    zh: "该渠道没有这种消息",
    help: "set ce_type to a type of this feed, or send the key that identifies the kind",
};

pub const AMBIGUOUS_KIND: Code = Code {
    id: "QS-D018",
    reason: "ambiguous_kind",
    en: "the message carries the keys of two kinds",
    zh: "消息同时带有两种消息的识别键",
    help: "set ce_type, or send the fields of one kind only",
};

pub const MISSING_RECORD_KEY: Code = Code {
    id: "QS-D019",
    reason: "missing_record_key",
    en: "a field that identifies the record has no usable value",
    zh: "标识记录的字段没有可用的值",
    help: "send every field of the record key with a value",
};

pub const NO_REPORT_TIME: Code = Code {
    id: "QS-D020",
    reason: "no_report_time",
    en: "nothing says when the message was reported",
    zh: "没有报告时间",
    help: "send the reporting time in its field, in ce_time, or as Kafka timestamp",
};

pub const REPORT_TIME_IN_FUTURE: Code = Code {
    id: "QS-D021",
    reason: "report_time_in_future",
    en: "the reporting time is more than a day ahead",
    zh: "报告时间超前一天以上",
    help: "set the clock of the sending system; send times with their offset",
};

pub const ALL: &[Code] = &[
    EMPTY_PAYLOAD,
    TOMBSTONE,
    PAYLOAD_TOO_LARGE,
    NOT_UTF8,
    BYTE_ORDER_MARK,
    COMPRESSED_BODY,
    NOT_JSON,
    CUT_OFF,
    TRAILING_BYTES,
    TOO_DEEP,
    TOO_MANY_KEYS,
    NOT_AN_OBJECT,
    DUPLICATE_KEY,
    LONE_SURROGATE,
    HEADERS_TOO_LARGE,
    BAD_ENVELOPE,
    UNKNOWN_KIND,
    AMBIGUOUS_KIND,
    MISSING_RECORD_KEY,
    NO_REPORT_TIME,
    REPORT_TIME_IN_FUTURE,
];
