//! Links between GPUs by NCCL: which calls they make, that the bytes come, what comes of each error, and how they end.

use crate::codes::NCCL;
use crate::harness::{Fake, PTX, only};
use std::collections::BTreeMap;
use std::thread;
use tagsmith_device::Error;
use tagsmith_device::cuda;
use tagsmith_device::gpu::{Driver, Gpu, Room};
use tagsmith_device::launch::Launch;
use tagsmith_device::link::{Key, Message};
use tagsmith_device::traffic::Traffic;
use tagsmith_testkit::fake_gpu::{NAMES, library, put};
use tempfile::TempDir;

fn sends(member: usize, room: &Room, first: u64, floats: u64) -> Message {
    Message { leaves: true, member, address: room.address() + 4 * first, floats }
}

fn takes(member: usize, room: &Room, first: u64, floats: u64) -> Message {
    Message { leaves: false, ..sends(member, room, first, floats) }
}

fn filled(gpu: &Gpu, floats: &[f32]) -> Room {
    let room = gpu.room(4 * floats.len() as u64);
    let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_ne_bytes()).collect();
    room.upload(0, &bytes);
    room
}

fn floats(room: &Room) -> Result<Vec<f32>, Error> {
    let mut bytes = vec![0; room.bytes() as usize];
    room.download(0, &mut bytes)?;
    Ok(bytes.chunks_exact(4).map(|word| f32::from_ne_bytes(word.try_into().expect("four bytes"))).collect())
}

fn open(fake: &Fake, ordinal: usize) -> Result<Gpu, Error> {
    Ok(Gpu::new(Box::new(cuda::open(&fake.places(), ordinal, PTX)?)))
}

/// A device that exchanges with itself. Returns the calls of the exchange.
fn scenario(fake: &Fake) -> Result<Vec<String>, Error> {
    assert_eq!(cuda::nccl(&fake.places())?.version, (2, 27, 3));
    let key = cuda::link_key(&fake.places())?;
    let gpu = open(fake, 0)?;
    let room = filled(&gpu, &[1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 9.0]);
    gpu.check()?;
    gpu.link(&key, 0, 1)?;
    assert!(gpu.is_linked());
    fake.notes();
    fake.calls();
    gpu.exchange(&[sends(0, &room, 0, 3), takes(0, &room, 3, 3)]);
    gpu.check()?;
    let calls = fake.calls();
    assert_eq!(floats(&room)?, [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 9.0]);
    gpu.unlink()?;
    assert!(!gpu.is_linked());
    Ok(calls)
}

#[test]
fn messages_are_one_group_on_the_device_s_stream() {
    let fake = Fake::new();
    let calls = scenario(&fake).expect("it works");
    let group = ["ncclGroupStart", "ncclSend", "ncclRecv", "ncclGroupEnd"];
    assert_eq!(calls, [&["cuCtxSetCurrent", "ncclCommGetAsyncError"][..], &group].concat());
    // Floats, their number, and with whom. That it is the stream of the device, the library itself looks at.
    let notes = ["nccl start", "nccl 0: send 3 of type 7, 0", "nccl 0: receive 3 of type 7, 0", "nccl end"];
    assert_eq!(fake.notes(), notes);
    assert_eq!(fake.live(), Vec::<String>::new());
    // Without messages there are no calls.
    let gpu = open(&fake, 0).expect("it opens");
    fake.calls();
    gpu.exchange(&[]);
    gpu.unlink().expect("it has no link");
    assert_eq!(fake.calls(), Vec::<String>::new());
}

fn nothing(grid: u32) -> Launch {
    let traffic = Traffic::default();
    Launch { kernel: "nothing", grid: [grid, 1, 1], block: [32, 1, 1], args: Vec::new(), traffic }
}

#[test]
fn work_asked_for_before_messages_is_done_before_them() {
    let fake = Fake::new();
    let gpu = open(&fake, 0).expect("it opens");
    gpu.link(&cuda::link_key(&fake.places()).expect("a key"), 0, 1).expect("it is linked");
    let [source, sent, got] = [(); 3].map(|()| filled(&gpu, &[0.0; 2]));
    fake.calls();
    // Plain calls, then a graph of them, then the graph again.
    for round in 1..=3 {
        let (mine, number) = (filled(&gpu, &[0.0; 2]), round as f32);
        let bytes: Vec<u8> = [number, -number].iter().flat_map(|float| float.to_ne_bytes()).collect();
        source.upload(0, &bytes);
        fake.log();
        (1..=7).for_each(|grid| gpu.launch(&nothing(grid)));
        sent.copy(0, &source, 0, 8);
        assert_eq!(fake.log(), Vec::<String>::new(), "the device collects work");
        gpu.exchange(&[sends(0, &sent, 0, 2), takes(0, &got, 0, 2)]);
        let log = fake.log();
        assert_eq!((log.len(), log.last().expect("work")), (9, &"messages 2".to_owned()), "{log:?}");
        // What is asked for after them is done after them.
        sent.clear(0, 8);
        mine.copy(0, &got, 0, 8);
        assert_eq!(floats(&got), Ok(vec![number, -number]));
        assert_eq!((floats(&mine), floats(&sent)), (Ok(vec![number, -number]), Ok(vec![0.0; 2])));
    }
    let calls = fake.calls();
    let count = |name: &str| calls.iter().filter(|call| *call == name).count();
    assert_eq!((count("cuStreamBeginCapture_v2"), count("cuGraphLaunch"), count("ncclGroupEnd")), (1, 2, 3));
    // The library would note messages in a capture.
    let notes = fake.notes();
    assert!(notes.iter().all(|note| note.starts_with("nccl ")), "{notes:?}");
    // The end of the link, too, comes after all work.
    fake.log();
    gpu.launch(&nothing(9));
    gpu.unlink().expect("it ends");
    assert_eq!(fake.log(), ["launch nothing [9, 1, 1, 32, 1, 1] "]);
}

