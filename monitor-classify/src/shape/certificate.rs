//! Certificates: the handshakes of protocols that encrypt show them in the clear.

/// The DER of a certificate, or names of algorithms in it: handshakes of what
/// will be encrypted show these in the clear.
pub(crate) fn is_in(bytes: &[u8]) -> bool {
    // Object identifiers: X.520 attributes and extensions (2.5.4, 2.5.29), RSA and
    // elliptic curves (1.2.840.113549, 1.2.840.10045), PKIX (1.3.6.1.5.5.7).
    const IDENTIFIERS: &[&[u8]] = &[
        &[6, 3, 0x55, 4],
        &[6, 3, 0x55, 0x1d],
        &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1],
        &[0x2a, 0x86, 0x48, 0xce, 0x3d],
        &[0x2b, 6, 1, 5, 5, 7],
    ];
    bytes.iter().enumerate().any(|(at, byte)| match byte {
        6 | 0x2a | 0x2b => IDENTIFIERS
            .iter()
            .any(|identifier| bytes[at..].starts_with(identifier)),
        &DNS_NAME => are_names(&bytes[at..]),
        _ => false,
    })
}

/// Tag of a name of DNS among those of a certificate (RFC 5280, 4.2.1.6).
const DNS_NAME: u8 = 0x82;

/// Whether a whole name and the tag of another begin here: a long list of names fills a segment without any
/// identifier in it.
fn are_names(bytes: &[u8]) -> bool {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._*".contains(byte);
    let &[_, length @ 4..=0x7f, ref rest @ ..] = bytes else {
        return false;
    };
    rest.split_at_checked(usize::from(length))
        .is_some_and(|(text, next)| {
            next.first() == Some(&DNS_NAME) && text.contains(&b'.') && text.iter().all(name)
        })
}
