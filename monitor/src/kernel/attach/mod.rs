//! Attaches the programs to interfaces. Programs of others stay in place, and none of ours stays attached after this
//! process.
//!
//! It imports `kernel/programs.rs` and `base`. The agent attaches; `check` and `detach` inspect.

mod attach_programs;
mod attachment;
mod bpf_link;
pub mod clsact;
mod hook;
mod left;
mod other_programs;
mod tc_netlink;

pub use attach_programs::{Owners, attach, has_tcx, load, load_all, prepare};
pub use attachment::{Attachment, HookPosition};
pub(super) use bpf_link::may_attach;
pub use hook::{Hook, HookChoice};
pub use left::{LeftAttached, Place};
pub use other_programs::{OtherPrograms, other_programs, program_named, programs_named};
