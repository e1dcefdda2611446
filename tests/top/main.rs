//! `top` in a real terminal (tmux), over a real agent on real traffic: its keys, its sizes, and the terminal that it gives back.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::net::UdpSocket;
use std::process::Output as ProcessOutput;

use monitor_lab::{CLIENT, Host, Lab, WEB};
use overlay_tests::process::{Monitor, command, finish, program, run, wait_until};
use overlay_tests::schema::{Output, Validator};

/// A datagram that anyone on the path can read.
const SYSLOG: &[u8] = b"<34>1 2026-11-27T10:00:00Z web shop 7 - - order 4711 was paid";
const URL: &str = "http://127.0.0.1:9469";

/// A terminal on a host, with a shell in it.
struct Tmux<'a> {
    host: &'a Host,
    socket: String,
}

impl<'a> Tmux<'a> {
    fn new(host: &'a Host, columns: u16, rows: u16) -> Tmux<'a> {
        let socket = format!("overlay-top-{}-{columns}", std::process::id());
        let tmux = Tmux { host, socket };
        let (x, y) = (columns.to_string(), rows.to_string());
        tmux.ask(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &x,
            "-y",
            &y,
            "sh",
        ]);
        tmux
    }

    fn ask(&self, arguments: &[&str]) -> ProcessOutput {
        let mut command = self.host.command("tmux").unwrap();
        command.args(["-L", &self.socket]).args(arguments);
        command.env("TERM", "xterm").output().unwrap()
    }

    fn keys(&self, keys: &[&str]) {
        let sent = self.ask(&[&["send-keys"], keys].concat());
        assert!(sent.status.success(), "{sent:?}");
    }

    fn screen(&self) -> String {
        String::from_utf8(self.ask(&["capture-pane", "-p"]).stdout).unwrap()
    }

    fn shows(&self, what: &str) -> String {
        let mut screen = String::new();
        wait_until(&format!("the screen shows {what:?}"), || {
            screen = self.screen();
            screen.contains(what)
        });
        screen
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the screen:\n{}", self.screen());
        }
        self.ask(&["kill-server"]);
    }
}

#[test]
fn a_violation_is_seen_opened_and_left_in_a_terminal() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let node = lab.node1();
    let mut agent = Monitor::start(
        node,
        &["run", "-i", "eth0", "--docker", "off", "--require", "4096"],
    );
    agent.wait_for("it serves", |agent| agent.err().contains("serving http"));

    let tmux = Tmux::new(node, 80, 24);
    let top = format!(
        "{} top --url {URL}; stty -a | grep -q ' echo '; echo code $?-",
        program().display()
    );
    tmux.keys(&[&top, "Enter"]);
    tmux.shows("? 1 network undecided");

    let [from, to] = [WEB, CLIENT].map(|name| {
        let host = lab.container(name).unwrap();
        let bound = host.enter(|| UdpSocket::bind((host.address(), 514)));
        bound.unwrap().unwrap()
    });
    let to = to.local_addr().unwrap();
    from.send_to(SYSLOG, to).unwrap();
    let screen = tmux.shows("! 1 network VIOLATED");
    assert!(screen.starts_with("! 1 network VIOLATED"), "{screen}");
    tmux.keys(&["Enter"]);
    tmux.shows("peer 192.168.77.2");
    tmux.shows("likely cause:");
    // A terminal that becomes as small as can be, and large again.
    for (columns, rows) in [("40", "12"), ("10", "3"), ("100", "30")] {
        tmux.ask(&["resize-window", "-x", columns, "-y", rows]);
        tmux.shows("! 1 n");
    }
    tmux.keys(&["Escape"]);
    tmux.shows("last minute");
    tmux.keys(&["p"]);
    tmux.shows("PAUSED");
    tmux.keys(&["/", "nothing", "Enter"]);
    tmux.shows("no network");
    tmux.keys(&["Escape", "p", "?"]);
    tmux.shows("select");

    // Its end gives the terminal back: the shell's screen, and its echo, which is what the code is of.
    tmux.keys(&["q"]);
    let screen = tmux.shows("code 0-");
    assert!(
        screen.contains(" echo ") && !screen.contains("VIOLATED"),
        "{screen}"
    );
    // A signal does, too.
    tmux.keys(&["clear", "Enter"]);
    tmux.keys(&[&top, "Enter"]);
    tmux.shows("! 1 network VIOLATED");
    tmux.keys(&["C-c"]);
    tmux.shows("code 0-");

    // Without a terminal: one frame, and objects.
    let ended = run(node, &["top", "--url", URL, "--once"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("! 1 network VIOLATED"), "{ended:?}");
    let ended = run(node, &["top", "--url", URL, "--once", "--format", "json"]);
    let met = Validator::new().check(Output::Top, &ended.out);
    assert_eq!(Vec::from_iter(met), ["top-network"], "{ended:?}");
    assert!(ended.out.contains("\"readable\":[\"syslog\"]"), "{ended:?}");
    let ended = finish(command(node, &["top", "--url", URL]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    agent.stop();

    // It watches by itself.
    let mut top = Monitor::start(
        node,
        &[
            "top",
            "-i",
            "eth0",
            "--docker",
            "off",
            "--require",
            "4096",
            "--format",
            "json",
        ],
    );
    top.lines(1);
    from.send_to(SYSLOG, to).unwrap();
    top.wait_for("the violation", |top| {
        top.out().contains("\"violated\":true")
    });
    top.stop();
    let ended = run(node, &["top", "--url", URL, "--once"]);
    assert_eq!(ended.code, Some(4), "{ended:?}");
}
