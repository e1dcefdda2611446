//! Clean ends: signals, enough lines, and a closed pipe.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use overlay_tests::agent::Agent;
use overlay_tests::associations::ip;
use overlay_tests::attached::attached;
use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{Monitor, command, wait_until};
use overlay_tests::wire::Raw;

use super::quiet;
use super::reload::File;

/// What a person takes for at once.
const QUICK: Duration = Duration::from_secs(5);

#[test]
fn run_and_tail_end_with_0_on_sigint_and_sigterm() {
    let lab = quiet();
    let node = lab.node1();
    for signal in [libc::SIGINT, libc::SIGTERM] {
        let mut agent = Agent::start(node, &[]);
        let mut tail = Monitor::tail(node, &[]);
        for monitor in [&mut agent.monitor, &mut tail] {
            monitor.signal(signal);
            let (status, took) = monitor.wait();
            assert_eq!(status.code(), Some(0), "{}", monitor.err());
            assert!(took < QUICK, "{took:?}");
        }
        assert_eq!(attached(node), [""; 0]);
    }
}

/// Signals that are held, in hexadecimal: `SigBlk` of `/proc/PID/status` (proc(5)).
fn held(id: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("SigBlk:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

#[test]
fn a_signal_during_the_start_waits_and_ends_it_with_0() {
    let lab = quiet();
    let node = lab.node1();
    for _ in 0..20 {
        let mut tail = Monitor::start(node, &["tail", "-i", "eth0"]);
        let id = tail.id();
        wait_until("it holds signals", || {
            held(id).is_some_and(|held| held & (1 << (libc::SIGTERM - 1)) != 0)
        });
        tail.stop();
    }
    assert_eq!(attached(node), [""; 0]);
}

#[test]
fn known_networks_of_a_host_are_no_warning_where_flows_are_not_counted() {
    let lab = quiet();
    let node = lab.node1();
    for vni in [5, 6, 7] {
        let device = format!("link add vx{vni} type vxlan id {vni} dstport 4789 dev eth0");
        ip(node, &device);
    }
    let file = File::new(
        "uncounted",
        "docker = 'off'\ninterfaces = ['eth0']\nlisten = '127.0.0.1:0'\nexposure = false\n",
    );
    for arguments in [
        &["tail", "-i", "eth0"][..],
        &["run", "--config", file.path()],
    ] {
        let mut monitor = Monitor::start(node, arguments);
        monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
        monitor.stop();
        assert!(!monitor.err().contains("WARN"), "{}", monitor.err());
    }
}

#[test]
fn sighup_ends_nothing_and_every_other_ending_signal_ends_with_the_report() {
    let lab = quiet();
    let node = lab.node1();
    let endings = [
        libc::SIGINT,
        libc::SIGTERM,
        libc::SIGQUIT,
        libc::SIGALRM,
        libc::SIGUSR1,
        libc::SIGUSR2,
    ];
    for ending in endings {
        let audit = ["audit", "-i", "eth0", "--docker", "off", "--duration", "1h"];
        let run = [
            "run",
            "-i",
            "eth0",
            "--docker",
            "off",
            "--listen",
            "127.0.0.1:0",
        ];
        for arguments in [&audit[..], &run, &["tail", "-i", "eth0"]] {
            let mut monitor = Monitor::start(node, arguments);
            monitor.wait_for("it watches", |monitor| monitor.err().contains("watching"));
            monitor.signal(libc::SIGHUP);
            let line = match arguments[0] {
                "run" => "the configuration is reloaded",
                _ => "SIGHUP is ignored",
            };
            monitor.wait_for(line, |monitor| monitor.err().contains(line));
            monitor.signal(ending);
            let (status, _) = monitor.wait();
            assert_eq!(status.code(), Some(0), "{ending}: {}", monitor.err());
            if arguments[0] == "audit" {
                assert!(
                    monitor.out().contains("Partial: ended"),
                    "{}",
                    monitor.out()
                );
            }
        }
        assert_eq!(attached(node), [""; 0]);
    }
}

#[test]
fn tail_ends_when_its_reader_is_gone_though_the_wire_is_quiet() {
    let lab = quiet();
    let mut command = command(lab.node1(), &["tail", "-i", "eth0"]);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    wait_until("it watches", || !attached(lab.node1()).is_empty());
    drop(child.stdout.take());
    let mut status = None;
    wait_until("it ends", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    assert_eq!(status.unwrap().code(), Some(0));
    assert_eq!(attached(lab.node1()), [""; 0]);
}

#[test]
fn tail_ends_when_its_reader_is_gone() {
    let lab = quiet();
    let wire = Raw::open(lab.node2(), "eth0");
    let send = || wire.send(&overlay(VNI, &redis_command()));
    for format in ["text", "json"] {
        let mut command = command(lab.node1(), &["tail", "-i", "eth0", "--format", format]);
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = String::new();
        BufReader::new(child.stderr.take().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert!(said.starts_with("watching eth0 rx"), "{said}");
        send();
        // As `head -1` does.
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        assert!(line.contains("HGETALL"), "{line}");
        drop(out);
        let mut status = None;
        wait_until("it ends", || {
            send();
            status = child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
        assert_eq!(attached(lab.node1()), [""; 0]);
    }
}

#[test]
fn tail_ends_after_as_many_lines_as_asked_for() {
    let lab = quiet();
    let wire = Raw::open(lab.node2(), "eth0");
    let mut tail = Monitor::tail(lab.node1(), &["-n", "2"]);
    for _ in 0..10 {
        wire.send(&overlay(VNI, &redis_command()));
    }
    let (status, _) = tail.wait();
    assert_eq!(status.code(), Some(0), "{}", tail.err());
    assert_eq!(tail.out().lines().count(), 2, "{}", tail.out());
    assert_eq!(attached(lab.node1()), [""; 0]);
}
