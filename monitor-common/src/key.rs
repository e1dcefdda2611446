//! Keys and values of the maps that the kernel programs and the agent share.
//!
//! All are `repr(C)` without implicit padding, and user space reads and writes them as bytes.

use crate::label::{Direction, Encapsulation};
use crate::reason::Reason;
use crate::walk::{Addresses, Version};

/// Declares how a shared struct becomes bytes and back, in the byte order of this machine. Fields
/// are written one after the other, and the size is asserted, so padding cannot hide.
macro_rules! shared {
    ($name:ident, $size:literal, { $($field:ident: $kind:ident),+ }) => {
        impl $name {
            /// Size in bytes, as the map was created with.
            pub const SIZE: usize = $size;

            /// The bytes of this value.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; $size] {
                let mut out = [0; $size];
                let mut at = 0;
                $(at = shared!(@put $kind, self.$field, out, at);)+
                debug_assert!(at == $size);
                out
            }

            /// The value of these bytes.
            #[must_use]
            pub fn from_bytes(bytes: &[u8; $size]) -> $name {
                let mut at = 0;
                $(let $field; ($field, at) = shared!(@get $kind, bytes, at);)+
                debug_assert!(at == $size);
                $name { $($field),+ }
            }
        }
        const _: () = assert!(size_of::<$name>() == $size);
    };
    (@put halves, $value:expr, $out:ident, $at:expr) => {{
        let at = shared!(@put u64, $value[0], $out, $at);
        shared!(@put u64, $value[1], $out, at)
    }};
    (@put $int:ident, $value:expr, $out:ident, $at:expr) => {{
        let bytes = $value.to_ne_bytes();
        $out[$at..$at + bytes.len()].copy_from_slice(&bytes);
        $at + bytes.len()
    }};
    (@get halves, $bytes:ident, $at:expr) => {{
        let (first, at) = shared!(@get u64, $bytes, $at);
        let (second, at) = shared!(@get u64, $bytes, at);
        ([first, second], at)
    }};
    (@get $int:ident, $bytes:ident, $at:expr) => {{
        let mut field = [0; size_of::<$int>()];
        field.copy_from_slice(&$bytes[$at..$at + size_of::<$int>()]);
        ($int::from_ne_bytes(field), $at + size_of::<$int>())
    }};
}

const DIRECTION_SHIFT: u32 = 31;
const OTHER_BIT: u32 = 1 << 30;
const ENCAPSULATION_SHIFT: u32 = 24;
const ENCAPSULATION_MASK: u32 = 0x3f;
const VNI_MASK: u32 = 0x00ff_ffff;

/// Key of `COUNTERS`: interface, direction, encapsulation and VNI in two words.
///
/// Eight bytes, because hashing the key is most of what a counted packet costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct CounterKey {
    /// Interface index.
    pub ifindex: u32,
    /// Direction (bit 31), "other" (30), encapsulation (29 to 24), VNI (23 to 0).
    pub class: u32,
}
shared!(CounterKey, 8, { ifindex: u32, class: u32 });

impl CounterKey {
    /// The key of a VNI; `vni` is 0 where the encapsulation has none.
    #[inline(always)]
    #[must_use]
    pub const fn new(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
        vni: u32,
    ) -> CounterKey {
        let class = ((direction as u32) << DIRECTION_SHIFT)
            | ((encapsulation as u32) << ENCAPSULATION_SHIFT)
            | (vni & VNI_MASK);
        CounterKey { ifindex, class }
    }

    /// The key under which packets are counted whose own VNI found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
    ) -> CounterKey {
        let key = CounterKey::new(ifindex, direction, encapsulation, 0);
        CounterKey {
            ifindex,
            class: key.class | OTHER_BIT,
        }
    }

    /// Which way the packets went.
    #[must_use]
    pub const fn direction(&self) -> Direction {
        if self.class >> DIRECTION_SHIFT == 0 {
            Direction::Rx
        } else {
            Direction::Tx
        }
    }

    /// Encapsulation. `None` for a value that no program of ours writes.
    #[must_use]
    pub const fn encapsulation(&self) -> Option<Encapsulation> {
        Encapsulation::from_index(((self.class >> ENCAPSULATION_SHIFT) & ENCAPSULATION_MASK) as u8)
    }

    /// The VNI; `None` for "other".
    #[must_use]
    pub const fn vni(&self) -> Option<u32> {
        if self.class & OTHER_BIT == 0 {
            Some(self.class & VNI_MASK)
        } else {
            None
        }
    }
}

/// Packets and bytes. Bytes are those of the frame from the Ethernet header on, without FCS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}
shared!(Count, 16, { packets: u64, bytes: u64 });

/// Key of `ESP`: one security association as the wire shows it.
///
/// SPI and addresses zero: "other", for associations that found no room (SPI 0 is never counted by
/// itself).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct EspKey {
    /// Interface index.
    pub ifindex: u32,
    /// A [`Direction`].
    pub direction: u32,
    /// Security Parameters Index.
    pub spi: u32,
    /// An [`Encapsulation`]: ESP, ESP in UDP or AH.
    pub encapsulation: u32,
    /// Source, as in [`Addresses`].
    pub source: [u64; 2],
    /// Destination, as in [`Addresses`].
    pub destination: [u64; 2],
}
shared!(EspKey, 48, { ifindex: u32, direction: u32, spi: u32, encapsulation: u32, source: halves, destination: halves });

