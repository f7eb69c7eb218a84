//! Races: planted ones are found in every order of threads, and orders that the ISA guarantees are not reported.

use crate::harness::{faults, is_found, is_right};

/// A kernel's shared memory, the address of the thread's word in it in `%r2`, and the thread's number in `%r1`.
const SHARED: &str = ".shared .align 16 .b8 words[4096];\n\
    mov.u32 %r1, %tid.x; mov.u32 %r3, words; shl.b32 %r2, %r1, 2; add.s32 %r2, %r3, %r2;\n";

/// Each thread writes its word of shared memory and reads that of another; `between` stands between.
fn exchange(distance: u32, between: &str) -> String {
    format!(
        "{SHARED} st.shared.u32 [%r2], %r1;\n{between}\n\
         xor.b32 %r4, %r1, {distance}; shl.b32 %r4, %r4, 2; add.s32 %r4, %r3, %r4; ld.shared.u32 %r5, [%r4];"
    )
}

#[test]
fn warps_exchange_values_behind_a_barrier_only() {
    is_right(&exchange(32, "bar.sync 0;"), 2, 64, &[0]);
    // Without a barrier the value is not there yet, or there by chance.
    is_found(&exchange(32, ""), 2, 64, &[0], &["test, PTX line 12, block [", "thread "]);
    // A warp's barrier does not order two warps.
    is_found(&exchange(32, "bar.warp.sync 0xffffffff;"), 1, 64, &[0], &["PTX line 12"]);
}

#[test]
fn lanes_exchange_values_behind_a_barrier_of_the_warp_only() {
    is_right(&exchange(1, "bar.warp.sync 0xffffffff;"), 1, 64, &[0]);
    is_right(&exchange(1, "bar.sync 0;"), 1, 64, &[0]);
    is_found(&exchange(1, ""), 1, 32, &[0], &["a race: thread", "writes here"]);
    // The ISA gives a shuffle and a vote no order of memory.
    is_found(&exchange(1, "shfl.sync.idx.b32 %r9, %r1, 0, 31, 0xffffffff;"), 1, 32, &[0], &["a race: thread"]);
    is_found(&exchange(1, "setp.eq.u32 %p1, %r1, 0; vote.sync.any.pred %p2, %p1, -1;"), 1, 32, &[0], &["a race"]);
}

#[test]
fn a_barrier_of_some_lanes_orders_those() {
    // Lanes 0 to 15 and 16 to 31 each meet among themselves.
    let halves = "and.b32 %r6, %r1, 16; setp.eq.u32 %p1, %r6, 0; selp.b32 %r7, 0x0000ffff, 0xffff0000, %p1;\n\
                  bar.warp.sync %r7;";
    is_right(&exchange(1, halves), 1, 32, &[0]);
    is_right(&exchange(8, halves), 1, 32, &[0]);
    is_found(&exchange(16, halves), 1, 32, &[0], &["a race: thread"]);
    // What two halves did comes before what one lane of each does behind a third barrier.
    let chain = format!("{halves}\nbar.warp.sync 0xffffffff;");
    is_right(&exchange(16, &chain), 1, 32, &[0]);
}

#[test]
fn a_value_is_not_written_while_others_read_it() {
    let body = |between: &str| {
        format!(
            "{SHARED} setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [words], 1; bar.sync 0;\n\
             ld.shared.u32 %r5, [words];\n{between}\n@%p1 st.shared.u32 [words], 2;"
        )
    };
    is_right(&body("bar.sync 0;"), 1, 96, &[0]);
    is_right(&body("bar.warp.sync 0xffffffff;"), 1, 32, &[0]);
    is_found(&body(""), 1, 96, &[0], &["a race: thread"]);
    is_found(&body(""), 1, 32, &[0], &["a race: thread", "reads here"]);
    is_found(&body("bar.warp.sync 0xffffffff;"), 1, 64, &[0], &["a race: thread"]);
}

