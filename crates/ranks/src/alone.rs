//! Without the feature `mpi` nothing can be joined.

use crate::Transfer;
use crate::launcher::Launcher;
use std::io::{self, Write};
use std::time::Duration;

pub const NAME: &str = "no MPI";

/// There is none.
pub enum Joined {}

impl Joined {
    pub fn join(launcher: &Launcher) -> Result<Option<Joined>, String> {
        launcher.refuse_several().map(|()| None)
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

    pub fn during<T>(&self, _: Vec<Transfer<'_>>, _: impl FnOnce() -> T) -> (T, Duration) {
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
