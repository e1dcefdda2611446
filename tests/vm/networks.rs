//! ESP by network: the sum over networks is what the kernel's security associations have counted, and what
//! was on the wire, to the packet and the byte.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::AsRawFd;

use monitor_common::count::{Count, Total};
use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::associations::{
    both_ways, carried, gcm, inside, ip, on_the_wire, protect, send, sum, until_silent,
};
use overlay_tests::frame::{redis_command, vxlan};
use overlay_tests::process::{PATIENCE, wait_until};
use overlay_tests::wire::{Pair, bound};

/// VNIs of the lab's networks.
const NETWORKS: [u32; 2] = [4096, 4097];
/// A network of the second traffic, which the lab knows nothing of.
const VNI: u32 = 99;
/// Datagrams of each traffic.
const PACKETS: u64 = 30;

/// Two encrypted networks, whose nodes share one pair of security associations.
fn lab() -> Lab {
    Lab::builder()
        .encrypted(true)
        .overlay("app2-network", NETWORKS[1], true)
        .quiet(true)
        .build()
        .unwrap()
}

/// Starts the agent, which must be able to attribute.
fn start(node: &Host) -> Agent<'_> {
    start_with(node, &[])
}

fn start_with<'a>(node: &'a Host, arguments: &[&str]) -> Agent<'a> {
    let agent = Agent::start(node, arguments);
    let exact = value(&agent.metrics(), "overlay_esp_attribution");
    assert_eq!(exact, 1, "{}", agent.monitor.err());
    agent
}

/// Insists that the sum over networks is what the associations have carried since, and what was on the wire, and that
/// each packet's network is known.
fn assert_exact(agent: &Agent, lab: &Lab, before: [Count; 2]) -> [Count; 2] {
    let sums = assert_sums(agent, lab, before);
    let page = agent.metrics();
    for direction in ["rx", "tx"] {
        let networks = inside(&page, direction);
        assert!(!networks.contains_key("other"), "{networks:?}");
    }
    sums
}

/// As [`assert_exact`], but some packets may be of no known network.
fn assert_sums(agent: &Agent, lab: &Lab, before: [Count; 2]) -> [Count; 2] {
    until_silent(lab.node1());
    let page = agent.metrics();
    let now = both_ways(lab.node1(), lab.node2());
    for (index, direction) in ["rx", "tx"].into_iter().enumerate() {
        let networks = inside(&page, direction);
        let states = now[index].since(before[index]);
        assert_eq!(sum(&networks), states, "{direction}: {networks:?}");
        assert_eq!(on_the_wire(&page, direction), states.packets, "{direction}");
        // Ethernet and IPv4 headers; none of these packets goes in fragments.
        let headers = (14 + 20) * states.packets;
        let bytes = |metric: &str| of_direction(&page, metric, direction);
        assert_eq!(
            bytes("overlay_esp_bytes_total") - headers - states.bytes,
            bytes("overlay_esp_overhead_bytes_total"),
            "{direction}"
        );
    }
    [now[0].since(before[0]), now[1].since(before[1])]
}

