//! A program attached to an interface, and its position among other programs there.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use monitor_common::direction::Direction;

use super::bpf_link;
use super::clsact;
use super::hook::Hook;
use super::left::Place;
use super::other_programs::{program_named, programs_named};
use crate::base::interface::Interface;

/// A program attached to a hook. Dropping it detaches the program.
#[derive(Debug)]
pub struct Attachment {
    /// The interface, under its current name.
    pub interface: Interface,
    /// Whether the program sees received or sent packets.
    pub direction: Direction,
    /// The hook.
    pub hook: Hook,
    pub(super) guard: Guard,
}

/// What keeps the program attached.
#[derive(Debug)]
pub(super) enum Guard {
    Tcx(OwnedFd),
    Clsact(clsact::Filter),
    Xdp(OwnedFd),
}

/// The position of a program among all programs at its hook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookPosition {
    /// It runs first, and sees every packet.
    First,
    /// It runs after these other programs, as a noun phrase: "other TC filters". It does not see packets that they
    /// drop.
    Behind(String),
    /// It is not attached any more: another process detached it, or its interface was removed.
    Lost,
}

impl Attachment {
    /// The link that keeps the program attached while any process has it open, and its place; `None` for a filter, which stays
    /// by itself.
    #[must_use]
    pub fn link(&self) -> Option<(Place, BorrowedFd<'_>)> {
        let place = Place {
            hook: self.hook,
            direction: self.direction,
            ifindex: self.interface.index,
        };
        match &self.guard {
            Guard::Tcx(link) | Guard::Xdp(link) => Some((place, link.as_fd())),
            Guard::Clsact(_) => None,
        }
    }

    /// Leaves the program to another process, which must have its link open.
    pub fn leave(self) {
        match self.guard {
            Guard::Tcx(link) | Guard::Xdp(link) => drop(link),
            Guard::Clsact(filter) => filter.leave(),
        }
    }

    /// The current position of the program. `xdp` is the id of the XDP program on the interface.
    ///
    /// # Errors
    /// The error that the kernel answered.
    pub fn position(&self, xdp: Option<u32>) -> io::Result<HookPosition> {
        let index = self.interface.index;
        let before = match &self.guard {
            Guard::Xdp(link) => {
                let lost = bpf_link::info(link.as_fd())?.ifindex == 0;
                return Ok(if lost {
                    HookPosition::Lost
                } else {
                    HookPosition::First
                });
            }
            Guard::Tcx(link) => {
                let info = bpf_link::info(link.as_fd())?;
                let programs = bpf_link::tcx_programs(index, self.direction)?;
                let at = programs.iter().position(|id| *id == info.program);
                let Some(at) = at.filter(|_| info.ifindex == index) else {
                    return Ok(HookPosition::Lost);
                };
                let before = programs.get(..at).unwrap_or_default();
                (!before.is_empty())
                    .then(|| format!("other TCX programs ({})", programs_named(before)))
            }
            Guard::Clsact(filter) => match filter.is_attached()? {
                None => return Ok(HookPosition::Lost),
                Some(true) => None,
                Some(false) => Some("other TC filters".to_owned()),
            },
        };
        // XDP runs before TC, and only on received packets.
        let xdp = xdp.filter(|_| self.direction == Direction::Rx);
        let xdp = xdp.map(|id| format!("an XDP program ({})", program_named(id)));
        Ok(match xdp.or(before) {
            Some(others) => HookPosition::Behind(others),
            None => HookPosition::First,
        })
    }
}
