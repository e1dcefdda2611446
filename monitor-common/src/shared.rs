//! How a value that the kernel programs and the agent share becomes bytes, and back.
//!
//! The programs read and write such a value in place, as a `repr(C)` struct. The agent exchanges bytes with the
//! kernel, in the byte order of this machine. The macro `shared!` declares a struct for both: it refuses to compile one with
//! padding, so the bytes of the fields one after the other are the bytes of the struct.

/// A value of a map, a key, a global or a ring record.
pub trait Shared: Copy {
    /// Size in bytes.
    const SIZE: usize;

    /// Writes the value to the start of `out`, and returns the rest of it.
    ///
    /// `out` must have [`Shared::SIZE`] bytes or more; of a shorter one nothing is returned, and its contents are
    /// unspecified.
    fn put<'a>(&self, out: &'a mut [u8]) -> &'a mut [u8];

    /// Reads a value from the start of `bytes`, and returns it with the rest of them. `None` if they are fewer than
    /// [`Shared::SIZE`].
    fn take(bytes: &[u8]) -> Option<(Self, &[u8])>;
}

macro_rules! integers {
    ($($name:ident)+) => {
        $(impl Shared for $name {
            const SIZE: usize = size_of::<$name>();

            fn put<'a>(&self, out: &'a mut [u8]) -> &'a mut [u8] {
                match out.split_first_chunk_mut() {
                    Some((place, rest)) => {
                        *place = self.to_ne_bytes();
                        rest
                    }
                    None => &mut [],
                }
            }

            fn take(bytes: &[u8]) -> Option<($name, &[u8])> {
                let (first, rest) = bytes.split_first_chunk()?;
                Some(($name::from_ne_bytes(*first), rest))
            }
        })+
    };
}

integers!(u8 u16 u32 u64);

impl<T: Shared, const N: usize> Shared for [T; N] {
    const SIZE: usize = T::SIZE * N;

    fn put<'a>(&self, mut out: &'a mut [u8]) -> &'a mut [u8] {
        for element in self {
            out = element.put(out);
        }
        out
    }

    fn take(bytes: &[u8]) -> Option<([T; N], &[u8])> {
        let (first, mut rest) = T::take(bytes)?;
        let mut all = [first; N];
        for place in all.iter_mut().skip(1) {
            (*place, rest) = T::take(rest)?;
        }
        Some((all, rest))
    }
}

/// Declares a struct that is shared with the kernel programs: `repr(C)`, without padding, with [`Shared`], and with
/// `SIZE`, `to_bytes` and `from_bytes` of its own.
macro_rules! shared {
    (
        $(#[$outer:meta])*
        $vis:vis struct $name:ident { $($(#[$inner:meta])* $field_vis:vis $field:ident: $kind:ty,)+ }
    ) => {
        $(#[$outer])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(C)]
        $vis struct $name {
            $($(#[$inner])* $field_vis $field: $kind,)+
        }

        impl $crate::shared::Shared for $name {
            const SIZE: usize = size_of::<$name>();

            fn put<'a>(&self, out: &'a mut [u8]) -> &'a mut [u8] {
                $(let out = $crate::shared::Shared::put(&self.$field, out);)+
                out
            }

            fn take(bytes: &[u8]) -> Option<($name, &[u8])> {
                $(let ($field, bytes) = $crate::shared::Shared::take(bytes)?;)+
                Some(($name { $($field),+ }, bytes))
            }
        }

        impl $name {
            /// Size in bytes.
            $vis const SIZE: usize = size_of::<$name>();

            /// The bytes of this value, in the byte order of this machine.
            #[must_use]
            $vis fn to_bytes(self) -> [u8; $name::SIZE] {
                let mut out = [0; $name::SIZE];
                $crate::shared::Shared::put(&self, &mut out);
                out
            }

            /// The value of these bytes. `None` if they are not exactly [`Self::SIZE`].
            #[must_use]
            $vis fn from_bytes(bytes: &[u8]) -> Option<$name> {
                match $crate::shared::Shared::take(bytes) {
                    Some((value, [])) => Some(value),
                    _ => None,
                }
            }
        }

        // No padding: the bytes of the fields are the layout.
        const _: () = assert!(
            size_of::<$name>() == 0 $(+ <$kind as $crate::shared::Shared>::SIZE)+
        );
    };
}

pub(crate) use shared;

#[cfg(test)]
mod tests {
    shared! {
        /// One of each kind of field.
        struct Mixed {
            /// Word.
            word: u32,
            /// Bytes.
            bytes: [u8; 4],
            /// Long words.
            longs: [u64; 2],
        }
    }

    #[test]
    fn bytes_follow_the_layout_and_read_back() {
        let value = Mixed {
            word: 1,
            bytes: [2, 3, 4, 5],
            longs: [6, u64::MAX],
        };
        let bytes = value.to_bytes();
        assert_eq!(bytes.len(), size_of::<Mixed>());
        let at = core::mem::offset_of!(Mixed, bytes);
        assert_eq!(bytes[at..at + 4], [2, 3, 4, 5]);
        let at = core::mem::offset_of!(Mixed, longs);
        assert_eq!(bytes[at..at + 8], 6u64.to_ne_bytes());
        assert_eq!(Mixed::from_bytes(&bytes), Some(value));
    }

    #[test]
    fn bytes_of_another_length_are_no_value() {
        let bytes = [0; Mixed::SIZE + 1];
        for len in 0..=bytes.len() {
            let found = Mixed::from_bytes(&bytes[..len]);
            assert_eq!(found.is_some(), len == Mixed::SIZE, "{len} bytes");
        }
    }
}
