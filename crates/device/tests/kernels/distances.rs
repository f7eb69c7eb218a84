//! Attention whose scores also compare content with distances, and the gradient of the distances' table.

use crate::harness::{
    BF16_ROUNDING, BOTH, Machine, assert_within, child, finite_differences, in_each_order, kept, random, wide,
};
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::attention::{Attention, Gradient, tiles};
use tagsmith_device::kernels::plain_attention::{Distances, DistancesGradient, PlainAttention, ranges};
use tagsmith_device::multiply::Element;

const KEY: u64 = 0x1357_9BDF_0246_8ACE;
const FIRST_ROW: u64 = 3;

struct Case {
    starts: Vec<u32>,
    heads: usize,
    width: usize,
    keys: bool,
    queries: bool,
    rate: f32,
}

impl Case {
    fn rows(&self) -> usize {
        *self.starts.last().expect("there are boundaries") as usize
    }

    fn longest(&self) -> usize {
        self.starts.windows(2).map(|bounds| bounds[1] - bounds[0]).max().expect("there is a sequence") as usize
    }

    fn h(&self) -> usize {
        self.heads * self.width
    }

    fn terms(&self) -> usize {
        usize::from(self.keys) + usize::from(self.queries)
    }

    /// The first columns of the rows that queries, and keys, are compared with.
    fn columns(&self) -> [Option<usize>; 2] {
        [self.keys.then_some(0), self.queries.then_some(if self.keys { self.h() } else { 0 })]
    }

    /// Rows of distances, rising with the distance; distant ones share a row.
    fn places(&self) -> Vec<u32> {
        let longest = self.longest() as i32;
        (1 - longest..longest).map(|distance| (distance.clamp(-4, 5) + 4) as u32).collect()
    }

    const TABLE_ROWS: usize = 10;

    fn scale(&self) -> f64 {
        1.0 / ((self.width * (1 + self.terms())) as f64).sqrt()
    }

    /// The context, by definition, of qkv and then the table in one slice.
    fn reference(&self, values: &[f64]) -> Vec<f64> {
        let (h, d, rows) = (self.h(), self.width, self.rows());
        let (qkv, table) = values.split_at(rows * 3 * h);
        let (stride, places, [keys, queries]) = (self.terms() * h, self.places(), self.columns());
        let mut context = vec![0.0; rows * h];
        for bounds in self.starts.windows(2) {
            let (start, end) = (bounds[0] as usize, bounds[1] as usize);
            for (head, row) in (0..self.heads).flat_map(|head| (start..end).map(move |row| (head, row))) {
                let at = |row: usize, third: usize, c: usize| qkv[row * 3 * h + third * h + head * d + c];
                let score = |key: usize| {
                    let place = places[row + self.longest() - 1 - key] as usize * stride + head * d;
                    let term = |c: usize| {
                        let (q, k) = (at(row, 0, c), at(key, 1, c));
                        let of = |first: Option<usize>, x: f64| first.map_or(0.0, |first| x * table[place + first + c]);
                        q * k + of(keys, q) + of(queries, k)
                    };
                    self.scale() * (0..d).map(term).sum::<f64>()
                };
                let scores: Vec<f64> = (start..end).map(score).collect();
                let top = scores.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                let total: f64 = scores.iter().map(|s| (s - top).exp()).sum();
                for (key, s) in (start..end).zip(&scores) {
                    let (number, column) = (FIRST_ROW + row as u64, (key - start) as u32);
                    let kept = f64::from(kept(self.rate, child(KEY, head as u64), number, column));
                    for c in 0..d {
                        context[row * h + head * d + c] += (s - top).exp() / total * kept * at(key, 2, c);
                    }
                }
            }
        }
        context
    }

