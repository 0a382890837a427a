//! The rules folder as text: on disk, or as the program was built with it.
//!
//! Promises: the same files give the same texts in the same order, wherever they stand. Never: reads what they mean.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::problem::codes::IO;
use crate::problem::codes::rule::PACK;
use crate::problem::{Problem, Result};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/rules");

/// The files of one pack.
#[derive(Clone, Debug)]
pub struct PackFolder {
    /// The folder's name, which is the pack's id.
    pub name: String,
    /// How messages name it.
    pub path: String,
    /// `pack.toml`.
    pub toml: String,
    /// Text of each `<rule>.sql` by its stem.
    pub rules: BTreeMap<String, String>,
}

impl PackFolder {
    /// How messages name one of its files.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.path)
    }
}

/// The packs of `dir`, or the shipped ones.
pub fn read_folders(dir: Option<&Path>) -> Result<Vec<PackFolder>> {
    match dir {
        Some(dir) => on_disk(dir),
        None => SHIPPED.dirs().map(shipped).collect(),
    }
}

/// The text of a report that a rule of `pack` names; a name that leads out of the pack's folder is none.
pub fn report(dir: Option<&Path>, pack: &str, name: &str) -> Option<String> {
    let is_inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    let path = Path::new(pack).join(name);
    match dir {
        _ if !is_inside => None,
        Some(dir) => fs::read_to_string(dir.join(path)).ok(),
        None => SHIPPED.get_file(path)?.contents_utf8().map(str::to_owned),
    }
}

fn on_disk(dir: &Path) -> Result<Vec<PackFolder>> {
    let mut folders = Vec::new();
    for path in sorted_entries(dir)?.into_iter().filter(|path| path.is_dir()) {
        let mut texts = BTreeMap::new();
        for file in sorted_entries(&path)? {
            if is_read(&file) {
                texts.insert(name_of(&file), read(&file)?);
            }
        }
        folders.push(folder(name_of(&path), path.display().to_string(), texts)?);
    }
    Ok(folders)
}

fn shipped(dir: &Dir<'_>) -> Result<PackFolder> {
    let path = format!("rules/{}", dir.path().display());
    let mut texts = BTreeMap::new();
    for file in dir.files().filter(|file| is_read(file.path())) {
        let text = file.contents_utf8().ok_or_else(|| Problem::new(PACK, &path, "a file that is not UTF-8"))?;
        texts.insert(name_of(file.path()), text.to_owned());
    }
    folder(name_of(dir.path()), path, texts)
}

fn folder(name: String, path: String, mut texts: BTreeMap<String, String>) -> Result<PackFolder> {
    let Some(toml) = texts.remove("pack.toml") else { return Err(Problem::new(PACK, path, "no pack.toml")) };
    let stem = |(file, text): (String, String)| file.strip_suffix(".sql").map(|stem| (stem.to_owned(), text));
    Ok(PackFolder { name, path, toml, rules: texts.into_iter().filter_map(stem).collect() })
}

fn is_read(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "sql" || extension == "toml")
}

fn name_of(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn sorted_entries(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let failed = |error: std::io::Error| Problem::new(IO, dir.display().to_string(), error.to_string());
    let entries = fs::read_dir(dir).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    Ok(paths)
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).map_err(|error| Problem::new(IO, file.display().to_string(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_on_disk_reads_like_the_shipped_one() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules");
        let (disk, shipped) = (read_folders(Some(&root)).unwrap(), read_folders(None).unwrap());
        assert_eq!(disk.len(), shipped.len());
        for (disk, shipped) in disk.iter().zip(&shipped) {
            assert_eq!((&disk.name, &disk.toml, &disk.rules), (&shipped.name, &shipped.toml, &shipped.rules));
        }
    }

    #[test]
    fn a_folder_without_a_pack_file_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("mine")).unwrap();
        assert_eq!(read_folders(Some(root.path())).unwrap_err().code.id, "QS-R001");
    }
}
