//! Products by cublasLt: which algorithm computes which product.
//!
//! A row of a batch must get the same bits whatever else is in the batch. So an algorithm belongs to what a product is
//! without the number of a batch's rows: types, transpositions, the other dimensions, leading dimensions, alignments. It is
//! searched once, for [`CANONICAL`] rows, and sums of one element are never split. Each new number of rows is checked
//! against it.

use super::calls::cublas_lt::{Algorithm, CublasLt, Layout, Operation, Product, Wishes};
use crate::error::Error;
use crate::multiply::{Element, Multiply};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Bytes of the workspace: what NVIDIA advises for Hopper (cuBLAS, "cublasSetWorkspace").
pub(super) const WORKSPACE: usize = 32 << 20;

/// The number of rows of a batch for which algorithms are searched.
const CANONICAL: u64 = 1024;

/// Numbers of rows that an algorithm must be able to compute to be chosen.
const ROWS: &[u64] = &[1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 63, 64, 100, 127, 128, 129, 244, 1000, 4096, 4097, 65_536];

/// The most alignment that is asked for. A row of a batch may begin anywhere, and no load is wider.
const ALIGNMENT: u64 = 16;

/// How many numbers of rows a product remembers.
const REMEMBERED: usize = 4096;

/// The dimension that counts the rows of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Batch {
    /// Columns of C: y = x · Wᵀ and dx = dy · W.
    Columns,
    /// Terms of each sum: dW = dyᵀ · x.
    Terms,
}

/// What a product is, whatever the number of a batch's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    factors: Element,
    result: Element,
    transposes: [bool; 2],
    batch: Batch,
    /// The two other dimensions.
    fixed: [u64; 2],
    leading: [u64; 3],
    /// Alignments of A, B, C and the bias in bytes; the last is 0 without a bias.
    alignments: [u32; 4],
}

/// A product that was prepared.
#[derive(Debug)]
struct Prepared {
    product: Product,
    algorithm: Algorithm,
    /// Numbers of rows that the library said the algorithm can compute.
    rows: HashSet<u64>,
}

/// Products of one device.
#[derive(Debug)]
pub(super) struct Products {
    library: Arc<CublasLt>,
    workspace: u64,
    prepared: HashMap<Kind, Prepared>,
}

/// Returns (m, n, k) of a product.
///
/// # Errors
/// It is not a product; a dimension is beyond 32 bits, which cublasLt refuses.
fn shape(multiply: &Multiply) -> Result<[u64; 3], Error> {
    let shape = multiply.shape().map_err(|reason| Error::Fault(format!("a product: {reason}")))?;
    match shape.iter().all(|&d| i32::try_from(d).is_ok()) {
        true => Ok(shape),
        false => Err(Error::Fault(format!("a product: {shape:?} is beyond 32 bits"))),
    }
}

/// Returns the largest power of two up to [`ALIGNMENT`] that divides all numbers.
fn alignment(numbers: &[u64]) -> u32 {
    let bits = numbers.iter().fold(ALIGNMENT, |all, number| all | number);
    1 << bits.trailing_zeros()
}

impl Kind {
    /// Returns the kind of a product of this shape, and the number of a batch's rows.
    fn of(multiply: &Multiply, [m, n, k]: [u64; 3]) -> (Kind, u64) {
        // A weight's gradient alone sums over rows.
        let batch = match (multiply.transposes_a, multiply.transposes_b) {
            (false, true) => Batch::Terms,
            _ => Batch::Columns,
        };
        let matrices = [&multiply.a, &multiply.b, &multiply.c];
        let [a, b, c] = matrices.map(|matrix| {
            let bytes = matrix.element.bytes();
            alignment(&[matrix.address, matrix.leading.wrapping_mul(bytes)])
        });
        let bias = if multiply.bias == 0 { 0 } else { alignment(&[multiply.bias]) };
        let kind = Kind {
            factors: multiply.a.element,
            result: multiply.c.element,
            transposes: [multiply.transposes_a, multiply.transposes_b],
            batch,
            fixed: if batch == Batch::Terms { [m, n] } else { [m, k] },
            leading: matrices.map(|matrix| matrix.leading),
            alignments: [a, b, c, bias],
        };
        (kind, if batch == Batch::Terms { k } else { n })
    }

    /// Returns the shapes of A, B and C as they lie in memory, for a number of rows.
    fn shapes(&self, rows: u64) -> [[u64; 2]; 3] {
        let [m, n, k] = match self.batch {
            Batch::Columns => [self.fixed[0], rows, self.fixed[1]],
            Batch::Terms => [self.fixed[0], self.fixed[1], rows],
        };
        let turned = |shape: [u64; 2], transposes| if transposes { [shape[1], shape[0]] } else { shape };
        [turned([m, k], self.transposes[0]), turned([k, n], self.transposes[1]), [m, n]]
    }
}

