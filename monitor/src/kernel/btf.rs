//! Reads the offsets of structure members from the running kernel's BTF (`Documentation/bpf/btf.rst` of the kernel).
//!
//! Every number of the file is checked: damaged BTF is an error, never a guess.

use std::fs::File;
use std::io::{self, Read};

/// The file with the kernel's BTF.
const PATH: &str = "/sys/kernel/btf/vmlinux";
/// Most bytes that are read: ten times the size of a distribution's kernel.
const SIZE_MAX: u64 = 64 << 20;

/// Magic number of the header, in the machine's byte order.
const MAGIC: u16 = 0xeb9f;
/// Length of the known part of the header; the rest of a longer one is skipped.
const HEADER: usize = 24;
/// Length of a type without the data that follows it.
const TYPE: usize = 12;
/// Length of a member of a structure.
const MEMBER: usize = 12;
/// Most modifiers, or nested anonymous structures, that are resolved.
const DEPTH: u32 = 32;

// `BTF_KIND_…`.
const INT: u32 = 1;
const PTR: u32 = 2;
const ARRAY: u32 = 3;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const TYPE_TAG: u32 = 18;

/// Why something cannot be determined, as a message.
pub(super) type Reason = String;

/// A member of a structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Member {
    /// Bytes from the start of the structure.
    pub(super) offset: u32,
    /// Its size in bytes.
    pub(super) size: u32,
}

/// The BTF of a kernel.
pub(super) struct Btf {
    data: Vec<u8>,
    /// Offset of the strings.
    strings: usize,
    /// Offset of each type; the first has number 1.
    types: Vec<u32>,
}

/// One type.
#[derive(Clone, Copy)]
struct Type<'a> {
    name: u32,
    kind: u32,
    /// Bit 31 of `info`: members may be bit fields.
    flag: bool,
    /// Size in bytes, or the number of another type.
    size: u32,
    /// The data that follows it.
    rest: &'a [u8],
}

