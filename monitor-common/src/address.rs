//! Addresses as the maps hold them: IPv4 and IPv6 in one form.

use core::net::{IpAddr, Ipv6Addr};

/// An IP address as two big-endian halves; IPv4 as IPv4-mapped IPv6 (RFC 4291, 2.5.5.2). [`NO_ADDRESS`] for none.
///
/// Words, not bytes: the eBPF compiler keeps a byte array in as many stack slots as it has bytes.
pub type Address = [u64; 2];

/// The unspecified address (RFC 4291, 2.5.2), which no packet on a wire has.
pub const NO_ADDRESS: Address = [0; 2];

/// The lower half of an IPv4-mapped address whose IPv4 address is 0.0.0.0.
const V4_MAPPED: u64 = 0xffff_0000_0000;

/// An IPv4 address, given in host byte order.
#[inline(always)]
#[must_use]
pub const fn v4(address: u32) -> Address {
    [0, V4_MAPPED | address as u64]
}

/// An IPv6 address, given as it stands on the wire.
#[inline(always)]
#[must_use]
pub const fn v6(address: [u8; 16]) -> Address {
    let all = u128::from_be_bytes(address);
    [(all >> 64) as u64, all as u64]
}

/// The address as the standard library has it; an IPv4-mapped one as IPv4.
#[must_use]
pub const fn to_ip(address: Address) -> IpAddr {
    let all = ((address[0] as u128) << 64) | address[1] as u128;
    Ipv6Addr::from_bits(all).to_canonical()
}

/// Which IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// IPv4 (RFC 791).
    V4,
    /// IPv6 (RFC 8200).
    V6,
}

/// Addresses of one IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// Which IP.
    pub version: Version,
    /// Source.
    pub source: Address,
    /// Destination.
    pub destination: Address,
}

impl Addresses {
    /// Two IPv4 addresses in host byte order.
    #[inline(always)]
    #[must_use]
    pub const fn v4(source: u32, destination: u32) -> Addresses {
        Addresses {
            version: Version::V4,
            source: v4(source),
            destination: v4(destination),
        }
    }

    /// Two IPv6 addresses as they stand on the wire.
    #[inline(always)]
    #[must_use]
    pub const fn v6(source: [u8; 16], destination: [u8; 16]) -> Addresses {
        Addresses {
            version: Version::V6,
            source: v6(source),
            destination: v6(destination),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;

    #[test]
    fn an_address_reads_back_in_its_own_family() {
        assert_eq!(to_ip(v4(0xc0a8_4d02)).to_string(), "192.168.77.2");
        let mut bytes = [0; 16];
        (bytes[0], bytes[15]) = (0xfd, 2);
        assert_eq!(to_ip(v6(bytes)).to_string(), "fd00::2");
        assert_eq!(to_ip(NO_ADDRESS).to_string(), "::");
    }
}
