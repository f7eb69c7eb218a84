//! The C interface of an MPI library that is loaded while the program runs, behind calls that cannot be misused.
//!
//! The library is called from one thread, between [`Library::begin`] and the drop of the [`Session`] that it returns.
//!
//! Three interfaces exist, which differ in what a handle is and in the values of constants. So little of MPI is called that four
//! constants suffice: the world of all ranks, bytes, "from any rank" and one level of threading. A function is
//! called by the types of its interface, never by those of another.
#![allow(unsafe_code)]

use crate::message::Message;
use std::cell::Cell;
use std::ffi::{OsStr, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

/// Floats of one message: MPI counts bytes in 31 bits.
const MESSAGE_FLOATS: usize = 1 << 28;

/// The tag of all messages: between two ranks they are matched in the order in which both begin them.
const TAG: c_int = 0;

/// Bytes of a library's description of itself: MPICH allows itself most.
const DESCRIPTION_BYTES: usize = 8192;

/// The ways to call an MPI library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interface {
    /// Open MPI: a handle is the address of an object that the library exports.
    OpenMpi,
    /// MPICH and those that keep its interface (Intel MPI, MVAPICH, Cray MPICH): a handle is a number of 32 bits.
    Mpich,
    /// The interface of the standard's version 5: a handle is a pointer whose values the standard fixes.
    Standard,
}

impl Interface {
    /// Returns the interface of a library that exports these symbols. `abi` is the version of the standard's interface that the
    /// library says it has. MPICH has the question in the library of its own interface as well, and says −1 there.
    fn of(exports: impl Fn(&str) -> bool, abi: Option<c_int>) -> Option<Interface> {
        match abi {
            Some(1..) => Some(Interface::Standard),
            _ if exports("ompi_mpi_comm_world") => Some(Interface::OpenMpi),
            // A function that MPICH's header names, so that programs need it.
            _ if exports("MPIR_Dup_fn") => Some(Interface::Mpich),
            _ => None,
        }
    }
}

/// A loaded MPI library, whose functions were not called yet. It stays loaded until the process ends, as it may leave exit handlers
/// behind.
pub struct Library {
    handle: &'static libloading::Library,
    interface: Interface,
}

impl Library {
    /// Loads a library. Only where `global` is set, libraries that are loaded later see its symbols: plugins of Open MPI may not say
    /// that they need it.
    ///
    /// # Errors
    /// There is none, it cannot be loaded, or it is not an MPI with a known interface.
    pub fn load(name: &OsStr, global: bool) -> Result<Library, String> {
        let handle: &'static libloading::Library = Box::leak(Box::new(open(name, global)?));
        // SAFETY: the type is that of the function in the standard's version 5, whatever the interface.
        let version =
            unsafe { symbol::<unsafe extern "C" fn(*mut c_int, *mut c_int) -> c_int>(handle, "MPI_Abi_get_version") };
        let abi = version.map(|version| {
            let (mut major, mut minor) = (-1, -1);
            // SAFETY: the standard allows the call at any time; both places are valid.
            unsafe { version(&raw mut major, &raw mut minor) };
            major
        });
        // SAFETY: the symbol is only asked for.
        let exports = |name: &str| unsafe { symbol::<*const ()>(handle, name) }.is_some();
        let interface = Interface::of(exports, abi).ok_or("it is not an MPI of a known kind")?;
        Ok(Library { handle, interface })
    }

    /// Returns the library's description of itself, of one or more lines.
    pub fn description(&self) -> String {
        type Describe = unsafe extern "C" fn(*mut c_char, *mut c_int) -> c_int;
        let mut text = vec![0u8; DESCRIPTION_BYTES];
        let mut length = 0;
        // SAFETY: the type is the function's in every interface. The standard allows the call at any time, and the text is as
        // long as any library asks for.
        let code = unsafe { symbol::<Describe>(self.handle, "MPI_Get_library_version") }
            .map(|describe| unsafe { describe(text.as_mut_ptr().cast(), &raw mut length) });
        let length = if code == Some(0) { usize::try_from(length).unwrap_or(0).min(text.len()) } else { 0 };
        String::from_utf8_lossy(&text[..length]).trim_end_matches('\0').to_owned()
    }

