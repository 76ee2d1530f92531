//! The number of descriptors that the process may have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the soft limit to the hard one: the soft one is low for programs that use `select`.
pub fn raise_limit() {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        // Where that is refused, the limit that there was is in force.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
