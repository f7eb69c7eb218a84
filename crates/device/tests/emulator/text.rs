//! PTX text: what is not known is a located error, and nothing panics.

use crate::harness::kernel;
use tagsmith_device::emulator::Emulator;

fn refused(ptx: &str) -> String {
    Emulator::new(ptx, 0).expect_err(ptx).to_string()
}

#[test]
fn what_the_emulator_does_not_know_is_named_with_its_line() {
    for (line, part) in [
        ("add.cc.u32 %r1, %r2, %r3;", "no `add.cc.u32` yet"),
        ("add.sat.s32 %r1, %r2, %r3;", "no `add.sat.s32` yet"),
        ("fma.rn.bf16x2 %r1, %r2, %r3, %r4;", "no `fma.rn.bf16x2` yet"),
        ("add.f16 %h1, %h2, %h3;", "no `add.f16` yet"),
        ("div.rz.f32 %f1, %f2, %f3;", "no `div.rz.f32` yet"),
        ("sqrt.rm.f32 %f1, %f2;", "no `sqrt.rm.f32` yet"),
        ("ld.volatile.global.u32 %r1, [%d1];", "no `ld.volatile.global.u32` yet"),
        ("ld.acquire.gpu.global.u32 %r1, [%d1];", "no `ld.acquire.gpu.global.u32` yet"),
        ("atom.acq_rel.sys.global.add.u32 %r1, [%d1], 1;", "no `atom.acq_rel.sys.global.add.u32` yet"),
        ("atom.acq_rel.gpu.shared.add.u32 %r1, [%r2], 1;", "no `atom.acq_rel.gpu.shared.add.u32` yet"),
        ("atom.acquire.gpu.global.add.u32 %r1, [%d1], 1;", "no `atom.acquire.gpu.global.add.u32` yet"),
        ("mov.u64 %d1, table;", "no `table` yet"),
        ("atom.cta.global.add.u32 %r1, [%d1], 1;", "no `atom.cta.global.add.u32` yet"),
        ("membar.gl;", "no `membar.gl` yet"),
        ("bar.arrive 0, 64;", "no `bar.arrive` yet"),
        ("bar.sync 0, 64;", "no `bar.sync` yet"),
        ("barrier.sync 0;", "no `barrier.sync` yet"),
        ("prmt.b32.f4e %r1, %r2, %r3, %r4;", "no `prmt.b32.f4e` yet"),
        (
            "mma.sync.aligned.m16n8k8.row.col.f32.bf16.bf16.f32 {%f1, %f2, %f3, %f4}, {%r1, %r2}, {%r3}, {%f1, %f2, %f3, %f4};",
            "no `mma",
        ),
        ("call.uni (%r1), f, (%r2);", "no `call.uni` yet"),
        ("trap;", "no `trap` yet"),
        ("ld.global.v4.u64 {%d1, %d2, %d3, %d4}, [%d1];", "no `ld.global.v4.u64` yet"),
        ("st.global.v4.f64 [%d1], {%g1, %g1, %g1, %g1};", "no `st.global.v4.f64` yet"),
        ("mov.u32 %r1, %clock;", "no `%clock` yet"),
        (".branchtargets A;", "no `.branchtargets` yet"),
        (".reg .f16 %x;", "no registers of type `.f16` yet"),
    ] {
        assert!(refused(&kernel(&["u64"], line)).starts_with("PTX line 7: "), "{line}");
        let message = refused(&kernel(&["u64"], line));
        assert!(message.contains(part), "{line}: {message}");
    }
    let table = ".global .align 8 .b8 table[8] = {1, 2, 3};\n.visible";
    let with_values = kernel(&["u64"], "mov.u64 %d1, table;").replacen(".visible", table, 1);
    assert_eq!(refused(&with_values), "PTX line 8: no `table` yet: it is neither a register nor the kernel's variable");
    assert_eq!(refused(".version 8.1\n.func f() { ret; }"), "PTX line 2: no `.func` yet");
    assert_eq!(refused(".version 8.1\n.address_size 32"), "PTX line 2: no addresses of another size than 64 yet");
}

