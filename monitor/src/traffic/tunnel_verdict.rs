//! The verdict on a message of a tunnel that has neither VNI nor SPI.

use monitor_classify::{Confidence, Exposure, Payload, Protocol, Verdict, classify};
use monitor_common::encapsulation::Encapsulation;

/// The verdict on the payload of the datagram, or, where that shows nothing, from the port and the shape of the message
/// alone.
pub(super) fn tunnel(encapsulation: Encapsulation, payload: &Payload<'_>) -> Verdict {
    let verdict = classify(payload);
    if verdict.exposure != Exposure::Unknown {
        return verdict;
    }
    let (protocol, exposure) = match encapsulation {
        Encapsulation::Wireguard => (Protocol::Wireguard, Exposure::Encrypted),
        // Parts of IKE are cleartext.
        Encapsulation::Ike => (Protocol::Ike, Exposure::Unknown),
        _ => return verdict,
    };
    Verdict {
        protocol,
        exposure,
        confidence: Confidence::Likely,
        ..Verdict::unknown()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use monitor_classify::Transport;

    #[test]
    fn a_message_that_shows_nothing_is_what_its_port_says() {
        let of = |encapsulation, bytes| {
            let payload = Payload {
                bytes,
                wire_len: u32::try_from(bytes.len()).unwrap(),
                transport: Transport::Udp,
                src_port: 50_001,
                dst_port: 50_002,
            };
            let verdict = tunnel(encapsulation, &payload);
            (verdict.protocol, verdict.exposure, verdict.confidence)
        };
        let nothing: &[u8] = &[0xb7, 0x01, 0xe9];
        let unknown = Verdict::unknown();
        let (wireguard, ike) = (Protocol::Wireguard, Protocol::Ike);
        let likely = Confidence::Likely;
        assert_eq!(
            of(Encapsulation::Wireguard, nothing),
            (wireguard, Exposure::Encrypted, likely)
        );
        assert_eq!(
            of(Encapsulation::Ike, nothing),
            (ike, Exposure::Unknown, likely)
        );
        assert_eq!(
            of(Encapsulation::Vxlan, nothing),
            (unknown.protocol, unknown.exposure, unknown.confidence)
        );
        let text: &[u8] = b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n";
        assert_eq!(
            of(Encapsulation::Wireguard, text).1,
            Exposure::Plaintext,
            "what can be read is not called encrypted"
        );
    }
}
