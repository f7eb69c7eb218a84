//! What lanes do together, against the ISA's pseudocode and plain arithmetic.

use crate::harness::{Device, SEEDS, kernel};
use tagsmith_device::launch::Arg;

/// Runs one warp; the body leaves a lane's result in `%r0`. `%r1` is the lane, `%r2` a value: 100 + lane.
#[track_caller]
fn lanes(body: &str) -> Vec<u32> {
    let body = format!(
        "ld.param.u64 %d1, [test_param_0]; mov.u32 %r1, %laneid; add.s32 %r2, %r1, 100;\n{body}\n\
         mul.wide.u32 %d2, %r1, 4; add.s64 %d1, %d1, %d2; st.global.u32 [%d1], %r0;"
    );
    let ptx = kernel(&["u64"], &body);
    let run = |seed| {
        let device = Device::new(&ptx, seed);
        let room = device.room(128);
        let launched = device.launch(1, 32, vec![Arg::Address(room.address())]);
        launched.unwrap_or_else(|error| panic!("{body}: {error}"));
        device.read(&room)
    };
    let first = run(0);
    assert!(SEEDS.skip(1).all(|seed| run(seed) == first), "{body}");
    first
}

/// `shfl` in the words of the ISA's pseudocode: where a lane reads, and whether that is inside its segment.
fn source(mode: &str, lane: i64, b: i64, c: i64) -> (i64, bool) {
    let (bval, cval, segmask) = (b & 31, c & 31, c >> 8 & 31);
    let max_lane = (lane & segmask) | (cval & !segmask & 31);
    let min_lane = lane & segmask;
    let (j, inside) = match mode {
        "up" => (lane - bval, lane - bval >= max_lane),
        "down" => (lane + bval, lane + bval <= max_lane),
        "bfly" => (lane ^ bval, lane ^ bval <= max_lane),
        _ => {
            let j = min_lane | (bval & !segmask & 31);
            (j, j <= max_lane)
        }
    };
    if inside { (j, true) } else { (lane, false) }
}

#[test]
fn shuffles_stay_in_their_segments() {
    for mode in ["up", "down", "bfly", "idx"] {
        for b in [0, 1, 5, 16, 31, 33] {
            // The last lane or the first, with segments of 32, 16, 8 and 4 lanes.
            for c in [0x1f, 0, 0x100f, 0x1000, 0x1807, 0x181f, 0x1c03, 0x1c1f, 0x1c00] {
                let got =
                    lanes(&format!("shfl.sync.{mode}.b32 %r0|%p1, %r2, {b}, {c}, -1; @%p1 add.s32 %r0, %r0, 1000;"));
                for (lane, got) in (0..).zip(got) {
                    let (from, inside) = source(mode, lane, b, c);
                    assert_eq!(i64::from(got), from + 100 + if inside { 1000 } else { 0 }, "{mode} {b} {c:#x} {lane}");
                }
            }
        }
    }
}

#[test]
fn shuffles_take_each_lane_s_own_source() {
    let got = lanes("mul.lo.s32 %r3, %r1, 7; and.b32 %r3, %r3, 31; shfl.sync.idx.b32 %r0, %r2, %r3, 31, -1;");
    assert!(got.iter().zip(0..).all(|(&got, lane)| got == 100 + lane * 7 % 32));
    // A sum over the lanes by halves: 100 · 32 + 0 + … + 31.
    let sum: String = [16, 8, 4, 2, 1]
        .map(|by| format!("shfl.sync.bfly.b32 %r4, %r3, {by}, 31, -1; add.s32 %r3, %r3, %r4;\n"))
        .concat();
    assert_eq!(lanes(&format!("mov.u32 %r3, %r2;\n{sum} mov.u32 %r0, %r3;")), [3200 + 496; 32]);
    // Half the lanes among themselves.
    let half = "mov.u32 %r0, 0; setp.lt.u32 %p1, %r1, 16; @%p1 shfl.sync.bfly.b32 %r0, %r2, 3, 31, 0xffff;";
    assert!(lanes(half).iter().zip(0..).all(|(&got, lane)| got == if lane < 16 { 100 + (lane ^ 3) } else { 0 }));
}

