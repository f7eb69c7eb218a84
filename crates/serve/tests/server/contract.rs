//! What clients send, and what they get.

use crate::harness::{assert_error, fresh, request, run, settings, spans, tagger, tokens, tokens_by};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Value, json};
use tagsmith_app::predict::tagger::{Choices, TaggerOptions};
use tagsmith_serve::settings::{Limits, Settings};
use tagsmith_text::tagged::{Content, Input, Tally, UNWATCHED};

const TEXT: &str = "jo lives in millville";

/// The shapes are those of huggingface_hub's generated types: `score`, `word`, `start` and `end` are required, and one
/// of `entity_group` and `entity` is there by the strategy.
#[test]
fn hugging_face_s_client_gets_what_it_parses() {
    run(async {
        let kit = tokens();
        let answer = kit.post("/", &json!({"inputs": TEXT})).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let found = answer.json();
        let found = found.as_array().expect("a list");
        assert!(!found.is_empty());
        for entity in found {
            let keys: Vec<&str> = entity.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(keys, ["entity_group", "score", "word", "start", "end"]);
            assert!(entity["score"].is_f64() && entity["start"].is_u64());
        }
        let pieces = kit.post("/", &json!({"inputs": TEXT, "parameters": {"aggregation_strategy": "none"}})).await;
        for piece in pieces.json().as_array().expect("a list") {
            let keys: Vec<&str> = piece.as_object().expect("an object").keys().map(String::as_str).collect();
            assert_eq!(keys, ["entity", "score", "index", "word", "start", "end"]);
        }
        // A list becomes a list of lists in the same order, and an empty one an empty one.
        let both = kit.post("/predict", &json!({"inputs": ["", TEXT]})).await.json();
        assert_eq!(both, json!([[], found]));
        assert_eq!(kit.post("/invocations", &json!({"inputs": []})).await.json(), json!([]));
        let vertex = kit.post("/", &json!({"instances": [TEXT, {"inputs": TEXT}]})).await.json();
        assert_eq!(vertex, json!({"predictions": [found, found]}));
        assert_eq!(kit.post("/models/model", &json!({"inputs": TEXT})).await.json(), json!(found));
        assert_error(&kit.post("/models/other/model", &json!({"inputs": TEXT})).await, 404, "not_found");
        // transformers leaves out what `ignore_labels` names, and nothing else.
        let ask = async |ignored: Value| {
            let parameters = json!({"aggregation_strategy": "none", "ignore_labels": ignored});
            kit.post("/", &json!({"inputs": TEXT, "parameters": parameters})).await.json()
        };
        let labels = |answer: &Value| -> Vec<String> {
            answer.as_array().expect("a list").iter().map(|it| it["entity"].as_str().expect("a label").into()).collect()
        };
        assert_eq!(ask(json!(["O"])).await, pieces.json());
        let (all, some) = (labels(&ask(json!([])).await), labels(&pieces.json()));
        assert_eq!(all.iter().filter(|label| *label != "O").collect::<Vec<_>>(), some.iter().collect::<Vec<_>>());
        let first = &some[0];
        assert!(!labels(&ask(json!([first, "O"])).await).contains(first));
        // The query stands in for parameters that the body does not have.
        let by_query = kit.post("/?aggregation_strategy=none", &json!({"inputs": TEXT})).await.json();
        assert_eq!(by_query, pieces.json());
    });
}

/// The numbers are those of the one tagger of this repository, whose own are held against transformers elsewhere.
#[test]
fn an_answer_is_the_tagger_s() {
    run(async {
        let kit = tokens();
        let words = ["Jo", "lives", "", "🎉"].map(String::from).to_vec();
        let input = |content| Input { place: "x".into(), content };
        let inputs = [input(Content::Text(TEXT.into())), input(Content::Words(words.clone()))];
        let options = TaggerOptions { batch_tokens: Some(1), ..TaggerOptions::default() };
        let tagged = tagger(&kit.scratch, "model", options).tag(&inputs).expect("it tags");
        let body = json!({
            "inputs": [{"id": "7", "text": TEXT}, {"id": 8, "tokens": words}],
            "parameters": {"return": ["entities", "words"]},
        });
        let answer = kit.post("/v1/tag", &body).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["model"]["id"], "model");
        let names = kit.app.engine.tagger().labels();
        for ((result, tagged), id) in
            answer["results"].as_array().expect("results").iter().zip(&tagged).zip([json!("7"), json!(8)])
        {
            assert_eq!(result["id"], id);
            assert_eq!(result["words"], json!(tagged.words));
            let labels: Vec<&str> = tagged.labels.iter().map(|word| names[word.label as usize].as_str()).collect();
            assert_eq!(result["labels"], json!(labels));
            let scores: Vec<f32> = result["scores"].as_array().expect("scores").iter().map(float).collect();
            assert_eq!(scores, tagged.labels.iter().map(|word| word.probability).collect::<Vec<_>>());
            let entities = result["entities"].as_array().expect("entities");
            assert_eq!(entities.len(), tagged.entities.len());
            for (entity, mention) in entities.iter().zip(&tagged.entities) {
                assert_eq!(float(&entity["score"]), mention.score);
                assert_eq!(
                    (&entity["text"], &entity["label"], entity["start"].as_u64(), entity["end"].as_u64()),
                    (
                        &json!(mention.text),
                        &json!(mention.label),
                        Some(u64::from(mention.start)),
                        Some(u64::from(mention.end))
                    )
                );
            }
            assert_eq!(result["read"]["truncated_at"], Value::Null);
        }
        assert_eq!(answer["results"][0]["read"]["characters"], TEXT.len());
    });
}

