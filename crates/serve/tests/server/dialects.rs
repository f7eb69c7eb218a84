//! What clients of other servers send, and what they get.
//!
//! Requests are written as the clients' own code writes them: Presidio's API description and LiteLLM's guardrail, Label Studio's
//! `api_connector.py`, the protocols of KServe and of detectors, GLiNER's server.

use crate::harness::{Kit, assert_error, run, settings, spans, tokens, tokens_by};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Duration;
use tagsmith_serve::settings::Settings;
use tagsmith_testkit::scratch::Scratch;
use tokio::time::sleep;

const TEXT: &str = "jo lives in millville 🎉";
const CONFIG: &str = r#"<View><Labels name="label" toName="text"><Label value="Person" alias="PER"/></Labels>
    <Text name="text" value="$body"/></View>"#;

/// The entities of the native dialect, which the others show in their own ways.
async fn native(kit: &Kit, text: &str) -> Vec<Value> {
    let answer = kit.post("/v1/tag", &json!({"inputs": [text]})).await.json();
    let entities = answer["results"][0]["entities"].as_array().expect("entities").clone();
    assert!(!entities.is_empty());
    entities
}

fn letters(text: &str, start: &Value, end: &Value) -> String {
    let at = |place: &Value| place.as_u64().expect("a place") as usize;
    text.chars().skip(at(start)).take(at(end) - at(start)).collect()
}

