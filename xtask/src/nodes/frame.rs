//! What a frame of the wire is. Written apart from the monitor's own parser, so
//! that the two can be compared: the wire is ours and simple (no VLAN tags).

/// UDP port of VXLAN (RFC 7348, section 5).
const VXLAN: u16 = 4789;

/// What a frame carries between the nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum What {
    /// An overlay's datagram that anybody can read.
    Vxlan { vni: u32 },
    /// An IP fragment behind the first: it has no UDP header.
    Fragment,
    /// Encrypted (RFC 4303).
    Esp { spi: u32, sequence: u32 },
    /// Neither: the nodes' own traffic.
    Host,
}

/// Texts of the application that stood readable in a frame.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Readable {
    /// `GET / HTTP/1.1`
    pub(crate) request: bool,
    /// `HGETALL ip`, in Redis' protocol.
    pub(crate) redis: bool,
}

/// Reads an Ethernet frame.
pub(crate) fn what(frame: &[u8]) -> What {
    ip(frame).unwrap_or(What::Host)
}

fn ip(frame: &[u8]) -> Option<What> {
    let word = |at: usize| Some(u16::from_be_bytes(frame.get(at..at + 2)?.try_into().ok()?));
    let long = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
    // Ethernet, 14 bytes; then IPv4 (RFC 791) with its length in words.
    if word(12)? != 0x0800 {
        return Some(What::Host);
    }
    let first = *frame.get(14)?;
    let transport = 14 + usize::from(first & 0x0f) * 4;
    let fragment_offset = word(20)? & 0x1fff;
    match *frame.get(23)? {
        17 | 50 if fragment_offset != 0 => Some(What::Fragment),
        17 if word(transport + 2)? == VXLAN => Some(What::Vxlan {
            // 8 bytes of UDP, 4 of flags, then the VNI and a reserved byte.
            vni: long(transport + 12)? >> 8,
        }),
        50 => Some(What::Esp {
            spi: long(transport)?,
            sequence: long(transport + 4)?,
        }),
        _ => Some(What::Host),
    }
}

/// Looks for the application's texts.
pub(crate) fn readable(frame: &[u8]) -> Readable {
    let holds = |text: &[u8]| frame.windows(text.len()).any(|part| part == text);
    Readable {
        request: holds(b"GET / HTTP/1.1"),
        redis: holds(b"HGETALL\r\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ethernet and IPv4 without options around `payload`.
    fn frame(protocol: u8, offset: u16, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![0; 12];
        frame.extend([8, 0, 0x45, 0, 0, 0, 0, 0]);
        frame.extend(offset.to_be_bytes());
        frame.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend(payload);
        frame
    }

    #[test]
    fn overlay_and_esp_are_distinguished() {
        let udp = [
            0xab, 0xcd, 0x12, 0xb5, 0, 24, 0, 0, 8, 0, 0, 0, 0, 0x10, 0x01, 0,
        ];
        assert_eq!(what(&frame(17, 0, &udp)), What::Vxlan { vni: 4097 });
        assert_eq!(what(&frame(17, 185, &udp)), What::Fragment);
        let esp = [1, 2, 3, 4, 0, 0, 0, 9, 1, 1];
        assert_eq!(
            what(&frame(50, 0, &esp)),
            What::Esp {
                spi: 0x0102_0304,
                sequence: 9
            }
        );
        assert_eq!(what(&frame(6, 0, &udp)), What::Host);
        for length in 0..50 {
            what(&frame(17, 0, &udp)[..length.min(50)]);
        }
    }

    #[test]
    fn texts_of_the_application_are_found() {
        let request = readable(&frame(6, 0, b"GET / HTTP/1.1\r\nHost: host01\r\n"));
        assert!(request.request && !request.redis);
        let redis = readable(&frame(6, 0, b"*2\r\n$7\r\nHGETALL\r\n$2\r\nip\r\n"));
        assert!(redis.redis && !redis.request);
    }
}