/// The sum of a metric over a direction.
fn of_direction(page: &str, metric: &str, direction: &str) -> u64 {
    let label = format!(r#"direction="{direction}""#);
    let rows = rows(page, metric).into_iter();
    let mine = rows.filter(|(labels, _)| labels.split(',').any(|found| found == label));
    mine.map(|(_, value)| value).sum()
}

#[test]
fn two_networks_under_one_pair_of_associations_are_distinguished() {
    let lab = lab();
    let node = lab.node1();
    let before = both_ways(node, lab.node2());
    let mut agent = start_with(node, &["--forget-after", "10s"]);
    let entries = || agent.metric(r#"overlay_map_entries{map="esp_networks"}"#);
    let at_first = entries();
    let container = |name: &str| lab.container(name).unwrap();
    let pairs = [
        Pair::new(container(WEB), container(CLIENT), 5000),
        Pair::new(
            container("app2-network.1"),
            container("app2-network.2"),
            5000,
        ),
    ];
    // To and fro, different numbers, lengths from nothing to what just fits.
    for (pair, sizes) in pairs.iter().zip([[40, 70], [90, 20]]) {
        for (from, packets) in sizes.into_iter().enumerate() {
            pair.send(from, (0..packets).map(|n| n * 1396 / packets));
        }
    }
    assert_exact(&agent, &lab, before);
    let page = agent.metrics();
    for (direction, packets) in [("rx", [70, 20]), ("tx", [40, 90])] {
        let networks = inside(&page, direction);
        let found: Vec<_> = networks
            .iter()
            .map(|(vni, count)| (vni.as_str(), count.packets))
            .collect();
        assert_eq!(found, [("4096", packets[0]), ("4097", packets[1])]);
    }
    assert!(entries() > at_first);
    wait_until("rows of networks that nothing describes leave", || {
        entries() == at_first
    });
    let after = agent.metrics();
    for direction in ["rx", "tx"] {
        assert_eq!(
            sum(&inside(&after, direction)),
            sum(&inside(&page, direction))
        );
    }
    agent.monitor.stop();
}

#[test]
fn segments_count_as_the_packets_that_they_are() {
    let lab = lab();
    let node = lab.node1();
    let (web, client) = (lab.container(WEB).unwrap(), lab.container(CLIENT).unwrap());
    for (host, device) in [
        (web, "eth0"),
        (&lab.overlays()[0].sandboxes()[0], "vxlan0"),
        (&lab.overlays()[0].sandboxes()[0], "br0"),
    ] {
        let on = [
            "-K", device, "tx", "on", "sg", "on", "gso", "on", "tso", "on",
        ];
        host.run("ethtool", &on).unwrap();
    }
    let before = both_ways(node, lab.node2());
    let mut agent = start(node);

    const STREAM: usize = 1 << 20;
    let listener = client
        .enter(|| TcpListener::bind((client.address(), 7000)))
        .unwrap()
        .unwrap();
    let frames = web.device_stats("eth0").unwrap();
    let mut stream = web
        .enter(|| TcpStream::connect((client.address(), 7000)))
        .unwrap()
        .unwrap();
    let writer = std::thread::spawn(move || stream.write_all(&vec![0x2e; STREAM]).unwrap());
    let mut got = Vec::new();
    listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
    writer.join().unwrap();
    assert_eq!(got.len(), STREAM);
    let [_, sent] = assert_exact(&agent, &lab, before);
    let frames = (web.device_stats("eth0").unwrap() - frames).tx_packets;
    // Frames are also those without payload.
    assert!(
        2 * sent.packets > 3 * frames,
        "{} packets in ESP of {frames} frames: these were no super-packets",
        sent.packets
    );

    // A datagram cut into 16 by the kernel (`UDP_SEGMENT`, include/uapi/linux/udp.h).
    const UDP_SEGMENT: libc::c_int = 103;
    let socket = bound(web, (web.address(), 7001));
    set(&socket, libc::SOL_UDP, UDP_SEGMENT, 1000);
    let sink = bound(client, (client.address(), 7001));
    sink.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
        .send_to(&[0x2e; 16_000], (client.address(), 7001))
        .unwrap();
    let mut buffer = [0; 2048];
    for _ in 0..16 {
        assert_eq!(sink.recv(&mut buffer).unwrap(), 1000);
    }
    let [_, now] = assert_exact(&agent, &lab, before);
    assert_eq!(now.since(sent).packets, 16);
    agent.monitor.stop();
}

/// Sets an option of a socket that is a number.
fn set(socket: &UdpSocket, level: libc::c_int, option: libc::c_int, value: libc::c_int) {
    // SAFETY: the option is a number that lives until the call returns.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    assert_eq!(set, 0, "{}", std::io::Error::last_os_error());
}

#[test]
fn headers_that_begin_in_a_page_are_not_left_out() {
    let lab = lab();
    let node = lab.node1();
    let before = both_ways(node, lab.node2());
    let mut agent = start(node);
    // A tunnel in user space, whose datagrams the kernel leaves where they are (MSG_ZEROCOPY); a checksum would have
    // them copied (`skb_checksum_help`).
    let socket = bound(node, (node.address(), 50_000));
    set(&socket, libc::SOL_SOCKET, libc::SO_NO_CHECK, 1);
    set(&socket, libc::SOL_SOCKET, libc::SO_ZEROCOPY, 1);
    socket.connect((lab.node2().address(), 4789)).unwrap();
    let datagram = vxlan(NETWORKS[0], &redis_command());
    for _ in 0..PACKETS {
        // SAFETY: the datagram lives until the sockets are closed.
        let sent = unsafe {
            libc::send(
                socket.as_raw_fd(),
                datagram.as_ptr().cast(),
                datagram.len(),
                libc::MSG_ZEROCOPY,
            )
        };
        assert_eq!(
            usize::try_from(sent).ok(),
            Some(datagram.len()),
            "{}",
            std::io::Error::last_os_error()
        );
    }
    // Their network is read or, where the kernel does not let us, they are "other": never nothing.
    let [_, sent] = assert_sums(&agent, &lab, before);
    assert_eq!(sent.packets, PACKETS);
    agent.monitor.stop();
}

/// Packets and bytes that the agent has counted inside ESP, in each direction, of [`VNI`].
fn of_the_second(agent: &Agent) -> [Count; 2] {
    let page = agent.metrics();
    ["rx", "tx"].map(|direction| {
        inside(&page, direction)
            .get(&VNI.to_string())
            .copied()
            .unwrap_or_default()
    })
}

/// Sends [`PACKETS`] datagrams of VXLAN each way between these addresses, of which `arrive` must arrive in the
/// associations of both nodes; what these have carried on node1.
fn exchange(lab: &Lab, addresses: [&str; 2]) -> [Count; 2] {
    let datagrams = vec![vxlan(VNI, &redis_command()); PACKETS as usize];
    send(lab.node1(), addresses, &datagrams);
    send(lab.node2(), [addresses[1], addresses[0]], &datagrams);
    let node = lab.node1();
    let both = || [addresses[1], addresses[0]].map(|from| carried(node, from, "transport"));
    wait_until("all were carried", || {
        both().iter().all(|count| count.packets == PACKETS)
    });
    until_silent(node);
    both()
}

#[test]
fn other_ways_of_esp_count_as_well() {
    let lab = lab();
    let node = lab.node1();
    let mut agent = start(node);

    // IPv6.
    let addresses = ["fd00:77::1", "fd00:77::2"];
    for (index, host) in [lab.node1(), lab.node2()].into_iter().enumerate() {
        host.run("sysctl", &["-qw", "net.ipv6.conf.eth0.disable_ipv6=0"])
            .unwrap();
        ip(
            host,
            &format!("addr add {}/64 dev eth0 nodad", addresses[index]),
        );
    }
    protect(&lab, addresses, 0x6000, &gcm());
    let mut expected = exchange(&lab, addresses);
    assert_eq!(of_the_second(&agent), expected, "IPv6");

    // In UDP (RFC 3948), which takes a socket that hands it to IPsec.
    let addresses = ["192.168.78.1", "192.168.78.2"];
    let mut sockets = Vec::new();
    for (index, host) in [lab.node1(), lab.node2()].into_iter().enumerate() {
        ip(host, &format!("addr add {}/24 dev eth0", addresses[index]));
        let socket = bound(host, (addresses[index], 4500));
        // `UDP_ENCAP`, `UDP_ENCAP_ESPINUDP` (include/uapi/linux/udp.h).
        set(&socket, libc::SOL_UDP, 100, 2);
        sockets.push(socket);
    }
    let encap = format!("{} encap espinudp 4500 4500 0.0.0.0", gcm());
    protect(&lab, addresses, 0x7000, &encap);
    add(&mut expected, exchange(&lab, addresses));
    assert_eq!(of_the_second(&agent), expected, "in UDP");

    // Whose packets are too large for the wire: one in the associations, three on the wire.
    let before = on_the_wire(&agent.metrics(), "tx");
    let addresses = second_address(&lab, 79);
    protect(&lab, addresses, 0x8000, &gcm());
    let datagram = vxlan(VNI, &[0x2e; 3000]);
    send(node, addresses, &[datagram]);
    wait_until("it arrived", || {
        carried(lab.node2(), addresses[0], "transport").packets == 1
    });
    let one = carried(node, addresses[0], "transport");
    add(&mut expected, [Count::default(), one]);
    assert_eq!(of_the_second(&agent), expected, "in fragments");
    let page = agent.metrics();
    assert_eq!(on_the_wire(&page, "tx") - before, 3);
    let later = rows(&page, "overlay_esp_later_fragments_total");
    let later: Vec<_> = later.iter().filter(|(_, packets)| *packets != 0).collect();
    let labels = r#"interface="eth0",direction="tx",peer="192.168.79.2""#;
    assert_eq!(later, [&(labels.to_owned(), 2)], "the others are whole");
    agent.monitor.stop();
}

#[test]
fn what_hides_nothing_or_never_left_does_not_count() {
    let lab = lab();
    let node = lab.node1();
    let mut agent = start(node);

    // NULL ciphers: authenticated, and readable. It is cleartext of its network, and no ESP.
    let wire = on_the_wire(&agent.metrics(), "tx");
    for (index, null) in nulls().into_iter().enumerate() {
        let index = u8::try_from(index).unwrap();
        let addresses = [1, 2].map(|host| format!("192.168.{}.{host}", 80 + index));
        let addresses = [addresses[0].as_str(), addresses[1].as_str()];
        for (host, address) in [lab.node1(), lab.node2()].into_iter().zip(addresses) {
            ip(host, &format!("addr add {address}/24 dev eth0"));
        }
        protect(&lab, addresses, 0x6000 + 16 * u32::from(index), &null);
        exchange(&lab, addresses);
        let page = agent.metrics();
        for direction in ["rx", "tx"] {
            let labels = format!(
                r#"{{interface="eth0",direction="{direction}",encapsulation="esp_null",vni="{VNI}"}}"#
            );
            let counted = value(&page, &format!("overlay_packets_total{labels}"));
            assert_eq!(
                counted,
                PACKETS * (u64::from(index) + 1),
                "{direction}: {null}"
            );
        }
    }
    assert_eq!(of_the_second(&agent), [Count::default(); 2], "NULL");
    assert_eq!(on_the_wire(&agent.metrics(), "tx"), wire);

    // A state that may carry ten packets: the others are errors, and on no wire.
    let addresses = second_address(&lab, 79);
    let limited = format!("{} limit packet-hard 10", gcm());
    protect(&lab, addresses, 0x7000, &limited);
    let wire = on_the_wire(&agent.metrics(), "tx");
    let datagrams = vec![vxlan(VNI, &redis_command()); PACKETS as usize];
    let socket = bound(node, (addresses[0], 50_000));
    for datagram in &datagrams {
        // The kernel says so to some of them.
        let _ = socket.send_to(datagram, (addresses[1], 4789));
    }
    until_silent(node);
    let sent = of_the_second(&agent)[1].packets;
    assert_eq!(sent, on_the_wire(&agent.metrics(), "tx") - wire);
    assert!((1..PACKETS).contains(&sent), "{sent}");
    // The kernel's own reasons distinguish them.
    let page = agent.metrics();
    let said: u64 = rows(&page, "overlay_xfrm_errors_total")
        .iter()
        .map(|(_, packets)| packets)
        .sum();
    let kernel = node.run("cat", &["/proc/net/xfrm_stat"]).unwrap();
    let kernel = kernel
        .lines()
        .map(|line| line.split_whitespace().last().unwrap())
        .map(|packets| packets.parse::<u64>().unwrap());
    assert_eq!(said, kernel.sum::<u64>());
    assert!(said >= PACKETS - sent, "{said} errors, {sent} sent");
    agent.monitor.stop();
}

/// ESP that hides nothing, with check values of several lengths.
fn nulls() -> [String; 4] {
    let null = |hash: &str, key: usize, bits: u32| {
        let key = "5b".repeat(key);
        format!("enc cipher_null '' auth-trunc hmac({hash}) 0x{key} {bits}")
    };
    [
        null("sha1", 20, 96),
        null("sha256", 32, 128),
        null("sha512", 64, 256),
        // GMAC, which has an initialisation vector (RFC 4543).
        format!("aead rfc4543(gcm(aes)) 0x{} 128", "5b".repeat(20)),
    ]
}

/// Gives the nodes addresses in another subnet.
fn second_address(lab: &Lab, subnet: u8) -> [&'static str; 2] {
    let addresses = match subnet {
        78 => ["192.168.78.1", "192.168.78.2"],
        _ => ["192.168.79.1", "192.168.79.2"],
    };
    for (host, address) in [lab.node1(), lab.node2()].into_iter().zip(addresses) {
        ip(host, &format!("addr add {address}/24 dev eth0"));
    }
    addresses
}

fn add(total: &mut [Count; 2], more: [Count; 2]) {
    for (total, more) in total.iter_mut().zip(more) {
        total.add(more);
    }
}
