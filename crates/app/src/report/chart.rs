//! Lines over steps, as SVG.

use super::html::escaped;
use std::fmt::Write;

/// A line of a chart: its name and its points.
pub type Line<'a> = (&'a str, Vec<(f64, f64)>);

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 12.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 34.0;
/// Most steps between two marks of an axis.
const MARKS: f64 = 5.0;

/// How many colors the page has for lines.
pub const COLORS: usize = 6;

/// The chart, or nothing where no line has a point.
pub fn lines(title: &str, lines: &[Line]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points).filter(|point| point.1.is_finite());
    let Some(&(first_step, first_value)) = points().next() else { return String::new() };
    let span = |get: fn(&(f64, f64)) -> f64, first: f64| {
        points().map(get).fold((first, first), |(low, high), value| (low.min(value), high.max(value)))
    };
    let steps = Axis::over(span(|point| point.0, first_step));
    let values = Axis::over(span(|point| point.1, first_value));
    let x = |step: f64| LEFT + steps.part(step) * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - values.part(value) * (HEIGHT - TOP - BOTTOM);
    let mut svg = format!(
        "<figure><figcaption>{0}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{0}\">\n",
        escaped(title)
    );
    let mut push = |text: std::fmt::Arguments| svg.write_fmt(text).expect("a string takes all");
    for mark in values.marks() {
        let (at, right) = (y(mark), WIDTH - RIGHT);
        push(format_args!("<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>"));
        push(format_args!(
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>\n",
            LEFT - 6.0,
            at + 4.0,
            values.label(mark)
        ));
    }
    for mark in steps.marks() {
        let (at, below) = (x(mark), HEIGHT - BOTTOM + 16.0);
        push(format_args!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{}</text>\n", steps.label(mark)));
    }
    push(format_args!("<text x=\"{}\" y=\"{}\" text-anchor=\"end\">step</text>\n", WIDTH - RIGHT, HEIGHT - 3.0));
    for (number, (name, points)) in lines.iter().enumerate() {
        let known: Vec<&(f64, f64)> = points.iter().filter(|point| point.1.is_finite()).collect();
        let corners: Vec<String> = known.iter().map(|point| format!("{:.1},{:.1}", x(point.0), y(point.1))).collect();
        let color = number % COLORS;
        push(format_args!("<polyline class=\"line c{color}\" points=\"{}\"/>\n", corners.join(" ")));
        // Few points are marked, and tell their value; many would hide the line.
        for point in known.iter().filter(|_| known.len() <= 40) {
            push(format_args!(
                "<circle class=\"dot c{color}\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.6\"><title>{}: {:.4} at step {}</title></circle>\n",
                x(point.0),
                y(point.1),
                escaped(name),
                point.1,
                point.0
            ));
        }
    }
    svg + "</svg></figure>\n"
}

/// From one round number to another, with marks at round distances.
struct Axis {
    low: f64,
    high: f64,
    distance: f64,
}

impl Axis {
    fn over((low, high): (f64, f64)) -> Axis {
        let (low, high) = if low == high { (low - 0.5, high + 0.5) } else { (low, high) };
        let rough = (high - low) / MARKS;
        let power = 10f64.powf(rough.log10().floor());
        let distance = [1.0, 2.0, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|&distance| distance >= rough);
        let distance = distance.unwrap_or(10.0 * power);
        Axis { low: (low / distance).floor() * distance, high: (high / distance).ceil() * distance, distance }
    }

    /// Where a value lies, from 0 to 1.
    fn part(&self, value: f64) -> f64 {
        (value - self.low) / (self.high - self.low)
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        let count = ((self.high - self.low) / self.distance).round() as usize;
        (0..=count).map(|number| self.low + number as f64 * self.distance)
    }

    fn label(&self, mark: f64) -> String {
        let digits = (-self.distance.log10().floor()).max(0.0) as usize;
        format!("{mark:.digits$}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(low: f64, high: f64) -> String {
        let axis = Axis::over((low, high));
        axis.marks().map(|mark| axis.label(mark)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn axes_have_round_marks() {
        assert_eq!(marks(0.013, 0.98), "0.0 0.2 0.4 0.6 0.8 1.0");
        assert_eq!(marks(0.0, 1250.0), "0 500 1000 1500");
        assert_eq!(marks(0.9412, 0.9431), "0.9410 0.9415 0.9420 0.9425 0.9430 0.9435");
        assert_eq!(marks(3.0, 3.0), "2.4 2.6 2.8 3.0 3.2 3.4 3.6");
        assert_eq!(marks(-1.0, 2.0), "-1 0 1 2");
    }

    #[test]
    fn a_line_goes_through_its_points() {
        let svg = lines("loss <x>", &[("a & b", vec![(0.0, 0.0), (5.0, f64::NAN), (10.0, 1.0)]), ("none", Vec::new())]);
        // From the lower left corner of the field to the upper right one; what is not a number is left out.
        assert!(svg.contains("points=\"56.0,226.0 448.0,12.0\""), "{svg}");
        assert!(
            svg.contains("<figcaption>loss &lt;x&gt;</figcaption>") && svg.contains("a &amp; b: 1.0000 at step 10")
        );
        assert_eq!(svg.matches("<circle").count(), 2);
        let many = (0..100).map(|step| (f64::from(step), 1.0)).collect();
        assert!(!lines("t", &[("a", many)]).contains("<circle"));
        assert_eq!(lines("t", &[("a", Vec::new())]), "");
    }
}
