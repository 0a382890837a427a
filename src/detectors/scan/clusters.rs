//! From what was seen to the clusters that are reported.
//!
//! Promises: the order and the choice of SaTScan 10.3: the best cylinder of each centre; retrospectively also the best
//! ones before and after it in time; then by ratio, each kept that shares no place with a better one at the same time.

use super::geometry::Circles;
use super::observed::{Expected, Observations};
use super::significance::RATIO_TOLERANCE;
use super::statistic::{log_likelihood_ratio, ratio_at_most};
use super::windows::Window;

/// Below this ratio an excess is no cluster; SaTScan does not report it either, and it may be rounding.
const RATIO_MIN: f64 = 0.001;

/// A centre's second and later cylinders must exceed this ratio.
const LATER_RATIO_MIN: f64 = 1.0;

/// A cylinder: a circle and a window.
#[derive(Clone, Copy, Debug)]
pub struct Cylinder {
    /// Which centre of the circles.
    pub centre: usize,
    /// Places of the circle.
    pub size: usize,
    pub window: Window,
    pub observed: u32,
    pub expected: f64,
    pub ratio: f64,
}

/// What the observed cases are searched with.
pub struct Seen<'a> {
    pub circles: &'a Circles,
    pub observations: &'a Observations,
    pub expected: &'a Expected,
    pub windows: &'a [Window],
    pub cases_min: u32,
    /// Whether a centre may have several clusters at different times.
    pub several_a_centre: bool,
    pub clusters_max: usize,
}

impl Seen<'_> {
    /// The clusters, the most likely first, with their places by distance.
    pub fn clusters(&self) -> Vec<(Cylinder, Vec<u32>)> {
        let mut candidates = Vec::new();
        let mut search = CentreSearch::new(self);
        for centre in 0..self.circles.centres.len() {
            search.centre(centre);
            if self.several_a_centre {
                candidates.extend(self.apart_in_time(&search.best));
            } else {
                candidates.extend(search.best.iter().copied().flatten().reduce(first_greatest));
            }
        }
        candidates.retain(|one: &Cylinder| one.ratio >= RATIO_MIN);
        rank(&mut candidates);
        self.without_overlap(&candidates)
    }

    /// The best cylinder of a centre, then the best ones before and after it, and so on.
    fn apart_in_time(&self, best: &[Option<Cylinder>]) -> Vec<Cylinder> {
        let Some(first) = best.iter().copied().flatten().reduce(first_greatest) else { return Vec::new() };
        let mut found = vec![first];
        let mut ranges = around(&first, 0, self.observations.intervals as isize - 1);
        while let Some((from, until)) = ranges.pop() {
            let inside = best.iter().copied().flatten().filter(|one| {
                one.ratio > LATER_RATIO_MIN && one.window.start as isize >= from && one.window.end as isize <= until
            });
            // SaTScan looks from the latest window backwards, so that of equals the last one stays.
            if let Some(next) = inside.reduce(last_greatest) {
                found.push(next);
                ranges.extend(around(&next, from, until));
            }
        }
        found
    }

    fn without_overlap(&self, candidates: &[Cylinder]) -> Vec<(Cylinder, Vec<u32>)> {
        let mut kept: Vec<(Cylinder, Vec<u32>)> = Vec::new();
        let mut holders: Vec<Vec<Window>> = vec![Vec::new(); self.observations.places()];
        for candidate in candidates {
            if kept.len() >= self.clusters_max {
                break;
            }
            let begin = self.circles.span(candidate.centre).start;
            let places = &self.circles.order[begin..begin + candidate.size];
            let clash = |window: &Window| !apart(*window, candidate.window);
            if places.iter().any(|&place| holders[place as usize].iter().any(clash)) {
                continue;
            }
            places.iter().for_each(|&place| holders[place as usize].push(candidate.window));
            kept.push((*candidate, places.to_vec()));
        }
        kept
    }
}

/// Whether there is time between two windows. SaTScan counts windows that touch as overlapping.
fn apart(one: Window, other: Window) -> bool {
    one.end < other.start || one.start > other.end
}

