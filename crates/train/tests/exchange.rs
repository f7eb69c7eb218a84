//! Gradients of ranks that are threads of one process: their sums have the order of ranks, wherever they are added and
//! however they travel.

use std::slice::from_ref;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Barrier, Mutex};
use std::thread;
use tagsmith_kernel::device::{Key, Places, link_key};
use tagsmith_kernel::memory::messages::{self, Message};
use tagsmith_kernel::memory::values::View;
use tagsmith_kernel::params::{Grads, Params, Slot, SlotId, Stages};
use tagsmith_kernel::{Device, Precision};
use tagsmith_testkit::fake_gpu;
use tagsmith_train::learner::exchange::Exchange;
use tagsmith_train::learner::peers::Peers;
use tempfile::TempDir;

/// What all ranks share.
struct Room {
    barrier: Barrier,
    gathered: Mutex<Vec<Vec<u8>>>,
}

/// One rank. Its messages go through channels, or over the link of its GPU.
struct Rank<'r> {
    rank: usize,
    room: &'r Room,
    to: Vec<Sender<Vec<f32>>>,
    from: Vec<Receiver<Vec<f32>>>,
    linked: bool,
    /// Floats sent.
    sent: Mutex<usize>,
}

impl Peers for Rank<'_> {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.to.len()
    }

    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.room.gathered.lock().unwrap()[self.rank] = bytes.to_vec();
        self.room.barrier.wait();
        let all = self.room.gathered.lock().unwrap().clone();
        self.room.barrier.wait();
        all
    }

    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut()) {
        for message in &messages {
            let (ranks, floats) = match message {
                Message::To(ranks, floats) => (&ranks[..], floats.len()),
                Message::From(rank, floats) => (from_ref(rank), floats.len()),
            };
            assert!(floats > 0 && !ranks.contains(&self.rank) && !ranks.is_empty(), "{message:?}");
            if let Message::To(..) = message {
                *self.sent.lock().unwrap() += floats * ranks.len();
            }
        }
        if self.linked {
            messages::exchange(&messages);
            return work();
        }
        let mut landed = Vec::new();
        for message in messages {
            match message {
                Message::To(ranks, floats) => {
                    let floats = floats.to_vec().expect("the device works");
                    ranks.into_iter().for_each(|rank| self.to[rank].send(floats.clone()).expect("it is there"));
                }
                Message::From(rank, floats) => landed.push((rank, floats)),
            }
        }
        work();
        for (rank, floats) in landed {
            floats.copy_from(View::Host(&self.from[rank].recv().expect("it is there")));
        }
    }
}