#[test]
fn presidio_s_clients_get_an_analyzer() {
    run(async {
        let kit = tokens();
        let mut want: Vec<Value> = native(&kit, TEXT)
            .await
            .iter()
            .map(|it| {
                let kind = if it["label"] == "PER" { "PERSON" } else { "LOCATION" };
                let (start, end, score) = (&it["start"], &it["end"], &it["score"]);
                json!({"analysis_explanation": null, "end": end, "entity_type": kind, "score": score, "start": start})
            })
            .collect();
        want.sort_by(|a, b| b["score"].as_f64().unwrap().total_cmp(&a["score"].as_f64().unwrap()));
        let ask = json!({"text": TEXT, "language": "en"});
        let answer = kit.post("/analyze", &ask).await;
        assert_eq!(answer.json(), json!(want), "{}", answer.text);
        // Keys are sorted in the text itself.
        assert!(answer.text.starts_with(r#"[{"analysis_explanation":null,"end":"#), "{}", answer.text);
        let both = kit.post("/analyze", &json!({"text": [TEXT, ""], "language": "en"})).await.json();
        assert_eq!(both, json!([want, []]));
        let types = kit.get("/supportedentities?language=en").await.json();
        assert_eq!(types, json!(["LOCATION", "PERSON"]));
        assert_eq!(kit.get("/recognizers?language=en").await.json(), json!(["TagsmithRecognizer"]));
        // A filter by types, a threshold and a list of what may stay.
        let first = &want[0];
        let only = kit.post("/analyze", &json!({"text": TEXT, "entities": [first["entity_type"]]})).await.json();
        let of_type: Vec<&Value> = want.iter().filter(|it| it["entity_type"] == first["entity_type"]).collect();
        assert_eq!(only, json!(of_type));
        assert_eq!(kit.post("/analyze", &json!({"text": TEXT, "score_threshold": 1.0})).await.json(), json!([]));
        let word = letters(TEXT, &first["start"], &first["end"]);
        let rest = kit.post("/analyze", &json!({"text": TEXT, "allow_list": [word]})).await.json();
        let others: Vec<&Value> = want.iter().filter(|it| letters(TEXT, &it["start"], &it["end"]) != word).collect();
        assert_eq!(rest, json!(others));
        let all = json!({"text": TEXT, "allow_list": ["."], "allow_list_match": "regex"});
        assert_eq!(kit.post("/analyze", &all).await.json(), json!([]));
        for missing in [json!({"language": "en"}), json!({"text": "", "language": "en"})] {
            let refused = assert_error(&kit.post("/analyze", &missing).await, 422, "validation");
            assert_eq!(refused["error"], "No text provided");
        }
    });
}

#[test]
fn presidio_s_recognizers_of_a_request_are_searched() {
    run(async {
        let kit = tokens();
        let text = "🎉 zip 90210";
        let ask = json!({
            "text": text, "language": "en", "entities": ["ZIP"], "return_decision_process": true, "context": ["zip"],
            "ad_hoc_recognizers": [{
                "name": "Zip", "supported_language": "en", "supported_entity": "ZIP", "context": ["zip"],
                "patterns": [{"name": "zip (weak)", "regex": "(\\b\\d{5}(?:\\-\\d{4})?\\b)", "score": 0.01}],
            }],
        });
        let answer = kit.post("/analyze", &ask).await;
        let found = answer.json();
        assert_eq!((&found[0]["start"], &found[0]["end"]), (&json!(6), &json!(11)), "{}", answer.text);
        assert_eq!((&found[0]["entity_type"], &found[0]["score"]), (&json!("ZIP"), &json!(0.01)));
        let why = &found[0]["analysis_explanation"];
        assert_eq!((&why["recognizer"], &why["pattern_name"]), (&json!("Zip"), &json!("zip (weak)")));
        assert_eq!(found.as_array().map(Vec::len), Some(1));
        assert_eq!(answer.header("x-tagsmith-ignored"), Some("context, ad_hoc_recognizers.context"));
        let mut unwanted = ask;
        unwanted["entities"] = json!(["PHONE"]);
        assert_eq!(kit.post("/analyze", &unwanted).await.json(), json!([]));
    });
}

/// The figures are those of Presidio's own description of `/anonymize`.
#[test]
fn presidio_s_clients_get_an_anonymizer() {
    run(async {
        let kit = tokens();
        let text = "hello world, my name is Jane Doe. My number is: 034453334";
        let results = json!([
            {"start": 24, "end": 32, "score": 0.8, "entity_type": "NAME"},
            {"start": 24, "end": 28, "score": 0.8, "entity_type": "FIRST_NAME"},
            {"start": 48, "end": 57, "score": 0.95, "entity_type": "PHONE_NUMBER", "analysis_explanation": null},
        ]);
        let anonymizers = json!({
            "DEFAULT": {"type": "replace", "new_value": "ANONYMIZED"},
            "PHONE_NUMBER": {"type": "mask", "masking_char": "*", "chars_to_mask": 4, "from_end": true},
        });
        let ask = json!({"text": text, "analyzer_results": results, "anonymizers": anonymizers});
        let answer = kit.post("/anonymize", &ask).await.json();
        assert_eq!(answer["text"], "hello world, my name is ANONYMIZED. My number is: 03445****");
        let items: Vec<(&Value, &Value, &Value)> = answer["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (&it["entity_type"], &it["start"], &it["end"]))
            .collect();
        assert_eq!(items, [(&json!("PHONE_NUMBER"), &json!(50), &json!(59)), (&json!("NAME"), &json!(24), &json!(34))]);
        // What an analyzer answers can be passed on as it is, as gateways do.
        let found = kit.post("/analyze", &json!({"text": TEXT, "language": "en"})).await.json();
        let passed = kit.post("/anonymize", &json!({"text": TEXT, "analyzer_results": found})).await.json();
        assert!(passed["text"].as_str().unwrap().contains('<'), "{passed}");
        let encrypt = json!({"text": text, "analyzer_results": results, "anonymizers": {"DEFAULT": {"type": "encrypt", "key": "k"}}});
        assert_error(&kit.post("/anonymize", &encrypt).await, 422, "validation");
        assert_eq!(kit.get("/anonymizers").await.json(), json!(["replace", "redact", "mask", "hash", "keep"]));
    });
}

#[test]
fn label_studio_gets_one_prediction_a_task() {
    run(async {
        let kit = tokens();
        let entities = native(&kit, TEXT).await;
        let persons: Vec<&Value> = entities.iter().filter(|it| it["label"] == "PER").collect();
        let tasks = json!([
            {"id": 7, "data": {"body": TEXT}, "annotations": [], "is_labeled": false},
            {"id": 8, "data": {"body": ""}},
        ]);
        // As `make_predictions` of Label Studio's connector writes it.
        let ask = json!({
            "tasks": tasks, "project": "1.1700000000", "label_config": CONFIG,
            "params": {"login": null, "password": null, "context": null, "hostname": "http://localhost:8080"},
        });
        let answer = kit.post("/predict", &ask).await;
        let results = &answer.json()["results"];
        assert_eq!(results.as_array().map(Vec::len), Some(2), "{}", answer.text);
        assert_eq!((&results[1]["result"], &results[1]["score"]), (&json!([]), &json!(1.0)));
        let regions = results[0]["result"].as_array().unwrap();
        assert_eq!(regions.len(), persons.len());
        for (region, person) in regions.iter().zip(&persons) {
            let (from, to, kind) = (&region["from_name"], &region["to_name"], &region["type"]);
            assert_eq!((from, to, kind), (&json!("label"), &json!("text"), &json!("labels")));
            let value = &region["value"];
            assert_eq!(value["labels"], json!(["PER"]));
            assert_eq!(value["text"], letters(TEXT, &value["start"], &value["end"]));
            assert_eq!(
                (&value["start"], &value["end"], &region["score"]),
                (&person["start"], &person["end"], &person["score"])
            );
        }
        let dropped = entities.len() - persons.len();
        let counted = answer.header("x-tagsmith-dropped").map_or(0, |count| count.parse::<usize>().unwrap());
        assert_eq!(counted, dropped);
        // The version that predictions have is the one that a project is set up with.
        let setup = json!({"project": "1.17", "schema": CONFIG, "hostname": "http://x", "access_token": "t", "extra_params": null});
        let version = kit.post("/setup", &setup).await.json()["model_version"].clone();
        assert_eq!(version, results[0]["model_version"]);
        assert_eq!(kit.get("/versions").await.json(), json!({ "versions": [version] }));
        let html = json!({"schema": CONFIG.replace("<Text", "<HyperText")});
        assert_error(&kit.post("/setup", &html).await, 422, "validation");
        let event = kit.post("/webhook", &json!({"action": "ANNOTATION_CREATED", "project": {"id": 1}})).await;
        assert_eq!((event.status, &event.json()["status"]), (201, &json!("ok")));
        let other = kit.post("/webhook", &json!({"action": "PROJECT_UPDATED"})).await;
        assert_eq!((other.status, other.json()), (200, json!({"status": "Unknown event"})));
        let mut without = ask;
        without["tasks"][0]["data"] = json!({"text": "x"});
        assert_error(&kit.post("/predict", &without).await, 422, "validation");
    });
}

/// "Start training" begins the caller's command, once at a time, and gives it the event.
#[test]
#[cfg(unix)]
fn label_studio_s_button_begins_the_command() {
    run(async {
        let scratch = Scratch::empty();
        let [fifo, heard] = ["fifo", "heard"].map(|name| scratch.path(name).display().to_string());
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        // It ends when something comes through the pipe.
        let command = format!("cat > {heard}; read line < {fifo}; mv {heard} {heard}.whole");
        let kit = tokens_by(Settings { on_train: Some(command), ..settings() });
        let event = json!({"action": "START_TRAINING", "project": {"id": 3}});
        let begins = async || kit.post("/webhook", &event).await.json()["result"].clone();
        let first = begins().await;
        assert!(first["job"].is_u64(), "{first}");
        let second = begins().await;
        assert_eq!((&second["job"], &second["message"]), (&json!(null), &json!("an earlier training still runs")));
        let other = kit.post("/webhook", &json!({"action": "ANNOTATION_CREATED"})).await.json();
        assert_eq!(other["result"]["job"], json!(null));
        std::fs::write(&fifo, "end\n").unwrap();
        let mut third = begins().await;
        while third["job"].is_null() {
            sleep(Duration::from_millis(5)).await;
            third = begins().await;
        }
        let whole: Value = serde_json::from_slice(&std::fs::read(format!("{heard}.whole")).unwrap()).unwrap();
        assert_eq!(whole, event);
        std::fs::write(&fifo, "end\n").unwrap();
    });
}

#[test]
fn kserve_s_clients_get_tensors() {
    run(async {
        let kit = tokens();
        let tensor =
            |shape: Value, data: Value| json!({"name": "text", "shape": shape, "datatype": "BYTES", "data": data});
        let ask = json!({"id": "1", "inputs": [tensor(json!([2]), json!([TEXT, ""]))], "parameters": {"aggregation_strategy": "first"}});
        let answer = kit.post("/v2/models/model/infer", &ask).await.json();
        assert_eq!((&answer["model_name"], &answer["id"]), (&json!("model"), &json!("1")), "{answer}");
        let output = &answer["outputs"][0];
        assert_eq!(
            (&output["name"], &output["shape"], &output["datatype"]),
            (&json!("entities"), &json!([2]), &json!("BYTES"))
        );
        let of = |at: usize| serde_json::from_str::<Value>(output["data"][at].as_str().unwrap()).unwrap();
        assert_eq!((of(0), of(1)), (json!(native(&kit, TEXT).await), json!([])));
        // Lists in lists are allowed, and their shape must be right.
        let nested = json!({"inputs": [tensor(json!([1, 2]), json!([[TEXT, ""]]))]});
        assert_eq!(kit.post("/v2/models/model/infer", &nested).await.json()["outputs"][0]["shape"], json!([2]));
        let wrong = json!({"inputs": [tensor(json!([3]), json!([TEXT, ""]))]});
        assert_error(&kit.post("/v2/models/model/infer", &wrong).await, 422, "validation");
        assert_error(&kit.post("/v2/models/other/infer", &ask).await, 404, "not_found");
        assert_eq!(kit.get("/v2/health/live").await.json(), json!({"live": true}));
        assert_eq!(kit.get("/v2/models/model/ready").await.json(), json!({"name": "model", "ready": true}));
        assert_eq!(kit.get("/v2/models/model").await.json()["inputs"][0]["name"], "text");
        kit.app.phase.end();
        assert_error(&kit.get("/v2/health/ready").await, 503, "unavailable");
    });
}

#[test]
fn guardrails_get_detections() {
    run(async {
        let kit = tokens();
        let ask = json!({"contents": [TEXT, ""], "detector_params": {}});
        let answer = kit.post("/api/v1/text/contents", &ask).await.json();
        let want: Vec<Value> = native(&kit, TEXT)
            .await
            .iter()
            .map(|it| {
                json!({
                    "start": it["start"], "end": it["end"], "text": it["text"], "detection": it["label"],
                    "detection_type": "token_classification", "score": it["score"], "evidence": [], "metadata": {},
                })
            })
            .collect();
        assert_eq!(answer, json!([want, []]));
        let refused =
            assert_error(&kit.post("/api/v1/text/contents", &json!({"contents": "x"})).await, 422, "validation");
        assert_eq!(refused["code"], 422);
    });
}

#[test]
fn gliner_s_clients_get_entities_of_their_labels() {
    run(async {
        let kit = spans("bi_encoder");
        let ask = json!({"text": TEXT, "labels": ["person", "place"], "threshold": 0.01, "flat_ner": false, "multi_label": false});
        let answer = kit.post("/gliner", &ask).await;
        let entities = answer.json()["entities"].as_array().cloned().expect("entities");
        let parameters = json!({"labels": ["person", "place"], "threshold": 0.01, "decoding": "nested"});
        let native = kit.post("/v1/tag", &json!({"inputs": [TEXT], "parameters": parameters})).await.json();
        assert_eq!(json!(entities), native["results"][0]["entities"], "{}", answer.text);
        assert!(!entities.is_empty());
        let keys: Vec<&str> = entities[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["start", "end", "text", "label", "score"]);
        assert_error(&kit.post("/gliner", &json!({"text": TEXT})).await, 422, "validation");
        assert_error(&tokens().post("/gliner", &ask).await, 404, "not_found");
        // The same model looks for the types that Presidio's clients and Label Studio's projects name.
        let wanted = kit.post("/analyze", &json!({"text": TEXT, "entities": ["person"]})).await;
        assert_eq!(wanted.status, 200, "{}", wanted.text);
        let task = json!({"tasks": [{"data": {"body": TEXT}}], "label_config": CONFIG});
        assert_eq!(kit.post("/predict", &task).await.status, 200);
    });
}

/// doccano's template reads `entity_group`, `start` and `end` of each entity in Hugging Face's dialect.
#[test]
fn doccano_s_template_reads_what_is_answered() {
    run(async {
        let kit = tokens();
        let template = kit.get("/docs/doccano").await;
        assert_eq!(template.header("content-type"), Some("text/plain; charset=utf-8"));
        let ask = json!({"inputs": TEXT, "parameters": {"aggregation_strategy": "first", "offset_unit": "utf16"}});
        let entity = kit.post("/", &ask).await.json()[0].clone();
        for key in ["entity_group", "start", "end"] {
            assert!(template.text.contains(&format!("entity.{key}")) && !entity[key].is_null(), "{key}");
        }
    });
}

/// Returns the places of all values in a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(index, item)| places(item, &format!("{at}/{index}"), found));
        }
        Value::Object(fields) => fields.iter().for_each(|(name, field)| places(field, &format!("{at}/{name}"), found)),
        _ => {}
    }
}

