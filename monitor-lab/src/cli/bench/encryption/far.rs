//! The receiving end, wherever it is.

use serde::{Deserialize, Serialize};

use super::machine_cpu::Cpu;

/// What the receiving end knows at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reading {
    /// Nanoseconds since the end was set up, by its own clock.
    pub(super) nanoseconds: u64,
    /// Datagrams, or bytes of TCP, that have arrived since the sink was opened.
    pub(super) arrived: u64,
    /// Bytes of payload.
    pub(super) bytes: u64,
    /// Frames that this end of the wire has dropped.
    pub(super) dropped: u64,
    /// CPU time of the machine, unless it is the sender's.
    pub(super) other_cpu: Option<Cpu>,
}

/// The receiving end: on this machine, or on another one.
pub(super) trait Far {
    /// Opens a sink for connections of TCP; returns its port.
    fn open_tcp(&mut self, streams: usize) -> anyhow::Result<u16>;

    /// Opens a sink for a flow of UDP from each of these ports; returns its own ports.
    fn open_udp(&mut self, ports: &[u16], acknowledge: bool) -> anyhow::Result<Vec<u16>>;

    /// What has arrived and what was used so far.
    fn read(&mut self) -> anyhow::Result<Reading>;

    /// Closes the sink; returns what has arrived in it in all.
    fn close(&mut self) -> anyhow::Result<u64>;

    /// Sets the MTU of the devices there.
    fn set_mtu(&mut self, mtu: u32) -> anyhow::Result<()>;
}
