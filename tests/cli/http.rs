//! The endpoint: what it answers, and what it bears.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::process::{PATIENCE, resident, run, wait_until};

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
    for path in [
        "/metrics/",
        "/-/",
        "/-/healthy/",
        "/../etc/passwd",
        "/%00",
        "/metrics%2f",
    ] {
        assert_eq!(agent.ask(path).unwrap().0, 404, "{path}");
    }
    let answer = talk(
        connect(lab.node1()),
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
    let answer = talk(connect(lab.node1()), SCRAPE);
    let head = answer.split("\r\n\r\n").next().unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(
        head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{head}"
    );
    agent.monitor.stop();
}

/// Header and body of the answer to a request for the metrics with these header lines.
fn scrape(host: &Host, method: &str, lines: &str) -> (String, Vec<u8>) {
    let mut stream = connect(host);
    let request =
        format!("{method} /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let body = answer.split_off(end.unwrap() + 4);
    (
        String::from_utf8(answer).unwrap().to_ascii_lowercase(),
        body,
    )
}

const OPEN_METRICS: &str =
    "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5\r\n";

#[test]
fn each_client_gets_the_format_it_asks_for() {
    let lab = quiet();
    let host = lab.node1();
    let mut agent = Agent::start(host, &[]);
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    let counter = "TYPE overlay_map_overflow_packets";
    // The first page does not say yet how long the last one took.
    scrape(host, "GET", "");

    let (head, body) = scrape(host, "GET", "");
    let plain = text(&body);
    assert!(
        head.contains("content-type: text/plain; version=0.0.4;"),
        "{head}"
    );
    assert!(
        plain.contains(&format!("# {counter}_total counter\n")) && !plain.contains("# EOF"),
        "{plain}"
    );

    let (head, body) = scrape(host, "GET", OPEN_METRICS);
    let open = text(&body);
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0;"),
        "{head}"
    );
    assert!(
        open.contains(&format!("# {counter} counter\n")) && open.ends_with("# EOF\n"),
        "{open}"
    );

    // The rows are the same, and every one has its type before it.
    let names = |page: &str| -> Vec<String> {
        let rows = page.lines().filter(|line| !line.starts_with('#'));
        rows.map(|row| row.split(['{', ' ']).next().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&plain), names(&open));
    for name in names(&plain) {
        assert!(plain.contains(&format!("# TYPE {name} ")), "{name}");
        assert!(plain.contains(&format!("# HELP {name} ")), "{name}");
    }
    agent.monitor.stop();
}

