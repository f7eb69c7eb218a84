//! Dropout whose mask is a function of where: backward makes it again instead of keeping it.

use crate::rng::Stream;
use crate::tensor::Tensor;
use crate::threads::for_each_block;

/// Which elements are dropped, and how many.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The share that is dropped, in 0 ≤ rate < 1.
    pub rate: f32,
    /// Decides element (row, column).
    pub stream: Stream,
}

/// Where `dropout` keeps an element it is divided by 1 − rate, elsewhere it becomes 0; `None` changes nothing.
/// Backward is the same function of dy.
///
/// # Source
/// Srivastava et al., 2014, in the inverted form of PyTorch.
pub fn apply(mut x: Tensor, dropout: Option<Dropout>) -> Tensor {
    if let Some(Dropout { rate, stream }) = dropout.filter(|dropout| dropout.rate > 0.0) {
        let width = x.columns();
        for_each_block(x.data_mut(), width, 32, |first, rows| {
            for (i, row) in rows.chunks_exact_mut(width).enumerate() {
                stream.drop_row(first + i, rate, row);
            }
        });
    }
    x
}
