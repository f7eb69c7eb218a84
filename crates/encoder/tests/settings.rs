//! Settings that only some families have: two spellings of one computation, and what is refused.

use serde_json::{Map, Value, json};
use std::path::Path;
use tagsmith_encoder::bert::Deberta;
use tagsmith_encoder::config::{Config, Family};
use tagsmith_encoder::modernbert;
use tagsmith_kernel::op::disentangled::Buckets;
use tagsmith_testkit::golden;

fn golden(name: &str) -> Map<String, Value> {
    let Value::Object(config) = golden::json(format!("models/{name}/config.json")) else { panic!("{name}") };
    config
}

fn read(json: Map<String, Value>) -> Result<(Config, Vec<String>), String> {
    Config::from_json("config.json".into(), json).map_err(|error| error.to_string())
}

fn changed(name: &str, key: &str, value: Value) -> Map<String, Value> {
    let mut json = golden(name);
    json.insert(key.into(), value);
    json
}

fn modernbert(json: Map<String, Value>) -> modernbert::Settings {
    let (config, notes) = read(json).expect("it reads");
    assert!(notes.is_empty(), "{notes:?}");
    let Family::ModernBert(settings) = config.family else { panic!("a ModernBERT") };
    settings
}

#[test]
fn one_rate_for_every_dropout_of_every_family() {
    for name in ["bert", "roberta", "distilbert", "electra", "deberta-v2", "modernbert"] {
        let dropped = read(golden(name)).expect("it reads").0.with_dropout(0.25).expect("it is a rate");
        let (again, notes) = read(dropped.json.clone()).expect("it reads");
        assert!(notes.is_empty(), "{name}: {notes:?}");
        for config in [&dropped, &again] {
            let mut rates =
                vec![config.shape.hidden_dropout, config.shape.attention_dropout, config.facts.head.dropout];
            if let Family::ModernBert(settings) = &config.family {
                rates.push(settings.mlp_dropout);
            }
            assert!(rates.iter().all(|&rate| rate == 0.25), "{name}: {rates:?}");
        }
        // It changes nothing else.
        let mut json = dropped.json;
        golden(name).into_iter().for_each(|(key, value)| _ = json.insert(key, value));
        json.retain(|key, _| golden(name).contains_key(key));
        assert_eq!(json, golden(name), "{name}");
    }
    assert!(read(golden("bert")).expect("it reads").0.with_dropout(1.5).is_err());
}

#[test]
fn both_spellings_of_modernbert_are_one_model() {
    let new = modernbert(golden("modernbert"));
    assert_eq!(new.windows, [None, Some(4), None]);
    assert_eq!((new.global_theta, new.local_theta), (500.0, 20.0));
    let mut json = golden("modernbert");
    json.remove("layer_types");
    json.remove("rope_parameters");
    json.extend([("global_rope_theta".into(), json!(500.0)), ("local_rope_theta".into(), json!(20.0))]);
    assert_eq!(modernbert(json.clone()), new);
    // What the file does not say is the original's default.
    for key in ["global_rope_theta", "local_rope_theta", "global_attn_every_n_layers", "local_attention"] {
        json.remove(key);
    }
    let default = modernbert(json);
    assert_eq!(default.windows, [None, Some(64), Some(64)]);
    assert_eq!((default.global_theta, default.local_theta), (160_000.0, 10_000.0));
}

fn assert_refused(name: &str, key: &str, value: Value, want: &str) {
    let error = read(changed(name, key, value)).expect_err("another computation");
    assert_eq!(error, format!("config.json: `{key}` {want}"));
    assert!(!error.contains('\n') && Path::new(&error).to_str().is_some());
}

