//! The benchmark of encryption between two machines, which are the two nodes of a lab here: each is a network namespace with a
//! card. Needs root. In the virtual machine it has ESP and WireGuard, too (`vm_two_machines`).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

mod run;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use monitor_lab::Lab;
use run::{Machine, PATIENCE, Run, all_ways, is_gone, lab, state, until};
use serde_json::Value;

fn number(row: &Value, of: &str) -> f64 {
    row[of]["median"].as_f64().unwrap()
}

#[test]
fn both_machines_get_the_same_result() {
    let lab = lab();
    let before = state(&lab);
    let listener = Run::listen(&lab, &[]);
    let other = Run::connect(&lab, &listener.token(), all_ways(), &[]);
    // Otherwise no later look could find anything.
    until("it is seen", || !is_gone(&lab, &before));
    until("its programs are seen", || listener.processes().len() > 2);
    let reports = [listener.report(), other.report()];
    let [theirs, ours] = &reports;
    for report in &reports {
        assert_eq!(report["rounds"], 1);
        assert_eq!(report["two_machines"]["receiver_card"]["name"], "eth0");
        assert_eq!(report["two_machines"]["sender_via"], "macvlan");
        assert_eq!(
            report["two_machines"]["receiver"]["kernel"],
            report["machine"]["kernel"]
        );
    }
    let list = |report: &Value, key: &str| report[key].as_array().unwrap().clone();
    assert_eq!(
        list(ours, "ways").len(),
        all_ways().split(',').count(),
        "{}",
        ours["left_out"]
    );
    assert!(list(ours, "left_out").is_empty());
    assert_eq!(ours["ways"], theirs["ways"]);
    for way in list(ours, "ways") {
        for size in way["sizes"].as_array().unwrap() {
            assert_eq!(
                size["bytes"].as_f64(),
                size["formula_bytes"].as_f64(),
                "{way}"
            );
        }
        assert_eq!(
            way["frames_around_the_mtu"],
            serde_json::json!([1.0, 2.0]),
            "{way}"
        );
    }
    let rows = [list(ours, "rows"), list(theirs, "rows")];
    assert_eq!(rows[0].len(), rows[1].len());
    for (ours, theirs) in rows[0].iter().zip(&rows[1]) {
        assert_eq!(
            (&ours["way"], &ours["load"]),
            (&theirs["way"], &theirs["load"])
        );
        for of in [
            "rate",
            "cpu_seconds_per_million",
            "receiver_cpu_seconds_per_million",
        ] {
            let (ours, theirs) = (number(ours, of), number(theirs, of));
            assert!(
                ours >= 0.0 && (ours - theirs).abs() <= 1e-9 * ours,
                "{of}: {ours} {theirs}"
            );
        }
        assert!(number(ours, "rate") > 0.0);
    }
    until("what was made is gone", || is_gone(&lab, &before));
}

#[test]
fn strangers_are_refused_and_the_owner_of_the_token_is_still_heard() {
    let lab = lab();
    let before = state(&lab);
    let listener = Run::listen(&lab, &[]);
    let token = listener.token();
    let usual = listener.memory();

    // Silent, slow, and loud ones, more than there is room for.
    let start = Instant::now();
    let connect = || {
        let address = (lab.node1().address(), 9470);
        lab.node2()
            .enter(|| TcpStream::connect(address))
            .unwrap()
            .unwrap()
    };
    let silent: Vec<TcpStream> = (0..20).map(|_| connect()).collect();
    let mut slow = connect();
    // A TLS record of 512 bytes.
    slow.write_all(&[22, 3, 1, 2, 0]).unwrap();
    let slow = thread::spawn(move || {
        while slow.write_all(&[1]).is_ok() {
            thread::sleep(Duration::from_millis(200));
        }
    });
    for stranger in &silent {
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut stranger = stranger;
        // The listener closes it; it may send an alert before.
        while !matches!(stranger.read(&mut [0; 64]), Ok(0) | Err(_)) {}
    }
    slow.join().unwrap();
    let took = start.elapsed();
    // Two turns of ten seconds, as there is room for sixteen at a time.
    assert!(took > Duration::from_secs(8) && took < PATIENCE, "{took:?}");
    for garbage in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100_000],
        &[22, 3, 1, 0xff, 0xff],
        &[0; 3],
    ] {
        let mut stranger = connect();
        // It may be closed before all is written.
        let _ = stranger.write_all(garbage);
        let _ = stranger.shutdown(std::net::Shutdown::Write);
        stranger.set_read_timeout(Some(PATIENCE)).unwrap();
        while !matches!(stranger.read(&mut [0; 64]), Ok(0) | Err(_)) {}
    }
    // A proper client of TLS 1.3 without the key.
    let mut openssl = lab.node2().command("openssl").unwrap();
    let address = format!("{}:9470", lab.node1().address());
    openssl
        .args(["s_client", "-connect", &address])
        .stdin(Stdio::null());
    assert!(!openssl.output().unwrap().status.success());

    // Without a token, and with others.
    let wrong = token.chars().rev().collect::<String>();
    for (token, says) in [
        ("", "not a token"),
        ("0123", "not a token"),
        (&wrong, "has not proved that it knows the token"),
    ] {
        let start = Instant::now();
        let refused = Run::connect(&lab, token, "direct", &[]);
        let said = refused.failure();
        assert!(said.contains(says), "{said}");
        assert!(start.elapsed() < PATIENCE);
    }
    assert!(listener.is_running());
    let most = listener.memory();
    assert!(
        most < usual + 16 * 1024,
        "{usual} KiB before, {most} KiB after"
    );

    // Another address takes every place, and takes it again. The token is good for one connection: a second one finds nobody.
    let ends = AtomicBool::new(false);
    let other = thread::scope(|scope| {
        scope.spawn(|| {
            let mut held = VecDeque::new();
            while !ends.load(Ordering::Relaxed) {
                let address = (lab.node1().address(), 9470);
                let silent = lab.node1().enter(|| TcpStream::connect(address));
                held.extend(silent.unwrap());
                if held.len() > 40 {
                    held.pop_front();
                }
                thread::sleep(Duration::from_millis(2));
            }
        });
        thread::sleep(Duration::from_secs(1));
        let start = Instant::now();
        let other = Run::connect(&lab, &token, "direct", &[]);
        until("the owner is heard", || {
            listener.said().contains("has connected")
        });
        let took = start.elapsed();
        ends.store(true, Ordering::Relaxed);
        assert!(took < Duration::from_secs(8), "{took:?}");
        other
    });
    let second = Run::connect(&lab, &token, "direct", &[]);
    assert!(second.failure().contains("cannot connect"));
    other.report();
    listener.report();
    until("what was made is gone", || is_gone(&lab, &before));
}

