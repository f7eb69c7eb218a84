//! Activations with their slopes, and gated units: `kernel/op/activation.rs` and `kernel/op/gated.rs`.

use super::{WORD, by_row, flat, for_rows, if_given, int, kernel_of};
use crate::launch::{Arg, Launch};
use crate::multiply::Element;
use crate::traffic::Traffic;

/// An activation function, with the number that kernels know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// x · Φ(x), with Φ by formula 7.1.26 of Abramowitz and Stegun: an absolute error below 1.5e-7.
    Gelu = 0,
    /// GELU's approximation by tanh.
    GeluTanh = 1,
    /// max(x, 0).
    Relu = 2,
    /// x / (1 + e⁻ˣ).
    Silu = 3,
    /// tanh x.
    Tanh = 4,
}

impl Activation {
    fn argument(self) -> Arg {
        Arg::I32(self as i32)
    }
}

/// Computes u = x + bias and y = f(u), element by element.
///
/// # Shapes
/// x, u and y (rows, columns); bias (columns).
#[derive(Clone, Copy, Debug)]
pub struct Forward {
    /// The type of x, u and y.
    pub element: Element,
    /// The input; read.
    pub x: u64,
    /// The bias, f32; read. 0: none.
    pub bias: u64,
    /// x + bias, rounded; written where there is a bias, and may be x. f is taken of the rounded u.
    pub u: u64,
    /// f(u); written, and may be x.
    pub y: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of x.
    pub columns: usize,
    /// The function f.
    pub activation: Activation,
}

impl Forward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (n, size) = (self.rows * self.columns, self.element.bytes());
        let (grid, block) = flat(n);
        let addresses = [self.x, self.bias, self.u, self.y].map(Arg::Address);
        let rest = [int(self.columns), Arg::U64(n as u64), self.activation.argument()];
        Launch {
            kernel: kernel_of!(self.element, "activation"),
            grid,
            block,
            args: addresses.into_iter().chain(rest).collect(),
            traffic: Traffic::of(
                &[(n, size), (if_given(self.bias, for_rows(self.rows, self.columns)), WORD)],
                &[(if_given(self.bias, n), size), (n, size)],
            ),
        }
    }
}

/// Computes dx = f′(u) · dy and, where it is asked for, y = f(u) once more.
#[derive(Clone, Copy, Debug)]
pub struct Backward {
    /// The type of all four.
    pub element: Element,
    /// The function's input; read.
    pub u: u64,
    /// The gradient of y; read.
    pub dy: u64,
    /// The gradient of u; written, and may be dy.
    pub dx: u64,
    /// f(u); written. 0: not asked for.
    pub y: u64,
    /// Number of elements.
    pub n: usize,
    /// The function f.
    pub activation: Activation,
}

impl Backward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = flat(self.n);
        let size = self.element.bytes();
        let addresses = [self.u, self.dy, self.dx, self.y].map(Arg::Address);
        let rest = [Arg::U64(self.n as u64), self.activation.argument()];
        Launch {
            kernel: kernel_of!(self.element, "activation_backward"),
            grid,
            block,
            args: addresses.into_iter().chain(rest).collect(),
            traffic: Traffic::of(&[(2 * self.n, size)], &[(self.n, size), (if_given(self.y, self.n), size)]),
        }
    }
}

/// Computes z = f(u) · g, where u and g are the halves of each row of x.
///
/// # Shapes
/// x (rows, 2 · half) → z (rows, half).
#[derive(Clone, Copy, Debug)]
pub struct Gated {
    /// The type of x and z.
    pub element: Element,
    /// The input; read.
    pub x: u64,
    /// The result; written.
    pub z: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of z.
    pub half: usize,
    /// The function f.
    pub activation: Activation,
}

impl Gated {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let sizes = [int(self.rows), int(self.half), self.activation.argument()];
        let (n, size) = (self.rows * self.half, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "gated"),
            grid,
            block,
            args: [self.x, self.z].map(Arg::Address).into_iter().chain(sizes).collect(),
            traffic: Traffic::of(&[(2 * n, size)], &[(n, size)]),
        }
    }
}

/// Computes du = f′(u) · g · dz and dg = f(u) · dz.
///
/// # Shapes
/// x (rows, 2 · half), dz (rows, half) → dx (rows, 2 · half).
#[derive(Clone, Copy, Debug)]
pub struct GatedBackward {
    /// The type of all three.
    pub element: Element,
    /// The input of forward; read.
    pub x: u64,
    /// The gradient of z; read.
    pub dz: u64,
    /// The gradient of x; written, and may be x.
    pub dx: u64,
    /// Rows of x.
    pub rows: usize,
    /// Columns of dz.
    pub half: usize,
    /// The function f.
    pub activation: Activation,
}

impl GatedBackward {
    /// Returns the launch.
    pub fn launch(&self) -> Launch {
        let (grid, block) = by_row(self.rows);
        let sizes = [int(self.rows), int(self.half), self.activation.argument()];
        let (n, size) = (self.rows * self.half, self.element.bytes());
        Launch {
            kernel: kernel_of!(self.element, "gated_backward"),
            grid,
            block,
            args: [self.x, self.dz, self.dx].map(Arg::Address).into_iter().chain(sizes).collect(),
            traffic: Traffic::of(&[(3 * n, size)], &[(2 * n, size)]),
        }
    }
}
