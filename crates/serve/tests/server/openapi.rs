//! `openapi.json` is true: each example is sent and its answer fits the schema, and every route stands in it.

use crate::harness::{Kit, spans, tokens};
use crate::harness::{request, run};
use axum::body::Body;
use axum::http::Request;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use tagsmith_serve::route::routes;

/// Routes whose answers depend on a span tagger's labels, or on another dialect's model, are asked elsewhere.
const PLACE: &str = "model";

fn document() -> Value {
    serde_json::from_str(include_str!("../../src/openapi.json")).expect("it is JSON")
}

/// Returns what is wrong with a value, by the part of JSON Schema that the file uses.
fn wrong(value: &Value, schema: &Value, document: &Value, place: &str) -> Option<String> {
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(&name[1..]).unwrap_or_else(|| panic!("{name} is nowhere"));
        return wrong(value, target, document, place);
    }
    for key in schema.as_object().expect("a schema is an object").keys() {
        let known = [
            "type",
            "enum",
            "anyOf",
            "properties",
            "required",
            "additionalProperties",
            "items",
            "minimum",
            "description",
        ];
        assert!(known.contains(&key.as_str()), "{place}: the test does not know `{key}`");
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let found: Option<Vec<String>> = any.iter().map(|schema| wrong(value, schema, document, place)).collect();
        return found.map(|found| found.join("; "));
    }
    let is = |name: &str| match name {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        other => panic!("{place}: there is no type {other}"),
    };
    let fits = match &schema["type"] {
        Value::String(name) => is(name),
        Value::Array(names) => names.iter().any(|name| is(name.as_str().expect("a name"))),
        _ => true,
    };
    if !fits {
        return Some(format!("{place}: {value} is not {}", schema["type"]));
    }
    if let Some(names) = schema["enum"].as_array()
        && !names.contains(value)
    {
        return Some(format!("{place}: {value} is none of {names:?}"));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_f64(), value.as_f64())
        && number < least
    {
        return Some(format!("{place}: {number} is below {least}"));
    }
    if let Some(items) = value.as_array()
        && !schema["items"].is_null()
    {
        let one = |(at, item)| wrong(item, &schema["items"], document, &format!("{place}[{at}]"));
        return items.iter().enumerate().find_map(one);
    }
    let object = value.as_object()?;
    let none = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&none);
    let required = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let missing = required.into_iter().find(|key| !object.contains_key(*key));
    if let Some(missing) = missing {
        return Some(format!("{place}: `{missing}` is missing"));
    }
    object.iter().find_map(|(key, value)| match properties.get(key) {
        Some(schema) => wrong(value, schema, document, &format!("{place}.{key}")),
        None => (schema["additionalProperties"] == false).then(|| format!("{place}: `{key}` is not described")),
    })
}

#[test]
fn the_test_s_reading_of_schemas_refuses() {
    let document = json!({"components": {"x": {"type": "string"}}});
    let schema = json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"$ref": "#/components/x"}, "b": {"type": "array", "items": {"type": ["integer", "null"]}}},
    });
    let says = |value: Value| wrong(&value, &schema, &document, "it");
    assert_eq!(says(json!({"a": "", "b": [1, null]})), None);
    for bad in [json!([]), json!({}), json!({"a": 1}), json!({"a": "", "b": [1.5]}), json!({"a": "", "c": 1})] {
        assert!(says(bad.clone()).is_some(), "{bad}");
    }
}

#[test]
fn every_example_is_answered_as_described() {
    run(async {
        let (of_tokens, of_spans, document) = (tokens(), spans("bi_encoder"), document());
        let mut sent = 0;
        for (path, operations) in document["paths"].as_object().expect("paths") {
            for (method, operation) in operations.as_object().expect("operations") {
                let kit = if path == "/gliner" { &of_spans } else { &of_tokens };
                sent += ask(kit, &document, (path, method), operation).await;
            }
        }
        assert!(sent > 30, "{sent}");
    });
}

/// Sends the examples of an operation. Returns how many there are.
async fn ask(kit: &Kit, document: &Value, (path, method): (&str, &str), operation: &Value) -> usize {
    let place = format!("{method} {path}");
    let path = path.replace("{id}", PLACE);
    let (kind, content) = operation["responses"]["200"]["content"].as_object().expect("content").iter().next().unwrap();
    let schema = &content["schema"];
    let check = |answer: crate::harness::Response| {
        assert_eq!(answer.status, 200, "{place}: {}", answer.text);
        assert!(answer.header("content-type").expect("a type").starts_with(kind.as_str()), "{place}");
        let value = if kind == "application/json" { answer.json() } else { json!(answer.text) };
        assert_eq!(wrong(&value, schema, document, &place), None);
    };
    if method == "get" {
        check(kit.send(Request::get(&path).body(Body::empty()).expect("a request")).await);
        return 1;
    }
    let error = &document["components"]["responses"]["Error"]["content"]["application/json"]["schema"];
    let asked = &operation["requestBody"]["content"]["application/json"];
    let examples = asked["examples"].as_object().expect("examples");
    for (name, example) in examples {
        let value = &example["value"];
        assert_eq!(wrong(value, &asked["schema"], document, &format!("{place} {name}")), None);
        check(kit.send(request(&path, value.to_string())).await);
        // A field more, and what is not JSON, are refused as described.
        let mut other = value.clone();
        other["surely_unknown"] = json!(1);
        let takes_all = wrong(&other, &asked["schema"], document, &place).is_none();
        let other = (!takes_all).then(|| other.to_string());
        for bad in other.into_iter().chain(["{".to_owned()]) {
            let refused = kit.send(request(&path, bad)).await;
            assert!((400..500).contains(&refused.status), "{place} {name}: {}", refused.text);
            assert_eq!(wrong(&refused.json(), error, document, &place), None);
        }
    }
    3 * examples.len()
}

#[test]
fn every_route_is_described() {
    let document = document();
    let described: BTreeSet<String> = document["paths"].as_object().expect("paths").keys().cloned().collect();
    let there: BTreeSet<String> = routes().iter().map(|(path, _)| path.replace("{*id}", "{id}")).collect();
    assert_eq!(described, there);
}
