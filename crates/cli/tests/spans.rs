//! Label-conditioned span taggers from the command line: training, evaluation, prediction, refusals.

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/spans").join(name)
}

fn tagsmith(args: &[&str], at: &Path, stdin: &str) -> (i32, String, String) {
    let run = Command::cargo_bin("tagsmith")
        .expect("it is built")
        .args(args)
        .current_dir(at)
        .env("HF_HUB_OFFLINE", "1")
        .write_stdin(stdin)
        .output();
    let run = run.expect("it runs");
    let text =
        |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("UTF-8").replace(&at.display().to_string(), "AT");
    (run.status.code().unwrap_or(-1), text(&run.stdout), text(&run.stderr))
}

/// A golden model as a checkpoint with its tokenizers.
fn model(at: &Path, name: &str) {
    let folder = at.join(name);
    for inside in ["token_tokenizer", "type_tokenizer"] {
        fs::create_dir_all(folder.join(inside)).expect("a scratch folder");
        fs::copy(golden("tokenizer.json"), folder.join(inside).join("tokenizer.json")).expect("copying works");
    }
    for file in ["config.json", "model.safetensors", "token_encoder_config.json", "type_encoder_config.json"] {
        if golden(name).join(file).exists() {
            fs::copy(golden(name).join(file), folder.join(file)).expect("copying works");
        }
    }
}

const DATA: &str = r#"{"text": "jo lives in new york", "char_spans": [{"start": 0, "end": 2, "label": "person"}, {"start": 12, "end": 20, "label": "place"}]}
{"text": "anna works at the mill", "char_spans": [{"start": 0, "end": 4, "label": "person"}]}
"#;

fn config(at: &Path, changes: &str) {
    let text = format!(
        r#"{{"token_encoder": "none", "type_encoder": "none", "model_checkpoint": "bi_encoder", "dataset_name": "two",
        "train_file": "*.jsonl", "validation_file": "data.jsonl", "test_file": ["data.jsonl"], "output_dir": "out",
        "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4, "max_seq_length": 64,
        "max_steps": 4, "eval_steps": 2, "logging_steps": 1, "save_total_limit": 1, "do_train": true, "do_eval": true,
        "do_predict": true {changes}}}"#
    );
    fs::write(at.join("run.json"), text).expect("it is written");
}

#[test]
fn training_evaluation_and_prediction() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    fs::write(at.join("data.jsonl"), DATA).expect("it is written");
    config(at, "");
    let (status, out, said) = tagsmith(&["train-bi-encoder", "run.json"], at, "");
    assert_eq!(status, 0, "{said}");
    // The log is train's, and figures of the test come last.
    assert!(out.starts_with("{'loss': ") && out.contains("\ntest micro "), "{out}");
    assert!(said.contains("train: 2 texts, 3 entities, 2 labels\n"), "{said}");
    assert!(out.contains("\n{'eval_precision': ") && out.contains("***** train metrics *****"), "{out}");
    let results: Value =
        serde_json::from_slice(&fs::read(at.join("out/test_results.json")).expect("it is there")).expect("it is JSON");
    assert_eq!(results["final_step"], 4);
    assert_eq!(results["test_metrics"]["gold"], 3);
    assert!(at.join("out/best_checkpoint/model.safetensors").exists());
    assert!(fs::read_to_string(at.join("out/run.log")).expect("it is there").contains(" - INFO - {'loss': "));
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
    let written = fs::read_dir(at.join("curve")).expect("it is there").next().expect("one file").expect("it reads");
    let json: Value = serde_json::from_slice(&fs::read(written.path()).expect("it is there")).expect("it is JSON");
    assert_eq!(json["threshold_curve"].as_array().map(Vec::len), Some(19));
    assert_eq!(json["labels"], json!(["person", "place"]));

    // The checkpoint says what it was trained on, and the run's folder stands for its best checkpoint.
    let saved = fs::read(at.join("out/best_checkpoint/config.json")).expect("it is there");
    let saved: Value = serde_json::from_slice(&saved).expect("it is JSON");
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

