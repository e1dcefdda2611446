//! The encrypted lab. Needs root and a kernel with ESP, so it runs where it is asked for by name:
//! `cargo test -p monitor-lab --test esp`, or in a virtual machine.

mod common;

use std::net::UdpSocket;

use common::{oracle, running, settled, watch};

#[test]
fn an_encrypted_overlay_carries_the_same_in_esp() {
    let lab = running(true);
    watch(lab.node2());
    let before = settled(lab.node2(), "eth0");
    assert_eq!(lab.http_get(1).unwrap()[0].status, 200);
    let wire = settled(lab.node2(), "eth0") - before;
    assert!(wire.rx_packets > 10, "{wire:?}");
    assert_eq!(oracle(lab.node2()), [0, wire.rx_packets]);
    // Docker's parameters, as the kernel took them.
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
    watch(lab.node1());
    let vxlan = &lab.overlays()[0].sandboxes()[0];
    let before = settled(vxlan, "vxlan0");
    // The accident: node2 has lost its rules and sends in cleartext.
    lab.node2()
        .run("nft", &["delete", "table", "inet", "overlay-lab"])
        .unwrap();
    let client = lab.container("app1-client").unwrap();
    let sender = client.enter(|| UdpSocket::bind("10.0.1.9:0")).unwrap();
    let sender = sender.unwrap();
    for _ in 0..3 {
        sender.send_to(b"injected", "10.0.1.7:5000").unwrap();
    }
    assert_eq!(settled(vxlan, "vxlan0"), before);
    assert_eq!(oracle(lab.node1()), [3, 0]);
}
