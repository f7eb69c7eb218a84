//! What all threads of an engine share.

use super::cache::Cache;
use super::pace::{Ledger, Pace};
use super::queue::Queue;
use super::workers::Workers;
use crate::metrics::Metrics;
use crate::settings::Limits;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use tagsmith_app::predict::tagger::Tagger;

/// What all threads of an engine share.
pub struct Shared {
    pub tagger: Arc<Tagger>,
    pub limits: Limits,
    pub queue: Queue,
    pub workers: Workers,
    pub cache: Mutex<Cache>,
    pub pace: Mutex<Pace>,
    pub ledger: Arc<Mutex<Ledger>>,
    pub metrics: Arc<Metrics>,
    /// Whether every request is refused.
    pub is_closed: AtomicBool,
}
