//! JSON of strangers: read strictly, with bounds on its depth and its number of values, and every field accounted for.

use crate::refusal::{Kind, Refusal};
use serde_json::{Map, Value};
use tagsmith_files::strict_json::Distinct;
use tagsmith_message::{counted, quote};

/// Values inside one another, at most.
pub const DEPTH_MAX: usize = 64;

/// Values of a body, at most. A value takes some 80 bytes of memory, whatever it takes in the body.
pub const VALUES_MAX: usize = 500_000;

/// Reads a body.
///
/// # Errors
/// What is not JSON, with its place; a key that occurs twice; too many values, or too many inside one another.
pub fn read(body: &[u8]) -> Result<Value, Refusal> {
    bounds(body)?;
    match serde_json::from_slice(body) {
        Ok(Distinct(value)) => Ok(value),
        Err(error) => {
            let text = error.to_string();
            let said = text.rfind(" at line ").map_or(text.as_str(), |end| &text[..end]);
            let refusal = Refusal::new(Kind::Json, format!("the body is not JSON that can be read: {said}"));
            Err(Refusal { at: Some((error.line(), error.column())), ..refusal })
        }
    }
}

/// Refuses bodies that are small and become large. Whatever else is wrong with them, the reader says.
fn bounds(body: &[u8]) -> Result<(), Refusal> {
    let (mut depth, mut values, mut is_string, mut is_escaped) = (0usize, 1usize, false, false);
    for (at, &byte) in body.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'[' | b'{' => {
                depth += 1;
                values += 1;
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' => values += 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            let message = format!("the body holds values more than {DEPTH_MAX} deep in one another");
            return Err(Refusal { at: Some(place(body, at)), ..Refusal::new(Kind::Json, message) });
        }
        if values > VALUES_MAX {
            let message = format!("the body holds more than {}", counted(VALUES_MAX, "value"));
            return Err(Refusal { at: Some(place(body, at)), ..Refusal::new(Kind::TooLarge, message) });
        }
    }
    Ok(())
}

/// Returns the line and the column of a byte, both from 1.
fn place(body: &[u8], at: usize) -> (usize, usize) {
    let before = &body[..at];
    let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let begins = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    (line, at - begins + 1)
}

/// An object's fields, each of which is taken once. What nobody takes is refused by [`Fields::end`].
pub struct Fields {
    /// What the object is called: empty for the body itself, else `parameters`.
    path: String,
    fields: Map<String, Value>,
    known: Vec<&'static str>,
}

impl Fields {
    /// Returns the fields of a value.
    ///
    /// # Errors
    /// A value that is not an object.
    pub fn of(value: Value, path: &str) -> Result<Fields, Refusal> {
        match value {
            Value::Object(fields) => Ok(Fields { path: path.to_owned(), fields, known: Vec::new() }),
            _ if path.is_empty() => Err(Refusal::validation("the body is not an object")),
            _ => Err(Refusal::validation(format!("`{path}` is not an object"))),
        }
    }

    /// Returns no fields.
    pub fn none(path: &str) -> Fields {
        Fields { path: path.to_owned(), fields: Map::new(), known: Vec::new() }
    }

    /// Returns a field's full name.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Returns whether there is such a field.
    pub fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Takes a field, if it is there and not null.
    pub fn take(&mut self, key: &'static str) -> Option<Value> {
        self.known.push(key);
        self.fields.shift_remove(key).filter(|value| !value.is_null())
    }

