//! Layer norm: y = gain · (x − mean) / √(variance + ε) + bias, row by row. See `kernel/op/layer_norm.rs`.

use super::sums::{OverRows, ROWS_A_BLOCK, sum_blocks};
use super::{WORD, by_row, flag, for_rows, if_given, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Normalizes each row: mean first, then the squared distances from it.
///
/// # Shapes
/// x and y (rows, columns); gain and bias (columns); statistics (rows, 2).
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// The type of x and y.
    pub element: Element,
    /// The input; read.
    pub x: u64,
    /// The gain, f32; read.
    pub gain: u64,
    /// The bias, f32; read. 0: none.
    pub bias: u64,
    /// The result; written, and may be x.
    pub y: u64,
    /// Mean and 1 / √(variance + ε) of each row, f32; written.
    pub statistics: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// ε, inside the root.
    pub epsilon: f32,
}

impl Forward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let addresses = [self.x, self.gain, self.bias, self.y, self.statistics].map(Arg::Address);
        let sizes = [int(self.rows), int(self.columns), Arg::F32(self.epsilon)];
        let (n, size) = (self.rows * self.columns, self.element.bytes());
        let gain = for_rows(self.rows, self.columns);
        Launch {
            kernel: kernel_of!(self.element, "layer_norm"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).collect(),
            traffic: Traffic::of(
                &[(n, size), (gain + if_given(self.bias, gain), WORD)],
                &[(n, size), (2 * self.rows, WORD)],
            ),
        }
    }
}

/// Computes dx (+)= scale · (g − mean(g) − x̂ · mean(g · x̂)), with g = gain · dy.
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// The type of x, dy and dx.
    pub element: Element,
    /// The input of forward; read.
    pub x: u64,
    /// The gain, f32; read.
    pub gain: u64,
    /// The statistics of forward, f32; read.
    pub statistics: u64,
    /// The gradient of y; read.
    pub dy: u64,
    /// The gradient of x; written or added to. It may be dy where it is written.
    pub dx: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// Whether dx is added to.
    pub onto: bool,
}

impl Backward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        assert!(!self.onto || self.dx != self.dy, "layer_norm: dy cannot be what its gradient is added to");
        let (grid, block) = by_row(self.rows);
        let addresses = [self.x, self.gain, self.statistics, self.dy, self.dx].map(Arg::Address);
        let sizes = [int(self.rows), int(self.columns), flag(self.onto)];
        let (n, size) = (self.rows * self.columns, self.element.bytes());
        let matrices = if self.onto { 3 } else { 2 };
        Launch {
            kernel: kernel_of!(self.element, "layer_norm_backward"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).collect(),
            traffic: Traffic::of(
                &[(matrices * n, size), (for_rows(self.rows, self.columns) + 2 * self.rows, WORD)],
                &[(n, size)],
            ),
        }
    }
}

/// Computes dgain (+)= Σ dy · x̂ and dbias (+)= Σ dy over rows: first over blocks of rows, then over the blocks.
#[derive(Clone, Copy, Debug)]
pub struct ParameterSums {
    /// The type of x and dy.
    pub element: Element,
    /// The input of forward; read.
    pub x: u64,
    /// The statistics of forward, f32; read.
    pub statistics: u64,
    /// The gradient of y; read.
    pub dy: u64,
    /// Room for the sums of blocks: twice [`ParameterSums::partial`] floats, or once without a bias; written and read.
    pub partials: u64,
    /// The gradient of the gain, f32; written or added to.
    pub dgain: u64,
    /// The gradient of the bias, f32; written or added to. 0: there is no bias.
    pub dbias: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// Whether dgain and dbias are added to.
    pub onto: [bool; 2],
}

impl ParameterSums {
    /// Returns the number of floats in one matrix of blocks' sums.
    pub fn partial(rows: usize, columns: usize) -> usize {
        sum_blocks(rows) * columns
    }

    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let over_rows = OverRows { rows: self.rows, columns: self.columns };
        let (grid, block) = over_rows.shape();
        let addresses = [self.x, self.statistics, self.dy, self.partials, self.dgain, self.dbias].map(Arg::Address);
        let sizes = [int(self.rows), int(self.columns), int(ROWS_A_BLOCK)];
        let onto = [self.onto[0], self.dbias != 0 && self.onto[1]];
        let sums = 1 + if_given(self.dbias, 1);
        let (between, sum_of) = (over_rows.between(sums), |flags: usize| flags * self.columns);
        Launch {
            kernel: kernel_of!(self.element, "layer_norm_sums"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).chain(onto.map(flag)).collect(),
            traffic: Traffic::of(
                &[
                    (2 * self.rows * self.columns, self.element.bytes()),
                    (2 * self.rows + between + sum_of(onto.map(usize::from).iter().sum()), WORD),
                ],
                &[(between + sum_of(sums), WORD)],
            ),
        }
    }
}
