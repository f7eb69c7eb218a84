//! What launches say that they move: [`Machine::run`] holds each launch of each test to it. Here, wrong twins.

use crate::harness::{BOTH, MORE_THAN_HALF, in_each_order, moves, random};
use tagsmith_device::kernels::Mask;
use tagsmith_device::kernels::elementwise::{Cast, Join};
use tagsmith_device::kernels::learning::CrossEntropy;
use tagsmith_device::kernels::rows::{Embedding, Rows};
use tagsmith_device::multiply::Element;
use tagsmith_device::traffic::Traffic;

#[test]
fn a_launch_that_says_other_bytes_is_refused() {
    in_each_order(&["join_"], |machine| {
        let (rows, columns) = (3, 40);
        for (element, other) in BOTH.into_iter().zip(BOTH.into_iter().rev()) {
            let n = rows * columns;
            let [x, residual] = [1, 2].map(|seed| machine.elements(element, &random(element, seed, n, 1.0)));
            let (bias, y) = (machine.f32s(&random(Element::F32, 3, columns, 1.0)), machine.empty(element, n));
            let (x, bias, residual, y) = (x.address(), bias.address(), residual.address(), y.address());
            let mask = Mask { rate: 0.5, key: 1, first_row: 0 };
            let join = Join { element, x, bias, residual, y, rows, columns, mask };
            machine.run([join.launch()]);
            let moved = machine.moved();
            // By hand: x and the residual, a bias of f32, and y.
            let size = element.bytes();
            let want = Traffic { read: 2 * n as u64 * size + 4 * columns as u64, written: n as u64 * size };
            assert_eq!((moved, join.launch().traffic), (want, want));
            for twin in [
                Join { bias: 0, ..join },
                Join { residual: 0, ..join },
                Join { element: other, ..join },
                Join { rows: rows + 1, ..join },
                Join { columns: columns - 1, ..join },
            ] {
                assert!(!moves(twin.launch().traffic, moved, 1.0), "{twin:?}");
            }
            let Traffic { read, written } = moved;
            assert!(!moves(Traffic { read: written, written: read }, moved, 1.0), "exchanged");
            assert!(
                !moves(Traffic { written: written - 1, ..moved }, moved, MORE_THAN_HALF),
                "a byte too few is written"
            );
            assert!(!moves(Traffic { read: read - 1, ..moved }, moved, MORE_THAN_HALF), "a byte too few is read");
            assert!(!moves(Traffic { read: 2 * read, ..moved }, moved, MORE_THAN_HALF), "all is read twice");
        }
    });
}

#[test]
fn numbers_of_rows_and_labels_decide_how_much_is_read() {
    in_each_order(&["embedding", "cross_entropy"], |machine| {
        let (element, rows, columns) = (Element::Bf16, 4, 40);
        let table = machine.f32s(&random(Element::F32, 1, 9 * columns, 1.0));
        let y = machine.empty(element, rows * columns);
        // Rows that all differ are read as often as they are taken; then the bytes are exact.
        for (numbers, read_rows) in [([8, 0, 3, 5], 4), ([8, 0, 3, 8], 3)] {
            let numbers = machine.i32s(&numbers);
            let words = Rows { table: table.address(), index: numbers.address() };
            let (positions, types, y) = (Rows::NONE, Rows::NONE, y.address());
            let embedding = Embedding { element, words, positions, types, y, rows, columns };
            machine.run_reading_less([embedding.launch()]);
            let want = Traffic { read: 4 * (read_rows * columns + rows) as u64, written: 2 * (rows * columns) as u64 };
            assert_eq!(machine.moved(), want);
            assert_eq!(moves(embedding.launch().traffic, want, 1.0), read_rows == rows);
        }
        let (classes, scores) = (5, machine.elements(element, &random(element, 2, 20, 1.0)));
        let losses = machine.room(8 * rows);
        for (labels, counted) in [([4, 0, 1, 2], 4), ([4, -100, 1, 2], 3)] {
            let labels = machine.i32s(&labels);
            let (scores, labels, losses) = (scores.address(), labels.address(), losses.address());
            let (smoothing, factor) = (0.0, 1.0);
            let dscores = y.address();
            let loss = CrossEntropy { element, scores, labels, dscores, losses, rows, classes, smoothing, factor };
            machine.run_reading_less([loss.launch()]);
            let read = 2 * counted * classes as u64 + 4 * rows as u64;
            assert_eq!(machine.moved(), Traffic { read, written: (2 * rows * classes + 8 * rows) as u64 });
        }
    });
}

#[test]
fn the_type_of_what_is_cast_counts() {
    in_each_order(&["to_"], |machine| {
        let (x, y) = (machine.f32s(&[1.0; 7]), machine.empty(Element::Bf16, 7));
        let cast = Cast { x: x.address(), y: y.address(), n: 7, to: Element::Bf16 };
        machine.run([cast.launch()]);
        assert_eq!(machine.moved(), Traffic { read: 28, written: 14 });
        assert!(!moves(Cast { to: Element::F32, ..cast }.launch().traffic, machine.moved(), MORE_THAN_HALF));
    });
}
