//! Trials of a device: it computes operations beside the processor, and both must get the same numbers.
//!
//! [`self_test`] does them all at small, odd sizes. `tagsmith-bench` does them at the sizes of real models, and times them.

mod attention;
pub mod case;
mod elementwise;
mod learning;
mod linear;
mod place;
mod rows;
mod spans;

use crate::Precision;
use crate::device::Device;
use case::{Failure, Size, Trial};

/// Returns all trials, in the order in which a model computes them.
pub fn trials() -> Vec<Trial> {
    [rows::TRIALS, linear::TRIALS, attention::TRIALS, elementwise::TRIALS, spans::TRIALS, learning::TRIALS].concat()
}

/// Sizes at which every kernel has parts of blocks, rows and tiles.
fn small_sizes() -> Vec<Size> {
    let size =
        |lengths: &[usize], heads, width, inner| Size { lengths: lengths.to_vec(), heads, width, inner, labels: 9 };
    vec![
        size(&[5], 2, 8, 40),
        size(&[1, 9, 2, 31], 2, 32, 72),
        // Heads of an odd width are computed without tensor cores.
        size(&[3, 0, 1, 31], 1, 33, 35),
        size(&[31, 4], 2, 64, 136),
        // Rows that are longer than the strides of a block of threads.
        size(&[18, 5], 5, 128, 130),
    ]
}

/// How often the smallest size is tried. Trials of one size find the same rooms from the second on. A GPU captures work that it
/// meets again, and then launches it as a graph.
const ROUNDS: usize = 4;

/// Does all trials on a device, in both precisions: each kernel that operations launch, and products of all plans.
///
/// # Errors
/// The first result that differs from the processor's; an error of the device.
pub fn self_test(device: &Device) -> Result<(), Failure> {
    let sizes = small_sizes();
    for size in std::iter::repeat_n(&sizes[0], ROUNDS).chain(&sizes[1..]) {
        for precision in [Precision::F32, Precision::Bf16] {
            trials().iter().try_for_each(|trial| trial.check(device, size, precision))?;
        }
    }
    Ok(())
}
