//! Attention and its gradients: on tensor cores and in plain f32, over ragged sequences, in windows, with dropout.

use crate::harness::{
    BF16_ROUNDING, BOTH, Machine, assert_same_bits, assert_within, child, finite_differences, in_each_order, kept,
    random, wide,
};
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::attention::{Attention, Gradient, tiles};
use tagsmith_device::kernels::plain_attention::PlainAttention;
use tagsmith_device::multiply::Element;

/// Which kernels compute it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernels {
    TensorCores,
    Plain(Element),
}

impl Kernels {
    fn element(self) -> Element {
        match self {
            Kernels::TensorCores => Element::Bf16,
            Kernels::Plain(element) => element,
        }
    }
}

/// Sequences, heads and settings.
struct Case {
    starts: Vec<u32>,
    heads: usize,
    width: usize,
    window: Option<usize>,
    rate: f32,
}

const KEY: u64 = 0xFEDC_BA98_7654_3210;
const FIRST_ROW: u64 = 77;

/// Context and the gradient of qkv in f64, each with the bound of its rounding errors.
struct Want {
    context: Vec<f64>,
    context_bound: Vec<f64>,
    dqkv: Vec<f64>,
    dqkv_bound: Vec<f64>,
}

impl Case {
    fn rows(&self) -> usize {
        *self.starts.last().expect("there are boundaries") as usize
    }

    fn h(&self) -> usize {
        self.heads * self.width
    }

    fn mask(&self) -> Mask {
        Mask { rate: self.rate, key: KEY, first_row: FIRST_ROW }
    }

    /// What a weight of a head is multiplied by.
    fn kept(&self, head: usize, row: usize, start: usize, key: usize) -> f64 {
        f64::from(kept(self.rate, child(KEY, head as u64), FIRST_ROW + row as u64, (key - start) as u32))
    }

    /// Computes softmax(Q · Kᵀ / √D) · V and its gradient by definition, with bounds. `unit` is the relative error of a
    /// rounding of weights and results.
    fn reference(&self, qkv: &[f64], dcontext: &[f64], unit: f64) -> Want {
        let (h, d, rows) = (self.h(), self.width, self.rows());
        let scale = 1.0 / (d as f64).sqrt();
        let [mut context, mut context_bound] = [(); 2].map(|()| vec![0.0; rows * h]);
        let [mut dqkv, mut dqkv_bound] = [(); 2].map(|()| vec![0.0; rows * 3 * h]);
        // Sums of products of f32, and an exponential of a number of some units.
        let small = 64.0 / 8_388_608.0;
        for bounds in self.starts.windows(2) {
            let (start, end) = (bounds[0] as usize, bounds[1] as usize);
            for (head, row) in (0..self.heads).flat_map(|head| (start..end).map(move |row| (head, row))) {
                let at = |row: usize, third: usize, c: usize| row * 3 * h + third * h + head * d + c;
                let product =
                    |row: usize, key: usize| (0..d).map(|c| qkv[at(row, 0, c)] * qkv[at(key, 1, c)]).sum::<f64>();
                let seen: Vec<usize> =
                    (start..end).filter(|&key| self.window.is_none_or(|window| row.abs_diff(key) <= window)).collect();
                let scores: Vec<f64> = seen.iter().map(|&key| product(row, key) * scale).collect();
                let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                let weights: Vec<f64> = scores.iter().map(|s| (s - top).exp() / total).collect();
                let mut delta = 0.0;
                let mut delta_bound = 0.0;
                for c in 0..d {
                    let to = row * h + head * d + c;
                    for (&key, p) in seen.iter().zip(&weights) {
                        let term = p * self.kept(head, row, start, key) * qkv[at(key, 2, c)];
                        context[to] += term;
                        context_bound[to] += (unit + small) * term.abs();
                    }
                    context_bound[to] += unit * context[to].abs();
                    delta += context[to] * dcontext[to];
                    delta_bound += (context_bound[to] + small * context[to].abs()) * dcontext[to].abs();
                }
                for (&key, p) in seen.iter().zip(&weights) {
                    let kept = self.kept(head, row, start, key);
                    let up = |c: usize| dcontext[row * h + head * d + c];
                    let dp = (0..d).map(|c| up(c) * qkv[at(key, 2, c)]).sum::<f64>();
                    let size = (0..d).map(|c| (up(c) * qkv[at(key, 2, c)]).abs()).sum::<f64>();
                    let ds = p * (kept * dp - delta) * scale;
                    // The rounding of ds itself, that of delta, and those of f32.
                    let bound = unit * ds.abs() + scale * p * (delta_bound + small * (kept * size + delta.abs()));
                    for c in 0..d {
                        for (to, gradient, error) in [
                            (at(row, 0, c), ds * qkv[at(key, 1, c)], bound * qkv[at(key, 1, c)].abs()),
                            (at(key, 1, c), ds * qkv[at(row, 0, c)], bound * qkv[at(row, 0, c)].abs()),
                            (at(key, 2, c), p * kept * up(c), (unit + small) * (p * kept * up(c)).abs()),
                        ] {
                            dqkv[to] += gradient;
                            dqkv_bound[to] += error;
                        }
                    }
                }
            }
        }
        for (bound, value) in dqkv_bound.iter_mut().zip(&dqkv) {
            *bound += unit * value.abs() + 1e-30;
        }
        Want { context, context_bound, dqkv, dqkv_bound }
    }

