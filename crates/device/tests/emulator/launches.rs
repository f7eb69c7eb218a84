//! Launches: what fits the kernel, what is counted, and that orders are random and seeds decide.

use crate::harness::{Device, SEEDS, kernel};
use std::collections::BTreeSet;
use tagsmith_device::Error;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::{Driver, Gpu};
use tagsmith_device::launch::{Arg, Launch};
use tagsmith_device::traffic::Traffic;

fn launch(device: &Device, grid: [u32; 3], block: [u32; 3], args: Vec<Arg>) -> Option<String> {
    device
        .emulator
        .launch(&Launch { kernel: "test", grid, block, args, traffic: Traffic::default() })
        .err()
        .map(|error| error.to_string())
}

#[test]
fn arguments_fit_the_parameters() {
    let device = Device::new(&kernel(&["u64", "u32", "f32", "u64"], ""), 1);
    let args = [Arg::Address(5), Arg::I32(-1), Arg::F32(0.5), Arg::U64(1)];
    assert_eq!(launch(&device, [1; 3], [1; 3], args.to_vec()), None);
    let refused = |args: Vec<Arg>| launch(&device, [1; 3], [1; 3], args).expect("it is refused");
    assert_eq!(refused(args[..3].to_vec()), "test: 3 arguments for 4 parameters");
    let mut others = args;
    others.swap(1, 2);
    assert!(
        refused(others.to_vec())
            .starts_with("test: argument 1 is F32(0.5), and parameter `test_param_1` is Unsigned(32)")
    );
    others = args;
    others[0] = Arg::I32(1);
    assert!(refused(others.to_vec()).contains("argument 0 is I32(1)"));
    // No argument is an f64: CUDA's driver refuses the launch as well.
    let double = Device::new(&kernel(&["f64"], ""), 1);
    let refused = launch(&double, [1; 3], [1; 3], vec![Arg::U64(0)]).expect("it is refused");
    assert_eq!(refused, "test: argument 0 is U64(0), and parameter `test_param_0` is F64");
    // A structure is not an argument that there is.
    let structure = Device::new(&kernel(&["align 8 .b8"], "").replace("test_param_0", "test_param_0[24]"), 1);
    let refused = launch(&structure, [1; 3], [1; 3], vec![Arg::U64(0)]).expect("it is refused");
    assert!(refused.contains("an array of 24 bytes"), "{refused}");
}

#[test]
fn blocks_and_grids_have_limits() {
    let device = Device::new(&kernel(&[], ""), 1);
    for (grid, block, fits) in [
        ([1, 1, 1], [1024, 1, 1], true),
        ([1, 1, 1], [1025, 1, 1], false),
        ([1, 1, 1], [32, 32, 1], true),
        ([1, 1, 1], [32, 33, 1], false),
        ([1, 1, 1], [1, 1, 64], true),
        ([1, 1, 1], [1, 1, 65], false),
        ([1, 1, 1], [0, 1, 1], false),
        ([0, 1, 1], [1, 1, 1], false),
        ([1, 65_535, 1], [1, 1, 1], true),
        ([1, 65_536, 1], [1, 1, 1], false),
        ([1, 1, 65_536], [1, 1, 1], false),
        ([0x8000_0000, 1, 1], [1, 1, 1], false),
    ] {
        assert_eq!(launch(&device, grid, block, vec![]).is_none(), fits, "{grid:?} {block:?}");
    }
    let bounded = |directive: &str| Device::new(&kernel(&[], "").replace("\n{", &format!("\n{directive}\n{{")), 1);
    let most = bounded(".maxntid 64, 1, 1 .minnctapersm 2");
    assert_eq!(launch(&most, [1; 3], [64, 1, 1], vec![]), None);
    assert!(launch(&most, [1; 3], [65, 1, 1], vec![]).is_some_and(|message| message.contains("64 at most")));
    let exact = bounded(".reqntid 8, 8");
    assert_eq!(launch(&exact, [1; 3], [8, 8, 1], vec![]), None);
    assert!(launch(&exact, [1; 3], [64, 1, 1], vec![]).is_some());
    let unknown = Launch { kernel: "other", grid: [1; 3], block: [1; 3], args: vec![], traffic: Traffic::default() };
    let message = device.emulator.launch(&unknown).expect_err("it is refused").to_string();
    assert_eq!(message, "there is no kernel `other`");
}

