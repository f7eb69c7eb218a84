//! Products by their definition, with all transpositions, distances and types.

use crate::harness::{Device, kernel};
use tagsmith_device::gpu::Driver;
use tagsmith_device::multiply::{Element, Matrix, Multiply};

/// A small integer that both types hold exactly.
fn small(seed: u64) -> i64 {
    (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 60) as i64 - 7
}

fn bytes(value: f32, element: Element) -> Vec<u8> {
    match element {
        Element::F32 => value.to_le_bytes().to_vec(),
        Element::Bf16 => ((value.to_bits() >> 16) as u16).to_le_bytes().to_vec(),
    }
}

/// Fills a column-major matrix; what lies between its columns stays unwritten.
fn fill(device: &Device, matrix: &Matrix, value: impl Fn(u64, u64) -> f32) {
    for j in 0..matrix.columns {
        let column: Vec<u8> = (0..matrix.rows).flat_map(|i| bytes(value(i, j), matrix.element)).collect();
        let address = matrix.address + j * matrix.leading * matrix.element.bytes();
        device.emulator.upload(address, &column).expect("an upload");
    }
}

fn element(device: &Device, matrix: &Matrix, i: u64, j: u64) -> f32 {
    let size = matrix.element.bytes();
    let mut out = vec![0; size as usize];
    device.emulator.download(matrix.address + (i + j * matrix.leading) * size, &mut out).expect("a download");
    match matrix.element {
        Element::F32 => f32::from_le_bytes(out.try_into().expect("four bytes")),
        Element::Bf16 => f32::from_bits(u32::from(u16::from_le_bytes(out.try_into().expect("two bytes"))) << 16),
    }
}

#[test]
fn all_transpositions_with_bias_and_sums() {
    let (m, k, n) = (5, 7, 3);
    for (flags, input) in (0..16).flat_map(|flags| [(flags, Element::F32), (flags, Element::Bf16)]) {
        let on = |bit: u32| flags >> bit & 1 == 1;
        let device = Device::new(&kernel(&[], ""), 1);
        let room = device.room(4096);
        let matrix = |place: u64, turns: bool, rows: u64, columns: u64, element: Element| {
            let (rows, columns) = if turns { (columns, rows) } else { (rows, columns) };
            Matrix { address: room.address() + place, element, rows, columns, leading: rows + 2 }
        };
        let a = matrix(0, on(0), m, k, input);
        let b = matrix(512, on(1), k, n, input);
        let c = matrix(1024, false, m, n, Element::F32);
        let bias = Matrix { address: room.address() + 2048, element: Element::F32, rows: m, columns: 1, leading: m };
        let (left, right) = (|i, l| small(1 + 31 * i + l), |l, j| small(1000 + 31 * l + j));
        fill(&device, &a, |i, j| (if on(0) { left(j, i) } else { left(i, j) }) as f32);
        fill(&device, &b, |i, j| (if on(1) { right(j, i) } else { right(i, j) }) as f32);
        fill(&device, &bias, |i, _| small(5000 + i) as f32);
        fill(&device, &c, |i, j| small(7000 + 31 * i + j) as f32);
        let product = Multiply {
            a,
            transposes_a: on(0),
            b,
            transposes_b: on(1),
            c,
            beta: if on(2) { 1.0 } else { 0.0 },
            bias: if on(3) { bias.address } else { 0 },
        };
        device.emulator.multiply(&product).expect("a product");
        let work = device.emulator.work().pop().expect("it was done");
        assert_eq!((work.name.as_str(), work.bytes_written), ("multiply", 4 * m * n));
        for (i, j) in (0..m).flat_map(|i| (0..n).map(move |j| (i, j))) {
            let mut want: i64 = (0..k).map(|l| left(i, l) * right(l, j)).sum();
            want += if on(3) { small(5000 + i) } else { 0 } + if on(2) { small(7000 + 31 * i + j) } else { 0 };
            assert_eq!(element(&device, &c, i, j), want as f32, "flags {flags:04b}, row {i}, column {j}");
        }
    }
}

