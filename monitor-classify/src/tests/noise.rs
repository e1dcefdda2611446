//! Ciphertext: random bytes, as many as it takes to see what chance does.

use super::*;

/// Payloads that each test draws.
const DRAWS: u64 = 100_000;

/// A 64-bit mixer.
fn random(seed: u64, bytes: &mut [u8]) {
    let mut state = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x1234_5678_9abc_def0;
    for eight in bytes.chunks_mut(8) {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = state;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^= x >> 31;
        eight.copy_from_slice(&x.to_le_bytes()[..eight.len()]);
    }
}

/// What came of the draws.
#[derive(Debug, Default)]
struct Outcome {
    certain: u64,
    plaintext: u64,
    named: u64,
}

fn draw(draws: u64, transport: Transport, length: usize, port: u16) -> Outcome {
    let mut bytes = vec![0; length];
    let mut outcome = Outcome::default();
    for seed in 0..draws {
        random(seed ^ (length as u64) << 32, &mut bytes);
        let verdict = classify(&Payload {
            transport,
            ..payload(&bytes, length, CLIENT, port)
        });
        outcome.certain += u64::from(verdict.confidence == Confidence::Certain);
        outcome.plaintext += u64::from(verdict.exposure == Exposure::Plaintext);
        outcome.named += u64::from(verdict.protocol != Protocol::Unknown);
    }
    outcome
}

/// No port speaks for anything: a wrong name is chance alone.
#[test]
fn random_bytes_have_no_name_and_are_never_plaintext() {
    for transport in [Transport::Tcp, Transport::Udp] {
        for length in [4, 9, 16, 32, 64, 172, 256] {
            let outcome = draw(DRAWS, transport, length, 1);
            let case = format!("{transport} {length}: {outcome:?}");
            assert_eq!(outcome.certain, 0, "{case}");
            // Once in ten thousand, and in two thousand, at most.
            assert!(outcome.plaintext <= DRAWS / 10_000, "{case}");
            assert!(outcome.named <= DRAWS / 2_000, "{case}");
        }
    }
}

/// On the port of a protocol less will do, but little is not nothing.
#[test]
fn random_bytes_on_a_port_of_text_are_seldom_plaintext() {
    const FEWER: u64 = DRAWS / 10;
    for port in [25, 80, 110, 143, 6379, 6667, 11211, 4222, 8125] {
        for length in [8, 16, 64, 256] {
            let outcome = draw(FEWER, Transport::Tcp, length, port);
            assert!(
                outcome.plaintext <= FEWER / 200,
                "{port} {length}: {outcome:?}"
            );
        }
    }
}
