//! The measures as one picture, 1600 × 900: probability of detection by size for each group of scenarios, false
//! positives beside it. SVG without a library: a chart of four lines and some bars is eighty lines of text.
//!
//! Promises: readable on a projector and without colours (each line has its own mark); Chinese and English.
//! Never: names a font that must be there.

use super::SIZES;

const FONTS: &str =
    "'Noto Sans CJK SC','Source Han Sans SC','Microsoft YaHei','PingFang SC','WenQuanYi Micro Hei',Arial,sans-serif";
/// The plane of the lines: left, top, width, height.
const LINES: [f64; 4] = [130.0, 214.0, 850.0, 490.0];
/// The plane of the bars.
const BARS: [f64; 4] = [1130.0, 214.0, 400.0, 490.0];
/// Sizes of the subject's line, the first that holds it is taken; with the characters that 1,480 pixels hold.
const SUBJECT_SIZES: [(u32, usize); 3] = [(20, 125), (17, 150), (14, 185)];
const INK: &str = "#1f2933";
pub const GREY: &str = "#616e7c";
const GRID: &str = "#e4e7eb";

/// What a picture shows.
pub struct Picture {
    /// Method or rule, and what it was measured on.
    pub subject: String,
    pub on: String,
    /// Below the sizes.
    pub axis: &'static str,
    pub curves: Vec<Curve>,
    pub bars: Bars,
    /// Large figures below: value, Chinese, English.
    pub figures: Vec<(String, String, String)>,
}

/// Probability of detection by size; NaN where there is none.
pub struct Curve {
    pub look: Look,
    pub name: Name,
    pub pod: [f64; SIZES],
}

/// Chinese and English.
pub type Name = (&'static str, &'static str);

/// The plane on the right.
pub struct Bars {
    pub title: &'static str,
    pub unit: Unit,
    pub shown: Vec<Bar>,
}

pub struct Bar {
    pub value: f64,
    pub colour: &'static str,
    pub zh: String,
    pub en: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Share,
    Days,
}

impl Unit {
    fn told(self, value: f64, digits: usize) -> String {
        match self {
            _ if !value.is_finite() => "–".to_owned(),
            Self::Share => format!("{:.digits$}%", 100.0 * value),
            Self::Days => format!("{value:.digits$}"),
        }
    }

    /// The next round number above, for the top of the axis.
    fn round_above(self, value: f64) -> f64 {
        const SHARES: [f64; 10] = [0.005, 0.01, 0.02, 0.04, 0.05, 0.1, 0.2, 0.4, 0.5, 1.0];
        const DAYS: [f64; 6] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
        let steps: &[f64] = if self == Self::Share { &SHARES } else { &DAYS };
        // Room for the number above the bar.
        let step = steps.iter().copied().find(|step| value <= 0.92 * step);
        step.unwrap_or(if self == Self::Share { 1.0 } else { 100.0 })
    }
}

/// Colour, dashes and mark of a curve; told apart by eyes that see no red and green, and in black and white.
#[derive(Clone, Copy)]
pub struct Look {
    pub colour: &'static str,
    dashes: &'static str,
    mark: &'static str,
}

pub const LOOKS: [Look; 4] = [
    Look { colour: "#0b6fa4", dashes: "", mark: "circle" },
    Look { colour: "#d9730d", dashes: "14 6", mark: "square" },
    Look { colour: "#2f855a", dashes: "4 5", mark: "triangle" },
    Look { colour: "#8e3b8e", dashes: "18 5 4 5", mark: "diamond" },
];

/// The whole picture.
pub fn svg(picture: &Picture) -> String {
    let mut drawn = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"1600\" height=\"900\" viewBox=\"0 0 1600 900\" \
         font-family=\"{FONTS}\" fill=\"{INK}\">\n<rect width=\"1600\" height=\"900\" fill=\"#ffffff\"/>\n"
    );
    drawn +=
        &text(60.0, 62.0, 36, "start", INK, true, "检测效能：多大的暴发能被发现  Power: which outbreaks are found");
    drawn += &subject(&picture.subject);
    drawn += &text(60.0, 136.0, 20, "start", GREY, false, &picture.on);
    drawn += &lines(picture);
    drawn += &bars(&picture.bars);
    drawn += &footer(&picture.figures);
    drawn + "</svg>\n"
}

