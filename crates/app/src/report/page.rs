//! The page: one file of HTML without scripts, which needs nothing from anywhere.

use super::chart::{self, COLORS, Line};
use super::diagnosis::{Diagnosis, Sentence};
use super::html::escaped;
use super::{Finished, table};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;

const STYLE: &str = include_str!("page.css");

/// The page about one run, or about several beside each other.
pub fn page(title: &str, runs: &[Finished]) -> String {
    let title = escaped(title);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style></head>\n\
         <body><h1>{title}</h1>\n<p class=\"dim\">tagsmith {}</p>\n",
        env!("CARGO_PKG_VERSION")
    );
    html += &summary(runs);
    html += &curves(runs);
    if let [run] = runs {
        html += &details(run);
        html += "<h2>Settings</h2>\n";
        html += &settings(&run.settings);
    } else {
        html += &differences(runs);
        for run in runs {
            write!(html, "<h2>{}</h2>\n{}", escaped(&run.name), details(run)).expect("a string takes all");
            html += "<details><summary>All settings</summary>\n";
            html += &settings(&run.settings);
            html += "</details>\n";
        }
    }
    html + "</body></html>\n"
}

fn summary(runs: &[Finished]) -> String {
    let columns = table::columns(runs);
    let titles: Vec<String> = columns.iter().map(|(title, _)| title.clone()).collect();
    rows(&titles, (0..runs.len()).map(|at| columns.iter().map(|(_, cells)| escaped(&cells[at])).collect()))
}

/// A table; titles are plain, cells are HTML already.
fn rows(titles: &[String], cells: impl Iterator<Item = Vec<String>>) -> String {
    let heads: String = titles.iter().map(|title| format!("<th>{}</th>", escaped(title))).collect();
    let mut html = format!("<div class=\"wide\"><table><tr>{heads}</tr>\n");
    for row in cells {
        let cells: String = row.iter().map(|cell| format!("<td>{cell}</td>")).collect();
        writeln!(html, "<tr>{cells}</tr>").expect("a string takes all");
    }
    html + "</table></div>\n"
}

fn curves(runs: &[Finished]) -> String {
    let of = |name: &dyn Fn(&Finished) -> String| -> Vec<Line> {
        runs.iter().map(|run| (run.name.as_str(), run.series(&name(run)))).collect()
    };
    let metrics: BTreeSet<&str> = runs.iter().map(|run| run.metric.as_str()).filter(|name| *name != "loss").collect();
    let metric_title = metrics.into_iter().collect::<Vec<_>>().join(", ");
    let charts = [
        chart::lines("Training loss", &of(&|_| "loss".to_owned())),
        chart::lines("Evaluation loss", &of(&|_| "eval_loss".to_owned())),
        chart::lines(&metric_title, &of(&|run| format!("eval_{}", run.metric))),
        chart::lines("Learning rate", &of(&|_| "learning_rate".to_owned())),
    ];
    if charts.iter().all(String::is_empty) {
        return String::new();
    }
    let key = |(number, run): (usize, &Finished)| {
        format!("<span class=\"key\"><i class=\"c{}\"></i>{}</span>", number % COLORS, escaped(&run.name))
    };
    let keys: String = runs.iter().enumerate().filter(|_| runs.len() > 1).map(key).collect();
    format!("<h2>Curves</h2>\n<p>{keys}</p>\n<div class=\"charts\">\n{}</div>\n", charts.concat())
}

/// What the model of a run gets wrong.
fn details(run: &Finished) -> String {
    let Some(diagnosis) = &run.diagnosis else {
        return "<p class=\"dim\">The model was not evaluated, so there are no scores by type.</p>\n".to_owned();
    };
    let Diagnosis { source, words, sentences, worst, .. } = diagnosis;
    let mut html = format!("<p class=\"dim\">{words} words in {sentences} sentences of {}</p>\n", escaped(source));
    html += "<h3>Scores by type</h3>\n";
    html += &types(diagnosis);
    html += "<h3>Confusion, word by word</h3>\n<p class=\"dim\">A row is what words are, a column what they were taken for.</p>\n";
    html += &confusion(diagnosis);
    html += "<h3>The sentences with the most errors</h3>\n";
    if worst.is_empty() {
        html += "<p>There is no error.</p>\n";
    } else {
        html += "<p class=\"dim\">Wrong labels are red, with the right one struck through behind them.</p>\n";
    }
    html.extend(worst.iter().map(sentence));
    html
}

