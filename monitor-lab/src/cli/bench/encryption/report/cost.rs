//! The result as data. Serialised, it is the JSON.

use monitor_lab::Via;
use serde::{Deserialize, Serialize};

use crate::cli::bench::encryption::sizes::Size;
use crate::cli::bench::encryption::two_machines::Card;
use crate::cli::bench::encryption::way::Way;
use crate::cli::bench::report::{Machine, Median};

/// Everything that was measured.
#[derive(Debug, Serialize)]
pub(in crate::cli::bench) struct CostReport {
    /// Version of this format.
    pub(in crate::cli::bench::encryption) schema: u32,
    pub(in crate::cli::bench::encryption) machine: Machine,
    /// `null` where both ends were on one machine.
    pub(in crate::cli::bench::encryption) two_machines: Option<TwoMachines>,
    /// Whether `--quick` was given.
    pub(in crate::cli::bench::encryption) quick: bool,
    pub(in crate::cli::bench::encryption) rounds: u32,
    /// Milliseconds of each measurement.
    pub(in crate::cli::bench::encryption) milliseconds: u64,
    /// Seconds of the whole.
    pub(in crate::cli::bench::encryption) seconds: f64,
    pub(in crate::cli::bench::encryption) wire_mtu: u32,
    /// Whether GRO, GSO and TSO of the devices were on.
    pub(in crate::cli::bench::encryption) offloads: bool,
    /// Whether the processor has instructions for AES.
    pub(in crate::cli::bench::encryption) aes_instructions: bool,
    pub(in crate::cli::bench::encryption) ways: Vec<WayFacts>,
    /// What the kernel or the machine lacks.
    pub(in crate::cli::bench::encryption) left_out: Vec<LeftOut>,
    pub(in crate::cli::bench::encryption) rows: Vec<CostRow>,
}

impl CostReport {
    /// Whether a processor was emulated.
    pub(in crate::cli::bench::encryption) fn emulated(&self) -> bool {
        let other = self.two_machines.as_ref();
        self.machine.emulated || other.is_some_and(|two| two.receiver.emulated)
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::bench::encryption) struct Run {
    pub(in crate::cli::bench::encryption) quick: bool,
    pub(in crate::cli::bench::encryption) rounds: u32,
    pub(in crate::cli::bench::encryption) milliseconds: u64,
    pub(in crate::cli::bench::encryption) offloads: bool,
    /// Whether only what shows how good the forecast is.
    pub(in crate::cli::bench::encryption) check_forecast: bool,
}

/// The machines and cards, where there were two.
#[derive(Debug, Serialize)]
pub(in crate::cli::bench::encryption) struct TwoMachines {
    /// The machine with the servers; `machine` of the report is the one with the clients.
    pub(in crate::cli::bench::encryption) receiver: Machine,
    pub(in crate::cli::bench::encryption) sender_card: Card,
    pub(in crate::cli::bench::encryption) receiver_card: Card,
    /// What was put on them.
    pub(in crate::cli::bench::encryption) sender_via: Via,
    pub(in crate::cli::bench::encryption) receiver_via: Via,
}

/// What does not depend on the load.
#[derive(Debug, Serialize)]
pub(in crate::cli::bench::encryption) struct WayFacts {
    pub(in crate::cli::bench::encryption) way: &'static str,
    pub(in crate::cli::bench::encryption) label: &'static str,
    #[serde(flatten)]
    pub(in crate::cli::bench::encryption) facts: Facts,
}

impl WayFacts {
    pub(in crate::cli::bench::encryption) fn new(way: Way, facts: Facts) -> WayFacts {
        WayFacts {
            way: way.name(),
            label: way.label(),
            facts,
        }
    }
}

/// The same without the way.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::bench::encryption) struct Facts {
    /// The kernel's name of what encrypts; `null` where nothing does.
    pub(in crate::cli::bench::encryption) algorithm: Option<String>,
    /// Its implementation (`/proc/crypto`).
    pub(in crate::cli::bench::encryption) driver: Option<String>,
    /// That of the receiver, where it is another machine.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(in crate::cli::bench::encryption) receiver_driver: Option<String>,
    /// Whether the wire's device encrypts ESP; `null` where unknown.
    pub(in crate::cli::bench::encryption) esp_offload: Option<bool>,
    /// The largest inner IP packet that crosses the wire in one frame.
    pub(in crate::cli::bench::encryption) mtu: u32,
    /// Frames that were measured for a packet of that size, and for one of a byte more.
    pub(in crate::cli::bench::encryption) frames_around_the_mtu: Option<[f64; 2]>,
    pub(in crate::cli::bench::encryption) sizes: Vec<Size>,
}

