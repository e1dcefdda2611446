//! Keys and values of the maps that the kernel programs and the agent share.
//!
//! All are `repr(C)` without implicit padding, and user space reads and writes them as bytes.

use crate::label::{Direction, Encapsulation};
use crate::reason::Reason;
use crate::walk::Addresses;

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

mod esp_network;
mod flow;
mod peer;

pub use esp_network::EspNetworkKey;
pub use flow::{
    Bucket, Class, ExposureKey, FlowState, FragmentState, NETWORK_BUCKETS, NetworkId, flow_hash,
};
pub use peer::{PeerCount, PeerKey, REQUIRED_WORDS, VNIS_PER_WORD, required_bit};

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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
    /// How many of the packets are later fragments: the rest is what the association has encrypted.
    pub later_fragments: u64,
}
shared!(EspCount, 32, { packets: u64, bytes: u64, sequence_min: u32, sequence_max: u32, later_fragments: u64 });

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
    /// Cleartext packets of networks that must be encrypted whose node was counted as "other", because
    /// `PEERS` was full.
    pub peers_overflow: u64,
    /// Packets in ESP counted under their network alone or as "other", because `ESP_NETWORKS` was full.
    pub esp_networks_overflow: u64,
}
shared!(CpuState, 88, { countdown: u64, sent: u64, ring_full: u64, counters_overflow: u64, esp_overflow: u64, reasons_overflow: u64, capped: u64, exposure_overflow: u64, decrypted: u64, peers_overflow: u64, esp_networks_overflow: u64 });

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
            later_fragments: 5,
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
}
