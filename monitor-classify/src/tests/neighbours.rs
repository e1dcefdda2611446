//! What becomes of the verdict on a message when one byte of it is another, when it is cut, and when a flow is joined in it.
//!
//! The messages are the samples, those that tokens are planted in, and those of recorded traffic. What stands in the
//! snapshots is no requirement of its own: a change there is to be looked at, and to be understood.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write};
use std::path::Path;

use super::planted::ROWS;
use super::samples::SAMPLES;
use super::*;

/// Bytes of a message that are changed, and lengths that it is cut to, at most.
const REACH: usize = 128;
/// Messages of one recording, at most; each has a verdict that those before it have not.
const RECORDED: usize = 16;

type Change = fn(u8) -> u8;

/// What is done to a byte.
const CHANGES: [(&str, Change); 5] = [
    ("+1", |byte| byte.wrapping_add(1)),
    ("-1", |byte| byte.wrapping_sub(1)),
    ("^20", |byte| byte ^ 0x20),
    ("00", |_| 0),
    ("ff", |_| 0xff),
];

struct Message {
    bytes: Vec<u8>,
    transport: Transport,
    ports: (u16, u16),
}

impl Message {
    /// Other bytes in its place, of which `len` were on the wire.
    fn replaced<'a>(&self, bytes: &'a [u8], len: usize) -> Payload<'a> {
        let (src, dst) = self.ports;
        Payload {
            transport: self.transport,
            ..payload(bytes, len, src, dst)
        }
    }

    fn verdict_on(&self, bytes: &[u8]) -> Verdict {
        classify(&self.replaced(bytes, self.bytes.len()))
    }

    fn verdict(&self) -> Verdict {
        self.verdict_on(&self.bytes)
    }
}

/// A verdict as a line.
pub(crate) fn line(verdict: &Verdict) -> String {
    let mut line = format!(
        "{} {} {}",
        verdict.protocol, verdict.exposure, verdict.confidence
    )
    .to_lowercase();
    if !verdict.credentials.is_empty() {
        write!(line, " {:?}", verdict.credentials).unwrap();
    }
    let evidence = evidence(verdict);
    if !evidence.is_empty() {
        write!(line, ": {evidence}").unwrap();
    }
    line
}

/// The same for one of many neighbours: another character in a name is no other outcome.
fn class(verdict: &Verdict) -> String {
    let line = line(verdict);
    let (kind, evidence) = line.split_once(": ").unwrap_or((&line, ""));
    let mut class = kind.to_owned();
    for (at, character) in evidence.chars().enumerate() {
        let character = match character {
            ' ' | '…' | '=' | '(' | ')' => character,
            _ => 'a',
        };
        if at == 0 {
            class.push_str(": ");
        }
        if character != 'a' || !class.ends_with('a') {
            class.push(character);
        }
    }
    class
}

/// Numbers in order, as `1-3 7`.
fn ranges(numbers: &BTreeSet<usize>) -> String {
    let mut ranges: Vec<(usize, usize)> = Vec::new();
    for &number in numbers {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => ranges.push((number, number)),
        }
    }
    let shown = ranges.iter().map(|(first, last)| match last - first {
        0 => format!("{first}"),
        _ => format!("{first}-{last}"),
    });
    shown.collect::<Vec<_>>().join(" ")
}

/// Verdicts that differ from the usual one: by outcome what was done, and where.
pub(crate) struct Outcomes {
    usual: String,
    others: BTreeMap<String, BTreeMap<&'static str, BTreeSet<usize>>>,
}

impl Outcomes {
    pub(crate) fn other_than(usual: &Verdict) -> Outcomes {
        Outcomes {
            usual: class(usual),
            others: BTreeMap::new(),
        }
    }

    pub(crate) fn note(&mut self, done: &'static str, at: usize, verdict: &Verdict) {
        let class = class(verdict);
        if class != self.usual {
            let places = self.others.entry(class).or_default();
            places.entry(done).or_default().insert(at);
        }
    }

    /// Each of these bytes changed in each way.
    pub(crate) fn change(
        &mut self,
        bytes: &[u8],
        places: impl Iterator<Item = usize>,
        judge: impl Fn(&[u8]) -> Verdict,
    ) {
        let mut changed = bytes.to_vec();
        for at in places {
            for (name, change) in CHANGES {
                changed[at] = change(bytes[at]);
                self.note(name, at, &judge(&changed));
            }
            changed[at] = bytes[at];
        }
    }
}

/// A line for each.
impl fmt::Display for Outcomes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (outcome, done) in &self.others {
            let done = done
                .iter()
                .map(|(name, places)| format!("{name} @ {}", ranges(places)));
            let done = done.collect::<Vec<_>>().join(", ");
            writeln!(f, "  {outcome} | {done}")?;
        }
        Ok(())
    }
}

