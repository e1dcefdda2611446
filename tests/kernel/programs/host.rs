//! The host's own traffic, outside any overlay.

use super::*;

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
