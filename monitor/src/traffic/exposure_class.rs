//! The number under which the kernel programs count the packets of a protocol and exposure.

use monitor_common::key::Class;

use monitor_classify::{Exposure, Protocol};

/// The class of a protocol and an exposure.
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

/// Protocol and exposure of a class; unknown for a number that [`class`] does not return.
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
    fn classes_round_trip_and_unknown_matches_the_kernels() {
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
