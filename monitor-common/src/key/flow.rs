//! Flows: how they are told apart, which network they belong to, and what is known of them.

use super::{Count, DIRECTION_SHIFT, VNI_MASK};
use crate::label::Direction;
use crate::walk::{Addresses, Version};

/// Which network a packet of `FLOWS` and `EXPOSURE` belongs to: VNI in bits 0 to 23, or one of the
/// two flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetworkId(pub u32);

impl NetworkId {
    /// Outside any overlay.
    pub const HOST: NetworkId = NetworkId(1 << 30);
    /// All the networks that found no room.
    pub const OTHER: NetworkId = NetworkId(1 << 29);

    /// The network of a VNI.
    #[inline(always)]
    #[must_use]
    pub const fn vni(vni: u32) -> NetworkId {
        NetworkId(vni & VNI_MASK)
    }
}

/// What is known of a flow: protocol in bits 8 to 23, exposure in bits 0 to 7. User space numbers
/// both, and the kernel only hands them through, but for the two classes below.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u32);

impl Class {
    /// No honest verdict is possible. Also what packets without a flow are counted under.
    pub const UNKNOWN: Class = Class(0);
    /// No verdict yet: everything that was ever counted in a [`FlowState`].
    pub const PENDING: Class = Class(0xff);

    /// The class of a protocol and an exposure, each by its number.
    #[must_use]
    pub const fn new(protocol: u16, exposure: u8) -> Class {
        Class(((protocol as u32) << 8) | exposure as u32)
    }

    /// Number of the protocol.
    #[must_use]
    pub const fn protocol(self) -> u16 {
        (self.0 >> 8) as u16
    }

    /// Number of the exposure.
    #[must_use]
    pub const fn exposure(self) -> u8 {
        self.0 as u8
    }
}

/// Key of `EXPOSURE`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ExposureKey {
    /// [`Direction`] in bit 31, [`NetworkId`] below.
    pub network: u32,
    /// A [`Class`].
    pub class: u32,
}
shared!(ExposureKey, 8, { network: u32, class: u32 });

impl ExposureKey {
    /// The key of a network's class.
    #[inline(always)]
    #[must_use]
    pub const fn new(direction: Direction, network: NetworkId, class: Class) -> ExposureKey {
        ExposureKey {
            network: ((direction as u32) << DIRECTION_SHIFT) | network.0,
            class: class.0,
        }
    }

    /// Which way the packets went.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.network >> DIRECTION_SHIFT == 0 {
            Direction::Rx
        } else {
            Direction::Tx
        }
    }

    /// Which network.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        NetworkId(self.network & !(1 << DIRECTION_SHIFT))
    }

    /// What is known of the flows.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class(self.class)
    }
}

/// Value of `FLOWS`: a flow without a verdict. Packets and bytes only grow, whichever CPU adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct FlowState {
    /// Packets received.
    pub rx_packets: u64,
    /// Bytes of these frames.
    pub rx_bytes: u64,
    /// Packets sent.
    pub tx_packets: u64,
    /// Bytes of these frames.
    pub tx_bytes: u64,
    /// A [`NetworkId`].
    pub network: u32,
    /// Samples taken from the endpoint that sorts lower (see [`flow_hash`]).
    pub forward: u32,
    /// Samples taken from the other one.
    pub reverse: u32,
    /// When its last packet came, in units of 2^30 ns (about a second) of `CLOCK_MONOTONIC`.
    pub last: u32,
}
shared!(FlowState, 48, { rx_packets: u64, rx_bytes: u64, tx_packets: u64, tx_bytes: u64, network: u32, forward: u32, reverse: u32, last: u32 });

impl FlowState {
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

/// Value of `FRAGMENTS`: what the first fragment of a packet was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct FragmentState {
    /// When it came: `CLOCK_MONOTONIC` in nanoseconds.
    pub time_ns: u64,
    /// A [`crate::walk::Kind`] in bits 0 to 7, an [`Encapsulation`] in bits 8 to 15.
    pub what: u32,
    /// VNI or SPI, as the encapsulation has it.
    pub id: u32,
}
shared!(FragmentState, 16, { time_ns: u64, what: u32, id: u32 });

/// Value of `BUCKETS`: how many samples were taken in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Bucket {
    /// Number of the span.
    pub span: u64,
    /// Samples taken in it.
    pub taken: u64,
}
shared!(Bucket, 16, { span: u64, taken: u64 });

/// Buckets for networks; one more is the CPU's own.
pub const NETWORK_BUCKETS: u32 = 1024;

/// Seeded 64-bit hash of (network, inner 5-tuple), the same for both directions of a flow, and whether
/// this packet comes from the endpoint that sorts lower.
///
/// Multiply and fold, a secret word at each step: who does not know the seed cannot aim at a bucket.
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
    hash = mix(hash ^ low[0], seed[2]);
    hash = mix(hash ^ low[1], seed[3]);
    hash = mix(hash ^ high[0], seed[2]);
    hash = mix(hash ^ high[1], seed[3]);
    (
        mix(
            hash ^ (((low_port as u64) << 16) | high_port as u64),
            seed[2],
        ),
        forward,
    )
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
    fn an_exposure_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            for network in [
                NetworkId::vni(0),
                NetworkId::vni(0xffff_ffff),
                NetworkId::HOST,
                NetworkId::OTHER,
            ] {
                for class in [Class::UNKNOWN, Class::PENDING, Class::new(0xffff, 2)] {
                    let key = ExposureKey::new(direction, network, class);
                    let key = ExposureKey::from_bytes(&key.to_bytes());
                    assert_eq!(
                        (key.direction(), key.network(), key.class()),
                        (direction, network, class)
                    );
                }
            }
        }
        assert_eq!(Class::new(7, 2).protocol(), 7);
        assert_eq!(Class::new(7, 2).exposure(), 2);
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
        for n in 0..20_000u32 {
            let addresses = Addresses::v4(0x0a00_0000 + n / 100, 0x0a00_ff01);
            let hash = flow_hash(&seed, 4096, 6, &addresses, (40_000 + (n % 100) as u16, 80)).0;
            all.insert(hash);
            low.insert(hash as u32 & 0xffff);
        }
        assert_eq!(all.len(), 20_000);
        // 20,000 balls into 65,536 bins fill about 17,200 of them.
        assert!(low.len() > 16_500, "{} bins", low.len());
    }
}