/// Returns the number that was written: JSON's digits lead back to the same f32.
fn float(value: &Value) -> f32 {
    value.to_string().parse().expect("a number")
}

#[test]
fn offsets_slice_the_input_in_every_unit() {
    run(async {
        let kit = tokens();
        let text = "🎉 jo — lives in 𝔐illville, Zürich 👩‍👩‍👧";
        let of = async |path: &str, unit: &str| {
            let body = json!({"inputs": text, "parameters": {"offset_unit": unit, "aggregation_strategy": "none"}});
            kit.post(path, &body).await.json()
        };
        let entities = |answer: Value| match answer {
            Value::Array(entities) => entities,
            answer => answer["results"][0]["entities"].as_array().expect("entities").clone(),
        };
        let letters: Vec<char> = text.chars().collect();
        let units: Vec<u16> = text.encode_utf16().collect();
        for path in ["/", "/v1/tag"] {
            let [points, utf16, bytes] =
                [of(path, "code_point").await, of(path, "utf16").await, of(path, "byte").await].map(entities);
            assert!(points.len() > 3 && points.len() == utf16.len() && points.len() == bytes.len());
            for ((point, unit), byte) in points.iter().zip(&utf16).zip(&bytes) {
                let range = |it: &Value| it["start"].as_u64().unwrap() as usize..it["end"].as_u64().unwrap() as usize;
                let want: String = letters[range(point)].iter().collect();
                assert_eq!(String::from_utf16(&units[range(unit)]).unwrap(), want);
                assert_eq!(text[range(byte)], want);
                assert!(path == "/" || point["text"] == want.as_str());
            }
            assert_ne!(utf16, points, "the emoji before it counts twice");
        }
    });
}

#[test]
fn a_span_tagger_looks_for_what_a_request_names() {
    run(async {
        for name in ["bi_encoder", "cross_encoder", "contrastive_bi_encoder"] {
            let kit = spans(name);
            let refused = kit.post("/v1/tag", &json!({"inputs": TEXT})).await;
            let body = assert_error(&refused, 422, "validation");
            assert!(body["error"].as_str().unwrap().contains("`parameters.labels`"), "{body}");
            let ask = async |labels: Value, threshold: Value| {
                let parameters = json!({"labels": labels, "threshold": threshold, "decoding": "nested"});
                let answer = kit.post("/v1/tag", &json!({"inputs": TEXT, "parameters": parameters})).await;
                assert_eq!(answer.status, 200, "{}", answer.text);
                answer.json()["results"][0]["entities"].as_array().expect("entities").clone()
            };
            let found = ask(json!(["person", "place"]), json!(0.0)).await;
            assert!(!found.is_empty(), "everything is above 0");
            let other = ask(json!({"river": "water that flows"}), json!(0)).await;
            assert!(other.iter().all(|entity| entity["label"] == "river") && !other.is_empty());
            assert!(ask(json!(["person", "place"]), json!(0.999)).await.len() < found.len());
            // The same as the tagger that was loaded with these labels.
            let choices = Choices {
                labels: Some(json!(["person", "place"])),
                threshold: Some("0.0".into()),
                decoding: tagsmith_app::predict::tagger::Decoding::named("nested"),
                ..Choices::default()
            };
            let tagger =
                tagger(&kit.scratch, name, TaggerOptions { may_lack_labels: true, ..TaggerOptions::default() });
            let (encoder, _) = tagger.encoder_by(&choices).expect("it takes the labels");
            let input = Input { place: "x".into(), content: Content::Text(TEXT.into()) };
            let encoded = encoder.encode(&input).expect("it encodes");
            let tagged = tagger.tag_encoded(vec![encoded], &mut Tally::default(), UNWATCHED).expect("it tags");
            let scores: Vec<f32> = found.iter().map(|entity| float(&entity["score"])).collect();
            assert_eq!(scores, tagged[0].entities.iter().map(|it| it.score).collect::<Vec<_>>());
            // What this kind of model does not have is refused with the field's name.
            let body = json!({"inputs": TEXT, "parameters": {"labels": ["a"], "aggregation_strategy": "max"}});
            let body = assert_error(&kit.post("/v1/tag", &body).await, 422, "validation");
            assert!(body["error"].as_str().unwrap().contains("leave out `parameters.aggregation_strategy`"), "{body}");
        }
    });
}

