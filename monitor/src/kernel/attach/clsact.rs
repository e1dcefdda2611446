//! TC before Linux 6.6: a filter of the clsact qdisc.
//!
//! Such a filter outlives the process that added it, so its name identifies its owner: `overlay-monitor/<token>`, with
//! `/q` at the end if overlay-monitor added the qdisc too. The owner binds the abstract Unix socket of the same name in
//! this network namespace; a filter whose socket no process binds was left behind by a killed process.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::AsFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context, anyhow};
use monitor_common::direction::Direction;

use super::tc_netlink::{
    ListedFilter, add_filter, add_qdisc, list, remove, remove_empty_qdisc, replace_filter,
};
use crate::base::failure::Failure;
use crate::base::interface::Interface;

/// Start of the name of each filter, and the end if its owner added the qdisc.
const NAME: &str = "overlay-monitor/";
const OWNS_QDISC: &str = "/q";

/// This process as the owner of filters.
#[derive(Debug)]
pub struct Owner {
    token: String,
    #[expect(dead_code, reason = "bound while the owner lives; its name shows that")]
    alive: UnixDatagram,
}

impl Owner {
    /// Binds the owner's socket in this network namespace.
    ///
    /// # Errors
    /// A runtime failure, if the socket cannot be bound.
    pub fn new() -> Result<Owner, Failure> {
        let random = RandomState::new().hash_one(std::process::id());
        let token = format!("{random:016x}");
        let alive = socket(&token)
            .context("cannot bind the Unix socket that marks this process as the owner of its TC filters")
            .map_err(Failure::runtime)?;
        Ok(Owner { token, alive })
    }

    /// What the names of its filters have in common.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }
}

/// Binds the socket of a token.
fn socket(token: &str) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("{NAME}{token}"))?)
}

/// Whether a process binds the socket of a token.
fn is_alive(token: &str) -> bool {
    matches!(socket(token), Err(error) if error.kind() == io::ErrorKind::AddrInUse)
}

/// A filter of this process. Dropping it removes it, and the qdisc if overlay-monitor added that and it is empty.
#[derive(Debug)]
pub struct Filter {
    interface: Interface,
    direction: Direction,
    preference: u16,
    owns_qdisc: bool,
    token: String,
}

impl Filter {
    /// Whether it is the first filter of the hook; `None` if it is not attached any more.
    ///
    /// # Errors
    /// The error that netlink answered.
    pub(super) fn is_attached(&self) -> io::Result<Option<bool>> {
        let all = match list(&self.interface, self.direction) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
            other => other?,
        };
        let ours = |filter: &ListedFilter| {
            filter.preference == self.preference && filter.token() == Some(&self.token)
        };
        Ok(all.iter().any(ours).then(|| {
            all.iter()
                .all(|filter| filter.preference >= self.preference)
        }))
    }

    /// Adds a filter at the lowest free preference, after removing those that killed processes left on this hook. One whose
    /// owner has the token `left_by` left it for this process: it is replaced in its place.
    ///
    /// # Errors
    /// A kernel failure with the error that netlink answered.
    pub fn add(
        interface: &Interface,
        direction: Direction,
        program: impl AsFd,
        owner: &Owner,
        left_by: Option<&str>,
    ) -> Result<Filter, Failure> {
        let is_new = add_qdisc(interface).map_err(|error| failure(interface, error))?;
        let filter = Filter::add_to_qdisc(interface, direction, program, owner, left_by, is_new);
        if filter.is_err()
            && is_new
            && let Err(error) = remove_empty_qdisc(interface)
        {
            tracing::debug!("{}: {error}", interface.name);
        }
        filter
    }

    fn add_to_qdisc(
        interface: &Interface,
        direction: Direction,
        program: impl AsFd,
        owner: &Owner,
        left_by: Option<&str>,
        mut owns_qdisc: bool,
    ) -> Result<Filter, Failure> {
        let failed = |error: io::Error| failure(interface, error);
        for direction in Direction::ALL {
            // The last instance to end removes the qdisc, whichever instance added it.
            owns_qdisc |= list(interface, direction)
                .map_err(failed)?
                .iter()
                .any(ListedFilter::owns_qdisc);
        }
        let name = format!(
            "{NAME}{}{}",
            owner.token,
            if owns_qdisc { OWNS_QDISC } else { "" }
        );
        let ours = |preference| Filter {
            interface: interface.clone(),
            direction,
            preference,
            owns_qdisc,
            token: owner.token.clone(),
        };
        let mut replaced = None;
        let mut present = Vec::new();
        for filter in list(interface, direction).map_err(failed)? {
            match filter.token() {
                Some(token) if Some(token) == left_by && !is_alive(token) && replaced.is_none() => {
                    replace_filter(interface, direction, &filter, program.as_fd(), &name)
                        .map_err(failed)?;
                    replaced = Some(filter.preference);
                }
                Some(token) if !is_alive(token) => {
                    tracing::info!(
                        "{}: removing the {} filter of an overlay-monitor that was killed",
                        interface.name,
                        direction.label()
                    );
                    remove(interface, direction, filter.preference).map_err(failed)?;
                }
                Some(_) | None => present.push(filter),
            }
        }
        if let Some(preference) = replaced {
            return Ok(ours(preference));
        }
        let taken = |preference: u16| present.iter().any(|filter| filter.preference == preference);
        let preference = (1..=u16::MAX)
            .find(|preference| !taken(*preference))
            .ok_or_else(|| {
                Failure::kernel(anyhow!(
                    "{}: no TC filter preference is free",
                    interface.name
                ))
            })?;
        add_filter(interface, direction, preference, program.as_fd(), &name).map_err(failed)?;
        Ok(ours(preference))
    }

    /// Leaves the filter for another process, which finds it by the owner's token.
    pub(super) fn leave(self) {
        std::mem::forget(self);
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // Checked first: once our filter is gone, its preference or interface index may belong to another one.
        let removed = self.is_attached().and_then(|attached| {
            if attached.is_none() {
                return Ok(());
            }
            remove(&self.interface, self.direction, self.preference)?;
            if self.owns_qdisc {
                remove_empty_qdisc(&self.interface)
            } else {
                Ok(())
            }
        });
        match removed {
            Ok(()) => {}
            // The interface was removed, and the filter with it.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            Err(error) => tracing::warn!(
                "{}: cannot remove our TC filter: {error}; run `overlay-monitor detach`",
                self.interface.name
            ),
        }
    }
}

