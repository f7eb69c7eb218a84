//! Every kernel on the emulated GPU against its closed form in f64: at edges of tiles, with empty and one-row sequences,
//! with random upstream gradients, under bounds that follow from the arithmetic, in several orders of threads.
//!
//! Rooms have exact sizes, so accesses outside are found; so are reads of what nobody wrote, and races. What these tests
//! must refuse stands in `kernels/mutants.py`.

mod activation;
mod attention;
mod distances;
mod elementwise;
mod harness;
mod layer_norm;
mod learning;
mod nothing;
mod product;
mod rows;
mod sums;
mod traffic;
