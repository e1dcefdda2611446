//! Encrypted networks on a kernel with ESP: what is encrypted is called so, over changes of keys too, and each accident is named.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::time::{Duration, Instant};

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::agent::{Agent, state_seconds, value};
use overlay_tests::associations::{ip, protect, send};
use overlay_tests::frame::{ethernet, ip_between, overlay, redis_command, udp, vxlan};
use overlay_tests::offload::{self, Offload};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::wire::{Pair, Raw, bound};

/// The network that is encrypted, and must be.
const VNI: u32 = 4096;
/// A violation is in the log this long after its first packet, at most.
const SAID: Duration = Duration::from_secs(2);
/// Changes of keys, under traffic.
const ROTATIONS: usize = 10;

fn lab() -> Lab {
    let lab = Lab::builder().encrypted(true).quiet(true);
    lab.build().unwrap()
}

fn start<'a>(host: &'a Host, more: &[&str]) -> Agent<'a> {
    // Longer than a busy emulated machine needs to look at what was seen.
    start_over(host, "40s", more)
}

fn start_over<'a>(host: &'a Host, window: &str, more: &[&str]) -> Agent<'a> {
    let vni = VNI.to_string();
    let arguments = ["--docker", "off", "--require", &vni, "--window", window];
    Agent::start(host, &[&arguments[..], more].concat())
}

fn state(agent: &Agent) -> String {
    let page = agent.metrics();
    let name = format!("overlay_network_state{{vni=\"{VNI}\",state=\"");
    let mut found = page
        .lines()
        .filter_map(|line| line.strip_prefix(&name)?.strip_suffix("\"} 1"));
    found.next().unwrap().to_owned()
}

fn violations(agent: &Agent, direction: &str) -> (u64, u64) {
    let page = agent.metrics();
    let labels = format!("{{vni=\"{VNI}\",direction=\"{direction}\"}}");
    let metric = |name: &str| value(&page, &format!("overlay_violation_{name}{labels}"));
    (metric("packets_total"), metric("active"))
}

/// Waits until a violation is logged, and gives its line.
fn logged(agent: &mut Agent, part: &str) -> String {
    let find = |err: &str| {
        let mut lines = err.lines();
        let line = lines.find(|line| line.contains("WARN violation: ") && line.contains(part));
        line.map(str::to_owned)
    };
    agent
        .monitor
        .wait_for(part, |monitor| find(&monitor.err()).is_some());
    find(&agent.monitor.err()).unwrap()
}

/// Asserts that a violation is logged in time after `first`, and gives its line.
fn said(agent: &mut Agent, first: Instant, part: &str) -> String {
    let line = logged(agent, part);
    let took = first.elapsed();
    println!("after {took:?}: {line}");
    assert!(took < SAID, "said after {took:?}: {line}");
    line
}

/// How many datagrams go over the changes of keys: those of the variable `OVERLAY_TEST_PACKETS`, or a few.
fn packets() -> usize {
    match std::env::var("OVERLAY_TEST_PACKETS") {
        Ok(packets) => packets.parse().unwrap(),
        Err(_) => 10_000,
    }
}

fn rotations_are_no_violation(hook: &str) {
    let lab = lab();
    let mut agents =
        [lab.node1(), lab.node2()].map(|node| start_over(node, "1h", &["--hook", hook]));
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5000);
    let round = packets().div_ceil(2 * ROTATIONS);
    let sent = std::thread::scope(|scope| {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        // Nobody keeps a beginning: the next change waits for a round that begins after the last one, so that what was on
        // the way at a change has arrived before the next, however slow the machine is.
        let (begin, begun) = std::sync::mpsc::sync_channel::<()>(0);
        let traffic = scope.spawn(move || {
            let mut sent = 0;
            while sent < packets() || stopped.try_recv().is_err() {
                // Refused while a change is made, and once all were.
                let _ = begin.try_send(());
                for from in [0, 1] {
                    pair.send(from, (0..round).map(|n| n % 1300));
                }
                sent += 2 * round;
            }
            sent as u64
        });
        // One in each round of the traffic, so that they are spread over all of it.
        for _ in 0..ROTATIONS {
            begun.recv().expect("there is traffic");
            lab.rotate_keys().unwrap();
        }
        stop.send(()).unwrap();
        traffic.join().unwrap()
    });
    println!("{hook}: {sent} datagrams over {ROTATIONS} changes of keys");
    for agent in &mut agents {
        assert_eq!(state(agent), "encrypted", "{}", agent.monitor.err());
        for direction in ["rx", "tx"] {
            assert_eq!(violations(agent, direction), (0, 0));
            let name = format!(
                "overlay_esp_network_packets_total{{direction=\"{direction}\",vni=\"{VNI}\"}}"
            );
            assert_eq!(agent.metric(&name), sent / 2, "{direction}");
        }
        agent.monitor.stop();
        assert!(
            !agent.monitor.err().contains("violation"),
            "{}",
            agent.monitor.err()
        );
    }
}

