//! SSL 3.0 to TLS 1.3: records, and the hellos, which are in the clear.
//!
//! Parsed here and not by a library: libraries need whole records and whole
//! extension blocks, which a sample seldom holds.
//!
//! A TLS flow under a suite without encryption is plaintext. So nothing is called
//! encrypted before a suite that encrypts was offered or chosen, or the body
//! of a record looks like ciphertext.

mod hello;
mod record;
mod rest;
mod suites;

use crate::finding::{Finding, Strength};
use crate::names::Exposure;
use crate::parse::reader::Reader;
use crate::payload::Payload;
use crate::shape::randomness::{Look, look, starts_readable};
use crate::text::Evidence;
use record::{ContentType, Record};

pub(super) use hello::{Hello, client as client_hello, server as server_hello};
pub(super) use record::handshake_name;
pub(crate) use rest::inspect_rest;

/// Records of a payload that are looked at.
const RECORDS_MAX: usize = 8;

/// Explicit nonce in front of the ciphertext in TLS 1.2 (RFC 5288 section 3): a
/// counter in most implementations, and not random.
const NONCE: usize = 8;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let mut rest = p.bytes;
    let mut records = Records::default();
    while records.count < RECORDS_MAX {
        let Some(record) = Record::read(&mut rest)? else {
            break;
        };
        records.add(&record)?;
    }
    records.finding()
}

/// What the records of a payload add up to.
#[derive(Default)]
struct Records {
    count: usize,
    /// What the first record is.
    evidence: Option<Evidence>,
    strength: Option<Strength>,
    /// The sender changes its keys here: what follows is protected.
    keys_changed: bool,
    encrypts: bool,
    readable: bool,
    /// The captured part of a handshake message that continues in the next record.
    unfinished: Vec<u8>,
}

impl Records {
    /// Nothing if this cannot be a record of TLS.
    fn add(&mut self, record: &Record<'_>) -> Option<()> {
        let (evidence, strength) = match record.content {
            ContentType::Handshake => self.handshake(record)?,
            ContentType::ApplicationData => {
                self.protected_body(record.body);
                let evidence = named(record, "application data");
                (evidence, Strength::Likely)
            }
            ContentType::ChangeCipherSpec => {
                if record.length != 1 || record.body.first().is_some_and(|&byte| byte != 1) {
                    return None;
                }
                self.keys_changed = true;
                let whole = if record.body.is_empty() {
                    Strength::Weak
                } else {
                    Strength::Likely
                };
                (named(record, "ChangeCipherSpec"), whole)
            }
            ContentType::Alert => self.alert(record)?,
        };
        self.count += 1;
        if self.count > 1 {
            self.strength = Some(Strength::Certain);
        } else {
            self.strength = Some(strength);
            self.evidence = Some(evidence);
        }
        Some(())
    }

    fn handshake(&mut self, record: &Record<'_>) -> Option<(Evidence, Strength)> {
        let mut reader = Reader::new(record.body);
        if reader.is_empty() {
            return Some((named(record, "handshake"), Strength::Weak));
        }
        if !self.unfinished.is_empty() && !self.keys_changed {
            self.go_on(record.body)?;
            return Some((named(record, "handshake"), Strength::Likely));
        }
        let Some((kind, message)) = record.clear_message(self.keys_changed) else {
            // After a change of keys, or in the middle of a flow that changed
            // them: a Finished in the clear shows that nothing is encrypted.
            match record.body {
                [20, 0, 0, 12 | 36, ..] => self.readable = true,
                // Names in a certificate that began in an earlier record: it need not be protected yet.
                body if !self.keys_changed && look(body) == Look::Readable => {}
                body => self.protected_body(body),
            }
            let strength = if self.keys_changed {
                Strength::Likely
            } else {
                Strength::Weak
            };
            return Some((named(record, "handshake"), strength));
        };
        if record.body.len() == usize::from(record.length) {
            self.unfinished = record::unfinished(record.body).to_vec();
        }
        // Behind type and length.
        if reader.take(4).is_none() {
            return Some((named(record, message), Strength::Likely));
        }
        match self.hello(kind, reader)? {
            Some(hello) => Some((hello.describe(), hello.strength())),
            None => Some((named(record, message), Strength::Likely)),
        }
    }

    /// The hello behind this header, if the message is one. Outer nothing: it must be one, and is malformed.
    #[expect(
        clippy::option_option,
        reason = "no hello where there must be one, another message, or a hello: three answers"
    )]
    fn hello(&mut self, kind: u8, body: Reader<'_>) -> Option<Option<Hello>> {
        let hello = match kind {
            1 => hello::client(body, false)?,
            2 => hello::server(body, false)?,
            _ => return Some(None),
        };
        self.encrypts |= hello.encrypts();
        self.readable |= hello.is_readable();
        Some(Some(hello))
    }

    /// Continues a message that began in an earlier record (RFC 8446 section 5.1).
    fn go_on(&mut self, body: &[u8]) -> Option<()> {
        let mut bytes = std::mem::take(&mut self.unfinished);
        bytes.extend_from_slice(body);
        let mut reader = Reader::new(&bytes);
        if let Some(kind) = reader.u8()
            && reader.take(3).is_some()
            && let Some(hello) = self.hello(kind, reader)?
            && self.count == 1
        {
            self.evidence = Some(hello.describe());
        }
        self.unfinished = record::unfinished(&bytes).to_vec();
        Some(())
    }

    /// Two bytes are an alert in the clear; more are one under protection, or
    /// one with nothing but a checksum.
    fn alert(&mut self, record: &Record<'_>) -> Option<(Evidence, Strength)> {
        let mut evidence = named(record, "alert");
        let names_one = |level: u8, code: u8| {
            matches!(level, 1 | 2)
                .then(|| record::alert_name(code))
                .flatten()
        };
        match *record.body {
            [level, code] if record.length == 2 => {
                let name = names_one(level, code)?;
                evidence.word(" ").word(name);
                Some((evidence, Strength::Likely))
            }
            _ if record.length < 16 => (record.length == 2).then_some((evidence, Strength::Weak)),
            [level, code, ..] if names_one(level, code).is_some() => {
                Some((evidence, Strength::Likely))
            }
            _ => {
                self.protected_body(record.body);
                Some((evidence, Strength::Likely))
            }
        }
    }

    /// The body of a record that should be ciphertext.
    fn protected_body(&mut self, body: &[u8]) {
        match look(body) {
            Look::Readable => self.readable = true,
            Look::Random => self.encrypts = true,
            Look::Unclear => {
                self.encrypts |= body.len() > NONCE
                    && !starts_readable(body)
                    && look(&body[NONCE..]) == Look::Random;
            }
        }
    }

    fn finding(self) -> Option<Finding> {
        let mut evidence = self.evidence?;
        let exposure = if self.readable {
            evidence.word(", not encrypted");
            Exposure::Plaintext
        } else if self.encrypts {
            Exposure::Encrypted
        } else {
            Exposure::Unknown
        };
        Some(Finding {
            strength: self.strength?,
            exposure,
            evidence,
            credentials: Vec::new(),
        })
    }
}

/// `TLS 1.2/1.3 alert`
fn named(record: &Record<'_>, what: &'static str) -> Evidence {
    Evidence::of(|e| e.word(record.version_name()).word(" ").word(what))
}
