//! The page: one file of HTML without scripts, which needs nothing from anywhere.

use super::about::About;
use super::chart::{self, Best, Line, Scale};
use super::diagnosis::{Diagnosis, Sentence, TypeRow};
use super::figures::{Figures, figure, typed};
use super::html::{document, escaped};
use super::html_table::{heat_cell, rows};
use super::table::MEAN;
use super::{Finished, entity_page, seeds, table};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::fmt::Write;
use tagsmith_message::counted;

/// The page about one run, or about several beside each other.
pub fn page(title: &str, runs: &[Finished]) -> String {
    let ended = runs.last().map(|run| run.about.ended.as_str()).filter(|ended| !ended.is_empty());
    let mut html = format!(
        "<p class=\"dim\">tagsmith {}{}</p>\n",
        env!("CARGO_PKG_VERSION"),
        ended.map(|ended| format!(", {}", escaped(ended))).unwrap_or_default()
    );
    if let [run] = runs {
        html += &origin(run);
        html += "<h2>Results</h2>\n";
        let columns = table::columns(runs);
        let cells = columns.iter().skip(1).map(|(title, cells)| vec![escaped(title), escaped(&cells[0])]);
        html += &rows("", &[], cells);
        html += &curves(runs);
        html += &details(run);
        html += "<h2>Settings</h2>\n";
        html += &settings(run);
    } else {
        html += &summary(runs);
        html += &over_seeds(runs);
        html += &curves(runs);
        html += &differences(runs);
        for run in runs {
            write!(html, "<h2>{}</h2>\n{}{}", escaped(&run.name), origin(run), details(run))
                .expect("a string takes all");
            html += "<details><summary>All settings</summary>\n";
            html += &settings(run);
            html += "</details>\n";
        }
    }
    document(title, &html)
}

/// What a run was made of.
fn origin(run: &Finished) -> String {
    let About { model, data, labels, .. } = &run.about;
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: String| facts.push(vec![name.to_owned(), value]);
    if !model.is_empty() {
        fact("started from", escaped(model));
    }
    for part in data {
        fact(&format!("{} data", part.role), escaped(&format!("{}: {}", part.source, part.size)));
    }
    if !labels.is_empty() {
        fact(&counted(labels.len(), "label"), escaped(&labels.join(" ")));
    }
    if !run.origin.command.is_empty() {
        fact("command", format!("<code>{}</code>", escaped(&run.origin.command)));
    }
    if !run.about.hashes.is_empty() {
        let hashes =
            run.about.hashes.iter().map(|(name, hash)| format!("{}<br><code>{}</code>", escaped(name), escaped(hash)));
        fact("SHA-256", hashes.collect::<Vec<_>>().join("<br>"));
    }
    let mut html = if facts.is_empty() { String::new() } else { rows("facts", &[], facts.into_iter()) };
    if let Some(checked) = &run.checked {
        let lines = checked.summary().map(|line| format!("<li>{}</li>", escaped(&line))).concat();
        html += &format!(
            "<h3>The data</h3>\n<ul>{lines}</ul>\n<details><summary>Findings</summary>\n{}</details>\n",
            checked.summary_table()
        );
    }
    html
}

fn summary(runs: &[Finished]) -> String {
    let columns = table::columns(runs);
    let titles: Vec<&str> = columns.iter().map(|(title, _)| title.as_str()).collect();
    rows("", &titles, (0..runs.len()).map(|at| columns.iter().map(|(_, cells)| escaped(&cells[at])).collect()))
}

/// Means over runs that differ in their seed alone.
fn over_seeds(runs: &[Finished]) -> String {
    let table = seeds::rows(runs);
    let Some((titles, cells)) = table.split_first() else { return String::new() };
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let cells = cells.iter().map(|row| row.iter().map(|cell| escaped(cell)).collect());
    format!("<h2>Over seeds</h2>\n<p class=\"dim\">{}</p>\n{}", escaped(seeds::ABOUT), rows("", &titles, cells))
}

