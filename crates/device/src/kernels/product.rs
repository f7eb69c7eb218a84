//! Products by our own kernels. No driver uses them yet: CUDA's takes cublasLt, and the emulator its own definition.

use super::{blocks, int};
use crate::launch::{Arg, Launch};
use crate::multiply::{Element, Matrix, Multiply};

/// Rows and columns of a block's tile: `PRODUCT_TILE` in `kernels/product/product.cu`.
const TILE: usize = 64;

/// Returns the launch that computes a product. Sums are f32, over k in order (in bf16: by 16).
///
/// # Panics
/// If the factors are not of one type, f32 factors have a result of bf16, or the shapes do not fit.
pub fn product(multiply: &Multiply) -> Launch {
    let Multiply { a, transposes_a, b, transposes_b, c, beta, bias } = *multiply;
    let shape = |x: Matrix, transposes: bool| if transposes { (x.columns, x.rows) } else { (x.rows, x.columns) };
    // The distance of neighbors in a column and in a row, after the transposition.
    let strides = |x: Matrix, transposes: bool| if transposes { [x.leading, 1] } else { [1, x.leading] };
    let ((m, k), (k_again, n)) = (shape(a, transposes_a), shape(b, transposes_b));
    assert!(
        k == k_again && (c.rows, c.columns) == (m, n) && a.element == b.element,
        "product: ({m}, {k}) times ({k_again}, {n}) is not ({}, {}), or {:?} meets {:?}",
        c.rows,
        c.columns,
        a.element,
        b.element
    );
    let factor = |x: Matrix, strides: [u64; 2]| [Arg::Address(x.address), Arg::U64(strides[0]), Arg::U64(strides[1])];
    let factors = factor(a, strides(a, transposes_a)).into_iter().chain(factor(b, strides(b, transposes_b)));
    let result = [Arg::Address(c.address), Arg::U64(c.leading), Arg::Address(bias), Arg::F32(beta)];
    let sizes = [m, n, k].map(|size| usize::try_from(size).expect("sizes fit memory"));
    let (kernel, threads, last) = match (a.element, c.element) {
        (Element::F32, Element::F32) => ("product_f32", 256, None),
        (Element::F32, Element::Bf16) => panic!("product: factors of f32 with a result of bf16"),
        (Element::Bf16, element) => ("product_bf16", 128, Some(super::flag(element == Element::F32))),
    };
    let columns = blocks(sizes[1], TILE);
    assert!(columns <= 65_535, "product: {n} columns");
    Launch {
        kernel,
        grid: [blocks(sizes[0], TILE), columns, 1],
        block: [threads, 1, 1],
        args: factors.chain(result).chain(sizes.map(int)).chain(last).collect(),
        traffic: multiply.traffic(),
    }
}
