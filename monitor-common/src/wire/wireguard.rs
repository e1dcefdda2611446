//! WireGuard messages (<https://www.wireguard.com/protocol/>; `drivers/net/wireguard/messages.h`).

/// Length in bytes of what is compared: the type and three reserved bytes.
pub const LEN: usize = 4;
/// WireGuard's default UDP port, and that of Cilium's mesh.
pub const PORTS: [u16; 2] = [51820, 51871];

/// Length of a handshake initiation, in bytes.
const INITIATION: usize = 148;
/// Length of a handshake response, in bytes.
const RESPONSE: usize = 92;
/// Length of a cookie reply, in bytes.
const COOKIE: usize = 64;
/// Shortest transport message in bytes: header and authentication tag (a keepalive).
const TRANSPORT_MIN: usize = 32;

/// The start of a message.
#[derive(Clone, Copy, Debug)]
pub struct Message(pub [u8; LEN]);

impl Message {
    /// Whether type, reserved bytes and `len`, the length of the UDP payload in bytes, are those of a
    /// WireGuard message. Transport messages are padded to 16 bytes.
    #[inline(always)]
    #[must_use]
    pub const fn is_valid(&self, len: usize) -> bool {
        if self.0[1] | self.0[2] | self.0[3] != 0 {
            return false;
        }
        match self.0[0] {
            1 => len == INITIATION,
            2 => len == RESPONSE,
            3 => len == COOKIE,
            4 => len >= TRANSPORT_MIN && len & 15 == 0,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_recognised_by_type_and_length() {
        for (kind, len) in [(1, 148), (2, 92), (3, 64), (4, 32), (4, 1440)] {
            assert!(Message([kind, 0, 0, 0]).is_valid(len), "{kind}");
            assert!(!Message([kind, 0, 0, 0]).is_valid(len - 1), "{kind}");
            assert!(!Message([kind, 0, 1, 0]).is_valid(len), "{kind}");
        }
        assert!(!Message([0, 0, 0, 0]).is_valid(148));
        assert!(!Message([5, 0, 0, 0]).is_valid(148));
        assert!(!Message([4, 0, 0, 0]).is_valid(16));
    }
}
