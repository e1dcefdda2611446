//! Attachment of the programs to interfaces, and what it promises: other programs stay where they
//! are, and nothing of ours stays behind.

pub mod clsact;
mod link;

use std::fmt;
use std::io;
use std::os::fd::OwnedFd;

use anyhow::anyhow;
use aya::programs::tc::{SchedClassifierLink, TcAttachOptions};
use aya::programs::{LinkOrder, ProgramError, TcAttachType};
use monitor_common::label::Direction;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::{LinkAttribute, LinkMessage, LinkXdp};

use crate::failure::Failure;
use crate::interface::Interface;
use crate::kernel::{Entry, Kernel};
use crate::netlink;

/// Which hooks to use, as the user says it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookChoice {
    /// TC in both directions: TCX where the kernel has it (6.6 and later), else clsact.
    #[default]
    Auto,
    /// The same as auto.
    Tc,
    /// Native XDP for what is received, TC for what is sent. Survives floods of small packets; but
    /// attaching it resets the rings of many NICs, and turns off TSO of a veth's peer.
    Xdp,
    /// Generic XDP for what is received, TC for what is sent: for drivers without native XDP.
    XdpGeneric,
}

/// A hook that is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hook {
    /// TC through a BPF link (6.6 and later).
    Tcx,
    /// TC through a filter of the clsact qdisc.
    Clsact,
    /// Native XDP.
    Xdp,
    /// Generic XDP.
    XdpGeneric,
}

impl Hook {
    /// The value of the metric label `hook`.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Hook::Tcx => "tcx",
            Hook::Clsact => "clsact",
            Hook::Xdp => "xdp",
            Hook::XdpGeneric => "xdp-generic",
        }
    }
}

impl fmt::Display for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.label())
    }
}

/// A program at a hook. Dropping it detaches.
#[derive(Debug)]
pub struct Attachment {
    /// Where.
    pub interface: Interface,
    /// Which packets it sees.
    pub direction: Direction,
    /// How.
    pub hook: Hook,
    #[expect(dead_code, reason = "held for its Drop, which detaches")]
    guard: Guard,
}

#[derive(Debug)]
#[expect(dead_code, reason = "held for their Drop, which detaches")]
enum Guard {
    Tcx(SchedClassifierLink),
    Clsact(clsact::Filter),
    Xdp(OwnedFd),
}

/// Attaches to both directions of an interface. On an error nothing stays attached.
///
/// # Errors
/// A kernel failure that says which hook failed and why.
pub fn attach(
    kernel: &mut Kernel,
    interface: &Interface,
    choice: HookChoice,
    owner: &clsact::Owner,
) -> Result<Vec<Attachment>, Failure> {
    kernel.prepare_interface(interface.index)?;
    // Loading takes a while. Both first, so that no direction is watched much longer than the other.
    for direction in Direction::ALL {
        kernel.load(Entry::Tc(direction))?;
    }
    let rx = match choice {
        HookChoice::Auto | HookChoice::Tc => tc(kernel, interface, Direction::Rx, owner)?,
        HookChoice::Xdp => xdp_or_tc(kernel, interface, Hook::Xdp, owner)?,
        HookChoice::XdpGeneric => xdp_or_tc(kernel, interface, Hook::XdpGeneric, owner)?,
    };
    let tx = tc(kernel, interface, Direction::Tx, owner)?;
    Ok(vec![rx, tx])
}

