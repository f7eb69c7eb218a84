//! JSON values as Python objects, and back.

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde_json::{Map, Number, Value};

/// Returns the Python object of a JSON value.
pub fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    match value {
        Value::Null => Ok(py.None().into_bound(py)),
        Value::Bool(value) => value.into_bound_py_any(py),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_bound_py_any(py),
            (None, Some(number)) => number.into_bound_py_any(py),
            (None, None) => number.as_f64().into_bound_py_any(py),
        },
        Value::String(text) => text.into_bound_py_any(py),
        Value::Array(values) => {
            let values = values.iter().map(|value| to_python(py, value)).collect::<PyResult<Vec<_>>>()?;
            Ok(PyList::new(py, values)?.into_any())
        }
        Value::Object(map) => {
            let object = PyDict::new(py);
            for (name, value) in map {
                object.set_item(name, to_python(py, value)?)?;
            }
            Ok(object.into_any())
        }
    }
}

/// Returns the JSON value of a Python object.
///
/// # Errors
/// An object that JSON does not have, such as a number that is not finite.
pub fn from_python(object: &Bound<'_, PyAny>) -> PyResult<Value> {
    let unfit = || PyTypeError::new_err(format!("{object} cannot be written as JSON"));
    if object.is_none() {
        return Ok(Value::Null);
    }
    // In Python, a truth value is a number too.
    if let Ok(value) = object.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if object.is_instance_of::<PyInt>() {
        return Ok(Value::Number(object.extract::<i64>()?.into()));
    }
    if object.is_instance_of::<PyFloat>() {
        return Number::from_f64(object.extract()?).map(Value::Number).ok_or_else(unfit);
    }
    if object.is_instance_of::<PyString>() {
        return Ok(Value::String(object.extract()?));
    }
    if let Ok(object) = object.cast::<PyDict>() {
        let entry = |(name, value): (Bound<'_, PyAny>, Bound<'_, PyAny>)| Ok((name.extract()?, from_python(&value)?));
        return Ok(Value::Object(object.iter().map(entry).collect::<PyResult<Map<String, Value>>>()?));
    }
    if object.is_instance_of::<PyList>() || object.is_instance_of::<PyTuple>() {
        return object.try_iter()?.map(|item| from_python(&item?)).collect::<PyResult<_>>().map(Value::Array);
    }
    // A path says where it leads.
    match object.call_method0("__fspath__") {
        Ok(path) => from_python(&path),
        Err(_) => Err(unfit()),
    }
}