fn types(diagnosis: &Diagnosis) -> String {
    let titles = ["type", "precision", "recall", "F1", "", "number"].map(String::from);
    let row = |(name, [precision, recall, f1], support): &(String, [f64; 3], u64)| {
        let bar = format!("<span class=\"bar\" style=\"width:{:.1}rem\"></span>", f1 * 8.0);
        vec![
            escaped(name),
            format!("{precision:.4}"),
            format!("{recall:.4}"),
            format!("{f1:.4}"),
            format!("<div style=\"width:8rem;text-align:left\">{bar}</div>"),
            support.to_string(),
        ]
    };
    rows(&titles, diagnosis.types.iter().map(row))
}

/// Darker is more, by the part of the row that a cell has; what is right is framed.
fn confusion(diagnosis: &Diagnosis) -> String {
    let used = |at: usize| {
        diagnosis
            .confusion
            .iter()
            .enumerate()
            .any(|(row, cells)| cells[at] > 0 || row == at && cells.iter().any(|&n| n > 0))
    };
    let kinds: Vec<usize> = (0..diagnosis.kinds.len()).filter(|&at| used(at)).collect();
    let titles: Vec<String> =
        [String::new()].into_iter().chain(kinds.iter().map(|&at| diagnosis.kinds[at].clone())).collect();
    let heads: String = titles.iter().map(|title| format!("<th>{}</th>", escaped(title))).collect();
    let mut html = format!("<div class=\"wide\"><table><tr>{heads}</tr>\n");
    for &gold in &kinds {
        let row = &diagnosis.confusion[gold];
        let total = row.iter().sum::<u64>().max(1);
        let cells: String = kinds
            .iter()
            .map(|&predicted| {
                let (count, frame) = (row[predicted], if predicted == gold { " class=\"right\"" } else { "" });
                let part = count as f64 / total as f64;
                // A few of many are to be seen as well.
                let depth = if count == 0 { 0.0 } else { 0.08 + 0.72 * part };
                format!("<td{frame} style=\"background:rgba(var(--heat),{depth:.2})\">{count}</td>")
            })
            .collect();
        writeln!(html, "<tr><td>{}</td>{cells}</tr>", escaped(&diagnosis.kinds[gold])).expect("a string takes all");
    }
    html + "</table></div>\n"
}

fn sentence(sentence: &Sentence) -> String {
    let word = |(word, gold, other): &(String, String, Option<String>)| {
        let (word, gold) = (escaped(word), escaped(gold));
        match other {
            Some(other) => {
                format!(
                    "<span class=\"wrong\">{word}<span class=\"tag wrong\">{} <s>{gold}</s></span></span>",
                    escaped(other)
                )
            }
            None if gold.is_empty() || gold == "O" => word,
            None => format!("{word}<span class=\"tag\">{gold}</span>"),
        }
    };
    let words: Vec<String> = sentence.words.iter().map(word).collect();
    let (place, wrong) = (escaped(&sentence.place), sentence.wrong);
    format!("<div class=\"sentence\"><span class=\"dim\">{place}, {wrong} wrong</span><br>{}</div>\n", words.join(" "))
}

/// Every setting and its value, as a table.
fn settings(settings: &Value) -> String {
    let titles = ["setting", "value"].map(String::from);
    let row = |(name, value): (&String, &Value)| vec![escaped(name), escaped(&typed(value))];
    rows(&titles, settings.as_object().into_iter().flatten().map(row))
}

