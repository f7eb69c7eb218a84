//! Every command of docs/scores.md and docs/check.md runs as it stands there, and prints what the page shows.

use std::fs;
use std::path::Path;
use tagsmith_testkit::scratch::Scratch;

/// The blocks of a page in their order: the language of each, and its text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(page);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parts = text.split("\n```").collect::<Vec<_>>();
    let inside = parts.into_iter().skip(1).step_by(2);
    inside
        .map(|block| {
            let (language, text) = block.split_once('\n').unwrap_or((block, ""));
            (language.to_owned(), format!("{text}\n"))
        })
        .collect()
}

/// Runs the `sh` blocks of a page line by line. A `text` block is what the command before it prints.
fn run(page: &str) -> Scratch {
    let scratch = Scratch::empty();
    let (mut printed, mut commands, mut shown) = (String::new(), 0, 0);
    for (language, text) in blocks(page) {
        match language.as_str() {
            "sh" => {
                for command in text.replace("\\\n", " ").lines() {
                    let ran = scratch.shell(command);
                    assert!(ran.status <= 1, "{command}\n{}\n{}", ran.stdout, ran.stderr);
                    printed = ran.stdout;
                    commands += 1;
                }
            }
            "text" => {
                assert_eq!(printed, text, "{page}");
                shown += 1;
            }
            _ => {}
        }
    }
    assert!(commands > 3 && shown > 0, "{page}: {commands} commands, {shown} outputs");
    scratch
}

#[test]
fn the_page_about_scores_is_true() {
    let scratch = run("scores.md");
    let figures = scratch.json("figures.json");
    assert_eq!(figures["intervals"]["resamples"], 1000);
    let bounds = &figures["intervals"]["figures"]["overall"]["f1"];
    assert!(
        bounds[0].as_f64() <= figures["overall_f1"].as_f64() && figures["overall_f1"].as_f64() <= bounds[1].as_f64()
    );
    for key in ["semeval", "errors", "confusion", "by_entity_length", "by_sentence_length"] {
        assert!(!figures[key].is_null(), "{key}");
    }
    let comparison = &scratch.json("comparison.json")["comparison"];
    assert_eq!((&comparison["exact"], &comparison["differing"]), (&true.into(), &2.into()));
    assert!(comparison["p"]["overall"]["f1"].as_f64().is_some_and(|p| p > 0.0 && p <= 1.0));
}

#[test]
fn the_page_about_checks_is_true() {
    let scratch = run("check.md");
    assert!(scratch.read("found.html").contains("<h2>Errors</h2>"));
    assert_eq!(scratch.json("found.json")["errors"], 1);
    assert!(!scratch.read("mended.conll").contains("I-LOC"));
}
