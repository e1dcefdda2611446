//! VXLAN Generic Protocol Extension (draft-ietf-nvo3-vxlan-gpe-13, 3).

use super::vxlan::Vxlan;
use crate::link::Link;

/// Length of the header in bytes: that of VXLAN.
pub const LEN: usize = 8;
/// The UDP destination port that IANA assigned.
pub const PORT: u16 = 4790;

const FLAGS: usize = 0;
const NEXT_PROTOCOL: usize = 3;
const FLAG_P: u8 = 0x04;
const VERSION_MASK: u8 = 0x30;

/// A VXLAN-GPE header: that of VXLAN, in which some reserved bits have a meaning.
#[derive(Clone, Copy, Debug)]
pub struct VxlanGpe(pub [u8; LEN]);

impl VxlanGpe {
    /// Whether the I flag is set, without which the VNI is not valid.
    #[inline(always)]
    #[must_use]
    pub const fn has_vni(&self) -> bool {
        Vxlan(self.0).has_vni()
    }

    /// Whether the version is 0, the only defined one.
    #[inline(always)]
    #[must_use]
    pub const fn is_version_0(&self) -> bool {
        self.0[FLAGS] & VERSION_MASK == 0
    }

    /// VXLAN Network Identifier, 24 bits.
    #[inline(always)]
    #[must_use]
    pub const fn vni(&self) -> u32 {
        Vxlan(self.0).vni()
    }

    /// The first header of what is inside. Without the P flag it is Ethernet, as in VXLAN.
    #[inline(always)]
    #[must_use]
    pub const fn inner(&self) -> Link {
        if self.0[FLAGS] & FLAG_P == 0 {
            return Link::Ethernet;
        }
        match self.0[NEXT_PROTOCOL] {
            1 | 2 => Link::Ip,
            3 => Link::Ethernet,
            _ => Link::Other,
        }
    }
}

const _: () = assert!(LEN == super::vxlan::LEN);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_draft_puts_them() {
        let header = VxlanGpe([0x0c, 0, 0, 3, 0x00, 0x10, 0x00, 0xff]);
        assert!(header.has_vni() && header.is_version_0());
        assert_eq!((header.vni(), header.inner()), (4096, Link::Ethernet));
        assert_eq!(VxlanGpe([0x0c, 0, 0, 1, 0, 0, 0, 0]).inner(), Link::Ip);
        assert_eq!(VxlanGpe([0x0c, 0, 0, 2, 0, 0, 0, 0]).inner(), Link::Ip);
        assert_eq!(VxlanGpe([0x0c, 0, 0, 4, 0, 0, 0, 0]).inner(), Link::Other);
        assert_eq!(
            VxlanGpe([0x08, 0, 0, 4, 0, 0, 0, 0]).inner(),
            Link::Ethernet
        );
        assert!(!VxlanGpe([0xf7, 0, 0, 3, 0, 0, 0, 0]).has_vni());
        assert!(!VxlanGpe([0x1c, 0, 0, 3, 0, 0, 0, 0]).is_version_0());
    }
}
