//! Which records have a key: candidates by four bytes of it, because the key itself stands with its record.
//!
//! Promises: every number that was given for a key is among its candidates; some ten bytes a key. A copy shares what is old.

use std::sync::Arc;

use hashbrown::HashTable;

/// New ones stand apart until they are an eighth of all, and so many.
const RECENT_MIN: usize = if cfg!(test) { 16 } else { 1 << 16 };
/// Lists of old ones, by the first byte: what one of them needs to grow is little beside all.
const SHARDS: usize = 256;

/// Four bytes of a key and the number of its record.
type Entry = u64;

#[derive(Clone, Debug)]
pub struct Keys {
    /// In order.
    old: Vec<Arc<Vec<Entry>>>,
    recent: HashTable<Entry>,
    len: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { old: vec![Arc::default(); SHARDS], recent: HashTable::new(), len: 0 }
    }
}

impl Keys {
    /// Numbers of the records that may have this key.
    pub fn candidates(&self, key: u128) -> impl Iterator<Item = u32> {
        let head = u64::from(key as u32);
        let shard = &self.old[shard(head << 32)];
        let begin = shard.partition_point(|entry| entry >> 32 < head);
        let old = shard[begin..].iter().take_while(move |entry| **entry >> 32 == head);
        let recent = self.recent.iter_hash(hash(head)).filter(move |entry| **entry >> 32 == head);
        recent.chain(old).map(|entry| *entry as u32)
    }

    pub fn insert(&mut self, key: u128, number: u32) {
        let head = u64::from(key as u32);
        self.recent.insert_unique(hash(head), head << 32 | u64::from(number), |entry| hash(entry >> 32));
        self.len += 1;
        if self.recent.len() >= RECENT_MIN.max(self.len / 8) {
            self.settle();
        }
    }

    fn settle(&mut self) {
        let mut recent: Vec<Entry> = self.recent.drain().collect();
        recent.sort_unstable();
        for new in recent.chunk_by(|one, other| shard(*one) == shard(*other)) {
            merge(Arc::make_mut(&mut self.old[shard(new[0])]), new);
        }
    }
}

fn shard(entry: Entry) -> usize {
    (entry >> 56) as usize
}

/// The table takes its tag from the highest bits and its place from the lowest.
fn hash(head: u64) -> u64 {
    head.wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// Two lists in order become one, from the back, so that no third one is needed.
fn merge(old: &mut Vec<Entry>, mut new: &[Entry]) {
    let (mut from, mut to) = (old.len(), old.len() + new.len());
    old.reserve_exact(new.len());
    old.resize(to, 0);
    while let Some((last, before)) = new.split_last() {
        to -= 1;
        if from > 0 && old[from - 1] > *last {
            from -= 1;
            old[to] = old[from];
        } else {
            old[to] = *last;
            new = before;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_all_its_numbers_and_few_others_before_and_after_the_lists_grow() {
        let key = |number: u32| u128::from(number).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_0C4A_39D5_1B57);
        let mut keys = Keys::default();
        let count = 100_000;
        for number in 0..count {
            keys.insert(key(number), number);
            // All of these agree in the four bytes.
            if number % 1_000 == 0 {
                keys.insert(u128::from(number) << 64 | 7, number);
            }
        }
        let copy = keys.clone();
        (count..2 * count).for_each(|number| keys.insert(key(number), number));
        let others: usize = (0..2 * count)
            .map(|number| {
                let found: Vec<u32> = keys.candidates(key(number)).collect();
                assert!(found.contains(&number), "{number}");
                found.len() - 1
            })
            .sum();
        assert!(others < 100, "{others}");
        let mut same: Vec<u32> = keys.candidates(7).collect();
        same.sort_unstable();
        assert_eq!(same, (0..count).step_by(1_000).collect::<Vec<_>>());
        assert!(!copy.candidates(key(count)).any(|number| number == count), "a copy goes its own way");
        assert!(keys.old.iter().all(|shard| shard.is_sorted()));
        assert!(keys.recent.len() <= keys.len / 8);
    }
}
