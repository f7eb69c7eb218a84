//! Where numbers lie, and where operations on them run.

pub use tagsmith_device::Error;
pub use tagsmith_device::asked::{Asked, Work};
pub use tagsmith_device::cuda::{DeviceInfo, Found, FoundNccl, Places, chunks, devices, link_key, memory, nccl};
pub use tagsmith_device::link::Key;
pub use tagsmith_device::recorder::Recorder;

use tagsmith_device::cuda;
use tagsmith_device::emulator::Emulator;
use tagsmith_device::gpu::Gpu;
use tagsmith_device::kernels::PTX;

/// The processor, or a GPU. An operation runs where its first tensor lies.
#[derive(Clone, Debug, Default)]
pub enum Device {
    /// The processor, and the memory of the process.
    #[default]
    Processor,
    /// A GPU, real or emulated, and memory on it.
    Gpu(Gpu),
}

impl Device {
    /// Returns an emulated GPU, which runs the kernels of real ones on the processor and finds what is wrong in them. The
    /// seed decides the order in which its threads run; no result depends on it.
    ///
    /// # Errors
    /// Kernels with instructions that the emulator does not know.
    pub fn emulated(seed: u64) -> Result<Device, Error> {
        Ok(Device::Gpu(Gpu::new(Box::new(Emulator::new(PTX, seed)?))))
    }

    /// Returns the GPU's name, as its driver gives it, or `cpu`.
    pub fn name(&self) -> String {
        match self {
            Device::Processor => "cpu".to_owned(),
            Device::Gpu(gpu) => gpu.driver().name(),
        }
    }

    /// Returns a GPU with `memory` bytes that does nothing, and the record of what it is asked for. Results that are read
    /// from it are 0.
    pub fn recorded(memory: u64) -> (Device, Recorder) {
        let recorder = Recorder::new(memory);
        (Device::Gpu(Gpu::new(Box::new(recorder.clone()))), recorder)
    }

    /// Returns the bytes of a GPU that are free; `None` for the processor, whose system says that.
    ///
    /// # Errors
    /// What the driver says.
    pub fn free_memory(&self) -> Result<Option<u64>, Error> {
        match self {
            Device::Processor => Ok(None),
            Device::Gpu(gpu) => gpu.driver().memory().map(|(free, _)| Some(free)),
        }
    }

    /// Opens GPU `ordinal` of the driver's list. The libraries are looked for in `places`.
    ///
    /// # Errors
    /// The driver or a library is missing or too old; there is no such GPU; it cannot compute what is needed, or fails.
    pub fn cuda(places: &Places, ordinal: usize) -> Result<Device, Error> {
        Ok(Device::Gpu(Gpu::new(Box::new(cuda::open(places, ordinal, PTX)?))))
    }

    /// Returns what a user should know of how a GPU works, if there is something.
    pub fn remark(&self) -> Option<String> {
        match self {
            Device::Processor => None,
            Device::Gpu(gpu) => gpu.driver().remark(),
        }
    }

    /// Returns where a GPU is plugged into its machine; `None` for one that no other process can have.
    pub fn slot(&self) -> Option<String> {
        match self {
            Device::Processor => None,
            Device::Gpu(gpu) => gpu.driver().slot(),
        }
    }

    /// Links a GPU, as member `place` of `members`, to those of the other processes that call this with the same key. From
    /// then on [`exchange`](crate::memory::messages::exchange) reaches them. It waits for all of them.
    ///
    /// # Errors
    /// The device has no links; what the library says.
    pub fn link(&self, key: &Key, place: usize, members: usize) -> Result<(), Error> {
        match self {
            Device::Processor => Err(Error::Unsupported("a processor has no links to GPUs".to_owned())),
            Device::Gpu(gpu) => gpu.link(key, place, members),
        }
    }

    /// Returns whether this is a GPU that is linked to others.
    pub fn is_linked(&self) -> bool {
        matches!(self, Device::Gpu(gpu) if gpu.is_linked())
    }

    /// Ends the link of a GPU, if there is one, after all its work. All members of the link call this.
    ///
    /// # Errors
    /// The device's first error; what the library says.
    pub fn unlink(&self) -> Result<(), Error> {
        match self {
            Device::Processor => Ok(()),
            Device::Gpu(gpu) => gpu.unlink(),
        }
    }

    /// Waits until all work that was asked for is done.
    ///
    /// # Errors
    /// The device's first error.
    pub fn wait(&self) -> Result<(), Error> {
        match self {
            Device::Processor => Ok(()),
            Device::Gpu(gpu) => gpu.wait(),
        }
    }

    /// Returns the device's first error, if it is known already. It waits for nothing.
    ///
    /// # Errors
    /// The device's first error.
    pub fn check(&self) -> Result<(), Error> {
        match self {
            Device::Processor => Ok(()),
            Device::Gpu(gpu) => gpu.check(),
        }
    }
}
