//! Under a flood every frame that a hook was given is counted, in its VNI, and every sample lost is too.
//!
//! Two seconds each; `OVERLAY_TEST_SECONDS=30 cargo test -p overlay-tests --test kernel_flood` is the
//! long form.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use monitor::agent::Agent;
use monitor::agent::snapshot::Snapshot;
use monitor::command::cli::{ExportArgs, PolicyArgs, WatchArgs};
use monitor::command::settings::{self, Defaults};
use monitor::kernel::attach::HookChoice;
use monitor::traffic::counted::Vni;
use monitor_common::direction::Direction;
use monitor_common::sample::Sample;
use monitor_lab::{Host, Lab};
use overlay_tests::flood::{self, Sent};
use overlay_tests::frame::{ethernet, ip_between, ipv4, tcp, udp, vxlan};
use overlay_tests::oracle;
use overlay_tests::process::wait_until;
use overlay_tests::scale::{duration, scaled};

/// How many networks and flows.
const VNIS: u32 = 1_000;
const FLOWS: u32 = 10_000;
/// How long, where nothing else is asked for.
const TIME: Duration = Duration::from_secs(2);

/// The first packet of each flow, each with another length.
fn frames() -> Vec<Vec<u8>> {
    let frame = |flow: u32| {
        let address = |last: u8| {
            let [_, a, b, c] = flow.to_be_bytes();
            IpAddr::V4(Ipv4Addr::new(10 + a, b, c, last))
        };
        let payload = vec![0x2e; 1 + flow as usize % 97];
        let segment = tcp(40_000, 8_000 + (flow % 7) as u16, &payload);
        let packet = ip_between(address(1), address(2), 6, &segment);
        let inner = vxlan(flow % VNIS, &ethernet(0x0800, &packet));
        ethernet(0x0800, &ipv4(17, &[], &udp(49_152, 4789, &inner)))
    };
    (0..scaled(FLOWS as usize) as u32).map(frame).collect()
}

/// Watches `eth0` of a host, every packet a sample.
fn watch(host: &Host, hook: HookChoice) -> Agent {
    let start = || {
        let args = WatchArgs {
            interfaces: vec!["eth0".to_owned()],
            hook: Some(hook),
            sample_every: Some(1),
            flow_samples: Some(0),
            ..WatchArgs::default()
        };
        Agent::start(
            &settings::plan(
                &args,
                &PolicyArgs::default(),
                &ExportArgs::default(),
                Defaults::RUN,
            )
            .unwrap(),
            None,
        )
        .unwrap()
    };
    host.enter(start).unwrap()
}

/// Packets and bytes of each VNI in a direction. Nothing else was counted.
fn vnis(snapshot: &Snapshot, direction: Direction) -> BTreeMap<u32, (u64, u64)> {
    let rows = snapshot.counted.traffic.iter().map(|row| {
        assert_eq!(row.direction, direction, "{row:?}");
        let Vni::Id(vni) = row.vni else {
            panic!("{row:?}")
        };
        (vni, (row.count.packets, row.count.bytes))
    });
    rows.collect()
}

fn packets(counts: &BTreeMap<u32, (u64, u64)>) -> u64 {
    counts.values().map(|(packets, _)| packets).sum()
}

/// Takes samples out of the ring until `stop` is set, and then the rest: so rarely that the
/// ring overflows.
fn drain(ring: &mut RingBuf<MapData>, stop: &AtomicBool) -> u64 {
    let mut received = 0;
    loop {
        let last = stop.load(Ordering::Acquire);
        while let Some(record) = ring.next() {
            assert!(Sample::parse(&record).is_some(), "a whole record");
            received += 1;
        }
        if last {
            return received;
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Floods from one host while another is watched; gives what was sent, counted and received.
fn flood(agent: &mut Agent, from: &Host) -> (Sent, u64) {
    let mut ring = agent.take_samples().unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let drained = scope.spawn(|| drain(&mut ring, &stop));
        let sent = flood::for_a_time(from, "eth0", &frames(), duration(TIME));
        // What the receiving side still has in its queue.
        std::thread::sleep(Duration::from_millis(500));
        stop.store(true, Ordering::Release);
        (sent, drained.join().unwrap())
    })
}

/// Every packet was chosen as a sample: all are accounted for.
fn samples_add_up(snapshot: &Snapshot, counted: u64, received: u64) {
    let state = snapshot.counted.state;
    assert_eq!(state.sent, received, "{state:?}");
    // More than the ring has room for, or than one network may take of it.
    assert!(state.ring_full + state.capped > 0, "{state:?}");
    let chosen = state.sent + state.ring_full + state.capped;
    assert_eq!(chosen, counted, "{state:?}");
}

fn received_frames_are_counted(hook: HookChoice) {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (node, peer) = (lab.node1(), lab.node2());
    oracle::count_vnis(node);
    let mut agent = watch(node, hook);
    let before = node.device_stats("eth0").unwrap();
    let (sent, received) = flood(&mut agent, peer);

    let device = || node.device_stats("eth0").unwrap() - before;
    let counted = || vnis(&agent.snapshot().unwrap(), Direction::Rx);
    wait_until("all that the device took was counted", || {
        packets(&counted()) == device().rx_packets
    });
    let (device, counted) = (device(), counted());
    println!(
        "{hook:?}: {sent:?}, received {device:?}, {} samples",
        received
    );
    assert!(device.rx_packets > scaled(50_000) as u64, "{device:?}");
    assert_eq!(counted.len(), VNIS as usize);
    assert_eq!(counted, oracle::vnis(node), "against nftables");
    let snapshot = agent.snapshot().unwrap();
    samples_add_up(&snapshot, device.rx_packets, received);
    assert!(snapshot.counted.unparsed.iter().all(|row| row.packets == 0));
    let bytes: u64 = counted.values().map(|(_, bytes)| bytes).sum();
    // With XDP a veth itself counts what it receives from behind the Ethernet header on (`veth_xdp_rcv`
    // in drivers/net/veth.c).
    let header = match hook {
        HookChoice::Xdp => 14,
        _ => 0,
    };
    assert_eq!(bytes, device.rx_bytes + header * device.rx_packets);
}

#[test]
fn tc_counts_every_received_frame_of_a_flood() {
    received_frames_are_counted(HookChoice::Tc);
}

#[test]
fn xdp_counts_every_received_frame_of_a_flood() {
    received_frames_are_counted(HookChoice::Xdp);
}

#[test]
fn tc_counts_every_sent_frame_of_a_flood() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    // The other end drops them, which saves its work.
    oracle::count_vnis(lab.node2());
    let mut agent = watch(node, HookChoice::Tc);
    let before = node.device_stats("eth0").unwrap();
    let (sent, received) = flood(&mut agent, node);
    let device = node.device_stats("eth0").unwrap() - before;
    let counted = vnis(&agent.snapshot().unwrap(), Direction::Tx);
    println!("sent: {sent:?}, {device:?}, {received} samples");
    // The hook is before the device, which may have no room for what the hook has passed on.
    assert_eq!(packets(&counted), device.tx_packets + device.tx_dropped);
    assert_eq!(counted.len(), VNIS as usize);
    samples_add_up(&agent.snapshot().unwrap(), packets(&counted), received);
    let passed = oracle::vnis(lab.node2());
    assert_eq!(packets(&passed), device.tx_packets);
    for (vni, (packets, _)) in passed {
        assert!(counted[&vni].0 >= packets, "VNI {vni}");
    }
}
