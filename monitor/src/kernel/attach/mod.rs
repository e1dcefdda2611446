//! Attachment of the programs to interfaces, and what it promises: other programs stay where they
//! are, and nothing of ours stays behind.

pub mod clsact;
mod link;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use anyhow::anyhow;
use monitor_common::label::Direction;

use crate::base::failure::Failure;
use crate::base::interface::{Interface, LinkLayer};
use crate::kernel::{Entry, Kernel};

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
    /// Where, under the name that the interface has now.
    pub interface: Interface,
    /// Which packets it sees.
    pub direction: Direction,
    /// How.
    pub hook: Hook,
    guard: Guard,
}

#[derive(Debug)]
enum Guard {
    Tcx(OwnedFd),
    Clsact(clsact::Filter),
    Xdp(OwnedFd),
}

/// What a program at a hook gets to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Every packet.
    First,
    /// What these other programs let through, as a sentence says it: "other TC filters".
    Behind(String),
    /// Nothing: it was detached, by somebody or with its interface.
    Lost,
}

impl Attachment {
    /// Asks the kernel whether the program is still there, and what comes before it. `xdp` is the XDP program on
    /// the interface, by its id.
    ///
    /// # Errors
    /// What the kernel answered.
    pub fn sight(&self, xdp: Option<u32>) -> io::Result<Sight> {
        let index = self.interface.index;
        let before = match &self.guard {
            Guard::Xdp(link) => {
                let lost = link::info(link.as_fd())?.ifindex == 0;
                return Ok(if lost { Sight::Lost } else { Sight::First });
            }
            Guard::Tcx(link) => {
                let info = link::info(link.as_fd())?;
                let programs = link::tcx_programs(index, self.direction)?;
                let at = programs.iter().position(|id| *id == info.program);
                let Some(at) = at.filter(|_| info.ifindex == index) else {
                    return Ok(Sight::Lost);
                };
                let before = programs.get(..at).unwrap_or_default();
                (!before.is_empty())
                    .then(|| format!("other TCX programs ({})", programs_named(before)))
            }
            Guard::Clsact(filter) => match filter.is_there()? {
                None => return Ok(Sight::Lost),
                Some(true) => None,
                Some(false) => Some("other TC filters".to_owned()),
            },
        };
        // XDP runs before TC does, but only for what is received.
        let xdp = xdp.filter(|_| self.direction == Direction::Rx);
        let xdp = xdp.map(|id| format!("an XDP program ({})", program_named(id)));
        Ok(match xdp.or(before) {
            Some(others) => Sight::Behind(others),
            None => Sight::First,
        })
    }
}

/// Ids of programs with their names, where the kernel tells them.
#[must_use]
pub fn programs_named(ids: &[u32]) -> String {
    let named: Vec<String> = ids.iter().map(|id| program_named(*id)).collect();
    named.join(", ")
}

/// Id of a program with its name, where the kernel tells it.
#[must_use]
pub fn program_named(id: u32) -> String {
    let name = aya::programs::loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned));
    match name {
        Some(name) => format!("{id} {}", monitor_classify::text::escape(&name, 32)),
        None => id.to_string(),
    }
}

/// Makes an interface ready: room in the maps, and the programs loaded, so that no direction is watched much
/// longer than the other.
///
/// # Errors
/// A kernel failure.
pub fn prepare(kernel: &mut Kernel, interface: &Interface) -> Result<(), Failure> {
    kernel.prepare_interface(interface.index)?;
    for direction in Direction::ALL {
        kernel.load(tc_entry(interface, direction))?;
    }
    Ok(())
}

/// Attaches to one direction of an interface that is ready.
///
/// # Errors
/// A kernel failure that says which hook failed and why.
pub fn attach(
    kernel: &mut Kernel,
    interface: &Interface,
    direction: Direction,
    choice: HookChoice,
    owner: &clsact::Owner,
) -> Result<Attachment, Failure> {
    match (direction, choice) {
        (Direction::Tx, _) | (Direction::Rx, HookChoice::Auto | HookChoice::Tc) => {
            tc(kernel, interface, direction, owner)
        }
        (Direction::Rx, HookChoice::Xdp) => xdp_or_tc(kernel, interface, Hook::Xdp, owner),
        (Direction::Rx, HookChoice::XdpGeneric) => {
            xdp_or_tc(kernel, interface, Hook::XdpGeneric, owner)
        }
    }
}

/// The TC program for an interface.
fn tc_entry(interface: &Interface, direction: Direction) -> Entry {
    match interface.link_layer() {
        LinkLayer::Ethernet => Entry::Tc(direction),
        LinkLayer::Ip => Entry::TcIp(direction),
    }
}

fn xdp_or_tc(
    kernel: &mut Kernel,
    interface: &Interface,
    hook: Hook,
    owner: &clsact::Owner,
) -> Result<Attachment, Failure> {
    if interface.link_layer() == LinkLayer::Ip {
        tracing::warn!(
            "{}: no {hook}: its frames have no Ethernet header. Using TC for what is received",
            interface.name
        );
        return tc(kernel, interface, Direction::Rx, owner);
    }
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
        let program = kernel.fd(entry).map_err(XdpError::Load)?;
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
    let program = kernel.fd(tc_entry(interface, direction))?;
    // First, so that what a later program drops or redirects is still counted.
    let (hook, guard) = match link::tcx(program, interface.index, direction) {
        Ok(link) => (Hook::Tcx, Guard::Tcx(link)),
        Err(error) => match error.raw_os_error() {
            // An attach type that this kernel does not know.
            Some(libc::EINVAL) => (
                Hook::Clsact,
                Guard::Clsact(clsact::Filter::add(interface, direction, program, owner)?),
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

fn vanished(interface: &Interface) -> Failure {
    Failure::usage(anyhow!(
        "interface {} vanished while it was being attached to",
        interface.name
    ))
}

/// Whether this kernel knows TCX links, tried without touching an interface.
#[must_use]
pub fn has_tcx(kernel: &mut Kernel) -> bool {
    kernel
        .fd(Entry::Tc(Direction::Rx))
        .is_ok_and(link::knows_tcx)
}

/// The programs that run before one of ours at TC of an interface would, or after it, by what `check` says of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Others {
    /// TCX programs, by id.
    pub tcx: Vec<u32>,
    /// Filters of the clsact qdisc that are not ours.
    pub filters: usize,
    /// Whether the lowest preference of the clsact qdisc is taken.
    pub lowest_taken: bool,
}

/// Asks what others have attached to TC of an interface.
///
/// # Errors
/// What the kernel answered.
pub fn others(interface: &Interface, direction: Direction, has_tcx: bool) -> io::Result<Others> {
    let (filters, lowest_taken) = clsact::others(interface, direction)?;
    Ok(Others {
        tcx: if has_tcx {
            link::tcx_programs(interface.index, direction)?
        } else {
            Vec::new()
        },
        filters,
        lowest_taken,
    })
}
