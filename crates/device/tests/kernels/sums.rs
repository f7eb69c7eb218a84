//! Sums over rows: of columns, of segments, of sequences.

use crate::harness::{BOTH, assert_close, assert_same_bits, finite_differences, in_each_order, random, wide};
use tagsmith_device::kernels::sums::{ColumnSums, Pool, SegmentSums, Segments, sum_blocks};
use tagsmith_device::multiply::Element;

#[test]
fn columns_are_summed() {
    in_each_order(&["column_sums"], |machine| {
        for element in BOTH {
            for (rows, columns) in [(1, 1), (8, 24), (63, 32), (64, 33), (65, 48), (200, 70), (1, 770)] {
                let (x, before) = (random(element, 1, rows * columns, 1.0), random(Element::F32, 2, columns, 1.0));
                let (px, pout) = (machine.elements(element, &x), machine.f32s(&before));
                let ppartials = machine.empty(Element::F32, sum_blocks(rows) * columns);
                let sums = ColumnSums {
                    element,
                    x: px.address(),
                    partials: ppartials.address(),
                    out: pout.address(),
                    rows,
                    columns,
                    onto: true,
                };
                machine.run([sums.launch()]);
                let want: Vec<f64> =
                    (0..columns).map(|c| wide(&x).iter().skip(c).step_by(columns).sum::<f64>()).collect();
                let added: Vec<f64> = want.iter().zip(&before).map(|(sum, &b)| sum + f64::from(b)).collect();
                let what = format!("{rows} × {columns} {element:?}");
                assert_close(&what, Element::F32, &machine.values(Element::F32, &pout), &added, 2.0, rows + 1);
                machine.run([ColumnSums { onto: false, ..sums }.launch()]);
                assert_close(&what, Element::F32, &machine.values(Element::F32, &pout), &want, 2.0, rows);
            }
        }
    });
}

/// The order of a sum, by its definition: rows of 64, eight side by side in each; then the blocks likewise.
#[test]
fn sums_have_one_order_whichever_block_comes_last() {
    let (rows, columns, element) = (64 * 21 + 5, 40, Element::F32);
    let x = random(element, 7, rows * columns, 1.0);
    let side_by_side = |values: &[f32]| -> f32 {
        let first = |i: usize| values.iter().skip(i).step_by(8).fold(0.0f32, |sum, &value| sum + value);
        (1..8).fold(first(0), |sum, i| sum + first(i))
    };
    let of_column = |c: usize| {
        let column: Vec<f32> = x.iter().skip(c).step_by(columns).copied().collect();
        side_by_side(&column.chunks(64).map(side_by_side).collect::<Vec<_>>())
    };
    let want: Vec<f32> = (0..columns).map(of_column).collect();
    in_each_order(&["column_sums_f32"], |machine| {
        let (px, pout) = (machine.f32s(&x), machine.empty(element, columns));
        let ppartials = machine.empty(element, sum_blocks(rows) * columns);
        let (x, partials, out) = (px.address(), ppartials.address(), pout.address());
        let sums = ColumnSums { element, x, partials, out, rows, columns, onto: false };
        for _ in 0..3 {
            machine.run([sums.launch()]);
            assert_same_bits("sums", &machine.values(element, &pout), &want);
        }
    });
}

#[test]
fn no_rows_sum_to_nought() {
    in_each_order(&["column_sums"], |machine| {
        let (px, pout) = (machine.room(1), machine.empty(Element::F32, 40));
        let (x, out) = (px.address(), pout.address());
        let sums = ColumnSums { element: Element::Bf16, x, partials: 0, out, rows: 0, columns: 40, onto: false };
        machine.run([sums.launch()]);
        assert_eq!(machine.values(Element::F32, &pout), [0.0; 40]);
    });
}

