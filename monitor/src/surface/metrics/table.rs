//! All metrics: names, labels, what they say, and where their rows come from.

use std::collections::BTreeMap;
use std::fmt;

use monitor_common::key::NetworkId;
use monitor_common::label::{Direction, Encapsulation};

use super::{Definition, Rows, Type, networks};
use crate::agent::snapshot::Snapshot;
use crate::kernel::Attribution;
use crate::traffic::counted::Vni;
use crate::traffic::exposure_class::of_class;

/// All metrics.
pub const TABLE: &[Definition] = &[
    Definition {
        name: "packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Packets on the wire; a VNI that found no room in the map is \"other\"",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Bytes of these packets: whole frames from the Ethernet header on, without FCS",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "ESP packets, on IP or in UDP, by the other node's address",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "esp_bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "Bytes of these packets: whole frames from the Ethernet header on, without FCS",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_later_fragments",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "How many of these ESP packets are later fragments of one: without them they are as many as were encrypted. An MTU on the path is too small for them",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.later_fragments),
    },
    Definition {
        name: "xfrm_errors",
        kind: Type::Counter,
        labels: &["reason"],
        help: "Packets that the kernel's IPsec dropped in the agent's network namespace, by the kernel's own reasons (/proc/net/xfrm_stat) since that began; absent where the kernel does not tell",
        rows: |snapshot, rows| {
            snapshot
                .counted
                .xfrm_errors
                .iter()
                .try_for_each(|(reason, packets)| rows.value(&[reason.label()], *packets))
        },
    },
    Definition {
        name: "esp_network_packets",
        kind: Type::Counter,
        labels: &["direction", "vni"],
        help: "ESP packets by the network inside, in the agent's network namespace; those of an unknown network are \"other\"",
        rows: |snapshot, rows| esp_networks(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "esp_network_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni"],
        help: "Bytes of these packets: what ESP carries, from the UDP header on, as the security associations count them",
        rows: |snapshot, rows| esp_networks(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_attribution",
        kind: Type::Gauge,
        labels: &[],
        help: "1 if ESP is attributed to networks; 0 if this kernel does not allow it (check says why), and only peers are known",
        rows: |snapshot, rows| {
            let exact = matches!(snapshot.counted.attribution, Attribution::Exact);
            rows.value(&[], u64::from(exact))
        },
    },
    Definition {
        name: "esp_sequence_used_ratio",
        kind: Type::Gauge,
        labels: &["peer", "direction"],
        help: "Part of the 2^32 sequence numbers that is used up, 0 to 1, of the association with this node that has used most, of those in use in the last minute; at 1 the kernel drops what is sent, unless sequence numbers are extended",
        rows: |snapshot, rows| {
            let mut most = BTreeMap::<_, f64>::new();
            for row in &snapshot.counted.esp_active {
                let used = most.entry((row.peer(), row.direction)).or_default();
                *used = used.max(row.used());
            }
            most.into_iter().try_for_each(|((peer, direction), used)| {
                rows.ratio(&[&peer.to_string(), direction.label()], used)
            })
        },
    },
    Definition {
        name: "exposure_packets",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Packets of each network by what can be read of their flow: plaintext, encrypted or unknown; vni is empty outside any overlay",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "exposure_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Bytes of these packets: whole frames from the link header on, without FCS",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "exposure_pending_packets",
        kind: Type::Gauge,
        labels: &["vni"],
        help: "Packets whose flow has no verdict yet; they become exposure_packets when it has, or is silent for a minute",
        rows: |snapshot, rows| {
            snapshot
                .counted
                .pending
                .iter()
                .try_for_each(|row| rows.value(&[&network(row.network)], row.packets))
        },
    },
    Definition {
        name: "exposure_lower_bound",
        kind: Type::Gauge,
        labels: &[],
        help: "1 if what was found readable may be less than what is: samples were lost or capped, flows forgotten, or a map was full, since the start",
        rows: |snapshot, rows| rows.value(&[], u64::from(snapshot.counted.is_lower_bound())),
    },
    Definition {
        name: "exposure_evicted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets counted as unknown because the kernel forgot their flow before it had a verdict",
        rows: |snapshot, rows| rows.value(&[], snapshot.counted.evicted),
    },
    Definition {
        name: "decrypted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets left out of all counts because this host's IPsec had decrypted them before they passed TC: after the ESP packet, or in its place (esp4_offload with GRO; use the hook xdp to count it)",
        rows: |snapshot, rows| rows.value(&[], snapshot.counted.state.decrypted),
    },
    Definition {
        name: "unparsed_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "reason"],
        help: "Packets not understood, by why",
        rows: |snapshot, rows| {
            for row in &snapshot.counted.unparsed {
                rows.value(
                    &[&row.interface, row.direction.label(), row.reason.label()],
                    row.packets,
                )?;
            }
            Ok(())
        },
    },
    Definition {
        name: "network_info",
        kind: Type::Gauge,
        labels: &["vni", "network", "source", "required", "kind"],
        help: "1 for each network that is known: its name, who told of it (config or docker), whether it must be encrypted (required, optional or forbidden), and what it is for (overlay or ingress)",
        rows: networks::info,
    },
    Definition {
        name: "network_state",
        kind: Type::Gauge,
        labels: &["vni", "state"],
        help: "1 for the state of a network over the window, 0 for the others: encrypted, cleartext, mixed, idle (nothing seen), or unknown (nobody can tell)",
        rows: networks::state,
    },
    Definition {
        name: "violation_active",
        kind: Type::Gauge,
        labels: &["vni", "direction"],
        help: "1 while a network has what it must not have: cleartext where encryption is required, ESP where it is forbidden. Received: injected, or a broken peer; sent: a broken rule here",
        rows: networks::active,
    },
    Definition {
        name: "violation_packets",
        kind: Type::Counter,
        labels: &["vni", "direction"],
        help: "Packets that a network must not have had",
        rows: |snapshot, rows| networks::total(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "violation_bytes",
        kind: Type::Counter,
        labels: &["vni", "direction"],
        help: "Bytes of these packets: whole frames from the link header on, without FCS; of ESP, what it carries",
        rows: |snapshot, rows| networks::total(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "samples",
        kind: Type::Counter,
        labels: &["outcome"],
        help: "Packets chosen as samples: sent to the agent, lost because the ring was full, or not taken because the network or the CPU had taken its share",
        rows: |snapshot, rows| {
            rows.value(&["sent"], snapshot.counted.state.sent)?;
            rows.value(&["ring_full"], snapshot.counted.state.ring_full)?;
            rows.value(&["capped"], snapshot.counted.state.capped)
        },
    },
    Definition {
        name: "map_entries",
        kind: Type::Gauge,
        labels: &["map"],
        help: "Entries in a kernel map",
        rows: |snapshot, rows| {
            snapshot
                .counted
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.entries))
        },
    },
    Definition {
        name: "map_capacity",
        kind: Type::Gauge,
        labels: &["map"],
        help: "Entries that a kernel map has room for",
        rows: |snapshot, rows| {
            snapshot
                .counted
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.capacity))
        },
    },
    Definition {
        name: "map_overflow_packets",
        kind: Type::Counter,
        labels: &["map"],
        help: "Packets that found no room in a kernel map, and were counted as \"other\"",
        rows: |snapshot, rows| {
            snapshot
                .counted
                .maps
                .iter()
                .try_for_each(|map| rows.value(&[map.map], map.overflow_packets))
        },
    },
    Definition {
        name: "hook_info",
        kind: Type::Gauge,
        labels: &["interface", "direction", "hook"],
        help: "1 for each hook in use: tcx, clsact, xdp or xdp-generic",
        rows: |snapshot, rows| {
            for at in &snapshot.counted.hooks {
                if let Some(hook) = at.hook {
                    rows.value(&[&at.interface, at.direction.label(), hook.label()], 1)?;
                }
            }
            Ok(())
        },
    },
    Definition {
        name: "hook_up",
        kind: Type::Gauge,
        labels: &["interface", "direction"],
        help: "1 while this direction of an interface is watched; 0 while it should be and is not: we are blind there",
        rows: |snapshot, rows| {
            snapshot.counted.hooks.iter().try_for_each(|at| {
                let up = u64::from(at.hook.is_some());
                rows.value(&[&at.interface, at.direction.label()], up)
            })
        },
    },
    Definition {
        name: "hook_first",
        kind: Type::Gauge,
        labels: &["interface", "direction"],
        help: "1 while no other program comes before ours; 0 while we see only what another one lets through",
        rows: |snapshot, rows| {
            let mut in_use = snapshot.counted.hooks.iter().filter(|at| at.hook.is_some());
            in_use.try_for_each(|at| {
                rows.value(&[&at.interface, at.direction.label()], u64::from(at.first))
            })
        },
    },
    Definition {
        name: "docker_up",
        kind: Type::Gauge,
        labels: &[],
        help: "1 while Docker says which networks there are; 0 while it does not and what it said last counts; absent where there never was one",
        rows: |snapshot, rows| match snapshot.counted.docker_up {
            Some(up) => rows.value(&[], u64::from(up)),
            None => Ok(()),
        },
    },
    Definition {
        name: "build_info",
        kind: Type::Gauge,
        labels: &["version"],
        help: "1, with the version of this agent",
        rows: |_, rows| rows.value(&[env!("CARGO_PKG_VERSION")], 1),
    },
];

