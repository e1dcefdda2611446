//! What is measured: a packet, and how the programs are loaded for it.

use monitor::kernel::LoadOptions;
use monitor_common::wire::vxlan;

/// A ring that holds every sample of a run, so that none is lost while nobody reads.
const RING: u32 = 64 << 20;

/// One row of the table.
pub(super) struct Case {
    /// What the row is called.
    pub(super) name: &'static str,
    /// The packet.
    pub(super) frame: Vec<u8>,
    /// How the programs are loaded.
    pub(super) options: LoadOptions,
    /// Most that it should cost above the floor at XDP, in nanoseconds; at TC 1.5 times that.
    pub(super) goal: Option<f64>,
}

/// All rows.
pub(super) fn all() -> Vec<Case> {
    let counting = LoadOptions {
        sample_every: 0,
        flow_samples: 0,
        ..LoadOptions::default()
    };
    let every = LoadOptions {
        sample_every: 1,
        flow_samples: 0,
        ring_bytes: RING,
        ..LoadOptions::default()
    };
    vec![
        Case {
            name: "no overlay",
            frame: tcp_packet(b"GET / HTTP/1.1\r\n\r\n"),
            options: counting.clone(),
            goal: Some(1.0),
        },
        Case {
            name: "VXLAN counted",
            frame: vxlan_packet(),
            options: counting.clone(),
            goal: Some(8.0),
        },
        Case {
            name: "VXLAN counted, flows looked up, 1 in 1000 sampled",
            frame: vxlan_packet(),
            options: LoadOptions {
                ring_bytes: RING,
                ..LoadOptions::default()
            },
            goal: None,
        },
        Case {
            name: "VXLAN, every packet sampled, 256 bytes",
            frame: vxlan_packet(),
            options: every,
            goal: Some(200.0),
        },
        Case {
            name: "ESP counted",
            frame: esp_packet(),
            options: counting,
            goal: Some(15.0),
        },
    ]
}

fn vxlan_packet() -> Vec<u8> {
    let mut datagram = vec![0xc0, 0];
    let inner = tcp_packet(&[b'x'; 1000]);
    datagram.extend(vxlan::PORT.to_be_bytes());
    datagram.extend(length(16 + inner.len()));
    datagram.extend([0, 0, 8, 0, 0, 0, 0, 0x10, 0, 0]);
    datagram.extend(inner);
    ethernet(&ipv4(17, &datagram))
}

fn esp_packet() -> Vec<u8> {
    let mut packet = vec![0x2a, 0xd4, 0x57, 0x7a, 0, 0, 0, 1];
    packet.extend([0x5a; 1000]);
    ethernet(&ipv4(50, &packet))
}

fn tcp_packet(payload: &[u8]) -> Vec<u8> {
    let mut segment = vec![
        0x98, 0x80, 0x18, 0xeb, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x18, 0xff, 0xff, 0, 0, 0, 0,
    ];
    segment.extend(payload);
    ethernet(&ipv4(6, &segment))
}

fn ipv4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend(length(20 + payload.len()));
    packet.extend([
        0, 1, 0, 0, 64, protocol, 0, 0, 192, 168, 77, 1, 192, 168, 77, 2,
    ]);
    packet.extend(payload);
    packet
}

fn ethernet(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    frame.extend(payload);
    frame
}

fn length(bytes: usize) -> [u8; 2] {
    u16::try_from(bytes).unwrap_or(u16::MAX).to_be_bytes()
}
