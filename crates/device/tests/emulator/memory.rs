//! Faults of single accesses: outside, misaligned, of what nobody wrote.

use crate::harness::{Device, is_found, is_right, kernel};
use tagsmith_device::gpu::Driver;
use tagsmith_device::launch::Arg;

#[test]
fn accesses_end_with_the_bytes_that_are_assigned() {
    // Five words are assigned of the 512 bytes that the room has.
    is_right("ld.global.u32 %r1, [%d1+16];", 1, 1, &[0; 5]);
    is_found(
        "ld.global.u32 %r1, [%d1+20];",
        1,
        1,
        &[0; 5],
        &["test, PTX line 8, block [0, 0, 0], thread 0: ", "lie outside: byte 20 of the 20 bytes"],
    );
    is_found("ld.global.u64 %d2, [%d1+16];", 1, 1, &[0; 5], &["8 bytes", "lie outside: byte 16 of the 20"]);
    is_found("st.global.u32 [%d1+-4], 0;", 1, 1, &[0; 5], &["lie outside: no room is there"]);
    is_found("mov.u64 %d2, 0; st.global.u32 [%d2], 0;", 1, 1, &[0], &["4 bytes at address 0x0 lie outside"]);
    // The thread that is outside is named: the sixth.
    let each = "mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d1, %d2; st.global.u32 [%d2], %r1;";
    is_right(each, 1, 5, &[0; 5]);
    is_found(each, 1, 6, &[0; 5], &["thread 5: ", "byte 20 of the 20"]);
}

#[test]
fn shared_and_local_memory_end() {
    let shared = ".shared .align 4 .b8 a[8]; .shared .align 4 .b8 b[8];";
    is_right(&format!("{shared} st.shared.u32 [b+4], 1;"), 1, 1, &[0]);
    is_found(
        &format!("{shared} st.shared.u32 [b+8], 1;"),
        1,
        1,
        &[0],
        &["outside the block's 16 bytes of shared memory"],
    );
    let local = ".local .align 4 .b8 stack[8];";
    is_right(&format!("{local} st.local.u32 [stack+4], 1; ld.local.u32 %r1, [stack+4];"), 1, 40, &[0]);
    is_found(
        &format!("{local} st.local.u32 [stack+8], 1;"),
        1,
        40,
        &[0],
        &["outside the thread's 8 bytes of local memory"],
    );
}

#[test]
fn addresses_are_multiples_of_the_whole_access() {
    for (line, is_aligned) in [
        ("ld.global.u16 %h1, [%d1+2];", true),
        ("ld.global.u32 %r1, [%d1+2];", false),
        ("ld.global.u64 %d2, [%d1+8];", true),
        ("ld.global.u64 %d2, [%d1+4];", false),
        ("ld.global.v2.u32 {%r1, %r2}, [%d1+8];", true),
        ("ld.global.v2.u32 {%r1, %r2}, [%d1+4];", false),
        ("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d1+16];", true),
        ("ld.global.v4.f32 {%f1, %f2, %f3, %f4}, [%d1+8];", false),
        ("mov.f32 %f1, 0f00000000; st.global.v4.f32 [%d1+8], {%f1, %f1, %f1, %f1};", false),
        ("red.global.add.u32 [%d1+2], 1;", false),
    ] {
        if is_aligned {
            is_right(line, 1, 1, &[0; 16]);
        } else {
            is_found(line, 1, 1, &[0; 16], &["misaligned"]);
        }
    }
}

#[test]
fn what_nobody_wrote_is_not_read() {
    let unwritten = "a read of what nobody wrote";
    is_found(".shared .align 4 .b8 a[8]; ld.shared.u32 %r1, [a];", 1, 1, &[0], &[unwritten]);
    is_found(".shared .align 4 .b8 a[8]; st.shared.u16 [a], 1; ld.shared.u32 %r1, [a];", 1, 1, &[0], &[unwritten]);
    is_found(".local .align 4 .b8 a[8]; ld.local.u32 %r1, [a];", 1, 1, &[0], &[unwritten]);
    // Shared memory of one block is not that of the next.
    let first = ".shared .align 4 .b8 a[8]; mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 1;\n\
                 @%p1 st.shared.u32 [a], 1; ld.shared.u32 %r2, [a];";
    is_found(first, 2, 1, &[0], &[unwritten, "block [0, 0, 0]"]);

    let device = Device::new(&kernel(&["u64"], "ld.param.u64 %d1, [test_param_0]; ld.global.u32 %r1, [%d1];"), 1);
    let launch = |address| device.launch(1, 1, vec![Arg::Address(address)]).err().map(|error| error.to_string());
    let room = device.room(4);
    assert!(launch(room.address()).is_some_and(|message| message.contains(unwritten)));
    device.emulator.clear(room.address(), 4).expect("a clear");
    assert_eq!(launch(room.address()), None);
    // A room that is used again holds nothing.
    let address = room.address();
    drop(room);
    let again = device.room(4);
    assert_eq!(again.address(), address);
    assert!(launch(address).is_some_and(|message| message.contains(unwritten)));
}