/// The verdict on a message, and those on its neighbours that differ from it.
fn describe(message: &Message) -> String {
    let verdict = message.verdict();
    let (src, dst) = message.ports;
    let off_port = Message {
        bytes: message.bytes.clone(),
        transport: message.transport,
        ports: (CLIENT, CLIENT + 1),
    };
    let reach = message.bytes.len().min(REACH);
    let mut outcomes = Outcomes::other_than(&verdict);
    outcomes.change(&message.bytes, 0..reach, |bytes| message.verdict_on(bytes));
    for at in 0..reach {
        outcomes.note("cut", at, &message.verdict_on(&message.bytes[..at]));
        let tail = &message.bytes[at..];
        let tail = message.replaced(tail, tail.len());
        outcomes.note("from", at, &classify(&tail));
        outcomes.note("from, on", at, &classify_on(verdict.protocol, &tail));
        outcomes.note("from, as", at, &classify_as(verdict.protocol, &tail));
    }
    format!(
        "{:?} {src} > {dst} {} {}\n  {}\n  off port: {}\n{outcomes}",
        message.transport,
        message.bytes.len(),
        message.bytes[..message.bytes.len().min(48)].escape_ascii(),
        line(&verdict),
        line(&off_port.verdict()),
    )
}

fn of_samples() -> BTreeMap<String, Vec<Message>> {
    let mut all: BTreeMap<String, Vec<Message>> = BTreeMap::new();
    for sample in SAMPLES {
        let payload = sample.payload();
        all.entry(sample.protocol.to_string())
            .or_default()
            .push(Message {
                bytes: payload.bytes.to_vec(),
                transport: payload.transport,
                ports: (payload.src_port, payload.dst_port),
            });
    }
    for row in ROWS {
        for bytes in row.messages("orders") {
            all.entry(row.0.to_string()).or_default().push(Message {
                bytes,
                transport: row.2,
                ports: (CLIENT, row.1),
            });
        }
    }
    all
}

/// The payload of TCP or UDP in an overlay, as the recorder writes it: VXLAN over IPv4 over Ethernet, no options, no tags.
fn recorded(frame: &[u8]) -> Option<Message> {
    let inner = frame.get(50..)?;
    let (protocol, at) = match inner.get(12..14)? {
        [0x08, 0x00] => (inner.get(23)?, 14 + usize::from(inner.get(14)? & 15) * 4),
        [0x86, 0xdd] => (inner.get(20)?, 54),
        _ => return None,
    };
    let segment = inner.get(at..)?;
    let port = |at: usize| {
        Some(u16::from_be_bytes([
            *segment.get(at)?,
            *segment.get(at + 1)?,
        ]))
    };
    let (transport, header) = match protocol {
        6 => (Transport::Tcp, usize::from(segment.get(12)? >> 4) * 4),
        17 => (Transport::Udp, 8),
        _ => return None,
    };
    let bytes = segment.get(header..)?.to_vec();
    (!bytes.is_empty()).then_some(Message {
        bytes,
        transport,
        ports: (port(0)?, port(2)?),
    })
}

/// The messages of a recording whose verdict those before it do not have.
fn of_recording(path: &Path) -> Vec<Message> {
    let file = std::fs::read(path).unwrap();
    let mut rest = &file[24..];
    let (mut known, mut messages) = (BTreeSet::new(), Vec::new());
    while rest.len() > 16 && messages.len() < RECORDED {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let (frame, after) = rest[16..].split_at(length);
        rest = after;
        let Some(message) = recorded(frame) else {
            continue;
        };
        let (src, dst) = message.ports;
        if known.insert((class(&message.verdict()), src > dst)) {
            messages.push(message);
        }
    }
    messages
}

/// Compares with the snapshot of this name.
#[track_caller]
pub(crate) fn compare(name: &str, texts: &[String]) {
    insta::with_settings!({
        snapshot_path => concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/neighbours"),
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, texts.join("\n"));
    });
}

#[track_caller]
fn look(name: &str, messages: &[Message]) {
    let texts: Vec<String> = messages.iter().map(describe).collect();
    compare(name, &texts);
}

/// Insists that there are snapshots of these names and of no others that begin so: one that nothing is compared with
/// would promise what no test holds.
fn no_others(prefix: &str, names: &BTreeSet<String>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/tests/neighbours");
    let files = std::fs::read_dir(folder).unwrap();
    let there = files.filter_map(|file| {
        let name = file.unwrap().file_name().into_string().unwrap();
        let name = name.strip_suffix(".snap")?;
        name.starts_with(prefix).then(|| name.to_owned())
    });
    assert_eq!(&there.collect::<BTreeSet<String>>(), names);
}

#[test]
fn of_samples_and_what_becomes_of_them() {
    let mut names = BTreeSet::new();
    for (protocol, messages) in of_samples() {
        let name = format!("sample-{}", protocol.replace('/', "-").to_lowercase());
        look(&name, &messages);
        names.insert(name);
    }
    no_others("sample-", &names);
}

#[test]
fn of_recorded_messages_and_what_becomes_of_them() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/traffic");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcap")
        {
            let messages = of_recording(&path);
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            if !messages.is_empty() {
                let name = format!("recorded-{name}");
                look(&name, &messages);
                names.insert(name);
            }
        }
    }
    assert!(names.len() >= 40, "{} recordings", names.len());
    no_others("recorded-", &names);
}