impl Products {
    /// Takes a library's handle.
    pub(super) fn new(library: Arc<CublasLt>) -> Products {
        Products { library, workspace: 0, prepared: HashMap::new() }
    }

    /// Takes [`WORKSPACE`] bytes of the device that nobody else uses.
    pub(super) fn set_workspace(&mut self, address: u64) {
        self.workspace = address;
    }

    /// Returns the library.
    pub(super) fn library(&self) -> &CublasLt {
        &self.library
    }

    /// Finds the algorithm of a product, whose matrices lie within allocations. It need not be found again.
    ///
    /// # Errors
    /// Shapes do not fit; the library has no algorithm for it; what the library says.
    pub(super) fn prepare(&mut self, multiply: &Multiply) -> Result<(), Error> {
        let (kind, rows) = Kind::of(multiply, shape(multiply)?);
        if !self.prepared.contains_key(&kind) {
            let prepared = Prepared::of(&self.library, &kind)?;
            self.prepared.insert(kind, prepared);
        }
        let prepared = self.prepared.get_mut(&kind).expect("it was inserted");
        if prepared.admits(&kind, rows)? { Ok(()) } else { Err(none(&kind, rows)) }
    }

    /// Computes a product that was prepared.
    ///
    /// # Errors
    /// What the library says.
    pub(super) fn compute(&mut self, multiply: &Multiply) -> Result<(), Error> {
        let (kind, rows) = Kind::of(multiply, shape(multiply)?);
        let prepared = self.prepared.get_mut(&kind).expect("it was prepared");
        resize(&mut prepared.product, &kind, rows)?;
        if multiply.bias != 0 {
            prepared.product.operation.set_bias(multiply.bias)?;
        }
        let addresses = [multiply.a.address, multiply.b.address, multiply.c.address, self.workspace];
        prepared.product.compute(&prepared.algorithm, addresses, WORKSPACE, multiply.beta)
    }
}

/// Returns the error for a product that the library has no algorithm for.
fn none(kind: &Kind, rows: u64) -> Error {
    Error::Unsupported(format!("cublasLt has no algorithm that does not split sums for {kind:?} with {rows} rows"))
}

impl Prepared {
    /// Makes descriptors and chooses the algorithm. It is the fastest, as the library thinks, of those that compute
    /// each sum in one sequence and take every number of [`ROWS`].
    fn of(library: &Arc<CublasLt>, kind: &Kind) -> Result<Prepared, Error> {
        let [a, b, c, bias] = kind.alignments;
        let mut operation = Operation::of(library, kind.transposes, bias != 0)?;
        if bias != 0 {
            // The search reads the address's alignment only.
            operation.set_bias(bias.into())?;
        }
        let shapes = kind.shapes(CANONICAL.min(kind.most()));
        let [first, second, result] = [kind.factors, kind.factors, kind.result];
        let mut product = Product {
            operation,
            a: Layout::of(library, first, shapes[0], kind.leading[0])?,
            b: Layout::of(library, second, shapes[1], kind.leading[1])?,
            c: Layout::of(library, result, shapes[2], kind.leading[2])?,
        };
        let wishes = Wishes { workspace: WORKSPACE, alignments: [a, b, c] };
        for algorithm in product.search(wishes)? {
            if product.is_in_sequence(&algorithm)? && takes_all(&mut product, kind, &algorithm)? {
                return Ok(Prepared { product, algorithm, rows: HashSet::new() });
            }
        }
        Err(none(kind, CANONICAL))
    }

    /// Gives the layouts their shapes for a number of rows, and returns whether the algorithm takes it.
    fn admits(&mut self, kind: &Kind, rows: u64) -> Result<bool, Error> {
        resize(&mut self.product, kind, rows)?;
        if self.rows.contains(&rows) {
            return Ok(true);
        }
        let admits = self.product.admits(&self.algorithm, WORKSPACE)?;
        if admits {
            if self.rows.len() == REMEMBERED {
                self.rows.clear();
            }
            self.rows.insert(rows);
        }
        Ok(admits)
    }
}

impl Kind {
    /// Returns the most rows of a batch that the leading dimensions allow.
    fn most(&self) -> u64 {
        let [_, b, _] = self.leading;
        // With both factors transposed, B has a row in memory for each row of the batch.
        if self.transposes == [true, true] { b } else { u64::MAX }
    }
}

fn resize(product: &mut Product, kind: &Kind, rows: u64) -> Result<(), Error> {
    let [a, b, c] = kind.shapes(rows);
    product.a.resize(a)?;
    product.b.resize(b)?;
    product.c.resize(c)
}

fn takes_all(product: &mut Product, kind: &Kind, algorithm: &Algorithm) -> Result<bool, Error> {
    for &rows in ROWS.iter().filter(|&&rows| rows <= kind.most()) {
        resize(product, kind, rows)?;
        if !product.admits(algorithm, WORKSPACE)? {
            return Ok(false);
        }
    }
    Ok(true)
}
