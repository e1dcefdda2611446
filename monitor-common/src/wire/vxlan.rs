//! VXLAN (RFC 7348, 5).

use crate::load::be32;

/// Length of the header in bytes.
pub const LEN: usize = 8;
/// The UDP destination port that IANA assigned (RFC 7348, 5).
pub const PORT: u16 = 4789;

const FLAGS: usize = 0;
const VNI: usize = 4;
const FLAG_I: u8 = 0x08;

/// Whether the VNI is valid, by the byte of flags: the I flag is set.
#[inline(always)]
#[must_use]
pub const fn is_vni_valid(flags: u8) -> bool {
    flags & FLAG_I != 0
}

/// A VXLAN header.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan(pub [u8; LEN]);

impl Vxlan {
    /// Whether the I flag is set, without which the VNI is not valid.
    #[inline(always)]
    #[must_use]
    pub const fn has_vni(&self) -> bool {
        is_vni_valid(self.0[FLAGS])
    }

    /// Whether it has the I flag, and 0 in every other bit but those of the VNI (RFC 7348, 5).
    #[must_use]
    pub const fn is_usual(&self) -> bool {
        be32(&self.0, FLAGS) == (FLAG_I as u32) << 24 && self.0[LEN - 1] == 0
    }

    /// VXLAN Network Identifier, 24 bits.
    #[inline(always)]
    #[must_use]
    pub const fn vni(&self) -> u32 {
        be32(&self.0, VNI) >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::VNI_MAX;

    #[test]
    fn fields_stand_where_rfc_7348_puts_them() {
        let header = Vxlan([0x08, 0, 0, 0, 0x00, 0x10, 0x00, 0xff]);
        assert!(header.has_vni());
        assert_eq!(
            header.vni(),
            4096,
            "the reserved byte after the VNI is not part of it"
        );
        assert!(!header.is_usual() && Vxlan([8, 0, 0, 0, 0, 0x10, 0, 0]).is_usual());
        assert!(!Vxlan([8, 0, 0, 1, 0, 0x10, 0, 0]).is_usual());
        assert!(!Vxlan([0xf7, 0, 0, 0, 0, 0x10, 0, 0]).has_vni());
        assert_eq!(Vxlan([8, 0, 0, 0, 0xff, 0xff, 0xff, 0]).vni(), VNI_MAX);
    }
}