    /// Begins MPI on this thread, which alone uses it then. Other threads may run beside it.
    ///
    /// # Errors
    /// A function is missing, the library refuses, or it allows no other threads.
    ///
    /// # Panics
    /// If the process has begun MPI before: that may be done once.
    pub fn begin(&self) -> Result<Session, String> {
        let calls: &'static dyn Calls = match self.interface {
            Interface::OpenMpi => {
                let object = |name| {
                    // SAFETY: the symbol is an object, whose address is the handle. It is never read.
                    unsafe { symbol::<*mut c_void>(self.handle, name) }.ok_or_else(|| lacking(name))
                };
                let constants = Constants {
                    world: object("ompi_mpi_comm_world")?,
                    byte: object("ompi_mpi_byte")?,
                    any_source: -1,
                    funneled: 1,
                };
                self.bind(constants)?
            }
            Interface::Mpich => {
                self.bind::<c_int>(Constants { world: 0x4400_0000, byte: 0x4c00_010d, any_source: -2, funneled: 1 })?
            }
            Interface::Standard => {
                let handle = ptr::without_provenance_mut::<c_void>;
                let constants = Constants { world: handle(0x101), byte: handle(0x247), any_source: -1, funneled: 1024 };
                self.bind(constants)?
            }
        };
        static BEGUN: AtomicBool = AtomicBool::new(false);
        assert!(!BEGUN.swap(true, Ordering::SeqCst), "ranks: a process joins once");
        calls.begin()?;
        CURRENT.set(Some(calls));
        Ok(Session { calls, thread: PhantomData })
    }

    /// Looks up all functions.
    fn bind<H: Handle>(&self, constants: Constants<H>) -> Result<&'static dyn Calls, String> {
        // SAFETY: the types are those of the standard, with the handles of this library's interface.
        let bound = unsafe {
            Bound {
                constants,
                init_thread: function(self.handle, "MPI_Init_thread")?,
                finalize: function(self.handle, "MPI_Finalize")?,
                comm_rank: function(self.handle, "MPI_Comm_rank")?,
                comm_size: function(self.handle, "MPI_Comm_size")?,
                allgather: function(self.handle, "MPI_Allgather")?,
                allgatherv: function(self.handle, "MPI_Allgatherv")?,
                isend: function(self.handle, "MPI_Isend")?,
                irecv: function(self.handle, "MPI_Irecv")?,
                wait: function(self.handle, "MPI_Wait")?,
                iprobe: function(self.handle, "MPI_Iprobe")?,
                abort: function(self.handle, "MPI_Abort")?,
            }
        };
        Ok(Box::leak(Box::new(bound)))
    }
}

/// MPI between its beginning and its end, on the thread that began it. Its drop ends MPI.
pub struct Session {
    calls: &'static dyn Calls,
    /// Keeps the session on its thread.
    thread: PhantomData<*const ()>,
}

impl Session {
    /// Returns the number of this rank, counted from 0.
    pub fn rank(&self) -> usize {
        self.calls.rank()
    }

    /// Returns how many ranks there are.
    pub fn size(&self) -> usize {
        self.calls.size()
    }

    /// Returns the bytes of all ranks one after the other. Rank r has `lengths[r]` of them; all ranks name the same lengths, whose
    /// sum is below 2³¹.
    pub fn gather(&self, mine: &[u8], lengths: &[usize]) -> Vec<u8> {
        assert_eq!((lengths.len(), mine.len()), (self.size(), lengths[self.rank()]), "ranks: lengths are of others");
        let mut all = vec![0; lengths.iter().sum()];
        i32::try_from(all.len()).expect("the bytes of a round are counted in 31 bits");
        // One length for all is the faster call.
        match lengths.iter().all(|&length| length == mine.len()) {
            true => self.calls.gather_equal(mine, &mut all),
            false => self.calls.gather_parts(mine, &mut all, lengths),
        }
        all
    }

    /// Does `work` while messages travel, and returns when both are over.
    pub fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut()) {
        self.calls.during(messages, work);
    }

    /// Ends all ranks with this exit status.
    pub fn abort(&self, status: i32) -> ! {
        self.calls.abort(status)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        CURRENT.set(None);
        self.calls.end();
    }
}

