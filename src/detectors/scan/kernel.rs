//! The loop where the time goes: every circle of a centre, for many windows and replicas at once.
//!
//! Promises: nothing above its bar is missed. Counts are packed into words, so that one addition adds four of them, and
//! one more finds those above their bars; the compiler makes vector instructions of it.

/// Words of a row.
pub const WORDS: usize = 16;

/// The counts of one place: replicas × windows, packed.
pub type Row = [u64; WORDS];

/// How counts are packed: the highest bit of each lane stays free for the comparison.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    /// Bits of a lane, 2^this: no division where time matters.
    bits_log2: u32,
}

/// Bits of a word, 2^this.
const WORD_LOG2: u32 = 6;

impl Packing {
    /// The narrowest lanes that hold `count_max`, at most 2³¹−1.
    pub fn for_counts(count_max: u32) -> Self {
        Self { bits_log2: if count_max < 1 << 15 { 4 } else { 5 } }
    }

    /// Lanes in some words.
    pub fn lanes(self, words: usize) -> usize {
        words << (WORD_LOG2 - self.bits_log2)
    }

    fn bits(self) -> u32 {
        1 << self.bits_log2
    }

    fn word(self, lane: usize) -> usize {
        lane >> (WORD_LOG2 - self.bits_log2)
    }

    fn shift(self, lane: usize) -> u32 {
        ((lane << self.bits_log2) & 63) as u32
    }

    fn count_max(self) -> u64 {
        (1 << (self.bits() - 1)) - 1
    }

    /// The highest bit of every lane.
    pub fn tops(self) -> u64 {
        (u64::MAX / (2 * self.count_max() + 1)) << (self.bits() - 1)
    }

    /// Adds to an empty lane.
    #[inline]
    pub fn put(self, words: &mut [u64], lane: usize, count: u32) {
        if let Some(word) = words.get_mut(self.word(lane)) {
            *word |= u64::from(count) << self.shift(lane);
        }
    }

    /// The lanes of `counts` that reach their highest bit with `slacks`, each with its count.
    #[inline]
    pub fn reached<'a>(self, counts: &'a [u64], slacks: &'a [u64]) -> impl Iterator<Item = (usize, u32)> + 'a {
        let tops = self.tops();
        counts.iter().zip(slacks).enumerate().flat_map(move |(word, (&count, &slack))| {
            let mut hits = (count + slack) & tops;
            std::iter::from_fn(move || {
                let bit = hits.checked_ilog2()?;
                hits ^= 1 << bit;
                let shift = bit & !(self.bits() - 1);
                let lane = self.lanes(word) + (shift >> self.bits_log2) as usize;
                Some((lane, ((count >> shift) & (2 * self.count_max() + 1)) as u32))
            })
        })
    }

    /// What, added to a count, reaches the highest bit exactly when the count is `count_min` or more.
    pub fn slack(self, count_min: u32) -> u32 {
        (self.count_max() + 1).saturating_sub(u64::from(count_min)).min(self.count_max()) as u32
    }
}

/// Walks from a centre outwards. `rows` by place; `slacks` by position, for the windows of one replica, so that they
/// repeat `WORDS / B` times in a row. Calls `hit` with the position and the counts wherever one reaches its `tops`.
#[inline(never)]
pub fn walk<const B: usize>(
    order: &[u32],
    rows: &[Row],
    slacks: &[[u64; B]],
    tops: u64,
    mut hit: impl FnMut(usize, &Row),
) {
    let mut counts = [0; WORDS];
    for (position, (&place, slack)) in order.iter().zip(slacks).enumerate() {
        let Some(row) = rows.get(place as usize) else { continue };
        for (count, add) in counts.iter_mut().zip(row) {
            *count += add;
        }
        let mut reached = [0; B];
        for replica in counts.chunks_exact(B) {
            for ((reached, count), slack) in reached.iter_mut().zip(replica).zip(slack) {
                *reached |= count + slack;
            }
        }
        if reached.iter().fold(0, |all, one| all | one) & tops != 0 {
            hit(position, &counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::scan::replicas::Random;

    fn both_ways<const B: usize>(count_max: u32) {
        let packing = Packing::for_counts(count_max);
        let windows = packing.lanes(B);
        let mut random = Random::new(3, B);
        let counts: Vec<Vec<u32>> =
            (0..40).map(|_| (0..packing.lanes(WORDS)).map(|_| random.below(count_max / 40)).collect()).collect();
        let pack = |values: &[u32]| {
            let mut row = [0; WORDS];
            values.iter().enumerate().for_each(|(lane, &value)| packing.put(&mut row, lane, value));
            row
        };
        let rows: Vec<Row> = counts.iter().map(|values| pack(values)).collect();
        let order: Vec<u32> = (0..40).map(|_| random.below(40)).collect();
        let least: Vec<Vec<u32>> = (0..40)
            .map(|n| {
                (0..windows)
                    .map(|_| n * (count_max / 80) + n % 4 * (count_max / 16) + random.below(count_max / 8))
                    .collect()
            })
            .collect();
        let slacks: Vec<[u64; B]> = least
            .iter()
            .map(|least| {
                let mut slack = [0; B];
                least.iter().enumerate().for_each(|(lane, &one)| packing.put(&mut slack, lane, packing.slack(one)));
                slack
            })
            .collect();
        let mut found = Vec::new();
        walk(&order, &rows, &slacks, packing.tops(), |position, _| found.push(position));
        let mut slow = Vec::new();
        for position in 0..order.len() {
            let reaches = (0..packing.lanes(WORDS)).any(|lane| {
                let sum: u32 = order[..=position].iter().map(|&place| counts[place as usize][lane]).sum();
                sum >= least[position][lane % windows]
            });
            if reaches {
                slow.push(position);
            }
        }
        assert!(!slow.is_empty() && slow.len() < 40, "{slow:?}");
        assert_eq!(found, slow);
    }

    #[test]
    fn nothing_above_its_bar_is_missed() {
        both_ways::<2>(32_767);
        both_ways::<4>(400);
        both_ways::<4>(2_147_483_647);
        both_ways::<2>(40_000);
    }

    #[test]
    fn lanes_hold_what_was_put() {
        for most in [32_767, 2_147_483_647] {
            let packing = Packing::for_counts(most);
            let mut row = [0; WORDS];
            packing.put(&mut row, 5, most);
            packing.put(&mut row, 6, 1);
            let mut slacks = [0; WORDS];
            (0..7).for_each(|lane| packing.put(&mut slacks, lane, packing.slack(1)));
            let mut reached: Vec<(usize, u32)> = packing.reached(&row, &slacks).collect();
            reached.sort_unstable();
            assert_eq!(reached, [(5, most), (6, 1)]);
            assert_eq!(packing.slack(most), 1);
            assert_eq!(packing.slack(u32::MAX), 0);
            assert_eq!(packing.slack(0), most);
        }
    }
}
