//! Plans of products against their definition: a column-major evaluator of `Multiply`, as its documentation says, and loops
//! over rows and columns, both in f64.

use tagsmith_device::multiply::plans::{self, Factor, Plan, RowMajor, Start};
use tagsmith_device::multiply::{Element, Matrix, Multiply};

/// Computes C = op(A) · op(B) + bias + beta · C in column-major memory; addresses count bytes of f32.
fn evaluate(multiply: &Multiply, memory: &mut [f64]) {
    let at = |matrix: &Matrix, i: u64, j: u64| {
        assert!(i < matrix.rows && j < matrix.columns && matrix.rows <= matrix.leading, "({i}, {j}) of {matrix:?}");
        (matrix.address / 4 + i + j * matrix.leading) as usize
    };
    let turned = |transposes: bool, i, j| if transposes { (j, i) } else { (i, j) };
    let Multiply { a, transposes_a, b, transposes_b, c, beta, bias } = *multiply;
    let terms = if transposes_a { a.rows } else { a.columns };
    assert_eq!(terms, if transposes_b { b.columns } else { b.rows });
    let mut results = Vec::new();
    for (i, j) in (0..c.rows).flat_map(|i| (0..c.columns).map(move |j| (i, j))) {
        let term = |k| {
            let ((ai, ak), (bk, bj)) = (turned(transposes_a, i, k), turned(transposes_b, k, j));
            memory[at(&a, ai, ak)] * memory[at(&b, bk, bj)]
        };
        let sum: f64 = (0..terms).map(term).sum();
        let bias = if bias == 0 { 0.0 } else { memory[(bias / 4 + i) as usize] };
        let old = if beta == 0.0 { 0.0 } else { f64::from(beta) * memory[at(&c, i, j)] };
        results.push((at(&c, i, j), sum + bias + old));
    }
    results.into_iter().for_each(|(at, value)| memory[at] = value);
}

/// What the memory holds where no matrix lies.
const GAP: f64 = 1e30;

/// Matrices in one memory, each with gaps between its rows.
struct Case {
    left: Factor,
    right: Factor,
    out: RowMajor,
    bias: u64,
    memory: Vec<f64>,
}

impl Case {
    /// Places the matrices of an (R, K) · (K, N) product, with strides so much wider than rows.
    fn of([r, k, n]: [u64; 3], turned: [bool; 2], wider: [u64; 3]) -> Case {
        let (mut memory, mut seed) = (vec![GAP; 3], 1u64);
        let mut place = |rows: u64, columns: u64, wider: u64| {
            let address = 4 * memory.len() as u64;
            let stride = columns + wider;
            for j in 0..rows * stride + 2 {
                seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                let inside = j < rows * stride && j % stride.max(1) < columns;
                memory.push(if inside { (seed >> 40) as f64 / 1e6 - 8.0 } else { GAP });
            }
            RowMajor { address, element: Element::F32, rows, columns, stride }
        };
        let shape = |turned: bool, a, b| if turned { (b, a) } else { (a, b) };
        let ((lr, lc), (rr, rc)) = (shape(turned[0], r, k), shape(turned[1], k, n));
        let (left, right) = (place(lr, lc, wider[0]), place(rr, rc, wider[1]));
        let (out, bias) = (place(r, n, wider[2]), place(1, n, 0).address);
        let [left, right] = [(left, turned[0]), (right, turned[1])]
            .map(|(matrix, transposed)| if transposed { matrix.transposed() } else { matrix.plain() });
        Case { left, right, out, bias, memory }
    }

    fn at(matrix: &RowMajor, i: u64, j: u64) -> usize {
        (matrix.address / 4 + i * matrix.stride + j) as usize
    }

    fn factor(&self, factor: &Factor, i: u64, j: u64) -> f64 {
        let (i, j) = if factor.transposed { (j, i) } else { (i, j) };
        self.memory[Case::at(&factor.matrix, i, j)]
    }

