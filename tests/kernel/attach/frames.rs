//! Frames that do not lie in one piece in memory.

use std::net::UdpSocket;

use monitor_lab::Lab;
use overlay_tests::agent::{Agent, rows};
use overlay_tests::attached::tc;
use overlay_tests::frame::{esp_null, ethernet, ipv4, ipv6, overlay, tcp, udp, vxlan};
use overlay_tests::process::wait_until;
use overlay_tests::programs::kernel_version;
use overlay_tests::wire::Raw;

use super::quiet;

/// A network that no device of the lab has.
const VNI: u32 = 5000;

fn jumbo() -> Lab {
    let lab = quiet();
    for node in [lab.node1(), lab.node2()] {
        node.run("ip", &["link", "set", "dev", "eth0", "mtu", "9000"])
            .unwrap();
    }
    lab
}

/// Ethernet, IPv4 and UDP around so many bytes.
fn inner(length: usize) -> Vec<u8> {
    ethernet(
        0x0800,
        &ipv4(17, &[], &udp(1000, 2000, &vec![0x2e; length])),
    )
}

#[test]
fn headers_beyond_the_linear_part_of_a_socket_buffer_are_read() {
    let lab = jumbo();
    let [sender, receiver] =
        [lab.node1(), lab.node2()].map(|node| Agent::start(node, &["--sample-every", "1"]));
    let frame = overlay(VNI, &inner(5000));
    let raw = Raw::open_scattered(lab.node1(), "eth0");
    for _ in 0..10 {
        raw.send(&frame);
    }
    let expected = (10, 10 * frame.len() as u64);
    assert_eq!(sender.vni(VNI, "tx"), expected);
    wait_until("they have arrived", || receiver.vni(VNI, "rx").0 >= 10);
    assert_eq!(receiver.vni(VNI, "rx"), expected);
    for agent in [&sender, &receiver] {
        assert_eq!(rows(&agent.metrics(), "overlay_unparsed_packets_total"), []);
    }
}

#[test]
fn the_longest_headers_beyond_the_linear_part_of_a_socket_buffer_are_read() {
    let lab = jumbo();
    let agents = [lab.node1(), lab.node2()].map(|node| Agent::start(node, &[]));
    // Geneve with 252 bytes of options (RFC 8926, 3.4), an inner header with 40.
    let segment = tcp(40_000, 443, &[0x2e; 5000]);
    let packet = ethernet(0x0800, &ipv4(6, &[1; 40], &segment));
    let mut geneve = vec![63, 0, 0x65, 0x58];
    geneve.extend((VNI << 8).to_be_bytes());
    geneve.extend([0; 252]);
    geneve.extend(packet);
    let frame = ethernet(0x0800, &ipv4(17, &[1; 40], &udp(50_000, 6081, &geneve)));
    let raw = Raw::open_scattered(lab.node1(), "eth0");
    for _ in 0..10 {
        raw.send(&frame);
    }
    for (agent, direction) in agents.iter().zip(["tx", "rx"]) {
        let counted = format!(
            "overlay_packets_total{{interface=\"eth0\",direction=\"{direction}\",encapsulation=\"geneve\",vni=\"{VNI}\"}} 10\n"
        );
        wait_until("they are counted", || agent.metrics().contains(&counted));
        assert_eq!(rows(&agent.metrics(), "overlay_unparsed_packets_total"), []);
    }
}

/// An IPv6 packet with so many extension headers of 2,048 bytes, the longest that there are (RFC 8200, 4.6).
fn extended(headers: usize, protocol: u8, payload: &[u8]) -> Vec<u8> {
    const DESTINATION_OPTIONS: u8 = 60;
    let mut chain = Vec::new();
    for number in 1..=headers {
        let next = if number == headers {
            protocol
        } else {
            DESTINATION_OPTIONS
        };
        let start = chain.len();
        chain.extend([next, 255]);
        // Padding (RFC 8200, 4.2): an option of 253 bytes at most.
        for length in [253, 253, 253, 253, 253, 253, 253, 253, 4] {
            chain.extend([1, length]);
            chain.resize(chain.len() + usize::from(length), 0);
        }
        assert_eq!(chain.len() - start, 2048);
    }
    chain.extend(payload);
    ipv6(
        if headers == 0 {
            protocol
        } else {
            DESTINATION_OPTIONS
        },
        &chain,
    )
}

