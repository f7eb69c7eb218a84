//! Work on many items at once, with results in the items' order. Tokenization takes by far the longest part of reading.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Returns the results of `work` on each item, on up to `threads` threads. They do not depend on the number of threads.
pub fn map<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take_turns = || {
        let mut done = Vec::new();
        while let (at, Some(item)) = next_item(items, &next) {
            done.push((at, work(item)));
        }
        done
    };
    let mut done = thread::scope(|scope| {
        // Where the system gives no more threads, those that there are do the work.
        let another = |_number| thread::Builder::new().spawn_scoped(scope, take_turns).ok();
        let others: Vec<_> = (1..threads.min(items.len())).map_while(another).collect();
        let mut done = take_turns();
        for other in others {
            done.extend(other.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|&(at, _)| at);
    done.into_iter().map(|(_, result)| result).collect()
}

fn next_item<'i, T>(items: &'i [T], next: &AtomicUsize) -> (usize, Option<&'i T>) {
    let at = next.fetch_add(1, Ordering::Relaxed);
    (at, items.get(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_items_order() {
        let items: Vec<u64> = (0..1000).collect();
        let want: Vec<u64> = items.iter().map(|item| item * item).collect();
        for threads in [0, 1, 2, 7, 2000] {
            assert_eq!(map(&items, threads, |item| item * item), want, "{threads} threads");
        }
        assert_eq!(map(&[], 3, |item: &u64| *item), [0u64; 0]);
    }
}