#[test]
fn an_encrypted_network_is_called_so_over_changes_of_keys() {
    let _unloaded = offload::unloaded();
    for hook in ["tc", "xdp"] {
        rotations_are_no_violation(hook);
    }
}

#[test]
fn nor_where_the_kernel_decrypts_before_the_hook() {
    // Before the lab, so that it goes after it.
    let _offload = Offload::load();
    rotations_are_no_violation("tc");
}

#[test]
fn a_marking_rule_that_is_gone_is_a_violation_on_both_sides() {
    let _unloaded = offload::unloaded();
    let lab = lab();
    let (one, two) = (lab.container(WEB).unwrap(), lab.container(CLIENT).unwrap());
    let mut sender = start(lab.node1(), &[]);
    let mut receiver = start(lab.node2(), &[]);
    let socket = bound(one, (one.address(), 5000));
    socket.connect((two.address(), 5000)).unwrap();
    // A receiver, so that the node does not answer with "port unreachable".
    let _receiver = bound(two, (two.address(), 5000));
    let send = |packets| {
        for _ in 0..packets {
            socket.send(&[0x2e; 100]).unwrap();
        }
    };
    send(15);
    wait_until("all of it is encrypted", || {
        state(&sender) == "encrypted" && state(&receiver) == "encrypted"
    });
    // CVE-2023-28841: the rule that marks what is to be encrypted is not there.
    let chain = ["list", "chain", "inet", "overlay-lab", "encrypt"];
    let chain = lab.node1().run("nft", &chain).unwrap();
    lab.node1()
        .run("nft", &["flush chain inet overlay-lab encrypt"])
        .unwrap();
    let first = Instant::now();
    send(5);
    let line = said(&mut sender, first, "but cleartext was sent to 192.168.77.2");
    assert!(line.contains(&format!("VNI {VNI}")), "{line}");
    said(
        &mut receiver,
        first,
        "but cleartext was received from 192.168.77.1",
    );
    assert_eq!(
        (violations(&sender, "tx"), violations(&sender, "rx")),
        ((5, 1), (0, 0))
    );
    assert_eq!(
        (violations(&receiver, "rx"), violations(&receiver, "tx")),
        ((5, 1), (0, 0))
    );
    for agent in [&sender, &receiver] {
        assert_eq!(state(agent), "mixed");
        let (_, body) = agent.ask("/networks").unwrap();
        assert!(body.contains("\"cleartext_share\":0.25"), "{body}");
    }
    // The rule is back: the end says that this was seen, not that nothing was.
    lab.node1().run("nft", &[&chain]).unwrap();
    send(10);
    for agent in [&mut sender, &mut receiver] {
        let over = over_line(agent);
        assert!(over.contains("; it was seen encrypted since"), "{over}");
        agent.monitor.stop();
    }
}

/// The line that says that a violation is over, once it is.
fn over_line(agent: &mut Agent) -> String {
    let find = |err: &str| {
        let mut lines = err.lines();
        let line = lines.find(|line| line.contains("INFO violation over: "));
        line.map(str::to_owned)
    };
    agent
        .monitor
        .wait_for("it is over", |monitor| find(&monitor.err()).is_some());
    find(&agent.monitor.err()).unwrap()
}

