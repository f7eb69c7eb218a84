//! Span taggers in a plan, compared.

use crate::harness::{with_encoder, write_span_run};
use serde_json::json;

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
    // It started from a checkpoint, whatever its file says of encoders.
    assert!(!scratch.read("all/two-encoders/README.md").contains("huggingface.co/none"));
    assert_eq!(scratch.read("all/comparison.md"), ran.stdout);

    // Once more: both are done, and the table is the same.
    let again = scratch.good("compare plan.json --max_steps 3");
    assert_eq!(again.stdout, ran.stdout);
    again.says("this run is done");

    let nothing = scratch.bad("compare plan.json --do_train false --output_dir none");
    assert!(nothing.contains("trains nothing"), "{nothing}");
}

/// The mean of the types' F1, not the F1 of all, chooses the best checkpoint; the results and the table name it.
#[test]
fn the_mean_of_the_types_f1_chooses_the_best_checkpoint() {
    let scratch = with_encoder();
    write_span_run(
        &scratch,
        &json!({
            "metric_for_best_model": "f1_macro", "max_steps": 240, "eval_steps": 20, "early_stopping_patience": 100,
            "learning_rate": 1e-3, "linear_layers_learning_rate": 1e-3, "warmup_steps": 0,
        }),
    );
    // Two people and one place: the mean of the types is another number than the F1 of all.
    scratch.write("data.jsonl", DATA);
    scratch.good("train-bi-encoder run.json --threads 1");
    let (state, results) = (scratch.json("out/trainer_state.json"), scratch.json("out/test_results.json"));
    let history = state["log_history"].as_array().unwrap();
    let series = |key: &str| history.iter().filter_map(|record| record[key].as_f64()).collect::<Vec<f64>>();
    let (means, micro) = (series("eval_f1_macro"), series("eval_f1"));
    assert_eq!(means.len(), 12, "{state}");
    assert_ne!(means, micro, "the two choose differently");
    let best = means.iter().copied().fold(0.0, f64::max);
    assert!(best > 0.0, "{means:?}");
    assert_eq!(state["best_metric"].as_f64(), Some(best), "{state}");
    let first = means.iter().position(|&mean| mean == best).unwrap();
    assert_eq!(state["best_global_step"].as_u64(), Some(20 * (first as u64 + 1)), "{means:?}");
    assert_eq!(results["best_validation_f1_macro"].as_f64(), Some(best), "{results}");
    assert!(results.get("best_validation_f1").is_none());
    // The test texts are those of the validation, so that the best checkpoint has the same mean on them.
    let types = results["test_metrics"]["per_class"].as_object().unwrap();
    let sum: f64 = types.values().map(|of| of["f1"].as_f64().unwrap()).sum();
    assert!((sum / types.len() as f64 - best).abs() < 1e-12, "{types:?}");

    let plan = json!({"options": scratch.json("run.json"), "runs": {"One": {"architecture": "bi_encoder"}}});
    scratch.write("plan.json", plan.to_string());
    let table = rows(&scratch.good("compare plan.json --max_steps 20 --output_dir compared --threads 1").stdout);
    assert!(table[0].contains(&"f1_macro".to_owned()), "{table:?}");
    assert!(table[0].contains(&"best f1_macro (step)".to_owned()), "{table:?}");

    write_span_run(&scratch, &json!({"metric_for_best_model": "macro_f1", "output_dir": "other"}));
    let refused = scratch.bad("train-bi-encoder run.json --threads 1");
    assert_eq!(
        refused,
        "error: run.json: `metric_for_best_model` is `macro_f1`; there are precision, recall, f1, f1_macro, strict_f1, \
         gold_without_span"
    );
    assert!(!scratch.path("other").exists());
}
