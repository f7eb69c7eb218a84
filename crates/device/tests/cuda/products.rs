//! Products: which call cublasLt gets, which algorithm computes it, and what is refused.

use crate::harness::{Fake, PTX};
use tagsmith_device::Error;
use tagsmith_device::cuda::{self, Cuda};
use tagsmith_device::gpu::Driver;
use tagsmith_device::multiply::plans::{self, Plan, RowMajor, Start};
use tagsmith_device::multiply::{Element, Multiply};

fn open(fake: &Fake) -> Cuda {
    let cuda = cuda::open(&fake.places(), 0, PTX).expect("it opens");
    fake.notes();
    cuda
}

fn matrix(cuda: &Cuda, element: Element, rows: u64, columns: u64) -> RowMajor {
    let address = cuda.allocate(rows * columns * element.bytes()).expect("room");
    cuda.clear(address, rows * columns * element.bytes()).expect("cleared");
    RowMajor::dense(address, element, rows, columns)
}

fn multiply(plan: Plan) -> Multiply {
    match plan {
        Plan::Multiply(multiply) => multiply,
        other => panic!("{other:?}"),
    }
}

/// Returns small whole numbers: sums and roundings of few of them are exact, in bf16 too.
fn numbers(count: u64, seed: u64) -> Vec<f32> {
    (0..count).map(|i| ((i * 7 + seed * 5 + i * i) % 7) as f32 - 3.0).collect()
}

fn send(cuda: &Cuda, to: RowMajor, values: &[f32]) {
    let bytes: Vec<u8> = match to.element {
        Element::F32 => values.iter().flat_map(|value| value.to_ne_bytes()).collect(),
        Element::Bf16 => values.iter().flat_map(|value| ((value.to_bits() >> 16) as u16).to_ne_bytes()).collect(),
    };
    cuda.upload(to.address, &bytes).expect("uploaded");
}

fn receive(cuda: &Cuda, from: RowMajor) -> Vec<f32> {
    let mut bytes = vec![0; (from.rows * from.columns * from.element.bytes()) as usize];
    cuda.download(from.address, &mut bytes).expect("downloaded");
    match from.element {
        Element::F32 => bytes.as_chunks().0.iter().map(|bytes| f32::from_ne_bytes(*bytes)).collect(),
        Element::Bf16 => {
            let wide = |bytes: &[u8; 2]| f32::from_bits(u32::from(u16::from_ne_bytes(*bytes)) << 16);
            bytes.as_chunks().0.iter().map(wide).collect()
        }
    }
}

#[test]
fn a_linear_layer_is_computed_as_it_is_defined() {
    let fake = Fake::new();
    let cuda = open(&fake);
    for element in [Element::F32, Element::Bf16] {
        for (r, k, n) in [(1u64, 1u64, 1u64), (3, 5, 4), (7, 2, 9), (1, 6, 3), (8, 8, 1)] {
            let new = |rows, columns| matrix(&cuda, element, rows, columns);
            let (x, w, y, bias, dx) = (new(r, k), new(n, k), new(r, n), new(1, n), new(r, k));
            let dw = matrix(&cuda, Element::F32, n, k);
            let (xs, ws, bs) = (numbers(r * k, 1), numbers(n * k, 2), numbers(n, 3));
            let dws = numbers(n * k, 4);
            send(&cuda, x, &xs);
            send(&cuda, w, &ws);
            send(&cuda, bias, &bs);
            send(&cuda, dw, &dws);
            cuda.multiply(&multiply(plans::forward(x, w, Start::Bias(bias.address), y))).expect("computed");
            let mut want = vec![0.0; (r * n) as usize];
            for (i, j) in (0..r).flat_map(|i| (0..n).map(move |j| (i, j))) {
                let terms = (0..k).map(|t| xs[(i * k + t) as usize] * ws[(j * k + t) as usize]);
                want[(i * n + j) as usize] = terms.sum::<f32>() + bs[j as usize];
            }
            assert_eq!(receive(&cuda, y), want, "y, {element:?}, {r} {k} {n}");
            // dy is y here.
            let dys = want;
            cuda.multiply(&multiply(plans::input_gradient(y, w, Start::Zero, dx))).expect("computed");
            cuda.multiply(&multiply(plans::weight_gradient(y, x, Start::Accumulate, dw))).expect("computed");
            for (i, t) in (0..r).flat_map(|i| (0..k).map(move |t| (i, t))) {
                let want: f32 = (0..n).map(|j| dys[(i * n + j) as usize] * ws[(j * k + t) as usize]).sum();
                let got = receive(&cuda, dx)[(i * k + t) as usize];
                // bf16 has 8 bits.
                assert!((got - want).abs() <= want.abs() / 256.0, "dx, {element:?}, {r} {k} {n}: {got} {want}");
            }
            let got = receive(&cuda, dw);
            for (j, t) in (0..n).flat_map(|j| (0..k).map(move |t| (j, t))) {
                let sum: f32 = (0..r).map(|i| dys[(i * n + j) as usize] * xs[(i * k + t) as usize]).sum();
                assert_eq!(got[(j * k + t) as usize], sum + dws[(j * k + t) as usize], "dw, {element:?}, {r} {k} {n}");
            }
        }
    }
}