/// Charts of what has several values, and a table of what has one.
fn curves(runs: &[Finished]) -> String {
    let metrics: BTreeSet<&str> = runs.iter().map(|run| run.metric.as_str()).filter(|name| *name != "loss").collect();
    let metric_title = metrics.iter().copied().collect::<Vec<_>>().join(", ");
    let metric_scale = if metrics.iter().any(|name| name.ends_with("loss")) { Scale::FromZero } else { Scale::Score };
    let metric_best = if metric_scale == Scale::FromZero { Best::Lowest } else { Best::Highest };
    let of = |name: &dyn Fn(&Finished) -> String| -> Vec<Line> {
        runs.iter().map(|run| (run.name.as_str(), run.series(&name(run)))).collect()
    };
    let mean_title = if metric_title == MEAN { "" } else { MEAN };
    let drawn = [
        ("Training loss", Scale::FromZero, Best::None, of(&|_| "loss".to_owned())),
        ("Evaluation loss", Scale::FromZero, Best::Lowest, of(&|_| "eval_loss".to_owned())),
        (metric_title.as_str(), metric_scale, metric_best, of(&|run| format!("eval_{}", run.metric))),
        (mean_title, Scale::Score, Best::Highest, of(&|_| format!("eval_{MEAN}"))),
        ("Learning rate", Scale::FromZero, Best::None, of(&|_| "learning_rate".to_owned())),
    ];
    let (mut charts, mut single) = (String::new(), Vec::new());
    // Where the loss is what counts, it has its chart already.
    for (title, scale, best, lines) in drawn.iter().filter(|(title, ..)| !title.is_empty()) {
        let chart = chart::lines(title, (*scale, *best), lines);
        if chart.is_empty() && lines.iter().any(|(_, points)| !points.is_empty()) {
            let value = |(_, points): &Line| match points.first() {
                Some((step, value)) => format!("{} (step {step})", figure(*value)),
                None => String::new(),
            };
            single.push([escaped(title)].into_iter().chain(lines.iter().map(value)).collect());
        }
        charts += &chart;
    }
    let mut html = String::new();
    if !charts.is_empty() {
        let key = |(number, run): (usize, &Finished)| {
            format!("<span class=\"key\">{}{}</span>", chart::sample(number), escaped(&run.name))
        };
        let keys: String = runs.iter().enumerate().filter(|_| runs.len() > 1).map(key).collect();
        write!(html, "<h2>Curves</h2>\n<p>{keys}</p>\n<div class=\"charts\">\n{charts}</div>\n")
            .expect("a string takes all");
    }
    if !single.is_empty() {
        let names: Vec<&str> =
            if runs.len() == 1 { vec!["value"] } else { runs.iter().map(|run| &*run.name).collect() };
        let titles: Vec<&str> = ["figure"].into_iter().chain(names).collect();
        html += "<h2>Logged once</h2>\n";
        html += &rows("", &titles, single.into_iter());
    }
    html
}

/// What the model of a run reaches, and what it gets wrong.
fn details(run: &Finished) -> String {
    let mut html = scores(run);
    match &run.diagnosis {
        Some(diagnosis) => {
            html += &types("Scores by type", diagnosis);
            html += &entities(diagnosis);
            html += "<h3>Confusion, word by word</h3>\n<p class=\"dim\">A row is what words are, a column what they were taken for.</p>\n";
            html += &confusion(diagnosis);
            html += "<h3>The sentences with the most errors</h3>\n";
            if diagnosis.worst.is_empty() {
                html += "<p>There is no error.</p>\n";
            } else {
                html += "<p class=\"dim\">A wrong label is red and struck through. The right one stands behind it, in green.</p>\n";
            }
            html.extend(diagnosis.worst.iter().map(|it| sentence(it, diagnosis.background.as_deref())));
        }
        None => {
            html += "<p class=\"dim\">The model was not evaluated in detail, so there are no errors to show.</p>\n";
        }
    }
    if let Some(tested) = &run.tested {
        html += "<h2>Test split</h2>\n";
        html += &types("Scores by type, test split", tested);
        html += &entities(tested);
    }
    html
}

/// What became of the entities of a split, and how sure the model was.
fn entities(diagnosis: &Diagnosis) -> String {
    let Some(entities) = &diagnosis.entities else { return String::new() };
    let mut html = entity_page::classes(entities);
    html += &entity_page::confusion(entities);
    html.extend(entities.calibration.iter().map(entity_page::calibration));
    let samples = entity_page::samples(entities, |number| {
        diagnosis.shown.get(&number).map(|(place, words)| (place.as_str(), words.as_slice()))
    });
    if !samples.is_empty() {
        html += "<h3>Errors with their sentences</h3>\n<p class=\"dim\">Green words are of the gold entity alone, red ones of what \
                 was found, underlined ones of both. The first errors of each class are shown.</p>\n";
        html += &samples;
    }
    html
}

/// The figures of the evaluation and of the test split beside each other.
fn scores(run: &Finished) -> String {
    let splits = [("evaluation", "eval_"), ("test", "predict_")]
        .map(|(title, prefix)| (title, Figures::of(&run.results, prefix).all))
        .into_iter()
        .filter(|(_, figures)| !figures.is_empty());
    let splits: Vec<(&str, Vec<(&str, &Value)>)> = splits.collect();
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in splits.iter().flat_map(|(_, figures)| figures) {
        if !names.contains(name) {
            names.push(name);
        }
    }
    if names.is_empty() {
        return String::new();
    }
    let titles: Vec<&str> = ["figure"].into_iter().chain(splits.iter().map(|(title, _)| *title)).collect();
    let row = |name: &&str| {
        let cell = |(_, figures): &(&str, Vec<(&str, &Value)>)| {
            let value = figures.iter().find(|(it, _)| it == name).map(|(_, value)| *value);
            let shown = value.map(|value| match value.as_f64().filter(|_| value.is_f64()) {
                Some(number) => figure(number),
                None => typed(value),
            });
            escaped(&shown.unwrap_or_default())
        };
        [escaped(name)].into_iter().chain(splits.iter().map(cell)).collect()
    };
    format!("<h3>Scores</h3>\n{}", rows("", &titles, names.iter().map(row)))
}

