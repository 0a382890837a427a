//! Registers and code lists as a folder of CSV files, or as the program was built with them.

use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use super::reference::Text;
use super::registers::CLASS_CODE;
use crate::problem::{Problem, Result, codes};

static CODES: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas/codes");
static REGISTERS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas/registers");

/// The lists of `folder`, or the shipped ones of their class, named by the stems of their files.
pub fn csv_texts(class: &str, folder: Option<&Path>) -> Result<Vec<Text>> {
    let text = |path: &Path, body: String| {
        let is_csv = path.extension().is_some_and(|extension| extension == "csv");
        let name = path.file_stem().filter(|_| is_csv)?.to_str()?.to_owned();
        Some(Text { class: class.to_owned(), name, body })
    };
    let Some(folder) = folder else {
        let shipped = if class == CLASS_CODE { &CODES } else { &REGISTERS };
        return Ok(shipped.files().filter_map(|file| text(file.path(), file.contents_utf8()?.to_owned())).collect());
    };
    let at =
        |path: &Path, error: std::io::Error| Problem::new(codes::IO, path.display().to_string(), error.to_string());
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| at(folder, error))? {
        let path = entry.map_err(|error| at(folder, error))?.path();
        if path.is_file() {
            let body = fs::read_to_string(&path).map_err(|error| at(&path, error))?;
            texts.extend(text(&path, body));
        }
    }
    texts.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(texts)
}
