//! Training.

use crate::callback::Callback;
use crate::json::from_python;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::Value;

/// Trains, evaluates and predicts as `tagsmith train` does. Returns the results.
///
/// # Errors
/// An option that does not exist or does not fit; files that cannot be read or written; an exception of the callback.
#[pyfunction]
#[pyo3(signature = (options, callback=None))]
pub fn train<'py>(
    py: Python<'py>,
    options: &Bound<'py, PyDict>,
    callback: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let Value::Object(options) = from_python(options)? else {
        return Err(PyTypeError::new_err("options have names"));
    };
    Callback::hears(py, "train", callback, |events| {
        Ok(Value::Object(tagsmith_cli::keywords::train(&options, events)?.results))
    })
}
