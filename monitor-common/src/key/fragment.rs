//! Value of `FRAGMENTS`.

use crate::shared::shared;

shared! {
    /// Value of `FRAGMENTS`: what the first fragment of a packet was.
    pub struct FragmentState {
        /// When it was seen: `CLOCK_MONOTONIC` in nanoseconds.
        pub time_ns: u64,
        /// A [`crate::walk::OuterKind`] in bits 0 to 7, a [`crate::encapsulation::Encapsulation`] in bits 8 to 15.
        pub packed: u32,
        /// VNI or SPI, whichever the encapsulation has.
        pub id: u32,
    }
}
