//! A slow and obvious enumeration of small maps with ties and shared points; it shares no code with the scan.

use std::collections::BTreeSet;

use qianshao::detectors::scan::{Coordinates, Model, Observations, Period, Scan, TiedPlaces};

/// Numbers without a library; only the tests use it.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

struct Map {
    points: Vec<(i64, i64)>,
    intervals: usize,
    cases: Vec<u32>,
    /// `None` = permutation.
    people: Option<Vec<u32>>,
}

#[derive(Clone)]
struct Found {
    centre: usize,
    members: BTreeSet<usize>,
    start: usize,
    end: usize,
    observed: u32,
    expected: f64,
    ratio: f64,
}

impl Map {
    fn draw(dice: &mut Dice) -> Self {
        let places = 2 + dice.below(14) as usize;
        let intervals = 1 + dice.below(9) as usize;
        let side = 2 + dice.below(5);
        let points: Vec<(i64, i64)> = (0..places).map(|_| (dice.below(side) as i64, dice.below(side) as i64)).collect();
        let rate = 1 + dice.below(6);
        let mut cases: Vec<u32> = (0..places * intervals).map(|_| (dice.below(rate + 1)) as u32).collect();
        if dice.below(2) == 0 {
            // Most of the map silent.
            cases.iter_mut().for_each(|count| *count *= u32::from(dice.below(4) == 0));
        }
        let people = (dice.below(2) == 0).then(|| (0..places).map(|_| 1 + dice.below(50) as u32).collect());
        Self { points, intervals, cases, people }
    }

    fn total(&self) -> u32 {
        self.cases.iter().sum()
    }

    fn weight(&self, place: usize) -> u64 {
        let cases = &self.cases[place * self.intervals..(place + 1) * self.intervals];
        self.people.as_ref().map_or(cases.iter().map(|&n| u64::from(n)).sum(), |people| u64::from(people[place]))
    }

    fn judge(&self, members: &BTreeSet<usize>, start: usize, end: usize) -> (u32, f64, f64) {
        let of = |place: usize, time: usize| self.cases[place * self.intervals + time];
        let observed: u32 = members.iter().flat_map(|&place| (start..=end).map(move |time| of(place, time))).sum();
        let total = f64::from(self.total());
        let here: u64 = members.iter().map(|&place| self.weight(place)).sum();
        let expected = match &self.people {
            Some(people) => {
                let all: u32 = people.iter().sum();
                total * here as f64 / f64::from(all) * (end - start + 1) as f64 / self.intervals as f64
            }
            None => {
                let then: u32 = (0..self.points.len()).flat_map(|p| (start..=end).map(move |t| of(p, t))).sum();
                here as f64 * f64::from(then) / total
            }
        };
        let count = f64::from(observed);
        if observed < 2 || count <= expected {
            return (observed, expected, 0.0);
        }
        let outside = if count == total { 0.0 } else { (total - count) * ((total - count) / (total - expected)).ln() };
        (observed, expected, count * (count / expected).ln() + outside)
    }

    /// Every cylinder with an excess. `radius` in the units of the map, `percent` of the weight.
    fn cylinders(&self, percent: u64, radius: Option<i64>, lengths: usize, alive: bool) -> Vec<Found> {
        let all: u64 = (0..self.points.len()).map(|place| self.weight(place)).sum();
        let mut found = Vec::new();
        for centre in 0..self.points.len() {
            let squared = |place: usize| {
                let (dx, dy) =
                    (self.points[place].0 - self.points[centre].0, self.points[place].1 - self.points[centre].1);
                dx * dx + dy * dy
            };
            let radii: BTreeSet<i64> = (0..self.points.len()).map(squared).collect();
            for reach in radii {
                let members: BTreeSet<usize> =
                    (0..self.points.len()).filter(|&place| squared(place) <= reach).collect();
                let weight: u64 = members.iter().map(|&place| self.weight(place)).sum();
                if weight * 100 > all * percent || radius.is_some_and(|radius| reach > radius * radius) {
                    continue;
                }
                for end in (if alive { self.intervals - 1 } else { 0 })..self.intervals {
                    for start in (end + 1).saturating_sub(lengths)..=end {
                        let (observed, expected, ratio) = self.judge(&members, start, end);
                        if ratio >= 0.001 {
                            found.push(Found {
                                centre,
                                members: members.clone(),
                                start,
                                end,
                                observed,
                                expected,
                                ratio,
                            });
                        }
                    }
                }
            }
        }
        found
    }
}

