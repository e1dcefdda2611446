//! Networks that must be encrypted and are not: logged within two seconds, with numbers, node and direction; and an audit's outcome.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::agent::{Agent, rows, seconds, state_seconds, value};
use overlay_tests::frame::{ethernet, ip_between, redis_command, udp, vxlan};
use overlay_tests::process::{Monitor, run, wait_until};
use overlay_tests::wire::{Pair, Raw};

/// The network that must be encrypted, and one that need not.
const REQUIRED: u32 = 4096;
const OPTIONAL: u32 = 70_000;
/// A violation is in the log this long after its first packet, at most.
const LOGGED_WITHIN: Duration = Duration::from_secs(2);
/// Headers inside and outside: Ethernet, IPv4, UDP; Ethernet, IPv4, UDP, VXLAN.
const HEADERS: u64 = 14 + 20 + 8 + 14 + 20 + 8 + 8;

/// A configuration file of one test, removed in the end.
struct Config(PathBuf);

impl Config {
    fn new(name: &str, text: &str) -> Config {
        let name = format!("overlay-monitor-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Config(path)
    }

    fn arguments(&self) -> [&str; 4] {
        // Docker of this machine, if there is one, is none of these tests' business.
        ["--docker", "off", "--config", self.0.to_str().unwrap()]
    }
}

impl Drop for Config {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// One network that must be encrypted under a hostile name, one that need not.
fn networks(name: &str) -> Config {
    let text = format!(
        "window = 15\n\
         [[network]]\nvni = {REQUIRED}\nname = \"app1\\u001b[2J\\n\"\nencrypted = \"required\"\n\
         [[network]]\nvni = {OPTIONAL}\nname = \"app2\"\nencrypted = \"optional\"\n"
    );
    Config::new(name, &text)
}

fn lab() -> Lab {
    Lab::builder()
        .quiet(true)
        .overlay("app2-network", OPTIONAL, false)
        .build()
        .unwrap()
}

/// Sockets in the containers of the required network, node1's first.
fn required(lab: &Lab) -> Pair {
    Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    )
}

fn state(page: &str, vni: u32) -> String {
    let name = format!("overlay_network_state{{vni=\"{vni}\",state=\"");
    let mut found = page
        .lines()
        .filter_map(|line| line.strip_prefix(&name)?.strip_suffix("\"} 1"));
    let state = found
        .next()
        .unwrap_or_else(|| panic!("no state of {vni} in\n{page}"));
    assert_eq!(found.next(), None, "one state at a time");
    state.to_owned()
}

/// Packets and bytes of a violation, and whether it goes on.
fn violation(page: &str, vni: u32, direction: &str) -> (u64, u64, u64) {
    let labels = format!("{{vni=\"{vni}\",direction=\"{direction}\"}}");
    let metric = |name: &str| value(page, &format!("overlay_violation_{name}{labels}"));
    (
        metric("packets_total"),
        metric("bytes_total"),
        metric("active"),
    )
}

fn line<'a>(said: &'a str, parts: &[&str]) -> Option<&'a str> {
    said.lines()
        .find(|line| parts.iter().all(|part| line.contains(part)))
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

