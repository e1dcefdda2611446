//! The receiving end, wherever it is.

use super::receiver::{Reading, Receiver};
use super::two_machines::RemoteEnd;
use super::usage::Cpu;

/// The receiving end.
pub(super) enum Far {
    /// On this machine.
    Here(Box<Receiver>),
    /// On another one.
    There(RemoteEnd),
}

impl Far {
    /// Opens a sink for connections of TCP; returns its port.
    pub(super) fn open_tcp(&mut self, streams: usize) -> anyhow::Result<u16> {
        match self {
            Self::Here(receiver) => receiver.open_tcp(streams),
            Self::There(remote) => remote.open_tcp(streams),
        }
    }

    /// Opens a sink for a flow of UDP from each of these ports; returns its own ports.
    pub(super) fn open_udp(
        &mut self,
        ports: &[u16],
        acknowledge: bool,
    ) -> anyhow::Result<Vec<u16>> {
        match self {
            Self::Here(receiver) => receiver.open_udp(ports, acknowledge),
            Self::There(remote) => remote.open_udp(ports, acknowledge),
        }
    }

    /// What has arrived and what was used so far.
    pub(super) fn read(&mut self) -> anyhow::Result<Reading> {
        match self {
            Self::Here(receiver) => receiver.read(),
            Self::There(remote) => remote.read(),
        }
    }

    /// Closes the sink; returns what has arrived in it in all.
    pub(super) fn close(&mut self) -> anyhow::Result<u64> {
        match self {
            Self::Here(receiver) => Ok(receiver.close()),
            Self::There(remote) => remote.close(),
        }
    }

    /// Sets the MTU of the devices there.
    pub(super) fn set_mtu(&mut self, mtu: u32) -> anyhow::Result<()> {
        match self {
            Self::Here(receiver) => receiver.end.set_mtu(mtu),
            Self::There(remote) => remote.set_mtu(mtu),
        }
    }

    /// CPU time there that this machine's does not have.
    pub(super) fn own_cpu(&self, reading: &Reading) -> Option<Cpu> {
        match self {
            Self::Here(_) => None,
            Self::There(_) => Some(reading.cpu),
        }
    }
}
