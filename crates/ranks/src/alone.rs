//! The engine of a build without MPI: there is nothing to join.

use crate::message::Message;
use std::io::{self, Write};
use std::time::Duration;

pub const NAME: &str = "no MPI";

/// A job that this process has joined: there cannot be one.
pub enum Joined {}

impl Joined {
    pub fn join() -> Result<Option<Joined>, String> {
        Ok(None)
    }

    pub fn rank(&self) -> usize {
        match *self {}
    }

    pub fn size(&self) -> usize {
        match *self {}
    }

    pub fn gather(&self, _: &[u8]) -> Vec<Vec<u8>> {
        match *self {}
    }

    pub fn during<T>(&self, _: Vec<Message<'_>>, _: impl FnOnce() -> T) -> (T, Duration) {
        match *self {}
    }

    pub fn abort(&self, _: i32) -> ! {
        match *self {}
    }

    pub fn redirect_output(&self) -> io::Result<Box<dyn Write + Send>> {
        match *self {}
    }
}

pub fn progress() {}

pub fn library() -> Option<String> {
    None
}
