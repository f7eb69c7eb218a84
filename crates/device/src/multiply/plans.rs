//! Which call of cublasLt a product is: products of row-major matrices, as operations have them, become column-major ones.
//!
//! A row-major matrix is a column-major one of its transpose, without moving a byte. So Y = L · R is computed as Yᵀ =
//! Rᵀ · Lᵀ. The right factor comes first, and a factor is transposed for the library where it is for the caller.

use crate::multiply::{Element, Matrix, Multiply};
use std::ops::Range;

/// A row-major matrix on the device: element (i, j) lies `i · stride + j` elements after `address`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowMajor {
    /// The address of the first element.
    pub address: u64,
    /// The type of the elements.
    pub element: Element,
    /// The number of rows.
    pub rows: u64,
    /// The number of columns.
    pub columns: u64,
    /// The distance of two rows, in elements.
    pub stride: u64,
}

impl RowMajor {
    /// Returns a matrix whose rows follow one another without gaps.
    pub fn dense(address: u64, element: Element, rows: u64, columns: u64) -> RowMajor {
        RowMajor { address, element, rows, columns, stride: columns }
    }

    /// Returns a part of the matrix, with the same stride.
    ///
    /// # Panics
    /// If the part reaches beyond the matrix.
    pub fn part(self, rows: Range<u64>, columns: Range<u64>) -> RowMajor {
        let within = |part: &Range<u64>, all| part.start <= part.end && part.end <= all;
        let fits = within(&rows, self.rows) && within(&columns, self.columns);
        assert!(fits, "plan: rows {rows:?} and columns {columns:?} of {self:?}");
        let first = rows.start * self.stride + columns.start;
        let address = self.address + first * self.element.bytes();
        RowMajor { address, rows: rows.end - rows.start, columns: columns.end - columns.start, ..self }
    }

    /// Returns the shape, transposed or not.
    fn shape(&self, transposed: bool) -> [u64; 2] {
        if transposed { [self.columns, self.rows] } else { [self.rows, self.columns] }
    }

    /// Returns the transpose as the column-major matrix that lies in memory.
    fn column_major(&self) -> Matrix {
        let RowMajor { address, element, rows, columns, stride } = *self;
        // The distance of rows means nothing where there is one row; cublasLt still asks that it holds a row.
        let leading = if rows <= 1 { stride.max(columns) } else { stride };
        Matrix { address, element, rows: columns, columns: rows, leading }
    }
}

/// A factor of a product: a matrix, transposed or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor {
    /// The matrix as it lies in memory.
    pub matrix: RowMajor,
    /// Whether the product takes its transpose.
    pub transposed: bool,
}

impl RowMajor {
    /// Returns the matrix as a factor.
    pub fn plain(self) -> Factor {
        Factor { matrix: self, transposed: false }
    }

    /// Returns the transpose as a factor.
    pub fn transposed(self) -> Factor {
        Factor { matrix: self, transposed: true }
    }
}

/// The value that the sums of a product start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Zero.
    Zero,
    /// A bias at this address: one number for each column of the result, of the result's type.
    Bias(u64),
    /// What the result holds.
    Accumulate,
}

/// What computes a product.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Plan {
    /// A call of [`crate::gpu::Driver::multiply`].
    Multiply(Multiply),
    /// Zeros in all elements of the result: sums have no terms, and cublasLt refuses products without terms.
    Zeros(RowMajor),
    /// No work: the result has no elements, or nothing is added to it.
    Nothing,
}

/// Returns the plan of out = left · right + start. Sums are f32; elements of `out` are rounded once.
///
/// # Shapes
/// left (R, K), right (K, N) → out (R, N), after their transpositions.
/// # Panics
/// If a shape does not fit, rows overlap, types of factors differ or f32 factors have a bf16 result. If an address is
/// not a multiple of its element, or sums without terms have a bias.
pub fn product(left: Factor, right: Factor, start: Start, out: RowMajor) -> Plan {
    let ([r, k], [other, n]) = (left.matrix.shape(left.transposed), right.matrix.shape(right.transposed));
    assert!(k == other && [r, n] == out.shape(false), "plan: ({r}, {k}) · ({other}, {n}) is not {out:?}");
    let (factors, result) = (left.matrix.element, out.element);
    let typed = factors == right.matrix.element && (factors == Element::Bf16 || result == Element::F32);
    assert!(typed, "plan: {factors:?} · {:?} in {result:?}", right.matrix.element);
    for matrix in [&left.matrix, &right.matrix, &out] {
        let apart = matrix.rows <= 1 || matrix.stride >= matrix.columns;
        assert!(apart && matrix.address.is_multiple_of(matrix.element.bytes()), "plan: rows of {matrix:?}");
    }
    let (bias, beta) = match start {
        Start::Zero => (0, 0.0),
        Start::Bias(address) => (address, 0.0),
        Start::Accumulate => (0, 1.0),
    };
    if r == 0 || n == 0 || (k == 0 && start == Start::Accumulate) {
        return Plan::Nothing;
    }
    if k == 0 {
        assert!(bias == 0, "plan: a bias, and sums without terms");
        return Plan::Zeros(out);
    }
    Plan::Multiply(Multiply {
        a: right.matrix.column_major(),
        transposes_a: right.transposed,
        b: left.matrix.column_major(),
        transposes_b: left.transposed,
        c: out.column_major(),
        beta,
        bias,
    })
}

/// Returns the plan of a linear layer: y = x · Wᵀ + start.
///
/// # Shapes
/// x (R, K), weight (N, K) → y (R, N).
/// # Panics
/// As [`product`].
pub fn forward(x: RowMajor, weight: RowMajor, start: Start, y: RowMajor) -> Plan {
    product(x.plain(), weight.transposed(), start, y)
}

/// Returns the plan of the gradient of a linear layer's input: dx = dy · W + start.
///
/// # Shapes
/// dy (R, N), weight (N, K) → dx (R, K).
/// # Panics
/// As [`product`].
pub fn input_gradient(dy: RowMajor, weight: RowMajor, start: Start, dx: RowMajor) -> Plan {
    product(dy.plain(), weight.plain(), start, dx)
}

/// Returns the plan of the gradient of a linear layer's weight: dW = dyᵀ · x + start.
///
/// # Shapes
/// dy (R, N), x (R, K) → dw (N, K).
/// # Panics
/// As [`product`].
pub fn weight_gradient(dy: RowMajor, x: RowMajor, start: Start, dw: RowMajor) -> Plan {
    product(dy.transposed(), x.plain(), start, dw)
}
