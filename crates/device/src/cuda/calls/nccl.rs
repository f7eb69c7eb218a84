//! NCCL: messages between the GPUs of several processes.
//!
//! Only messages from one GPU to another are asked for, and no sums: NCCL promises no order of additions.

use super::driver::Stream;
use super::{Code, functions};
use crate::cuda::library::{FoundNccl, Library, NCCL, Places, lacking};
use crate::error::Error;
use crate::link::{Key, Message};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null_mut, without_provenance_mut};
use std::sync::Arc;

/// The function by whose address the library's file is found.
const FIRST: &str = "ncclGetVersion";

/// What a user does about a library that is missing or too old.
const REMEDY: &str = "`pip install nvidia-nccl-cu13` (for a driver of CUDA 12: `nvidia-nccl-cu12`) brings it, below \
                      site-packages in nvidia/nccl/lib; name one of these folders as that of CUDA's libraries";

/// `ncclUniqueId`: a struct of 128 bytes, which is passed by value.
#[repr(C)]
#[derive(Clone, Copy)]
struct UniqueId(Key);

/// `ncclComm_t`: a pointer that only the library follows.
type Handle = *mut c_void;

/// `ncclFloat32`, of `ncclDataType_t`.
const FLOAT32: c_int = 7;

functions! {
    /// The functions of NCCL that we call, as nccl.h declares them since 2.13. An enum of the header is 32 bits.
    Functions, remedy REMEDY, headers none as none;
    ours {
        ncclGetVersion(*mut c_int) -> Code;
        ncclGetErrorString(Code) -> *const c_char;
        ncclGetLastError(Handle) -> *const c_char;
        ncclGetUniqueId(*mut UniqueId) -> Code;
        ncclCommInitRank(*mut Handle, c_int, UniqueId, c_int) -> Code;
        ncclCommDestroy(Handle) -> Code;
        ncclCommGetAsyncError(Handle, *mut Code) -> Code;
        ncclGroupStart() -> Code;
        ncclGroupEnd() -> Code;
        ncclSend(*const c_void, usize, c_int, c_int, Handle, *mut c_void) -> Code;
        ncclRecv(*mut c_void, usize, c_int, c_int, Handle, *mut c_void) -> Code;
    }
}

/// NCCL, loaded.
#[derive(Debug)]
pub(crate) struct Nccl {
    functions: Functions,
    found: FoundNccl,
}

impl Nccl {
    /// Loads the library.
    ///
    /// # Errors
    /// There is none, it is too old, or it refuses.
    pub(crate) fn load(places: &Places) -> Result<Nccl, Error> {
        let library = Library::load(NCCL, places).map_err(|reasons| {
            let reasons: String = reasons.iter().map(|reason| format!(" ({reason})")).collect();
            Error::Missing(format!("there is no {}{reasons}: {REMEDY}", NCCL[0]))
        })?;
        let path = library.file(FIRST);
        let mut nccl = Nccl { functions: Functions::of(library)?, found: FoundNccl { version: (0, 0, 0), path } };
        let mut version = 0;
        // SAFETY: ncclGetVersion writes one int to the pointer, and may be called at any time.
        nccl.check("ncclGetVersion", unsafe { (nccl.functions.ncclGetVersion)(&raw mut version) })?;
        // 2.27.3 is 22703.
        let version = u32::try_from(version).unwrap_or(0);
        nccl.found.version = (version / 10_000, version % 10_000 / 100, version % 100);
        Ok(nccl)
    }

    /// Returns the version and file.
    pub(crate) fn found(&self) -> &FoundNccl {
        &self.found
    }

    /// Makes the key of a new link. The library listens for the members in this process from now on.
    ///
    /// # Errors
    /// What the library says.
    pub(crate) fn key(&self) -> Result<Key, Error> {
        let mut id = UniqueId([0; 128]);
        // SAFETY: ncclGetUniqueId writes one ncclUniqueId to the pointer, and may be called at any time.
        self.check("ncclGetUniqueId", unsafe { (self.functions.ncclGetUniqueId)(&raw mut id) })?;
        Ok(id.0)
    }

    /// Returns an error for a code that is not success, with what the library says of the code and of its last error.
    fn check(&self, call: &'static str, code: Code) -> Result<(), Error> {
        if code == 0 {
            return Ok(());
        }
        // SAFETY: ncclGetErrorString takes any number and returns a string that lasts as long as the library.
        let of_code = unsafe { (self.functions.ncclGetErrorString)(code) };
        // SAFETY: ncclGetLastError takes null for the library's last error. Its string lasts until the next error, which only
        // this thread could cause.
        let last = unsafe { (self.functions.ncclGetLastError)(null_mut()) };
        let texts = [of_code, last].map(|text| {
            // SAFETY: as above; a string ends with a zero.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned())
        });
        let said: Vec<String> = texts.into_iter().flatten().filter(|text| !text.is_empty()).collect();
        Err(Error::Call {
            call,
            code: format!("code {code}"),
            meaning: if said.is_empty() {
                "the library does not say what that means".to_owned()
            } else {
                said.join("; ")
            },
        })
    }
}

