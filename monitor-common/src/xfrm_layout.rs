//! What the programs on the kernel's XFRM path must know of this kernel's structures.

use crate::shared::shared;

/// Declares the layout: words one after the other.
macro_rules! layout {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $field:ident,)+ }) => {
        shared! {
            $(#[$outer])*
            #[derive(Default)]
            pub struct $name {
                $($(#[$inner])* pub $field: u32,)+
            }
        }

        impl $name {
            /// The value in the object file, which the loader replaces.
            pub const UNSET: $name = $name { $($field: 0,)+ };
        }
    };
}

layout! {
    /// The `XFRM` global of the kernel programs: offsets in bytes into structures of the running kernel, as its BTF
    /// has them, and the network namespace that is watched.
    ///
    /// The widths of the members are fixed in the programs. The loader compares them before it fills this in.
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
        /// The element of `skb_ext.offset` for the `sec_path`, 1 byte, in units of 8 bytes.
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
        /// `xfrm_state.props.header_len`, 4 bytes.
        state_header_len,
        /// `xfrm_state.props.trailer_len`, 4 bytes.
        state_trailer_len,
        /// `xfrm_state.data`, a pointer; 0 where it is not known how ESP uses it, or where the check value's length is.
        /// Then the bytes that ESP adds are not counted.
        state_data,
        /// `crypto_aead.authsize`, 4 bytes.
        aead_check_len,
        /// `xfrm_state.type`, a pointer; 0 where this member or one of those to `type_destructor` is not as expected. Then
        /// encryptions are not timed.
        state_type,
        /// `xfrm_state.mtimer.function`, a pointer to a function of IPsec itself.
        state_timer_function,
        /// `xfrm_type.output`, a pointer.
        type_output,
        /// `xfrm_type.input`, a pointer.
        type_input,
        /// `xfrm_type.init_state`, a pointer.
        type_init,
        /// `xfrm_type.destructor`, a pointer.
        type_destructor,
        /// `aead_request.base.data`, a pointer; 0 where it is not known. Then single packets are not timed.
        request_data,
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
        /// Its offset in that page, 4 bytes.
        frag_offset,
        /// Its length, 4 bytes.
        frag_len,
        /// Log 2 of the size of `struct page`; 0 where pages cannot be read. Not an offset.
        page_shift,
    }
}

/// The `MEMORY` global of the kernel programs: addresses of the kernel's variables `vmemmap_base` (the address of the
/// `struct page` of the first page of memory) and `page_offset_base` (the address of that page).
pub type Memory = [u64; 2];
