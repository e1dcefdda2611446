//! How many entries the maps of the kernel programs have.
//!
//! The object is built with these numbers. The loader makes the maps that grow with traffic smaller on a host with many
//! CPUs, and those of what is switched off to one entry.

use crate::wire::VNI_MAX;

/// `COUNTERS`: two directions of 16,000 networks, with room for other encapsulations.
pub const COUNTERS: u32 = 36_864;
/// `ESP`.
pub const ESP: u32 = 4_096;
/// `ESP_NETWORKS`.
pub const ESP_NETWORKS: u32 = 16_384;
/// `REASONS`: 64 watched interfaces, and those that are no longer watched and wait to be retired.
pub const REASONS: u32 = 4_096;
/// `FLOWS`.
pub const FLOWS: u32 = 65_536;
/// `VERDICTS`.
pub const VERDICTS: u32 = 131_072;
/// `EXPOSURE`.
pub const EXPOSURE: u32 = 65_536;
/// `FRAGMENTS`.
pub const FRAGMENTS: u32 = 8_192;
/// `SAMPLES`, in bytes, where the agent is not told another size.
pub const SAMPLES_BYTES: u32 = 1 << 20;
/// Networks that are known at a time, at most. Any of them may have to be encrypted.
pub const NETWORKS: usize = 4_096;
/// `PEERS`: for each known network two rows for the nodes that found no room, and two for nodes.
pub const PEERS: u32 = 4 * NETWORKS as u32;
/// VNIs in one element of `REQUIRED`.
pub const VNIS_PER_WORD: u32 = u64::BITS;
/// `REQUIRED`: a bit for each VNI.
pub const REQUIRED_WORDS: u32 = (VNI_MAX + 1) / VNIS_PER_WORD;
/// Elements of `BUCKETS` that networks share by a hash. A power of two.
pub const NETWORK_BUCKETS: u32 = 1_024;
/// `BUCKETS`: those of the networks, and the CPU's own.
pub const BUCKETS: u32 = NETWORK_BUCKETS + 1;
/// Bytes of a frame that `SCRATCH` holds: all headers that are walked, at their longest.
pub const SCRATCH_BYTES: usize = 320;
/// Bytes that one step of a packet leaves for the next in `WALKED`.
pub const WALKED_BYTES: usize = 144;

const _: () = assert!(NETWORK_BUCKETS.is_power_of_two());
