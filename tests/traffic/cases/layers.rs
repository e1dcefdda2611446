//! An overlay, or ESP, inside another encapsulation.

use serde_json::json;

use super::{Case, counts, is_readable_http};

#[test]
fn vxlan_in_vxlan_names_both_networks_and_what_is_readable_in_the_inner_one() {
    let case = Case::read("vxlan-in-vxlan", &[]);
    let layers = json!([
        {"encapsulation": "vxlan", "vni": 5_569_041},
        {"encapsulation": "vxlan", "vni": 4097},
    ]);
    for sample in &case.samples {
        assert_eq!(
            (&sample["vni"], &sample["layers"]),
            (&5_569_041.into(), &layers)
        );
        assert_eq!(
            (&sample["protocol"], &sample["exposure"]),
            (&"http".into(), &"plaintext".into())
        );
    }
    let request = &case.lines[0];
    let says = "192.168.77.1 > 192.168.77.2  vni 5569041 around vni 4097  10.0.1.7:40000 > 10.0.1.3:80 tcp  http  plaintext";
    assert!(
        request.contains(says) && request.contains("credentials: http_basic"),
        "{request}"
    );

    assert_eq!(case.flows().len(), 1);
    let flow = case.flow("vni", 5_569_041);
    assert_eq!(flow["layers"][1]["vni"], 4097);
    is_readable_http(flow);
    assert_eq!(counts(flow), [4, 308, 2, 177]);
    assert!(case.flow_lines[0].starts_with("vni 5569041 around vni 4097  10.0.1.7:40000"));
    // Either network is found.
    for vni in ["5569041", "4097"] {
        assert_eq!(Case::read("vxlan-in-vxlan", &["--vni", vni]).lines.len(), 2);
    }
}

#[test]
fn vxlan_in_gre_is_of_its_network() {
    let case = Case::read("vxlan-in-gre", &[]);
    let layers = json!([
        {"encapsulation": "gre", "vni": null},
        {"encapsulation": "vxlan", "vni": 4097},
    ]);
    assert_eq!(case.samples.len(), 2);
    for sample in &case.samples {
        assert_eq!((&sample["vni"], &sample["layers"]), (&4097.into(), &layers));
        assert_eq!(
            (&sample["encapsulation"], &sample["protocol"]),
            (&"vxlan".into(), &"http".into())
        );
        assert_eq!(sample["outer_src"], "172.16.0.1");
    }
    let says = "172.16.0.1 > 172.16.0.2  GRE around vni 4097  10.0.1.7:40000";
    assert!(case.lines[0].contains(says), "{}", case.lines[0]);
    assert_eq!(case.flows().len(), 1);
    let flow = case.flow("vni", 4097);
    assert_eq!(
        (&flow["protocol"], &flow["exposure"]),
        (&"http".into(), &"plaintext".into())
    );
    assert_eq!(counts(flow), [4, 308, 2, 177]);
    assert!(case.flow_lines[0].starts_with("GRE around vni 4097  10.0.1.7:40000"));
}

#[test]
fn esp_inside_vxlan_hides_all_but_the_leak() {
    let case = Case::read("esp-inside-vxlan-one-leak", &[]);
    assert_eq!((case.lines.len(), case.samples.len()), (13, 13));
    let (leak, hidden): (Vec<_>, Vec<_>) = case.samples.iter().partition(|at| at["dst_port"] == 53);
    assert_eq!((leak.len(), hidden.len()), (1, 12));
    assert_eq!(
        (&leak[0]["protocol"], &leak[0]["exposure"]),
        (&"dns".into(), &"plaintext".into())
    );
    for sample in hidden {
        assert_eq!(
            (&sample["vni"], &sample["transport"]),
            (&2.into(), &"esp".into())
        );
        assert_eq!(sample["protocol"], "ipsec");
        assert_ne!(sample["exposure"], "plaintext");
        assert!(sample["spi"].is_string() && sample["sequence"].is_u64());
    }
    let of = |text: &str| case.lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(
        (
            of("esp spi 0x"),
            of("  ipsec  encrypted"),
            of("  dns  plaintext")
        ),
        // The first packet of an association has a trailer by chance.
        (12, 11, 1)
    );
    assert_eq!(of("  vni 2  "), 13);

    assert_eq!(case.flows().len(), 2);
    let esp = case.flow("transport", "esp");
    assert_eq!(
        (&esp["vni"], &esp["exposure"]),
        (&2.into(), &"encrypted".into())
    );
    assert_eq!(counts(esp), [6, 1044, 6, 1044]);
    let leak = case.flow("protocol", "dns");
    assert_eq!(
        (&leak["vni"], &leak["exposure"]),
        (&2.into(), &"plaintext".into())
    );
    let associations = case.of_type("esp");
    assert_eq!(associations.len(), 2);
    for association in associations {
        assert_eq!(
            (&association["vni"], &association["packets"]),
            (&2.into(), &6.into())
        );
    }
}
