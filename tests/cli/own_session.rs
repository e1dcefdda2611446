//! `tail` over a connection that crosses the watched interface.

use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::Duration;

use overlay_tests::frame::{VNI, overlay, redis_command};
use overlay_tests::process::{command, program};
use overlay_tests::session::{connection, output, read_until};
use overlay_tests::wire::Raw;

fn end(mut child: Child) {
    // SAFETY: a child that is not waited for yet, so the number is still its own.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn what_tail_prints_over_its_own_connection_is_not_printed_again() {
    let lab = super::quiet();
    let (session, mut user) = connection(&lab);
    let ports = [session.local_addr().unwrap(), user.local_addr().unwrap()].map(|end| end.port());
    let mut command = command(lab.node1(), &["tail", "-i", "eth0"]);
    command
        .stdin(Stdio::null())
        .stdout(output(&session))
        .stderr(output(&session));
    let child = command.spawn().unwrap();
    let said = read_until(&mut user, &["--own-session shows it\n", "watching"]);
    assert!(said.contains(&format!(":{} and ", ports[0])), "{said}");
    let wire = Raw::open(lab.node2(), "eth0");
    wire.send(&overlay(VNI, &redis_command()));
    let mut said = read_until(&mut user, &["HGETALL"]);
    // Were its own packets shown, each line would be the cause of the next.
    std::thread::sleep(Duration::from_secs(1));
    wire.send(&overlay(VNI, &redis_command()));
    said += &read_until(&mut user, &["HGETALL"]);
    let own = format!(":{}", ports[1]);
    assert!(!said.contains(&own), "{said}");
    assert!(said.lines().count() <= 3, "{said}");
    end(child);
}

#[test]
fn the_session_of_ssh_is_found_behind_a_program_that_hides_it_and_can_be_shown() {
    let lab = super::quiet();
    let (mut session, mut user) = connection(&lab);
    let ends = (session.local_addr().unwrap(), user.local_addr().unwrap());
    let value = format!(
        "{} {} {} {}",
        ends.1.ip(),
        ends.1.port(),
        ends.0.ip(),
        ends.0.port()
    );
    for show in [false, true] {
        // As sudo does: the variable is the shell's, and not the command's.
        let arguments = ["tail", "-i", "eth0", "--own-session"];
        let arguments = &arguments[..if show { 4 } else { 3 }];
        let mut shell = lab.node1().command("sh").unwrap();
        let script = "env -u SSH_CONNECTION \"$0\" \"$@\" & trap 'kill $!' TERM; wait $!; wait $!";
        shell.arg("-c").arg(script).arg(program()).args(arguments);
        shell.env("SSH_CONNECTION", &value);
        shell
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = shell.spawn().unwrap();
        let mut errors = child.stderr.take().unwrap();
        let mut said = String::new();
        while !said.contains("watching") || !(show || said.contains("--own-session shows it\n")) {
            let mut byte = [0];
            assert_eq!(errors.read(&mut byte).unwrap(), 1, "{said}");
            said.push(byte[0].into());
        }
        session
            .write_all(b"GET /session HTTP/1.1\r\nHost: own\r\n\r\n")
            .unwrap();
        read_until(&mut user, &["own"]);
        Raw::open(lab.node2(), "eth0").send(&overlay(VNI, &redis_command()));
        let mut out = child.stdout.take().unwrap();
        let mut printed = String::new();
        while !printed.contains("HGETALL") {
            let mut byte = [0];
            assert_eq!(out.read(&mut byte).unwrap(), 1, "{printed}");
            printed.push(byte[0].into());
        }
        assert_eq!(printed.contains("GET /session"), show, "{printed}");
        end(child);
    }
}
