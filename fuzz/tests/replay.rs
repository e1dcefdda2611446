//! The fuzz targets on what was recorded, and on what was found once; without an engine.

use monitor_classify::{Exposure, Payload, Protocol, classify, recognised};
use overlay_fuzz::bounds::{Counting, within};
use overlay_fuzz::{Input, Target, payloads};

#[global_allocator]
static HEAP: Counting = Counting;

/// One after the other: the bounds are those of the process.
#[test]
fn every_target_keeps_its_promises_on_its_seeds_and_on_what_was_found() {
    for target in Target::all() {
        let found = overlay_fuzz::regressions(&target.name);
        let seeds = target.seeds();
        let all = seeds.iter().chain(found.iter().map(|(_, bytes)| bytes));
        for bytes in all {
            // What is made once and kept.
            target.run(bytes);
            within(target.heap, || target.run(bytes));
            // Cut anywhere.
            for end in (0..bytes.len()).step_by(1 + bytes.len() / 8) {
                within(target.heap, || target.run(&bytes[..end]));
            }
        }
    }
    no_cut_of_plaintext_is_encrypted();
    every_protocol_has_seeds();
}

/// A payload that is plaintext is not encrypted when less of it was captured, however it is cut.
fn no_cut_of_plaintext_is_encrypted() {
    let mut plain = 0;
    for bytes in payloads() {
        let input = Input::read(&bytes).expect("a seed is an input");
        let whole = input.payload();
        if classify(&whole).exposure != Exposure::Plaintext {
            continue;
        }
        plain += 1;
        for end in 1..whole.bytes.len().min(700) {
            let captured = &whole.bytes[..end];
            for wire_len in [whole.wire_len, end as u32] {
                let verdict = classify(&Payload {
                    bytes: captured,
                    wire_len,
                    ..whole
                });
                assert_ne!(
                    verdict.exposure,
                    Exposure::Encrypted,
                    "{verdict:?} of {end} bytes of {:?}",
                    whole.bytes.escape_ascii().to_string()
                );
            }
        }
    }
    assert!(plain > 1000, "{plain} recorded payloads are plaintext");
}

/// Without any the fuzzer has to find the protocol first.
fn every_protocol_has_seeds() {
    let without: Vec<&str> = Protocol::ALL
        .iter()
        .filter(|protocol| recognised(**protocol))
        .filter(|protocol| {
            let target = Target::named(&format!("classify-{protocol}"));
            target.is_none_or(|target| target.seeds().is_empty())
        })
        .map(|protocol| protocol.name())
        .collect();
    assert_eq!(
        without, [""; 0],
        "neither a recording nor a message by hand in fuzz/src/seeds.rs"
    );
}
