//! Real GPUs: NVIDIA's driver, cublasLt and NCCL, which are loaded while the program runs. None is needed to build or start it.
//!
//! # What this driver does not do
//! It uses one stream, so copies and kernels do not overlap. It does not wait where a caller need not.

mod allocations;
mod calls;
mod entries;
mod library;
mod products;

pub use library::{Found, FoundNccl, Places};

use crate::error::Error;
use crate::gpu::Driver;
use crate::launch::Launch;
use crate::link::{Key, Link, Message};
use crate::multiply::Multiply;
use allocations::Allocations;
use calls::cublas_lt::{self, CublasLt};
use calls::driver::{self, Context, Kernel, Module, Staging, Stream};
use calls::nccl::{Communicator, Nccl};
use entries::Parameter;
use products::{Products, WORKSPACE};
use std::collections::HashMap;
use std::ffi::CString;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A device, and what computes on it.
#[derive(Clone, Debug)]
pub struct DeviceInfo {
    /// The place in the driver's list.
    pub ordinal: usize,
    /// The name.
    pub name: String,
    /// The memory in bytes.
    pub memory: u64,
    /// The compute capability: (9, 0) is 9.0.
    pub capability: (u32, u32),
    /// The driver, with the version of CUDA that it is of.
    pub driver: Found,
    /// The library cublasLt, or the sentence that says why there is none.
    pub products: Result<Found, String>,
}

/// The least compute capability: that of the kernels' PTX, with bf16 on tensor cores.
pub const LEAST_CAPABILITY: (u32, u32) = (8, 0);

/// The oldest CUDA version whose driver reads the kernels' PTX (version 8.1).
pub const OLDEST_DRIVER: (u32, u32) = (12, 1);

/// Bytes of one piece of pinned memory.
const PIECE: usize = 2 << 20;

/// Pieces of pinned memory: copies of so many pieces may be on their way.
const PIECES: usize = 8;

/// Returns the devices that the driver shows.
///
/// # Errors
/// There is no driver, or it says so of itself or of a device.
pub fn devices(places: &Places) -> Result<Vec<DeviceInfo>, Error> {
    let driver = driver::Driver::load(places)?;
    let products = cublas_lt::find(places, driver.found()).map_err(|error| error.to_string());
    let info = |ordinal| {
        let properties = driver.properties(ordinal)?;
        Ok(DeviceInfo {
            ordinal,
            name: properties.name,
            memory: properties.memory,
            capability: properties.capability,
            driver: driver.found().clone(),
            products: products.clone(),
        })
    };
    (0..driver.count()?).map(info).collect()
}

/// Returns the bytes of device `ordinal` that are free, and all.
///
/// # Errors
/// There is no driver or no such device; what the driver says.
pub fn memory(places: &Places, ordinal: usize) -> Result<(u64, u64), Error> {
    let driver = driver::Driver::load(places)?;
    Context::of(&driver, ordinal)?.memory()
}

/// Returns the NCCL that links GPUs.
///
/// # Errors
/// There is none, it is too old, or it refuses.
pub fn nccl(places: &Places) -> Result<FoundNccl, Error> {
    Nccl::load(places).map(|nccl| nccl.found().clone())
}

/// Makes the key of a new link between GPUs. One process makes it, which then waits for the others.
///
/// # Errors
/// There is no NCCL; what it says.
pub fn link_key(places: &Places) -> Result<Key, Error> {
    Nccl::load(places)?.key()
}

/// A GPU behind NVIDIA's driver.
pub struct Cuda {
    name: String,
    memory: u64,
    slot: String,
    places: Places,
    kernels: Kernels,
    /// What a call changes, in the order of the stream.
    work: Mutex<Work>,
    allocations: Arc<Mutex<Allocations>>,
    // The module and the stream go after all that uses them.
    _module: Module,
    stream: Arc<Stream>,
}

/// Pinned memory and prepared products.
struct Work {
    pieces: Vec<Staging>,
    /// The piece that is used next: the one whose copy was asked for first.
    next: usize,
    products: Products,
}

impl fmt::Debug for Cuda {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Cuda").field("name", &self.name).field("memory", &self.memory).finish_non_exhaustive()
    }
}

