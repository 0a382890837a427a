//! Texts and what is made of them, kept once; keys that are compared and never read, by their digest.
//!
//! Promises: equal texts have equal keys; of two texts that differ the keys differ, but for one chance in 10^38.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash};
use std::sync::Arc;

use super::{Commit, Origin, Said};

/// A shared text: the same few thousand words stand in a million rows.
pub type Text = Arc<str>;

/// A key, a token or a digest in sixteen bytes: nearly every row has its own three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key([u8; 16]);

impl Key {
    pub fn of(text: impl Hash) -> Self {
        let hasher = BuildHasherDefault::<DefaultHasher>::default();
        let half = |number: u8| u128::from(hasher.hash_one((number, &text)));
        Self((half(0) << 64 | half(1)).to_be_bytes())
    }
}

/// Keeps one copy of everything.
#[derive(Debug, Clone, Default)]
pub struct Words {
    texts: HashSet<Text>,
    origins: HashSet<Arc<Origin>>,
    said: HashSet<Arc<Said>>,
    commits: HashSet<Arc<Commit>>,
}

impl Words {
    pub fn of(&mut self, text: &str) -> Text {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        let new: Text = Arc::from(text);
        self.texts.insert(new.clone());
        new
    }

    pub fn of_some(&mut self, text: Option<&str>) -> Option<Text> {
        text.map(|text| self.of(text))
    }

    pub fn origin(&mut self, origin: Origin) -> Arc<Origin> {
        one_of(&mut self.origins, origin)
    }

    pub fn said(&mut self, said: Said) -> Arc<Said> {
        one_of(&mut self.said, said)
    }

    pub fn commit(&mut self, commit: Commit) -> Arc<Commit> {
        one_of(&mut self.commits, commit)
    }
}

fn one_of<T: Eq + Hash>(known: &mut HashSet<Arc<T>>, new: T) -> Arc<T> {
    if let Some(known) = known.get(&new) {
        return known.clone();
    }
    let new = Arc::new(new);
    known.insert(new.clone());
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_texts_have_one_key_and_one_copy() {
        let mut words = Words::default();
        assert!(Arc::ptr_eq(&words.of("fever"), &words.of("fever")));
        assert_eq!(Key::of("a"), Key::of(String::from("a")));
        let keys: std::collections::BTreeSet<Key> = (0..10_000).map(|n| Key::of(n.to_string())).collect();
        assert_eq!(keys.len(), 10_000);
        assert_ne!(Key::of(("a", "bc")), Key::of(("ab", "c")));
    }
}
