//! Data sets under the null hypothesis, drawn from a seed.
//!
//! Promises: replica `n` of a seed is the same for ever, on every machine, with any number of threads.
//! Never: changes the generator below; published p-values depend on it.

use super::observed::Observations;

/// SplitMix64 (Steele, Lea, Flood 2014) as a counter: the n-th number is a hash of key + n·golden ratio.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

const GOLDEN_RATIO: u64 = 0x9E37_79B9_7F4A_7C15;

fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

impl Random {
    /// The stream of one replica.
    pub fn new(seed: u64, replica: usize) -> Self {
        let key = mix(seed.wrapping_add(GOLDEN_RATIO));
        Self { state: mix(key ^ (replica as u64).wrapping_mul(GOLDEN_RATIO).wrapping_add(1)) }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_RATIO);
        mix(self.state)
    }

    /// Below `limit`; the bias of multiply-and-shift is below 2⁻³² for the counts we have.
    pub fn below(&mut self, limit: u32) -> u32 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u32
    }

    /// From 0 to 1, 1 not included; 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 * (1.0 / (1_u64 << 53) as f64)
    }
}

/// Draws a cell with the probability of its weight in constant time (Walker's alias method, Vose 1991).
#[derive(Clone, Debug)]
struct Alias {
    keep: Vec<f64>,
    other: Vec<u32>,
}

impl Alias {
    fn new(weights: &[f64]) -> Self {
        let scale = weights.len() as f64 / weights.iter().sum::<f64>();
        let mut keep: Vec<f64> = weights.iter().map(|weight| weight * scale).collect();
        let mut other: Vec<u32> = (0..weights.len() as u32).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..keep.len()).partition(|&cell| keep[cell] < 1.0);
        while let (Some(&few), Some(&many)) = (small.last(), large.last()) {
            small.pop();
            other[few] = many as u32;
            keep[many] -= 1.0 - keep[few];
            if keep[many] < 1.0 {
                large.pop();
                small.push(many);
            }
        }
        // What rounding left over is 1.
        for cell in small.into_iter().chain(large) {
            keep[cell] = 1.0;
        }
        Self { keep, other }
    }

    fn draw(&self, random: &mut Random) -> u32 {
        let cell = random.below(self.keep.len() as u32);
        let (keep, other) = (self.keep[cell as usize], self.other[cell as usize]);
        if random.unit() < keep { cell } else { other }
    }
}

/// What a replica is drawn from.
#[derive(Clone, Debug)]
enum Source {
    /// Cases keep their places and exchange their dates.
    Permutation { places: Vec<u32>, times: Vec<u32> },
    /// Each case falls into a cell (place, interval) with its share of the expected cases.
    Poisson { cells: Alias, cases: u32, intervals: u32 },
}

/// The null hypothesis of one analysis.
#[derive(Clone, Debug)]
pub struct Null {
    source: Source,
    seed: u64,
}

impl Null {
    /// Permutation: given the cases of each place and of each day, any pairing is as likely as any other.
    pub fn permutation(observations: &Observations, seed: u64) -> Self {
        let mut places = Vec::new();
        let mut times = Vec::new();
        for (cell, &count) in observations.cases.iter().enumerate() {
            for _ in 0..count {
                places.push((cell / observations.intervals) as u32);
                times.push((cell % observations.intervals) as u32);
            }
        }
        Self { source: Source::Permutation { places, times }, seed }
    }

    /// Poisson given the total: multinomial over the cells (place-major, `intervals` a place).
    pub fn poisson(expected: &[f64], cases: u32, intervals: usize, seed: u64) -> Self {
        Self { source: Source::Poisson { cells: Alias::new(expected), cases, intervals: intervals as u32 }, seed }
    }

    /// Gives place and interval of every case of replica `n` to `add`. `scratch` saves allocations.
    pub fn draw(&self, n: usize, scratch: &mut Vec<u32>, mut add: impl FnMut(u32, u32)) {
        let mut random = Random::new(self.seed, n);
        match &self.source {
            Source::Permutation { places, times } => {
                scratch.clear();
                scratch.extend_from_slice(times);
                for last in (1..scratch.len()).rev() {
                    let chosen = random.below(last as u32 + 1) as usize;
                    scratch.swap(last, chosen);
                }
                for (&place, &time) in places.iter().zip(scratch.iter()) {
                    add(place, time);
                }
            }
            Source::Poisson { cells, cases, intervals } => {
                for _ in 0..*cases {
                    let cell = cells.draw(&mut random);
                    add(cell / intervals, cell % intervals);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = Random::new(20_210_210, 7);
        let drawn: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(drawn, [5_816_393_617_843_113_880, 7_742_445_746_020_637_427, 7_100_219_428_819_282_929]);
    }

    #[test]
    fn a_permutation_keeps_both_margins() {
        let observations = Observations { intervals: 3, cases: vec![1, 0, 2, 0, 4, 0, 0, 0, 5] };
        let null = Null::permutation(&observations, 1);
        let (mut by_place, mut by_time) = ([0; 3], [0; 3]);
        null.draw(5, &mut Vec::new(), |place, time| {
            by_place[place as usize] += 1;
            by_time[time as usize] += 1;
        });
        assert_eq!((by_place, by_time), ([3, 4, 5], [1, 4, 7]));
    }

    #[test]
    fn every_permutation_is_as_likely() {
        let observations = Observations { intervals: 3, cases: vec![1, 0, 0, 0, 1, 0, 0, 0, 1] };
        let null = Null::permutation(&observations, 4);
        let mut seen = std::collections::BTreeMap::<[u32; 3], u32>::new();
        for replica in 0..6_000 {
            let mut times = [9; 3];
            null.draw(replica, &mut Vec::new(), |place, time| times[place as usize] = time);
            *seen.entry(times).or_default() += 1;
        }
        // Five standard deviations of a count of 1,000 in 6,000.
        assert!(seen.len() == 6 && seen.values().all(|count| count.abs_diff(1_000) < 145), "{seen:?}");
    }

    #[test]
    fn cells_are_drawn_by_their_weight() {
        let weights = [0.0, 1.0, 2.0, 0.5, 6.5, 0.0];
        let null = Null::poisson(&weights, 100_000, 2, 9);
        let mut drawn = [0.0; 6];
        null.draw(0, &mut Vec::new(), |place, time| drawn[(place * 2 + time) as usize] += 1.0);
        for (count, weight) in drawn.iter().zip(weights) {
            let mean = 10_000.0 * weight;
            assert!(f64::abs(count - mean) <= 5.0 * mean.sqrt(), "{drawn:?}");
        }
    }
}
