//! All metrics: names, labels, help, and where their rows come from.

use std::collections::BTreeMap;
use std::time::Duration;

use super::definition::{Definition, Type};
use super::network_rows as networks;
use super::traffic_rows::{
    asynchronous, esp, esp_networks, esp_times, exposure, network, packet_times, traffic,
};
use crate::kernel::Attribution;

/// All metrics.
pub const TABLE: &[Definition] = &[
    Definition {
        name: "packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Packets on the wire, by interface, direction, encapsulation and VNI; \"other\" sums the VNIs without a row in the map",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "encapsulation", "vni"],
        help: "Bytes on the wire, from the Ethernet header on without FCS, by interface, direction, encapsulation and VNI",
        rows: |snapshot, rows| traffic(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "ESP packets, on IP or in UDP, by the address of the other node",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "esp_bytes",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "Bytes of ESP packets, from the Ethernet header on, without FCS",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_later_fragments",
        kind: Type::Counter,
        labels: &["interface", "direction", "peer"],
        help: "ESP packets that are later fragments of another one, which an MTU too small for them causes",
        rows: |snapshot, rows| esp(snapshot, rows, |count| count.later_fragments),
    },
    Definition {
        name: "xfrm_errors",
        kind: Type::Counter,
        labels: &["reason"],
        help: "Packets dropped by the kernel's IPsec in the agent's network namespace, by the reason in /proc/net/xfrm_stat; absent if the kernel has no such file",
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
        help: "ESP packets by the network inside, in the agent's network namespace; \"other\" sums those of unknown networks",
        rows: |snapshot, rows| esp_networks(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "esp_network_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni"],
        help: "Bytes that ESP carries by the network inside, from the UDP header on",
        rows: |snapshot, rows| esp_networks(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "esp_overhead_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni"],
        help: "Bytes that ESP added to its packets by the network inside: headers, initialisation vector, padding, check value, and UDP around it; absent if this kernel does not show them",
        rows: |snapshot, rows| match snapshot.counted.esp_overhead {
            true => esp_networks(snapshot, rows, |count| count.overhead),
            false => Ok(()),
        },
    },
    Definition {
        name: "esp_attribution",
        kind: Type::Gauge,
        labels: &[],
        help: "1 if ESP packets are attributed to networks, 0 if this kernel does not allow it (overlay-monitor check shows why)",
        rows: |snapshot, rows| {
            let exact = matches!(snapshot.counted.attribution, Attribution::Exact);
            rows.value(&[], u64::from(exact))
        },
    },
    Definition {
        name: "esp_crypto_seconds",
        kind: Type::Counter,
        labels: &["direction", "size"],
        help: "Seconds in the kernel's ESP output (tx) and input (rx) of overlay packets, estimated from samples; size is the most bytes that ESP carries in a packet of the class",
        rows: |snapshot, rows| {
            esp_times(snapshot, rows, |rows, labels, time| {
                rows.seconds(labels, Duration::from_nanos(time.nanoseconds))
            })
        },
    },
    Definition {
        name: "esp_crypto_samples",
        kind: Type::Counter,
        labels: &["direction", "size"],
        help: "Samples that esp_crypto_seconds is estimated from; its relative standard error is 1 / sqrt(samples)",
        rows: |snapshot, rows| {
            esp_times(snapshot, rows, |rows, labels, time| {
                rows.value(labels, time.samples)
            })
        },
    },
    Definition {
        name: "esp_crypto_packets",
        kind: Type::Counter,
        labels: &["direction", "size"],
        help: "Overlay packets that ESP encrypted (tx) or decrypted (rx) while samples were taken",
        rows: |snapshot, rows| {
            esp_times(snapshot, rows, |rows, labels, time| {
                rows.value(labels, time.packets)
            })
        },
    },
    Definition {
        name: "esp_packet_seconds",
        kind: Type::Histogram,
        labels: &["direction", "size"],
        help: "Seconds that the kernel's ESP took for single overlay packets, one in 8 of half a minute in ten: to encrypt them (tx) or to decrypt them (rx); size is the most bytes that ESP carries in a packet of the class",
        rows: packet_times,
    },
    Definition {
        name: "esp_asynchronous_packets",
        kind: Type::Counter,
        labels: &["direction"],
        help: "Overlay packets that were to be timed and that the kernel left to another thread or a device to encrypt (tx) or decrypt (rx): a lower bound",
        rows: asynchronous,
    },
    Definition {
        name: "esp_sequence_used_ratio",
        kind: Type::Gauge,
        labels: &["peer", "direction"],
        help: "Part of the 2^32 ESP sequence numbers that is used, 0 to 1, of the most used association with a node among those active in the last minute",
        rows: |snapshot, rows| {
            let mut most = BTreeMap::<_, f64>::new();
            for row in &snapshot.counted.esp_active {
                let used = most.entry((row.peer(), row.direction)).or_default();
                *used = used.max(row.used());
            }
            most.into_iter().try_for_each(|((peer, direction), used)| {
                rows.number(&[&peer.to_string(), direction.label()], used)
            })
        },
    },
    Definition {
        name: "exposure_packets",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Packets by network, protocol and exposure of their flow (plaintext, encrypted or unknown); vni is empty outside any overlay",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "exposure_bytes",
        kind: Type::Counter,
        labels: &["direction", "vni", "protocol", "exposure"],
        help: "Bytes by network, protocol and exposure of their flow, from the link header on without FCS",
        rows: |snapshot, rows| exposure(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "exposure_pending_packets",
        kind: Type::Gauge,
        labels: &["vni"],
        help: "Packets whose flow has no verdict yet; they move to exposure_packets with the verdict, or after an idle minute",
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
        help: "1 if more may be readable than was found, because samples were lost or capped, flows forgotten, or a map was full since the start",
        rows: |snapshot, rows| rows.value(&[], u64::from(snapshot.counted.is_lower_bound())),
    },
    Definition {
        name: "exposure_evicted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets counted as unknown because their network had used its share of the flows that wait for a verdict",
        rows: |snapshot, rows| rows.value(&[], snapshot.counted.evicted),
    },
    Definition {
        name: "credential_flows",
        kind: Type::Counter,
        labels: &["vni", "kind"],
        help: "Inner flows that showed credentials in plaintext, by network and kind, as the samples show them: a lower bound",
        rows: |snapshot, rows| {
            let mut flows = snapshot.counted.credential_flows.iter();
            flows.try_for_each(|((vni, kind), flows)| {
                rows.value(&[&network(*vni), kind.name()], *flows)
            })
        },
    },
    Definition {
        name: "decrypted_packets",
        kind: Type::Counter,
        labels: &[],
        help: "Packets that no other metric counts because IPsec had decrypted them before the TC hook (with esp4_offload this replaces the ESP packet; the hook xdp counts it)",
        rows: |snapshot, rows| rows.value(&[], snapshot.counted.state.decrypted),
    },
    Definition {
        name: "unparsed_packets",
        kind: Type::Counter,
        labels: &["interface", "direction", "reason"],
        help: "Packets that could not be parsed, by reason",
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
        help: "1 for each known network, with its name, the source of its requirement (config or docker), the requirement (required, optional or forbidden) and its kind (overlay or ingress)",
        rows: networks::info,
    },
    Definition {
        name: "network_state",
        kind: Type::Gauge,
        labels: &["vni", "state"],
        help: "1 for the state of a network over the window, 0 for the others: encrypted, cleartext, mixed, idle (nothing seen) or unknown (incomplete coverage)",
        rows: networks::state,
    },
    Definition {
        name: "network_watched_seconds",
        kind: Type::Counter,
        labels: &["vni"],
        help: "Seconds in which the state of a known network could be determined, by the monotonic clock; the sum of network_state_seconds without unknown",
        rows: networks::watched,
    },
    Definition {
        name: "network_state_seconds",
        kind: Type::Counter,
        labels: &["vni", "state"],
        help: "Seconds that a known network was in a state, by the monotonic clock; all states add up to the time since the agent knows the network",
        rows: networks::state_times,
    },
    Definition {
        name: "violation_active",
        kind: Type::Gauge,
        labels: &["vni", "direction"],
        help: "1 while a violation is open: cleartext where encryption is required, or ESP where it is forbidden",
        rows: networks::active,
    },
    Definition {
        name: "violation_packets",
        kind: Type::Counter,
        labels: &["vni", "direction"],
        help: "Packets that broke the requirement of their network",
        rows: |snapshot, rows| networks::total(snapshot, rows, |count| count.packets),
    },
    Definition {
        name: "violation_bytes",
        kind: Type::Counter,
        labels: &["vni", "direction"],
        help: "Bytes of packets that broke the requirement of their network, from the link header on without FCS; of ESP, the bytes it carries",
        rows: |snapshot, rows| networks::total(snapshot, rows, |count| count.bytes),
    },
    Definition {
        name: "violation_peer_timestamp_seconds",
        kind: Type::Gauge,
        labels: &["vni", "direction", "peer"],
        help: "Unix time of the last packet of a violation from or to this node, of the violations that the agent lists: at most 8 nodes of a network and direction, 256 in all, those seen last",
        rows: networks::peers,
    },
    Definition {
        name: "counting_start_time_seconds",
        kind: Type::Gauge,
        labels: &[],
        help: "When the counters began, in seconds of the Unix epoch: with the agent, or with the agent that handed them over to it",
        rows: |snapshot, rows| {
            // To the millisecond, as it is handed over.
            let began = snapshot.counted.counting_since.as_millisecond();
            rows.number(&[], began as f64 / 1000.0)
        },
    },
    Definition {
        name: "samples",
        kind: Type::Counter,
        labels: &["outcome"],
        help: "Packets chosen as samples, by outcome: sent to the agent, lost because the ring was full, or capped by the limit of the network, the CPU or the share of the ring",
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
        help: "Entries in use in a kernel map",
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
        help: "Entries that a kernel map can hold",
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
        help: "Packets counted as \"other\" because a kernel map was full",
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
        help: "1 for each attached hook: tcx, clsact, xdp or xdp-generic",
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
        help: "1 while a program is attached to this direction of a selected interface, 0 while none is",
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
        help: "1 while no other program comes before ours, 0 while ours sees only what another one passes",
        rows: |snapshot, rows| {
            let mut in_use = snapshot.counted.hooks.iter().filter(|at| at.hook.is_some());
            in_use.try_for_each(|at| {
                rows.value(&[&at.interface, at.direction.label()], u64::from(at.first))
            })
        },
    },
    Definition {
        name: "port_unwatched",
        kind: Type::Gauge,
        labels: &["port", "encapsulation"],
        help: "1 for each UDP port that a VXLAN or Geneve device of this host, or Docker's Swarm, uses and that is not watched",
        rows: |snapshot, rows| {
            let mut ports = snapshot.counted.unwatched_ports.iter();
            ports.try_for_each(|at| {
                let encapsulation = at.service.encapsulation().label();
                rows.value(&[&at.port.to_string(), encapsulation], 1)
            })
        },
    },
    Definition {
        name: "docker_up",
        kind: Type::Gauge,
        labels: &[],
        help: "1 while Docker answers, 0 while its last known networks are used; absent if there never was a daemon",
        rows: |snapshot, rows| match snapshot.counted.docker_up {
            Some(up) => rows.value(&[], u64::from(up)),
            None => Ok(()),
        },
    },
    Definition {
        name: "program_runs",
        kind: Type::Counter,
        labels: &["program"],
        help: "Runs of a kernel program of the agent since it was loaded, while the kernel keeps statistics (--program-stats, or the sysctl kernel.bpf_stats_enabled); absent without",
        rows: |snapshot, rows| {
            let mut programs = snapshot.program_runs.iter();
            programs.try_for_each(|of| rows.value(&[&of.program], of.runs))
        },
    },
    Definition {
        name: "program_run_seconds",
        kind: Type::Counter,
        labels: &["program"],
        help: "Time of these runs, with the time of measuring them",
        rows: |snapshot, rows| {
            let mut programs = snapshot.program_runs.iter();
            programs.try_for_each(|of| rows.seconds(&[&of.program], of.time))
        },
    },
    Definition {
        name: "build_info",
        kind: Type::Gauge,
        labels: &["version", "revision", "kernel"],
        help: "1, with the version of the agent, the commit it was built from (unknown in development), and the release of the kernel",
        rows: |snapshot, rows| {
            let version = env!("CARGO_PKG_VERSION");
            rows.value(&[version, env!("OVERLAY_REVISION"), &snapshot.kernel], 1)
        },
    },
    Definition {
        name: "privileges_info",
        kind: Type::Gauge,
        labels: &["capabilities", "system_calls", "files"],
        help: "1, with the capabilities that the agent holds, whether its system calls are filtered (all if not), and whether its access to files is restricted",
        rows: |snapshot, rows| match &snapshot.held {
            Some(held) => {
                let calls = if held.filtered { "filtered" } else { "all" };
                rows.value(
                    &[&held.capabilities.to_string(), calls, held.files.label()],
                    1,
                )
            }
            None => Ok(()),
        },
    },
    Definition {
        name: "scrape_duration_seconds",
        kind: Type::Gauge,
        labels: &[],
        help: "How long the agent took to make the last page of metrics; absent on the first one",
        rows: |snapshot, rows| match snapshot.last_scrape {
            Some(took) => rows.number(&[], took.as_secs_f64()),
            None => Ok(()),
        },
    },
];
