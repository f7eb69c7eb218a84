//! Values of single options: present, in range, refused.

use super::parse::UsageError;
use super::values::Values;

/// Returns the text of an option, if it has one that is not empty.
pub fn filled(values: &Values, name: &str) -> Option<String> {
    values.text(name).filter(|text| !text.is_empty())
}

/// Returns the text of an option that has a default.
pub fn word(values: &Values, name: &str) -> String {
    values.text(name).expect("it has a default")
}

/// Returns a number of at least 1 of an option that has a default.
pub fn count(values: &Values, name: &str) -> Result<usize, UsageError> {
    Ok(count_if_given(values, name)?.expect("it has a default"))
}

/// Returns a number of at least 1, if there is one.
pub fn count_if_given(values: &Values, name: &str) -> Result<Option<usize>, UsageError> {
    Ok(whole(values, name, 1)?.map(|number| number as usize))
}

/// Returns a whole number of at least `least`, if there is one.
pub fn whole(values: &Values, name: &str, least: i64) -> Result<Option<u64>, UsageError> {
    match values.int(name) {
        Some(number) if number < least => {
            Err(out_of_range(name, &number.to_string(), &format!("a number of {least} or more")))
        }
        number => Ok(number.map(|number| number as u64)),
    }
}

/// Returns a number of an option that has a default. `range` says which numbers fit.
pub fn number(values: &Values, name: &str, fits: impl Fn(f64) -> bool, range: &str) -> Result<f64, UsageError> {
    let number = values.float(name).expect("it has a default");
    if fits(number) { Ok(number) } else { Err(out_of_range(name, &number.to_string(), range)) }
}

/// Returns a number, if there is one. `range` says which numbers fit.
pub fn number_if_given(
    values: &Values,
    name: &str,
    fits: impl Fn(f64) -> bool,
    range: &str,
) -> Result<Option<f64>, UsageError> {
    match values.float(name) {
        Some(number) if !fits(number) => Err(out_of_range(name, &number.to_string(), range)),
        number => Ok(number),
    }
}

/// Returns a number of updates; below 1, it is a part of all of them.
pub fn every(values: &Values, name: &str) -> Result<Option<f64>, UsageError> {
    match values.float(name) {
        Some(steps) if steps < 0.0 => Err(out_of_range(name, &steps.to_string(), "a number of 0 or more")),
        Some(steps) if steps > 1.0 && steps.fract() != 0.0 => {
            Err(out_of_range(name, &steps.to_string(), "a whole number of updates, or a part of all below 1"))
        }
        steps => Ok(steps),
    }
}

/// Returns the error for a value that an option cannot have.
pub fn out_of_range(name: &str, value: &str, range: &str) -> UsageError {
    UsageError::WrongValue { option: format!("--{name}"), value: value.into(), expected: range.into(), meant: None }
}

/// Returns the error for a command line that cannot be done as it stands.
pub fn refused(message: impl Into<String>, remedy: impl Into<String>) -> UsageError {
    UsageError::Refused { message: message.into(), remedy: remedy.into() }
}
