//! NCCL. What each function does to `State`, and what it refuses, is what nccl.h and NCCL's guide say.

use crate::{CURRENT, MOVED, PATIENCE, State, Work, call, codes, destroy, state};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::ffi::{CString, c_char, c_int};
use std::sync::MutexGuard;

const SYSTEM_ERROR: u32 = 2;
const INVALID_ARGUMENT: u32 = 4;
const INVALID_USAGE: u32 = 5;

/// `ncclUniqueId`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct UniqueId([u8; 128]);

/// What ranks know of each other.
#[derive(Default)]
pub struct Links {
    /// The devices of ranks that came to a key.
    came: BTreeMap<u64, BTreeMap<c_int, c_int>>,
    /// How many ranks of a key have ended.
    ended: BTreeMap<u64, c_int>,
    communicators: BTreeMap<u64, Communicator>,
    /// Bytes on their way, by key, sender and receiver.
    underway: BTreeMap<(u64, c_int, c_int), VecDeque<Vec<u8>>>,
    last_error: String,
}

#[derive(Clone, Copy)]
struct Communicator {
    key: u64,
    ranks: c_int,
    rank: c_int,
    context: u64,
}

/// One message of a group.
#[derive(Clone, Copy)]
struct Message {
    leaves: bool,
    communicator: Communicator,
    peer: c_int,
    address: u64,
    bytes: usize,
}

/// Messages that travel at once.
#[derive(Clone)]
pub struct Group {
    messages: VecDeque<Message>,
    sent: bool,
}

thread_local! {
    /// The messages of the group that this thread began.
    static BEGUN: RefCell<Option<Vec<Message>>> = const { RefCell::new(None) };
}

impl State {
    /// Sends what a group sends, and takes what has come. Returns what is left.
    pub fn pass(&mut self, mut group: Group) -> Option<Group> {
        if !group.sent {
            for message in group.messages.iter().filter(|message| message.leaves) {
                let Communicator { key, rank, .. } = message.communicator;
                // SAFETY: the range was found within an allocation when the message was asked for.
                let bytes = unsafe { std::slice::from_raw_parts(message.address as *const u8, message.bytes) }.to_vec();
                self.links.underway.entry((key, rank, message.peer)).or_default().push_back(bytes);
            }
            group = Group { messages: group.messages.into_iter().filter(|it| !it.leaves).collect(), sent: true };
            MOVED.notify_all();
        }
        while let Some(Message { communicator: Communicator { key, rank, .. }, peer, address, bytes, .. }) =
            group.messages.front().copied()
        {
            let Some(come) = self.links.underway.get_mut(&(key, peer, rank)).and_then(VecDeque::pop_front) else {
                return Some(group);
            };
            if come.len() != bytes {
                self.notes.push(format!("rank {rank} takes {bytes} bytes, and rank {peer} sends {}", come.len()));
            }
            // SAFETY: as above.
            unsafe { std::ptr::copy_nonoverlapping(come.as_ptr(), address as *mut u8, bytes.min(come.len())) };
            group.messages.pop_front();
        }
        None
    }
}

/// Waits until something is so, and returns whether it came to be.
fn wait(mut state: MutexGuard<'static, State>, is_so: impl Fn(&State) -> bool) -> (MutexGuard<'static, State>, bool) {
    MOVED.notify_all();
    while !is_so(&state) {
        let (again, waited) = MOVED.wait_timeout(state, PATIENCE).unwrap_or_else(std::sync::PoisonError::into_inner);
        state = again;
        if waited.timed_out() {
            return (state, false);
        }
    }
    (state, true)
}

