//! Where numbers lie, and where operations on them run.

pub use tagsmith_device::Error;
use tagsmith_device::gpu::Gpu;

/// The processor, or a GPU. An operation runs where its first tensor lies.
#[derive(Clone, Debug, Default)]
pub enum Device {
    /// The processor, and the memory of the process.
    #[default]
    Processor,
    /// A GPU, real or emulated, and memory on it.
    Gpu(Gpu),
}
