//! Interfaces without an Ethernet header: packets begin with IP, and count with the bytes they have.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsRawFd;

use monitor_lab::{Host, Lab};
use overlay_tests::agent::{Agent, rows};
use overlay_tests::frame::{VNI, ipv4, ipv6, redis_command, udp, vxlan};
use overlay_tests::process::wait_until;
use overlay_tests::wire::bound;

/// Packets of each kind.
const PACKETS: u64 = 50;

/// A device `tun0` of IP packets; what is written to the file it receives.
fn tun(host: &Host) -> File {
    let open = || {
        let file = File::options()
            .read(true)
            .write(true)
            .open("/dev/net/tun")?;
        // SAFETY: all zeroes is a valid ifreq.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().zip(b"tun0") {
            *to = from.cast_signed() as libc::c_char;
        }
        request.ifr_ifru.ifru_flags = (libc::IFF_TUN | libc::IFF_NO_PI) as libc::c_short;
        // SAFETY: TUNSETIFF takes an ifreq, which lives until it returns.
        if unsafe { libc::ioctl(file.as_raw_fd(), libc::TUNSETIFF as _, &raw mut request) } < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(file)
    };
    let file = host.enter(open).unwrap().expect("a tun device");
    for line in [
        "addr add 172.21.0.1/24 dev tun0",
        "link set tun0 up txqueuelen 1000",
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        host.run("ip", &words).unwrap();
    }
    file
}

#[test]
fn packets_of_a_raw_ip_device_are_counted() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    let mut tun = tun(node);
    let agent = Agent::start_on(node, "tun0", &[]);
    let datagram = udp(49_152, 4789, &vxlan(VNI, &redis_command()));
    let received = [
        ipv4(17, &[], &datagram),
        ipv4(17, &[1; 8], &datagram),
        ipv6(17, &datagram),
    ];
    let mut bytes = 0;
    for packet in &received {
        for _ in 0..PACKETS {
            tun.write_all(packet).unwrap();
        }
        bytes += PACKETS * packet.len() as u64;
    }
    let all = PACKETS * received.len() as u64;
    wait_until("all received are counted", || agent.vni(VNI, "rx").0 >= all);
    assert_eq!(agent.vni(VNI, "rx"), (all, bytes));

    let socket = bound(node, "172.21.0.1:50000");
    let payload = vxlan(VNI, &redis_command());
    for _ in 0..PACKETS {
        socket.send_to(&payload, "172.21.0.2:4789").unwrap();
    }
    let packet = 20 + 8 + payload.len() as u64;
    wait_until("all sent are counted", || agent.vni(VNI, "tx").0 >= PACKETS);
    assert_eq!(agent.vni(VNI, "tx"), (PACKETS, PACKETS * packet));
    // The device's other packets are IP too.
    let unparsed = rows(&agent.metrics(), "overlay_unparsed_packets_total");
    assert_eq!(unparsed, []);
    // What is inside was understood as well: the agent says what can be read.
    wait_until("the agent says what can be read", || {
        let log = agent.monitor.err();
        log.contains("redis is readable in plaintext")
    });
}
