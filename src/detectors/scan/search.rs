//! The greatest ratio of each replica.
//!
//! Promises: the exact maximum over all circles and windows, whatever the bar, the number of threads or the batch.

use std::thread;

use super::geometry::Circles;
use super::kernel::{Packing, Row, WORDS, walk};
use super::observed::Expected;
use super::replicas::Null;
use super::significance::reaches;
use super::statistic::{Thresholds, log_likelihood_ratio, ratio_at_most};
use super::windows::Window;

/// Words of bars held at a time: 64 MB.
const BAR_WORDS_MAX: usize = 1 << 23;

/// Words of one replica in a row where circles are many. With more of them fewer replicas would share the reading of
/// the bars; with fewer a replica would be drawn more often.
const WORDS_MANY_CIRCLES: usize = 4;

/// Replicas drawn first, to learn where the bar may lie.
const PILOT: usize = 16;

/// The bar of the pilot: below nearly every maximum, above nearly everything else.
const PILOT_BAR: f64 = 3.0;

/// Replicas between two looks at whether to stop.
const BATCH: usize = 64;

/// All that a replica is searched with.
pub struct Search<'a> {
    pub circles: &'a Circles,
    pub expected: &'a Expected,
    pub null: &'a Null,
    pub windows: &'a [Window],
    pub places: usize,
    pub cases: u32,
    pub cases_min: u32,
    pub threads: usize,
}

/// When to stop early: after `enough` replicas with at least `ratio`.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    pub enough: usize,
    pub ratio: f64,
}