    /// Takes a text.
    ///
    /// # Errors
    /// A value of another type.
    pub fn text(&mut self, key: &'static str) -> Result<Option<String>, Refusal> {
        match self.take(key) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(self.wrong(key, "a text")),
        }
    }

    /// Takes a number that is not negative and has no fraction.
    ///
    /// # Errors
    /// A value of another type.
    pub fn count(&mut self, key: &'static str) -> Result<Option<usize>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let count = value.as_u64().and_then(|count| usize::try_from(count).ok());
        count.map(Some).ok_or_else(|| self.wrong(key, "a whole number"))
    }

    /// Takes a truth.
    ///
    /// # Errors
    /// A value of another type.
    pub fn truth(&mut self, key: &'static str) -> Result<Option<bool>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        value.as_bool().map(Some).ok_or_else(|| self.wrong(key, "true or false"))
    }

    /// Takes a list of texts.
    ///
    /// # Errors
    /// A value of another type.
    pub fn texts(&mut self, key: &'static str) -> Result<Option<Vec<String>>, Refusal> {
        let Some(value) = self.take(key) else { return Ok(None) };
        strings(value).map(Some).ok_or_else(|| self.wrong(key, "a list of texts"))
    }

    /// Takes one of some names.
    ///
    /// # Errors
    /// Another name.
    pub fn choice<T>(
        &mut self,
        key: &'static str,
        named: impl Fn(&str) -> Option<T>,
        names: &[&str],
    ) -> Result<Option<T>, Refusal> {
        let Some(name) = self.text(key)? else { return Ok(None) };
        let refused = || Refusal::validation(format!("`{}`: there are {}", self.name(key), names.join(", ")));
        named(&name).map(Some).ok_or_else(refused)
    }

    /// Returns the refusal of a field of another type.
    pub fn wrong(&self, key: &str, what: &str) -> Refusal {
        Refusal::validation(format!("`{}` is not {what}", self.name(key)))
    }

    /// Refuses fields that nobody took.
    ///
    /// # Errors
    /// A field that nobody took, with those that there are.
    pub fn end(self) -> Result<(), Refusal> {
        let Some(key) = self.fields.keys().next() else { return Ok(()) };
        let known: Vec<String> = self.known.iter().map(|known| format!("`{}`", self.name(known))).collect();
        let unknown = quote(&self.name(key));
        Err(Refusal::validation(format!("there is no field {unknown}: there are {}", known.join(", "))))
    }
}

/// Returns a list of texts, if it is one.
pub fn strings(value: Value) -> Option<Vec<String>> {
    let Value::Array(items) = value else { return None };
    let text = |item| if let Value::String(text) = item { Some(text) } else { None };
    items.into_iter().map(text).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_is_not_json_has_a_place() {
        let at = |body: &str| read(body.as_bytes()).map_err(|refusal| (refusal.kind, refusal.at));
        assert_eq!(at("{\"a\": 1,\n \"b\" 2}"), Err((Kind::Json, Some((2, 6)))));
        assert_eq!(at("{\"inputs\": NaN}"), Err((Kind::Json, Some((1, 12)))));
        assert_eq!(at("{\"inputs\": 1e999}"), Err((Kind::Json, Some((1, 16)))));
        assert_eq!(at("{\"a\": 1, \"a\": 2}").map_err(|(kind, _)| kind), Err(Kind::Json));
        assert_eq!(read(b"\"\xff\"").map_err(|refusal| refusal.kind), Err(Kind::Json));
        assert_eq!(at("").map_err(|(kind, _)| kind), Err(Kind::Json));
        assert_eq!(at("{\"a\": [1, {}]}"), Ok(json!({"a": [1, {}]})));
    }

    #[test]
    fn bombs_are_refused_before_they_are_read() {
        let deep = "[".repeat(100_000);
        let refused = read(deep.as_bytes()).expect_err("it is too deep");
        assert_eq!((refused.kind, refused.at), (Kind::Json, Some((1, DEPTH_MAX + 1))));
        assert!(read(format!("{}{}", "[".repeat(DEPTH_MAX), "]".repeat(DEPTH_MAX)).as_bytes()).is_ok());
        let many = format!("[{}1]", "1,".repeat(VALUES_MAX));
        assert_eq!(read(many.as_bytes()).expect_err("it has too many").kind, Kind::TooLarge);
        // Commas and brackets inside texts are letters.
        assert!(read(format!("[{:?}]", ",[".repeat(VALUES_MAX)).as_bytes()).is_ok());
    }

    #[test]
    fn a_field_that_nobody_takes_is_refused() {
        let mut fields = Fields::of(json!({"stride": 3, "strid": 4}), "parameters").expect("an object");
        assert_eq!(fields.count("stride"), Ok(Some(3)));
        let refused = fields.end().expect_err("nobody took it");
        assert_eq!(refused.message, "there is no field `parameters.strid`: there are `parameters.stride`");
    }

    proptest! {
        #[test]
        fn any_bytes_are_json_or_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(read(&body).is_ok(), serde_json::from_slice::<Value>(&body).is_ok());
        }
    }
}
