//! The programs count every shape of packet as what it is, through each entry point.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use monitor::base::udp_ports::UdpPorts;
use monitor::kernel::{Entry, Kernel, LoadOptions};
use monitor_common::config::HostFlows;
use monitor_common::count::{Count, EspCount, Total};
use monitor_common::direction::Direction;
use monitor_common::encapsulation::Encapsulation;
use monitor_common::encapsulation::UdpPort;
use monitor_common::key::{CounterKey, ReasonKey};
use monitor_common::reason::Reason;
use overlay_tests::frame::{
    VNI, esp, esp_null, ethernet, ipv4, ipv6, overlay, redis_command, tagged, tcp, udp, vxlan,
};
use overlay_tests::programs::{IFINDEX, counting, direction, entries, load, run};

/// What one packet was counted as.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counted {
    traffic: Vec<(CounterKey, Count)>,
    reasons: Vec<(Direction, Reason)>,
}

/// Loaded programs with what they have counted so far. Kept for all tests: the verifier takes its time.
struct Loaded {
    options: LoadOptions,
    entry: Entry,
    kernel: Kernel,
    traffic: HashMap<CounterKey, Count>,
    reasons: HashMap<ReasonKey, u64>,
}

static LOADED: Mutex<Vec<Loaded>> = Mutex::new(Vec::new());

/// What a program counts one frame as: what its counts grow by.
fn count(options: &LoadOptions, entry: Entry, frame: &[u8]) -> Counted {
    // A test that failed may have left it poisoned, but not wrong.
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    let at = loaded
        .iter()
        .position(|loaded| loaded.entry == entry && loaded.options == *options);
    let at = at.unwrap_or_else(|| {
        let kernel = load(options);
        let (traffic, reasons) = (kernel.counters().unwrap(), kernel.reasons().unwrap());
        loaded.push(Loaded {
            options: options.clone(),
            entry,
            kernel,
            traffic,
            reasons,
        });
        loaded.len() - 1
    });
    let loaded = &mut loaded[at];
    run(&mut loaded.kernel, entry, frame, 1);
    let traffic = std::mem::replace(&mut loaded.traffic, loaded.kernel.counters().unwrap());
    let reasons = std::mem::replace(&mut loaded.reasons, loaded.kernel.reasons().unwrap());
    let mut counted = Counted::default();
    for (key, now) in &loaded.traffic {
        let before = traffic.get(key).copied().unwrap_or_default();
        if *now != before {
            counted.traffic.push((*key, now.since(before)));
        }
    }
    for (key, now) in &loaded.reasons {
        let before = reasons.get(key).copied().unwrap_or_default();
        assert!(*now <= before + 1, "one packet, one reason");
        if *now != before {
            counted
                .reasons
                .push((key.direction().unwrap(), key.reason().unwrap()));
        }
    }
    counted
}

fn assert_vni(options: &LoadOptions, frame: &[u8], vni: u32) {
    for entry in entries() {
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::Vxlan, vni);
        let traffic = vec![(
            key,
            Count {
                packets: 1,
                bytes: frame.len() as u64,
            },
        )];
        assert_eq!(
            count(options, entry, frame),
            Counted {
                traffic,
                reasons: vec![]
            },
            "{entry:?}"
        );
    }
}

fn assert_reason(options: &LoadOptions, frame: &[u8], reason: Reason) {
    for entry in entries() {
        let counted = count(options, entry, frame);
        assert_eq!(
            counted.reasons,
            [(direction(entry), reason)],
            "{entry:?} {frame:02x?}"
        );
    }
}

fn assert_nothing(frame: &[u8]) {
    for entry in entries() {
        assert_eq!(
            count(&counting(), entry, frame),
            Counted::default(),
            "{entry:?}"
        );
    }
}

#[test]
fn vxlan_on_ipv4() {
    assert_vni(&counting(), &overlay(VNI, &redis_command()), VNI);
    assert_vni(
        &LoadOptions::default(),
        &overlay(VNI, &redis_command()),
        VNI,
    );
}

#[test]
fn the_lowest_and_the_highest_vni() {
    assert_vni(&counting(), &overlay(0, &redis_command()), 0);
    assert_vni(
        &counting(),
        &overlay(0x00ff_ffff, &redis_command()),
        0x00ff_ffff,
    );
}

