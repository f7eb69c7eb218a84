//! Updates made on a thread ahead of the steps: neither waits for the other, unless it is the slower one throughout.

use crate::trainable::{Feed, Update};
use std::io;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::{self, Scope};

/// Updates that may wait for the step.
const UPDATES_AHEAD: usize = 2;

/// An update, or nothing where an epoch ends.
pub(crate) type Next<B, E> = Result<Option<Update<B>>, E>;

/// Sends the updates from this epoch on, without the first `done` of the first. Dropping the receiver ends the thread.
///
/// # Errors
/// The system gives no thread.
pub(crate) fn start<'scope, 'env: 'scope, B, E>(
    feed: &'env dyn Feed<Batch = B, Error = E>,
    scope: &'scope Scope<'scope, 'env>,
    first_epoch: u64,
    mut done: u64,
) -> io::Result<Receiver<Next<B, E>>>
where
    B: Send + 'scope,
    E: Send + 'scope,
{
    let (sender, receiver) = sync_channel(UPDATES_AHEAD);
    thread::Builder::new().spawn_scoped(scope, move || {
        for epoch in first_epoch.. {
            let updates = feed.updates(epoch, done).map(|update| update.map(Some));
            for next in updates.chain(std::iter::once(Ok(None))) {
                let failed = next.is_err();
                if sender.send(next).is_err() || failed {
                    return;
                }
            }
            done = 0;
        }
    })?;
    Ok(receiver)
}
