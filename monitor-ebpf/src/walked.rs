//! What one step of a packet notes for the next, on the same CPU.
//!
//! It is in a map, not on the stack or in registers: the verifier follows every combination of values through those,
//! and assumes nothing about a value from a map.

use aya_ebpf::btf_maps::PerCpuArray;
use aya_ebpf::macros::btf_map;
use monitor_common::address::{Address, Addresses, NO_ADDRESS, Version};
use monitor_common::key::NetworkId;
use monitor_common::map_size::WALKED_BYTES;
use monitor_common::sample::NO_REASON;
use monitor_common::walk::Network;

use crate::verifier::OFFSET;

/// The packet in hand.
#[btf_map]
static WALKED: PerCpuArray<Walked, 1> = PerCpuArray::new();

const _: () = assert!(size_of::<Walked>() == WALKED_BYTES);

/// What is known of the packet in hand. Enums are stored by their number.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Walked {
    /// `OuterKind`.
    pub kind: u32,
    /// `Encapsulation`.
    pub encapsulation: u32,
    /// `Reason`, or `NO_REASON`.
    pub reason: u32,
    /// The first header of the frame: a `Link`.
    pub frame_link: u32,
    /// VNI.
    pub vni: u32,
    /// SPI.
    pub spi: u32,
    /// Sequence number.
    pub sequence: u32,
    /// Offset of what is inside; read it by [`Walked::inner`].
    pub inner_offset: u32,
    /// The first header of what is inside: a `Link`.
    pub link: u32,
    /// Offset of the network layer in hand, first the outer one, then the inner one.
    l3_offset: u32,
    /// Offset of its transport header.
    l4_offset: u32,
    /// Offset of its end.
    end: u32,
    /// Its `Version`.
    version: u32,
    /// Its protocol.
    pub protocol: u32,
    /// `FIRST_FRAGMENT`, `LATER_FRAGMENT` or 0.
    pub fragment: u32,
    /// Identification of its fragments.
    pub fragment_id: u32,
    /// Length of the headers that each packet of a super-packet has, in bytes.
    pub segment_headers: u32,
    /// Outer source address.
    pub source: Address,
    /// Outer destination address.
    pub destination: Address,
    /// Packets of the wire.
    pub packets: u64,
    /// Their bytes.
    pub bytes: u64,
    /// `NetworkId` of what is inside.
    pub network_id: u32,
    /// `COUNTED`, `DUE`, `FORWARD`, `PAYLOAD`, `OPENS`.
    pub flags: u32,
    /// Key of the flow; 0 if the packet has none.
    pub flow: u64,
    /// Inner ports: source in bits 16 to 31, destination below.
    pub ports: u32,
    /// `InnerKind`.
    pub inner_kind: u32,
}

/// The packet is the first of several fragments.
pub const FIRST_FRAGMENT: u32 = 1;
/// The packet is a later fragment.
pub const LATER_FRAGMENT: u32 = 2;

/// The exposure of the packet is counted already.
pub const COUNTED: u32 = 1;
/// Its turn to be sampled has come.
pub const DUE: u32 = 2;
/// The packet comes from the endpoint that sorts lower.
pub const FORWARD: u32 = 4;
/// The packet has a payload.
pub const PAYLOAD: u32 = 8;
/// The packet opens a TCP connection.
pub const OPENS: u32 = 16;

impl Walked {
    /// Every field before a walk.
    pub const EMPTY: Walked = Walked {
        kind: 0,
        encapsulation: 0,
        reason: NO_REASON as u32,
        frame_link: 0,
        vni: 0,
        spi: 0,
        sequence: 0,
        inner_offset: 0,
        link: 0,
        l3_offset: 0,
        l4_offset: 0,
        end: 0,
        version: 0,
        protocol: 0,
        fragment: 0,
        fragment_id: 0,
        segment_headers: 0,
        source: NO_ADDRESS,
        destination: NO_ADDRESS,
        packets: 0,
        bytes: 0,
        network_id: NetworkId::OTHER.0,
        flags: 0,
        flow: 0,
        ports: 0,
        inner_kind: 0,
    };

    /// This CPU's slot.
    #[inline(always)]
    pub fn slot() -> Option<&'static mut Walked> {
        // SAFETY: this CPU's own slot; no other program of ours runs on the CPU until the packet is done, and each
        // step takes the slot once.
        WALKED.get_ptr_mut(0).map(|slot| unsafe { &mut *slot })
    }

    /// Offset of what is inside.
    #[inline(always)]
    pub fn inner(&self) -> usize {
        self.inner_offset as usize & OFFSET
    }

    /// Notes the network layer.
    #[inline(always)]
    pub fn set_network(&mut self, network: &Network) {
        self.l3_offset = network.l3 as u32;
        self.l4_offset = network.l4 as u32;
        self.end = network.end as u32;
        self.version = network.version as u32;
        self.protocol = u32::from(network.protocol);
        self.fragment = if network.first_fragment {
            FIRST_FRAGMENT
        } else if network.later_fragment {
            LATER_FRAGMENT
        } else {
            0
        };
        self.fragment_id = network.fragment_id;
    }

    /// The noted network layer.
    #[inline(always)]
    pub fn network(&self) -> Network {
        Network {
            version: if self.version == Version::V4 as u32 {
                Version::V4
            } else {
                Version::V6
            },
            l3: self.l3_offset as usize & OFFSET,
            l4: self.l4(),
            end: self.end as usize,
            protocol: self.protocol as u8,
            later_fragment: self.fragment == LATER_FRAGMENT,
            first_fragment: self.fragment == FIRST_FRAGMENT,
            fragment_id: self.fragment_id,
        }
    }

    /// Offset of the transport header.
    #[inline(always)]
    pub fn l4(&self) -> usize {
        self.l4_offset as usize & OFFSET
    }

    /// The noted outer addresses.
    #[inline(always)]
    pub fn addresses(&self) -> Addresses {
        Addresses {
            // An IPv4 address is IPv4-mapped.
            version: Version::V6,
            source: self.source,
            destination: self.destination,
        }
    }
}