/// Returns the products' algorithms and the searches since the last time.
fn told(fake: &Fake) -> (Vec<String>, Vec<String>) {
    let (products, searches): (Vec<String>, Vec<String>) =
        fake.notes().into_iter().partition(|note| note.starts_with("product"));
    let algorithms = |note: String| note.split_once("], algorithm ").expect("an algorithm").1.to_owned();
    (products.into_iter().map(algorithms).collect(), searches)
}

/// Computes y = x · Wᵀ with so many rows.
fn forward(cuda: &Cuda, element: Element, r: u64, k: u64, n: u64) -> Result<(), Error> {
    let new = |rows, columns| matrix(cuda, element, rows, columns);
    let (x, w, y) = (new(r, k), new(n, k), new(r, n));
    let result = cuda.multiply(&multiply(plans::forward(x, w, Start::Zero, y)));
    cuda.wait()?;
    [x, w, y].iter().for_each(|matrix| cuda.free(matrix.address));
    result
}

#[test]
fn one_algorithm_computes_a_product_whatever_the_number_of_rows() {
    let fake = Fake::new();
    let cuda = open(&fake);
    for r in [5, 1, 700, 2, 5] {
        forward(&cuda, Element::F32, r, 8, 4).expect("computed");
    }
    let (algorithms, searches) = told(&fake);
    // The first of the library's list needs too much workspace, and the second has no estimate.
    assert_eq!(algorithms, ["2"; 5]);
    assert_eq!(searches, ["search, workspace 33554432, schemes 0, alignments [16, 16, 16, 16]"]);
    // Another width, another type, and the two other products of a layer are searched for themselves.
    forward(&cuda, Element::F32, 5, 8, 16).expect("computed");
    forward(&cuda, Element::Bf16, 5, 8, 8).expect("computed");
    for r in [3, 4] {
        let new = |rows, columns| matrix(&cuda, Element::F32, rows, columns);
        let (x, w, y) = (new(r, 8), new(4, 8), new(r, 4));
        cuda.multiply(&multiply(plans::input_gradient(y, w, Start::Zero, x))).expect("computed");
        cuda.multiply(&multiply(plans::weight_gradient(y, x, Start::Zero, w))).expect("computed");
        // Adding to the result changes no algorithm.
        cuda.multiply(&multiply(plans::weight_gradient(y, x, Start::Accumulate, w))).expect("computed");
    }
    assert_eq!(told(&fake).1.len(), 4);
}