#[test]
fn a_link_may_be_there_longer_than_its_device() {
    let fake = Fake::new();
    let cuda = cuda::open(&fake.places(), 0, PTX).expect("it opens");
    let link = cuda.link(&cuda::link_key(&fake.places()).expect("a key"), 0, 1).expect("it is linked");
    cuda.launch(&nothing(1)).expect("taken");
    drop(cuda);
    // The device did its work while its kernels were there.
    assert_eq!(fake.log(), ["launch nothing [1, 1, 1, 32, 1, 1] "]);
    link.exchange(&[]).expect("nothing is sent");
    assert_eq!(fake.log(), ["messages 0"]);
    link.end().expect("it ends");
    assert_eq!((fake.live(), fake.notes()), (Vec::new(), vec!["nccl start".to_owned(), "nccl end".to_owned()]));
}

/// Runs `work` as each of several ranks with a device of its own, and returns what each returns.
fn ranks<T: Send>(fake: &Fake, count: usize, work: impl Fn(usize, Gpu, Key) -> T + Sync) -> Vec<T> {
    fake.set("devices", count as u64);
    let key = cuda::link_key(&fake.places()).expect("a key");
    thread::scope(|scope| {
        let one = |rank| {
            let (fake, work) = (&fake, &work);
            scope.spawn(move || work(rank, open(fake, rank).expect("it opens"), key))
        };
        let all: Vec<_> = (0..count).map(one).collect();
        all.into_iter().map(|rank| rank.join().expect("no rank panics")).collect()
    })
}

#[test]
fn every_member_gets_what_the_others_send() {
    for count in [2, 3] {
        let fake = Fake::new();
        let got = ranks(&fake, count, |rank, gpu, key| {
            gpu.link(&key, rank, count).expect("it is linked");
            // Two floats for each other rank, and two from it, in two messages that meet in their order.
            let mine: Vec<f32> = (0..2 * count).map(|i| (100 * rank + i) as f32).collect();
            let (sent, got) = (filled(&gpu, &mine), filled(&gpu, &vec![-1.0; 2 * count]));
            let mut messages = Vec::new();
            for other in (0..count).filter(|&other| other != rank) {
                for i in 0..2 {
                    let at = (2 * other + i) as u64;
                    messages.extend([takes(other, &got, at, 1), sends(other, &sent, at, 1)]);
                }
            }
            gpu.exchange(&messages);
            let floats = floats(&got).expect("it works");
            gpu.unlink().expect("it ends");
            floats
        });
        for (rank, got) in got.iter().enumerate() {
            let from = |other: usize| [0, 1].map(|i| (100 * other + 2 * rank + i) as f32);
            let want: Vec<f32> =
                (0..count).flat_map(|other| if other == rank { [-1.0; 2] } else { from(other) }).collect();
            assert_eq!(*got, want, "rank {rank} of {count}");
        }
        assert_eq!(fake.live(), Vec::<String>::new());
        let notes = fake.notes();
        assert!(notes.iter().all(|note| note.starts_with("nccl ")), "{notes:?}");
    }
}

#[test]
fn a_member_that_fails_waits_for_nobody() {
    let fake = Fake::new();
    ranks(&fake, 2, |rank, gpu, key| gpu.link(&key, rank, 2).expect("it is linked"));
    // Nobody ended the link, so its context stays until the process ends.
    assert!(!fake.calls().contains(&"ncclCommDestroy".to_owned()));
    let mut live = fake.live();
    live.sort();
    assert_eq!(live, ["communicator", "communicator", "context", "context", "stream", "stream"]);
}

#[test]
fn one_gpu_cannot_be_two_members() {
    let fake = Fake::new();
    let said = ranks(&fake, 2, |rank, _, key| {
        let twice = open(&fake, 0).expect("it opens");
        twice.link(&key, rank, 2).unwrap_err().to_string()
    });
    let want =
        "ncclCommInitRank: code 5 (invalid usage (run with NCCL_DEBUG=WARN for details); Duplicate GPU detected : rank";
    assert!(said.iter().all(|said| said.starts_with(want)), "{said:?}");
    assert_eq!(fake.live(), Vec::<String>::new());
}

