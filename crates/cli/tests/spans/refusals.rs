//! What cannot work is said in one line.

use crate::harness::{DATA, config, tagsmith};
use serde_json::Value;
use std::fs;
use tagsmith_testkit::scratch::Scratch;

#[test]
fn choices_of_the_other_kind_of_model_are_refused() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.put_tagger("bert", "plain");
    scratch.copy("spans/tokenizer.json", "plain/tokenizer.json");
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
        ("--decoding", "flat", "gives each word one label, so entities never overlap"),
    ] {
        let want = format!("plain: this is a token classifier: it {why}: leave out `{choice}`");
        refused(&["plain", choice, value], &want);
    }
}

#[test]
fn what_cannot_work_is_refused_in_one_line() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.put_span_tagger("cross_encoder");
    scratch.write("data.jsonl", DATA);
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
    config(&scratch, r#", "do_trane": true"#);
    refused(
        &["train_bi_encoder", "run.json"],
        "run.json: `do_trane` is not a key that is known here: did you mean `do_train`?",
    );
    config(&scratch, r#", "seed": 1, "seed": 2"#);
    let config_line = scratch.read("run.json");
    let place = config_line.lines().position(|line| line.contains("\"seed\": 2")).expect("it is there") + 1;
    let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
    let want = format!("error: run.json: is not valid JSON (the key `seed` occurs twice at line {place} column");
    assert_eq!((status, said.contains(&want)), (2, true), "{said}");
    config(&scratch, "");
    scratch.write("data.jsonl", "{\"text\": \"a\", \"char_spans\": []}\n");
    refused(&["train_bi_encoder", "run.json"], "*.jsonl: no entity of format Text is there: is it the right file?");
}

/// One line each, with the file, the line and what to do. What a row of data looks like is tested with the reader, keys of
/// a configuration with the configuration; here is what a command line makes of them.
#[test]
fn bad_input_is_refused_with_file_line_and_remedy() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    let good = DATA.lines().next().expect("it has lines");
    let refused = |line: &str, want: &str| {
        scratch.write("data.jsonl", format!("{good}\n{line}\n"));
        config(&scratch, "");
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
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.put_span_tagger("contrastive_cross_encoder");
    let said_of = |changes: &str, data: &str| {
        scratch.write("data.jsonl", data);
        config(&scratch, changes);
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

/// Sizes that no memory holds are refused before any is taken, in a run's file and in a checkpoint.
#[test]
fn sizes_of_a_head_are_bounded() {
    let scratch = Scratch::empty();
    let at = scratch.folder();
    scratch.put_span_tagger("bi_encoder");
    scratch.write("data.jsonl", DATA);
    let last = |said: &str| said.lines().rfind(|line| line.starts_with("error: ")).unwrap_or_default().to_owned();
    let checkpoint = scratch.read("bi_encoder/config.json");
    for (key, size) in [("linear_hidden_size", "12"), ("span_width_embedding_size", "6"), ("max_span_length", "4")] {
        config(&scratch, "");
        let run = scratch.read("run.json");
        let absurd = |text: &str, number: &str| {
            let mut json: Value = serde_json::from_str(text).expect("it is JSON");
            assert_eq!(json[key].to_string(), size, "{key}");
            json[key] = number.parse::<u64>().expect("a number").into();
            json.to_string()
        };
        scratch.write("run.json", absurd(&run, "1000000000"));
        let (status, _, said) = tagsmith(&["train_bi_encoder", "run.json"], at, "");
        let want = format!("error: run.json: `{key}` is 1000000000, not a whole number from 1 to 16777216");
        assert_eq!((status, last(&said)), (2, want), "{said}");
        for number in ["1000000000", "16000000"] {
            scratch.write("bi_encoder/config.json", absurd(&checkpoint, number));
            let (status, _, said) = tagsmith(&["predict", "--model", "bi_encoder", "--labels", "a"], at, "jo\n");
            assert_eq!((status, said.contains("panicked")), (2, false), "{said}");
            let refusal = ["not a whole number from 1 to 16777216", "bytes, too few for the"];
            assert!(refusal.iter().any(|part| last(&said).contains(part)), "{said}");
        }
    }
}
