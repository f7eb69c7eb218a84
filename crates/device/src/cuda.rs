//! Real GPUs: NVIDIA's driver, cublasLt and NCCL, which are loaded while the program runs. None is needed to build or start it.
//!
//! # What this driver does not do
//! It uses one stream, so copies and kernels do not overlap. It does not wait where a caller need not.
//!
//! Work is collected and passed on in chunks ([`chunks`]), which become graphs where they repeat. So an error of a call may be
//! told at a later ask, by the next download or wait at the latest.

mod allocations;
mod calls;
pub mod chunks;
mod entries;
mod library;
mod products;
mod worker;

pub use library::{Found, FoundNccl, Places};

use crate::asked::Work;
use crate::error::Error;
use crate::gpu::Driver;
use crate::launch::Launch;
use crate::link::{Key, Link, Message};
use crate::multiply::Multiply;
use allocations::Allocations;
use calls::cublas_lt::{self, CublasLt};
use calls::driver::{self, Context, Stream};
use calls::module::Module;
use calls::nccl::{Communicator, Nccl};
use calls::staging::Staging;
use products::{Products, WORKSPACE};
use std::ffi::CString;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use worker::{Kernels, Worker};

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
    /// What a call changes, in the order of the stream. It is locked before the allocations, where both are.
    host: Arc<Mutex<Host>>,
    allocations: Arc<Mutex<Allocations>>,
    // The module and the stream go after all that uses them.
    _module: Module,
    stream: Arc<Stream>,
}

/// Work that was not passed on yet, and pinned memory.
struct Host {
    worker: Worker,
    pieces: Vec<Staging>,
    /// The piece that is used next: the one whose copy was asked for first.
    next: usize,
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
    let worker = Worker::new(stream.clone(), kernels, Products::new(library), properties.memory);
    let cuda = Cuda {
        name: properties.name,
        memory: properties.memory,
        slot: properties.slot,
        places: places.clone(),
        host: Arc::new(Mutex::new(Host { worker, pieces, next: 0 })),
        allocations: Arc::default(),
        _module: module,
        stream,
    };
    let workspace = cuda.allocate(WORKSPACE as u64)?;
    lock(&cuda.host).worker.products().set_workspace(workspace);
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

/// Compiles PTX and looks its kernels up.
fn compile(stream: &Arc<Stream>, ptx: &str) -> Result<(Module, Kernels), Error> {
    let entries = entries::entries(ptx).map_err(|reason| Error::Fault(format!("the PTX: {reason}")))?;
    let zero = |_| Error::Fault("the PTX holds a zero byte".to_owned());
    let module = Module::of(stream, &CString::new(ptx).map_err(zero)?)?;
    let mut kernels = Kernels::new();
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

impl Cuda {
    /// Returns the version and file of the library that computes products.
    pub fn products(&self) -> Found {
        lock(&self.host).worker.products().library().found().clone()
    }
}

impl Host {
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
        let context = self.stream.context();
        let mut address = context.allocate(bytes)?;
        if address.is_none() && lock(&self.host).worker.forget_graphs() {
            // Graphs are there for speed alone.
            self.stream.wait()?;
            address = context.allocate(bytes)?;
        }
        if let Some(address) = address {
            lock(&self.allocations).add(address, bytes);
            return Ok(address);
        }
        // What is free is told if the driver tells it.
        let (free, all) = self.memory().unwrap_or((0, self.memory));
        Err(Error::OutOfMemory { device: self.name.clone(), asked: bytes, free, all })
    }

    fn assign(&self, _address: u64, _bytes: u64) {}

    fn free(&self, address: u64) {
        // Nobody can be told of an error here; it comes again with the next call.
        if lock(&self.allocations).remove(address) {
            let worker = &mut lock(&self.host).worker;
            let _ = worker.finish();
            // A graph may hold what the driver knows of this memory.
            worker.forget_graphs();
            let _ = self.stream.context().free(address);
        }
    }

    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        lock(&self.allocations).check("upload", address, bytes.len() as u64)?;
        let mut host = lock(&self.host);
        host.worker.flush()?;
        let mut at = address;
        for part in bytes.chunks(PIECE) {
            host.next_piece().upload(at, part)?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        lock(&self.allocations).check("download", address, out.len() as u64)?;
        let host = &mut *lock(&self.host);
        host.worker.flush()?;
        let mut at = address;
        // All pieces are on their way before the first is waited for.
        for round in out.chunks_mut(PIECE * PIECES) {
            let first = host.next;
            for part in round.chunks(PIECE) {
                host.next_piece().begin(at, part.len())?;
                at += part.len() as u64;
            }
            for (i, part) in round.chunks_mut(PIECE).enumerate() {
                let piece = (first + i) % PIECES;
                host.pieces[piece].finish(part)?;
            }
        }
        if out.is_empty() { self.stream.wait() } else { Ok(()) }
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        lock(&self.allocations).check("clear", address, bytes)?;
        if bytes == 0 { Ok(()) } else { lock(&self.host).worker.take(Work::Clear { address, bytes }) }
    }

    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        let allocations = lock(&self.allocations);
        allocations.check("copy, source", from, bytes)?;
        allocations.check("copy, target", to, bytes)?;
        drop(allocations);
        if from < to + bytes && to < from + bytes && bytes > 0 {
            return Err(Error::Fault(format!("copy: {bytes} bytes at {from:#x} and {to:#x} overlap")));
        }
        if bytes == 0 { Ok(()) } else { lock(&self.host).worker.take(Work::Copy { from, to, bytes }) }
    }

