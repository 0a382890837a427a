//! docs/problems.md, written from the codes.

use super::codes::every;

const HEAD: &str = "# Problems 问题代码

What this system can tell a person, by code. `qianshao explain CODE` says the same on the command line. A refused message stands in
`quarantine` with its code, its reason and the place of the fault.

本系统可能给出的全部提示。`qianshao explain 代码` 在命令行给出相同说明；被拒收的消息连同代码、原因与位置进入 `quarantine`。

This page is written from `src/problem/codes/`; a test compares them. 本页由程序生成。
";

/// What the letter after `QS-` stands for, in the order of the page.
const FAMILIES: &[(char, &str, &str)] = &[
    ('C', "configuration, files and command line", "配置、文件与命令行"),
    ('D', "messages that cannot be used", "无法使用的消息"),
    ('F', "feed folders", "数据流文件夹"),
    ('R', "rules", "规则"),
    ('L', "the log", "日志（数据表）"),
    ('K', "Kafka, reading", "Kafka 读取"),
    ('P', "Kafka, publishing", "Kafka 发布"),
    ('O', "a running process", "运行中的进程"),
    ('S', "SQL", "SQL"),
];

/// docs/problems.md.
pub fn documentation() -> String {
    let mut page = HEAD.to_owned();
    for (letter, en, zh) in FAMILIES {
        let mut codes: Vec<_> = every().filter(|code| code.id.chars().nth(3) == Some(*letter)).collect();
        codes.sort_by_key(|code| code.id);
        if codes.is_empty() {
            continue;
        }
        page.push_str(&format!(
            "\n## {letter}: {en} {zh}\n\n| code | reason | what happened | 含义 | what to do |\n|---|---|---|---|---|\n"
        ));
        for code in codes {
            let cell = |text: &str| text.replace('|', "\\|");
            let (en, zh, help) = (cell(code.en), cell(code.zh), cell(code.help));
            page.push_str(&format!("| {} | `{}` | {en} | {zh} | {help} |\n", code.id, code.reason));
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_belongs_to_a_family_and_stands_on_the_page_once() {
        let page = documentation();
        for code in every() {
            assert_eq!(page.matches(&format!("| {} |", code.id)).count(), 1, "{}", code.id);
        }
    }
}
