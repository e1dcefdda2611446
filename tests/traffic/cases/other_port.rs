//! VXLAN on a UDP port that is not configured for it.

use serde_json::json;

use super::{Case, counts, is_readable_http};

/// Lines, samples and flows have the network, and say which port it is on and what to give.
fn is_recognised(name: &str, port: u16, vni: u32) {
    let case = Case::read(name, &[]);
    let mark = format!("  (VXLAN by its header, on UDP port {port})");
    let network = format!("  vni {vni}  10.0.1.");
    // Those with a payload.
    assert_eq!((case.lines.len(), case.samples.len()), (2, 2));
    for (line, sample) in case.lines.iter().zip(&case.samples) {
        assert!(line.contains(&network) && line.ends_with(&mark), "{line}");
        assert_eq!(
            [
                &sample["encapsulation"],
                &sample["vni"],
                &sample["recognised_port"]
            ],
            [&json!("vxlan"), &json!(vni), &json!(port)]
        );
        assert_eq!(sample["spi"], json!(null));
    }
    is_readable_http(&case.samples[0]);

    assert_eq!(case.flows().len(), 1);
    let flow = case.flow("vni", vni);
    is_readable_http(flow);
    assert_eq!(flow["recognised_port"], port);
    assert_eq!(counts(flow), [4, 308, 2, 177]);
    assert!(case.of_type("esp").is_empty());
    assert!(
        case.flow_lines[0].ends_with(&mark),
        "{}",
        case.flow_lines[0]
    );

    let remedy = format!("give --vxlan-port {port},4789");
    let says = format!(
        "  VXLAN on UDP port {port}, recognised by its header: 6 packets; so that a running agent counts it, {remedy}"
    );
    assert!(
        case.messages.lines().any(|line| line == says),
        "{}",
        case.messages
    );
    assert!(case.flow_lines.contains(&says), "{:#?}", case.flow_lines);
    assert_eq!(
        case.summary()["recognised_ports"],
        json!([{"port": port, "packets": 6, "remedy": remedy}])
    );

    // What was given is no news, and the same otherwise.
    let given = Case::read(name, &["--vxlan-port", &port.to_string()]);
    assert_eq!(given.summary()["recognised_ports"], json!([]));
    assert_eq!(counts(given.flow("vni", vni)), counts(flow));
    assert_eq!(given.samples[0]["recognised_port"], json!(null));
    assert!(!given.messages.contains("recognised"), "{}", given.messages);
}

#[test]
fn vxlan_on_the_port_of_flannel_is_recognised() {
    is_recognised("vxlan-on-8472", 8472, 1);
}

#[test]
fn vxlan_on_the_port_of_esp_in_udp_is_no_esp() {
    is_recognised("vxlan-on-4500", 4500, 1000);
}
