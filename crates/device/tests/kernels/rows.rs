//! Rows of tables, spans, neighbors of a convolution, and rows of length 1.

use crate::harness::{
    BOTH, assert_close, assert_same_bits, assert_within, differences_by_row, finite_differences, in_each_order, random,
    rounded, wide,
};
use tagsmith_device::kernels::rows::{Embedding, Neighbors, Normalize, NormalizeBackward, Rows, SpanSum, TakeRows};
use tagsmith_device::multiply::Element;

#[test]
fn rows_of_three_tables_are_added() {
    in_each_order(&["embedding"], |machine| {
        for element in BOTH {
            for columns in [1, 24, 48, 770] {
                let indexes = [[3, 0, 6, 6, 1], [0, 1, 2, 3, 4], [1, 0, 0, 1, 1]];
                let rows = indexes[0].len();
                let tables = [7, 5, 2].map(|rows| random(Element::F32, rows as u64, rows * columns, 1.0));
                let rooms: Vec<_> = tables
                    .iter()
                    .zip(&indexes)
                    .map(|(table, index)| (machine.f32s(table), machine.i32s(index)))
                    .collect();
                let at = |i: usize| Rows { table: rooms[i].0.address(), index: rooms[i].1.address() };
                let py = machine.empty(element, rows * columns);
                let embedding =
                    Embedding { element, words: at(0), positions: at(1), types: at(2), y: py.address(), rows, columns };
                let taken = |tables_used: &[usize]| -> Vec<f32> {
                    let of = |row: usize, c: usize| {
                        let parts = tables_used.iter().map(|&t| tables[t][indexes[t][row] as usize * columns + c]);
                        rounded(element, parts.reduce(|a, b| a + b).expect("there is a table"))
                    };
                    (0..rows).flat_map(|row| (0..columns).map(move |c| of(row, c))).collect()
                };
                machine.run_reading_less([embedding.launch()]);
                assert_same_bits("three tables", &machine.values(element, &py), &taken(&[0, 1, 2]));
                machine.run_reading_less([Embedding { positions: Rows::NONE, ..embedding }.launch()]);
                assert_same_bits("words and types", &machine.values(element, &py), &taken(&[0, 2]));
                machine
                    .run_reading_less([Embedding { positions: Rows::NONE, types: Rows::NONE, ..embedding }.launch()]);
                assert_same_bits("words", &machine.values(element, &py), &taken(&[0]));
            }
        }
    });
}

#[test]
fn rows_are_taken_by_their_numbers() {
    in_each_order(&["take_rows"], |machine| {
        for element in BOTH {
            for columns in [1, 129, 770] {
                let index = [2, 2, 0];
                let x = random(element, 1, 3 * columns, 1.0);
                let (px, pindex, py) =
                    (machine.elements(element, &x), machine.i32s(&index), machine.empty(element, 3 * columns));
                let (x_at, index_at, y) = (px.address(), pindex.address(), py.address());
                machine
                    .run_reading_less([TakeRows { element, x: x_at, index: index_at, y, rows: 3, columns }.launch()]);
                let want: Vec<f32> =
                    index.iter().flat_map(|&i| x[i as usize * columns..][..columns].to_vec()).collect();
                assert_same_bits("rows", &machine.values(element, &py), &want);
            }
        }
    });
}

#[test]
fn spans_are_sums_of_three_rows_and_a_bias() {
    in_each_order(&["span_sum"], |machine| {
        for element in BOTH {
            for columns in [1, 24, 150] {
                let spans = [0, 0, 1, 0, 1, 2, 3, 3, 1, 2, 3, 2];
                let [starts, ends] = [1, 2].map(|seed| random(element, seed, 4 * columns, 1.0));
                let (widths, bias) = (random(element, 3, 3 * columns, 1.0), random(Element::F32, 4, columns, 1.0));
                let [ps, pe, pw] = [&starts, &ends, &widths].map(|values| machine.elements(element, values));
                let (pb, pspans, py) = (machine.f32s(&bias), machine.i32s(&spans), machine.empty(element, 4 * columns));
                let sum = SpanSum {
                    element,
                    starts: ps.address(),
                    ends: pe.address(),
                    widths: pw.address(),
                    bias: pb.address(),
                    spans: pspans.address(),
                    y: py.address(),
                    count: 4,
                    columns,
                };
                machine.run_reading_less([sum.launch()]);
                let at = |values: &[f32], row: i32, c: usize| f64::from(values[row as usize * columns + c]);
                let of = |span: &[i32], c: usize| {
                    at(&starts, span[0], c) + at(&ends, span[1], c) + at(&widths, span[2], c) + f64::from(bias[c])
                };
                let want: Vec<f64> =
                    spans.chunks_exact(3).flat_map(|span| (0..columns).map(move |c| of(span, c))).collect();
                assert_close("spans", element, &machine.values(element, &py), &want, 2.0, 4);
            }
        }
    });
}