fn subject(subject: &str) -> String {
    let length = subject.chars().count();
    let fits = SUBJECT_SIZES.into_iter().find(|(_, holds)| length <= *holds);
    let (size, holds) = fits.unwrap_or(SUBJECT_SIZES[SUBJECT_SIZES.len() - 1]);
    // What does not fit on the line is in the JSON.
    let shown: String = subject.chars().take(holds).collect();
    let shown = if shown.len() < subject.len() { format!("{shown}…") } else { shown };
    text(60.0, 103.0, size, "start", INK, false, &shown)
}

fn text(x: f64, y: f64, size: u32, anchor: &str, colour: &str, bold: bool, content: &str) -> String {
    let content = content.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let weight = if bold { " font-weight=\"bold\"" } else { "" };
    format!(
        "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{weight} \
         xml:space=\"preserve\">{content}</text>\n"
    )
}

fn line(from: (f64, f64), to: (f64, f64), colour: &str, width: f64) -> String {
    format!(
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{colour}\" stroke-width=\"{width}\"/>\n",
        from.0, from.1, to.0, to.1
    )
}

/// Grid of a plane: steps from 0 to `highest`.
fn grid([left, top, width, height]: [f64; 4], unit: Unit, highest: f64, digits: usize) -> String {
    let steps = 5;
    let mut drawn = String::new();
    for step in 0..=steps {
        let part = f64::from(step) / f64::from(steps);
        let y = top + height * (1.0 - part);
        drawn +=
            &line((left, y), (left + width, y), if step == 0 { INK } else { GRID }, if step == 0 { 2.0 } else { 1.5 });
        drawn += &text(left - 14.0, y + 7.0, 20, "end", GREY, false, &unit.told(highest * part, digits));
    }
    drawn
}

fn lines(picture: &Picture) -> String {
    let [left, top, width, height] = LINES;
    let mut drawn = text(left - 70.0, top - 22.0, 22, "start", INK, true, "检出概率  Probability of detection");
    drawn += &grid(LINES, Unit::Share, 1.0, 0);
    let x = |k: usize| left + 30.0 + (width - 60.0) * (k - 1) as f64 / (SIZES - 1) as f64;
    for k in 1..=SIZES {
        drawn += &text(x(k), top + height + 32.0, 20, "middle", GREY, false, &k.to_string());
    }
    drawn += &text(left + width / 2.0, top + height + 68.0, 20, "middle", INK, false, picture.axis);
    for curve in &picture.curves {
        let Look { colour, dashes, mark } = curve.look;
        let points = curve.pod.iter().enumerate().filter(|(_, pod)| pod.is_finite());
        let points: Vec<(f64, f64)> = points.map(|(n, pod)| (x(n + 1), top + height * (1.0 - pod))).collect();
        let path: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        drawn += &format!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"4\" stroke-dasharray=\"{dashes}\" \
             stroke-linejoin=\"round\"/>\n",
            path.join(" ")
        );
        drawn += &points.iter().map(|point| marked(mark, *point, colour)).collect::<String>();
    }
    if picture.curves.len() > 1 { drawn + &legend(&picture.curves) } else { drawn }
}

/// Sizes whose points the legend would hide above, on the left.
const LEGEND_SIZES: usize = 5;
/// The highest probability that passes below it there.
const LEGEND_POD: f64 = 0.62;

