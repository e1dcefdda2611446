//! Conversion of addresses from the form of the maps and the walk: two big-endian halves, IPv4 mapped into IPv6 (RFC
//! 4291, section 2.5.5.2).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use monitor_common::address::Version;

/// The address of this version in two big-endian halves; IPv4 is in the lowest 32 bits.
#[must_use]
pub fn ip(version: Version, halves: [u64; 2]) -> IpAddr {
    match version {
        Version::V4 => IpAddr::V4(Ipv4Addr::from(halves[1] as u32)),
        Version::V6 => IpAddr::V6(Ipv6Addr::from(
            (u128::from(halves[0]) << 64) | u128::from(halves[1]),
        )),
    }
}

/// The address in two big-endian halves whose version only the mapping shows, as in keys of the `ESP` map.
#[must_use]
pub fn ip_of_key(halves: [u64; 2]) -> IpAddr {
    ip(Version::V6, halves).to_canonical()
}