#[test]
fn votes() {
    let vote = |mode: &str, set: &str| {
        lanes(&format!("setp.{set}; vote.sync.{mode}.pred %p2, %p1, -1; selp.u32 %r0, 1, 0, %p2;"))[0]
    };
    assert_eq!(["ge.u32 %p1, %r1, 0", "ge.u32 %p1, %r1, 1"].map(|set| vote("all", set)), [1, 0]);
    assert_eq!(["ge.u32 %p1, %r1, 31", "ge.u32 %p1, %r1, 32"].map(|set| vote("any", set)), [1, 0]);
    assert_eq!(
        ["ge.u32 %p1, %r1, 0", "ge.u32 %p1, %r1, 7", "ge.u32 %p1, %r1, 32"].map(|set| vote("uni", set)),
        [1, 0, 1]
    );
    assert_eq!(lanes("setp.ge.u32 %p1, %r1, 7; vote.sync.ballot.b32 %r0, %p1, -1;"), [0xffff_ff80; 32]);
    assert_eq!(lanes("setp.ge.u32 %p1, %r1, 7; vote.sync.ballot.b32 %r0, !%p1, -1;"), [0x7f; 32]);
    assert_eq!(lanes("activemask.b32 %r0;"), [u32::MAX; 32]);
}

#[test]
fn reductions_and_masks_of_lanes() {
    assert_eq!(lanes("redux.sync.add.u32 %r0, %r2, -1;"), [3696; 32]);
    assert_eq!(lanes("sub.s32 %r2, %r1, 9; redux.sync.min.s32 %r0, %r2, -1;"), [(-9i32) as u32; 32]);
    assert_eq!(lanes("sub.s32 %r2, %r1, 9; redux.sync.max.s32 %r0, %r2, -1;"), [22; 32]);
    assert_eq!(lanes("redux.sync.xor.b32 %r0, %r1, -1;"), [0; 32]);
    for (name, mask) in [
        ("eq", (|lane| 1 << lane) as fn(u32) -> u64),
        ("lt", |lane| (1 << lane) - 1),
        ("le", |lane| (2 << lane) - 1),
        ("gt", |lane| 0xffff_ffff - ((2 << lane) - 1)),
        ("ge", |lane| 0xffff_ffff - ((1 << lane) - 1)),
    ] {
        let got = lanes(&format!("mov.u32 %r0, %lanemask_{name};"));
        assert!(got.iter().zip(0..).all(|(&got, lane)| u64::from(got) == mask(lane)), "{name}");
    }
}

/// An integer from −4 to 4, as a bfloat16 holds it exactly.
fn small(seed: usize) -> i32 {
    ((seed * 2_654_435_761) >> 7) as i32 % 5 - 2 + (seed % 3) as i32
}

fn bf16(value: i32) -> u32 {
    (value as f32).to_bits() >> 16
}

