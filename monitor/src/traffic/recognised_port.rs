//! UDP ports on which VXLAN was recognised in a capture, though they are not configured for it.

use std::collections::BTreeMap;
use std::fmt;

use monitor_common::encapsulation::UdpPort;
use serde::Serialize;

use crate::base::plural::counted;
use crate::base::udp_ports::UdpPorts;

/// Ports that are listed; packets of further ones are summed.
const PORTS: usize = 64;

/// VXLAN on one UDP port that is not configured for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RecognisedPort {
    /// The UDP port.
    pub port: u16,
    /// Packets.
    pub packets: u64,
    /// What makes a running agent count them; `None` if they are inside another encapsulation.
    pub remedy: Option<String>,
}

impl fmt::Display for RecognisedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecognisedPort {
            port,
            packets,
            remedy,
        } = self;
        let packets = counted(*packets, "packet");
        write!(
            f,
            "VXLAN on UDP port {port}, recognised by its header: {packets}; "
        )?;
        match remedy {
            Some(remedy) => write!(f, "so that a running agent counts it, {remedy}"),
            None => {
                f.write_str("it is inside another encapsulation, by which a running agent counts")
            }
        }
    }
}

/// Counts packets by port.
#[derive(Clone, Debug, Default)]
pub(super) struct RecognisedPorts {
    /// By port, and whether they are inside another encapsulation.
    packets: BTreeMap<(u16, bool), u64>,
    /// Packets on other ports.
    others: u64,
}

impl RecognisedPorts {
    /// Counts a packet.
    pub(super) fn count(&mut self, port: u16, is_inside: bool) {
        let key = (port, is_inside);
        if self.packets.len() < PORTS || self.packets.contains_key(&key) {
            *self.packets.entry(key).or_default() += 1;
        } else {
            self.others += 1;
        }
    }

    /// The list, and the packets on ports that are not in it.
    pub(super) fn list(&self, udp_ports: &UdpPorts) -> Recognised {
        let listed = self.packets.iter();
        let ports = listed.map(|((port, is_inside), packets)| RecognisedPort {
            port: *port,
            packets: *packets,
            remedy: (!is_inside).then(|| udp_ports.remedy(UdpPort::Vxlan, *port)),
        });
        Recognised {
            ports: ports.collect(),
            others: self.others,
        }
    }
}

/// All ports on which VXLAN was recognised.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recognised {
    /// One by one.
    pub ports: Vec<RecognisedPort>,
    /// Packets on further ports.
    pub others: u64,
}

impl Recognised {
    /// A line for each port.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
        if self.others != 0 {
            let packets = counted(self.others, "packet");
            lines.push(format!(
                "VXLAN on other UDP ports, recognised by its header: {packets}"
            ));
        }
        lines
    }
}

/// The mark of a packet or flow in a line.
pub(super) struct OnPort(pub(super) u16);

impl fmt::Display for OnPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  (VXLAN by its header, on UDP port {})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_to_give_and_stays_short() {
        let mut ports = RecognisedPorts::default();
        ports.count(8472, false);
        ports.count(8472, false);
        ports.count(8472, true);
        let text = ports.list(&UdpPorts::default()).lines();
        assert_eq!(
            text,
            [
                "VXLAN on UDP port 8472, recognised by its header: 2 packets; so that a running agent counts it, give \
                 --vxlan-port 8472,4789",
                "VXLAN on UDP port 8472, recognised by its header: 1 packet; it is inside another encapsulation, by which a \
                 running agent counts",
            ]
        );
        for port in 1..1000 {
            ports.count(port, false);
        }
        let list = ports.list(&UdpPorts::default());
        assert_eq!((list.ports.len(), list.others), (PORTS, 1002 - 64 - 1));
        assert_eq!(list.lines().len(), PORTS + 1);
    }
}
