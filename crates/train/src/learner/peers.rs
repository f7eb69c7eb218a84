//! How floats travel between ranks: through the memory of the processes, or from GPU to GPU.

use std::borrow::Cow;
use tagsmith_kernel::memory::messages::{self, Message};
use tagsmith_kernel::memory::values::{View, ViewMut};
use tagsmith_kernel::set_between_regions_hook;
use tagsmith_ranks::World;

/// The ranks that learn together, as one of them sees them. All make the same calls in the same order.
pub trait Peers {
    /// Returns the number of this rank, counted from 0.
    fn rank(&self) -> usize;

    /// Returns how many ranks there are.
    fn size(&self) -> usize;

    /// Returns the bytes of every rank, in the order of ranks, on every rank.
    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>>;

    /// Sends and receives these floats, and does `work`. Two ranks name the messages between them in the same order, with
    /// the same numbers of floats, more than 0.
    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut());
}

/// Messages by MPI, while `work` runs. Floats of a GPU come here before they leave, and go there after they came.
impl Peers for World {
    fn rank(&self) -> usize {
        World::rank(self)
    }

    fn size(&self) -> usize {
        World::size(self)
    }

    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        World::gather(self, bytes)
    }

    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut()) {
        use tagsmith_ranks::Message as Here;
        let (mut sent, mut landed, mut here) = (Vec::new(), Vec::new(), Vec::new());
        for message in messages {
            match message {
                Message::To(ranks, floats) => sent.push((ranks, read(floats))),
                Message::From(rank, ViewMut::Host(floats)) => here.push(Here::From(rank, floats)),
                Message::From(rank, floats) => landed.push((rank, vec![0.0; floats.len()], floats)),
            }
        }
        here.extend(landed.iter_mut().map(|(rank, copy, _)| Here::From(*rank, copy)));
        here.extend(sent.iter().map(|(ranks, floats)| Here::To(ranks.clone(), floats)));
        World::during(self, here, || {
            set_between_regions_hook(Some(tagsmith_ranks::progress));
            work();
            set_between_regions_hook(None);
        });
        landed.into_iter().for_each(|(_, copy, floats)| floats.copy_from(View::Host(&copy)));
    }
}

/// Returns floats in the memory of the process. Where a device fails they are zeros: it keeps its error.
fn read(floats: View<'_>) -> Cow<'_, [f32]> {
    floats.read().unwrap_or_else(|_| vec![0.0; floats.len()].into())
}

/// Ranks whose GPUs are linked. Messages are work of the GPUs, in the order in which it is asked for.
pub struct Linked<'w>(pub &'w World);

impl Peers for Linked<'_> {
    fn rank(&self) -> usize {
        self.0.rank()
    }

    fn size(&self) -> usize {
        self.0.size()
    }

    fn gather(&self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.0.gather(bytes)
    }

    fn during(&self, messages: Vec<Message<'_>>, work: &mut dyn FnMut()) {
        messages::exchange(&messages);
        work();
    }
}