#[test]
fn registers_that_nobody_wrote_are_not_read() {
    let unwritten = "a read of a register that nobody wrote";
    for line in [
        "add.s32 %r1, %r2, 1;",
        "st.global.u32 [%d1], %r2;",
        "ld.global.u32 %r1, [%d9];",
        "fma.rn.f32 %f1, %f2, %f2, %f2;",
        "cvt.u64.u32 %d2, %r2;",
        "setp.eq.u32 %p1, %r2, 0;",
        "@%p3 bra END; END:",
        "selp.b32 %r1, 1, 2, %p3;",
        "mov.b64 %d2, {%r1, %r2};",
        "shfl.sync.idx.b32 %r1, %r2, 0, 31, -1;",
        "bar.warp.sync %r2;",
    ] {
        is_found(line, 1, 32, &[0], &[unwritten, "PTX line 8", "thread 0"]);
    }
    // Only some lanes wrote it: the first of the others is named.
    let some = "mov.u32 %r1, %tid.x; setp.lt.u32 %p1, %r1, 5; @%p1 mov.u32 %r2, 1; add.s32 %r3, %r2, 1;";
    is_found(some, 1, 32, &[0], &[unwritten, "thread 5"]);
    // Compilers copy values that mean nothing and then do not use them.
    is_right("mov.u32 %r1, %r2;", 1, 32, &[0]);
    is_found("mov.u32 %r1, %r2; add.s32 %r3, %r1, 1;", 1, 32, &[0], &[unwritten]);
    // A choice reads what it chooses.
    let chosen = "mov.u32 %r1, %tid.x; setp.ge.u32 %p1, %r1, 0; selp.b32 %r3, %r1, %r2, %p1;";
    is_right(chosen, 1, 32, &[0]);
}

#[test]
fn elements_of_vectors_lie_side_by_side() {
    let body = "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1];\n\
                ld.global.v4.u32 {%r1, %r2, %r3, %r4}, [%d1];\n\
                st.global.v2.u32 [%d2], {%r4, %r3}; st.global.v2.u32 [%d2+8], {%r2, %r1};\n\
                ld.global.v2.u64 {%d3, %d4}, [%d1]; st.global.u64 [%d2+16], %d4; st.global.u64 [%d2+24], %d3;\n\
                ld.global.v4.u16 {%h1, %h2, %h3, %h4}, [%d1]; st.global.v4.u16 [%d2+32], {%h4, %h3, %h2, %h1};";
    let device = Device::new(&kernel(&["u64", "u64"], body), 1);
    let (from, to) = (device.words(&[0x10001, 2, 3, 4]), device.room(40));
    device.launch(1, 1, vec![Arg::Address(from.address()), Arg::Address(to.address())]).expect("it is right");
    assert_eq!(device.read(&to), [4, 3, 2, 0x10001, 3, 4, 0x10001, 2, 0x2_0000, 0x10001]);
}

#[test]
fn small_loads_are_extended() {
    let body = "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1];\n\
                ld.global.s8 %r1, [%d1]; st.global.u32 [%d2], %r1; ld.global.u8 %r1, [%d1]; st.global.u32 [%d2+4], %r1;\n\
                ld.global.s16 %r1, [%d1]; st.global.u32 [%d2+8], %r1; ld.global.u16 %r1, [%d1]; st.global.u32 [%d2+12], %r1;\n\
                ld.global.s32 %d3, [%d1]; st.global.u64 [%d2+16], %d3; ld.global.u32 %d3, [%d1]; st.global.u64 [%d2+24], %d3;\n\
                mov.u32 %r1, 0; st.global.u32 [%d2+32], %r1; mov.u32 %r1, 0x12345678; st.global.u8 [%d2+33], %r1;\n\
                ld.global.s8 %h1, [%d1]; shr.u16 %h1, %h1, 4; st.global.u16 [%d2+34], %h1;";
    let device = Device::new(&kernel(&["u64", "u64"], body), 1);
    let (from, to) = (device.words(&[0x9876_fedc]), device.room(36));
    device.launch(1, 1, vec![Arg::Address(from.address()), Arg::Address(to.address())]).expect("it is right");
    let want = [0xffff_ffdc, 0xdc, 0xffff_fedc, 0xfedc, 0x9876_fedc, 0xffff_ffff, 0x9876_fedc, 0, 0x0ffd_7800];
    assert_eq!(device.read(&to), want);
}

