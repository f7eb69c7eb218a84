//! Records of bytes, one after another: in memory as long as there is room, and in a file from there on.
//!
//! The file is read by position, record by record. It has lost its name as soon as it exists, so that the system removes
//! it when the process ends, however it ends.

use crate::Error;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that wait before they are written to the file.
const WAITING_MAX: usize = 1 << 18;

/// Bytes of a chunk of memory: a list that grows neither moves nor holds more than it needs.
const CHUNK: usize = 1 << 20;

/// Memory that several lists of records share, and the folder of the files for what is beyond it.
#[derive(Clone, Debug)]
pub struct Room(Arc<Limits>);

#[derive(Debug)]
struct Limits {
    /// Bytes that are free.
    free: AtomicU64,
    /// The folder of the files; without it there is no limit.
    folder: Option<PathBuf>,
}

/// Number of the process's next file.
static FILES: AtomicU64 = AtomicU64::new(0);

impl Room {
    /// Returns a room of so many bytes. What does not fit goes to files in `folder`, which is created if need be.
    pub fn new(bytes: u64, folder: &Path) -> Room {
        Room::of(bytes, Some(folder.to_owned()))
    }

    /// Returns a room that everything fits in.
    pub fn unlimited() -> Room {
        Room::of(u64::MAX, None)
    }

    fn of(bytes: u64, folder: Option<PathBuf>) -> Room {
        Room(Arc::new(Limits { free: AtomicU64::new(bytes), folder }))
    }

    /// Takes bytes, if they are free.
    fn take(&self, bytes: u64) -> bool {
        let less = |free: u64| free.checked_sub(bytes);
        self.0.folder.is_none() || self.0.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }

    fn give_back(&self, bytes: u64) {
        if self.0.folder.is_some() {
            self.0.free.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    fn create_file(&self) -> Result<Beyond, Error> {
        let folder = self.0.folder.as_ref().expect("a room without a folder has no limit");
        let refused = |source| Error::Beyond { folder: folder.clone(), is_read: false, source };
        fs::create_dir_all(folder).map_err(refused)?;
        loop {
            let path = file_path(folder, FILES.fetch_add(1, Ordering::Relaxed));
            let file = match File::options().read(true).write(true).create_new(true).open(&path) {
                // Processes on two machines may have one number, and a file may be left of a process that was killed.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                file => file.map_err(refused)?,
            };
            // A system that keeps the name of an open file loses it in `Beyond::drop`.
            let has_name = fs::remove_file(&path).is_err();
            return Ok(Beyond { path, has_name, file: Mutex::new(file), written: 0, waiting: Vec::new() });
        }
    }
}

/// Returns the path of this process's file of that number.
fn file_path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!(".records-{}-{number}.partial", std::process::id()))
}

/// The bytes that memory has no room for.
#[derive(Debug)]
struct Beyond {
    path: PathBuf,
    has_name: bool,
    file: Mutex<File>,
    /// Bytes in the file.
    written: u64,
    /// Bytes that come after those in the file.
    waiting: Vec<u8>,
}

impl Beyond {
    fn push(&mut self, record: &[u8]) -> Result<(), Error> {
        self.waiting.extend_from_slice(record);
        if self.waiting.len() >= WAITING_MAX {
            let file = self.file.get_mut().unwrap_or_else(PoisonError::into_inner);
            let end = SeekFrom::Start(self.written);
            let written = file.seek(end).and_then(|_| file.write_all(&self.waiting));
            written.map_err(|source| self.refused(false, source))?;
            self.written += self.waiting.len() as u64;
            self.waiting.clear();
        }
        Ok(())
    }

    fn read(&self, bytes: Range<u64>, into: &mut Vec<u8>) -> Result<(), Error> {
        let (in_file, waiting) = (bytes.start..bytes.end.min(self.written), bytes.start.max(self.written)..bytes.end);
        if in_file.start < in_file.end {
            let from = into.len();
            into.resize(from + (in_file.end - in_file.start) as usize, 0);
            let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
            let start = SeekFrom::Start(in_file.start);
            let read = file.seek(start).and_then(|_| file.read_exact(&mut into[from..]));
            read.map_err(|source| self.refused(true, source))?;
        }
        if waiting.start < waiting.end {
            let [start, end] = [waiting.start, waiting.end].map(|at| (at - self.written) as usize);
            into.extend_from_slice(&self.waiting[start..end]);
        }
        Ok(())
    }

    fn refused(&self, is_read: bool, source: io::Error) -> Error {
        let folder = self.path.parent().expect("the file is in a folder").to_owned();
        Error::Beyond { folder, is_read, source }
    }
}

impl Drop for Beyond {
    fn drop(&mut self) {
        if self.has_name {
            fs::remove_file(&self.path).ok();
        }
    }
}

/// A list of records, which are strings of bytes.
#[derive(Debug)]
pub struct Records {
    room: Room,
    /// The first records, one after another in chunks that are full but for the last.
    memory: Vec<Vec<u8>>,
    /// The bytes of these records.
    held: u64,
    /// The others.
    beyond: Option<Beyond>,
    /// One past the last byte of each record.
    ends: Vec<u64>,
}