/// Runs `work` as each rank, and returns what each returns.
fn ranks<T: Send>(count: usize, linked: bool, work: impl Fn(Rank<'_>) -> T + Sync) -> Vec<T> {
    let room = Room { barrier: Barrier::new(count), gathered: Mutex::new(vec![Vec::new(); count]) };
    let mut to: Vec<Vec<Sender<Vec<f32>>>> = (0..count).map(|_| Vec::new()).collect();
    let mut from: Vec<Vec<Receiver<Vec<f32>>>> = (0..count).map(|_| Vec::new()).collect();
    for sender in &mut to {
        for receiver in &mut from {
            let (send, receive) = channel();
            sender.push(send);
            receiver.push(receive);
        }
    }
    thread::scope(|scope| {
        let (room, work) = (&room, &work);
        let all: Vec<_> = to.into_iter().zip(from).enumerate().collect();
        let one =
            |(rank, (to, from))| scope.spawn(move || work(Rank { rank, room, to, from, linked, sent: Mutex::new(0) }));
        let all: Vec<_> = all.into_iter().map(one).collect();
        all.into_iter().map(|rank| rank.join().expect("no rank panics")).collect()
    })
}

/// Numbers of each slot. The first two are a bucket of odd length, the third one of which the first rank has all.
const SLOTS: [usize; 3] = [60_001, 30_000, 5];

fn params() -> Params {
    let mut offset = 0;
    let slot = |len: usize| {
        let slot = Slot {
            name: format!("slot of {len}"),
            shape: vec![len],
            offset,
            stage: 0,
            decays: false,
            sparse: false,
            frozen: false,
        };
        offset += len;
        slot
    };
    Params::zeros(SLOTS.map(slot).into())
}

/// The gradient of number `i` on a rank. Where f32 lie 8 apart, 1 beside 10⁸ is nothing: the order of a sum shows.
fn gradient(rank: usize, i: usize) -> f32 {
    [1e8, 1.0, -1e8][(rank + i) % 3]
}

/// The sum of three ranks: (10⁸ + 1) − 10⁸, (1 − 10⁸) + 10⁸ and (−10⁸ + 10⁸) + 1, by the rules of IEEE 754.
fn sum_of_three(i: usize) -> f32 {
    [0.0, 0.0, 1.0][i % 3]
}

/// Makes three steps of a rank, and returns all sums of the last one, and the floats that this rank has sent.
fn steps(rank: &Rank<'_>, device: &Device) -> (Vec<f32>, usize) {
    let params = params().to(device, Precision::F32).expect("there is room");
    let (mut grads, mut exchange) = (Grads::new(&params), Exchange::default());
    for step in 0..3 {
        *rank.sent.lock().unwrap() = 0;
        grads.clear();
        let mut reduction = exchange.begin(rank, &params, &mut grads);
        for stage in [0..1, 1..2, 2..3] {
            let stages: &mut dyn Stages = &mut reduction;
            stages.stage(|grads| {
                for slot in stage {
                    let before: usize = SLOTS[..slot].iter().sum();
                    let values: Vec<f32> = (0..SLOTS[slot]).map(|i| gradient(rank.rank, before + i)).collect();
                    grads.span(SlotId(slot), 1).expect("it learns").put(View::Host(&values));
                }
            });
        }
        // What travels beside them is summed in the order of ranks, too.
        let sum = reduction.finish(f64::from(gradient(rank.rank, step)) * 1e8);
        let want = (1..rank.size())
            .fold(f64::from(gradient(0, step)) * 1e8, |sum, other| sum + f64::from(gradient(other, step)) * 1e8);
        assert_eq!(sum, want);
    }
    device.wait().expect("the device works");
    let values = |slot| grads.dense(&params, SlotId(slot)).expect("it learns").to_vec().expect("the device works");
    ((0..SLOTS.len()).flat_map(values).collect(), *rank.sent.lock().unwrap())
}

/// The floats of a bucket that a rank of `count` sends to be summed, and as sums: parts are of whole cache lines.
fn floats_sent(count: usize, rank: usize, buckets: &[&[usize]]) -> usize {
    let of_span = |len: &usize| {
        let size = len.div_ceil(count).next_multiple_of(16);
        let own = (len.saturating_sub(rank * size)).min(size);
        len - own + (count - 1) * own
    };
    buckets.concat().iter().map(of_span).sum()
}

#[test]
fn sums_have_the_order_of_ranks_on_processors_and_on_gpus() {
    let devices = || [Device::Processor, Device::emulated(1).expect("the kernels are known")];
    let (all, mut bits): (usize, Vec<Vec<u32>>) = (SLOTS.iter().sum(), Vec::new());
    for number in 0..2 {
        let got = ranks(3, false, |rank| steps(&rank, &devices()[number]));
        for (rank, (sums, sent)) in got.into_iter().enumerate() {
            assert_eq!(sums.len(), all);
            let wrong = (0..all).find(|&i| sums[i] != sum_of_three(i));
            assert_eq!(wrong, None, "rank {rank} on device {number}");
            // A bucket's slots lie side by side and are one span. Two thirds of a bucket leave a rank twice.
            assert_eq!(sent, floats_sent(3, rank, &[&[90_001], &[5]]), "rank {rank}");
            bits.push(sums.iter().map(|sum| sum.to_bits()).collect());
        }
    }
    // The same bits on all ranks of both.
    assert!(bits.iter().all(|other| *other == bits[0]));
    // A rank that begins with its own numbers, or takes them as they come, has other sums.
    let other_orders = [[2, 0, 1], [1, 2, 0]];
    for order in other_orders {
        let sum = |i| order[1..].iter().fold(gradient(order[0], i), |sum, &rank| sum + gradient(rank, i));
        assert!((0..3).any(|i| sum(i) != sum_of_three(i)), "{order:?}");
    }
}

#[test]
fn a_link_of_gpus_brings_the_same_sums() {
    // Two GPUs whose only kernel that does anything is the sum.
    let folder = TempDir::new().expect("a folder");
    fake_gpu::put(folder.path(), fake_gpu::library(), fake_gpu::NAMES);
    let places = Places { folders: vec![folder.path().to_owned()], system: false };
    let key: Key = link_key(&places).expect("a key");
    let got = ranks(2, true, |rank| {
        let device = Device::cuda(&places, rank.rank).expect("it opens");
        device.link(&key, rank.rank, 2).expect("it is linked");
        assert!(device.is_linked());
        let got = steps(&rank, &device);
        device.unlink().expect("it ends");
        got
    });
    for (rank, (sums, sent)) in got.into_iter().enumerate() {
        let wrong = (0..sums.len()).find(|&i| sums[i] != gradient(0, i) + gradient(1, i));
        assert_eq!(wrong, None, "rank {rank}");
        assert_eq!(sent, floats_sent(2, rank, &[&[90_001], &[5]]), "rank {rank}");
    }
}
