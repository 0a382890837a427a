//! The table of keys as documents: docs/configuration.md and deploy/qianshao.toml.

use std::fmt::Write;

use crate::kafka::SECURITY_NAMES;

use super::keys::{KEYS, Key, Kind, SECTIONS};

const HEAD: &str = "# Configuration 配置

One TOML file: `qianshao serve -c FILE`. `qianshao check -c FILE` says what is wrong with it, what to do, and what a start would change.
Every key may be left out. An unknown key is refused. A relative path starts at the folder of the file.
A complete file with every key is `deploy/qianshao.toml`.

一个 TOML 文件：`qianshao serve -c 文件`。`qianshao check -c 文件` 指出问题与改法，并预览启动将带来的变更。各键均可省略；未知的键会被拒绝；相对路径以配置文件所在文件夹为起点。
完整示例见 `deploy/qianshao.toml`。

This page is written from `src/config/keys.rs`; a test compares them. 本页由程序生成。
";

/// docs/configuration.md.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for (section, en, zh) in SECTIONS {
        put(
            &mut page,
            format_args!(
                "\n## [{section}] {en}\n\n{zh}。\n\n| key | default | unit | what and why | 说明 |\n|---|---|---|---|---|\n"
            ),
        );
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let default = key.default.map_or("–".to_owned(), |default| format!("`{}`", written(key, default)));
            let unit = if key.unit.is_empty() { "–" } else { key.unit };
            let (en, zh) = (format!("{}{}", key.en, limits(key)), key.zh);
            put(&mut page, format_args!("| `{}` | {default} | {unit} | {en} | {zh} |\n", key.name));
        }
        if *section == "kafka" {
            let names: Vec<String> = SECURITY_NAMES.iter().map(|name| format!("`{name}`")).collect();
            put(
                &mut page,
                format_args!(
                    "\n`[kafka.security]` may hold {}; those that end in `_file` name a file whose text is the value. \
                 What they mean is in librdkafka's CONFIGURATION.md.\n",
                    names.join(", ")
                ),
            );
        }
    }
    page
}

fn limits(key: &Key) -> String {
    match key.kind {
        Kind::OneOf(words) => format!(" One of `{}`.", words.join("`, `")),
        Kind::Several(words) => format!(" Some of `{}`.", words.join("`, `")),
        Kind::Whole { min, max } => format!(" From {min} to {max}."),
        Kind::Text | Kind::Path | Kind::Settings => String::new(),
    }
}

/// deploy/qianshao.toml: every key with its reason, as a production site might set it.
pub fn example() -> String {
    let mut file = "# A configuration with every key, as a production site might set it. Every key may be left out.\n\
                    # 含全部键的配置示例，各键均可省略。\n\
                    # Written from src/config/keys.rs; docs/configuration.md has the same as a page.\n"
        .to_owned();
    for (section, en, zh) in SECTIONS {
        put(&mut file, format_args!("\n[{section}]\n# {en} / {zh}\n"));
        // In TOML a table of a section comes after the section's own keys.
        let (tables, keys): (Vec<&Key>, Vec<&Key>) =
            KEYS.iter().filter(|key| key.section == *section).partition(|key| key.kind == Kind::Settings);
        for key in keys {
            let unit = if key.unit.is_empty() { String::new() } else { format!(" [{}]", key.unit) };
            put(&mut file, format_args!("\n# {}{}{unit}\n# {}\n", key.en, limits(key), key.zh));
            let shown = key.example.or(key.default).unwrap_or_default();
            put(&mut file, format_args!("{} = {}\n", key.name, written(key, shown)));
        }
        for key in tables {
            put(&mut file, format_args!("\n# {}\n# {}\n", key.en, key.zh));
            put(&mut file, format_args!("[{}]\n{}\n", key.path(), key.example.unwrap_or_default()));
        }
    }
    file
}

/// A value as TOML writes it.
fn written(key: &Key, value: &str) -> String {
    match key.kind {
        Kind::Whole { .. } | Kind::Settings => value.to_owned(),
        Kind::Several(_) => format!("[\"{}\"]", value.split(' ').collect::<Vec<_>>().join("\", \"")),
        Kind::Text | Kind::OneOf(_) | Kind::Path => format!("\"{value}\""),
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    // A String takes everything: its `write_fmt` has no way to fail.
    let _ = text.write_fmt(arguments);
}