thread_local! {
    /// What [`progress`] calls: there is something on the thread that began MPI, until MPI's end.
    static CURRENT: Cell<Option<&'static dyn Calls>> = const { Cell::new(None) };
}

/// Lets messages of ranks move on: MPI does that whenever it is called. The work of [`World::during`](crate::World::during)
/// calls this now and then, on the thread that joined; elsewhere it does nothing.
pub fn progress() {
    if let Some(calls) = CURRENT.get() {
        calls.probe();
    }
}

/// The calls that are made, in any interface. A caller is a [`Session`], or has one.
trait Calls {
    fn begin(&self) -> Result<(), String>;
    fn end(&self);
    fn rank(&self) -> usize;
    fn size(&self) -> usize;
    /// `all` has room for as many bytes from every rank.
    fn gather_equal(&self, mine: &[u8], all: &mut [u8]);
    /// `all` has room for so many bytes of each rank.
    fn gather_parts(&self, mine: &[u8], all: &mut [u8], lengths: &[usize]);
    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut());
    fn probe(&self);
    fn abort(&self, status: i32) -> !;
}

/// What stands for an object of MPI.
trait Handle: Copy + 'static {
    /// What a request is before its call.
    const UNSET: Self;
}

impl Handle for c_int {
    const UNSET: c_int = 0;
}

impl Handle for *mut c_void {
    const UNSET: *mut c_void = ptr::null_mut();
}

/// The constants of an interface.
struct Constants<H> {
    world: H,
    byte: H,
    any_source: c_int,
    /// The level of threading at which one thread of several calls MPI.
    funneled: c_int,
}

/// Room for what a library says of a message: 20 to 32 bytes, by the interface.
type Status = [u64; 16];

/// The functions of a library, by the types of one interface.
struct Bound<H> {
    constants: Constants<H>,
    init_thread: unsafe extern "C" fn(*mut c_int, *mut *mut *mut c_char, c_int, *mut c_int) -> c_int,
    finalize: unsafe extern "C" fn() -> c_int,
    comm_rank: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    comm_size: unsafe extern "C" fn(H, *mut c_int) -> c_int,
    allgather: unsafe extern "C" fn(*const c_void, c_int, H, *mut c_void, c_int, H, H) -> c_int,
    allgatherv: unsafe extern "C" fn(*const c_void, c_int, H, *mut c_void, *const c_int, *const c_int, H, H) -> c_int,
    isend: unsafe extern "C" fn(*const c_void, c_int, H, c_int, c_int, H, *mut H) -> c_int,
    irecv: unsafe extern "C" fn(*mut c_void, c_int, H, c_int, c_int, H, *mut H) -> c_int,
    wait: unsafe extern "C" fn(*mut H, *mut Status) -> c_int,
    iprobe: unsafe extern "C" fn(c_int, c_int, H, *mut c_int, *mut Status) -> c_int,
    abort: unsafe extern "C" fn(H, c_int) -> c_int,
}

impl<H: Handle> Calls for Bound<H> {
    fn begin(&self) -> Result<(), String> {
        let (asked, mut given) = (self.constants.funneled, 0);
        // SAFETY: the standard allows null for the program's arguments. `Library::begin` calls this once.
        let code = unsafe { (self.init_thread)(ptr::null_mut(), ptr::null_mut(), asked, &raw mut given) };
        if code != 0 {
            return Err(format!("MPI_Init_thread fails with code {code}"));
        }
        if given < asked {
            self.end();
            return Err("it does not allow other threads beside its own: use another MPI".into());
        }
        Ok(())
    }

    fn end(&self) {
        // SAFETY: MPI has begun, and the session that calls this is the last to use it.
        passed("MPI_Finalize", unsafe { (self.finalize)() });
    }

    fn rank(&self) -> usize {
        let mut rank = 0;
        // SAFETY: MPI has begun; the place is valid.
        passed("MPI_Comm_rank", unsafe { (self.comm_rank)(self.constants.world, &raw mut rank) });
        usize::try_from(rank).expect("MPI counts ranks from 0")
    }

