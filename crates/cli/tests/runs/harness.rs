//! A scratch folder with a two-layer model, and the program run in it.

use serde_json::{Value, json};
use tagsmith_testkit::golden;
use tagsmith_testkit::scratch::Scratch;

/// A folder whose `model` is the encoder of golden/models/bert with a tokenizer of a few words, and no head: any labels
/// will do.
pub fn with_encoder() -> Scratch {
    let scratch = Scratch::empty();
    scratch.put_tagger("bert", "model");
    let mut config = scratch.json("model/config.json");
    let map = config.as_object_mut().unwrap();
    map.retain(|key, _| !["id2label", "label2id", "num_labels"].contains(&key.as_str()));
    scratch.write("model/config.json", config.to_string());
    scratch.write("model/model.safetensors", without_head(&golden::bytes("models/bert/model.safetensors")));
    scratch
}

/// A folder with that model and the ten sentences of golden/run_ner.
pub fn with_data() -> Scratch {
    let scratch = with_encoder();
    scratch.copy("run_ner/data.json", "data.json");
    scratch
}

/// Writes `run.json`, the training of a bi-encoder on one text, with some settings changed, and what it reads.
pub fn write_span_run(scratch: &Scratch, changes: &Value) {
    scratch.put_span_tagger("bi_encoder");
    let person = json!({"start": 0, "end": 2, "label": "person"});
    let place = json!({"start": 12, "end": 20, "label": "place"});
    let text = json!({"text": "jo lives in new york", "char_spans": [person, place]});
    scratch.write("data.jsonl", format!("{text}\n"));
    let mut run = json!({
        "token_encoder": "none", "type_encoder": "none", "model_checkpoint": "bi_encoder", "dataset_name": "one",
        "train_file": "data.jsonl", "validation_file": "data.jsonl", "test_file": "data.jsonl", "output_dir": "out",
        "linear_hidden_size": 12, "span_width_embedding_size": 6, "max_span_length": 4, "max_seq_length": 64,
        "max_steps": 4, "eval_steps": 2, "logging_steps": 1, "save_total_limit": 1, "do_train": true,
        "do_eval": true, "do_predict": true,
    });
    run.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    scratch.write("run.json", run.to_string());
}

/// The file without the tensors of its classifier.
fn without_head(file: &[u8]) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + length]).unwrap();
    let mut kept: Vec<(u64, &String, &Value)> = header
        .as_object()
        .unwrap()
        .iter()
        .filter(|(name, _)| !name.starts_with("classifier") && *name != "__metadata__")
        .map(|(name, tensor)| (tensor["data_offsets"][0].as_u64().unwrap(), name, tensor))
        .collect();
    kept.sort_by_key(|(start, ..)| *start);
    let (mut described, mut data) = (serde_json::Map::new(), Vec::new());
    for (start, name, tensor) in kept {
        let end = tensor["data_offsets"][1].as_u64().unwrap();
        let begins = data.len();
        data.extend_from_slice(&file[8 + length + start as usize..8 + length + end as usize]);
        let mut tensor = tensor.clone();
        tensor["data_offsets"] = json!([begins, data.len()]);
        described.insert(name.clone(), tensor);
    }
    let described = Value::Object(described).to_string();
    [&(described.len() as u64).to_le_bytes()[..], described.as_bytes(), &data].concat()
}
