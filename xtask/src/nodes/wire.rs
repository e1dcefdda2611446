//! The wire between the nodes: it is in our hands. Every frame goes through
//! here, is recorded, and only then delivered; and we can put frames on it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::clock::now;
use super::frame::{Readable, What, readable, what};

/// Frames that are remembered: about a hundred times what the story sends.
const MOST: usize = 4 << 20;
/// QEMU's own limit is 68 kB (`NET_BUFSIZE`).
const LONGEST: usize = 70_000;

/// A frame that crossed the wire.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// Seconds since 1970.
    pub(crate) time: f64,
    /// Which node it went to, 0 or 1.
    pub(crate) to: usize,
    pub(crate) bytes: usize,
    /// It came from neither node.
    pub(crate) injected: bool,
    pub(crate) what: What,
    pub(crate) readable: Readable,
}

/// What was recorded.
struct Tape {
    seen: Vec<Seen>,
    file: BufWriter<File>,
    failed: bool,
}

/// The wire; it lasts as long as the machines at its ends.
#[derive(Clone)]
pub(crate) struct Wire {
    tape: Arc<Mutex<Tape>>,
    /// To the nodes.
    ends: [Arc<Mutex<UnixStream>>; 2],
}

impl Wire {
    /// A wire that records to `path`, and the ends for two machines.
    pub(crate) fn new(path: &Path) -> Result<(Self, [UnixStream; 2])> {
        let pair = || UnixStream::pair().context("cannot make a socket pair");
        let ((first, first_guest), (second, second_guest)) = (pair()?, pair()?);
        let file =
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut file = BufWriter::new(file);
        file.write_all(&pcap_header())?;
        let tape = Tape {
            seen: Vec::new(),
            file,
            failed: false,
        };
        let copy = |end: &UnixStream| end.try_clone().context("cannot copy a socket");
        let readers = [copy(&first)?, copy(&second)?];
        let wire = Self {
            tape: Arc::new(Mutex::new(tape)),
            ends: [first, second].map(|end| Arc::new(Mutex::new(end))),
        };
        for (from, reader) in readers.into_iter().enumerate() {
            let wire = wire.clone();
            std::thread::spawn(move || wire.carry(BufReader::new(reader), 1 - from));
        }
        Ok((wire, [first_guest, second_guest]))
    }

    /// Carries frames until the sender is gone.
    fn carry(&self, mut from: impl Read, to: usize) {
        let mut frame = Vec::new();
        loop {
            let mut length = [0; 4];
            if from.read_exact(&mut length).is_err() {
                return;
            }
            let length = u32::from_be_bytes(length) as usize;
            if length > LONGEST {
                return;
            }
            frame.resize(length, 0);
            if from.read_exact(&mut frame).is_err() {
                return;
            }
            self.put(to, &frame, false);
        }
    }

    /// Puts a frame on the wire, towards a node, as any host on it could.
    pub(crate) fn inject(&self, to: usize, frame: &[u8]) {
        self.put(to, frame, true);
    }

    fn put(&self, to: usize, frame: &[u8], injected: bool) {
        let mut end = lock(&self.ends[to]);
        lock(&self.tape).record(to, frame, injected);
        let length = u32::try_from(frame.len()).unwrap_or_default();
        // A machine that went off hears nothing any more.
        if end.write_all(&length.to_be_bytes()).is_ok() {
            end.write_all(frame).ok();
        }
    }

    /// A copy of the record from a moment on.
    pub(crate) fn since(&self, time: f64) -> Vec<Seen> {
        let tape = lock(&self.tape);
        let start = tape.seen.partition_point(|seen| seen.time < time);
        tape.seen[start..].to_vec()
    }

    /// The first frame from a moment on that is of network `vni` and readable, waited for.
    pub(crate) fn first_cleartext(&self, since: f64, vni: u32, limit: Duration) -> Option<Seen> {
        let end = Instant::now() + limit;
        loop {
            let seen = self.since(since);
            let first = seen
                .into_iter()
                .find(|seen| seen.what == What::Vxlan { vni });
            if first.is_some() || Instant::now() > end {
                return first;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Finishes the file. An error if not all of it was written.
    pub(crate) fn flush(&self) -> Result<()> {
        let mut tape = lock(&self.tape);
        tape.file.flush().context("cannot write the capture")?;
        if tape.failed {
            anyhow::bail!("the capture could not be written completely: is the disk full?");
        }
        Ok(())
    }
}

impl Tape {
    fn record(&mut self, to: usize, frame: &[u8], injected: bool) {
        if self.seen.len() >= MOST {
            self.failed = true;
            return;
        }
        let time = now();
        let what = what(frame);
        self.seen.push(Seen {
            time,
            to,
            bytes: frame.len(),
            injected,
            what,
            readable: readable(frame),
        });
        let length = u32::try_from(frame.len()).unwrap_or_default();
        let mut record = [0; 16];
        // Whole seconds and nanoseconds of a time that is far from any limit.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let (seconds, nanoseconds) = (time as u32, (time.fract() * 1e9) as u32);
        for (at, value) in [seconds, nanoseconds, length, length]
            .into_iter()
            .enumerate()
        {
            record[at * 4..at * 4 + 4].copy_from_slice(&value.to_le_bytes());
        }
        self.failed |= self.file.write_all(&record).is_err() || self.file.write_all(frame).is_err();
    }
}

/// The header of a pcap file with nanoseconds, of Ethernet frames.
fn pcap_header() -> Vec<u8> {
    let mut header = Vec::new();
    header.extend(0xa1b2_3c4d_u32.to_le_bytes());
    header.extend([2, 0, 4, 0]);
    header.extend([0; 8]);
    header.extend(0x0004_0000_u32.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_recorded_and_delivered() {
        let path = std::env::temp_dir().join(format!("xtask-wire-{}", std::process::id()));
        let (wire, [mut one, mut two]) = Wire::new(&path).unwrap();
        one.write_all(&[0, 0, 0, 3, 7, 8, 9]).unwrap();
        let mut got = [0; 7];
        two.read_exact(&mut got).unwrap();
        assert_eq!(got, [0, 0, 0, 3, 7, 8, 9]);
        wire.inject(0, &[5]);
        one.read_exact(&mut got[..5]).unwrap();
        assert_eq!(got[..5], [0, 0, 0, 1, 5]);
        assert_eq!(wire.since(0.0).len(), 2);
        wire.flush().unwrap();
        let file = std::fs::read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(file.len(), 24 + 16 + 3 + 16 + 1);
    }
}