#[test]
fn what_modernbert_does_not_compute_is_refused() {
    let cases = [
        ("rope_scaling", json!({"type": "linear"}), "is {\"type\":\"linear\"}; only null is implemented"),
        ("head_dim", json!(4), "is 4; only null is implemented"),
        ("sliding_window", json!(5), "is 5; only half of `local_attention`, 4, is implemented"),
        ("num_attention_heads", json!(8), "is 8, which leaves 3 columns a head: rotary positions turn pairs"),
        (
            "layer_types",
            json!(["full_attention", "sliding_attention"]),
            "is not 3 times \"sliding_attention\" or \"full_attention\", one a layer",
        ),
        (
            "layer_types",
            json!(["full_attention", "chunked_attention", "full_attention"]),
            "is not 3 times \"sliding_attention\" or \"full_attention\", one a layer",
        ),
        (
            "rope_parameters",
            json!({"full_attention": {"rope_type": "yarn", "rope_theta": 1e4}}),
            "has `rope_type` \"yarn\" for full_attention; implemented is rope_type \"default\" with a rope_theta",
        ),
        (
            "rope_parameters",
            json!({"sliding_attention": {"rope_theta": -1}}),
            "has rope_theta -1 for sliding_attention, not a number from 1 to below 1000000000000",
        ),
        (
            "rope_parameters",
            json!({"rope_theta": 1e4}),
            "has `rope_theta`; known are sliding_attention and full_attention",
        ),
        ("norm_bias", json!("no"), "is \"no\", neither true nor false"),
        (
            "hidden_activation",
            json!("mish"),
            "is `mish`; implemented are gelu, gelu_new, gelu_pytorch_tanh, gelu_fast, relu, silu, tanh",
        ),
        ("num_hidden_layers", json!(1 << 20), "is 1048576; more than 1024 is taken for a mistake"),
    ];
    for (key, value, want) in cases {
        assert_refused("modernbert", key, value, want);
    }
}

fn deberta(json: Map<String, Value>) -> Deberta {
    let (config, notes) = read(json).expect("it reads");
    assert!(notes.is_empty(), "{notes:?}");
    let Family::Bert(settings) = config.family else { panic!("a relative of BERT") };
    settings.deberta.expect("a DeBERTa")
}

#[test]
fn every_distance_has_pytorchs_row() {
    let tables = golden::json("models/deberta-v2/buckets.json");
    for table in tables.as_array().expect("a list") {
        let number = |key: &str| table[key].as_u64().expect("a number") as usize;
        let rows: Vec<usize> =
            table["rows"].as_array().expect("a list").iter().map(|row| row.as_u64().expect("a row") as usize).collect();
        let farthest = (rows.len() / 2) as isize;
        let row_of = |buckets: Buckets| (-farthest..=farthest).map(|d| buckets.row(d)).collect::<Vec<_>>();
        let buckets = Buckets { span: number("buckets"), logarithmic: Some(number("positions") - 1) };
        assert_eq!(row_of(buckets), rows, "{buckets:?}");
        assert!(rows.is_sorted(), "what is sliced out of a table");
        let twin = Buckets { logarithmic: Some(number("positions")), ..buckets };
        assert!(number("buckets") == 3 || row_of(twin) != rows, "{buckets:?}: one position more");
    }
}

#[test]
fn deberta_says_the_same_in_several_ways() {
    let settings = deberta(golden("deberta-v2"));
    assert_eq!(settings.buckets, Buckets { span: 8, logarithmic: Some(31) });
    assert!(settings.compares_queries && settings.compares_keys && settings.shared && settings.normalized);
    let same = [
        ("pos_att_type", json!("C2P | p2c")),
        ("max_relative_positions", json!(32)),
        ("norm_rel_ebd", json!("layer_norm|other")),
        ("attention_head_size", json!(8)),
        ("conv_kernel_size", json!(0)),
    ];
    for (key, value) in same {
        assert_eq!(deberta(changed("deberta-v2", key, value)), settings, "{key}");
    }
    let apart = deberta(golden("deberta-v2_apart"));
    assert_eq!(apart.buckets, Buckets { span: 6, logarithmic: None });
    assert!(apart.positions_added && !apart.shared && !apart.normalized);
}

#[test]
fn what_deberta_does_not_compute_is_refused() {
    let cases = [
        ("relative_attention", json!(false), "is not true; nothing else is implemented"),
        ("conv_kernel_size", json!(2), "is 2, not an odd number up to 63"),
        ("conv_kernel_size", json!(65), "is 65, not an odd number up to 63"),
        ("conv_kernel_size", json!("three"), "is \"three\", not a whole number from 1 to 16777216"),
        ("z_steps", json!(2), "is 2; only 0 is implemented"),
        ("attention_head_size", json!(16), "is 16; only 8 is implemented"),
        ("pos_att_type", json!("p2c|p2p"), "is \"p2c|p2p\"; implemented are \"c2p\", \"p2c\" and both"),
        ("pos_att_type", json!([]), "is []; implemented are \"c2p\", \"p2c\" and both"),
        ("pos_att_type", Value::Null, "is null; implemented are \"c2p\", \"p2c\" and both"),
        ("position_buckets", json!(62), "is 62, which leaves no logarithm of distances up to 32"),
        ("position_buckets", json!("many"), "is \"many\", not a whole number from 1 to 16777216"),
    ];
    for (key, value, want) in cases {
        assert_refused("deberta-v2", key, value, want);
    }
    assert_refused("deberta-v2_conv", "conv_groups", json!(2), "is 2; only 1 is implemented");
}