#[test]
fn alignments_are_those_of_addresses_and_rows() {
    let fake = Fake::new();
    let cuda = open(&fake);
    forward(&cuda, Element::Bf16, 3, 3, 4).expect("computed");
    // A is the weight, with rows of 6 bytes; B is x, with rows of 6 bytes; C has rows of 8 bytes.
    assert_eq!(told(&fake).1, ["search, workspace 33554432, schemes 0, alignments [2, 2, 8, 8]"]);
    let (x, w, y) =
        (matrix(&cuda, Element::F32, 9, 8), matrix(&cuda, Element::F32, 4, 8), matrix(&cuda, Element::F32, 9, 4));
    // Parts of columns begin anywhere; parts of rows begin where rows do.
    for (rows, columns) in [(0..9, 1..8), (0..9, 2..8), (1..9, 0..8), (5..9, 0..8)] {
        let (x, w) = (x.part(rows.clone(), columns.clone()), w.part(0..4, columns));
        cuda.multiply(&multiply(plans::forward(x, w, Start::Zero, y.part(rows, 0..4)))).expect("computed");
    }
    assert_eq!(
        told(&fake).1,
        ["[4, 4, 16, 16]", "[8, 8, 16, 16]", "[16, 16, 16, 16]"]
            .map(|alignments| format!("search, workspace 33554432, schemes 0, alignments {alignments}"))
    );
}

#[test]
fn algorithms_that_split_sums_are_not_taken() {
    let fake = Fake::new();
    let cuda = open(&fake);
    fake.set("splitting", 2);
    forward(&cuda, Element::F32, 5, 8, 4).expect("computed");
    assert_eq!(told(&fake).0, ["4"]);
    // None is left.
    fake.set("splitting", 5);
    let error = forward(&cuda, Element::F32, 5, 8, 12).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(_)), "{error:?}");
    assert!(error.to_string().starts_with("cublasLt has no algorithm that does not split sums for Kind"), "{error}");
    fake.set("splitting", 0);
    fake.set("algorithms", 0);
    assert!(matches!(forward(&cuda, Element::F32, 5, 8, 20), Err(Error::Unsupported(_))));
}

#[test]
fn an_algorithm_is_not_exchanged_for_a_number_of_rows() {
    let fake = Fake::new();
    let cuda = open(&fake);
    // The first choice cannot compute a number of rows that is tried before it is chosen.
    fake.set("picky", 2);
    fake.set("refused", 4097);
    forward(&cuda, Element::F32, 5, 8, 4).expect("computed");
    assert_eq!(told(&fake).0, ["3"]);
    // The choice cannot compute one that nobody tried.
    fake.set("picky", 3);
    fake.set("refused", 77);
    let error = forward(&cuda, Element::F32, 77, 8, 4).unwrap_err();
    assert!(matches!(&error, Error::Unsupported(message) if message.ends_with("with 77 rows")), "{error:?}");
    forward(&cuda, Element::F32, 78, 8, 4).expect("computed");
    assert_eq!(told(&fake).0, ["3"]);
}

#[test]
fn products_that_cublas_lt_cannot_compute_are_refused() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let new = |element, rows, columns| matrix(&cuda, element, rows, columns);
    let (x, w, y) = (new(Element::F32, 3, 8), new(Element::F32, 4, 8), new(Element::F32, 3, 4));
    let good = multiply(plans::forward(x, w, Start::Zero, y));
    cuda.multiply(&good).expect("computed");
    let mut bad = vec![good; 9];
    bad[0].transposes_a = false;
    bad[1].transposes_b = true;
    bad[2].a.element = Element::Bf16;
    bad[3].c.element = Element::Bf16;
    bad[4].b.columns = 2;
    bad[5].c.leading = 3;
    bad[6].a.address += 4;
    bad[7].bias = y.address + 4 * 10;
    bad[8].c.address = 4096;
    // Without terms, and without elements.
    let mut empty = good;
    (empty.a.rows, empty.b.rows) = (0, 0);
    let mut none = good;
    (none.b.columns, none.c.columns) = (0, 0);
    bad.extend([empty, none]);
    fake.notes();
    for multiply in bad {
        assert!(matches!(cuda.multiply(&multiply), Err(Error::Fault(_))), "{multiply:?}");
    }
    assert_eq!(fake.notes(), Vec::<String>::new());
}
