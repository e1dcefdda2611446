//! A user's TCP session to node1 across the wire that the agent watches, as SSH makes one.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use monitor_lab::Lab;

use crate::process::wait_until;

/// The session's end on node1, and the user's end on node2.
#[must_use]
pub fn connection(lab: &Lab) -> (TcpStream, TcpStream) {
    let node1 = lab.node1().address();
    let listener = lab.node1().enter(|| TcpListener::bind((node1, 0))).unwrap();
    let listener = listener.unwrap();
    let to = listener.local_addr().unwrap();
    let user = lab
        .node2()
        .enter(|| TcpStream::connect(to))
        .unwrap()
        .unwrap();
    (listener.accept().unwrap().0, user)
}

/// The session as the standard output or error of a program.
#[must_use]
pub fn output(session: &TcpStream) -> Stdio {
    Stdio::from(OwnedFd::from(session.try_clone().unwrap()))
}

/// Reads until what was read holds all of these.
pub fn read_until(stream: &mut TcpStream, parts: &[&str]) -> String {
    stream
        .set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let mut text = String::new();
    wait_until(&format!("{parts:?}"), || {
        let mut buffer = [0; 4096];
        if let Ok(length) = stream.read(&mut buffer) {
            text.push_str(&String::from_utf8_lossy(&buffer[..length]));
        }
        parts.iter().all(|part| text.contains(part))
    });
    text
}

/// Reads until nothing has come for a second.
#[must_use]
pub fn read_until_quiet(stream: &mut TcpStream) -> String {
    stream
        .set_read_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut text = String::new();
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = stream.read(&mut buffer) {
        text.push_str(&String::from_utf8_lossy(&buffer[..length]));
    }
    text
}