    fn size(&self) -> usize {
        let mut size = 0;
        // SAFETY: MPI has begun; the place is valid.
        passed("MPI_Comm_size", unsafe { (self.comm_size)(self.constants.world, &raw mut size) });
        usize::try_from(size).expect("MPI counts ranks")
    }

    fn gather_equal(&self, mine: &[u8], all: &mut [u8]) {
        let Constants { world, byte, .. } = self.constants;
        let count = count(mine);
        assert_eq!(all.len(), mine.len() * self.size());
        // SAFETY: MPI has begun; `all` has room for `count` bytes of each rank.
        let code =
            unsafe { (self.allgather)(mine.as_ptr().cast(), count, byte, all.as_mut_ptr().cast(), count, byte, world) };
        passed("MPI_Allgather", code);
    }

    fn gather_parts(&self, mine: &[u8], all: &mut [u8], lengths: &[usize]) {
        let Constants { world, byte, .. } = self.constants;
        let (mut counts, mut starts, mut end) = (Vec::new(), Vec::new(), 0);
        for &length in lengths {
            counts.push(length as c_int);
            starts.push(end as c_int);
            end += length;
        }
        assert!(lengths.len() == self.size() && end == all.len() && c_int::try_from(end).is_ok());
        let (counts, starts) = (counts.as_ptr(), starts.as_ptr());
        // SAFETY: MPI has begun; there are a count and a start for each rank, and their bytes lie within `all`.
        let code = unsafe {
            let to = all.as_mut_ptr().cast();
            (self.allgatherv)(mine.as_ptr().cast(), count(mine), byte, to, counts, starts, byte, world)
        };
        passed("MPI_Allgatherv", code);
    }

    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut()) {
        let Constants { world, byte, .. } = self.constants;
        // Its drop waits for all messages, also when `work` panics: until then they use the floats, which are borrowed for longer.
        let mut underway = Underway { wait: self.wait, requests: Vec::new() };
        for message in messages {
            match message {
                Message::To(ranks, floats) => {
                    for rank in ranks {
                        for part in floats.chunks(MESSAGE_FLOATS) {
                            let (from, request) = (part.as_ptr().cast(), underway.room());
                            // SAFETY: MPI has begun; the floats stay as they are until `underway` has waited.
                            let code =
                                unsafe { (self.isend)(from, count(part), byte, rank as c_int, TAG, world, request) };
                            underway.began("MPI_Isend", code);
                        }
                    }
                }
                Message::From(rank, floats) => {
                    for part in floats.chunks_mut(MESSAGE_FLOATS) {
                        let (count, to, request) = (count(part), part.as_mut_ptr().cast(), underway.room());
                        // SAFETY: MPI has begun; nobody else uses the floats until `underway` has waited. Any bits are a float.
                        let code = unsafe { (self.irecv)(to, count, byte, rank as c_int, TAG, world, request) };
                        underway.began("MPI_Irecv", code);
                    }
                }
            }
        }
        work();
    }

    fn probe(&self) {
        let Constants { world, any_source, .. } = self.constants;
        let (mut is_there, mut status) = (0, Status::default());
        // SAFETY: a session exists, so MPI has begun; both places are valid, and the status is larger than any library's.
        let code = unsafe { (self.iprobe)(any_source, TAG, world, &raw mut is_there, &raw mut status) };
        passed("MPI_Iprobe", code);
    }

    fn abort(&self, status: i32) -> ! {
        // SAFETY: MPI has begun.
        unsafe { (self.abort)(self.constants.world, status) };
        unreachable!("MPI_Abort returned")
    }
}

/// Messages that have begun to travel. The drop waits for them.
struct Underway<H> {
    wait: unsafe extern "C" fn(*mut H, *mut Status) -> c_int,
    requests: Vec<H>,
}

impl<H: Handle> Underway<H> {
    /// Returns a place for the request of a message that begins.
    fn room(&mut self) -> *mut H {
        self.requests.push(H::UNSET);
        self.requests.last_mut().expect("one was pushed")
    }

    /// Keeps the request in the last place, unless its call failed.
    fn began(&mut self, function: &str, code: c_int) {
        if code != 0 {
            self.requests.pop();
        }
        passed(function, code);
    }
}

