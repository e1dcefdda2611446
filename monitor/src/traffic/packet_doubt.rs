//! Why a packet or flow of a capture may not be what was on the wire.

use std::fmt;

use serde::Serialize;

/// Why a packet or flow of a capture may not be what was on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PacketDoubt {
    /// IPsec made it by decrypting an ESP packet: it was captured on the node that received that.
    DecryptedCopy,
    /// The same was captured on another device.
    OtherDevice,
}

impl PacketDoubt {
    /// All of them.
    pub const ALL: [PacketDoubt; 2] = [PacketDoubt::DecryptedCopy, PacketDoubt::OtherDevice];
}

/// In a line.
impl fmt::Display for PacketDoubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PacketDoubt::DecryptedCopy => "decrypted copy of ESP, not in the clear on the wire",
            PacketDoubt::OtherDevice => "the same as before, on another device",
        })
    }
}
