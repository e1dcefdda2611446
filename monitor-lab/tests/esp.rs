//! The lab with encryption. Needs root and a kernel with ESP, so it runs only by name,
//! `cargo test -p monitor-lab --test esp`, or in a virtual machine.

mod common;

use std::net::UdpSocket;

use common::{attach_oracle, idle_counters, oracle_counts, running};

#[test]
fn an_encrypted_overlay_carries_the_same_in_esp() {
    let lab = running(true);
    attach_oracle(lab.node2());
    let before = idle_counters(lab.node2(), "eth0");
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    let wire = idle_counters(lab.node2(), "eth0") - before;
    assert!(wire.rx_packets > 10, "{wire:?}");
    assert_eq!(oracle_counts(lab.node2()), [0, wire.rx_packets]);
    // Docker's parameters, as the kernel lists them.
    let states = lab.node1().run("ip", &["xfrm", "state"]).unwrap();
    assert_eq!(
        states.matches("aead rfc4106(gcm(aes))").count(),
        4,
        "{states}"
    );
    assert_eq!(states.matches("reqid 13681891").count(), 4, "{states}");
    assert!(!states.contains("flag esn"), "{states}");
}

#[test]
fn cleartext_of_an_encrypted_network_is_refused() {
    let lab = running(true);
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    attach_oracle(lab.node1());
    let vxlan = &lab.overlays()[0].sandboxes()[0];
    let before = idle_counters(vxlan, "vxlan0");
    // node2 loses its firewall rules, so it sends in cleartext.
    lab.node2()
        .run("nft", &["delete", "table", "inet", "overlay-lab"])
        .unwrap();
    let client = lab.container("app1-client").unwrap();
    let sender = client.enter(|| UdpSocket::bind("10.0.1.9:0")).unwrap();
    let sender = sender.unwrap();
    for _ in 0..3 {
        sender.send_to(b"injected", "10.0.1.7:5000").unwrap();
    }
    assert_eq!(idle_counters(vxlan, "vxlan0"), before);
    assert_eq!(oracle_counts(lab.node1()), [3, 0]);
}
