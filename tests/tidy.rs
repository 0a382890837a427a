//! The house rules as tests. A rule that no test checks is a wish.
//!
//! Promises: reads the tree as it stands, names file and line, and knows no exemption.
//! Never: decides what is good. It counts, compares, and looks for words.
//!
//! `QIANSHAO_UPDATE_DOCS=1 cargo test tidy` writes the pages that are written from the code.

/// The files of this tree; Rust read without its comments and texts.
mod source;
/// Who may import whom, and which crates each part may use.
mod imports;
/// Lines of files and functions.
mod sizes;
/// Names that say nothing, promises at the top of a file, ids that belong into files.
mod words;
/// Pages that are written from the code, or that speak of it.
mod documents;
/// Feeds, rules and problem codes are complete and documented.
mod contents;
