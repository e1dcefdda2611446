//! Bytes of strangers: never a control byte on the screen, never a secret unasked.

use overlay_tests::agent::Agent;
use overlay_tests::frame::{VNI, ethernet, ipv4, overlay, tcp};
use overlay_tests::process::{Monitor, wait_until};
use overlay_tests::wire::Raw;

use super::quiet;

fn segment(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    overlay(
        VNI,
        &ethernet(0x0800, &ipv4(6, &[], &tcp(source, destination, payload))),
    )
}

/// Requests that would move the cursor, set the title, or turn the text round.
fn hostile() -> Vec<Vec<u8>> {
    let request = |path: &str, host: &str| {
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n").into_bytes()
    };
    vec![
        request("/\u{1b}]0;owned\u{7}\u{1b}[2J/x", "host01"),
        request("/x", "ho\u{1b}[2Jst\u{9b}31m"),
        request("/\u{202e}gnp.exe", "host\u{202e}10"),
        request("/\u{2066}a\u{2028}b\u{feff}", "h\u{200b}ost"),
        b"GET /\x9b31m\xff\xfe HTTP/1.1\r\nHost: \x9b\xc3\x28\r\n\r\n".to_vec(),
        b"*3\r\n$4\r\nHSET\r\n$5\r\na\x1b[2J\r\n$4\r\n\x9b\x00\x07\n\r\n".to_vec(),
        b"+OK \x1b]0;owned\x07\r\n".to_vec(),
        b"\x1b[2J\x1b[H\r\n\x00\xff nothing that is known".to_vec(),
    ]
}

fn assert_printable(text: &str) {
    let turns = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    let bad = |c: char| (c.is_control() && c != '\n') || turns(c);
    assert!(!text.contains(bad), "{text:?}");
}

#[test]
fn hostile_packets_are_shown_escaped() {
    let lab = quiet();
    let wire = Raw::open(lab.node2(), "eth0");
    let payloads = hostile();
    for arguments in [
        &[][..],
        &["--format", "json"],
        &["--show-payload"],
        &["--show-payload", "--format", "json"],
    ] {
        let mut tail = Monitor::tail(lab.node1(), arguments);
        for (source, payload) in (2000..).zip(&payloads) {
            wire.send(&segment(source, 80, payload));
        }
        let lines = tail.lines(payloads.len());
        assert_eq!(lines.len(), payloads.len(), "a line a packet: {lines:#?}");
        tail.stop();
        assert_printable(&tail.out());
        assert_printable(&tail.err());
        for (source, line) in (2000..).zip(&lines) {
            let port = if arguments.contains(&"json") {
                format!("\"src_port\":{source},")
            } else {
                format!(":{source} >")
            };
            assert!(line.contains(&port), "{arguments:?}: {line}");
        }
        if arguments.is_empty() {
            assert!(lines[2].contains(r"\u{202e}"), "spelled out: {}", lines[2]);
        }
    }
}

const SECRETS: [&str; 8] = [
    "bXktc2VjcmV0LTE6cGFzcw",
    "my-secret-2",
    "my-secret-3",
    "my-secret-4",
    "my-secret-5",
    "my-secret-6",
    "my-secret-7",
    "my-secret-8",
];

/// Conversations that carry each of the secrets.
fn conversations() -> Vec<Vec<u8>> {
    let [basic, cookie, query, bearer, body, auth, set, value] = SECRETS;
    let redis = |words: &[&str]| {
        let head = format!("*{}\r\n", words.len());
        let tail: String = words
            .iter()
            .map(|word| format!("${}\r\n{word}\r\n", word.len()))
            .collect();
        (head + &tail).into_bytes()
    };
    let all = vec![
        format!("GET /account HTTP/1.1\r\nHost: host01\r\nAuthorization: Basic {basic}\r\n\r\n").into_bytes(),
        format!("GET / HTTP/1.1\r\nHost: host01\r\nCookie: session={cookie}\r\n\r\n").into_bytes(),
        format!("GET /search?q=x&token={query} HTTP/1.1\r\nHost: host01\r\n\r\n").into_bytes(),
        format!("HTTP/1.1 200 OK\r\nSet-Cookie: id={bearer}\r\nX-Token: {bearer}\r\n\r\n{bearer}").into_bytes(),
        format!("POST /login HTTP/1.1\r\nHost: host01\r\nContent-Length: 25\r\n\r\nuser=a&password={body}").into_bytes(),
        redis(&["AUTH", "default", auth]),
        redis(&["SET", "greeting", set]),
        format!("${}\r\n{value}\r\n", value.len()).into_bytes(),
    ];
    for (payload, secret) in all.iter().zip(SECRETS) {
        assert!(
            payload
                .windows(secret.len())
                .any(|part| part == secret.as_bytes())
        );
    }
    all
}

#[test]
fn secrets_are_shown_by_nothing_but_show_payload() {
    let lab = quiet();
    let wire = Raw::open(lab.node2(), "eth0");
    let payloads = conversations();
    let send = || {
        for (source, payload) in (2000..).zip(&payloads) {
            let (source, destination) = match source {
                2003 => (80, source),
                2005 | 2006 => (source, 6379),
                2007 => (6379, source),
                _ => (source, 80),
            };
            wire.send(&segment(source, destination, payload));
        }
    };
    let assert_hidden = |text: &str| {
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    };

    for arguments in [&[][..], &["--format", "json"], &["--all", "--log", "trace"]] {
        let mut tail = Monitor::tail(lab.node1(), arguments);
        send();
        let lines = tail.lines(payloads.len());
        tail.stop();
        // It has seen them, and says what kind they are.
        let said = lines.join("\n");
        for part in ["/account", "host01", "AUTH", "SET greeting"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_hidden(&tail.out());
        assert_hidden(&tail.err());
    }

    let mut agent = Agent::start(lab.node1(), &["--sample-every", "1", "--log", "debug"]);
    send();
    agent
        .monitor
        .wait_for("a finding", |monitor| monitor.err().contains("WARN"));
    wait_until("all were sampled", || {
        agent.metric(r#"overlay_samples_total{outcome="sent"}"#) >= payloads.len() as u64
    });
    assert_hidden(&agent.metrics());
    agent.monitor.stop();
    assert_hidden(&agent.monitor.err());
    assert_hidden(&agent.monitor.out());

    let mut tail = Monitor::tail(lab.node1(), &["--show-payload"]);
    send();
    let lines = tail.lines(payloads.len());
    tail.stop();
    for (line, secret) in lines.iter().zip(SECRETS) {
        assert!(
            line.contains(secret) && line.contains(r"\r\n"),
            "{secret}: {line}"
        );
    }
}