/// A communicator: this process's member of a link.
#[derive(Debug)]
pub(crate) struct Communicator {
    nccl: Nccl,
    stream: Arc<Stream>,
    handle: Handle,
}

// SAFETY: a communicator may be used by any thread, by one at a time (NCCL, "Thread Safety"): the GPU has it behind a lock.
unsafe impl Send for Communicator {}
// SAFETY: as above.
unsafe impl Sync for Communicator {}

impl Communicator {
    /// Joins the members that have this key. All of them call this, and each waits for the others.
    ///
    /// # Errors
    /// What the library says; on another member too, or it waits.
    pub(crate) fn of(
        nccl: Nccl,
        stream: &Arc<Stream>,
        key: &Key,
        place: usize,
        members: usize,
    ) -> Result<Communicator, Error> {
        stream.context().enter()?;
        let (mut handle, id) = (null_mut(), UniqueId(*key));
        // SAFETY: ncclCommInitRank writes one handle to the pointer, for the device whose primary context was entered.
        let code = unsafe { (nccl.functions.ncclCommInitRank)(&raw mut handle, number(members), id, number(place)) };
        nccl.check("ncclCommInitRank", code)?;
        Ok(Communicator { nccl, stream: stream.clone(), handle })
    }

    /// Asks for messages that travel at once, in the order of the stream. Their ranges lie within allocations that outlive
    /// the stream's work.
    ///
    /// # Errors
    /// What the library says, also of messages before.
    pub(crate) fn exchange(&self, messages: &[Message]) -> Result<(), Error> {
        self.stream.context().enter()?;
        let mut before = 0;
        // SAFETY: ncclCommGetAsyncError writes one code to the pointer; the communicator is there as long as `self`.
        let code = unsafe { (self.nccl.functions.ncclCommGetAsyncError)(self.handle, &raw mut before) };
        self.nccl.check("ncclCommGetAsyncError", code)?;
        self.nccl.check("NCCL, messages before", before)?;
        // SAFETY: ncclGroupStart may be called at any time. The group is ended below, whatever its messages return.
        self.nccl.check("ncclGroupStart", unsafe { (self.nccl.functions.ncclGroupStart)() })?;
        let asked = messages.iter().try_for_each(|message| self.ask(message));
        // SAFETY: a group was started by this thread.
        let ended = unsafe { (self.nccl.functions.ncclGroupEnd)() };
        asked.and(self.nccl.check("ncclGroupEnd", ended))
    }

    fn ask(&self, message: &Message) -> Result<(), Error> {
        let Message { leaves, member, address, floats } = *message;
        let (count, member, stream) = (floats as usize, number(member), self.stream.handle().cast());
        let at = without_provenance_mut::<c_void>(address as usize);
        let functions = &self.nccl.functions;
        if leaves {
            // SAFETY: ncclSend reads `count` floats of device memory in the order of the stream; the caller found them within
            // one allocation. The device address is passed as a pointer and never read here.
            let code = unsafe { (functions.ncclSend)(at, count, FLOAT32, member, self.handle, stream) };
            return self.nccl.check("ncclSend", code);
        }
        // SAFETY: as above, but that ncclRecv writes them.
        let code = unsafe { (functions.ncclRecv)(at, count, FLOAT32, member, self.handle, stream) };
        self.nccl.check("ncclRecv", code)
    }

    /// Gives the communicator back, after all work of the stream. Every member calls this: the library waits for those of
    /// the same machine.
    ///
    /// # Errors
    /// What the driver and the library say.
    pub(crate) fn destroy(mut self) -> Result<(), Error> {
        self.stream.wait()?;
        let handle = std::mem::replace(&mut self.handle, null_mut());
        // SAFETY: the communicator was made by `of` and is destroyed once: its work is done, and `self` forgets it.
        self.nccl.check("ncclCommDestroy", unsafe { (self.nccl.functions.ncclCommDestroy)(handle) })
    }
}

/// A communicator that was not given back stays until the process ends, and so does the context it uses. A member that fails
/// cannot give it back: it would wait for members that wait for it.
impl Drop for Communicator {
    fn drop(&mut self) {
        if !self.handle.is_null() {
            std::mem::forget(self.stream.clone());
        }
    }
}

/// Returns a number as the library takes it.
fn number(number: usize) -> c_int {
    c_int::try_from(number).unwrap_or(c_int::MAX)
}
