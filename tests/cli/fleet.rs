//! `fleet` before a server that is no Prometheus, or a hostile one: an error of one line that says what to do, and no harm.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use monitor_lab::Host;
use overlay_tests::process::{command, finish};

use super::folder::Folder;
use super::quiet;

/// Answers each connection with these bytes, the last of them over and over until nobody reads any more.
fn server(host: &Host, head: String, endless: bool) -> SocketAddr {
    let bound = host.enter(|| TcpListener::bind("127.0.0.1:0"));
    let listener = bound.unwrap().unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let mut sent = stream.write_all(head.as_bytes());
            let more = vec![b'['; 1 << 16];
            while endless && sent.is_ok() {
                sent = stream.write_all(&more);
            }
        }
    });
    address
}

#[test]
fn a_hostile_server_gets_an_error_of_one_line() {
    let lab = quiet();
    let answer = |status: &str, body: &str| {
        format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
    };
    let deep = "[".repeat(1 << 20);
    let endless = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n".to_owned();
    let result = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[1,"\u001b[2Jx"]}]}}"#;
    for (head, is_endless, says) in [
        (endless, true, "longer than 64 MiB"),
        (answer("200 OK", &deep), false, "no result of a query"),
        (answer("200 OK", "<html>\u{1b}[2J"), false, "check the URL"),
        (answer("200 OK", result), false, "no number"),
        (answer("302 Found", ""), false, "redirects"),
        (answer("404 Not Found", "\u{1b}[2J"), false, "api/v1/query"),
        (
            answer(
                "400 Bad Request",
                r#"{"status":"error","error":"\u001b[2Jno"}"#,
            ),
            false,
            "x1b[2Jno",
        ),
        (
            "\u{1b}[2J no HTTP at all\r\n\r\n".to_owned(),
            false,
            "the connection failed",
        ),
        (String::new(), false, "the connection failed"),
    ] {
        let url = format!("http://{}", server(lab.node1(), head, is_endless));
        for time in [&["--since", "1h"][..], &[]] {
            let arguments = [&["fleet", "--prometheus", &url], time].concat();
            let ended = finish(command(lab.node1(), &arguments));
            assert_eq!(ended.code, Some(4), "{says}: {ended:?}");
            assert!(ended.err.contains(says), "{says}: {ended:?}");
            assert_eq!(ended.err.lines().count(), 1, "{ended:?}");
            assert!(
                !ended.err.contains('\u{1b}') && ended.out.is_empty(),
                "{ended:?}"
            );
        }
    }
}

#[test]
fn what_cannot_be_asked_is_a_usage_error() {
    let lab = quiet();
    for (arguments, says) in [
        (&["--prometheus", "http://a:b@127.0.0.1"][..], "--user-file"),
        (&["--prometheus", "127.0.0.1:9090"], "http"),
        (
            &["--prometheus", "http://127.0.0.1", "--from", "1h"],
            "--to",
        ),
        (
            &[
                "--prometheus",
                "http://127.0.0.1",
                "--from",
                "1h",
                "--to",
                "2h",
            ],
            "--from earlier",
        ),
        (
            &["--prometheus", "http://127.0.0.1", "--match", "a-b=c"],
            "LABEL=VALUE",
        ),
        (
            &["--prometheus", "http://127.0.0.1", "--ca-file", "/nowhere"],
            "/nowhere",
        ),
        (&[], "--prometheus"),
    ] {
        let ended = finish(command(lab.node1(), &[&["fleet"], arguments].concat()));
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(says), "{says}: {ended:?}");
    }
}

#[test]
fn the_token_of_a_file_and_the_matchers_are_sent() {
    let lab = quiet();
    let folder = Folder::new("fleet");
    let token = folder.file("token");
    std::fs::write(&token, "abc.def\n").unwrap();
    let host = lab.node1();
    let bound = host.enter(|| TcpListener::bind("127.0.0.1:0"));
    let listener = bound.unwrap().unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut more = [0; 4096];
        while !request.windows(4).any(|four| four == b"\r\n\r\n") {
            let read = stream.read(&mut more).unwrap();
            assert_ne!(read, 0, "the request ends early");
            request.extend_from_slice(&more[..read]);
        }
        // The body, if it has not come with the rest. Then the connection is closed without an answer.
        stream
            .set_read_timeout(Some(Duration::from_millis(500)))
            .unwrap();
        if let Ok(read) = stream.read(&mut more) {
            request.extend_from_slice(&more[..read]);
        }
        String::from_utf8_lossy(&request).into_owned()
    });
    let token = token.to_str().unwrap();
    let arguments = [
        "fleet",
        "--prometheus",
        &url,
        "--bearer-token-file",
        token,
        "--job",
        "nodes",
        "--match",
        "cluster=west",
    ];
    assert_eq!(finish(command(host, &arguments)).code, Some(4));
    let asked = asked.join().unwrap();
    for part in [
        "authorization: Bearer abc.def\r\n",
        "nodes",
        "cluster",
        "west",
    ] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}