/// Whether each entity begins and ends where a word does, in a text whose words have spaces between.
fn has_whole_words(document: &Value) -> bool {
    let text = format!(" {} ", document["text"].as_str().expect("a text"));
    let letters: Vec<char> = text.chars().collect();
    document["entities"].as_array().expect("a list").iter().all(|entity| {
        let place = |key: &str| entity[key].as_u64().expect("a number") as usize;
        letters[place("start")] == ' ' && letters[place("end") + 1] == ' '
    })
}

#[test]
fn entities_of_running_text_are_whole_words() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    let text = "anna lives in hamburg , jo works at the mill and sings in new york city\n";
    let predict = |more: &[&str], text: &str| {
        let labels = ["predict", "--model", "bi_encoder", "--labels", "person,place", "--threshold", "0.01"];
        let (status, out, said) = tagsmith(&[&labels[..], more].concat(), at, text);
        assert_eq!(status, 0, "{said}");
        (out, said)
    };
    let document = |out: &str| -> Value { serde_json::from_str(out.lines().next().expect("a line")).expect("JSON") };
    let (out, said) = predict(&[], text);
    assert!(said.contains("(`annotation_format`): running text is cut into words"), "{said}");
    let of_text = document(&out);
    assert!(has_whole_words(&of_text) && of_text["entities"].as_array().is_some_and(|it| it.len() > 2), "{of_text}");
    // The same words, given as words, have the same entities.
    let words: Vec<&str> = text.split_whitespace().collect();
    assert_eq!(of_text["words"], json!(words));
    let (out, _) = predict(&[], &(json!({"tokens": words}).to_string() + "\n"));
    assert_eq!(document(&out), of_text);

    // Each word has an IOB2 tag, in JSON and in columns alike: an entity's words and no others have its label.
    let labels: Vec<&str> = of_text["labels"].as_array().expect("a list").iter().filter_map(Value::as_str).collect();
    assert_eq!(labels.len(), words.len());
    let (columns, _) = predict(&["--output-format", "conll"], text);
    let rows: Vec<String> = words.iter().zip(&labels).map(|(word, label)| format!("{word}\t{label}")).collect();
    assert_eq!(columns, rows.join("\n") + "\n\n");
    let mut tagged = Vec::new();
    for (word, label) in words.iter().zip(&labels) {
        match label.split_once('-') {
            Some(("B", kind)) => tagged.push((word.to_string(), kind.to_owned())),
            Some(("I", kind)) => {
                let (text, open) = tagged.last_mut().expect("`B-` comes first");
                assert_eq!(open, kind);
                *text = format!("{text} {word}");
            }
            _ => assert_eq!(*label, "O"),
        }
    }
    let entities = of_text["entities"].as_array().expect("a list").iter();
    let of = |it: &Value, key: &str| it[key].as_str().expect("a text").to_owned();
    assert_eq!(tagged, entities.map(|it| (of(it, "text"), of(it, "label"))).collect::<Vec<_>>());
    // Where words may be in two entities, none has a label.
    let (out, _) = predict(&["--decoding", "nested"], text);
    assert_eq!((document(&out)["words"].clone(), document(&out).get("labels")), (json!(words), None));

    // A model of running text finds what it learned to find, parts of words included.
    let config = at.join("bi_encoder/config.json");
    let json = fs::read_to_string(&config).expect("it is there");
    fs::write(&config, json.replacen('{', "{\"annotation_format\": \"text\",", 1)).expect("it is written");
    let (out, said) = predict(&[], text);
    assert!(!said.contains("annotation_format"), "{said}");
    assert!(!has_whole_words(&document(&out)), "{out}");
    let (_, said) = predict(&["--output-format", "conll"], text);
    assert!(said.contains("entities begin or end inside a word: the whole word has their label"), "{said}");
}

