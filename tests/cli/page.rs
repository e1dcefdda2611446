//! The page at `/` and its events: who may ask, and that readers who take nothing cost a scraper nothing.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use monitor_lab::Host;
use overlay_tests::agent::Agent;
use overlay_tests::frame::{ethernet, ip_between, tcp, udp, vxlan};
use overlay_tests::process::{PATIENCE, resident, wait_until};
use overlay_tests::wire::Raw;

use super::folder::Folder;
use super::quiet;

const ADDRESS: &str = "127.0.0.1:9469";
/// Places for readers, and readers that take nothing.
const PLACES: usize = 32;
const SLOW: usize = 500;
/// A reader that takes nothing has its place no longer: an event a second, five seconds of patience, and a busy machine.
const CUT: Duration = Duration::from_secs(20);
/// Scrapes whose times are compared.
const SCRAPES: usize = 15;

fn request(path: &str, host: &str, more: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n")
}

/// The status line of an answer.
fn status(host: &Host, request: &str) -> String {
    let mut stream = host.enter(|| TcpStream::connect(ADDRESS)).unwrap().unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    first(&mut stream)
}

fn first(stream: &mut TcpStream) -> String {
    let mut answer = [0; 64];
    let length = stream.read(&mut answer).unwrap_or_default();
    let text = String::from_utf8_lossy(&answer[..length]).into_owned();
    text.lines().next().unwrap_or_default().to_owned()
}

/// A connection whose receiver takes next to nothing, in the network namespace of this thread.
fn narrow() -> TcpStream {
    let size: libc::c_int = 1;
    // SAFETY: makes a socket.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0) };
    assert!(socket >= 0);
    // SAFETY: opened just now, without another owner.
    let socket = unsafe { OwnedFd::from_raw_fd(socket) };
    let address: SocketAddr = ADDRESS.parse().unwrap();
    let to = libc::sockaddr_in {
        sin_family: libc::AF_INET as u16,
        sin_port: address.port().to_be(),
        sin_addr: libc::in_addr {
            s_addr: u32::from_ne_bytes([127, 0, 0, 1]),
        },
        sin_zero: [0; 8],
    };
    // SAFETY: both read structures of the given sizes.
    let connected = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVBUF,
            (&raw const size).cast(),
            size_of_val(&size) as u32,
        );
        libc::connect(
            socket.as_raw_fd(),
            (&raw const to).cast(),
            size_of_val(&to) as u32,
        )
    };
    assert_eq!(connected, 0, "{}", std::io::Error::last_os_error());
    TcpStream::from(socket)
}

/// Puts packets of so many networks on the wire, so that the page is as long as it may be.
fn crowd(host: &Host, networks: u32) {
    let wire = Raw::open(host, "eth0");
    for vni in 70_000..70_000 + networks {
        let inner = ip_between(
            [10, 0, 9, 1].into(),
            [10, 0, 9, 2].into(),
            6,
            &tcp(40_000, 80, b"GET / HTTP/1.1\r\n\r\n"),
        );
        let outer = udp(40_000, 4789, &vxlan(vni, &ethernet(0x0800, &inner)));
        let (from, to) = ([192, 168, 77, 2].into(), [192, 168, 77, 1].into());
        wire.send(&ethernet(0x0800, &ip_between(from, to, 17, &outer)));
    }
}