/// Sends the longest extension headers from node 1 to node 2, outside and inside of the overlay, and compares what both
/// count. Arguments of each node's agent.
fn the_longest_extension_headers_are_read(arguments: [&[&str]; 2]) {
    let lab = quiet();
    for node in [lab.node1(), lab.node2()] {
        node.run("ip", &["link", "set", "dev", "eth0", "mtu", "20000"])
            .unwrap();
    }
    let agents = [
        Agent::start(lab.node1(), arguments[0]),
        Agent::start(lab.node2(), arguments[1]),
    ];
    let raw = Raw::open_scattered(lab.node1(), "eth0");
    let segment = tcp(40_000, 443, &[0x2e; 5000]);
    let cases = [(1, 0), (0, 1), (1, 1), (3, 3)];
    for (vni, (outside, inside)) in (VNI..).zip(cases) {
        let packet = ethernet(0x86dd, &extended(inside, 6, &segment));
        let datagram = udp(50_000, 4789, &vxlan(vni, &packet));
        let frame = ethernet(0x86dd, &extended(outside, 17, &datagram));
        for _ in 0..10 {
            raw.send(&frame);
        }
        for (agent, direction) in agents.iter().zip(["tx", "rx"]) {
            let case = format!("{outside} outside, {inside} inside, {direction}");
            wait_until(&case, || agent.vni(vni, direction).0 >= 10);
            assert_eq!(
                agent.vni(vni, direction),
                (10, 10 * frame.len() as u64),
                "{case}"
            );
            let unparsed = rows(&agent.metrics(), "overlay_unparsed_packets_total");
            assert_eq!(unparsed, [], "{case}");
        }
    }
    // Before Linux 5.18 XDP takes no frame that is longer than one buffer, and the agent goes to TC.
    let xdp = arguments[1].contains(&"xdp") && kernel_version() >= (5, 18);
    let hooks = [if xdp { "xdp" } else { tc() }, tc()];
    assert_eq!(agents[1].hooks(), hooks, "{}", agents[1].monitor.err());
}

#[test]
fn the_longest_extension_headers_beyond_the_linear_part_of_a_socket_buffer_are_read() {
    the_longest_extension_headers_are_read([&[], &[]]);
}

#[test]
fn the_longest_extension_headers_are_read_by_xdp_from_several_buffers() {
    the_longest_extension_headers_are_read([&[], &["--hook", "xdp"]]);
}

#[test]
fn the_trailer_of_the_null_cipher_is_found_in_a_fragment_of_a_socket_buffer() {
    let lab = jumbo();
    let agents = [lab.node1(), lab.node2()].map(|node| Agent::start(node, &[]));
    let datagram = udp(50_000, 4789, &vxlan(VNI, &inner(5000)));
    let frame = ethernet(0x0800, &ipv4(50, &[], &esp_null(9, &datagram, 0, 12)));
    let raw = Raw::open_scattered(lab.node1(), "eth0");
    for _ in 0..10 {
        raw.send(&frame);
    }
    for (agent, direction) in agents.iter().zip(["tx", "rx"]) {
        let counted = format!(
            "overlay_packets_total{{interface=\"eth0\",direction=\"{direction}\",encapsulation=\"esp_null\",vni=\"{VNI}\"}} 10\n"
        );
        wait_until("they are counted", || agent.metrics().contains(&counted));
    }
}

#[test]
fn xdp_counts_jumbo_frames() {
    let lab = jumbo();
    let agent = Agent::start(lab.node1(), &["--hook", "xdp", "--sample-every", "1"]);
    let said = agent.monitor.err();
    if kernel_version() >= (5, 18) {
        assert_eq!(agent.hooks(), ["xdp", tc()], "{said}");
    } else {
        // Without frags the driver refuses a frame larger than its buffers.
        assert_eq!(agent.hooks(), [tc(), tc()], "{said}");
        assert!(
            said.contains("its driver refuses XDP with its current MTU"),
            "{said}"
        );
    }
    let payload = vxlan(VNI, &inner(8000));
    let socket = lab
        .node2()
        .enter(|| UdpSocket::bind((lab.node2().address(), 0)))
        .unwrap()
        .unwrap();
    for _ in 0..10 {
        socket
            .send_to(&payload, (lab.node1().address(), 4789))
            .unwrap();
    }
    wait_until("they have arrived", || agent.vni(VNI, "rx").0 >= 10);
    assert_eq!(
        agent.vni(VNI, "rx"),
        (10, 10 * (14 + 20 + 8 + payload.len() as u64))
    );
    assert_eq!(rows(&agent.metrics(), "overlay_unparsed_packets_total"), []);
}