#[test]
fn choices_of_the_other_kind_of_model_are_refused() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    let plain = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../golden/models/bert");
    fs::create_dir(at.join("plain")).expect("a scratch folder");
    for file in ["config.json", "model.safetensors"] {
        fs::copy(plain.join(file), at.join("plain").join(file)).expect("copying works");
    }
    fs::copy(golden("tokenizer.json"), at.join("plain/tokenizer.json")).expect("copying works");
    let refused = |args: &[&str], want: &str| {
        let (status, out, said) = tagsmith(&[&["predict", "--model"], args].concat(), at, "jo\n");
        let last = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!((status, &*out, last), (2, "", &*format!("error: {want}")), "{said}");
    };
    let spans = ["bi_encoder", "--labels", "a,b"];
    refused(
        &[&spans[..], &["--aggregation-strategy", "max"]].concat(),
        "bi_encoder: this is a span tagger: it scores whole spans, so no pieces are put together: leave out \
         `--aggregation-strategy`",
    );
    refused(
        &[&spans[..], &["--decoding", "nested", "--output-format", "conll"]].concat(),
        "entities that may overlap cannot be written as a column of labels: pass `--decoding flat`, or \
         pass `--output-format jsonl`",
    );
    let (status, _, said) =
        tagsmith(&[&["predict", "--model"], &spans[..], &["--aggregation-strategy", "first"]].concat(), at, "jo\n");
    assert_eq!(status, 0, "the default is not another strategy: {said}");
    for (choice, value, why) in [
        ("--labels", "a,b", "finds its own labels and looks for no others"),
        ("--threshold", "0.5", "gives each word its most probable label and has no threshold"),
        ("--decoding", "flat", "gives each word one label, so entities never overlap"),
    ] {
        let want = format!("plain: this is a token classifier: it {why}: leave out `{choice}`");
        refused(&["plain", choice, value], &want);
    }
}

