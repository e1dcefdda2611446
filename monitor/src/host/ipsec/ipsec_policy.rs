//! An IPsec policy: which packets must use which security associations (`struct xfrm_policy` of the kernel).

use std::net::IpAddr;

use super::security_association::{Mark, Mode};

/// IP protocol number of UDP.
const UDP: u8 = 17;

/// Which packets a policy is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PolicyDirection {
    /// Received.
    In,
    /// Sent.
    Out,
    /// Forwarded.
    Forward,
    /// A newer direction (`XFRM_POLICY_…`).
    Other(u8),
}

/// One association that a policy requires.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    /// Source address of the association; unspecified for the packet's own.
    pub source: IpAddr,
    /// Destination address of the association; unspecified for the packet's own.
    pub destination: IpAddr,
    /// SPI of the association; 0 for any.
    pub spi: u32,
    /// IP protocol of the association.
    pub protocol: u8,
    /// Request id that associations must have.
    pub reqid: u32,
    /// How packets are wrapped.
    pub mode: Mode,
}

/// Which packets must use which associations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpsecPolicy {
    /// Received, sent or forwarded packets.
    pub direction: PolicyDirection,
    /// Source addresses: network and prefix length in bits.
    pub source: (IpAddr, u8),
    /// Destination addresses: network and prefix length in bits.
    pub destination: (IpAddr, u8),
    /// IP protocol; 0 for any.
    pub protocol: u8,
    /// Destination port; `None` for any.
    pub port: Option<u16>,
    /// The mark that packets must have.
    pub mark: Option<Mark>,
    /// Whether matching packets are dropped.
    pub blocks: bool,
    /// The associations that packets must use, in order.
    pub templates: Vec<Template>,
}

impl IpsecPolicy {
    /// Whether it applies to a sent UDP datagram with this destination address, destination port and mark.
    #[must_use]
    pub fn sends(&self, destination: IpAddr, port: u16, mark: u32) -> bool {
        self.direction == PolicyDirection::Out
            && contains(self.destination, destination)
            && (self.protocol == 0 || self.protocol == UDP)
            && self.port.is_none_or(|own| own == port)
            && self
                .mark
                .is_none_or(|own| mark & own.mask == own.value & own.mask)
    }
}

/// Whether a network contains an address.
fn contains((network, bits): (IpAddr, u8), address: IpAddr) -> bool {
    let (network, address, width) = match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => (
            u128::from(network.to_bits()),
            u128::from(address.to_bits()),
            32,
        ),
        (IpAddr::V6(network), IpAddr::V6(address)) => (network.to_bits(), address.to_bits(), 128),
        // A prefix of 0 bits contains the addresses of both families.
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return bits == 0,
    };
    let free = width - u32::from(bits).min(width);
    (network ^ address).checked_shr(free).unwrap_or(0) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_its_addresses() {
        let at = |text: &str| text.parse::<IpAddr>().unwrap();
        assert!(contains((at("10.1.0.0"), 16), at("10.1.2.3")));
        assert!(!contains((at("10.1.0.0"), 16), at("10.2.2.3")));
        assert!(contains((at("10.1.0.1"), 32), at("10.1.0.1")));
        assert!(contains((at("0.0.0.0"), 0), at("10.1.0.1")));
        assert!(contains((at("0.0.0.0"), 0), at("fd00::1")));
        assert!(!contains((at("fd00::"), 64), at("fd00:0:0:1::1")));
        assert!(contains((at("::"), 0), at("fd00::1")));
        assert!(contains((at("fd00::1"), 255), at("fd00::1")));
    }
}