impl Search<'_> {
    /// Maxima of the replicas 0 to `replications`, fewer if `stop` says so.
    pub fn run(&self, replications: usize, stop: Option<Stop>) -> Vec<f64> {
        let mut maxima = Vec::with_capacity(replications);
        let mut bar = PILOT_BAR;
        while maxima.len() < replications {
            let left = replications - maxima.len();
            let next = match (maxima.is_empty(), stop) {
                (true, _) => left.min(PILOT),
                (false, Some(_)) => left.min(BATCH),
                (false, None) => left,
            };
            maxima.extend(self.batch(maxima.len()..maxima.len() + next, bar));
            bar = maxima.iter().copied().fold(f64::INFINITY, f64::min);
            if let Some(stop) = stop {
                let reached = maxima.iter().enumerate().filter(|(_, maximum)| reaches(**maximum, stop.ratio));
                if let Some((last, _)) = reached.take(stop.enough).nth(stop.enough.saturating_sub(1)) {
                    maxima.truncate(last + 1);
                    return maxima;
                }
            }
        }
        maxima
    }

    /// First with `bar`, then what stayed below it with lower ones.
    fn batch(&self, replicas: std::ops::Range<usize>, bar: f64) -> Vec<f64> {
        let mut open: Vec<(usize, f64)> = replicas.map(|replica| (replica, 0.0)).collect();
        let mut done = Vec::with_capacity(open.len());
        for bar in [bar, bar.min(PILOT_BAR) / 2.0, 0.0] {
            self.above(bar, &mut open);
            let (found, below): (Vec<_>, Vec<_>) = open.into_iter().partition(|one| one.1 > bar || bar <= 0.0);
            done.extend(found);
            open = below;
        }
        done.sort_unstable_by_key(|one| one.0);
        done.into_iter().map(|one| one.1).collect()
    }

    /// Raises each replica's ratio to its greatest one, if that is above `bar`.
    fn above(&self, bar: f64, replicas: &mut [(usize, f64)]) {
        if replicas.is_empty() {
            return;
        }
        let packing = Packing::for_counts(self.cases);
        let many = self.circles.order.len() > self.cases as usize;
        let words = if many { WORDS_MANY_CIRCLES } else { WORDS };
        for windows in self.windows.chunks(packing.lanes(words)) {
            let thresholds = Thresholds::new(bar, self.cases, self.cases_min, self.expected_most(windows));
            let group = Group { windows, packing, thresholds };
            if windows.len() <= packing.lanes(2) {
                self.group::<2>(&group, replicas);
            } else if windows.len() <= packing.lanes(WORDS_MANY_CIRCLES) {
                self.group::<WORDS_MANY_CIRCLES>(&group, replicas);
            } else {
                self.group::<WORDS>(&group, replicas);
            }
        }
    }

    /// `B` words a replica.
    fn group<const B: usize>(&self, group: &Group, replicas: &mut [(usize, f64)]) {
        let mut first = 0;
        while first < self.circles.centres.len() {
            let tile = self.tile::<B>(first, group);
            first = tile.centres.end;
            if self.threads <= 1 {
                self.blocks(&tile, group, replicas);
                continue;
            }
            let blocks = replicas.len().div_ceil(WORDS / B);
            let share = blocks.div_ceil(self.threads) * (WORDS / B);
            thread::scope(|scope| {
                for part in replicas.chunks_mut(share) {
                    let tile = &tile;
                    scope.spawn(move || self.blocks(tile, group, part));
                }
            });
        }
    }

    /// The greatest expected count of any circle in any of these windows.
    fn expected_most(&self, group: &[Window]) -> f64 {
        let Expected::Product { places, .. } = self.expected else { return f64::from(self.cases) };
        let zone_most = (0..self.circles.centres.len())
            .map(|n| self.circles.order[self.circles.span(n)].iter().map(|&place| places[place as usize]).sum())
            .fold(0.0_f64, f64::max);
        group
            .iter()
            .map(|&window| {
                let (part, scale) = self.expected.factor(window);
                zone_most * part * scale
            })
            .fold(0.0, f64::max)
    }

    /// Bars of as many centres, from `first`, as memory allows.
    fn tile<const B: usize>(&self, first: usize, group: &Group) -> Tile<B> {
        let begin = self.circles.span(first).start;
        let mut slacks = Vec::new();
        let mut zones = Vec::new();
        let mut last = first;
        let factors: Vec<(f64, f64)> = group.windows.iter().map(|&window| self.expected.factor(window)).collect();
        let mut sums = vec![0.0; group.windows.len()];
        while last < self.circles.centres.len() {
            let span = self.circles.span(last);
            if last > first && (span.end - begin) * B > BAR_WORDS_MAX {
                break;
            }
            sums.fill(0.0);
            for position in span {
                let place = self.circles.order[position] as usize;
                for (sum, &window) in sums.iter_mut().zip(group.windows) {
                    *sum += self.expected.part(place, window);
                }
                let mut slack = [0; B];
                if self.circles.closes[position] {
                    for (lane, (sum, (part, scale))) in sums.iter().zip(&factors).enumerate() {
                        let least = group.thresholds.count_min(sum * part * scale);
                        group.packing.put(&mut slack, lane, group.packing.slack(least));
                    }
                }
                slacks.push(slack);
                zones.push(sums.first().copied().unwrap_or(0.0));
            }
            last += 1;
        }
        Tile { centres: first..last, begin, slacks, zones }
    }

    /// Replicas of one thread.
    fn blocks<const B: usize>(&self, tile: &Tile<B>, group: &Group, replicas: &mut [(usize, f64)]) {
        let mut rows = vec![[0; WORDS]; self.places];
        let mut room = Room::default();
        for block in replicas.chunks_mut(WORDS / B) {
            self.fill::<B>(group, block, &mut rows, &mut room);
            for centre in tile.centres.clone() {
                let span = self.circles.span(centre);
                let order = &self.circles.order[span.clone()];
                let slacks = &tile.slacks[span.start - tile.begin..span.end - tile.begin];
                let zones = &tile.zones[span.start - tile.begin..span.end - tile.begin];
                walk(order, &rows, slacks, group.packing.tops(), |position, counts| {
                    let zone = (&order[..=position], zones[position]);
                    for ((_, best), counts) in block.iter_mut().zip(counts.chunks_exact(B)) {
                        self.judge(group, counts, &slacks[position], zone, best);
                    }
                });
            }
        }
    }

    /// Cases of each replica of the block by place and window.
    fn fill<const B: usize>(&self, group: &Group, block: &[(usize, f64)], rows: &mut [Row], room: &mut Room) {
        let from = group.windows.iter().map(|window| window.start).min().unwrap_or(0);
        let until = group.windows.iter().map(|window| window.end).max().unwrap_or(0);
        let length = until - from;
        rows.fill([0; WORDS]);
        for (n, &(replica, _)) in block.iter().enumerate() {
            room.counts.clear();
            room.counts.resize(self.places * (length + 1), 0);
            self.null.draw(replica, &mut room.times, |place, time| {
                let since = (time as usize).wrapping_sub(from);
                if since < length {
                    room.counts[place as usize * (length + 1) + since + 1] += 1;
                }
            });
            for (row, counts) in rows.iter_mut().zip(room.counts.chunks_exact_mut(length + 1)) {
                for time in 1..counts.len() {
                    counts[time] += counts[time - 1];
                }
                let words = &mut row[n * B..(n + 1) * B];
                for (lane, window) in group.windows.iter().enumerate() {
                    group.packing.put(words, lane, counts[window.end - from] - counts[window.start - from]);
                }
            }
        }
    }

    /// Raises `best` if a window of this circle beats it.
    fn judge(&self, group: &Group, counts: &[u64], slack: &[u64], (zone, sum): (&[u32], f64), best: &mut f64) {
        for (lane, count) in group.packing.reached(counts, slack) {
            let Some(&window) = group.windows.get(lane).filter(|_| count >= self.cases_min) else { continue };
            let expected = if self.expected.is_product() {
                let (part, scale) = self.expected.factor(window);
                sum * part * scale
            } else {
                self.expected.of(zone, window)
            };
            let (count, cases) = (f64::from(count), f64::from(self.cases));
            if count > expected && ratio_at_most(count, expected, cases) > *best {
                *best = best.max(log_likelihood_ratio(count, expected, cases));
            }
        }
    }
}

