//! The interfaces of the default route.

use std::io;

use netlink_packet_route::route::RouteMessage;
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use super::link_list::number;
use crate::base::netlink::{self, attributes};

/// The attributes of a route (`include/uapi/linux/rtnetlink.h`).
const RTA_OIF: u16 = 4;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
/// `RT_TABLE_MAIN`, `RTN_UNICAST`.
const MAIN: u32 = 254;
const UNICAST: u8 = 1;
/// Length of `struct rtmsg`.
const HEADER: usize = 12;

/// Indices of the interfaces of the default route in the main table: IPv4's, or without one IPv6's. With several
/// default routes, that of the lowest metric, with all its paths. Empty without a default route.
///
/// # Errors
/// The error that netlink answered.
pub fn default_routes() -> io::Result<Vec<u32>> {
    const NEW_ROUTE: u16 = 24;
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let mut message = RouteMessage::default();
        message.header.address_family = family;
        let mut found = Vec::new();
        netlink::dump_raw(
            &RouteNetlinkMessage::GetRoute(message),
            |answer| match answer {
                None => found.clear(),
                Some(answer) if answer.message_type == NEW_ROUTE => {
                    found.extend(parse(answer.payload))
                }
                Some(_) => {}
            },
        )?;
        let best = found.iter().map(|route| route.metric).min();
        let mut interfaces: Vec<u32> = found
            .into_iter()
            .filter(|route| Some(route.metric) == best)
            .flat_map(|route| route.interfaces)
            .collect();
        interfaces.sort_unstable();
        interfaces.dedup();
        if !interfaces.is_empty() {
            return Ok(interfaces);
        }
    }
    Ok(Vec::new())
}

/// A default route.
struct DefaultRoute {
    metric: u32,
    interfaces: Vec<u32>,
}

/// Decodes `struct rtmsg` and its attributes; `None` if they are not a default route of the main table.
fn parse(payload: &[u8]) -> Option<DefaultRoute> {
    let header: &[u8; HEADER] = payload.first_chunk()?;
    // Family, two prefix lengths, TOS, table, protocol, scope, type.
    if header[1] != 0 || header[7] != UNICAST {
        return None;
    }
    let mut table = u32::from(header[4]);
    let mut route = DefaultRoute {
        metric: 0,
        interfaces: Vec::new(),
    };
    for (attribute_type, value) in attributes(payload.get(HEADER..)?) {
        match attribute_type {
            RTA_TABLE => table = number(value)?,
            RTA_PRIORITY => route.metric = number(value)?,
            RTA_OIF => route.interfaces.extend(number(value)),
            RTA_MULTIPATH => route.interfaces.extend(paths(value)),
            _ => {}
        }
    }
    (table == MAIN && !route.interfaces.is_empty()).then_some(route)
}

/// The interfaces of a multipath route: each path is a `struct rtnexthop` (length, flags, hops, interface) and
/// attributes.
fn paths(mut value: &[u8]) -> Vec<u32> {
    let mut interfaces = Vec::new();
    while let Some(length) = value.first_chunk().map(|bytes| u16::from_ne_bytes(*bytes)) {
        let length = usize::from(length);
        let Some(index) = value.get(4..length.min(value.len())).and_then(number) else {
            break;
        };
        interfaces.push(index);
        value = value.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    interfaces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_paths_of_a_route_are_split_up_to_the_first_wrong_length() {
        let path = |index: u8| [8, 0, 0, 0, index, 0, 0, 0];
        assert_eq!(paths(&[path(3), path(4)].concat()), [3, 4]);
        assert_eq!(paths(&[0, 0, 0, 0, 3, 0, 0, 0]), [0; 0]);
        assert_eq!(paths(&[0xff, 0xff, 0, 0, 3]), [0; 0]);
        assert_eq!(paths(&[8, 0]), [0; 0]);
    }
}
