//! The files of this tree, and Rust read without its comments and texts.

use std::path::{Path, PathBuf};

/// Where the tree stands: `cargo` says it when it runs a test.
pub fn root() -> PathBuf {
    std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| env!("CARGO_MANIFEST_DIR").into(), PathBuf::from)
}

/// A file of the tree.
pub struct File {
    /// From the root, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// Only tests, or what tests alone use.
    pub fn is_test(&self) -> bool {
        let stem = self.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".rs");
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || ["tests", "testing"].contains(&stem)
            || stem.ends_with("_tests")
    }

    /// The text above `#[cfg(test)] mod tests { … }`.
    pub fn product(&self) -> &str {
        let cut = self.text.find("\n#[cfg(test)]\nmod tests {");
        cut.map_or(&self.text[..], |at| &self.text[..=at])
    }
}

/// What lies in the tree and is no part of it: builds, states, what a fuzzer keeps, a second name of `schemas`.
const OTHERS: [&str; 8] =
    ["target", "state", ".git", ".idea", "fuzz/target", "fuzz/corpus", "fuzz/artifacts", "fuzz/schemas"];

/// Every text file of the tree, by path; what git ignores and what is no text is left out.
pub fn files() -> Vec<File> {
    let mut files = Vec::new();
    collect(&root(), "", &mut files);
    files.sort_by(|one, other| one.path.cmp(&other.path));
    files
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<File>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let from_root = format!("{prefix}{name}");
        if OTHERS.contains(&from_root.as_str()) || name == "__pycache__" {
            continue;
        }
        if path.is_dir() {
            collect(&path, &format!("{from_root}/"), files);
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            files.push(File { path: from_root, text });
        }
    }
}

/// The Rust files below a folder.
pub fn rust(under: &str) -> Vec<File> {
    let found: Vec<File> = files().into_iter().filter(|file| file.is_rust() && file.path.starts_with(under)).collect();
    assert!(!found.is_empty(), "no Rust below {under}");
    found
}

/// Rust with every character of comments and texts replaced by a space, and the texts by their line.
/// Lines stay where they are.
pub struct Read {
    pub code: String,
    pub texts: Vec<(usize, String)>,
}

pub fn read(source: &str) -> Read {
    let mut reader = Reader { rest: source, code: String::with_capacity(source.len()), texts: Vec::new(), line: 1 };
    while !reader.rest.is_empty() {
        reader.step();
    }
    Read { code: reader.code, texts: reader.texts }
}

struct Reader<'a> {
    rest: &'a str,
    code: String,
    texts: Vec<(usize, String)>,
    line: usize,
}

impl Reader<'_> {
    fn step(&mut self) {
        let is_word_before = self.code.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if self.rest.starts_with("//") {
            self.blank(self.rest.find('\n').unwrap_or(self.rest.len()));
        } else if self.rest.starts_with("/*") {
            self.blank(self.rest.find("*/").map_or(self.rest.len(), |end| end + 2));
        } else if let Some(hashes) = raw_hashes(self.rest).filter(|_| !is_word_before) {
            let opening = self.rest.find('"').unwrap_or_default() + 1;
            let closing = format!("\"{}", "#".repeat(hashes));
            let end = self.rest[opening..].find(&closing).map_or(self.rest.len(), |end| opening + end);
            self.text(opening, end, end + closing.len());
        } else if self.rest.starts_with('"') {
            let end = closing_quote(self.rest);
            self.text(1, end, end + 1);
        } else if let Some(length) = character(self.rest) {
            self.blank(length);
        } else {
            let next = self.rest.chars().next().map_or(0, char::len_utf8);
            self.line += usize::from(self.rest.starts_with('\n'));
            self.code.push_str(&self.rest[..next]);
            self.rest = &self.rest[next..];
        }
    }

    fn text(&mut self, from: usize, to: usize, end: usize) {
        self.texts.push((self.line, self.rest[from..to.max(from)].to_owned()));
        self.blank(end.min(self.rest.len()));
    }

    fn blank(&mut self, length: usize) {
        let (gone, rest) = self.rest.split_at(length);
        self.code.extend(gone.chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
        self.line += gone.matches('\n').count();
        self.rest = rest;
    }
}

/// `r"`, `r#"`, `br##"`: how many hashes.
fn raw_hashes(rest: &str) -> Option<usize> {
    let rest = rest.strip_prefix('b').unwrap_or(rest).strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

/// Where the text that begins at byte 0 ends.
fn closing_quote(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal; a lifetime has none.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escaped) = inner.strip_prefix('\\') {
        return escaped.get(1..)?.find('\'').map(|end| end + 4);
    }
    let first = inner.chars().next()?;
    inner[first.len_utf8()..].starts_with('\'').then(|| first.len_utf8() + 2)
}

#[test]
fn comments_and_texts_are_told_from_code() {
    let source = "let a = \"x // \\\" y\"; // \"z\"\nlet c = '\"'; fn f<'a>(b: &'a str) { r#\"q\"r\"#; b'\\n'; }";
    let read = read(source);
    assert_eq!(read.texts, [(1, "x // \\\" y".to_owned()), (2, "q\"r".to_owned())]);
    let spaces = " ".repeat(9);
    assert!(read.code.starts_with("let a = "), "{}", read.code);
    assert!(read.code.contains(&format!("fn f<'a>(b: &'a str) {{ {spaces}")[..27]), "{}", read.code);
    assert!(!read.code.contains('q') && !read.code.contains('z'), "{}", read.code);
    assert_eq!(read.code.chars().count(), source.chars().count());
}
