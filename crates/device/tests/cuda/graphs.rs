//! Graphs: whatever becomes of work, by plain calls or graphs, it is done as it was asked for.

use crate::harness::{Fake, PTX};
use tagsmith_device::Error;
use tagsmith_device::asked::Work;
use tagsmith_device::cuda::chunks::CHUNK;
use tagsmith_device::cuda::{self, Cuda};
use tagsmith_device::gpu::Driver;
use tagsmith_device::launch::{Arg, Launch};
use tagsmith_device::multiply::plans::{self, Plan, RowMajor, Start};
use tagsmith_device::multiply::{Element, Multiply};
use tagsmith_device::traffic::Traffic;

/// Bytes of a room.
const ROOM: u64 = 1024;

/// How many graphs are kept: a device of 1 GiB lets them take a 32nd, and one takes up to 4 MiB.
const MOST: usize = 8;

fn open(fake: &Fake) -> Cuda {
    let cuda = cuda::open(&fake.places(), 0, PTX).expect("it opens");
    fake.calls();
    cuda
}

fn rooms(cuda: &Cuda) -> [u64; 4] {
    [(); 4].map(|()| cuda.allocate(ROOM).expect("room"))
}

/// A launch of the kernel with parameters, whose numbers follow from one.
fn scale(x: u64, grid: u32, number: i32) -> Work {
    let args =
        vec![Arg::Address(x), Arg::I32(-number), Arg::F32(0.5 + number as f32), Arg::U64(u64::MAX - number as u64)];
    Work::Launch(Launch { kernel: "scale", grid: [grid, 2, 1], block: [32, 1, 1], args, traffic: Traffic::default() })
}

fn nothing(grid: u32) -> Work {
    let traffic = Traffic::default();
    Work::Launch(Launch { kernel: "nothing", grid: [grid, 1, 1], block: [64, 1, 1], args: Vec::new(), traffic })
}

fn product([x, w, y, bias]: [u64; 4], rows: u64) -> Work {
    let matrix = |address, rows, columns| RowMajor::dense(address, Element::F32, rows, columns);
    let start = Start::Bias(bias);
    match plans::forward(matrix(x, rows, 5), matrix(w, 4, 5), start, matrix(y, rows, 4)) {
        Plan::Multiply(multiply) => Work::Multiply(multiply),
        plan => panic!("{plan:?}"),
    }
}

/// Work of all kinds. The numbers of its kernels follow from one.
fn work(rooms: [u64; 4], rows: u64, grid: u32, number: i32) -> Vec<Work> {
    let [x, w, y, _] = rooms;
    vec![
        Work::Clear { address: y, bytes: 4 * rows },
        scale(x, grid, number),
        product(rooms, rows),
        nothing(grid),
        nothing(1),
        nothing(2),
        Work::Copy { from: y, to: w + 512, bytes: 8 * rows },
        scale(w, 1, 2 * number),
    ]
}

fn ask(cuda: &Cuda, work: &Work) -> Result<(), Error> {
    match work {
        Work::Launch(launch) => cuda.launch(launch),
        Work::Multiply(multiply) => cuda.multiply(multiply),
        Work::Copy { from, to, bytes } => cuda.copy(*from, *to, *bytes),
        Work::Clear { address, bytes } => cuda.clear(*address, *bytes),
    }
}

/// Returns work as the library writes it down when it is put into the stream.
fn line(work: &Work) -> String {
    match work {
        Work::Launch(Launch { kernel, grid: [x, y, z], block: [i, j, k], args, .. }) => {
            let bits = |arg: &Arg| match arg {
                Arg::Address(value) | Arg::U64(value) => format!("{value:#x}"),
                Arg::I32(value) => format!("{value:#x}"),
                Arg::F32(value) => format!("{:#x}", value.to_bits()),
            };
            let args: Vec<String> = args.iter().map(bits).collect();
            format!("launch {kernel} {:?} {}", [x, y, z, i, j, k], args.join(" "))
        }
        Work::Multiply(Multiply { a, b, c, beta, bias, .. }) => {
            let shapes = [a, b, c].map(|matrix| [matrix.rows, matrix.columns]);
            format!("product {shapes:?} {:x?} {bias:#x} {beta}", [a, b, c].map(|matrix| matrix.address))
        }
        Work::Copy { from, to, bytes } => format!("copy {from:#x} {to:#x} {bytes}"),
        Work::Clear { address, bytes } => format!("fill {address:#x} 0 {bytes}"),
    }
}

fn lines(work: &[Work]) -> Vec<String> {
    work.iter().map(line).collect()
}

