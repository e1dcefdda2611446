//! The endpoint: what it answers, and what it bears.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::process::PATIENCE;

use super::quiet;

/// Well under Prometheus' default scrape timeout of 10 s.
const PROMPT: Duration = Duration::from_secs(5);

fn connect(host: &Host) -> TcpStream {
    let stream = host
        .enter(|| TcpStream::connect("127.0.0.1:9469"))
        .unwrap()
        .unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes, and gives all that comes back until the other side closes.
fn talk(mut stream: TcpStream, bytes: &[u8]) -> String {
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

const SCRAPE: &[u8] = b"GET /metrics HTTP/1.1\r\nHost: node1\r\nConnection: close\r\n\r\n";

#[test]
fn other_paths_and_methods() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    assert_eq!(agent.ask("/metrics").unwrap().0, 200);
    assert_eq!(agent.ask("/healthz").unwrap().0, 200);
    for path in ["/", "/metrics/", "/../etc/passwd", "/%00", "/metrics%2f"] {
        assert_eq!(agent.ask(path).unwrap().0, 404, "{path}");
    }
    let answer = talk(
        connect(lab.node1()),
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let answer = talk(connect(lab.node1()), SCRAPE);
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("# EOF\n"),
        "{answer}"
    );
    let kind = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.contains(kind), "{answer}");
    agent.monitor.stop();
}

#[test]
fn garbage_is_turned_away() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let header = [b"GET /metrics HTTP/1.1\r\nX: ", &[b'a'; 1 << 20][..]].concat();
    let many: Vec<u8> = (0..10_000)
        .flat_map(|n| format!("X{n}: y\r\n").into_bytes())
        .collect();
    let many = [b"GET /metrics HTTP/1.1\r\n", &many[..]].concat();
    for garbage in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"[..],
        b"\0\0\0\0\r\n\r\n",
        &header,
        &many,
    ] {
        let mut stream = connect(lab.node1());
        // It may hang up before it has taken all.
        let _ = stream.write_all(garbage);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 4"),
            "{answer}"
        );
    }
    assert_eq!(agent.ask("/metrics").unwrap().0, 200);
    agent.monitor.stop();
    assert!(
        !agent.monitor.err().contains("panicked"),
        "{}",
        agent.monitor.err()
    );
}

#[test]
fn half_open_connections_do_not_block_a_scrape() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let idle: Vec<TcpStream> = (0..200)
        .map(|n| {
            let mut stream = connect(lab.node1());
            if n % 2 == 0 {
                stream.write_all(b"GET /metr").unwrap();
            }
            stream
        })
        .collect();
    let start = Instant::now();
    let (status, _) = agent.ask("/metrics").unwrap();
    let took = start.elapsed();
    assert_eq!(status, 200);
    assert!(took < PROMPT, "{took:?}");
    // And they do not keep it from ending.
    agent.monitor.signal(libc::SIGTERM);
    let (status, took) = agent.monitor.wait();
    assert!(
        status.code() == Some(0) && took < PROMPT,
        "{status} {took:?}"
    );
    drop(idle);
}

#[test]
fn connections_beyond_all_places_keep_it_neither_from_recovering_nor_from_ending() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let hold = || -> Vec<TcpStream> { (0..300).map(|_| connect(lab.node1())).collect() };
    let idle = hold();
    assert_eq!(agent.ask("/metrics").unwrap().0, 200);
    drop(idle);
    let idle = hold();
    agent.monitor.signal(libc::SIGTERM);
    let (status, took) = agent.monitor.wait();
    assert!(
        status.code() == Some(0) && took < PROMPT,
        "{status} {took:?}"
    );
    drop(idle);
}

#[test]
fn two_hundred_scrapes_at_once() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let scrape = || {
        let stream = TcpStream::connect("127.0.0.1:9469").unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        talk(stream, SCRAPE)
    };
    // Threads are in the network namespace of the one that starts them.
    let scrapes = || {
        std::thread::scope(|scope| {
            let all: Vec<_> = (0..200).map(|_| scope.spawn(scrape)).collect();
            all.into_iter()
                .map(|one| one.join().unwrap())
                .collect::<Vec<_>>()
        })
    };
    for answer in lab.node1().enter(scrapes).unwrap() {
        assert!(
            answer.starts_with("HTTP/1.1 200 OK") && answer.ends_with("# EOF\n"),
            "{answer}"
        );
    }
    agent.monitor.stop();
}
