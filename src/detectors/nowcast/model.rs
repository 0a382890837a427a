//! The model of a reporting triangle: what is expected in each cell, and how surely.
//!
//! log E[cell of event day t, delay d] = level(t) + delay(d) + report weekday + event weekday + report day + drift(t)·d.
//! Level, delay and drift are random walks, the others independent; every variance is estimated (expectation–maximisation
//! about the mode, Laplace). Cells are quasi-Poisson: their variance is a multiple of their mean, at least one, estimated
//! too.
//!
//! Promises: the same triangle gives the same answer; every iteration ends.
//! Never: a cell that is not known enters the fit.

use super::symmetric::Symmetric;

/// Joint steps of mode and variances: more change the third digit of a variance.
const STEPS: usize = 40;
/// A step moves no effect further than this: e² in one step is far enough.
const MOVE_MAX: f64 = 2.0;
/// What variances do not fall below.
const VARIANCE_MIN: f64 = 1e-5;
/// What they do not rise above, where nothing else is said.
const VARIANCE_MAX: f64 = 25.0;
/// Precision by which walks as a whole are held near 0: a standard deviation of ten on the scale of logarithms.
const HOLD: f64 = 1e-2;
/// The drift begins at 0, give or take a seventh: what all weeks have in common are the delays themselves.
const DRIFT_HOLD: f64 = 50.0;
/// Logarithms stay in here, so that their exponentials are numbers.
const LOGARITHM_MAX: f64 = 30.0;
/// Past the longest delay that could be seen yet, each is expected at most this part of the one before.
const FADE_MAX: f64 = 0.8;
const WEEK: usize = 7;

/// One cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    pub day: usize,
    pub delay: usize,
    pub count: f64,
    /// What it counts for in the fit: 1, or less because it was reported long ago.
    pub weight: f64,
}

/// A run of effects.
#[derive(Clone, Copy, Debug)]
struct Block {
    from: usize,
    to: usize,
    kind: Kind,
}

/// What is known of a run of effects before any cell is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Independent,
    /// Each near the one before.
    Walk,
    /// Each near the one after, the last near 0.
    WalkFromZero,
}

/// Of each block: its kind, its variance before the first step, and the highest one.
const BLOCKS: [(Kind, f64, f64); 6] = [
    (Kind::Walk, 0.1, VARIANCE_MAX),
    (Kind::Walk, 0.1, VARIANCE_MAX),
    (Kind::Independent, 0.1, VARIANCE_MAX),
    (Kind::Independent, 0.1, VARIANCE_MAX),
    // Delays change by a sixth in a week at most: a young triangle cannot tell a drift from growth.
    (Kind::WalkFromZero, 0.005, 0.03),
    // A report day that is still to come halves or doubles what is expected; it does not take it times a hundred.
    (Kind::Independent, 0.1, 0.5),
];
const LEVEL: usize = 0;
const DELAY: usize = 1;
const REPORT_WEEKDAY: usize = 2;
const EVENT_WEEKDAY: usize = 3;
const DRIFT: usize = 4;
const REPORT_DAY: usize = 5;

/// Effects of one cell: two weeks share the drift of a day that lies between.
const CELL_EFFECTS: usize = BLOCKS.len() + 1;

/// A cell's effects with their factors.
type Effects = [(usize, f64); CELL_EFFECTS];

/// Where the effects stand in the vector of all, and what tells a cell's.
#[derive(Clone, Debug)]
struct Layout {
    days: usize,
    /// Delays that the fit knows; longer ones fade from the last of them.
    delays: usize,
    blocks: [Block; BLOCKS.len()],
    /// The drift says how much more there is of delays longer than this.
    delay_mean: f64,
}

impl Layout {
    fn new(days: usize, delays: usize, delay_mean: f64) -> Self {
        let mut from = 0;
        let weeks = days.saturating_sub(1).div_ceil(WEEK) + 1;
        let sizes = [days, delays, WEEK, WEEK, weeks, days];
        let mut blocks = BLOCKS.map(|(kind, ..)| Block { from: 0, to: 0, kind });
        for (block, size) in blocks.iter_mut().zip(sizes) {
            (block.from, block.to) = (from, from + size);
            from += size;
        }
        Self { days, delays, blocks, delay_mean }
    }

    fn size(&self) -> usize {
        self.blocks[REPORT_DAY].to
    }