/// Windows that are looked at together.
struct Group<'a> {
    windows: &'a [Window],
    packing: Packing,
    thresholds: Thresholds,
}

/// Bars and zone sums of some centres, by position from `begin`.
struct Tile<const B: usize> {
    centres: std::ops::Range<usize>,
    begin: usize,
    slacks: Vec<[u64; B]>,
    zones: Vec<f64>,
}

/// Scratch memory of a thread.
#[derive(Default)]
struct Room {
    counts: Vec<u32>,
    times: Vec<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detectors::scan::geometry::{Coordinates, Limits, Points, TiedPlaces};
    use crate::detectors::scan::observed::Observations;
    use crate::detectors::scan::replicas::Random;
    use crate::detectors::scan::windows::windows;

    /// Every circle and window of one replica, one after the other.
    fn slow(search: &Search, intervals: usize, replica: usize) -> f64 {
        let mut cases = vec![0_u32; search.places * intervals];
        search
            .null
            .draw(replica, &mut Vec::new(), |place, time| cases[place as usize * intervals + time as usize] += 1);
        let mut best = 0.0_f64;
        for centre in 0..search.circles.centres.len() {
            let span = search.circles.span(centre);
            for position in span.clone().filter(|&position| search.circles.closes[position]) {
                let zone = &search.circles.order[span.start..=position];
                for &window in search.windows {
                    let times = window.start..window.end;
                    let row = |place: &u32| &cases[*place as usize * intervals..][times.clone()];
                    let count: u32 = zone.iter().flat_map(row).sum();
                    if count >= search.cases_min {
                        let expected = search.expected.of(zone, window);
                        best = best.max(log_likelihood_ratio(count.into(), expected, search.cases.into()));
                    }
                }
            }
        }
        best
    }

    fn compare(places: usize, intervals: usize, length: usize, scale: u32, model: usize, end_first: usize) {
        let mut random = Random::new(places as u64, length);
        let points = (0..places).map(|_| [random.unit(), random.unit()]).collect();
        let cases = (0..places * intervals).map(|_| random.below(4) * random.below(2) * scale).collect();
        let observations = Observations { intervals, cases };
        let total = observations.total() as u32;
        let weights: Vec<f64> = (0..places).map(|_| random.unit()).collect();
        let cells: Vec<f64> = (0..places * intervals).map(|_| random.unit()).collect();
        let (expected, null) = match model {
            0 => (Expected::permutation(&observations), Null::permutation(&observations, 3)),
            1 => {
                let flat: Vec<f64> = weights.iter().flat_map(|&one| vec![one; intervals]).collect();
                let expected = Expected::population(&weights, intervals, total.into());
                (expected, Null::poisson(&flat, total, intervals, 3))
            }
            _ => (Expected::cells(&cells, intervals, total.into()), Null::poisson(&cells, total, intervals, 3)),
        };
        let limits = Limits {
            weights: &vec![1.0; places],
            weight_max: places as f64 / 2.0,
            radius_max_km: None,
            ties: TiedPlaces::Together,
        };
        let circles = Points::new(&Coordinates::Plane(points)).unwrap().circles(&limits).unwrap();
        let windows = windows(intervals, length, end_first);
        let mut search = Search {
            circles: &circles,
            expected: &expected,
            null: &null,
            windows: &windows,
            places,
            cases: total,
            cases_min: 2,
            threads: 1,
        };
        let quick = search.run(40, None);
        for (replica, &maximum) in quick.iter().enumerate() {
            let right = slow(&search, intervals, replica);
            assert!((maximum - right).abs() < 1e-9, "model {model}, replica {replica}: {maximum} {right}");
        }
        search.threads = 3;
        assert_eq!(search.run(40, None), quick);
        let stop = Stop { enough: 5, ratio: quick[7] };
        let stopped = search.run(40, Some(stop));
        assert_eq!(stopped, quick[..stopped.len()]);
        assert!(stopped.len() == 40 || stopped.iter().filter(|one| **one >= stop.ratio).count() == 5);
    }

    #[test]
    fn maxima_are_those_of_the_enumeration() {
        for model in 0..3 {
            compare(30, 12, 5, 1, model, 12);
            compare(25, 20, 20, 1, model, 20);
            compare(12, 14, 7, 1, model, 1);
            compare(40, 6, 1, 3, model, 6);
        }
    }

    #[test]
    fn many_cases_need_wider_lanes() {
        compare(10, 5, 3, 2_000, 0, 1);
        compare(10, 5, 3, 2_000, 2, 5);
    }

    #[test]
    fn a_map_without_excess_has_maxima_of_zero() {
        compare(2, 1, 1, 1, 0, 1);
    }
}
