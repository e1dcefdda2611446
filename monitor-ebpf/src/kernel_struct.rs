//! Structures of the running kernel, read through typed accessors. Each is named as in the kernel.
//!
//! Where a member is in its structure differs from kernel to kernel: the loader takes it from the kernel's BTF, into
//! [`XFRM`]. Nothing that is read is trusted: each read is a helper that may fail, and then there is no value.

use core::ptr::read_volatile;

use aya_ebpf::helpers::bpf_probe_read_kernel;
use monitor_common::wire::esp::Transform;
use monitor_common::xfrm_layout::{Memory, XfrmLayout};

/// Written by the loader, like `CONFIG`.
#[unsafe(no_mangle)]
static XFRM: XfrmLayout = XfrmLayout::UNSET;

/// Written by the loader, like `CONFIG`.
#[unsafe(no_mangle)]
static MEMORY: Memory = [0; 2];

/// Log 2 of the size of a page (x86_64).
const PAGE_SHIFT: u32 = 12;

/// A word of the layout. Volatile: the compiler must not fold the value of the object file.
macro_rules! layout {
    ($field:ident) => {
        // SAFETY: a field of a static, always valid.
        unsafe { read_volatile(&raw const XFRM.$field) } as usize
    };
}

/// Reads a value of the kernel.
#[inline(always)]
pub fn read<T: Copy>(address: usize) -> Option<T> {
    // SAFETY: the helper fails if the address cannot be read.
    unsafe { bpf_probe_read_kernel(address as *const T) }.ok()
}

