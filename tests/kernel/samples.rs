//! What reaches user space through the ring, and what is counted when it does not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use aya::maps::{MapData, RingBuf};
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::direction::Direction;
use monitor_common::reason::Reason;
use monitor_common::sample::{Sample, Trigger};
use overlay_tests::frame::{VNI, esp, ethernet, ipv4, overlay, redis_command, tcp};
use overlay_tests::programs::{IFINDEX, direction, entries, load, run};

/// Everything in the ring: (cause, reason, length on the wire, captured bytes).
fn drain(ring: &mut RingBuf<MapData>) -> Vec<(Trigger, Option<Reason>, u32, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some(record) = ring.next() {
        let sample = Sample::parse(&record).unwrap();
        assert_eq!(sample.ifindex, IFINDEX);
        all.push((
            sample.trigger,
            sample.reason,
            sample.frame_len,
            sample.frame.to_vec(),
        ));
    }
    all
}

fn sampling(options: &LoadOptions) -> (Kernel, RingBuf<MapData>) {
    let mut kernel = load(options);
    let ring = kernel.take_samples().unwrap();
    (kernel, ring)
}

fn flow(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    overlay(
        VNI,
        &ethernet(0x0800, &ipv4(6, &[], &tcp(source, destination, payload))),
    )
}

#[test]
fn a_sample_is_the_frame_up_to_the_snap_length() {
    let payload = vec![0xaa; 1400];
    let frame = flow(1, 2, &payload);
    for entry in entries() {
        for snap in [128, 200, 256, 512, 700, 1536] {
            let options = LoadOptions {
                sample_every: 1,
                flow_samples: 0,
                snap,
                ..LoadOptions::default()
            };
            let (mut kernel, mut ring) = sampling(&options);
            run(&mut kernel, entry, &frame, 1);
            let all = drain(&mut ring);
            let [(cause, reason, length, bytes)] = &all[..] else {
                panic!("{} samples", all.len())
            };
            assert_eq!(
                (*cause, *reason, *length as usize),
                (Trigger::Periodic, None, frame.len()),
                "{entry:?}"
            );
            let expected = frame.len().min(snap as usize);
            assert_eq!(bytes, &frame[..expected], "{entry:?} snap {snap}");
        }
    }
}

#[test]
fn the_first_payload_packets_of_each_flow_and_direction_and_no_more() {
    for entry in entries() {
        let options = LoadOptions {
            sample_every: 0,
            flow_samples: 3,
            ..LoadOptions::default()
        };
        let (mut kernel, mut ring) = sampling(&options);
        run(&mut kernel, entry, &flow(40000, 80, b""), 5);
        assert_eq!(
            drain(&mut ring).len(),
            0,
            "{entry:?}: no payload, no sample"
        );
        run(&mut kernel, entry, &flow(40000, 80, b"there"), 10);
        assert_eq!(drain(&mut ring).len(), 3, "{entry:?}");
        run(&mut kernel, entry, &flow(40001, 80, b"another flow"), 10);
        let all = drain(&mut ring);
        assert_eq!(all.len(), 3, "{entry:?}");
        assert!(all.iter().all(|sample| sample.0 == Trigger::FlowStart));
        assert_eq!(kernel.state().unwrap().sent, 6);
    }
}

#[test]
fn both_directions_of_a_flow_have_their_own_samples() {
    let options = LoadOptions {
        sample_every: 0,
        flow_samples: 2,
        ..LoadOptions::default()
    };
    let (mut kernel, mut ring) = sampling(&options);
    let there = flow(40000, 80, b"there");
    // The same flow, seen the other way round.
    let mut back = flow(80, 40000, b"back!");
    let addresses = 14 + 20 + 16 + 14 + 12;
    let (source, destination) = (
        back[addresses..addresses + 4].to_vec(),
        back[addresses + 4..addresses + 8].to_vec(),
    );
    back[addresses..addresses + 4].copy_from_slice(&destination);
    back[addresses + 4..addresses + 8].copy_from_slice(&source);
    run(&mut kernel, Entry::Tc(Direction::Rx), &there, 5);
    run(&mut kernel, Entry::Tc(Direction::Tx), &back, 5);
    let all = drain(&mut ring);
    assert_eq!(
        all.iter()
            .filter(|sample| sample.3.ends_with(b"there"))
            .count(),
        2
    );
    assert_eq!(
        all.iter()
            .filter(|sample| sample.3.ends_with(b"back!"))
            .count(),
        2
    );
}

#[test]
fn one_in_n_at_random_distances() {
    let options = LoadOptions {
        sample_every: 100,
        flow_samples: 0,
        ..LoadOptions::default()
    };
    for entry in entries() {
        let (mut kernel, mut ring) = sampling(&options);
        let mut samples = 0;
        for _ in 0..40 {
            run(&mut kernel, entry, &overlay(VNI, &redis_command()), 5_000);
            samples += drain(&mut ring).len();
        }
        // 200,000 packets: 2,000 samples, give or take what chance gives (six sigma are 160).
        assert!((1_840..2_160).contains(&samples), "{entry:?}: {samples}");
    }
}

#[test]
fn esp_and_what_was_not_understood_are_sampled_too() {
    for entry in entries() {
        let options = LoadOptions {
            sample_every: 1,
            ..LoadOptions::default()
        };
        let (mut kernel, mut ring) = sampling(&options);
        run(
            &mut kernel,
            entry,
            &ethernet(0x0800, &ipv4(50, &[], &esp(7, 1))),
            1,
        );
        let mut bad = overlay(VNI, &redis_command());
        bad[42] = 0;
        run(&mut kernel, entry, &bad, 1);
        let all = drain(&mut ring);
        let reasons: Vec<_> = all.iter().map(|sample| sample.1).collect();
        assert_eq!(
            reasons,
            [None, Some(Reason::VxlanNoVni)],
            "{entry:?} {:?}",
            direction(entry)
        );
    }
}

#[test]
fn what_a_full_ring_loses_is_counted() {
    for entry in entries() {
        let options = LoadOptions {
            sample_every: 1,
            flow_samples: 0,
            ring_bytes: 1 << 16,
            ..LoadOptions::default()
        };
        let (mut kernel, mut ring) = sampling(&options);
        run(&mut kernel, entry, &overlay(VNI, &redis_command()), 10_000);
        let received = drain(&mut ring).len() as u64;
        let state = kernel.state().unwrap();
        assert!(
            received > 100 && state.ring_full > 0,
            "{entry:?}: {received} {state:?}"
        );
        assert_eq!(state.sent, received, "{entry:?}");
        assert_eq!(state.sent + state.ring_full, 10_000, "{entry:?}");
    }
}
