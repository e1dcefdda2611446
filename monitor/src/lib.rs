//! The node agent, as a library: everything but the reading of `argv`.
//!
//! `kernel` and `attach` own the programs and maps; `snapshot` is what everybody else reads.

pub mod agent;
pub mod attach;
pub mod capture;
pub mod classify;
pub mod cli;
pub mod command;
pub mod decode;
pub mod diagnose;
pub mod docker;
pub mod exposure;
pub mod failure;
pub mod findings;
pub mod flows;
mod host;
pub mod interface;
mod ipsec;
pub mod kernel;
pub mod metrics;
mod netlink;
pub mod policy;
pub mod preflight;
pub mod record;
pub mod report;
pub mod ring;
pub mod services;
pub mod settings;
pub mod sink;
pub mod snapshot;
pub mod text;