#[test]
fn two_threads_do_not_write_one_place() {
    is_found(&format!("{SHARED} st.shared.u32 [words], %r1;"), 1, 32, &[0], &["a race: thread", "writes here"]);
    is_found("mov.u32 %r1, %tid.x; st.global.u32 [%d1], %r1;", 1, 2, &[0], &["a race: thread", "writes here"]);
    // Bytes side by side are different places.
    let bytes = "mov.u32 %r1, %tid.x; cvt.u64.u32 %d2, %r1; add.s64 %d1, %d1, %d2; st.global.u8 [%d1], %r1;";
    is_right(bytes, 1, 64, &[0; 16]);
    let halves = "mov.u32 %r1, %tid.x; shr.u32 %r2, %r1, 1; shl.b32 %r2, %r2, 1; cvt.u64.u32 %d2, %r2;\n\
                  add.s64 %d1, %d1, %d2; st.global.u8 [%d1], %r1; ld.global.u16 %h1, [%d1];";
    is_found(halves, 1, 64, &[0; 16], &["a race: thread"]);
}

#[test]
fn blocks_do_not_share_what_one_writes() {
    let own = "mov.u32 %r1, %ctaid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d1, %d2;";
    is_right(&format!("{own} st.global.u32 [%d2], 1; ld.global.u32 %r2, [%d2];"), 4, 1, &[0; 4]);
    is_right("ld.global.u32 %r2, [%d1];", 4, 64, &[0; 4]);
    is_found("st.global.u32 [%d1], 1;", 4, 1, &[0], &["a race: another block writes here"]);
    // One block reads what another writes, whichever is first; a barrier does not help.
    let other =
        format!("{own} setp.eq.u32 %p1, %r1, 3; @%p1 st.global.u32 [%d1], 1; bar.sync 0; ld.global.u32 %r2, [%d1];");
    is_found(&other, 4, 32, &[0; 4], &["a race: "]);
    // Two blocks read; the second to read writes as well, ordered after its own read only.
    let late =
        format!("{own} ld.global.u32 %r2, [%d1]; setp.eq.u32 %p1, %r1, 1; bar.sync 0; @%p1 st.global.u32 [%d1], 1;");
    is_found(&late, 2, 1, &[0; 4], &["a race: another block"]);
}

#[test]
fn threads_of_a_block_share_global_memory_behind_a_barrier() {
    let exchange = |between: &str| {
        format!(
            "mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d1, %d2; st.global.u32 [%d2], %r1;\n{between}\n\
             xor.b32 %r2, %r1, 33; mul.wide.u32 %d3, %r2, 4; add.s64 %d3, %d1, %d3; ld.global.u32 %r3, [%d3];"
        )
    };
    is_right(&exchange("bar.sync 0;"), 1, 64, &[0; 64]);
    is_found(&exchange(""), 1, 64, &[0; 64], &["a race: thread"]);
}

#[test]
fn atomic_operations_do_not_race_with_each_other() {
    is_right("red.global.add.u32 [%d1], 1;", 8, 64, &[0]);
    is_right("atom.global.add.u32 %r1, [%d1], 1;", 8, 64, &[0]);
    let shared = format!(
        "{SHARED} setp.eq.u32 %p1, %r1, 0; @%p1 st.shared.u32 [words], 0; bar.sync 0;\n\
         red.shared.add.u32 [words], %r1; bar.sync 0; ld.shared.u32 %r5, [words];"
    );
    is_right(&shared, 2, 96, &[0]);
    let unordered = shared.replacen("bar.sync 0; ld", "ld", 1);
    is_found(&unordered, 1, 96, &[0], &["a race: "]);
    // A plain read beside them races, in the same block and from another.
    is_found("red.global.add.u32 [%d1], 1; ld.global.u32 %r1, [%d1];", 1, 64, &[0], &["a race: "]);
    is_found(
        "red.global.add.u32 [%d1], 1; bar.sync 0; ld.global.u32 %r1, [%d1];",
        2,
        1,
        &[0],
        &["a race: another block"],
    );
    let other_block = "mov.u32 %r1, %ctaid.x; setp.eq.u32 %p1, %r1, 0;\n\
                       @%p1 red.global.add.u32 [%d1], 1; @!%p1 ld.global.u32 %r2, [%d1];";
    is_found(other_block, 2, 1, &[0], &["a race: another block"]);
}

