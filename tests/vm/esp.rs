//! An encrypted overlay on a kernel with ESP: everything is counted, nothing can be read.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::collections::BTreeMap;

use monitor_lab::{Host, Lab, Publish};
use overlay_tests::agent::{Agent, rows, value};
use overlay_tests::process::{Monitor, wait_until};

/// An encrypted quiet lab with Redis on node2 and the web app on node1.
fn encrypted() -> Lab {
    let mut lab = Lab::builder().encrypted(true).quiet(true).build().unwrap();
    lab.start_redis().unwrap();
    lab.start_web().unwrap();
    lab
}

/// Source address and packets of each security association, by its SPI (`ip -s xfrm state`).
fn associations(host: &Host) -> BTreeMap<String, (String, u64)> {
    let text = host.run("ip", &["-s", "xfrm", "state"]).unwrap();
    let after = |text: &str, word: &str| {
        let rest = text
            .split_once(word)
            .unwrap_or_else(|| panic!("no {word:?} in {text}"))
            .1;
        rest.split([' ', '(', '\n']).next().unwrap().to_owned()
    };
    let one = |state: &str| {
        let current = state.split_once("lifetime current:").unwrap().1;
        let packets = current
            .split_once("(bytes), ")
            .unwrap()
            .1
            .split_once('(')
            .unwrap()
            .0;
        (
            after(state, "spi "),
            (
                state.split(' ').next().unwrap().to_owned(),
                packets.parse().unwrap(),
            ),
        )
    };
    // Each begins with a line of its own; `sel src` stands further in.
    format!("\n{text}")
        .split("\nsrc ")
        .filter(|state| state.contains("proto esp"))
        .map(one)
        .collect()
}

/// SPI and sequence number of a line of `tail` that shows ESP.
fn esp(line: &str) -> Option<(String, u64)> {
    let (spi, rest) = line.split_once("  ESP spi ")?.1.split_once(" seq ")?;
    let (sequence, verdict) = rest.split_once("  ")?;
    // A packet of ciphertext may look like one in the clear, and never is called that.
    assert!(
        matches!(
            verdict,
            "(nothing to read)" | "ipsec  unknown  ESP, perhaps not encrypted"
        ),
        "{line}"
    );
    Some((spi.to_owned(), sequence.parse().ok()?))
}

#[test]
fn esp_is_counted_by_peer_and_nothing_can_be_read() {
    let lab = encrypted();
    let node = lab.node1();
    let before = node.device_stats("eth0").unwrap();
    // What the services did when they started.
    let states_before = associations(node);
    assert_eq!(
        states_before.len(),
        4,
        "one out, three in: {states_before:?}"
    );
    let mut agent = Agent::start(node, &[]);
    let mut tail = Monitor::tail(node, &[]);

    let pages = lab.http_get(5).unwrap();
    assert!(
        pages
            .iter()
            .all(|page| page.status == 200 && page.body.contains("10.0.1.9")),
        "{pages:?}"
    );

    let wire = || node.device_stats("eth0").unwrap() - before;
    let mut last = wire();
    // The last acknowledgements.
    wait_until("the wire is silent", || {
        std::thread::sleep(std::time::Duration::from_millis(500));
        let silent = wire() == last;
        last = wire();
        silent
    });
    assert!(last.rx_packets > 30 && last.tx_packets > 30, "{last:?}");
    let page = agent.metrics();
    let states = associations(node);
    let sum = |source: &str, states: &BTreeMap<String, (String, u64)>| {
        states
            .values()
            .filter(|(from, _)| from == source)
            .map(|(_, packets)| packets)
            .sum::<u64>()
    };
    for (direction, source, packets, bytes) in [
        (
            "rx",
            lab.node2().address().to_string(),
            last.rx_packets,
            last.rx_bytes,
        ),
        (
            "tx",
            node.address().to_string(),
            last.tx_packets,
            last.tx_bytes,
        ),
    ] {
        let labels = format!(r#"{{interface="eth0",direction="{direction}",peer="192.168.77.2"}}"#);
        assert_eq!(
            value(&page, &format!("overlay_esp_packets_total{labels}")),
            packets,
            "{direction}"
        );
        assert_eq!(
            value(&page, &format!("overlay_esp_bytes_total{labels}")),
            bytes,
            "{direction}"
        );
        assert_eq!(
            sum(&source, &states) - sum(&source, &states_before),
            packets,
            "{direction}"
        );
    }
    // ESP is all there was: no packet in any VNI, none not understood.
    let counted = rows(&page, "overlay_packets_total");
    assert_eq!(counted.len(), 2, "{counted:?}");
    assert!(
        counted
            .iter()
            .all(|(labels, _)| labels.contains(r#"encapsulation="esp",vni="""#)),
        "{counted:?}"
    );
    assert_eq!(rows(&page, "overlay_unparsed_packets_total"), []);

    let lines = tail.lines((last.rx_packets + last.tx_packets) as usize);
    assert_eq!(lines.len() as u64, last.rx_packets + last.tx_packets);
    let mut highest = BTreeMap::<String, u64>::new();
    for line in &lines {
        let (spi, sequence) = esp(line).unwrap_or_else(|| panic!("more than ESP: {line}"));
        let known = highest.entry(spi).or_default();
        *known = sequence.max(*known);
    }
    // Sequence numbers start at 1 with the association (RFC 4303, section 2.2).
    let used = states.into_iter().filter(|(_, (_, packets))| *packets != 0);
    assert_eq!(
        highest,
        used.map(|(spi, (_, packets))| (spi, packets)).collect()
    );
    tail.stop();
    agent.monitor.stop();
}

#[test]
fn the_published_port_is_readable_beside_the_encrypted_overlay() {
    let mut lab = encrypted();
    lab.publish(Publish::Plain).unwrap();
    let mut tail = Monitor::tail(lab.node1(), &["--host-flows", "all"]);
    assert_eq!(lab.http_get_published(1).unwrap()[0].status, 200);
    let answer = |line: &&str| {
        line.contains(" eth0 tx  192.168.77.1:80 > 192.168.77.2:")
            && line.contains("  http  plaintext  200 ")
    };
    let question = |line: &&str| {
        line.contains(" eth0 rx  192.168.77.2:") && line.contains("  http  plaintext  GET / host01")
    };
    tail.wait_for("question and answer", |tail| {
        let out = tail.out();
        out.lines().any(|line| question(&line)) && out.lines().any(|line| answer(&line))
    });
    // What the answer was made of went to Redis and back in ESP.
    let out = tail.out();
    assert!(out.lines().any(|line| esp(line).is_some()), "{out}");
    assert!(!out.contains("vni ") && !out.contains("HGETALL"), "{out}");
    tail.stop();
}
