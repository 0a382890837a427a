//! Circles: for each centre the other places by distance, as far as the limits allow.
//!
//! Promises: places at the same point enter together; places at the same distance do too, unless asked otherwise.

/// Radius of the earth in SaTScan, km.
pub const EARTH_RADIUS_KM: f64 = 6367.0;

/// Rounding of a squared distance, in units of the last place of coordinate × distance.
const ROUNDINGS: f64 = 32.0;

/// Places in all circles together at most; a gigabyte.
const POSITIONS_MAX: usize = 1 << 27;

/// Where the places are.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinates {
    /// x and y, km.
    Plane(Vec<[f64; 2]>),
    /// Latitude and longitude, degrees; distances along the great circle.
    LatLong(Vec<[f64; 2]>),
}

/// How places at the same distance from a centre enter its circle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TiedPlaces {
    /// As one: a circle holds all of them or none.
    #[default]
    Together,
    /// One by one, the lesser coordinates first: what SaTScan's sources do. Places at one point still enter together.
    OneByOne,
}

/// How far circles grow.
pub struct Limits<'a> {
    /// By place: what a circle gathers.
    pub weights: &'a [f64],
    pub weight_max: f64,
    pub radius_max_km: Option<f64>,
    pub ties: TiedPlaces,
}

/// Circles of all centres, one after the other.
#[derive(Clone, Debug, Default)]
pub struct Circles {
    /// The place in the centre, and where its places begin in `order`.
    pub centres: Vec<(u32, usize)>,
    /// Places by distance.
    pub order: Vec<u32>,
    /// Whether a circle ends after this place.
    pub closes: Vec<bool>,
}

impl Circles {
    /// Positions in `order` of the `n`-th centre.
    pub fn span(&self, n: usize) -> std::ops::Range<usize> {
        let begin = self.centres.get(n).map_or(self.order.len(), |centre| centre.1);
        begin..self.centres.get(n + 1).map_or(self.order.len(), |centre| centre.1)
    }
}

/// Points whose straight distance orders as the distance on the ground does.
pub struct Points {
    points: Vec<[f64; 3]>,
    greatest: f64,
    on_earth: bool,
}

impl Points {
    /// Fails when a coordinate is not a number, or no latitude or longitude.
    pub fn new(coordinates: &Coordinates) -> Result<Self, String> {
        let (pairs, on_earth) = match coordinates {
            Coordinates::Plane(pairs) => (pairs, false),
            Coordinates::LatLong(pairs) => (pairs, true),
        };
        let mut points = Vec::with_capacity(pairs.len());
        for (n, &[first, second]) in pairs.iter().enumerate() {
            if !first.is_finite() || !second.is_finite() {
                return Err(format!("coordinates of place {n} are {first}, {second}: finite numbers are needed"));
            }
            if !on_earth {
                points.push([first, second, 0.0]);
                continue;
            }
            if first.abs() > 90.0 || second.abs() > 180.0 {
                return Err(format!(
                    "latitude, longitude of place {n} are {first}, {second}: −90…90, −180…180 are allowed"
                ));
            }
            let (latitude, longitude) = (first.to_radians(), second.to_radians());
            points.push([latitude.cos() * longitude.cos(), latitude.cos() * longitude.sin(), latitude.sin()]);
        }
        let greatest = points.iter().flatten().fold(0.0_f64, |most, value| most.max(value.abs()));
        Ok(Self { points, greatest, on_earth })
    }

    pub fn len(&self) -> usize {
        self.points.len()
    }

    pub fn is_empty(&self) -> bool {
        self.points.is_empty()
    }

    /// Distance on the ground, km.
    pub fn distance_km(&self, from: usize, to: usize) -> f64 {
        let straight = self.squared(from, to).sqrt();
        if self.on_earth { 2.0 * EARTH_RADIUS_KM * (0.5 * straight).min(1.0).asin() } else { straight }
    }

    fn squared(&self, from: usize, to: usize) -> f64 {
        let (Some(from), Some(to)) = (self.points.get(from), self.points.get(to)) else { return f64::NAN };
        from.iter().zip(to).map(|(a, b)| (a - b) * (a - b)).sum()
    }

