//! Judges what was seen in a step.

use super::agent::Sample;
use super::metrics::Count;
use super::observe::Seen;
use super::steps::{Expected, Step};
use monitor_lab::{DeviceStats, Publish};

/// One thing that had to be seen.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    pub(super) good: bool,
    /// What was seen, good or not.
    pub(super) text: String,
}

/// All readable things, each once, in the order in which they crossed the wire; what Redis answers comes
/// last, for it says less than its commands.
pub(super) fn evidence(samples: &[Sample]) -> Vec<&str> {
    let (mut all, mut answers) = (Vec::new(), Vec::new());
    for sample in samples
        .iter()
        .filter(|sample| sample.exposure == "plaintext")
    {
        let text = sample.evidence.as_deref().unwrap_or(&sample.protocol);
        let answer = sample.protocol == "redis" && sample.src_port == Some(6379);
        let list = if answer { &mut answers } else { &mut all };
        if !list.contains(&text) {
            list.push(text);
        }
    }
    all.append(&mut answers);
    all
}

/// What the step must show, and whether it did.
pub(super) fn judge(step: &Step, seen: &Seen) -> Vec<Check> {
    let mut checks = match step.expected {
        Expected::ReadableOverlay => vec![readable_overlay(&seen.samples)],
        Expected::ReadablePublished => {
            vec![readable_published(&seen.samples), overlay_silent(seen)]
        }
        Expected::Nothing => vec![nothing_readable(step, &seen.samples), overlay_silent(seen)],
    };
    checks.push(match (step.encrypted, step.publish) {
        (false, _) => counts_equal(
            "Packets of VNI 4096",
            seen.counts.network,
            Some(seen.wire),
            seen.overlay,
        ),
        (true, None) => counts_equal(
            "ESP packets",
            seen.counts.esp,
            Some(seen.wire),
            seen.overlay,
        ),
        // The wire carries the published port as well.
        (true, Some(_)) => counts_equal("ESP packets", seen.counts.esp, None, seen.overlay),
    });
    checks
}

/// HTTP and Redis inside VNI 4096.
fn readable_overlay(samples: &[Sample]) -> Check {
    let inside = |protocol: &str, words: &str| {
        samples.iter().any(|sample| {
            sample.vni == Some(4096)
                && sample.protocol == protocol
                && sample.exposure == "plaintext"
                && sample
                    .evidence
                    .as_deref()
                    .is_some_and(|text| text.contains(words))
        })
    };
    let missing: Vec<&str> = [
        ("http", "GET / host01"),
        ("redis", "HINCRBY ip"),
        ("redis", "HGETALL ip"),
    ]
    .into_iter()
    .filter(|(protocol, words)| !inside(protocol, words))
    .map(|(_, words)| words)
    .collect();
    if missing.is_empty() {
        good("Both conversations can be read: HTTP (GET / host01) and Redis (HINCRBY ip, HGETALL ip)".to_owned())
    } else {
        bad(format!("The monitor did not see: {}", missing.join(", ")))
    }
}

/// HTTP outside any overlay, request and answer.
fn readable_published(samples: &[Sample]) -> Check {
    let outside = |direction: &str| {
        samples.iter().any(|sample| {
            sample.encapsulation == "none"
                && sample.direction == direction
                && sample.protocol == "http"
                && sample.exposure == "plaintext"
                && (direction == "rx" || sample.src_port == Some(80))
        })
    };
    match (outside("rx"), outside("tx")) {
        (true, true) => good(
            "Request and answer can be read on the wire: the overlay's encryption ends where the port is published"
                .to_owned(),
        ),
        (false, _) => bad("The monitor did not see the HTTP request to the published port".to_owned()),
        (true, false) => bad("The monitor did not see the HTTP answer of the published port".to_owned()),
    }
}

