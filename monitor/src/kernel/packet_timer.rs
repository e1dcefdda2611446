//! Times single packets in ESP, for some time at a time.
//!
//! The programs trace every caller of a cipher, whether a packet is timed or not: so they are attached no longer than it takes. They
//! are loaded before privileges are given up; attaching them takes none.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use anyhow::Context;

use super::bpf::{self, Command};
use super::btf::Reason;
use super::esp_plan::CIPHER;
use super::programs::Kernel;
use super::table::Table;
use crate::base::failure::Failure;

/// The loaded programs.
pub struct PacketTimer {
    programs: Vec<OwnedFd>,
    /// Whether packets are timed: the programs that see every packet look there.
    switch: Table<u32, u32>,
}

/// Packets are timed until it is dropped, which may wait for the kernel.
pub struct PacketTiming {
    timer: Arc<PacketTimer>,
    links: Vec<OwnedFd>,
}

impl PacketTimer {
    /// Attaches the programs. It takes no privilege, and may wait for the kernel.
    ///
    /// # Errors
    /// A runtime failure with the kernel's error. Then none is attached.
    pub fn start(self: &Arc<Self>) -> Result<PacketTiming, Failure> {
        let mut timing = PacketTiming {
            timer: Arc::clone(self),
            links: Vec::new(),
        };
        for program in &self.programs {
            let link = attach(program.as_fd())
                .context("the kernel refuses to attach its programs")
                .map_err(Failure::runtime)?;
            timing.links.push(link);
        }
        self.switch.set(0, 1)?;
        Ok(timing)
    }
}

impl Drop for PacketTiming {
    fn drop(&mut self) {
        // Without its programs a packet that was begun is never ended, and not counted.
        if let Err(failure) = self.timer.switch.set(0, 0) {
            tracing::debug!("packets are still timed: {failure}");
        }
        self.links.clear();
    }
}

impl Kernel {
    /// The programs that time single packets. ESP must be attributed to networks.
    ///
    /// # Errors
    /// Why single packets cannot be timed.
    pub fn packet_timer(&mut self) -> Result<PacketTimer, Reason> {
        self.packet_times.clone()?;
        let text = |error: io::Error| error.to_string();
        let mut programs = Vec::new();
        for (name, _) in CIPHER {
            let program = self.tracing(name)?;
            let fd = program.fd().map_err(|error| error.to_string())?;
            programs.push(fd.try_clone_to_owned().map_err(text)?);
        }
        let switch = self.table(".data.packets", 1);
        Ok(PacketTimer {
            programs,
            switch: switch.map_err(|failure| failure.to_string())?,
        })
    }
}

/// `raw_tracepoint` of `union bpf_attr`: a tracing program has its function in itself, so there is no name.
#[repr(C)]
struct Open {
    name: u64,
    prog_fd: u32,
    reserved: u32,
}

fn attach(program: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let mut open = Open {
        name: 0,
        prog_fd: program.as_raw_fd().cast_unsigned(),
        reserved: 0,
    };
    // SAFETY: the attributes are as the command takes them, and hold no pointer.
    unsafe { bpf::call_for_fd(Command::RawTracepointOpen, &mut open) }
}
