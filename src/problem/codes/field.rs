//! A field of a message that its contract does not allow.

use super::Code;

pub const MISSING_FIELD: Code = Code {
    id: "QS-D030",
    reason: "missing_field",
    en: "a required field is missing",
    zh: "缺少必填字段",
    help: "send this field",
};

pub const UNKNOWN_FIELD: Code = Code {
    id: "QS-D031",
    reason: "unknown_field",
    en: "an object holds a field that its contract excludes",
    zh: "对象含有约定之外的字段",
    help: "leave the field out, or add it to the contract",
};

pub const WRONG_TYPE: Code = Code {
    id: "QS-D032",
    reason: "wrong_type",
    en: "a field holds another type of value",
    zh: "字段的值类型不对",
    help: "send the type that the contract names",
};

pub const NOT_AN_INTEGER: Code = Code {
    id: "QS-D033",
    reason: "not_an_integer",
    en: "a whole number was expected",
    zh: "应为整数",
    help: "send digits without a fraction",
};

pub const NUMBER_TOO_LARGE: Code = Code {
    id: "QS-D034",
    reason: "number_too_large",
    en: "a number is larger than a computer number",
    zh: "数值超出可表示的范围",
    help: "send a number between -9223372036854775808 and 9223372036854775807",
};

pub const NUMBER_NOT_FINITE: Code = Code {
    id: "QS-D035",
    reason: "number_not_finite",
    en: "a number is not finite",
    zh: "数值不是有限数",
    help: "send a finite number, or leave the field out",
};

pub const NOT_A_NUMBER: Code = Code {
    id: "QS-D036",
    reason: "not_a_number",
    en: "a text stands where a number was expected",
    zh: "应为数字，却是文本",
    help: "send a number, for example 37.7",
};

pub const OUT_OF_RANGE: Code = Code {
    id: "QS-D037",
    reason: "out_of_range",
    en: "a number is outside the range of its field",
    zh: "数值超出字段允许的范围",
    help: "send a number inside the range",
};

pub const NOT_IN_VALUE_SET: Code = Code {
    id: "QS-D038",
    reason: "not_in_value_set",
    en: "a value is not in the value set of its field",
    zh: "值不在字段的值域中",
    help: "send one of the values of the contract",
};

pub const PATTERN: Code = Code {
    id: "QS-D039",
    reason: "pattern",
    en: "a text does not have the form of its field",
    zh: "文本不符合字段的格式",
    help: "send a text of the form that the contract names",
};

pub const TEXT_LENGTH: Code = Code {
    id: "QS-D040",
    reason: "text_length",
    en: "a text is too short or too long",
    zh: "文本过短或过长",
    help: "keep to minLength and maxLength of the contract",
};

pub const LIST_LENGTH: Code = Code {
    id: "QS-D041",
    reason: "list_length",
    en: "a list has too few or too many items",
    zh: "列表项数过少或过多",
    help: "keep to minItems and maxItems of the contract",
};

pub const BAD_DATE: Code = Code {
    id: "QS-D042",
    reason: "bad_date",
    en: "a date does not exist or cannot be read",
    zh: "日期不存在或无法识别",
    help: "send a date from 1900 to 2100 as 2021-01-18",
};

pub const BAD_TIME: Code = Code {
    id: "QS-D043",
    reason: "bad_time",
    en: "a time does not exist or cannot be read",
    zh: "时间不存在或无法识别",
    help: "send a time from 1900 to 2100 as 2021-01-18T08:30:00+08:00",
};

pub const CONTROL_CHARACTER: Code = Code {
    id: "QS-D044",
    reason: "control_character",
    en: "a text holds a control or direction character",
    zh: "文本含有控制字符或方向字符",
    help: "send visible characters only",
};

pub const IDENTIFIER_IN_PLAIN_FIELD: Code = Code {
    id: "QS-D045",
    reason: "identifier_in_plain_field",
    en: "a field for codes or numbers holds an ID, passport or mobile number",
    zh: "普通字段中出现身份证号、护照号或手机号",
    help: "send personal numbers in the field for them only, where they become tokens",
};

pub const UNKNOWN_AREA: Code = Code {
    id: "QS-D046",
    reason: "unknown_area",
    en: "an area code is not in the area list",
    zh: "区划代码不在区划表中",
    help: "send a code of schemas/codes/areas.csv",
};

pub const MAP_KEY: Code = Code {
    id: "QS-D047",
    reason: "map_key",
    en: "a key of a free-key object is not a plain code",
    zh: "自由键对象的键不是普通代码",
    help: "use 1 to 40 letters, digits, or the characters - _ + . as key",
};

pub const ALL: &[Code] = &[
    MISSING_FIELD,
    UNKNOWN_FIELD,
    WRONG_TYPE,
    NOT_AN_INTEGER,
    NUMBER_TOO_LARGE,
    NUMBER_NOT_FINITE,
    NOT_A_NUMBER,
    OUT_OF_RANGE,
    NOT_IN_VALUE_SET,
    PATTERN,
    TEXT_LENGTH,
    LIST_LENGTH,
    BAD_DATE,
    BAD_TIME,
    CONTROL_CHARACTER,
    IDENTIFIER_IN_PLAIN_FIELD,
    UNKNOWN_AREA,
    MAP_KEY,
];