#[test]
fn neighbors_lie_side_by_side_and_their_gradients_go_back() {
    let starts = [0, 1, 1, 6, 25];
    let (sequences, rows) = (4, 25);
    in_each_order(&["unfold", "fold_onto"], |machine| {
        for element in BOTH {
            for (columns, k) in [(1, 1), (24, 3), (130, 5), (3, 7)] {
                let (x, dy) = (random(element, 1, rows * columns, 1.0), random(element, 2, rows * columns * k, 1.0));
                let before = random(element, 3, rows * columns, 1.0);
                let [px, pdy, pdx] = [&x, &dy, &before].map(|values| machine.elements(element, values));
                let (py, pstarts) = (machine.empty(element, rows * columns * k), machine.i32s(&starts));
                let unfold = Neighbors {
                    element,
                    from: px.address(),
                    starts: pstarts.address(),
                    to: py.address(),
                    sequences,
                    rows,
                    columns,
                    neighbors: k,
                };
                machine.run([unfold.unfold()]);
                let back = Neighbors { from: pdy.address(), to: pdx.address(), ..unfold };
                machine.run_reading_less([back.fold_onto()]);
                let bounds =
                    |t: usize| starts.windows(2).find(|b| (b[0]..b[1]).contains(&(t as i32))).expect("a sequence");
                // The place in x that element (t, i, j) of y comes from.
                let source = |t: usize, i: usize, j: usize| {
                    let from = (t + j) as i32 - (k / 2) as i32;
                    (from >= bounds(t)[0] && from < bounds(t)[1]).then(|| from as usize * columns + i)
                };
                let (mut want, mut dx) = (vec![0.0; rows * columns * k], wide(&before));
                for t in 0..rows {
                    for i in 0..columns {
                        for j in 0..k {
                            let at = (t * columns + i) * k + j;
                            if let Some(from) = source(t, i, j) {
                                want[at] = x[from];
                                dx[from] += f64::from(dy[at]);
                            }
                        }
                    }
                }
                assert_same_bits("neighbors", &machine.values(element, &py), &want);
                assert_close("their gradient", element, &machine.values(element, &pdx), &dx, 2.0, k + 1);
            }
        }
    });
}

#[test]
fn rows_of_length_one() {
    in_each_order(&["normalize"], |machine| {
        for element in BOTH {
            for (rows, columns) in [(1, 2), (5, 24), (3, 129), (2, 770)] {
                let n = rows * columns;
                let (x, dy) = (random(element, 1, n, 2.0), random(element, 2, n, 1.0));
                let (px, pdy) = (machine.elements(element, &x), machine.elements(element, &dy));
                let (py, plengths) = (machine.empty(element, n), machine.empty(Element::F32, rows));
                let (y, lengths) = (py.address(), plengths.address());
                machine.run([Normalize { element, x: px.address(), y, lengths, rows, columns }.launch()]);
                let f = |row: &[f64]| -> Vec<f64> {
                    let length = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                    row.iter().map(|x| x / length).collect()
                };
                let want: Vec<f64> = wide(&x).chunks_exact(columns).flat_map(f).collect();
                let got = machine.values(element, &py);
                assert_close("unit rows", element, &got, &want, 2.0, columns);

                // Backward starts from the y that was kept, rounded or not.
                let unit: Vec<f32> = want.iter().map(|&y| rounded(element, y as f32)).collect();
                let py = machine.elements(element, &unit);
                let dy_at = pdy.address();
                let y = py.address();
                machine.run([NormalizeBackward { element, y, lengths, dy: dy_at, dx: dy_at, rows, columns }.launch()]);
                let gradient = differences_by_row(&wide(&x), &wide(&dy), columns, f);
                // In bf16 y is off by its rounding, which enters twice: as a factor, and along dy.
                let kept = if element == Element::Bf16 { 3.0 / 256.0 } else { 0.0 };
                let largest = gradient.iter().fold(0.0, |a: f64, b| a.max(b.abs()));
                let allowed: Vec<f64> =
                    gradient.iter().map(|d| (kept + 1e-5) * (largest + 1e-3) + kept * d.abs()).collect();
                assert_within("its gradient", &machine.values(element, &pdy), &gradient, &allowed);
            }
        }
        let (px, pl) = (machine.f32s(&[0.0; 4]), machine.empty(Element::F32, 1));
        let (x, lengths) = (px.address(), pl.address());
        machine.run([Normalize { element: Element::F32, x, y: x, lengths, rows: 1, columns: 4 }.launch()]);
        assert_eq!(machine.values(Element::F32, &px), [0.0; 4], "a row of zeros stays one");
        assert_eq!(machine.values(Element::F32, &pl), [1e-12]);
        let px = machine.f32s(&[1.0, f32::NAN]);
        machine.run([Normalize {
            element: Element::F32,
            x: px.address(),
            y: px.address(),
            lengths,
            rows: 1,
            columns: 2,
        }
        .launch()]);
        assert!(machine.values(Element::F32, &px)[0].is_nan(), "NaN is not hidden");
    });
    assert!((finite_differences(&[2.0], &[1.0], |x| vec![x[0].powi(3)])[0] - 12.0).abs() < 1e-8);
}
