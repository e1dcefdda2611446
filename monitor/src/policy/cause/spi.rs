//! The SPIs that Docker gives its associations, and which form of its formula gave one.

use std::net::IpAddr;

/// The form in which addresses are hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Form {
    /// As 16 bytes each, IPv4 as `::ffff:a.b.c.d`: all versions but those below.
    Mapped,
    /// IPv4 as 4 bytes: some versions of 29.
    Short,
}

impl Form {
    /// As text for a report.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Form::Mapped => {
                "of 16-byte addresses, as all versions of Docker except some of 29 compute them"
            }
            Form::Short => "of 4-byte addresses, as only some versions 29 of Docker compute them",
        }
    }
}

/// Tags that are tried. A Swarm's first tag is a random number of 16 bits, and each rotation, every 12 hours, uses two more
/// (`manager/keymanager` in SwarmKit): these last for 40 years.
const TAGS: u32 = 1 << 17;

/// The SPI of Docker's formula (`buildSPI` in Moby): FNV-1a of 32 bits over source, tag (big endian) and destination.
#[must_use]
pub fn spi(source: IpAddr, tag: u32, destination: IpAddr, form: Form) -> u32 {
    let before = hash(BASIS, address(source, form).as_slice());
    finish(before, tag, &address(destination, form))
}

/// The form of the formula that gives an SPI, for any tag that a Swarm may have reached; `None` if neither does, as for
/// other users of IPsec. Between IPv4 nodes one random SPI in 16,384 passes for Docker's,
/// between IPv6 nodes, which have one form, one in 32,768.
#[must_use]
pub fn form(source: IpAddr, destination: IpAddr, spi: u32) -> Option<Form> {
    let forms: &[Form] = match (source, destination) {
        (IpAddr::V4(_), IpAddr::V4(_)) => &[Form::Mapped, Form::Short],
        (IpAddr::V6(_), _) | (_, IpAddr::V6(_)) => &[Form::Mapped],
    };
    forms.iter().copied().find(|form| {
        let before = hash(BASIS, address(source, *form).as_slice());
        let destination = address(destination, *form);
        (0..TAGS).any(|tag| finish(before, tag, &destination) == spi)
    })
}

const BASIS: u32 = 0x811c_9dc5;

fn hash(basis: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(basis, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

fn finish(before: u32, tag: u32, destination: &[u8]) -> u32 {
    hash(hash(before, &tag.to_be_bytes()), destination)
}

fn address(address: IpAddr, form: Form) -> Vec<u8> {
    match (address, form) {
        (IpAddr::V4(v4), Form::Short) => v4.octets().to_vec(),
        (IpAddr::V4(v4), Form::Mapped) => v4.to_ipv6_mapped().octets().to_vec(),
        (IpAddr::V6(v6), _) => v6.octets().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_is_found_whatever_the_tag() {
        let (one, two): (IpAddr, IpAddr) = (
            "192.168.77.1".parse().unwrap(),
            "192.168.77.2".parse().unwrap(),
        );
        for tag in [0, 1, 77, 65_535, TAGS - 1] {
            for of in [Form::Mapped, Form::Short] {
                assert_eq!(form(one, two, spi(one, tag, two, of)), Some(of), "{tag}");
            }
        }
        assert_eq!(form(one, two, spi(one, TAGS + 1, two, Form::Mapped)), None);
        assert_eq!(form(one, two, spi(two, 1, one, Form::Mapped)), None);
        assert_eq!(form(one, two, 0x101), None);
        let six: IpAddr = "2002:db8::42".parse().unwrap();
        assert_eq!(
            form(six, two, spi(six, 5, two, Form::Mapped)),
            Some(Form::Mapped)
        );
    }

    /// Test vectors of the FNV authors (FNV-1a 32): "" and "foobar".
    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(BASIS, b""), 0x811c_9dc5);
        assert_eq!(hash(BASIS, b"foobar"), 0xbf9c_f968);
    }
}