impl<H> Drop for Underway<H> {
    fn drop(&mut self) {
        for request in &mut self.requests {
            let mut status = Status::default();
            // SAFETY: the request was begun and not waited for. The status is larger than any library's.
            passed("MPI_Wait", unsafe { (self.wait)(request, &raw mut status) });
        }
    }
}

/// Requires that a call succeeded. MPI's own error handler, which is left in place, ends all ranks with a message at once, so
/// this is for libraries that return nevertheless.
fn passed(function: &str, code: c_int) {
    assert_eq!(code, 0, "ranks: {function} fails");
}

/// Returns the number of bytes of a part of a message, which is below 2³¹.
fn count<T>(part: &[T]) -> c_int {
    c_int::try_from(size_of_val(part)).expect("parts are cut to what MPI can count")
}

fn lacking(name: &str) -> String {
    format!("it has no `{name}`")
}

/// Returns the function of this name.
///
/// # Safety
/// `F` is the function's type.
unsafe fn function<F: Copy>(library: &libloading::Library, name: &str) -> Result<F, String> {
    // SAFETY: the caller knows the type.
    unsafe { symbol(library, name) }.ok_or_else(|| lacking(name))
}

/// Returns the symbol of this name, if the library or one that it needs exports it.
///
/// # Safety
/// `T` is the type of a function, or a pointer that is the symbol's address.
unsafe fn symbol<T: Copy>(library: &libloading::Library, name: &str) -> Option<T> {
    // SAFETY: the caller knows the type. An absent address is `None` of the option, as `T` is never null.
    let symbol = unsafe { library.get::<*const ()>(name.as_bytes()) };
    let address = symbol.ok().map(|symbol| *symbol).filter(|address| !address.is_null())?;
    const { assert!(size_of::<T>() == size_of::<*const ()>()) };
    // SAFETY: a function's type, like a pointer, has the size of an address and is made of one that is not null.
    Some(unsafe { std::mem::transmute_copy::<*const (), T>(&address) })
}

/// Opens a library.
#[cfg(unix)]
fn open(name: &OsStr, global: bool) -> Result<libloading::Library, String> {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_LOCAL, RTLD_NOW};
    use std::error::Error;
    let scope = if global { RTLD_GLOBAL } else { RTLD_LOCAL };
    // SAFETY: MPI libraries may be loaded at any time: their initializers ask nothing of the program. A file of such a name that is
    // another library is the user's own affair.
    let opened = unsafe { Library::open(Some(name), RTLD_NOW | scope) };
    // The loader's own words are the cause.
    opened.map(Into::into).map_err(|error| error.source().map_or_else(|| error.to_string(), ToString::to_string))
}

/// Opens nothing: there are no names to open.
#[cfg(not(unix))]
fn open(_: &OsStr, _: bool) -> Result<libloading::Library, String> {
    Err("MPI is not loaded on this system".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_known_by_what_a_library_exports() {
        let of = |exported: &[&str], abi| Interface::of(|name| exported.contains(&name), abi);
        // As `nm` shows them: Open MPI 4.1.4 and 5.0.11; MPICH 4.0.2; both libraries of MPICH 5.0.2.
        assert_eq!(of(&["ompi_mpi_comm_world", "ompi_mpi_byte"], None), Some(Interface::OpenMpi));
        assert_eq!(of(&["MPIR_Dup_fn"], None), Some(Interface::Mpich));
        assert_eq!(of(&["MPIR_Dup_fn"], Some(-1)), Some(Interface::Mpich));
        assert_eq!(of(&[], Some(1)), Some(Interface::Standard));
        // A library of another kind is not taken for one of these.
        assert_eq!(of(&["MPI_Init_thread"], None), None);
        assert_eq!(of(&["MPI_Init_thread"], Some(-1)), None);
    }

    #[cfg(unix)]
    #[test]
    fn another_library_is_not_taken_for_mpi() {
        let name = if cfg!(target_os = "macos") { "libSystem.B.dylib" } else { "libc.so.6" };
        let refused = Library::load(OsStr::new(name), false).err();
        assert!(refused.is_some(), "{name} is taken for an MPI");
    }
}
