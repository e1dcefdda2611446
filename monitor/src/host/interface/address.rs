//! The addresses of this host.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::address::AddressMessage;

use crate::base::netlink::{self, attributes};

/// `RTM_NEWADDR`, and the attributes of an address (`include/uapi/linux/if_addr.h`).
const NEW_ADDRESS: u16 = 20;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
/// Length of `struct ifaddrmsg`.
const HEADER: usize = 8;

/// All addresses of this network namespace.
///
/// # Errors
/// The error that netlink answered.
pub fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    let mut all = BTreeSet::new();
    let message = RouteNetlinkMessage::GetAddress(AddressMessage::default());
    netlink::dump_raw(&message, |answer| match answer {
        None => all.clear(),
        Some(answer) if answer.message_type == NEW_ADDRESS => all.extend(parse(answer.payload)),
        Some(_) => {}
    })?;
    Ok(all)
}

/// The host's own address: `IFA_LOCAL` if present, else `IFA_ADDRESS`, which on a point-to-point link is the peer's.
fn parse(payload: &[u8]) -> Option<IpAddr> {
    let mut found = None;
    for (attribute_type, value) in attributes(payload.get(HEADER..)?) {
        match attribute_type {
            IFA_LOCAL => return address(value),
            IFA_ADDRESS => found = address(value),
            _ => {}
        }
    }
    found
}

fn address(value: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(value) {
        return Some(Ipv4Addr::from(v4).into());
    }
    <[u8; 16]>::try_from(value)
        .ok()
        .map(|v6| Ipv6Addr::from(v6).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_address_is_listed() {
        let all = addresses().unwrap();
        assert!(all.contains(&IpAddr::from([127, 0, 0, 1])), "{all:?}");
    }
}