#[test]
fn an_atomic_operation_hides_no_access_before_or_behind_it() {
    // Lane 0 writes, the warp meets, lane 1 adds; `more` stands behind that.
    let added = |more: &str| {
        format!(
            "mov.u32 %r1, %tid.x; setp.eq.u32 %p1, %r1, 0; setp.eq.u32 %p2, %r1, 1; setp.eq.u32 %p3, %r1, 2;\n\
             setp.eq.u32 %p4, %r1, 64; @%p1 st.global.u32 [%d1], 0; bar.warp.sync 0xffffffff;\n\
             @%p2 red.global.add.u32 [%d1], 1;\n{more}"
        )
    };
    is_right(&added("@%p3 red.global.add.u32 [%d1], 1;"), 1, 32, &[0]);
    is_right(&added("bar.warp.sync 0xffffffff; @%p3 ld.global.u32 %r5, [%d1];"), 1, 32, &[0]);
    is_right(&added("bar.sync 0; @%p4 st.global.u32 [%d1], 5;"), 1, 96, &[0]);
    // Nothing orders the addition and what lane 2 does, or lane 0 itself, though the write comes before both.
    for line in ["@%p3 ld.global.u32 %r5, [%d1];", "@%p3 st.global.u32 [%d1], 5;", "@%p1 st.global.u32 [%d1], 5;"] {
        is_found(&added(line), 1, 32, &[0], &["a race: thread"]);
    }
    // The third warp is ordered behind neither.
    for what in ["ld.global.u32 %r5, [%d1];", "st.global.u32 [%d1], 5;", "red.global.add.u32 [%d1], 1;"] {
        is_found(&added(&format!("@%p4 {what}")), 1, 96, &[0], &["a race: "]);
    }
    // One block begins with a write that no barrier of its own orders before the additions of the other.
    let cleared = "mov.u32 %r1, %ctaid.x; mov.u32 %r2, %tid.x; or.b32 %r1, %r1, %r2; setp.eq.u32 %p1, %r1, 0;\n\
                   @%p1 st.global.u32 [%d1], 0; bar.sync 0; red.global.add.u32 [%d1], 1;";
    is_right(cleared, 1, 64, &[0]);
    is_found(cleared, 2, 64, &[0], &["a race: another block"]);
}

#[test]
fn constant_loads_do_not_read_what_the_launch_writes() {
    is_right("ld.global.nc.u32 %r1, [%d1];", 2, 64, &[0]);
    let own = "mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d1, %d2;\n\
               st.global.u32 [%d2], 5; ld.global.nc.u32 %r2, [%d2];";
    is_found(own, 1, 64, &[0; 64], &["`.nc`"]);
    // The order of both does not matter: what the cache holds is not defined then. Nor does a barrier help.
    for (what, between) in
        [("st.global.u32", ""), ("st.global.u32", "bar.sync 0;"), ("red.global.add.u32", "bar.sync 0;")]
    {
        let first = format!(
            "mov.u32 %r1, %tid.x; mul.wide.u32 %d2, %r1, 4; add.s64 %d2, %d1, %d2;\n\
             ld.global.nc.u32 %r2, [%d2]; ld.global.u32 %r3, [%d2]; {between} {what} [%d2], 5;"
        );
        is_found(&first, 1, 64, &[0; 64], &["`.nc`"]);
    }
}

