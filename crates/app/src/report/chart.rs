//! Lines over steps, as SVG.

use super::figures::figure;
use super::html::escaped;
use std::fmt::Write;

/// A line of a chart: its name and its points.
pub type Line<'a> = (&'a str, Vec<(f64, f64)>);

/// What the values of a chart are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// Scores from 0 to 1: the axis lies around the data and never beyond those bounds.
    Score,
    /// Losses and rates: the axis begins at 0.
    FromZero,
}

/// The point of a line that is marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Best {
    /// The highest, the first of equals.
    Highest,
    /// The lowest, the first of equals.
    Lowest,
    /// None.
    None,
}

impl Best {
    /// Returns that point.
    fn of(self, points: &[(f64, f64)]) -> Option<(f64, f64)> {
        let better: fn(f64, f64) -> bool = match self {
            Best::Highest => |new, old| new > old,
            Best::Lowest => |new, old| new < old,
            Best::None => return None,
        };
        points.iter().copied().reduce(|best, next| if better(next.1, best.1) { next } else { best })
    }
}

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 260.0;
/// Room for half of the last step's label.
const RIGHT: f64 = 26.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Width of a letter of a label, at most.
const LETTER: f64 = 6.6;
/// Most steps between two marks of an axis.
const MARKS: f64 = 5.0;
/// The shortest axis of scores. A smaller difference is not drawn large.
const SCORES_SPAN: f64 = 0.2;

/// How many colors, dashes and marks the page has for lines.
pub const STYLES: usize = 6;

