//! Bytes on the wire of a packet in an overlay, plain and encrypted, over IPv4; and the MTU that follows.
//!
//! | part | bytes | where it is written |
//! | --- | --- | --- |
//! | Ethernet header, without FCS | 14 | IEEE 802.3 |
//! | IPv4 header without options | 20 | RFC 791, section 3.1 |
//! | UDP header | 8 | RFC 768 |
//! | VXLAN header, inner Ethernet header | 8 + 14 | RFC 7348, section 5 |
//! | ESP header: SPI, sequence number | 8 | RFC 4303, section 2 |
//! | initialisation vector | by cipher | RFC 4106, RFC 7634, RFC 3602 |
//! | padding, pad length, next header | 2 + padding to the alignment | RFC 4303, sections 2.4 to 2.6 |
//! | integrity check value | by cipher | RFC 4106, RFC 7634, RFC 4868 |
//! | WireGuard's data header, tag | 16 + 16 | WireGuard: Next Generation Kernel Network Tunnel, section 5.4.6 |

const ETHERNET: u32 = 14;
const IPV4: u32 = 20;
const UDP: u32 = 8;
const VXLAN: u32 = 8;
const ESP_HEADER: u32 = 8;
/// Pad length and next header.
const ESP_TRAILER: u32 = 2;
/// Type, reserved, receiver index, counter.
const WIREGUARD_HEADER: u32 = 16;
const WIREGUARD_TAG: u32 = 16;
/// WireGuard pads to multiples of this, but not beyond the MTU of its device.
const WIREGUARD_PADDING: u32 = 16;
/// UDP header, VXLAN header and inner Ethernet header, before the inner IP packet.
const VXLAN_HEADERS: u32 = UDP + VXLAN + ETHERNET;

/// What of ESP's size depends on the algorithms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EspAlgorithm {
    /// Bytes of the initialisation vector.
    pub iv: u32,
    /// The payload with padding and trailer is a multiple of this. At least 4 (RFC 4303, section 2.4).
    pub alignment: u32,
    /// Bytes of the integrity check value.
    pub icv: u32,
}

impl EspAlgorithm {
    /// AES-GCM with an ICV of 8 bytes, as Docker has it (RFC 4106, sections 3.1 and 6).
    pub const AES_GCM_8: Self = Self {
        iv: 8,
        alignment: 4,
        icv: 8,
    };
    /// AES-GCM with an ICV of 16 bytes (RFC 4106, sections 3.1 and 6).
    pub const AES_GCM_16: Self = Self {
        iv: 8,
        alignment: 4,
        icv: 16,
    };
    /// ChaCha20-Poly1305 (RFC 7634, section 2).
    pub const CHACHA20_POLY1305: Self = Self {
        iv: 8,
        alignment: 4,
        icv: 16,
    };
    /// AES-CBC (RFC 3602, section 2: blocks and IV of 16 bytes) with HMAC-SHA-256-128 (RFC 4868, section 2.3).
    pub const AES_CBC_HMAC_SHA256: Self = Self {
        iv: 16,
        alignment: 16,
        icv: 16,
    };
    /// No encryption (RFC 2410) with HMAC-SHA-256-128 (RFC 4868, section 2.3).
    pub const NULL_HMAC_SHA256: Self = Self {
        iv: 0,
        alignment: 4,
        icv: 16,
    };

    /// Bytes of an ESP packet in transport mode, without the IP header, that carries `payload` bytes.
    fn packet(self, payload: u32) -> u32 {
        ESP_HEADER + self.iv + (payload + ESP_TRAILER).next_multiple_of(self.alignment) + self.icv
    }

    /// The most bytes of payload in an ESP packet, without the IP header, of at most `room` bytes.
    fn most_payload(self, room: u32) -> u32 {
        let aligned = room.saturating_sub(ESP_HEADER + self.iv + self.icv);
        (aligned - aligned % self.alignment).saturating_sub(ESP_TRAILER)
    }
}

/// How inner packets cross the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// As they are.
    Direct,
    /// In VXLAN.
    Vxlan,
    /// In VXLAN, in ESP in transport mode.
    VxlanEsp(EspAlgorithm),
    /// In VXLAN, in WireGuard.
    VxlanWireGuard {
        /// MTU of the WireGuard device.
        device_mtu: u32,
    },
}

impl Carrier {
    /// The MTU of a WireGuard device over IPv4 that fills the wire's.
    #[must_use]
    pub fn wireguard_mtu(wire_mtu: u32) -> u32 {
        wire_mtu.saturating_sub(IPV4 + UDP + WIREGUARD_HEADER + WIREGUARD_TAG)
    }

    /// Bytes of the frame on the wire, from the Ethernet header on without FCS, that carries an inner IP packet of
    /// `inner` bytes. The frame must fit into the wire's MTU.
    #[must_use]
    pub fn frame(self, inner: u32) -> u32 {
        let datagram = VXLAN_HEADERS + inner;
        ETHERNET
            + match self {
                Self::Direct => inner,
                Self::Vxlan => IPV4 + datagram,
                Self::VxlanEsp(algorithm) => IPV4 + algorithm.packet(datagram),
                Self::VxlanWireGuard { device_mtu } => {
                    let packet = IPV4 + datagram;
                    let padded = packet
                        .next_multiple_of(WIREGUARD_PADDING)
                        .min(device_mtu.max(packet));
                    IPV4 + UDP + WIREGUARD_HEADER + padded + WIREGUARD_TAG
                }
            }
    }