    /// Returns the memory after out = left · right + start, by definition.
    fn want(&self, start: Start) -> Vec<f64> {
        let mut memory = self.memory.clone();
        let terms = if self.left.transposed { self.left.matrix.rows } else { self.left.matrix.columns };
        for (i, j) in (0..self.out.rows).flat_map(|i| (0..self.out.columns).map(move |j| (i, j))) {
            let sum: f64 = (0..terms).map(|k| self.factor(&self.left, i, k) * self.factor(&self.right, k, j)).sum();
            let at = Case::at(&self.out, i, j);
            memory[at] = match start {
                Start::Zero => sum,
                Start::Bias(bias) => sum + self.memory[(bias / 4 + j) as usize],
                Start::Accumulate => sum + self.memory[at],
            };
        }
        memory
    }

    /// Returns the memory after a plan.
    fn got(&self, plan: &Plan) -> Vec<f64> {
        let mut memory = self.memory.clone();
        match plan {
            Plan::Multiply(multiply) => evaluate(multiply, &mut memory),
            Plan::Zeros(out) => {
                for (i, j) in (0..out.rows).flat_map(|i| (0..out.columns).map(move |j| (i, j))) {
                    memory[Case::at(out, i, j)] = 0.0;
                }
            }
            Plan::Nothing => {}
        }
        memory
    }
}

/// Whether all numbers agree; gaps to the bit, so that nothing outside a matrix is read or written.
fn agree(got: &[f64], want: &[f64]) -> bool {
    got.iter().zip(want).all(|(got, want)| got == want || (got - want).abs() <= 1e-12 * want.abs().max(1.0))
}

/// Calls a check with all transpositions, strides and starts, for shapes with one row, one column, one term and none.
fn all(mut check: impl FnMut(&Case, Start)) {
    for shape in [[3, 5, 4], [1, 5, 4], [3, 5, 1], [3, 1, 4], [1, 1, 1], [6, 2, 7], [0, 3, 2], [2, 3, 0], [3, 0, 2]] {
        for turned in [[false, false], [false, true], [true, false], [true, true]] {
            for wider in [[0, 0, 0], [1, 0, 0], [0, 3, 0], [0, 0, 2], [4, 1, 2]] {
                let case = Case::of(shape, turned, wider);
                for start in [Start::Zero, Start::Bias(case.bias), Start::Accumulate] {
                    if shape[1] > 0 || !matches!(start, Start::Bias(_)) {
                        check(&case, start);
                    }
                }
            }
        }
    }
}

#[test]
fn plans_compute_what_products_are() {
    let mut count = 0;
    all(|case, start| {
        let plan = plans::product(case.left, case.right, start, case.out);
        assert!(agree(&case.got(&plan), &case.want(start)), "{plan:?}");
        count += 1;
    });
    assert_eq!(count, 9 * 4 * 5 * 3 - 4 * 5);
}

#[test]
fn wrong_plans_are_refused() {
    type Twin = fn(&mut Multiply);
    let twins: [(&str, Twin); 7] = [
        ("factors exchanged", |m| {
            (m.a, m.b, m.transposes_a, m.transposes_b) = (m.b, m.a, m.transposes_b, m.transposes_a);
        }),
        ("a not transposed", |m| m.transposes_a = !m.transposes_a),
        ("b not transposed", |m| m.transposes_b = !m.transposes_b),
        ("columns without gaps", |m| m.b.leading = m.b.rows),
        ("the result without gaps", |m| m.c.leading = m.c.rows),
        ("no bias", |m| m.bias = 0),
        ("nothing kept", |m| m.beta = 1.0 - m.beta),
    ];
    for (name, twin) in twins {
        let mut refused = 0;
        // Square matrices: shapes alone do not tell.
        for turned in [[false, false], [false, true], [true, false], [true, true]] {
            let case = Case::of([4, 4, 4], turned, [1, 2, 3]);
            for start in [Start::Zero, Start::Bias(case.bias), Start::Accumulate] {
                let Plan::Multiply(mut multiply) = plans::product(case.left, case.right, start, case.out) else {
                    panic!("a product");
                };
                twin(&mut multiply);
                refused += usize::from(!agree(&case.got(&Plan::Multiply(multiply)), &case.want(start)));
            }
        }
        // Only a product with a bias misses it.
        assert_eq!(refused, if name == "no bias" { 4 } else { 12 }, "{name}");
    }
}

