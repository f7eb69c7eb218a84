//! New heads against those that transformers draws from the same seed (golden/heads/draws.json, written by oracle/heads.py).

use serde_json::Value;
use tagsmith_encoder::config::Config;
use tagsmith_kernel::check::{assert_close, assert_far};
use tagsmith_kernel::random::torch::MersenneTwister;
use tagsmith_testkit::golden;
use tagsmith_tokens::folder::Head;
use tagsmith_tokens::model::Model;

/// PyTorch computes logarithm and cosine in f32, four units in the last place apart from f64's at most.
const C: f64 = 4.0;

fn rows(part: &str) -> Vec<Value> {
    let rows = golden::json("heads/draws.json")[part].as_array().unwrap().clone();
    assert!(!rows.is_empty(), "{part} is empty");
    rows
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

#[test]
fn normal_numbers_are_those_of_torch() {
    for row in rows("normals") {
        let (seed, want) = (row["seed"].as_u64().unwrap(), floats(&row["values"]));
        let drawn = |seed| {
            let mut values = vec![f32::NAN; want.len()];
            MersenneTwister::new(seed).fill_normal(0.02, &mut values);
            values
        };
        let what = format!("{} numbers of seed {seed}", want.len());
        assert_close(&what, &drawn(seed), &want, C, 1);
        assert_far(&what, &drawn(seed + 1), &want, C, 1);
        if want.len() > 16 && want.len() % 16 != 0 {
            // The twin that forgets to draw the last block anew.
            let mut longer = vec![0.0; want.len().next_multiple_of(16)];
            MersenneTwister::new(seed).fill_normal(0.02, &mut longer);
            assert_far(&what, &longer[..want.len()], &want, C, 1);
        }
    }
}

#[test]
fn a_new_head_is_the_one_that_transformers_draws() {
    for row in rows("heads") {
        let (family, seed) = (row["family"].as_str().unwrap(), row["seed"].as_u64().unwrap());
        let labels: Vec<String> = (0..row["labels"].as_u64().unwrap()).map(|i| format!("L{i}")).collect();
        let folder = golden::path("models").join(family);
        let config = Config::read(&folder).unwrap().0.with_labels(&labels);
        let head = |seed| Head::Drawn { seed, ignore_mismatched_sizes: true };
        let weight = |seed| {
            let (model, notes) = Model::load(&folder, config.clone(), head(seed)).unwrap();
            assert!(notes.iter().any(|note| note.contains("drawn anew")), "{notes:?}");
            let classifier = model.layout.classifier;
            assert!(model.params.get(classifier.bias().expect("it has one")).host().iter().all(|&x| x == 0.0));
            model.params.get(classifier.weight).host().to_vec()
        };
        let what = format!("{family}, seed {seed}");
        assert_close(&what, &weight(seed), &floats(&row["weight"]), C, 1);
        assert_far(&what, &weight(seed + 1), &floats(&row["weight"]), C, 1);
    }
}

/// transformers: a normal distribution of deviation H^(−1/2), cut off at `initializer_cutoff_factor` deviations, here 2.
#[test]
fn a_new_head_of_modernbert_is_of_its_own_width() {
    let folder = golden::path("models").join("modernbert");
    let labels: Vec<String> = (0..300).map(|i| format!("L{i}")).collect();
    let config = Config::read(&folder).unwrap().0.with_labels(&labels);
    let head = Head::Drawn { seed: 3, ignore_mismatched_sizes: true };
    let model = Model::load(&folder, config, head).unwrap().0;
    let weight = model.params.get(model.layout.classifier.weight).host();
    let deviation = (1.0 / 24f64).sqrt();
    let most = weight.iter().fold(0f64, |most, &x| most.max(f64::from(x).abs()));
    assert!((1.9 * deviation..=2.0 * deviation).contains(&most), "{most}");
    // What is left of the variance: 1 − 4 φ(2) / (Φ(2) − Φ(−2)) with φ(2) = 0.053991 and Φ(2) − Φ(−2) = 0.954500.
    let squares: f64 = weight.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / weight.len() as f64;
    let share = squares / deviation.powi(2);
    assert!((share - 0.7737).abs() < 0.04, "{share}");
}