#[test]
fn every_error_is_the_one_body() {
    run(async {
        let kit = tokens();
        let bad = async |body: &'static str| kit.post_text("/v1/tag", body).await;
        let body = assert_error(&bad("{\"inputs\": \"a\",\n oops}").await, 400, "invalid_json");
        assert_eq!(body["at"], json!({"line": 2, "column": 2}));
        assert_error(&bad("").await, 400, "invalid_json");
        assert_error(&bad("{\"inputs\": \"a").await, 400, "invalid_json");
        assert_error(&bad("{\"inputs\": \"\\ud800\"}").await, 400, "invalid_json");
        for (body, says) in [
            ("[]", "not an object"),
            ("{}", "`inputs` is not there"),
            ("{\"inputs\": 3}", "`inputs` is not an object"),
            ("{\"inputs\": [{\"id\": 1}]}", "`inputs[0]` needs `text` or `tokens`"),
            ("{\"inputs\": \"a\", \"parameters\": {\"strid\": 3}}", "no field `parameters.strid`"),
            ("{\"inputs\": \"a\", \"parameters\": {\"stride\": -3}}", "`parameters.stride` is not a whole number"),
            ("{\"inputs\": \"a\", \"parameters\": {\"aggregation_strategy\": \"best\"}}", "there are none, simple"),
            ("{\"inputs\": \"a\", \"parameters\": {\"labels\": [\"x\"]}}", "leave out `parameters.labels`"),
            ("{\"inputs\": \"a\", \"parameters\": {\"stride\": 4000}}", "stride"),
        ] {
            let answer = assert_error(&bad(body).await, 422, "validation");
            assert!(answer["error"].as_str().unwrap().contains(says), "{body}: {answer}");
        }
        assert_error(&kit.get("/nowhere").await, 404, "not_found");
        let wrong = kit.get("/v1/tag").await;
        assert_error(&wrong, 405, "method_not_allowed");
        assert_eq!(wrong.header("allow"), Some("POST"));
        let other = |kind: &str| {
            let request = Request::post("/").header("content-type", kind).body(Body::from("{\"inputs\":\"a\"}"));
            request.expect("a request")
        };
        assert_error(&kit.send(other("text/plain")).await, 415, "unsupported_media_type");
        assert_error(&kit.send(other("application/json; charset=latin1")).await, 415, "unsupported_media_type");
        for right in ["application/json", "application/json; charset=UTF-8", "Application/JSON;charset=\"utf-8\""] {
            assert_eq!(kit.send(other(right)).await.status, 200, "{right}");
        }
        let long = fresh(&"x".repeat(9 << 20));
        let body = assert_error(&kit.post("/", &json!({"inputs": long})).await, 413, "payload_too_large");
        assert!(body["error"].as_str().unwrap().contains("8388608"), "{body}");
        let body =
            assert_error(&kit.post("/", &json!({"inputs": "x".repeat((1 << 20) + 1)})).await, 413, "payload_too_large");
        assert!(body["error"].as_str().unwrap().contains("1048577 characters, and 1048576"), "{body}");
        let body = json!({"inputs": "jo ".repeat(300_000)}).to_string();
        let small = tokens_by(Settings { limits: Limits { windows: 100, ..settings().limits }, ..settings() });
        let body = assert_error(&small.post_text("/", body).await, 413, "payload_too_large");
        assert!(body["error"].as_str().unwrap().contains("100 are the most"), "{body}");
        let body = assert_error(&kit.post("/", &json!({"inputs": vec!["x"; 257]})).await, 413, "payload_too_large");
        assert!(body["error"].as_str().unwrap().contains("257 inputs, and 256"), "{body}");
    });
}