/// Each thread writes its word. The last block to come reads the words of the block before it; the others end. `between`
/// stands before and behind the operation by which blocks meet.
fn meeting(atomic: &str, [before, behind]: [&str; 2]) -> String {
    format!(
        ".shared .align 4 .b8 last[4]; mov.u32 %r1, %tid.x; mov.u32 %r2, %ctaid.x; mov.u32 %r3, %ntid.x; mov.u32 %r4, %nctaid.x;\n\
         mad.lo.s32 %r5, %r2, %r3, %r1; mul.wide.u32 %d2, %r5, 4; add.s64 %d2, %d1, %d2; st.global.u32 [%d2+16], %r5;\n\
         {before} setp.ne.u32 %p1, %r1, 0; @%p1 bra MET;\n\
         sub.u32 %r6, %r4, 1; {atomic} %r7, [%d1], %r6; st.shared.u32 [last], %r7;\n\
         MET: {behind} ld.shared.u32 %r7, [last]; add.u32 %r7, %r7, 1; setp.ne.u32 %p2, %r7, %r4; @%p2 bra END;\n\
         add.u32 %r8, %r2, 1; rem.u32 %r8, %r8, %r4; mad.lo.s32 %r8, %r8, %r3, %r1; mul.wide.u32 %d3, %r8, 4;\n\
         add.s64 %d3, %d1, %d3; ld.global.u32 %r9, [%d3+16]; END:"
    )
}

#[test]
fn the_last_block_to_come_sees_what_the_others_wrote() {
    const BARRIER: &str = "bar.sync 0;";
    let words = [0; 4 + 3 * 64];
    let meets = "atom.acq_rel.gpu.global.inc.u32";
    is_right(&meeting(meets, [BARRIER; 2]), 3, 64, &words);
    let race = ["a race: another block writes here"];
    is_found(&meeting("atom.global.inc.u32", [BARRIER; 2]), 3, 64, &words, &race);
    is_found(&meeting(meets, ["", BARRIER]), 3, 64, &words, &race);
    is_found(&meeting(meets, [BARRIER, "bar.warp.sync 0xffffffff;"]), 3, 32, &words, &race);
    // The emulator asks for both barriers where a block has one thread, too.
    is_right(&meeting(meets, [BARRIER; 2]), 3, 1, &words);
    is_found(&meeting(meets, ["", BARRIER]), 3, 1, &words, &race);
    // Who is not the last to come races with those that come later, and they with it.
    let early = meeting(meets, [BARRIER; 2]).replace("setp.ne.u32 %p2, %r7, %r4", "setp.eq.u32 %p2, %r7, 9");
    is_found(&early, 3, 64, &words, &["a race: another block"]);
    // What is ordered is read once more by `.nc`, whose cache knows no order.
    let constant = meeting(meets, [BARRIER; 2]).replace("ld.global.u32 %r9", "ld.global.nc.u32 %r9");
    is_found(&constant, 3, 64, &words, &["`.nc`"]);
}

#[test]
fn what_a_block_acquired_it_releases_with_its_own() {
    // Block 0 writes and meets block 1 at one word, which meets block 2 at another; blocks come in any order, so whoever
    // comes too early ends.
    let chain = |second: &str| {
        format!(
            "mov.u32 %r2, %ctaid.x; setp.eq.u32 %p1, %r2, 0; setp.eq.u32 %p2, %r2, 1; setp.eq.u32 %p3, %r2, 2;\n\
             @%p1 st.global.u32 [%d1+16], 7; bar.sync 0; @!%p3 atom.acq_rel.gpu.global.add.u32 %r3, [%d1], 1; bar.sync 0;\n\
             @%p1 bra END; @%p3 bra THIRD; setp.ne.u32 %p4, %r3, 1; @%p4 bra END;\n\
             {second} %r4, [%d1+4], 1; bra END;\n\
             THIRD: {second} %r4, [%d1+4], 0; bar.sync 0; setp.ne.u32 %p4, %r4, 1; @%p4 bra END;\n\
             ld.global.u32 %r5, [%d1+16]; END:"
        )
    };
    is_right(&chain("atom.acq_rel.gpu.global.add.u32"), 3, 1, &[0; 8]);
    let found = faults(&chain("atom.global.add.u32"), 3, 1, &[0; 8]);
    // Only the order 0, 1, 2 reaches the last line.
    assert!(
        !found.is_empty() && found.iter().all(|fault| fault.contains("a race: another block writes here")),
        "{found:?}"
    );
}
