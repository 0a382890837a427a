//! How often the nowcast's interval holds what a day comes to, on simulated triangles of many kinds.
//!
//! The simulation follows each case: every day that is left it may be told, more rarely at weekends, by a lot or not at all.

use qianshao::detectors::nowcast::Nowcast;

use crate::scenarios::Dice;

/// Triangles of each world.
const DRAWS: u64 = 6;
/// The days that are judged: before them nearly everything is there.
const LAST_DAYS: usize = 14;

/// How cases happen and are told.
#[derive(Clone, Copy)]
struct World {
    days: usize,
    /// Cases a day, before anything changes.
    cases: f64,
    /// Growth a day, from so many days ago until so many days ago.
    growth: (f64, usize, usize),
    has_weekdays: bool,
    /// Variance of a day's mean ÷ its square.
    overdispersion: f64,
    /// Mean delay and the shape of its gamma law.
    delay: (f64, f64),
    /// Longest delay.
    delay_max: usize,
    /// The delay is so many times as long from so many days ago on, at once or bit by bit.
    shift: (f64, usize, bool),
    /// What a weekend leaves of the chance to be told.
    weekend: f64,
    /// Standard deviation of the logarithm of that chance from day to day.
    report_days: f64,
}

const STEADY: World = World {
    days: 60,
    cases: 20.0,
    growth: (0.0, 0, 0),
    has_weekdays: false,
    overdispersion: 0.0,
    delay: (4.0, 2.0),
    delay_max: 25,
    shift: (1.0, 0, false),
    weekend: 1.0,
    report_days: 0.0,
};
const WEEKDAYS: World = World { has_weekdays: true, weekend: 0.4, ..STEADY };

/// Names and worlds.
const WORLDS: [(&str, World); 26] = [
    ("steady", STEADY),
    ("few cases", World { cases: 3.0, ..STEADY }),
    ("a case in two days", World { cases: 0.5, ..STEADY }),
    ("many cases", World { cases: 300.0, ..STEADY }),
    ("half a year", World { days: 180, ..STEADY }),
    ("weekdays of events", World { has_weekdays: true, ..STEADY }),
    ("weekdays of events and reports", WEEKDAYS),
    ("no reports at weekends", World { weekend: 0.0, ..WEEKDAYS }),
    ("no reports of many at weekends", World { weekend: 0.0, cases: 200.0, ..WEEKDAYS }),
    ("overdispersion", World { overdispersion: 0.1, ..STEADY }),
    ("much overdispersion", World { overdispersion: 0.3, ..STEADY }),
    ("much overdispersion of many", World { overdispersion: 0.3, cases: 150.0, ..STEADY }),
    ("a surge", World { growth: (0.1, 15, 0), ..STEADY }),
    ("a fast surge", World { growth: (0.25, 12, 0), ..STEADY }),
    ("a surge with weekdays", World { growth: (0.1, 15, 0), overdispersion: 0.05, ..WEEKDAYS }),
    ("a peak that is over", World { growth: (0.15, 25, 10), ..STEADY }),
    ("a fall", World { cases: 60.0, growth: (-0.12, 18, 0), ..STEADY }),
    ("delays that lengthen", World { shift: (1.7, 30, true), ..STEADY }),
    ("delays that lengthened at once", World { shift: (1.5, 15, false), ..STEADY }),
    ("delays that shortened at once", World { shift: (0.6, 15, false), ..STEADY }),
    ("days with and without reports", World { report_days: 0.3, cases: 200.0, ..STEADY }),
    ("hardly a delay", World { delay: (1.0, 1.0), ..STEADY }),
    ("long delays", World { delay: (9.0, 3.0), delay_max: 40, ..STEADY }),
    ("three weeks", World { days: 20, ..STEADY }),
    ("ten days", World { days: 10, ..STEADY }),
    ("a new outbreak", World { days: 25, cases: 2.0, growth: (0.15, 25, 0), delay: (7.0, 2.0), ..STEADY }),
];

/// Chance from 0 to 1, both excluded.
fn unit(dice: &mut Dice) -> f64 {
    (dice.below(1 << 53) as f64 + 0.5) / (1_u64 << 53) as f64
}

fn normal(dice: &mut Dice) -> f64 {
    (-2.0 * unit(dice).ln()).sqrt() * (std::f64::consts::TAU * unit(dice)).cos()
}

/// Marsaglia and Tsang 2000, for a shape of 1 and more.
fn gamma(dice: &mut Dice, shape: f64) -> f64 {
    let d = shape - 1.0 / 3.0;
    loop {
        let x = normal(dice);
        let v = (1.0 + x / (9.0 * d).sqrt()).powi(3);
        if v > 0.0 && unit(dice).ln() < 0.5 * x * x + d - d * v + d * v.ln() {
            return d * v;
        }
    }
}

