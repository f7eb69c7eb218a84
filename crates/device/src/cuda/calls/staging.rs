//! Pinned memory, through which bytes travel.

use super::driver::Stream;
use crate::error::Error;
use cudarc::driver::sys;
use cudarc::driver::sys::CUevent;
use std::ffi::c_uint;
use std::ptr::null_mut;
use std::sync::Arc;

/// Pinned memory of the host, through which bytes travel, and the event that tells when they arrived.
#[derive(Debug)]
pub(crate) struct Staging {
    stream: Arc<Stream>,
    event: CUevent,
    memory: *mut u8,
    size: usize,
    /// Whether work on the memory may not be done yet.
    busy: bool,
}

// SAFETY: the memory belongs to this value alone; handles may be used by any thread that entered the context.
unsafe impl Send for Staging {}

impl Staging {
    /// Allocates `size` bytes of pinned memory, more than 0.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn of(stream: &Arc<Stream>, size: usize) -> Result<Staging, Error> {
        stream.context().enter()?;
        let (driver, mut event, mut memory) = (stream.driver(), null_mut(), null_mut());
        let flags = sys::CUevent_flags::CU_EVENT_DISABLE_TIMING as c_uint;
        // SAFETY: cuEventCreate writes one handle to the pointer, of the context that was entered. Drop destroys it.
        driver.check("cuEventCreate", unsafe { (driver.functions.cuEventCreate)(&raw mut event, flags) })?;
        // SAFETY: cuMemHostAlloc writes one address to the pointer. Drop frees the memory.
        let code = unsafe { (driver.functions.cuMemHostAlloc)(&raw mut memory, size, 0) };
        if let Err(error) = driver.check("cuMemHostAlloc", code) {
            // SAFETY: the event was made above and is destroyed once.
            let _ = unsafe { (driver.functions.cuEventDestroy_v2)(event) };
            return Err(error);
        }
        Ok(Staging { stream: stream.clone(), event, memory: memory.cast(), size, busy: false })
    }

    /// Waits until the memory is not used by any work.
    fn settle(&mut self) -> Result<(), Error> {
        self.stream.context().enter()?;
        if self.busy {
            let driver = self.stream.driver();
            // SAFETY: the event is there as long as `self` is.
            driver.check("cuEventSynchronize", unsafe { (driver.functions.cuEventSynchronize)(self.event) })?;
            self.busy = false;
        }
        Ok(())
    }

    /// Marks the end of the work that uses the memory. Where the mark fails, the whole stream is waited for.
    fn mark(&mut self) -> Result<(), Error> {
        let driver = self.stream.driver();
        self.busy = true;
        // SAFETY: event and stream are of the same context and there as long as `self` is.
        let code = unsafe { (driver.functions.cuEventRecord)(self.event, self.stream.handle()) };
        driver.check("cuEventRecord", code).inspect_err(|_| {
            let _ = self.stream.wait();
        })
    }

    /// Copies at most `size` bytes to the device.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn upload(&mut self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        assert!(bytes.len() <= self.size, "staging: {} bytes do not fit {}", bytes.len(), self.size);
        self.settle()?;
        // SAFETY: no work uses the memory, it holds `size` bytes, and it does not overlap the caller's slice.
        unsafe { self.memory.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        let driver = self.stream.driver();
        // SAFETY: the caller found the range within one allocation. The memory stays as it is until the event has passed.
        let code = unsafe {
            (driver.functions.cuMemcpyHtoDAsync_v2)(address, self.memory.cast(), bytes.len(), self.stream.handle())
        };
        driver.check("cuMemcpyHtoDAsync", code)?;
        self.mark()
    }

    /// Begins to copy at most `size` bytes from the device; [`Staging::finish`] waits for them.
    ///
    /// # Errors
    /// What the driver says.
    pub(crate) fn begin(&mut self, address: u64, bytes: usize) -> Result<(), Error> {
        assert!(bytes <= self.size, "staging: {bytes} bytes do not fit {}", self.size);
        self.settle()?;
        let driver = self.stream.driver();
        // SAFETY: the caller found the range within one allocation. Nobody looks at the memory until the event has passed.
        let code = unsafe {
            (driver.functions.cuMemcpyDtoHAsync_v2)(self.memory.cast(), address, bytes, self.stream.handle())
        };
        driver.check("cuMemcpyDtoHAsync", code)?;
        self.mark()
    }

    /// Takes the bytes that [`Staging::begin`] asked for.
    ///
    /// # Errors
    /// What the driver says, also of work before.
    pub(crate) fn finish(&mut self, out: &mut [u8]) -> Result<(), Error> {
        assert!(out.len() <= self.size, "staging: {} bytes are not in {}", out.len(), self.size);
        self.settle()?;
        // SAFETY: no work uses the memory, which was written as far as `out` is long, and which `out` does not overlap.
        unsafe { self.memory.copy_to_nonoverlapping(out.as_mut_ptr(), out.len()) };
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.settle().is_err() {
            let _ = self.stream.wait();
        }
        let functions = &self.stream.driver().functions;
        // SAFETY: event and memory were made by `of` and are given back once; no work uses them. Nobody can be told of an
        // error here.
        let _ = unsafe { ((functions.cuMemFreeHost)(self.memory.cast()), (functions.cuEventDestroy_v2)(self.event)) };
    }
}
