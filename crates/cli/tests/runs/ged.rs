//! Grammatical error detection: `word<TAB>label` folders with labels.txt.

use crate::harness::with_encoder;
use expect_test::expect;
use serde_json::json;
use tagsmith_testkit::scratch::Scratch;

const TRAIN: &str = "jo\tUC\nlives\tB+A\nin\tUC\nmillville\tUC\n\nann\tUC\nlee\tUNK\nworks\tA+B\nat\nlake\tA\nmill\tUC\n\n\
                     jo\tUC\nlives\tA\nin\tUC\n";
const DEV: &str = "ann\tUC\nworks\tA\nin\tUC\nmillville\tUC\n\njo\tUC\nlives\tUC\n";

/// A folder as arabic-gec has it; `A+B` comes in both orders, a label is missing, one is unknown, `C` never occurs.
fn write_folder(scratch: &Scratch) {
    scratch.write("areta_v4/train.txt", TRAIN);
    scratch.write("areta_v4/dev.txt", DEV);
    scratch.write("areta_v4/test.txt", DEV);
    scratch.write("areta_v4/labels.txt", "UC\nA\nC\nB+A\nUNK\n");
}

/// The first source document's command, its words in its order.
fn command(columns: (&str, &str)) -> String {
    format!(
        "run_ner --model_name_or_path model --do_train --per_device_train_batch_size 2 \
         --per_device_eval_batch_size 2 --gradient_accumulation_steps 2 --max_seq_length 16 --gradient_checkpointing \
         --num_train_epochs 4 --dataset_name areta_v4 --output_dir out --learning_rate 5e-3 \
         --evaluation_strategy epoch --save_strategy epoch --logging_steps 2 --save_total_limit 2 --seed 42 \
         --overwrite_output_dir --text_column {} --label_column {} --dataloader_num_workers 4 \
         --dataloader_pin_memory --cache_dir cache --load_best_model_at_end --metric_for_best_model f0.5 --fp16 \
         --threads 1",
        columns.0, columns.1
    )
}

#[test]
fn the_source_documents_command_runs_as_typed() {
    let scratch = with_encoder();
    write_folder(&scratch);
    let ran = scratch.good(&command(("0", "1")));
    ran.says("note: `areta_v4/labels.txt` lists `UC`, so the task is error detection (`ged`)");
    ran.says("warning: train: 1 word has no label and got `UC` (areta_v4/train.txt:9)");
    ran.says("warning: train: 1 word is labeled `UNK`: it is neither learned nor scored (areta_v4/train.txt:6)");
    ran.says("note: train: 1 label had its parts, which `+` joins, in another order and was sorted");
    ran.says("note: 4 labels: UC A C A+B");
    ran.says("note: `--fp16` runs in bf16, which has the range of f32: no loss is scaled");
    ran.says("note: products in bf16, ");
    ran.says("the metric `f0.5` is called `ged_f0.5` in this run");
    ran.says("note: loaded the best model");
    ran.says("`ged_…` are their figures");
    // The order of the list is that of the ids; `UNK` has none.
    let config = scratch.json("out/config.json");
    assert_eq!(config["id2label"], json!({"0": "UC", "1": "A", "2": "C", "3": "A+B"}));
    let (state, results) = (scratch.json("out/trainer_state.json"), scratch.json("out/all_results.json"));
    assert_eq!(results["eval_ged_f0.5"], state["best_metric"]);
    for name in ["ged_precision", "ged_err_f0.5", "ged_bin_f0.5", "ged_bin_accuracy", "f1", "accuracy"] {
        assert!(results.get(format!("eval_{name}")).is_some(), "{name}: {results}");
    }
    // Every listed label has its row, whether or not it occurs.
    let table = scratch.read("out/eval_ged.tsv");
    let names: Vec<&str> = table.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(names, ["label", "UC", "A", "C", "A+B", "accuracy", "macro avg", "weighted avg"]);
    let supports: Vec<&str> = table.lines().map(|line| line.rsplit('\t').next().unwrap()).collect();
    assert_eq!(supports, ["support", "5", "1", "0", "0", "6", "6", "6"]);
}

