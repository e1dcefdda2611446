//! The rules for overlay networks.

use super::vni_set::VniSet;

/// Docker's mark of datagrams to be encrypted, and its request id of IPsec associations and policies.
pub const MARK: u32 = 0xd0_c4e3;

/// The rules for overlay networks that were found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Networks whose sent datagrams get [`MARK`].
    pub marked: VniSet,
    /// Networks whose received datagrams are dropped unless they came in ESP.
    pub refused: VniSet,
}

impl Rules {
    /// Whether some were left out for lack of room.
    pub(super) fn is_cut(&self) -> bool {
        self.marked.is_cut() || self.refused.is_cut()
    }
}
