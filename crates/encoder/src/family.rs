//! What the families of encoders share, and what each says of itself.

pub mod architecture;
pub mod facts;
pub(crate) mod setting;
pub mod shape;
pub mod slots;
