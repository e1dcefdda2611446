//! What one input may cost: bytes of the heap, and time of the CPU.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Time of the CPU that one input may take: a thousand times what it should, in instrumented code.
pub const TIME: Duration = Duration::from_millis(500);
/// By how much the heap may grow in all, over however many inputs: what is made once and kept.
pub const KEPT: usize = 1 << 20;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a count of the bytes that are held and of the most that ever were.
pub struct Counting;

fn add(bytes: usize) {
    let now = NOW.fetch_add(bytes, Ordering::Relaxed) + bytes;
    MOST.fetch_max(now, Ordering::Relaxed);
}

// SAFETY: all is handed on to the system's allocator; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        add(layout.size());
        // SAFETY: the caller's promises are the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        add(size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are the same.
        unsafe { System.realloc(at, layout, size) }
    }
}

/// Bytes of the heap that are held now, where [`Counting`] is the allocator.
#[must_use]
pub fn held() -> usize {
    NOW.load(Ordering::Relaxed)
}

/// Runs something within bounds.
///
/// # Panics
/// If it takes more of the heap at a time than `heap` bytes, or more time of the CPU than [`TIME`].
pub fn within(heap: usize, work: impl FnOnce()) {
    let before = held();
    MOST.store(before, Ordering::Relaxed);
    let start = cpu_time();
    work();
    let took = cpu_time().saturating_sub(start);
    let most = MOST.load(Ordering::Relaxed).saturating_sub(before);
    assert!(most <= heap, "{most} bytes of the heap; {heap} are allowed");
    assert!(took <= TIME, "{took:?} of the CPU; {TIME:?} are allowed");
}

/// What this thread has taken of the CPU.
fn cpu_time() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: one structure, which lives until the call returns.
    unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}