/// The time before and after `found` in which a centre's next cylinder may lie: bounds of start and end.
///
/// SaTScan leaves one interval free on both sides, and never looks at the last interval again; so do we.
fn around(found: &Cylinder, from: isize, until: isize) -> Vec<(isize, isize)> {
    vec![(from, found.window.start as isize - 1), (found.window.end as isize + 1, until)]
}

fn first_greatest(best: Cylinder, next: Cylinder) -> Cylinder {
    if next.ratio > best.ratio || (next.ratio == best.ratio && next.size < best.size) { next } else { best }
}

fn last_greatest(best: Cylinder, next: Cylinder) -> Cylinder {
    let later = (next.window.end, next.window.start) > (best.window.end, best.window.start);
    if next.ratio > best.ratio || (next.ratio == best.ratio && later) { next } else { best }
}

/// By falling ratio; of equals the smaller circle, then the earlier centre.
fn rank(candidates: &mut [Cylinder]) {
    candidates.sort_by(|a, b| b.ratio.total_cmp(&a.ratio));
    let mut begin = 0;
    while begin < candidates.len() {
        let most = candidates[begin].ratio;
        let equal = candidates[begin..].iter().take_while(|one| most - one.ratio < RATIO_TOLERANCE).count().max(1);
        candidates[begin..begin + equal].sort_by_key(|one| (one.size, one.centre));
        begin += equal;
    }
}

/// The best cylinder of a centre for each window.
struct CentreSearch<'a> {
    seen: &'a Seen<'a>,
    /// The first interval of any window.
    from: usize,
    /// By place, cases before each interval from `from` on; one more than there are intervals.
    before: Vec<u32>,
    cases: f64,
    best: Vec<Option<Cylinder>>,
    counts: Vec<u32>,
    sums: Vec<f64>,
}

impl<'a> CentreSearch<'a> {
    fn new(seen: &'a Seen<'a>) -> Self {
        let intervals = seen.observations.intervals;
        let from = seen.windows.iter().map(|window| window.start).min().unwrap_or(0);
        let mut before = Vec::with_capacity(seen.observations.places() * (intervals - from + 1));
        for row in seen.observations.cases.chunks(intervals.max(1)) {
            let mut sum = 0;
            before.push(0);
            for &count in row.iter().skip(from) {
                sum += count;
                before.push(sum);
            }
        }
        Self {
            seen,
            from,
            before,
            cases: seen.observations.total() as f64,
            best: vec![None; seen.windows.len()],
            counts: vec![0; intervals - from + 1],
            sums: vec![0.0; seen.windows.len()],
        }
    }

    fn centre(&mut self, centre: usize) {
        let seen = self.seen;
        self.best.fill(None);
        self.counts.fill(0);
        self.sums.fill(0.0);
        let mut best_of_all = 0.0;
        let width = self.counts.len();
        let span = seen.circles.span(centre);
        for position in span.clone() {
            let place = seen.circles.order[position] as usize;
            let row = &self.before[place * width..(place + 1) * width];
            self.counts.iter_mut().zip(row).for_each(|(count, add)| *count += add);
            for ((&window, sum), best) in seen.windows.iter().zip(&mut self.sums).zip(&mut self.best) {
                *sum += seen.expected.part(place, window);
                let observed = self.counts[window.end - self.from] - self.counts[window.start - self.from];
                if !seen.circles.closes[position] || observed < seen.cases_min {
                    continue;
                }
                let (part, scale) = seen.expected.factor(window);
                let expected = *sum * part * scale;
                let bar = match (seen.several_a_centre, &best) {
                    (true, Some(best)) => best.ratio,
                    (true, None) => 0.0,
                    (false, _) => best_of_all,
                };
                let count = f64::from(observed);
                if count <= expected || ratio_at_most(count, expected, self.cases) <= bar {
                    continue;
                }
                let ratio = log_likelihood_ratio(count, expected, self.cases);
                if ratio > bar {
                    best_of_all = ratio.max(best_of_all);
                    let size = position - span.start + 1;
                    *best = Some(Cylinder { centre, size, window, observed, expected, ratio });
                }
            }
        }
    }
}
