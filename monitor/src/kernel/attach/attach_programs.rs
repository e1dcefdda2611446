//! Attaches programs to the hooks of an interface.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::anyhow;
use monitor_common::direction::Direction;

use super::attachment::{Attachment, Guard};
use super::bpf_link;
use super::clsact;
use super::hook::{Hook, HookChoice};
use super::left::{self, LeftAttached, Place};
use crate::base::failure::Failure;
use crate::base::interface::{Interface, LinkLayer};
use crate::kernel::programs::{Entry, Kernel};

/// Prepares an interface: inserts its rows into the maps and loads the programs, so that both directions are attached
/// at nearly the same time.
///
/// # Errors
/// A kernel failure: a map is full, or a program cannot be loaded.
pub fn prepare(
    kernel: &mut Kernel,
    interface: &Interface,
    choice: HookChoice,
) -> Result<(), Failure> {
    kernel.prepare_interface(interface.index)?;
    load(kernel, interface.link_layer(), choice)
}

/// Loads the programs that are tried first on an interface with this link layer, and no others: most of the time of a
/// start is the verifier's.
///
/// # Errors
/// A kernel failure, if a program cannot be loaded.
pub fn load(kernel: &mut Kernel, link: LinkLayer, choice: HookChoice) -> Result<(), Failure> {
    kernel.load(tc_entry(link, Direction::Tx))?;
    match (link, choice) {
        // Kernels before 5.18 refuse frags.
        (LinkLayer::Ethernet, HookChoice::Xdp | HookChoice::XdpGeneric) => kernel
            .load(Entry::XdpFrags)
            .or_else(|_| kernel.load(Entry::Xdp)),
        (LinkLayer::Ip, _) | (LinkLayer::Ethernet, HookChoice::Auto | HookChoice::Tc) => {
            kernel.load(tc_entry(link, Direction::Rx))
        }
    }
}

/// Whose programs are in the way, and whose are replaced.
pub struct Owners<'a> {
    /// This process.
    pub own: &'a clsact::Owner,
    /// What another process left for this one: its programs are replaced by ours in one step, so that each packet is seen by
    /// one of the two.
    pub left: &'a mut LeftAttached,
}

/// Attaches to one direction of a prepared interface.
///
/// # Errors
/// A kernel failure that names the hook and the reason.
pub fn attach(
    kernel: &mut Kernel,
    interface: &Interface,
    direction: Direction,
    choice: HookChoice,
    owners: &mut Owners<'_>,
) -> Result<Attachment, Failure> {
    let hook = match (direction, choice) {
        (Direction::Tx, _) | (Direction::Rx, HookChoice::Auto | HookChoice::Tc) => Hook::Tcx,
        (Direction::Rx, HookChoice::Xdp) => Hook::Xdp,
        (Direction::Rx, HookChoice::XdpGeneric) => Hook::XdpGeneric,
    };
    // Two of ours would count twice.
    owners
        .left
        .detach_others(interface.index, direction, &[hook, Hook::Tcx]);
    match hook {
        Hook::Tcx | Hook::Clsact => tc(kernel, interface, direction, owners),
        Hook::Xdp | Hook::XdpGeneric => xdp_or_tc(kernel, interface, hook, owners),
    }
}

/// The TC program for an interface with this link layer.
fn tc_entry(link: LinkLayer, direction: Direction) -> Entry {
    match link {
        LinkLayer::Ethernet => Entry::Tc(direction),
        LinkLayer::Ip => Entry::TcIp(direction),
    }
}

/// Attaches XDP, or TC where XDP is not possible.
fn xdp_or_tc(
    kernel: &mut Kernel,
    interface: &Interface,
    hook: Hook,
    owners: &mut Owners<'_>,
) -> Result<Attachment, Failure> {
    if interface.link_layer() == LinkLayer::Ip {
        tracing::warn!(
            "{}: no {hook}: its frames have no Ethernet header; using TC for received packets",
            interface.name
        );
        return tc(kernel, interface, Direction::Rx, owners);
    }
    let error = match xdp(kernel, interface, hook, owners.left) {
        Ok(guard) => {
            // The other process had TC here, which would count the same packets.
            owners
                .left
                .detach_others(interface.index, Direction::Rx, &[]);
            if let Some(owner) = owners.left.owner()
                && let Err(error) = clsact::remove_left(interface, Direction::Rx, owner)
            {
                tracing::warn!("{}: cannot remove a TC filter: {error}", interface.name);
            }
            let guard = Guard::Xdp(guard);
            return Ok(Attachment {
                interface: interface.clone(),
                direction: Direction::Rx,
                hook,
                guard,
            });
        }
        Err(XdpError::Load(failure)) => return Err(failure),
        Err(XdpError::Attach(error)) => error,
    };
    let why = match error.raw_os_error() {
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is attached, and stays in place",
        Some(libc::EOPNOTSUPP) => "its driver has no native XDP",
        Some(libc::ERANGE | libc::EINVAL) => {
            "its driver refuses XDP with its current MTU, queues or offloads"
        }
        Some(libc::ENODEV) => return Err(vanished(interface)),
        _ => {
            return Err(Failure::kernel(
                anyhow!(error).context(format!("cannot attach {hook} to {}", interface.name)),
            ));
        }
    };
    tracing::warn!(
        "{}: no {hook}: {why} ({error}); using TC for received packets",
        interface.name
    );
    tc(kernel, interface, Direction::Rx, owners)
}

