//! The driver: devices, contexts, memory and streams.

use super::{Code, functions};
use crate::cuda::library::{DRIVER, Found, Library, Places, lacking};
use crate::error::Error;
use cudarc::driver::sys;
use cudarc::driver::sys::{
    CUDA_KERNEL_NODE_PARAMS_v2, CUcontext, CUdevice, CUdevice_attribute, CUdeviceptr, CUevent, CUfunction, CUgraph,
    CUgraphExec, CUgraphNode, CUjit_option, CUmodule, CUstream, CUstreamCaptureMode, CUstreamCaptureStatus,
};
use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

/// The function by whose address the driver's file is found.
const FIRST: &str = "cuInit";

/// What a program without a loader says.
const STATIC: &str = "this tagsmith is a static program, which cannot load NVIDIA's driver: use the one for glibc, as the wheel \
    has it";

/// What a user does about a driver that is missing or too old.
const REMEDY: &str = "install NVIDIA's driver 530 or later (Debian and Ubuntu: `apt install nvidia-driver`)";

/// The code of a driver that shows no device at all.
const NO_DEVICE: Code = sys::CUresult::CUDA_ERROR_NO_DEVICE as Code;

/// Why a driver may show no device.
const NONE_SHOWN: &str = "the driver shows no GPU; where CUDA_VISIBLE_DEVICES is set, it shows those of that list only (`nvidia-smi -L` lists all)";

functions! {
    /// The driver's functions that we call.
    Functions, remedy REMEDY, headers sys as CUresult;
    // The codes come from the driver, so they may be of none of the enum's values.
    ours {
        cuGetErrorName(Code, *mut *const c_char) -> Code;
        cuGetErrorString(Code, *mut *const c_char) -> Code;
    }
    cuInit(c_uint);
    cuDriverGetVersion(*mut c_int);
    cuDeviceGetCount(*mut c_int);
    cuDeviceGet(*mut CUdevice, c_int);
    cuDeviceGetName(*mut c_char, c_int, CUdevice);
    cuDeviceTotalMem_v2(*mut usize, CUdevice);
    cuDeviceGetPCIBusId(*mut c_char, c_int, CUdevice);
    cuDeviceGetAttribute(*mut c_int, CUdevice_attribute, CUdevice);
    cuDevicePrimaryCtxRetain(*mut CUcontext, CUdevice);
    cuDevicePrimaryCtxRelease_v2(CUdevice);
    cuCtxSetCurrent(CUcontext);
    cuStreamCreate(*mut CUstream, c_uint);
    cuStreamSynchronize(CUstream);
    cuStreamDestroy_v2(CUstream);
    cuEventCreate(*mut CUevent, c_uint);
    cuEventRecord(CUevent, CUstream);
    cuEventSynchronize(CUevent);
    cuEventDestroy_v2(CUevent);
    cuMemGetInfo_v2(*mut usize, *mut usize);
    cuMemAlloc_v2(*mut CUdeviceptr, usize);
    cuMemFree_v2(CUdeviceptr);
    cuMemHostAlloc(*mut *mut c_void, usize, c_uint);
    cuMemFreeHost(*mut c_void);
    cuMemcpyHtoDAsync_v2(CUdeviceptr, *const c_void, usize, CUstream);
    cuMemcpyDtoHAsync_v2(*mut c_void, CUdeviceptr, usize, CUstream);
    cuMemcpyDtoDAsync_v2(CUdeviceptr, CUdeviceptr, usize, CUstream);
    cuMemsetD8Async(CUdeviceptr, u8, usize, CUstream);
    cuModuleLoadDataEx(*mut CUmodule, *const c_void, c_uint, *mut CUjit_option, *mut *mut c_void);
    cuModuleGetFunction(*mut CUfunction, CUmodule, *const c_char);
    cuModuleUnload(CUmodule);
    cuLaunchKernel(
        CUfunction, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, c_uint, CUstream, *mut *mut c_void, *mut *mut c_void
    );
    cuStreamBeginCapture_v2(CUstream, CUstreamCaptureMode);
    cuStreamGetCaptureInfo_v2(
        CUstream, *mut CUstreamCaptureStatus, *mut u64, *mut CUgraph, *mut *const CUgraphNode, *mut usize
    );
    cuStreamEndCapture(CUstream, *mut CUgraph);
    cuGraphInstantiateWithFlags(*mut CUgraphExec, CUgraph, c_ulonglong);
    cuGraphExecKernelNodeSetParams_v2(CUgraphExec, CUgraphNode, *const CUDA_KERNEL_NODE_PARAMS_v2);
    cuGraphLaunch(CUgraphExec, CUstream);
    cuGraphExecDestroy(CUgraphExec);
    cuGraphDestroy(CUgraph);
}