/// The chart, or nothing where no line has two points: a point alone is a number, not a drawing.
pub fn lines(title: &str, (scale, best): (Scale, Best), lines: &[Line]) -> String {
    let known: Vec<(&str, Vec<(f64, f64)>)> = lines
        .iter()
        .map(|(name, points)| (*name, points.iter().copied().filter(|point| point.1.is_finite()).collect()))
        .collect();
    if known.iter().all(|(_, points): &(_, Vec<_>)| points.len() < 2) {
        return String::new();
    }
    let all = || known.iter().flat_map(|(_, points)| points);
    let bounds = |get: fn(&(f64, f64)) -> f64| {
        all().map(get).fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)))
    };
    let steps = Axis::of_steps(bounds(|point| point.0));
    let values = Axis::of_values(scale, bounds(|point| point.1));
    let labels = values.marks().map(|mark| values.label(mark).chars().count()).max().unwrap_or(0);
    let left = 10.0 + LETTER * labels as f64;
    let x = |step: f64| left + steps.part(step) * (WIDTH - left - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - values.part(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<figure><figcaption>{0}{1}{2}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n",
        escaped(title),
        escaped(&coinciding(&known)),
        match &known[..] {
            [(_, points)] => best.of(points).map_or(String::new(), |(step, value)| {
                format!(" <span class=\"best\">best {} at step {step}</span>", figure(value))
            }),
            _ => String::new(),
        }
    );
    let mut push = |text: std::fmt::Arguments| svg.write_fmt(text).expect("a string takes all");
    for mark in values.marks() {
        let (at, right) = (y(mark), WIDTH - RIGHT);
        push(format_args!("<line class=\"grid\" x1=\"{left:.1}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"));
        push(format_args!(
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            left - 6.0,
            at + 4.0,
            values.label(mark)
        ));
    }
    for mark in steps.marks() {
        let (at, below) = (x(mark), HEIGHT - BOTTOM + 16.0);
        push(format_args!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\n", steps.label(mark)));
    }
    push(format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>\n", WIDTH - RIGHT, HEIGHT - 3.0));
    for (number, (name, points)) in known.iter().enumerate() {
        let corners: Vec<String> = points.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let style = number % STYLES;
        push(format_args!("<polyline class=\"line c{style}\" points=\"{}\"/>\n", corners.join(" ")));
        if let Some((step, value)) = best.of(points).filter(|_| points.len() > 1) {
            push(format_args!(
                "<circle class=\"ring c{style}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"7\"><title>best of {}: {} at step {step}</title></circle>\n",
                x(step),
                y(value),
                escaped(name),
                figure(value)
            ));
        }
        // Few points are marked, and tell their value; many would hide the line.
        for point in points.iter().filter(|_| points.len() <= 40) {
            push(format_args!(
                "<path class=\"dot c{style}\" d=\"{}\"><title>{}: {} at step {}</title></path>\n",
                mark(style, x(point.0), y(point.1)),
                escaped(name),
                figure(point.1),
                point.0
            ));
        }
    }
    svg + "</svg></figure>\n"
}

/// A piece of a line in its style, for a key.
pub fn sample(number: usize) -> String {
    let style = number % STYLES;
    format!(
        "<svg class=\"sample\" viewBox=\"0 0 40 12\"><line class=\"line c{style}\" x1=\"0\" x2=\"40\" y1=\"6\" y2=\"6\"/>\
         <path class=\"dot c{style}\" d=\"{}\"/></svg>",
        mark(style, 20.0, 6.0)
    )
}

/// The mark of a style around a point: circle, square, triangle, diamond, triangle upside down, cross. Later ones are
/// smaller, so that one on top of another leaves something to see of it.
fn mark(style: usize, x: f64, y: f64) -> String {
    let r = 3.8 - 0.3 * style as f64;
    let (w, h) = (2.0 * r, 1.7 * r);
    match style {
        0 => format!("M{:.1},{y:.1}a{r},{r} 0 1,0 {w:.1},0a{r},{r} 0 1,0 -{w:.1},0Z", x - r),
        1 => format!("M{:.1},{:.1}h{w:.1}v{w:.1}h-{w:.1}Z", x - r, y - r),
        2 => format!("M{x:.1},{:.1}l{r:.1},{h:.1}h-{w:.1}Z", y - r),
        3 => format!("M{x:.1},{:.1}l{r:.1},{r:.1}l-{r:.1},{r:.1}l-{r:.1},-{r:.1}Z", y - r),
        4 => format!("M{x:.1},{:.1}l{r:.1},-{h:.1}h-{w:.1}Z", y + r),
        _ => format!(
            "M{:.1},{:.1}h2v{q:.1}h{q:.1}v2h-{q:.1}v{q:.1}h-2v-{q:.1}h-{q:.1}v-2h{q:.1}Z",
            x - 1.0,
            y - r - 1.0,
            q = r
        ),
    }
}

/// Says which lines have the same points; nothing where all differ.
fn coinciding(lines: &[Line]) -> String {
    let mut groups: Vec<Vec<&Line>> = Vec::new();
    for line in lines.iter().filter(|line| !line.1.is_empty()) {
        match groups.iter_mut().find(|group| group[0].1 == line.1) {
            Some(group) => group.push(line),
            None => groups.push(vec![line]),
        }
    }
    let said = groups.iter().filter(|group| group.len() > 1).map(|group| {
        let names: Vec<String> = group.iter().map(|line| format!("“{}”", line.0)).collect();
        format!("; the same: {}", names.join(", "))
    });
    said.collect()
}

/// An axis with marks at round distances.
struct Axis {
    low: f64,
    high: f64,
    distance: f64,
}

impl Axis {
    /// From the first step to the last. Marks are whole steps between them.
    fn of_steps((low, high): (f64, f64)) -> Axis {
        let high = if high > low { high } else { low + 1.0 };
        Axis { low, high, distance: round(high - low).max(1.0) }
    }

    /// Around values, out to round numbers.
    fn of_values(scale: Scale, (low, high): (f64, f64)) -> Axis {
        let (low, high) = match scale {
            Scale::Score if low >= 0.0 && high <= 1.0 => {
                let room = (SCORES_SPAN - (high - low)).max(0.0) / 2.0;
                let (low, high) = (low - room, high + room);
                let shift = (-low).max(0.0) - (high - 1.0).max(0.0);
                (low + shift, high + shift)
            }
            Scale::Score | Scale::FromZero if low.min(0.0) < high.max(0.0) => (low.min(0.0), high.max(0.0)),
            Scale::Score | Scale::FromZero => (0.0, 1.0),
        };
        let distance = round(high - low);
        // A bound that is round but for its last bit stays as it is.
        let whole = |bound: f64, near: fn(f64) -> f64, slack: f64| near(bound / distance + slack) * distance;
        Axis { low: whole(low, f64::floor, 1e-6), high: whole(high, f64::ceil, -1e-6), distance }
    }

    /// Where a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let first = (self.low / self.distance - 1e-6).ceil() as i64;
        let last = (self.high / self.distance + 1e-6).floor() as i64;
        (first..=last).map(|number| number as f64 * self.distance)
    }

    /// The mark's text, with as many digits as tell it from the next mark.
    fn label(&self, mark: f64) -> String {
        let power = |x: f64| (x.abs().log10() + 1e-9).floor();
        if power(self.distance) >= -3.0 {
            let digits = (-power(self.distance)).max(0.0) as usize;
            return format!("{mark:.digits$}");
        }
        if mark == 0.0 {
            return "0".to_owned();
        }
        let digits = (power(mark) - power(self.distance)).max(0.0) as usize;
        let text = format!("{mark:.digits$e}");
        let (digits, power) = text.split_once('e').expect("it was written so");
        format!(
            "{}e{power}",
            if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits }
        )
    }
}

