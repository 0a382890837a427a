//! O8 canaries: names, numbers and phones that were sent must stand nowhere on disk.
//!
//! Promises: every file of the state, the topic and the logs is searched for the bytes as given, in hexadecimal
//! and in base64 at each of its three alignments. The caller gives the bytes in each character set.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::books::hex;
use super::{Fault, Input};

/// Shorter patterns would be found by chance.
const PATTERN_BYTES_MIN: usize = 4;

/// Searches all files for all canaries.
pub(super) fn search(input: &Input) -> Result<Vec<Fault>, String> {
    let patterns = patterns(&input.canaries);
    if patterns.is_empty() {
        return Ok(Vec::new());
    }
    let mut files = Vec::new();
    for root in [Some(&input.state), input.topic.as_ref(), input.logs.as_ref()].into_iter().flatten() {
        files_under(root, &mut files)?;
    }
    let index = Index::new(&patterns);
    let mut faults = Vec::new();
    for file in files {
        let bytes = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
        for (at, pattern) in index.find(&bytes) {
            let detail = format!("canary {} as {}", pattern.canary, pattern.form);
            faults.push(Fault::new("O8", "leak", format!("{} byte {at}", file.display()), detail));
        }
    }
    Ok(faults)
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
            out.push(Pattern { canary, form: "base64", bytes: base64_inner(bytes, skip) });
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
}
