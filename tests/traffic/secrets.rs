//! Secrets that were planted in the recorded traffic are in no output.

use monitor::base::udp_ports::UdpPorts;
use monitor::traffic::capture::Packet;
use monitor::traffic::flows::{Names, Tracker};
use monitor_classify::{Confidence, Protocol};
use monitor_lab::recording::{Readable, frames};

use super::fixture::Fixture;
use super::{SNAPS, line, report};

/// LINKTYPE_ETHERNET.
const ETHERNET: u16 = 1;

/// Fixtures whose protocol sends what is computed from the secret, or the secret in other bytes.
const OBSCURED: &[&str] = &[
    "kerberos",
    "ldap",
    "mail",
    "radius",
    "vnc",
    "rdp",
    "smb",
    "smb-encrypted",
    "sip",
];

/// Bytes of a secret that are a hint by themselves.
const HINT: usize = 6;

/// The beginning of a secret as it can stand in a text: as it is, in hexadecimal digits, in base64 wherever
/// it begins.
fn hints(secret: &str) -> Vec<String> {
    let start = &secret.as_bytes()[..HINT];
    let hex: String = start.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut hints = vec![secret[..HINT].to_owned(), hex.to_uppercase(), hex];
    for before in 0..3 {
        let mut bytes = vec![0; before];
        bytes.extend(start);
        // The letters that hold bits of the secret alone.
        let (first, last) = ((before * 8).div_ceil(6), (before + HINT) * 8 / 6);
        hints.push(base64(&bytes)[first..last].to_owned());
    }
    hints
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = |at: usize| (bytes.get(at / 8).copied().unwrap_or(0) >> (7 - at % 8)) & 1;
    (0..(bytes.len() * 8).div_ceil(6))
        .map(|letter| (0..6).fold(0, |value, bit| value << 1 | bits(letter * 6 + bit)))
        .map(|value| char::from(LETTERS[usize::from(value)]))
        .collect()
}

#[test]
fn secrets_are_looked_for_in_base64_too() {
    assert_eq!(base64(b"s3cr3t"), "czNjcjN0");
    assert_eq!(base64(b"\0alice\0s3cr3t"), "AGFsaWNlAHMzY3IzdA");
    let hints = hints("s3cr3t-planted");
    assert!(hints.iter().any(|hint| "AGFsaWNlAHMzY3IzdA".contains(hint)));
}

/// Text, JSON and debugging output of each packet, and the comment that `tail --write` saves with it.
#[test]
fn planted_secrets_are_in_no_output() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        let hints: Vec<String> = fixture
            .expected
            .secrets
            .iter()
            .flat_map(|s| hints(s))
            .collect();
        for flow in &fixture.flows {
            for &(_, snap) in SNAPS {
                for (number, record) in flow.records(0, snap).iter().enumerate() {
                    let outputs = [
                        line(record),
                        serde_json::to_string(record).unwrap(),
                        format!("{record:?}"),
                        record.comment(),
                    ];
                    if outputs.iter().any(|output| shows(output, &hints)) {
                        wrong.push(format!("{flow} packet {number}: {}", outputs[0]));
                    }
                }
            }
        }
    }
    report::none(&wrong, "outputs with a planted secret");
}

/// The same of whole flows, which join packets.
#[test]
fn planted_secrets_are_in_no_flow() {
    let mut wrong = Vec::new();
    for fixture in Fixture::all() {
        let hints: Vec<String> = fixture
            .expected
            .secrets
            .iter()
            .flat_map(|s| hints(s))
            .collect();
        for &(_, snap) in SNAPS {
            for record in flow_records(&fixture, snap) {
                let outputs = [
                    serde_json::to_string(&record).unwrap(),
                    format!("{record:?}"),
                ];
                if outputs.iter().any(|output| shows(output, &hints)) {
                    wrong.push(format!("{}: {}", fixture.name(), outputs[0]));
                }
            }
        }
    }
    report::none(&wrong, "flows with a planted secret");
}

fn shows(output: &str, hints: &[String]) -> bool {
    hints.iter().any(|hint| output.contains(hint))
}

/// What the reader of capture files says of the flows of a fixture, of whose frames `snap` bytes were captured.
pub(crate) fn flow_records(
    fixture: &Fixture,
    snap: usize,
) -> Vec<monitor::traffic::flows::FlowRecord> {
    let mut tracker = Tracker::new(UdpPorts::default(), Names::default());
    let mut records = Vec::new();
    let mut emit = |record: &monitor::traffic::flows::FlowRecord| {
        records.push(record.clone());
        Ok::<(), std::convert::Infallible>(())
    };
    for (number, frame) in frames(&fixture.bytes).unwrap().into_iter().enumerate() {
        let packet = Packet {
            time_ns: i64::try_from(number).unwrap(),
            link_type: ETHERNET,
            interface: None,
            interface_id: None,
            direction: None,
            bytes: &frame[..snap.min(frame.len())],
            wire_len: u32::try_from(frame.len()).unwrap(),
        };
        let Ok(()) = tracker.add(&packet, &mut emit);
    }
    let Ok(_) = tracker.finish(&mut emit);
    records
}

/// What the tests above look for is there to be found: else they would prove nothing.
#[test]
fn planted_secrets_are_in_the_captures() {
    for fixture in Fixture::all() {
        let readable = fixture
            .flows
            .iter()
            .any(|flow| flow.expected.readable != Readable::Encrypted);
        for secret in fixture.expected.secrets.iter().filter(|_| readable) {
            let here = fixture
                .bytes
                .windows(secret.len())
                .any(|bytes| bytes == secret.as_bytes());
            assert!(
                here || OBSCURED.contains(&fixture.name()),
                "{}: {secret} is not in the capture",
                fixture.name()
            );
        }
    }
}

/// A flow has the most exact name of those that its packets have.
#[test]
fn flows_have_the_main_name_of_their_protocol() {
    let exact = [
        Protocol::Grpc,
        Protocol::Websocket,
        Protocol::Mdns,
        Protocol::Llmnr,
    ];
    let mut wrong = Vec::new();
    let mut seen = 0;
    for fixture in Fixture::all() {
        for record in flow_records(&fixture, usize::MAX) {
            let ends = [record.source, record.destination].map(|(ip, port)| format!("{ip}:{port}"));
            let Some(flow) = fixture.flows.iter().find(|flow| {
                ends.contains(&flow.expected.client) && ends.contains(&flow.expected.server)
            }) else {
                continue;
            };
            let main = &flow.expected.protocols[0];
            // A service can speak plain HTTP in other flows.
            let speaks = exact.iter().any(|exact| {
                exact.name() == main
                    && flow.records(0, usize::MAX).iter().any(|record| {
                        let verdict = &record.verdict;
                        (verdict.protocol, verdict.confidence) == (*exact, Confidence::Certain)
                    })
            });
            if speaks {
                seen += 1;
                if record.verdict.protocol.name() != main {
                    wrong.push(format!("{flow}: {}", record.verdict.protocol));
                }
            }
        }
    }
    assert!(seen > 3, "only {seen} such flows");
    report::none(&wrong, "flows with another name");
}
