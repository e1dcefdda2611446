//! Docker's rules in iptables' own tables, read by getsockopt(2) (`include/uapi/linux/netfilter_ipv4/ip_tables.h`, and
//! `netfilter_ipv6/ip6_tables.h`).

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::Instant;

use super::extension::{self, Extension};
use super::rule_parts::{RuleParts, Way};
use super::rules::Rules;
use crate::base::netlink;

/// Longest table in bytes: 100,000 rules and more.
const TABLE_MAX: usize = 32 << 20;
/// How often a table is read again because it changed between the question for its size and the one for its rules.
const TRIES: usize = 8;

/// `IPT_SO_GET_INFO` and `IPT_SO_GET_ENTRIES`, which have the same numbers for IPv6.
const GET_INFO: i32 = 64;
const GET_ENTRIES: i32 = 65;

/// Length of the name of a table (`XT_TABLE_MAXNAMELEN`).
const NAME: usize = 32;
/// Length of `struct ipt_getinfo`; where it has the beginnings of chains, their ends, and the length of all rules.
const INFO: usize = 84;
const HOOKS: usize = 36;
const UNDERFLOWS: usize = 56;
const SIZE: usize = 80;
/// Length of `struct ipt_get_entries` without its entries.
const ENTRIES: usize = 40;
/// Length of the header of a match or target (`struct xt_entry_match`), and where it has its name and revision.
const EXTENSION: usize = 32;
const EXTENSION_NAME: usize = 2;
const EXTENSION_REVISION: usize = 31;
/// Verdict `NF_DROP` of a standard target.
const DROP: i32 = -1;

/// A version of IP.
pub(super) struct Family {
    /// Where the kernel lists the tables that exist in this network namespace.
    names: &'static str,
    /// Address family and level of the socket options.
    socket: i32,
    level: i32,
    /// Length of the addresses and interfaces with their masks, with which an entry begins.
    places: usize,
    /// Where an entry has the flags that negate its addresses, interfaces and protocol.
    inverted: usize,
    /// Where an entry has the offsets of its target and of the next entry.
    offsets: usize,
    /// Length of an entry without matches and target.
    entry: usize,
}

/// `struct ipt_entry`.
pub(super) const IPV4: Family = Family {
    names: "/proc/thread-self/net/ip_tables_names",
    socket: libc::AF_INET,
    level: libc::IPPROTO_IP,
    places: 80,
    inverted: 83,
    offsets: 88,
    entry: 112,
};
/// `struct ip6t_entry`.
pub(super) const IPV6: Family = Family {
    names: "/proc/thread-self/net/ip6_tables_names",
    socket: libc::AF_INET6,
    level: libc::IPPROTO_IPV6,
    places: 128,
    inverted: 132,
    offsets: 140,
    entry: 168,
};

/// The tables and chains in which Docker puts its rules: name, number of the hook, and the packets that it sees.
const TABLES: [(&str, usize, Way); 2] = [("mangle", 3, Way::Sent), ("filter", 1, Way::Received)];

/// The rules of a version of IP. A table is asked for only if it exists, since the kernel would make it.
///
/// # Errors
/// Why they cannot be read, as a message.
pub(super) fn read(family: &Family, until: Instant) -> Result<Rules, String> {
    let names = match std::fs::read_to_string(family.names) {
        Ok(names) => names,
        // The module is not loaded.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rules::default()),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(format!(
                "only root may read {}; run the agent as root if this host uses iptables-legacy",
                family.names
            ));
        }
        Err(error) => return Err(format!("{}: {error}", family.names)),
    };
    let mut rules = Rules::default();
    for (table, hook, way) in TABLES {
        if names.lines().any(|name| name == table) {
            read_chain(family, table, hook, until, |rule| rules.add(way, rule))?;
        }
    }
    if rules.is_cut() {
        return Err("the rules have too many ranges of VNIs".to_owned());
    }
    Ok(rules)
}