#[test]
fn threads_know_their_places() {
    let names = ["%tid", "%ctaid", "%ntid", "%nctaid"];
    let body: String = names
        .iter()
        .flat_map(|name| ["x", "y", "z"].map(|axis| format!("{name}.{axis}")))
        .enumerate()
        .map(|(i, name)| format!("mov.u32 %r2, {name}; st.global.u32 [%d1+{}], %r2;\n", 4 * i))
        .collect();
    let number = "ld.param.u64 %d1, [test_param_0]; mov.u32 %r1, 0;\n\
        mov.u32 %r3, %ctaid.z; mov.u32 %r4, %nctaid.y; mad.lo.s32 %r1, %r3, %r4, %r1; mov.u32 %r3, %ctaid.y; add.s32 %r1, %r1, %r3;\n\
        mov.u32 %r3, %nctaid.x; mul.lo.s32 %r1, %r1, %r3; mov.u32 %r3, %ctaid.x; add.s32 %r1, %r1, %r3;\n\
        mov.u32 %r3, %ntid.z; mul.lo.s32 %r1, %r1, %r3; mov.u32 %r3, %tid.z; add.s32 %r1, %r1, %r3;\n\
        mov.u32 %r3, %ntid.y; mul.lo.s32 %r1, %r1, %r3; mov.u32 %r3, %tid.y; add.s32 %r1, %r1, %r3;\n\
        mov.u32 %r3, %ntid.x; mul.lo.s32 %r1, %r1, %r3; mov.u32 %r3, %tid.x; add.s32 %r1, %r1, %r3;\n\
        mul.wide.u32 %d2, %r1, 48; add.s64 %d1, %d1, %d2;\n";
    let device = Device::new(&kernel(&["u64"], &format!("{number}{body}")), 3);
    let (grid, block) = ([2, 3, 2], [5, 2, 4]);
    let count = 12 * 40;
    let room = device.room(48 * count);
    assert_eq!(launch(&device, grid, block, vec![Arg::Address(room.address())]), None);
    for (i, found) in (0..).zip(device.read(&room).chunks_exact(12)) {
        let (thread, place) = (i % 40, i / 40);
        let want = [thread % 5, thread / 5 % 2, thread / 10, place % 2, place / 2 % 3, place / 6, 5, 2, 4, 2, 3, 2];
        assert_eq!(found, want, "thread {i}");
    }
}

#[test]
fn traffic_is_counted() {
    // Each of 64 threads of 2 blocks reads one common word and its own, and writes its own.
    let body = "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1]; mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x;\n\
                mad.lo.s32 %r1, %r2, 64, %r1; mul.wide.u32 %d3, %r1, 4; add.s64 %d4, %d1, %d3; add.s64 %d5, %d2, %d3;\n\
                ld.global.u32 %r3, [%d1]; ld.global.u32 %r4, [%d4]; st.global.u32 [%d5], %r4;";
    let device = Device::new(&kernel(&["u64", "u64"], body), 1);
    let (from, to) = (device.words(&[7; 128]), device.room(512));
    device.emulator.forget_work();
    device.launch(2, 64, vec![Arg::Address(from.address()), Arg::Address(to.address())]).expect("it is right");
    device.emulator.copy(from.address(), to.address(), 100).expect("a copy");
    let work = device.emulator.work();
    assert_eq!(work.iter().map(|work| work.name.as_str()).collect::<Vec<_>>(), ["test", "copy"]);
    let test = &work[0];
    assert_eq!((test.grid, test.block), ([2, 1, 1], [64, 1, 1]));
    assert_eq!((test.bytes_read, test.bytes_written), (512, 512));
    assert_eq!((test.bytes_loaded, test.bytes_stored), (1024, 512));
    assert_eq!(test.instructions, 12 * 128);
    assert_eq!((work[1].bytes_read, work[1].bytes_written), (100, 100));
}

#[test]
fn atomic_operations_give_what_was_there() {
    // Each of 96 threads takes a ticket; together they are 0 to 95, in an order that the seed decides.
    let body = "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1]; mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x;\n\
                mad.lo.s32 %r1, %r2, 48, %r1; atom.global.add.u32 %r3, [%d1], 1; mul.wide.u32 %d3, %r1, 4; add.s64 %d2, %d2, %d3;\n\
                st.global.u32 [%d2], %r3;";
    let ptx = kernel(&["u64", "u64"], body);
    let tickets = |seed| {
        let device = Device::new(&ptx, seed);
        let (counter, out) = (device.words(&[0]), device.room(4 * 96));
        device.launch(2, 48, vec![Arg::Address(counter.address()), Arg::Address(out.address())]).expect("it is right");
        assert_eq!(device.read(&counter), [96]);
        device.read(&out)
    };
    let orders: BTreeSet<Vec<u32>> = SEEDS.map(tickets).collect();
    assert!(orders.len() > 4, "{} orders", orders.len());
    for order in &orders {
        let mut sorted = order.clone();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..96));
    }
    assert_eq!(tickets(5), tickets(5));
}

