//! Watched interfaces: what is attached in each direction.

use std::collections::BTreeSet;

use monitor_common::direction::Direction;

use crate::base::interface::Interface;
use crate::kernel::attach::Attachment;

/// An interface that is watched or must be.
pub(super) struct Watched {
    pub(super) interface: Interface,
    pub(super) rx: HookSlot,
    pub(super) tx: HookSlot,
    /// The networks that it has rows for.
    pub(super) prepared: Option<Prepared>,
}

/// The version of the policy's networks, the networks of this host's devices, and whether those of the process before this one
/// count too.
pub(super) type Prepared = (Option<u64>, BTreeSet<u32>, bool);

/// One direction of a watched interface.
#[derive(Default)]
pub(super) struct HookSlot {
    pub(super) attachment: Option<Attachment>,
    /// The programs before ours, if they were logged.
    pub(super) behind: Option<String>,
    /// Why no program is attached, if it was logged.
    pub(super) trouble: Option<String>,
}

impl Watched {
    pub(super) fn new(interface: Interface) -> Watched {
        Watched {
            interface,
            rx: HookSlot::default(),
            tx: HookSlot::default(),
            prepared: None,
        }
    }

    pub(super) fn slots(&self) -> [(Direction, &HookSlot); 2] {
        [(Direction::Rx, &self.rx), (Direction::Tx, &self.tx)]
    }

    pub(super) fn slots_mut(&mut self) -> [(Direction, &mut HookSlot); 2] {
        [(Direction::Rx, &mut self.rx), (Direction::Tx, &mut self.tx)]
    }
}
