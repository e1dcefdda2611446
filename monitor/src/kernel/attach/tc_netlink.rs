//! TC filters and the clsact qdisc over routing netlink.

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use monitor_common::direction::Direction;
use netlink_packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, Nla};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::tc::{TcAttribute, TcHandle, TcHeader, TcMessage, TcOption};

use crate::base::interface::Interface;
use crate::base::netlink::{self, attributes};

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

/// A filter of a hook.
pub(super) struct ListedFilter {
    /// Filters of lower preference run earlier.
    pub(super) preference: u16,
    /// Name of a bpf filter.
    pub(super) name: Option<String>,
    /// Its number at this preference.
    pub(super) handle: TcHandle,
}

/// All filters of a hook. Empty if there is no clsact qdisc.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn list(interface: &Interface, direction: Direction) -> io::Result<Vec<ListedFilter>> {
    let message = TcMessage::from_parts(header(interface, direction, 0), Vec::new());
    let mut by_preference = HashMap::<u16, (Option<String>, TcHandle)>::new();
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
        let at = by_preference
            .entry((filter.header.info >> 16) as u16)
            .or_default();
        if let Some(name) = bpf_name(&filter) {
            *at = (Some(name), filter.header.handle);
        }
    }
    let filters = by_preference
        .into_iter()
        .map(|(preference, (name, handle))| ListedFilter {
            preference,
            name,
            handle,
        });
    Ok(filters.collect())
}

/// The name of a bpf filter.
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
            // The library does not decode bpf filters: it returns their options as one attribute.
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
    attributes(options)
        .find(|(attribute_type, _)| *attribute_type == TCA_BPF_NAME)
        .and_then(|(_, value)| {
            let end = value
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(value.len());
            String::from_utf8(value.get(..end)?.to_vec()).ok()
        })
}

/// Adds a bpf filter with this name.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn add_filter(
    interface: &Interface,
    direction: Direction,
    preference: u16,
    program: BorrowedFd<'_>,
    name: &str,
) -> io::Result<()> {
    let header = header(interface, direction, preference);
    set_filter(header, program, name, NLM_F_CREATE | NLM_F_EXCL)
}

/// Puts another program and name in the place of a bpf filter's: each packet is seen by one of the two (`cls_bpf_change` in
/// net/sched/cls_bpf.c).
///
/// # Errors
/// The error that netlink answered.
pub(super) fn replace_filter(
    interface: &Interface,
    direction: Direction,
    filter: &ListedFilter,
    program: BorrowedFd<'_>,
    name: &str,
) -> io::Result<()> {
    let header = TcHeader {
        handle: filter.handle,
        ..header(interface, direction, filter.preference)
    };
    set_filter(header, program, name, NLM_F_REPLACE)
}

fn set_filter(header: TcHeader, program: BorrowedFd<'_>, name: &str, flags: u16) -> io::Result<()> {
    let options = vec![
        TcOption::Other(DefaultNla::new(
            TCA_BPF_FD,
            program.as_raw_fd().to_ne_bytes().to_vec(),
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
        header,
        vec![
            TcAttribute::Kind("bpf".into()),
            TcAttribute::Options(options),
        ],
    );
    netlink::change(RouteNetlinkMessage::NewTrafficFilter(message), flags)
}

/// Removes the filter of a preference, if there is one.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn remove(
    interface: &Interface,
    direction: Direction,
    preference: u16,
) -> io::Result<()> {
    let message = TcMessage::from_parts(header(interface, direction, preference), Vec::new());
    match netlink::change(RouteNetlinkMessage::DelTrafficFilter(message), 0) {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        other => other,
    }
}

/// The header of a message about a filter; preference 0 is any.
fn header(interface: &Interface, direction: Direction, preference: u16) -> TcHeader {
    let parent = match direction {
        Direction::Rx => INGRESS,
        Direction::Tx => EGRESS,
    };
    // Preference and protocol share `tcm_info` (`TC_H_MAKE`). In a dump 0 is any.
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

/// A message about the clsact qdisc of an interface.
fn qdisc(interface: &Interface) -> TcMessage {
    let header = TcHeader {
        index: interface.index.cast_signed(),
        handle: QDISC,
        parent: CLSACT,
        ..TcHeader::default()
    };
    TcMessage::from_parts(header, vec![TcAttribute::Kind("clsact".into())])
}

/// Adds the clsact qdisc. Returns false if it existed.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn add_qdisc(interface: &Interface) -> io::Result<bool> {
    let message = RouteNetlinkMessage::NewQueueDiscipline(qdisc(interface));
    match netlink::change(message, NLM_F_CREATE | NLM_F_EXCL) {
        Ok(()) => Ok(true),
        Err(error) if error.raw_os_error() == Some(libc::EEXIST) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Removes the clsact qdisc, unless it has filters.
///
/// # Errors
/// The error that netlink answered.
pub(super) fn remove_empty_qdisc(interface: &Interface) -> io::Result<()> {
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
