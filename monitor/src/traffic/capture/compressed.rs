//! Capture files inside gzip (RFC 1952) or Zstandard (RFC 8878), decompressed as a stream.
//!
//! What is decompressed goes into the buffer of an [`Input`], and is consumed from there: however much a few bytes
//! decompress to, nothing but that buffer and the decoder's window is held.

use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use flate2::read::MultiGzDecoder;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::compressed_state::Compressed;
use super::input::Input;

/// Largest window of a Zstandard frame, in bytes: `zstd` takes at most 8 MiB up to level 19 without `--long`.
const WINDOW_MAX: u64 = 32 << 20;

/// A compression that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    Gzip,
    Zstandard,
}

impl Compression {
    /// The compression of a file that starts with these bytes.
    pub(super) fn of(magic: [u8; 4]) -> Option<Compression> {
        match magic {
            [0x1f, 0x8b, ..] => Some(Compression::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd] => Some(Compression::Zstandard),
            // A skippable frame, with which the files of parallel compressors begin.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18] => Some(Compression::Zstandard),
            _ => None,
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstandard => "Zstandard",
        }
    }
}

/// What is inside a compressed file.
pub(super) fn open(input: Input, compression: Compression) -> Input {
    let state = Arc::new(Compressed::default());
    let source = Source {
        input,
        state: Arc::clone(&state),
        has_ended: false,
    };
    match compression {
        Compression::Gzip => {
            let decoder = MultiGzDecoder::new(source);
            Input::decompressed(Inside { decoder }, state)
        }
        Compression::Zstandard => {
            let mut frames = FrameDecoder::new();
            frames.set_max_window_size(WINDOW_MAX);
            let decoder = Zstandard {
                source,
                frames,
                is_in_frame: false,
            };
            Input::decompressed(Inside { decoder }, state)
        }
    }
}

/// The compressed bytes.
struct Source {
    input: Input,
    state: Arc<Compressed>,
    /// Whether a decoder asked for more than there is.
    has_ended: bool,
}

impl Source {
    /// Whether there are no more bytes.
    fn is_empty(&mut self) -> io::Result<bool> {
        Ok(self.input.bytes().is_empty() && !self.input.fill()?)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.is_empty()? {
            self.has_ended = true;
            return Ok(0);
        }
        let bytes = self.input.bytes();
        let count = bytes.len().min(buffer.len());
        buffer[..count].copy_from_slice(&bytes[..count]);
        self.input.consume(count as u64);
        self.state.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// A decoder over a [`Source`].
trait Decoder: Read {
    fn source(&self) -> &Source;
    fn compression(&self) -> Compression;
}

impl Decoder for MultiGzDecoder<Source> {
    fn source(&self) -> &Source {
        self.get_ref()
    }

    fn compression(&self) -> Compression {
        Compression::Gzip
    }
}

/// What a decoder makes of its source: a source that breaks off ends it, as any capture file may break off.
struct Inside<D> {
    decoder: D,
}

impl<D: Decoder> Read for Inside<D> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let error = match self.decoder.read(buffer) {
            Ok(count) => return Ok(count),
            Err(error) => error,
        };
        let source = self.decoder.source();
        if source.has_ended {
            source.state.is_cut_off.store(true, Ordering::Relaxed);
            return Ok(0);
        }
        let name = self.decoder.compression().name();
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("the {name} data is corrupt, or not supported: {error}"),
        ))
    }
}

/// The frames of a Zstandard file, one after the other.
struct Zstandard {
    source: Source,
    frames: FrameDecoder,
    is_in_frame: bool,
}

impl Zstandard {
    /// Begins the next frame. False at the end.
    fn begin(&mut self) -> io::Result<bool> {
        while !self.source.is_empty()? {
            match self.frames.init(&mut self.source) {
                Ok(()) => {
                    self.is_in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let mut skipped = (&mut self.source).take(length.into());
                    if io::copy(&mut skipped, &mut io::sink())? < u64::from(length) {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        Ok(false)
    }

    /// Compares the checksum at the end of a frame with what was decompressed.
    fn end(&mut self) -> io::Result<()> {
        self.is_in_frame = false;
        match self.frames.get_checksum_from_data() {
            Some(sum) if self.frames.get_calculated_checksum() != Some(sum) => {
                Err(io::Error::other("a wrong checksum"))
            }
            _ => Ok(()),
        }
    }
}

impl Read for Zstandard {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.is_in_frame && !self.begin()? {
                return Ok(0);
            }
            if self.frames.can_collect() != 0 {
                return self.frames.read(buffer);
            }
            if self.frames.is_finished() {
                self.end()?;
                continue;
            }
            self.frames
                .decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1))
                .map_err(io::Error::other)?;
        }
    }
}

impl Decoder for Zstandard {
    fn source(&self) -> &Source {
        &self.source
    }

    fn compression(&self) -> Compression {
        Compression::Zstandard
    }
}