    fn launch(&self, launch: &Launch) -> Result<(), Error> {
        lock(&self.host).worker.launch(launch)
    }

    fn multiply(&self, multiply: &Multiply) -> Result<(), Error> {
        lock(&self.allocations).check_product(multiply)?;
        lock(&self.host).worker.multiply(multiply)
    }

    fn wait(&self) -> Result<(), Error> {
        lock(&self.host).worker.finish()
    }

    fn remark(&self) -> Option<String> {
        let host = lock(&self.host);
        let refusal = host.worker.refusal()?;
        Some(format!("its kernels are launched one by one, which takes longer, since it makes no graphs: {refusal}"))
    }

    fn slot(&self) -> Option<String> {
        Some(self.slot.clone())
    }

    fn link(&self, key: &Key, place: usize, members: usize) -> Result<Box<dyn Link>, Error> {
        let communicator = Communicator::of(Nccl::load(&self.places)?, &self.stream, key, place, members)?;
        Ok(Box::new(Linked { communicator, host: self.host.clone(), allocations: self.allocations.clone() }))
    }
}

/// A link by NCCL. Its messages are work of the device's one stream. They are never part of a chunk, so of no graph.
struct Linked {
    communicator: Communicator,
    host: Arc<Mutex<Host>>,
    allocations: Arc<Mutex<Allocations>>,
}

impl fmt::Debug for Linked {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Linked").field("communicator", &self.communicator).finish_non_exhaustive()
    }
}

impl Link for Linked {
    fn exchange(&self, messages: &[Message]) -> Result<(), Error> {
        // Held to the end: no other thread captures or frees while NCCL is called.
        let mut host = lock(&self.host);
        let allocations = lock(&self.allocations);
        for message in messages {
            allocations.check("message", message.address, 4 * message.floats)?;
        }
        drop(allocations);
        // What was asked for before reaches the stream before.
        host.worker.flush()?;
        self.communicator.exchange(messages)
    }

    fn end(self: Box<Self>) -> Result<(), Error> {
        lock(&self.host).worker.flush()?;
        self.communicator.destroy()
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        // A link may be there longer than the device. It finds no work that uses what is given back here.
        let worker = &mut lock(&self.host).worker;
        let _ = worker.finish();
        worker.forget_graphs();
        let addresses = lock(&self.allocations).take();
        // Nobody can be told of an error here.
        addresses.into_iter().for_each(|address| _ = self.stream.context().free(address));
    }
}
