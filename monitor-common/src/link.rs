//! What stands at the start of a frame.

/// The first header of a frame, or of what an overlay carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Link {
    /// An Ethernet header.
    Ethernet = 0,
    /// An IP header: a raw-IP interface, or an overlay of layer 3.
    Ip = 1,
    /// A header that is not walked (NSH, MPLS, …).
    Other = 2,
}

impl Link {
    /// The link with this index; [`Link::Other`] for an index that no program of ours writes.
    #[inline(always)]
    #[must_use]
    pub const fn from_index(index: u8) -> Link {
        match index {
            0 => Link::Ethernet,
            1 => Link::Ip,
            _ => Link::Other,
        }
    }
}
