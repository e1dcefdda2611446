//! The fixtures of `tests/fixtures/traffic`.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use jiff::Timestamp;
use monitor::base::udp_ports::UdpPorts;
use monitor::traffic::decode::Decoder;
use monitor::traffic::flows::LiveFlows;
use monitor::traffic::sample_record::SampleRecord;
use monitor_classify::{Protocol, recognised};
use monitor_common::direction::Direction;
use monitor_common::link::Link;
use monitor_common::sample::{Sample, Trigger};
use monitor_lab::recording::{Expected, ExpectedFlow, Recording, conversations, frames};

/// Where they lie. The recordings' names are those of the fixtures.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/traffic");
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../monitor-lab/recordings");
/// Ethernet, IPv4, UDP, VXLAN, Ethernet, IPv4 of the lab.
const INNER_IP: usize = 64;

/// One capture with what is known about it.
pub(crate) struct Fixture {
    pub(crate) expected: Expected,
    pub(crate) flows: Vec<Flow>,
    /// The capture file.
    pub(crate) bytes: Vec<u8>,
}

impl Fixture {
    /// One for each recording; a recording without one is a failure.
    pub(crate) fn all() -> Vec<Self> {
        let names = Recording::names(Path::new(RECORDINGS)).unwrap();
        names.iter().map(|name| Self::read(name)).collect()
    }

    fn read(name: &str) -> Self {
        let folder = Path::new(FOLDER);
        let expected = Expected::read(&folder.join(format!("{name}.json")))
            .unwrap_or_else(|error| panic!("{error}; record it: cargo xtask record {name}"));
        let bytes = std::fs::read(folder.join(format!("{name}.pcap"))).unwrap();
        let frames = frames(&bytes).unwrap();
        let found = conversations(frames.iter().copied());
        assert_eq!(
            found.len(),
            expected.flows.len(),
            "{name}: the pcap file is not that of the JSON file"
        );
        let flows = found
            .iter()
            .zip(&expected.flows)
            .map(|(conversation, expected)| {
                assert_eq!(
                    format!("{}:{}", conversation.source.0, conversation.source.1),
                    expected.client
                );
                assert_eq!(conversation.frames.len(), expected.packets);
                Flow {
                    fixture: name.to_owned(),
                    expected: expected.clone(),
                    frames: conversation
                        .frames
                        .iter()
                        .map(|&number| frames[number].to_vec())
                        .collect(),
                }
            })
            .collect();
        Self {
            expected,
            flows,
            bytes,
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.expected.name
    }
}

/// What the product says live of packets in this order, of which `snap` bytes were captured.
pub(crate) fn records(frames: &[Vec<u8>], snap: usize) -> Vec<SampleRecord> {
    let decoder = Decoder {
        udp_ports: UdpPorts::default(),
        show_payload: false,
        show_users: false,
    };
    let mut samples = LiveFlows::default();
    let decode = |frame: &Vec<u8>| {
        let sample = Sample {
            time_ns: 0,
            flow: 0,
            ifindex: 1,
            frame_len: u32::try_from(frame.len()).unwrap(),
            direction: Direction::Rx,
            trigger: Trigger::Periodic,
            reason: None,
            link: Link::Ethernet,
            frame: &frame[..snap.min(frame.len())],
        };
        decoder.decode(&mut samples, &sample, Timestamp::UNIX_EPOCH, "fixture")
    };
    frames.iter().map(decode).collect()
}

/// Where the payload of a packet is, of which `snap` bytes were captured.
pub(crate) fn payload(frame: &[u8], snap: usize) -> Range<usize> {
    let header = match frame[INNER_IP + 9] {
        6 => usize::from(frame[INNER_IP + 20 + 12] >> 4) * 4,
        _ => 8,
    };
    let total = usize::from(u16::from_be_bytes([
        frame[INNER_IP + 2],
        frame[INNER_IP + 3],
    ]));
    let start = INNER_IP + 20 + header;
    start..(INNER_IP + total).min(snap).max(start)
}

/// One flow of a fixture.
pub(crate) struct Flow {
    fixture: String,
    pub(crate) expected: ExpectedFlow,
    frames: Vec<Vec<u8>>,
}

impl Flow {
    /// What the product says live of each packet from number `from` on, of which `snap` bytes were captured.
    pub(crate) fn records(&self, from: usize, snap: usize) -> Vec<SampleRecord> {
        records(&self.frames[from.min(self.frames.len())..], snap)
    }

    pub(crate) fn frames(&self) -> &[Vec<u8>] {
        &self.frames
    }

    /// Payload bytes that a tap has of each packet from number `from` on.
    pub(crate) fn payload_lengths(&self, from: usize, snap: usize) -> Vec<usize> {
        self.frames[from.min(self.frames.len())..]
            .iter()
            .map(|frame| payload(frame, snap).len())
            .collect()
    }

    /// Whether the monitor knows the protocol at all. If not, `unknown` is the right answer.
    pub(crate) fn is_recognised(&self) -> bool {
        let mut known = Protocol::ALL
            .iter()
            .filter(|protocol| recognised(**protocol));
        known.any(|protocol| protocol.name() == self.expected.protocols[0])
    }

    /// Whether it speaks this protocol.
    pub(crate) fn names(&self, protocol: Protocol) -> bool {
        self.expected
            .protocols
            .iter()
            .any(|name| name == protocol.name())
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ExpectedFlow {
            client,
            server,
            protocols,
            ..
        } = &self.expected;
        write!(
            f,
            "{}: {client} > {server} ({})",
            self.fixture,
            protocols.join(", ")
        )
    }
}
