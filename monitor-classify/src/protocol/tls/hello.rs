//! ClientHello and ServerHello (RFC 8446 section 4.1, RFC 5246 section 7.4.1).

use super::record::version_name;
use super::suites::{Suite, is_grease, is_tls_1_3};
use crate::finding::Strength;
use crate::parse::reader::Reader;
use crate::text::Evidence;

/// Longest server name that is shown; longer ones do not exist in DNS.
const NAME_MAX: usize = 64;

/// Longest application protocol, and how many of them are shown.
const PROTOCOL_MAX: usize = 16;
const PROTOCOLS_MAX: usize = 3;

/// The random of a HelloRetryRequest: SHA-256 of that word (RFC 8446 4.1.3).
const RETRY: [u8; 32] = [
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
];

/// What was captured of a hello.
#[derive(Debug)]
pub(crate) struct Hello {
    name: &'static str,
    /// It is one of DTLS.
    is_datagram: bool,
    /// The version, once nothing behind the cut can change it.
    version: Option<u16>,
    /// A suite that encrypts is among those captured.
    encrypts: bool,
    /// A suite that does not is.
    null: bool,
    /// All suites were captured.
    all_suites: bool,
    server_name: Option<Vec<u8>>,
    protocols: Vec<Vec<u8>>,
}

impl Hello {
    const fn new(name: &'static str) -> Self {
        Self {
            name,
            is_datagram: false,
            version: None,
            encrypts: false,
            null: false,
            all_suites: false,
            server_name: None,
            protocols: Vec::new(),
        }
    }

    /// Whether no suite without encryption can come of this hello; not of one that was cut before its last.
    pub(crate) const fn encrypts(&self) -> bool {
        self.encrypts && !self.null && self.all_suites
    }

    /// Whether nothing but suites without encryption can come of it.
    pub(crate) const fn is_readable(&self) -> bool {
        self.null && !self.encrypts && self.all_suites
    }

    pub(crate) const fn strength(&self) -> Strength {
        if self.all_suites {
            Strength::Certain
        } else {
            Strength::Likely
        }
    }

    /// `TLS 1.3 ClientHello sni=example.org alpn=h2`
    pub(crate) fn describe(&self) -> Evidence {
        let version = match self.version {
            Some(0x0302) if self.is_datagram => "TLS 1.0",
            version => version.map_or("TLS", version_name),
        };
        let datagram = if self.is_datagram { "D" } else { "" };
        let mut text = Evidence::from(datagram);
        text.word(version).word(" ").word(self.name);
        if let Some(name) = &self.server_name {
            text.word(" sni=").host(name, NAME_MAX);
        }
        for (at, protocol) in self.protocols.iter().enumerate() {
            let text = text.word(if at == 0 { " alpn=" } else { "," });
            text.key(protocol, PROTOCOL_MAX);
        }
        if self.null {
            text.word(" with NULL cipher");
        }
        text
    }

    fn add_suite(&mut self, number: u16) {
        match Suite::of(number) {
            Suite::Encrypts => self.encrypts = true,
            Suite::Null => self.null = true,
            Suite::Signal => {}
        }
    }
}

/// Reads a ClientHello from behind its length; that of DTLS has a cookie in it.
/// Nothing: it is none.
pub(crate) fn client(mut reader: Reader<'_>, is_datagram: bool) -> Option<Hello> {
    let mut hello = Hello::new("ClientHello");
    hello.is_datagram = is_datagram;
    let version = begin(&mut reader, &mut hello)?;
    // From here on the bytes may end anywhere; what is there was understood.
    let _ = client_body(reader, &mut hello, version, is_datagram);
    Some(hello)
}

fn client_body(
    mut reader: Reader<'_>,
    hello: &mut Hello,
    version: Option<u16>,
    is_datagram: bool,
) -> Option<()> {
    let version = version?;
    reader.take(32)?;
    let session = reader.u8()?;
    reader.take(usize::from(session))?;
    if is_datagram {
        reader.short_string()?;
    }
    let length = reader.u16()?;
    let (mut suites, whole) = reader.upto(usize::from(length));
    while let Some(suite) = suites.u16() {
        hello.add_suite(suite);
    }
    hello.all_suites = whole && length > 0 && length % 2 == 0;
    if !whole {
        return None;
    }
    let compressions = reader.u8()?;
    reader.take(usize::from(compressions))?;
    extensions(reader, hello, version, supported_by_client)
}