#[test]
fn vxlan_behind_ipv4_options() {
    let datagram = udp(49152, 4789, &vxlan(VNI, &redis_command()));
    for words in 1..=10 {
        assert_vni(
            &LoadOptions::default(),
            &ethernet(0x0800, &ipv4(17, &vec![1; 4 * words], &datagram)),
            VNI,
        );
    }
}

#[test]
fn vxlan_on_ipv6_with_and_without_extension_headers() {
    let datagram = udp(49152, 4789, &vxlan(VNI, &redis_command()));
    assert_vni(&counting(), &ethernet(0x86dd, &ipv6(17, &datagram)), VNI);
    // Hop-by-hop options, then destination options of 16 bytes.
    let mut extended = vec![60, 0, 1, 4, 0, 0, 0, 0];
    extended.extend([17, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    extended.extend(&datagram);
    assert_vni(&counting(), &ethernet(0x86dd, &ipv6(0, &extended)), VNI);
}

#[test]
fn vxlan_behind_one_or_two_vlan_tags() {
    let frame = overlay(VNI, &redis_command());
    assert_vni(&counting(), &tagged(0x8100, 7, &frame), VNI);
    assert_vni(
        &counting(),
        &tagged(0x88a8, 8, &tagged(0x8100, 7, &frame)),
        VNI,
    );
}

#[test]
fn vxlan_on_another_port_is_vxlan_only_where_it_is_told_so() {
    let frame = ethernet(
        0x0800,
        &ipv4(17, &[], &udp(49152, 8472, &vxlan(1, &redis_command()))),
    );
    assert_nothing(&frame);
    assert_vni(
        &LoadOptions {
            udp_ports: UdpPorts::new(&[(UdpPort::Vxlan, &[4789, 8472])]).unwrap(),
            ..counting()
        },
        &frame,
        1,
    );
}

#[test]
fn the_source_port_of_vxlan_means_nothing() {
    assert_nothing(&ethernet(
        0x0800,
        &ipv4(17, &[], &udp(4789, 53, &vxlan(VNI, &redis_command()))),
    ));
}

#[test]
fn what_is_no_overlay_leaves_no_trace() {
    assert_nothing(&ethernet(0x0806, &[0; 28]));
    assert_nothing(&ethernet(
        0x0800,
        &ipv4(6, &[], &tcp(1, 80, b"GET / HTTP/1.1\r\n\r\n")),
    ));
    assert_nothing(&ethernet(0x0800, &ipv4(17, &[], &udp(1, 53, b"query"))));
    assert_nothing(&ethernet(0x86dd, &ipv6(58, &[128, 0, 0, 0])));
}

#[test]
fn the_hosts_own_traffic_where_it_is_asked_for() {
    let http = ethernet(
        0x0800,
        &ipv4(6, &[], &tcp(40000, 80, b"GET / HTTP/1.1\r\n\r\n")),
    );
    let dns = ethernet(0x0800, &ipv4(17, &[], &udp(40000, 53, b"query")));
    for (host_flows, host_ports, expected) in [
        (HostFlows::All, vec![], 2),
        (HostFlows::Ports, vec![443, 80], 1),
        (HostFlows::Off, vec![], 0),
    ] {
        for entry in entries() {
            let options = LoadOptions {
                host_flows,
                host_ports: host_ports.clone(),
                ..counting()
            };
            let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::None, 0);
            let mut packets = 0;
            for frame in [&http, &dns] {
                let counted = count(&options, entry, frame);
                assert!(
                    counted.traffic.iter().all(|(found, _)| *found == key),
                    "{counted:?}"
                );
                packets += counted.traffic.len();
            }
            assert_eq!(packets, expected, "{host_flows:?} {entry:?}");
        }
    }
}

#[test]
fn esp_of_the_null_cipher_is_cleartext_of_its_network() {
    let datagram = udp(49152, 4789, &vxlan(VNI, &redis_command()));
    // Longer than what is copied of a packet at most: the trailer is far.
    let long = [redis_command(), vec![0x2e; 2600]].concat();
    let long = udp(49152, 4789, &vxlan(VNI, &long));
    for (datagram, vector, check) in [
        (&datagram, 0, 0),
        (&datagram, 0, 12),
        (&datagram, 0, 16),
        (&datagram, 8, 16),
        (&long, 0, 32),
        (&long, 8, 16),
    ] {
        let null = esp_null(9, datagram, vector, check);
        let in_udp = udp(4500, 4500, &null);
        for frame in [
            ethernet(0x0800, &ipv4(50, &[], &null)),
            ethernet(0x86dd, &ipv6(50, &null)),
            ethernet(0x0800, &ipv4(17, &[], &in_udp)),
            tagged(0x8100, 7, &ethernet(0x0800, &ipv4(50, &[1; 8], &null))),
        ] {
            for entry in entries() {
                let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::EspNull, VNI);
                let bytes = frame.len() as u64;
                let expected = Counted {
                    traffic: vec![(key, Count { packets: 1, bytes })],
                    reasons: vec![],
                };
                for options in [counting(), LoadOptions::default()] {
                    assert_eq!(count(&options, entry, &frame), expected, "{entry:?}");
                }
            }
        }
    }
}

