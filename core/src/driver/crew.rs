//! Threads that share a listener, and which of them accepts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So long a thread leaves what waits at a listener to those that serve less. Then it takes a connection itself:
/// they may have no room, or be busy.
pub const HAND_OVER: Duration = Duration::from_millis(1);

/// A difference that does not matter, in sockets. With 4, short connections, eight at a time, cost a seventh more: one
/// thread that accepts several in a row is cheaper than two that are woken.
const SLACK: usize = 16;

/// One of the threads of a process. A connection wakes all of them, and whoever is first would take all that wait:
/// of sixteen long tunnels that come at once, one thread might serve every one.
#[derive(Clone, Debug)]
pub struct Member {
    /// Sockets that each thread served when it last looked at a listener.
    loads: Arc<[AtomicUsize]>,
    index: usize,
}

impl Member {
    /// All threads of a process.
    pub fn crew(threads: usize) -> Vec<Self> {
        let loads: Arc<[AtomicUsize]> = (0..threads).map(|_| AtomicUsize::new(0)).collect();
        let member = |index| Self {
            loads: loads.clone(),
            index,
        };
        (0..threads).map(member).collect()
    }

    /// Whether another thread should accept next, as this one has `load` sockets. That of the least load is never told
    /// so.
    pub(super) fn is_for_others(&self, load: usize) -> bool {
        self.loads[self.index].store(load, Ordering::Relaxed);
        let loads = self.loads.iter().map(|load| load.load(Ordering::Relaxed));
        let least = loads.min().unwrap_or(load);
        load > least + SLACK + least / 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_is_first_does_not_take_all() {
        let crew = Member::crew(3);
        let mut loads = [0; 3];
        for _ in 0..300 {
            let first = (0..3).find(|index| !crew[*index].is_for_others(loads[*index]));
            loads[first.unwrap()] += 1;
        }
        assert_eq!(loads.iter().sum::<usize>(), 300);
        let (most, least) = (loads.iter().max(), loads.iter().min());
        assert!(
            most.unwrap() - least.unwrap() <= SLACK + 300 / 3 / 8 + 1,
            "{loads:?}"
        );
    }

    #[test]
    fn one_thread_takes_all_and_small_differences_do_not_matter() {
        assert!(!Member::crew(1)[0].is_for_others(1000));
        let crew = Member::crew(2);
        for (least, most) in [(0, 16), (7, 23), (80, 106)] {
            crew[0].is_for_others(least);
            assert!(!crew[1].is_for_others(most));
            assert!(crew[1].is_for_others(most + 1));
            assert!(!crew[0].is_for_others(least));
        }
    }
}
