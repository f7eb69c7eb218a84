//! Memory, copies and launches.

use crate::harness::{Fake, PTX};
use tagsmith_device::Error;
use tagsmith_device::cuda::{self, Cuda};
use tagsmith_device::gpu::{Driver, Gpu};
use tagsmith_device::launch::{Arg, Launch};
use tagsmith_device::traffic::Traffic;

fn open(fake: &Fake) -> Cuda {
    cuda::open(&fake.places(), 0, PTX).expect("it opens")
}

/// Returns bytes that differ from one another and from those of other seeds.
fn bytes(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = || {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 56) as u8
    };
    std::iter::repeat_with(next).take(count).collect()
}

#[test]
fn bytes_come_back_whatever_their_number() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let piece = 2 << 20;
    for count in [0, 1, 511, piece - 1, piece, piece + 1, 3 * piece, 8 * piece, 8 * piece + 1, 21 * piece + 5] {
        let address = cuda.allocate(count.max(1) as u64).expect("room");
        let (sent, mut got) = (bytes(count, count as u64), vec![0; count]);
        cuda.upload(address, &sent).expect("uploaded");
        cuda.download(address, &mut got).expect("downloaded");
        assert!(sent == got, "{count} bytes");
        cuda.free(address);
    }
}

#[test]
fn pinned_memory_is_not_used_again_before_its_copy_is_done() {
    let fake = Fake::new();
    let cuda = open(&fake);
    // More uploads than pieces, and nobody waits between them: the library copies as late as it may.
    let sent: Vec<Vec<u8>> = (0..30).map(|seed| bytes(1000 + seed, seed as u64)).collect();
    let at: Vec<u64> = sent.iter().map(|part| cuda.allocate(part.len() as u64).expect("room")).collect();
    at.iter().zip(&sent).for_each(|(at, part)| cuda.upload(*at, part).expect("uploaded"));
    for (at, part) in at.iter().zip(&sent) {
        let mut got = vec![0; part.len()];
        cuda.download(*at, &mut got).expect("downloaded");
        assert!(got == *part, "{} bytes", part.len());
    }
}

#[test]
fn rooms_are_cleared_and_copied_in_order() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let [a, b] = [1000, 1000].map(|bytes| cuda.allocate(bytes).expect("room"));
    let mut got = vec![7; 1000];
    cuda.upload(a, &bytes(1000, 1)).expect("uploaded");
    cuda.copy(a, b, 1000).expect("copied");
    cuda.clear(a + 10, 20).expect("cleared");
    cuda.download(b, &mut got).expect("downloaded");
    assert_eq!(got, bytes(1000, 1));
    cuda.download(a, &mut got).expect("downloaded");
    let mut want = bytes(1000, 1);
    want[10..30].fill(0);
    assert_eq!(got, want);
    cuda.wait().expect("done");
    drop(cuda);
    assert_eq!((fake.live(), fake.notes()), (Vec::new(), Vec::new()));
}

#[test]
fn ranges_outside_memory_are_refused_before_the_driver_sees_them() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let [a, b] = [512, 512].map(|bytes| cuda.allocate(bytes).expect("room"));
    fake.calls();
    let refused = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Fault(_))), "{result:?}");
    refused(cuda.upload(a + 1, &[0; 512]));
    refused(cuda.upload(0, &[0; 1]));
    refused(cuda.download(a, &mut [0; 513]));
    refused(cuda.download(u64::MAX, &mut [0; 1]));
    refused(cuda.clear(a - 1, 1));
    refused(cuda.clear(a, u64::MAX));
    refused(cuda.copy(a, b + 1, 512));
    refused(cuda.copy(a + 1, b, 512));
    refused(cuda.copy(a, a + 1, 100));
    cuda.free(b);
    refused(cuda.clear(b, 1));
    let calls = fake.calls();
    assert!(
        calls.iter().all(|call| ["cuCtxSetCurrent", "cuStreamSynchronize", "cuMemFree_v2"].contains(&call.as_str())),
        "{calls:?}"
    );
    // Freeing what is not there asks the driver for nothing.
    cuda.free(b);
    cuda.free(12345);
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[test]
fn too_little_memory_is_told_with_numbers() {
    let fake = Fake::new();
    fake.set("memory", 100 << 20);
    let cuda = open(&fake);
    // 32 MiB are the workspace.
    let error = cuda.allocate(80 << 20).unwrap_err();
    assert_eq!(error.to_string(), "Fake 70: 83886080 bytes do not fit; 71303168 bytes of 104857600 are free");
    let gpu = Gpu::new(Box::new(cuda));
    // Rooms that were dropped are given back when the device has no other memory.
    drop(gpu.room(60 << 20));
    let large = gpu.room(64 << 20);
    assert_eq!(gpu.check(), Ok(()), "dropped rooms are given back");
    assert_eq!(gpu.room(64 << 20).address(), 0);
    assert!(matches!(gpu.check(), Err(Error::OutOfMemory { .. })));
    drop(large);
    drop(gpu);
    assert_eq!(fake.live(), Vec::<String>::new());
    // The workspace itself.
    fake.set("memory", 1 << 20);
    assert!(matches!(cuda::open(&fake.places(), 0, PTX), Err(Error::OutOfMemory { .. })));
    assert_eq!(fake.live(), Vec::<String>::new());
}