/// Returns with a code where the call was told to fail.
macro_rules! nccl {
    ($state:ident, $name:literal) => {
        let (mut $state, code) = call($name);
        if code != 0 {
            return code;
        }
        let _ = &mut $state;
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetVersion(out: *mut c_int) -> u32 {
    nccl!(state, "ncclGetVersion");
    unsafe { *out = state.setting("nccl", 22703) as c_int };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetErrorString(code: u32) -> *const c_char {
    let text = codes::NCCL.iter().find(|(known, _)| *known == code).map_or("unknown result code", |(_, text)| text);
    CString::new(text).expect("no zero").into_raw()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetLastError(_communicator: u64) -> *const c_char {
    CString::new(state().links.last_error.clone()).expect("no zero").into_raw()
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGetUniqueId(out: *mut UniqueId) -> u32 {
    nccl!(state, "ncclGetUniqueId");
    state.next += 1;
    let mut id = [0xab; 128];
    id[..8].copy_from_slice(&state.next.to_ne_bytes());
    unsafe { *out = UniqueId(id) };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommInitRank(out: *mut u64, ranks: c_int, id: UniqueId, rank: c_int) -> u32 {
    nccl!(state, "ncclCommInitRank");
    let context = CURRENT.get();
    let Some(device) = state.devices.get(&context).copied() else { return INVALID_USAGE };
    if rank < 0 || rank >= ranks || id.0[8..] != [0xab; 120] {
        return INVALID_ARGUMENT;
    }
    let key = u64::from_ne_bytes(id.0[..8].try_into().expect("eight bytes"));
    state.links.came.entry(key).or_default().insert(rank, device);
    let all = |state: &State| state.links.came[&key].len() == ranks as usize;
    let (mut state, came) = wait(state, all);
    if !came {
        return SYSTEM_ERROR;
    }
    if let Some((other, _)) = state.links.came[&key].iter().find(|(other, of)| **other != rank && **of == device) {
        state.links.last_error = format!("Duplicate GPU detected : rank {rank} and rank {other} both on CUDA device");
        return INVALID_USAGE;
    }
    let handle = state.make("communicator");
    state.links.communicators.insert(handle, Communicator { key, ranks, rank, context });
    unsafe { *out = handle };
    0
}

/// Waits until all ranks do this, as the guide says of those of one machine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommDestroy(handle: u64) -> u32 {
    let ends = state().links.communicators.remove(&handle);
    if let Some(Communicator { key, ranks, .. }) = ends {
        let mut state = state();
        *state.links.ended.entry(key).or_default() += 1;
        let (mut state, all) = wait(state, |state| state.links.ended[&key] == ranks);
        if !all {
            state.notes.push("a rank does not end".to_owned());
        }
    }
    destroy("ncclCommDestroy", "communicator", handle, true)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclCommGetAsyncError(handle: u64, out: *mut u32) -> u32 {
    nccl!(state, "ncclCommGetAsyncError");
    if !state.is(handle, "communicator") {
        return INVALID_ARGUMENT;
    }
    unsafe { *out = state.setting("async", 0) as u32 };
    0
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGroupStart() -> u32 {
    nccl!(state, "ncclGroupStart");
    state.notes.push("nccl start".to_owned());
    match BEGUN.replace(Some(Vec::new())) {
        None => 0,
        Some(_) => INVALID_USAGE,
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclGroupEnd() -> u32 {
    let begun = BEGUN.take();
    nccl!(state, "ncclGroupEnd");
    state.notes.push("nccl end".to_owned());
    let Some(messages) = begun else { return INVALID_USAGE };
    if state.spoils() {
        state.notes.push("messages in a capture".to_owned());
    }
    let line = format!("messages {}", messages.len());
    state.put(line, Work::Messages(Group { messages: messages.into(), sent: false }));
    0
}

/// Adds a message to the group that this thread began.
fn ask(mut state: MutexGuard<'static, State>, leaves: bool, place: (u64, usize, c_int), to: (c_int, u64, u64)) -> u32 {
    let ((address, count, kind), (peer, handle, stream)) = (place, to);
    let Some(communicator) = state.links.communicators.get(&handle).copied() else { return INVALID_ARGUMENT };
    let verb = if leaves { "send" } else { "receive" };
    state.notes.push(format!("nccl {}: {verb} {count} of type {kind}, {peer}", communicator.rank));
    let bytes = 4 * count;
    let right = state.streams.get(&stream) == Some(&communicator.context)
        && state.is(stream, "stream")
        && communicator.context == CURRENT.get()
        && (0..communicator.ranks).contains(&peer)
        && kind == 7
        && count > 0
        && state.holds("device memory", address, bytes);
    if !right {
        return INVALID_ARGUMENT;
    }
    let message = Message { leaves, communicator, peer, address, bytes };
    // Alone, it would wait for the other rank, which may wait for this one.
    BEGUN.with_borrow_mut(|begun| {
        begun.as_mut().map_or(INVALID_USAGE, |begun| {
            begun.push(message);
            0
        })
    })
}

/// Returns with a code where a message was told to fail, which spoils the group it is in.
macro_rules! message {
    ($state:ident, $name:literal) => {
        let ($state, code) = call($name);
        if code != 0 {
            BEGUN.take();
            return code;
        }
    };
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclSend(at: u64, count: usize, kind: c_int, peer: c_int, handle: u64, stream: u64) -> u32 {
    message!(state, "ncclSend");
    ask(state, true, (at, count, kind), (peer, handle, stream))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn ncclRecv(at: u64, count: usize, kind: c_int, peer: c_int, handle: u64, stream: u64) -> u32 {
    message!(state, "ncclRecv");
    ask(state, false, (at, count, kind), (peer, handle, stream))
}
