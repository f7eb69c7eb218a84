//! Links between GPUs of several processes: memory goes from one to another without the host.

use crate::error::Error;
use std::fmt;

/// What all members of a link have in common: 128 bytes that one of them makes, and that reach the others by other means.
pub type Key = [u8; 128];

/// f32 that travel between this GPU and another member's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// Whether they leave this GPU, or come to it.
    pub leaves: bool,
    /// The other member's number.
    pub member: usize,
    /// Where they lie, or are to lie, on this GPU.
    pub address: u64,
    /// How many there are, more than 0.
    pub floats: u64,
}

/// A link of a GPU to those of other processes. It is given up by [`Link::end`]. Where it is dropped without that, it stays
/// until the process ends: the others may still be sending.
pub trait Link: Send + Sync + fmt::Debug {
    /// Asks for messages that travel at once. They are ordered with all other work of the GPU. Messages between two members
    /// meet in the order in which both name them.
    ///
    /// # Errors
    /// What the library says, also of messages before.
    fn exchange(&self, messages: &[Message]) -> Result<(), Error>;

    /// Ends the link, after all work. Every member calls this, and waits for the others of its machine.
    ///
    /// # Errors
    /// What the library says.
    fn end(self: Box<Self>) -> Result<(), Error>;
}