/// A good request of any dialect in which one value is another one is answered, or refused with the one error body.
#[test]
fn one_wrong_value_is_answered_or_refused() {
    let span = json!({"start": 0, "end": 2, "entity_type": "PERSON", "score": 0.9});
    let recognizer = json!({"name": "Zip", "supported_language": "en", "supported_entity": "ZIP", "context": ["zip"],
        "patterns": [{"name": "zip", "regex": "[0-9]{5}", "score": 0.1}], "deny_list": ["jo"]});
    let good = [
        (
            "/analyze",
            json!({"text": TEXT, "language": "en", "entities": ["PERSON"], "score_threshold": 0.1,
            "return_decision_process": true, "ad_hoc_recognizers": [recognizer], "allow_list": ["jo"],
            "allow_list_match": "regex", "regex_flags": 26}),
        ),
        (
            "/anonymize",
            json!({"text": TEXT, "analyzer_results": [span], "anonymizers": {"DEFAULT": {"type": "mask",
            "masking_char": "*", "chars_to_mask": 4, "from_end": true}, "PERSON": {"type": "hash", "hash_type": "sha256"}}}),
        ),
        ("/predict", json!({"tasks": [{"id": 7, "data": {"body": TEXT}}], "label_config": CONFIG, "project": "1.1"})),
        ("/setup", json!({"project": "1.17", "schema": CONFIG, "hostname": "http://x", "access_token": "t"})),
        ("/webhook", json!({"action": "START_TRAINING", "project": {"id": 1}})),
        ("/invocations", json!({"instances": [{"text": TEXT}, TEXT], "parameters": {"stride": 2}})),
        (
            "/v2/models/model/infer",
            json!({"id": "1", "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES",
            "data": [TEXT]}], "parameters": {}}),
        ),
        ("/api/v1/text/contents", json!({"contents": [TEXT], "detector_params": {}})),
        (
            "/v1/tag",
            json!({"inputs": [{"id": "7", "text": TEXT}, {"tokens": ["jo", "york"]}], "parameters": {
            "aggregation_strategy": "first", "offset_unit": "utf16", "return": ["words"], "deadline_ms": 5000}}),
        ),
        ("/v1/tokenize", json!({"inputs": [TEXT], "add_special_tokens": true})),
    ];
    let kit = tokens();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    for (path, body) in &good {
        let answer = runtime.block_on(kit.post(path, body));
        assert!([200, 201].contains(&answer.status), "{path}: {}", answer.text);
    }
    let wrong = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop_oneof![Just(-1.0), Just(1e308), Just(0.5), any::<f64>()].prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        prop_oneof![Just("(a+)+$"), Just("(?<"), Just("<View>"), Just("\u{feff}"), Just("🎉")].prop_map(Value::from),
        prop_oneof![Just(json!([])), Just(json!({})), Just(json!([[]])), Just(json!({"x": [1]})), Just(json!([null]))],
    ];
    let requests = (any::<prop::sample::Index>(), any::<prop::sample::Index>(), wrong);
    let mut runner = TestRunner::new(Config { cases: 1500, failure_persistence: None, ..Config::default() });
    let test = |(request, place, wrong): (prop::sample::Index, prop::sample::Index, Value)| {
        let (path, body) = request.get(&good);
        let mut found = Vec::new();
        places(body, "", &mut found);
        let mut body = body.clone();
        let place = &found[place.index(found.len())];
        *body.pointer_mut(place).expect("a place") = wrong;
        let answer = runtime.block_on(kit.post(path, &body));
        match answer.status {
            200 | 201 => _ = answer.json(),
            400 | 404 | 413 | 422 => {
                let kind = answer.json()["error_type"].as_str().expect("a kind").to_owned();
                assert_error(&answer, answer.status, &kind);
            }
            status => return Err(TestCaseError::fail(format!("{path} {body}: {status}: {}", answer.text))),
        }
        Ok(())
    };
    runner.run(&requests, test).expect("every request is answered or refused");
}
