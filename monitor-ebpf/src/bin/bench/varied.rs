//! How a packet is varied. The benchmark in user space compiles this file too.

/// What one call of a program that varies packets does. Written by user space before each run.
///
/// The flow is drawn at random; its number goes into the inner source address, and chooses the VNI.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Varied {
    /// State of the random numbers (xorshift64), never 0.
    pub state: u64,
    /// Where the four bytes of VNI and reserved byte are, from the start of the frame; under 256.
    pub vni_at: u32,
    /// Where the last four bytes of the inner source address are, from the start of the frame; under 256.
    pub flow_at: u32,
    /// How many flows there are, 1 or more.
    pub flows: u32,
    /// The VNI of flow N is `vni_base + (N & vni_mask)`.
    pub vni_base: u32,
    /// One less than the number of VNIs, which is a power of two.
    pub vni_mask: u32,
    /// Index of the interface that the sender sends by.
    pub ifindex: u32,
}