fn poisson(dice: &mut Dice, mean: f64) -> usize {
    if mean > 400.0 {
        return (mean + mean.sqrt() * normal(dice)).round().max(0.0) as usize;
    }
    let (limit, mut product, mut count) = ((-mean).exp(), unit(dice), 0);
    while product > limit {
        product *= unit(dice);
        count += 1;
    }
    count
}

impl World {
    fn cases(&self, dice: &mut Dice, day: usize, weekday: usize) -> usize {
        let ago = self.days - 1 - day;
        let (growth, from, until) = self.growth;
        let mut mean = self.cases * (growth * from.saturating_sub(ago.max(until)) as f64).exp();
        if self.has_weekdays {
            mean *= [1.3, 1.15, 1.1, 1.1, 1.1, 0.7, 0.55][weekday];
        }
        if self.overdispersion > 0.0 {
            mean *= gamma(dice, 1.0 / self.overdispersion) * self.overdispersion;
        }
        poisson(dice, mean)
    }

    /// For a case of `day`: the chance to be told after each delay, if it was not before.
    fn hazards(&self, day: usize) -> Vec<f64> {
        let (times, from, is_gradual) = self.shift;
        let since = from.saturating_sub(self.days - 1 - day) as f64;
        let times = if is_gradual { times.powf(since / from.max(1) as f64) } else { times.powf(since.min(1.0)) };
        let (mean, shape) = self.delay;
        let density = |delay| {
            let x = (f64::from(delay) + 0.5) * shape / (mean * times);
            x.powf(shape - 1.0) * (-x).exp()
        };
        let density: Vec<f64> = (0..=self.delay_max as u32).map(density).collect();
        (0..density.len()).map(|delay| density[delay] / density[delay..].iter().sum::<f64>()).collect()
    }

    fn delay(&self, dice: &mut Dice, hazards: &[f64], weekday: usize, chances: &[f64]) -> usize {
        let mut delay = 0;
        loop {
            let weekend = if (weekday + delay) % 7 >= 5 { self.weekend } else { 1.0 };
            let times = weekend * chances[delay];
            let hazard = hazards.get(delay).copied().unwrap_or(1.0).min(0.999);
            let is_last = delay >= self.delay_max && weekend > 0.0;
            if is_last || unit(dice) < 1.0 - (1.0 - hazard).powf(times) {
                return delay;
            }
            delay += 1;
        }
    }

    /// The triangle of today, and what every day comes to.
    fn draw(&self, seed: u64) -> (Vec<Vec<f64>>, Vec<f64>) {
        let mut dice = Dice::seeded(seed.wrapping_mul(0x9e37_79b9) ^ 20_210_131);
        // Weekends lie elsewhere in each draw.
        let weekday = |day: usize| (day + seed as usize) % 7;
        let chances: Vec<f64> =
            (0..self.days + self.delay_max + 7).map(|_| (self.report_days * normal(&mut dice)).exp()).collect();
        let mut triangle: Vec<Vec<f64>> = (0..self.days).map(|day| vec![0.0; self.days - day]).collect();
        let mut last = vec![0.0; self.days];
        for day in 0..self.days {
            let hazards = self.hazards(day);
            for _ in 0..self.cases(&mut dice, day, weekday(day)) {
                let delay = self.delay(&mut dice, &hazards, weekday(day), &chances[day..]);
                last[day] += 1.0;
                if let Some(cell) = triangle[day].get_mut(delay) {
                    *cell += 1.0;
                }
            }
        }
        (triangle, last)
    }
}

#[test]
fn the_interval_holds_what_a_day_comes_to_whatever_the_world() {
    let (mut held_of_all, mut of_all) = (0, 0);
    for (name, world) in WORLDS {
        let (mut held, mut of) = (0, 0);
        for seed in 0..DRAWS {
            let (triangle, last) = world.draw(seed);
            let answer = Nowcast::default().run(&triangle).unwrap();
            let days = last.iter().zip(answer.lower.iter().zip(&answer.upper));
            for (last, (lower, upper)) in days.skip(world.days.saturating_sub(LAST_DAYS)) {
                held += u32::from((lower..=upper).contains(&last));
                of += 1;
            }
        }
        let part = f64::from(held) / f64::from(of);
        println!("{name}: {:.1} % of {of} days", 100.0 * part);
        assert!(part >= 0.88, "{name}: {part}");
        (held_of_all, of_all) = (held_of_all + held, of_all + of);
    }
    let part = f64::from(held_of_all) / f64::from(of_all);
    println!("{:.1} % of {of_all} days of {} worlds", 100.0 * part, WORLDS.len());
    assert!((0.90..=0.99).contains(&part), "{part}");
}
