//! What the kernel has counted, at one moment: what metrics, screens and reports read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use monitor_common::key::{Count, CpuState, EspCount};
use monitor_common::label::{Direction, Encapsulation};
use monitor_common::reason::Reason;

use crate::attach::{Attachment, Hook};
use crate::decode;
use crate::exposure::{Account, Exposed, Pending};
use crate::failure::Failure;
use crate::kernel::{Kernel, MapUse};

/// A VNI, as a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vni {
    /// The encapsulation has none.
    None,
    /// A VXLAN Network Identifier.
    Id(u32),
    /// All those that found no room in the map.
    Other,
}

/// One row of counted traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// What it was wrapped in.
    pub encapsulation: Encapsulation,
    /// Which network.
    pub vni: Vni,
    /// Packets and bytes.
    pub count: Count,
}

/// Packets under one security association.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// ESP, ESP in UDP or AH.
    pub encapsulation: Encapsulation,
    /// Source and destination; `None` for those that found no room in the map.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// Security Parameters Index; 0 where `addresses` is `None`.
    pub spi: u32,
    /// Packets, bytes and sequence numbers.
    pub count: EspCount,
}

impl Association {
    /// The other node.
    #[must_use]
    pub fn peer(&self) -> Option<IpAddr> {
        self.addresses
            .map(|(source, destination)| match self.direction {
                Direction::Rx => source,
                Direction::Tx => destination,
            })
    }
}

/// Packets of one interface that were not understood for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unparsed {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// Why.
    pub reason: Reason,
    /// How many.
    pub packets: u64,
}

/// A hook in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInUse {
    /// Interface name.
    pub interface: String,
    /// Which way.
    pub direction: Direction,
    /// How.
    pub hook: Hook,
}

/// Everything counted, exact at the moment it was read.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// VXLAN and, where it is watched, the host's own traffic.
    pub traffic: Vec<Traffic>,
    /// ESP.
    pub esp: Vec<Association>,
    /// What was not understood. Reasons that never occurred are there with 0.
    pub unparsed: Vec<Unparsed>,
    /// Packets and bytes by what can be read of their flow; empty where that is not watched.
    pub exposure: Vec<Exposed>,
    /// Packets whose flow has no verdict yet.
    pub pending: Vec<Pending>,
    /// Packets whose flow was forgotten before a verdict came: they are in `exposure`, as unknown.
    pub evicted: u64,
    /// Samples and overflows.
    pub state: CpuState,
    /// How full the maps are.
    pub maps: Vec<MapUse>,
    /// The hooks.
    pub hooks: Vec<HookInUse>,
}

impl Snapshot {
    /// Reads the maps. `names` are the interfaces that were ever watched, by index.
    ///
    /// # Errors
    /// A runtime failure, if a map cannot be read.
    pub fn read(
        kernel: &Kernel,
        names: &BTreeMap<u32, String>,
        attachments: &[Attachment],
        account: Option<&Account>,
    ) -> Result<Snapshot, Failure> {
        let name = |ifindex: u32| {
            names
                .get(&ifindex)
                .cloned()
                .unwrap_or_else(|| format!("if{ifindex}"))
        };
        let counters = kernel.counters()?;
        let associations = kernel.esp()?;
        let reasons = kernel.reasons()?;
        let state = kernel.state()?;
        let (exposure, pending, exposures) = match account {
            Some(account) => account.read()?,
            None => (Vec::new(), Vec::new(), 0),
        };
        let maps = kernel.sizes().in_use(
            counters.len(),
            associations.len(),
            reasons.len(),
            exposures,
            &state,
        );

        let mut traffic: Vec<Traffic> = counters
            .into_iter()
            .filter_map(|(key, count)| {
                let encapsulation = key.encapsulation()?;
                let vni = match (key.vni(), encapsulation) {
                    // Made beforehand; worth a row only once it holds something.
                    _ if count.packets == 0 => return None,
                    (None, _) => Vni::Other,
                    (Some(vni), encapsulation) if encapsulation.has_vni() => Vni::Id(vni),
                    (Some(_), _) => Vni::None,
                };
                Some(Traffic {
                    interface: name(key.ifindex),
                    direction: key.direction(),
                    encapsulation,
                    vni,
                    count,
                })
            })
            .collect();
        traffic.sort_by(|a, b| {
            (&a.interface, a.direction, a.encapsulation, a.vni).cmp(&(
                &b.interface,
                b.direction,
                b.encapsulation,
                b.vni,
            ))
        });

        let mut esp: Vec<Association> = associations
            .into_iter()
            .filter_map(|(key, count)| {
                let direction = Direction::from_index(u8::try_from(key.direction).ok()?)?;
                let addresses = (key.spi != 0).then(|| {
                    (
                        decode::ip_of_key(key.source),
                        decode::ip_of_key(key.destination),
                    )
                });
                if addresses.is_none() && count.packets == 0 {
                    return None;
                }
                Some(Association {
                    interface: name(key.ifindex),
                    direction,
                    encapsulation: u8::try_from(key.encapsulation)
                        .ok()
                        .and_then(Encapsulation::from_index)?,
                    addresses,
                    spi: key.spi,
                    count,
                })
            })
            .collect();
        esp.sort_by(|a, b| {
            (&a.interface, a.direction, a.addresses, a.spi).cmp(&(
                &b.interface,
                b.direction,
                b.addresses,
                b.spi,
            ))
        });

        let mut unparsed: Vec<Unparsed> = reasons
            .into_iter()
            .filter_map(|(key, packets)| {
                let (direction, reason) = (key.direction()?, key.reason()?);
                Some(Unparsed {
                    interface: name(key.ifindex),
                    direction,
                    reason,
                    packets,
                })
            })
            .collect();
        unparsed.sort_by(|a, b| {
            (&a.interface, a.direction, a.reason).cmp(&(&b.interface, b.direction, b.reason))
        });

        let hooks = attachments
            .iter()
            .map(|attachment| HookInUse {
                interface: attachment.interface.name.clone(),
                direction: attachment.direction,
                hook: attachment.hook,
            })
            .collect();
        Ok(Snapshot {
            traffic,
            esp,
            unparsed,
            exposure,
            pending,
            evicted: account.map_or(0, Account::evicted),
            state,
            maps,
            hooks,
        })
    }

    /// Packets and bytes of a VNI in a direction, all interfaces together.
    #[must_use]
    pub fn vni(&self, vni: u32, direction: Direction) -> Count {
        let mut total = Count::default();
        for row in &self.traffic {
            if row.vni == Vni::Id(vni) && row.direction == direction {
                total.packets += row.count.packets;
                total.bytes += row.count.bytes;
            }
        }
        total
    }
}