#[test]
fn products_on_tensor_cores() {
    // A is 16 × 16 by rows, B 16 × 8 by columns, C 16 × 8: all small integers, so that the product is exact.
    let a = |i: usize, k: usize| small(16 * i + k);
    let b = |k: usize, j: usize| small(1000 + 16 * j + k);
    let c = |i: usize, j: usize| small(5000 + 8 * i + j);
    let mut words = Vec::new();
    for lane in 0..32 {
        // PTX ISA, "Matrix Fragments for mma.m16n8k16 with floating point type": the group is a row of A and C and a
        // column of B; the place in the group is a pair of columns of A and C, of rows of B.
        let (group, pair) = (lane / 4, lane % 4 * 2);
        let two = |low: i32, high: i32| bf16(low) | bf16(high) << 16;
        let left = |i: usize, k: usize| two(a(i, k), a(i, k + 1));
        words.extend([left(group, pair), left(group + 8, pair), left(group, pair + 8), left(group + 8, pair + 8)]);
        let right = |k: usize| two(b(k, group), b(k + 1, group));
        words.extend([right(pair), right(pair + 8)]);
        for (i, j) in [(group, pair), (group, pair + 1), (group + 8, pair), (group + 8, pair + 1)] {
            words.push((c(i, j) as f32).to_bits());
        }
    }
    let body = "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1]; mov.u32 %r1, %laneid;\n\
                mul.wide.u32 %d3, %r1, 40; add.s64 %d1, %d1, %d3; mul.wide.u32 %d3, %r1, 16; add.s64 %d2, %d2, %d3;\n\
                ld.global.u32 %r10, [%d1]; ld.global.u32 %r11, [%d1+4]; ld.global.u32 %r12, [%d1+8];\n\
                ld.global.u32 %r13, [%d1+12]; ld.global.u32 %r14, [%d1+16]; ld.global.u32 %r15, [%d1+20];\n\
                ld.global.f32 %f10, [%d1+24]; ld.global.f32 %f11, [%d1+28]; ld.global.f32 %f12, [%d1+32];\n\
                ld.global.f32 %f13, [%d1+36];\n\
                mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r10, %r11, %r12, %r13},\n\
                    {%r14, %r15}, {%f10, %f11, %f12, %f13};\n\
                st.global.v4.f32 [%d2], {%f1, %f2, %f3, %f4};";
    let device = Device::new(&kernel(&["u64", "u64"], body), 1);
    let (from, to) = (device.words(&words), device.room(512));
    device.launch(1, 32, vec![Arg::Address(from.address()), Arg::Address(to.address())]).expect("it is right");
    for (lane, four) in device.read(&to).chunks_exact(4).enumerate() {
        for (e, &got) in four.iter().enumerate() {
            let (i, j) = (lane / 4 + 8 * (e / 2), lane % 4 * 2 + e % 2);
            let want = c(i, j) + (0..16).map(|k| a(i, k) * b(k, j)).sum::<i32>();
            assert_eq!(f32::from_bits(got), want as f32, "row {i}, column {j}");
        }
    }
    let half = device.launch(1, 16, vec![Arg::Address(from.address()), Arg::Address(to.address())]);
    assert!(half.expect_err("half a warp").to_string().contains("is not a thread of the block"));
}

#[test]
fn matrices_loaded_from_shared_memory() {
    // 32 rows of 8 elements: element (row, column) is 8 · row + column. Lane l gives the address of row l.
    let body = |transposes: &str| {
        format!(
            ".shared .align 16 .b8 rows[512];\n\
             ld.param.u64 %d2, [test_param_0]; mov.u32 %r1, %laneid; mov.u32 %r3, rows; shl.b32 %r4, %r1, 4;\n\
             add.s32 %r4, %r3, %r4; mov.u32 %r5, 0; shl.b32 %r6, %r1, 3;\n\
             LOOP: cvt.u16.u32 %h1, %r6; st.shared.u16 [%r4], %h1; add.s32 %r4, %r4, 2; add.s32 %r6, %r6, 1;\n\
             add.s32 %r5, %r5, 1; setp.lt.u32 %p1, %r5, 8; @%p1 bra LOOP;\n\
             bar.warp.sync -1; add.s32 %r4, %r4, -16;\n\
             ldmatrix.sync.aligned.m8n8.x4{transposes}.shared.b16 {{%r10, %r11, %r12, %r13}}, [%r4];\n\
             mul.wide.u32 %d3, %r1, 16; add.s64 %d2, %d2, %d3; st.global.v4.u32 [%d2], {{%r10, %r11, %r12, %r13}};"
        )
    };
    for transposes in [false, true] {
        let device = Device::new(&kernel(&["u64"], &body(if transposes { ".trans" } else { "" })), 1);
        let to = device.room(512);
        device.launch(1, 32, vec![Arg::Address(to.address())]).expect("it is right");
        for (lane, four) in device.read(&to).chunks_exact(4).enumerate() {
            for (matrix, &got) in four.iter().enumerate() {
                let element = |row: usize, column: usize| (8 * (8 * matrix + row) + column) as u32;
                let (group, pair) = (lane / 4, lane % 4 * 2);
                let want = match transposes {
                    false => element(group, pair) | element(group, pair + 1) << 16,
                    true => element(pair, group) | element(pair + 1, group) << 16,
                };
                assert_eq!(got, want, "matrix {matrix}, lane {lane}");
            }
        }
    }
}
