//! The programs of others at the hooks of an interface.

use std::io;

use monitor_common::direction::Direction;

use super::bpf_link;
use super::clsact;
use crate::base::interface::Interface;

/// The programs of others at the TC hook of an interface, for `check`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtherPrograms {
    /// Ids of TCX programs, in the order in which they run.
    pub tcx: Vec<u32>,
    /// Number of clsact filters that are not ours.
    pub filters: usize,
    /// Whether a clsact filter has the lowest preference, so that ours cannot run first.
    pub lowest_taken: bool,
}

/// The programs of others at the TC hook of an interface.
///
/// # Errors
/// The error that the kernel answered.
pub fn other_programs(
    interface: &Interface,
    direction: Direction,
    has_tcx: bool,
) -> io::Result<OtherPrograms> {
    let (filters, lowest_taken) = clsact::other_filters(interface, direction)?;
    Ok(OtherPrograms {
        tcx: if has_tcx {
            bpf_link::tcx_programs(interface.index, direction)?
        } else {
            Vec::new()
        },
        filters,
        lowest_taken,
    })
}

/// Ids of programs, with their names if the kernel has them, escaped.
#[must_use]
pub fn programs_named(ids: &[u32]) -> String {
    let named: Vec<String> = ids.iter().map(|id| program_named(*id)).collect();
    named.join(", ")
}

/// Id of a program, with its name if the kernel has one, escaped.
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
