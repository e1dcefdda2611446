//! Frames on the wire of a known number of datagrams, beside what the formula says; and the MTU, found by sending.

use std::io;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor::base::tunnel_size::udp_packets;
use monitor_lab::{DeviceStats, WIRE_MTU};
use serde::{Deserialize, Serialize};

use super::stage::Stage;
use super::streams::open_udp;

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
/// Between two looks at what has arrived.
const POLL: Duration = Duration::from_millis(1);
/// What is added to the MTU of a container's devices while the real limit is looked for.
const ROOM: u32 = 100;

/// A size, as measured and as computed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    let flow = Flow::open(stage)?;
    let measured = payloads()
        .map(|payload| {
            let wire = flow.send(payload)?;
            let packets = udp_packets(payload, mtu);
            Ok(Size {
                payload,
                frames: wire.tx_packets as f64 / f64::from(DATAGRAMS),
                bytes: wire.tx_bytes as f64 / f64::from(DATAGRAMS),
                formula_frames: u32::try_from(packets.len())?,
                formula_bytes: packets.iter().map(|packet| carrier.frame(*packet)).sum(),
            })
        })
        .collect();
    stage.far().close()?;
    measured
}

/// Frames on the wire for the largest packet that fits, and for one byte more. The devices of the container are given a
/// larger MTU meanwhile, so that the limit is the wire's.
pub(super) fn frames_around_the_mtu(stage: &Stage) -> anyhow::Result<[f64; 2]> {
    /// IPv4 and UDP header.
    const HEADERS: u32 = 28;
    let mtu = stage.way.carrier().mtu(WIRE_MTU);
    set_mtu(stage, mtu + ROOM)?;
    let flow = Flow::open(stage)?;
    let frames = [mtu, mtu + 1].map(|packet| {
        let wire = flow.send(packet - HEADERS)?;
        Ok(wire.tx_packets as f64 / f64::from(DATAGRAMS))
    });
    stage.far().close()?;
    set_mtu(stage, mtu)?;
    let [at, beyond]: [anyhow::Result<f64>; 2] = frames;
    Ok([at?, beyond?])
}

/// Sets the MTU of every device that an inner packet crosses on its way to the tunnel, at both ends.
fn set_mtu(stage: &Stage, mtu: u32) -> anyhow::Result<()> {
    stage.near.set_mtu(mtu)?;
    stage.far().set_mtu(mtu)
}

/// Sends until something arrives: the first packet of a tunnel may have to wait for a handshake.
pub(super) fn warm_up(stage: &Stage) -> anyhow::Result<()> {
    let flow = Flow::open(stage)?;
    let end = Instant::now() + PATIENCE;
    while flow.socket.send(&[0]).is_err() || stage.far().read()?.arrived == 0 {
        if Instant::now() > end {
            bail!(
                "{}: no datagram arrived within {PATIENCE:?}",
                stage.way.label()
            );
        }
        thread::sleep(REST);
    }
    stage.far().close()?;
    Ok(())
}

/// A flow of datagrams to a sink that does not answer.
struct Flow<'a> {
    stage: &'a Stage,
    socket: UdpSocket,
}

impl<'a> Flow<'a> {
    fn open(stage: &'a Stage) -> anyhow::Result<Flow<'a>> {
        let mut sockets = open_udp(stage, 1, false)?;
        let socket = sockets.pop().context("no socket")?;
        may_be_fragmented(&socket)?;
        Ok(Flow { stage, socket })
    }

    /// Sends the datagrams and returns what the sender's end of the wire has counted.
    fn send(&self, payload: u32) -> anyhow::Result<DeviceStats> {
        let first = self.stage.far().read()?;
        let before = self.at_rest()?;
        let datagram = vec![0x5a; payload as usize];
        let end = Instant::now() + PATIENCE;
        for sent in 1..=u64::from(DATAGRAMS) {
            self.socket.send(&datagram)?;
            // Otherwise the count would be right and the bytes nobody's.
            loop {
                let reading = self.stage.far().read()?;
                if reading.arrived - first.arrived == sent {
                    let bytes = reading.bytes - first.bytes;
                    anyhow::ensure!(
                        bytes == sent * u64::from(payload),
                        "a datagram arrived cut off"
                    );
                    break;
                }
                if Instant::now() > end {
                    bail!(
                        "{}: a datagram with {payload} bytes did not arrive within {PATIENCE:?}",
                        self.stage.way.label()
                    );
                }
                thread::sleep(POLL);
            }
        }
        Ok(self.at_rest()? - before)
    }

    /// The counters of the sender's end of the wire, when nothing leaves any more. What strangers send to a real card may
    /// arrive at any time.
    fn at_rest(&self) -> anyhow::Result<DeviceStats> {
        let end = Instant::now() + PATIENCE;
        let mut last = self.stage.near.wire()?;
        loop {
            thread::sleep(REST);
            let now = self.stage.near.wire()?;
            if (now.tx_packets, now.tx_bytes) == (last.tx_packets, last.tx_bytes) {
                return Ok(now);
            }
            if Instant::now() > end {
                bail!("the counters of the wire do not come to rest");
            }
            last = now;
        }
    }
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
