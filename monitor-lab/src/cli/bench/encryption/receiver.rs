//! The receiving end of a way: its servers, and the sinks of streams.

use std::time::Instant;

use anyhow::Context;
use monitor_lab::Process;
use serde::{Deserialize, Serialize};

use super::end::End;
use super::sink::Sink;
use super::usage::Cpu;

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
    /// CPU time of the machine.
    pub(super) cpu: Cpu,
}

/// The receiving end.
pub(super) struct Receiver {
    // Before the end: a process must end before its host does.
    _servers: [Process; 2],
    sink: Option<Sink>,
    pub(super) end: End,
    start: Instant,
}

impl Receiver {
    /// An end whose servers run.
    pub(super) fn new(end: End, servers: [Process; 2]) -> Receiver {
        Receiver {
            _servers: servers,
            sink: None,
            end,
            start: Instant::now(),
        }
    }

    /// Opens a sink for connections of TCP; returns its port.
    pub(super) fn open_tcp(&mut self, streams: usize) -> anyhow::Result<u16> {
        let sink = Sink::tcp(self.end.workload()?, self.end.other()?, streams)?;
        let port = sink.ports().first().copied().context("no port")?;
        self.sink = Some(sink);
        Ok(port)
    }

    /// Opens a sink for a flow of UDP from each of these ports; returns its own ports.
    pub(super) fn open_udp(
        &mut self,
        ports: &[u16],
        acknowledge: bool,
    ) -> anyhow::Result<Vec<u16>> {
        let sink = Sink::udp(self.end.workload()?, self.end.other()?, ports, acknowledge)?;
        let ports = sink.ports().to_vec();
        self.sink = Some(sink);
        Ok(ports)
    }

    /// What has arrived and what was used so far.
    pub(super) fn read(&self) -> anyhow::Result<Reading> {
        let wire = self.end.wire()?;
        let cpu = Cpu::now()?;
        let (arrived, bytes) = self.sink.as_ref().map_or((0, 0), Sink::arrived);
        Ok(Reading {
            nanoseconds: u64::try_from(self.start.elapsed().as_nanos())?,
            arrived,
            bytes,
            dropped: wire.rx_dropped + wire.tx_dropped,
            cpu,
        })
    }

    /// Closes the sink; returns what has arrived in it in all.
    pub(super) fn close(&mut self) -> u64 {
        self.sink.take().map_or(0, Sink::close)
    }
}