/// The result of [`detach`] on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detached {
    /// Filters removed, because their owner was killed.
    pub removed: usize,
    /// Filters kept, because their owner is running.
    pub in_use: usize,
}

/// Removes the filters and qdisc that killed processes left on an interface.
///
/// # Errors
/// The error that netlink answered.
pub fn detach(interface: &Interface) -> io::Result<Detached> {
    let mut found = Detached::default();
    let mut owns_qdisc = false;
    for direction in Direction::ALL {
        for filter in list(interface, direction)? {
            match filter.token() {
                Some(token) if is_alive(token) => found.in_use += 1,
                Some(_) => {
                    remove(interface, direction, filter.preference)?;
                    owns_qdisc |= filter.owns_qdisc();
                    found.removed += 1;
                }
                None => {}
            }
        }
    }
    if owns_qdisc {
        remove_empty_qdisc(interface)?;
    }
    Ok(found)
}

/// Removes the filters that a process which has ended left at one hook.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn remove_left(
    interface: &Interface,
    direction: Direction,
    token: &str,
) -> io::Result<()> {
    let filters = list(interface, direction)?.into_iter();
    let mut left = filters.filter(|at| at.token() == Some(token) && !is_alive(token));
    left.try_for_each(|filter| remove(interface, direction, filter.preference))
}

impl ListedFilter {
    /// The owner's token, if it is a filter of overlay-monitor.
    fn token(&self) -> Option<&str> {
        let rest = self.name.as_deref()?.strip_prefix(NAME)?;
        Some(rest.strip_suffix(OWNS_QDISC).unwrap_or(rest))
    }

    /// Whether its owner added the qdisc.
    fn owns_qdisc(&self) -> bool {
        self.token().is_some()
            && self
                .name
                .as_deref()
                .is_some_and(|name| name.ends_with(OWNS_QDISC))
    }
}

/// The number of filters of other programs at a hook, and whether any filter has the lowest preference.
pub(super) fn other_filters(
    interface: &Interface,
    direction: Direction,
) -> io::Result<(usize, bool)> {
    let all = list(interface, direction)?;
    let foreign = all.iter().filter(|filter| filter.token().is_none()).count();
    Ok((foreign, all.iter().any(|filter| filter.preference == 1)))
}

/// The failure to add a filter.
fn failure(interface: &Interface, error: io::Error) -> Failure {
    Failure::kernel(anyhow!(error).context(format!("cannot add a TC filter to {}", interface.name)))
}
