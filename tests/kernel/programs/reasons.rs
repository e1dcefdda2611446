//! Packets that are not understood, by reason.

use super::*;

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
    // A label, and behind it the packet that it hides.
    let labelled = [&[0, 1, 1, 64][..], &good[14..]].concat();
    for ethertype in [0x8847, 0x8848] {
        assert_reason(counting, &ethernet(ethertype, &labelled), Reason::Mpls);
    }
    let tagged_label = tagged(0x8100, 1, &ethernet(0x8847, &labelled));
    assert_reason(counting, &tagged_label, Reason::Mpls);
    let session = [&[0x11, 0, 0, 1, 0, 60, 0, 0x21][..], &good[14..]].concat();
    assert_reason(counting, &ethernet(0x8864, &session), Reason::Pppoe);
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
