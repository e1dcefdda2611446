//! ESP by association, and with the NULL cipher.

use super::*;

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
