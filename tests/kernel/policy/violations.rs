//! Violations: in the log within two seconds, with numbers, node and direction.

use super::*;

/// Waits until no packet of the network waits for a verdict, and asserts what was counted in a direction, over all classes.
fn exposed(agent: &Agent, direction: &str, packets: u64, bytes: u64) {
    let of_vni = format!(r#"vni="{REQUIRED}""#);
    let mut page = String::new();
    wait_until("every packet has an exposure", || {
        page = agent.metrics();
        let pending = rows(&page, "overlay_exposure_pending_packets");
        pending.iter().all(|(labels, _)| !labels.contains(&of_vni))
    });
    let way = format!(r#"direction="{direction}""#);
    for (name, expected) in [("packets", packets), ("bytes", bytes)] {
        let all = rows(&page, &format!("overlay_exposure_{name}_total"));
        let of = |labels: &str| labels.contains(&of_vni) && labels.contains(&way);
        let sum: u64 = all
            .iter()
            .filter(|(labels, _)| of(labels))
            .map(|(_, count)| count)
            .sum();
        assert_eq!(sum, expected, "{direction}, {name}: {all:?}");
    }
}

#[test]
fn cleartext_sent_and_received_is_logged_counted_and_over_after_a_clean_window() {
    let lab = lab();
    let config = networks("violation");
    let mut agent = Agent::start(lab.node1(), &config.arguments());
    let page = agent.metrics();
    assert_eq!(state(&page, REQUIRED), "idle");
    assert!(page.contains(
        r#"overlay_network_info{vni="4096",network="app1\\x1b[2J\\x0a",source="config",required="required",kind="overlay"} 1"#
    ), "{page}");
    // There from the start, so that an increase is an increase from 0.
    assert!(page.contains("overlay_violation_packets_total{vni=\"4096\",direction=\"rx\"} 0\n"));
    assert!(!page.contains("overlay_violation_packets_total{vni=\"70000\""));
    assert!(!agent.monitor.err().contains("violation"));

    let pair = required(&lab);
    let optional = Pair::new(
        lab.container("app2-network.1").unwrap(),
        lab.container("app2-network.2").unwrap(),
        5000,
    );
    optional.send(0, [100; 50]);
    // Sent by node1's container, then received by it: lengths differ, so that a mix-up shows in the bytes.
    for (from, direction, verb, lengths) in [
        (
            0,
            "tx",
            "cleartext was sent to 192.168.77.2: ",
            [100usize; 300],
        ),
        (
            1,
            "rx",
            "cleartext was received from 192.168.77.2: ",
            [333; 300],
        ),
    ] {
        let parts = [
            "WARN violation: app1\\x1b[2J\\x0a (VNI 4096) must be encrypted, but ",
            verb,
        ];
        let first = Instant::now();
        pair.send(from, lengths[..1].iter().copied());
        agent
            .monitor
            .wait_for("the violation is logged", |monitor| {
                line(&monitor.err(), &parts).is_some()
            });
        let took = first.elapsed();
        assert!(took < LOGGED_WITHIN, "{direction}: logged after {took:?}");
        println!("{direction}: logged after {took:?}");
        let bytes = lengths[0] as u64 + HEADERS;
        let page = agent.metrics();
        assert_eq!(violation(&page, REQUIRED, direction), (1, bytes, 1));
        pair.send(from, lengths[1..].iter().copied());
        wait_until("the last packets are counted", || {
            violation(&agent.metrics(), REQUIRED, direction).0 >= 300
        });
        let page = agent.metrics();
        assert_eq!(violation(&page, REQUIRED, direction), (300, 300 * bytes, 1));
        assert_eq!(agent.vni(REQUIRED, direction), (300, 300 * bytes));
    }
    exposed(&agent, "tx", 300, 300 * (100 + HEADERS));
    exposed(&agent, "rx", 300, 300 * (333 + HEADERS));
    let page = agent.metrics();
    assert_eq!(state(&page, REQUIRED), "cleartext");
    assert_eq!(state(&page, OPTIONAL), "cleartext");
    assert!(!page.contains("overlay_violation_active{vni=\"70000\""));

    let (status, body) = agent.ask("/networks").unwrap();
    assert_eq!(status, 200);
    let objects: Vec<serde_json::Value> = body
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let types: Vec<_> = objects
        .iter()
        .map(|at| at["type"].as_str().unwrap())
        .collect();
    assert_eq!(types, ["network", "network", "violation", "violation"]);
    assert_eq!(objects[0]["state"], "cleartext");
    assert_eq!(objects[0]["cleartext_share"], 1.0);
    for (object, direction) in [(&objects[2], "rx"), (&objects[3], "tx")] {
        assert_eq!(object["direction"], direction);
        assert_eq!(object["active"], true);
        assert_eq!(object["peers"][0]["address"], "192.168.77.2");
        assert_eq!(object["packets"], 300);
    }
    assert!(body.chars().all(|c| c == '\n' || !c.is_control()));

    agent.monitor.wait_for("it is over", |monitor| {
        let err = monitor.err();
        [
            "was sent to 192.168.77.2: 300 packets",
            "was received from 192.168.77.2: 300 packets",
        ]
        .iter()
        .all(|part| line(&err, &["INFO violation over: ", part]).is_some())
    });
    let page = agent.metrics();
    // Silence is no recovery, and without attribution of ESP there is no way to see one.
    let since = match value(&page, "overlay_esp_attribution") {
        0 => "whether it is encrypted since, this host cannot see",
        _ => "nothing of it was seen since, so the fault may still be there",
    };
    let err = agent.monitor.err();
    let ends: Vec<&str> = err
        .lines()
        .filter(|line| line.contains("violation over: "))
        .collect();
    assert_eq!(ends.len(), 2, "{err}");
    assert!(ends.iter().all(|line| line.contains(since)), "{err}");
    for direction in ["rx", "tx"] {
        let (packets, _, active) = violation(&page, REQUIRED, direction);
        assert_eq!((packets, active), (300, 0), "counters stay");
    }
    wait_until("nothing was seen for a window", || {
        state(&agent.metrics(), REQUIRED) == "idle"
    });
    // Another one, which begins with its own count.
    pair.send(0, [10]);
    agent.monitor.wait_for("another violation", |monitor| {
        let err = monitor.err();
        err.lines()
            .filter(|line| line.contains("WARN violation: ") && line.contains(" first at "))
            .count()
            == 3
    });
    assert_eq!(violation(&agent.metrics(), REQUIRED, "tx").0, 301);
    let (_, body) = agent.ask("/networks").unwrap();
    let open: Vec<&str> = body
        .lines()
        .filter(|line| line.contains("\"active\":true"))
        .collect();
    assert!(
        open.len() == 1 && open[0].contains("\"packets\":1,"),
        "{body}"
    );
    agent.monitor.stop();
    let err = agent.monitor.err();
    assert!(err.chars().all(|c| c == '\n' || !c.is_control()), "{err}");
}

/// A VXLAN packet of the required network from a node that says it is this one.
fn injected(node: u8) -> Vec<u8> {
    let outer = ip_between(
        [192, 168, 77, node].into(),
        [192, 168, 77, 1].into(),
        17,
        &udp(40_000, 4789, &vxlan(REQUIRED, &redis_command())),
    );
    ethernet(0x0800, &outer)
}

#[test]
fn injected_packets_name_each_node_they_claim_to_be_from() {
    for hook in ["tc", "xdp"] {
        let lab = lab();
        let config = networks(&format!("injected-{hook}"));
        let arguments = [&config.arguments()[..], &["--hook", hook]].concat();
        let mut agent = Agent::start(lab.node1(), &arguments);
        let wire = Raw::open(lab.node2(), "eth0");
        let first = Instant::now();
        wire.send(&injected(66));
        agent
            .monitor
            .wait_for("the violation is logged", |monitor| {
                line(
                    &monitor.err(),
                    &["WARN violation: ", "received from 192.168.77.66: 1 packet,"],
                )
                .is_some()
            });
        assert!(
            first.elapsed() < LOGGED_WITHIN,
            "logged after {:?}",
            first.elapsed()
        );
        wire.send(&injected(67));
        agent.monitor.wait_for("the other node is said", |monitor| {
            line(
                &monitor.err(),
                &["WARN violation: ", "also from 192.168.77.67 (2 packets"],
            )
            .is_some()
        });
        // Too many to log one by one: they are counted.
        for node in 100..=250 {
            wire.send(&injected(node));
        }
        wait_until("all are counted", || {
            violation(&agent.metrics(), REQUIRED, "rx").0 == 153
        });
        let (_, body) = agent.ask("/networks").unwrap();
        let object: serde_json::Value = serde_json::from_str(body.lines().last().unwrap()).unwrap();
        let peers = object["peers"].as_array().unwrap();
        let sum: u64 = peers
            .iter()
            .map(|peer| peer["packets"].as_u64().unwrap())
            .sum();
        assert_eq!((peers.len(), sum), (65, 153), "64 by name: {body}");
        agent.monitor.stop();
        let err = agent.monitor.err();
        assert!(
            err.lines()
                .filter(|line| line.contains("violation"))
                .count()
                <= 10,
            "{err}"
        );
    }
}

/// A scan that fills the map takes nothing away from a network that is known.
#[test]
fn known_networks_keep_their_rows_whoever_scans() {
    let lab = lab();
    let config = networks("scan");
    let mut agent = Agent::start(lab.node1(), &config.arguments());
    let wire = Raw::open(lab.node2(), "eth0");
    let capacity = value(&agent.metrics(), r#"overlay_map_capacity{map="counters"}"#);
    let frames: Vec<Vec<u8>> = (0..capacity as u32 + 100)
        .map(|n| {
            ethernet(
                0x0800,
                &ip_between(
                    [192, 168, 77, 2].into(),
                    [192, 168, 77, 1].into(),
                    17,
                    &udp(40_000, 4789, &vxlan(100_000 + n, &redis_command())),
                ),
            )
        })
        .collect();
    let overflow = r#"overlay_map_overflow_packets_total{map="counters"}"#;
    wait_until("the map is full", || {
        let _ = wire.send_all(&frames);
        value(&agent.metrics(), overflow) != 0
    });
    let full = agent.metrics();
    assert_eq!(
        state(&full, REQUIRED),
        "idle",
        "it has its row, and nothing came"
    );
    assert!(
        rows(&full, "overlay_network_state").len() <= 1024 + 2,
        "strangers are bounded"
    );
    let pair = required(&lab);
    pair.send(0, [100; 10]);
    pair.send(1, [100; 10]);
    wait_until("all are counted", || agent.vni(REQUIRED, "rx").0 == 10);
    assert_eq!(agent.vni(REQUIRED, "tx").0, 10);
    agent.monitor.stop();
}