    /// Those of a cell; a report day that is still to come has the factor 0.
    fn effects(&self, day: usize, delay: usize) -> Effects {
        let report = day + delay;
        let at = |block: usize, place: usize| self.blocks[block].from + place;
        let (week, part) = ((self.days - 1 - day) / WEEK, ((self.days - 1 - day) % WEEK) as f64 / WEEK as f64);
        let longer = (delay as f64 - self.delay_mean) / (self.delay_mean + 1.0);
        let before = (week + 1).min(self.blocks[DRIFT].to - self.blocks[DRIFT].from - 1);
        [
            (at(LEVEL, day), 1.0),
            (at(DELAY, delay.min(self.delays - 1)), 1.0),
            (at(REPORT_WEEKDAY, report % WEEK), 1.0),
            (at(EVENT_WEEKDAY, day % WEEK), 1.0),
            (at(DRIFT, week), longer * (1.0 - part)),
            (at(DRIFT, before), longer * part),
            (at(REPORT_DAY, report.min(self.days - 1)), f64::from(u8::from(report < self.days))),
        ]
    }
}

/// What is known after the fit.
pub struct Fitted {
    layout: Layout,
    effects: Vec<f64>,
    covariance: Symmetric,
    variances: [f64; BLOCKS.len()],
    /// Variance of a cell ÷ its mean.
    dispersion: f64,
}

/// Fits `cells` of `days` × `delays`. `None` where nothing can be fitted.
pub fn fit(cells: &[Cell], days: usize, delays: usize) -> Option<Fitted> {
    let (sum, delayed) = cells.iter().fold((0.0, 0.0), |(sum, delayed), cell| {
        let count = cell.weight * cell.count;
        (sum + count, delayed + count * cell.delay as f64)
    });
    let layout = Layout::new(days, delays, if sum > 0.0 { delayed / sum } else { 0.0 });
    let mut fitted = Fitted {
        effects: start(cells, &layout, delays),
        covariance: Symmetric::zero(0),
        variances: BLOCKS.map(|(_, variance, _)| variance),
        dispersion: 1.0,
        layout,
    };
    for _ in 0..STEPS {
        fitted.step(cells)?;
    }
    Some(fitted)
}

/// Logarithms of the mean of a day and of the delays' shares.
fn start(cells: &[Cell], layout: &Layout, delays: usize) -> Vec<f64> {
    let mut effects = vec![0.0; layout.size()];
    let mut sums = vec![(0.0, 0.0); delays];
    for cell in cells {
        sums[cell.delay].0 += cell.weight * cell.count;
        sums[cell.delay].1 += cell.weight;
    }
    for (delay, (sum, cells)) in sums.into_iter().enumerate() {
        effects[layout.blocks[DELAY].from + delay] = ((sum + 0.1) / (cells + 0.5_f64)).ln();
    }
    effects
}

impl Fitted {
    /// One step of Newton for the effects, then one of expectation–maximisation for the variances.
    fn step(&mut self, cells: &[Cell]) -> Option<()> {
        let mut precision = self.prior();
        let mut pull: Vec<f64> = precision.times(&self.effects).into_iter().map(|value| -value).collect();
        let (mut squares, mut means) = (0.0, 0.0);
        for cell in cells {
            let effects = self.layout.effects(cell.day, cell.delay);
            let mean = self.logarithm(&effects).exp();
            let weight = cell.weight * mean / self.dispersion;
            for (nth, &(one, factor)) in effects.iter().enumerate() {
                pull[one] += factor * cell.weight * (cell.count - mean) / self.dispersion;
                for &(other, second) in &effects[..nth] {
                    let both = if one == other { 2.0 } else { 1.0 };
                    precision.add(one, other, both * weight * factor * second);
                }
                precision.add(one, one, weight * factor * factor);
            }
            squares += cell.weight * (cell.count - mean) * (cell.count - mean);
            means += cell.weight * mean;
        }
        self.covariance = precision.inverse()?;
        let moves = self.covariance.times(&pull);
        let furthest = moves.iter().fold(0.0_f64, |furthest, by| furthest.max(by.abs()));
        let scale = if furthest > MOVE_MAX { MOVE_MAX / furthest } else { 1.0 };
        self.effects.iter_mut().zip(moves).for_each(|(effect, by)| *effect += scale * by);
        if !self.effects.iter().all(|effect| effect.is_finite()) {
            return None;
        }
        self.estimate_variances();
        let used = self.used(cells);
        let all: f64 = cells.iter().map(|cell| cell.weight).sum();
        let left = (all - used).max(1.0);
        self.dispersion = (squares / means.max(1e-9) * all / left).max(1.0);
        Some(())
    }

