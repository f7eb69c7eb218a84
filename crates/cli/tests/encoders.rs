//! Encoders beside BERT from files to files: they learn ten sentences by heart, and what is saved says the same again.

use assert_cmd::Command;
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// The weights are of models; the tokenizer and the sentences are of run_ner.
const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../golden");

fn tagsmith(folder: &Path, line: &str) -> String {
    let mut command = Command::cargo_bin("tagsmith").unwrap();
    let output = command.current_dir(folder).args(line.split_whitespace()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{line}\n{errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(file: &Path) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).unwrap()
}

#[test]
fn other_encoders_learn_evaluate_predict_and_are_saved() {
    for (name, architecture) in
        [("modernbert", "ModernBertForTokenClassification"), ("deberta-v2", "DebertaV2ForTokenClassification")]
    {
        let scratch = TempDir::new().unwrap();
        let at = |name: &str| scratch.path().join(name);
        fs::create_dir(at("model")).unwrap();
        for file in ["config.json", "model.safetensors"] {
            fs::copy(Path::new(GOLDEN).join("models").join(name).join(file), at("model").join(file)).unwrap();
        }
        for file in ["tokenizer.json", "tokenizer_config.json"] {
            fs::copy(Path::new(GOLDEN).join("run_ner").join(file), at("model").join(file)).unwrap();
        }
        fs::copy(Path::new(GOLDEN).join("run_ner/data.json"), at("data.json")).unwrap();
        tagsmith(
            scratch.path(),
            "train --model_name_or_path model --output_dir out --train_file data.json --validation_file data.json \
             --test_file data.json --do_train --do_eval --do_predict --learning_rate 1e-2 --num_train_epochs 30 \
             --per_device_train_batch_size 2 --seed 7 --threads 1 --gradient_checkpointing --batch_tokens 12",
        );
        let results = json(&at("out/all_results.json"));
        assert_eq!(results["eval_f1"], 1.0, "{name}: {results}");
        assert_eq!(json(&at("out/config.json"))["architectures"][0], architecture);
        // What was saved predicts what the run predicted.
        let predictions = fs::read_to_string(at("out/predictions.txt")).unwrap();
        tagsmith(
            scratch.path(),
            "train --model_name_or_path out --output_dir again --test_file data.json --do_predict --threads 1",
        );
        assert_eq!(fs::read_to_string(at("again/predictions.txt")).unwrap(), predictions, "{name}");
    }
}