impl Records {
    /// Returns an empty list, whose bytes take a part of `room`.
    pub fn new(room: &Room) -> Records {
        Records { room: room.clone(), memory: Vec::new(), held: 0, beyond: None, ends: Vec::new() }
    }

    /// Returns the room of which the records take a part.
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Returns the number of records.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns whether there is no record.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Adds a record.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn push(&mut self, record: &[u8]) -> Result<(), Error> {
        let bytes = record.len() as u64;
        match &mut self.beyond {
            None if self.room.take(bytes) => self.hold(record),
            None => self.beyond.insert(self.room.create_file()?).push(record)?,
            Some(beyond) => beyond.push(record)?,
        }
        self.ends.push(self.start(self.len()) + bytes);
        Ok(())
    }

    fn hold(&mut self, mut record: &[u8]) {
        self.held += record.len() as u64;
        while !record.is_empty() {
            if self.memory.last().is_none_or(|chunk| chunk.len() == CHUNK) {
                self.memory.push(Vec::with_capacity(CHUNK));
            }
            let chunk = self.memory.last_mut().expect("a chunk with room was made");
            let (now, later) = record.split_at(record.len().min(CHUNK - chunk.len()));
            chunk.extend_from_slice(now);
            record = later;
        }
    }

    fn start(&self, at: usize) -> u64 {
        at.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    /// Reads record `at` into `record`, whose content it replaces.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn get(&self, at: usize, record: &mut Vec<u8>) -> Result<(), Error> {
        record.clear();
        self.read(at..at + 1, record)
    }

    /// Reads records that follow each other and hands them to `each`.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn for_each(&self, records: Range<usize>, mut each: impl FnMut(&[u8])) -> Result<(), Error> {
        let mut bytes = Vec::new();
        self.read(records.clone(), &mut bytes)?;
        let first = self.start(records.start);
        for at in records {
            each(&bytes[(self.start(at) - first) as usize..(self.ends[at] - first) as usize]);
        }
        Ok(())
    }

    fn read(&self, records: Range<usize>, into: &mut Vec<u8>) -> Result<(), Error> {
        let (start, end, held) = (self.start(records.start), self.start(records.end), self.held);
        let mut at = start as usize;
        while at < end.min(held) as usize {
            let chunk = &self.memory[at / CHUNK];
            let part = &chunk[at % CHUNK..chunk.len().min(at % CHUNK + end.min(held) as usize - at)];
            into.extend_from_slice(part);
            at += part.len();
        }
        match &self.beyond {
            Some(beyond) if end > held => beyond.read(start.max(held) - held..end - held, into),
            _ => Ok(()),
        }
    }

    /// Returns how many records from `first` on have at most `bytes` together; at least one.
    pub fn count_within(&self, first: usize, bytes: u64) -> usize {
        let most = self.start(first) + bytes;
        self.ends[first..].partition_point(|&end| end <= most).max(1)
    }

    /// Returns the bytes of records in memory.
    pub fn bytes_in_memory(&self) -> u64 {
        self.held
    }

    /// Returns the bytes that say where each record is, which are always in memory.
    pub fn bytes_of_index(&self) -> u64 {
        size_of_val(&self.ends[..]) as u64
    }

    /// Returns the bytes that are in the file.
    pub fn bytes_in_file(&self) -> u64 {
        self.beyond.as_ref().map_or(0, |beyond| beyond.written + beyond.waiting.len() as u64)
    }
}

impl Drop for Records {
    fn drop(&mut self) {
        self.room.give_back(self.held);
    }
}

/// Writes a number in as few bytes as it needs, seven bits in each.
pub fn put_number(record: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        record.push(number as u8 | 0x80);
        number >>= 7;
    }
    record.push(number as u8);
}