fn traffic(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.counted.traffic {
        let vni = match row.vni {
            Vni::None => String::new(),
            Vni::Id(vni) => vni.to_string(),
            Vni::Other => "other".to_owned(),
        };
        let labels = [
            row.interface.as_str(),
            row.direction.label(),
            row.encapsulation.label(),
            vni.as_str(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    // One row for each interface and direction, so that the sum over encapsulations has no holes.
    let mut associations = BTreeMap::<_, u64>::new();
    for row in &snapshot.counted.esp {
        *associations
            .entry((&row.interface, row.direction, row.encapsulation))
            .or_default() += value_of_esp(&value)(&row.count);
    }
    for ((interface, direction, encapsulation), total) in associations {
        let labels = [interface, direction.label(), encapsulation.label(), ""];
        rows.value(&labels, total)?;
    }
    Ok(())
}

/// Nodes are added up: the map has them apart for those who ask who it was.
fn esp_networks(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::Count) -> u64,
) -> fmt::Result {
    let mut networks = BTreeMap::<_, u64>::new();
    for row in &snapshot.counted.esp_networks {
        *networks.entry((row.direction, row.vni)).or_default() += value(&row.count);
    }
    for ((direction, vni), total) in networks {
        rows.value(&[direction.label(), &vni.to_string()], total)?;
    }
    for row in &snapshot.counted.esp_others {
        rows.value(&[row.direction.label(), "other"], value(&row.count))?;
    }
    Ok(())
}

fn exposure(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::Count) -> u64,
) -> fmt::Result {
    for row in &snapshot.counted.exposure {
        if row.count.packets == 0 {
            continue;
        }
        let (protocol, exposure) = of_class(row.key.class());
        let labels = [
            row.key.direction().label(),
            &network(row.key.network()),
            protocol.name(),
            exposure.name(),
        ];
        rows.value(&labels, value(&row.count))?;
    }
    Ok(())
}

/// The label `vni`: empty outside any overlay.
fn network(network: NetworkId) -> String {
    match network {
        NetworkId::HOST => String::new(),
        NetworkId::OTHER => "other".to_owned(),
        NetworkId(vni) => vni.to_string(),
    }
}

fn value_of_esp(
    value: &impl Fn(&monitor_common::key::Count) -> u64,
) -> impl Fn(&monitor_common::key::EspCount) -> u64 {
    move |count| {
        value(&monitor_common::key::Count {
            packets: count.packets,
            bytes: count.bytes,
        })
    }
}

fn esp(
    snapshot: &Snapshot,
    rows: &mut Rows<'_, '_>,
    value: impl Fn(&monitor_common::key::EspCount) -> u64,
) -> fmt::Result {
    for ((interface, direction), peers) in by_peer(snapshot, value) {
        for (peer, value) in peers {
            rows.value(&[interface, direction.label(), &peer], value)?;
        }
    }
    Ok(())
}

type ByPeer<'a> = BTreeMap<(&'a str, Direction), BTreeMap<String, u64>>;

/// SPIs change with every key, so they are added up: a label must not grow for ever.
fn by_peer(
    snapshot: &Snapshot,
    value: impl Fn(&monitor_common::key::EspCount) -> u64,
) -> ByPeer<'_> {
    let mut all = ByPeer::new();
    for row in &snapshot.counted.esp {
        // Authenticated, and in the clear.
        if row.encapsulation == Encapsulation::Ah {
            continue;
        }
        let peer = row
            .peer()
            .map_or_else(|| "other".to_owned(), |peer| peer.to_string());
        *all.entry((&row.interface, row.direction))
            .or_default()
            .entry(peer)
            .or_default() += value(&row.count);
    }
    all
}