/// Above on the left where the lines rise late, else below on the right.
fn legend(curves: &[Curve]) -> String {
    let [left, top, width, height] = LINES;
    let tall = 38.0 * curves.len() as f64 + 14.0;
    let is_free =
        curves.iter().flat_map(|curve| &curve.pod[..LEGEND_SIZES]).all(|pod| pod.is_nan() || *pod <= LEGEND_POD);
    let (left, top) = if is_free { (left, top) } else { (left + width - 400.0, top + height - tall - 24.0) };
    let mut drawn = format!(
        "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"356\" height=\"{tall}\" rx=\"6\" fill=\"#ffffff\" fill-opacity=\"0.9\" \
         stroke=\"{GRID}\"/>\n",
        left + 16.0,
        top + 8.0
    );
    for (nth, curve) in curves.iter().enumerate() {
        let (Look { colour, dashes, mark }, (zh, en)) = (curve.look, curve.name);
        let y = top + 36.0 + 38.0 * nth as f64;
        drawn += &format!(
            "<line x1=\"{:.1}\" y1=\"{y:.1}\" x2=\"{:.1}\" y2=\"{y:.1}\" stroke=\"{colour}\" stroke-width=\"4\" \
             stroke-dasharray=\"{dashes}\"/>\n",
            left + 32.0,
            left + 102.0
        );
        drawn += &marked(mark, (left + 67.0, y), colour);
        drawn += &text(left + 118.0, y + 7.0, 20, "start", INK, false, &format!("{zh}  {en}"));
    }
    drawn
}

fn marked(mark: &str, (x, y): (f64, f64), colour: &str) -> String {
    let around = |points: &[(f64, f64)]| {
        let points: Vec<String> = points.iter().map(|(dx, dy)| format!("{:.1},{:.1}", x + dx, y + dy)).collect();
        format!(
            "<polygon points=\"{}\" fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>\n",
            points.join(" ")
        )
    };
    match mark {
        "square" => around(&[(-8.0, -8.0), (8.0, -8.0), (8.0, 8.0), (-8.0, 8.0)]),
        "triangle" => around(&[(0.0, -11.0), (10.0, 8.0), (-10.0, 8.0)]),
        "diamond" => around(&[(0.0, -11.0), (11.0, 0.0), (0.0, 11.0), (-11.0, 0.0)]),
        _ => format!(
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"9\" fill=\"{colour}\" stroke=\"#ffffff\" stroke-width=\"1.5\"/>\n"
        ),
    }
}

fn bars(bars: &Bars) -> String {
    let [left, top, width, height] = BARS;
    let largest = bars.shown.iter().map(|bar| bar.value).filter(|value| value.is_finite()).fold(0.0, f64::max);
    let highest = bars.unit.round_above(largest);
    let mut drawn = text(left - 70.0, top - 22.0, 22, "start", INK, true, bars.title);
    let is_fine = if bars.unit == Unit::Share { highest <= 0.02 } else { highest < 5.0 };
    drawn += &grid(BARS, bars.unit, highest, usize::from(is_fine));
    let room = width / bars.shown.len() as f64;
    // Ten bars leave room for one digit less.
    let (digits, size) = if bars.shown.len() > 5 { (1, 17) } else { (2, 20) };
    for (nth, bar) in bars.shown.iter().enumerate() {
        let x = left + room * (nth as f64 + 0.5);
        let tall = height * if bar.value.is_finite() { bar.value / highest } else { 0.0 };
        let y = top + height - tall;
        drawn += &format!(
            "<rect x=\"{:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{tall:.1}\" fill=\"{}\"/>\n",
            x - room * 0.3,
            room * 0.6,
            bar.colour
        );
        drawn += &text(x, y - 10.0, size, "middle", INK, true, &bars.unit.told(bar.value, digits));
        drawn += &text(x, top + height + 30.0, 17, "middle", INK, false, &bar.zh);
        for (nth, word) in bar.en.split(" + ").enumerate() {
            let word = if nth == 0 { word.to_owned() } else { format!("+ {word}") };
            drawn += &text(x, top + height + 54.0 + 20.0 * nth as f64, 16, "middle", GREY, false, &word);
        }
    }
    drawn
}

/// The figures that have no curve.
fn footer(figures: &[(String, String, String)]) -> String {
    let mut drawn = line((60.0, 806.0), (1540.0, 806.0), GRID, 2.0);
    for (nth, (value, zh, en)) in figures.iter().enumerate() {
        let x = 60.0 + 300.0 * nth as f64;
        drawn += &text(x, 852.0, 34, "start", INK, true, value);
        // A figure's characters are at most this wide at its size.
        let after = (22 * value.chars().count()).max(118) as f64;
        drawn += &text(x + after, 851.0, 18, "start", INK, false, zh);
        drawn += &text(x, 880.0, 17, "start", GREY, false, en);
    }
    drawn
}