#[test]
fn esp_where_it_is_forbidden_is_a_violation_of_both_sides() {
    let _unloaded = offload::unloaded();
    let lab = lab();
    let folder = std::env::temp_dir();
    let config = folder.join(format!("overlay-forbidden-{}.toml", std::process::id()));
    let text = format!("[[network]]\nvni = {VNI}\nencrypted = 'forbidden'\n");
    std::fs::write(&config, text).unwrap();
    let arguments = [
        "--docker",
        "off",
        "--config",
        config.to_str().unwrap(),
        "--window",
        "40s",
    ];
    let mut agents = [lab.node1(), lab.node2()].map(|node| Agent::start(node, &arguments));
    std::fs::remove_file(&config).unwrap();
    let ends = [WEB, CLIENT].map(|name| lab.container(name).unwrap());
    let pair = Pair::new(ends[0], ends[1], 5000);
    pair.send(0, [100; 7]);
    for (agent, part) in agents.iter_mut().zip([
        "must not be encrypted, but ESP was sent to 192.168.77.2",
        "must not be encrypted, but ESP was received from 192.168.77.1",
    ]) {
        let line = logged(agent, part);
        assert!(line.contains(&format!("VNI {VNI}")), "{line}");
    }
    for (agent, [here, there]) in agents.iter_mut().zip([["tx", "rx"], ["rx", "tx"]]) {
        assert_eq!(violations(agent, here), (7, 1));
        assert_eq!(violations(agent, there), (0, 0));
        assert_eq!(state(agent), "encrypted");
    }
    for agent in &mut agents {
        agent.monitor.wait_for("it is over", |monitor| {
            monitor.err().contains("INFO violation over: ")
        });
        agent.monitor.stop();
    }
}

#[test]
fn esp_of_the_null_cipher_is_a_violation_of_both_sides_and_named() {
    let _unloaded = offload::unloaded();
    let lab = lab();
    // A network that only these datagrams are of.
    const NULL: u32 = 99;
    let require = NULL.to_string();
    let mut agents = [lab.node1(), lab.node2()].map(|node| start(node, &["--require", &require]));
    let addresses = ["192.168.78.1", "192.168.78.2"];
    for (host, address) in [lab.node1(), lab.node2()].into_iter().zip(addresses) {
        ip(host, &format!("addr add {address}/24 dev eth0"));
    }
    let null = format!("enc cipher_null '' auth hmac(sha256) 0x{}", "5b".repeat(32));
    protect(&lab, addresses, 0x6000, &null);
    let first = Instant::now();
    send(
        lab.node1(),
        addresses,
        &vec![vxlan(NULL, &redis_command()); 5],
    );
    for (agent, part) in agents.iter_mut().zip([
        "but cleartext was sent to 192.168.78.2",
        "but cleartext was received from 192.168.78.1",
    ]) {
        let line = said(agent, first, part);
        assert!(line.contains("VNI 99"), "{line}");
    }
    for (agent, direction) in agents.iter_mut().zip(["tx", "rx"]) {
        agent.monitor.wait_for("its cause", |monitor| {
            let err = monitor.err();
            err.lines().any(|line| {
                line.contains("VNI 99") && line.contains("authenticates without encrypting")
            })
        });
        let page = agent.metrics();
        let of = |name: &str, labels: &str| value(&page, &format!("overlay_{name}{{{labels}}}"));
        let labels = format!("vni=\"99\",direction=\"{direction}\"");
        assert_eq!(of("violation_packets_total", &labels), 5);
        assert_eq!(of("violation_active", &labels), 1);
        assert_eq!(of("network_state", "vni=\"99\",state=\"cleartext\""), 1);
        // What is inside is read, as if nothing were around it.
        let labels = format!(
            "direction=\"{direction}\",vni=\"99\",protocol=\"redis\",exposure=\"plaintext\""
        );
        wait_until("it has a state", || {
            let page = agent.metrics();
            page.contains(&format!("overlay_exposure_packets_total{{{labels}}} 5"))
        });
    }
    for agent in &mut agents {
        agent.monitor.stop();
    }
}

