//! `bench classify`: nanoseconds per payload of the classifiers.

use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use monitor_classify::{Payload, Transport, classifiers, classify};
use monitor_lab::recording::{IpTransport, Packet, frames};

use super::report::{Part, Row, Unit};
use crate::cli::progress::Progress;

/// Folder with the fixtures in the source tree of this program.
pub(super) const FIXTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/traffic");

/// Options.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Rounds; in each, every classifier gets every payload.
    pub(super) runs: u32,
    /// Folder with capture files.
    pub(super) fixtures: PathBuf,
}

impl Plan {
    /// How long it takes on a quiet machine.
    pub(super) fn expected(&self) -> Duration {
        /// Of a round.
        const ROUND: Duration = Duration::from_secs(2);
        ROUND * self.runs
    }
}

/// Bytes of a frame that the agent samples by default.
const SAMPLE: usize = 256;
/// Calls that are timed together.
const CALLS: u32 = 10;
/// Timings of each payload in a round. The fastest one counts, because other programs use the machine too.
const TRIES: u32 = 5;
/// Goal for one classifier: at most so many nanoseconds per payload.
const GOAL: f64 = 1000.0;

/// A payload as a sample of the agent contains it.
struct Sampled {
    bytes: Vec<u8>,
    wire_len: u32,
    transport: Transport,
    ports: (u16, u16),
}

impl Sampled {
    fn payload(&self) -> Payload<'_> {
        Payload {
            bytes: &self.bytes,
            wire_len: self.wire_len,
            transport: self.transport,
            src_port: self.ports.0,
            dst_port: self.ports.1,
        }
    }
}

/// Runs the benchmark.
pub(super) fn run(plan: &Plan) -> anyhow::Result<Part> {
    let samples = samples(&plan.fixtures)?;
    let classifiers: Vec<_> = classifiers().iter().collect();
    let mut costs: Vec<[Vec<f64>; 2]> = vec![Default::default(); classifiers.len()];
    let mut whole: [Vec<f64>; 2] = Default::default();
    let mut progress = Progress::new("classifiers", plan.runs);
    for _ in 0..plan.runs {
        for (classifier, costs) in classifiers.iter().zip(&mut costs) {
            let taken = samples
                .iter()
                .filter(|sample| classifier.takes(sample.transport));
            add(costs, taken, |payload| classifier.fits(payload));
        }
        add(&mut whole, samples.iter(), classify);
        progress.step();
    }
    let mut rows = vec![
        row("all together, median of the payloads", &whole[0], None),
        row("all together, slowest payload", &whole[1], None),
    ];
    let mut before = None;
    for (classifier, [medians, slowest]) in classifiers.iter().zip(&costs) {
        let protocol = classifier.protocol();
        let also = if before == Some(protocol) {
            ", also"
        } else {
            ""
        };
        before = Some(protocol);
        if medians.is_empty() {
            // No fixture has a payload of its transport (AH).
            continue;
        }
        let name = |what| format!("{protocol}{also}, {what}");
        rows.push(row(&name("median"), medians, Some(GOAL)));
        rows.push(row(&name("slowest"), slowest, Some(GOAL)));
    }
    Ok(Part {
        name: "classify",
        title: "Classifiers",
        method: format!(
            "Nanoseconds to classify one payload, over {} payloads of real servers and clients (the recorded fixtures), \
             cut as in a sample of {SAMPLE} bytes of the frame; the fastest of {TRIES} timings of {CALLS} calls each, in \
             {} rounds. First all classifiers together, as for each sample of a flow that has no verdict yet. Then each \
             classifier alone, over all payloads of its transport, most of which it must reject: the median of the \
             payloads, and the slowest.",
            samples.len(),
            plan.runs
        ),
        unit: Unit::Value,
        rows,
    })
}

fn row(what: &str, nanoseconds: &[f64], goal: Option<f64>) -> Row {
    Row::value(
        (what.to_owned(), "-", "ns per payload".to_owned()),
        nanoseconds,
        goal,
    )
}

/// Adds the median and the highest of the nanoseconds over some payloads.
fn add<'a, T>(
    costs: &mut [Vec<f64>; 2],
    samples: impl Iterator<Item = &'a Sampled>,
    mut classify: impl FnMut(&Payload<'_>) -> T,
) {
    let mut each: Vec<f64> = samples
        .map(|sample| {
            let payload = sample.payload();
            let tries = (0..TRIES).map(|_| {
                let start = Instant::now();
                for _ in 0..CALLS {
                    black_box(classify(black_box(&payload)));
                }
                start.elapsed().as_secs_f64() * 1e9 / f64::from(CALLS)
            });
            tries.fold(f64::INFINITY, f64::min)
        })
        .collect();
    each.sort_by(f64::total_cmp);
    costs[0].extend(each.get(each.len() / 2));
    costs[1].extend(each.last());
}

/// The payloads in all capture files of a folder.
fn samples(folder: &Path) -> anyhow::Result<Vec<Sampled>> {
    let hint = || {
        format!(
            "there are no recorded fixtures in {}: name their folder with --fixtures FOLDER, or record them with `cargo \
             xtask record`",
            folder.display()
        )
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).with_context(hint)? {
        let path = entry?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "pcap")
        {
            paths.push(path);
        }
    }
    paths.sort();
    let mut samples = Vec::new();
    for path in &paths {
        let bytes = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
        let frames =
            frames(&bytes).map_err(|what| anyhow::anyhow!("{}: {what}", path.display()))?;
        samples.extend(frames.into_iter().filter_map(sampled));
    }
    anyhow::ensure!(!samples.is_empty(), "{}", hint());
    Ok(samples)
}

fn sampled(frame: &[u8]) -> Option<Sampled> {
    let packet = Packet::read(frame)?;
    let (start, end) = packet.payload;
    let bytes = frame.get(start..end.min(SAMPLE))?;
    (!bytes.is_empty()).then(|| Sampled {
        bytes: bytes.to_vec(),
        wire_len: u32::try_from(end - start).unwrap_or(u32::MAX),
        transport: match packet.transport {
            IpTransport::Tcp => Transport::Tcp,
            IpTransport::Udp => Transport::Udp,
            IpTransport::Icmp => Transport::Icmp,
            IpTransport::Esp => Transport::Esp,
        },
        ports: (packet.source.1, packet.destination.1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Classifiers of AH and of ESP inside an overlay, of which no fixture has a payload.
    const MISSING: usize = 2;

    /// Checks that each classifier has rows; the figures depend on the machine.
    #[test]
    fn every_classifier_and_all_together_are_measured_on_the_fixtures() {
        let part = run(&Plan {
            runs: 1,
            fixtures: FIXTURES.into(),
        })
        .unwrap();
        let missing = 2 + 2 * classifiers().len() - part.rows.len();
        assert_eq!(missing, 2 * MISSING, "classifiers without a payload");
        for row in &part.rows {
            let measured = row.measured.runs == 1 && row.measured.median > 0.0;
            assert!(measured, "{}", row.case);
        }
    }

    #[test]
    fn without_fixtures_the_error_says_how_to_record_them() {
        let error = samples(Path::new("/nowhere")).err().unwrap();
        assert!(
            format!("{error:#}").contains("cargo xtask record"),
            "{error:#}"
        );
    }
}
