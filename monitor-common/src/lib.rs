//! Wire formats and kernel/user contracts of overlay-monitor.
//!
//! One parser for everybody: the eBPF programs, the agent's decoder, the capture-file reader, the
//! tests and the fuzzers all compile this crate. It is `no_std`, allocates nothing, cannot panic on
//! any input, and reads packet bytes only through [`load::Load`].
//!
//! * [`wire`] — one header per file: offsets, lengths, field semantics with their RFC.
//! * [`walk`] — from the outer link header to VXLAN or ESP, and from there to the inner flow.
//! * [`reason`] — why a packet was not understood: counter index and metric label at once.
//! * [`key`], [`sample`], [`config`], [`xfrm`] — what the kernel programs and the agent exchange.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod config;
pub mod key;
pub mod label;
pub mod load;
pub mod reason;
pub mod sample;
pub mod service;
pub mod walk;
pub mod wire;
pub mod xfrm;
