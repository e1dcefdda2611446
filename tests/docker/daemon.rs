//! Docker's own daemon.

use std::time::{Duration, Instant};

use overlay_tests::dockerd::{Dockerd, Folder};
use overlay_tests::frame::{ethernet, ipv4, overlay, udp};
use overlay_tests::process::run;
use overlay_tests::wire::Raw;

use super::{agent, quiet, says, times, up};

/// What `check` says of Docker at this socket.
fn check(host: &monitor_lab::Host, socket: &str) -> String {
    let check = run(host, &["check", "--docker", socket]);
    assert_eq!(check.code, Some(0), "{check:?}");
    let squeezed = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
    let lines: Vec<String> = check
        .out
        .lines()
        .map(squeezed)
        .skip_while(|line| !line.contains(" Docker"))
        .collect();
    lines.join("\n")
}

#[test]
fn networks_are_followed_over_restarts() {
    let lab = quiet();
    let folder = Folder::new();
    let socket = folder.path(Dockerd::SOCKET);
    let host = lab.node1();
    assert!(
        check(host, &socket).starts_with("limited Docker"),
        "there is no daemon yet"
    );

    let mut agent = agent(host, &socket);
    says(&mut agent, "Docker does not answer at ");
    assert!(agent.monitor.err().contains("no such socket"));
    assert_eq!(up(&agent), Some(0));

    let daemon = Dockerd::start(host, &folder);
    says(
        &mut agent,
        "Docker answers again: no overlay network on this node",
    );
    assert_eq!(up(&agent), Some(1));
    daemon.swarm("");
    says(
        &mut agent,
        "Docker: ingress network ingress (VNI 4096, not encrypted) was added",
    );
    let start = Instant::now();
    daemon.network("app1-network", r#""encrypted":"""#);
    says(
        &mut agent,
        "Docker: network app1-network (VNI 4097, encrypted) was added",
    );
    let took = start.elapsed();
    // It takes a third of a second on an idle machine, and longer on a busy one.
    assert!(took < Duration::from_secs(20), "{took:?}");
    // It is required from then on.
    let inner = ethernet(0x0800, &ipv4(17, &[], &udp(1000, 2000, b"in the clear")));
    let raw = Raw::open(lab.node2(), "eth0");
    let violation =
        "violation: app1-network (VNI 4097) must be encrypted, but cleartext was received";
    agent.monitor.wait_for(violation, |monitor| {
        raw.send(&overlay(4097, &inner));
        monitor.err().contains(violation)
    });
    // The presence of the key counts.
    daemon.network("app2", r#""encrypted":"false""#);
    says(
        &mut agent,
        "Docker: network app2 (VNI 4098, encrypted) was added",
    );
    daemon.network("app3", "");
    says(
        &mut agent,
        "Docker: network app3 (VNI 4099, not encrypted) was added",
    );
    daemon.remove("app2");
    says(
        &mut agent,
        "Docker: network app2 (VNI 4098, encrypted) was removed",
    );
    assert_eq!(
        check(host, &socket).lines().next(),
        Some(
            "ok Docker must be encrypted: app1-network (VNI 4097); may be cleartext: ingress (VNI 4096), app3 (VNI 4099)"
        )
    );

    // A network without a container here needs no rule yet.
    let rules = check(host, &socket);
    let rules = rules
        .lines()
        .find(|line| line.contains("app1-network (VNI 4097) no rule"));
    assert!(rules.unwrap().starts_with("ok "), "{rules:?}");

    // Killed, with everything that it had started.
    drop(daemon);
    says(&mut agent, "keeping the 3 last known networks");
    assert_eq!(up(&agent), Some(0));
    let daemon = Dockerd::start(host, &folder);
    says(
        &mut agent,
        "Docker answers again: 3 overlay networks, 1 encrypted",
    );
    assert_eq!(up(&agent), Some(1));
    assert_eq!(times(&agent, "Docker does not answer"), 2, "each time once");
    daemon.remove("app1-network");
    says(
        &mut agent,
        "Docker: network app1-network (VNI 4097, encrypted) was removed",
    );
    agent.monitor.stop();
}

#[test]
fn another_port_of_the_swarm_is_warned_of() {
    let lab = quiet();
    let folder = Folder::new();
    let socket = folder.path(Dockerd::SOCKET);
    let host = lab.node1();
    let daemon = Dockerd::start(host, &folder);
    daemon.swarm(r#","DataPathPort":7789"#);
    let warning = "the Swarm sends VXLAN to UDP port 7789, which is not watched as VXLAN; give --vxlan-port 7789";
    assert!(check(host, &socket).contains(warning));
    let mut without = agent(host, &socket);
    says(&mut without, warning);
    without.monitor.stop();
    let arguments = ["--docker", &socket, "--vxlan-port", "7789"];
    let mut with = overlay_tests::agent::Agent::start(host, &arguments);
    says(&mut with, "Docker: 1 overlay network, 0 encrypted");
    assert_eq!(times(&with, "not watched"), 0);
    with.monitor.stop();
}

#[test]
fn a_host_without_docker_is_no_trouble() {
    let lab = quiet();
    let host = lab.node1();
    for arguments in [&["--docker", "off"][..], &["--docker", "auto"]] {
        if arguments[1] == "auto" && std::path::Path::new("/var/run/docker.sock").exists() {
            continue;
        }
        let mut agent = overlay_tests::agent::Agent::start(host, arguments);
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(up(&agent), None);
        assert_eq!(times(&agent, "Docker"), 0, "{}", agent.monitor.err());
        agent.monitor.stop();
    }
}
