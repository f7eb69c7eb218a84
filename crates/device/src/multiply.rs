//! Products as cublasLt takes them: column-major, with leading dimensions.

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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