/// Why XDP is not attached.
enum XdpError {
    /// The program cannot be loaded.
    Load(Failure),
    /// The kernel or the driver refuses the attachment.
    Attach(io::Error),
}

/// Attaches XDP, with `frags` if kernel and driver support it: frames of a jumbo MTU need it.
fn xdp(
    kernel: &mut Kernel,
    interface: &Interface,
    hook: Hook,
    left: &mut LeftAttached,
) -> Result<OwnedFd, XdpError> {
    let place = Place {
        hook,
        direction: Direction::Rx,
        ifindex: interface.index,
    };
    if let Some(link) = left.take(place) {
        // The driver took the one program, and takes its like.
        for entry in [Entry::XdpFrags, Entry::Xdp] {
            if let Ok(program) = kernel.fd(entry)
                && bpf_link::update(link.as_fd(), program).is_ok()
            {
                return Ok(link);
            }
        }
        left::detach(&link);
    }
    let attach = |kernel: &mut Kernel, entry| {
        let program = kernel.fd(entry).map_err(XdpError::Load)?;
        bpf_link::xdp(program, interface.index, hook).map_err(XdpError::Attach)
    };
    match attach(kernel, Entry::XdpFrags) {
        Ok(link) => Ok(link),
        Err(XdpError::Attach(error))
            if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST)) =>
        {
            Err(XdpError::Attach(error))
        }
        Err(XdpError::Attach(_)) => attach(kernel, Entry::Xdp),
        // Kernels before 5.18 do not have the flag.
        Err(XdpError::Load(failure)) => {
            tracing::debug!("no XDP with frags: {failure}");
            attach(kernel, Entry::Xdp)
        }
    }
}

/// Attaches TCX, or a clsact filter on older kernels.
fn tc(
    kernel: &mut Kernel,
    interface: &Interface,
    direction: Direction,
    owners: &mut Owners<'_>,
) -> Result<Attachment, Failure> {
    let program = kernel.fd(tc_entry(interface.link_layer(), direction))?;
    let place = Place {
        hook: Hook::Tcx,
        direction,
        ifindex: interface.index,
    };
    let taken_over = owners.left.take(place).filter(|link| {
        let updated = bpf_link::update(link.as_fd(), program);
        if updated.is_err() {
            left::detach(link);
        }
        updated.is_ok()
    });
    let link = match taken_over {
        Some(link) => Ok(link),
        // Before all other programs, so that packets that a later one drops or redirects are counted.
        None => bpf_link::tcx(program, interface.index, direction),
    };
    let (hook, guard) = match link {
        Ok(link) => (Hook::Tcx, Guard::Tcx(link)),
        Err(error) => match error.raw_os_error() {
            // The kernel does not have the attach type.
            Some(libc::EINVAL) => (
                Hook::Clsact,
                Guard::Clsact(clsact::Filter::add(
                    interface,
                    direction,
                    program,
                    owners.own,
                    owners.left.owner(),
                )?),
            ),
            Some(libc::ENODEV) => return Err(vanished(interface)),
            _ => {
                return Err(Failure::kernel(
                    anyhow!(error).context(format!("cannot attach to TC of {}", interface.name)),
                ));
            }
        },
    };
    Ok(Attachment {
        interface: interface.clone(),
        direction,
        hook,
        guard,
    })
}

/// The failure if the interface was removed meanwhile.
fn vanished(interface: &Interface) -> Failure {
    Failure::usage(anyhow!(
        "interface {} was removed while programs were being attached to it",
        interface.name
    ))
}

/// Loads every program that this choice may attach to an interface that comes later, of any kind. One that the kernel rejects
/// is logged; where nothing else can take its place, attaching it fails with the reason.
pub fn load_all(kernel: &mut Kernel, choice: HookChoice) {
    let xdp: &[Entry] = match choice {
        HookChoice::Auto | HookChoice::Tc => &[],
        HookChoice::Xdp | HookChoice::XdpGeneric => &[Entry::XdpFrags, Entry::Xdp],
    };
    let tc = Direction::ALL.map(|direction| [Entry::Tc(direction), Entry::TcIp(direction)]);
    for entry in tc.as_flattened().iter().chain(xdp) {
        if let Err(failure) = kernel.load(*entry) {
            tracing::debug!("not loaded: {failure}");
        }
    }
}

/// Whether this kernel has TCX links; tried without touching an interface.
#[must_use]
pub fn has_tcx(kernel: &mut Kernel) -> bool {
    kernel
        .fd(Entry::Tc(Direction::Rx))
        .is_ok_and(bpf_link::has_tcx)
}
