//! What `tagsmith demo` is made of: a self-written corpus and a vocabulary counted from it.

pub mod corpus;
mod grammar;
pub mod lesson;
mod names;
pub mod recipe;
mod shapes;
pub mod show;
pub mod vocabulary;
