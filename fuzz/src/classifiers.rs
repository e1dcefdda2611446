//! The classifiers, alone and all together.

use monitor_classify::{
    Confidence, EVIDENCE_MAX, Exposure, Payload, Protocol, Transport, Verdict, classify,
    classify_as, recognised,
};

/// Bytes before the payload of an input: transport, ports (big-endian), and by how much it is longer on the wire
/// than it was captured (big-endian).
pub const HEADER: usize = 7;

/// What carries the payload, by the first byte.
const TRANSPORTS: [u8; 8] = [6, 17, 6, 17, 1, 58, 50, 51];

/// A payload out of the bytes of an input, or back into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input<'a> {
    /// IP protocol.
    pub transport: u8,
    /// Port of the sender.
    pub src_port: u16,
    /// Port of the receiver.
    pub dst_port: u16,
    /// Bytes of the payload that were not captured.
    pub missing: u16,
    /// Those that were.
    pub bytes: &'a [u8],
}

impl<'a> Input<'a> {
    /// Reads an input; `None` if it is too short to be one.
    #[must_use]
    pub fn read(bytes: &'a [u8]) -> Option<Input<'a>> {
        let ([transport, a, b, c, d, e, f], bytes) = bytes.split_first_chunk::<HEADER>()?;
        Some(Input {
            transport: TRANSPORTS[usize::from(*transport) % TRANSPORTS.len()],
            src_port: u16::from_be_bytes([*a, *b]),
            dst_port: u16::from_be_bytes([*c, *d]),
            missing: u16::from_be_bytes([*e, *f]),
            bytes,
        })
    }

    /// The input that reads as this.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let transport = TRANSPORTS.iter().position(|known| *known == self.transport);
        let mut input = vec![transport.unwrap_or_default() as u8];
        for field in [self.src_port, self.dst_port, self.missing] {
            input.extend(field.to_be_bytes());
        }
        input.extend(self.bytes);
        input
    }

    /// As the classifiers take it.
    #[must_use]
    pub fn payload(&self) -> Payload<'a> {
        Payload {
            bytes: self.bytes,
            wire_len: u32::from(self.missing)
                + u32::try_from(self.bytes.len()).unwrap_or(u32::MAX / 2),
            transport: Transport::from(self.transport),
            src_port: self.src_port,
            dst_port: self.dst_port,
        }
    }
}

/// Every classifier alone, then the verdict of all together.
pub(crate) fn all(input: &[u8]) {
    let Some(input) = Input::read(input) else {
        return;
    };
    let payload = input.payload();
    for protocol in Protocol::ALL.iter().filter(|known| recognised(**known)) {
        alone(*protocol, &payload);
    }
    let verdict = classify(&payload);
    hold(&verdict);
    assert_eq!(verdict, classify(&payload), "the same again");
    assert_eq!(
        verdict.protocol == Protocol::Unknown && verdict.exposure == Exposure::Unknown,
        verdict.confidence == Confidence::None,
        "{verdict:?}"
    );
    if verdict.exposure == Exposure::Encrypted {
        assert!(!is_text(payload.bytes), "text is encrypted: {verdict:?}");
    }
}

/// The classifiers of one protocol.
pub(crate) fn one(protocol: Protocol, input: &[u8]) {
    if let Some(input) = Input::read(input) {
        alone(protocol, &input.payload());
    }
}

/// Bytes made into text: that is never encrypted.
pub(crate) fn text(input: &[u8]) {
    let Some(input) = Input::read(input) else {
        return;
    };
    let bytes: Vec<u8> = input
        .bytes
        .iter()
        .map(|byte| match byte & 0x7f {
            text @ (b'\t' | b'\r' | b'\n' | b' '..=b'~') => text,
            other => b'@' + (other & 0x1f),
        })
        .collect();
    let payload = Payload {
        bytes: &bytes,
        ..input.payload()
    };
    let verdict = classify(&payload);
    hold(&verdict);
    assert_ne!(verdict.exposure, Exposure::Encrypted, "{verdict:?}");
}

/// Whether the classifiers of a protocol make anything of it.
pub(crate) fn is_of(protocol: Protocol, input: &Input<'_>) -> bool {
    let payload = input.payload();
    classify_as(protocol, &payload).protocol == protocol || classify(&payload).protocol == protocol
}

fn alone(protocol: Protocol, payload: &Payload<'_>) {
    let verdict = classify_as(protocol, payload);
    hold(&verdict);
    assert!(
        [protocol, Protocol::Unknown].contains(&verdict.protocol)
            || verdict.protocol.refines(protocol),
        "{protocol:?}: {verdict:?}"
    );
}

/// What holds for every verdict, whatever the bytes.
fn hold(verdict: &Verdict) {
    // Neither control characters nor what moves the text of a terminal: `escape_debug` shows those as `\u{…}`.
    let shows = |c: char| c.is_ascii_graphic() || c == ' ' || !c.escape_debug().any(|c| c == '\\');
    for shown in [verdict.clone(), verdict.clone().with_users()] {
        let text = shown.evidence.as_deref().unwrap_or_default();
        assert!(text.chars().count() <= EVIDENCE_MAX, "{shown:?}");
        assert!(text.chars().all(shows), "{shown:?}");
    }
    assert!(
        verdict.credentials.is_sorted_by(|a, b| a < b),
        "{verdict:?}"
    );
    assert!(
        verdict.confidence != Confidence::None || verdict.exposure == Exposure::Unknown,
        "{verdict:?}"
    );
}

fn is_text(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .all(|byte| matches!(byte, b'\t' | b'\r' | b'\n' | b' '..=b'~'))
}
