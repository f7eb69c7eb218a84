//! Kernels that have nothing to do: they read nothing and write nothing, and are launched without a special case.

use crate::harness::{BOTH, in_each_order};
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::activation::{self, Activation, Gated, GatedBackward};
use tagsmith_device::kernels::attention::{Attention, Gradient};
use tagsmith_device::kernels::elementwise::{Add, Cast, Join, Rotary, Scale};
use tagsmith_device::kernels::layer_norm;
use tagsmith_device::kernels::learning::{AdamW, CrossEntropy, Rates};
use tagsmith_device::kernels::plain_attention::PlainAttention;
use tagsmith_device::kernels::rows::{Embedding, Neighbors, Normalize, NormalizeBackward, Rows, SpanSum, TakeRows};
use tagsmith_device::kernels::sums::{Pool, SegmentSums};

/// Every description of no rows: no address is read or written.
#[test]
fn no_rows_touch_nothing() {
    let (rows, columns, activation) = (0, 24, Activation::Tanh);
    let attention = |width: usize| Attention {
        qkv: 0,
        rows,
        tiles: 0,
        count: 0,
        heads: 3,
        width,
        scale: 1.0,
        window: None,
        mask: Mask::NONE,
    };
    let gradient = Gradient { context: 0, dcontext: 0, logs: 0, deltas: 0, dqkv: 0 };
    in_each_order(&[""], |machine| {
        let log = machine.f32s(&[0.5]);
        for element in BOTH {
            machine.run([
                activation::Forward { element, x: 0, bias: 0, u: 0, y: 0, rows, columns, activation }.launch(),
                activation::Backward { element, u: 0, dy: 0, dx: 0, y: 0, n: 0, activation }.launch(),
                Gated { element, x: 0, z: 0, rows, half: 8, activation }.launch(),
                GatedBackward { element, x: 0, dz: 0, dx: 0, rows, half: 8, activation }.launch(),
                Add { element, x: 0, y: 0, n: 0 }.launch(),
                Scale { element, x: 0, y: 0, n: 0, log: log.address() }.launch(),
                Join { element, x: 0, bias: 0, residual: 0, y: 0, rows, columns, mask: Mask::NONE }.launch(),
                Rotary { element, qkv: 0, positions: 0, angles: 0, rows, heads: 3, width: 8, back: false }.launch(),
                Cast { x: 0, y: 0, n: 0, to: element }.launch(),
            ]);
            let norm = layer_norm::Forward {
                element,
                x: 0,
                gain: 0,
                bias: 0,
                y: 0,
                statistics: 0,
                rows,
                columns,
                epsilon: 1e-5,
            };
            let back = layer_norm::Backward {
                element,
                x: 0,
                gain: 0,
                statistics: 0,
                dy: 0,
                dx: 0,
                rows,
                columns,
                onto: false,
            };
            machine.run([norm.launch(), back.launch()]);
            let none = Rows::NONE;
            let neighbors = Neighbors { element, from: 0, starts: 0, to: 0, sequences: 0, rows, columns, neighbors: 3 };
            let pool = Pool { element, from: 0, starts: 0, to: 0, sequences: 0, rows, columns, mean: true };
            machine.run([
                Embedding { element, words: none, positions: none, types: none, y: 0, rows, columns }.launch(),
                TakeRows { element, x: 0, index: 0, y: 0, rows, columns }.launch(),
                SpanSum { element, starts: 0, ends: 0, widths: 0, bias: 0, spans: 0, y: 0, count: 0, columns }.launch(),
                neighbors.unfold(),
                neighbors.fold_onto(),
                Normalize { element, x: 0, y: 0, lengths: 0, rows, columns }.launch(),
                NormalizeBackward { element, y: 0, lengths: 0, dy: 0, dx: 0, rows, columns }.launch(),
                pool.forward(),
                pool.backward(),
                SegmentSums {
                    element,
                    x: 0,
                    order: 0,
                    starts: 0,
                    rows: 0,
                    table: 0,
                    segments: 0,
                    added: 0,
                    columns,
                    onto: false,
                }
                .launch(),
                CrossEntropy {
                    element,
                    scores: 0,
                    labels: 0,
                    dscores: 0,
                    losses: 0,
                    rows,
                    classes: 3,
                    smoothing: 0.0,
                    factor: 1.0,
                }
                .launch(),
            ]);
            for width in [8, 64, 128] {
                let plain = PlainAttention { element, attention: attention(width), distances: None };
                machine.run([plain.forward(0, 0)]);
                machine.run(plain.backward(&gradient));
                machine.run([attention(width).forward(0, 0)]);
                machine.run(attention(width).backward(&gradient));
            }
        }
        let rates = Rates { rate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, update: 1 };
        let adamw = AdamW {
            parameters: 0,
            gradients: 0,
            first_moments: 0,
            second_moments: 0,
            twins: 0,
            chunks: 0,
            count: 0,
            elements: 0,
            scale: 0,
            rates,
        };
        machine.run([adamw.launch()]);
    });
}
