//! Products by their definition, element by element.

use super::memory::Memory;
use super::memory::mistake::Mistake;
use super::values::float::{Rounding, bf16_to_f32, round_to_bf16};
use crate::multiply::{Element, Matrix, Multiply};

/// Computes a product. Each element is a sum in f64, in the order of k, and then rounded once to the type of C.
///
/// # Errors
/// Shapes that do not fit; memory that is outside, or that nobody wrote.
pub fn multiply(product: &Multiply, memory: &mut Memory) -> Result<(), Mistake> {
    let Multiply { a, b, c, .. } = *product;
    let [rows, columns, inner] = product.shape().map_err(Mistake)?.map(|number| number as usize);
    // Columns of A′ and of B′ side by side.
    let left = read(&a, product.transposes_a, memory).map_err(|mistake| named("A", mistake))?;
    let right = read(&b, product.transposes_b, memory).map_err(|mistake| named("B", mistake))?;
    let mut result = vec![0f64; rows * columns];
    for (j, sums) in result.chunks_exact_mut(rows).enumerate() {
        for k in 0..inner {
            let factor = right[j * inner + k];
            for (sum, x) in sums.iter_mut().zip(&left[k * rows..]) {
                *sum += x * factor;
            }
        }
    }
    if product.bias != 0 {
        let biases = Matrix { address: product.bias, rows: c.rows, columns: 1, leading: c.rows, ..c };
        let biases = read(&biases, false, memory).map_err(|mistake| named("the bias", mistake))?;
        for sums in result.chunks_exact_mut(rows) {
            sums.iter_mut().zip(&biases).for_each(|(sum, bias)| *sum += bias);
        }
    }
    if product.beta != 0.0 {
        let before = read(&c, false, memory).map_err(|mistake| named("C", mistake))?;
        result.iter_mut().zip(&before).for_each(|(sum, before)| *sum += f64::from(product.beta) * before);
    }
    write(&c, &result, memory).map_err(|mistake| named("C", mistake))
}

fn named(what: &str, mistake: Mistake) -> Mistake {
    Mistake(format!("{what}: {mistake}"))
}

/// Reads a matrix, or its transposition, column by column.
fn read(matrix: &Matrix, transposes: bool, memory: &mut Memory) -> Result<Vec<f64>, Mistake> {
    let (rows, columns, size) = (matrix.rows as usize, matrix.columns as usize, matrix.element.bytes());
    let mut values = vec![0f64; rows * columns];
    for j in 0..columns {
        let address = matrix.address + j as u64 * matrix.leading * size;
        let bytes = memory.host_read(address, matrix.rows * size)?;
        for (i, value) in bytes.chunks_exact(size as usize).enumerate() {
            let value = match *value {
                [a, b] => bf16_to_f32(u16::from_le_bytes([a, b]).into()),
                [a, b, c, d] => f32::from_le_bytes([a, b, c, d]),
                _ => f32::NAN,
            };
            let at = if transposes { i * columns + j } else { j * rows + i };
            values[at] = value.into();
        }
    }
    Ok(values)
}

fn write(matrix: &Matrix, values: &[f64], memory: &mut Memory) -> Result<(), Mistake> {
    let size = matrix.element.bytes();
    for (j, column) in values.chunks_exact(matrix.rows as usize).enumerate() {
        let address = matrix.address + j as u64 * matrix.leading * size;
        let bytes = memory.host_write(address, matrix.rows * size)?;
        for (value, out) in column.iter().zip(bytes.chunks_exact_mut(size as usize)) {
            match matrix.element {
                Element::F32 => out.copy_from_slice(&(*value as f32).to_le_bytes()),
                Element::Bf16 => {
                    out.copy_from_slice(&(round_to_bf16(*value, Rounding::Nearest) as u16).to_le_bytes());
                }
            }
        }
    }
    Ok(())
}