/// A round distance that parts a span into at most [`MARKS`] steps.
fn round(span: f64) -> f64 {
    let rough = span / MARKS;
    let power = 10f64.powf(rough.log10().floor());
    let digits = [1.0, 2.0, 5.0, 10.0];
    digits.into_iter().map(|digit| digit * power).find(|&it| it >= rough * 0.999_999).unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(axis: &Axis) -> String {
        axis.marks().map(|mark| axis.label(mark)).collect::<Vec<_>>().join(" ")
    }

    fn values(scale: Scale, low: f64, high: f64) -> String {
        marks(&Axis::of_values(scale, (low, high)))
    }

    #[test]
    fn scores_stay_between_0_and_1() {
        use Scale::Score;
        assert_eq!(values(Score, 0.013, 0.98), "0.0 0.2 0.4 0.6 0.8 1.0");
        // Close scores are not drawn far apart, nor beyond what a score can be.
        assert_eq!(values(Score, 0.9412, 0.9431), "0.80 0.85 0.90 0.95 1.00");
        assert_eq!(values(Score, 0.0, 0.0), "0.00 0.05 0.10 0.15 0.20");
        assert_eq!(values(Score, 1.0, 1.0), "0.80 0.85 0.90 0.95 1.00");
        assert_eq!(values(Score, 0.0, 1.0), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(values(Score, 0.55, 0.72), "0.50 0.55 0.60 0.65 0.70 0.75");
        for low in 0..=100 {
            for high in low..=100 {
                let (low, high) = (f64::from(low) / 100.0, f64::from(high) / 100.0);
                let axis = Axis::of_values(Score, (low, high));
                assert!(axis.low > -1e-9 && axis.high < 1.0 + 1e-9, "{low} to {high}");
                assert!(axis.part(low) > -1e-9 && axis.part(high) < 1.0 + 1e-9, "{low} to {high}");
            }
        }
    }

    #[test]
    fn losses_begin_at_0() {
        use Scale::FromZero;
        assert_eq!(values(FromZero, 0.007, 0.007), "0.000 0.002 0.004 0.006 0.008");
        assert_eq!(values(FromZero, 1.9, 2.3), "0.0 0.5 1.0 1.5 2.0 2.5");
        assert_eq!(values(FromZero, 0.0, 0.0), "0.0 0.2 0.4 0.6 0.8 1.0");
        // A learning rate is read as people write it.
        assert_eq!(values(FromZero, 0.0, 0.00005), "0 1e-5 2e-5 3e-5 4e-5 5e-5");
        assert_eq!(values(FromZero, 0.0, 0.00012), "0 5e-5 1e-4 1.5e-4");
        // What should not be below 0 and is, is shown.
        assert_eq!(values(FromZero, -1.0, 2.0), "-1 0 1 2");
    }

    #[test]
    fn steps_are_whole_and_none_lies_outside() {
        let steps = |low: f64, high: f64| marks(&Axis::of_steps((low, high)));
        assert_eq!(steps(500.0, 2500.0), "500 1000 1500 2000 2500");
        assert_eq!(steps(1.0, 3.0), "1 2 3");
        assert_eq!(steps(2.0, 20.0), "5 10 15 20");
        assert_eq!(steps(7.0, 7.0), "7 8");
    }

    /// The value of an attribute of an element.
    fn attribute(element: &str, name: &str) -> f64 {
        let rest = element.split(&format!(" {name}=\"")).nth(1).unwrap();
        rest.split('"').next().unwrap().parse().unwrap()
    }

    #[test]
    fn no_text_is_cut() {
        for (last, value) in [(3.0, 0.5), (1_000_000.0, 12_345.0), (999.0, 0.00005)] {
            let svg = lines("t", (Scale::FromZero, Best::None), &[("a", vec![(1.0, value), (last, value / 3.0)])]);
            let texts: Vec<&str> = svg.split("<text").skip(1).collect();
            assert!(texts.len() > 5, "{svg}");
            for text in texts {
                let letters = text.split('>').nth(1).unwrap().split('<').next().unwrap().chars().count() as f64;
                let (x, y, width) = (attribute(text, "x"), attribute(text, "y"), letters * LETTER);
                let from = if text.contains("\"end\"") { x - width } else { x - width / 2.0 };
                assert!(from >= 0.0 && from + width <= WIDTH + 0.1 && (8.0..=HEIGHT).contains(&y), "{text}");
            }
        }
    }

    #[test]
    fn a_line_goes_through_its_points() {
        let points = vec![(0.0, 0.0), (5.0, f64::NAN), (10.0, 1.0)];
        let svg = lines("loss <x>", (Scale::Score, Best::None), &[("a & b", points), ("none", Vec::new())]);
        // From the lower left corner of the field to the upper right one; what is not a number is left out.
        assert!(svg.contains("points=\"29.8,226.0 434.0,12.0\""), "{svg}");
        assert!(
            svg.contains("<figcaption>loss &lt;x&gt;</figcaption>") && svg.contains("a &amp; b: 1.0000 at step 10")
        );
        assert_eq!(svg.matches("class=\"dot").count(), 2);
        let many = (0..100).map(|step| (f64::from(step), 1.0)).collect();
        assert!(!lines("t", (Scale::FromZero, Best::None), &[("a", many)]).contains("class=\"dot"));
    }

    #[test]
    fn the_best_point_is_marked() {
        let points = vec![(1.0, 0.5), (2.0, 0.75), (3.0, 0.75), (4.0, 0.25)];
        for (best, said) in [(Best::Highest, "best 0.7500 at step 2"), (Best::Lowest, "best 0.2500 at step 4")] {
            let svg = lines("t", (Scale::Score, best), &[("a", points.clone())]);
            assert_eq!((svg.matches(said).count(), svg.matches("class=\"ring c0\"").count()), (1, 1), "{svg}");
            // Of several lines each has its mark, and the caption is short.
            let svg = lines("t", (Scale::Score, best), &[("a", points.clone()), ("b", points.clone())]);
            assert_eq!((svg.matches(said).count(), svg.matches("class=\"ring").count()), (0, 2));
        }
        assert!(!lines("t", (Scale::Score, Best::None), &[("a", points)]).contains("ring"));
    }

    #[test]
    fn a_point_alone_is_not_drawn() {
        assert_eq!(lines("t", (Scale::Score, Best::None), &[("a", Vec::new())]), "");
        assert_eq!(
            lines("t", (Scale::Score, Best::None), &[("a", vec![(500.0, 0.5)]), ("b", vec![(9.0, f64::NAN)])]),
            ""
        );
        // Beside a line it is.
        let svg =
            lines("t", (Scale::Score, Best::None), &[("a", vec![(1.0, 0.5)]), ("b", vec![(1.0, 0.2), (2.0, 0.4)])]);
        assert_eq!(svg.matches("class=\"dot").count(), 3);
    }

    #[test]
    fn lines_that_coincide_are_named_and_look_different() {
        let points = || vec![(1.0, 0.5), (2.0, 0.75)];
        let svg =
            lines("F1", (Scale::Score, Best::None), &[("a", points()), ("b", vec![(1.0, 0.1)]), ("<c>", points())]);
        assert!(svg.contains("<figcaption>F1; the same: “a”, “&lt;c&gt;”</figcaption>"), "{svg}");
        let shapes: std::collections::BTreeSet<String> = (0..STYLES).map(|style| mark(style, 0.0, 0.0)).collect();
        assert_eq!(shapes.len(), STYLES);
        // Every style but the first one has dashes of its own.
        let css = include_str!("page.css");
        let dashes: std::collections::BTreeSet<&str> =
            css.split("stroke-dasharray:").skip(1).map(|rest| rest.split(';').next().unwrap()).collect();
        assert_eq!(dashes.len(), STYLES - 1);
    }
}
