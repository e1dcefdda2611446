//! The node agent, as a library: everything but the reading of `argv`.
//!
//! `kernel` and `attach` own the programs and maps; `snapshot` is what everybody else reads.

pub mod attach;
pub mod classify;
pub mod decode;
pub mod failure;
pub mod interface;
pub mod kernel;
mod netlink;
pub mod record;
pub mod text;
