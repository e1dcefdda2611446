//! TC before Linux 6.6: a filter of the clsact qdisc.
//!
//! Such a filter outlives the process that added it, so its name says whose it is:
//! `overlay-monitor/<token>`, with `/q` at the end if we added the qdisc too. As long as its owner
//! lives, it holds the abstract Unix socket of the same name in this network namespace; a filter
//! whose socket nobody holds was left behind by a process that was killed.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use anyhow::{Context, anyhow};
use monitor_common::label::Direction;
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, Nla, NlasIterator};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage, TcOption};

use crate::base::failure::Failure;
use crate::base::interface::Interface;
use crate::base::netlink;

const NAME: &str = "overlay-monitor/";
const OWNS_QDISC: &str = "/q";

/// `TC_H_CLSACT` and the minor numbers of its two hooks (`include/uapi/linux/pkt_sched.h`).
const CLSACT: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff1,
};
const INGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff2,
};
const EGRESS: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0xfff3,
};
const QDISC: TcHandle = TcHandle {
    major: 0xffff,
    minor: 0,
};

/// Options of a filter (`include/uapi/linux/rtnetlink.h`).
const TCA_OPTIONS: u16 = 2;
/// Attributes of a bpf filter (`include/uapi/linux/pkt_cls.h`).
const TCA_BPF_FD: u16 = 6;
const TCA_BPF_NAME: u16 = 7;
const TCA_BPF_FLAGS: u16 = 8;
const FLAG_DIRECT_ACTION: u32 = 1;
/// `ETH_P_ALL`.
const ALL_PROTOCOLS: u16 = 3;

/// This process, as owner of filters.
#[derive(Debug)]
pub struct Owner {
    token: String,
    #[expect(dead_code, reason = "held: its name says that the owner lives")]
    alive: UnixDatagram,
}

impl Owner {
    /// Makes this process known in this network namespace.
    ///
    /// # Errors
    /// A runtime failure, if the socket cannot be had.
    pub fn new() -> Result<Owner, Failure> {
        let random = RandomState::new().hash_one(std::process::id());
        let token = format!("{random:016x}");
        let alive = socket(&token)
            .context("cannot reserve a name for this process")
            .map_err(Failure::runtime)?;
        Ok(Owner { token, alive })
    }
}

fn socket(token: &str) -> io::Result<UnixDatagram> {
    UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(format!("{NAME}{token}"))?)
}

fn is_alive(token: &str) -> bool {
    matches!(socket(token), Err(error) if error.kind() == io::ErrorKind::AddrInUse)
}

/// A filter of ours. Dropping it removes it, and the qdisc if it was ours and is empty.
#[derive(Debug)]
pub struct Filter {
    interface: Interface,
    direction: Direction,
    preference: u16,
    owns_qdisc: bool,
    token: String,
}

impl Filter {
    /// Whether it is the first of the hook; `None` if it is not there any more.
    ///
    /// # Errors
    /// What netlink answered.
    pub(super) fn is_there(&self) -> io::Result<Option<bool>> {
        let all = match list(&self.interface, self.direction) {
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => return Ok(None),
            other => other?,
        };
        let ours = |filter: &Listed| {
            filter.preference == self.preference && filter.token() == Some(&self.token)
        };
        Ok(all.iter().any(ours).then(|| {
            all.iter()
                .all(|filter| filter.preference >= self.preference)
        }))
    }