#[test]
fn an_interface_that_is_gone_makes_a_silent_network_unknown() {
    let lab = lab();
    lab.node1()
        .run(
            "ip",
            &[
                "link", "add", "spare0", "type", "veth", "peer", "name", "spare1",
            ],
        )
        .unwrap();
    let config = networks("blind");
    let arguments = [&config.arguments()[..], &["-i", "spare0"]].concat();
    let mut agent = Agent::start(lab.node1(), &arguments);
    assert_eq!(state(&agent.metrics(), REQUIRED), "idle");
    lab.node1().run("ip", &["link", "del", "spare0"]).unwrap();
    wait_until("its state is unknown", || {
        state(&agent.metrics(), REQUIRED) == "unknown"
    });
    let (_, body) = agent.ask("/networks").unwrap();
    assert!(
        body.contains(r#""state":"unknown""#) && body.contains(r#""doubts":["blind"]"#),
        "{body}"
    );
    // Cleartext is cleartext, whatever else there may be.
    required(&lab).send(0, [100]);
    wait_until("cleartext is seen", || {
        state(&agent.metrics(), REQUIRED) == "cleartext"
    });
    agent.monitor.stop();
}

/// A scan that fills the map takes nothing away from a network that is known.
/// All states, with the one of a phase first.
const STATES: [&str; 5] = ["idle", "unknown", "cleartext", "encrypted", "mixed"];

/// Seconds of the required network in each state, those in which it was watched, and the earliest and latest time of the
/// reading, in seconds since `born`.
fn times(agent: &Agent, born: Instant) -> ([f64; 5], f64, [f64; 2]) {
    let before = born.elapsed().as_secs_f64();
    let page = agent.metrics();
    let after = born.elapsed().as_secs_f64();
    let watched = format!("overlay_network_watched_seconds_total{{vni=\"{REQUIRED}\"}}");
    let watched = seconds(&page, &watched).unwrap();
    (
        state_seconds(&page, REQUIRED, STATES),
        watched,
        [before, after],
    )
}

#[test]
fn the_time_in_each_state_is_counted_and_adds_up() {
    let lab = lab();
    let spare = "link add spare0 type veth peer name spare1";
    let spare: Vec<&str> = spare.split(' ').collect();
    lab.node1().run("ip", &spare).unwrap();
    let config = networks("times");
    let arguments = [&config.arguments()[..], &["-i", "spare0"]].concat();
    let born = Instant::now();
    let mut agent = Agent::start(lab.node1(), &arguments);
    let pair = required(&lab);
    // The first evaluation, from which on a network is known.
    let (first, _, [_, known]) = times(&agent, born);
    let started = known - first.iter().sum::<f64>();
    for (phase, name) in STATES[..3].iter().enumerate() {
        match phase {
            0 => {}
            1 => drop(lab.node1().run("ip", &["link", "del", "spare0"]).unwrap()),
            _ => pair.send(0, [100]),
        }
        wait_until(name, || state(&agent.metrics(), REQUIRED) == *name);
        let (from, watched_from, [from_low, from_high]) = times(&agent, born);
        std::thread::sleep(Duration::from_secs(3));
        let (to, watched_to, [to_low, to_high]) = times(&agent, born);
        let passed: Vec<f64> = to.iter().zip(from).map(|(to, from)| to - from).collect();
        let range = to_low - from_high..=to_high - from_low;
        println!("{name}: {passed:?} s of {range:?} s");
        for (at, passed) in passed.iter().enumerate() {
            match at == phase {
                true => assert!(range.contains(passed), "{name}: {passed} not in {range:?}"),
                false => assert!(passed.abs() < 1e-6, "{name}: {passed} of {}", STATES[at]),
            }
        }
        let watched = watched_to - watched_from;
        let expected = if *name == "unknown" {
            0.0
        } else {
            passed[phase]
        };
        assert!((watched - expected).abs() < 1e-6, "{name}: {watched}");
        // No gap between the phases either.
        let sum: f64 = to.iter().sum();
        let since = to_low - started..=to_high;
        assert!(since.contains(&sum), "{name}: {sum} not in {since:?}");
        assert!(
            (sum - watched_to - to[1]).abs() < 1e-6,
            "{name}: {watched_to}"
        );
    }
    // A network without a description has no times.
    let page = agent.metrics();
    let of = |vni: u32| {
        page.contains(&format!(
            "overlay_network_watched_seconds_total{{vni=\"{vni}\"}}"
        ))
    };
    assert!(of(REQUIRED) && of(OPTIONAL) && !of(1));
    agent.monitor.stop();
}

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

#[test]
fn an_audit_ends_with_what_it_found_as_its_exit_code() {
    let lab = lab();
    let config = networks("audit");
    let only_optional = Config::new(
        "audit-optional",
        &format!("[[network]]\nvni = {OPTIONAL}\nencrypted = \"optional\"\n"),
    );
    let audit = |config: &Config, more: &[&str], traffic: &dyn Fn()| {
        let arguments = [
            &["audit", "-i", "eth0", "--duration", "5s"],
            &config.arguments()[..],
            more,
        ]
        .concat();
        let mut monitor = Monitor::start(lab.node1(), &arguments);
        monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
        traffic();
        let (status, _) = monitor.wait();
        (status.code().unwrap(), monitor.out(), monitor.err())
    };
    let (code, out, err) = audit(&config, &[], &|| required(&lab).send(0, [100; 7]));
    assert_eq!(code, 1, "{err}");
    for part in [
        "    4096  app1\\x1b[2J\\x0a",
        "VIOLATION  app1\\x1b[2J\\x0a (VNI 4096) must be encrypted, but is in cleartext",
        "sent to 192.168.77.2: 7 packets",
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
    assert!(out.chars().all(|c| c == '\n' || !c.is_control()), "{out}");
    assert!(
        err.contains("must be encrypted, but cleartext was sent"),
        "{err}"
    );

    // Idle is no proof.
    let (code, out, err) = audit(&config, &["--format", "json"], &|| ());
    assert_eq!(code, 5, "{err}");
    assert!(
        err.contains("undecided: app1") && err.contains("was idle"),
        "{err}"
    );
    let last: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["type"], &last["exit_code"]),
        (&"audit_summary".into(), &5.into()),
        "{out}"
    );

    let both = |from: usize| {
        let ends = ["app2-network.1", "app2-network.2"].map(|name| lab.container(name).unwrap());
        Pair::new(ends[0], ends[1], 5000).send(from, [100; 5]);
    };
    let (code, out, err) = audit(&only_optional, &[], &|| both(1));
    assert_eq!(code, 0, "{err}");
    assert!(
        out.contains("70000") && out.contains("optional") && out.contains("cleartext"),
        "{out}"
    );
    // The command line goes over the file.
    let (code, _, err) = audit(&only_optional, &["--require", "70000"], &|| both(0));
    assert_eq!(code, 1, "{err}");
}

#[test]
fn an_audit_that_is_stopped_says_what_is_known_by_then() {
    let lab = lab();
    let config = networks("stopped");
    let arguments = [
        &["audit", "-i", "eth0", "--duration", "1h"],
        &config.arguments()[..],
    ]
    .concat();
    let mut monitor = Monitor::start(lab.node1(), &arguments);
    monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
    required(&lab).send(1, [100; 3]);
    monitor.wait_for("the violation is logged", |monitor| {
        monitor.err().contains("violation")
    });
    monitor.signal(libc::SIGINT);
    let (status, took) = monitor.wait();
    assert_eq!(status.code(), Some(1), "{}", monitor.err());
    assert!(took < Duration::from_secs(5));
    let out = monitor.out();
    assert!(
        out.contains("Partial") && out.contains("received from 192.168.77.2: 3 packets"),
        "{out}"
    );
}

#[test]
fn an_audit_of_nonsense_is_refused() {
    let lab = lab();
    for (arguments, says) in [
        (["--duration", "0s"], "from 1s to 168h (7 days)"),
        (["--duration", "soon"], "60s, 5m or 1h30m"),
        (["--require", "16777216"], "0 to 16777215"),
        (["--window", "0s"], "from 1s to 24h"),
    ] {
        let ended = run(
            lab.node1(),
            &[&["audit", "-i", "eth0"], &arguments[..]].concat(),
        );
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(says), "{ended:?}");
    }
}
