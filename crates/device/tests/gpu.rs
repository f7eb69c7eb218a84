//! A GPU over a driver that notes what it is asked for: rooms that are used again, and what happens after an error.

use std::sync::{Arc, Mutex};
use tagsmith_device::Error;
use tagsmith_device::gpu::{Driver, Gpu};
use tagsmith_device::launch::Launch;
use tagsmith_device::multiply::Multiply;
use tagsmith_device::traffic::Traffic;

/// What a driver was asked for, and what it still has.
#[derive(Debug, Default)]
struct Notes {
    asked: Vec<String>,
    free: u64,
    next: u64,
}

/// A driver without a device: it notes each call, and refuses launches of a kernel named `unknown`.
#[derive(Debug)]
struct Noting(Arc<Mutex<Notes>>);

impl Noting {
    fn note(&self, what: String) -> Result<(), Error> {
        self.0.lock().unwrap().asked.push(what);
        Ok(())
    }
}

impl Driver for Noting {
    fn name(&self) -> String {
        "noting".into()
    }

    fn memory(&self) -> Result<(u64, u64), Error> {
        Ok((self.0.lock().unwrap().free, 4096))
    }

    fn allocate(&self, bytes: u64) -> Result<u64, Error> {
        self.note(format!("allocate {bytes}"))?;
        let mut notes = self.0.lock().unwrap();
        if bytes > notes.free {
            return Err(Error::OutOfMemory { device: self.name(), asked: bytes, free: notes.free, all: 4096 });
        }
        notes.free -= bytes;
        notes.next += 0x1000;
        Ok(notes.next)
    }

    fn assign(&self, address: u64, bytes: u64) {
        _ = self.note(format!("assign {address:x} {bytes}"));
    }

    fn free(&self, address: u64) {
        _ = self.note(format!("free {address:x}"));
        self.0.lock().unwrap().free += 1024;
    }

    fn upload(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
        self.note(format!("upload {address:x} {}", bytes.len()))
    }

    fn download(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
        self.note(format!("download {address:x} {}", out.len()))
    }

    fn clear(&self, address: u64, bytes: u64) -> Result<(), Error> {
        self.note(format!("clear {address:x} {bytes}"))
    }

    fn copy(&self, from: u64, to: u64, bytes: u64) -> Result<(), Error> {
        self.note(format!("copy {from:x} {to:x} {bytes}"))
    }

    fn launch(&self, launch: &Launch) -> Result<(), Error> {
        match launch.kernel {
            "unknown" => Err(Error::Fault("there is no kernel `unknown`".into())),
            kernel => self.note(format!("launch {kernel}")),
        }
    }

    fn multiply(&self, _: &Multiply) -> Result<(), Error> {
        self.note("multiply".into())
    }

    fn wait(&self) -> Result<(), Error> {
        self.note("wait".into())
    }
}

/// Returns a GPU with `free` bytes, and its driver's notes.
fn gpu(free: u64) -> (Gpu, Arc<Mutex<Notes>>) {
    let notes = Arc::new(Mutex::new(Notes { free, ..Notes::default() }));
    (Gpu::new(Box::new(Noting(notes.clone()))), notes)
}

fn launch(kernel: &'static str) -> Launch {
    Launch { kernel, grid: [1; 3], block: [1; 3], args: Vec::new(), traffic: Traffic::default() }
}

fn asked(notes: &Mutex<Notes>) -> Vec<String> {
    std::mem::take(&mut notes.lock().unwrap().asked)
}

#[test]
fn a_dropped_room_is_used_again_for_one_of_nearly_its_size() {
    let (gpu, notes) = gpu(4096);
    drop(gpu.room(1000));
    let again = gpu.room(600);
    assert_eq!((again.address(), again.bytes()), (0x1000, 600));
    // A room of 1,024 bytes may hold half as many, not fewer.
    drop(again);
    let small = gpu.room(100);
    assert_eq!(small.address(), 0x1000);
    let other = gpu.room(2048);
    assert_eq!(other.address(), 0x2000);
    drop(other);
    let third = gpu.room(512);
    assert_eq!(third.address(), 0x3000);
    assert_eq!(
        asked(&notes),
        [
            "allocate 1024",
            "assign 1000 1000",
            "assign 1000 600",
            "assign 1000 100",
            "allocate 2048",
            "assign 2000 2048",
            "allocate 512",
            "assign 3000 512"
        ]
    );
    drop((small, third));
    gpu.release_free_memory();
    assert_eq!(asked(&notes), ["free 3000", "free 1000", "free 2000"]);
}

#[test]
fn bytes_go_where_they_are_sent_to() {
    let (gpu, notes) = gpu(4096);
    let (one, two) = (gpu.room(100), gpu.room(100));
    asked(&notes);
    one.upload(8, &[0; 12]);
    two.copy(4, &one, 60, 40);
    two.clear(96, 4);
    two.download(96, &mut [0; 4]).unwrap();
    // Nothing to do is not asked for.
    one.upload(100, &[]);
    assert_eq!(asked(&notes), ["upload 1008 12", "copy 103c 2004 40", "clear 2060 4", "download 2060 4"]);
}

#[test]
#[should_panic(expected = "8 bytes from 96 on, of 100")]
fn bytes_outside_of_a_room_are_our_mistake() {
    gpu(4096).0.room(100).upload(96, &[0; 8]);
}

#[test]
fn after_an_error_nothing_is_done_and_every_read_returns_it() {
    let (gpu, notes) = gpu(4096);
    let room = gpu.room(16);
    gpu.launch(&launch("first"));
    assert_eq!(gpu.check(), Ok(()));
    gpu.launch(&launch("unknown"));
    asked(&notes);
    gpu.launch(&launch("second"));
    room.upload(0, &[1; 16]);
    room.clear(0, 16);
    let want = Err(Error::Fault("there is no kernel `unknown`".into()));
    for _ in 0..2 {
        assert_eq!(room.download(0, &mut [0; 16]), want);
        assert_eq!(gpu.wait(), want);
    }
    assert_eq!(asked(&notes), Vec::<String>::new());
    assert_eq!(gpu.room(5000).address(), 0, "there is no room after an error");
}

#[test]
fn where_memory_is_short_dropped_rooms_go_back_first() {
    let (gpu, notes) = gpu(1024);
    drop(gpu.room(1000));
    asked(&notes);
    // No dropped room is as large as 2,048 bytes, and giving back 1,024 is not enough.
    let room = gpu.room(2000);
    assert_eq!(room.address(), 0);
    assert_eq!(asked(&notes), ["allocate 2048", "free 1000", "allocate 2048"]);
    let error = gpu.check().unwrap_err();
    assert_eq!(error.to_string(), "noting: 2048 bytes do not fit; 1024 bytes of 4096 are free");
    drop(room);
    gpu.release_free_memory();
    assert_eq!(asked(&notes), Vec::<String>::new(), "a room that was never there is not given back");
}

#[test]
fn where_memory_is_short_dropped_rooms_may_be_enough() {
    let (gpu, notes) = gpu(1536);
    drop(gpu.room(512));
    asked(&notes);
    let room = gpu.room(2000);
    assert_eq!(asked(&notes), ["allocate 2048", "free 1000", "allocate 2048", "assign 2000 2000"]);
    assert_eq!((room.address(), gpu.check()), (0x2000, Ok(())));
}
