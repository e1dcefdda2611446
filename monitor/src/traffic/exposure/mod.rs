//! How much of each network can be read: exact counts of packets by protocol and exposure.
//!
//! The kernel counts the packets of a flow as pending until [`Judge`] has written a verdict on it, and
//! under that verdict from then on. [`Account`] credits what was pending, once, when it is sure that no
//! more will come, and counts as unknown what never got a verdict.

mod note;

use monitor_common::key::{Class, Count, ExposureKey, NetworkId};

use monitor_classify::{Exposure, Protocol};

pub use note::Note;

/// Packets of a network, one way, under one class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposed {
    /// Which network and which class.
    pub key: ExposureKey,
    /// Packets and bytes.
    pub count: Count,
}

/// Packets of a network that wait for a verdict, both directions together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Which network.
    pub network: NetworkId,
    /// How many.
    pub packets: u64,
    /// Bytes of their frames.
    pub bytes: u64,
}

/// The number under which the kernel counts a protocol and an exposure.
#[must_use]
pub fn class(protocol: Protocol, exposure: Exposure) -> Class {
    let protocol = match protocol {
        Protocol::Unknown => 0,
        known => position(Protocol::ALL, known) + 1,
    };
    let exposure = match exposure {
        Exposure::Unknown => 0,
        Exposure::Plaintext => 1,
        Exposure::Encrypted => 2,
    };
    Class::new(protocol, exposure)
}

/// Protocol and exposure of a class. Unknown for what nobody of this process has written.
#[must_use]
pub fn of_class(class: Class) -> (Protocol, Exposure) {
    let protocol = match class.protocol() {
        0 => Protocol::Unknown,
        number => Protocol::ALL
            .get(usize::from(number) - 1)
            .copied()
            .unwrap_or(Protocol::Unknown),
    };
    let exposure = match class.exposure() {
        1 => Exposure::Plaintext,
        2 => Exposure::Encrypted,
        _ => Exposure::Unknown,
    };
    (protocol, exposure)
}

fn position(all: &[Protocol], one: Protocol) -> u16 {
    let position = all.iter().position(|known| *known == one).unwrap_or(0);
    u16::try_from(position).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_round_trip_and_unknown_is_the_kernels_own() {
        for protocol in Protocol::ALL {
            for exposure in Exposure::ALL {
                let class = class(*protocol, *exposure);
                assert_eq!(of_class(class), (*protocol, *exposure));
                assert_ne!(class, Class::PENDING);
            }
        }
        assert_eq!(class(Protocol::Unknown, Exposure::Unknown), Class::UNKNOWN);
        let strange = Class::new(u16::MAX, 7);
        assert_eq!(of_class(strange), (Protocol::Unknown, Exposure::Unknown));
    }
}
