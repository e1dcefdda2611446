//! Memory that a flood has taken and that is free again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, Hash};

/// Keeps what the allocator holds in one piece, so that it can be given back. The agent allocates in few threads at a
/// time, and little where packets are counted. To be called before other threads start.
pub fn keep_together() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the calls take no pointer (mallopt(3)).
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        // A fixed threshold: a large table is a mapping of its own, which ends with it.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
    }
}

/// Returns free memory to the kernel. The allocator keeps it otherwise: what the largest flood took would stay resident.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call takes no pointer, and may be made at any time from any thread (malloc_trim(3)).
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Frees the room of a map that is nearly empty.
pub fn shrink<K: Eq + Hash, V, S: BuildHasher>(map: &mut HashMap<K, V, S>) {
    if map.len() < map.capacity() / 4 {
        map.shrink_to_fit();
    }
}

/// As [`shrink`], of a set.
pub fn shrink_set<K: Eq + Hash, S: BuildHasher>(set: &mut HashSet<K, S>) {
    if set.len() < set.capacity() / 4 {
        set.shrink_to_fit();
    }
}