    fn check(&self, machine: &Machine, element: Element) {
        let (rows, h, tiles, places) = (self.rows(), self.h(), tiles(&self.starts), self.places());
        let (stride, [keys, queries]) = (self.terms() * h, self.columns());
        let (qkv, up) = (random(element, 5, rows * 3 * h, 1.5), random(element, 6, rows * h, 1.0));
        let table = random(element, 7, Case::TABLE_ROWS * stride, 1.5);
        let [pqkv, pup, ptable] = [&qkv, &up, &table].map(|values| machine.elements(element, values));
        let integers = |values: &[u32]| machine.i32s(&values.iter().map(|&x| x.cast_signed()).collect::<Vec<_>>());
        let (ptiles, pplaces, pstarts) = (machine.i32s(&tiles), integers(&places), integers(&self.starts));
        let pranges = machine.i32s(&ranges(&places, Case::TABLE_ROWS));
        let [pcontext, pdqkv, pdtable] = [rows * h, rows * 3 * h, table.len()].map(|n| machine.empty(element, n));
        let [plogs, pdeltas] = [(); 2].map(|()| machine.empty(Element::F32, rows * self.heads));
        let plain = PlainAttention {
            element,
            attention: Attention {
                qkv: pqkv.address(),
                rows,
                tiles: ptiles.address(),
                count: tiles.len() / 3,
                heads: self.heads,
                width: self.width,
                scale: self.scale() as f32,
                window: None,
                mask: Mask { rate: self.rate, key: KEY, first_row: FIRST_ROW },
            },
            distances: Some(Distances {
                table: ptable.address(),
                stride,
                places: pplaces.address(),
                longest: self.longest(),
                keys,
                queries,
            }),
        };
        let gradient = Gradient {
            context: pcontext.address(),
            dcontext: pup.address(),
            logs: plogs.address(),
            deltas: pdeltas.address(),
            dqkv: pdqkv.address(),
        };
        // Distant ones share a row of the table.
        machine.run_reading_less([plain.forward(pcontext.address(), plogs.address())]);
        machine.run_reading_less(plain.backward(&gradient));
        let of_table = DistancesGradient {
            starts: pstarts.address(),
            sequences: self.starts.len() - 1,
            ranges: pranges.address(),
            rows: Case::TABLE_ROWS,
            dtable: pdtable.address(),
        };
        machine.run_reading_less([plain.backward_distances(&gradient, &of_table)]);

        let both: Vec<f64> = wide(&qkv).into_iter().chain(wide(&table)).collect();
        let context = self.reference(&both);
        let gradients = finite_differences(&both, &wide(&up), |values| self.reference(values));
        // Sums of f32 over a sequence, as NUMERICS.md bounds them: 8 ε √n of the largest. In bf16 the context is rounded,
        // and with it the deltas: Σ over D columns of its rounding times an upstream gradient below 1, times weights that
        // sum to 1 and a factor below 1.5 · (1 + terms), which is at most 4.5 for a row.
        let bound = |want: &[f64]| -> Vec<f64> {
            let largest = want.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
            let small = 8.0 / 8_388_608.0 * (self.longest() as f64).sqrt() * 4.0 * largest.max(1.0);
            let unit = if element == Element::Bf16 { BF16_ROUNDING } else { 0.0 };
            let of_context = unit * self.width as f64 * 1.5 * self.scale() * 4.5;
            want.iter().map(|want| small + unit * want.abs() + of_context).collect()
        };
        let what = format!("{element:?}, heads of {}, keys {}, queries {}", self.width, self.keys, self.queries);
        let (dqkv, dtable) = gradients.split_at(rows * 3 * h);
        for (name, room, want) in
            [("context", &pcontext, &context[..]), ("dqkv", &pdqkv, dqkv), ("dtable", &pdtable, dtable)]
        {
            assert_within(&format!("{name}, {what}"), &machine.values(element, room), want, &bound(want));
        }
    }
}

#[test]
fn scores_with_distances() {
    in_each_order(&["attention_"], |machine| {
        for element in BOTH {
            for (keys, queries, rate) in [(true, true, 0.0), (true, false, 0.3), (false, true, 0.0)] {
                let case = Case { starts: vec![0, 1, 1, 8, 20], heads: 2, width: 4, keys, queries, rate };
                case.check(machine, element);
            }
        }
        // More rows than lanes.
        let case = Case { starts: vec![0, 35], heads: 1, width: 2, keys: true, queries: true, rate: 0.0 };
        case.check(machine, Element::F32);
        // Blocks share these heads.
        let case = Case { starts: vec![0, 2, 5], heads: 1, width: 130, keys: true, queries: true, rate: 0.0 };
        case.check(machine, Element::F32);
    });
}

#[test]
fn places_of_rows() {
    assert_eq!(ranges(&[0, 0, 1, 3], 5), [0, 2, 3, 3, 4, 4]);
}
