//! Whether the kernel accepts the programs.

use anyhow::anyhow;
use monitor_common::direction::Direction;

use super::finding::{Check, Finding, limited, missing, works};
use crate::base::failure::Failure;
use crate::kernel::Attribution;
use crate::kernel::attach;
use crate::kernel::{Entry, Kernel, LoadOptions};

/// Loads the programs of `run` with all that it uses, which is the only reliable test, and attaches none. Returns whether
/// TCX links exist.
pub(super) fn programs(findings: &mut Vec<Finding>) -> Result<bool, Failure> {
    let mut kernel = match Kernel::new(&LoadOptions {
        exposure: true,
        esp_networks: true,
        esp_timing: true,
        esp_packet_timing: true,
        policy: true,
        ..LoadOptions::default()
    }) {
        Ok(kernel) => kernel,
        Err(failure) => {
            findings.push(missing(Check::Programs, "eBPF maps", failure.to_string()));
            return Err(Failure::kernel(anyhow!(
                "eBPF programs cannot be loaded: see the lines above"
            )));
        }
    };
    for direction in Direction::ALL {
        if let Err(failure) = kernel.load(Entry::Tc(direction)) {
            findings.push(missing(
                Check::Programs,
                "eBPF programs for TC",
                failure.to_string(),
            ));
            return Err(Failure::kernel(anyhow!(
                "eBPF programs cannot be loaded: see the lines above"
            )));
        }
    }
    findings.push(works(
        Check::Programs,
        "eBPF programs for TC",
        "packets can be counted in both directions",
    ));
    let has_tcx = attach::has_tcx(&mut kernel);
    findings.push(if has_tcx {
        works(Check::Tcx, "TCX links", "our programs are first, and are detached when the process ends")
    } else {
        limited(Check::Tcx,
            "no TCX links (Linux 6.6)",
            "TC filters are used: after kill -9 they stay until the next start, or until `overlay-monitor detach`",
        )
    });
    findings.push(xdp(&mut kernel));
    let attributed = kernel.load_esp_attribution();
    findings.push(attribution(&attributed));
    if attributed == Attribution::Exact {
        findings.push(timing(
            kernel.esp_timer().err(),
            kernel.packet_timer().err(),
        ));
    }
    Ok(has_tcx)
}

fn xdp(kernel: &mut Kernel) -> Finding {
    let Err(no_frags) = kernel.load(Entry::XdpFrags) else {
        return works(
            Check::XdpPrograms,
            "eBPF programs for XDP",
            "--hook xdp can be used, at any MTU",
        );
    };
    match kernel.load(Entry::Xdp) {
        Ok(()) => limited(
            Check::XdpPrograms,
            "XDP without frags",
            format!(
                "--hook xdp is refused by drivers at a jumbo MTU (Linux 5.18): {}",
                no_frags.to_string().lines().next().unwrap_or_default()
            ),
        ),
        Err(failure) => limited(
            Check::XdpPrograms,
            "no XDP",
            format!("--hook xdp falls back to TC: {failure}"),
        ),
    }
}

fn attribution(attribution: &Attribution) -> Finding {
    match attribution {
        Attribution::Exact => works(
            Check::EspAttribution,
            "ESP by network",
            "the network inside each ESP packet is known",
        ),
        Attribution::None => limited(Check::EspAttribution, "ESP by network", "not tested"),
        Attribution::Impossible(reason) => limited(
            Check::EspAttribution,
            "no ESP by network",
            format!(
                "ESP is counted by peer only, so whether a network is encrypted is unknown: {reason}"
            ),
        ),
    }
}

/// Why nothing is timed, and why no single packet is.
fn timing(trouble: Option<String>, no_packets: Option<String>) -> Finding {
    match (trouble, no_packets) {
        (None, None) => works(
            Check::EspTiming,
            "time of ESP",
            "encryptions and decryptions of overlays are timed by samples, and some packets by themselves",
        ),
        (None, Some(reason)) => limited(
            Check::EspTiming,
            "time of ESP by samples only",
            format!("encryptions are timed by samples, and no single packet is: {reason}"),
        ),
        (Some(reason), _) => limited(
            Check::EspTiming,
            "no time of ESP",
            format!("encryptions are not timed: {reason}"),
        ),
    }
}
