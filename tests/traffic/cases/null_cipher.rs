//! ESP that encrypts nothing.

use super::{Case, counts, is_readable_http};

/// Lines, samples, flows and associations show the request that ESP carries in the clear.
fn is_readable(case: &Case) {
    assert_eq!((case.lines.len(), case.samples.len()), (6, 6));
    for (line, sample) in case.lines.iter().zip(&case.samples) {
        assert_ne!(sample["exposure"], "encrypted", "{sample}");
        assert!(
            !line.contains("encrypted") || line.contains("not encrypted"),
            "{line}"
        );
        assert!(!line.contains("nothing to read"), "{line}");
        assert!(line.contains("  ESP spi 0x"), "{line}");
        assert_eq!(sample["encapsulation"], "esp");
    }
    let (line, request) = (&case.lines[3], &case.samples[3]);
    assert!(line.contains("  http  plaintext  GET "), "{line}");
    assert!(line.contains("http_basic"), "{line}");
    is_readable_http(request);

    assert_eq!(case.flows().len(), 1);
    let flow = case.flow("transport", "esp");
    is_readable_http(flow);
    assert_eq!(counts(flow)[0] + counts(flow)[2], 6);
    assert!(
        case.flow_lines[0].contains("  http  plaintext"),
        "{}",
        case.flow_lines[0]
    );
    let associations = case.of_type("esp");
    assert_eq!(associations.len(), 2);
    for association in associations {
        assert_eq!(association["exposure"], "plaintext", "{association}");
    }
    let summary = case.summary();
    assert_eq!(summary["encrypted"]["packets"], 0, "{summary}");
    assert_eq!(summary["plaintext"]["packets"], 6, "{summary}");
}

#[test]
fn transport_mode_around_tcp() {
    is_readable(&Case::read("esp-null-transport-tcp-http", &[]));
    // Neither is it called encrypted by a filter.
    let encrypted = Case::read("esp-null-transport-tcp-http", &["--exposure", "encrypted"]);
    assert_eq!((encrypted.lines.len(), encrypted.flows().len()), (0, 0));
    assert!(encrypted.of_type("esp").is_empty());
}

#[test]
fn transport_mode_around_vxlan_on_a_port_that_is_not_configured() {
    is_readable(&Case::read("esp-null-vxlan-8472-http", &[]));
}

#[test]
fn transport_mode_around_vxlan_is_of_its_network() {
    let case = Case::read("esp-null-vxlan-8472-http", &["--vxlan-port", "8472"]);
    // Those with a payload.
    assert_eq!(case.samples.len(), 2);
    for sample in &case.samples {
        assert_eq!(
            (&sample["encapsulation"], &sample["vni"]),
            (&"esp_null".into(), &1.into())
        );
        assert_ne!(sample["exposure"], "encrypted");
    }
    let flow = case.flow("vni", 1);
    assert_eq!(
        (&flow["protocol"], &flow["exposure"]),
        (&"http".into(), &"plaintext".into())
    );
    assert_eq!(counts(flow), [4, 308, 2, 177]);
}