fn types(title: &str, diagnosis: &Diagnosis) -> String {
    let Diagnosis { source, words, sentences, measure, .. } = diagnosis;
    if let Some(entities) = &diagnosis.entities {
        return format!(
            "<h3>{title}</h3>\n<p class=\"dim\">{} in {} of {}</p>\n{}",
            counted(*words, "word"),
            counted(*sentences, "sentence"),
            escaped(source),
            entity_page::scores(entities)
        );
    }
    let titles = ["type", "precision", "recall", measure, "", "number"];
    let row = |(name, [precision, recall, f], support): &TypeRow| {
        let bar = format!("<b style=\"width:{:.1}%\"></b>", f * 100.0);
        vec![
            escaped(name),
            format!("{precision:.4}"),
            format!("{recall:.4}"),
            format!("{f:.4}"),
            format!("<div class=\"share\">{bar}</div>"),
            support.to_string(),
        ]
    };
    format!(
        "<h3>{title}</h3>\n<p class=\"dim\">{} in {} of {}</p>\n{}",
        counted(*words, "word"),
        counted(*sentences, "sentence"),
        escaped(source),
        rows("", &titles, diagnosis.types.iter().map(row))
    )
}

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
        let total = row.iter().sum::<u64>();
        let cells: String = kinds.iter().map(|&at| heat_cell(row[at], total, at == gold)).collect();
        writeln!(html, "<tr><td>{}</td>{cells}</tr>", escaped(&diagnosis.kinds[gold])).expect("a string takes all");
    }
    html + "</table></div>\n"
}

fn sentence(sentence: &Sentence, background: Option<&str>) -> String {
    let word = |(word, gold, other): &(String, String, Option<String>)| {
        let (word, said) = (escaped(word), escaped(gold));
        match other {
            Some(other) => {
                let other = escaped(other);
                format!(
                    "<span class=\"wrong\">{word}<span class=\"tag wrong\"><s>{other}</s> <b>{said}</b></span></span>"
                )
            }
            None if gold.is_empty() || Some(gold.as_str()) == background => word,
            None => format!("{word}<span class=\"tag\">{said}</span>"),
        }
    };
    let words: Vec<String> = sentence.words.iter().map(word).collect();
    let (place, wrong) = (escaped(&sentence.place), sentence.wrong);
    format!("<div class=\"sentence\"><span class=\"dim\">{place}, {wrong} wrong</span><br>{}</div>\n", words.join(" "))
}

/// The settings that differ from the default, then the others, folded.
fn settings(run: &Finished) -> String {
    let defaults = &run.origin.defaults;
    let is_usual = |(name, value): &(&String, &Value)| match defaults.is_empty() {
        true => value.is_null(),
        false => defaults.get(*name) == Some(*value),
    };
    let row = |(name, value): (&String, &Value)| vec![escaped(name), escaped(&typed(value))];
    let all = || run.settings.as_object().into_iter().flatten();
    let (usual, chosen): (Vec<_>, Vec<_>) = all().partition(is_usual);
    let mut html = rows("facts", &[], chosen.into_iter().map(row));
    if !usual.is_empty() {
        let what = if defaults.is_empty() { "without a value" } else { "at their default" };
        let folded = rows("facts", &[], usual.iter().copied().map(row));
        html +=
            &format!("<details><summary>{} {what}</summary>\n{folded}</details>\n", counted(usual.len(), "setting"));
    }
    html
}