/// Opens device `ordinal` and compiles `ptx` for it.
///
/// # Errors
/// The driver or cublasLt is missing or too old; there is no such device; it cannot compute what we need. Memory is too
/// small; what the driver and the library say.
pub fn open(places: &Places, ordinal: usize, ptx: &str) -> Result<Cuda, Error> {
    let driver = driver::Driver::load(places)?;
    let count = driver.count()?;
    if ordinal >= count {
        return Err(Error::Missing(format!("there is no GPU {ordinal}: the driver shows {count}, counted from 0")));
    }
    let properties = driver.properties(ordinal)?;
    refuse(ordinal, &properties, driver.found())?;
    let context = Context::of(&driver, ordinal)?;
    let stream = Stream::of(&context)?;
    let (module, kernels) = compile(&stream, ptx)?;
    let library = CublasLt::load(places, driver.found(), &stream)?;
    let pieces = (0..PIECES).map(|_| Staging::of(&stream, PIECE)).collect::<Result<Vec<_>, _>>()?;
    let mut cuda = Cuda {
        name: properties.name,
        memory: properties.memory,
        slot: properties.slot,
        places: places.clone(),
        kernels,
        work: Mutex::new(Work { pieces, next: 0, products: Products::new(library) }),
        allocations: Arc::default(),
        _module: module,
        stream,
    };
    let workspace = cuda.allocate(WORKSPACE as u64)?;
    cuda.work.get_mut().unwrap_or_else(PoisonError::into_inner).products.set_workspace(workspace);
    Ok(cuda)
}

/// Refuses a device or a driver that is too old.
fn refuse(ordinal: usize, properties: &driver::Properties, driver: &Found) -> Result<(), Error> {
    let (name, (major, minor)) = (&properties.name, properties.capability);
    if properties.capability < LEAST_CAPABILITY {
        return Err(Error::Unsupported(format!(
            "GPU {ordinal}, {name}, has compute capability {major}.{minor}; our kernels need {}.{} or more (Ampere, 2020)",
            LEAST_CAPABILITY.0, LEAST_CAPABILITY.1
        )));
    }
    if driver.version < OLDEST_DRIVER {
        let ((major, minor), (least, least_minor)) = (driver.version, OLDEST_DRIVER);
        return Err(Error::Missing(format!(
            "the driver is of CUDA {major}.{minor}; our kernels need {least}.{least_minor} or more: install driver 530 or later"
        )));
    }
    Ok(())
}

type Kernels = HashMap<String, (Kernel, Vec<Parameter>)>;

/// Compiles PTX and looks its kernels up.
fn compile(stream: &Arc<Stream>, ptx: &str) -> Result<(Module, Kernels), Error> {
    let entries = entries::entries(ptx).map_err(|reason| Error::Fault(format!("the PTX: {reason}")))?;
    let zero = |_| Error::Fault("the PTX holds a zero byte".to_owned());
    let module = Module::of(stream, &CString::new(ptx).map_err(zero)?)?;
    let mut kernels = HashMap::new();
    for entry in entries {
        let kernel = module.kernel(&CString::new(entry.name.as_str()).map_err(zero)?)?;
        kernels.insert(entry.name, (kernel, entry.parameters));
    }
    Ok((module, kernels))
}

/// Locks, also after a panic of another thread: what is locked is whole between two calls.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns a number of bytes as the processor counts them.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

impl Cuda {
    /// Returns the version and file of the library that computes products.
    pub fn products(&self) -> Found {
        lock(&self.work).products.library().found().clone()
    }
}

impl Work {
    fn next_piece(&mut self) -> &mut Staging {
        let piece = self.next;
        self.next = (piece + 1) % self.pieces.len();
        &mut self.pieces[piece]
    }
}

impl Driver for Cuda {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn memory(&self) -> Result<(u64, u64), Error> {
        self.stream.context().memory()
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Error> {
        match self.stream.context().allocate(bytes)? {
            Some(address) => {
                lock(&self.allocations).add(address, bytes);
                Ok(address)
            }
            None => {
                // What is free is told if the driver tells it.
                let (free, all) = self.memory().unwrap_or((0, self.memory));
                Err(Error::OutOfMemory { device: self.name.clone(), asked: bytes, free, all })
            }
        }
    }

    fn assign(&self, _address: u64, _bytes: u64) {}