/// Asks for work, waits, and returns what was put into the stream and how often functions were called.
fn done(fake: &Fake, cuda: &Cuda, work: &[Work]) -> (Vec<String>, [usize; 4]) {
    work.iter().for_each(|work| ask(cuda, work).expect("taken"));
    cuda.wait().expect("done");
    let calls = fake.calls();
    let counted = ["cuLaunchKernel", "cuStreamBeginCapture_v2", "cuGraphExecKernelNodeSetParams_v2", "cuGraphLaunch"];
    (fake.log(), counted.map(|name| calls.iter().filter(|call| *call == name).count()))
}

#[test]
fn work_is_first_called_then_captured_then_launched_with_its_numbers() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    for (number, want) in
        [(1, [5, 0, 0, 0]), (2, [5, 1, 0, 1]), (3, [0, 0, 2, 1]), (3, [0, 0, 0, 1]), (4, [0, 0, 2, 1])]
    {
        let work = work(rooms, 3, 7, number);
        let (log, calls) = done(&fake, &cuda, &work);
        assert_eq!((log, calls), (lines(&work), want), "{number}");
    }
    // A number that differs in one kernel is set there alone.
    let mut last = work(rooms, 3, 7, 4);
    last[7] = scale(rooms[1], 1, 9);
    assert_eq!(done(&fake, &cuda, &last), (lines(&last), [0, 0, 1, 1]));
    drop(cuda);
    assert_eq!(fake.live(), Vec::<String>::new());
}

#[test]
fn a_driver_that_forgets_a_number_is_found() {
    let fake = Fake::new();
    fake.set("forgetful", 1);
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    for number in [1, 2] {
        let work = work(rooms, 3, 7, number);
        assert_eq!(done(&fake, &cuda, &work).0, lines(&work));
    }
    let third = work(rooms, 3, 7, 3);
    assert_ne!(done(&fake, &cuda, &third).0, lines(&third));
}

#[test]
fn work_of_other_shapes_and_places_stands_for_itself() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let (one, two) = (rooms(&cuda), rooms(&cuda));
    // A shape, another number of rows, another grid alone, other places alone, and more than a chunk.
    let shape = |which: usize, number: i32| match which {
        0 => work(one, 3, 7, number),
        1 => work(one, 4, 7, number),
        2 => work(one, 3, 8, number),
        3 => work(two, 3, 7, number),
        _ => (0..20).flat_map(|i| work(one, 2 + i / 8, 7, number + i as i32)).collect(),
    };
    let order = [0, 0, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 4, 3, 2, 1, 0, 0, 4, 1, 2, 2, 3, 3, 1, 4, 0];
    let mut launched = 0;
    for (number, which) in order.into_iter().enumerate() {
        let work = shape(which, number as i32);
        let (log, calls) = done(&fake, &cuda, &work);
        assert_eq!(log, lines(&work), "{which} at {number}");
        launched += calls[3];
    }
    // All but the first of each shape; the last one has three chunks.
    let first = [0, 1, 2, 3].len();
    let long = order.iter().filter(|which| **which == 4).count();
    assert_eq!(launched, order.len() - long - first + 3 * (long - 1));
    let sent: Vec<String> = fake.notes().into_iter().filter(|note| note.contains("capture")).collect();
    assert_eq!(sent, Vec::<String>::new(), "nothing that a capture forbids was asked for");
}

#[test]
fn results_are_those_of_plain_calls() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    let [x, w, y, bias] = rooms;
    let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_ne_bytes()).collect::<Vec<u8>>();
    cuda.upload(bias, &floats(&[1.0, 2.0, 3.0, 4.0])).expect("uploaded");
    for number in 1..=4 {
        // Uploads stand between chunks: a graph reads what was sent before it. Weights are 1 in the first column of inputs.
        let number = number as f32;
        cuda.upload(x, &floats(&[number, 0.0, 0.0, 0.0, 0.0])).expect("uploaded");
        cuda.upload(w, &floats(&[1.0, 0.0, 0.0, 0.0, 0.0].repeat(4))).expect("uploaded");
        ask(&cuda, &product(rooms, 1)).expect("taken");
        ask(&cuda, &Work::Copy { from: y, to: x + 512, bytes: 8 }).expect("taken");
        ask(&cuda, &Work::Clear { address: y, bytes: 4 }).expect("taken");
        (1..=5).for_each(|grid| ask(&cuda, &nothing(grid)).expect("taken"));
        let (mut got, mut copied) = ([0; 16], [0; 8]);
        cuda.download(y, &mut got).expect("downloaded");
        cuda.download(x + 512, &mut copied).expect("downloaded");
        assert_eq!(got.to_vec(), floats(&[0.0, 2.0 + number, 3.0 + number, 4.0 + number]));
        assert_eq!(copied.to_vec(), floats(&[1.0 + number, 2.0 + number]));
    }
    assert_eq!(fake.calls().iter().filter(|call| *call == "cuGraphLaunch").count(), 3);
}

