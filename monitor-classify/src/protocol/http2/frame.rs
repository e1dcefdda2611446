//! Frames (RFC 9113 section 4 and 6), as far as they were captured.

/// Length of a frame's head.
pub(super) const HEAD: usize = 9;

/// Longest frame that is believed; the default limit is 16 KiB.
const LENGTH_MAX: u32 = 1 << 20;

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 0x20;

/// Kinds of frames that every peer knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
}

impl Kind {
    const fn of(number: u8) -> Option<Self> {
        Some(match number {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::Reset,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => return None,
        })
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Data => "DATA",
            Self::Headers => "HEADERS",
            Self::Priority => "PRIORITY",
            Self::Reset => "RST_STREAM",
            Self::Settings => "SETTINGS",
            Self::PushPromise => "PUSH_PROMISE",
            Self::Ping => "PING",
            Self::GoAway => "GOAWAY",
            Self::WindowUpdate => "WINDOW_UPDATE",
            Self::Continuation => "CONTINUATION",
        }
    }
}

/// One frame that keeps the rules.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) kind: Kind,
    flags: u8,
    /// Length of the body on the wire.
    pub(super) length: u32,
    /// The body as far as it was captured.
    pub(super) body: &'a [u8],
    /// What follows the frame.
    pub(super) behind: &'a [u8],
}

impl<'a> Frame<'a> {
    pub(super) fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD>()?;
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        let stream = u32::from_be_bytes([s0, s1, s2, s3]);
        let kind = Kind::of(kind)?;
        // The reserved bit is zero; streams are counted up from one.
        if length > LENGTH_MAX || stream >= 1 << 24 || !allowed(kind, flags, length, stream) {
            return None;
        }
        let held = rest.len().min(length as usize);
        Some(Self {
            kind,
            flags,
            length,
            body: &rest[..held],
            behind: &rest[held..],
        })
    }

    /// The header block of HEADERS, without padding and priority.
    pub(super) fn fields(&self) -> &'a [u8] {
        let mut body = self.body;
        let mut padding = 0;
        if self.flags & PADDED != 0
            && let Some((&length, rest)) = body.split_first()
        {
            padding = usize::from(length);
            body = rest;
        }
        if self.flags & PRIORITY != 0 {
            body = body.get(5..).unwrap_or_default();
        }
        let is_whole = self.body.len() == self.length as usize;
        let end = if is_whole {
            body.len().saturating_sub(padding)
        } else {
            body.len()
        };
        &body[..end]
    }

    /// Whether all settings are of the registered ones, and there is one.
    pub(super) fn has_known_settings(&self) -> bool {
        let settings = self.body.chunks_exact(6);
        self.body.len() >= 6
            && settings.into_iter().all(|setting| {
                let number = u16::from_be_bytes([setting[0], setting[1]]);
                // RFC 9113, 8441, 9218; and GREASE.
                matches!(number, 1..=9 | 16) || number & 0x0f0f == 0x0a0a
            })
    }
}

/// What section 6 says of each kind.
const fn allowed(kind: Kind, flags: u8, length: u32, stream: u32) -> bool {
    let is_request = stream % 2 == 1;
    match kind {
        Kind::Data => stream != 0 && flags & !(END_STREAM | PADDED) == 0,
        Kind::Headers => {
            is_request && length > 0 && flags & !(END_STREAM | END_HEADERS | PADDED | PRIORITY) == 0
        }
        Kind::Priority => stream != 0 && length == 5 && flags == 0,
        Kind::Reset => stream != 0 && length == 4 && flags == 0,
        Kind::Settings => {
            stream == 0
                && ((flags == 0 && length.is_multiple_of(6) && length <= 6 * 32)
                    || (flags == 1 && length == 0))
        }
        Kind::PushPromise => is_request && length > 4 && flags & !(END_HEADERS | PADDED) == 0,
        Kind::Ping => stream == 0 && length == 8 && flags <= 1,
        Kind::GoAway => stream == 0 && length >= 8 && flags == 0,
        Kind::WindowUpdate => length == 4 && flags == 0,
        Kind::Continuation => is_request && flags & !END_HEADERS == 0,
    }
}