/// No sample in plaintext, and some that prove that the monitor looked.
fn nothing_readable(step: &Step, samples: &[Sample]) -> Check {
    let readable = evidence(samples);
    if !readable.is_empty() {
        return bad(format!("Still readable: {}", readable.join(", ")));
    }
    let tls = samples
        .iter()
        .filter(|sample| sample.protocol == "tls" && sample.exposure == "encrypted")
        .count();
    match step.publish {
        Some(Publish::Tls) if tls == 0 => {
            bad("The monitor did not recognise TLS on the published port".to_owned())
        }
        Some(Publish::Tls) => {
            good("Nothing can be read: TLS to the client, ESP between the nodes".to_owned())
        }
        _ => good("Nothing can be read: between the nodes there is only ESP".to_owned()),
    }
}

/// The overlay is on the wire as ESP only: no VXLAN packet, and ESP samples seen.
fn overlay_silent(seen: &Seen) -> Check {
    let vxlan = seen.counts.vxlan.packets();
    let sampled = seen
        .samples
        .iter()
        .filter(|sample| sample.encapsulation == "vxlan")
        .count();
    let esp = seen
        .samples
        .iter()
        .filter(|sample| sample.encapsulation == "esp")
        .count();
    if vxlan > 0 || sampled > 0 {
        bad(format!(
            "{vxlan} VXLAN packets crossed the wire in cleartext ({sampled} sampled)"
        ))
    } else if esp == 0 {
        bad("The monitor showed no ESP packet".to_owned())
    } else {
        good("No VXLAN packet, so no byte of VNI 4096, crossed the wire in cleartext".to_owned())
    }
}

/// The monitor's count is that of the kernel's devices, to the packet; of the wire also to the byte.
fn counts_equal(
    what: &str,
    monitor: Count,
    wire: Option<DeviceStats>,
    overlay: DeviceStats,
) -> Check {
    let packets = (monitor.rx_packets, monitor.tx_packets);
    let bytes = (monitor.rx_bytes, monitor.tx_bytes);
    let mut wrong = Vec::new();
    if packets != (overlay.rx_packets, overlay.tx_packets) {
        wrong.push(format!(
            "vxlan0 {} and {}",
            overlay.rx_packets, overlay.tx_packets
        ));
    }
    if let Some(wire) = wire {
        if packets != (wire.rx_packets, wire.tx_packets) {
            wrong.push(format!("eth0 {} and {}", wire.rx_packets, wire.tx_packets));
        }
        if bytes != (wire.rx_bytes, wire.tx_bytes) {
            wrong.push(format!(
                "eth0 {} and {} bytes where the monitor has {} and {}",
                wire.rx_bytes, wire.tx_bytes, bytes.0, bytes.1
            ));
        }
    }
    let counted = format!(
        "{what} counted: {} received and {} sent",
        packets.0, packets.1
    );
    if monitor.rx_packets == 0 || monitor.tx_packets == 0 {
        bad(format!("{counted}; some had to be"))
    } else if wrong.is_empty() {
        let of = if wire.is_some() {
            "eth0 (also to the byte) and vxlan0"
        } else {
            "vxlan0"
        };
        good(format!(
            "{counted}, exactly as the kernel's own counters of {of} say"
        ))
    } else {
        bad(format!(
            "{counted}, but the kernel's own counters say: {}",
            wrong.join("; ")
        ))
    }
}

fn good(text: String) -> Check {
    Check { good: true, text }
}

fn bad(text: String) -> Check {
    Check { good: false, text }
}

#[cfg(test)]
mod tests {
    use super::super::metrics::Counts;
    use super::super::steps::STEPS;
    use super::*;

    fn sample(
        encapsulation: &str,
        protocol: &str,
        exposure: &str,
        evidence: Option<&str>,
    ) -> Sample {
        Sample {
            direction: "rx".to_owned(),
            encapsulation: encapsulation.to_owned(),
            vni: (encapsulation == "vxlan").then_some(4096),
            src_port: Some(80),
            protocol: protocol.to_owned(),
            exposure: exposure.to_owned(),
            evidence: evidence.map(str::to_owned),
        }
    }

    fn count(packets: u64) -> Count {
        Count {
            rx_packets: packets,
            rx_bytes: packets * 100,
            tx_packets: packets,
            tx_bytes: packets * 100,
        }
    }

    fn device(packets: u64) -> DeviceStats {
        DeviceStats {
            rx_packets: packets,
            rx_bytes: packets * 100,
            tx_packets: packets,
            tx_bytes: packets * 100,
            ..DeviceStats::default()
        }
    }

