//! What the fuzzer begins with: the recordings of real servers, in the form of each target, and a few words by hand.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use monitor::traffic::capture::{Filled, Input as Source, Reader, Step};
use monitor_common::direction::Direction;
use monitor_common::link::Link;
use monitor_common::load::Captured;
use monitor_common::sample::{NO_REASON, SampleHeader, Trigger};
use monitor_common::walk::{self, InnerKind, OuterKind};

use crate::captures::UDP_PORTS;
use crate::classifiers::Input;

const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/traffic");
/// Answers, each of a kernel or a server that runs: `nf-tables` and `ip-tables` are what Linux 6.18 answered to the agent's
/// requests about the rules of `tests/kernel/diagnose.rs`, `pages` what an agent in the lab served, `prometheus` what Debian's
/// Prometheus answered about it.
const KEPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/recorded");
const FOUND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/found");

/// Payloads that are taken of each direction of a flow.
const OF_EACH: usize = 12;
/// Packets of a flow in one file, and how much of each.
const PACKETS: usize = 8;
const SNAPS: [usize; 2] = [192, 600];

/// The files of a folder that have this ending, by name.
fn folder(path: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().unwrap_or_default() == ending)
        .collect();
    files.sort();
    files
}

/// What was found once, and mended: the bytes of each file in `found/TARGET/`.
#[must_use]
pub fn regressions(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    contents(&Path::new(FOUND).join(target))
}

/// Recorded answers: the bytes of each file in `recorded/TARGET/`.
pub(crate) fn kept(target: &str) -> Vec<Vec<u8>> {
    let all: Vec<_> = contents(&Path::new(KEPT).join(target))
        .into_iter()
        .map(|(_, bytes)| bytes)
        .collect();
    assert!(
        !all.is_empty(),
        "nothing is recorded for {target} in {KEPT}"
    );
    all
}

fn contents(of: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    folder(of, "bin")
        .into_iter()
        .map(|path| {
            let bytes = std::fs::read(&path).expect("the file was just seen");
            (path, bytes)
        })
        .collect()
}

/// The frames of all recordings, as they crossed the wire.
fn recorded() -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    for path in folder(Path::new(FIXTURES), "pcap") {
        let file = std::fs::File::open(&path).expect("the file was just seen");
        let mut reader = Reader::open(Source::of(file)).expect("a recording is a capture file");
        loop {
            match reader.step().expect("a recording is whole") {
                Step::Packet(packet) => frames.push(packet.bytes.to_vec()),
                Step::Other => {}
                Step::Drained => {
                    if reader.fill().expect("a recording can be read") != Filled::More {
                        break;
                    }
                }
            }
        }
    }
    assert!(!frames.is_empty(), "no recordings in {FIXTURES}");
    frames
}

/// The inner packet of a frame: which flow and direction it is of, and its payload.
fn inside(frame: &[u8]) -> Option<Input<'_>> {
    let packet = Captured {
        bytes: frame,
        frame_len: frame.len(),
    };
    let outer = walk::outer(&packet, Link::Ethernet, |port| UDP_PORTS.of(port));
    let inner = match outer.kind {
        OuterKind::Overlay => walk::inner(&packet, outer.inner, outer.link),
        OuterKind::Host => walk::segment(&packet, outer.network),
        _ => return None,
    };
    let end = inner.network.end.min(frame.len());
    (inner.kind == InnerKind::Flow).then_some(Input {
        transport: inner.network.protocol,
        src_port: inner.source_port,
        dst_port: inner.destination_port,
        missing: 0,
        bytes: frame.get(inner.payload..end).unwrap_or_default(),
    })
}

/// The first payloads of each direction of every recorded flow.
#[must_use]
pub fn payloads() -> Vec<Vec<u8>> {
    let mut seen = std::collections::HashMap::new();
    let mut payloads = BTreeSet::new();
    for frame in recorded() {
        let Some(input) = inside(&frame).filter(|input| !input.bytes.is_empty()) else {
            continue;
        };
        let flow = (input.transport, input.src_port, input.dst_port);
        let count = seen.entry(flow).or_insert(0);
        *count += 1;
        if *count <= OF_EACH {
            payloads.insert(input.write());
        }
    }
    payloads.extend(by_hand().iter().map(Input::write));
    payloads.into_iter().collect()
}

