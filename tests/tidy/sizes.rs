//! Lines of files and functions: a reader's cost sits in the long tail, so the bar is there.

use super::source::{File, read, rust};

const FILE_LINES_MAX: usize = 500;
/// Nine files in ten, tests not counted.
const FILE_LINES_P90: usize = 300;
const FUNCTION_LINES_MAX: usize = 80;
/// Nine functions in ten.
const FUNCTION_LINES_P90: usize = 35;
/// Files that are only worth something when they are short.
const SHORT_FILES: &[(&str, usize)] = &[("src/main.rs", 120), ("src/lib.rs", 80), ("src/pipeline.rs", 250)];

fn p90(mut sizes: Vec<usize>) -> usize {
    sizes.sort_unstable();
    sizes[sizes.len() * 9 / 10]
}

#[test]
fn no_file_outgrows_its_reader() {
    let files: Vec<File> = ["src/", "tests/"].into_iter().flat_map(rust).collect();
    for file in &files {
        let lines = file.text.lines().count();
        assert!(lines <= FILE_LINES_MAX, "{}: {lines} lines, at most {FILE_LINES_MAX}", file.path);
        if let Some((_, max)) = SHORT_FILES.iter().find(|(path, _)| *path == file.path) {
            assert!(lines <= *max, "{}: {lines} lines, at most {max}", file.path);
        }
    }
    let product: Vec<usize> =
        files.iter().filter(|file| !file.is_test()).map(|file| file.product().lines().count()).collect();
    let p90 = p90(product);
    assert!(p90 <= FILE_LINES_P90, "one file in ten has more than {p90} lines, at most {FILE_LINES_P90} wanted");
}

#[test]
fn no_function_outgrows_its_reader() {
    let mut sizes = Vec::new();
    for file in ["src/", "tests/"].into_iter().flat_map(rust) {
        for (name, line, lines) in functions(&file.text) {
            assert!(
                lines <= FUNCTION_LINES_MAX,
                "{}:{line}: {name} has {lines} lines, at most {FUNCTION_LINES_MAX}",
                file.path
            );
            sizes.push(lines);
        }
    }
    let p90 = p90(sizes);
    assert!(
        p90 <= FUNCTION_LINES_P90,
        "one function in ten has more than {p90} lines, at most {FUNCTION_LINES_P90} wanted"
    );
}

/// Name, line and length of every function that has a body.
fn functions(source: &str) -> Vec<(String, usize, usize)> {
    let code = read(source).code;
    let mut found = Vec::new();
    for (at, _) in code.match_indices("fn ") {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let rest = &code[at + 3..];
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if before.is_alphanumeric() || before == '_' || name.is_empty() {
            continue;
        }
        if let Some(body) = body(rest) {
            let line = 1 + code[..at].matches('\n').count();
            found.push((name, line, 1 + rest[..body].matches('\n').count()));
        }
    }
    found
}

/// Where the function's body ends; none where `;` comes before `{`.
fn body(rest: &str) -> Option<usize> {
    // `[u8; 4]` in a signature is no end of it.
    let (mut braces, mut brackets) = (0, 0);
    for (at, c) in rest.char_indices() {
        match c {
            '[' | '(' => brackets += 1,
            ']' | ')' => brackets -= 1,
            ';' if braces == 0 && brackets == 0 => return None,
            '{' => braces += 1,
            '}' => {
                braces -= 1;
                if braces == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

#[test]
fn a_function_is_measured_from_its_name_to_its_last_brace() {
    let source = "trait T { fn none(&self, a: [u8; 4]); }\nfn two() {\n    let s = \"}\"; }\nconst fn one() {}";
    assert_eq!(functions(source), [("two".to_owned(), 2, 2), ("one".to_owned(), 4, 1)]);
}
