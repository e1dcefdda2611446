//! The forecast of one network.

use super::model::Interval;
use super::record::BenchRecord;
use crate::base::tunnel_size::{Carrier, EspAlgorithm};

/// ESP as Docker makes it.
const DOCKER: Carrier = Carrier::VxlanEsp(EspAlgorithm::AES_GCM_8);
/// IPv4 and TCP header.
const TCP_HEADERS: u32 = 40;

/// What a plain network carries on a node: packets of VXLAN, sent and received together.
#[derive(Clone, Debug, PartialEq)]
pub struct Traffic {
    /// Name of the node; printable, and empty where unknown.
    pub node: String,
    /// VNI.
    pub vni: u32,
    /// Name of the network, if it is known; printable.
    pub network: Option<String>,
    /// Packets on the wire.
    pub packets_per_second: f64,
    /// From the Ethernet header on, without FCS.
    pub bytes_per_second: f64,
}

/// What its encryption would take.
#[derive(Clone, Debug, PartialEq)]
pub struct Forecast {
    pub(super) traffic: Traffic,
    /// CPU cores; `None` without a bench.
    pub(super) cores: Option<Interval>,
    /// Bytes that would be added, as a part of what there is.
    pub(super) added: [f64; 2],
    /// Inner MTU now and then.
    pub(super) mtu: [u32; 2],
}

impl Forecast {
    /// Computes it for a wire of an MTU.
    #[must_use]
    pub fn of(traffic: Traffic, bench: Option<&BenchRecord>, wire_mtu: u32) -> Forecast {
        let mtu = [Carrier::Vxlan, DOCKER].map(|carrier| carrier.mtu(wire_mtu));
        let packets = traffic.packets_per_second;
        let outside = f64::from(Carrier::Vxlan.frame(0));
        let inner = (traffic.bytes_per_second - packets * outside).max(0.0);
        let more = more_packets(packets, inner, mtu);
        // A node encrypts what it sends, and decrypts what it receives: half of what the bench measures for a packet.
        let cores = bench.map(|bench| {
            let usual = bench.model.seconds(packets, inner);
            let most = bench.model.seconds(packets + more, inner);
            Interval {
                high: most.high.max(usual.high),
                ..usual
            }
            .times(0.5)
        });
        let [least, most] = added_to_a_packet(packets, inner, mtu[1]);
        let share = |bytes: f64| bytes / traffic.bytes_per_second.max(f64::MIN_POSITIVE);
        let of_more = more * f64::from(DOCKER.frame(TCP_HEADERS));
        Forecast {
            cores,
            added: [
                share(packets * f64::from(least)),
                share(packets * f64::from(most) + of_more),
            ],
            mtu,
            traffic,
        }
    }
}

/// Packets a second that come on top because full packets of TCP become smaller, at most.
fn more_packets(packets: f64, inner: f64, [now, then]: [u32; 2]) -> f64 {
    let full = (inner / f64::from(then.max(1))).min(packets);
    let payload = |mtu: u32| f64::from(mtu.saturating_sub(TCP_HEADERS).max(1));
    full * (payload(now) / payload(then) - 1.0).max(0.0)
}

/// Bytes that ESP adds to a packet, least and most: it pads to a multiple, so they differ by the packet's size.
fn added_to_a_packet(packets: f64, inner: f64, mtu: u32) -> [u32; 2] {
    let mean = (inner / packets.max(f64::MIN_POSITIVE)).min(f64::from(mtu)) as u32;
    let alignment = EspAlgorithm::AES_GCM_8.alignment;
    let added =
        (mean..mean + alignment).map(|size| DOCKER.frame(size) - Carrier::Vxlan.frame(size));
    let (least, most) = added.fold((u32::MAX, 0), |(least, most), bytes| {
        (least.min(bytes), most.max(bytes))
    });
    [least, most]
}

#[cfg(test)]
mod tests;