    /// Returns context and the gradient of qkv, as kernels compute them.
    fn run(&self, machine: &Machine, kernels: Kernels, qkv: &[f32], dcontext: &[f32]) -> [Vec<f32>; 2] {
        let (element, rows, h) = (kernels.element(), self.rows(), self.h());
        let tiles = tiles(&self.starts);
        let (pqkv, pup, ptiles) =
            (machine.elements(element, qkv), machine.elements(element, dcontext), machine.i32s(&tiles));
        let (pcontext, pdqkv) = (machine.empty(element, rows * h), machine.empty(element, rows * 3 * h));
        let [plogs, pdeltas] = [(); 2].map(|()| machine.empty(Element::F32, rows * self.heads));
        let attention = Attention {
            qkv: pqkv.address(),
            rows,
            tiles: ptiles.address(),
            count: tiles.len() / 3,
            heads: self.heads,
            width: self.width,
            scale: 1.0 / (self.width as f32).sqrt(),
            window: self.window,
            mask: self.mask(),
        };
        let gradient = Gradient {
            context: pcontext.address(),
            dcontext: pup.address(),
            logs: plogs.address(),
            deltas: pdeltas.address(),
            dqkv: pdqkv.address(),
        };
        match kernels {
            Kernels::TensorCores => {
                machine.run([attention.forward(pcontext.address(), plogs.address())]);
                machine.run(attention.backward(&gradient));
            }
            Kernels::Plain(element) => {
                let plain = PlainAttention { element, attention, distances: None };
                machine.run([plain.forward(pcontext.address(), plogs.address())]);
                machine.run(plain.backward(&gradient));
            }
        }
        [machine.values(element, &pcontext), machine.values(element, &pdqkv)]
    }

    fn check(&self, machine: &Machine, kernels: Kernels) {
        let (element, rows, h) = (kernels.element(), self.rows(), self.h());
        let (qkv, up) = (random(element, 5, rows * 3 * h, 2.0), random(element, 6, rows * h, 1.0));
        let unit = if element == Element::Bf16 { BF16_ROUNDING } else { 0.0 };
        let want = self.reference(&wide(&qkv), &wide(&up), unit);
        let [context, dqkv] = self.run(machine, kernels, &qkv, &up);
        let what = format!("{kernels:?}, heads of {}, {:?}, rate {}", self.width, self.window, self.rate);
        assert_within(&format!("context, {what}"), &context, &want.context, &want.context_bound);
        assert_within(&format!("dqkv, {what}"), &dqkv, &want.dqkv, &want.dqkv_bound);
    }
}

/// One row, none, a tile, last tiles of 1, 5, 8, 9 and 15 rows, two and three tiles.
const STARTS: [u32; 10] = [0, 1, 1, 17, 33, 38, 46, 71, 86, 127];

#[test]
fn the_closed_form_is_the_gradient() {
    let case = Case { starts: vec![0, 1, 5], heads: 2, width: 4, window: Some(2), rate: 0.3 };
    let (qkv, up) = (wide(&random(Element::F32, 1, 5 * 24, 1.0)), wide(&random(Element::F32, 2, 5 * 8, 1.0)));
    let want = finite_differences(&qkv, &up, |qkv| case.reference(qkv, &up, 0.0).context);
    let got: Vec<f32> = case.reference(&qkv, &up, 0.0).dqkv.iter().map(|&d| d as f32).collect();
    assert_within("the closed form", &got, &want, &vec![1e-6; want.len()]);
}