/// A configuration file with this text.
fn configured(folder: &Folder, text: &str) -> String {
    let file = folder.file("config.toml");
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The median time of scrapes, and the longest.
fn scrapes(agent: &Agent<'_>) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..SCRAPES)
        .map(|_| {
            let start = Instant::now();
            assert_eq!(agent.ask("/metrics").unwrap().0, 200);
            std::thread::sleep(Duration::from_millis(50));
            start.elapsed() - Duration::from_millis(50)
        })
        .collect();
    times.sort_unstable();
    (times[SCRAPES / 2], times[SCRAPES - 1])
}

#[test]
fn five_hundred_slow_readers_delay_no_scrape_take_no_memory_and_are_cut() {
    let lab = quiet();
    let host = lab.node1();
    let mut agent = Agent::start(host, &["--docker", "off"]);
    crowd(lab.node2(), 900);
    wait_until("the page is long", || {
        agent.ask("/").unwrap().1.len() > 40_000
    });
    let reader = request("/events", ADDRESS, "");
    let ok = "HTTP/1.1 200 OK";

    // Every reader that has a place is cut: first it reads to the last byte that it was sent, then its place is free.
    let admitted = || {
        let all: Vec<TcpStream> = (0..PLACES)
            .map(|_| {
                let mut stream = narrow();
                stream.write_all(reader.as_bytes()).unwrap();
                assert_eq!(first(&mut stream), ok);
                stream
            })
            .collect();
        all
    };
    let slow = host.enter(admitted).unwrap();
    assert!(status(host, &reader).starts_with("HTTP/1.1 503"));
    let start = Instant::now();
    while !status(host, &reader).starts_with(ok) {
        assert!(start.elapsed() < CUT, "no place became free");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("a place was free after {:?}", start.elapsed());
    std::thread::sleep(
        CUT.saturating_sub(start.elapsed())
            .min(Duration::from_secs(3)),
    );
    for mut stream in slow {
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let end = stream.read_to_end(&mut Vec::new());
        let is_open = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(
            !end.as_ref().is_err_and(is_open),
            "a slow reader was not cut"
        );
    }

    let (alone, alone_at_most) = scrapes(&agent);
    let memory = resident(agent.monitor.id());
    // Whoever is turned away or cut comes again.
    let (is_over, opened) = (AtomicBool::new(false), AtomicUsize::new(0));
    let crowded = || {
        let again = || {
            let mut all = Vec::new();
            while !is_over.load(Ordering::Relaxed) {
                while all.len() < SLOW {
                    let mut stream = narrow();
                    // It may be closed already.
                    let _ = stream.write_all(reader.as_bytes());
                    stream.set_nonblocking(true).unwrap();
                    all.push(stream);
                    opened.fetch_add(1, Ordering::Relaxed);
                }
                std::thread::sleep(Duration::from_millis(100));
                all.retain(|stream| {
                    let end = stream.peek(&mut [0]);
                    let is_closed = matches!(end, Ok(0))
                        || end.is_err_and(|error| error.kind() != std::io::ErrorKind::WouldBlock);
                    !is_closed
                });
                // What was turned away has its answer in its buffer, and ends after it.
                let turned_away = |stream: &TcpStream| {
                    let mut begin = [0; 12];
                    matches!(stream.peek(&mut begin), Ok(12)) && &begin[9..] == b"503"
                };
                all.retain(|stream| !turned_away(stream));
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(again);
            while opened.load(Ordering::Relaxed) < SLOW {
                std::thread::sleep(Duration::from_millis(10));
            }
            let times = scrapes(&agent);
            let memory = resident(agent.monitor.id());
            is_over.store(true, Ordering::Relaxed);
            (times, memory)
        })
    };
    let ((beside, beside_at_most), memory_beside) = host.enter(crowded).unwrap();
    let ratio = beside.as_secs_f64() / alone.as_secs_f64();
    let more = memory_beside.saturating_sub(memory);
    println!(
        "a scrape beside {SLOW} slow readers: {ratio:.2} of the time without (longest: {:.2}); {more} KiB more; {} came",
        beside_at_most.as_secs_f64() / alone_at_most.as_secs_f64(),
        opened.load(Ordering::Relaxed)
    );
    assert!(ratio < 3.0, "{beside:?} beside, {alone:?} alone");
    assert!(
        beside_at_most < Duration::from_secs(2),
        "{beside_at_most:?}"
    );
    assert!(more < 32 << 10, "{more} KiB");
    agent.monitor.stop();
}

#[test]
fn a_stranger_s_name_gets_no_page_and_prometheus_asks_by_any() {
    let lab = quiet();
    let host = lab.node1();
    let folder = Folder::new("page-hosts");
    let file = configured(
        &folder,
        "interfaces = ['eth0']\ndocker = 'off'\nhosts = ['monitor.example.com']\n",
    );
    let mut agent = Agent::configured(host, 9469, &file);
    let close = "Connection: close\r\n";
    let ask = |path: &str, name: &str, more: &str| {
        status(host, &request(path, name, &format!("{close}{more}")))
    };
    let (ok, refused) = ("HTTP/1.1 200 OK", "HTTP/1.1 421 Misdirected Request");
    for name in [ADDRESS, "localhost:9469", "monitor.example.com:9469"] {
        for path in ["/", "/events", "/metrics", "/networks"] {
            assert_eq!(
                ask(path, name, "Accept-Language: en\r\n"),
                ok,
                "{name}{path}"
            );
        }
    }
    for path in ["/", "/events", "/metrics", "/networks", "/-/ready"] {
        let of_browser = ask(path, "evil.example:9469", "Accept-Language: en\r\n");
        assert_eq!(of_browser, refused, "{path}");
    }
    for path in ["/metrics", "/networks", "/-/ready"] {
        let of_program = ask(
            path,
            "agent.monitoring.svc:9469",
            "User-Agent: Prometheus\r\n",
        );
        assert_eq!(of_program, ok, "{path}");
    }
    let elsewhere = "Origin: http://evil.example\r\n";
    assert_eq!(ask("/events", ADDRESS, elsewhere), refused);
    agent.monitor.stop();
}

#[test]
fn without_the_page_there_are_links() {
    let lab = quiet();
    let folder = Folder::new("page-links");
    let file = configured(
        &folder,
        "interfaces = ['eth0']\ndocker = 'off'\npage = false\n",
    );
    let mut agent = Agent::configured(lab.node1(), 9469, &file);
    let (status, page) = agent.ask("/").unwrap();
    assert!(
        status == 200 && page.contains("href=\"/networks\""),
        "{page}"
    );
    assert!(
        !page.contains("<script") && !page.contains("verdict"),
        "{page}"
    );
    assert_eq!(agent.ask("/events").unwrap().0, 404);
    agent.monitor.stop();
}