/// What a device is.
#[derive(Clone, Debug)]
pub(crate) struct Properties {
    pub(crate) name: String,
    pub(crate) memory: u64,
    pub(crate) capability: (u32, u32),
    /// Where it is plugged in: domain, bus, device and function of PCI.
    pub(crate) slot: String,
}

/// The driver, initialized.
#[derive(Debug)]
pub(crate) struct Driver {
    pub(super) functions: Functions,
    found: Found,
}

impl Driver {
    /// Loads the driver and initializes it.
    ///
    /// # Errors
    /// There is none, it is too old, or it refuses.
    pub(crate) fn load(places: &Places) -> Result<Arc<Driver>, Error> {
        if cfg!(all(target_env = "musl", target_feature = "crt-static")) {
            return Err(Error::Missing(STATIC.into()));
        }
        let library = Library::load(DRIVER, places).map_err(|reasons| {
            let reasons: String = reasons.iter().map(|reason| format!(" ({reason})")).collect();
            Error::Missing(format!("there is no NVIDIA driver: {} cannot be loaded{reasons}; {REMEDY}", DRIVER[0]))
        })?;
        let path = library.file(FIRST);
        let mut driver = Driver { functions: Functions::of(library)?, found: Found { version: (0, 0), path } };
        let mut version = 0;
        // SAFETY: cuInit takes a flag that must be 0, and may be called by any thread, any number of times.
        let code = unsafe { (driver.functions.cuInit)(0) };
        driver.check("cuInit", code).map_err(|error| match code {
            NO_DEVICE => Error::Missing(format!("{error}: {NONE_SHOWN}")),
            _ => error,
        })?;
        // SAFETY: cuDriverGetVersion writes one int to the pointer.
        driver.check("cuDriverGetVersion", unsafe { (driver.functions.cuDriverGetVersion)(&raw mut version) })?;
        // The driver counts 12.4 as 12040.
        let version = u32::try_from(version).unwrap_or(0);
        driver.found.version = (version / 1000, version % 1000 / 10);
        Ok(Arc::new(driver))
    }

    /// Returns its file and the CUDA version that it is of.
    pub(crate) fn found(&self) -> &Found {
        &self.found
    }

    /// Returns the number of devices that the driver shows.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn count(&self) -> Result<usize, Error> {
        let mut count = 0;
        // SAFETY: cuDeviceGetCount writes one int to the pointer; cuInit was called.
        self.check("cuDeviceGetCount", unsafe { (self.functions.cuDeviceGetCount)(&raw mut count) })?;
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// Returns the handle of device `ordinal`.
    ///
    /// # Errors
    /// There is no such device; what the driver says.
    fn device(&self, ordinal: usize) -> Result<CUdevice, Error> {
        let mut device = 0;
        let ordinal = c_int::try_from(ordinal).unwrap_or(c_int::MAX);
        // SAFETY: cuDeviceGet writes one handle to the pointer, and returns an error for an ordinal that is not there.
        self.check("cuDeviceGet", unsafe { (self.functions.cuDeviceGet)(&raw mut device, ordinal) })?;
        Ok(device)
    }

