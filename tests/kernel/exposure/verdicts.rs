//! Verdicts on flows, as samples make them: which are written to the kernel's map, and which leave it.

use std::collections::BTreeMap;

use monitor::agent::exposure::Account;
use monitor::kernel::{Entry, Kernel};
use monitor_classify::{CredentialKind, Verdict};
use monitor_common::direction::Direction;
use monitor_common::key::{Class, NetworkId};
use monitor_common::sample::Sample;
use overlay_tests::programs::{entries, load, run};

use super::{VNI, note, only_flow, options, packet, plaintext, redis, sample, syn};

const RX: Direction = Direction::Rx;

fn in_use(kernel: &Kernel, flow: u64) -> Option<(Class, bool)> {
    kernel.verdict_in_use(flow).unwrap()
}

/// As many flows have a verdict as there is room for, and one more gets one.
#[test]
fn a_verdict_in_use_gives_its_room_to_no_other() {
    let mut kernel = load(&options());
    let account = Account::new(kernel.counts());
    let mut verdicts = account.verdicts();
    let frame = packet(40_000);
    run(&mut kernel, Entry::Tc(Direction::Rx), &frame, 1);
    let oldest = only_flow(&kernel);
    note(&mut verdicts, oldest, Direction::Rx);
    run(&mut kernel, Entry::Tc(Direction::Rx), &frame, 1);
    let room = u64::from(kernel.verdict_capacity());
    for flow in 1..room {
        note(&mut verdicts, flow, Direction::Rx);
    }
    let verdict = |flow| kernel.verdict_in_use(flow).unwrap();
    assert_eq!(verdict(oldest), Some((redis(), true)));
    assert_eq!(verdict(1), Some((redis(), false)));
    note(&mut verdicts, room, Direction::Rx);
    assert_eq!(verdict(oldest), Some((redis(), false)), "it rests");
    assert_eq!(verdict(1), None, "the next one was not used");
    assert_eq!(verdict(room), Some((redis(), false)));
}

/// Verdicts on flows that have ended make room before others need it.
#[test]
fn an_unused_verdict_of_an_unknown_network_leaves() {
    let mut kernel = load(&options());
    let mut verdicts = Account::new(kernel.counts()).verdicts();
    let frame = packet(40_000);
    run(&mut kernel, Entry::Tc(RX), &frame, 1);
    let (used, unused) = (only_flow(&kernel), 1);
    note(&mut verdicts, used, RX);
    note(&mut verdicts, unused, RX);
    run(&mut kernel, Entry::Tc(RX), &frame, 1);
    verdicts.forget_old();
    assert!(!verdicts.forget_unused().unwrap(), "all were looked at");
    assert_eq!(in_use(&kernel, used), Some((redis(), false)), "it rests");
    assert_eq!(in_use(&kernel, unused), None);
    verdicts.forget_old();
    assert!(!verdicts.forget_unused().unwrap());
    assert_eq!(in_use(&kernel, used), None);
}

#[test]
fn a_sample_without_a_flow_or_a_payload_makes_no_verdict() {
    let kernel = load(&options());
    let mut account = Account::new(kernel.counts());
    let mut verdicts = account.verdicts();
    let network = NetworkId::vni(VNI);
    for (flow, payload_len) in [(0, 14), (1, 0)] {
        verdicts
            .note(
                &sample(flow, RX),
                network,
                Some(VNI),
                payload_len,
                &plaintext(),
            )
            .unwrap();
        assert_eq!(in_use(&kernel, flow), None);
    }
    assert!(!account.has_new_verdict());
}

/// One that is inconclusive is counted until there are enough of them.
#[test]
fn inconclusive_first_samples_make_a_verdict_together() {
    let kernel = load(&options());
    let mut verdicts = Account::new(kernel.counts()).verdicts();
    for expected in [None, None, Some((Class::UNKNOWN, false))] {
        verdicts
            .note(
                &sample(1, RX),
                NetworkId::vni(VNI),
                Some(VNI),
                14,
                &Verdict::unknown(),
            )
            .unwrap();
        assert_eq!(in_use(&kernel, 1), expected);
    }
}

/// The slot of a flow was needed for another one.
#[test]
fn a_flow_with_a_verdict_gets_a_slot_again_with_its_next_sample() {
    let kernel = load(&options());
    let mut verdicts = Account::new(kernel.counts()).verdicts();
    note(&mut verdicts, 1, RX);
    assert!(kernel.has_slot(1));
    kernel.reclaim_slots(|_| true).unwrap();
    assert!(!kernel.has_slot(1));
    note(&mut verdicts, 1, RX);
    assert!(kernel.has_slot(1));
}

#[test]
fn a_flow_is_counted_once_under_the_credentials_that_its_samples_show() {
    let kernel = load(&options());
    let account = Account::new(kernel.counts());
    let verdicts = account.verdicts();
    let network = NetworkId::vni(VNI);
    let kind = CredentialKind::ALL[0];
    verdicts.note_credentials(&sample(0, RX), network, &[kind]);
    verdicts.note_credentials(&sample(1, RX), network, &[]);
    assert_eq!(account.credential_flows(), BTreeMap::new());
    for _ in 0..2 {
        verdicts.note_credentials(&sample(1, RX), network, &[kind]);
        assert_eq!(account.credential_flows(), [((network, kind), 1)].into());
    }
}

#[test]
fn a_verdict_is_in_use_when_packets_are_counted_under_it() {
    for entry in entries() {
        let mut kernel = load(&options());
        let frame = packet(40_000);
        run(&mut kernel, entry, &frame, 1);
        let flow = only_flow(&kernel);
        let in_use = |kernel: &Kernel| kernel.verdict_in_use(flow).unwrap();
        assert_eq!(in_use(&kernel), None);
        // Nothing is set where there is nothing.
        kernel.rest_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), None);
        kernel.set_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), Some((redis(), false)));
        run(&mut kernel, entry, &frame, 1);
        assert_eq!(in_use(&kernel), Some((redis(), true)));
        kernel.rest_verdict(flow, redis()).unwrap();
        assert_eq!(in_use(&kernel), Some((redis(), false)));
        kernel.remove_verdict(flow).unwrap();
        assert_eq!(in_use(&kernel), None);
    }
}

/// The samples of both connections are alike: what is known of the first one must not pass for the second one's verdict.
#[test]
fn a_new_connection_that_speaks_the_same_gets_a_verdict_of_its_own() {
    let entry = Entry::Tc(Direction::Rx);
    let mut kernel = load(&options());
    let account = Account::new(kernel.counts());
    let mut verdicts = account.verdicts();
    let frame = packet(40_000);
    run(&mut kernel, entry, &frame, 1);
    let flow = only_flow(&kernel);
    note(&mut verdicts, flow, Direction::Rx);
    assert_eq!(kernel.verdict(flow).unwrap(), Some(redis()));
    // One that was in the ring when the verdict came.
    note(&mut verdicts, flow, Direction::Rx);
    run(&mut kernel, entry, &syn(&frame), 1);
    assert_eq!(kernel.verdict(flow).unwrap(), None);
    let later = Sample {
        time_ns: u64::MAX,
        ..sample(flow, Direction::Rx)
    };
    verdicts
        .note(&later, NetworkId::vni(VNI), Some(VNI), 14, &plaintext())
        .unwrap();
    assert_eq!(kernel.verdict(flow).unwrap(), Some(redis()));
}