impl EspKey {
    /// The key under which packets are counted whose own association found no room.
    #[inline(always)]
    #[must_use]
    pub const fn other(ifindex: u32, direction: Direction) -> EspKey {
        let (source, destination) = ([0; 2], [0; 2]);
        EspKey {
            ifindex,
            direction: direction as u32,
            spi: 0,
            encapsulation: Encapsulation::Esp as u32,
            source,
            destination,
        }
    }

    /// The key of an association between two addresses.
    #[inline(always)]
    #[must_use]
    pub const fn new(
        ifindex: u32,
        direction: Direction,
        encapsulation: Encapsulation,
        spi: u32,
        addresses: &Addresses,
    ) -> EspKey {
        let Addresses {
            version: _,
            source,
            destination,
        } = *addresses;
        EspKey {
            ifindex,
            direction: direction as u32,
            spi,
            encapsulation: encapsulation as u32,
            source,
            destination,
        }
    }
}

/// Value of `ESP`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct EspCount {
    /// Packets.
    pub packets: u64,
    /// Bytes of the frames without FCS.
    pub bytes: u64,
    /// Lowest sequence number seen on this CPU.
    pub sequence_min: u32,
    /// Highest sequence number seen on this CPU.
    pub sequence_max: u32,
}
shared!(EspCount, 24, { packets: u64, bytes: u64, sequence_min: u32, sequence_max: u32 });

/// Key of `REASONS`.
///
/// The map is keyed by interface and direction too, since its metric is; all keys are inserted at
/// attachment, so a packet on the wire never adds one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(C)]
pub struct ReasonKey {
    /// Interface index.
    pub ifindex: u32,
    /// [`Direction`] in bits 8 to 15, [`Reason`] in bits 0 to 7.
    pub class: u32,
}
shared!(ReasonKey, 8, { ifindex: u32, class: u32 });

impl ReasonKey {
    /// The key of a reason.
    #[inline(always)]
    #[must_use]
    pub const fn new(ifindex: u32, direction: Direction, reason: Reason) -> ReasonKey {
        ReasonKey {
            ifindex,
            class: ((direction as u32) << 8) | reason as u32,
        }
    }

    /// Which way the packets went. `None` for a value that no program of ours writes.
    #[must_use]
    pub const fn direction(&self) -> Option<Direction> {
        Direction::from_index((self.class >> 8) as u8)
    }

    /// The reason. `None` for a value that no program of ours writes.
    #[must_use]
    pub const fn reason(&self) -> Option<Reason> {
        Reason::from_index(self.class as u8)
    }
}

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

/// What each CPU keeps for itself: one element of `STATE`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CpuState {
    /// Packets until the next periodic sample.
    pub countdown: u64,
    /// Samples handed to user space.
    pub sent: u64,
    /// Samples lost because the ring was full.
    pub ring_full: u64,
    /// Packets counted as "other", because `COUNTERS` was full.
    pub counters_overflow: u64,
    /// Packets counted as "other", because `ESP` was full.
    pub esp_overflow: u64,
    /// Packets whose reason could not be counted (an interface that nobody prepared).
    pub reasons_overflow: u64,
    /// Samples not taken, because the CPU or the network had taken its share.
    pub capped: u64,
    /// Packets whose exposure was counted as "other", because `EXPOSURE` was full.
    pub exposure_overflow: u64,
    /// Packets that were not counted, because IPsec had decrypted them and handed them to the
    /// interface a second time.
    pub decrypted: u64,
}
shared!(CpuState, 72, { countdown: u64, sent: u64, ring_full: u64, counters_overflow: u64, esp_overflow: u64, reasons_overflow: u64, capped: u64, exposure_overflow: u64, decrypted: u64 });

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
    fn a_counter_key_gives_back_what_went_in() {
        for direction in Direction::ALL {
            for encapsulation in Encapsulation::ALL {
                for vni in [0, 1, 4096, 0x00ff_ffff] {
                    let key = CounterKey::new(7, direction, encapsulation, vni);
                    assert_eq!(key.direction(), direction);
                    assert_eq!(key.encapsulation(), Some(encapsulation));
                    assert_eq!(key.vni(), Some(vni));
                    assert_eq!(CounterKey::from_bytes(&key.to_bytes()), key);
                }
                let other = CounterKey::other(7, direction, encapsulation);
                assert_eq!((other.direction(), other.vni()), (direction, None));
                assert_eq!(other.encapsulation(), Some(encapsulation));
            }
        }
    }

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
    fn bytes_round_trip() {
        let key = EspKey::new(
            3,
            Direction::Tx,
            Encapsulation::EspUdp,
            0x2ad4_577a,
            &Addresses::v4(0xc0a8_4d01, 0xc0a8_4d02),
        );
        assert_eq!(EspKey::from_bytes(&key.to_bytes()), key);
        assert_eq!(key.source, [0, 0xffff_c0a8_4d01]);
        let count = EspCount {
            packets: 1,
            bytes: 2,
            sequence_min: 3,
            sequence_max: 4,
        };
        assert_eq!(EspCount::from_bytes(&count.to_bytes()), count);
        for direction in Direction::ALL {
            for reason in Reason::ALL {
                let key = ReasonKey::from_bytes(&ReasonKey::new(9, direction, *reason).to_bytes());
                assert_eq!(
                    (key.direction(), key.reason()),
                    (Some(direction), Some(*reason))
                );
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
