//! A device's memory: rooms, and what every access to them is checked for.

pub mod mistake;
pub mod space;
pub mod trace;
pub mod tracked;

use mistake::Mistake;
use space::VARIABLES;
use trace::{Actor, HOST, Kind};
use tracked::Tracked;

/// A piece of memory that [`Memory::allocate`] made.
#[derive(Debug)]
struct Room {
    address: u64,
    size: u64,
    bytes: Tracked,
}

/// The device's memory.
#[derive(Debug)]
pub struct Memory {
    /// By address.
    rooms: Vec<Room>,
    /// Where the next room begins. No address is used twice.
    next: u64,
    /// The room that was reached last.
    last: usize,
    /// The last epoch that began.
    epoch: u32,
    /// Bytes that rooms take.
    taken: u64,
}

/// Where the first room begins.
const FIRST: u64 = 1 << 32;

/// The least distance of two rooms, so that a small step behind one does not reach another.
const GAP: u64 = 4096;

/// What rooms are aligned to, as CUDA's driver aligns them.
const ALIGN: u64 = 256;

impl Memory {
    /// Makes memory with a module's variables, all of them 0, and no rooms. Variables are not among the bytes that are taken.
    pub fn new(variables: u64) -> Memory {
        let mut bytes = Tracked::new(variables as usize);
        bytes.host_writes(0, variables as usize);
        let rooms = vec![Room { address: VARIABLES, size: variables, bytes }];
        Memory { rooms, next: FIRST, last: 0, epoch: HOST, taken: 0 }
    }

    /// Returns the bytes of all rooms.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// Makes a room that nobody wrote.
    pub fn allocate(&mut self, size: u64) -> u64 {
        let address = self.next;
        self.next = (address + size + GAP).next_multiple_of(ALIGN);
        self.taken += size;
        self.rooms.push(Room { address, size, bytes: Tracked::new(size as usize) });
        address
    }

    fn position(&self, address: u64) -> Option<usize> {
        self.rooms.binary_search_by_key(&address, |room| room.address).ok()
    }

    /// Uses the first bytes of a room, and forgets what they hold.
    pub fn assign(&mut self, address: u64, bytes: u64) {
        if let Some(at) = self.position(address) {
            self.rooms[at].bytes.assign(bytes as usize);
        }
    }

    /// Takes a room away.
    pub fn free(&mut self, address: u64) {
        if let Some(at) = self.position(address) {
            self.taken -= self.rooms[at].size;
            self.rooms.remove(at);
            self.last = 0;
        }
    }

    /// Begins an epoch: a launch, a block or the time behind a barrier.
    ///
    /// # Errors
    /// There were too many.
    pub fn begin_epoch(&mut self) -> Result<u32, Mistake> {
        self.epoch = self.epoch.checked_add(1).ok_or(Mistake("no more than 4,294,967,295 barriers yet".to_owned()))?;
        Ok(self.epoch)
    }

    /// Counts epochs from the beginning again, if many were used.
    pub fn rest(&mut self) {
        if self.epoch > u32::MAX / 2 {
            self.rooms.iter_mut().for_each(|room| room.bytes.forget_times());
            self.epoch = HOST;
        }
    }

    /// Finds the room and the place in it where bytes lie.
    fn find(&mut self, address: u64, len: u64) -> Result<(&mut Tracked, usize), Mistake> {
        let is_in = |room: &Room| address >= room.address && address - room.address < room.size;
        if !self.rooms.get(self.last).is_some_and(is_in) {
            self.last = self.rooms.partition_point(|room| room.address <= address).saturating_sub(1);
        }
        let outside = |what: String| Err(Mistake(format!("{len} bytes at address {address:#x} lie outside: {what}")));
        let Some(room) = self.rooms.get_mut(self.last).filter(|room| address >= room.address) else {
            return outside("no room is there".to_owned());
        };
        let from = address - room.address;
        let used = room.bytes.len() as u64;
        if from.checked_add(len).is_none_or(|end| end > used) {
            let start = room.address;
            return match from.checked_sub(used) {
                Some(behind) if behind > GAP + ALIGN => outside("no room is there".to_owned()),
                _ => outside(format!("byte {from} of the {used} bytes at {start:#x}")),
            };
        }
        Ok((&mut room.bytes, from as usize))
    }

    /// Takes note of a thread's access, and returns where it leads and how many bytes the launch had not reached so.
    ///
    /// # Errors
    /// The access is outside, a race, or a read of what nobody wrote.
    pub fn access(
        &mut self,
        address: u64,
        len: usize,
        kind: Kind,
        actor: &Actor<'_>,
    ) -> Result<(&mut [u8], u64), Mistake> {
        let (bytes, from) = self.find(address, len as u64)?;
        let first = bytes.note(from, len, kind, actor)?;
        Ok((bytes.bytes_mut(from, len), first))
    }

    /// Returns bytes for the host to write.
    ///
    /// # Errors
    /// They lie outside.
    pub fn host_write(&mut self, address: u64, len: u64) -> Result<&mut [u8], Mistake> {
        let (bytes, from) = self.find(address, len)?;
        bytes.host_writes(from, len as usize);
        Ok(bytes.bytes_mut(from, len as usize))
    }

    /// Returns bytes for the host to read.
    ///
    /// # Errors
    /// They lie outside; nobody wrote them.
    pub fn host_read(&mut self, address: u64, len: u64) -> Result<&[u8], Mistake> {
        let (bytes, from) = self.find(address, len)?;
        if let Some(at) = bytes.unwritten(from, len as usize) {
            let used = bytes.len();
            return Err(Mistake(format!("byte {at} of {used} at {:#x} was never written", address - from as u64)));
        }
        Ok(bytes.bytes(from, len as usize))
    }
}
