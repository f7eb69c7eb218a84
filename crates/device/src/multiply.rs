//! Products as cublasLt takes them: column-major, with leading dimensions.

pub mod plans;

use crate::traffic::Traffic;

/// The type of a matrix's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// 32-bit floats.
    F32,
    /// bfloat16.
    Bf16,
}

impl Element {
    /// Returns the bytes of one element.
    pub fn bytes(self) -> u64 {
        match self {
            Element::F32 => 4,
            Element::Bf16 => 2,
        }
    }
}

/// A column-major matrix on the device: element (i, j) lies `i + j · leading` elements after `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Matrix {
    /// Where the first element lies.
    pub address: u64,
    /// The type of the elements.
    pub element: Element,
    /// Rows as they lie in memory, before any transposition.
    pub rows: u64,
    /// Columns as they lie in memory.
    pub columns: u64,
    /// The distance of two columns, in elements.
    pub leading: u64,
}

/// C = A′ · B′ + bias + beta · C, where a prime is a transposition if its flag is set. Sums are f32; elements of C are
/// rounded once.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Multiply {
    /// The left matrix.
    pub a: Matrix,
    /// Whether A is transposed.
    pub transposes_a: bool,
    /// The right matrix.
    pub b: Matrix,
    /// Whether B is transposed.
    pub transposes_b: bool,
    /// The result.
    pub c: Matrix,
    /// 0: C is written. 1: it is added to.
    pub beta: f32,
    /// The address of a bias, one for each row of C, or 0. It has C's type: cublasLt takes no other one
    /// (`CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE` in its header).
    pub bias: u64,
}

impl Matrix {
    /// Returns the bytes from the first element to the last, or nothing where there are no elements, columns overlap or
    /// numbers overflow.
    pub fn extent(&self) -> Option<u64> {
        if self.rows == 0 || self.leading < self.rows {
            return None;
        }
        let before = self.columns.checked_sub(1)?.checked_mul(self.leading)?;
        let bytes = before.checked_add(self.rows)?.checked_mul(self.element.bytes())?;
        self.address.checked_add(bytes).map(|_end| bytes)
    }

    /// Returns rows and columns, transposed or not.
    fn turned(&self, transposes: bool) -> [u64; 2] {
        if transposes { [self.columns, self.rows] } else { [self.rows, self.columns] }
    }

    /// Returns why this is not a matrix, if it is not.
    fn fault(&self) -> Option<String> {
        let Matrix { address, rows, columns, leading, .. } = *self;
        if rows == 0 || columns == 0 {
            return Some(format!("has {rows} rows and {columns} columns"));
        }
        if leading < rows {
            return Some(format!("has {rows} rows and a distance of {leading}"));
        }
        if self.extent().is_none() {
            return Some("is too large".to_owned());
        }
        (!address.is_multiple_of(self.element.bytes())).then(|| format!("at {address:#x} is misaligned"))
    }
}

impl Multiply {
    /// Returns (m, n, k): C is (m, n), and sums have k terms.
    ///
    /// # Errors
    /// Why it is not a product: shapes do not fit, types are mixed, a matrix is not one or is misaligned, C overlaps a factor.
    pub fn shape(&self) -> Result<[u64; 3], String> {
        let Multiply { a, b, c, .. } = self;
        for (name, matrix) in [("A", a), ("B", b), ("C", c)] {
            if let Some(fault) = matrix.fault() {
                return Err(format!("{name} {fault}"));
            }
        }
        let ([m, k], [other, n]) = (a.turned(self.transposes_a), b.turned(self.transposes_b));
        if k != other || [m, n] != [c.rows, c.columns] {
            return Err(format!("shapes do not fit: {m} × {k} times {other} × {n} into {} × {}", c.rows, c.columns));
        }
        if a.element != b.element {
            return Err(format!("A is {:?}, and B is {:?}", a.element, b.element));
        }
        if a.element == Element::F32 && c.element == Element::Bf16 {
            return Err("A and B are F32, and C is Bf16, which cublasLt does not compute".to_owned());
        }
        if !self.bias.is_multiple_of(c.element.bytes()) {
            return Err(format!("the bias at {:#x} is misaligned", self.bias));
        }
        let biases = Matrix { address: self.bias, columns: 1, leading: c.rows, ..*c };
        let biases = (self.bias != 0).then_some(("the bias", &biases));
        let ends = |matrix: &Matrix| matrix.address + matrix.extent().unwrap_or(0);
        let overlaps = |matrix: &Matrix| matrix.address < ends(c) && c.address < ends(matrix);
        match [("A", a), ("B", b)].into_iter().chain(biases).find(|(_, matrix)| overlaps(matrix)) {
            Some((name, _)) => Err(format!("C overlaps {name}")),
            None => Ok([m, n, k]),
        }
    }

    /// Returns what the product moves: A, B, the bias, and C, which is read too if it is added to.
    pub fn traffic(&self) -> Traffic {
        let bytes = |matrix: Matrix| matrix.rows * matrix.columns * matrix.element.bytes();
        let bias = if self.bias == 0 { 0 } else { self.c.rows * self.c.element.bytes() };
        let before = if self.beta == 0.0 { 0 } else { bytes(self.c) };
        Traffic { read: bytes(self.a) + bytes(self.b) + bias + before, written: bytes(self.c) }
    }

    /// Returns its floating-point operations: a product and a sum for each element of C and each of k.
    pub fn operations(&self) -> u64 {
        let [_, k] = self.a.turned(self.transposes_a);
        2 * self.c.rows * self.c.columns * k
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_matrix_ends_with_its_last_column() {
        let matrix = |rows, columns, leading| Matrix { address: 0, element: Element::F32, rows, columns, leading };
        assert_eq!(matrix(3, 4, 5).extent(), Some(4 * (3 * 5 + 3)));
        assert_eq!(matrix(3, 1, 3).extent(), Some(12));
        for (rows, columns, leading) in [(3, 2, 2), (1, u64::MAX, 2), (1, 0, 2), (0, 1, 2), (1, 1 << 62, 1)] {
            assert_eq!(matrix(rows, columns, leading).extent(), None, "{rows} {columns} {leading}");
        }
        assert_eq!(Matrix { address: u64::MAX - 10, ..matrix(3, 1, 3) }.extent(), None);
    }
}