fn typed(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The settings in which the runs differ.
fn differences(runs: &[Finished]) -> String {
    let names: BTreeSet<&String> = runs.iter().filter_map(|run| run.settings.as_object()).flat_map(Map::keys).collect();
    let differs = |name: &&&String| {
        let values: BTreeSet<String> = runs.iter().map(|run| typed(&run.settings[name.as_str()])).collect();
        values.len() > 1 && ***name != "output_dir"
    };
    let differing: Vec<&&String> = names.iter().filter(differs).collect();
    let titles: Vec<String> =
        ["setting".to_owned()].into_iter().chain(runs.iter().map(|run| run.name.clone())).collect();
    let row = |name: &&&String| {
        let values = runs.iter().map(|run| escaped(&typed(&run.settings[name.as_str()])));
        [escaped(name)].into_iter().chain(values).collect()
    };
    format!("<h2>Where the runs differ</h2>\n{}", rows(&titles, differing.iter().map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn run(name: &str, seed: u64) -> Finished {
        let history =
            json!([{"loss": 1.0, "step": 1}, {"loss": 0.5, "step": 2}, {"eval_f1": 0.5, "eval_loss": 0.7, "step": 2}]);
        Finished {
            name: name.into(),
            history: serde_json::from_value(history).unwrap(),
            results: serde_json::from_value(json!({"eval_f1": 0.5})).unwrap(),
            metric: "f1".into(),
            diagnosis: Some(Diagnosis {
                source: "dev.conll".into(),
                words: 3,
                sentences: 1,
                types: vec![("<PER>".into(), [0.5, 1.0, 2.0 / 3.0], 1)],
                kinds: ["O", "<PER>", "never"].map(String::from).to_vec(),
                confusion: vec![vec![1, 1, 0], vec![0, 1, 0], vec![0, 0, 0]],
                worst: vec![Sentence {
                    place: "dev.conll:7".into(),
                    words: vec![
                        ("a\u{7}<b>".into(), "O".into(), Some("B-<PER>".into())),
                        ("c".into(), "O".into(), None),
                    ],
                    wrong: 1,
                }],
            }),
            settings: json!({"seed": seed, "threads": null, "output_dir": name}),
        }
    }

    /// Every tag that opens closes, in order.
    fn check_tags(html: &str) {
        const VOID: [&str; 3] = ["meta", "br", "!doctype"];
        let mut open = Vec::new();
        for part in html.split('<').skip(1) {
            let inside = part.split('>').next().unwrap();
            if let Some(name) = inside.strip_prefix('/') {
                assert_eq!(open.pop(), Some(name), "{part}");
            } else if !inside.ends_with('/') {
                let name = inside.split_whitespace().next().unwrap();
                open.extend((!VOID.contains(&name)).then_some(name));
            }
        }
        assert_eq!(open, [""; 0]);
    }

    #[test]
    fn a_page_is_whole_and_asks_for_nothing() {
        for runs in [vec![run("one", 1)], vec![run("one", 1), run("two & more", 2)]] {
            let html = page("out <1>", &runs);
            check_tags(&html);
            assert!(html.contains("<title>out &lt;1&gt;</title>"));
            for asks in ["http", "<script", "<link", "url(", "@import", "src="] {
                assert!(!html.contains(asks), "{asks}");
            }
            assert_eq!(html.matches("<svg").count(), 3);
            assert_eq!(html.matches("<polyline").count(), 3 * runs.len());
            // Data is shown, never taken for HTML; a kind that nothing has is not.
            assert!(html.contains("&lt;PER&gt;") && !html.contains("<PER>") && !html.contains("never"));
            assert!(html.contains("a\\u{7}&lt;b&gt;"));
        }
    }

    #[test]
    fn a_comparison_shows_where_runs_differ() {
        let html = page("both", &[run("one", 1), run("two", 2)]);
        let part = html.split("Where the runs differ").nth(1).unwrap().split("</table>").next().unwrap();
        assert!(part.contains("<td>seed</td><td>1</td><td>2</td>"), "{part}");
        assert!(!part.contains("threads") && !part.contains("output_dir"), "{part}");
        assert!(html.contains("<i class=\"c1\"></i>two"));
        // One run has no one to differ from.
        assert!(!page("one", &[run("one", 1)]).contains("Where the runs differ"));
    }

    #[test]
    fn what_was_not_evaluated_is_said() {
        let run = Finished { diagnosis: None, history: Vec::new(), ..run("one", 1) };
        let html = page("one", &[run]);
        check_tags(&html);
        assert!(html.contains("was not evaluated") && !html.contains("<svg"));
    }
}
