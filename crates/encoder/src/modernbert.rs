//! ModernBERT: rotary positions, local attention in most layers, gated feed-forward parts, norms before each part.

pub mod layer;
pub mod layout;
pub mod settings;

pub use settings::Settings;
