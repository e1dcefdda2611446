//! What a verdict costs. Not a pass or fail: read the figures.
//! `cargo test --release -p monitor cost -- --ignored --nocapture`

use super::*;
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds a call: the fastest of many short runs, for others use the machine.
fn fastest(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 50;
    let run = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..2000).map(run).fold(f64::INFINITY, f64::min)
}

#[test]
#[ignore = "a measurement, meant for a release build"]
fn of_256_bytes() {
    let padded = |start: &[u8], fill: u8| {
        let mut bytes = start.to_vec();
        bytes.resize(256, fill);
        bytes
    };
    let mixed: Vec<u8> = (0..256_u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let mut data = mixed.clone();
    data[..5].copy_from_slice(&[0x17, 3, 3, 1, 0x12]);
    let array = [&b"*60\r\n"[..], &b"$1\r\na\r\n".repeat(36)].concat();
    let cases: &[(&str, Vec<u8>)] = &[
        ("unknown binary", padded(&[0], 0)),
        ("unknown text", padded(b"the quick brown fox ", b'.')),
        ("unknown mixed", mixed),
        ("http request", http::SEARCH.to_vec()),
        ("http response", http::OK.to_vec()),
        ("redis command", redis::SET.to_vec()),
        ("redis reply", redis::HELLO_REPLY.to_vec()),
        ("redis array", array),
        ("tls hello", tls::HELLO_13[..256].to_vec()),
        ("tls data", data),
    ];
    let mut buffer = [0_u8; 256];
    let copy = fastest(|| buffer.copy_from_slice(black_box(&cases[2].1)));
    println!("copy of 256 bytes {copy:.1} ns");
    for (name, bytes) in cases {
        let payload = payload(bytes, bytes.len(), 1, 2);
        let cost = fastest(|| drop(black_box(classify(black_box(&payload)))));
        println!(
            "{name:16} {:4} bytes {cost:6.0} ns  {}",
            bytes.len(),
            classify(&payload).protocol
        );
    }
}

/// Every classifier alone: the mean over the samples of its own protocol, filled up to
/// 256 bytes, which has to be below a microsecond; over those of all others, that it has to
/// refuse; and the dearest of all. Then the whole table.
#[test]
#[ignore = "a measurement, meant for a release build"]
fn of_each_classifier() {
    use crate::classify::table::CLASSIFIERS;
    let padded: Vec<Vec<u8>> = samples::SAMPLES
        .iter()
        .map(|sample| sample.bytes.iter().copied().cycle().take(256).collect())
        .collect();
    let mut slow = Vec::new();
    for row in CLASSIFIERS {
        let (mut own, mut others, mut dearest) = (Mean::default(), Mean::default(), 0.0_f64);
        for (sample, bytes) in samples::SAMPLES.iter().zip(&padded) {
            if !row.transports.contains(&sample.transport) {
                continue;
            }
            let payload = Payload {
                bytes,
                wire_len: 256,
                ..sample.payload()
            };
            let cost = briefly(|| drop(black_box((row.inspect)(black_box(&payload)))));
            let mean = if sample.protocol == row.protocol {
                &mut own
            } else {
                &mut others
            };
            mean.add(cost);
            dearest = dearest.max(cost);
        }
        println!(
            "{:14} own {:5.0} ns, others {:5.0} ns, dearest {dearest:5.0} ns",
            row.protocol.name(),
            own.get(),
            others.get()
        );
        if own.get() >= 1000.0 || others.get() >= 1000.0 {
            slow.push(row.protocol);
        }
    }
    let (mut sum, mut dearest, mut slowest) = (0.0, 0.0, "");
    for (sample, bytes) in samples::SAMPLES.iter().zip(&padded) {
        let payload = Payload {
            bytes,
            wire_len: 256,
            ..sample.payload()
        };
        let cost = briefly(|| drop(black_box(classify(black_box(&payload)))));
        sum += cost;
        if cost > dearest {
            (dearest, slowest) = (cost, sample.protocol.name());
        }
    }
    println!(
        "whole table    mean {:5.0} ns, dearest {dearest:5.0} ns ({slowest})",
        sum / samples::SAMPLES.len() as f64
    );
    assert!(slow.is_empty(), "over a microsecond: {slow:?}");
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u32,
}

impl Mean {
    fn add(&mut self, value: f64) {
        self.sum += value;
        self.count += 1;
    }

    fn get(&self) -> f64 {
        self.sum / f64::from(self.count.max(1))
    }
}

/// As [`fastest`], for many cases.
fn briefly(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 20;
    let run = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..100).map(run).fold(f64::INFINITY, f64::min)
}