#[test]
fn elements_are_rounded_once() {
    let device = Device::new(&kernel(&[], ""), 1);
    let room = device.room(64);
    let at = |place: u64, element, rows, columns| Matrix {
        address: room.address() + place,
        element,
        rows,
        columns,
        leading: rows,
    };
    // 1 + 2⁻⁸ + 2⁻³² is nearer to 1 + 2⁻⁷ than to 1. As an f32 it is 1 + 2⁻⁸, a tie, which goes to 1.
    let (a, b) = (at(0, Element::Bf16, 1, 3), at(16, Element::Bf16, 3, 1));
    fill(&device, &a, |_, j| [1.0, 2f32.powi(-8), 2f32.powi(-32)][j as usize]);
    fill(&device, &b, |_, _| 1.0);
    let c = at(32, Element::Bf16, 1, 1);
    let product = Multiply { a, transposes_a: false, b, transposes_b: false, c, beta: 0.0, bias: 0 };
    device.emulator.multiply(&product).expect("a product");
    assert_eq!(element(&device, &c, 0, 0), 1.0 + 2f32.powi(-7));
}

#[test]
fn a_bias_has_the_type_of_the_result() {
    let device = Device::new(&kernel(&[], ""), 1);
    let room = device.room(64);
    let at = |place: u64, rows| Matrix {
        address: room.address() + place,
        element: Element::Bf16,
        rows,
        columns: 1,
        leading: rows,
    };
    // The bias begins where no f32 can.
    let (a, b, c, bias) = (at(0, 2), at(8, 1), at(16, 2), at(34, 2));
    fill(&device, &a, |i, _| [1.0, 3.0][i as usize]);
    fill(&device, &b, |_, _| 2.0);
    fill(&device, &bias, |i, _| [0.5, -8.0][i as usize]);
    let product = Multiply { a, transposes_a: false, b, transposes_b: false, c, beta: 0.0, bias: bias.address };
    device.emulator.multiply(&product).expect("a product");
    let work = device.emulator.work().pop().expect("it was done");
    assert_eq!((work.bytes_read, work.bytes_written), (4 + 2 + 4, 4));
    assert_eq!([0, 1].map(|i| element(&device, &c, i, 0)), [2.5, -2.0]);
}

#[test]
fn products_that_do_not_fit_are_refused() {
    let device = Device::new(&kernel(&[], ""), 1);
    let room = device.words(&[0; 256]);
    let at = |place: u64, rows, columns| Matrix {
        address: room.address() + place,
        element: Element::F32,
        rows,
        columns,
        leading: rows,
    };
    let right = Multiply {
        a: at(0, 4, 5),
        transposes_a: false,
        b: at(128, 5, 3),
        transposes_b: false,
        c: at(256, 4, 3),
        beta: 0.0,
        bias: 0,
    };
    device.emulator.multiply(&right).expect("a product");
    let refused = |change: &dyn Fn(&mut Multiply), part: &str| {
        let mut product = right;
        change(&mut product);
        let message = device.emulator.multiply(&product).expect_err(part).to_string();
        assert!(message.starts_with("a product: ") && message.contains(part), "{message}");
    };
    refused(&|product| product.transposes_a = true, "shapes do not fit: 5 × 4 times 5 × 3 into 4 × 3");
    refused(&|product| product.c.rows = 3, "shapes do not fit");
    refused(&|product| product.a.columns = 0, "A has 4 rows and 0 columns");
    refused(&|product| product.b.leading = 4, "B has 5 rows and a distance of 4");
    refused(&|product| product.b.leading = 1 << 62, "B is too large");
    refused(&|product| product.b.address = room.address() + 992, "B: 20 bytes at address");
    refused(&|product| product.a.address += 2, "is misaligned");
    refused(&|product| product.bias = room.address() + 1, "the bias at");
    refused(&|product| product.c.address = room.address() + 64, "C overlaps A");
    refused(&|product| product.bias = product.c.address, "C overlaps the bias");
    refused(&|product| product.b.element = Element::Bf16, "A is F32, and B is Bf16");
    refused(&|product| product.c.element = Element::Bf16, "A and B are F32, and C is Bf16");
    let unwritten = device.room(1024);
    refused(&|product| product.a.address = unwritten.address(), "A: byte 0 of 1024");
    refused(
        &|product| {
            product.c.address = unwritten.address();
            product.beta = 1.0;
        },
        "C: byte 0 of 1024",
    );
}
