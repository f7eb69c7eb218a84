//! What real clients send, and answers that they understand: `oracle/serve.py` recorded both.

use crate::harness::{pipeline, run};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tagsmith_testkit::golden;

/// Scores of the recorded answers are computed in float64 and rounded to six digits; `tests/python/test_pipeline.py` says more.
const BOUND: f64 = 4e-6;

/// The clients whose dialect is served, and the numbers of their recorded requests.
const CLIENTS: [(&str, usize); 4] =
    [("huggingface_hub", 15), ("presidio_analyzer", 8), ("litellm", 12), ("label_studio_sdk", 1)];

/// Names that each server chooses: of regions, and of what predicted them.
const OWN: [&str; 2] = ["id", "model_version"];

/// Whether two answers are equal but for rounding of scores.
fn alike(found: &Value, wanted: &Value) -> bool {
    match (found, wanted) {
        (Value::Array(found), Value::Array(wanted)) => {
            let (found, wanted) = (placed(found), placed(wanted));
            found.len() == wanted.len() && found.iter().zip(wanted).all(|(found, wanted)| alike(found, wanted))
        }
        (Value::Object(found), Value::Object(wanted)) => {
            let has = |key: &String, value| {
                found.get(key).is_some_and(|found| OWN.contains(&key.as_str()) || alike(found, value))
            };
            found.len() == wanted.len() && wanted.iter().all(|(key, value)| has(key, value))
        }
        (Value::Number(found), Value::Number(wanted)) if wanted.is_f64() => {
            let [found, wanted] = [found, wanted].map(|number| number.as_f64().expect("a number"));
            (found - wanted).abs() <= BOUND
        }
        _ => found == wanted,
    }
}

/// Returns a list; results of Presidio's analyzer, which are ordered by score, in the order of the text.
fn placed(list: &[Value]) -> Vec<&Value> {
    let mut list: Vec<&Value> = list.iter().collect();
    if list.iter().all(|item| item.get("analysis_explanation").is_some()) {
        list.sort_by_key(|item| item["start"].as_u64());
    }
    list
}

fn recorded() -> Vec<Value> {
    golden::text("serve/clients.jsonl").lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

#[test]
fn recorded_requests_get_the_recorded_answers() {
    run(async {
        let kit = pipeline("bert");
        for (client, count) in CLIENTS {
            let calls = recorded().into_iter().filter(|call| call["client"] == client);
            let exchanges: Vec<Value> =
                calls.flat_map(|call| call["exchanges"].as_array().expect("a list").clone()).collect();
            assert_eq!(exchanges.len(), count, "{client}");
            for exchange in &exchanges {
                let (asked, wanted) = (&exchange["request"], &exchange["answer"]);
                let text = |value: &Value| value.as_str().expect("a text").to_owned();
                let mut request = Request::builder().method(text(&asked["method"]).as_str()).uri(text(&asked["path"]));
                for (name, value) in asked["headers"].as_object().expect("an object") {
                    request = request.header(name, text(value));
                }
                let body = if asked["body"].is_null() { String::new() } else { asked["body"].to_string() };
                let response = kit.send(request.body(Body::from(body)).expect("a request")).await;
                assert_eq!(json!(response.status), wanted["status"], "{client}: {asked} {}", response.text);
                let found = response.json();
                if response.status == 200 {
                    assert!(alike(&found, &wanted["body"]), "{client}: {asked}\n{found}\n{}", wanted["body"]);
                } else {
                    // The words are the server's own; the client shows what stands under this key.
                    assert!(found["error"].as_str().is_some_and(|said| said.contains("there are none")), "{found}");
                }
            }
        }
    });
}

#[test]
fn what_differs_is_refused() {
    let entity = json!({"entity_group": "PER", "score": 0.25, "word": "Jo", "start": 0, "end": 2});
    let wanted = json!([entity]);
    assert!(alike(&wanted, &wanted));
    let twins =
        [("score", json!(0.25 + 3.0 * BOUND)), ("start", json!(1)), ("entity_group", json!("LOC")), ("more", json!(0))];
    for (key, value) in twins {
        let mut twin = entity.clone();
        twin[key] = value;
        assert!(!alike(&json!([twin]), &wanted), "{key}");
    }
    assert!(!alike(&json!([]), &wanted) && !alike(&json!([entity, entity]), &wanted));
}