/// Makes a function fail at one of its calls, and returns what is told.
fn fails(fake: &Fake, name: &str, code: u32, wait: u64) -> String {
    let before = fake.live().len();
    fake.fail(name, code, wait);
    let result = scenario(fake);
    fake.fail(name, 0, 0);
    let message = result.expect_err(name).to_string();
    // What a link that was not ended keeps: a communicator, a stream and a context.
    let left = fake.live().len() - before;
    assert!(left == 0 || left == 3, "{name}, call {wait}: {left} are left after {message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    message
}

#[test]
fn every_code_of_every_function_is_told() {
    let fake = Fake::new();
    let key = ["ncclGetVersion", "ncclGetVersion", "ncclGetUniqueId", "ncclGetVersion", "ncclCommInitRank"];
    let group = ["ncclCommGetAsyncError", "ncclGroupStart", "ncclSend", "ncclRecv", "ncclGroupEnd", "ncclCommDestroy"];
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    key.into_iter().chain(group).for_each(|name| *counts.entry(name).or_default() += 1);
    for (name, calls) in counts {
        for (code, meaning) in NCCL.iter().copied().chain([(4242, "unknown result code")]) {
            for wait in 0..calls {
                assert_eq!(fails(&fake, name, code, wait), format!("{name}: code {code} ({meaning})"));
            }
        }
    }
}

#[test]
fn an_error_of_messages_before_is_told_and_ends_the_device() {
    let fake = Fake::new();
    fake.set("async", 6);
    let told = scenario(&fake).unwrap_err().to_string();
    assert_eq!(told, "NCCL, messages before: code 6 (remote process exited or there was a network error)");
    let gpu = open(&fake, 0).expect("it opens");
    let room = filled(&gpu, &[1.0]);
    gpu.link(&cuda::link_key(&fake.places()).expect("a key"), 0, 1).expect("it is linked");
    gpu.exchange(&[sends(0, &room, 0, 1)]);
    fake.calls();
    // After its first error a device does nothing, and the link is not ended.
    gpu.exchange(&[sends(0, &room, 0, 1)]);
    assert_eq!((gpu.check().unwrap_err().to_string(), gpu.unlink().unwrap_err().to_string()), (told.clone(), told));
    assert_eq!(fake.calls(), Vec::<String>::new());
}

#[test]
fn messages_outside_memory_are_refused_before_the_library_sees_them() {
    let fake = Fake::new();
    let key = cuda::link_key(&fake.places()).expect("a key");
    for floats in [129, u64::MAX / 4] {
        let gpu = open(&fake, 0).expect("it opens");
        gpu.link(&key, 0, 1).expect("it is linked");
        let room = gpu.room(512);
        fake.notes();
        gpu.exchange(&[sends(0, &room, 0, 1), takes(0, &room, 0, floats)]);
        let told = gpu.check().unwrap_err().to_string();
        assert!(told.starts_with("message: ") && told.contains("do not lie in memory"), "{told}");
        assert_eq!(fake.notes(), Vec::<String>::new());
    }
}

#[test]
fn nccl_is_found_where_wheels_put_it_or_told_with_its_command() {
    let (fake, packages) = (Fake::of(library(), &NAMES[..2]), TempDir::new().expect("a folder"));
    let sentence = "there is no libnccl.so.2: `pip install nvidia-nccl-cu13` (for a driver of CUDA 12: `nvidia-nccl-cu12`) \
                    brings it, below site-packages in nvidia/nccl/lib; name one of these folders as that of CUDA's libraries";
    for error in [cuda::nccl(&fake.places()).unwrap_err(), cuda::link_key(&fake.places()).unwrap_err()] {
        assert_eq!(error, Error::Missing(sentence.to_owned()));
    }
    let gpu = open(&fake, 0).expect("NCCL is not needed for a GPU alone");
    assert_eq!(gpu.link(&[0; 128], 0, 1).unwrap_err().to_string(), sentence);
    assert!(!gpu.is_linked());
    put(&packages.path().join("nvidia/nccl/lib"), library(), &NAMES[2..]);
    let found = cuda::nccl(&only(packages.path())).expect("NCCL");
    assert_eq!(found.path, packages.path().join("nvidia/nccl/lib/libnccl.so.2"));
}

#[test]
fn an_nccl_without_a_function_is_too_old() {
    let names = [
        "ncclGetVersion",
        "ncclGetErrorString",
        "ncclGetLastError",
        "ncclGetUniqueId",
        "ncclCommInitRank",
        "ncclCommDestroy",
        "ncclCommGetAsyncError",
        "ncclGroupStart",
        "ncclGroupEnd",
        "ncclSend",
        "ncclRecv",
    ];
    for name in names {
        let (mut bytes, needle) = (library().to_vec(), [b"\0", name.as_bytes(), b"\0"].concat());
        let at = bytes.windows(needle.len()).position(|window| window == needle).expect("the name");
        bytes[at + 1] = b'x';
        let folder = TempDir::new().expect("a folder");
        put(folder.path(), &bytes, &NAMES[2..]);
        let told = cuda::nccl(&only(folder.path())).unwrap_err().to_string();
        let file = folder.path().join(NAMES[2]);
        assert!(
            told.starts_with(&format!("{} has no function `{name}`, so it is too old: ", file.display())),
            "{told}"
        );
    }
}
