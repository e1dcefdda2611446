//! VXLAN by its VNI.

use super::*;

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
fn vxlan_on_another_port_is_vxlan_only_where_it_is_configured() {
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
    // The programs leave an eighth to the agent, beyond the rows that it has already.
    assert_eq!(other, 100 + 14 + u64::from(capacity / 8));
    assert_eq!(kernel.state().unwrap().counters_overflow, other);
}

/// A guest's super-packet may not say how many packets it stands for: they follow from its payload.
#[test]
fn a_super_packet_without_a_number_of_segments_is_counted_by_its_payload() {
    /// `gso_segs` and `gso_size` of `struct __sk_buff` (`include/uapi/linux/bpf.h`), and its size.
    const SEGMENTS: usize = 164;
    const SIZE: usize = 176;
    const CONTEXT: usize = 192;
    const PIECE: u64 = 500;
    let segment = tcp(40_000, 443, &[0x2e; 2250]);
    let inner = ethernet(0x0800, &ipv4(6, &[], &segment));
    let frame = overlay(7, &inner);
    let headers = frame.len() as u64 - 2250;
    for (segments, expected) in [(0u32, 5), (3, 3)] {
        for way in [Direction::Rx, Direction::Tx] {
            let entry = Entry::Tc(way);
            let mut kernel = load(&counting());
            let mut context = [0; CONTEXT];
            context[SEGMENTS..SEGMENTS + 4].copy_from_slice(&segments.to_ne_bytes());
            context[SIZE..SIZE + 4].copy_from_slice(&(PIECE as u32).to_ne_bytes());
            let options = TestRunOptions {
                data_in: Some(&frame),
                ctx_in: Some(&context),
                ..TestRunOptions::default()
            };
            kernel.test_run(entry, options).unwrap();
            let key = CounterKey::new(IFINDEX, way, Encapsulation::Vxlan, 7);
            let count = kernel.counters().unwrap()[&key];
            let bytes = frame.len() as u64 + (expected - 1) * headers;
            assert_eq!((count.packets, count.bytes), (expected, bytes), "{entry:?}");
        }
    }
}