fn compare(seed: u64) -> (usize, usize) {
    let mut dice = Dice(seed);
    let map = Map::draw(&mut dice);
    let (percent, alive) = ([50, 25, 100, 10][dice.below(4) as usize], dice.below(2) == 0);
    let radius = (dice.below(3) == 0).then(|| 1 + dice.below(3) as i64);
    let length = 1 + dice.below(map.intervals as u64) as usize;
    let slow = map.cylinders(percent, radius, length, alive);
    let model = match &map.people {
        None => Model::Permutation,
        Some(people) if dice.below(2) == 0 => Model::Poisson(people.iter().map(|&n| f64::from(n)).collect()),
        Some(people) => Model::PoissonCells(
            people.iter().flat_map(|&n| std::iter::repeat_n(f64::from(n) * 0.1, map.intervals)).collect(),
        ),
    };
    let scan = Scan {
        period: if alive { Period::Prospective { earlier_analyses: 0 } } else { Period::Retrospective },
        share_max: percent as f64 / 100.0,
        radius_max_km: radius.map(|radius| radius as f64 * 0.1),
        window_max: Some(length),
        replications: 0,
        ..Scan::default()
    };
    let coordinates =
        Coordinates::Plane(map.points.iter().map(|&(x, y)| [x as f64 * 0.1 + 7.3, y as f64 * 0.1 - 2.9]).collect());
    let observations = Observations { intervals: map.intervals, cases: map.cases.clone() };
    let report = scan.run(&coordinates, &observations, &model).unwrap();
    let best = slow.iter().map(|one| one.ratio).fold(0.0, f64::max);
    let first = report.clusters.first().map_or(0.0, |cluster| cluster.log_likelihood_ratio);
    assert!((best - first).abs() < 1e-9, "seed {seed}: {best} {first}");
    for (n, cluster) in report.clusters.iter().enumerate() {
        let members: BTreeSet<usize> = cluster.places.iter().copied().collect();
        assert_eq!(members.len(), cluster.places.len(), "seed {seed}");
        let same =
            slow.iter().find(|one| one.members == members && (one.start, one.end) == (cluster.start, cluster.end));
        let same = same.unwrap_or_else(|| panic!("seed {seed}: no such circle {cluster:?}"));
        assert_eq!(same.observed, cluster.observed, "seed {seed}");
        assert!((same.expected - cluster.expected).abs() < 1e-9, "seed {seed}");
        assert!((same.ratio - cluster.log_likelihood_ratio).abs() < 1e-9, "seed {seed}");
        for earlier in &report.clusters[..n] {
            let apart = earlier.end + 1 < cluster.start || cluster.end + 1 < earlier.start;
            assert!(apart || earlier.places.iter().all(|place| !members.contains(place)), "seed {seed}");
            assert!(earlier.log_likelihood_ratio >= cluster.log_likelihood_ratio - 1e-9, "seed {seed}");
        }
    }
    // The best cylinder of a centre is reported, or shares a place with a better one, or has an equal.
    for centre in 0..map.points.len() {
        let of_centre: Vec<&Found> = slow.iter().filter(|one| one.centre == centre).collect();
        let most = of_centre.iter().map(|one| one.ratio).fold(0.0, f64::max);
        let equal: Vec<&&Found> = of_centre.iter().filter(|one| one.ratio > most - 1e-9).collect();
        let [only] = equal[..] else { continue };
        let covered = report.clusters.iter().any(|cluster| {
            let apart = cluster.end + 1 < only.start || only.end + 1 < cluster.start;
            let shares = cluster.places.iter().any(|place| only.members.contains(place));
            shares && !apart && cluster.log_likelihood_ratio >= only.ratio - 1e-9
        });
        assert!(covered, "seed {seed}: centre {centre}, ratio {}", only.ratio);
    }
    (slow.len(), report.clusters.len())
}

#[test]
fn small_maps_agree_with_the_enumeration() {
    let (mut cylinders, mut clusters) = (0, 0);
    for seed in 1..=3_000 {
        let (slow, found) = compare(seed);
        cylinders += slow;
        clusters += found;
    }
    println!("3,000 maps, {cylinders} cylinders with an excess, {clusters} clusters");
    assert!(cylinders > 100_000 && clusters > 3_000);
}

#[test]
fn tied_places_enter_together_or_one_by_one() {
    // Four places round one; the cases are at the place with the least coordinates.
    let coordinates =
        Coordinates::Plane(vec![[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [9.0, 9.0]]);
    let mut cases = vec![1; 12];
    (cases[1], cases[3]) = (6, 9);
    let observations = Observations { intervals: 2, cases };
    let scan = |ties| {
        let scan = Scan {
            period: Period::Prospective { earlier_analyses: 0 },
            ties,
            replications: 0,
            share_max: 1.0,
            ..Scan::default()
        };
        scan.run(&coordinates, &observations, &Model::Poisson(vec![1.0; 6])).unwrap()
    };
    let pair = |report: &qianshao::detectors::scan::Report| {
        let mut places = report.clusters[0].places.clone();
        places.sort_unstable();
        places
    };
    assert_eq!(pair(&scan(TiedPlaces::OneByOne)), [0, 1]);
    // From place 1 the centre is the nearest, so that together finds the pair too.
    assert_eq!(scan(TiedPlaces::Together).clusters[0].centre, 1);
    assert!(scan(TiedPlaces::OneByOne).circles > scan(TiedPlaces::Together).circles);
}

/// One place of two, its cases by interval; windows of one interval, retrospective.
fn peaks(cases: [u32; 8]) -> Vec<usize> {
    let observations = Observations { intervals: 8, cases: [cases, [1; 8]].concat() };
    let scan = Scan { window_max: Some(1), replications: 0, share_max: 0.9, ..Scan::default() };
    let coordinates = Coordinates::Plane(vec![[0.0, 0.0], [1.0, 0.0]]);
    let report = scan.run(&coordinates, &observations, &Model::Poisson(vec![1.0, 1.0])).unwrap();
    report.clusters.iter().filter(|one| one.places == [0]).map(|one| one.start).collect()
}

#[test]
fn later_clusters_of_a_centre_keep_to_satscans_bounds() {
    assert_eq!(peaks([1, 1, 30, 1, 20, 1, 1, 1]), [2, 4]);
    assert_eq!(peaks([20, 1, 1, 1, 30, 1, 1, 1]), [4, 0]);
    assert_eq!(peaks([15, 1, 20, 1, 1, 30, 1, 1]), [5, 2, 0]);
    // Next to a better one.
    assert_eq!(peaks([1, 1, 30, 20, 1, 1, 1, 1]), [2]);
    // The last interval is not looked at again.
    assert_eq!(peaks([1, 1, 30, 1, 1, 1, 1, 20]), [2]);
    assert_eq!(peaks([1, 1, 30, 1, 1, 1, 20, 1]), [2, 6]);
    assert_eq!(peaks([1, 1, 20, 1, 1, 1, 1, 30]), [7, 2]);
}
