//! What the packets of security associations have shown, as far as it is remembered.

use std::collections::HashMap;
use std::net::IpAddr;

use monitor_classify::{Association, EspPacket, Exposure, Verdict};

/// Associations of one generation; two generations are kept.
const GENERATION: usize = 4096;
/// Packets of an association that are all inspected; of later ones, one in [`RARELY`].
const INSPECTED: u32 = 32;
/// Packets of an association that is neither encrypted nor in the clear for certain.
const RARELY: u32 = 64;

/// One association: VNI of the network around it, addresses and SPI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct AssociationId {
    pub(super) vni: Option<u32>,
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    pub(super) spi: u32,
}

/// What the packets of an association have shown. Of many packets only some are inspected.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inspected {
    association: Association,
    packets: u32,
}

impl Inspected {
    /// Adds a packet. Returns the verdict on the association, unless the packet was not inspected.
    pub(super) fn add(&mut self, packet: &EspPacket<'_>) -> Option<Verdict> {
        let number = self.packets;
        self.packets = number.wrapping_add(1);
        (number < INSPECTED || number.is_multiple_of(RARELY))
            .then(|| self.association.observe(packet))
    }

    /// The verdict so far.
    pub(super) fn verdict(&self) -> Verdict {
        self.association.so_far()
    }
}

/// The associations that packets are attributed to one by one: each packet is inspected.
#[derive(Debug, Default)]
pub(super) struct AssociationMemory {
    young: HashMap<AssociationId, Association>,
    old: HashMap<AssociationId, Association>,
}

impl AssociationMemory {
    /// Adds a packet, and returns the verdict on its association.
    pub(super) fn observe(&mut self, id: AssociationId, packet: &EspPacket<'_>) -> Verdict {
        if let Some(known) = self.young.get_mut(&id) {
            return known.observe(packet);
        }
        let mut association = self.old.remove(&id).unwrap_or_default();
        let verdict = association.observe(packet);
        if self.young.len() >= GENERATION {
            self.forget_silent();
        }
        self.young.insert(id, association);
        verdict
    }

    /// Drops the associations without a packet since this was called last: strangers can forge them without end.
    pub(super) fn forget_silent(&mut self) {
        self.old = std::mem::take(&mut self.young);
    }
}

/// The verdict on an association whose packets leave this host, as the kernel programs see them: with `esp4_offload` before
/// they are encrypted, so that what can be read in them proves nothing.
pub(super) fn before_the_wire(verdict: Verdict) -> Verdict {
    match verdict.exposure {
        Exposure::Plaintext => Association::default().so_far(),
        Exposure::Encrypted | Exposure::Unknown => verdict,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_bounded_and_keeps_the_associations_in_use() {
        let mut memory = AssociationMemory::default();
        let id = |spi| AssociationId {
            vni: None,
            source: [10, 0, 0, 1].into(),
            destination: [10, 0, 0, 2].into(),
            spi,
        };
        let text = EspPacket {
            bytes: b"\0\0\x01\0\0\0\0\x01GET /index.html HTTP/1.1 Host: shop",
            wire_len: 43,
            is_first_fragment: false,
        };
        let empty = EspPacket {
            bytes: &[],
            wire_len: 0,
            is_first_fragment: false,
        };
        let plaintext = memory.observe(id(1), &text).exposure;
        for spi in 2..5 * GENERATION as u32 {
            memory.observe(id(spi), &empty);
            assert_eq!(memory.observe(id(1), &empty).exposure, plaintext);
        }
        assert!(memory.young.len() + memory.old.len() <= 2 * GENERATION);
        memory.forget_silent();
        assert_eq!(memory.observe(id(1), &empty).exposure, plaintext);
        memory.forget_silent();
        memory.forget_silent();
        assert!(memory.young.is_empty() && memory.old.is_empty());
        assert_ne!(memory.observe(id(1), &empty).exposure, plaintext);
    }
}
