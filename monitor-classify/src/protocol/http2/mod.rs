//! HTTP/2 without TLS (RFC 9113), and gRPC over it.
//!
//! A payload is recognised from a frame's first byte on. A header is shown where
//! it is spelled out or in the static table: the dynamic table that both ends
//! build up is not followed.

mod frame;
mod hpack;
mod huffman;

use crate::finding::{Finding, Strength};
use crate::names::{CredentialKind, Protocol};
use crate::payload::Payload;
use crate::text::Evidence;
use frame::{Frame, Kind};
use hpack::Header;

pub(super) const PORTS: &[u16] = &[80, 8080, 2379, 2380, 50_051];
pub(super) const GRPC_PORTS: &[u16] = &[50_051, 2379, 2380, 4317];

/// What a client sends first (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Longest method, and longest host, that is shown.
const NAME_MAX: usize = 40;
const HOST_MAX: usize = 60;

/// Frames of a payload that are looked at.
const FRAMES_MAX: usize = 8;

/// Frames up to which header blocks are looked at.
const BLOCKS_MAX: usize = 3;

/// Header fields of a block that are looked at.
const FIELDS_MAX: usize = 12;

pub(super) fn inspect(p: &Payload<'_>) -> Option<Finding> {
    let summary = Summary::of(p)?;
    (!summary.is_grpc).then(|| summary.finding(Protocol::Http2))
}

pub(super) fn inspect_grpc(p: &Payload<'_>) -> Option<Finding> {
    let summary = Summary::of(p)?;
    summary.is_grpc.then(|| summary.finding(Protocol::Grpc))
}

/// What the frames of a payload add up to.
#[derive(Default)]
struct Summary {
    preface: bool,
    frames: usize,
    /// What the first frame is.
    first: Option<Kind>,
    /// A frame proved more than its shape.
    proof: bool,
    is_grpc: bool,
    method: Option<Evidence>,
    path: Option<Evidence>,
    authority: Option<Evidence>,
    status: Option<Evidence>,
    credentials: Vec<CredentialKind>,
}

impl Summary {
    fn of(p: &Payload<'_>) -> Option<Self> {
        let mut summary = Self::default();
        let mut rest = p.bytes;
        let start = &rest[..rest.len().min(PREFACE.len())];
        if PREFACE.starts_with(start) {
            // `PRI` may become another word.
            if start.len() < 8 {
                return None;
            }
            summary.preface = true;
            rest = &rest[start.len()..];
        }
        let captured_whole = p.wire_len as usize == p.bytes.len();
        while summary.frames < FRAMES_MAX && !rest.is_empty() {
            match Frame::read(rest) {
                Some(frame) => {
                    rest = frame.behind;
                    summary.add(&frame, captured_whole);
                }
                // Behind a frame, less than the head of one is a cut.
                None if rest.len() < frame::HEAD && summary.shows_something() => break,
                None if summary.preface => break,
                None => return None,
            }
        }
        summary.shows_something().then_some(summary)
    }

    fn shows_something(&self) -> bool {
        self.preface || self.frames > 0
    }

    fn add(&mut self, frame: &Frame<'_>, captured_whole: bool) {
        self.frames += 1;
        self.first.get_or_insert(frame.kind);
        match frame.kind {
            // The first blocks name the request.
            Kind::Headers if self.frames <= BLOCKS_MAX => {
                for header in hpack::fields(frame.fields()).take(FIELDS_MAX) {
                    self.take(&header);
                }
            }
            Kind::Data => {
                // A gRPC message: whether compressed, and its length.
                if let Some(([compressed @ 0..=1, length @ ..], _)) =
                    frame.body.split_first_chunk::<5>()
                    && frame.length >= 5
                {
                    let length = u32::from_be_bytes(*length);
                    self.is_grpc |= length == frame.length - 5 && (*compressed == 0 || length > 0);
                    self.proof |= self.is_grpc;
                }
            }
            Kind::Settings => {
                self.proof |= captured_whole && frame.has_known_settings();
            }
            Kind::Ping
            | Kind::WindowUpdate
            | Kind::Reset
            | Kind::GoAway
            | Kind::Priority
            | Kind::Headers
            | Kind::Continuation
            | Kind::PushPromise => {}
        }
    }

    fn take(&mut self, header: &Header) {
        let Some(name) = header.name.as_deref() else {
            return;
        };
        self.proof |= header.is_standard;
        let value = header.value.as_deref().unwrap_or_default();
        match name {
            ":method" => self.method = Some(Evidence::of(|e| e.name(value.as_bytes(), NAME_MAX))),
            ":status" => self.status = Some(Evidence::of(|e| e.name(value.as_bytes(), NAME_MAX))),
            ":path" if header.value.is_some() => {
                self.is_grpc |= names_a_call(value);
                let mut path = Evidence::default();
                self.credentials.extend(path.url(value.as_bytes(), true));
                self.path = Some(path);
            }
            ":authority" if header.value.is_some() => {
                self.authority = Some(Evidence::of(|e| e.authority(value.as_bytes(), HOST_MAX)));
            }
            "content-type" => self.is_grpc |= value.starts_with("application/grpc"),
            "grpc-status"
            | "grpc-encoding"
            | "grpc-timeout"
            | "grpc-accept-encoding"
            | "grpc-message" => self.is_grpc = true,
            "te" => {}
            _ => {
                let value = if header.has_value { "x x" } else { "" };
                let shown = header.value.as_deref().unwrap_or(value);
                self.credentials
                    .extend(super::http::field_credential(name, shown.as_bytes()));
            }
        }
    }

    fn finding(self, protocol: Protocol) -> Finding {
        let strength = if self.preface || self.frames > 1 || self.proof {
            Strength::Certain
        } else {
            match self.first {
                // Lengths, stream and flags of these leave little to chance.
                Some(
                    Kind::Settings | Kind::Ping | Kind::WindowUpdate | Kind::Reset | Kind::GoAway,
                ) => Strength::Likely,
                _ => Strength::Weak,
            }
        };
        let method = self.method.filter(|_| protocol == Protocol::Http2);
        let mut evidence = Evidence::default();
        let fields = [method, self.path, self.authority, self.status];
        for field in fields.into_iter().flatten() {
            if !evidence.is_empty() {
                evidence.word(" ");
            }
            evidence.evidence(&field);
        }
        if evidence.is_empty() {
            evidence.word(match self.first {
                _ if self.preface => "preface",
                Some(kind) => kind.name(),
                None => "frames",
            });
        }
        Finding {
            credentials: self.credentials,
            ..Finding::plaintext(strength, evidence)
        }
    }
}

/// `/package.Service/Method`, as gRPC builds its paths.
fn names_a_call(path: &str) -> bool {
    let mut parts = path.split('/');
    let (root, service, method) = (parts.next(), parts.next(), parts.next());
    let is_word = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._".contains(&byte))
    };
    root == Some("")
        && service.is_some_and(|service| service.contains('.') && is_word(service))
        && method.is_some_and(|method| {
            method.starts_with(|first: char| first.is_ascii_uppercase())
                && is_word(method)
                && !method.contains('.')
        })
        && parts.next().is_none()
}
