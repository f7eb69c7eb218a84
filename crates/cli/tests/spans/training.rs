//! Runs from their files to their results, and evaluations.

use crate::harness::{DATA, config, tagsmith};
use serde_json::{Value, json};
use tagsmith_testkit::scratch::Scratch;

#[test]
fn training_evaluation_and_prediction() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.write("data.jsonl", DATA);
    config(&scratch, "");
    let (status, out, said) = tagsmith(&["train-bi-encoder", "run.json"], at, "");
    assert_eq!(status, 0, "{said}");
    // The log is train's, and figures of the test come last.
    assert!(out.starts_with("{'loss': ") && out.contains("\ntest micro "), "{out}");
    assert!(said.contains("train: 2 texts, 3 entities, 2 labels\n"), "{said}");
    assert!(out.contains("\n{'eval_precision': ") && out.contains("***** train metrics *****"), "{out}");
    let results = scratch.json("out/test_results.json");
    assert_eq!(results["final_step"], 4);
    assert_eq!(results["test_metrics"]["gold"], 3);
    // The test's figures stand where those of a token classifier stand.
    let (all, card) = (scratch.json("out/all_results.json"), scratch.read("out/README.md"));
    for figure in ["precision", "recall", "f1"] {
        assert_eq!(all[format!("predict_{figure}")], results["test_metrics"]["micro"][figure], "{figure}");
    }
    assert_eq!(all["predict_strict_f1"], results["test_metrics"]["strict"]["micro"]["f1"]);
    assert_eq!(scratch.json("out/predict_results.json")["predict_f1"], all["predict_f1"]);
    let f1 = |split: &str| format!("{:.4}", all[format!("{split}_f1")].as_f64().expect("a figure"));
    let reached = card.split("\nOn the test set it reaches:\n").nth(1).expect("the card has the test's figures");
    assert!(
        reached.contains(&format!("- F1: {}", all["predict_f1"]))
            || reached.contains(&format!("- F1: {}", f1("predict"))),
        "{card}"
    );
    assert!(card.contains("      split: test\n") && card.contains("| test       | data.jsonl"), "{card}");
    assert!(at.join("out/best_checkpoint/model.safetensors").exists());
    assert!(scratch.read("out/run.log").contains(" - INFO - {'loss': "));
    let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
    assert_eq!((status, said.contains("this run is done")), (0, true), "{said}");

    let evaluate =
        ["evaluate_bi_encoder", "--pretrained_model_name_or_path", "out/best_checkpoint", "--evaluation_file"];
    let (status, out, said) = tagsmith(&[&evaluate[..], &["data.jsonl", "--threshold", "0.5"]].concat(), at, "");
    assert_eq!(status, 0, "{said}");
    assert!(out.contains("test strict precision "), "{out}");
    assert!(said.contains("entities count running text, which the model was trained on (`annotation_format: text`)"));
    let rounded = ["data.jsonl", "--threshold", "0.5", "--bf16", "--cache_dir", "hub", "--token", "hf_x"];
    let (status, out, said) = tagsmith(&[&evaluate[..], &rounded].concat(), at, "");
    assert_eq!((status, said.contains("note: products in bf16, "), out.lines().count() > 2), (0, true, true), "{said}");
    let auto = ["data.jsonl", "--threshold", "auto", "--validation_file", "data.jsonl", "--output_dir", "curve"];
    let (status, _, said) = tagsmith(&[&evaluate[..], &auto].concat(), at, "");
    assert_eq!((status, said.contains("note: the threshold ")), (0, true), "{said}");
    let json = scratch.json(&format!("curve/{}", scratch.files("curve")[0]));
    assert_eq!(json["threshold_curve"].as_array().map(Vec::len), Some(19));
    assert_eq!(json["labels"], json!(["person", "place"]));

    // The checkpoint says what it was trained on, and the run's folder stands for its best checkpoint.
    let saved = scratch.json("out/best_checkpoint/config.json");
    assert_eq!(saved["annotation_format"], "text");
    let predict = |model, more: &[&str]| {
        let labels = ["predict", "--model", model, "--labels", "person,place", "--threshold", "0.05"];
        tagsmith(&[&labels[..], more].concat(), at, "jo lives in new york\n")
    };
    let (best, run) = (predict("out/best_checkpoint", &[]), predict("out", &[]));
    assert_eq!((best.0, run.0, &best.1), (0, 0, &run.1), "{} {}", best.2, run.2);
    assert!(!best.2.contains("annotation_format"), "{}", best.2);
    assert!(run.2.contains("note: out: this is the folder of a run; the model is its best checkpoint"), "{}", run.2);
    let whole_run = [&["evaluate_bi_encoder", "--pretrained_model_name_or_path", "out"][..], &evaluate[3..]].concat();
    let (status, _, said) = tagsmith(&[&whole_run[..], &["data.jsonl"]].concat(), at, "");
    assert_eq!(status, 0, "{said}");

    let predict = ["predict", "--model", "bi_encoder", "--labels", "person,place", "--threshold", "0.05"];
    let long = "anna lives in new york city , jo works at the mill in hamburg . ".repeat(12);
    let (status, out, said) = tagsmith(&predict, at, &format!("jo lives in new york\n\n{long}\n"));
    assert_eq!(status, 0, "{said}");
    let documents: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    assert_eq!(documents.len(), 3);
    assert_eq!(documents[1], json!({"text": "", "entities": [], "words": [], "labels": []}));
    let mut found = 0;
    for document in &documents {
        let letters: Vec<char> = document["text"].as_str().expect("a text").chars().collect();
        let mut last = 0;
        for entity in document["entities"].as_array().expect("a list") {
            let place = |key: &str| entity[key].as_u64().expect("a number") as usize;
            let (start, end) = (place("start"), place("end"));
            assert!(start >= last && start < end, "flat entities in the order of the text: {document}");
            assert_eq!(entity["text"], letters[start..end].iter().collect::<String>(), "{entity}");
            (last, found) = (end, found + 1);
        }
    }
    assert!(found > 3, "{out}");
    // The same sentence again and again in many windows: what is found does not end with the first.
    let last = documents[2]["entities"].as_array().and_then(|it| it.last()).expect("something is found");
    assert!(last["start"].as_u64().expect("a number") > 500, "{last}");
}

