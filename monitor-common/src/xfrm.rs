//! What the programs on the kernel's XFRM path must know of this kernel's structures.

/// Declares the layout: words one after the other, and their bytes.
macro_rules! layout {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident,)+ }) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        #[repr(C)]
        pub struct $name {
            $($(#[$inner])* pub $field: u32,)+
        }

        impl $name {
            /// What stands in the object file before the loader has written its own.
            pub const UNSET: $name = $name { $($field: 0,)+ };
            /// Size of the bytes that the loader writes into `.rodata`.
            pub const SIZE: usize = size_of::<$name>();

            /// The bytes of the `XFRM` global, in the byte order of this machine.
            #[must_use]
            pub fn to_bytes(&self) -> [u8; $name::SIZE] {
                let mut out = [0; $name::SIZE];
                let words = [$(self.$field,)+];
                for (place, word) in out.chunks_exact_mut(4).zip(words) {
                    place.copy_from_slice(&word.to_ne_bytes());
                }
                out
            }
        }
    };
}

layout! {
    /// The `XFRM` global of the kernel programs: offsets in bytes into structures of the running kernel,
    /// which its BTF tells, and the network namespace that is watched.
    ///
    /// The widths are fixed in the programs; whoever fills this in has compared them.
    XfrmLayout {
        /// The network namespace: its inode number, as in `/proc/self/ns/net`.
        namespace,
        /// `sk_buff.head`, a pointer.
        skb_head,
        /// `sk_buff.data`, a pointer.
        skb_data,
        /// `sk_buff.len`, 4 bytes.
        skb_len,
        /// `sk_buff.data_len`, 4 bytes.
        skb_data_len,
        /// `sk_buff.end`, 4 bytes: from `head` to `skb_shared_info`.
        skb_end,
        /// `sk_buff.mac_header`, 2 bytes.
        skb_mac_header,
        /// `sk_buff.network_header`, 2 bytes.
        skb_network_header,
        /// `xfrm_mode_skb_cb.protocol` in `sk_buff.cb`, 1 byte.
        skb_protocol,
        /// `sk_buff.extensions`, a pointer.
        skb_extensions,
        /// `sk_buff.active_extensions`, 1 byte.
        skb_active_extensions,
        /// `SKB_EXT_SEC_PATH`: a bit of `active_extensions`. Not an offset.
        sec_path_id,
        /// The element of `skb_ext.offset` that says where the `sec_path` is, 1 byte, in units of 8 bytes.
        ext_sec_path,
        /// The least significant byte of `sec_path.len`, which is 4 bytes, or 1 (Linux 7.2), and never more than
        /// `XFRM_MAX_DEPTH` (6).
        sec_path_len,
        /// `sec_path.xvec`, pointers.
        sec_path_states,
        /// `xfrm_state.xs_net.net`, a pointer.
        state_net,
        /// `xfrm_state.id.proto`, 1 byte.
        state_protocol,
        /// `xfrm_state.id.daddr`, 16 bytes.
        state_destination,
        /// `xfrm_state.props.mode`, 1 byte.
        state_mode,
        /// `xfrm_state.props.family`, 2 bytes.
        state_family,
        /// `xfrm_state.props.ealgo`, 1 byte.
        state_cipher,
        /// `net.ns.inum`, 4 bytes.
        net_inode,
        /// `skb_shared_info.gso_size`, 2 bytes.
        shared_gso_size,
        /// `skb_shared_info.gso_segs`, 2 bytes.
        shared_gso_segs,
        /// `skb_shared_info.nr_frags`, 1 byte.
        shared_frag_count,
        /// The page of the first of `skb_shared_info.frags`, a pointer.
        frag_page,
        /// Where in its page it begins, 4 bytes.
        frag_offset,
        /// How long it is, 4 bytes.
        frag_len,
        /// Log 2 of the size of `struct page`; 0 where pages cannot be read. Not an offset.
        page_shift,
    }
}

/// The `MEMORY` global of the kernel programs: addresses of the kernel's variables `vmemmap_base` (where the
/// `struct page` of the first page of memory is) and `page_offset_base` (where that page is).
pub type Memory = [u64; 2];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_follow_the_layout() {
        let layout = XfrmLayout {
            namespace: 1,
            skb_data: 200,
            page_shift: 6,
            ..XfrmLayout::UNSET
        };
        let bytes = layout.to_bytes();
        let at = core::mem::offset_of!(XfrmLayout, skb_data);
        assert_eq!(bytes[at..at + 4], 200u32.to_ne_bytes());
        assert_eq!(bytes[XfrmLayout::SIZE - 4..], 6u32.to_ne_bytes());
    }
}