impl Btf {
    /// The BTF of the running kernel.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn of_kernel() -> Result<Btf, Reason> {
        let mut data = Vec::new();
        let read = File::open(PATH).and_then(|file| file.take(SIZE_MAX).read_to_end(&mut data));
        match read {
            Ok(_) => Btf::new(data),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err("the kernel has no BTF (CONFIG_DEBUG_INFO_BTF)".to_owned())
            }
            Err(error) => Err(format!("{PATH} cannot be read: {error}")),
        }
    }

    /// Decodes the bytes of a BTF file.
    ///
    /// # Errors
    /// The file is damaged.
    pub(super) fn new(data: Vec<u8>) -> Result<Btf, Reason> {
        let damaged =
            || "the kernel's BTF cannot be read: it is damaged, or newer than this program";
        let word = |at: usize| u32_at(&data, at).map(|word| word as usize);
        let ranges = || {
            if u16::from_ne_bytes(*data.first_chunk()?) != MAGIC {
                return None;
            }
            let (header, start, len) = (word(4)?, word(8)?, word(12)?);
            if header < HEADER {
                return None;
            }
            let types = header.checked_add(start)?;
            let end = types.checked_add(len)?;
            let strings = header.checked_add(word(16)?)?;
            let strings_end = strings.checked_add(word(20)?)?;
            (end <= data.len() && strings_end <= data.len()).then_some((
                types,
                end,
                strings,
                strings_end,
            ))
        };
        let (mut at, end, strings, strings_end) = ranges().ok_or_else(damaged)?;
        let mut types = Vec::new();
        while at < end {
            types.push(u32::try_from(at).map_err(|_| damaged())?);
            let len = type_at(&data[..end], at).ok_or_else(damaged)?.1;
            at += len;
        }
        let mut data = data;
        data.truncate(end.max(strings_end));
        Ok(Btf {
            data,
            strings,
            types,
        })
    }

    /// A member of a structure by its path, such as `id.proto`. Members of anonymous structures and unions count as
    /// members of the structure that contains these.
    ///
    /// # Errors
    /// There is none, it is a bit field, or two structures of this name have it at different offsets.
    pub(super) fn member(&self, structure: &str, path: &str) -> Result<Member, Reason> {
        let mut found = None;
        for kind in self.named(STRUCT, structure) {
            let Some(member) = self.path(kind, path) else {
                return Err(format!(
                    "the kernel's struct {structure} has no readable member {path}"
                ));
            };
            if *found.get_or_insert(member) != member {
                return Err(format!("the kernel has two different structs {structure}"));
            }
        }
        found.ok_or_else(|| format!("the kernel has no struct {structure}"))
    }

    /// Size of a structure in bytes; `None` if there is none, or two of different sizes.
    pub(super) fn size_of(&self, structure: &str) -> Option<u32> {
        let mut sizes = self.named(STRUCT, structure).map(|kind| kind.size);
        let first = sizes.next()?;
        sizes.all(|size| size == first).then_some(first)
    }

    /// Whether a structure has this member.
    pub(super) fn has_member(&self, structure: &str, path: &str) -> bool {
        self.named(STRUCT, structure)
            .any(|kind| self.path(kind, path).is_some())
    }

    /// Whether the kernel has a function of this name that is not inlined at every call.
    pub(super) fn has_function(&self, name: &str) -> bool {
        self.named(FUNC, name).next().is_some()
    }

    /// The value of an enumerator of any enumeration; `None` if there is none, or two with different values.
    pub(super) fn enumerator(&self, name: &str) -> Option<u32> {
        let mut found = None;
        for kind in self.all().filter(|kind| kind.kind == ENUM) {
            for one in kind.rest.chunks_exact(8) {
                let (at, value) = (u32_at(one, 0)?, u32_at(one, 4)?);
                if self.is_called(at, name) && *found.get_or_insert(value) != value {
                    return None;
                }
            }
        }
        found
    }

    /// All types.
    fn all(&self) -> impl Iterator<Item = Type<'_>> {
        self.types
            .iter()
            .filter_map(|at| Some(type_at(&self.data, *at as usize)?.0))
    }

    /// All types of a kind and name.
    fn named<'a>(&'a self, kind: u32, name: &'a str) -> impl Iterator<Item = Type<'a>> {
        self.all()
            .filter(move |found| found.kind == kind && self.is_called(found.name, name))
    }

    /// Whether the string at an offset is this name.
    fn is_called(&self, at: u32, name: &str) -> bool {
        let text = (at as usize)
            .checked_add(self.strings)
            .and_then(|at| self.data.get(at..));
        text.and_then(|text| text.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }

    /// The type of a number.
    fn number(&self, number: u32) -> Option<Type<'_>> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Some(type_at(&self.data, *self.types.get(index)? as usize)?.0)
    }

    /// The type of a number, without `const`, `typedef` and other modifiers.
    fn resolved(&self, number: u32) -> Option<Type<'_>> {
        let mut found = self.number(number)?;
        for _ in 0..DEPTH {
            match found.kind {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => {
                    found = self.number(found.size)?;
                }
                _ => return Some(found),
            }
        }
        None
    }

    /// A member of a structure by its path.
    fn path(&self, structure: Type<'_>, path: &str) -> Option<Member> {
        let mut at = structure;
        let mut member = Member { offset: 0, size: 0 };
        for name in path.split('.') {
            let (offset, number) = self.find(at, name, DEPTH)?;
            at = self.resolved(number)?;
            member = Member {
                offset: member.offset.checked_add(offset)?,
                size: self.size(at, DEPTH)?,
            };
        }
        Some(member)
    }

    /// Offset in bytes and type of a member.
    fn find(&self, structure: Type<'_>, name: &str, depth: u32) -> Option<(u32, u32)> {
        if !matches!(structure.kind, STRUCT | UNION) {
            return None;
        }
        for member in structure.rest.chunks_exact(MEMBER) {
            let (called, number, place) =
                (u32_at(member, 0)?, u32_at(member, 4)?, u32_at(member, 8)?);
            let (bits, offset) = if structure.flag {
                (place >> 24, place & 0x00ff_ffff)
            } else {
                (0, place)
            };
            if self.is_called(called, name) {
                return (bits == 0 && offset % 8 == 0).then_some((offset / 8, number));
            }
            // An anonymous member has an empty name.
            if self.is_called(called, "")
                && let Some(deeper) = depth.checked_sub(1)
                && let Some(inside) = self.resolved(number)
                && let Some((within, number)) = self.find(inside, name, deeper)
            {
                return Some((within.checked_add(offset / 8)?, number));
            }
        }
        None
    }

    /// The size of a type in bytes.
    fn size(&self, kind: Type<'_>, depth: u32) -> Option<u32> {
        match kind.kind {
            INT | STRUCT | UNION | ENUM => Some(kind.size),
            PTR => u32::try_from(size_of::<usize>()).ok(),
            ARRAY => {
                let element = self.resolved(u32_at(kind.rest, 0)?)?;
                let size = self.size(element, depth.checked_sub(1)?)?;
                size.checked_mul(u32_at(kind.rest, 8)?)
            }
            _ => None,
        }
    }
}

fn u32_at(data: &[u8], at: usize) -> Option<u32> {
    let bytes = data.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

/// The type at an offset, and its length in bytes; `None` past the end, or for an unknown kind.
fn type_at(data: &[u8], at: usize) -> Option<(Type<'_>, usize)> {
    let info = u32_at(data, at.checked_add(4)?)?;
    let (count, kind) = (info & 0xffff, (info >> 24) & 0x1f);
    let many = count as usize;
    let rest = match kind {
        // Pointer, forward, typedef, the qualifiers, function, float, type tag.
        PTR | 7 | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | 16 | TYPE_TAG => 0,
        // Variable, declaration tag.
        INT | 14 | 17 => 4,
        ARRAY => 12,
        // Data section, enumeration of 64 bits.
        STRUCT | UNION | 15 | 19 => many * MEMBER,
        // Function prototype.
        ENUM | 13 => many * 8,
        _ => return None,
    };
    let start = at.checked_add(TYPE)?;
    let kind = Type {
        name: u32_at(data, at)?,
        kind,
        flag: info >> 31 != 0,
        size: u32_at(data, at + 8)?,
        rest: data.get(start..start.checked_add(rest)?)?,
    };
    Some((kind, TYPE + rest))
}

#[cfg(test)]
mod tests;
