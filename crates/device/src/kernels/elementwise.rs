//! Sums, multiples, dropout with what goes along, rotary positions, and changes of type.

use super::{DOUBLE, Mask, WORD, by_row, flag, flat, for_rows, if_given, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// Computes y += x.
#[derive(Clone, Copy, Debug)]
pub struct Add {
    /// The type of x and y.
    pub element: Element,
    /// What is added; read.
    pub x: u64,
    /// The sum; read and written.
    pub y: u64,
    /// Number of elements.
    pub n: usize,
}

impl Add {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = flat(self.n);
        let args = vec![Arg::Address(self.x), Arg::Address(self.y), Arg::U64(self.n as u64)];
        let size = self.element.bytes();
        let traffic = Traffic::of(&[(2 * self.n, size)], &[(self.n, size)]);
        Launch { kernel: kernel_of!(self.element, "add"), grid, block, args, traffic }
    }
}

/// Computes y = e^log · x, where the log lies on the device.
///
/// # Source
/// `kernel/op/pair_scores.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// The type of y.
    pub element: Element,
    /// The input, f32; read.
    pub x: u64,
    /// The result; written, and may be x if it is f32.
    pub y: u64,
    /// Number of elements.
    pub n: usize,
    /// The log of the factor, f32; read.
    pub log: u64,
}

impl Scale {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = flat(self.n);
        let args = vec![Arg::Address(self.x), Arg::Address(self.y), Arg::U64(self.n as u64), Arg::Address(self.log)];
        let traffic = Traffic::of(&[(self.n + for_rows(self.n, 1), WORD)], &[(self.n, self.element.bytes())]);
        Launch { kernel: kernel_of!(self.element, "scale"), grid, block, args, traffic }
    }
}

/// Computes y = mask · (x + bias) / (1 − rate) + residual: dropout, and what stands around it.
///
/// In f32 the bits are those of `kernel/op/dropout.rs`: mask, product and sum are rounded one by one.
///
/// # Shapes
/// x, residual and y (rows, columns); bias (columns).
#[derive(Clone, Copy, Debug)]
pub struct Join {
    /// The type of x, residual and y.
    pub element: Element,
    /// The input; read.
    pub x: u64,
    /// The bias, f32; read. 0: none.
    pub bias: u64,
    /// What is added at the end; read. 0: nothing.
    pub residual: u64,
    /// The result; written, and may be x or residual.
    pub y: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// The elements that are kept.
    pub mask: Mask,
}

impl Join {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let addresses = [self.x, self.bias, self.residual, self.y].map(Arg::Address);
        let sizes = [int(self.rows), int(self.columns)];
        let (n, size) = (self.rows * self.columns, self.element.bytes());
        let bias = if_given(self.bias, for_rows(self.rows, self.columns));
        Launch {
            kernel: kernel_of!(self.element, "join"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).chain(self.mask.arguments()).collect(),
            traffic: Traffic::of(&[(n, size), (bias, WORD), (if_given(self.residual, n), size)], &[(n, size)]),
        }
    }
}

/// Turns each head's pairs (x, y) of queries and keys by the angle of their position, in place.
///
/// # Shapes
/// qkv (rows, 3 · heads · width): queries, keys and values side by side. Positions (rows) are i32. Angles (any, width) are
/// f32: the cosines of a position, then its sines.
/// # Source
/// `kernel/op/rotary.rs`.
#[derive(Clone, Copy, Debug)]
pub struct Rotary {
    /// The type of qkv.
    pub element: Element,
    /// Queries, keys and values; queries and keys are read and written.
    pub qkv: u64,
    /// The position of each row in its sequence, i32; read.
    pub positions: u64,
    /// Cosines and sines, f32; read.
    pub angles: u64,
    /// Rows of qkv.
    pub rows: usize,
    /// Heads N.
    pub heads: usize,
    /// Width D of a head, an even number.
    pub width: usize,
    /// Whether pairs are turned back, as the gradient is.
    pub back: bool,
}

impl Rotary {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        assert!(self.width.is_multiple_of(2), "rotary: {} columns a head", self.width);
        let (grid, block) = by_row(self.rows);
        let addresses = [self.qkv, self.positions, self.angles].map(Arg::Address);
        let sign = if self.back { -1.0 } else { 1.0 };
        let sizes = [int(self.rows), int(self.heads), int(self.width), Arg::F32(sign)];
        let (turned, size) = (2 * self.rows * self.heads * self.width, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "rotary"),
            grid,
            block,
            args: addresses.into_iter().chain(sizes).collect(),
            traffic: Traffic::of(
                &[(turned, size), (self.rows, WORD), (self.rows * self.width, WORD)],
                &[(turned, size)],
            ),
        }
    }
}

/// Computes y = x in the other type: rounded to nearest even to bf16, or exactly to f32.
#[derive(Clone, Copy, Debug)]
pub struct Cast {
    /// The input; read.
    pub x: u64,
    /// The result; written.
    pub y: u64,
    /// Number of elements.
    pub n: usize,
    /// The type of y; x has the other one.
    pub to: Element,
}

impl Cast {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = flat(self.n);
        let (kernel, from) = match self.to {
            Element::F32 => ("to_f32", Element::Bf16),
            Element::Bf16 => ("to_bf16", Element::F32),
        };
        let traffic = Traffic::of(&[(self.n, from.bytes())], &[(self.n, self.to.bytes())]);
        let args = vec![Arg::Address(self.x), Arg::Address(self.y), Arg::U64(self.n as u64)];
        Launch { kernel, grid, block, args, traffic }
    }
}

/// Computes y = x, or y += x, for one number of f64: a sum that becomes a gradient.
#[derive(Clone, Copy, Debug)]
pub struct Narrow {
    /// The number, f64; read.
    pub x: u64,
    /// The result, f32; written, or added to.
    pub y: u64,
    /// Whether y is added to.
    pub onto: bool,
}

impl Narrow {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let args = vec![Arg::Address(self.x), Arg::Address(self.y), flag(self.onto)];
        let traffic = Traffic::of(&[(1, DOUBLE), (self.onto.into(), WORD)], &[(1, WORD)]);
        Launch { kernel: "narrow", grid: [1; 3], block: [1; 3], args, traffic }
    }
}
