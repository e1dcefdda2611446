//! Compares what was seen in a step with what is expected, and the monitor's counters with the kernel's.

use monitor_lab::{DeviceStats, Publish};

use super::seen::{Sample, Seen};
use super::steps::{Expected, Step};
use crate::cli::agent_metrics::Count;

/// The result of one comparison.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// Whether it was as expected.
    pub(super) passed: bool,
    /// What was seen: a sentence.
    pub(super) text: String,
}

/// All comparisons of a step.
pub(super) fn compare(step: &Step, seen: &Seen) -> Vec<Check> {
    let mut checks = match step.expected {
        Expected::ReadableOverlay => vec![readable_overlay(&seen.samples)],
        Expected::ReadablePublished => {
            vec![readable_published(&seen.samples), no_cleartext_vxlan(seen)]
        }
        Expected::Nothing => vec![nothing_readable(step, seen), no_cleartext_vxlan(seen)],
    };
    checks.push(match (step.encrypted, step.publish) {
        (false, _) => counts_equal(
            "packets of VNI 4096",
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
        // The wire also carries the traffic of the published port.
        (true, Some(_)) => counts_equal("ESP packets", seen.counts.esp, None, seen.overlay),
    });
    checks
}

/// HTTP and Redis can be read inside VNI 4096.
fn readable_overlay(samples: &[Sample]) -> Check {
    let has = |protocol: &str, words: &str| {
        samples.iter().any(|sample| {
            sample.vni == Some(4096)
                && sample.protocol == protocol
                && sample.is_plaintext()
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
    .filter(|(protocol, words)| !has(protocol, words))
    .map(|(_, words)| words)
    .collect();
    if missing.is_empty() {
        passed("Anyone on the wire can read both conversations: HTTP (GET / host01) and Redis (HINCRBY ip, HGETALL ip)".to_owned())
    } else {
        failed(format!("The monitor did not show: {}", missing.join(", ")))
    }
}

/// HTTP can be read outside any overlay, in both directions.
fn readable_published(samples: &[Sample]) -> Check {
    let has = |direction: &str| {
        samples.iter().any(|sample| {
            sample.encapsulation == "none"
                && sample.direction == direction
                && sample.protocol == "http"
                && sample.is_plaintext()
                && (direction == "rx" || sample.src_port == Some(80))
        })
    };
    match (has("rx"), has("tx")) {
        (true, true) => passed(
            "Anyone on the wire can read request and response: the overlay's encryption does not cover the published port"
                .to_owned(),
        ),
        (false, _) => failed("The monitor did not show the HTTP request to the published port".to_owned()),
        (true, false) => failed("The monitor did not show the HTTP response of the published port".to_owned()),
    }
}

/// No sample is plaintext. With TLS on the published port there must be samples of it, as proof that the monitor saw
/// the traffic.
fn nothing_readable(step: &Step, seen: &Seen) -> Check {
    let readable = seen.readable();
    if !readable.is_empty() {
        return failed(format!("Still readable: {}", readable.join(", ")));
    }
    let has_tls = seen
        .samples
        .iter()
        .any(|sample| sample.protocol == "tls" && sample.exposure == "encrypted");
    match step.publish {
        Some(Publish::Tls) if !has_tls => {
            failed("The monitor did not recognise TLS on the published port".to_owned())
        }
        Some(Publish::Tls) => {
            passed("Nothing can be read: TLS to the client, ESP between the nodes".to_owned())
        }
        _ => passed("Nothing can be read: there is only ESP between the nodes".to_owned()),
    }
}

/// The overlay crossed the wire as ESP only: ESP samples, and no VXLAN packet.
fn no_cleartext_vxlan(seen: &Seen) -> Check {
    let vxlan = seen.counts.vxlan.packets();
    let samples_in = |encapsulation: &str| {
        let samples = seen.samples.iter();
        samples
            .filter(|sample| sample.encapsulation == encapsulation)
            .count()
    };
    let sampled = samples_in("vxlan");
    if vxlan > 0 || sampled > 0 {
        failed(format!(
            "{vxlan} VXLAN packets crossed the wire in cleartext ({sampled} sampled)"
        ))
    } else if samples_in("esp") == 0 {
        failed("The monitor showed no ESP packet".to_owned())
    } else {
        passed("No VXLAN packet, so no byte of VNI 4096, crossed the wire in cleartext".to_owned())
    }
}

/// The monitor counted as many packets as the kernel's devices, and on the wire as many bytes.
fn counts_equal(
    what: &str,
    monitor: Count,
    wire: Option<DeviceStats>,
    overlay: DeviceStats,
) -> Check {
    let packets = (monitor.rx_packets, monitor.tx_packets);
    let bytes = (monitor.rx_bytes, monitor.tx_bytes);
    let mut different = Vec::new();
    if packets != (overlay.rx_packets, overlay.tx_packets) {
        different.push(format!(
            "vxlan0 {} and {}",
            overlay.rx_packets, overlay.tx_packets
        ));
    }
    if let Some(wire) = wire {
        if packets != (wire.rx_packets, wire.tx_packets) {
            different.push(format!("eth0 {} and {}", wire.rx_packets, wire.tx_packets));
        }
        if bytes != (wire.rx_bytes, wire.tx_bytes) {
            different.push(format!(
                "eth0 {} and {} bytes where the monitor counted {} and {}",
                wire.rx_bytes, wire.tx_bytes, bytes.0, bytes.1
            ));
        }
    }
    let counted = format!(
        "The monitor counted {} received and {} sent {what}",
        packets.0, packets.1
    );
    if monitor.rx_packets == 0 || monitor.tx_packets == 0 {
        failed(format!("{counted}; there must be some in both directions"))
    } else if different.is_empty() {
        let devices = if wire.is_some() {
            "eth0 (to the byte) and vxlan0"
        } else {
            "vxlan0"
        };
        passed(format!(
            "{counted}, equal to the kernel's counters of {devices}"
        ))
    } else {
        failed(format!(
            "{counted}, but the kernel's counters differ: {}",
            different.join("; ")
        ))
    }
}

fn passed(text: String) -> Check {
    Check { passed: true, text }
}

fn failed(text: String) -> Check {
    Check {
        passed: false,
        text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::seen::Printed;
    use super::super::steps::STEPS;
    use super::*;
    use crate::cli::agent_metrics::Counts;

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

    fn all_passed(step: usize, seen: &Seen) -> bool {
        compare(&STEPS[step - 1], seen)
            .iter()
            .all(|check| check.passed)
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
            printed: Printed::default(),
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
            printed: Printed::default(),
        }
    }

    #[test]
    fn plain_overlay_must_be_readable_and_counted_to_the_packet() {
        assert!(all_passed(1, &plain()));
        assert_eq!(
            plain().readable(),
            ["GET / host01", "HINCRBY ip 10.0.1.9 1", "HGETALL ip"]
        );
        for without in 0..3 {
            let mut seen = plain();
            let text = seen.samples[without].evidence.clone();
            seen.samples.retain(|sample| sample.evidence != text);
            assert!(!all_passed(1, &seen), "{text:?}");
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
            assert!(!all_passed(1, &seen), "{seen:?}");
        }
    }

    fn nothing() -> Seen {
        Seen {
            wire: device(0),
            overlay: device(0),
            counts: Counts::default(),
            samples: Vec::new(),
            printed: Printed::default(),
        }
    }

    #[test]
    fn encrypted_overlay_must_be_esp_only() {
        assert!(all_passed(2, &encrypted()));
        assert!(!all_passed(2, &nothing()), "an idle wire must not pass");
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
            assert!(!all_passed(2, &seen), "{seen:?}");
        }
    }

    #[test]
    fn published_port_must_show_request_and_response() {
        let mut seen = encrypted();
        assert!(!all_passed(3, &seen));
        seen.wire = device(50);
        seen.samples
            .push(sample("none", "http", "plaintext", Some("GET / host01")));
        assert!(!all_passed(3, &seen), "the response is missing");
        seen.samples.push(Sample {
            direction: "tx".to_owned(),
            ..sample("none", "http", "plaintext", Some("200"))
        });
        assert!(all_passed(3, &seen));
        assert!(!all_passed(4, &seen));
    }

    #[test]
    fn published_tls_must_show_tls_and_nothing_else() {
        let mut seen = encrypted();
        seen.wire = device(50);
        assert!(!all_passed(4, &seen), "no TLS sample");
        seen.samples
            .push(sample("none", "tls", "encrypted", Some("host01")));
        assert!(all_passed(4, &seen));
        seen.samples.push(sample("none", "http", "plaintext", None));
        assert!(!all_passed(4, &seen));
    }
}
