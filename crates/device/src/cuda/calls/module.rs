//! Modules: PTX that the driver compiled, and its kernels.

use super::driver::Stream;
use crate::error::Error;
use cudarc::driver::sys::{CUfunction, CUjit_option, CUmodule};
use std::ffi::{CStr, CString, c_void};
use std::ptr::null_mut;
use std::sync::Arc;

/// A kernel of a module. It is valid as long as its module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel(CUfunction);

// SAFETY: a function's handle may be used by any thread that entered its context.
unsafe impl Send for Kernel {}
// SAFETY: as above.
unsafe impl Sync for Kernel {}

/// Returns the address of each argument, as launches take them.
pub(super) fn pointers(arguments: &[u64]) -> Vec<*mut c_void> {
    arguments.iter().map(|value| (&raw const *value).cast_mut().cast()).collect()
}

impl Kernel {
    pub(super) fn handle(self) -> CUfunction {
        self.0
    }

    /// Launches it on a stream. Its module outlives the stream's work: it is unloaded after the stream was waited for.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn launch(
        self,
        stream: &Stream,
        [x, y, z]: [u32; 3],
        [i, j, k]: [u32; 3],
        arguments: &[u64],
    ) -> Result<(), Error> {
        stream.context().enter()?;
        let (driver, mut pointers) = (stream.driver(), pointers(arguments));
        // SAFETY: `pointers` holds one pointer a parameter: the caller compared number and sizes with the kernel's. Each points
        // to 8 bytes, of which the driver copies as many as the parameter has, before it returns. What the kernel does with
        // addresses among them is the kernel's contract (kernels.rs).
        let code = unsafe {
            (driver.functions.cuLaunchKernel)(
                self.0,
                x,
                y,
                z,
                i,
                j,
                k,
                0,
                stream.handle(),
                pointers.as_mut_ptr(),
                null_mut(),
            )
        };
        driver.check("cuLaunchKernel", code)
    }
}

/// PTX that the driver compiled for the device.
#[derive(Debug)]
pub(crate) struct Module {
    stream: Arc<Stream>,
    module: CUmodule,
}

// SAFETY: a module's handle may be used by any thread that entered its context.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

/// Bytes that the compiler's log may have.
const LOG: usize = 8192;

impl Module {
    /// Compiles PTX text.
    ///
    /// # Errors
    /// What the driver says, with its compiler's log.
    pub(crate) fn of(stream: &Arc<Stream>, ptx: &CStr) -> Result<Module, Error> {
        stream.context().enter()?;
        let (driver, mut module, mut log) = (stream.driver(), null_mut(), vec![0u8; LOG]);
        let mut options = [CUjit_option::CU_JIT_ERROR_LOG_BUFFER, CUjit_option::CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES];
        let mut values: [*mut c_void; 2] = [log.as_mut_ptr().cast(), std::ptr::without_provenance_mut(LOG)];
        // SAFETY: cuModuleLoadDataEx reads text that ends with a zero, and two options with their values: a buffer and its
        // size, which is given in the place of a pointer. It writes into the buffer at most that size, and one handle.
        let code = unsafe {
            (driver.functions.cuModuleLoadDataEx)(
                &raw mut module,
                ptx.as_ptr().cast(),
                2,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        driver.check("cuModuleLoadDataEx", code).map_err(|error| with_log(error, &log))?;
        Ok(Module { stream: stream.clone(), module })
    }

    /// Looks a kernel up.
    ///
    /// # Errors
    /// There is none of that name; what the driver says.
    pub(crate) fn kernel(&self, name: &CString) -> Result<Kernel, Error> {
        let (driver, mut function) = (self.stream.driver(), null_mut());
        self.stream.context().enter()?;
        // SAFETY: cuModuleGetFunction reads a name that ends with a zero and writes one handle; the module is loaded.
        let code = unsafe { (driver.functions.cuModuleGetFunction)(&raw mut function, self.module, name.as_ptr()) };
        driver.check("cuModuleGetFunction", code)?;
        Ok(Kernel(function))
    }
}

/// Adds the log of the driver's compiler to an error.
fn with_log(error: Error, log: &[u8]) -> Error {
    let log = CStr::from_bytes_until_nul(log).map(|log| log.to_string_lossy().trim().to_owned()).unwrap_or_default();
    match error {
        Error::Call { call, code, meaning } if !log.is_empty() => {
            Error::Call { call, code, meaning: format!("{meaning}; its log: {log}") }
        }
        error => error,
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        let _ = self.stream.wait();
        // SAFETY: the module was loaded by `of` and is unloaded once; no work uses it. Nobody can be told of an error here.
        let _ = unsafe { (self.stream.driver().functions.cuModuleUnload)(self.module) };
    }
}
