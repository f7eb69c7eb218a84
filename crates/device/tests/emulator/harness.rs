//! Kernels for tests: a few lines of PTX in a frame.

use tagsmith_device::Error;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::{Driver, Gpu, Room};
use tagsmith_device::launch::{Arg, Launch};
use tagsmith_device::traffic::Traffic;

/// Seeds of the orders in which tests run threads.
pub const SEEDS: std::ops::Range<u64> = 0..8;

/// Returns PTX text with a kernel `test` of these parameters and this body. Registers of each type are declared:
/// `%p` pred, `%h` b16, `%r` b32, `%d` b64, `%f` f32, `%g` f64.
pub fn kernel(parameters: &[&str], body: &str) -> String {
    let parameters: Vec<String> =
        parameters.iter().enumerate().map(|(i, ty)| format!(".param .{ty} test_param_{i}")).collect();
    format!(
        ".version 8.1\n.target sm_80\n.address_size 64\n.visible .entry test({})\n{{\n\
         .reg .pred %p<50>; .reg .b16 %h<50>; .reg .b32 %r<50>; .reg .b64 %d<50>; .reg .f32 %f<50>; .reg .f64 %g<50>;\n\
         {body}\nret;\n}}\n",
        parameters.join(", ")
    )
}

/// An emulated GPU with rooms.
pub struct Device {
    pub emulator: Emulator,
    pub gpu: Gpu,
}

impl Device {
    /// Makes a device with a PTX text.
    #[track_caller]
    pub fn new(ptx: &str, seed: u64) -> Device {
        // A budget that tests of endless loops reach soon.
        let emulator = Emulator::with_limits(ptx, seed, 1 << 30, 1_000_000);
        let emulator = emulator.unwrap_or_else(|error| panic!("{error}\n{ptx}"));
        Device { gpu: Gpu::new(Box::new(emulator.clone())), emulator }
    }

    /// Makes room for some bytes that nobody wrote.
    pub fn room(&self, bytes: usize) -> Room {
        let room = self.gpu.room(bytes as u64);
        self.gpu.check().expect("there is enough memory");
        room
    }

    /// Makes room with 32-bit words.
    pub fn words(&self, words: &[u32]) -> Room {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let room = self.room(bytes.len());
        self.emulator.upload(room.address(), &bytes).expect("an upload");
        room
    }

    /// Makes room with 64-bit words.
    pub fn long_words(&self, words: &[u64]) -> Room {
        let halves: Vec<u32> = words.iter().flat_map(|word| [*word as u32, (word >> 32) as u32]).collect();
        self.words(&halves)
    }

    /// Launches the kernel `test`.
    pub fn launch(&self, grid: u32, block: u32, args: Vec<Arg>) -> Result<(), Error> {
        self.emulator.launch(&Launch {
            kernel: "test",
            grid: [grid, 1, 1],
            block: [block, 1, 1],
            args,
            traffic: Traffic::default(),
        })
    }

    /// Reads a room as 32-bit words.
    pub fn read(&self, room: &Room) -> Vec<u32> {
        let mut bytes = vec![0; room.bytes() as usize];
        self.emulator.download(room.address(), &mut bytes).expect("a download");
        bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes"))).collect()
    }

    /// Reads a room as 64-bit words.
    pub fn read_long(&self, room: &Room) -> Vec<u64> {
        self.read(room).chunks_exact(2).map(|half| u64::from(half[0]) | u64::from(half[1]) << 32).collect()
    }
}

/// Runs an instruction once a row. A row's four values are in `%d10` to `%d13`, their lowest bits in `%h10`, `%r10`,
/// `%f10`, `%g10` and so on. The result is what the instruction leaves in `%d0`.
#[track_caller]
pub fn compute(instruction: &str, rows: &[[u64; 4]]) -> Vec<u64> {
    let loads: String = (0..4)
        .map(|i| {
            let n = 10 + i;
            format!(
                "ld.global.u64 %d{n}, [%d1+{}]; cvt.u32.u64 %r{n}, %d{n}; cvt.u16.u64 %h{n}, %d{n}; \
                 mov.b32 %f{n}, %r{n}; mov.b64 %g{n}, %d{n};\n",
                8 * i
            )
        })
        .collect();
    let body = format!(
        "ld.param.u64 %d1, [test_param_0]; ld.param.u64 %d2, [test_param_1]; ld.param.u32 %r1, [test_param_2];\n\
         mov.u32 %r2, %tid.x; mov.u32 %r3, %ctaid.x; mov.u32 %r4, %ntid.x; mad.lo.s32 %r2, %r3, %r4, %r2;\n\
         setp.ge.u32 %p1, %r2, %r1; @%p1 bra DONE;\n\
         mul.wide.u32 %d3, %r2, 32; add.s64 %d1, %d1, %d3; mul.wide.u32 %d3, %r2, 8; add.s64 %d2, %d2, %d3;\n\
         {loads}{instruction}\nst.global.u64 [%d2], %d0;\nDONE:"
    );
    let device = Device::new(&kernel(&["u64", "u64", "u32"], &body), 7);
    let input = device.long_words(rows.as_flattened());
    let output = device.room(8 * rows.len());
    let args = vec![Arg::Address(input.address()), Arg::Address(output.address()), Arg::I32(rows.len() as i32)];
    let launched = device.launch(rows.len().div_ceil(64) as u32, 64, args);
    launched.unwrap_or_else(|error| panic!("{instruction}: {error}"));
    device.read_long(&output)
}

/// Checks an instruction against its definition, on rows of values.
#[track_caller]
pub fn check(instruction: &str, rows: &[[u64; 4]], wanted: impl Fn([u64; 4]) -> u64) {
    for (row, got) in rows.iter().zip(compute(instruction, rows)) {
        let want = wanted(*row);
        assert_eq!(got, want, "{instruction} of {row:x?}: {got:#x} instead of {want:#x}");
    }
}

/// All rows of four values of a list, or a sample of them that is always the same.
pub fn rows(values: &[u64]) -> Vec<[u64; 4]> {
    let mut rows = Vec::new();
    for (i, &a) in values.iter().enumerate() {
        for (j, &b) in values.iter().enumerate() {
            let at = |k: usize| values[(7 * i + 3 * j + k) % values.len()];
            rows.push([a, b, at(1), at(2)]);
            rows.push([a, b, at(5), at(3)]);
        }
    }
    rows
}

/// Runs a kernel without results under several orders, and returns the faults.
#[track_caller]
pub fn faults(body: &str, grid: u32, block: u32, words: &[u32]) -> Vec<String> {
    let ptx = kernel(&["u64"], &format!("ld.param.u64 %d1, [test_param_0];\n{body}"));
    let run = |seed| {
        let device = Device::new(&ptx, seed);
        let room = device.words(words);
        device.launch(grid, block, vec![Arg::Address(room.address())]).err().map(|error| error.to_string())
    };
    SEEDS.filter_map(run).collect()
}

/// Checks that a fault is found whatever the order, and that its message names it.
#[track_caller]
pub fn is_found(body: &str, grid: u32, block: u32, words: &[u32], parts: &[&str]) {
    let found = faults(body, grid, block, words);
    assert_eq!(found.len(), SEEDS.count(), "{body}: {found:?}");
    for message in found {
        for part in parts {
            assert!(message.contains(part), "`{part}` is not in: {message}");
        }
    }
}

/// Checks that nothing is found whatever the order.
#[track_caller]
pub fn is_right(body: &str, grid: u32, block: u32, words: &[u32]) {
    assert_eq!(faults(body, grid, block, words), [""; 0], "{body}");
}
