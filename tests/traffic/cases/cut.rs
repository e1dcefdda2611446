//! Packets whose headers are cut off, or hidden.

use super::Case;

#[test]
fn a_short_snap_length_leaves_network_ends_and_lengths() {
    let case = Case::read("vxlan-snap-96", &[]);
    assert_eq!(case.lines.len(), 6);
    assert_eq!(case.samples.len(), 6);
    for (line, sample) in case.lines.iter().zip(&case.samples) {
        let length = sample["length"].as_u64().unwrap();
        let cut = format!("  cut by the snap length (96 of {length} bytes)");
        assert!(
            line.ends_with(&cut) && line.contains("vni 4097  10.0.1."),
            "{line}"
        );
        assert_eq!(sample["vni"], 4097);
        assert_eq!(sample["reason"], "snap_length");
        assert_eq!(sample["captured"], 96);
        assert_eq!(sample["exposure"], "unknown");
        let ports = [&sample["src_port"], &sample["dst_port"]];
        assert!(ports.iter().any(|port| **port == 80), "{sample}");
    }
    assert!(case.flows().is_empty());
    let frames = case.of_type("frames");
    assert_eq!(frames.len(), 1);
    assert_eq!(
        (&frames[0]["vni"], &frames[0]["reason"]),
        (&4097.into(), &"snap_length".into())
    );
    // 50 bytes of each packet are the overlay's.
    let wire = case.summary()["bytes"].as_u64().unwrap();
    assert_eq!(frames[0]["packets"], 6);
    assert_eq!(frames[0]["bytes"], wire - 6 * 50);
    assert_eq!(case.summary()["unparsed"]["snap_length"], 6);
    assert_eq!(
        case.flow_lines[0],
        "vni 4097  cut by the snap length  6 packets 485 bytes"
    );
}

#[test]
fn what_is_behind_an_mpls_label_is_counted_by_its_reason() {
    let case = Case::read("vxlan-in-mpls", &[]);
    assert_eq!((case.lines.len(), case.samples.len()), (6, 6));
    for (line, sample) in case.lines.iter().zip(&case.samples) {
        assert!(line.contains("not understood: mpls"), "{line}");
        assert_eq!(sample["reason"], "mpls");
    }
    assert!(case.flows().is_empty());
    assert_eq!(case.summary()["unparsed"]["mpls"], 6);
    let last = case.flow_lines.last().unwrap();
    assert_eq!(last, "  not understood: mpls: 6 packets");
}
