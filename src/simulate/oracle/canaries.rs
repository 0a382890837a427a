//! O8 canaries: names, numbers and phones that were sent must stand nowhere on disk.
//!
//! Promises: every file of the state, the topic and the logs is searched for the bytes as given, in hexadecimal
//! and in base64 at each of its three alignments; of a Parquet file also what its compressed pages hold.
//! The caller gives the bytes in each character set.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use arrow::array::{Array, ArrayData};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use super::books::hex;
use super::{Fault, Input};

/// Shorter patterns would be found by chance.
const PATTERN_BYTES_MIN: usize = 4;

/// A canary that stands where it must not.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leak {
    /// Its place in the caller's list.
    pub canary: usize,
    /// How it was written: bytes, hex or base64.
    pub form: &'static str,
    /// The file, and where in it: a byte, or a column.
    pub place: String,
}

/// What was looked at and what was found.
#[derive(Debug, Clone, Default)]
pub struct Search {
    pub leaks: BTreeSet<Leak>,
    pub files: usize,
    /// Parquet files whose columns were decoded.
    pub decoded: usize,
    pub bytes: usize,
}

/// Searches all files for all canaries.
pub(super) fn search(input: &Input) -> Result<Vec<Fault>, String> {
    let roots = [Some(&input.state), input.topic.as_ref(), input.logs.as_ref()];
    let roots: Vec<&Path> = roots.into_iter().flatten().map(PathBuf::as_path).collect();
    let fault = |leak: Leak| Fault::new("O8", "leak", leak.place, format!("canary {} as {}", leak.canary, leak.form));
    Ok(leaks(&roots, &input.canaries)?.leaks.into_iter().map(fault).collect())
}

/// Searches every file below the roots.
pub fn leaks(roots: &[&Path], canaries: &[Vec<u8>]) -> Result<Search, String> {
    let patterns = patterns(canaries);
    let mut search = Search::default();
    if patterns.is_empty() {
        return Ok(search);
    }
    let mut files = Vec::new();
    for root in roots {
        files_under(root, &mut files)?;
    }
    let index = Index::new(&patterns);
    for file in files {
        let at = |error: std::io::Error| format!("{}: {error}", file.display());
        let bytes = fs::read(&file).map_err(at)?;
        search.files += 1;
        search.note(&index, &bytes, |byte| format!("{} byte {byte}", file.display()));
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        search.note(&index, name.as_bytes(), |_| format!("{}, its name", file.display()));
        if name.ends_with(".parquet") {
            search.decoded += 1;
            search.columns(&index, &file).map_err(|error| format!("{}: {error}", file.display()))?;
        }
    }
    Ok(search)
}

impl Search {
    fn note(&mut self, index: &Index<'_>, bytes: &[u8], place: impl Fn(usize) -> String) {
        self.bytes += bytes.len();
        let leak = |(at, found): (usize, &Pattern)| Leak { canary: found.canary, form: found.form, place: place(at) };
        self.leaks.extend(index.find(bytes).into_iter().map(leak));
    }

    /// What the pages hold once they are decompressed: every buffer of every column.
    fn columns(&mut self, index: &Index<'_>, file: &Path) -> Result<(), String> {
        let open = fs::File::open(file).map_err(|error| error.to_string())?;
        let reader = ParquetRecordBatchReaderBuilder::try_new(open).map_err(|error| error.to_string())?;
        for batch in reader.build().map_err(|error| error.to_string())? {
            let batch = batch.map_err(|error| error.to_string())?;
            for (field, column) in batch.schema().fields().iter().zip(batch.columns()) {
                let place = format!("{} column {}", file.display(), field.name());
                self.buffers(index, &column.to_data(), &place);
            }
        }
        Ok(())
    }

    fn buffers(&mut self, index: &Index<'_>, data: &ArrayData, place: &str) {
        for buffer in data.buffers() {
            self.note(index, buffer.as_slice(), |_| place.to_owned());
        }
        data.child_data().iter().for_each(|child| self.buffers(index, child, place));
    }
}

struct Pattern {
    canary: usize,
    form: &'static str,
    bytes: Vec<u8>,
}

fn patterns(canaries: &[Vec<u8>]) -> Vec<Pattern> {
    let mut out = Vec::new();
    for (canary, bytes) in canaries.iter().enumerate() {
        out.push(Pattern { canary, form: "bytes", bytes: bytes.clone() });
        let lower = hex(bytes);
        out.push(Pattern { canary, form: "hex", bytes: lower.to_uppercase().into_bytes() });
        out.push(Pattern { canary, form: "hex", bytes: lower.into_bytes() });
        for skip in 0..3 {
            let letters = base64_inner(bytes, skip);
            let of_addresses: Vec<u8> = letters.iter().map(|letter| of_addresses(*letter)).collect();
            if of_addresses != letters {
                out.push(Pattern { canary, form: "base64", bytes: of_addresses });
            }
            out.push(Pattern { canary, form: "base64", bytes: letters });
        }
    }
    out.retain(|pattern| pattern.bytes.len() >= PATTERN_BYTES_MIN);
    out
}