#[test]
fn a_run_is_recorded_as_that_of_a_token_classifier() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.write("data.jsonl", DATA);
    config(
        &scratch,
        r#", "report_to": ["csv", "jsonl", "wandb"], "logging_dir": "logs", "html_report": true, "save_only_model": true,
        "lr_scheduler_type": "cosine", "warmup_ratio": 0.5, "weight_decay": 0.1, "max_grad_norm": 1.0,
        "gradient_checkpointing": true, "gradient_accumulation_steps": 2, "logging_first_step": true"#,
    );
    let (status, out, said) = tagsmith(&["train-bi-encoder", "run.json", "--json"], at, "");
    assert_eq!(status, 0, "{said}");
    let results: Value = serde_json::from_str(&out).expect("standard output is one JSON object");
    for key in ["train_loss", "train_runtime", "train_samples", "eval_f1", "test_metrics"] {
        assert!(!results[key].is_null(), "{key}: {out}");
    }
    assert!(
        said.contains("note: run.json: `weight_decay` has its effect here; the original takes it and never reads it\n"),
        "{said}"
    );
    assert!(said.contains("note: `report_to` names `wandb`, which is not written here"), "{said}");
    let read = |name: &str| scratch.read(name);
    let rates: Vec<f64> = read("logs/log.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")["learning_rate"].as_f64())
        .collect();
    // Half of the four steps warm up; cosine's half wave falls from there.
    let want = [0.0, 0.5, 1.0, 0.5].map(|share| share * 5e-5);
    assert!(rates.iter().zip(want).all(|(rate, want)| (rate - want).abs() < 1e-18) && rates.len() == 4, "{rates:?}");
    assert!(read("logs/log.csv").contains(",eval_f1,"), "{}", read("logs/log.csv"));
    let page = read("out/report.html");
    assert!(
        page.contains("cosine")
            && page.contains("<td>test data</td><td>data.jsonl: 2 texts, 3 entities, 2 labels</td>"),
        "{page}"
    );
    let f1 = |split: &str| format!("{:.4}", results[format!("{split}_f1")].as_f64().expect("a figure"));
    assert!(page.contains("<tr><th>figure</th><th>evaluation</th><th>test</th></tr>"), "{page}");
    assert!(page.contains(&format!("<td>f1</td><td>{}</td><td>{}</td>", f1("eval"), f1("predict"))), "{page}");
    let state: Value = serde_json::from_str(&read("out/trainer_state.json")).expect("it is JSON");
    assert_eq!((&state["global_step"], &state["max_steps"]), (&4.into(), &4.into()));
    let results: Value = serde_json::from_str(&read("out/train_results.json")).expect("it is JSON");
    assert_eq!(results["train_samples"], 2);
    assert!(at.join("out/checkpoint-4/trainer_state.json").exists());
    assert!(!at.join("out/checkpoint-4/optimizer.safetensors").exists(), "`save_only_model` saves the optimizer");
}

/// An evaluation counts what the model was trained on, unless it is asked for something else.
#[test]
fn an_evaluation_counts_what_the_model_learned() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    let json = scratch.read("bi_encoder/config.json");
    scratch.write("bi_encoder/config.json", json.replacen('{', "{\"annotation_format\": \"tokens\",", 1));
    scratch.write("gold.conll", "jo\tB-person\nlives\tO\nin\tO\nnew\tB-place\nyork\tI-place\n");
    let evaluate = |more: &[&str]| {
        let base = ["evaluate_bi_encoder", "--pretrained_model_name_or_path", "bi_encoder", "--threshold", "0.05"];
        let (status, out, said) = tagsmith(&[&base[..], &["--evaluation_file", "gold.conll"], more].concat(), at, "");
        assert_eq!(status, 0, "{said}");
        (out, said)
    };
    let (default, said) = evaluate(&[]);
    assert!(
        said.contains("entities count words, which the model was trained on (`annotation_format: tokens`)"),
        "{said}"
    );
    assert_eq!(evaluate(&["--evaluation_format", "tokens"]).0, default);
    let (_, said) = evaluate(&["--evaluation_format", "text"]);
    assert!(said.contains("the model was trained on words: leave out `--evaluation_format`"), "{said}");
}
