//! The part of the page about entities.

use super::entities::{Entities, Sample};
use super::html::escaped;
use super::html_table::{heat_cell, rows};
use std::fmt::Write;
use tagsmith_text::score::analysis::lengths_of_entities;
use tagsmith_text::score::bootstrap::Interval;
use tagsmith_text::score::calibration::Calibration;
use tagsmith_text::score::confusion::NOTHING;
use tagsmith_text::score::error_classes::ErrorClass;
use tagsmith_text::score::units::{Figure, Part};

/// Returns a figure and its interval. The bar begins at 0; the thin line is the interval.
fn with_interval(value: f64, interval: Option<Interval>) -> [String; 2] {
    let number = match interval {
        Some(Interval { low, high }) => format!("{value:.4} <span class=\"dim\">{low:.3}–{high:.3}</span>"),
        None => format!("{value:.4}"),
    };
    let line = interval.map_or_else(String::new, |Interval { low, high }| {
        format!("<i style=\"left:{:.1}%;width:{:.1}%\"></i>", low * 100.0, (high - low) * 100.0)
    });
    [number, format!("<div class=\"share\"><b style=\"width:{:.1}%\"></b>{line}</div>", value * 100.0)]
}

/// Returns scores by type and of all, with their intervals.
pub fn scores(entities: &Entities) -> String {
    let figures = Figure::all(entities.units.kinds.len());
    let of = |figure: Figure| {
        let at = figures.iter().position(|it| *it == figure).expect("every figure has its place");
        (entities.values[at], entities.intervals.get(at).copied().flatten())
    };
    let sums = entities.units.sums();
    let row = |name: &str, figure: &dyn Fn(Part) -> Figure, number: u64| {
        let plain = |part| {
            let (value, interval) = of(figure(part));
            let [number, _] = with_interval(value, interval);
            number
        };
        let (value, interval) = of(figure(Part::F1));
        let [f1, bar] = with_interval(value, interval);
        vec![escaped(name), plain(Part::Precision), plain(Part::Recall), f1, bar, number.to_string()]
    };
    let types = entities.units.kinds.iter().enumerate();
    let mut table: Vec<Vec<String>> =
        types.map(|(at, name)| row(name, &|part| Figure::Of(at, part), sums.kinds[at].gold)).collect();
    let all = sums.kinds.iter().map(|count| count.gold).sum();
    table.push(row("all (micro)", &Figure::Micro, all));
    table.push(row("mean of types (macro)", &Figure::Macro, all));
    let titles = ["type", "precision", "recall", "F1", "", "number"];
    format!(
        "<p class=\"dim\">Gray numbers and thin lines are 95 % intervals: percentiles over 1,000 resamples of the sentences (seed 42). \
         Bars begin at 0 and end at 1.</p>\n{}",
        rows("figures", &titles, table.into_iter())
    )
}

/// Returns the confusion of entities.
pub fn confusion(entities: &Entities) -> String {
    let names: Vec<&str> = entities.analysis.kinds.iter().map(String::as_str).chain([NOTHING]).collect();
    let heads: String = [""].iter().chain(&names).map(|name| format!("<th>{}</th>", escaped(name))).collect();
    let mut html = format!(
        "<h3>Confusion, entity by entity</h3>\n<p class=\"dim\">A row is what entities are, a column what they were taken for. \
         {NOTHING} is nothing: its column holds what was missed, its row what was invented.</p>\n\
         <div class=\"wide\"><table class=\"confusion\"><tr>{heads}</tr>\n"
    );
    for (gold, (name, row)) in names.iter().zip(entities.analysis.confusion_rows()).enumerate() {
        let total = row.iter().sum::<u64>().max(1);
        let cells = row.iter().enumerate().map(|(predicted, &count)| match gold == predicted && *name == NOTHING {
            true => "<td></td>".to_owned(),
            false => heat_cell(count, total, gold == predicted),
        });
        let cells: String = cells.collect();
        writeln!(html, "<tr><td>{}</td>{cells}</tr>", escaped(name)).expect("a string takes all");
    }
    html + "</table></div>\n"
}

/// Returns the numbers of errors by type and class, and the figures by length.
pub fn classes(entities: &Entities) -> String {
    let titles: Vec<&str> = [""].into_iter().chain(ErrorClass::ALL.map(ErrorClass::title)).collect();
    let row = |name: &str, counts: [u64; 8]| -> Vec<String> {
        [escaped(name)].into_iter().chain(counts.map(|count| count.to_string())).collect()
    };
    let mut table: Vec<Vec<String>> =
        entities.analysis.classes_by_type().map(|(name, counts)| row(name, counts)).collect();
    table.push(row("all", entities.analysis.classes.all()));
    let mut html = format!(
        "<h3>Errors by class</h3>\n<p class=\"dim\">What became of the gold entities: another type, another first or last word, \
         missed. An invented entity counts for the type that was predicted.</p>\n{}",
        rows("figures", &titles, table.into_iter())
    );
    let lengths = lengths_of_entities(&entities.analysis);
    let lengths = lengths.into_iter().map(|(name, f1, number)| {
        let [f1, bar] = with_interval(f1, None);
        vec![name, f1, bar, number.to_string()]
    });
    html += "<h3>Scores by length</h3>\n";
    html + &rows("figures", &["words of the entity", "F1", "", "number"], lengths)
}