#[test]
fn what_cannot_work_is_refused_in_one_line() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    model(at, "cross_encoder");
    fs::write(at.join("data.jsonl"), DATA).expect("it is written");
    let refused = |args: &[&str], want: &str| {
        let (status, _, said) = tagsmith(args, at, "jo\n");
        let last = said.lines().find(|line| line.starts_with("error: ")).unwrap_or_default();
        assert_eq!((status, last), (2, &*format!("error: {want}")), "{said}");
    };
    let predict = |labels: &'static str| ["predict", "--model", "bi_encoder", "--labels", labels];
    refused(&predict("a,,b"), "label 2 is empty: give it a name");
    refused(&predict("a,b,a"), "the label `a` is given twice: name every label once");
    refused(
        &["predict", "--model", "bi_encoder"],
        "a span tagger looks for labels, and none are given: pass `--labels` to name them",
    );
    let many: Vec<String> = (0..40).map(|i| format!("a{i}")).collect();
    let many = many.join(",");
    refused(
        &["predict", "--model", "cross_encoder", "--labels", &many, "--max-seq-length", "64"],
        "40 labels in the prompt leave no room for text in 64 pieces: look for fewer labels at once, or use a \
         bi-encoder, which has no such limit",
    );
    let evaluate = |model: &'static str, threshold: &'static str| {
        let command = "evaluate_bi_encoder";
        [command, "--pretrained_model_name_or_path", model, "--evaluation_file", "data.jsonl", "--threshold", threshold]
    };
    refused(
        &evaluate("bi_encoder", "high"),
        "the threshold is `high`, neither a number from 0 to 1 nor `cls` nor `label_token`: pass `--threshold` with a \
         number from 0 to 1",
    );
    refused(
        &evaluate("bi_encoder", "cls"),
        "the threshold is `cls`, which only contrastive models learn: pass `--threshold` with a number from 0 to 1",
    );
    refused(&evaluate("cross_encoder", "0.5"), "cross_encoder: this is a cross-encoder: use the other evaluator");
    config(at, r#", "do_trane": true"#);
    refused(
        &["train_bi_encoder", "run.json"],
        "run.json: `do_trane` is not a key that is known here: did you mean `do_train`?",
    );
    config(at, r#", "seed": 1, "seed": 2"#);
    let config_line = fs::read_to_string(at.join("run.json")).expect("it was written");
    let place = config_line.lines().position(|line| line.contains("\"seed\": 2")).expect("it is there") + 1;
    let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
    let want = format!("error: run.json: is not valid JSON (the key `seed` occurs twice at line {place} column");
    assert_eq!((status, said.contains(&want)), (2, true), "{said}");
    config(at, "");
    fs::write(at.join("data.jsonl"), "{\"text\": \"a\", \"char_spans\": []}\n").expect("it is written");
    refused(&["train_bi_encoder", "run.json"], "*.jsonl: no entity of format Text is there: is it the right file?");
}

/// One line each, with the file, the line and what to do. What a row of data looks like is tested with the reader, keys of
/// a configuration with the configuration; here is what a command line makes of them.
#[test]
fn bad_input_is_refused_with_file_line_and_remedy() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    let good = DATA.lines().next().expect("it has lines");
    let refused = |line: &str, want: &str| {
        fs::write(at.join("data.jsonl"), format!("{good}\n{line}\n")).expect("it is written");
        config(at, "");
        let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
        let errors: Vec<&str> = said.lines().skip_while(|line| !line.starts_with("error: ")).collect();
        assert_eq!((status, &errors[..]), (2, &[&*format!("error: data.jsonl:2: {want}")][..]), "{said}");
        // Nothing is half done.
        assert!(!at.join("out/best_checkpoint").exists() && !at.join("out/test_results.json").exists());
        let evaluate =
            ["evaluate_bi_encoder", "--pretrained_model_name_or_path", "bi_encoder", "--evaluation_file", "data.jsonl"];
        let (status, out, said) = tagsmith(&evaluate, at, "");
        assert_eq!((status, &*out, said.contains(&format!("error: data.jsonl:2: {want}"))), (2, "", true), "{said}");
        assert!(!at.join("evals").exists());
    };
    let spans = |spans: &str| format!(r#"{{"text": "ann", "char_spans": {spans}}}"#);
    refused(
        &spans(r#"[{"start": 1, "end": 4, "label": "a"}]"#),
        "`char_spans` 1: 1 to 4 is empty or outside 0 to 3: `end` is one past the last",
    );
    refused(
        &spans(r#"[{"start": 2, "end": 2, "label": "a"}]"#),
        "`char_spans` 1: 2 to 2 is empty or outside 0 to 3: `end` is one past the last",
    );
    refused(
        &spans(r#"[{"start": -1, "end": 2, "label": "a"}]"#),
        "`char_spans` 1: `start` is -1, not a whole number: count from 0",
    );
    refused(&spans(r#"[{"end": 2, "label": "a"}]"#), "`char_spans` 1: there is no `start`: add it, or remove the span");
    refused(&spans(r#"[{"start": 0, "end": 2}]"#), "`char_spans` 1: there is no `label`: name it, or remove the span");
    refused(
        &spans(r#"[{"start": 0, "end": 2, "label": ""}]"#),
        "`char_spans` 1: the label is empty: name it, or remove the span",
    );
    refused(
        &spans(r#"[{"start": 0, "end": 2, "label": 3}]"#),
        "`char_spans` 1: the label is 3, not a string: quote it",
    );
    refused(
        &spans("3"),
        "`char_spans` is 3, not a list of objects: write [{\"start\": 0, \"end\": 1, \"label\": \"…\"}]",
    );
    refused(r#"{"text": "ann"}"#, "there is no `char_spans`: give an empty list where nothing is marked");
    refused(r#"{"text": 3, "char_spans": []}"#, "`text` is 3, not a string: quote it");
    refused(
        r#"{"id": {"a": 1}, "text": "ann", "char_spans": []}"#,
        "`id` is {\"a\":1}, neither a string nor a whole number: correct or remove it",
    );
    refused(r#"{"tokens": ["ann"], "token_spans": []}"#, "there is no `text`: add it, or use the format `tokens`");
    refused(
        r#"{"text": "ann", "char_spans": [], "text": "bob"}"#,
        "column 48: this is not the JSON of a row (the key `text` occurs twice): correct it",
    );
    refused("{\"text\": \"ann\"", "the row that begins here is not closed: is the file cut off? Close it or drop it");
}

#[test]
fn what_a_file_as_a_whole_lacks_is_said_too() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    model(at, "contrastive_cross_encoder");
    let said_of = |changes: &str, data: &str| {
        fs::write(at.join("data.jsonl"), data).expect("it is written");
        config(at, changes);
        let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
        fs::remove_dir_all(at.join("out")).ok();
        (status, said)
    };
    let (status, said) = said_of("", "");
    assert_eq!((status, said.contains("data.jsonl: holds no text\n")), (2, true), "{said}");
    assert!(said.ends_with("error: *.jsonl: no entity of format Text is there: is it the right file?\n"), "{said}");
    let (status, said) = said_of(r#", "language_weights": {"deu": 2}"#, DATA);
    let want =
        "error: *.jsonl: text 1 has no `id`, and `language_weights` needs one in every record, such as `deu_12-s0`\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");
    let with_id = DATA.replace("{\"text\"", "{\"id\": \"eng_1\", \"text\"");
    let (status, said) = said_of(r#", "language_weights": {"deu": 2}"#, &with_id);
    let want = "error: `language_weights` names `deu`, and no record's `id` begins with it\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");
    // What flat decoding never finds is refused; where it lies inside, nested decoding finds it.
    let overlapping = |second: &str| {
        let spans = format!(r#"[{{"start": 0, "end": 13, "label": "a"}}, {second}]"#);
        format!("{DATA}{{\"text\": \"new york city hall\", \"char_spans\": {spans}}}\n")
    };
    let inside = overlapping(r#"{"start": 4, "end": 8, "label": "b"}"#);
    let (status, said) = said_of("", &inside);
    let want = "error: data.jsonl:3: entities overlap, `a` from 0 to 13 and `b` from 4 to 8, and flat decoding finds one \
                of them at most: remove one, or pass `--decoding nested`\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");
    let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json", "--parity", "overlapping"], at, "");
    assert_eq!((status, said.contains("warning: data.jsonl:3: entities overlap here")), (0, true), "{said}");
    fs::remove_dir_all(at.join("out")).expect("it was written");
    let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json", "--decoding", "nested"], at, "");
    assert_eq!((status, said.contains("overlap")), (0, false), "{said}");
    assert!(said.contains("note: memory: "), "{said}");
}

#[test]
fn labels_with_descriptions_hundreds_of_labels_and_modes() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    let predict = |more: &[&str], text: &str| {
        let (status, out, said) = tagsmith(&[&["predict", "--model", "bi_encoder"][..], more].concat(), at, text);
        assert_eq!(status, 0, "{said}");
        let document: Value = serde_json::from_str(out.lines().next().expect("a line")).expect("it is JSON");
        (document["entities"].as_array().expect("a list").clone(), said)
    };
    let text = "jo lives in new york city\n";
    // A description is read; the name is what is reported.
    let describe = |json: &str| fs::write(at.join("labels.json"), json).expect("it is written");
    describe(r#"{"person": null, "place": "a city or a lake"}"#);
    let (described, _) = predict(&["--labels", "labels.json", "--threshold", "0.01"], text);
    describe(r#"["person", "place"]"#);
    let (bare, _) = predict(&["--labels", "labels.json", "--threshold", "0.01"], text);
    let (named, _) = predict(&["--labels", "person,place", "--threshold", "0.01"], text);
    assert!(!named.is_empty() && described.iter().all(|it| it["label"] == "person" || it["label"] == "place"));
    assert_eq!(bare, named);
    assert_ne!(described, named, "the description changes nothing");
    describe(r#"{"person": 3}"#);
    let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "labels.json"], at, text);
    let want = "error: the labels are neither a list of names nor an object of names and descriptions: pass `--labels` as \
                `person,place` or as a JSON file\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");
    describe(r#"{"person": null, "person": "a human being"}"#);
    let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "labels.json"], at, text);
    let want =
        "error: labels.json: this is not JSON that can be read: the key `person` occurs twice at line 1 column 43\n";
    assert_eq!((status, said.ends_with(want)), (2, true), "{said}");

    // An output folder remembers what the file held, not its name.
    fs::write(at.join("text.txt"), text).expect("it is written");
    let run = |labels| {
        let model = ["predict", "--model", "bi_encoder", "--labels", labels];
        let (status, _, said) = tagsmith(&[&model[..], &["text.txt", "--output-dir", "out"]].concat(), at, "");
        (status, said)
    };
    // What was refused binds nobody.
    describe(r#"{"person": 3}"#);
    assert_eq!(run("labels.json").0, 2);
    describe(r#"["person", "place"]"#);
    assert_eq!(run("labels.json").0, 0);
    let (status, said) = run("person, place");
    assert!(status == 0 && said.contains("note: 1 of 1 file is there already"), "{said}");
    describe(r#"["person", "lake"]"#);
    let want = r#"its files were made with `labels` ["person","place"], and now it is ["person","lake"]: name another"#;
    let (status, said) = run("labels.json");
    assert!(status == 2 && said.contains(want), "{said}");

    // 500 labels, each with a vector of its own: what two of them find does not depend on the others.
    let many: Vec<String> = (0..498).map(|i| format!("team {i}")).collect();
    let many = format!("person,place,{}", many.join(","));
    let per_type = ["--decoding", "per_type", "--threshold", "0.01"];
    let (of_many, _) = predict(&[&["--labels", many.as_str()][..], &per_type].concat(), text);
    let (of_two, _) = predict(&[&["--labels", "person,place"][..], &per_type].concat(), text);
    let ours = |it: &&Value| it["label"] == "person" || it["label"] == "place";
    assert_eq!(of_many.iter().filter(ours).collect::<Vec<_>>(), of_two.iter().collect::<Vec<_>>());
    assert!(of_many.len() > of_two.len());

    let overlap = |entities: &[Value], nested: bool| {
        let place = |it: &Value| (it["start"].as_u64().expect("a number"), it["end"].as_u64().expect("a number"));
        let pairs = entities.iter().enumerate().flat_map(|(i, a)| entities[i + 1..].iter().map(move |b| (a, b)));
        pairs.map(|(a, b)| (place(a), place(b), a["label"] == b["label"])).any(|(a, b, same)| {
            let meet = a.0 < b.1 && b.0 < a.1;
            let inside = (a.0 <= b.0 && b.1 <= a.1) || (b.0 <= a.0 && a.1 <= b.1);
            meet && if nested { !inside || a == b } else { same }
        })
    };
    let two = ["--labels", "person,place", "--threshold", "0.01", "--decoding"];
    let [flat, nested, per_type] =
        ["flat", "nested", "per_type"].map(|mode| predict(&[&two[..], &[mode]].concat(), text).0);
    assert!(
        nested.len() > flat.len() && per_type.len() > flat.len(),
        "{} {} {}",
        flat.len(),
        nested.len(),
        per_type.len()
    );
    assert!(!overlap(&nested, true) && !overlap(&per_type, false));
    // Brackets cannot show what overlaps: with those that a note counts they are all.
    for (mode, all) in [("flat", &flat), ("nested", &nested), ("per_type", &per_type)] {
        let shown = ["predict", "--model", "bi_encoder", "--output-format", "text"];
        let (_, out, said) = tagsmith(&[&shown[..], &two, &[mode]].concat(), at, text);
        let hidden = all.len() - out.matches('[').count();
        let note = format!("warning: {hidden} entities overlap others and cannot be shown as text");
        assert_eq!((hidden > 0, said.contains(&note)), (mode != "flat", mode != "flat"), "{mode}: {said}");
    }

    // Special tokens that given words spell are ordinary letters. In running text their brackets are words of their own.
    let spelled = "jo [SEP] lives in [CLS] york\n";
    let words = json!({"tokens": spelled.split_whitespace().collect::<Vec<_>>()}).to_string() + "\n";
    let (_, said) = predict(&["--labels", "person,a [SEP] b", "--threshold", "0.5"], &words);
    let of_words = "note: 2 special tokens that words spell (such as `[SEP]`) were read as ordinary letters";
    assert!(said.contains(of_words), "{said}");
    assert!(said.contains("note: labels spell 1 special token (such as `[SEP]`)"), "{said}");
    let (_, said) = predict(&["--labels", "person", "--threshold", "0.5"], spelled);
    assert!(!said.contains("special token"), "{said}");
    let (_, said) = predict(&["--labels", &"jo ".repeat(80), "--threshold", "0.5"], text);
    assert!(said.contains("warning: 1 label is longer than 64 pieces: its end is not read"), "{said}");
}

#[test]
fn a_run_is_recorded_as_that_of_a_token_classifier() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    fs::write(at.join("data.jsonl"), DATA).expect("it is written");
    config(
        at,
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
    let read = |name: &str| fs::read_to_string(at.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    let rates: Vec<f64> = read("logs/log.jsonl")
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).expect("it is JSON")["learning_rate"].as_f64())
        .collect();
    // Half of the four steps warm up; cosine's half wave falls from there.
    let want = [0.0, 0.5, 1.0, 0.5].map(|share| share * 5e-5);
    assert!(rates.iter().zip(want).all(|(rate, want)| (rate - want).abs() < 1e-18) && rates.len() == 4, "{rates:?}");
    assert!(read("logs/log.csv").contains(",eval_f1,"), "{}", read("logs/log.csv"));
    assert!(read("out/report.html").contains("cosine"));
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
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    let config = at.join("bi_encoder/config.json");
    let json = fs::read_to_string(&config).expect("it is there");
    fs::write(&config, json.replacen('{', "{\"annotation_format\": \"tokens\",", 1)).expect("it is written");
    fs::write(at.join("gold.conll"), "jo\tB-person\nlives\tO\nin\tO\nnew\tB-place\nyork\tI-place\n")
        .expect("it is written");
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

/// Sizes that no memory holds are refused before any is taken, in a run's file and in a checkpoint.
#[test]
fn sizes_of_a_head_are_bounded() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let at = scratch.path();
    model(at, "bi_encoder");
    fs::write(at.join("data.jsonl"), DATA).expect("it is written");
    let last = |said: &str| said.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
    let checkpoint = fs::read_to_string(at.join("bi_encoder/config.json")).expect("it is there");
    for (key, size) in [("linear_hidden_size", "12"), ("span_width_embedding_size", "6"), ("max_span_length", "4")] {
        config(at, "");
        let run = fs::read_to_string(at.join("run.json")).expect("it was written");
        let absurd = |text: &str, number: &str| {
            let mut json: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(json[key].to_string(), size, "{key}");
            json[key] = number.parse::<u64>().expect("a number").into();
            json.to_string()
        };
        fs::write(at.join("run.json"), absurd(&run, "1000000000")).expect("it is written");
        let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
        let want = format!("error: run.json: `{key}` is 1000000000, not a whole number from 1 to 16777216");
        assert_eq!((status, last(&said)), (2, want), "{said}");
        for number in ["1000000000", "16000000"] {
            fs::write(at.join("bi_encoder/config.json"), absurd(&checkpoint, number)).expect("it is written");
            let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "a"], at, "jo\n");
            assert_eq!((status, said.contains("panicked")), (2, false), "{said}");
            let refusal = ["not a whole number from 1 to 16777216", "bytes, too few for the"];
            assert!(refusal.iter().any(|part| last(&said).contains(part)), "{said}");
        }
    }
}