#[test]
fn atomic_functions() {
    for (line, old, want) in [
        ("atom.global.add.u32 %r1, [%d1], 5", 7, 12),
        ("atom.global.min.s32 %r1, [%d1], -2", 7, (-2i32) as u32),
        ("atom.global.min.u32 %r1, [%d1], -2", 7, 7),
        ("atom.global.max.s32 %r1, [%d1], 9", 7, 9),
        ("atom.global.and.b32 %r1, [%d1], 6", 3, 2),
        ("atom.global.or.b32 %r1, [%d1], 6", 3, 7),
        ("atom.global.xor.b32 %r1, [%d1], 6", 3, 5),
        ("atom.global.exch.b32 %r1, [%d1], 6", 3, 6),
        ("atom.global.cas.b32 %r1, [%d1], 3, 9", 3, 9),
        ("atom.global.cas.b32 %r1, [%d1], 4, 9", 3, 3),
        ("atom.global.inc.u32 %r1, [%d1], 5", 4, 5),
        ("atom.global.inc.u32 %r1, [%d1], 5", 5, 0),
        ("atom.global.dec.u32 %r1, [%d1], 5", 4, 3),
        ("atom.global.dec.u32 %r1, [%d1], 5", 0, 5),
        ("atom.global.dec.u32 %r1, [%d1], 5", 9, 5),
        ("atom.relaxed.gpu.global.add.f32 %f1, [%d1], 0f3F800000; mov.b32 %r1, %f1", 0x4000_0000, 0x4040_0000),
        ("red.global.add.s32 [%d1], -1; mov.u32 %r1, 0", 0, u32::MAX),
    ] {
        let body = format!("ld.param.u64 %d1, [test_param_0]; {line}; st.global.u32 [%d1+4], %r1;");
        let device = Device::new(&kernel(&["u64"], &body), 1);
        let room = device.words(&[old, 0]);
        device.launch(1, 1, vec![Arg::Address(room.address())]).expect("it is right");
        let before = if line.starts_with("red") { 0 } else { old };
        assert_eq!(device.read(&room), [want, before], "{line}");
    }
}

#[test]
fn copies_arrive_when_they_are_waited_for() {
    let body = |wait: &str| {
        format!(
            ".shared .align 16 .b8 to[2048];\n\
             ld.param.u64 %d1, [test_param_0]; mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 16; add.s64 %d3, %d1, %d2;\n\
             mov.u32 %r2, to; shl.b32 %r3, %r1, 4; add.s32 %r3, %r2, %r3;\n\
             cp.async.cg.shared.global [%r3], [%d3], 16; cp.async.commit_group;\n\
             cp.async.ca.shared.global [%r3+1024], [%d3], 8, 4; cp.async.commit_group;\n{wait}\n\
             xor.b32 %r4, %r1, 33; shl.b32 %r4, %r4, 4; add.s32 %r4, %r2, %r4; ld.shared.u32 %r5, [%r4+12];\n\
             ld.param.u64 %d4, [test_param_1]; mul.wide.u32 %d2, %r1, 4; add.s64 %d4, %d4, %d2; st.global.u32 [%d4], %r5;\n\
             cp.async.wait_all; bar.sync 0; ld.shared.v2.u32 {{%r6, %r7}}, [%r4+1024]; st.global.u32 [%d4+256], %r7;"
        )
    };
    let run = |wait: &str| {
        let device = Device::new(&kernel(&["u64", "u64"], &body(wait)), 2);
        let words: Vec<u32> = (1..=256).collect();
        let (from, to) = (device.words(&words), device.room(512));
        let launched = device.launch(1, 64, vec![Arg::Address(from.address()), Arg::Address(to.address())]);
        launched.map(|()| device.read(&to)).map_err(|error| error.to_string())
    };
    let right = run("cp.async.wait_group 1; bar.sync 0;").expect("it is right");
    // The fourth word of the other thread's 16 bytes; what lies behind the source's 4 bytes is 0.
    assert!((0..64).all(|t| right[t as usize] == 4 * (t ^ 33) + 4));
    assert_eq!(right[64..], [0; 64]);
    for wait in ["", "bar.sync 0;", "cp.async.wait_group 2; bar.sync 0;"] {
        assert!(run(wait).expect_err(wait).contains("a read of what nobody wrote"), "{wait}");
    }
    // Waiting for the own copies is not a barrier for those of others.
    assert!(run("cp.async.wait_group 1;").is_err());
    let left = body("cp.async.wait_group 0; bar.sync 0;")
        .replace("cp.async.wait_all;", "cp.async.ca.shared.global [%r3], [%d3], 4;");
    let device = Device::new(&kernel(&["u64", "u64"], &left), 2);
    let (from, to) = (device.words(&[0; 256]), device.room(512));
    let message = device.launch(1, 64, vec![Arg::Address(from.address()), Arg::Address(to.address())]);
    assert!(message.expect_err("a copy is left").to_string().contains("nobody waited for its `cp.async`"));
}

#[test]
fn memory_ends() {
    let emulator = Emulator::with_limits("", 0, 4096, 1).expect("an empty text");
    assert_eq!(emulator.memory().expect("it knows"), (4096, 4096));
    let gpu = Gpu::new(Box::new(emulator.clone()));
    let room = gpu.room(4096);
    assert_eq!(gpu.check(), Ok(()));
    assert_eq!(gpu.room(1).address(), 0);
    assert!(matches!(gpu.check(), Err(Error::OutOfMemory { asked: 512, free: 0, all: 4096, .. })));
    drop(room);
    gpu.release_free_memory();
    assert_eq!(emulator.memory().expect("it knows"), (4096, 4096));
}
