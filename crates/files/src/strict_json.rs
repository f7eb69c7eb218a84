//! Strict JSON: an object names each key once, since a repeated key would hide the value before it.

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;
use tagsmith_message::quote;

/// An object whose keys are distinct, and so are those of the objects in it.
pub struct Object(pub Map<String, Value>);

/// A value whose objects have distinct keys.
pub struct Distinct(pub Value);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Object, A::Error> {
                let mut object = Map::new();
                while let Some((key, Distinct(value))) = entries.next_entry::<String, Distinct>()? {
                    if object.contains_key(&key) {
                        return Err(A::Error::custom(format!("the key {} occurs twice", quote(&key))));
                    }
                    object.insert(key, value);
                }
                Ok(Object(object))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Anything).map(Distinct)
    }
}

struct Anything;

#[rustfmt::skip]
impl<'de> Visitor<'de> for Anything {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result { f.write_str("a JSON value") }
    fn visit_bool<E>(self, it: bool) -> Result<Value, E> { Ok(Value::Bool(it)) }
    fn visit_i64<E>(self, it: i64) -> Result<Value, E> { Ok(Value::Number(it.into())) }
    fn visit_u64<E>(self, it: u64) -> Result<Value, E> { Ok(Value::Number(it.into())) }
    fn visit_f64<E>(self, it: f64) -> Result<Value, E> { Ok(Number::from_f64(it).map_or(Value::Null, Value::Number)) }
    fn visit_str<E>(self, it: &str) -> Result<Value, E> { Ok(Value::String(it.to_owned())) }
    fn visit_string<E>(self, it: String) -> Result<Value, E> { Ok(Value::String(it)) }
    fn visit_unit<E>(self) -> Result<Value, E> { Ok(Value::Null) }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Distinct(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Value, A::Error> {
        let Object(object) = Object::deserialize(serde::de::value::MapAccessDeserializer::new(entries))?;
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_serde_json() {
        let text =
            r#"{"a": [1, -2, 0.5, 1e300, true, null, "é\n"], "b": {"a": {}, "c": []}, "": 18446744073709551615}"#;
        let Object(object) = serde_json::from_str(text).expect("its keys differ");
        assert_eq!(Value::Object(object), serde_json::from_str::<Value>(text).expect("it is JSON"));
        let Distinct(list) = serde_json::from_str(r#"[{"a": 1}, {"a": 2}]"#).expect("its keys differ");
        assert_eq!(list, serde_json::json!([{"a": 1}, {"a": 2}]));
    }

    #[test]
    fn a_repeated_key_is_refused_at_any_depth() {
        for (text, key) in [(r#"{"a": 1, "b": 2, "a": 1}"#, "a"), (r#"{"a": [{"b": {"c": 1, "c": 2}}]}"#, "c")] {
            let said = serde_json::from_str::<Object>(text).err().expect("it is refused").to_string();
            assert!(said.starts_with(&format!("the key `{key}` occurs twice at line 1 column ")), "{said}");
        }
    }
}