#[test]
fn generic_addresses_lead_to_each_memory() {
    let body = ".shared .align 8 .b8 a[8]; .local .align 8 .b8 b[8];\n\
                mov.u64 %d2, a; cvta.shared.u64 %d3, %d2; st.u32 [%d3], 1; ld.shared.u32 %r1, [a];\n\
                cvta.to.shared.u64 %d4, %d3; ld.shared.u32 %r1, [%d4];\n\
                mov.u64 %d2, b; cvta.local.u64 %d3, %d2; st.u32 [%d3+4], 2; ld.local.u32 %r2, [b+4];\n\
                cvta.to.global.u64 %d5, %d1; st.u32 [%d1], 5; ld.global.u32 %r3, [%d5];";
    is_right(body, 1, 1, &[0]);
    is_found(".shared .align 8 .b8 a[8]; mov.u64 %d2, a; st.u32 [%d2], 1;", 1, 1, &[0], &["lie outside"]);
}

#[test]
fn arguments_end() {
    is_found("ld.param.u64 %d2, [test_param_0+8];", 1, 1, &[0], &["bytes 8 to 16 lie behind the arguments"]);
}

#[test]
fn the_host_reaches_what_is_assigned_and_written_only() {
    let device = Device::new(&kernel(&[], ""), 1);
    let (room, other) = (device.room(6), device.room(6));
    let refused = |result: Result<(), tagsmith_device::Error>, part: &str| {
        let message = result.expect_err("it is refused").to_string();
        assert!(message.contains(part), "{message}");
    };
    let emulator = &device.emulator;
    refused(emulator.download(room.address(), &mut [0; 6]), "a download: byte 0 of 6 at");
    emulator.upload(room.address(), &[1, 2, 3]).expect("an upload");
    refused(emulator.download(room.address(), &mut [0; 6]), "byte 3 of 6 at");
    refused(emulator.copy(room.address(), other.address(), 6), "a copy: byte 3 of 6 at");
    emulator.upload(room.address() + 3, &[4, 5, 6]).expect("an upload");
    emulator.copy(room.address(), other.address(), 6).expect("a copy");
    let mut bytes = [0; 6];
    emulator.download(other.address(), &mut bytes).expect("a download");
    assert_eq!(bytes, [1, 2, 3, 4, 5, 6]);
    refused(emulator.upload(room.address(), &[0; 7]), "an upload: 7 bytes");
    refused(emulator.clear(room.address() + 4, 3), "a clear: 3 bytes");
    refused(emulator.copy(room.address(), room.address() + 2, 4), "overlaps itself");
    let address = other.address();
    drop(other);
    device.gpu.release_free_memory();
    refused(emulator.upload(address, &[0]), "lie outside");
}

#[test]
fn variables_of_a_module_begin_as_0_and_keep_what_launches_leave() {
    let body = "mov.u64 %d1, counts; atom.global.add.u32 %r1, [%d1+4], 1; ld.global.u32 %r2, [others];\n\
                ld.param.u64 %d2, [test_param_0]; st.global.u32 [%d2], %r1; st.global.u32 [%d2+4], %r2;";
    let text = |body: &str| {
        let variables = ".global .align 4 .b8 counts[8];\n.visible .global .align 4 .u32 others;\n.visible .entry";
        kernel(&["u64"], body).replacen(".visible .entry", variables, 1)
    };
    let device = Device::new(&text(body), 1);
    let out = device.words(&[9, 9]);
    for launches in 0..3 {
        device.launch(1, 1, vec![Arg::Address(out.address())]).expect("it is right");
        assert_eq!(device.read(&out), [launches, 0]);
    }
    assert_eq!(device.emulator.memory().expect("it has memory").0, (1 << 30) - 512, "only rooms take memory");
    let behind = Device::new(&text("ld.global.u32 %r1, [counts+12];"), 1);
    let error = behind.launch(1, 1, vec![Arg::Address(0)]).unwrap_err().to_string();
    assert!(error.contains("lie outside: byte 12 of the 12 bytes"), "{error}");
}