fn xdp_or_tc(
    kernel: &mut Kernel,
    interface: &Interface,
    hook: Hook,
    owner: &clsact::Owner,
) -> Result<Attachment, Failure> {
    let error = match xdp(kernel, interface, hook) {
        Ok(guard) => {
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
        Some(libc::EBUSY | libc::EEXIST) => "another XDP program is there, and is left in place",
        Some(libc::EOPNOTSUPP) => "its driver has no native XDP",
        Some(libc::ERANGE | libc::EINVAL) => {
            "its driver refuses XDP as it is set up (MTU, queues or offloads)"
        }
        Some(libc::ENODEV) => return Err(vanished(interface)),
        _ => {
            return Err(Failure::kernel(
                anyhow!(error).context(format!("cannot attach {hook} to {}", interface.name)),
            ));
        }
    };
    tracing::warn!(
        "{}: no {hook}: {why} ({error}). Using TC for what is received",
        interface.name
    );
    tc(kernel, interface, Direction::Rx, owner)
}

enum XdpError {
    Load(Failure),
    Attach(io::Error),
}

/// With `frags` where kernel and driver take it: a frame of a jumbo MTU needs it.
fn xdp(kernel: &mut Kernel, interface: &Interface, hook: Hook) -> Result<OwnedFd, XdpError> {
    let attach = |kernel: &mut Kernel, entry| {
        let program = kernel.xdp(entry).map_err(XdpError::Load)?;
        link::xdp(program, interface.index, hook).map_err(XdpError::Attach)
    };
    match attach(kernel, Entry::XdpFrags) {
        Ok(link) => Ok(link),
        Err(XdpError::Attach(error))
            if matches!(error.raw_os_error(), Some(libc::EBUSY | libc::EEXIST)) =>
        {
            Err(XdpError::Attach(error))
        }
        Err(XdpError::Attach(_)) => attach(kernel, Entry::Xdp),
        // Before 5.18 the kernel does not know the flag.
        Err(XdpError::Load(failure)) => {
            tracing::debug!("no XDP with frags: {failure}");
            attach(kernel, Entry::Xdp)
        }
    }
}

fn tc(
    kernel: &mut Kernel,
    interface: &Interface,
    direction: Direction,
    owner: &clsact::Owner,
) -> Result<Attachment, Failure> {
    let (hook, guard) = match tcx(kernel, interface, direction)? {
        Some(link) => (Hook::Tcx, Guard::Tcx(link)),
        None => {
            let program = kernel.tc(direction)?;
            let fd = program.fd().map_err(Failure::kernel)?;
            (
                Hook::Clsact,
                Guard::Clsact(clsact::Filter::add(interface, direction, fd, owner)?),
            )
        }
    };
    Ok(Attachment {
        interface: interface.clone(),
        direction,
        hook,
        guard,
    })
}

/// `None` where the kernel has no TCX.
fn tcx(
    kernel: &mut Kernel,
    interface: &Interface,
    direction: Direction,
) -> Result<Option<SchedClassifierLink>, Failure> {
    let at = match direction {
        Direction::Rx => TcAttachType::Ingress,
        Direction::Tx => TcAttachType::Egress,
    };
    let program = kernel.tc(direction)?;
    // First, so that what a later program drops or redirects is still counted.
    let options = TcAttachOptions::TcxOrder(LinkOrder::first());
    match program.attach_with_options(&interface.name, at, options) {
        Ok(id) => program.take_link(id).map(Some).map_err(Failure::kernel),
        Err(ProgramError::SyscallError(error)) => match error.io_error.raw_os_error() {
            // An attach type that this kernel does not know.
            Some(libc::EINVAL) => Ok(None),
            Some(libc::ENODEV) => Err(vanished(interface)),
            _ => Err(Failure::kernel(
                anyhow!(error).context(format!("cannot attach to TC of {}", interface.name)),
            )),
        },
        Err(ProgramError::TcError(error)) => {
            tracing::debug!("{}: {error}", interface.name);
            Err(vanished(interface))
        }
        Err(error) => Err(Failure::kernel(
            anyhow!(error).context(format!("cannot attach to TC of {}", interface.name)),
        )),
    }
}

fn vanished(interface: &Interface) -> Failure {
    Failure::usage(anyhow!(
        "interface {} vanished while it was being attached to",
        interface.name
    ))
}

/// Whether this kernel knows TCX links, tried without touching an interface.
#[must_use]
pub fn has_tcx(kernel: &mut Kernel) -> bool {
    let Ok(program) = kernel.tc(Direction::Rx) else {
        return false;
    };
    let Ok(fd) = program.fd() else { return false };
    link::knows_tcx(fd)
}

/// The XDP program that is on an interface, by its id.
///
/// # Errors
/// What netlink answered.
pub fn xdp_program(interface: &Interface) -> io::Result<Option<u32>> {
    let mut message = LinkMessage::default();
    message.header.index = interface.index;
    let answers = netlink::get(RouteNetlinkMessage::GetLink(message))?;
    Ok(answers.iter().find_map(|answer| {
        let RouteNetlinkMessage::NewLink(link) = answer else {
            return None;
        };
        link.attributes.iter().find_map(|attribute| {
            let LinkAttribute::Xdp(xdp) = attribute else {
                return None;
            };
            xdp.iter().find_map(|part| match part {
                LinkXdp::ProgId(id) => Some(*id),
                _ => None,
            })
        })
    }))
}