    /// Precision of the effects before any cell is seen.
    fn prior(&self) -> Symmetric {
        let mut precision = Symmetric::zero(self.layout.size());
        for (block, variance) in self.layout.blocks.iter().zip(self.variances) {
            let step = 1.0 / variance;
            for place in block.from..block.to {
                match block.kind {
                    Kind::Independent => precision.add(place, place, step),
                    Kind::Walk => precision.add(place, place, HOLD),
                    Kind::WalkFromZero if place + 1 == block.to => precision.add(place, place, DRIFT_HOLD),
                    Kind::WalkFromZero => {}
                }
                if block.kind != Kind::Independent && place > block.from {
                    precision.add(place, place, step);
                    precision.add(place - 1, place - 1, step);
                    precision.add(place, place - 1, -step);
                }
            }
        }
        precision
    }

    fn estimate_variances(&mut self) {
        for ((block, variance), (.., highest)) in self.layout.blocks.iter().zip(&mut self.variances).zip(BLOCKS) {
            let (effects, spread) = (&self.effects, &self.covariance);
            let independent = block.kind == Kind::Independent;
            let square = |place: usize| match independent {
                true => effects[place] * effects[place] + spread.at(place, place),
                false => {
                    let (before, step) = (place - 1, effects[place] - effects[place - 1]);
                    step * step + spread.at(place, place) + spread.at(before, before) - 2.0 * spread.at(place, before)
                }
            };
            let from = block.from + usize::from(!independent);
            if block.to > from {
                let mean = (from..block.to).map(square).sum::<f64>() / (block.to - from) as f64;
                *variance = mean.clamp(VARIANCE_MIN, highest);
            }
        }
    }

    /// Degrees of freedom that the effects use: Σ of the cells' leverages.
    fn used(&self, cells: &[Cell]) -> f64 {
        let leverage = |cell: &Cell| {
            let (mean, variance) = self.expected(cell.day, cell.delay);
            cell.weight * mean / self.dispersion * variance
        };
        cells.iter().map(leverage).sum()
    }

    fn logarithm(&self, effects: &Effects) -> f64 {
        let sum: f64 = effects.iter().map(|&(effect, factor)| factor * self.effects[effect]).sum();
        sum.clamp(-LOGARITHM_MAX, LOGARITHM_MAX)
    }

    /// Mean of a cell at the mode, and variance of its logarithm.
    fn expected(&self, day: usize, delay: usize) -> (f64, f64) {
        let effects = self.layout.effects(day, delay);
        let past = (delay + 1).saturating_sub(self.layout.delays) as f64;
        let logarithm = self.logarithm(&effects) + if past > 0.0 { past * self.fade() } else { 0.0 };
        (logarithm.exp(), self.covariance_of((day, delay), (day, delay)))
    }

    /// What the logarithm loses with each delay past the last of the fit: as much as in the later half of those.
    fn fade(&self) -> f64 {
        let block = self.layout.blocks[DELAY];
        let (last, half) = (block.to - 1, block.from + (block.to - block.from) / 2);
        let steps = last.saturating_sub(half).max(1) as f64;
        ((self.effects[last] - self.effects[half]) / steps).min(FADE_MAX.ln())
    }

    /// Covariance of the logarithms of two cells of one day.
    fn covariance_of(&self, one: (usize, usize), other: (usize, usize)) -> f64 {
        let (first, second) = (self.layout.effects(one.0, one.1), self.layout.effects(other.0, other.1));
        let mut sum = 0.0;
        for &(a, factor) in &first {
            for &(b, second) in &second {
                sum += factor * second * self.covariance.at(a, b);
            }
        }
        // A report day that is still to come has its effect too, and nobody knows it.
        let is_unknown = one.0 + one.1 >= self.layout.days && one.0 + one.1 == other.0 + other.1;
        sum + if is_unknown { self.variances[REPORT_DAY] } else { 0.0 }
    }

    /// Mean and variance of the sum of these delays of a day.
    pub fn sum(&self, day: usize, delays: &[usize]) -> (f64, f64) {
        let mean = |&delay: &usize| {
            let (mode, variance) = self.expected(day, delay);
            mode * (0.5 * variance.min(VARIANCE_MAX)).exp()
        };
        let means: Vec<f64> = delays.iter().map(mean).collect();
        let mean: f64 = means.iter().sum();
        let mut variance = self.dispersion * mean;
        for (one, &first) in delays.iter().enumerate() {
            for (other, &second) in delays.iter().enumerate() {
                let shared = self.covariance_of((day, first), (day, second)).min(VARIANCE_MAX);
                variance += means[one] * means[other] * shared.exp_m1();
            }
        }
        (mean, variance)
    }
}
