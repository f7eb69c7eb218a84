//! Products by our own kernels, against the definition in `Multiply`.

use crate::harness::{BOTH, Machine, assert_close, assert_same_bits, in_each_order, random, wide};
use tagsmith_device::kernels::product::product;
use tagsmith_device::multiply::{Element, Matrix, Multiply};

/// m, n and k: one, ragged, whole tiles, one more than a tile, no k.
const SHAPES: [[usize; 3]; 7] =
    [[1, 1, 1], [7, 5, 3], [64, 64, 16], [65, 63, 17], [24, 130, 48], [130, 24, 33], [3, 4, 0]];

struct Case {
    factors: Element,
    result: Element,
    shape: [usize; 3],
    transposes: [bool; 2],
    /// How much longer columns lie apart than they are.
    apart: usize,
    beta: f32,
    bias: bool,
}

impl Case {
    fn check(&self, machine: &Machine) {
        let &Case { factors, result, shape: [m, n, k], transposes, apart, beta, bias } = self;
        // Rows and columns as they lie in memory, and the elements that are there.
        let lying =
            |rows: usize, columns: usize, transposed: bool| if transposed { (columns, rows) } else { (rows, columns) };
        let stored =
            |(rows, columns): (usize, usize)| if columns == 0 { 0 } else { (columns - 1) * (rows + apart) + rows };
        let (of_a, of_b, of_c) = (lying(m, k, transposes[0]), lying(k, n, transposes[1]), (m, n));
        let a = random(factors, 1, stored(of_a), 1.0);
        let b = random(factors, 2, stored(of_b), 1.0);
        let before = random(result, 3, stored(of_c), 1.0);
        let biases = random(result, 4, m, 1.0);
        let (pa, pb, pc) =
            (machine.elements(factors, &a), machine.elements(factors, &b), machine.elements(result, &before));
        let pbias = machine.elements(result, &biases);
        let matrix = |address: u64, element: Element, (rows, columns): (usize, usize)| Matrix {
            address,
            element,
            rows: rows as u64,
            columns: columns as u64,
            leading: (rows + apart) as u64,
        };
        let launch = product(&Multiply {
            a: matrix(pa.address(), factors, of_a),
            transposes_a: transposes[0],
            b: matrix(pb.address(), factors, of_b),
            transposes_b: transposes[1],
            c: matrix(pc.address(), result, of_c),
            beta,
            bias: if bias { pbias.address() } else { 0 },
        });
        machine.run([launch]);
        let element = |values: &[f32], (rows, _): (usize, usize), transposed: bool, i: usize, j: usize| {
            let (i, j) = if transposed { (j, i) } else { (i, j) };
            f64::from(values[j * (rows + apart) + i])
        };
        // What lies between the columns stays.
        let mut want = wide(&before);
        for j in 0..n {
            for (i, added) in biases.iter().enumerate() {
                let terms =
                    (0..k).map(|l| element(&a, of_a, transposes[0], i, l) * element(&b, of_b, transposes[1], l, j));
                let at = j * (m + apart) + i;
                let kept = if beta == 0.0 { 0.0 } else { f64::from(beta) * f64::from(before[at]) };
                want[at] = terms.sum::<f64>() + kept + if bias { f64::from(*added) } else { 0.0 };
            }
        }
        let what = format!("{m} × {n} over {k}, {factors:?} to {result:?}, {transposes:?}, beta {beta}");
        assert_close(&what, result, &machine.values(result, &pc), &want, 2.0, k + 2);
    }
}

#[test]
fn products_of_all_shapes_and_transpositions() {
    in_each_order(&["product"], |machine| {
        let mut number = 0usize;
        for factors in BOTH {
            for shape in SHAPES {
                for transposes in [[false, false], [true, false], [false, true], [true, true]] {
                    number += 1;
                    let result = if factors == Element::Bf16 && !number.is_multiple_of(3) {
                        Element::Bf16
                    } else {
                        Element::F32
                    };
                    let (apart, beta) = (number % 4, [0.0, 1.0, -0.5][number % 3]);
                    let bias = number.is_multiple_of(2);
                    Case { factors, result, shape, transposes, apart, beta, bias }.check(machine);
                }
            }
        }
    });
}

#[test]
fn a_result_that_is_overwritten_is_not_read() {
    in_each_order(&["product"], |machine| {
        for element in BOTH {
            let (m, n, k) = (5, 6, 7);
            let (a, b) = (random(element, 1, m * k, 1.0), random(element, 2, k * n, 1.0));
            let (pa, pb, pc) =
                (machine.elements(element, &a), machine.elements(element, &b), machine.empty(element, m * n));
            let matrix = |address: u64, rows: usize, columns: usize| Matrix {
                address,
                element,
                rows: rows as u64,
                columns: columns as u64,
                leading: rows as u64,
            };
            let multiply = Multiply {
                a: matrix(pa.address(), m, k),
                transposes_a: false,
                b: matrix(pb.address(), k, n),
                transposes_b: false,
                c: matrix(pc.address(), m, n),
                beta: 0.0,
                bias: 0,
            };
            machine.run([product(&multiply)]);
            let of =
                |i: usize, j: usize| (0..k).map(|l| f64::from(a[l * m + i]) * f64::from(b[j * k + l])).sum::<f64>();
            let want: Vec<f64> = (0..n).flat_map(|j| (0..m).map(move |i| of(i, j))).collect();
            assert_close("a product", element, &machine.values(element, &pc), &want, 2.0, k);
            // A row of the result does not depend on the columns beside it.
            let alone = Multiply { b: matrix(pb.address(), k, 2), c: matrix(pc.address(), m, 2), ..multiply };
            let whole = machine.values(element, &pc);
            machine.run([product(&alone)]);
            assert_same_bits("two columns alone", &machine.values(element, &pc), &whole);
        }
    });
}
