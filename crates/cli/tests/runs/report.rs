//! `--html_report`: the page of a run.

use crate::harness::with_data;

const RUN: &str = "train --model_name_or_path model --train_file data.json --validation_file data.json --do_train \
                   --do_eval --num_train_epochs 4 --eval_strategy epoch --logging_steps 2 --save_strategy no \
                   --per_device_train_batch_size 2 --threads 1 --html_report";

/// The text of the first cell of every row of the table after a heading.
fn first_cells(page: &str, heading: &str) -> Vec<String> {
    let table = page.split(heading).nth(1).unwrap().split("</table>").next().unwrap();
    let cells = table.split("<tr><td>").skip(1).map(|row| row.split("</td>").next().unwrap().to_owned());
    cells.collect()
}

#[test]
fn a_page_shows_what_a_run_did() {
    let scratch = with_data();
    scratch.good(&format!("{RUN} --output_dir out"));
    let page = scratch.read("out/report.html");
    let results = scratch.json("out/all_results.json");
    assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n") && page.contains("<h1>out</h1>"));
    for title in ["Training loss", "Evaluation loss", "f1", "Learning rate"] {
        assert!(
            page.contains(&format!("<figcaption>{title}<")) || page.contains(&format!("<figcaption>{title} <")),
            "{title}"
        );
    }
    // What has a best step names it, and marks it.
    assert_eq!(page.matches("<span class=\"best\">best ").count(), page.matches("class=\"ring c0\"").count());
    assert!(
        page.contains("class=\"ring c0\"") && page.contains("<td>SHA-256</td>") && page.contains("<h3>The data</h3>")
    );
    assert_eq!(first_cells(&page, "Scores by type"), ["LOC", "PER", "all (micro)", "mean of types (macro)"]);
    assert_eq!(first_cells(&page, "Errors by class").last().map(String::as_str), Some("all"));
    assert_eq!(first_cells(&page, "Confusion, entity by entity").last().map(String::as_str), Some("∅"));
    assert!(page.contains("<h3>Calibration</h3>"));
    assert_eq!(first_cells(&page, "Confusion, word by word"), ["O", "LOC", "PER"]);
    // What was chosen comes first, defaults and empty settings are folded.
    let chosen = first_cells(&page, "<h2>Settings");
    assert!(chosen.contains(&"num_train_epochs".to_owned()) && !chosen.contains(&"learning_rate".to_owned()));
    let folded = first_cells(&page, "settings at their default</summary>");
    assert!(folded.contains(&"learning_rate".to_owned()) && folded.contains(&"labels".to_owned()));
    assert!(page.contains("<td>learning_rate</td><td>5e-5</td>"), "{page}");
    assert!(page.contains("<td>started from</td><td>model</td>"));
    assert!(page.contains("<td>train data</td><td>data.json: 10 sentences, 42 words</td>"));
    assert!(page.contains("<code>tagsmith train --model_name_or_path model --train_file data.json"));
    // The page's figures are the run's.
    assert!(page.contains(&format!("<td>{:.4}</td>", results["eval_loss"].as_f64().unwrap())));
    // Every word is in the confusion: the cells' sum is the number of words scored.
    let table = page.split("Confusion, word by word").nth(1).unwrap().split("</table>").next().unwrap();
    let count = |cell: &str| {
        cell.split("</td>").next().and_then(|cell| cell.rsplit('>').next()).and_then(|n| n.parse::<u64>().ok())
    };
    let words: u64 = table.split("<td").filter_map(count).sum();
    assert_eq!(words, 42);
    assert!(page.contains("42 words in 10 sentences of data.json"));
    // Without the option there is none.
    scratch.good(&format!("{} --output_dir plain", RUN.replace("--html_report", "")));
    assert!(!scratch.path("plain/report.html").exists());
}

#[test]
fn one_epoch_is_figures_and_the_test_split_stands_beside() {
    let scratch = with_data();
    let line = RUN.replace("--num_train_epochs 4", "--num_train_epochs 1").replace("--logging_steps 2", "");
    scratch.good(&format!("{line} --test_file data.json --do_predict --output_dir out"));
    let page = scratch.read("out/report.html");
    // A loss, an evaluation: points are no drawings.
    assert!(!page.contains("<figure>") && page.contains("<h2>Logged once</h2>"), "{page}");
    assert_eq!(first_cells(&page, "<h2>Logged once"), ["Evaluation loss", "f1", "f1_macro"]);
    let results = scratch.json("out/all_results.json");
    let f1 = |name: &str| format!("{:.4}", results[name].as_f64().unwrap());
    assert!(page.contains("<tr><th>figure</th><th>evaluation</th><th>test</th></tr>"));
    assert!(page.contains(&format!("<td>f1</td><td>{}</td><td>{}</td>", f1("eval_f1"), f1("predict_f1"))));
    assert_eq!(first_cells(&page, "Scores by type, test split")[..2], ["LOC", "PER"]);
}

#[test]
fn words_and_errors_have_their_kinds() {
    let scratch = with_data();
    let row = |tags: [&str; 2]| serde_json::json!({"words": ["jo", "lives"], "pos": tags}).to_string() + "\n";
    scratch.write("pos.json", row(["PROPN", "VERB"]));
    scratch.write("ged.json", row(["UC", "SPLIT"]));
    let base = "train --model_name_or_path model --do_train --do_eval --max_steps 1 --save_strategy no --html_report";
    let cases: [(&str, &str, &[&str]); 2] = [("pos", "", &["PROPN", "VERB"]), ("ged", "--task_name ged", &["SPLIT"])];
    for (file, more, kinds) in cases {
        scratch
            .good(&format!("{base} --train_file {file}.json --validation_file {file}.json --output_dir {file} {more}"));
        assert_eq!(first_cells(&scratch.read(&format!("{file}/report.html")), "Scores by type"), kinds);
    }
    // A right word is not an error, so it has no row. Errors are scored by F0.5.
    assert!(scratch.read("ged/report.html").contains("<th>recall</th><th>F0.5</th>"));
    // A run that evaluates nothing has a page of curves and settings.
    scratch.good(&format!("{} --train_file pos.json --output_dir bare", base.replace("--do_eval", "")));
    assert!(scratch.read("bare/report.html").contains("The model was not evaluated"));
}