    /// By how much two equal squared distances may differ by rounding.
    fn rounding(&self, squared: f64) -> f64 {
        ROUNDINGS * f64::EPSILON * self.greatest * squared.sqrt()
    }

    /// The circles of every centre. Of several places at one point the first is the centre.
    ///
    /// Fails when they hold too many places.
    pub fn circles(&self, limits: &Limits) -> Result<Circles, String> {
        let mut circles = Circles::default();
        let mut seen = std::collections::HashSet::new();
        let mut guess = 64;
        for centre in 0..self.len() {
            let Some(point) = self.points.get(centre) else { continue };
            // Adding 0 makes −0 the same point as 0.
            if !seen.insert(point.map(|value| (value + 0.0).to_bits())) {
                continue;
            }
            let begin = circles.order.len();
            circles.centres.push((centre as u32, begin));
            self.grow(centre, limits, guess, &mut circles);
            guess = (circles.order.len() - begin) * 5 / 4 + 16;
            if circles.order.len() > POSITIONS_MAX {
                return Err(format!("{} places are too many for these circles: lower share_max", self.len()));
            }
        }
        Ok(circles)
    }

    /// Adds the places round `centre`. Sorts only the nearest: first `guess` of them, then twice as many.
    fn grow(&self, centre: usize, limits: &Limits, guess: usize, circles: &mut Circles) {
        let mut near: Vec<(u64, u32)> =
            // Squares are not negative, so that their bits order as they do.
            (0..self.len()).map(|place| (self.squared(centre, place).to_bits(), place as u32)).collect();
        let mut sorted = guess.clamp(1, self.len());
        loop {
            if sorted < near.len() {
                near.select_nth_unstable(sorted);
            }
            near[..sorted].sort_unstable();
            let (taken, complete) = self.gather(centre, limits, &mut near[..sorted]);
            if complete || sorted == near.len() {
                circles.order.extend(near.iter().take(taken.len()).map(|one| one.1));
                circles.closes.extend(taken);
                return;
            }
            sorted = (sorted * 2).min(near.len());
        }
    }

    /// How many of the nearest places the circles hold, where each circle ends, and whether a limit was met.
    fn gather(&self, centre: usize, limits: &Limits, near: &mut [(u64, u32)]) -> (Vec<bool>, bool) {
        let mut closes = Vec::new();
        let mut weight = 0.0;
        let mut begin = 0;
        while let Some(&(bits, _)) = near.get(begin) {
            let squared = f64::from_bits(bits);
            let most = squared + self.rounding(squared);
            let tied = near[begin..].iter().take_while(|one| f64::from_bits(one.0) <= most).count().max(1);
            if begin + tied == near.len() && near.len() < self.len() {
                // The next place, not sorted yet, may be tied with these.
                return (closes, false);
            }
            near[begin..begin + tied].sort_unstable_by_key(|one| one.1);
            for group in self.groups(limits.ties, &mut near[begin..begin + tied]) {
                let places = &near[begin..begin + group];
                let added: f64 = places.iter().filter_map(|one| limits.weights.get(one.1 as usize)).sum();
                let far = places.first().map_or(0.0, |one| self.distance_km(centre, one.1 as usize));
                let too_far = limits.radius_max_km.is_some_and(|most| far > most * (1.0 + 1e-12));
                if too_far || weight + added > limits.weight_max * (1.0 + 1e-12) {
                    return (closes, true);
                }
                weight += added;
                closes.extend((1..=group).map(|n| n == group));
                begin += group;
            }
        }
        (closes, near.len() == self.len())
    }