#[test]
fn columns_have_names_too() {
    let scratch = with_encoder();
    let row = |words: &[&str], tags: &[&str]| json!({"words": words, "tags": tags}).to_string() + "\n";
    let rows = row(&["jo", "lives", "in"], &["UC", "A", "UC"]) + &row(&["ann", "works"], &["UC", "UNK"]);
    for split in ["train", "validation", "test"] {
        scratch.write(&format!("areta_v4/{split}.json"), &rows);
    }
    // Without a list, the label says it: the figures are those of a folder with one.
    let ran = scratch.good(&command(("words", "tags")).replace("f0.5", "f1"));
    ran.says("note: the label `UC` occurs, so the task is error detection (`ged`)");
    ran.says("`f1` chooses the best model and is seqeval's, which takes labels of errors for entities");
    ran.says("pass `--metric_for_best_model ged_f0.5` to choose by it");
    let results = scratch.json("out/all_results.json");
    assert!(results.get("eval_ged_f0.5").is_some() && results["eval_f1"] != results["eval_accuracy"], "{results}");
    let ran = scratch.good(&format!("{} --task_name ged --do_predict", command(("words", "tags"))));
    ran.says("note: 2 labels: A UC");
    let results = scratch.json("out/all_results.json");
    assert!(results.get("eval_ged_f0.5").is_some() && results.get("predict_ged_bin_f0.5").is_some(), "{results}");
    assert_eq!(scratch.files("out").iter().filter(|name| name.ends_with("_ged.tsv")).count(), 2);
}

#[test]
fn what_was_predicted_scores_as_training_said() {
    let scratch = with_encoder();
    write_folder(&scratch);
    scratch.good(&format!("{} --do_predict", command(("0", "1"))));
    let ran =
        scratch.good("score --mode ged areta_v4/test.txt out/predictions.txt --labels areta_v4/labels.txt --json");
    let scored: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
    let results = scratch.json("out/all_results.json");
    for name in ["bin_precision", "bin_recall", "bin_f0.5", "bin_accuracy"] {
        assert_eq!(scored[name], results[format!("predict_ged_{name}")], "{name}");
    }
    // The list has `UNK`, so it is part of the mean there; training leaves it out.
    let (of_five, of_four) = (scored["f0.5"].as_f64().unwrap(), results["predict_ged_f0.5"].as_f64().unwrap());
    assert!((of_five * 5.0 - of_four * 4.0).abs() < 1e-12, "{of_five} {of_four}");
}

#[test]
fn a_list_of_labels_serves_any_task() {
    let scratch = with_encoder();
    let rows = "{\"words\": [\"jo\", \"lives\"], \"ner\": [1, 0]}\n{\"words\": [\"ann\", \"lee\"], \"ner\": [1, 2]}\n";
    scratch.write("data.json", rows);
    scratch.write("names.txt", "O\nB-PER\nI-PER\n");
    let base = "train --model_name_or_path model --train_file data.json --do_train --max_steps 1 --save_strategy no";
    scratch.good(&format!("{base} --labels names.txt --output_dir out")).says("note: 3 labels: O B-PER I-PER");
    scratch.write("names.txt", "O\nB-PER\n");
    let errors = [
        scratch.bad(&format!("{base} --labels names.txt --output_dir no")),
        scratch.bad(&format!("{base} --labels none.txt --output_dir no")),
        scratch.bad(&format!("{base} --task_name ged --output_dir no")),
    ];
    expect![[r#"
        error: data.json: the label 2 has no name: the list has 2 labels, from 0
        error: none.txt: cannot be opened: No such file or directory (os error 2)
        error: none of the labels is `UC` or `c`, the label of a word without an error: is this error detection?"#]]
    .assert_eq(&errors.join("\n"));
    // A list in the data's folder that is of another task is not silently taken.
    scratch.write("folder/train.json", rows);
    scratch.write("folder/labels.txt", "O\nB-PER\nI-PER\n");
    let ran = scratch.good(&format!("{base} --dataset_name folder --output_dir out2"));
    ran.says(
        "note: `folder/labels.txt` is not read: pass `--labels folder/labels.txt` to take the labels in its order",
    );
}
