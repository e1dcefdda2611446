//! Frames on the wire of a known number of datagrams, beside what the formula says; and the MTU, found by sending.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor::base::tunnel_size::udp_packets;
use monitor_lab::{DeviceStats, Host, WIRE_MTU};
use serde::Serialize;

use super::stage::Stage;
use super::streams::udp_pair;
use super::way::Way;

/// Datagrams of each size.
const DATAGRAMS: u32 = 8;
/// Sizes of payload. Twenty in a row, so that every padding to 16 bytes occurs.
fn payloads() -> impl Iterator<Item = u32> {
    [64, 512, 1400].into_iter().chain(101..=120)
}
/// Longest wait for the counters of the wire to come to rest.
const PATIENCE: Duration = Duration::from_secs(20);
/// The counters rest when they have not changed for this long.
const REST: Duration = Duration::from_millis(20);
/// What is added to the MTU of a container's devices while the real limit is looked for.
const ROOM: u32 = 100;

/// A size, as measured and as computed.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Size {
    /// Bytes of UDP payload.
    pub(super) payload: u32,
    /// Frames on the wire for one datagram.
    pub(super) frames: f64,
    /// Bytes on the wire for one datagram, from the Ethernet header on.
    pub(super) bytes: f64,
    /// Frames by the formula.
    pub(super) formula_frames: u32,
    /// Bytes by the formula.
    pub(super) formula_bytes: u32,
}

impl Size {
    /// Whether the wire had what the formula says.
    pub(super) fn agrees(&self) -> bool {
        self.frames == f64::from(self.formula_frames) && self.bytes == f64::from(self.formula_bytes)
    }
}

/// Measures all sizes.
pub(super) fn measure(stage: &Stage) -> anyhow::Result<Vec<Size>> {
    let (carrier, mtu) = (stage.way.carrier(), stage.way.carrier().mtu(WIRE_MTU));
    payloads()
        .map(|payload| {
            let wire = send(stage, payload)?;
            let packets = udp_packets(payload, mtu);
            Ok(Size {
                payload,
                frames: wire.tx_packets as f64 / f64::from(DATAGRAMS),
                bytes: wire.tx_bytes as f64 / f64::from(DATAGRAMS),
                formula_frames: u32::try_from(packets.len())?,
                formula_bytes: packets.iter().map(|packet| carrier.frame(*packet)).sum(),
            })
        })
        .collect()
}

/// Frames on the wire for the largest packet that fits, and for one byte more. The devices of the container are given a
/// larger MTU meanwhile, so that the limit is the wire's.
pub(super) fn frames_around_the_mtu(stage: &Stage) -> anyhow::Result<[f64; 2]> {
    /// IPv4 and UDP header.
    const HEADERS: u32 = 28;
    let mtu = stage.way.carrier().mtu(WIRE_MTU);
    set_mtu(stage, mtu + ROOM)?;
    let frames = [mtu, mtu + 1].map(|packet| {
        let wire = send(stage, packet - HEADERS)?;
        Ok(wire.tx_packets as f64 / f64::from(DATAGRAMS))
    });
    set_mtu(stage, mtu)?;
    let [at, beyond]: [anyhow::Result<f64>; 2] = frames;
    Ok([at?, beyond?])
}

/// Sets the MTU of every device that an inner packet crosses on its way to the tunnel.
fn set_mtu(stage: &Stage, mtu: u32) -> anyhow::Result<()> {
    if stage.way == Way::Direct {
        return Ok(());
    }
    let overlay = &stage.lab.overlays()[0];
    let set = |host: &Host, device: &str| {
        host.run("ip", &["link", "set", device, "mtu", &mtu.to_string()])
    };
    for host in overlay.sandboxes() {
        let links = host.run("ip", &["-oneline", "link", "show"])?;
        // `12: veth0@if10: <…`
        let names = links.lines().filter_map(|line| line.split(": ").nth(1));
        let names: Vec<&str> = names
            .map(|name| name.split('@').next().unwrap_or(name))
            .filter(|name| *name != "lo" && *name != "br0")
            .collect();
        // The bridge last: its MTU follows its smallest port's.
        for name in names.into_iter().chain(["br0"]) {
            set(host, name)?;
        }
    }
    for host in overlay.containers() {
        set(host, "eth0")?;
    }
    Ok(())
}

/// Sends until something arrives: the first packet of a tunnel may have to wait for a handshake.
pub(super) fn warm_up(stage: &Stage) -> anyhow::Result<()> {
    let (from, to) = udp_pair(stage.sender()?, stage.receiver()?)?;
    let end = Instant::now() + PATIENCE;
    while from.send(&[0]).and_then(|_| to.recv(&mut [0; 8])).is_err() {
        if Instant::now() > end {
            bail!(
                "{}: no datagram arrived within {PATIENCE:?}",
                stage.way.label()
            );
        }
    }
    Ok(())
}

/// Sends the datagrams and returns what the sender's end of the wire has counted.
fn send(stage: &Stage, payload: u32) -> anyhow::Result<DeviceStats> {
    let (from, to) = udp_pair(stage.sender()?, stage.receiver()?)?;
    to.set_read_timeout(Some(PATIENCE))?;
    may_be_fragmented(&from)?;
    let before = at_rest(stage)?;
    let datagram = vec![0x5a; payload as usize];
    let mut room = vec![0; datagram.len() + 1];
    for _ in 0..DATAGRAMS {
        from.send(&datagram)?;
        // Otherwise the count would be right and the bytes nobody's.
        let arrived = to.recv(&mut room).with_context(|| {
            format!(
                "{}: a datagram with {payload} bytes did not arrive within {PATIENCE:?}",
                stage.way.label()
            )
        })?;
        anyhow::ensure!(arrived == datagram.len(), "a datagram arrived cut off");
    }
    Ok(at_rest(stage)? - before)
}

/// Clears "don't fragment" in the datagrams of a socket (ip(7)). With it VXLAN would drop one that does not fit, and
/// answer with ICMP.
fn may_be_fragmented(socket: &UdpSocket) -> io::Result<()> {
    let value = libc::IP_PMTUDISC_DONT;
    // SAFETY: the option takes an int, which lives until the call returns.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_IP,
            libc::IP_MTU_DISCOVER,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// The counters of the sender's end of the wire, when they no longer change.
fn at_rest(stage: &Stage) -> anyhow::Result<DeviceStats> {
    let read = || stage.lab.node2().device_stats("eth0");
    let end = Instant::now() + PATIENCE;
    let mut last = read()?;
    loop {
        thread::sleep(REST);
        let now = read()?;
        if now == last {
            return Ok(now);
        }
        if Instant::now() > end {
            bail!("the counters of the wire do not come to rest");
        }
        last = now;
    }
}