    /// Adds a filter at the lowest free preference. What a process that was killed left on this hook is
    /// removed on the way.
    ///
    /// # Errors
    /// A kernel failure with what netlink answered.
    pub fn add(
        interface: &Interface,
        direction: Direction,
        program: impl AsFd,
        owner: &Owner,
    ) -> Result<Filter, Failure> {
        let is_new = add_qdisc(interface).map_err(|error| failure(interface, error))?;
        let filter = Filter::add_to_qdisc(interface, direction, program, owner, is_new);
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
        mut owns_qdisc: bool,
    ) -> Result<Filter, Failure> {
        let failed = |error: io::Error| failure(interface, error);
        for direction in Direction::ALL {
            // Who leaves last removes it, whoever of us added it.
            owns_qdisc |= list(interface, direction)
                .map_err(failed)?
                .iter()
                .any(Listed::owns_qdisc);
        }
        let mut there = Vec::new();
        for filter in list(interface, direction).map_err(failed)? {
            match filter.token() {
                Some(token) if !is_alive(token) => {
                    tracing::info!(
                        "{}: removing the {} filter that a killed overlay-monitor left",
                        interface.name,
                        direction.label()
                    );
                    remove(interface, direction, filter.preference).map_err(failed)?;
                }
                Some(_) | None => there.push(filter),
            }
        }
        let taken = |preference: u16| there.iter().any(|filter| filter.preference == preference);
        let preference = (1..=u16::MAX)
            .find(|preference| !taken(*preference))
            .ok_or_else(|| {
                Failure::kernel(anyhow!("{}: no free TC filter preference", interface.name))
            })?;
        let name = format!(
            "{NAME}{}{}",
            owner.token,
            if owns_qdisc { OWNS_QDISC } else { "" }
        );
        let options = vec![
            TcOption::Other(DefaultNla::new(
                TCA_BPF_FD,
                program.as_fd().as_raw_fd().to_ne_bytes().to_vec(),
            )),
            TcOption::Other(DefaultNla::new(
                TCA_BPF_NAME,
                [name.as_bytes(), b"\0"].concat(),
            )),
            TcOption::Other(DefaultNla::new(
                TCA_BPF_FLAGS,
                FLAG_DIRECT_ACTION.to_ne_bytes().to_vec(),
            )),
        ];
        let message = TcMessage::from_parts(
            header(interface, direction, preference),
            vec![
                TcAttribute::Kind("bpf".into()),
                TcAttribute::Options(options),
            ],
        );
        netlink::change(
            RouteNetlinkMessage::NewTrafficFilter(message),
            NLM_F_CREATE | NLM_F_EXCL,
        )
        .map_err(failed)?;
        Ok(Filter {
            interface: interface.clone(),
            direction,
            preference,
            owns_qdisc,
            token: owner.token.clone(),
        })
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // Asked first: where ours is gone, its place, or the index of its interface, may be somebody else's now.
        let removed = self.is_there().and_then(|there| {
            if there.is_none() {
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
            // The interface went, and the filter with it.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
            Err(error) => tracing::warn!(
                "{}: cannot remove our TC filter: {error}. Run `overlay-monitor detach`",
                self.interface.name
            ),
        }
    }
}

/// What [`detach`] found on an interface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Detached {
    /// Filters removed: their owner was killed.
    pub removed: usize,
    /// Filters left alone: their owner runs.
    pub in_use: usize,
}

/// Removes what processes that were killed left on an interface.
///
/// # Errors
/// What netlink answered.
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

/// How many filters of others a hook has, and whether the lowest preference is taken, by whomever.
pub(super) fn others(interface: &Interface, direction: Direction) -> io::Result<(usize, bool)> {
    let all = list(interface, direction)?;
    let foreign = all.iter().filter(|filter| filter.token().is_none()).count();
    Ok((foreign, all.iter().any(|filter| filter.preference == 1)))
}

struct Listed {
    preference: u16,
    name: Option<String>,
}

impl Listed {
    fn token(&self) -> Option<&str> {
        let rest = self.name.as_deref()?.strip_prefix(NAME)?;
        Some(rest.strip_suffix(OWNS_QDISC).unwrap_or(rest))
    }