#[test]
fn a_vni_or_spi_in_use_is_refused() {
    let lab = lab();
    // The lab's own network.
    let refused = Run::listen(&lab, &["--vni", "4096"]);
    let said = refused.failure();
    assert!(
        said.contains("VNI 4096 is in use on this machine: device vxlan0"),
        "{said}"
    );
    if std::env::var_os("OVERLAY_VM").is_some() {
        let spi = associations(&lab).first().copied().unwrap();
        let refused = Run::listen(&lab, &["--spi", &(spi - 3).to_string()]);
        let said = refused.failure();
        assert!(said.contains(&format!("SPI {spi:#x} is in use")), "{said}");
    }
    // One that appears after the listener has looked is found by the other machine.
    let listener = Run::listen(&lab, &["--vni", "9000001"]);
    let token = listener.token();
    let add = "link add vxlan9 type vxlan id 9000001 dstport 4789 local 192.168.77.2";
    let words: Vec<&str> = add.split(' ').collect();
    lab.node2().run("ip", &words).unwrap();
    let other = Run::connect(&lab, &token, "direct", &[]);
    for said in [other.failure(), listener.failure()] {
        assert!(said.contains("VNI 9000001 is in use"), "{said}");
    }
}

/// SPIs of a node of the lab.
fn associations(lab: &Lab) -> Vec<u32> {
    let printed = lab.node1().run("ip", &["xfrm", "state"]).unwrap();
    let words: Vec<&str> = printed.split_whitespace().collect();
    let spis = words.windows(2).filter(|pair| pair[0] == "spi");
    spis.map(|pair| u32::from_str_radix(pair[1].trim_start_matches("0x"), 16).unwrap())
        .collect()
}

/// When a machine is killed.
const MOMENTS: &[(&str, &str)] = &[
    ("a token was printed", "Token"),
    ("the other machine has connected", "has connected"),
    ("a way is set up", "no overlay: set up"),
    ("the next way is set up", "VXLAN: set up"),
    ("it is measured", "1 rounds"),
];

#[test]
fn nothing_is_left_where_either_machine_is_killed() {
    let lab = lab();
    let before = state(&lab);
    // Moments after the last line, in milliseconds: streams, then the programs that send requests.
    let later = [300, 1500, 3000, 5000];
    let moments = MOMENTS.iter().map(|moment| (*moment, 0));
    let measuring = later.map(|later| (MOMENTS[4], later));
    for (((what, says), later), victim) in moments
        .chain(measuring)
        .flat_map(|moment| Machine::BOTH.map(|victim| (moment, victim)))
    {
        let listener = Run::listen(&lab, &["--wait", "1"]);
        let other = Run::connect(&lab, &listener.token(), all_ways(), &["--limit", "5"]);
        let both = [&listener, &other];
        until(what, || both.iter().any(|run| run.said().contains(says)));
        thread::sleep(Duration::from_millis(later));
        let [killed, left] = match victim {
            Machine::Listener => both,
            Machine::Other => [both[1], both[0]],
        };
        killed.kill();
        let start = Instant::now();
        let said = left.failure();
        // The connection ends at the other one; a client of requests may run to its own end.
        assert!(
            start.elapsed() < Duration::from_secs(100),
            "{victim:?}, {what}: {said}"
        );
        until("what was made is gone", || is_gone(&lab, &before));
        for run in both {
            assert_eq!(
                run.processes(),
                Vec::<String>::new(),
                "{victim:?}, {what} + {later} ms"
            );
        }
    }
}

#[test]
fn both_end_at_the_deadline() {
    let lab = lab();
    let before = state(&lab);
    let listener = Run::listen(&lab, &[]);
    let other = Run::connect(
        &lab,
        &listener.token(),
        "direct",
        &["--limit", "1", "--runs", "1000", "--milliseconds", "1000"],
    );
    let start = Instant::now();
    for run in [&other, &listener] {
        let said = run.failure();
        assert!(said.contains("ended"), "{said}");
    }
    let took = start.elapsed();
    assert!(
        took > Duration::from_secs(30) && took < Duration::from_secs(90),
        "{took:?}"
    );
    until("what was made is gone", || is_gone(&lab, &before));
}
