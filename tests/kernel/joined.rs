//! A message over several packets is recognised live: a sample is classified with those before it in its flow.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use monitor_lab::{CLIENT, Lab, WEB};
use overlay_tests::process::Monitor;

const PORT: u16 = 8080;
/// The two pieces: the first is nothing yet, and the second no request.
const PIECES: [&str; 2] = [
    "GE",
    "T /joined HTTP/1.1\r\nHost: a\r\nAuthorization: Basic c2VjcmV0\r\n\r\n",
];

#[test]
fn a_request_in_two_segments_is_a_request() {
    let lab = Lab::builder().quiet(true).build().unwrap();
    let (client, web) = (lab.container(CLIENT).unwrap(), lab.container(WEB).unwrap());
    let mut tail = Monitor::tail(lab.node1(), &["--sample-every", "1"]);

    let listener = web
        .enter(|| TcpListener::bind((web.address(), PORT)))
        .unwrap()
        .unwrap();
    let mut out = client
        .enter(|| TcpStream::connect((web.address(), PORT)))
        .unwrap()
        .unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    out.set_nodelay(true).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    for piece in PIECES {
        out.write_all(piece.as_bytes()).unwrap();
        // A segment of its own: the first has arrived before the second is sent.
        peer.read_exact(&mut vec![0; piece.len()]).unwrap();
    }

    let whole = "http  plaintext  GET /joined";
    tail.wait_for("a line of the request", |tail| tail.out().contains(whole));
    assert!(!tail.out().contains("c2Vj"), "{}", tail.out());
    tail.stop();
}