    fn owns_qdisc(&self) -> bool {
        self.token().is_some()
            && self
                .name
                .as_deref()
                .is_some_and(|name| name.ends_with(OWNS_QDISC))
    }
}

/// All filters of a hook, by preference. Empty if there is no clsact qdisc.
fn list(interface: &Interface, direction: Direction) -> io::Result<Vec<Listed>> {
    let message = TcMessage::from_parts(header(interface, direction, 0), Vec::new());
    let mut by_preference = HashMap::<u16, Option<String>>::new();
    let answers = match netlink::dump(RouteNetlinkMessage::GetTrafficFilter(message)) {
        Ok(answers) => answers,
        Err(error)
            if matches!(
                error.raw_os_error(),
                Some(libc::EINVAL | libc::ENOENT | libc::EOPNOTSUPP)
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    for answer in answers {
        let RouteNetlinkMessage::NewTrafficFilter(filter) = answer else {
            continue;
        };
        let name = by_preference
            .entry((filter.header.info >> 16) as u16)
            .or_default();
        if let Some(found) = bpf_name(&filter) {
            *name = Some(found);
        }
    }
    Ok(by_preference
        .into_iter()
        .map(|(preference, name)| Listed { preference, name })
        .collect())
}

fn bpf_name(filter: &TcMessage) -> Option<String> {
    filter.attributes.iter().find_map(|attribute| {
        let TcAttribute::Options(options) = attribute else {
            return None;
        };
        options.iter().find_map(|option| {
            let TcOption::Other(other) = option else {
                return None;
            };
            let mut value = vec![0; other.value_len()];
            other.emit_value(&mut value);
            // The library knows no bpf filters: it gives their options as one attribute, unopened.
            if other.kind() == TCA_OPTIONS {
                name_in(&value)
            } else {
                None
            }
        })
    })
}

/// The name among the options of a bpf filter.
fn name_in(options: &[u8]) -> Option<String> {
    NlasIterator::new(options)
        .filter_map(Result::ok)
        .find(|option| option.kind() == TCA_BPF_NAME)
        .and_then(|option| {
            let value = option.value();
            let end = value
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(value.len());
            String::from_utf8(value.get(..end)?.to_vec()).ok()
        })
}

fn remove(interface: &Interface, direction: Direction, preference: u16) -> io::Result<()> {
    let message = TcMessage::from_parts(header(interface, direction, preference), Vec::new());
    match netlink::change(RouteNetlinkMessage::DelTrafficFilter(message), 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

fn header(interface: &Interface, direction: Direction, preference: u16) -> TcHeader {
    let parent = match direction {
        Direction::Rx => INGRESS,
        Direction::Tx => EGRESS,
    };
    // Priority and protocol share `tcm_info` (`TC_H_MAKE`). 0 is "any" in a dump.
    let protocol = if preference == 0 {
        0
    } else {
        ALL_PROTOCOLS.to_be()
    };
    TcHeader {
        index: interface.index.cast_signed(),
        parent,
        info: (u32::from(preference) << 16) | u32::from(protocol),
        ..TcHeader::default()
    }
}

fn qdisc(interface: &Interface) -> TcMessage {
    let header = TcHeader {
        index: interface.index.cast_signed(),
        handle: QDISC,
        parent: CLSACT,
        ..TcHeader::default()
    };
    TcMessage::from_parts(header, vec![TcAttribute::Kind("clsact".into())])
}

fn failure(interface: &Interface, error: io::Error) -> Failure {
    Failure::kernel(anyhow!(error).context(format!("cannot add a TC filter to {}", interface.name)))
}

/// Whether the qdisc was added; it may have been there.
fn add_qdisc(interface: &Interface) -> io::Result<bool> {
    let message = RouteNetlinkMessage::NewQueueDiscipline(qdisc(interface));
    match netlink::change(message, NLM_F_CREATE | NLM_F_EXCL) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_empty_qdisc(interface: &Interface) -> io::Result<()> {
    for direction in Direction::ALL {
        if !list(interface, direction)?.is_empty() {
            return Ok(());
        }
    }
    match netlink::change(RouteNetlinkMessage::DelQueueDiscipline(qdisc(interface)), 0) {
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::EINVAL)) => Ok(()),
        other => other,
    }
}
