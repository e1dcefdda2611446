//! Which settings only a start of the agent takes over.

use crate::agent::watch_plan::WatchPlan;
use crate::kernel::{Caps, LoadOptions};

/// The keys whose value differs and is not taken over while the agent runs. Sampling, ports and hooks are constants of the
/// loaded programs.
#[must_use]
pub fn needing_restart(running: &WatchPlan, new: &WatchPlan) -> Vec<&'static str> {
    // A new field must be put on one side or the other.
    let WatchPlan {
        selection: _,
        networks: _,
        hook,
        load,
        listen,
        web_config,
        page,
        hosts,
        policy: _,
        window,
        forget_after,
        unknown_networks,
        docker,
        state_window: _,
    } = running;
    let LoadOptions {
        sample_every,
        flow_samples,
        snap,
        host_flows,
        host_ports,
        udp_ports,
        ring_bytes: _,
        exposure,
        esp_networks: _,
        esp_timing,
        esp_packet_timing,
        caps: Caps { cpu, network },
        policy: _,
    } = load;
    let to = &new.load;
    let differ = [
        ("hook", *hook != new.hook),
        (
            "host_flows",
            *host_flows != to.host_flows || *host_ports != to.host_ports,
        ),
        ("the UDP ports", *udp_ports != to.udp_ports),
        ("exposure", *exposure != to.exposure),
        ("samples_per_second", *cpu != to.caps.cpu),
        ("network_samples_per_second", *network != to.caps.network),
        ("sample_every", *sample_every != to.sample_every),
        ("flow_samples", *flow_samples != to.flow_samples),
        ("snap", *snap != to.snap),
        ("esp_timing", *esp_timing != to.esp_timing),
        (
            "esp_packet_timing",
            *esp_packet_timing != to.esp_packet_timing,
        ),
        ("window", *window != new.window),
        ("forget_after", *forget_after != new.forget_after),
        (
            "unknown_networks",
            *unknown_networks != new.unknown_networks,
        ),
        ("listen", *listen != new.listen),
        ("web_config", *web_config != new.web_config),
        ("page", *page != new.page),
        ("hosts", *hosts != new.hosts),
        ("docker", *docker != new.docker),
    ];
    let named = differ.into_iter().filter(|(_, differs)| *differs);
    named.map(|(key, _)| key).collect()
}