    fn all_good(step: usize, seen: &Seen) -> bool {
        judge(&STEPS[step - 1], seen).iter().all(|check| check.good)
    }

    fn plain() -> Seen {
        let readable = |protocol, text| sample("vxlan", protocol, "plaintext", Some(text));
        Seen {
            wire: device(20),
            overlay: device(20),
            counts: Counts {
                network: count(20),
                vxlan: count(20),
                esp: Count::default(),
            },
            samples: vec![
                readable("http", "GET / host01"),
                readable("redis", "HINCRBY ip 10.0.1.9 1"),
                readable("redis", "HGETALL ip"),
                readable("redis", "HGETALL ip"),
            ],
        }
    }

    fn encrypted() -> Seen {
        Seen {
            wire: device(20),
            overlay: device(20),
            counts: Counts {
                network: Count::default(),
                vxlan: Count::default(),
                esp: count(20),
            },
            samples: vec![sample("esp", "unknown", "encrypted", None)],
        }
    }

    #[test]
    fn plain_overlay_must_be_readable_and_counted_to_the_packet() {
        assert!(all_good(1, &plain()));
        assert_eq!(
            evidence(&plain().samples),
            ["GET / host01", "HINCRBY ip 10.0.1.9 1", "HGETALL ip"]
        );
        for without in 0..3 {
            let mut seen = plain();
            let text = seen.samples[without].evidence.clone();
            seen.samples.retain(|sample| sample.evidence != text);
            assert!(!all_good(1, &seen), "{text:?}");
        }
        for change in [
            (|seen: &mut Seen| seen.counts.network.rx_packets -= 1) as fn(&mut Seen),
            |seen| seen.counts.network.tx_bytes += 1,
            |seen| seen.wire.tx_packets += 1,
            |seen| seen.overlay.rx_packets += 1,
            |seen| {
                *seen = Seen {
                    samples: std::mem::take(&mut seen.samples),
                    ..nothing()
                }
            },
        ] {
            let mut seen = plain();
            change(&mut seen);
            assert!(!all_good(1, &seen), "{seen:?}");
        }
    }

    fn nothing() -> Seen {
        Seen {
            wire: device(0),
            overlay: device(0),
            counts: Counts::default(),
            samples: Vec::new(),
        }
    }

    #[test]
    fn encrypted_overlay_must_be_esp_only() {
        assert!(all_good(2, &encrypted()));
        assert!(!all_good(2, &nothing()), "an idle wire proves nothing");
        for change in [
            (|seen: &mut Seen| seen.counts.vxlan.rx_packets = 1) as fn(&mut Seen),
            |seen| {
                seen.samples
                    .push(sample("vxlan", "unknown", "unknown", None))
            },
            |seen| seen.samples.push(sample("none", "http", "plaintext", None)),
            |seen| seen.samples.clear(),
            |seen| seen.counts.esp.tx_packets -= 1,
        ] {
            let mut seen = encrypted();
            change(&mut seen);
            assert!(!all_good(2, &seen), "{seen:?}");
        }
    }

    #[test]
    fn published_port_must_show_request_and_answer() {
        let mut seen = encrypted();
        assert!(!all_good(3, &seen));
        seen.wire = device(50);
        seen.samples
            .push(sample("none", "http", "plaintext", Some("GET / host01")));
        assert!(!all_good(3, &seen), "the answer is missing");
        seen.samples.push(Sample {
            direction: "tx".to_owned(),
            ..sample("none", "http", "plaintext", Some("200"))
        });
        assert!(all_good(3, &seen));
        assert!(!all_good(4, &seen));
    }

    #[test]
    fn published_tls_must_show_tls_and_nothing_else() {
        let mut seen = encrypted();
        seen.wire = device(50);
        assert!(!all_good(4, &seen), "no TLS seen");
        seen.samples
            .push(sample("none", "tls", "encrypted", Some("host01")));
        assert!(all_good(4, &seen));
        seen.samples.push(sample("none", "http", "plaintext", None));
        assert!(!all_good(4, &seen));
    }
}
