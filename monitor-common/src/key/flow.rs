//! Flows: their key, and the value of `FLOWS`.

use super::exposure::NetworkId;
use super::flow_share::Group;
use crate::address::{Addresses, Version};
use crate::count::Count;
use crate::direction::Direction;
use crate::shared::shared;

shared! {
    /// Value of `FLOWS`: a flow without a verdict. Packets and bytes only grow, whichever CPU adds.
    #[derive(Default)]
    pub struct FlowState {
        /// Packets received.
        pub rx_packets: u64,
        /// Bytes of these frames.
        pub rx_bytes: u64,
        /// Packets sent.
        pub tx_packets: u64,
        /// Bytes of these frames.
        pub tx_bytes: u64,
        /// A [`NetworkId`], and in bit 31 the [`Group`] in which the flow was counted when it was inserted.
        pub network: u32,
        /// Samples taken from the endpoint that sorts lower (see [`flow_hash`]).
        pub forward: u32,
        /// Samples taken from the other endpoint.
        pub reverse: u32,
        /// When its last packet was seen, in units of 2^30 ns (about a second) of `CLOCK_MONOTONIC`.
        pub last: u32,
    }
}

/// Where a [`FlowState`] keeps its [`Group`]; no [`NetworkId`] has this bit.
const GROUP_SHIFT: u32 = 31;

impl FlowState {
    /// A flow of which no packet is counted yet.
    #[inline(always)]
    #[must_use]
    pub const fn new(network: NetworkId, group: Group) -> FlowState {
        FlowState {
            rx_packets: 0,
            rx_bytes: 0,
            tx_packets: 0,
            tx_bytes: 0,
            network: network.0 | ((group as u32) << GROUP_SHIFT),
            forward: 0,
            reverse: 0,
            // Later than any present time, until its first packet sets it.
            last: u32::MAX,
        }
    }

    /// Which network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        NetworkId(self.network & !(1 << GROUP_SHIFT))
    }

    /// Which group the flow counts in while it is in the map.
    #[inline(always)]
    #[must_use]
    pub const fn group(&self) -> Group {
        Group::from_bit(self.network >> GROUP_SHIFT)
    }

    /// Packets and bytes of a direction.
    #[must_use]
    pub const fn count(&self, direction: Direction) -> Count {
        match direction {
            Direction::Rx => Count {
                packets: self.rx_packets,
                bytes: self.rx_bytes,
            },
            Direction::Tx => Count {
                packets: self.tx_packets,
                bytes: self.tx_bytes,
            },
        }
    }
}

shared! {
    /// Value of `VERDICTS`.
    pub struct FlowVerdict {
        /// A [`super::Class`].
        pub class: u32,
        /// Not 0 if a packet was counted under it since the agent last read it.
        pub used: u32,
    }
}

/// Key of `FLOWS` and `VERDICTS`: a seeded 64-bit hash of network and inner 5-tuple, the same for both directions of a
/// flow. With it, whether this packet comes from the endpoint that sorts lower.
///
/// Each step multiplies by a secret word and folds, so a sender that does not know the seed cannot aim at a bucket.
#[inline(always)]
#[must_use]
pub fn flow_hash(
    seed: &[u64; 4],
    network: u32,
    protocol: u8,
    addresses: &Addresses,
    ports: (u16, u16),
) -> (u64, bool) {
    let mut hash = mix(
        seed[0] ^ (((network as u64) << 8) | protocol as u64),
        seed[1],
    );
    let Addresses {
        version,
        source,
        destination,
    } = addresses;
    // Address and port of an IPv4 endpoint fit in one word.
    let source_end = (source[1] << 16) | ports.0 as u64;
    let destination_end = (destination[1] << 16) | ports.1 as u64;
    if matches!(version, Version::V4) {
        let forward = source_end <= destination_end;
        let (low, high) = if forward {
            (source_end, destination_end)
        } else {
            (destination_end, source_end)
        };
        hash = mix(hash ^ low, seed[2]);
        return (mix(hash ^ high, seed[3]), forward);
    }
    // Ordered by address, then by port: what the shift above pushed out is in the first two words.
    let forward = (source[0], source[1], ports.0) <= (destination[0], destination[1], ports.1);
    let (low, high) = if forward {
        (source, destination)
    } else {
        (destination, source)
    };
    let (low_port, high_port) = if forward { ports } else { (ports.1, ports.0) };
    // The two ends do not wait for each other's multiplications.
    let low_end = mix(mix(low[0] ^ seed[1], seed[2]) ^ low[1], seed[3]);
    let high_end = mix(mix(high[0] ^ seed[3], seed[1]) ^ high[1], seed[2]);
    hash = mix(hash ^ low_end, seed[3]) ^ high_end;
    let ports = ((low_port as u64) << 16) | high_port as u64;
    (mix(mix(hash, seed[1]) ^ ports, seed[2]), forward)
}