#[test]
fn a_trailer_that_does_not_check_is_no_null_cipher() {
    let datagram = udp(49152, 4789, &vxlan(VNI, &redis_command()));
    let good = esp_null(9, &datagram, 0, 12);
    let next_header = good.len() - 12 - 1;
    let mut cases = vec![
        (next_header, 4),
        (next_header - 1, 9),
        (8 + 2, 0),
        (8 + 8, 0),
    ];
    cases.push((8 + 5, good[8 + 5].wrapping_add(40)));
    for (at, value) in cases {
        let mut packet = good.clone();
        packet[at] = value;
        let frame = ethernet(0x0800, &ipv4(50, &[], &packet));
        for entry in entries() {
            assert_eq!(
                count(&counting(), entry, &frame),
                Counted::default(),
                "byte {at}: ESP is counted by association"
            );
        }
    }
}

#[test]
fn esp_by_association_with_its_sequence_range() {
    for version in [4, 6] {
        for entry in entries() {
            let mut kernel = load(&counting());
            let mut bytes = 0;
            for sequence in [7, 5, 9] {
                let payload = esp(0x2ad4_577a, sequence);
                let frame = if version == 4 {
                    ethernet(0x0800, &ipv4(50, &[], &payload))
                } else {
                    ethernet(0x86dd, &ipv6(50, &payload))
                };
                bytes += frame.len() as u64;
                run(&mut kernel, entry, &frame, 1);
            }
            let seen: Vec<_> = kernel
                .esp()
                .unwrap()
                .into_iter()
                .filter(|(_, count)| count.packets != 0)
                .collect();
            let [(key, count)] = seen[..] else {
                panic!("{seen:?}")
            };
            assert_eq!(
                (key.ifindex, key.spi, key.direction),
                (IFINDEX, 0x2ad4_577a, direction(entry) as u32)
            );
            let source = monitor::traffic::address::ip_of_key(key.source).to_string();
            assert_eq!(
                source,
                if version == 4 {
                    "192.168.77.1"
                } else {
                    "fd00::1"
                }
            );
            assert_eq!(
                count,
                EspCount {
                    packets: 3,
                    bytes,
                    sequence_min: 5,
                    sequence_max: 9,
                    later_fragments: 0,
                }
            );
        }
    }
}