const PLAIN: &[&str] = &["attention_f32", "attention_bf16", "attention_deltas", "attention_backward_"];

#[test]
fn on_tensor_cores() {
    in_each_order(&["attention_"], |machine| {
        for width in [8, 24, 32, 36, 64] {
            Case { starts: STARTS.to_vec(), heads: 2, width, window: None, rate: 0.0 }
                .check(machine, Kernels::TensorCores);
        }
        Case { starts: vec![0, 19, 27], heads: 3, width: 128, window: None, rate: 0.1 }
            .check(machine, Kernels::TensorCores);
        Case { starts: vec![0, 33], heads: 1, width: 72, window: None, rate: 0.0 }.check(machine, Kernels::TensorCores);
    });
}

#[test]
fn on_tensor_cores_in_windows_with_dropout() {
    in_each_order(&["attention_"], |machine| {
        for (window, rate) in [(Some(0), 0.0), (Some(3), 0.2), (Some(20), 0.0), (None, 0.3), (Some(30), 0.1)] {
            let case = Case { starts: vec![0, 40, 41, 41, 95], heads: 2, width: 16, window, rate };
            case.check(machine, Kernels::TensorCores);
        }
    });
}

#[test]
fn in_plain_f32() {
    in_each_order(PLAIN, |machine| {
        for element in BOTH {
            for (width, window, rate) in
                [(4, None, 0.0), (12, Some(3), 0.2), (8, Some(0), 0.0), (36, None, 0.1), (9, Some(40), 0.0)]
            {
                let case = Case { starts: STARTS.to_vec(), heads: 2, width, window, rate };
                case.check(machine, Kernels::Plain(element));
            }
            Case { starts: vec![0, 3, 36], heads: 1, width: 128, window: None, rate: 0.0 }
                .check(machine, Kernels::Plain(element));
            // Blocks share these heads, and the last has one element.
            Case { starts: vec![0, 5, 22], heads: 2, width: 129, window: Some(9), rate: 0.1 }
                .check(machine, Kernels::Plain(element));
        }
    });
}

#[test]
fn a_sequence_does_not_depend_on_the_others() {
    in_each_order(&["attention_"], |machine| {
        for kernels in [Kernels::TensorCores, Kernels::Plain(Element::F32)] {
            let all = Case { starts: vec![0, 9, 31, 50], heads: 2, width: 16, window: Some(12), rate: 0.0 };
            let alone = Case { starts: vec![0, 22], heads: 2, width: 16, window: Some(12), rate: 0.0 };
            let (element, h) = (kernels.element(), 32);
            let (qkv, up) = (random(element, 5, 50 * 3 * h, 2.0), random(element, 6, 50 * h, 1.0));
            let together = all.run(machine, kernels, &qkv, &up);
            let apart = alone.run(machine, kernels, &qkv[9 * 3 * h..31 * 3 * h], &up[9 * h..31 * h]);
            assert_same_bits("context", &apart[0], &together[0][9 * h..31 * h]);
            assert_same_bits("dqkv", &apart[1], &together[1][9 * 3 * h..31 * 3 * h]);
        }
    });
}

#[test]
fn not_a_number_stays_in_its_sequence() {
    in_each_order(&["attention_"], |machine| {
        for kernels in [Kernels::TensorCores, Kernels::Plain(Element::F32)] {
            let case = Case { starts: vec![0, 5, 12], heads: 1, width: 8, window: None, rate: 0.0 };
            let mut qkv = random(kernels.element(), 5, 12 * 24, 2.0);
            // A key of the second sequence.
            qkv[7 * 24 + 8] = f32::NAN;
            let up = random(kernels.element(), 6, 12 * 8, 1.0);
            let [context, dqkv] = case.run(machine, kernels, &qkv, &up);
            assert!(context[..5 * 8].iter().chain(&dqkv[..5 * 24]).all(|x| !x.is_nan()), "{kernels:?}");
            assert!(context[5 * 8..].iter().all(|x| x.is_nan()), "{kernels:?}: NaN is hidden");
        }
    });
}

#[test]
fn tiles_of_sequences() {
    assert_eq!(tiles(&[0, 1, 1, 18]), [0, 1, 0, 1, 18, 1, 1, 18, 17]);
    assert!(tiles(&[0]).is_empty());
}
