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

/// `gso_segs` and `gso_size` of `struct __sk_buff` (`include/uapi/linux/bpf.h`), and its size.
const SEGMENTS: usize = 164;
const SIZE: usize = 176;
const CONTEXT: usize = 192;

/// What a frame is counted as, as many packets (0: it does not say) with so many bytes of payload each. With exposure on,
/// as much waits for a verdict.
fn weigh(
    kernel: &mut Kernel,
    is_exposed: bool,
    frame: &[u8],
    segments: u32,
    size: usize,
) -> (u64, u64) {
    let mut context = [0; CONTEXT];
    context[SEGMENTS..SEGMENTS + 4].copy_from_slice(&segments.to_ne_bytes());
    context[SIZE..SIZE + 4].copy_from_slice(&(size as u32).to_ne_bytes());
    let run = TestRunOptions {
        data_in: Some(frame),
        ctx_in: Some(&context),
        ..TestRunOptions::default()
    };
    let key = CounterKey::new(IFINDEX, Direction::Rx, Encapsulation::Vxlan, VNI);
    let counted = |kernel: &Kernel| {
        let count = kernel.counters().unwrap().get(&key).copied();
        let pending = kernel.exposure().unwrap().into_values();
        (
            count.unwrap_or_default(),
            pending.map(|row| row.bytes).sum::<u64>(),
        )
    };
    let (before, pending) = counted(kernel);
    kernel.test_run(Entry::Tc(Direction::Rx), run).unwrap();
    let (now, waits) = counted(kernel);
    let count = now.since(before);
    assert_eq!(waits - pending, if is_exposed { count.bytes } else { 0 });
    (count.packets, count.bytes)
}

/// One with a usual flow is weighed at fixed offsets. With an option in the outer header the same takes the walk, and has
/// the option in each of its packets.
#[test]
fn a_super_packet_weighs_the_same_at_fixed_offsets_and_in_the_walk() {
    const PAYLOAD: [u8; 1500] = [0x2e; 1500];
    let mut with_options = tcp(40_000, 443, &[]);
    with_options[12] = 0x80;
    with_options.extend([1; 12]);
    with_options.extend(PAYLOAD);
    let exposure = LoadOptions {
        exposure: true,
        ..LoadOptions::default()
    };
    let mut kernels = [load(&counting()), load(&exposure)];
    let mut kinds = 0;
    for (protocol, segment) in [
        (6, tcp(40_000, 443, &PAYLOAD)),
        (6, with_options),
        (17, udp(40_000, 443, &PAYLOAD)),
    ] {
        for inner in [
            ethernet(0x0800, &ipv4(protocol, &[], &segment)),
            ethernet(0x86dd, &ipv6(protocol, &segment)),
        ] {
            let one = vxlan(VNI, &inner);
            // A tunnel in user space: the datagrams are the segments.
            let two = [one.clone(), one.clone()].concat();
            for (inside, size) in [(&one, 500), (&one, 1_398), (&two, one.len())] {
                let datagram = udp(49_152, 4789, inside);
                let option = [&[17, 0, 1, 4, 0, 0, 0, 0], datagram.as_slice()].concat();
                let on_ipv4 = |options| ethernet(0x0800, &ipv4(17, options, &datagram));
                for (usual, walked, more) in [
                    (on_ipv4(&[]), on_ipv4(&[1; 4]), 4),
                    (
                        ethernet(0x86dd, &ipv6(17, &datagram)),
                        ethernet(0x86dd, &ipv6(60, &option)),
                        8,
                    ),
                ] {
                    for (kernel, is_exposed) in kernels.iter_mut().zip([false, true]) {
                        for segments in [0, 3] {
                            let (packets, bytes) =
                                weigh(kernel, is_exposed, &usual, segments, size);
                            assert!(packets > 1);
                            let walked = weigh(kernel, is_exposed, &walked, segments, size);
                            assert_eq!(walked, (packets, bytes + packets * more));
                            kinds += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(kinds, 3 * 2 * 3 * 2 * 2 * 2);
}

/// A guest's super-packet may not say how many packets it stands for: they follow from its payload.
#[test]
fn a_super_packet_without_a_number_of_segments_is_counted_by_its_payload() {
    const PIECE: usize = 500;
    let segment = tcp(40_000, 443, &[0x2e; 2250]);
    let frame = overlay(VNI, &ethernet(0x0800, &ipv4(6, &[], &segment)));
    let headers = frame.len() as u64 - 2250;
    for (segments, expected) in [(0, 5), (3, 3)] {
        let bytes = frame.len() as u64 + (expected - 1) * headers;
        let mut kernel = load(&counting());
        assert_eq!(
            weigh(&mut kernel, false, &frame, segments, PIECE),
            (expected, bytes)
        );
    }
}
