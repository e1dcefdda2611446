//! Two ends, joined in one of the ways: a sender here, and a receiver with its servers.

use std::cell::{RefCell, RefMut};
use std::net::IpAddr;
use std::sync::Arc;

use monitor_lab::{Error, Host, Lab};

use super::end::{End, Role};
use super::far::Far;
use super::receiver::Receiver;
use super::way::Way;

/// A way that can be measured.
pub(super) struct Stage {
    pub(super) way: Way,
    pub(super) near: End,
    far: RefCell<Box<dyn Far>>,
}

/// What came of setting it up.
pub(super) enum SetUp<T> {
    /// It can be measured.
    Ready(T),
    /// The kernel or the machine lacks something; why.
    LeftOut(String),
}

impl<T> SetUp<T> {
    /// Distinguishes what is lacking from what has failed.
    pub(super) fn of(outcome: Result<T, Error>) -> anyhow::Result<SetUp<T>> {
        match outcome {
            Ok(ready) => Ok(SetUp::Ready(ready)),
            Err(
                error @ (Error::NoEsp(_) | Error::NoWireGuard(_) | Error::MissingProgram { .. }),
            ) => Ok(SetUp::LeftOut(error.to_string())),
            Err(error) => Err(error.into()),
        }
    }
}

impl Stage {
    /// Joins both ends.
    pub(super) fn new(way: Way, near: End, far: Box<dyn Far>) -> Stage {
        Stage {
            way,
            near,
            far: RefCell::new(far),
        }
    }

    /// Sets both ends up on this machine. With offloads each packet on a device may be many on a real wire, so bytes and
    /// packets are exact only without.
    pub(super) fn on_this_machine(way: Way, offloads: bool) -> anyhow::Result<SetUp<Stage>> {
        let mut builder = Lab::builder().quiet(!offloads);
        if let Way::Esp(cipher) = way {
            builder = builder.encrypted(true).cipher(cipher);
        }
        let lab = match SetUp::of(builder.wireguard(way == Way::WireGuard).build())? {
            SetUp::Ready(lab) => Arc::new(lab),
            SetUp::LeftOut(why) => return Ok(SetUp::LeftOut(why)),
        };
        let end = End::of_lab(way, Role::Receiver, &lab);
        let servers = end.start_servers()?;
        let far = Box::new(Receiver::new(end, servers));
        let near = End::of_lab(way, Role::Sender, &lab);
        Ok(SetUp::Ready(Stage::new(way, near, far)))
    }

    /// Where the load comes from.
    pub(super) fn sender(&self) -> anyhow::Result<&Host> {
        self.near.workload()
    }

    /// Address to which it goes.
    pub(super) fn target(&self) -> anyhow::Result<IpAddr> {
        self.near.other()
    }

    /// The receiving end.
    pub(super) fn far(&self) -> RefMut<'_, Box<dyn Far>> {
        self.far.borrow_mut()
    }
}
