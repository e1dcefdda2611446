//! The receiving end of a way: its servers, and the sinks of streams.

use std::time::Instant;

use anyhow::Context;
use monitor_lab::Process;

use super::end::End;
use super::far::{Far, Reading};
use super::sink::Sink;

/// The receiving end.
pub(super) struct Receiver {
    // Before the end: a process must end before its host does.
    _servers: [Process; 2],
    sink: Option<Sink>,
    end: End,
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
}

impl Far for Receiver {
    fn open_tcp(&mut self, streams: usize) -> anyhow::Result<u16> {
        let sink = Sink::tcp(self.end.workload()?, self.end.other()?, streams)?;
        let port = sink.ports().first().copied().context("no port")?;
        self.sink = Some(sink);
        Ok(port)
    }

    fn open_udp(&mut self, ports: &[u16], acknowledge: bool) -> anyhow::Result<Vec<u16>> {
        let sink = Sink::udp(self.end.workload()?, self.end.other()?, ports, acknowledge)?;
        let ports = sink.ports().to_vec();
        self.sink = Some(sink);
        Ok(ports)
    }

    fn read(&mut self) -> anyhow::Result<Reading> {
        let wire = self.end.wire()?;
        let (arrived, bytes) = self.sink.as_ref().map_or((0, 0), Sink::arrived);
        Ok(Reading {
            nanoseconds: u64::try_from(self.start.elapsed().as_nanos())?,
            arrived,
            bytes,
            dropped: wire.rx_dropped + wire.tx_dropped,
            other_cpu: None,
        })
    }

    fn close(&mut self) -> anyhow::Result<u64> {
        Ok(self.sink.take().map_or(0, Sink::close))
    }

    fn set_mtu(&mut self, mtu: u32) -> anyhow::Result<()> {
        self.end.set_mtu(mtu)
    }
}
