//! Selects the packets of a fixture: the first ones of each flow, with timestamps that are the same in each recording.

use std::collections::BTreeMap;

use crate::recording::definition::{Readable, Service};
use crate::recording::expected::ExpectedFlow;
use crate::recording::inner_flow::{Conversation, Packet, conversations};

/// Most packets kept of each flow.
const PACKETS: usize = 40;
/// Most flows kept of each service. Enough for all clients of a recording.
const FLOWS: usize = 24;
/// Most bytes of a fixture. If it would be longer, it keeps less of each flow.
const BYTES: usize = 60_000;
/// Most bytes kept of each flow, tried in this order until the fixture is short enough.
const FLOW_BYTES: &[usize] = &[30_000, 15_000, 10_000, 7_000, 5_000, 3_500];
/// Timestamp of the first packet in milliseconds: 2026-01-01 00:00:00 UTC. The next packets follow a millisecond apart.
const EPOCH: u64 = 1_767_225_600_000;
/// Bytes of the header of a classic pcap file (pcap-savefile(5)): magic, version, time zone, accuracy, snap length, link
/// type.
const HEADER: usize = 24;

/// Frames of a classic little-endian pcap file, as tcpdump writes it on this machine. A last frame that is cut off is
/// left out.
///
/// # Errors
/// When the bytes are not such a file.
pub fn frames(pcap: &[u8]) -> Result<Vec<&[u8]>, String> {
    if pcap.get(..4) != Some(&0xa1b2_c3d4_u32.to_le_bytes()) || pcap.len() < HEADER {
        return Err("not a little-endian pcap file".to_owned());
    }
    let mut rest = &pcap[HEADER..];
    let mut found = Vec::new();
    while let Some((head, after)) = rest.split_at_checked(16) {
        let length = u32::from_le_bytes([head[8], head[9], head[10], head[11]]) as usize;
        let Some((frame, next)) = after.split_at_checked(length) else {
            break;
        };
        found.push(frame);
        rest = next;
    }
    Ok(found)
}

/// Selects the packets. Returns the bytes of `NAME.pcap` and the flows for `NAME.json`.
///
/// # Errors
/// When a flow belongs to no service, or a service that is not optional has no flow.
pub(super) fn select(
    pcap: &[u8],
    services: &[Service],
) -> Result<(Vec<u8>, Vec<ExpectedFlow>), String> {
    let frames = frames(pcap)?;
    let mut count: BTreeMap<usize, usize> = BTreeMap::new();
    let mut chosen = Vec::new();
    for mut flow in conversations(frames.iter().copied()) {
        let Some(service) = service_of(&flow, services) else {
            return Err(format!(
                "the wire carried a flow of no declared service: {:?} {:?} to {:?}, {} packets",
                flow.transport,
                flow.source,
                flow.destination,
                flow.frames.len()
            ));
        };
        let seen = count.entry(service).or_default();
        *seen += 1;
        if *seen <= FLOWS {
            flow.frames.truncate(PACKETS);
            chosen.push((flow, service));
        }
    }
    if let Some(missing) =
        (0..services.len()).find(|at| !services[*at].optional && !count.contains_key(at))
    {
        let service = &services[missing];
        return Err(format!(
            "the wire carried no flow of {:?} port {} ({})",
            service.transport,
            service.port,
            service.protocols.join(", ")
        ));
    }
    for &limit in FLOW_BYTES {
        for (flow, _) in &mut chosen {
            shorten(flow, &frames, limit);
        }
        let length = |flow: &Conversation| -> usize {
            flow.frames
                .iter()
                .map(|&number| 16 + frames[number].len())
                .sum()
        };
        if HEADER + chosen.iter().map(|(flow, _)| length(flow)).sum::<usize>() <= BYTES {
            break;
        }
    }
    let mut kept: Vec<usize> = chosen
        .iter()
        .flat_map(|(flow, _)| flow.frames.clone())
        .collect();
    kept.sort_unstable();
    let mut bytes = pcap[..HEADER].to_vec();
    for (index, &number) in kept.iter().enumerate() {
        append(&mut bytes, index as u64, frames[number]);
    }
    let flows = chosen
        .into_iter()
        .map(|(flow, service)| expected_flow(&flow, &services[service], &frames))
        .collect();
    Ok((bytes, flows))
}

fn append(bytes: &mut Vec<u8>, index: u64, frame: &[u8]) {
    let time = EPOCH + index;
    let length = u32::try_from(frame.len()).unwrap_or(u32::MAX);
    let fields = [
        u32::try_from(time / 1000).unwrap_or(u32::MAX),
        (time % 1000) as u32 * 1000,
        length,
        length,
    ];
    bytes.extend(fields.iter().flat_map(|field| field.to_le_bytes()));
    bytes.extend_from_slice(frame);
}

/// Index of the service that a flow belongs to, by port: first the port that the flow was opened to, then the other.
fn service_of(flow: &Conversation, services: &[Service]) -> Option<usize> {
    let fits = |port: u16| {
        services.iter().position(|service| {
            service.transport == flow.transport && service.port != 0 && service.port == port
        })
    };
    fits(flow.destination.1)
        .or_else(|| fits(flow.source.1))
        .or_else(|| {
            services
                .iter()
                .position(|service| service.transport == flow.transport && service.port == 0)
        })
}

/// Cuts a flow to the packets that take at most `limit` bytes in the file.
fn shorten(flow: &mut Conversation, frames: &[&[u8]], limit: usize) {
    let mut total = 0;
    let fits = flow.frames.iter().take_while(|&&number| {
        total += 16 + frames[number].len();
        total <= limit
    });
    let fits = fits.count();
    flow.frames.truncate(fits);
}

/// What the recording declares about a flow.
fn expected_flow(flow: &Conversation, service: &Service, frames: &[&[u8]]) -> ExpectedFlow {
    let numbers = &flow.frames;
    let tls_from = match service.readable {
        Readable::Mixed => numbers
            .iter()
            .position(|&number| is_client_hello(frames[number])),
        Readable::Plaintext | Readable::Encrypted | Readable::Hidden => None,
    };
    ExpectedFlow {
        transport: flow.transport,
        client: format!("{}:{}", flow.source.0, flow.source.1),
        server: format!("{}:{}", flow.destination.0, flow.destination.1),
        packets: numbers.len(),
        protocols: service.protocols.clone(),
        readable: service.readable,
        tls_from,
        credentials: service.credentials.clone(),
    }
}

/// Whether a frame has a TLS record with a ClientHello (RFC 8446, sections 4 and 5.1). The recording states that a flow
/// switches to TLS; this finds the packet.
fn is_client_hello(frame: &[u8]) -> bool {
    let Some(packet) = Packet::read(frame) else {
        return false;
    };
    match &frame[packet.payload.0..packet.payload.1] {
        [0x16, 3, _, _, _, 1, ..] => true,
        // TDS wraps the handshake (MS-TDS, section 2.2.3.1: type 0x12, header of 8 bytes).
        [0x12, _, _, _, _, _, _, _, 0x16, 3, _, _, _, 1, ..] => true,
        _ => false,
    }
}
