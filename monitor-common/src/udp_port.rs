//! Which encapsulation a datagram is, by its ports.

use crate::encapsulation::UdpPort;

/// Entries of the `PORTS` global of the kernel programs: one byte for each UDP port, a [`UdpPort`].
pub const PORTS: usize = 1 << 16;

/// What a datagram is by its destination port; where that stands for nothing, by its source port, if
/// [`UdpPort::either_port`] lets that decide. `ports` looks a port up.
#[inline(always)]
pub fn of_datagram(ports: impl Fn(u16) -> UdpPort, source: u16, destination: u16) -> UdpPort {
    let found = ports(destination);
    if !matches!(found, UdpPort::None) {
        return found;
    }
    let found = ports(source);
    if found.either_port() {
        found
    } else {
        UdpPort::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_a_place_for_each_port() {
        assert_eq!(PORTS, usize::from(u16::MAX) + 1);
    }

    #[test]
    fn a_source_port_decides_only_where_a_nat_may_have_changed_the_other() {
        let ports = |port| match port {
            4789 => UdpPort::Vxlan,
            4500 => UdpPort::EspUdp,
            _ => UdpPort::None,
        };
        assert_eq!(of_datagram(ports, 50_000, 4789), UdpPort::Vxlan);
        assert_eq!(of_datagram(ports, 4789, 50_000), UdpPort::None);
        assert_eq!(of_datagram(ports, 4500, 50_000), UdpPort::EspUdp);
        assert_eq!(of_datagram(ports, 4500, 4789), UdpPort::Vxlan);
    }
}
