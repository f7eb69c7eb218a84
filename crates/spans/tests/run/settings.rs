//! Configurations of runs.

use crate::harness::config;
use tagsmith_spans::config::run::RunConfig;

#[test]
fn configurations_are_read_strictly() {
    let scratch = tempfile::tempdir().expect("a scratch folder");
    let refused = |name: &str, changes: &str| {
        let at = scratch.path().join("config.json");
        let base = config("bi_encoder", scratch.path(), r#""max_steps": 4"#).json;
        let mut json = serde_json::Value::Object(base);
        for (key, value) in serde_json::from_str::<serde_json::Map<_, _>>(changes).expect("the test's own JSON") {
            json[key] = value;
        }
        std::fs::write(&at, json.to_string()).expect("it is written");
        let program = (!name.is_empty()).then_some(tagsmith_spans::config::run::Program {
            architecture: tagsmith_spans::config::Architecture::CrossEncoder,
            contrastive: name == "contrastive",
        });
        let error = RunConfig::read(&at, program).expect_err(changes).to_string();
        error.replace(&at.display().to_string(), "F")
    };
    let check = |changes: &str, want: &str| assert_eq!(refused("", changes), want);
    check(r#"{"max_step": 4}"#, "F: `max_step` is not a key that is known here: did you mean `max_steps`?");
    check(r#"{"max_steps": null}"#, "F: `max_steps` is missing, and so is `num_train_epochs`");
    check(r#"{"eval_steps": null}"#, "F: `eval_steps` is missing: it has no default");
    check(r#"{"save_total_limit": null}"#, "F: `save_total_limit` is missing: it has no default");
    check(r#"{"dataset_name": null}"#, "F: `dataset_name` is missing: it has no default");
    check(r#"{"token_encoder": null}"#, "F: `token_encoder` is missing: it names the text encoder's folder");
    check(r#"{"loss_masking": "all_spans"}"#, "F: `loss_masking` is `all_spans`; there are none and subwords");
    check(r#"{"loss_fn": "contrastive"}"#, "F: `loss_fn` must be bce, focal, dice or dice_focal for this architecture");
    check(
        r#"{"prediction_threshold": "label"}"#,
        "F: `prediction_threshold` is `label`, neither a number from 0 to 1 nor `cls` nor `label_token`",
    );
    check(
        r#"{"prediction_threshold": "cls"}"#,
        "F: `prediction_threshold` is `cls`, which only contrastive models learn",
    );
    check(r#"{"train_file": null}"#, "F: `train_file` is missing, and `do_train` is true");
    check(r#"{"language_weights": {"deu": -1}}"#, "F: `language_weights` gives `deu` -1, not a number above 0");
    check(r#"{"focal_alpha": -0.5}"#, "F: `focal_alpha` is -0.5, neither from 0 to 1 nor -1 (off)");
    assert_eq!(refused("bce", "{}"), "F: `architecture` is `bi_encoder`, another than this command trains");
}
