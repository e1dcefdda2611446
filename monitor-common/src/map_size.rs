//! How many entries the maps of the kernel programs have.
//!
//! The object is built with these numbers. The loader makes the maps that grow with traffic smaller on a host with many
//! CPUs, and those of what is switched off to one entry.

use crate::wire::VNI_MAX;

/// `COUNTERS`: two directions of 16,000 networks, with room for other encapsulations.
pub const COUNTERS: u32 = 35_840;
/// `ESP`.
pub const ESP: u32 = 4_096;
/// `ESP_NETWORKS`.
pub const ESP_NETWORKS: u32 = 12_288;
/// `REASONS`: 64 watched interfaces, and those that are no longer watched and wait to be retired.
pub const REASONS: u32 = 4_096;
/// `FLOWS`; `SAMPLED` in its place if exposure is not counted.
pub const FLOWS: u32 = 36_864;
/// `SHARES` and `RETURNED`: networks that have flows in `FLOWS`.
pub const SHARES: u32 = 16_384;
/// `VERDICTS`.
pub const VERDICTS: u32 = 100_352;
/// `EXPOSURE`.
pub const EXPOSURE: u32 = 38_912;
/// Slots: what is counted without a hash map, for each interface, VNI and class. The first is never given.
pub const SLOTS: u32 = 18_432;
/// `FRAGMENTS`.
pub const FRAGMENTS: u32 = 8_192;
/// `SAMPLES`, in bytes, unless the configuration sets another size.
pub const SAMPLES_BYTES: u32 = 1 << 20;
/// Networks that are known at a time, at most. Any of them may have to be encrypted.
pub const NETWORKS: usize = 4_096;
/// VXLAN and Geneve devices of this host whose networks are described, at most.
pub const DEVICES: usize = 1_024;
/// Networks that are described at a time, at most.
pub const DESCRIBED: u32 = (NETWORKS + DEVICES) as u32;
/// `PEERS`: for each known network two rows for the nodes that found no room, and two for nodes.
pub const PEERS: u32 = 4 * NETWORKS as u32;
/// `LEAVING`: rows that are removed at a time.
pub const LEAVING: u32 = 2_048;
/// VNIs in one element of `REQUIRED`.
pub const VNIS_PER_WORD: u32 = u64::BITS;
/// `REQUIRED`: a bit for each VNI.
pub const REQUIRED_WORDS: u32 = (VNI_MAX + 1) / VNIS_PER_WORD;
/// Elements of `BUCKETS` for networks of [`Group::Described`](crate::key::Group::Described), unless the host has many CPUs. A
/// power of two.
pub const DESCRIBED_BUCKETS: u32 = 1_024;
/// For each of them, so many are for networks of [`Group::Unknown`](crate::key::Group::Unknown). A power of two.
pub const UNKNOWN_PER_DESCRIBED: u32 = 4;

/// `BUCKETS`, with so many elements for described networks: two of the CPU itself, one for each group, then those of
/// described networks, then those of unknown ones.
#[must_use]
pub const fn buckets(described: u32) -> u32 {
    FIRST_BUCKET + described + UNKNOWN_PER_DESCRIBED * described
}

/// Index in `BUCKETS` of the first bucket of a network. Those before it are the CPU's own, by group.
pub const FIRST_BUCKET: u32 = 2;
/// Bytes of a frame that are copied to `SCRATCH` at first: all headers that are walked, at their longest, but for extension
/// headers of IPv6. Ethernet, IPv4 and UDP with 8 and 40 bytes of tags and options, Geneve with 252 bytes of options, and
/// that again inside to a TCP header without options: 22 + 60 + 8 + 260 + 22 + 60 + 20.
pub const SCRATCH_USUAL: usize = 512;
/// Bytes of a frame that `SCRATCH` holds: the same with three extension headers of 2,048 bytes, which is the longest
/// (RFC 8200, 4.3), outside and inside.
pub const SCRATCH_BYTES: usize = SCRATCH_USUAL + 6 * 2_048;
/// Bytes that one step of a packet leaves for the next in `WALKED`.
pub const WALKED_BYTES: usize = 144;

const _: () =
    assert!(UNKNOWN_PER_DESCRIBED.is_power_of_two() && DESCRIBED_BUCKETS.is_power_of_two());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_have_those_of_the_cpu_of_described_networks_and_of_unknown_ones() {
        assert_eq!(buckets(64), 2 + 64 + 4 * 64);
        assert_eq!(buckets(1), 2 + 1 + 4);
    }
}