#[test]
fn arguments_arrive_as_they_are() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let args = vec![Arg::Address(0x1234_5678_9abc), Arg::I32(-2), Arg::F32(1.5), Arg::U64(u64::MAX)];
    let launch = Launch { kernel: "scale", grid: [7, 5, 3], block: [64, 2, 4], args, traffic: Traffic::default() };
    cuda.launch(&launch).expect("taken");
    cuda.wait().expect("launched");
    let told = "launch scale [7, 5, 3, 64, 2, 4] 0x123456789abc 0xfffffffe 0x3fc00000 0xffffffffffffffff";
    assert_eq!(fake.log(), [told]);
}

#[test]
fn launches_that_do_not_fit_are_refused() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let launch = |kernel, args| {
        cuda.launch(&Launch { kernel, grid: [1, 1, 1], block: [32, 1, 1], args, traffic: Traffic::default() })
    };
    let good = [Arg::Address(1), Arg::I32(1), Arg::F32(1.0), Arg::U64(1)];
    launch("scale", good.to_vec()).expect("it fits");
    cuda.wait().expect("launched");
    fake.log();
    let mut bad = vec![good[..3].to_vec(), [&good[..], &[Arg::I32(1)]].concat(), Vec::new()];
    for (i, wrong) in [Arg::I32(1), Arg::U64(1), Arg::I32(1), Arg::F32(1.0)].into_iter().enumerate() {
        let mut args = good.to_vec();
        args[i] = wrong;
        bad.push(args);
    }
    for args in bad {
        assert!(matches!(launch("scale", args.clone()), Err(Error::Fault(_))), "{args:?}");
    }
    assert_eq!(launch("other", Vec::new()).unwrap_err().to_string(), "the PTX has no kernel `other`");
    cuda.wait().expect("nothing is launched");
    assert_eq!(fake.log(), Vec::<String>::new());
}

#[test]
fn what_the_driver_says_of_a_launch_is_told_later_and_then_always() {
    let fake = Fake::new();
    let cuda = open(&fake);
    let room = cuda.allocate(512).expect("room");
    let launch = |x| {
        let traffic = Traffic::default();
        cuda.launch(&Launch { kernel: "nothing", grid: [x, 1, 1], block: [32, 1, 1], args: Vec::new(), traffic })
    };
    launch(1).expect("taken");
    launch(0).expect("taken");
    launch(2).expect("taken");
    let told = "cuLaunchKernel: CUDA_ERROR_INVALID_VALUE (error invalid value; `nothing`, blocks [0, 1, 1], threads [32, 1, 1])";
    let is_told = |result: Result<(), Error>| assert_eq!(result.unwrap_err().to_string(), told);
    is_told(cuda.download(room, &mut [0; 8]));
    is_told(launch(3));
    is_told(cuda.clear(room, 8));
    is_told(cuda.upload(room, &[0; 8]));
    is_told(cuda.wait());
    // What came after it is not done.
    assert_eq!(fake.log(), ["launch nothing [1, 1, 1, 32, 1, 1] "]);
}

#[test]
fn several_threads_share_a_device() {
    let fake = Fake::new();
    let gpu = Gpu::new(Box::new(open(&fake)));
    std::thread::scope(|scope| {
        for seed in 0..4u64 {
            let gpu = gpu.clone();
            scope.spawn(move || {
                for round in 0..20 {
                    let sent = bytes(3000, seed * 100 + round);
                    let room = gpu.room(3000);
                    let mut got = vec![0; 3000];
                    gpu.driver().upload(room.address(), &sent).expect("uploaded");
                    gpu.driver().download(room.address(), &mut got).expect("downloaded");
                    assert!(sent == got);
                }
            });
        }
    });
    drop(gpu);
    assert_eq!((fake.live(), fake.notes()), (Vec::new(), Vec::new()));
}
