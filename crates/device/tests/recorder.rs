//! The recorder: it writes down what a GPU is asked for, and what rooms take.

use tagsmith_device::Error;
use tagsmith_device::asked::{Asked, Work};
use tagsmith_device::gpu::{Driver, Gpu};
use tagsmith_device::kernels::elementwise::Add;
use tagsmith_device::multiply::{Element, Matrix, Multiply};
use tagsmith_device::recorder::Recorder;
use tagsmith_device::traffic::Traffic;

#[test]
fn everything_is_written_down_in_its_order() {
    let recorder = Recorder::new(1 << 20);
    let gpu = Gpu::new(Box::new(recorder.clone()));
    let (x, y) = (gpu.room(100), gpu.room(100));
    x.upload(0, &[7; 100]);
    y.clear(0, 60);
    y.copy(60, &x, 0, 40);
    let add = Add { element: Element::F32, x: x.address(), y: y.address(), n: 25 }.launch();
    gpu.launch(&add);
    let matrix = |rows, columns| Matrix { address: x.address(), element: Element::Bf16, rows, columns, leading: rows };
    let multiply = Multiply {
        a: matrix(2, 3),
        transposes_a: false,
        b: matrix(5, 3),
        transposes_b: true,
        c: Matrix { element: Element::F32, ..matrix(2, 5) },
        beta: 1.0,
        bias: y.address(),
    };
    gpu.multiply(&multiply);
    let mut out = [1; 100];
    y.download(0, &mut out).expect("it refuses nothing");
    assert_eq!(out, [0; 100]);
    gpu.wait().expect("it refuses nothing");
    let asked = recorder.take_asked();
    let want = [
        Asked::Upload { address: x.address(), bytes: 100 },
        Asked::Work(Work::Clear { address: y.address(), bytes: 60 }),
        Asked::Work(Work::Copy { from: x.address(), to: y.address() + 60, bytes: 40 }),
        Asked::Work(Work::Launch(add)),
        Asked::Work(Work::Multiply(multiply)),
        Asked::Download { address: y.address(), bytes: 100 },
    ];
    assert_eq!(asked, want);
    assert_eq!(recorder.take_asked(), []);
    let moved: Vec<(u64, u64)> = asked.iter().map(Asked::traffic).map(|t| (t.read, t.written)).collect();
    // The product: A of 6 and B of 15 in two bytes, a bias of 2 and C of 10 in four, C read and written.
    assert_eq!(moved, [(0, 100), (0, 60), (40, 40), (200, 100), (12 + 30 + 8 + 40, 40), (100, 0)]);
    assert_eq!(multiply.operations(), 2 * 2 * 5 * 3);
    let plain = Multiply { beta: 0.0, bias: 0, ..multiply };
    assert_eq!(plain.traffic(), Traffic { read: 12 + 30, written: 40 });
}

#[test]
fn rooms_take_what_is_asked_for_and_end() {
    let recorder = Recorder::new(4096);
    let gpu = Gpu::new(Box::new(recorder.clone()));
    let (one, two) = (gpu.room(1000), gpu.room(2000));
    assert!(one.address() + 1000 <= two.address() && two.address().is_multiple_of(256), "rooms do not overlap");
    assert_eq!((recorder.memory(), recorder.most_taken()), (Ok((4096 - 3072, 4096)), 3072));
    drop((one, two));
    gpu.release_free_memory();
    assert_eq!((recorder.memory(), recorder.most_taken()), (Ok((4096, 4096)), 3072));
    assert_eq!(gpu.room(5000).address(), 0);
    assert!(matches!(gpu.check(), Err(Error::OutOfMemory { asked: 5120, free: 4096, all: 4096, .. })));
}