/// Takes a number from the front of `record`, where [`put_number`] wrote it.
pub fn take_number(record: &mut &[u8]) -> u64 {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = record.split_first().expect("a record holds whole numbers");
        *record = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return number;
        }
        shift += 7;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Record n has n % 90 bytes that tell it from all others.
    fn record(number: usize) -> Vec<u8> {
        (0..number % 90).map(|at| (number * 31 + at * 7) as u8).collect()
    }

    #[test]
    fn records_are_the_same_wherever_they_lie() {
        const COUNT: usize = 60_000;
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("new").join("folder");
        for (bytes, in_file) in [(u64::MAX, false), (0, true), (1_000, true), (2_000_000, true)] {
            let room = Room::new(bytes, &inner);
            let mut records = Records::new(&room);
            for number in 0..COUNT {
                records.push(&record(number)).unwrap();
                // What waits to be written is there too.
                let mut last = vec![9];
                records.get(number, &mut last).unwrap();
                assert_eq!(last, record(number));
            }
            assert_eq!(records.bytes_in_file() > 0, in_file, "{bytes}");
            let total: usize = (0..COUNT).map(|number| record(number).len()).sum();
            assert_eq!(records.bytes_in_memory() + records.bytes_in_file(), total as u64);
            assert!(records.bytes_in_memory() <= bytes);
            assert_eq!(records.bytes_of_index(), 8 * COUNT as u64);
            let mut got = Vec::new();
            for number in [COUNT - 1, 0, 777, 12_345] {
                records.get(number, &mut got).unwrap();
                assert_eq!(got, record(number), "{bytes} {number}");
            }
            let mut next = 0;
            while next < COUNT {
                let end = next + records.count_within(next, 10_000);
                let mut number = next;
                records
                    .for_each(next..end, |got| {
                        assert_eq!(got, record(number));
                        number += 1;
                    })
                    .unwrap();
                assert_eq!(number, end);
                next = end;
            }
            // Nothing is left to sweep, not even while the records are in use.
            if inner.is_dir() {
                assert_eq!(fs::read_dir(&inner).unwrap().count(), 0);
            }
        }
    }

    #[test]
    fn lists_share_their_room() {
        let folder = tempfile::tempdir().unwrap();
        let room = Room::new(100, folder.path());
        let mut first = Records::new(&room);
        first.push(&[1; 60]).unwrap();
        let mut second = Records::new(&room);
        second.push(&[2; 60]).unwrap();
        assert_eq!([first.bytes_in_file(), second.bytes_in_file()], [0, 60]);
        // What one gives back, another may take. A record never lies before one that came earlier.
        drop(first);
        second.push(&[3; 10]).unwrap();
        assert_eq!(second.bytes_in_file(), 70);
        let mut third = Records::new(&room);
        third.push(&[4; 100]).unwrap();
        assert_eq!(third.bytes_in_file(), 0);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        fs::write(&file, "").unwrap();
        let error = Records::new(&Room::new(0, &file)).push(&[1]).unwrap_err();
        assert!(error.to_string().contains(&format!("written to a file in `{}`", file.display())), "{error}");
        assert!(error.remedy().is_some());
    }

    /// `/dev/full` refuses every byte, as a full disk does, and a folder as a file cannot be read.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error_with_a_remedy() {
        let of = |device: &str| {
            let file = File::options().read(true).write(device != "/dev").open(device).unwrap();
            let path = PathBuf::from("out/.records");
            let beyond = Beyond { path, has_name: false, file: Mutex::new(file), written: 0, waiting: Vec::new() };
            let mut records = Records::new(&Room::new(0, Path::new("out")));
            records.beyond = Some(beyond);
            records
        };
        let check = |error: &Error, start: &str, cause: &str| {
            let said = format!("{error}: {}", std::error::Error::source(error).unwrap());
            assert!(said.starts_with(start) && said.contains(cause), "{said}");
            let clause = error.remedy().unwrap().clause(&|setting, _| format!("{setting:?}"));
            assert!(clause.contains("DataMemory") && clause.contains("OutputDir"), "{clause}");
        };
        let mut full = of("/dev/full");
        // What waits needs no disk.
        full.push(&[1; WAITING_MAX - 1]).unwrap();
        let error = full.push(&[1]).unwrap_err();
        check(&error, "what memory has no room for cannot be written to a file in `out`", "No space left on device");
        let mut unreadable = of("/dev");
        unreadable.push(&[1]).unwrap();
        unreadable.beyond.as_mut().unwrap().written = 1;
        let error = unreadable.get(0, &mut Vec::new()).unwrap_err();
        check(&error, "what memory has no room for cannot be read from a file in `out`", "Is a directory");
    }

    /// A file or a link with the name of ours is somebody else's.
    #[test]
    fn what_has_the_name_already_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let next = FILES.load(Ordering::Relaxed);
        // Other tests make files too, so that this one may begin with a later number.
        let taken: Vec<PathBuf> = (next..next + 500).map(|number| file_path(folder.path(), number)).collect();
        let linked = folder.path().join("linked");
        fs::write(&linked, "theirs").unwrap();
        for path in &taken {
            #[cfg(unix)]
            std::os::unix::fs::symlink(&linked, path).unwrap();
            #[cfg(not(unix))]
            fs::write(path, "theirs").unwrap();
        }
        let mut records = Records::new(&Room::new(0, folder.path()));
        records.push(&[7; 9]).unwrap();
        assert_eq!(records.bytes_in_file(), 9);
        for path in taken.iter().chain([&linked]) {
            assert_eq!(fs::read_to_string(path).unwrap(), "theirs");
        }
    }

    #[test]
    fn numbers_come_back() {
        let numbers = [0, 1, 127, 128, 300, 1 << 14, u64::from(u32::MAX), u64::MAX];
        let mut record = Vec::new();
        numbers.iter().for_each(|&number| put_number(&mut record, number));
        // Seven bits a byte: LEB128, as the DWARF standard has it (624485 is its example).
        let mut example = Vec::new();
        put_number(&mut example, 624_485);
        assert_eq!(example, [0xE5, 0x8E, 0x26]);
        let mut rest = &record[..];
        assert_eq!(numbers.map(|_| take_number(&mut rest)), numbers);
        assert!(rest.is_empty());
    }
}
