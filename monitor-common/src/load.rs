//! How the parser reads the bytes of a packet.

/// Bytes of a packet, read at an offset.
///
/// The eBPF programs implement it over a packet pointer, where the verifier demands the check against `data_end`, and
/// over the `*_load_bytes` helpers; user space implements it over a slice.
pub trait Load {
    /// Copies `N` bytes from `offset` bytes after the start of the packet.
    ///
    /// `None` if the packet has fewer. Offsets are computed from packet bytes and never trusted.
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]>;

    /// As [`Load::load`], but from anywhere in the frame, beyond the bytes at hand too, at the cost of a call.
    fn far<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.load(offset)
    }

    /// The first `LEN` bytes of the packet, after one check. `None` if the packet has fewer.
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>>;

    /// Length of the frame on the wire in bytes; fewer of them may be at hand.
    fn frame_len(&self) -> usize;

    /// The same offset. In the eBPF programs the verifier then does not know any more how it was found, and follows what
    /// comes next once, not once for each way that leads there.
    fn at(&self, offset: usize) -> usize {
        offset
    }
}

/// Bytes that were checked to be at hand; each is read only when asked for.
pub trait Window<const LEN: usize> {
    /// Copies `N` bytes from `AT` bytes after the start. Does not compile if they reach beyond the window.
    fn get<const AT: usize, const N: usize>(&self) -> [u8; N];

    /// Big-endian 16 bits at `AT`.
    #[inline(always)]
    fn be16<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes(self.get::<AT, 2>())
    }

    /// Big-endian 32 bits at `AT`.
    #[inline(always)]
    fn be32<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes(self.get::<AT, 4>())
    }

    /// The byte at `AT`.
    #[inline(always)]
    fn byte<const AT: usize>(&self) -> u8 {
        self.get::<AT, 1>()[0]
    }
}

struct Bytes<'a, const LEN: usize>(&'a [u8; LEN]);

impl<const LEN: usize> Window<LEN> for Bytes<'_, LEN> {
    #[inline(always)]
    fn get<const AT: usize, const N: usize>(&self) -> [u8; N] {
        const { assert!(AT + N <= LEN) };
        let mut out = [0; N];
        out.copy_from_slice(&self.0[AT..AT + N]);
        out
    }
}

/// The captured first bytes of a frame.
#[derive(Clone, Copy, Debug)]
pub struct Captured<'a> {
    /// The captured bytes.
    pub bytes: &'a [u8],
    /// Its length on the wire.
    pub frame_len: usize,
}

impl Load for Captured<'_> {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.bytes.load(offset)
    }

    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.bytes.first_chunk().map(Bytes)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.frame_len
    }
}

impl Load for [u8] {
    #[inline(always)]
    fn load<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        let end = offset.checked_add(N)?;
        self.get(offset..end)?.try_into().ok()
    }

    #[inline(always)]
    fn window<const LEN: usize>(&self) -> Option<impl Window<LEN>> {
        self.first_chunk().map(Bytes)
    }

    #[inline(always)]
    fn frame_len(&self) -> usize {
        self.len()
    }
}

/// Big-endian 16 bits at `at` of a header that was loaded whole.
///
/// `at + 1` must be below `N`; both are constants of the header's file, so the compiler drops the
/// checks.
#[inline(always)]
pub(crate) const fn be16<const N: usize>(header: &[u8; N], at: usize) -> u16 {
    u16::from_be_bytes([header[at], header[at + 1]])
}

/// Big-endian 32 bits at `at` of a header that was loaded whole; see [`be16`].
#[inline(always)]
pub(crate) const fn be32<const N: usize>(header: &[u8; N], at: usize) -> u32 {
    u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_loads_what_it_has_and_nothing_more() {
        let bytes = [1u8, 2, 3, 4];
        assert_eq!(bytes.load::<4>(0), Some([1, 2, 3, 4]));
        assert_eq!(bytes.load::<1>(3), Some([4]));
        assert_eq!(bytes.load::<2>(3), None);
        assert_eq!(bytes.load::<1>(4), None);
        assert_eq!(bytes.load::<1>(usize::MAX), None);
    }
}
