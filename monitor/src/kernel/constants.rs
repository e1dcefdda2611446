//! The constants of the programs: what the verifier takes for granted once they are loaded.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use anyhow::anyhow;
use monitor_common::config::{Config, HOST_PORTS, HostFlows, Ports};

use super::options::LoadOptions;
use super::size::MapSizes;
use crate::base::failure::Failure;

/// The value of the programs' `CONFIG` global, for maps of these sizes; `times_esp` is whether encryptions are timed.
///
/// # Errors
/// A usage failure for invalid host ports.
pub(super) fn config(
    options: &LoadOptions,
    sizes: &MapSizes,
    times_esp: bool,
) -> Result<Config, Failure> {
    let host_ports = if options.host_flows == HostFlows::Ports {
        Ports::new(&options.host_ports).ok_or_else(|| {
            Failure::usage(anyhow!(
                "host ports {:?} are invalid; give 1 to {HOST_PORTS} ports, none of them 0",
                options.host_ports,
            ))
        })?
    } else {
        Config::UNSET.host_ports
    };
    Ok(Config {
        seed: random_words(),
        sample_every: options.sample_every,
        flow_samples: options.flow_samples,
        snap: options.snap,
        host_flows: options.host_flows as u32,
        exposure: u32::from(options.exposure),
        ipsec: u32::from(has_ipsec()),
        cap_cpu: in_span(options.caps.cpu),
        cap_network: in_span(options.caps.network),
        policy: u32::from(options.policy),
        flows: sizes.flows,
        slots: sizes.slots,
        esp_places: sizes.esp_places,
        described_buckets: sizes.described_buckets,
        esp_timing: u32::from(times_esp),
        host_ports,
    })
}

/// Whether this kernel has IPsec (`CONFIG_XFRM`). Without it `bpf_skb_get_xfrm_state` does not exist.
fn has_ipsec() -> bool {
    Path::new("/proc/sys/net/core/xfrm_acq_expires").exists()
}

/// Unpredictable words: `RandomState` is keyed by the operating system's randomness.
fn random_words() -> [u64; 4] {
    std::array::from_fn(|n| RandomState::new().hash_one(n))
}

/// A cap converted to the span of time over which the programs count.
fn in_span(per_second: u32) -> u32 {
    if per_second == u32::MAX {
        return u32::MAX;
    }
    let span_ns = 1u64 << monitor_common::config::SPAN_SHIFT;
    let in_span = u64::from(per_second) * span_ns / 1_000_000_000;
    u32::try_from(in_span).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cap_is_never_rounded_to_zero() {
        assert_eq!(in_span(1), 1);
        assert_eq!(in_span(u32::MAX), u32::MAX);
        assert_eq!(in_span(15_000), 1006);
    }
}