/// Reads a table, and passes on the rules of one of its chains.
fn read_chain(
    family: &Family,
    table: &str,
    hook: usize,
    until: Instant,
    mut each: impl FnMut(&RuleParts),
) -> Result<(), String> {
    let socket = socket(family).map_err(|error| netlink::reason(&error))?;
    for _ in 0..TRIES {
        if Instant::now() > until {
            return Err("reading the rules took too long".to_owned());
        }
        let mut info = [0; INFO];
        put_name(&mut info, table);
        get(&socket, family.level, GET_INFO, &mut info).map_err(|error| netlink::reason(&error))?;
        let size = word(&info, SIZE).unwrap_or(usize::MAX);
        if size > TABLE_MAX {
            return Err(format!(
                "table {table} has more than {} MiB of rules",
                TABLE_MAX >> 20
            ));
        }
        let mut entries = vec![0; ENTRIES + size];
        put_name(&mut entries, table);
        if let Some(field) = entries.get_mut(NAME..NAME + 4) {
            field.copy_from_slice(info.get(SIZE..SIZE + 4).unwrap_or_default());
        }
        match get(&socket, family.level, GET_ENTRIES, &mut entries) {
            Ok(()) => {
                let entries = entries.get(ENTRIES..).unwrap_or_default();
                let at = |field: usize| word(&info, field + 4 * hook).unwrap_or_default();
                let chain = entries.get(at(HOOKS)..at(UNDERFLOWS)).unwrap_or_default();
                rules_of(family, chain).for_each(|rule| each(&rule));
                return Ok(());
            }
            // It has another size now.
            Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => {}
            Err(error) => return Err(netlink::reason(&error)),
        }
    }
    Err(format!(
        "table {table} changed {TRIES} times while it was read; try again"
    ))
}

/// The rules in the entries of a chain, whichever way its packets go.
pub(super) fn rules_in(family: &Family, chain: &[u8]) -> Rules {
    let mut rules = Rules::default();
    for rule in rules_of(family, chain) {
        rules.add(Way::Sent, &rule);
        rules.add(Way::Received, &rule);
    }
    rules
}

/// The rules of a chain, up to the first whose lengths are wrong.
fn rules_of<'a>(family: &'a Family, mut chain: &'a [u8]) -> impl Iterator<Item = RuleParts> + 'a {
    std::iter::from_fn(move || {
        let target = usize::from(half(chain, family.offsets)?);
        let next = usize::from(half(chain, family.offsets + 2)?);
        let entry = chain.get(..next)?;
        let mut rule = RuleParts {
            negated: *entry.get(family.inverted)? != 0,
            narrowed: entry.get(..family.places)?.iter().any(|byte| *byte != 0),
            ..RuleParts::default()
        };
        let mut matches = entry.get(family.entry..target)?;
        while !matches.is_empty() {
            let length = usize::from(half(matches, 0)?);
            rule.add_match(extension(matches.get(..length)?)?);
            matches = matches.get(length..)?;
        }
        add_target(&mut rule, extension(entry.get(target..)?)?);
        rule.of_iptables = true;
        chain = chain.get(next..)?;
        Some(rule)
    })
}

/// Adds a target; a standard one has no name, and a verdict.
fn add_target(rule: &mut RuleParts, target: Extension<'_>) {
    if target.name.is_empty() {
        let verdict = target.data.first_chunk().copied();
        rule.drops |= verdict.map(i32::from_ne_bytes) == Some(DROP);
    } else {
        rule.add_target(target);
    }
}

/// A match or target with its header.
fn extension(whole: &[u8]) -> Option<Extension<'_>> {
    Some(Extension {
        name: extension::name(whole.get(EXTENSION_NAME..EXTENSION_REVISION)?),
        revision: u32::from(*whole.get(EXTENSION_REVISION)?),
        data: whole.get(EXTENSION..)?,
    })
}

fn put_name(request: &mut [u8], name: &str) {
    for (to, from) in request.iter_mut().zip(name.bytes()) {
        *to = from;
    }
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_ne_bytes(*bytes))
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_ne_bytes(*bytes)).ok()
}

/// Any socket of the version has these options; one of UDP takes no capability.
fn socket(family: &Family) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: the call takes numbers only.
    let descriptor = unsafe { libc::socket(family.socket, kind, 0) };
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor was just opened, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Reads a socket option into a buffer of exactly its length.
fn get(socket: &OwnedFd, level: i32, option: i32, buffer: &mut [u8]) -> io::Result<()> {
    let mut length = libc::socklen_t::try_from(buffer.len()).map_err(io::Error::other)?;
    // SAFETY: buffer and length outlive the call, and the kernel writes no more than the length.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            level,
            option,
            buffer.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(test)]
mod tests;