impl Facts {
    /// Refuses more than there can be.
    pub(in crate::cli::bench::encryption) fn check(&self) -> anyhow::Result<()> {
        anyhow::ensure!(self.sizes.len() <= 64, "too many sizes");
        Ok(())
    }
}

/// A way that was not measured.
#[derive(Debug, Serialize)]
pub(in crate::cli::bench::encryption) struct LeftOut {
    pub(in crate::cli::bench::encryption) way: &'static str,
    pub(in crate::cli::bench::encryption) label: &'static str,
    pub(in crate::cli::bench::encryption) why: String,
}

impl LeftOut {
    pub(in crate::cli::bench::encryption) fn new(way: Way, why: String) -> LeftOut {
        LeftOut {
            way: way.name(),
            label: way.label(),
            why,
        }
    }
}

/// A load in a way.
#[derive(Debug, Serialize)]
pub(in crate::cli::bench::encryption) struct CostRow {
    pub(in crate::cli::bench::encryption) way: &'static str,
    pub(in crate::cli::bench::encryption) load: &'static str,
    #[serde(skip)]
    pub(in crate::cli::bench::encryption) way_label: &'static str,
    #[serde(skip)]
    pub(in crate::cli::bench::encryption) load_label: String,
    pub(in crate::cli::bench::encryption) streams: Option<usize>,
    /// Bytes of UDP payload.
    pub(in crate::cli::bench::encryption) payload: Option<u32>,
    /// Whether `forecast` must not be fitted to it.
    pub(in crate::cli::bench::encryption) held_out: bool,
    /// What the rate counts.
    pub(in crate::cli::bench::encryption) unit: &'static str,
    pub(in crate::cli::bench::encryption) rate: Median,
    /// The rate, divided by that of plain VXLAN in the same round.
    pub(in crate::cli::bench::encryption) rate_of_plain: Option<Median>,
    /// CPU seconds of the whole machine for 10^9 bytes of payload.
    pub(in crate::cli::bench::encryption) cpu_seconds_per_gb: Option<Median>,
    /// CPU seconds of the whole machine for a million: frames of TCP, datagrams of UDP, requests.
    pub(in crate::cli::bench::encryption) cpu_seconds_per_million: Median,
    /// Of it, of the receiver, where it is another machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::cli::bench::encryption) receiver_cpu_seconds_per_million: Option<Median>,
    /// Of it, in hardware and soft interrupts.
    pub(in crate::cli::bench::encryption) interrupt_seconds_per_million: Median,
    /// CPU seconds per million above those of plain VXLAN in the same round.
    pub(in crate::cli::bench::encryption) added_cpu_seconds_per_million: Option<Median>,
    /// Bytes on the wire, both directions, for each byte of payload; for each request where the payload is unknown.
    pub(in crate::cli::bench::encryption) wire_bytes: Median,
    /// Frames from the sender for each datagram.
    pub(in crate::cli::bench::encryption) frames_per_datagram: Option<Median>,
    /// Milliseconds.
    pub(in crate::cli::bench::encryption) p50: Option<Median>,
    pub(in crate::cli::bench::encryption) p99: Option<Median>,
    pub(in crate::cli::bench::encryption) p999: Option<Median>,
    /// Datagrams that did not arrive, and frames that a device dropped, in all rounds.
    pub(in crate::cli::bench::encryption) lost: u64,
    pub(in crate::cli::bench::encryption) dropped: u64,
}

