//! Something at the socket that is no Docker: it cannot harm the agent, nor stop it from counting.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use overlay_tests::agent::Agent;
use overlay_tests::dockerd::{Dockerd, Folder};

use super::{agent, quiet, says, times, up};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// Answers every connection in one way, until it is dropped.
struct Stranger {
    stop: Arc<AtomicBool>,
    path: String,
    thread: Option<JoinHandle<()>>,
}

impl Stranger {
    fn new(folder: &Folder, answer: fn(&str, &mut UnixStream)) -> Stranger {
        let path = folder.path(Dockerd::SOCKET);
        drop(std::fs::remove_file(&path));
        let listener = UnixListener::bind(&path).unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let mut stream = stream.unwrap();
                std::thread::spawn(move || {
                    let mut request = [0; 4096];
                    let length = stream.read(&mut request).unwrap_or(0);
                    let request = String::from_utf8_lossy(&request[..length]).into_owned();
                    answer(&request, &mut stream);
                });
            }
        });
        Stranger {
            stop,
            path,
            thread: Some(thread),
        }
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        drop(UnixStream::connect(&self.path));
        self.thread.take().unwrap().join().unwrap();
        drop(std::fs::remove_file(&self.path));
    }
}

fn send(stream: &mut UnixStream, text: &str) {
    // The agent may have had enough.
    drop(stream.write_all(text.as_bytes()));
}

/// Sends the same for ever, until the agent has had enough.
fn flood(stream: &mut UnixStream, text: &str) {
    let many = text.repeat(64 * 1024 / text.len() + 1);
    while stream.write_all(many.as_bytes()).is_ok() {}
}

/// Says nothing until the agent gives up.
fn hang(stream: &mut UnixStream) {
    let mut rest = [0; 64];
    while stream.read(&mut rest).is_ok_and(|n| n != 0) {}
}

fn whole(stream: &mut UnixStream, body: &str) {
    send(
        stream,
        &format!("{OK}Content-Length: {}\r\n\r\n{body}", body.len()),
    );
}

/// The events are silent; what else is asked gets this answer.
fn list(request: &str, stream: &mut UnixStream, answer: impl FnOnce(&mut UnixStream)) {
    if request.starts_with("GET /events") {
        send(stream, &format!("{OK}Transfer-Encoding: chunked\r\n\r\n"));
        hang(stream);
    } else {
        answer(stream);
    }
}

/// Bytes of memory that a process has in use, and had at most (`VmHWM`).
fn peak(agent: &Agent) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.monitor.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.unwrap().trim().trim_end_matches(" kB");
    kib.parse::<u64>().unwrap() * 1024
}

/// Insists that the agent says this of the stranger, once, without any of its control bytes, and counts on.
fn survives(folder: &Folder, answer: fn(&str, &mut UnixStream), what: &str) {
    let lab = quiet();
    let stranger = Stranger::new(folder, answer);
    let mut agent = agent(lab.node1(), &stranger.path);
    says(&mut agent, what);
    assert_eq!(up(&agent), Some(0), "{what}");
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert_eq!(times(&agent, "Docker does not answer"), 1, "{what}");
    let log = agent.monitor.err();
    assert!(
        !log.contains(|c: char| c.is_control() && c != '\n'),
        "{log:?}"
    );
    let peak = peak(&agent);
    assert!(peak < 160 << 20, "{what}: {peak} bytes");
    agent.monitor.stop();
}

#[test]
fn an_answer_that_is_no_http_is_logged_once() {
    survives(
        &Folder::new(),
        |_, stream| send(stream, "\u{1b}[2J\u{1b}]0;owned\u{7}\r\n\r\n"),
        "its answer is invalid: it is not HTTP",
    );
}

#[test]
fn a_connection_that_is_closed_at_once() {
    survives(&Folder::new(), |_, _| {}, "the connection failed: ");
}

#[test]
fn a_header_without_end() {
    survives(
        &Folder::new(),
        |_, stream| {
            send(stream, "HTTP/1.1 200 OK\r\n");
            flood(stream, "A: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n");
        },
        "Docker does not answer at ",
    );
}