/// Declares a structure by its address, and an accessor for each member: `name -> type = field of the layout`.
macro_rules! structures {
    ($(
        $(#[$outer:meta])*
        $name:ident { $($(#[$inner:meta])* $member:ident -> $kind:ty = $field:ident;)* }
    )+) => {
        $(
            $(#[$outer])*
            #[derive(Clone, Copy)]
            #[repr(transparent)]
            pub struct $name(pub usize);

            impl $name {
                $(
                    $(#[$inner])*
                    #[inline(always)]
                    pub fn $member(self) -> Option<$kind> {
                        read(self.0 + layout!($field))
                    }
                )*
            }
        )+
    };
}

structures! {
    /// `struct xfrm_state`: a security association.
    State {
        /// `id.proto`: protocol number of the IPsec protocol.
        protocol -> u8 = state_protocol;
        /// `props.mode`.
        mode -> u8 = state_mode;
        /// `props.family`.
        family -> u16 = state_family;
        /// `props.ealgo`: identifier of the cipher.
        cipher -> u8 = state_cipher;
        /// `id.daddr`, of `AF_INET`: big-endian.
        destination_v4 -> u32 = state_destination;
        /// `id.daddr`, of `AF_INET6`: big-endian.
        destination_v6 -> [u64; 2] = state_destination;
        /// `xs_net.net`.
        net -> Net = state_net;
        /// `props.header_len`: bytes that it puts in front of a packet.
        header_len -> u32 = state_header_len;
        /// `props.trailer_len`: most bytes that it puts behind a packet.
        trailer_len -> u32 = state_trailer_len;
        /// `data`, of ESP.
        aead -> Aead = state_data;
        /// `type`: the protocol's functions.
        protocol_type -> u64 = state_type;
        /// `mtimer.function`: address of a function of IPsec.
        timer_function -> u64 = state_timer_function;
    }

    /// `struct xfrm_type`: the functions of a protocol, by their addresses.
    ProtocolType {
        /// `output`.
        output -> u64 = type_output;
        /// `input`.
        input -> u64 = type_input;
        /// `init_state`.
        init -> u64 = type_init;
        /// `destructor`.
        destructor -> u64 = type_destructor;
    }

    /// `struct crypto_aead`: a cipher with its key.
    Aead {
        /// `authsize`: bytes of the check value.
        check_len -> u32 = aead_check_len;
    }

    /// `struct aead_request`: a call of a cipher.
    Request {
        /// `base.data`, which ESP sets to the packet: address of `struct sk_buff`.
        packet -> u64 = request_data;
    }

    /// `struct net`: a network namespace.
    Net {
        /// `ns.inum`: its inode number.
        inode -> u32 = net_inode;
    }

    /// `struct sk_buff`: a packet.
    SkBuff {
        /// `head`.
        head -> Head = skb_head;
        /// `data`: address of the header in hand.
        data -> usize = skb_data;
        /// `len`: bytes from `data` to the end of the packet.
        len -> u32 = skb_len;
        /// `data_len`: those of them that are not in the linear part.
        data_len -> u32 = skb_data_len;
        /// `end`: offset of [`SharedInfo`] from `head`.
        end -> u32 = skb_end;
        /// `mac_header`: an offset from `head`.
        mac_header -> u16 = skb_mac_header;
        /// `network_header`: an offset from `head`.
        network_header -> u16 = skb_network_header;
        /// `protocol` in `cb`, as IPsec uses it (`struct xfrm_mode_skb_cb`).
        protocol -> u8 = skb_protocol;
        /// `active_extensions`: a bit for each.
        active_extensions -> u8 = skb_active_extensions;
        /// `extensions`.
        extensions -> Extensions = skb_extensions;
    }

    /// `struct skb_ext`: what a packet carries beside its bytes.
    Extensions {
        /// The element of `offset` for the security path, in units of 8 bytes.
        sec_path_offset -> u8 = ext_sec_path;
    }

    /// `struct sec_path`: the associations that a packet was decrypted by.
    SecPath {
        /// `len`: how many they are.
        len -> u8 = sec_path_len;
    }

    /// Start of the linear part of a packet.
    Head {}

    /// `struct skb_shared_info`: the pages of a packet, and what it is as a super-packet.
    SharedInfo {
        /// `gso_size`: payload bytes of each segment; 0 if the packet is a single one.
        gso_size -> u16 = shared_gso_size;
        /// `gso_segs`: how many segments; 0 if unknown.
        gso_segs -> u16 = shared_gso_segs;
        /// `nr_frags`: how many pieces of pages the packet has.
        frag_count -> u8 = shared_frag_count;
        /// Page of the first piece. Bit 0 is set for memory of a device, which has no page.
        frag_page -> usize = frag_page;
        /// Offset of the first piece in its page.
        frag_offset -> u32 = frag_offset;
        /// Length of the first piece.
        frag_len -> u32 = frag_len;
    }
}

impl State {
    /// What it adds to a packet; `None` if it is not known.
    #[inline(always)]
    pub fn transform(self) -> Option<Transform> {
        if layout!(state_data) == 0 {
            return None;
        }
        let check = self.aead()?.check_len()?;
        // `esp_init_state` sets `trailer_len` to the block, the check value, and 1 (net/ipv4/esp4.c, net/ipv6/esp6.c).
        let block = self.trailer_len()?.wrapping_sub(check).wrapping_sub(1);
        let is_power_of_two = block != 0 && block & block.wrapping_sub(1) == 0;
        is_power_of_two.then_some(Transform {
            header: self.header_len()?,
            block,
            icv: check,
        })
    }
}

impl Net {
    /// Whether it is the namespace that is watched. `None` if that cannot be read.
    #[inline(always)]
    pub fn is_watched(self) -> Option<bool> {
        Some(self.inode()? as usize == layout!(namespace))
    }
}

impl SkBuff {
    /// The associations that the packet was decrypted by. `None` if there are none.
    #[inline(always)]
    pub fn sec_path(self) -> Option<SecPath> {
        if self.active_extensions()? & (1 << layout!(sec_path_id)) == 0 {
            return None;
        }
        let extensions = self.extensions()?;
        let offset = usize::from(extensions.sec_path_offset()?) * 8;
        Some(SecPath(extensions.0 + offset))
    }
}

impl SecPath {
    /// The association with this index; the caller compares it with [`SecPath::len`].
    #[inline(always)]
    pub fn state(self, index: usize) -> Option<State> {
        read(self.0 + layout!(sec_path_states) + index * size_of::<State>())
    }
}

impl Head {
    /// The address at an offset from the head.
    #[inline(always)]
    pub fn at(self, offset: u16) -> usize {
        self.0 + usize::from(offset)
    }

    /// The shared info, which is `end` bytes behind the head.
    #[inline(always)]
    pub fn shared_info(self, end: u32) -> SharedInfo {
        SharedInfo(self.0 + end as usize)
    }
}

impl SharedInfo {
    /// Address of the first piece of a page, if it has `len` bytes or more; 0 if it has not, or cannot be read.
    #[inline(never)]
    pub fn first_piece(self, len: u32) -> usize {
        let shift = layout!(page_shift);
        if shift == 0 {
            return 0;
        }
        let count = self.frag_count().unwrap_or_default();
        let piece = self.frag_len().unwrap_or_default();
        let page = self.frag_page().unwrap_or_default();
        if count == 0 || piece < len || page & 1 != 0 {
            return 0;
        }
        let offset = self.frag_offset().unwrap_or_default();
        // SAFETY: elements of a static, always valid.
        let (pages, memory) = unsafe {
            (
                read_volatile(&raw const MEMORY[0]),
                read_volatile(&raw const MEMORY[1]),
            )
        };
        let pages: usize = read(pages as usize).unwrap_or_default();
        let memory: usize = read(memory as usize).unwrap_or_default();
        if pages == 0 || memory == 0 || page < pages {
            return 0;
        }
        memory + (((page - pages) >> (shift & 63)) << PAGE_SHIFT) + offset as usize
    }
}
