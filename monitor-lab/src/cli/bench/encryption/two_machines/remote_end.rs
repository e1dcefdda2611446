//! The receiving end of a way, on the other machine.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};

use super::channel::Channel;
use super::hang_up::{self, Watch};
use super::message::{Answer, Request};
use crate::cli::bench::encryption::far::{Far, Reading};
use crate::cli::bench::encryption::way::Way;

/// Longest wait for an answer: servers may start slowly.
const ANSWER: Duration = Duration::from_secs(180);

/// The listener, as the other machine sees it.
pub(super) struct Remote {
    channel: RefCell<Channel>,
    _watch: Watch,
}

impl Remote {
    pub(super) fn new(channel: Channel) -> anyhow::Result<Rc<Remote>> {
        let watch = Watch::start(channel.socket.try_clone()?)?;
        Ok(Rc::new(Remote {
            channel: RefCell::new(channel),
            _watch: watch,
        }))
    }

    /// As of [`hang_up::explain`].
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        hang_up::explain(error, &self.channel.borrow().socket)
    }

    /// Asks, and waits for the answer.
    pub(super) fn ask(&self, request: &Request) -> anyhow::Result<Answer> {
        let mut channel = self.channel.borrow_mut();
        channel.send(request, ANSWER)?;
        match channel.receive(ANSWER)? {
            Answer::Failed(why) => bail!("the other machine: {why}"),
            answer => Ok(answer),
        }
    }

    /// Asks for what has no answer but that it is done.
    pub(super) fn tell(&self, request: &Request) -> anyhow::Result<()> {
        match self.ask(request)? {
            Answer::Done => Ok(()),
            _ => unexpected(),
        }
    }
}

fn unexpected<T>() -> anyhow::Result<T> {
    bail!("the other machine sent an answer to another question")
}

/// One way there.
pub(super) struct RemoteEnd {
    way: Way,
    remote: Rc<Remote>,
}

impl RemoteEnd {
    pub(super) fn new(way: Way, remote: &Rc<Remote>) -> RemoteEnd {
        RemoteEnd {
            way,
            remote: Rc::clone(remote),
        }
    }

    fn ports(&self, request: &Request) -> anyhow::Result<Vec<u16>> {
        match self.remote.ask(request)? {
            Answer::Ports(ports) => Ok(ports),
            _ => unexpected(),
        }
    }
}

impl Far for RemoteEnd {
    fn open_tcp(&mut self, streams: usize) -> anyhow::Result<u16> {
        let ports = self.ports(&Request::OpenTcp(self.way, streams))?;
        ports.first().copied().context("no port")
    }

    fn open_udp(&mut self, ports: &[u16], acknowledge: bool) -> anyhow::Result<Vec<u16>> {
        self.ports(&Request::OpenUdp(self.way, ports.to_vec(), acknowledge))
    }

    fn read(&mut self) -> anyhow::Result<Reading> {
        match self.remote.ask(&Request::Read(self.way))? {
            Answer::Reading(reading) => Ok(reading),
            _ => unexpected(),
        }
    }

    fn close(&mut self) -> anyhow::Result<u64> {
        match self.remote.ask(&Request::Close(self.way))? {
            Answer::Closed(arrived) => Ok(arrived),
            _ => unexpected(),
        }
    }

    fn set_mtu(&mut self, mtu: u32) -> anyhow::Result<()> {
        self.remote.tell(&Request::Mtu(self.way, mtu))
    }
}
