//! Why a packet was not understood.

use std::fmt;

use monitor_common::load::Captured;
use monitor_common::reason::Reason;

/// Why a packet was not understood: a reason of the walk, or one that only captures have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotUnderstood {
    /// A reason of the walk, which the kernel programs count.
    Walk(Reason),
    /// Fewer bytes were captured than the packet's headers have.
    SnapLength,
    /// The link type is not supported.
    LinkType,
}

impl NotUnderstood {
    /// The walk's reason for these bytes, or the snap length if the packet only seems truncated because it was not
    /// captured completely.
    #[must_use]
    pub fn of(reason: Reason, packet: &Captured<'_>) -> NotUnderstood {
        let is_cut = packet.bytes.len() < packet.frame_len;
        match reason {
            Reason::EthernetTruncated
            | Reason::Ipv4Truncated
            | Reason::Ipv6Truncated
            | Reason::UdpTruncated
            | Reason::VxlanTruncated
            | Reason::EspTruncated
            | Reason::InnerTruncated
            | Reason::GeneveTruncated
            | Reason::AhTruncated
                if is_cut =>
            {
                NotUnderstood::SnapLength
            }
            reason => NotUnderstood::Walk(reason),
        }
    }

    /// The name in JSON.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            NotUnderstood::Walk(reason) => reason.label(),
            NotUnderstood::SnapLength => "snap_length",
            NotUnderstood::LinkType => "link_type",
        }
    }

    /// The reason as one sentence.
    #[must_use]
    pub const fn explanation(self) -> &'static str {
        match self {
            NotUnderstood::Walk(reason) => reason.explanation(),
            NotUnderstood::SnapLength => "The capture ends before the packet's headers do.",
            NotUnderstood::LinkType => "This link type is not supported.",
        }
    }
}

/// In a line, in front of counts.
impl fmt::Display for NotUnderstood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotUnderstood::SnapLength => f.write_str("cut by the snap length"),
            other => write!(f, "not understood: {}", other.label()),
        }
    }
}