#[test]
fn a_stream_of_lines_becomes_a_stream_of_lines() {
    run(async {
        let kit = tokens();
        let mut lines: Vec<String> = (0..300).map(|id| json!({"id": id, "text": fresh(TEXT)}).to_string()).collect();
        lines[7] = "{\"id\": 7, \"txt\": \"x\"}".into();
        lines[8] = "not json".into();
        lines[9] = String::new();
        let mut request = request("/v1/tag?return=%5B%22entities%22,+%22words%22%5D", lines.join("\n"));
        request.headers_mut().insert("content-type", "application/x-ndjson".parse().unwrap());
        let answer = kit.send(request).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/x-ndjson")));
        let answers: Vec<Value> = answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(answers.len(), 299, "the empty line has no answer");
        assert_eq!((&answers[7]["line"], &answers[7]["code"]), (&json!(8), &json!(422)));
        assert_eq!((&answers[8]["line"], &answers[8]["code"]), (&json!(9), &json!(400)));
        let ids: Vec<&Value> = answers.iter().map(|answer| &answer["id"]).filter(|id| !id.is_null()).collect();
        let want: Vec<usize> = (0..300).filter(|id| ![7, 8, 9].contains(id)).collect();
        assert_eq!(json!(ids), json!(want));
        assert_eq!(answers[0]["words"][0], "jo");
    });
}

#[test]
fn pieces_are_shown_as_text_embeddings_inference_shows_them() {
    run(async {
        let kit = tokens();
        let text = "🎉 jo";
        let answer = kit.post("/v1/tokenize", &json!({"inputs": [text, ""], "offset_unit": "utf16"})).await.json();
        let pieces = answer[0].as_array().expect("pieces");
        let keys: Vec<&str> = pieces[0].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "text", "special", "start", "stop"]);
        assert_eq!((&pieces[0]["special"], &pieces[0]["start"]), (&json!(true), &Value::Null));
        let jo = pieces.iter().find(|piece| piece["text"] == "jo").expect("the word is a piece");
        assert_eq!((&jo["start"], &jo["stop"]), (&json!(3), &json!(5)), "the emoji is two units");
        assert_eq!(answer[1].as_array().unwrap().len(), 2);
        let plain = kit.post("/tokenize", &json!({"inputs": text, "add_special_tokens": false})).await.json();
        assert_eq!(plain[0].as_array().unwrap().len(), pieces.len() - 2);
    });
}

#[test]
fn the_server_says_what_it_is() {
    run(async {
        let kit = tokens();
        let info = kit.get("/info").await.json();
        for key in ["model_id", "max_input_length", "max_client_batch_size", "version"] {
            assert!(!info[key].is_null(), "{key}: {info}");
        }
        assert_eq!(info["limits"]["body_bytes"], 8 << 20);
        assert_eq!(info["model_type"]["token_classifier"]["id2label"]["0"], "O");
        let health = kit.get("/health").await.json();
        assert_eq!(health["status"], "UP");
        assert_eq!(kit.get("/").await.json()["status"], "UP");
        let page = Request::get("/").header("accept", "text/html,*/*").body(Body::empty()).unwrap();
        let page = kit.send(page).await;
        assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(page.header("content-security-policy").unwrap().contains("default-src 'self'"));
        kit.app.phase.end();
        assert_error(&kit.get("/health?ready").await, 503, "unavailable");
        assert_eq!(kit.get("/health").await.status, 200);
        let metrics = kit.get("/metrics").await.text;
        assert!(metrics.contains("tagsmith_requests_total{route=\"/health\",status=\"200\"} 2"), "{metrics}");
    });
}

/// Whatever JSON comes, there is an answer or the one error body: nothing panics, and nothing is a mistake of the program.
#[test]
fn any_json_is_answered_or_refused() {
    use proptest::prelude::*;
    use proptest::test_runner::{Config, TestRunner};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("first")),
    ];
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        let key = prop_oneof![
            Just("text".to_owned()),
            Just("tokens".to_owned()),
            Just("id".to_owned()),
            Just("stride".to_owned()),
            Just("aggregation_strategy".to_owned()),
            Just("return".to_owned()),
            Just("labels".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    let kit = tokens();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let requests = (value.clone(), value, prop_oneof![Just("/"), Just("/v1/tag"), Just("/v1/tokenize")]);
    let mut runner = TestRunner::new(Config { cases: 300, failure_persistence: None, ..Config::default() });
    let test = |(inputs, parameters, path): (Value, Value, &str)| {
        let body = json!({"inputs": inputs, "parameters": parameters});
        let answer = runtime.block_on(kit.post(path, &body));
        match answer.status {
            200 => _ = answer.json(),
            422 => _ = assert_error(&answer, 422, "validation"),
            status => return Err(TestCaseError::fail(format!("{status}: {}", answer.text))),
        }
        Ok(())
    };
    runner.run(&requests, test).expect("every request is answered or refused");
}
