//! Which operations, in which order, with which weights.