    /// Sizes of the groups in which tied places enter; orders the places so.
    fn groups(&self, ties: TiedPlaces, tied: &mut [(u64, u32)]) -> Vec<usize> {
        if ties == TiedPlaces::Together || tied.len() < 2 {
            return vec![tied.len()];
        }
        let point = |one: &(u64, u32)| self.points.get(one.1 as usize).copied().unwrap_or_default();
        tied.sort_by(|a, b| {
            let (first, second) = (point(a), point(b));
            first.iter().zip(&second).map(|(x, y)| x.total_cmp(y)).find(|order| order.is_ne()).unwrap_or(a.1.cmp(&b.1))
        });
        tied.chunk_by(|a, b| point(a) == point(b)).map(<[_]>::len).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn circles(coordinates: Coordinates, radius: Option<f64>, ties: TiedPlaces) -> Circles {
        let points = Points::new(&coordinates).unwrap();
        let weights = vec![1.0; points.len()];
        let limits = Limits { weights: &weights, weight_max: points.len() as f64, radius_max_km: radius, ties };
        points.circles(&limits).unwrap()
    }

    #[test]
    fn places_at_one_point_are_one_centre() {
        let plane = Coordinates::Plane(vec![[1.0, 1.0], [0.0, -0.0], [1.0, 1.0], [0.0, 0.0]]);
        let found = circles(plane, None, TiedPlaces::OneByOne);
        assert_eq!(found.centres, [(0, 0), (1, 4)]);
        assert_eq!(found.order, [0, 2, 1, 3, 1, 3, 0, 2]);
        assert_eq!(found.closes, [false, true, false, true, false, true, false, true]);
    }

    #[test]
    fn distances_are_great_circles() {
        let points =
            Points::new(&Coordinates::LatLong(vec![[0.0, 0.0], [0.0, 90.0], [0.0, 180.0], [90.0, 7.0]])).unwrap();
        let quarter = EARTH_RADIUS_KM * std::f64::consts::FRAC_PI_2;
        for (from, to, right) in [(0, 1, quarter), (0, 2, 2.0 * quarter), (1, 3, quarter), (2, 2, 0.0)] {
            assert!((points.distance_km(from, to) - right).abs() < 1e-6);
        }
        assert!(Points::new(&Coordinates::LatLong(vec![[91.0, 0.0]])).is_err());
        assert!(Points::new(&Coordinates::Plane(vec![[f64::NAN, 0.0]])).is_err());
    }

    #[test]
    fn rounding_does_not_break_ties_on_earth() {
        // East and west of the first place, by the same angle.
        let offsets = [0.013, -0.013, 0.41, -0.41, 3.3, -3.3];
        let ring = offsets.iter().map(|offset| [47.123_456, 11.987_654 + offset]);
        let pairs = std::iter::once([47.123_456, 11.987_654]).chain(ring).collect();
        let found = circles(Coordinates::LatLong(pairs), None, TiedPlaces::Together);
        assert_eq!(found.closes[found.span(0)], [true, false, true, false, true, false, true]);
    }

    #[test]
    fn the_radius_is_a_limit_that_belongs_to_it() {
        let plane = || Coordinates::Plane(vec![[0.0, 0.0], [3.0, 4.0], [0.0, 5.1]]);
        assert_eq!(circles(plane(), Some(5.0), TiedPlaces::Together).span(0), 0..2);
        assert_eq!(circles(plane(), Some(4.999), TiedPlaces::Together).span(0), 0..1);
    }

    #[test]
    fn sorting_only_the_nearest_changes_nothing() {
        let mut random = crate::detectors::scan::replicas::Random::new(1, 1);
        let pairs: Vec<[f64; 2]> = (0..150).map(|_| [(); 2].map(|()| f64::from(random.below(9)))).collect();
        let points = Points::new(&Coordinates::Plane(pairs)).unwrap();
        let weights = vec![1.0; points.len()];
        for ties in [TiedPlaces::Together, TiedPlaces::OneByOne] {
            let limits = Limits { weights: &weights, weight_max: 70.0, radius_max_km: None, ties };
            let answers = [1, 3, 150].map(|guess| {
                let mut circles = Circles::default();
                points.grow(17, &limits, guess, &mut circles);
                (circles.order, circles.closes)
            });
            assert!(answers[0] == answers[1] && answers[1] == answers[2]);
            assert!(answers[0].0.len() > 40 && answers[0].0.len() <= 70);
        }
    }
}