    /// Returns what device `ordinal` is.
    ///
    /// # Errors
    /// There is no such device; what the driver says.
    pub(crate) fn properties(&self, ordinal: usize) -> Result<Properties, Error> {
        let device = self.device(ordinal)?;
        let mut name = [0u8; 256];
        // SAFETY: cuDeviceGetName writes at most `len` bytes to the pointer, with a zero at the end.
        let code = unsafe { (self.functions.cuDeviceGetName)(name.as_mut_ptr().cast(), 256, device) };
        self.check("cuDeviceGetName", code)?;
        let mut memory = 0;
        // SAFETY: cuDeviceTotalMem writes one size_t to the pointer; the device is the driver's.
        self.check("cuDeviceTotalMem", unsafe { (self.functions.cuDeviceTotalMem_v2)(&raw mut memory, device) })?;
        let major = self.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device)?;
        let minor = self.attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device)?;
        let mut slot = [0u8; 32];
        // SAFETY: cuDeviceGetPCIBusId writes at most `len` bytes to the pointer, with a zero at the end: 13 are documented.
        let code = unsafe { (self.functions.cuDeviceGetPCIBusId)(slot.as_mut_ptr().cast(), 32, device) };
        self.check("cuDeviceGetPCIBusId", code)?;
        Ok(Properties { name: text(&name), memory: memory as u64, capability: (major, minor), slot: text(&slot) })
    }

    fn attribute(&self, attribute: CUdevice_attribute, device: CUdevice) -> Result<u32, Error> {
        let mut value = 0;
        // SAFETY: cuDeviceGetAttribute writes one int to the pointer; the device is the driver's.
        let code = unsafe { (self.functions.cuDeviceGetAttribute)(&raw mut value, attribute, device) };
        self.check("cuDeviceGetAttribute", code)?;
        Ok(u32::try_from(value).unwrap_or(0))
    }

    /// Returns an error for a code that is not success, with the name and meaning that the driver gives.
    pub(super) fn check(&self, call: &'static str, code: Code) -> Result<(), Error> {
        if code == 0 {
            return Ok(());
        }
        let name = self.text(self.functions.cuGetErrorName, code);
        let meaning = self.text(self.functions.cuGetErrorString, code);
        Err(Error::Call {
            call,
            code: name.unwrap_or_else(|| format!("code {code}")),
            meaning: meaning.unwrap_or_else(|| "the driver does not say what that means".to_owned()),
        })
    }

    fn text(&self, function: unsafe extern "C" fn(Code, *mut *const c_char) -> Code, code: Code) -> Option<String> {
        let mut text = std::ptr::null();
        // SAFETY: cuGetErrorName and cuGetErrorString write the address of a string that ends with a zero and lasts as long as
        // the driver, or null and an error for a code that they do not know.
        let said = unsafe { function(code, &raw mut text) };
        // SAFETY: as above: not null, ends with a zero, lasts.
        (said == 0 && !text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
    }
}

/// Returns the text before the first zero.
fn text(bytes: &[u8]) -> String {
    CStr::from_bytes_until_nul(bytes).map(|text| text.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The primary context of a device, which is kept as long as this value is.
#[derive(Debug)]
pub(crate) struct Context {
    driver: Arc<Driver>,
    device: CUdevice,
    context: CUcontext,
}

// SAFETY: a context's handle may be used by any thread (CUDA C++ Programming Guide, "Context"); `enter` binds it first.
unsafe impl Send for Context {}
// SAFETY: as above; the driver's functions may be called by several threads at once.
unsafe impl Sync for Context {}

impl Context {
    /// Retains the primary context of device `ordinal`, which other libraries of the process share.
    ///
    /// # Errors
    /// There is no such device; what the driver says.
    pub(crate) fn of(driver: &Arc<Driver>, ordinal: usize) -> Result<Arc<Context>, Error> {
        let device = driver.device(ordinal)?;
        let mut context = null_mut();
        // SAFETY: cuDevicePrimaryCtxRetain writes one handle to the pointer; the device is the driver's. Drop releases it.
        let code = unsafe { (driver.functions.cuDevicePrimaryCtxRetain)(&raw mut context, device) };
        driver.check("cuDevicePrimaryCtxRetain", code)?;
        Ok(Arc::new(Context { driver: driver.clone(), device, context }))
    }

    /// Binds the context to the calling thread, as most functions ask.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn enter(&self) -> Result<(), Error> {
        // SAFETY: the context is retained as long as `self` is there.
        self.driver.check("cuCtxSetCurrent", unsafe { (self.driver.functions.cuCtxSetCurrent)(self.context) })
    }

    /// Returns the bytes that are free, and all.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn memory(&self) -> Result<(u64, u64), Error> {
        self.enter()?;
        let (mut free, mut all) = (0, 0);
        // SAFETY: cuMemGetInfo writes two size_t to the pointers, of the context that was entered.
        let code = unsafe { (self.driver.functions.cuMemGetInfo_v2)(&raw mut free, &raw mut all) };
        self.driver.check("cuMemGetInfo", code)?;
        Ok((free as u64, all as u64))
    }

    /// Allocates device memory; `None` where the device has too little.
    ///
    /// # Errors
    /// What else the driver says.
    pub(crate) fn allocate(&self, bytes: u64) -> Result<Option<u64>, Error> {
        self.enter()?;
        let Ok(size) = usize::try_from(bytes) else { return Ok(None) };
        let mut address = 0;
        // SAFETY: cuMemAlloc writes one address to the pointer. Memory is given back by `free`, or with the context.
        let code = unsafe { (self.driver.functions.cuMemAlloc_v2)(&raw mut address, size) };
        if code == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY as Code {
            return Ok(None);
        }
        self.driver.check("cuMemAlloc", code)?;
        Ok(Some(address))
    }

    /// Gives memory back that `allocate` returned.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn free(&self, address: u64) -> Result<(), Error> {
        let entered = self.enter();
        // SAFETY: the address came from cuMemAlloc (cuda/allocations.rs knows all of them, and forgets this one), and the
        // stream has no work left that uses it: the caller waited. The driver knows its context by itself.
        self.driver.check("cuMemFree", unsafe { (self.driver.functions.cuMemFree_v2)(address) }).and(entered)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        // SAFETY: the context was retained once by `of` and is released once. Nobody can be told of an error here.
        let _ = unsafe { (self.driver.functions.cuDevicePrimaryCtxRelease_v2)(self.device) };
    }
}