#[test]
fn each_reason_is_counted_as_itself() {
    let counting = &counting();
    let with_inner = &LoadOptions {
        sample_every: 0,
        ..LoadOptions::default()
    };
    let good = overlay(VNI, &redis_command());
    let l4 = 14 + 20;

    assert_reason(counting, &good[..l4], Reason::UdpTruncated);
    assert_reason(counting, &good[..l4 + 7], Reason::UdpTruncated);
    assert_reason(counting, &good[..l4 + 8], Reason::VxlanTruncated);
    assert_reason(counting, &good[..l4 + 15], Reason::VxlanTruncated);
    assert_reason(with_inner, &good[..l4 + 16], Reason::InnerTruncated);
    assert_reason(
        with_inner,
        &good[..l4 + 16 + 14 + 20 + 19],
        Reason::InnerTruncated,
    );
    assert_reason(
        counting,
        &ethernet(0x8100, &[0, 1]),
        Reason::EthernetTruncated,
    );

    let mut no_flag = good.clone();
    no_flag[l4 + 8] = 0xf7;
    assert_reason(counting, &no_flag, Reason::VxlanNoVni);
    let mut version = good.clone();
    version[14] = 0x55;
    assert_reason(counting, &version, Reason::Ipv4Malformed);
    let mut header_length = good.clone();
    header_length[14] = 0x44;
    assert_reason(counting, &header_length, Reason::Ipv4Malformed);
    let mut total_length = good.clone();
    total_length[16..18].copy_from_slice(&19u16.to_be_bytes());
    assert_reason(counting, &total_length, Reason::Ipv4Malformed);
    let mut fragment = good.clone();
    fragment[20..22].copy_from_slice(&1u16.to_be_bytes());
    assert_reason(counting, &fragment, Reason::Fragment);
    let mut udp_length = good.clone();
    udp_length[l4 + 4..l4 + 6].copy_from_slice(&15u16.to_be_bytes());
    assert_reason(counting, &udp_length, Reason::UdpLength);
    let mut inner_version = good.clone();
    inner_version[l4 + 16 + 14] = 0x15;
    assert_reason(with_inner, &inner_version, Reason::InnerMalformed);

    let three_tags = tagged(0x8100, 1, &tagged(0x8100, 2, &tagged(0x88a8, 3, &good)));
    assert_reason(counting, &three_tags, Reason::VlanDepth);
    assert_reason(
        counting,
        &ethernet(0x0800, &ipv4(50, &[], &esp(0, 1))),
        Reason::EspSpiZero,
    );
    assert_reason(
        counting,
        &ethernet(0x0800, &ipv4(50, &[], &esp(9, 1)[..7])),
        Reason::EspTruncated,
    );
    assert_reason(
        counting,
        &ethernet(0x86dd, &[0x50; 40]),
        Reason::Ipv6Malformed,
    );
    let options = [60, 0, 1, 4, 0, 0, 0, 0].repeat(4);
    assert_reason(
        counting,
        &ethernet(0x86dd, &ipv6(60, &options)),
        Reason::Ipv6Extension,
    );
}

/// Kernels of today refuse to make a socket buffer of a frame that ends inside its IP header, so only
/// XDP can be shown one by a test run.
#[test]
fn a_frame_that_ends_inside_its_ip_header() {
    let good = overlay(VNI, &redis_command());
    let v6 = ethernet(0x86dd, &[0x60; 39]);
    for (frame, reason) in [
        (&good[..14], Reason::Ipv4Truncated),
        (&good[..14 + 19], Reason::Ipv4Truncated),
        (&v6[..], Reason::Ipv6Truncated),
    ] {
        for entry in entries()
            .into_iter()
            .filter(|entry| !matches!(entry, Entry::Tc(_)))
        {
            let counted = count(&counting(), entry, frame);
            assert_eq!(
                counted.reasons,
                [(Direction::Rx, reason)],
                "{entry:?} {frame:02x?}"
            );
        }
    }
}

#[test]
fn a_packet_with_a_bad_inside_still_counts_in_its_vni() {
    let good = overlay(VNI, &redis_command());
    let frame = &good[..14 + 20 + 16 + 14 + 20];
    let options = LoadOptions {
        sample_every: 0,
        ..LoadOptions::default()
    };
    for entry in entries() {
        let key = CounterKey::new(IFINDEX, direction(entry), Encapsulation::Vxlan, VNI);
        let traffic = vec![(
            key,
            Count {
                packets: 1,
                bytes: frame.len() as u64,
            },
        )];
        let reasons = vec![(direction(entry), Reason::InnerTruncated)];
        assert_eq!(count(&options, entry, frame), Counted { traffic, reasons });
    }
}

#[test]
fn a_scan_of_vnis_fills_the_map_and_then_counts_as_other() {
    let mut kernel = load(&counting());
    let entry = Entry::Tc(Direction::Rx);
    let capacity = kernel.sizes().counters;
    let mut frame = overlay(0, &redis_command());
    let sent = capacity + 100;
    for vni in 0..sent {
        frame[46..50].copy_from_slice(&(vni << 8).to_be_bytes());
        run(&mut kernel, entry, &frame, 1);
    }
    let counts = kernel.counters().unwrap();
    let total: u64 = counts.values().map(|count| count.packets).sum();
    assert_eq!(total, u64::from(sent), "no packet is lost");
    let other = counts[&CounterKey::other(IFINDEX, Direction::Rx, Encapsulation::Vxlan)].packets;
    // The rows that were prepared took their places first.
    assert_eq!(other, 100 + 14);
    assert_eq!(kernel.state().unwrap().counters_overflow, other);
}
