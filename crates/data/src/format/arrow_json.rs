//! Rows of an Arrow stream as JSON objects, whatever their columns: for data with lists of structures.

use crate::error::Error;
use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_ipc::reader::StreamReader;
use arrow_schema::DataType;
use serde_json::{Map, Value};
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// All rows of an Arrow IPC stream. A cell of a type that JSON has not (dates, bytes) is null.
///
/// # Errors
/// A stream that is damaged.
pub fn arrow_rows(input: impl BufRead, source: &str) -> Result<Vec<Map<String, Value>>, Error> {
    let unreadable = |said: &str| {
        let said = said.replace('\n', " ");
        Error::content(source, format!("this is not a readable Arrow stream ({said}): write or fetch it again"))
    };
    // The decoders are other people's, and some damage makes them panic: for the caller it is damage like any other.
    let read = || -> Result<Vec<Map<String, Value>>, arrow_schema::ArrowError> {
        let mut rows = Vec::new();
        for batch in StreamReader::try_new(input, None)? {
            let batch = batch?;
            let schema = batch.schema();
            for row in 0..batch.num_rows() {
                let cell = |(field, column): (&std::sync::Arc<arrow_schema::Field>, &ArrayRef)| {
                    (field.name().clone(), value(column.as_ref(), row))
                };
                rows.push(schema.fields().iter().zip(batch.columns()).map(cell).collect());
            }
        }
        Ok(rows)
    };
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(rows) => rows.map_err(|error| unreadable(&error.to_string())),
        Err(_) => Err(unreadable("its decoder gave up on damaged content")),
    }
}

fn value(array: &dyn Array, row: usize) -> Value {
    if array.is_null(row) {
        return Value::Null;
    }
    let list = |items: ArrayRef| Value::Array((0..items.len()).map(|item| value(items.as_ref(), item)).collect());
    match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).into(),
        DataType::LargeUtf8 => array.as_string::<i64>().value(row).into(),
        DataType::Utf8View => array.as_string_view().value(row).into(),
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => array.as_primitive::<Int8Type>().value(row).into(),
        DataType::Int16 => array.as_primitive::<Int16Type>().value(row).into(),
        DataType::Int32 => array.as_primitive::<Int32Type>().value(row).into(),
        DataType::Int64 => array.as_primitive::<Int64Type>().value(row).into(),
        DataType::UInt8 => array.as_primitive::<UInt8Type>().value(row).into(),
        DataType::UInt16 => array.as_primitive::<UInt16Type>().value(row).into(),
        DataType::UInt32 => array.as_primitive::<UInt32Type>().value(row).into(),
        DataType::UInt64 => array.as_primitive::<UInt64Type>().value(row).into(),
        DataType::Float32 => array.as_primitive::<Float32Type>().value(row).into(),
        DataType::Float64 => array.as_primitive::<Float64Type>().value(row).into(),
        DataType::List(_) => list(array.as_list::<i32>().value(row)),
        DataType::LargeList(_) => list(array.as_list::<i64>().value(row)),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            value(dictionary.values().as_ref(), dictionary.normalized_keys()[row])
        }
        DataType::Struct(fields) => {
            let columns = array.as_struct();
            let cell = |(field, column): (&std::sync::Arc<arrow_schema::Field>, &ArrayRef)| {
                (field.name().clone(), value(column.as_ref(), row))
            };
            Value::Object(fields.iter().zip(columns.columns()).map(cell).collect())
        }
        _ => Value::Null,
    }
}
