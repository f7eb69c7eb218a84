//! What `tagsmith demo` is made of: a self-written corpus and a vocabulary counted from it.

pub mod corpus;
mod grammar;
mod names;
mod shapes;
pub mod vocabulary;