#[test]
fn operands_fit_their_instructions() {
    for (line, part) in [
        ("add.s32 %d1, %r2, %r3;", "`%d1` has 64 bits, the instruction takes 32"),
        ("add.s32 %r1, %h2, %r3;", "`%h2` has 16 bits, the instruction takes 32"),
        ("mul.wide.s32 %r1, %r2, %r3;", "`%r1` has 32 bits, the instruction takes 64"),
        ("add.s32 %r1, %r2;", "three operands"),
        ("add.s32 %r1, %r2, %x3;", "`%x3`"),
        ("add.s32 %r1, %r2, %r50;", "`%r50`"),
        ("add.s32 5, %r2, %r3;", "a result is not a register"),
        ("setp.eq.s32 %r1, %r2, %r3;", "`%r1` is not a register of type pred"),
        ("@%r1 bra END; END:", "`%r1` is not a register of type pred"),
        ("bra NOWHERE;", "`NOWHERE` is not a label"),
        ("ld.global.v4.u32 {%r1, %r2}, [%d1];", "not a vector of 4"),
        ("st.global.u32 %d1, %r1;", "not an address"),
        ("ld.param.u64 %d1, [other];", "`other` is not a parameter"),
        ("ld.param.u64 %d1, [test_param_0+9223372036854775807];", "leads outside"),
        (".shared .align 9223372036854775808 .b8 a[1];", "not an alignment"),
        (".shared .align 3 .b8 a[1];", "not an alignment"),
        (".local .b64 a[9223372036854775807][9223372036854775807];", "variable `a` has 18446744073709551615 bytes"),
        ("mov.u32 %r1, 12x;", "`12x` is not a number"),
        ("mov.u32 %r1 %r2;", "stands where the instruction should end"),
        ("A: A: ret;", "label `A` occurs twice"),
        ("cp.async.cg.shared.global [%r1], [%d1], 8;", "8 bytes are not copied"),
        (".shared .align 4 .b8 huge[49153];", "49153 bytes of shared"),
    ] {
        let message = refused(&kernel(&["u64"], line));
        assert!(message.starts_with("PTX line ") && message.contains(part), "{line}: {message}");
    }
    for align in ["0", "3", "4294967296"] {
        let message = refused(&kernel(&[&format!("align {align} .b8")], "").replace("param_0", "param_0[24]"));
        assert_eq!(message, format!("PTX line 4: {align} is not an alignment of a parameter"));
    }
}

/// A text with everything that a kernel has.
fn sample() -> String {
    let body = "// a comment\n.shared .align 4 .b8 a[8][4];\n.local .align 8 .b8 b[16];\n.loc 1 2 3\n.pragma \"nounroll\";\n\
                ld.param.u64 %d1, [test_param_0];\n{ .reg .pred q; .reg .b32 t; setp.eq.s32 q, %r1, -5; @!q mov.b32 t, 0x10; }\n\
                $L__BB0_1:\nmov.f32 %f1, 0f3F800000; /* another\ncomment */ mov.f64 %g1, 0d3FF0000000000000;\n\
                ld.global.v2.u32 {%r1, %r2}, [%d1+-16]; shfl.sync.up.b32 %r3|%p3, %r1, 1, 0, -1;\n\
                @%p3 bra.uni $L__BB0_1; mov.b32 {%h1, _}, %r3; st.shared.u32 [a+12], %r3;";
    let mut text = kernel(&["u64", "f32"], body);
    text.push_str(".global .align 8 .b8 table[8] = {1, 2, 3};\n.visible .entry other() .maxntid 32, 1, 1 { ret; }\n");
    text
}

#[test]
fn a_text_with_scopes_comments_and_tables_is_read() {
    let emulator = Emulator::new(&sample(), 0).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(emulator.kernels(), ["other", "test"]);
    // A name ends with its braces.
    let outside = kernel(&["u64"], "{ .reg .b32 t; mov.b32 t, 1; } mov.b32 %r1, t;");
    assert!(refused(&outside).contains("`t`"));
    let twice = sample().replace("entry other", "entry test");
    assert!(refused(&twice).contains("kernel `test` occurs twice"));
}

#[test]
fn no_damaged_text_panics() {
    let sample = sample();
    let mut state = 1u64;
    let mut random = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let signs = [
        "{", "}", "[", "]", "(", ")", ";", ",", ":", "|", "<", ">", "@", "!", "-", "+", ".", "\"", "/*", "%r", "9",
        "u64", "é",
    ];
    let mut read = 0;
    for round in 0..20_000 {
        let mut text: Vec<char> = sample.chars().collect();
        for _ in 0..=round % 4 {
            let at = random(text.len());
            match random(3) {
                0 => text.truncate(at.max(1)),
                1 => drop(text.drain(at..(at + 1 + random(6)).min(text.len()))),
                _ => drop(text.splice(at..at, signs[random(signs.len())].chars())),
            }
            if text.is_empty() {
                text.push(' ');
            }
        }
        let text: String = text.into_iter().collect();
        read += usize::from(Emulator::new(&text, 0).is_ok());
    }
    assert!(read > 100, "{read} texts were read");
}
