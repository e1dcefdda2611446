//! Which hooks would be used on each interface, what is attached already, and what XDP would cost.

use anyhow::anyhow;
use monitor_common::direction::Direction;

use super::finding::{Check, Finding, limited, works};
use crate::agent::INTERFACES;
use crate::base::failure::Failure;
use crate::base::interface::{Interface, LinkLayer};
use crate::base::udp_ports::UdpPorts;
use crate::host::docker::DockerStatus;
use crate::host::interface::{self, Link, LinkKind, Selection};
use crate::host::overlay_port::{UnwatchedPort, unwatched_ports};
use crate::kernel::attach::{self, OtherPrograms};

/// Adds the findings on every selected interface, and returns their names. `has_tcx` is `None` if it could not be tested.
///
/// # Errors
/// A runtime failure, if the kernel does not list the interfaces.
pub(super) fn interfaces(
    mut selection: Selection,
    has_tcx: Option<bool>,
    findings: &mut Vec<Finding>,
) -> Result<Vec<String>, Failure> {
    let links = interface::list()?;
    let routes = interface::default_routes().map_err(|error| {
        Failure::runtime(anyhow!(error).context("cannot read the default route"))
    })?;
    let selected = selection.resolve(&links, &routes);
    for note in selected.notes.into_iter().chain(selected.warnings) {
        findings.push(limited(Check::Selection, "selection", note));
    }
    if selected.interfaces.len() > INTERFACES {
        findings.push(limited(
            Check::Selection,
            "selection",
            format!(
                "{} interfaces: at most {INTERFACES} can be watched",
                selected.interfaces.len()
            ),
        ));
    }
    for interface in &selected.interfaces {
        if let Some(link) = links.iter().find(|link| link.index == interface.index) {
            findings.push(kind(interface, link).on(&interface.name));
            findings.push(tc(interface, link, has_tcx).on(&interface.name));
            findings.push(xdp(interface, link).on(&interface.name));
        }
    }
    let names = selected.interfaces.into_iter();
    Ok(names.map(|interface| interface.name).collect())
}

/// A finding for each UDP port that an overlay of this host uses and that is not watched.
///
/// # Errors
/// A runtime failure, if the kernel does not list the interfaces.
pub(super) fn overlay_ports(
    docker: &DockerStatus,
    udp_ports: &UdpPorts,
) -> Result<Vec<Finding>, Failure> {
    let ports = unwatched_ports(&interface::list()?, Some(docker), udp_ports);
    let finding = |port: &UnwatchedPort| {
        let what = format!("overlay on UDP port {}", port.port);
        limited(Check::OverlayPort, what, port.to_string())
    };
    Ok(ports.iter().map(finding).collect())
}

fn kind(interface: &Interface, link: &Link) -> Finding {
    let what = format!("interface {}", interface.name);
    match interface.link_layer() {
        LinkLayer::Ethernet => works(Check::Interface, what, format!("{}, Ethernet", link.kind)),
        LinkLayer::Ip => works(
            Check::Interface,
            what,
            format!("{}, raw IP (no Ethernet header)", link.kind),
        ),
    }
}

/// What `--hook auto` would do.
fn tc(interface: &Interface, link: &Link, has_tcx: Option<bool>) -> Finding {
    let what = format!("  --hook auto on {}", interface.name);
    let Some(has_tcx) = has_tcx else {
        return limited(
            Check::HookAuto,
            what,
            "cannot be determined: no program could be loaded, so it is unknown whether TCX or clsact would be used",
        );
    };
    let asked =
        Direction::ALL.map(|direction| attach::other_programs(interface, direction, has_tcx));
    let [rx, tx] = match asked {
        [Ok(rx), Ok(tx)] => [rx, tx],
        [Err(error), _] | [_, Err(error)] => {
            return limited(
                Check::HookAuto,
                what,
                format!("cannot list what is attached to TC: {error}"),
            );
        }
    };
    let hook = if has_tcx { "TCX" } else { "clsact" };
    let there: Vec<String> = [("received", &rx), ("sent", &tx)]
        .into_iter()
        .filter_map(|(direction, others)| {
            describe(others).map(|said| format!("{direction}: {said}"))
        })
        .collect();
    let mut means = format!("{hook} in both directions");
    let first = has_tcx || !(rx.lowest_taken || tx.lowest_taken);
    means.push_str(match (first, there.is_empty()) {
        (true, true) => ", first; nothing else is attached",
        (true, false) => ", first, before what is attached",
        (false, _) => ", NOT first: packets that earlier filters drop or redirect are not counted",
    });
    if !there.is_empty() {
        means.push_str(&format!(" ({})", there.join("; ")));
    }
    if let Some(id) = link.xdp {
        means.push_str(&format!(
            "; XDP program {} comes before it: packets that it drops are not counted",
            attach::program_named(id)
        ));
    }
    if first && link.xdp.is_none() {
        works(Check::HookAuto, what, means)
    } else {
        limited(Check::HookAuto, what, means)
    }
}

fn describe(others: &OtherPrograms) -> Option<String> {
    let mut said = Vec::new();
    if !others.tcx.is_empty() {
        said.push(format!(
            "TCX programs {}",
            attach::programs_named(&others.tcx)
        ));
    }
    match others.filters {
        0 => {}
        1 => said.push("1 clsact filter".to_owned()),
        many => said.push(format!("{many} clsact filters")),
    }
    (!said.is_empty()).then(|| said.join(", "))
}

/// What `--hook xdp` would do, and what it would cost. Nothing is tried, since attaching has the cost.
fn xdp(interface: &Interface, link: &Link) -> Finding {
    let what = format!("  --hook xdp on {}", interface.name);
    if let Some(id) = link.xdp {
        return limited(
            Check::HookXdp,
            what,
            format!(
                "falls back to TC: XDP program {} is attached, and stays",
                attach::program_named(id)
            ),
        );
    }
    if interface.link_layer() == LinkLayer::Ip {
        return limited(
            Check::HookXdp,
            what,
            "falls back to TC: frames have no Ethernet header",
        );
    }
    match link.kind {
        LinkKind::Device if !link.is_loopback() => works(
            Check::HookXdp,
            what,
            "native XDP for received packets, if the driver supports it (else TC). Attaching resets the rings of many \
             NICs (a second without link) and disables LRO; --hook auto does neither",
        ),
        LinkKind::Veth => works(
            Check::HookXdp,
            what,
            "native XDP for received packets. Attaching disables TSO and USO of its peer, which costs a TCP stream most of its \
             rate (docs/costs.md); --hook auto does neither",
        ),
        LinkKind::Bond => works(
            Check::HookXdp,
            what,
            "native XDP for received packets, if all its members support it (else TC). Attaching resets the rings of \
             many NICs and disables LRO on each of them",
        ),
        LinkKind::Tun => works(
            Check::HookXdp,
            what,
            "native XDP for received packets (else TC)",
        ),
        LinkKind::Device
        | LinkKind::Vlan
        | LinkKind::Macvlan
        | LinkKind::Bridge
        | LinkKind::Vrf
        | LinkKind::Overlay
        | LinkKind::Other => limited(
            Check::HookXdp,
            what,
            format!("falls back to TC: a {} has no native XDP", name_of(link)),
        ),
    }
}

fn name_of(link: &Link) -> String {
    if link.is_loopback() {
        "loopback interface".to_owned()
    } else {
        link.kind.to_string()
    }
}
