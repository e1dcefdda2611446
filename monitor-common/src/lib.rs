//! Wire formats and kernel/user contracts of overlay-monitor.
//!
//! There is one parser: the eBPF programs, the agent's decoder, the capture-file reader, the tests and the fuzzers all
//! compile this crate. It is `no_std`, allocates nothing, cannot panic on any input, and reads packet bytes only through
//! [`load::Load`].
//!
//! * [`wire`]: one header per file, with offsets, lengths, and the meaning of its fields by RFC.
//! * [`walk`]: from the outer link header to the encapsulation, and from there to the inner flow.
//! * [`encapsulation`]: the table of encapsulations; [`reason`]: the table of why a packet was not parsed.
//! * [`key`], [`count`], [`cpu_state`], [`esp_time`], [`packet_time`], [`sample`], [`config`], [`xfrm_layout`]: what the kernel programs and the
//!   agent exchange, in the bytes of [`shared`]; [`map_size`]: how many entries the maps have; [`row_room`]: who may insert them.
//! * [`mod@bench`]: what the benchmark exchanges with its own kernel programs.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(test)]
extern crate std;

pub mod address;
pub mod bench;
pub mod config;
pub mod count;
pub mod cpu_state;
pub mod direction;
pub mod encapsulation;
pub mod esp_slot;
pub mod esp_time;
pub mod key;
pub mod link;
pub mod load;
pub mod map_size;
pub mod packet_time;
pub mod reason;
pub mod recent;
pub mod row_room;
pub mod sample;
pub mod shared;
pub mod slot;
pub mod udp_port;
pub mod walk;
pub mod wire;
pub mod xfrm_layout;