#[test]
fn segments_are_added_to_their_rows() {
    in_each_order(&["segment_sums"], |machine| {
        for element in BOTH {
            for columns in [1, 24, 33, 770] {
                // A row that nothing adds to, one that a single row adds to, one that many do, and the padding row.
                let index: Vec<u32> = (0..90).map(|i| [5, 0, 3, 3, 1][i % 5]).chain([2]).collect();
                let (rows, table_rows) = (index.len(), 6);
                let segments = Segments::new(&index, Some(1), &[]);
                assert_eq!((segments.rows.clone(), segments.starts.len()), (vec![0, 2, 3, 5], 5));
                let (x, table) =
                    (random(element, 1, rows * columns, 1.0), random(Element::F32, 2, table_rows * columns, 1.0));
                let (px, ptable) = (machine.elements(element, &x), machine.f32s(&table));
                let [order, starts, numbers] =
                    [&segments.order, &segments.starts, &segments.rows].map(|values| machine.i32s(values));
                let sums = SegmentSums {
                    element,
                    x: px.address(),
                    order: order.address(),
                    starts: starts.address(),
                    rows: numbers.address(),
                    table: ptable.address(),
                    segments: segments.rows.len(),
                    added: segments.order.len(),
                    columns,
                    onto: true,
                };
                machine.run([sums.launch()]);
                let onto = |table: &[f32]| {
                    let mut want = wide(table);
                    for (row, &entry) in index.iter().enumerate().filter(|&(_, &entry)| entry != 1) {
                        for c in 0..columns {
                            want[entry as usize * columns + c] += f64::from(x[row * columns + c]);
                        }
                    }
                    want
                };
                let values = |room| machine.values(Element::F32, room);
                assert_close("a table", Element::F32, &values(&ptable), &onto(&table), 2.0, 37);
                machine.run([SegmentSums { segments: 0, added: 0, ..sums }.launch()]);
                // Written, with a row that becomes 0, and one without a segment that stays.
                let segments = Segments::new(&index, Some(1), &[4, 3]);
                let [order, starts, numbers] =
                    [&segments.order, &segments.starts, &segments.rows].map(|values| machine.i32s(values));
                let (order, starts, rows) = (order.address(), starts.address(), numbers.address());
                let pover = machine.f32s(&table);
                let written =
                    SegmentSums { order, starts, rows, segments: 5, table: pover.address(), onto: false, ..sums };
                machine.run([written.launch()]);
                let of_row = |i: usize| if i / columns == 1 { table[i] } else { 0.0 };
                let stays: Vec<f32> = (0..table.len()).map(of_row).collect();
                assert_close("a table", Element::F32, &values(&pover), &onto(&stays), 2.0, 37);
            }
        }
    });
}

#[test]
fn numbers_are_sorted_into_segments() {
    let segments = Segments::new(&[7, 2, 7, 9, 2], Some(9), &[]);
    assert_eq!((segments.order, segments.starts, segments.rows), (vec![1, 4, 0, 2], vec![0, 2, 4], vec![2, 7]));
    let nothing = Segments::new(&[4], Some(4), &[]);
    assert_eq!((nothing.order, nothing.starts, nothing.rows), (vec![], vec![0], vec![]));
    // Rows that the index does not hold, or holds as well, at each end and between.
    let more = Segments::new(&[7, 2, 7, 9, 2], Some(9), &[8, 2, 0, 5]);
    let want = (vec![1, 4, 0, 2], vec![0, 0, 2, 2, 4, 4], vec![0, 2, 5, 7, 8]);
    assert_eq!((more.order, more.starts, more.rows), want);
}

#[test]
fn sequences_become_rows() {
    let starts = [0, 1, 6, 8, 25];
    let (sequences, rows) = (4, 25);
    in_each_order(&["pool"], |machine| {
        for element in BOTH {
            for (columns, mean) in [(1, false), (24, true), (130, false), (129, true)] {
                let (x, dy) = (random(element, 1, rows * columns, 2.0), random(element, 2, sequences * columns, 1.0));
                let (px, pdy) = (machine.elements(element, &x), machine.elements(element, &dy));
                let (py, pdx) = (machine.empty(element, sequences * columns), machine.empty(element, rows * columns));
                let pstarts = machine.i32s(&starts);
                let pool = Pool {
                    element,
                    from: px.address(),
                    starts: pstarts.address(),
                    to: py.address(),
                    sequences,
                    rows,
                    columns,
                    mean,
                };
                machine.run([pool.forward(), Pool { from: pdy.address(), to: pdx.address(), ..pool }.backward()]);
                let f = |x: &[f64]| -> Vec<f64> {
                    let of = |bounds: &[i32], c: usize| {
                        let rows = bounds[0] as usize..if mean { bounds[1] } else { bounds[0] + 1 } as usize;
                        let n = rows.len() as f64;
                        rows.map(|row| x[row * columns + c]).sum::<f64>() / n
                    };
                    starts.windows(2).flat_map(|bounds| (0..columns).map(move |c| of(bounds, c))).collect()
                };
                assert_close("a vector", element, &machine.values(element, &py), &f(&wide(&x)), 2.0, 17);
                // A share of one column shows those of all.
                let column =
                    |values: &[f32], c: usize| wide(values).into_iter().skip(c).step_by(columns).collect::<Vec<_>>();
                let dx = machine.values(element, &pdx);
                for c in [0, columns - 1] {
                    let alone = |x: &[f64]| -> Vec<f64> {
                        let spread: Vec<f64> = x.iter().flat_map(|&x| vec![x; columns]).collect();
                        f(&spread).into_iter().step_by(columns).collect()
                    };
                    let want = finite_differences(&column(&x, c), &column(&dy, c), alone);
                    let got: Vec<f32> = column(&dx, c).iter().map(|&d| d as f32).collect();
                    assert_close("a gradient", element, &got, &want, 2.0, 1);
                }
            }
        }
    });
}