/// Reads a ServerHello from behind its length. Nothing: it is none.
pub(crate) fn server(mut reader: Reader<'_>, is_datagram: bool) -> Option<Hello> {
    let mut hello = Hello::new("ServerHello");
    hello.is_datagram = is_datagram;
    let version = begin(&mut reader, &mut hello)?;
    let _ = server_body(reader, &mut hello, version);
    Some(hello)
}

fn server_body(mut reader: Reader<'_>, hello: &mut Hello, version: Option<u16>) -> Option<()> {
    let mut version = version?;
    if reader.take(32)? == RETRY {
        hello.name = "HelloRetryRequest";
        version = 0x0304;
        hello.version = Some(version);
    }
    let session = reader.u8()?;
    reader.take(usize::from(session))?;
    let suite = reader.u16()?;
    hello.add_suite(suite);
    hello.all_suites = true;
    if is_tls_1_3(suite) {
        version = 0x0304;
        hello.version = Some(version);
    }
    reader.take(1)?;
    extensions(reader, hello, version, |mut body| {
        body.u16().map(stream_version)
    })
}

/// The version of TLS that one of DTLS is made after (RFC 6347, 9147), else the same.
const fn stream_version(version: u16) -> u16 {
    match version {
        0xfeff => 0x0302,
        0xfefd => 0x0303,
        0xfefc => 0x0304,
        version => version,
    }
}

/// The version in front, checked. A real one there is at most 1.2.
#[expect(
    clippy::option_option,
    reason = "no hello, cut, or a version: three answers"
)]
fn begin(reader: &mut Reader<'_>, hello: &mut Hello) -> Option<Option<u16>> {
    let major = if hello.is_datagram { 0xfe } else { 3 };
    if reader.bytes().first().is_some_and(|&first| first != major) {
        return None;
    }
    let Some(version) = reader.u16() else {
        return Some(None);
    };
    let version = stream_version(version);
    if !(0x0300..=0x0304).contains(&version) {
        return None;
    }
    if version < 0x0303 {
        hello.version = Some(version);
    }
    Some(Some(version))
}

/// Walks the extensions; the version in front holds unless one says otherwise.
fn extensions(
    mut reader: Reader<'_>,
    hello: &mut Hello,
    version: u16,
    supported: fn(Reader<'_>) -> Option<u16>,
) -> Option<()> {
    // Older hellos may end without any.
    let (mut list, mut whole) = match reader.u16() {
        Some(length) => reader.upto(usize::from(length)),
        None => (reader, reader.is_empty() && version < 0x0303),
    };
    while let Some(kind) = list.u16() {
        let Some(length) = list.u16() else {
            whole = false;
            break;
        };
        let (body, complete) = list.upto(usize::from(length));
        if !complete {
            whole = false;
            break;
        }
        match kind {
            0 => hello.server_name = server_name(body),
            16 => hello.protocols = protocols(body),
            43 => hello.version = supported(body).or(hello.version),
            _ => {}
        }
    }
    if whole && hello.version.is_none() {
        hello.version = Some(version);
    }
    Some(())
}

/// The highest version that a client offers (RFC 8446 section 4.2.1).
fn supported_by_client(mut body: Reader<'_>) -> Option<u16> {
    let length = body.u8()?;
    let (mut versions, _) = body.upto(usize::from(length));
    std::iter::from_fn(|| versions.u16())
        .filter(|&version| !is_grease(version))
        .map(stream_version)
        .max()
}

/// The first host name (RFC 6066 section 3).
fn server_name(mut body: Reader<'_>) -> Option<Vec<u8>> {
    body.u16()?;
    let kind = body.u8()?;
    let length = body.u16()?;
    let name = body.take(usize::from(length))?;
    (kind == 0 && !name.is_empty()).then(|| name.to_vec())
}

/// Application protocols in the order of preference (RFC 7301).
fn protocols(mut body: Reader<'_>) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    body.u16();
    while let Some(name) = body.u8().and_then(|length| body.take(usize::from(length))) {
        let grease = matches!(*name, [a, b] if is_grease(u16::from_be_bytes([a, b])));
        if !name.is_empty() && !grease && names.len() < PROTOCOLS_MAX {
            names.push(name.to_vec());
        }
    }
    names
}
