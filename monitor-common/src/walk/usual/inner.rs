//! The usual flow inside a VXLAN packet of the usual shape: TCP or UDP, on IPv4 without options or IPv6 without extension
//! headers.

use crate::address::Addresses;
use crate::load::{Load, Window};
use crate::wire::{eth, ipv4, ipv6, tcp, udp};

/// A flow by its endpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// TCP or UDP (IANA protocol numbers).
    pub protocol: u8,
    /// Its addresses.
    pub addresses: Addresses,
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
}

/// Where parts of a packet of a usual flow end: offsets in bytes from the start of the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Its headers, up to the transport header.
    pub headers: usize,
    /// The packet inside, by its own length field.
    pub packet: usize,
}

/// Declares the functions for the Ethernet frame at an offset: only constants make one bounds check of it.
macro_rules! flow_at {
    ($(#[$doc:meta])* $name:ident, $(#[$ends_doc:meta])* $ends:ident, $at:expr) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name<L: Load + ?Sized>(packet: &L) -> Option<Flow> {
            const L3: usize = $at + eth::LEN;
            const V4_L4: usize = L3 + ipv4::LEN;
            const V6_L4: usize = L3 + ipv6::LEN;
            // The shorter of the two.
            let bytes = packet.window::<{ V4_L4 + udp::LEN }>()?;
            let ethertype = bytes.be16::<{ L3 - 2 }>();
            if ethertype == eth::IPV4 {
                if bytes.byte::<L3>() != ipv4::PLAIN
                    || (bytes.be16::<{ L3 + 2 }>() as usize) < ipv4::LEN
                    || ipv4::is_fragment(bytes.be16::<{ L3 + ipv4::FRAGMENT_AT }>())
                {
                    return None;
                }
                let protocol = bytes.byte::<{ L3 + 9 }>();
                if protocol == tcp::PROTOCOL {
                    let bytes = packet.window::<{ V4_L4 + tcp::LEN }>()?;
                    goes_on(
                        bytes.byte::<{ V4_L4 + tcp::OFFSET_AT }>(),
                        bytes.byte::<{ V4_L4 + tcp::FLAGS_AT }>(),
                    )?;
                } else if protocol != udp::PROTOCOL {
                    return None;
                }
                return Some(Flow {
                    protocol,
                    addresses: Addresses::v4(
                        bytes.be32::<{ L3 + 12 }>(),
                        bytes.be32::<{ L3 + 16 }>(),
                    ),
                    source_port: bytes.be16::<V4_L4>(),
                    destination_port: bytes.be16::<{ V4_L4 + 2 }>(),
                });
            }
            if ethertype != eth::IPV6 {
                return None;
            }
            let bytes = packet.window::<{ V6_L4 + udp::LEN }>()?;
            if bytes.byte::<L3>() >> 4 != 6 {
                return None;
            }
            let protocol = bytes.byte::<{ L3 + 6 }>();
            if protocol == tcp::PROTOCOL {
                let bytes = packet.window::<{ V6_L4 + tcp::LEN }>()?;
                goes_on(
                    bytes.byte::<{ V6_L4 + tcp::OFFSET_AT }>(),
                    bytes.byte::<{ V6_L4 + tcp::FLAGS_AT }>(),
                )?;
            } else if protocol != udp::PROTOCOL {
                return None;
            }
            Some(Flow {
                protocol,
                addresses: Addresses::v6(
                    bytes.get::<{ L3 + ipv6::SOURCE }, 16>(),
                    bytes.get::<{ L3 + ipv6::DESTINATION }, 16>(),
                ),
                source_port: bytes.be16::<V6_L4>(),
                destination_port: bytes.be16::<{ V6_L4 + 2 }>(),
            })
        }

        $(#[$ends_doc])*
        #[inline(always)]
        pub fn $ends<L: Load + ?Sized>(packet: &L) -> Option<Ends> {
            const L3: usize = $at + eth::LEN;
            const V4_L4: usize = L3 + ipv4::LEN;
            const V6_L4: usize = L3 + ipv6::LEN;
            $name(packet)?;
            let bytes = packet.window::<{ V4_L4 + udp::LEN }>()?;
            if bytes.be16::<{ L3 - 2 }>() == eth::IPV4 {
                let headers = if bytes.byte::<{ L3 + 9 }>() == tcp::PROTOCOL {
                    let bytes = packet.window::<{ V4_L4 + tcp::LEN }>()?;
                    V4_L4 + tcp::header_len(bytes.byte::<{ V4_L4 + tcp::OFFSET_AT }>())
                } else {
                    V4_L4 + udp::LEN
                };
                let packet = L3 + bytes.be16::<{ L3 + 2 }>() as usize;
                return Some(Ends { headers, packet });
            }
            let bytes = packet.window::<{ V6_L4 + udp::LEN }>()?;
            let headers = if bytes.byte::<{ L3 + 6 }>() == tcp::PROTOCOL {
                let bytes = packet.window::<{ V6_L4 + tcp::LEN }>()?;
                V6_L4 + tcp::header_len(bytes.byte::<{ V6_L4 + tcp::OFFSET_AT }>())
            } else {
                V6_L4 + udp::LEN
            };
            let payload = bytes.be16::<{ L3 + 4 }>() as usize;
            let packet = V6_L4 + payload;
            // 0: too long for the field, as the kernel's super-packets may be.
            (payload != 0).then_some(Ends { headers, packet })
        }
    };
}

flow_at!(
    /// The flow inside a packet of [`super::Shape::Vxlan`] on IPv4, if it is of the usual shape and the packet does not open
    /// a TCP connection. `None` for every other one, which is left to [`crate::walk::inner`].
    in_v4,
    /// The ends of a packet in which [`in_v4`] finds a flow. `None` where it finds none, or only the walk finds the ends.
    ends_in_v4,
    super::v4::INNER
);

flow_at!(
    /// As [`in_v4`], on IPv6.
    in_v6,
    /// The ends of a packet in which [`in_v6`] finds a flow. `None` where it finds none, or only the walk finds the ends.
    ends_in_v6,
    super::v6::INNER
);

/// `None` if this segment's header is too short for a header, or if it opens a connection: the verdict on an older
/// one between the same ports does not hold for it.
#[inline(always)]
fn goes_on(offset: u8, flags: u8) -> Option<()> {
    (tcp::header_len(offset) >= tcp::LEN && !tcp::opens(flags)).then_some(())
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::super::{v4, v6};
    use super::*;
    use crate::link::Link;
    use crate::walk;

    /// A frame behind `at` bytes that do not matter, and the length of its headers.
    fn frame(at: usize, ethertype: u16, protocol: u8) -> (Vec<u8>, usize) {
        let mut bytes = std::vec![0; at];
        bytes.extend([2; 12]);
        bytes.extend(ethertype.to_be_bytes());
        if ethertype == eth::IPV6 {
            bytes.extend([0x60, 0, 0, 0, 0, 60, protocol, 64]);
            bytes.extend([1; 16]);
            bytes.extend(2..18);
        } else {
            bytes.extend([0x45, 0, 0, 60, 0, 1, 0x40, 0, 64, protocol, 0, 0]);
            bytes.extend([10, 0, 1, 7, 10, 0, 1, 3]);
        }
        bytes.extend([
            0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0, 0, 0, 0, 0, 0,
        ]);
        let headers = bytes.len();
        bytes.extend([1; 40]);
        (bytes, headers)
    }

    /// Asserts that a flow found at fixed offsets is that of the whole walk. Returns whether one was found.
    fn agrees(bytes: &[u8], at: usize) -> bool {
        let (found, ends) = if at == v4::INNER {
            (in_v4(bytes), ends_in_v4(bytes))
        } else {
            (in_v6(bytes), ends_in_v6(bytes))
        };
        let Some(found) = found else {
            return false;
        };
        let inner = walk::inner(bytes, at, Link::Ethernet);
        assert_eq!(inner.kind, walk::InnerKind::Flow, "{bytes:02x?}");
        assert!(!inner.network.later_fragment && !inner.network.first_fragment);
        assert_eq!(
            (
                inner.network.protocol,
                inner.source_port,
                inner.destination_port
            ),
            (found.protocol, found.source_port, found.destination_port)
        );
        let addresses = walk::addresses(bytes, &inner.network);
        assert_eq!(addresses, Some(found.addresses));
        let walked = Ends {
            headers: inner.payload,
            packet: inner.network.end,
        };
        if let Some(ends) = ends {
            assert_eq!(ends, walked, "{bytes:02x?}");
        } else {
            assert_eq!(walked.packet, bytes.len(), "{bytes:02x?}");
        }
        true
    }

    #[test]
    fn any_change_of_any_header_byte_and_any_cut_is_parsed_as_by_the_walk() {
        for at in [v4::INNER, v6::INNER] {
            for ethertype in [eth::IPV4, eth::IPV6] {
                for protocol in [6, 17, 1, 44] {
                    let (good, headers) = frame(at, ethertype, protocol);
                    let is_usual = protocol == 6 || protocol == 17;
                    assert_eq!(agrees(&good, at), is_usual, "{ethertype:#x} {protocol}");
                    let ends = match at == v4::INNER {
                        true => ends_in_v4(good.as_slice()),
                        false => ends_in_v6(good.as_slice()),
                    };
                    assert_eq!(ends.is_some(), is_usual);
                    for position in at..headers {
                        for value in 0..=255 {
                            let mut bytes = good.clone();
                            bytes[position] = value;
                            agrees(&bytes, at);
                        }
                    }
                    for len in 0..good.len() {
                        agrees(&good[..len], at);
                    }
                }
            }
        }
    }

    #[test]
    fn a_packet_that_opens_a_connection_is_left_to_the_walk() {
        for (at, flow) in [
            (v4::INNER, in_v4::<[u8]> as fn(&[u8]) -> _),
            (v6::INNER, in_v6),
        ] {
            for (ethertype, l4) in [(eth::IPV4, 34), (eth::IPV6, 54)] {
                let (mut bytes, _) = frame(at, ethertype, 6);
                assert!(flow(&bytes).is_some());
                bytes[at + l4 + tcp::FLAGS_AT] = 2;
                assert!(flow(&bytes).is_none());
            }
        }
    }
}
