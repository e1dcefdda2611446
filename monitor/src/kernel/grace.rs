//! Waiting for programs that are running now.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use anyhow::Context;
use monitor_common::shared::Shared;

use super::bpf::{self, Command, Update};
use crate::base::failure::Failure;

/// `BPF_MAP_TYPE_ARRAY`.
const ARRAY: u32 = 2;
/// `BPF_MAP_TYPE_ARRAY_OF_MAPS`.
const ARRAY_OF_MAPS: u32 = 12;

/// The part of `union bpf_attr` that creates a map.
#[repr(C)]
struct Create {
    map_type: u32,
    key_size: u32,
    value_size: u32,
    max_entries: u32,
    map_flags: u32,
    inner_map_fd: u32,
}

/// Waits until every program that runs now has ended.
///
/// The kernel does that after a change of a map of maps, in the same system call: an RCU grace period (since Linux 4.20;
/// `maybe_wait_bpf_programs` in `kernel/bpf/syscall.c`).
pub(super) struct Grace {
    outer: OwnedFd,
    inner: OwnedFd,
}

impl Grace {
    /// # Errors
    /// A kernel failure, if a map cannot be created.
    pub(super) fn new() -> Result<Grace, Failure> {
        let inner = create(ARRAY, 0)?;
        let outer = create(ARRAY_OF_MAPS, inner.as_raw_fd().cast_unsigned())?;
        Ok(Grace { outer, inner })
    }

    /// Waits, some ten milliseconds.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error: nothing is known of the programs then.
    pub(super) fn wait(&self) -> Result<(), Failure> {
        let key = 0u32.to_ne_bytes();
        let value = self.inner.as_raw_fd().cast_unsigned().to_ne_bytes();
        // SAFETY: the map has keys and values of four bytes.
        unsafe { bpf::update(self.outer.as_fd(), &key, &value, Update::Any) }
            .context("waiting for the kernel programs")
            .map_err(Failure::runtime)
    }
}

fn create(map_type: u32, inner_map_fd: u32) -> Result<OwnedFd, Failure> {
    let mut attributes = Create {
        map_type,
        key_size: u32::SIZE as u32,
        value_size: u32::SIZE as u32,
        max_entries: 1,
        map_flags: 0,
        inner_map_fd,
    };
    // SAFETY: the struct starts `union bpf_attr` as the command takes it, and holds no pointer.
    unsafe { bpf::call_for_fd(Command::MapCreate, &mut attributes) }
        .context("creating a map to wait for the kernel programs with")
        .map_err(Failure::kernel)
}
