//! Packets that cannot be understood are passed on, counted under their reason, and shown.

use std::collections::BTreeMap;

use monitor_common::reason::Reason;
use monitor_lab::Host;
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, esp, ethernet, ipv4, ipv6, overlay, redis_command, tagged};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::wire::Raw;

use super::quiet;

/// A frame for every reason there is.
///
/// Before TC ingress the kernel takes the outermost VLAN tag out of the frame, and drops what ends inside
/// that (`skb_vlan_untag`), so where tags matter there is one more.
fn frames() -> BTreeMap<&'static str, Vec<u8>> {
    let good = overlay(VNI, &redis_command());
    let l4 = 14 + 20;
    let inner = l4 + 8 + 8;
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = good.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let outermost = |frame: Vec<u8>| tagged(0x8100, 9, &frame);
    let three_tags = tagged(0x8100, 1, &tagged(0x8100, 2, &tagged(0x88a8, 3, &good)));
    let options = [60, 0, 1, 4, 0, 0, 0, 0].repeat(4);
    let all = [
        (
            Reason::EthernetTruncated,
            outermost(ethernet(0x8100, &[0, 1])),
        ),
        (Reason::VlanDepth, outermost(three_tags)),
        (Reason::Ipv4Truncated, good[..l4 - 1].to_vec()),
        (Reason::Ipv4Malformed, with(14, &[0x44])),
        (Reason::Ipv6Truncated, ethernet(0x86dd, &[0x60; 39])),
        (Reason::Ipv6Malformed, ethernet(0x86dd, &[0x50; 40])),
        (Reason::Ipv6Extension, ethernet(0x86dd, &ipv6(60, &options))),
        (Reason::Fragment, with(20, &1u16.to_be_bytes())),
        (Reason::UdpTruncated, good[..l4 + 7].to_vec()),
        (Reason::UdpLength, with(l4 + 4, &15u16.to_be_bytes())),
        (Reason::VxlanTruncated, good[..l4 + 8 + 7].to_vec()),
        (Reason::VxlanNoVni, with(l4 + 8, &[0xf7])),
        (
            Reason::EspTruncated,
            ethernet(0x0800, &ipv4(50, &[], &esp(9, 1)[..7])),
        ),
        (
            Reason::EspSpiZero,
            ethernet(0x0800, &ipv4(50, &[], &esp(0, 1))),
        ),
        (
            Reason::InnerTruncated,
            good[..inner + 14 + 20 + 19].to_vec(),
        ),
        (Reason::InnerMalformed, with(inner + 14, &[0x15])),
        (
            Reason::GeneveTruncated,
            with(l4 + 2, &[0x17, 0xc1])[..l4 + 8 + 7].to_vec(),
        ),
        (Reason::TunnelVersion, {
            let mut frame = with(l4 + 2, &[0x17, 0xc1]);
            frame[l4 + 8] = 0x40;
            frame
        }),
        (
            Reason::AhTruncated,
            ethernet(0x0800, &ipv4(51, &[], &[6; 11])),
        ),
        (
            Reason::Mpls,
            ethernet(0x8847, &[&[0, 1, 1, 64], &good[14..]].concat()),
        ),
        (
            Reason::Pppoe,
            ethernet(
                0x8864,
                &[&[0x11, 0, 0, 1, 0, 60, 0, 0x21], &good[14..]].concat(),
            ),
        ),
    ];
    let all = BTreeMap::from(all.map(|(reason, frame)| (reason.label(), frame)));
    assert_eq!(all.len(), Reason::ALL.len(), "one for each");
    all
}

/// Counts what comes after TC and XDP on `eth0`, by another hand: nftables.
fn count_behind(host: &Host) {
    let rules = "table netdev behind { chain in { type filter hook ingress device eth0 priority 0; counter; }; }";
    host.run("nft", &[rules]).unwrap();
}

fn counted_behind(host: &Host) -> u64 {
    let rules = host
        .run("nft", &["list", "table", "netdev", "behind"])
        .unwrap();
    rules
        .split("counter packets ")
        .nth(1)
        .unwrap()
        .split(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

#[test]
fn each_is_passed_on_counted_under_its_reason_and_shown() {
    for hook in ["tc", "xdp"] {
        let frames = frames();
        let lab = quiet();
        let node = lab.node1();
        count_behind(node);
        let wire = Raw::open(lab.node2(), "eth0");
        let send = || frames.values().for_each(|frame| wire.send(frame));

        let mut agent = Agent::start(node, &["--hook", hook, "--sample-every", "1"]);
        send();
        send();
        let total = 2 * frames.len() as u64;
        wait_until("all were passed on", || counted_behind(node) >= total);
        assert_eq!(counted_behind(node), total, "{hook}");
        assert_eq!(
            node.device_stats("eth0").unwrap().rx_packets,
            total,
            "{hook}"
        );
        let expected: BTreeMap<String, u64> = frames
            .keys()
            .map(|reason| {
                (
                    format!(r#"interface="eth0",direction="rx",reason="{reason}""#),
                    2,
                )
            })
            .collect();
        let counted: BTreeMap<String, u64> =
            rows(&agent.metrics(), "overlay_unparsed_packets_total")
                .into_iter()
                .collect();
        assert_eq!(counted, expected, "{hook}");
        agent.monitor.stop();

        let mut tail = Monitor::tail(node, &["--hook", hook]);
        send();
        let lines = tail.lines(frames.len());
        assert_eq!(lines.len(), frames.len(), "{hook}: {lines:#?}");
        for reason in frames.keys() {
            let part = format!("  not understood: {reason} (");
            assert_eq!(
                lines.iter().filter(|line| line.contains(&part)).count(),
                1,
                "{hook} {reason}: {lines:#?}"
            );
        }
        tail.stop();
    }
}
