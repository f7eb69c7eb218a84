//! The self-test: an emulated GPU passes it, and a fault in any kernel fails it.

use std::collections::BTreeSet;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::PTX;
use tagsmith_kernel::Device;
use tagsmith_kernel::trial::case::Failure;
use tagsmith_kernel::trial::self_test;

const ENTRY: &str = ".visible .entry ";

fn gpu(emulator: &Emulator) -> Device {
    Device::Gpu(Gpu::new(Box::new(emulator.clone())))
}

fn emulator(ptx: &str) -> Emulator {
    Emulator::new(ptx, 1).expect("the emulator knows our kernels")
}

/// Kernels that no trial launches: no operation does yet, or it has no trial.
const IDLE: &[&str] = &["to_f32", "dots_bf16", "product_f32", "product_bf16"];

#[test]
fn the_emulated_gpu_passes_and_launches_every_kernel() {
    let emulator = emulator(PTX);
    self_test(&gpu(&emulator)).unwrap_or_else(|failure| panic!("{failure}"));
    let launched: BTreeSet<String> = emulator.work().into_iter().map(|work| work.name).collect();
    let entries = PTX.split(ENTRY).skip(1).filter_map(|entry| entry.split('(').next());
    let idle: Vec<&str> = entries.filter(|name| !launched.contains(*name)).collect();
    assert_eq!(idle, IDLE);
}

/// Returns the PTX with the last `old` of a kernel in another form.
fn mutated(kernel: &str, old: &str, new: &str) -> String {
    let start = PTX.find(&format!("{ENTRY}{kernel}(")).expect("there is such a kernel");
    let end = PTX[start + 1..].find(ENTRY).map_or(PTX.len(), |next| start + 1 + next);
    let at = PTX[start..end].rfind(old).unwrap_or_else(|| panic!("{kernel} has no {old}"));
    [&PTX[..start + at], new, &PTX[start + at + old.len()..]].concat()
}

/// The emulator does not find such a fault itself: it computes what it is told.
#[test]
fn a_fault_in_a_kernel_is_found() {
    for (kernel, old, new) in [
        ("segment_sums_f32", "add.f32", "sub.f32"),
        ("layer_norm_f32", "sub.f32", "add.f32"),
        ("layer_norm_backward_bf16", "mul.f32", "add.f32"),
        ("layer_norm_sums_f32", "sub.f32", "add.f32"),
        ("column_sums_bf16", "add.f32", "sub.f32"),
        ("rotary_bf16", "sub.f32", "add.f32"),
        ("activation_f32", "mul.f32", "add.f32"),
        ("activation_backward_bf16", "sub.f32", "add.f32"),
        ("gated_backward_f32", "add.f32", "sub.f32"),
        ("attention_32", "add.f32", "sub.f32"),
        ("attention_backward_queries_64", "mul.f32", "add.f32"),
        ("attention_backward_keys_128", "sub.f32", "add.f32"),
        ("attention_f32", "mul.f32", "add.f32"),
        ("attention_deltas_bf16", "add.f32", "sub.f32"),
        ("attention_backward_distances_f32", "mul.f32", "add.f32"),
        ("span_sum_bf16", "add.f32", "sub.f32"),
        ("pool_backward_f32", "mul.f32", "add.f32"),
        ("normalize_backward_f32", "sub.f32", "add.f32"),
        ("scale_bf16", "mul.f32", "add.f32"),
        ("cross_entropy_f32", "sub.f64", "add.f64"),
        ("dots_f32", "add.f64", "sub.f64"),
        ("adamw", "sub.rn.f32", "add.rn.f32"),
    ] {
        let found = self_test(&gpu(&emulator(&mutated(kernel, old, new))));
        assert!(matches!(found, Err(Failure::Differs { .. })), "{kernel}: {old} is {new}: {found:?}");
    }
}

/// A kernel that returns at once leaves what nobody wrote; a real GPU would leave old numbers.
#[test]
fn an_error_of_the_device_fails_the_test() {
    let start = PTX.find(&format!("{ENTRY}layer_norm_f32(")).expect("there is such a kernel");
    let at = start + PTX[start..].find("\n{\n").expect("it has a body") + 3;
    let ptx = [&PTX[..at], "\tret;\n", &PTX[at..]].concat();
    let failure = self_test(&gpu(&emulator(&ptx))).unwrap_err();
    assert!(matches!(failure, Failure::Device(_)) && failure.to_string().contains("never written"), "{failure}");
}
