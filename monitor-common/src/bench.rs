//! What the benchmark and its own kernel programs exchange.

use crate::shared::shared;

shared! {
    /// How a program of the benchmark varies a packet. The benchmark writes it to the map `VARIED` before each run.
    ///
    /// Each call of the program draws a flow at random, unless the burst of the last one goes on. The flow's number goes
    /// into the inner source address and selects the VNI. Each CPU has an element of its own.
    pub struct Varied {
        /// State of the random number generator (xorshift64): never 0.
        pub random: u64,
        /// Offset in the frame, in bytes, of the 4 bytes of VNI and reserved byte: under 256.
        pub vni_at: u32,
        /// Offset in the frame, in bytes, of the last 4 bytes of the inner source address: under 256.
        pub flow_at: u32,
        /// Number of flows: 1 or more.
        pub flows: u32,
        /// The VNI of flow N is `vni_base + (N & vni_mask)`.
        pub vni_base: u32,
        /// The number of VNIs, a power of two, less one.
        pub vni_mask: u32,
        /// Index of the interface by which frames are sent.
        pub ifindex: u32,
        /// Packets of a flow that come one after the other: 1 or more.
        pub burst: u32,
        /// Packets of the present flow that are still to come.
        pub left: u32,
        /// The present flow.
        pub flow: u32,
        /// Nothing.
        pub padding: u32,
    }
}