/// The settings in which the runs differ.
fn differences(runs: &[Finished]) -> String {
    let names: BTreeSet<&String> = runs.iter().filter_map(|run| run.settings.as_object()).flat_map(Map::keys).collect();
    let differs = |name: &&&String| {
        let values: BTreeSet<String> = runs.iter().map(|run| typed(&run.settings[name.as_str()])).collect();
        values.len() > 1 && ***name != "output_dir"
    };
    let titles: Vec<&str> = ["setting"].into_iter().chain(runs.iter().map(|run| run.name.as_str())).collect();
    let row = |name: &&String| {
        let values = runs.iter().map(|run| escaped(&typed(&run.settings[name.as_str()])));
        [escaped(name)].into_iter().chain(values).collect()
    };
    format!("<h2>Where the runs differ</h2>\n{}", rows("", &titles, names.iter().filter(differs).map(row)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Origin;
    use crate::report::about::Part;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn run(name: &str, seed: u64) -> Finished {
        let history = json!([
            {"loss": 1.0, "step": 1}, {"eval_f1": 0.4, "eval_loss": 0.9, "step": 1}, {"loss": 0.5, "step": 2},
            {"eval_f1": 0.5, "eval_loss": 0.7, "step": 2}, {"learning_rate": 5e-5, "step": 2},
        ]);
        Finished {
            name: name.into(),
            history: serde_json::from_value(history).unwrap(),
            results: serde_json::from_value(json!({"eval_f1": 0.5, "eval_samples": 1, "predict_f1": 0.4321})).unwrap(),
            metric: "f1".into(),
            diagnosis: Some(Diagnosis {
                source: "dev.conll".into(),
                words: 3,
                sentences: 1,
                measure: "F1",
                types: vec![("<PER>".into(), [0.5, 1.0, 2.0 / 3.0], 1)],
                background: Some("O".into()),
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
                entities: None,
                shown: BTreeMap::new(),
            }),
            tested: None,
            checked: None,
            settings: json!({"seed": seed, "threads": null, "learning_rate": 5e-5, "output_dir": name}),
            origin: Origin {
                name: None,
                command: "tagsmith train --seed <1>".into(),
                defaults: serde_json::from_value(json!({"seed": 42, "threads": null, "learning_rate": 5e-5})).unwrap(),
            },
            about: About {
                model: "org/base".into(),
                data: vec![Part { role: "validation", source: "dev.conll".into(), size: "1 sentence, 3 words".into() }],
                labels: vec!["O".into(), "B-<PER>".into()],
                ended: "2026-11-30 02:30 UTC".into(),
                hashes: vec![("dev.conll".into(), "0a1b".into())],
            },
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
            // The learning rate was logged once: it is a number and not a chart. Runs side by side have a key.
            let keys = if runs.len() > 1 { runs.len() } else { 0 };
            assert_eq!(html.matches("<svg").count(), 3 + keys);
            assert!(html.contains("<tr><td>Learning rate</td><td>5e-5 (step 2)</td>"), "{html}");
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
        assert!(html.contains("</svg>two</span>"));
        // One run has no one to differ from.
        assert!(!page("one", &[run("one", 1)]).contains("Where the runs differ"));
    }

    #[test]
    fn a_page_says_what_the_run_was() {
        let html = page("one", &[run("one", 1)]);
        for fact in [
            "2026-11-30 02:30 UTC",
            "<td>started from</td><td>org/base</td>",
            "<td>validation data</td><td>dev.conll: 1 sentence, 3 words</td>",
            "<td>2 labels</td><td>O B-&lt;PER&gt;</td>",
            "<code>tagsmith train --seed &lt;1&gt;</code>",
            // The test split beside the evaluation.
            "<tr><th>figure</th><th>evaluation</th><th>test</th></tr>\n<tr><td>f1</td><td>0.5000</td><td>0.4321</td></tr>",
            // The stroke goes through what is wrong.
            "<s>B-&lt;PER&gt;</s> <b>O</b>",
        ] {
            assert!(html.contains(fact), "{fact} is not in {html}");
        }
        let settings = html.split("<h2>Settings</h2>").nth(1).unwrap();
        let (chosen, folded) = settings.split_once("<details>").unwrap();
        assert!(chosen.contains("<td>seed</td><td>1</td>") && chosen.contains("output_dir"), "{chosen}");
        assert!(!chosen.contains("threads") && !chosen.contains("learning_rate"), "{chosen}");
        assert!(folded.contains("<summary>2 settings at their default</summary>"), "{folded}");
        assert!(folded.contains("<td>learning_rate</td><td>5e-5</td>") && folded.contains("<td>threads</td>"));
    }

    #[test]
    fn right_words_without_an_error_have_no_tag() {
        let word = |word: &str, gold: &str, other: Option<&str>| (word.into(), gold.into(), other.map(String::from));
        let words = vec![word("a", "UC", None), word("b", "SPLIT", None), word("c", "UC", Some("SPLIT"))];
        let html = sentence(&Sentence { place: "f:1".into(), words, wrong: 1 }, Some("UC"));
        assert!(html.contains("<br>a b<span class=\"tag\">SPLIT</span> <span"), "{html}");
    }

    #[test]
    fn what_was_not_evaluated_is_said() {
        let run = Finished { diagnosis: None, history: Vec::new(), results: Map::new(), ..run("one", 1) };
        let html = page("one", &[run]);
        check_tags(&html);
        assert!(html.contains("was not evaluated in detail") && !html.contains("<h3>Scores") && !html.contains("<svg"));
    }
}
