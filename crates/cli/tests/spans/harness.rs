//! The data, the run and the program of these tests.

use std::path::Path;
use tagsmith_testkit::program::{self, Ran};
use tagsmith_testkit::scratch::Scratch;

/// Runs the program in a folder, which its messages call AT. Returns its status, and what it printed.
pub fn tagsmith(args: &[&str], at: &Path, stdin: &str) -> (i32, String, String) {
    let ran = Ran::fed(program::isolated(program::path(), at).args(args), stdin);
    let text = |said: String| said.replace(&at.display().to_string(), "AT");
    (ran.status, text(ran.stdout), text(ran.stderr))
}

pub const DATA: &str = r#"{"text": "jo lives in new york", "char_spans": [{"start": 0, "end": 2, "label": "person"}, {"start": 12, "end": 20, "label": "place"}]}
{"text": "anna works at the mill", "char_spans": [{"start": 0, "end": 4, "label": "person"}]}
"#;

/// Writes `run.json`, the training of a bi-encoder, with more settings.
pub fn config(scratch: &Scratch, changes: &str) {
    let text = format!(
        r#"{{"token_encoder": "none", "type_encoder": "none", "model_checkpoint": "bi_encoder", "dataset_name": "two",
        "train_file": "*.jsonl", "validation_file": "data.jsonl", "test_file": ["data.jsonl"], "output_dir": "out",
        "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4, "max_seq_length": 64,
        "max_steps": 4, "eval_steps": 2, "logging_steps": 1, "save_total_limit": 1, "do_train": true, "do_eval": true,
        "do_predict": true {changes}}}"#
    );
    scratch.write("run.json", text);
}