/// Messages built after the specifications, of protocols without a recording.
fn by_hand() -> [Input<'static>; 11] {
    const TCP: u8 = 6;
    const UDP: u8 = 17;
    /// What ESP carries (RFC 4303): SPI, sequence number, and what looks like ciphertext.
    const ESP: [u8; 104] = {
        let mut packet = [0; 104];
        (packet[2], packet[7]) = (1, 9);
        let (mut at, mut state) = (8, 0x9e37_79b9_u32);
        while at < packet.len() {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            packet[at] = (state >> 11) as u8;
            at += 1;
        }
        packet
    };
    /// RFC 5905, 7.3: a client's request.
    const NTP: [u8; 48] = {
        let mut packet = [0; 48];
        (packet[0], packet[2], packet[3]) = (0x23, 6, 0xec);
        (packet[40], packet[41], packet[44]) = (0xea, 0x5f, 0x80);
        packet
    };
    let input = |transport, port, bytes| Input {
        transport,
        src_port: if matches!(transport, TCP | UDP) {
            40_000
        } else {
            0
        },
        dst_port: port,
        missing: 0,
        bytes,
    };
    [
        // gitprotocol-pack(5).
        input(TCP, 9418, b"0033git-upload-pack /project.git\0host=myserver.com\0"),
        // ESP, ESP in UDP (RFC 3948), AH (RFC 4302).
        input(50, 0, &ESP),
        input(UDP, 4500, &ESP),
        input(51, 0, b"\x06\x04\0\0\0\0\x01\0\0\0\0\x09\x11\x22\x33\x44\x55\x66\x77\x88\x99\xaa\xbb\xcc"),
        // RFC 4795, 2.1: a DNS question.
        input(UDP, 5355, b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04host\0\0\x01\0\x01"),
        input(UDP, 123, &NTP),
        input(TCP, 873, b"@RSYNCD: 31.0 sha512 sha256 sha1 md5 md4\n"),
        // RFC 3550, 6.4.1 and 6.5: a sender report and a description.
        input(UDP, 5005, b"\x80\xc8\0\x06\xde\xad\xbe\xef\xea\x5f\0\0\x80\0\0\0\0\0\x01\x40\0\0\0\x02\0\0\x01\x40\x81\xca\0\x03\xde\xad\xbe\xef\x01\x04a@bc\0\0"),
        // Oracle's connect, with what it wants to be connected to.
        input(TCP, 1521, b"\0\x3a\0\0\x01\0\0\0\x01\x3a\x01\x2c(DESCRIPTION=(CONNECT_DATA=(SERVICE_NAME=XE)))"),
        // A request between nodes of Elasticsearch 8.
        input(TCP, 9300, b"ES\0\0\0\x25\0\0\0\0\0\0\0\x01\0\0\x7a\x12\0indices:data/read/search"),
        // RFC 2326, 10.1.
        input(TCP, 554, b"OPTIONS rtsp://example.com/media.mp4 RTSP/1.0\r\nCSeq: 1\r\n\r\n"),
    ]
}

/// Those that are of interest.
pub(crate) fn inputs(is_wanted: impl Fn(&Input<'_>) -> bool) -> Vec<Vec<u8>> {
    let mut payloads = payloads();
    payloads.retain(|bytes| Input::read(bytes).is_some_and(|input| is_wanted(&input)));
    payloads
}

/// Capture files in both formats and of several link types, a few packets of one flow in each.
pub(crate) fn files() -> Vec<Vec<u8>> {
    let mut flows = std::collections::BTreeMap::<_, Vec<Vec<u8>>>::new();
    for frame in recorded() {
        let Some(input) = inside(&frame) else {
            continue;
        };
        let mut ports = [input.src_port, input.dst_port];
        ports.sort_unstable();
        let packets = flows.entry((input.transport, ports)).or_default();
        if packets.len() < PACKETS {
            packets.push(frame);
        }
    }
    let mut files = Vec::new();
    for (number, packets) in flows.values().enumerate() {
        let snap = SNAPS[number % SNAPS.len()];
        let mut file = vec![number as u8];
        match number % 4 {
            0 => file.extend(pcap(
                113,
                &[&[0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0]],
                12,
                packets,
                snap,
            )),
            1 => file.extend(pcap(101, &[], 14, packets, snap)),
            2 => file.extend(pcapng(packets, snap)),
            _ => file.extend(pcap(1, &[], 0, packets, snap)),
        }
        files.push(file);
    }
    files
}

/// A pcap file of these frames, whose first bytes are replaced by others.
fn pcap(link: u32, instead: &[&[u8]], of: usize, frames: &[Vec<u8>], snap: usize) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4, 0x0004_0002, 0, 0, 0x4_0000, link] {
        file.extend(word.to_le_bytes());
    }
    for (number, frame) in frames.iter().enumerate() {
        let whole = [&instead.concat(), &frame[of..]].concat();
        let captured = &whole[..whole.len().min(snap)];
        for word in [number, 0, captured.len(), whole.len()] {
            file.extend((word as u32).to_le_bytes());
        }
        file.extend(captured);
    }
    file
}