#[test]
fn graphs_that_were_not_used_for_longest_go() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    let graphs = || fake.live().iter().filter(|kind| *kind == "executable graph").count();
    let again = |grid| {
        let work = [[(); 7].map(|()| nothing(grid)).to_vec(), vec![scale(rooms[0], 1, grid as i32)]].concat();
        let (log, calls) = done(&fake, &cuda, &work);
        assert_eq!(log, lines(&work));
        calls[1] == 1
    };
    for grid in 1..=MOST as u32 {
        assert!(!again(grid) && again(grid) && !again(grid));
    }
    assert_eq!(graphs(), MOST);
    // While all are used, none goes for another one. It takes 4 times 8 chunks until the first may.
    assert!(!again(100) && !again(100));
    for round in 0..4 {
        (2..=MOST as u32).for_each(|grid| assert!(!again(grid), "{round}"));
    }
    assert!(again(100) && !again(100));
    assert_eq!(graphs(), MOST);
    assert!(!again(1) && !again(2) && !again(MOST as u32));
    assert_eq!((graphs(), fake.live().iter().filter(|kind| *kind == "graph").count()), (MOST, MOST));
    drop(cuda);
    assert_eq!(fake.live(), Vec::<String>::new());
}

#[test]
fn graphs_give_way_to_memory() {
    let fake = Fake::new();
    fake.set("graph", 200 << 20);
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    for number in 1..=2 {
        done(&fake, &cuda, &work(rooms, 3, 7, number));
    }
    // 1 GiB less the workspace and the graph is less than 900 MiB.
    let large = cuda.allocate(900 << 20).expect("room");
    assert!(!fake.live().contains(&"executable graph".to_owned()));
    let third = work(rooms, 3, 7, 3);
    assert_eq!(done(&fake, &cuda, &third), (lines(&third), [5, 1, 0, 1]));
    // So does what is freed: a graph may hold what the driver knows of it.
    cuda.free(large);
    assert!(!fake.live().contains(&"executable graph".to_owned()));
    assert!(matches!(cuda.allocate(2 << 30), Err(Error::OutOfMemory { .. })));
}

#[test]
fn what_cannot_be_captured_is_called_from_then_on() {
    let fake = Fake::new();
    fake.set("uncapturable", 1);
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    for (number, want) in [(1, [5, 0, 0, 0]), (2, [6, 1, 0, 0]), (3, [5, 0, 0, 0]), (4, [5, 0, 0, 0])] {
        let work = work(rooms, 3, 7, number);
        let (log, calls) = done(&fake, &cuda, &work);
        assert_eq!((log, calls), (lines(&work), want), "{number}");
    }
    let remark = cuda.remark().expect("it is told");
    assert!(
        remark.ends_with(
            "since it makes no graphs: cublasLtMatmul: CUBLAS_STATUS_INTERNAL_ERROR (status internal error)"
        )
    );
}

#[test]
fn a_capture_that_does_not_end_is_an_error() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    done(&fake, &cuda, &work(rooms, 3, 7, 1));
    fake.set("stuck", 1);
    fake.fail("cuStreamEndCapture", 1, 0);
    work(rooms, 3, 7, 2).iter().for_each(|work| ask(&cuda, work).expect("taken"));
    let error = cuda.wait().unwrap_err().to_string();
    assert!(error.starts_with("cuStreamSynchronize: CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"), "{error}");
    fake.fail("cuStreamEndCapture", 0, 0);
}

#[test]
fn a_chunk_is_passed_on_when_it_is_complete() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let rooms = rooms(&cuda);
    let work: Vec<Work> = (0..CHUNK as i32 + 1).map(|number| scale(rooms[0], 1, number)).collect();
    for (i, work) in work.iter().enumerate() {
        assert_eq!(fake.log().len(), if i == CHUNK { CHUNK } else { 0 }, "{i}");
        ask(&cuda, work).expect("taken");
    }
    assert_eq!(fake.log().len(), 0);
    // Whatever shows or moves what the device holds passes on the rest.
    let passes: [&dyn Fn(); 4] = [
        &|| cuda.upload(rooms[1], &[1; 8]).expect("uploaded"),
        &|| cuda.download(rooms[1], &mut [1; 8]).expect("downloaded"),
        &|| cuda.wait().expect("done"),
        &|| cuda.free(rooms[3]),
    ];
    for pass in passes {
        pass();
        assert_eq!(fake.log()[0], line(&work[CHUNK]));
        ask(&cuda, &work[CHUNK]).expect("taken");
    }
}
