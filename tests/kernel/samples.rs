//! What reaches user space through the ring, and what is counted when it does not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;

use aya::maps::{MapData, RingBuf};
use monitor::kernel::{Caps, Entry, Kernel, LoadOptions};
use monitor_common::config::SPAN_SHIFT;
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

/// How many packets are between two samples, over so many packets.
fn distances(kernel: &mut Kernel, ring: &mut RingBuf<MapData>, packets: usize) -> Vec<usize> {
    let frame = overlay(VNI, &redis_command());
    let mut distances = Vec::new();
    let mut since = 0;
    for _ in 0..packets {
        run(kernel, Entry::Tc(Direction::Rx), &frame, 1);
        since += 1;
        if !drain(ring).is_empty() {
            distances.push(since);
            since = 0;
        }
    }
    distances
}

#[test]
fn distances_are_spread_over_all_up_to_twice_their_mean() {
    const EVERY: usize = 20;
    let options = LoadOptions {
        sample_every: EVERY as u32,
        flow_samples: 0,
        ..LoadOptions::default()
    };
    let (mut kernel, mut ring) = sampling(&options);
    // Each CPU counts by itself.
    pin();
    let distances = distances(&mut kernel, &mut ring, 1_000 * EVERY);
    let quarter = |n: usize| {
        let range = 1 + n * EVERY / 2..=(n + 1) * EVERY / 2;
        distances.iter().filter(|at| range.contains(at)).count()
    };
    let longest = *distances.iter().max().unwrap();
    assert!(longest < 2 * EVERY, "{longest}");
    // A quarter of 1,000 each: six sigma are 82.
    for n in 0..4 {
        let found = quarter(n);
        assert!((160..340).contains(&found), "quarter {n}: {found}");
    }
}

#[test]
fn a_flow_has_another_hash_in_each_load() {
    let options = LoadOptions {
        sample_every: 1,
        ..LoadOptions::default()
    };
    let frame = overlay(VNI, &redis_command());
    let hash = || {
        let (mut kernel, mut ring) = sampling(&options);
        run(&mut kernel, Entry::Tc(Direction::Rx), &frame, 1);
        let record = ring.next().unwrap();
        Sample::parse(&record).unwrap().flow
    };
    let (one, two) = (hash(), hash());
    assert!(one != 0 && one != two, "{one:x} {two:x}");
}

#[test]
fn a_flow_that_stays_without_a_verdict_is_tried_again_once_in_64_packets() {
    for entry in entries() {
        let options = LoadOptions {
            sample_every: 0,
            flow_samples: 3,
            exposure: true,
            ..LoadOptions::default()
        };
        let (mut kernel, mut ring) = sampling(&options);
        run(&mut kernel, entry, &flow(40000, 80, b"there"), 63);
        assert_eq!(drain(&mut ring).len(), 3, "{entry:?}");
        run(&mut kernel, entry, &flow(40000, 80, b"there"), 1);
        assert_eq!(drain(&mut ring).len(), 1, "{entry:?}: the 64th");
        run(&mut kernel, entry, &flow(40000, 80, b"there"), 639);
        assert_eq!(drain(&mut ring).len(), 9, "{entry:?}: up to the 703rd");
    }
}

/// The most samples in one span of the caps, of those in the ring.
fn most_in_a_span(ring: &mut RingBuf<MapData>) -> usize {
    let mut spans = HashMap::<u64, usize>::new();
    while let Some(record) = ring.next() {
        let sample = Sample::parse(&record).unwrap();
        *spans.entry(sample.time_ns >> SPAN_SHIFT).or_default() += 1;
    }
    spans.into_values().max().unwrap_or(0)
}

/// A cap per second that is this many in a span.
fn in_each_span(samples: u32) -> u32 {
    (u64::from(samples) * 1_000_000_000).div_ceil(1 << SPAN_SHIFT) as u32
}

/// Keeps this thread on the CPU that it is on.
fn pin() {
    // SAFETY: a set of CPUs is plain numbers, and the calls only read it.
    unsafe {
        let mut only: libc::cpu_set_t = std::mem::zeroed();
        libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap(), &mut only);
        let set = libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const only);
        assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    }
}

/// Samples of a flood by so many flows in each of so many networks, in the fullest span. The caps are of a span.
fn of_a_flood(options: &LoadOptions, cpu: u32, network: u32, networks: u32, flows: u16) -> usize {
    let options = LoadOptions {
        caps: Caps {
            cpu: in_each_span(cpu),
            network: in_each_span(network),
        },
        ..options.clone()
    };
    let (mut kernel, mut ring) = sampling(&options);
    // Each CPU has its own share.
    pin();
    let mut most = 0;
    // Some of the spans are hit only in part.
    for _ in 0..4 {
        for vni in 0..networks {
            for source in 0..flows {
                let segment = tcp(1 + source, 80, b"payload");
                let frame = overlay(1 + vni, &ethernet(0x0800, &ipv4(6, &[], &segment)));
                let repeat = 4_000 / (networks * u32::from(flows));
                run(&mut kernel, Entry::Tc(Direction::Rx), &frame, repeat);
            }
        }
        most = most.max(most_in_a_span(&mut ring));
    }
    most
}

#[test]
fn samples_are_capped_by_network_and_by_cpu() {
    const CAP: u32 = 120;
    const MANY: u32 = 1_000_000;
    let every = LoadOptions {
        sample_every: 1,
        flow_samples: 0,
        ring_bytes: 1 << 24,
        ..LoadOptions::default()
    };
    // A sample that begins in one span may have its time in the next.
    let exactly = CAP as usize..=CAP as usize + 1;
    let found = of_a_flood(&every, MANY, CAP, 1, 1);
    assert!(exactly.contains(&found), "one network: {found}");
    // Networks that are not described leave an eighth to the others, and the last part is for those that had few.
    let found = of_a_flood(&every, CAP, MANY, 1000, 1);
    assert!(
        (CAP as usize / 2..=CAP as usize * 7 / 8 + 1).contains(&found),
        "one CPU: {found}"
    );
    // Further samples of a flow leave half to the first ones of others.
    let first = LoadOptions {
        sample_every: 0,
        flow_samples: 1000,
        ..every
    };
    let half = CAP as usize / 2..=CAP as usize / 2 + 1;
    let found = of_a_flood(&first, MANY, CAP, 1, 1);
    assert!(half.contains(&found), "one flow: {found}");
    let found = of_a_flood(&first, MANY, CAP, 1, 1000);
    assert!(exactly.contains(&found), "many flows: {found}");
}