    fn free(&self, address: u64) {
        // Nobody can be told of an error here; it comes again with the next call.
        if lock(&self.allocations).remove(address) {
            let _ = self.stream.wait();
            let _ = self.stream.context().free(address);
        }
    }

    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        lock(&self.allocations).check("upload", address, bytes.len() as u64)?;
        let mut work = lock(&self.work);
        let mut at = address;
        for part in bytes.chunks(PIECE) {
            work.next_piece().upload(at, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        lock(&self.allocations).check("download", address, out.len() as u64)?;
        let work = &mut *lock(&self.work);
        let mut at = address;
        // All pieces are on their way before the first is waited for.
        for round in out.chunks_mut(PIECE * PIECES) {
            let first = work.next;
            for part in round.chunks(PIECE) {
                work.next_piece().begin(at, part.len())?;
                at += part.len() as u64;
            }
            for (i, part) in round.chunks_mut(PIECE).enumerate() {
                let piece = (first + i) % PIECES;
                work.pieces[piece].finish(part)?;
            }
        }
        if out.is_empty() { self.stream.wait() } else { Ok(()) }
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        lock(&self.allocations).check("clear", address, bytes)?;
        if bytes == 0 { Ok(()) } else { self.stream.clear(address, size(bytes)) }
    }

    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        let allocations = lock(&self.allocations);
        allocations.check("copy, source", from, bytes)?;
        allocations.check("copy, target", to, bytes)?;
        drop(allocations);
        if from < to + bytes && to < from + bytes && bytes > 0 {
            return Err(Error::Fault(format!("copy: {bytes} bytes at {from:#x} and {to:#x} overlap")));
        }
        if bytes == 0 { Ok(()) } else { self.stream.copy(from, to, size(bytes)) }
    }

    fn launch(&self, launch: &Launch) -> Result<(), Error> {
        let name = launch.kernel;
        let Some((kernel, parameters)) = self.kernels.get(name) else {
            return Err(Error::Fault(format!("the PTX has no kernel `{name}`")));
        };
        let fits = parameters.len() == launch.args.len()
            && parameters.iter().zip(&launch.args).all(|(parameter, argument)| parameter.takes(*argument));
        if !fits {
            return Err(Error::Fault(format!(
                "{name}: arguments {:?} do not fit parameters {parameters:?}",
                launch.args
            )));
        }
        let arguments: Vec<u64> = launch.args.iter().map(|&argument| entries::bits(argument)).collect();
        let (grid, block) = (launch.grid, launch.block);
        self.stream.launch(*kernel, grid, block, &arguments).map_err(|error| match error {
            Error::Call { call, code, meaning } => {
                Error::Call { call, code, meaning: format!("{meaning}; `{name}`, blocks {grid:?}, threads {block:?}") }
            }
            error => error,
        })
    }

    fn multiply(&self, multiply: &Multiply) -> Result<(), Error> {
        lock(&self.allocations).check_product(multiply)?;
        lock(&self.work).products.compute(multiply)
    }

    fn wait(&self) -> Result<(), Error> {
        self.stream.wait()
    }

    fn slot(&self) -> Option<String> {
        Some(self.slot.clone())
    }

    fn link(&self, key: &Key, place: usize, members: usize) -> Result<Box<dyn Link>, Error> {
        let communicator = Communicator::of(Nccl::load(&self.places)?, &self.stream, key, place, members)?;
        Ok(Box::new(Linked { communicator, allocations: self.allocations.clone() }))
    }
}

/// A link by NCCL. Its messages are work of the device's one stream.
#[derive(Debug)]
struct Linked {
    communicator: Communicator,
    allocations: Arc<Mutex<Allocations>>,
}

impl Link for Linked {
    fn exchange(&self, messages: &[Message]) -> Result<(), Error> {
        let allocations = lock(&self.allocations);
        for message in messages {
            allocations.check("message", message.address, 4 * message.floats)?;
        }
        drop(allocations);
        self.communicator.exchange(messages)
    }

    fn end(self: Box<Self>) -> Result<(), Error> {
        self.communicator.destroy()
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        let addresses = lock(&self.allocations).take();
        let _ = self.stream.wait();
        // Nobody can be told of an error here.
        addresses.into_iter().for_each(|address| _ = self.stream.context().free(address));
    }
}
