//! Span taggers in a plan, compared.

use crate::harness::with_encoder;

const DATA: &str = r#"{"text": "jo lives in new york", "char_spans": [{"start": 0, "end": 2, "label": "person"}, {"start": 12, "end": 20, "label": "place"}]}
{"text": "anna works at the mill", "char_spans": [{"start": 0, "end": 4, "label": "person"}]}
"#;

const PLAN: &str = r#"{
    "options": {"token_encoder": "none", "type_encoder": "none", "dataset_name": "two", "train_file": "data.jsonl",
        "validation_file": "data.jsonl", "output_dir": "all", "linear_hidden_size": 12, "span_width_embedding_size": 6,
        "max_span_length": 4, "max_seq_length": 64, "max_steps": 2, "eval_steps": 1, "logging_steps": 1,
        "save_total_limit": 1, "do_train": true, "do_eval": true},
    "runs": {
        "Two encoders": {"architecture": "bi_encoder", "model_checkpoint": "bi_encoder"},
        "One encoder": {"architecture": "cross_encoder", "type_encoder": null, "model_checkpoint": "cross_encoder"}
    }
}"#;

/// The table's rows: the runs' names, their updates and all cells.
fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    table.lines().filter(|line| line.starts_with('|')).map(cells).collect()
}

#[test]
fn span_taggers_are_compared_and_a_finished_run_is_read_back() {
    let scratch = with_encoder();
    for name in ["bi_encoder", "cross_encoder"] {
        scratch.put_span_tagger(name);
    }
    scratch.write("data.jsonl", DATA);
    scratch.write("plan.json", PLAN);
    let ran = scratch.good("compare plan.json --max_steps 3");
    let table = rows(&ran.stdout);
    let column =
        |title: &str| table[0].iter().position(|cell| cell == title).unwrap_or_else(|| panic!("{title}: {table:?}"));
    assert_eq!(table.len(), 4, "{}", ran.stdout);
    assert_eq!([&table[2][0], &table[3][0]], ["Two encoders", "One encoder"]);
    for row in &table[2..] {
        assert_eq!(
            (row[column("updates")].as_str(), row[column("training sentences")].as_str()),
            ("3", "2"),
            "{table:?}"
        );
        assert!(row[column("training loss")].parse::<f64>().unwrap() > 0.0, "{table:?}");
    }
    for folder in ["all/two-encoders", "all/one-encoder"] {
        assert!(scratch.files(folder).contains(&"best_checkpoint".to_owned()), "{:?}", scratch.files(folder));
        assert!(scratch.files(folder).contains(&"report.html".to_owned()));
        // What the table says is what the run's own file says.
        let loss = scratch.json(&format!("{folder}/all_results.json"))["train_loss"].as_f64().unwrap();
        assert!(ran.stdout.contains(&format!("| {loss:.4} ")), "{loss} {}", ran.stdout);
    }
    assert!(scratch.read("all/report.html").contains("Two encoders"));
    assert!(scratch.read("all/two-encoders/report.html").contains("<h1>Two encoders</h1>"));
    assert_eq!(scratch.read("all/comparison.md"), ran.stdout);

    // Once more: both are done, and the table is the same.
    let again = scratch.good("compare plan.json --max_steps 3");
    assert_eq!(again.stdout, ran.stdout);
    again.says("this run is done");

    let nothing = scratch.bad("compare plan.json --do_train false --output_dir none");
    assert!(nothing.contains("trains nothing"), "{nothing}");
}
