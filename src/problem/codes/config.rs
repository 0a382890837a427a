//! Problems of the configuration: the file itself, its keys, and what they point at.

use super::Code;

pub const CONFIG_TOML: Code = Code {
    id: "QS-C010",
    reason: "config_toml",
    en: "the configuration is not TOML",
    zh: "配置文件不是合法的 TOML",
    help: "correct the line; deploy/qianshao.toml is a complete example",
};

pub const CONFIG_KEY: Code = Code {
    id: "QS-C011",
    reason: "config_key",
    en: "the configuration has a key that does not exist",
    zh: "配置中有不存在的键",
    help: "docs/configuration.md lists every key",
};

pub const CONFIG_VALUE: Code = Code {
    id: "QS-C012",
    reason: "config_value",
    en: "a key of the configuration has a value that it cannot have",
    zh: "配置项的值不合要求",
    help: "docs/configuration.md says what it may be",
};

pub const CONFIG_MISSING: Code = Code {
    id: "QS-C013",
    reason: "config_missing",
    en: "a key is missing that one of the roles needs",
    zh: "缺少某一职责所需的配置项",
    help: "add the key; docs/configuration.md says what it is for",
};

pub const STATE_FOLDER: Code = Code {
    id: "QS-C014",
    reason: "state_folder",
    en: "the state folder cannot be used",
    zh: "状态文件夹不可用",
    help: "make it a folder that this user may write to, on a local disk",
};

pub const FOLDER_ABSENT: Code = Code {
    id: "QS-C015",
    reason: "folder_absent",
    en: "a folder that the configuration names is not there",
    zh: "配置中指定的文件夹不存在",
    help: "create it, correct the path, or leave the key out to use the shipped files",
};

pub const SECRET_FILE: Code = Code {
    id: "QS-C016",
    reason: "secret_file",
    en: "a file with a secret cannot be read, or others may read it",
    zh: "密钥或口令文件无法读取，或他人可读",
    help: "let it belong to the user of this program and be readable by nobody else: chmod 600",
};

pub const UNKNOWN_PACK: Code = Code {
    id: "QS-C017",
    reason: "unknown_pack",
    en: "there is no rule pack of this name",
    zh: "没有该名称的规则包",
    help: "write the name of a folder of the rules folder in detect.pack",
};

pub const SQL_ADDRESS: Code = Code {
    id: "QS-C018",
    reason: "sql_address",
    en: "the SQL port may only be opened on this machine's own address",
    zh: "SQL 端口只能开在本机地址上",
    help: "write 127.0.0.1:5433 or [::1]:5433; from elsewhere, use an SSH tunnel",
};

pub const ALL: &[Code] = &[
    CONFIG_TOML,
    CONFIG_KEY,
    CONFIG_VALUE,
    CONFIG_MISSING,
    STATE_FOLDER,
    FOLDER_ABSENT,
    SECRET_FILE,
    UNKNOWN_PACK,
    SQL_ADDRESS,
];