#[test]
fn cleartext_that_is_injected_is_a_violation_of_the_one_who_receives_it() {
    let _unloaded = offload::unloaded();
    let lab = lab();
    let mut agent = start(lab.node1(), &[]);
    let pair = Pair::new(
        lab.container(WEB).unwrap(),
        lab.container(CLIENT).unwrap(),
        5000,
    );
    pair.send(0, [100; 30]);
    pair.send(1, [100; 30]);
    // CVE-2023-28840 and -28842: nothing says that it is to be refused; the lab's rule refuses it behind us.
    let packet = ethernet(
        0x0800,
        &ip_between(
            [192, 168, 77, 9].into(),
            [192, 168, 77, 1].into(),
            17,
            &udp(40_000, 4789, &vxlan(VNI, &redis_command())),
        ),
    );
    let wire = Raw::open(lab.node2(), "eth0");
    let first = Instant::now();
    wire.send(&packet);
    said(
        &mut agent,
        first,
        "but cleartext was received from 192.168.77.9",
    );
    pair.send(0, [100; 30]);
    pair.send(1, [100; 30]);
    assert_eq!(
        (violations(&agent, "rx"), violations(&agent, "tx")),
        ((1, 1), (0, 0))
    );
    assert_eq!(state(&agent), "mixed");
    agent.monitor.stop();

    // The verdict on a wire where all is well again.
    let vni = VNI.to_string();
    let arguments = [
        "audit",
        "-i",
        "eth0",
        "--docker",
        "off",
        "--require",
        &vni,
        "--duration",
        "10s",
    ];
    let mut audit = Monitor::start(lab.node1(), &arguments);
    audit.wait_for("it watches", |audit| audit.err().contains("watching"));
    pair.send(0, [100; 30]);
    let (status, _) = audit.wait();
    assert_eq!(status.code(), Some(0), "{} {}", audit.out(), audit.err());
    let out = audit.out();
    for part in [
        "required        encrypted ",
        "VNI 4096: nothing is readable\n",
        "in ESP 100.0 %, unknown 0.0 %",
    ] {
        assert!(out.contains(part), "no {part:?} in\n{out}");
    }
}

/// Sets the wall clock of this machine by so many seconds.
fn step_clock(seconds: i64) {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: both calls are given a struct that outlives them.
    let done = unsafe {
        libc::clock_gettime(libc::CLOCK_REALTIME, &raw mut time) == 0 && {
            time.tv_sec += seconds;
            libc::clock_settime(libc::CLOCK_REALTIME, &raw const time) == 0
        }
    };
    assert!(done, "{}", std::io::Error::last_os_error());
}

/// A violation ends one window after its last packet, whatever is done to the wall clock meanwhile: set back by an hour
/// it would stay open for an hour, set forward it would end at once.
#[test]
fn a_wall_clock_that_is_set_neither_ends_nor_prolongs_a_violation() {
    const WINDOW: Duration = Duration::from_secs(30);
    const HOUR: i64 = 3_600;
    let lab = Lab::builder().quiet(true).build().unwrap();
    let wire = Raw::open(lab.node2(), "eth0");
    let born = Instant::now();
    let mut agent = start_over(lab.node1(), "30s", &[]);
    // A start takes as long, at most, plus the time to the first evaluation.
    const EVALUATED: f64 = 10.0;
    let started = born.elapsed().as_secs_f64() + EVALUATED;
    let over = |agent: &Agent| agent.monitor.err().matches("violation over: ").count();
    for (steps, seconds) in [(0, -HOUR), (1, 2 * HOUR)] {
        let first = Instant::now();
        wire.send(&overlay(VNI, &redis_command()));
        wait_until("a violation opens", || violations(&agent, "rx").1 == 1);
        step_clock(seconds);
        wire.send(&overlay(VNI, &redis_command()));
        let last = Instant::now();
        // Several polls after the step, and long before the window is over.
        std::thread::sleep(Duration::from_secs(8));
        assert!(
            first.elapsed() < WINDOW,
            "this machine is too slow: {:?}",
            first.elapsed()
        );
        assert_eq!((violations(&agent, "rx").1, over(&agent)), (1, steps));
        agent.monitor.wait_for("its end", |monitor| {
            monitor.err().matches("violation over: ").count() == steps + 1
        });
        let took = last.elapsed();
        println!("clock set by {seconds} s: over {took:?} after the last packet");
        assert!(
            took + Duration::from_secs(1) >= WINDOW && took < WINDOW * 2,
            "{took:?}"
        );
    }
    step_clock(-HOUR);
    assert_eq!(violations(&agent, "rx"), (4, 0));
    // So do the times in each state: they add up to the time that really passed.
    let before = born.elapsed().as_secs_f64();
    let page = agent.metrics();
    let all = ["encrypted", "cleartext", "mixed", "idle", "unknown"];
    let sum: f64 = state_seconds(&page, VNI, all).iter().sum();
    let after = born.elapsed().as_secs_f64();
    println!("states add up to {sum} s; the agent is known for {before} to {after} s");
    assert!((before - started..=after).contains(&sum), "{sum}");
    let over = over_line(&mut agent);
    assert!(
        over.contains("; nothing of it was seen since, so the fault may still be there"),
        "{over}"
    );
    agent.monitor.stop();
}
