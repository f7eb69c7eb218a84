//! Barriers that not all threads reach, and threads that never end.

use crate::harness::{is_found, is_right};

const NUMBER: &str = "mov.u32 %r1, %tid.x; mov.u32 %r9, 0;\n";

#[test]
fn all_threads_of_a_block_reach_a_barrier() {
    is_right(&format!("{NUMBER} bar.sync 0; bar.sync 0;"), 2, 96, &[0]);
    is_right(&format!("{NUMBER} barrier.sync.aligned 3;"), 2, 70, &[0]);
    // A warp ends before it.
    let early = format!("{NUMBER} setp.ge.u32 %p1, %r1, 64; @%p1 ret; bar.sync 0;");
    is_found(&early, 2, 96, &[0], &["PTX line 9", "64 of 96 threads come to the barrier, and the others ended"]);
    is_right(&early, 2, 64, &[0]);
    // Some lanes of a warp end before it, or go around it.
    let lanes = format!("{NUMBER} setp.ge.u32 %p1, %r1, 30; @%p1 ret; bar.sync 0;");
    is_found(&lanes, 1, 32, &[0], &["30 of 32 threads come to the barrier"]);
    let around = format!("{NUMBER} setp.lt.u32 %p1, %r1, 30; @%p1 bar.sync 0;");
    is_found(&around, 1, 32, &[0], &["30 of 32 threads come to the barrier"]);
}

#[test]
fn all_threads_wait_at_one_barrier() {
    let branches = format!("{NUMBER} setp.lt.u32 %p1, %r1, 16; @%p1 bra A;\nbar.sync 0; bra B; A:\nbar.sync 0; B:");
    is_found(&branches, 1, 32, &[0], &["the barrier is not the one in line "]);
    // Warps that run a loop a different number of times.
    let trips = format!(
        "{NUMBER} shr.u32 %r2, %r1, 5; LOOP:\nbar.sync 0; setp.eq.u32 %p1, %r2, 0; sub.s32 %r2, %r2, 1; @!%p1 bra LOOP;"
    );
    is_right(&trips, 1, 32, &[0]);
    is_found(&trips, 1, 64, &[0], &["32 of 64 threads come to the barrier"]);
    let numbers = format!("{NUMBER} shr.u32 %r2, %r1, 5; bar.sync %r2;");
    is_right(&numbers, 1, 32, &[0]);
    is_found(&numbers, 1, 64, &[0], &["the number of the barrier is 1"]);
}

#[test]
fn all_named_lanes_reach_a_warp_s_operation() {
    let part = |line: &str| format!("{NUMBER} setp.ge.u32 %p1, %r1, 30; @%p1 ret;\n{line}");
    for line in [
        "bar.warp.sync 0xffffffff;",
        "shfl.sync.bfly.b32 %r2, %r1, 1, 31, 0xffffffff;",
        "vote.sync.all.pred %p2, %p1, 0xffffffff;",
        "redux.sync.add.s32 %r2, %r1, 0xffffffff;",
    ] {
        // Lanes that arrive before others end find out later, by another message.
        is_found(&part(line), 1, 32, &[0], &["thread 0: ", "lane 30"]);
        is_right(&part(&line.replace("0xffffffff", "0x3fffffff")), 1, 32, &[0]);
    }
    is_found(&part("bar.warp.sync 0xffffffff;"), 1, 32, &[0], &["lane 30", "ended"]);
    // Lanes that the block does not have.
    let missing = format!("{NUMBER} bar.warp.sync 0xffffffff;");
    is_right(&missing, 1, 64, &[0]);
    is_found(&missing, 1, 40, &[0], &["thread 32: lane 8 of the warp is named and is not a thread of the block"]);
    // A lane that does not name itself.
    let others = format!("{NUMBER} bar.warp.sync 0x0000ffff;");
    is_found(&others, 1, 32, &[0], &["without the thread's own"]);
}

#[test]
fn lanes_meet_at_one_instruction() {
    let branches = format!(
        "{NUMBER} setp.lt.u32 %p1, %r1, 16; @%p1 bra A;\nshfl.sync.idx.b32 %r2, %r1, 0, 31, -1; bra B; A:\n\
         shfl.sync.idx.b32 %r2, %r1, 0, 31, -1; B:"
    );
    is_found(&branches, 1, 32, &[0], &["the operation of a warp names lane", "which waits at line"]);
    let barrier =
        format!("{NUMBER} setp.lt.u32 %p1, %r1, 16; @%p1 bra A;\nbar.sync 0; bra B; A:\nbar.warp.sync -1; B:");
    is_found(&barrier, 1, 32, &[0], &["names lane 16, which waits at the block's barrier"]);
    // Lanes that took different ways meet again.
    let again = format!(
        "{NUMBER} setp.lt.u32 %p1, %r1, 16; @%p1 bra A;\nadd.s32 %r9, %r9, 1; bra B; A:\nadd.s32 %r9, %r9, 2; B:\n\
         shfl.sync.idx.b32 %r2, %r9, 0, 31, -1;"
    );
    is_right(&again, 1, 32, &[0]);
}

#[test]
fn endless_loops_are_stopped() {
    is_found("AGAIN: bra AGAIN;", 1, 32, &[0], &["PTX line 8", "an endless loop?"]);
    // One thread waits for what another never writes.
    let waits = "AGAIN: ld.global.u32 %r1, [%d1]; setp.eq.u32 %p1, %r1, 0; @%p1 bra AGAIN;";
    is_found(waits, 1, 1, &[0], &["an endless loop?"]);
    is_right(waits, 1, 1, &[1]);
}

#[test]
fn whole_numbers_are_not_divided_by_zero() {
    is_found(&format!("{NUMBER} div.s32 %r2, 7, %r1;"), 1, 32, &[0], &["thread 0: an integer is divided by 0"]);
    let guarded = format!("{NUMBER} setp.ne.u32 %p1, %r1, 0; @%p1 rem.u32 %r2, 7, %r1;");
    is_right(&guarded, 1, 32, &[0]);
}