#[inline(always)]
const fn mix(word: u64, key: u64) -> u64 {
    // An odd multiplier is a bijection; the fold brings the high bits, where the product is good,
    // down to where the next multiplication uses them.
    let product = word.wrapping_mul(key | 1);
    product ^ (product >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_gives_back_its_network_and_group() {
        for network in [
            NetworkId::vni(0),
            NetworkId::vni(0x00ff_ffff),
            NetworkId::HOST,
        ] {
            for group in Group::ALL {
                let state = FlowState::new(network, group);
                assert_eq!((state.network(), state.group()), (network, group));
            }
        }
    }

    #[test]
    fn both_directions_of_a_flow_hash_alike_and_others_do_not() {
        let seed = [11, 22, 33, 44];
        let there = Addresses::v4(0x0a00_0107, 0x0a00_0103);
        let back = Addresses::v4(0x0a00_0103, 0x0a00_0107);
        let (a, forward) = flow_hash(&seed, 4096, 6, &there, (39040, 6379));
        let (b, reverse) = flow_hash(&seed, 4096, 6, &back, (6379, 39040));
        assert_eq!(a, b);
        assert_ne!(forward, reverse);
        assert_ne!(a, flow_hash(&seed, 4097, 6, &there, (39040, 6379)).0);
        assert_ne!(a, flow_hash(&seed, 4096, 17, &there, (39040, 6379)).0);
        assert_ne!(a, flow_hash(&seed, 4096, 6, &there, (39041, 6379)).0);
        assert_ne!(
            a,
            flow_hash(&[11, 22, 33, 46], 4096, 6, &there, (39040, 6379)).0
        );

        let there = Addresses::v6([1; 16], [2; 16]);
        let back = Addresses::v6([2; 16], [1; 16]);
        assert_eq!(
            flow_hash(&seed, NetworkId::HOST.0, 6, &there, (1, 2)).0,
            flow_hash(&seed, NetworkId::HOST.0, 6, &back, (2, 1)).0
        );
    }

    #[test]
    fn close_flows_spread_over_buckets() {
        // Counting ports and addresses upwards is what both attackers and container hosts do.
        let seed = [
            0x9e37_79b9_7f4a_7c15,
            0xd1b5_4a32_d192_ed03,
            0x8cb9_2ba7_2f3d_8dd7,
            0xaef1_7502_b3da_e8a1,
        ];
        let mut low = std::collections::HashSet::new();
        let mut all = std::collections::HashSet::new();
        let v4 = |n: u32| Addresses::v4(0x0a00_0000 + n / 100, 0x0a00_ff01);
        let v6 = |n: u32| {
            let mut source = [0xfd; 16];
            source[12..].copy_from_slice(&(n / 100).to_be_bytes());
            Addresses::v6(source, [0xfd; 16])
        };
        for (addresses_of, n) in
            (0..20_000u32).flat_map(|n| [(&v4 as &dyn Fn(u32) -> Addresses, n), (&v6, n)])
        {
            let addresses = addresses_of(n);
            let hash = flow_hash(&seed, 4096, 6, &addresses, (40_000 + (n % 100) as u16, 80)).0;
            all.insert(hash);
            low.insert(hash as u32 & 0xffff);
        }
        assert_eq!(all.len(), 40_000);
        // 40,000 balls into 65,536 bins fill about 29,900 of them.
        assert!(low.len() > 29_300, "{} bins", low.len());
    }
}