/// The base64 characters that depend on `bytes` alone when `before` bytes stand before them in a group of three.
fn base64_inner(bytes: &[u8], before: usize) -> Vec<u8> {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut padded = vec![0; before];
    padded.extend_from_slice(bytes);
    let bit = |index: usize| padded.get(index / 8).map_or(0, |byte| usize::from(byte >> (7 - index % 8) & 1));
    let first = (before * 8).div_ceil(6);
    let last = padded.len() * 8 / 6;
    (first..last).map(|letter| LETTERS[(0..6).fold(0, |sum, i| sum * 2 + bit(letter * 6 + i))]).collect()
}

/// The letter that base64 uses in web addresses.
fn of_addresses(letter: u8) -> u8 {
    match letter {
        b'+' => b'-',
        b'/' => b'_',
        other => other,
    }
}

/// Patterns by their first bytes, so that a file is read once.
struct Index<'a>(BTreeMap<[u8; PATTERN_BYTES_MIN], Vec<&'a Pattern>>, Vec<bool>);

impl<'a> Index<'a> {
    fn new(patterns: &'a [Pattern]) -> Self {
        let mut map: BTreeMap<[u8; PATTERN_BYTES_MIN], Vec<&Pattern>> = BTreeMap::new();
        let mut begins = vec![false; 256 * 256];
        for pattern in patterns {
            if let Some(head) = pattern.bytes.first_chunk() {
                map.entry(*head).or_default().push(pattern);
                begins[usize::from(head[0]) * 256 + usize::from(head[1])] = true;
            }
        }
        Self(map, begins)
    }

    fn find(&self, bytes: &[u8]) -> Vec<(usize, &'a Pattern)> {
        let mut out = Vec::new();
        for at in 0..bytes.len() {
            let Some(head) = bytes[at..].first_chunk::<PATTERN_BYTES_MIN>() else { break };
            if !self.1[usize::from(head[0]) * 256 + usize::from(head[1])] {
                continue;
            }
            let candidates = self.0.get(head).into_iter().flatten();
            out.extend(candidates.filter(|p| bytes[at..].starts_with(&p.bytes)).map(|p| (at, *p)));
        }
        out
    }
}

fn files_under(root: &Path, out: &mut Vec<PathBuf>) -> Result<(), String> {
    if root.is_file() {
        out.push(root.to_path_buf());
        return Ok(());
    }
    let listing = fs::read_dir(root).map_err(|e| format!("{}: {e}", root.display()))?;
    let mut paths = Vec::new();
    for item in listing {
        paths.push(item.map_err(|e| format!("{}: {e}", root.display()))?.path());
    }
    paths.sort();
    for path in paths {
        files_under(&path, out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_as_bytes_hex_and_base64_at_every_alignment() {
        let canary = "张三丰丰".as_bytes().to_vec();
        let all = patterns(std::slice::from_ref(&canary));
        let index = Index::new(&all);
        assert_eq!(index.find(&[b"name=", &*canary].concat())[0].1.form, "bytes");
        assert_eq!(index.find(hex(&canary).as_bytes())[0].1.form, "hex");
        // base64 of "x" + canary, "xy" + canary and the canary itself, by coreutils.
        for text in ["eOW8oOS4ieS4sOS4sA==", "eHnlvKDkuInkuLDkuLA=", "5byg5LiJ5Liw5Liw"] {
            assert_eq!(index.find(text.as_bytes())[0].1.form, "base64", "{text}");
        }
        assert!(index.find(b"nothing of the kind").is_empty());
    }

    #[test]
    fn a_name_in_a_compressed_page_is_found_by_its_column() {
        use std::sync::Arc;

        use arrow::array::{ArrayRef, RecordBatch, StringArray};
        use parquet::arrow::ArrowWriter;
        use parquet::basic::Compression;
        use parquet::file::properties::{EnabledStatistics, WriterProperties};

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.parquet");
        // Every other row: compression copies the second half of it from the row before.
        let names: ArrayRef = Arc::new(StringArray::from_iter_values((0..40).map(|row| format!("张三丰{row}丰"))));
        let batch = RecordBatch::try_from_iter([("note", names)]).unwrap();
        let compressed = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            .set_statistics_enabled(EnabledStatistics::None);
        let file = fs::File::create(&path).unwrap();
        let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(compressed.build())).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        let search = leaks(&[folder.path()], &["张三丰17丰".into()]).unwrap();
        assert_eq!((search.files, search.decoded), (1, 1));
        let places: Vec<&str> = search.leaks.iter().map(|leak| leak.place.as_str()).collect();
        assert_eq!(places, [format!("{} column note", path.display())]);
    }
}