fn pcapng(frames: &[Vec<u8>], snap: usize) -> Vec<u8> {
    use monitor::traffic::capture::pcapng_writer::{Saved, Writer};
    let mut file = Vec::new();
    let mut writer = Writer::new(&mut file).expect("a vector takes all");
    for (number, frame) in frames.iter().enumerate() {
        let saved = Saved {
            time_ns: number as i64,
            interface: "eth0",
            direction: Direction::ALL[number % 2],
            link: Link::Ethernet,
            bytes: &frame[..frame.len().min(snap)],
            wire_len: frame.len() as u32,
            comment: "tcp",
        };
        writer.save(&saved).expect("a vector takes all");
    }
    drop(writer);
    file
}

/// Records of the ring.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let mut seen = BTreeSet::new();
    let mut records = Vec::new();
    for frame in recorded() {
        let Some(input) = inside(&frame) else {
            continue;
        };
        if !seen.insert((
            input.transport,
            input.src_port,
            input.dst_port,
            input.bytes.is_empty(),
        )) {
            continue;
        }
        let captured = &frame[..frame.len().min(512)];
        let mut record = vec![0; SampleHeader::SIZE];
        record[20..24].copy_from_slice(&(frame.len() as u32).to_ne_bytes());
        record[24..28].copy_from_slice(&(captured.len() as u32).to_ne_bytes());
        record[28..].copy_from_slice(&[
            Direction::Rx as u8,
            Trigger::Periodic as u8,
            NO_REASON,
            Link::Ethernet as u8,
        ]);
        record.extend(captured);
        records.push(record);
    }
    records
}

/// Configuration files.
pub(crate) fn configs() -> Vec<Vec<u8>> {
    [
        "interfaces = ['eth0', 'ens*']\nhook = 'auto'\nhost_flows = 'ports=80,443'\nvxlan_ports = [4789, 8472]\n",
        "vxlan_gpe_ports = [4790]\ngeneve_ports = [6081]\nesp_udp_ports = [4500]\nwireguard_ports = [51820]\n",
        "exposure = true\nsamples_per_second = 60000\nsample_every = 1000\nflow_samples = 3\nsnap = 256\nwindow = 60\n",
        "listen = '127.0.0.1:9469'\ndocker = 'off'\n",
        "[[network]]\nvni = 4096\nname = 'app1-network'\nencrypted = 'required'\n\n[[network]]\nvni = 4097\nencrypted = 'forbidden'\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}

/// Answers of Docker's daemon.
pub(crate) fn answers() -> Vec<Vec<u8>> {
    let whole = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let networks = r#"[{"Name":"app1","Driver":"overlay","Ingress":false,"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4097,4098","encrypted":""}},{"Name":"ingress","Driver":"overlay","Ingress":true,"Options":{"com.docker.network.driver.overlay.vxlanid_list":"4096"}},{"Name":"bridge","Driver":"bridge","Options":null}]"#;
    [
        whole(networks),
        whole(r#"{"Swarm":{"Cluster":{"DataPathPort":4789}}}"#),
        format!(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{networks}\r\n0\r\n\r\n",
            networks.len()
        ),
        "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 20\r\n\r\n{\"message\":\"no way\"}"
            .to_owned(),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// Web configurations.
pub(crate) fn web_configs() -> Vec<Vec<u8>> {
    [
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: ca.crt\n  min_version: TLS12\n  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n  curve_preferences: [X25519, CurveP256]\n",
        "basic_auth_users:\n  prometheus: $2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi\n",
        "http_server_config:\n  http2: true\n  headers:\n    Strict-Transport-Security: max-age=63072000\n    X-Frame-Options: \"deny\"\n",
        "tls_server_config:\n  cert: |\n    -----BEGIN CERTIFICATE-----\n    MIIBszCCAVmgAwIBAgIUVQ==\n    -----END CERTIFICATE-----\n  key: 'x'\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec()
}