#[test]
fn a_list_without_end() {
    survives(
        &Folder::new(),
        |request, stream| {
            list(request, stream, |stream| {
                send(stream, &format!("{OK}\r\n["));
                flood(stream, r#"{"Name":"x","Driver":"overlay"},"#);
            });
        },
        "its answer is longer than 32 MiB",
    );
}

#[test]
fn a_list_that_never_comes() {
    survives(
        &Folder::new(),
        |request, stream| list(request, stream, hang),
        "no answer in 10 s",
    );
}

#[test]
fn json_of_another_form() {
    survives(
        &Folder::new(),
        |request, stream| {
            list(request, stream, |stream| {
                whole(stream, r#"{"\u001b[2J":["networks"]}"#);
            });
        },
        "its answer is invalid: it is JSON of an unexpected form (line 1, column 0)",
    );
}

#[test]
fn an_error_of_the_daemon_is_shown_escaped() {
    survives(
        &Folder::new(),
        |_, stream| {
            let body = r#"{"message":"\u001b[2Jno"}"#;
            let status = "HTTP/1.1 500 Internal Server Error\r\n";
            send(
                stream,
                &format!("{status}Content-Length: {}\r\n\r\n{body}", body.len()),
            );
        },
        r"it answered 500: \x1b[2Jno",
    );
}

/// Names that would move the cursor, more networks than there is room for, and events without a pause: all that is
/// bounded, and the machine is not kept busy.
#[test]
fn names_numbers_and_events_are_bounded() {
    let folder = Folder::new();
    let lab = quiet();
    let stranger = Stranger::new(&folder, |request, stream| {
        if request.starts_with("GET /events") {
            send(stream, &format!("{OK}\r\n"));
            return flood(stream, "{\"Type\":\"network\"}\n");
        }
        let network = |vni: u32| {
            format!(
                r#"{{"Name":"\u001b[2J\u202e{}","Driver":"overlay","Options":{{"com.docker.network.driver.overlay.vxlanid_list":"{vni}"}}}}"#,
                "n".repeat(500)
            )
        };
        let networks: Vec<String> = (4096..24_096).map(network).collect();
        whole(stream, &format!("[{}]", networks.join(",")));
    });
    let mut agent = agent(lab.node1(), &stranger.path);
    says(&mut agent, "Docker: 16384 overlay networks, 0 encrypted");
    says(
        &mut agent,
        "3616 of its networks are ignored: they have no valid VNI, or are beyond the 16384",
    );
    assert_eq!(up(&agent), Some(1));
    let ticks = |agent: &Agent| {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", agent.monitor.id())).unwrap();
        let after: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        after[11].parse::<u64>().unwrap() + after[12].parse::<u64>().unwrap()
    };
    let before = ticks(&agent);
    std::thread::sleep(std::time::Duration::from_secs(5));
    // Hundredths of a second, of 500.
    let used = ticks(&agent) - before;
    assert!(used < 150, "{used} ticks in 5 s");
    assert!(peak(&agent) < 160 << 20, "{}", peak(&agent));
    assert!(agent.metrics().contains("overlay_docker_up 1"));
    let check = overlay_tests::process::run(lab.node1(), &["check", "--docker", &stranger.path]);
    for text in [&check.out, &agent.monitor.err()] {
        assert!(
            !text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'),
            "{text:?}"
        );
    }
    agent.monitor.stop();
}

#[test]
fn the_daemon_is_found_again_behind_a_stranger() {
    let folder = Folder::new();
    let lab = quiet();
    let stranger = Stranger::new(&folder, |_, stream| send(stream, "hello\r\n\r\n"));
    let mut agent = agent(lab.node1(), &stranger.path);
    says(&mut agent, "it is not HTTP");
    drop(stranger);
    let _daemon = Dockerd::start(lab.node1(), &folder);
    says(&mut agent, "Docker answers again");
    assert_eq!(up(&agent), Some(1));
    agent.monitor.stop();
}
