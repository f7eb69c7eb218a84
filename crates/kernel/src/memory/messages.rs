//! Floats that travel between processes that compute together.

use crate::memory::values::{View, ViewMut};
use tagsmith_device::gpu::Gpu;
use tagsmith_device::link;

/// Floats that travel to other processes, or come from one. A process is known by its place among those that are linked.
#[derive(Debug)]
pub enum Message<'a> {
    /// Floats that go to each of these processes.
    To(Vec<usize>, View<'a>),
    /// Floats that come from this process.
    From(usize, ViewMut<'a>),
}

/// Exchanges messages between GPUs that are linked, in the order of their work: see [`Device::link`](crate::Device::link).
/// Nobody waits. Two processes name the messages between them in the same order, with the same numbers of floats, more
/// than 0.
///
/// # Panics
/// If floats lie on the processor, or on a GPU without a link.
pub fn exchange(messages: &[Message<'_>]) {
    let (mut gpu, mut asked): (Option<&Gpu>, Vec<link::Message>) = (None, Vec::new());
    for message in messages {
        let (members, leaves, address, floats, lies_on) = match message {
            Message::To(members, view) => (&members[..], true, view.address(), view.len(), view.gpu()),
            Message::From(member, view) => {
                (std::slice::from_ref(member), false, view.address(), view.len(), view.gpu())
            }
        };
        gpu = gpu.or(lies_on);
        let one = |&member| link::Message { leaves, member, address, floats: floats as u64 };
        asked.extend(members.iter().map(one));
    }
    if let Some(gpu) = gpu {
        gpu.exchange(&asked);
    }
}