/// Returns the title of a class of errors above its sentences.
fn title(class: ErrorClass) -> &'static str {
    match class {
        ErrorClass::Right => "Right",
        ErrorClass::Type => "Another type",
        ErrorClass::LeftBoundary => "Another first word",
        ErrorClass::RightBoundary => "Another last word",
        ErrorClass::BothBoundaries => "Another first and last word",
        ErrorClass::TypeAndBoundary => "Another type and other words",
        ErrorClass::Missed => "Missed",
        ErrorClass::Invented => "Invented",
    }
}

/// Returns some errors of each class with their sentences. `sentence` has the place and the words of a sentence.
pub fn samples<'a>(entities: &Entities, sentence: impl Fn(usize) -> Option<(&'a str, &'a [String])>) -> String {
    let mut html = String::new();
    for class in ErrorClass::ALL {
        let of_class: Vec<&Sample> = entities.samples.iter().filter(|sample| sample.class == class).collect();
        if of_class.is_empty() {
            continue;
        }
        let number = entities.analysis.classes.all()[class as usize];
        writeln!(html, "<h4>{} <span class=\"dim\">{number}</span></h4>", title(class)).expect("a string takes all");
        for sample in of_class {
            if let Some((place, words)) = sentence(sample.sentence) {
                html += &marked(sample, place, words);
            }
        }
    }
    html
}

/// Words shown on either side of an error.
const AROUND: usize = 12;

fn marked(sample: &Sample, place: &str, words: &[String]) -> String {
    let ranges = || [&sample.gold, &sample.predicted].into_iter().flatten().map(|(range, _)| range);
    let from = ranges().map(|range| range.start).min().unwrap_or_default().saturating_sub(AROUND);
    let to = (ranges().map(|range| range.end).max().unwrap_or_default() + AROUND).min(words.len());
    let mut text = if from > 0 { "… ".to_owned() } else { String::new() };
    for (at, word) in words.iter().enumerate().take(to).skip(from) {
        let has = |side: &Option<(std::ops::Range<usize>, String)>| {
            side.as_ref().is_some_and(|(range, _)| range.contains(&at))
        };
        let class = match (has(&sample.gold), has(&sample.predicted)) {
            (true, true) => "both",
            (true, false) => "gold",
            (false, true) => "guess",
            (false, false) => "",
        };
        let word = escaped(word);
        text += &if class.is_empty() { format!("{word} ") } else { format!("<span class=\"{class}\">{word}</span> ") };
    }
    if to < words.len() {
        text += "…";
    }
    let said = |side: &Option<(std::ops::Range<usize>, String)>| {
        side.as_ref().map_or(NOTHING.to_owned(), |(_, kind)| escaped(kind))
    };
    format!(
        "<div class=\"sentence\"><span class=\"dim\">{}: gold <b class=\"good\">{}</b>, found <b class=\"bad\">{}</b></span><br>{text}</div>\n",
        escaped(place),
        said(&sample.gold),
        said(&sample.predicted)
    )
}

/// Returns a reliability diagram: the share of right words by their probability. Both axes are from 0 to 1, and words on the line mean what they
/// say.
pub fn calibration(curve: &Calibration) -> String {
    const SIDE: f64 = 220.0;
    const LEFT: f64 = 34.0;
    const TOP: f64 = 8.0;
    let (x, y) = (|value: f64| LEFT + value * SIDE, |value: f64| TOP + (1.0 - value) * SIDE);
    let (width, height) = (LEFT + SIDE + 12.0, TOP + SIDE + 34.0);
    let mut svg =
        format!("<svg class=\"square\" viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"Calibration\">\n");
    for mark in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (across, up, right, below) = (x(mark), y(mark), x(1.0), y(0.0) + 15.0);
        writeln!(
            svg,
            "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right:.1}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{mark:.2}</text>\
             <text x=\"{across:.1}\" y=\"{below:.1}\" text-anchor=\"middle\">{mark:.2}</text>",
            LEFT - 4.0,
            up + 4.0
        )
        .expect("a string takes all");
    }
    writeln!(
        svg,
        "<line class=\"line c1\" x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">probability</text>",
        x(0.0),
        y(0.0),
        x(1.0),
        y(1.0),
        x(1.0),
        height - 4.0
    )
    .expect("a string takes all");
    let used: Vec<_> = curve.bins.iter().filter(|bin| bin.count > 0).collect();
    let points: Vec<String> =
        used.iter().map(|bin| format!("{:.1},{:.1}", x(bin.confidence()), y(bin.accuracy()))).collect();
    writeln!(svg, "<polyline class=\"line c0\" points=\"{}\"/>", points.join(" ")).expect("a string takes all");
    for bin in &used {
        writeln!(
            svg,
            "<circle class=\"dot c0\" cx=\"{:.1}\" cy=\"{:.1}\" r=\"4\"><title>{} words of probability {:.3}: {:.3} right</title></circle>",
            x(bin.confidence()),
            y(bin.accuracy()),
            bin.count,
            bin.confidence(),
            bin.accuracy()
        )
        .expect("a string takes all");
    }
    format!(
        "<h3>Calibration</h3>\n<p class=\"dim\">The share of words that are right, by the probability that the model gives their label. On the \
         dashed line, probabilities mean what they say. Expected error {:.4} over {} words.</p>\n{svg}</svg>\n",
        curve.error(),
        curve.count()
    )
}