/// Returns a number of bytes as the processor counts them.
fn size(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

/// A stream: its work is done in the order in which it is asked for.
#[derive(Debug)]
pub(crate) struct Stream {
    context: Arc<Context>,
    stream: CUstream,
}

// SAFETY: a stream's handle may be used by any thread that entered its context, also by several at once.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}

impl Stream {
    /// Makes a stream that does not wait for the default stream of the process.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn of(context: &Arc<Context>) -> Result<Arc<Stream>, Error> {
        context.enter()?;
        let mut stream = null_mut();
        let flags = sys::CUstream_flags::CU_STREAM_NON_BLOCKING as c_uint;
        // SAFETY: cuStreamCreate writes one handle to the pointer, of the context that was entered. Drop destroys it.
        let code = unsafe { (context.driver.functions.cuStreamCreate)(&raw mut stream, flags) };
        context.driver.check("cuStreamCreate", code)?;
        Ok(Arc::new(Stream { context: context.clone(), stream }))
    }

    /// Returns the context.
    pub(crate) fn context(&self) -> &Arc<Context> {
        &self.context
    }

    /// Returns the handle.
    pub(super) fn handle(&self) -> CUstream {
        self.stream
    }

    pub(super) fn driver(&self) -> &Driver {
        &self.context.driver
    }

    /// Waits until all work is done.
    ///
    /// # Errors
    /// What the driver says of the work.
    pub(crate) fn wait(&self) -> Result<(), Error> {
        self.context.enter()?;
        // SAFETY: the stream is there as long as `self` is.
        let code = unsafe { (self.driver().functions.cuStreamSynchronize)(self.stream) };
        self.driver().check("cuStreamSynchronize", code)
    }

    /// Fills device memory with zeros.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        self.context.enter()?;
        // SAFETY: the caller found the range within one allocation, which outlives the stream's work.
        let code = unsafe { (self.driver().functions.cuMemsetD8Async)(address, 0, size(bytes), self.stream) };
        self.driver().check("cuMemsetD8Async", code)
    }

    /// Copies between two places of device memory that do not overlap.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        self.context.enter()?;
        // SAFETY: the caller found both ranges within allocations, which outlive the stream's work.
        let code = unsafe { (self.driver().functions.cuMemcpyDtoDAsync_v2)(to, from, size(bytes), self.stream) };
        self.driver().check("cuMemcpyDtoDAsync", code)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        let _ = self.wait();
        // SAFETY: the stream was made by `of` and is destroyed once; its work is done. Nobody can be told of an error here.
        let _ = unsafe { (self.driver().functions.cuStreamDestroy_v2)(self.stream) };
    }
}
