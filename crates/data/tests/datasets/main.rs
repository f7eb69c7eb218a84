//! Folders, files and lists of them, as users name them.

mod files;
mod folders;
mod harness;
mod saved;