#[test]
fn a_linear_layer_s_three_products() {
    let (r, k, n) = (5, 3, 4);
    let case = Case::of([r, k, n], [false, true], [1, 2, 3]);
    let (x, w, y) = (case.left.matrix, case.right.matrix, case.out);
    let plan = plans::forward(x, w, Start::Bias(case.bias), y);
    assert!(agree(&case.got(&plan), &case.want(Start::Bias(case.bias))));
    let case = Case::of([r, n, k], [false, false], [1, 2, 3]);
    let plan = plans::input_gradient(case.left.matrix, case.right.matrix, Start::Accumulate, case.out);
    assert!(agree(&case.got(&plan), &case.want(Start::Accumulate)));
    let case = Case::of([n, r, k], [true, false], [1, 2, 3]);
    let plan = plans::weight_gradient(case.left.matrix, case.right.matrix, Start::Zero, case.out);
    assert!(agree(&case.got(&plan), &case.want(Start::Zero)));
}

#[test]
fn parts_are_products_of_parts() {
    // Queries, keys and values side by side: the middle third of the columns, and rows 1 to 4.
    let case = Case::of([6, 4, 9], [false, true], [2, 1, 3]);
    let (x, w, y) = (case.left.matrix, case.right.matrix, case.out);
    let part = Case {
        left: x.part(1..4, 0..4).plain(),
        right: w.part(3..6, 0..4).transposed(),
        out: y.part(1..4, 3..6),
        bias: 0,
        memory: case.memory.clone(),
    };
    let plan = plans::forward(part.left.matrix, part.right.matrix, Start::Zero, part.out);
    let (got, whole) = (part.got(&plan), case.want(Start::Zero));
    for (i, j) in (0..6).flat_map(|i| (0..9).map(move |j| (i, j))) {
        let at = Case::at(&y, i, j);
        let within = (1..4).contains(&i) && (3..6).contains(&j);
        assert!(agree(&got[at..=at], if within { &whole[at..=at] } else { &case.memory[at..=at] }), "({i}, {j})");
    }
}

#[test]
fn sums_without_terms_are_zeros() {
    let new = |rows, columns| RowMajor::dense(256, Element::F32, rows, columns);
    let (x, dy, dw) = (new(0, 3), new(0, 4), new(4, 3));
    assert_eq!(plans::weight_gradient(dy, x, Start::Zero, dw), Plan::Zeros(dw));
    assert_eq!(plans::weight_gradient(dy, x, Start::Accumulate, dw), Plan::Nothing);
    assert_eq!(plans::forward(x, new(4, 3), Start::Bias(4), dy), Plan::Nothing);
}

#[test]
fn what_is_not_a_product_is_refused() {
    let new = |element, rows, columns| RowMajor::dense(256, element, rows, columns);
    let (f32s, bf16s) =
        (|rows, columns| new(Element::F32, rows, columns), |rows, columns| new(Element::Bf16, rows, columns));
    let refused = |x: RowMajor, w: RowMajor, start, y: RowMajor| {
        std::panic::catch_unwind(|| plans::forward(x, w, start, y)).is_err()
    };
    assert!(!refused(f32s(3, 5), f32s(4, 5), Start::Zero, f32s(3, 4)));
    assert!(!refused(bf16s(3, 5), bf16s(4, 5), Start::Zero, f32s(3, 4)));
    assert!(!refused(bf16s(3, 5), bf16s(4, 5), Start::Zero, bf16s(3, 4)));
    assert!(refused(f32s(3, 5), f32s(5, 4), Start::Zero, f32s(3, 4)));
    assert!(refused(f32s(3, 5), f32s(4, 5), Start::Zero, f32s(4, 3)));
    assert!(refused(f32s(3, 5), bf16s(4, 5), Start::Zero, f32s(3, 4)));
    assert!(refused(f32s(3, 5), f32s(4, 5), Start::Zero, bf16s(3, 4)));
    assert!(refused(f32s(3, 0), f32s(4, 0), Start::Bias(4), f32s(3, 4)));
    assert!(refused(RowMajor { stride: 4, ..f32s(3, 5) }, f32s(4, 5), Start::Zero, f32s(3, 4)));
    assert!(refused(RowMajor { address: 257, ..bf16s(3, 5) }, bf16s(4, 5), Start::Zero, f32s(3, 4)));
    let part = |rows, columns| std::panic::catch_unwind(|| f32s(3, 5).part(rows, columns)).is_err();
    assert!(!part(1..3, 0..5) && part(1..4, 0..5) && part(0..3, 4..6));
}
