//! What a verdict costs. Not a pass or fail: read the figures.
//! `cargo test --release -p monitor cost -- --ignored --nocapture`

use super::*;
use std::hint::black_box;
use std::time::Instant;

/// Nanoseconds a call: the fastest of many short runs, for others use the machine.
fn fastest(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 2000;
    let run = |_| {
        let start = Instant::now();
        (0..CALLS).for_each(|_| call());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
    };
    (0..200).map(run).fold(f64::INFINITY, f64::min)
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
