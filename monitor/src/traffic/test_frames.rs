//! Builds frames for tests: packets in an overlay between two nodes.

pub(super) const SYN: u8 = 0x02;
pub(super) const ACK: u8 = 0x10;
pub(super) const PSH: u8 = 0x18;
pub(super) const FIN: u8 = 0x11;
pub(super) const RST: u8 = 0x04;

pub(super) const CLIENT: [u8; 4] = [10, 0, 1, 9];
pub(super) const SERVER: [u8; 4] = [10, 0, 1, 7];
pub(super) const NODES: ([u8; 4], [u8; 4]) = ([192, 168, 77, 1], [192, 168, 77, 2]);

pub(super) fn ethernet(packet: &[u8]) -> Vec<u8> {
    [&[2; 12][..], &[8, 0], packet].concat()
}

/// An IPv4 packet; `fragment` is the field of flags and fragment offset.
pub(super) fn ipv4(
    protocol: u8,
    ends: ([u8; 4], [u8; 4]),
    id: u16,
    fragment: u16,
    payload: &[u8],
) -> Vec<u8> {
    let total = u16::try_from(20 + payload.len()).unwrap();
    let mut packet = vec![0x45, 0];
    packet.extend(total.to_be_bytes());
    packet.extend(id.to_be_bytes());
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(ends.0);
    packet.extend(ends.1);
    packet.extend(payload);
    packet
}

pub(super) fn udp(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut datagram = Vec::new();
    datagram.extend(ports.0.to_be_bytes());
    datagram.extend(ports.1.to_be_bytes());
    datagram.extend(u16::try_from(8 + payload.len()).unwrap().to_be_bytes());
    datagram.extend([0, 0]);
    datagram.extend(payload);
    datagram
}

pub(super) fn tcp(ports: (u16, u16), numbers: (u32, u32), flags: u8, payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend(numbers.0.to_be_bytes());
    segment.extend(numbers.1.to_be_bytes());
    segment.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    segment.extend(payload);
    segment
}

pub(super) fn overlay(vni: u32, inner: &[u8]) -> Vec<u8> {
    let mut header = vec![8, 0, 0, 0];
    header.extend((vni << 8).to_be_bytes());
    header.extend(inner);
    ethernet(&ipv4(17, NODES, 0, 0, &udp((50_000, 4789), &header)))
}

/// A TCP segment from or to the client, in overlay 4097.
pub(super) fn segment(
    from_client: bool,
    port: u16,
    sequence: u32,
    flags: u8,
    payload: &[u8],
) -> Vec<u8> {
    let (ends, ports) = if from_client {
        ((CLIENT, SERVER), (40_000, port))
    } else {
        ((SERVER, CLIENT), (port, 40_000))
    };
    let segment = tcp(ports, (sequence, 0), flags, payload);
    overlay(4097, &ethernet(&ipv4(6, ends, 0, 0, &segment)))
}

/// A TLS 1.3 record whose body resembles ciphertext.
pub(super) fn tls_record(seed: u32) -> Vec<u8> {
    let body = (0..200_u32).map(|n| ((n ^ seed).wrapping_mul(2_654_435_761) >> 13) as u8);
    [&[0x17, 3, 3, 0, 200][..], &body.collect::<Vec<u8>>()].concat()
}
