//! A fuzz target under libFuzzer, whose options it takes: `cargo xtask fuzz` starts it.
#![no_main]

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use libfuzzer_sys::fuzz_target;
use overlay_fuzz::Target;
use overlay_fuzz::bounds::{Counting, KEPT, held, within};

#[global_allocator]
static HEAP: Counting = Counting;

/// The environment variable that names the target.
const TARGET: &str = "OVERLAY_FUZZ_TARGET";

static CHOSEN: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var(TARGET).unwrap_or_default();
    Target::named(&name).unwrap_or_else(|| {
        eprintln!("{TARGET}={name:?} is no target; `overlay-fuzz-seeds` lists them");
        std::process::exit(2);
    })
});
/// Bytes of the heap before the first input.
static BEGAN: AtomicUsize = AtomicUsize::new(0);

fuzz_target!(init: {
    LazyLock::force(&CHOSEN);
    BEGAN.store(held(), Ordering::Relaxed);
}, |input: &[u8]| {
    within(CHOSEN.heap, || CHOSEN.run(input));
    let grown = held().saturating_sub(BEGAN.load(Ordering::Relaxed));
    assert!(grown <= KEPT, "{grown} bytes of the heap are kept");
});