#[test]
fn head_has_no_body_and_gzip_has_the_same() {
    let lab = quiet();
    let host = lab.node1();
    let mut agent = Agent::start(host, &[]);
    let (head, body) = scrape(host, "HEAD", "");
    assert!(
        head.starts_with("http/1.1 200") && body.is_empty(),
        "{head}"
    );
    let (head, whole) = scrape(host, "GET", "");
    assert!(!head.contains("content-encoding"), "{head}");
    // A client of HTTP/1.0 knows no chunks.
    let mut stream = connect(host);
    let request = b"GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer
        .windows(4)
        .position(|four| four == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
    assert!(head.contains("content-encoding: gzip"), "{head}");
    assert!(
        answer.len() < whole.len() / 2,
        "{} of {}",
        answer.len(),
        whole.len()
    );
    let mut unpack = host.command("gzip").unwrap();
    unpack
        .arg("-dc")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut unpack = unpack.spawn().unwrap();
    unpack
        .stdin
        .take()
        .unwrap()
        .write_all(&answer[end + 4..])
        .unwrap();
    let unpacked = String::from_utf8(unpack.wait_with_output().unwrap().stdout).unwrap();
    assert!(unpacked.contains("overlay_build_info{"), "{unpacked}");
    // The values move on between two answers.
    let rows = |page: &str| -> Vec<String> {
        let rows = page.lines().map(|row| match row.starts_with('#') {
            true => row,
            false => row.rsplit_once(' ').unwrap().0,
        });
        rows.map(str::to_owned).collect()
    };
    assert_eq!(rows(&unpacked), rows(&String::from_utf8(whole).unwrap()));
    agent.monitor.stop();
}

#[test]
fn the_agent_says_what_it_uses() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let _ = agent.metrics();
    let page = agent.metrics();
    let number = |name: &str| -> f64 {
        let row = page
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        row.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    let age = now - number("process_start_time_seconds");
    assert!((0.0..120.0).contains(&age), "{age}");
    let used = resident(agent.monitor.id()) as f64 * 1024.0;
    let said = number("process_resident_memory_bytes");
    assert!((0.8..1.25).contains(&(said / used)), "{said} of {used}");
    assert!(said < number("process_virtual_memory_bytes"));
    let folder = format!("/proc/{}/fd", agent.monitor.id());
    let open = std::fs::read_dir(folder).unwrap().count() as f64;
    let said = number("process_open_fds");
    assert!(
        (said - open).abs() < 5.0 && said < number("process_max_fds"),
        "{said} of {open}"
    );
    assert!(number("process_cpu_seconds_total") > 0.0);
    let took = number("overlay_scrape_duration_seconds");
    assert!(
        (0.0..PROMPT.as_secs_f64()).contains(&took) && took > 0.0,
        "{took}"
    );
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel = format!("kernel=\"{}\"", release.trim());
    assert!(page.contains(&kernel), "{kernel}");
    agent.monitor.stop();
}

#[test]
fn health_and_readiness_are_two_things() {
    let lab = quiet();
    let host = lab.node1();
    let health = |arguments: &[&str]| run(host, &[&["health"], arguments].concat());
    let ended = health(&[]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.err.contains("127.0.0.1:9469") && ended.err.contains("no agent listens there"),
        "{ended:?}"
    );

    // Blind: an interface is not there.
    host.run(
        "ip",
        &["link", "add", "x0", "type", "veth", "peer", "name", "x1"],
    )
    .unwrap();
    host.run("ip", &["link", "set", "x0", "up"]).unwrap();
    let mut agent = Agent::watch(host, 9469, &["-i", "eth0", "-i", "x0", "--docker", "off"]);
    assert_eq!(agent.ask("/-/ready").unwrap().0, 200);
    host.run("ip", &["link", "del", "x0"]).unwrap();
    wait_until("it is blind", || agent.ask("/-/ready").unwrap().0 == 503);
    assert_eq!(agent.ask("/-/healthy").unwrap(), (200, "ok\n".to_owned()));
    assert_eq!(agent.ask("/-/ready"), agent.ask("/healthz"));
    let ended = health(&[]);
    assert_eq!(
        (ended.code, ended.out.as_str()),
        (Some(0), "ok\n"),
        "{ended:?}"
    );
    let ended = health(&["--ready"]);
    assert!(
        ended.code == Some(1) && ended.err.contains("blind: no interface x0"),
        "{ended:?}"
    );
    agent.monitor.stop();

    let mut agent = Agent::watch(host, 9471, &["-i", "eth0", "--docker", "off"]);
    let ended = health(&["--ready", "--listen", "0.0.0.0:9471"]);
    assert!(
        ended.code == Some(0) && ended.out.starts_with("ok: eth0"),
        "{ended:?}"
    );
    let (status, page) = agent.ask("/").unwrap();
    assert!(
        status == 200 && page.contains("href=\"/metrics\""),
        "{page}"
    );
    agent.monitor.stop();
    let ended = health(&["--listen", "nowhere"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[test]
fn six_hundred_half_open_connections_delay_nobody() {
    let lab = quiet();
    let mut agent = Agent::start(lab.node1(), &[]);
    let hold = |n: usize| {
        let mut stream = connect(lab.node1());
        if n.is_multiple_of(2) {
            stream.write_all(b"GET /metr").unwrap();
        }
        stream
    };
    let idle: Vec<TcpStream> = (0..600).map(hold).collect();
    let start = Instant::now();
    let answer = talk(
        connect(lab.node1()),
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    );
    let took = start.elapsed();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    // Places become free only after two seconds by themselves.
    assert!(took < Duration::from_secs(1), "{took:?}");
    println!(
        "answered after {took:?} beside {} half-open connections",
        idle.len()
    );
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
            answer.starts_with("HTTP/1.1 200 OK") && answer.contains("process_start_time_seconds "),
            "{answer}"
        );
    }
    agent.monitor.stop();
}
