//! Names, types and classes.

use crate::parse::reader::Reader;

/// Longest name (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 255;

/// The name, type and class that questions and records start with.
pub(super) struct Question {
    /// Labels with dots between them; empty for the root.
    pub(super) name: Vec<u8>,
    pub(super) kind: u16,
    /// Class IN or any; multicast DNS has a flag in it.
    pub(super) is_internet: bool,
}

impl Question {
    /// Reads one. Nothing: the bytes end; an error: it is none.
    pub(super) fn read(reader: &mut Reader<'_>, message: &[u8]) -> Result<Option<Self>, ()> {
        let mut name = Vec::new();
        if !labels(reader, message, &mut name)? {
            return Ok(None);
        }
        let (Some(kind), Some(class)) = (reader.u16(), reader.u16()) else {
            return Ok(None);
        };
        if kind == 0 || !matches!(class & 0x7fff, 1 | 3 | 4 | 254 | 255 | 512..=4096) {
            return Err(());
        }
        // The class of EDNS options is a size.
        if class > 255 && class & 0x7fff > 255 && kind != 41 {
            return Err(());
        }
        Ok(Some(Self {
            name,
            kind,
            is_internet: matches!(class & 0x7fff, 1 | 255) || kind == 41,
        }))
    }

    pub(super) fn is_root(&self) -> bool {
        self.name.is_empty()
    }
}

/// Reads labels up to the root, or into a pointer. False: the bytes end.
fn labels(reader: &mut Reader<'_>, message: &[u8], name: &mut Vec<u8>) -> Result<bool, ()> {
    loop {
        let Some(length) = reader.u8() else {
            return Ok(false);
        };
        match length {
            0 => return Ok(true),
            1..=63 => {
                if !name.is_empty() {
                    name.push(b'.');
                }
                let (label, whole) = reader.upto(usize::from(length));
                if !label
                    .bytes()
                    .iter()
                    .all(|&byte| byte >= b' ' && byte != 0x7f)
                {
                    return Err(());
                }
                name.extend_from_slice(label.bytes());
                if name.len() > NAME_MAX {
                    return Err(());
                }
                if !whole {
                    return Ok(false);
                }
            }
            0xc0.. => {
                let Some(low) = reader.u8() else {
                    return Ok(false);
                };
                let target = usize::from(length & 0x3f) << 8 | usize::from(low);
                if target < 12 {
                    return Err(());
                }
                // Only one pointer is followed: enough to show a name, and no loop is possible.
                let mut there = Reader::new(message.get(target..).unwrap_or_default());
                while let Some(length @ 1..=63) = there.u8() {
                    let Some(label) = there.take(usize::from(length)) else {
                        break;
                    };
                    if name.len() + label.len() > NAME_MAX {
                        return Err(());
                    }
                    if !name.is_empty() {
                        name.push(b'.');
                    }
                    name.extend_from_slice(label);
                }
                return Ok(true);
            }
            _ => return Err(()),
        }
    }
}

/// Types of records that are asked for (IANA registry).
pub(super) const fn kind_name(kind: u16) -> Option<&'static str> {
    Some(match kind {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        10 => "NULL",
        12 => "PTR",
        13 => "HINFO",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        29 => "LOC",
        33 => "SRV",
        35 => "NAPTR",
        37 => "CERT",
        39 => "DNAME",
        41 => "OPT",
        43 => "DS",
        44 => "SSHFP",
        46 => "RRSIG",
        47 => "NSEC",
        48 => "DNSKEY",
        50 => "NSEC3",
        51 => "NSEC3PARAM",
        52 => "TLSA",
        59 => "CDS",
        64 => "SVCB",
        65 => "HTTPS",
        99 => "SPF",
        249 => "TKEY",
        250 => "TSIG",
        251 => "IXFR",
        252 => "AXFR",
        255 => "ANY",
        256 => "URI",
        257 => "CAA",
        _ => return None,
    })
}
