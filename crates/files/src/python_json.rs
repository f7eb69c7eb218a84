//! Numbers and JSON as Python spells them, so that files and lines compare byte for byte.

use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};
use serde_json::{Map, Value};
use std::io::{self, Write};

/// Returns `repr(x)`: the shortest digits that read back as `x`.
pub fn repr(x: f64) -> String {
    if !x.is_finite() {
        return not_finite(x);
    }
    let (negative, digits, exponent) = decimal(format!("{x:e}"));
    let text = match exponent {
        -4..16 => positional(&digits, exponent, true),
        _ => scientific(&digits, exponent),
    };
    signed(negative, text)
}

/// Returns `"%.4g" % x`: four significant digits without trailing zeros.
pub fn general(x: f64) -> String {
    if !x.is_finite() {
        return not_finite(x);
    }
    let (negative, digits, exponent) = decimal(format!("{x:.3e}"));
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        digits => digits,
    };
    let text = match exponent {
        -4..4 => positional(digits, exponent, false),
        _ => scientific(digits, exponent),
    };
    signed(negative, text)
}

/// Returns `round(x, places)`.
pub fn rounded(x: f64, places: usize) -> f64 {
    // Both Python and Rust round the exact binary value, ties to even, and read the digits back.
    format!("{x:.places$}").parse().expect("a number that was just printed")
}

/// Returns `json.dumps(value, indent=indent, sort_keys=True)`. NaN and infinities become `null`.
pub fn json(value: &Value, indent: usize) -> String {
    let spaces = " ".repeat(indent);
    let mut out = Vec::new();
    let formatter = PythonJson(PrettyFormatter::with_indent(spaces.as_bytes()));
    sorted(value).serialize(&mut Serializer::with_formatter(&mut out, formatter)).expect("memory takes every byte");
    String::from_utf8(out).expect("json is text")
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut keys: Vec<&String> = object.keys().collect();
            keys.sort();
            Value::Object(keys.into_iter().map(|key| (key.clone(), sorted(&object[key]))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

/// A formatter with serde_json's indentation, Python's floats and `ensure_ascii`.
struct PythonJson<'a>(PrettyFormatter<'a>);

impl Formatter for PythonJson<'_> {
    fn write_f64<W: ?Sized + Write>(&mut self, out: &mut W, x: f64) -> io::Result<()> {
        out.write_all(repr(x).as_bytes())
    }

    fn write_string_fragment<W: ?Sized + Write>(&mut self, out: &mut W, fragment: &str) -> io::Result<()> {
        for character in fragment.chars() {
            if matches!(character, ' '..='~') {
                write!(out, "{character}")?;
            } else {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    write!(out, "\\u{unit:04x}")?;
                }
            }
        }
        Ok(())
    }

    fn begin_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, out: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// Returns the sign, the digits without a point, and the exponent of the first digit, given Rust's `1.25e-7`.
fn decimal(scientific: String) -> (bool, String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').expect("rust writes an exponent");
    let negative = mantissa.starts_with('-');
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (negative, digits, exponent.parse().expect("rust writes a whole exponent"))
}

fn positional(digits: &str, exponent: i32, with_point: bool) -> String {
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    let whole = exponent as usize + 1;
    match digits.get(whole..) {
        Some(rest) if !rest.is_empty() => format!("{}.{rest}", &digits[..whole]),
        _ => format!("{digits:0<whole$}{}", if with_point { ".0" } else { "" }),
    }
}

fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

fn signed(negative: bool, text: String) -> String {
    if negative { format!("-{text}") } else { text }
}

fn not_finite(x: f64) -> String {
    let name = if x.is_nan() { "nan" } else { "inf" };
    signed(x == f64::NEG_INFINITY, name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use tagsmith_testkit::golden::trainer as golden;

    /// Reads Python's `float.hex`.
    fn from_hex(text: &str) -> f64 {
        let negative = text.starts_with('-');
        let text = text.trim_start_matches('-').trim_start_matches("0x");
        let (mantissa, exponent) = text.split_once('p').unwrap();
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = u64::from_str_radix(&format!("{whole}{fraction}"), 16).unwrap() as f64;
        // In two factors, so that the smallest numbers do not vanish on the way.
        let exponent = exponent.parse::<i32>().unwrap() - 4 * fraction.len() as i32;
        let x = digits * 2f64.powi(exponent / 2) * 2f64.powi(exponent - exponent / 2);
        if negative { -x } else { x }
    }

    #[test]
    fn floats_are_spelled_as_in_python() {
        let floats = golden::part("floats");
        for (key, spell) in [("repr", repr as fn(f64) -> String), ("general", general)] {
            for row in floats[key].as_array().unwrap() {
                assert_eq!(spell(from_hex(row[0].as_str().unwrap())), row[1].as_str().unwrap(), "{key} {}", row[0]);
            }
        }
        let rust_differs = |row: &&Value| format!("{:?}", from_hex(row[0].as_str().unwrap())) != row[1];
        assert!(floats["repr"].as_array().unwrap().iter().filter(rust_differs).count() > 5, "the twin passes");
    }

    #[test]
    fn rounding_is_pythons() {
        for row in golden::part("floats")["rounded"].as_array().unwrap() {
            let (x, places) = (from_hex(row[0].as_str().unwrap()), row[1].as_u64().unwrap() as usize);
            assert_eq!(repr(rounded(x, places)), row[2].as_str().unwrap());
        }
        // The usual twin: multiply, round, divide.
        assert_ne!(rounded(2.675, 2), (2.675_f64 * 100.0).round() / 100.0);
    }

    #[test]
    fn json_is_pythons() {
        let value = json!({
            "b": ["é", "\u{1f600}", "tab\t\u{7f}\"\\"], "a": {}, "c": [], "d": null, "e": true, "f": 1e-7, "g": 3
        });
        assert_eq!(json(&value, 2), golden::part("floats")["json"].as_str().unwrap());
    }
}