#[cfg(test)]
pub(super) mod tests {
    use monitor_lab::{Cipher, DeviceStats};

    use super::super::series::Series;
    use super::*;
    use crate::cli::bench::encryption::load::Load;
    use crate::cli::bench::encryption::machine_cpu::Cpu;
    use crate::cli::bench::encryption::measured::{Carried, Latency, Measured};
    use crate::cli::bench::encryption::usage::Usage;

    fn measured(count: u64, busy: f64, load: Load) -> Measured {
        let wire = DeviceStats {
            tx_packets: count,
            tx_bytes: count * 156,
            ..DeviceStats::default()
        };
        let carried =
            load.payload()
                .map_or(Carried::Requests(count), |payload| Carried::Datagrams {
                    count,
                    payload,
                });
        Measured {
            seconds: 0.5,
            carried,
            used: Usage {
                cpu: Cpu {
                    busy,
                    interrupts: busy / 2.0,
                },
                receiver: None,
                wire,
                dropped: 0,
            },
            lost: 1,
            latency: load.payload().is_none().then_some(Latency {
                p50: 1.0,
                p99: 2.0,
                p999: 3.0,
            }),
        }
    }

    /// Two ways under two loads; in ESP a datagram takes twice the CPU time.
    pub(in crate::cli::bench::encryption::report) fn report() -> CostReport {
        let loads = [
            Load::Udp {
                payload: 64,
                streams: 1,
            },
            Load::Redis,
        ];
        let mut all = Vec::new();
        for load in loads {
            for (way, busy) in [(Way::Vxlan, 1.0), (Way::Esp(Cipher::AesGcm128), 2.0)] {
                let mut series = Series::new(way, load);
                (0..3).for_each(|_| series.push(measured(1_000_000, busy, load)));
                all.push(series);
            }
        }
        let facts = Facts {
            algorithm: None,
            driver: None,
            receiver_driver: None,
            esp_offload: Some(false),
            mtu: 1450,
            frames_around_the_mtu: Some([1.0, 2.0]),
            sizes: vec![Size {
                payload: 64,
                frames: 1.0,
                bytes: 156.0,
                formula_frames: 1,
                formula_bytes: 156,
            }],
        };
        CostReport {
            schema: 1,
            machine: Machine::of_this_run("2026-01-01".to_owned(), &[]),
            two_machines: None,
            quick: true,
            rounds: 3,
            milliseconds: 500,
            seconds: 1.0,
            wire_mtu: 1500,
            offloads: false,
            aes_instructions: true,
            rows: all.iter().map(|series| series.row(&all)).collect(),
            ways: vec![WayFacts::new(Way::Vxlan, facts)],
            left_out: vec![LeftOut::new(Way::WireGuard, "no such device".to_owned())],
        }
    }

    #[test]
    fn a_way_is_compared_with_plain_vxlan_under_the_same_load() {
        let report = report();
        let esp = &report.rows[1];
        assert_eq!(esp.way, "esp-aes-128-gcm");
        assert_eq!(esp.rate.median, 2e6);
        assert_eq!(esp.rate_of_plain.unwrap().median, 1.0);
        assert_eq!(esp.cpu_seconds_per_million.median, 2.0);
        assert_eq!(esp.added_cpu_seconds_per_million.unwrap().median, 1.0);
        // 64 MB took 2 s.
        assert_eq!(esp.cpu_seconds_per_gb.unwrap().median, 31.25);
        assert_eq!(esp.wire_bytes.median, 156.0 / 64.0);
        assert_eq!(
            (esp.lost, esp.frames_per_datagram.unwrap().median),
            (3, 1.0)
        );
        assert_eq!(report.rows[0].added_cpu_seconds_per_million, None);
        assert_eq!(report.rows[3].p999.unwrap().median, 3.0);
    }
}