    /// The largest inner IP packet that crosses a wire of this MTU in one frame.
    #[must_use]
    pub fn mtu(self, wire_mtu: u32) -> u32 {
        let in_ip = wire_mtu.saturating_sub(IPV4);
        match self {
            Self::Direct => wire_mtu,
            Self::Vxlan => in_ip.saturating_sub(VXLAN_HEADERS),
            Self::VxlanEsp(algorithm) => {
                algorithm.most_payload(in_ip).saturating_sub(VXLAN_HEADERS)
            }
            Self::VxlanWireGuard { device_mtu } => device_mtu.saturating_sub(IPV4 + VXLAN_HEADERS),
        }
    }
}

/// Sizes of the IPv4 packets in which a UDP datagram with `payload` bytes leaves a host whose device has this MTU. All
/// fragments but the last carry a multiple of 8 bytes (RFC 791, section 3.2).
#[must_use]
pub fn udp_packets(payload: u32, mtu: u32) -> Vec<u32> {
    let mut left = UDP + payload;
    let room = mtu.saturating_sub(IPV4);
    let fragment = (room - room % 8).max(8);
    let mut packets = Vec::new();
    while left > room.max(8) {
        packets.push(IPV4 + fragment);
        left -= fragment;
    }
    packets.push(IPV4 + left);
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALGORITHMS: [EspAlgorithm; 5] = [
        EspAlgorithm::AES_GCM_8,
        EspAlgorithm::AES_GCM_16,
        EspAlgorithm::CHACHA20_POLY1305,
        EspAlgorithm::AES_CBC_HMAC_SHA256,
        EspAlgorithm::NULL_HMAC_SHA256,
    ];

    #[test]
    fn known_mtus() {
        // Docker, Flannel and Calico set 1450; Docker subtracts 26 more where it encrypts.
        assert_eq!(Carrier::Vxlan.mtu(1500), 1450);
        assert_eq!(Carrier::VxlanEsp(EspAlgorithm::AES_GCM_8).mtu(1500), 1424);
        // wg-quick sets 1420, because the outer header may be IPv6's 40 bytes.
        assert_eq!(Carrier::wireguard_mtu(1500), 1440);
    }

    #[test]
    fn a_packet_counted_by_hand() {
        // 92 bytes inside: 30 bytes of UDP, VXLAN and Ethernet make 122, the trailer 124. In blocks of 16: 128.
        assert_eq!(Carrier::Vxlan.frame(92), 14 + 20 + 122);
        assert_eq!(
            Carrier::VxlanEsp(EspAlgorithm::AES_GCM_8).frame(92),
            14 + 20 + 8 + 8 + 124 + 8
        );
        assert_eq!(
            Carrier::VxlanEsp(EspAlgorithm::AES_CBC_HMAC_SHA256).frame(92),
            14 + 20 + 8 + 16 + 128 + 16
        );
        assert_eq!(
            Carrier::VxlanEsp(EspAlgorithm::NULL_HMAC_SHA256).frame(92),
            14 + 20 + 8 + 124 + 16
        );
        // 142 bytes of outer packet are padded to 144.
        let wireguard = Carrier::VxlanWireGuard { device_mtu: 1440 };
        assert_eq!(wireguard.frame(92), 14 + 20 + 8 + 16 + 144 + 16);
    }

    #[test]
    fn the_mtu_is_the_largest_packet_that_fits() {
        let esp = ALGORITHMS.map(Carrier::VxlanEsp);
        for wire in [576, 1280, 1400, 1500, 1501, 1502, 1503, 8951, 9000] {
            let device_mtu = Carrier::wireguard_mtu(wire);
            let others = [
                Carrier::Direct,
                Carrier::Vxlan,
                Carrier::VxlanWireGuard { device_mtu },
            ];
            for carrier in esp.into_iter().chain(others) {
                let mtu = carrier.mtu(wire);
                let fits = |inner| carrier.frame(inner) <= ETHERNET + wire;
                assert!(fits(mtu) && !fits(mtu + 1), "{carrier:?} on {wire}: {mtu}");
            }
        }
    }

    #[test]
    fn a_datagram_beyond_the_mtu_leaves_in_fragments() {
        assert_eq!(udp_packets(64, 1424), [92]);
        assert_eq!(udp_packets(1396, 1424), [1424]);
        // 1400 of the 1404 bytes after the IP header are a multiple of 8.
        assert_eq!(udp_packets(1400, 1424), [1420, 28]);
        assert_eq!(udp_packets(3000, 1424).iter().sum::<u32>(), 3008 + 3 * 20);
        // A device without room for anything does not make a loop without an end.
        assert_eq!(udp_packets(8, 0), [28, 28]);
    }
}
