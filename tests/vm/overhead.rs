//! The bytes that ESP adds: what nftables counts of ESP on the wire, without the IP headers, less what the kernel's
//! security associations count inside.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use monitor_common::count::{Count, Total};
use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows};
use overlay_tests::associations::{carried, gcm, inside, ip, protect, send};
use overlay_tests::frame::vxlan;
use overlay_tests::process::wait_until;
use overlay_tests::wire::bound;

/// A network that the lab knows nothing of.
const VNI: u32 = 99;

/// A way of ESP between the nodes.
struct Way {
    name: &'static str,
    addresses: [&'static str; 2],
    crypto: String,
    spi: u32,
    /// Bytes of the IP header.
    ip_header: u64,
}

fn ways() -> [Way; 5] {
    let key = |bytes: usize| "5b".repeat(bytes);
    let cbc = format!(
        "enc cbc(aes) 0x{} auth-trunc hmac(sha256) 0x{} 128",
        key(16),
        key(32)
    );
    let way = |name, addresses, crypto, spi, ip_header| Way {
        name,
        addresses,
        crypto,
        spi,
        ip_header,
    };
    let v4 = |subnet| match subnet {
        78 => ["192.168.78.1", "192.168.78.2"],
        79 => ["192.168.79.1", "192.168.79.2"],
        _ => ["192.168.80.1", "192.168.80.2"],
    };
    let docker = format!("aead rfc4106(gcm(aes)) 0x{} 64", key(20));
    let in_udp = format!("{cbc} encap espinudp 4500 4500 0.0.0.0");
    [
        way("as Docker makes it", v4(78), docker, 0x5000, 20),
        way("CBC with HMAC", v4(79), cbc.clone(), 0x6000, 20),
        way("CBC with HMAC in UDP", v4(80), in_udp, 0x7000, 20),
        way(
            "GCM over IPv6",
            ["fd00:77::1", "fd00:77::2"],
            gcm(),
            0x8000,
            40,
        ),
        way(
            "CBC with HMAC over IPv6",
            ["fd00:78::1", "fd00:78::2"],
            cbc,
            0x9000,
            40,
        ),
    ]
}

/// Lengths of the frames in VXLAN: all residues of a block of 16, and up to what just fits into the wire's MTU.
fn lengths() -> impl Iterator<Item = usize> + Clone {
    (0..=64).chain(499..=516).chain(1300..=1316)
}

/// Counts what is ESP, on IP or in UDP, both ways.
const TABLE: &str = "table inet oracle {
    counter rx { }
    counter tx { }
    chain in {
        type filter hook prerouting priority -500;
        meta l4proto esp counter name rx
        udp dport 4500 counter name rx
    }
    chain out {
        type filter hook postrouting priority 500;
        meta l4proto esp counter name tx
        udp dport 4500 counter name tx
    }
}";

/// Packets and bytes from the IP header on that nftables has counted.
fn counted(host: &Host, counter: &str) -> Count {
    let listed = host.run("nft", &["-j", "list", "counter", "inet", "oracle", counter]);
    let listed: serde_json::Value = serde_json::from_str(&listed.unwrap()).unwrap();
    let objects = listed["nftables"].as_array().unwrap();
    let found = objects.iter().find_map(|object| object.get("counter"));
    let number = |name: &str| found.unwrap()[name].as_u64().unwrap();
    Count {
        packets: number("packets"),
        bytes: number("bytes"),
    }
}

/// What the agent says ESP has added to the packets of [`VNI`].
fn added(page: &str, direction: &str) -> u64 {
    let labels = format!(r#"direction="{direction}",vni="{VNI}""#);
    let rows = rows(page, "overlay_esp_overhead_bytes_total");
    let mine = rows.into_iter().filter(|(found, _)| *found == labels);
    mine.map(|(_, bytes)| bytes).sum()
}

/// A socket that hands ESP in UDP to IPsec.
fn decapsulator(host: &Host, address: &str) -> UdpSocket {
    let socket = bound(host, (address, 4500));
    // `UDP_ENCAP`, `UDP_ENCAP_ESPINUDP` (include/uapi/linux/udp.h).
    let kind: libc::c_int = 2;
    // SAFETY: the option is a number that lives until the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_UDP,
            100,
            (&raw const kind).cast(),
            size_of_val(&kind) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
    socket
}

#[test]
fn the_bytes_that_esp_adds_are_those_of_the_wire() {
    let lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    let node = lab.node1();
    let mut agent = Agent::start(node, &[]);
    node.run("nft", &[TABLE]).unwrap();
    let mut sockets = Vec::new();
    for way in ways() {
        for (host, address) in [lab.node1(), lab.node2()].into_iter().zip(way.addresses) {
            if way.ip_header == 40 {
                host.run("sysctl", &["-qw", "net.ipv6.conf.eth0.disable_ipv6=0"])
                    .unwrap();
                ip(host, &format!("addr add {address}/64 dev eth0 nodad"));
            } else {
                ip(host, &format!("addr add {address}/24 dev eth0"));
            }
            if way.crypto.contains("espinudp") {
                sockets.push(decapsulator(host, address));
            }
        }
        protect(&lab, way.addresses, way.spi, &way.crypto);
        let before = agent.metrics();
        let wire = ["rx", "tx"].map(|counter| counted(node, counter));
        let datagrams: Vec<Vec<u8>> = lengths().map(|len| vxlan(VNI, &vec![0x2e; len])).collect();
        // More one way than the other, so that they cannot be confused.
        send(lab.node1(), way.addresses, &datagrams);
        let [here, there] = way.addresses;
        send(lab.node2(), [there, here], &datagrams[40..]);
        let sent = [datagrams.len() - 40, datagrams.len()];
        let states = || [there, here].map(|from| carried(node, from, "transport"));
        wait_until("all were carried", || {
            states().map(|count| count.packets) == sent.map(|packets| packets as u64)
        });
        let after = agent.metrics();
        for (index, direction) in ["rx", "tx"].into_iter().enumerate() {
            let wire = counted(node, direction).since(wire[index]);
            let state = states()[index];
            assert_eq!(wire.packets, state.packets, "{}: {direction}", way.name);
            let of = |page: &str| inside(page, direction).get(&VNI.to_string()).copied();
            let in_esp = of(&after).unwrap().since(of(&before).unwrap_or_default());
            assert_eq!(in_esp, state, "{}: {direction}", way.name);
            let on_the_wire = wire.bytes - wire.packets * way.ip_header - state.bytes;
            let said = added(&after, direction) - added(&before, direction);
            assert_eq!(said, on_the_wire, "{}: {direction}", way.name);
            // 8 + 8 + 8 + 2 bytes of Docker's least.
            assert!(said >= 26 * wire.packets, "{}: {direction}", way.name);
        }
    }
    agent.monitor.stop();
}
